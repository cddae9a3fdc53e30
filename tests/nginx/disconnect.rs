//! Clients that leave.

use serde_json::json;

use crate::harness::{Act, Conf, Gate, Nginx, Request, Session, Upstream, call, json as answer, request};

const TOOL: &str = "mcp_tool t { description d; pass POST http://UPSTREAM/x; argument text string; }";

/// An nginx whose upstream waits to be left.
fn left(acts: &[Act], directives: &str) -> (Gate, Upstream, Nginx) {
    let gate = Gate::default();
    let upstream = Upstream::answering([acts, &[Act::AwaitClose(gate.clone())]].concat());
    let nginx = Conf::location(TOOL).server(directives).with("UPSTREAM", &upstream).start();
    (gate, upstream, nginx)
}

#[test]
fn a_client_that_leaves_takes_its_call_with_it() {
    for directives in ["", "proxy_buffering off;"] {
        let (gate, upstream, nginx) = left(&[], directives);
        let mut client = nginx.connect();
        client.send(&call("t", json!({})).bytes());
        upstream.await_requests(1);
        drop(client);
        gate.wait();
    }
}

#[test]
fn a_client_that_resets_takes_its_call_with_it() {
    let (gate, upstream, nginx) = left(&[], "");
    let mut client = nginx.connect();
    client.send(&call("t", json!({})).bytes());
    upstream.await_requests(1);
    client.reset();
    gate.wait();
}

#[test]
fn a_client_that_leaves_inside_the_answer_takes_its_call_with_it() {
    let begun = Act::Send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\nbegun".to_vec());
    for directives in ["", "proxy_buffering off;"] {
        let (gate, upstream, nginx) = left(std::slice::from_ref(&begun), directives);
        let mut client = nginx.connect();
        client.send(&call("t", json!({})).bytes());
        upstream.await_requests(1);
        drop(client);
        gate.wait();
    }
}

#[test]
fn a_client_that_leaves_a_batch_takes_its_call_with_it() {
    let (gate, upstream, nginx) = left(&[], "");
    let session = Session::open(&nginx, "2025-03-26");
    let call =
        |id: i32| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "t", "arguments": {}}});
    let mut client = nginx.connect();
    client.send(&session.carry(Request::post(json!([call(1), call(2), call(3)]).to_string())).bytes());
    upstream.await_requests(1);
    drop(client);
    gate.wait();
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn a_client_that_leaves_is_logged_with_what_it_called() {
    let gate = Gate::default();
    let upstream = Upstream::answering(vec![Act::AwaitClose(gate.clone())]);
    let nginx = Conf::location(&format!("{TOOL}\naccess_log /dev/stderr left;"))
        .http("log_format left 'left $status $mcp_method $mcp_tool [$mcp_status]';\n")
        .with("UPSTREAM", &upstream)
        .start();
    let mut client = nginx.connect();
    client.send(&call("t", json!({})).bytes());
    upstream.await_requests(1);
    drop(client);
    nginx.log.await_lines(0, 1, "left 499 tools/call t [-]");
}

#[test]
fn an_abort_can_be_ignored_as_in_any_location() {
    let gate = Gate::default();
    let sent = vec![Act::Await(gate.clone())];
    let upstream = Upstream::answering([sent, answer(&json!({"a": 1}))].concat());
    let nginx = Conf::location(&format!("{TOOL}\nproxy_ignore_client_abort on;\naccess_log /dev/stderr ignored;"))
        .http("log_format ignored 'ignored $mcp_tool $mcp_status $mcp_upstream_status';\n")
        .with("UPSTREAM", &upstream)
        .start();
    let mut client = nginx.connect();
    client.send(&call("t", json!({})).bytes());
    upstream.await_requests(1);
    drop(client);
    gate.open();
    nginx.log.await_lines(0, 1, "ignored t ok 200");
}

#[test]
fn clients_that_reset_anywhere_do_no_harm() {
    let upstream = Upstream::new(|request| {
        let body = "x".repeat(50_000);
        let half = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 50000\r\n\r\n{}",
            &body[..request.bytes.len()]
        );
        vec![Act::Send(half.clone().into_bytes()), Act::Send(body.as_bytes()[request.bytes.len()..].to_vec())]
    });
    let conf =
        Conf::location(TOOL).server("add_header X-Worker $pid always;").listen("reuseport").with("UPSTREAM", &upstream);
    let nginx = conf.start();
    let list = request(1, "tools/list", json!({}));
    let workers = |nginx: &Nginx| {
        let mut pids: Vec<_> = nginx
            .send_to_every_worker(&list)
            .iter()
            .map(|reply| reply.header("x-worker").unwrap().to_owned())
            .collect();
        pids.sort();
        pids.dedup();
        pids
    };
    let before = workers(&nginx);
    let session = Session::open(&nginx, "2025-03-26");
    let message = |id: i32| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "t", "arguments": {"text": "x".repeat(500)}}});
    let batch = session.carry(Request::post(json!([message(1), message(2)]).to_string())).bytes();
    let single = call("t", json!({"text": "x".repeat(500)})).bytes();
    for round in 0..50 {
        let bytes = if round % 2 == 0 { &single } else { &batch };
        let mut client = nginx.connect();
        // From the first byte to the last, and then some of the answer.
        let end = (bytes.len() * (round + 1) / 40).min(bytes.len());
        client.send(&bytes[..end]);
        if round % 3 == 0 { client.reset() } else { drop(client) }
    }
    assert_eq!(workers(&nginx), before);
    nginx.send(&call("t", json!({}))).success();
}
