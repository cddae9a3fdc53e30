//! Reloads and restarts under load lose no call that nginx itself would not have lost.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use serde_json::json;

use crate::harness::{
    Act, Conf, Connection, Gate, Nginx, Port, Request, Session, Upstream, call, json as answer, request,
};

/// A client that calls in a loop on a kept connection. As every client of HTTP does, it takes a new one if the old one was
/// closed before anything of a response came.
struct Caller {
    connection: Option<Connection>,
    reconnected: usize,
}

impl Caller {
    fn exchange(&mut self, nginx: &Nginx, request: &Request) -> crate::harness::Response {
        if let Some(mut connection) = self.connection.take() {
            if connection.try_send(&request.bytes()) {
                if let Some(response) = connection.try_receive_for("POST") {
                    self.connection = connection.is_kept().then_some(connection);
                    return response;
                }
            }
            self.reconnected += 1;
        }
        let mut connection = nginx.connect();
        let response = connection.exchange(request);
        self.connection = connection.is_kept().then_some(connection);
        response
    }
}

/// Runs `during` while clients call; gives how many calls were answered.
fn under_load(nginx: &Nginx, during: impl FnOnce(), check: impl Fn(&crate::harness::Response, usize) + Sync) -> usize {
    let over = AtomicBool::new(false);
    let calls = AtomicUsize::new(0);
    let session = Session::open(nginx, "2025-06-18");
    thread::scope(|scope| {
        let clients: Vec<_> = (0..4)
            .map(|client| {
                let (over, calls, check, session) = (&over, &calls, &check, &session);
                scope.spawn(move || {
                    let mut caller = Caller { connection: None, reconnected: 0 };
                    while !over.load(Ordering::Relaxed) {
                        let number = calls.fetch_add(1, Ordering::Relaxed);
                        let arguments = json!({"number": number});
                        let request = match (client + number) % 3 {
                            0 => session.call("t", arguments),
                            1 => request(1, "tools/list", json!({})),
                            _ => call("t", arguments),
                        };
                        check(&caller.exchange(nginx, &request), number);
                    }
                })
            })
            .collect();
        during();
        over.store(true, Ordering::Relaxed);
        for client in clients {
            client.join().unwrap();
        }
    });
    calls.into_inner()
}

/// An upstream that answers with the number that it was asked for.
fn counting() -> Upstream {
    Upstream::new(|request| answer(&json!({"target": request.target()})))
}

fn conf(upstream: &Upstream) -> Conf {
    Conf::location(
        "mcp_tool t { description d; pass GET \"http://UPSTREAM/{number}\"; argument number integer required; }",
    )
    .with("UPSTREAM", upstream)
}

fn is_answered(response: &crate::harness::Response, number: usize) {
    let result = response.success();
    match result["structuredContent"]["target"].as_str() {
        Some(target) => assert_eq!(target, format!("/{number}")),
        None if result["tools"].is_array() => assert_eq!(result["tools"][0]["name"], "t"),
        None => assert!(result["content"][0]["text"].as_str().unwrap().contains(&number.to_string()), "{result}"),
    }
}

#[test]
fn fifty_reloads_lose_no_call() {
    let upstream = counting();
    let nginx = conf(&upstream).start();
    let calls = under_load(&nginx, || (0..50).for_each(|_| nginx.reload()), is_answered);
    assert!(calls > 50, "only {calls} calls");
}

#[test]
fn a_call_that_is_under_way_ends_in_the_worker_that_began_it() {
    let gate = Gate::default();
    let upstream = Upstream::answering([vec![Act::Await(gate.clone())], answer(&json!({"a": 1}))].concat());
    let conf = Conf::location("mcp_tool t { pass GET http://UPSTREAM/x; }").with("UPSTREAM", &upstream);
    let nginx = conf.start();
    let mut client = nginx.connect();
    client.send(&call("t", json!({})).bytes());
    upstream.await_requests(1);
    let position = nginx.begin_reload();
    gate.open();
    assert_eq!(client.receive().success()["structuredContent"], json!({"a": 1}));
    assert!(!client.is_kept());
    nginx.log.await_lines(position, 2, "exited with code 0");
}

#[test]
fn a_batch_that_is_under_way_ends_in_the_worker_that_began_it() {
    let gate = Gate::default();
    let upstream = Upstream::answering([vec![Act::Await(gate.clone())], answer(&json!({"a": 1}))].concat());
    let conf = Conf::location("mcp_tool t { pass GET http://UPSTREAM/x; }").with("UPSTREAM", &upstream);
    let nginx = conf.start();
    let session = Session::open(&nginx, "2025-03-26");
    let message =
        |id: i32| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "t", "arguments": {}}});
    let mut client = nginx.connect();
    client.send(&session.carry(Request::post(json!([message(1), message(2)]).to_string())).bytes());
    upstream.await_requests(1);
    let position = nginx.begin_reload();
    gate.open();
    let replies = client.receive().json();
    assert_eq!(replies[1]["result"]["isError"], false, "{replies}");
    nginx.log.await_lines(position, 2, "exited with code 0");
}

#[test]
fn a_reload_changes_the_tools() {
    let upstream = counting();
    let nginx = conf(&upstream).start();
    let tools = |nginx: &Nginx| nginx.send(&request(1, "tools/list", json!({}))).result()["tools"][0]["name"].clone();
    assert_eq!(tools(&nginx), "t");
    nginx.reload_with(&Conf::location("mcp_tool other { pass GET http://UPSTREAM/x; }").with("UPSTREAM", &upstream));
    assert_eq!(tools(&nginx), "other");
    assert_eq!(nginx.send(&call("t", json!({"number": 1}))).error_code(), -32602);
    nginx.send(&call("other", json!({}))).success();
}

#[test]
fn a_wrong_configuration_leaves_the_old_one_running() {
    let upstream = counting();
    let mut nginx = conf(&upstream).start();
    nginx.expect_in_log("\"mcp_tool\"");
    nginx.reload_in_vain_with(&Conf::location("mcp_tool t { }"));
    nginx.send(&call("t", json!({"number": 1}))).success();
    nginx.reload_with(&conf(&upstream));
    nginx.send(&call("t", json!({"number": 2}))).success();
}

#[test]
fn an_upstream_that_restarts_fails_calls_cleanly_and_serves_on() {
    let port = Port::reserve();
    let conf = Conf::location(
        "mcp_tool t { description d; pass GET \"http://backend/{number}\"; argument number integer required; }",
    )
    .http("upstream backend { server UPSTREAM max_fails=0; keepalive 8; }\n")
    .with("UPSTREAM", &port);
    let nginx = conf.start();
    let start = || {
        Upstream::on(std::net::TcpListener::bind(port.address()).unwrap(), |request| {
            answer(&json!({"target": request.target()}))
        })
    };
    let mut upstream = start();
    let restarts = || {
        for _ in 0..20 {
            let served = upstream.requests().len();
            upstream.await_requests(served + 5);
            drop(std::mem::replace(&mut upstream, Upstream::answering(Vec::new())));
            upstream = start();
        }
    };
    // While the upstream is away a call fails, but it is always answered, and never with another call's answer.
    let calls = under_load(&nginx, restarts, |response, number| {
        let result = response.result();
        if result["isError"] != true {
            is_answered(response, number);
        }
    });
    assert!(calls > 100, "only {calls} calls");
    nginx.send(&call("t", json!({"number": 1}))).success();
}

#[test]
fn nginx_stops_while_calls_wait() {
    let upstream = Upstream::answering(vec![Act::AwaitClose(Gate::default())]);
    let conf = Conf::location("mcp_tool t { pass GET http://UPSTREAM/x; }").with("UPSTREAM", &upstream);
    let mut nginx = conf.start();
    let mut client = nginx.connect();
    client.send(&call("t", json!({})).bytes());
    upstream.await_requests(1);
    nginx.stop_at_once();
    client.await_close();
}
