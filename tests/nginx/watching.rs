//! Channels of Nchan in which whoever watches a tool is told of its calls.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{
    Act, Conf, Connection, DEADLINE, Gate, Nginx, Redis, Request, Response, Session, Upstream, all_refused, call,
    response, taken,
};

const WATCH: &str = "location ~ ^/watch/(?<channel>.+)$ {
    nchan_subscriber eventsource; nchan_channel_id $channel; nchan_subscriber_first_message oldest;
    nchan_eventsource_ping_interval 0;
}";

fn upstream() -> Upstream {
    Upstream::new(|request| match request.target().split('?').next().unwrap() {
        "/broken" => response(500, "text/plain", "broken"),
        "/events" => response(200, "text/event-stream", "data: 1\n\ndata: {\"last\":true}\n\n"),
        "/large" => response(200, "application/json", format!("\"{}\"", "x".repeat(3 << 20))),
        _ => response(200, "application/json", r#"{"name":"bolt"}"#),
    })
}

/// A stream of what is published in a channel, from the oldest message that is kept.
struct Channel {
    connection: Connection,
    head: Response,
    text: String,
}

impl Channel {
    fn open(nginx: &Nginx, name: &str) -> Channel {
        Channel::try_open(nginx, name).unwrap_or_else(|head| panic!("{head:?}"))
    }

    fn try_open(nginx: &Nginx, name: &str) -> Result<Channel, Response> {
        let mut connection = nginx.connect();
        let get = Request::new("GET").to(&format!("/watch/{name}")).header("Accept", "text/event-stream");
        connection.send(&get.bytes());
        let head = connection.receive_head();
        if head.status == 200 { Ok(Channel { connection, head, text: String::new() }) } else { Err(head) }
    }

    /// The next message.
    fn next(&mut self) -> Value {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let data = event.lines().find_map(|line| line.strip_prefix("data: ")).map(str::to_owned);
                self.text = rest.to_owned();
                if let Some(data) = data {
                    return serde_json::from_str(&data).expect("a message");
                }
            } else {
                let part = self.connection.receive_part(&self.head).expect("more of the channel");
                self.text += std::str::from_utf8(&part).unwrap();
            }
        }
    }
}

const TOOLS: &str = "mcp_principal $http_x_user;
mcp_tool get { pass GET http://UPSTREAM/item; argument id integer required; publish calls; }
mcp_tool broken { pass GET http://UPSTREAM/broken; publish calls; }
mcp_tool events { pass GET http://UPSTREAM/events; publish calls; }
mcp_tool unseen { pass GET http://UPSTREAM/item; }";

#[test]
fn whoever_watches_a_tool_is_told_of_each_call() {
    let upstream = upstream();
    let nginx = Conf::location(TOOLS).server(WATCH).with("UPSTREAM", &upstream).start();
    let mut calls = Channel::open(&nginx, "calls");
    let reply = nginx.send(&call("get", json!({"id": 7})).header("X-User", "alice"));
    let told = calls.next();
    assert_eq!(told["result"], reply.result());
    assert_eq!(told["result"]["structuredContent"], json!({"name": "bolt"}));
    assert_eq!(
        [&told["tool"], &told["principal"], &told["client"], &told["status"], &told["arguments"]],
        [&json!("get"), &json!("alice"), &json!("live"), &json!("ok"), &json!({"id": 7})]
    );
    assert!(told["time"].as_str().unwrap().ends_with('Z') && told["milliseconds"].is_u64(), "{told}");
    nginx.send(&call("unseen", json!({})));
    for (request, status, member) in [
        (call("broken", json!({})), "tool_error", "result"),
        (call("get", json!({"id": "x"})), "tool_error", "result"),
        (call("get", json!({"id": 1, "id2": 2})), "tool_error", "result"),
        (call("events", json!({})), "ok", "result"),
    ] {
        nginx.send(&request);
        let told = calls.next();
        assert_eq!((&told["status"], told.get("principal")), (&json!(status), None), "{told}");
        assert!(told[member].is_object(), "{told}");
    }
}

#[test]
fn calls_of_a_batch_and_those_on_a_stream_are_told_too() {
    let upstream = upstream();
    let nginx = Conf::location(TOOLS).server(WATCH).with("UPSTREAM", &upstream).start();
    let session = Session::open(&nginx, "2025-03-26");
    let mut calls = Channel::open(&nginx, "calls");
    let message = |id: i32, tool: &str, arguments: Value| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool, "arguments": arguments}});
    let batch = json!([
        message(1, "get", json!({"id": 1})),
        message(2, "unseen", json!({})),
        message(3, "broken", json!({})),
        message(4, "get", json!({})),
        message(5, "events", json!({})),
    ]);
    let replies = nginx.send(&session.carry(Request::post(batch.to_string()))).json();
    for (index, status) in [(0, "ok"), (2, "tool_error"), (3, "tool_error"), (4, "ok")] {
        let told = calls.next();
        assert_eq!((&told["status"], &told["result"]), (&json!(status), &replies[index]["result"]));
        assert_eq!(told["client"], "live");
    }
    let params = json!({"name": "events", "arguments": {}, "_meta": {"progressToken": "t"}});
    let reply = nginx.send(&session.request(6, "tools/call", params));
    assert_eq!(reply.header("content-type"), Some("text/event-stream"));
    let told = calls.next();
    assert_eq!((&told["status"], &told["result"]["content"][0]["text"]), (&json!("ok"), &json!("{\"last\":true}")));
}

#[test]
fn a_call_that_is_cancelled_has_no_result() {
    let (asked, gone) = (Gate::default(), Gate::default());
    let acts = (asked.clone(), gone.clone());
    let upstream = Upstream::new(move |_| {
        acts.0.open();
        vec![Act::AwaitClose(acts.1.clone())]
    });
    let tool = "mcp_tool wait { pass GET http://UPSTREAM/; publish calls; }";
    let nginx = Conf::location(tool).server(WATCH).with("UPSTREAM", &upstream).start();
    let session = Session::open(&nginx, "2025-11-25");
    let mut connection = nginx.connect();
    connection.send(&session.call("wait", json!({})).bytes());
    asked.wait();
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
    nginx.send(&session.carry(Request::post(cancel.to_string())));
    gone.wait();
    let told = Channel::open(&nginx, "calls").next();
    assert_eq!((&told["status"], told.get("result"), told.get("error")), (&json!("cancelled"), None, None));
}

#[test]
fn the_channel_is_a_text_with_variables() {
    let upstream = upstream();
    let tool = "mcp_tool get { pass GET http://UPSTREAM/item; publish $channel_name; }";
    let map = "map $http_x_user $channel_name { \"\" \"\"; default \"audit_${http_x_user}_$mcp_tool\"; }";
    let nginx = Conf::location(tool).http(map).server(WATCH).with("UPSTREAM", &upstream).start();
    let call = |user: &str| nginx.send(&call("get", json!({})).header("X-User", user)).success();
    // Nobody is told of the first: its channel has no name.
    call("");
    ["alice", "bob", "alice"].iter().for_each(|user| drop(call(user)));
    call(&"x".repeat(2000));
    let mut alice = Channel::open(&nginx, "audit_alice_get");
    (0..2).for_each(|_| assert_eq!(alice.next()["tool"], "get"));
    assert_eq!(Channel::open(&nginx, "audit_bob_get").next()["tool"], "get");
    nginx.log.await_lines(0, 1, "a call was not published: its channel cannot have such a name");
}

#[test]
fn operations_of_a_document_are_watched_as_well() {
    let upstream = upstream();
    let operation = |id: &str| json!({"get": {"operationId": id}});
    let paths = json!({"/a": operation("a"), "/b": operation("b"), "/c": operation("c")});
    let document = json!({"openapi": "3.1.0", "info": {"title": "t", "version": "1"}, "servers": [{"url": format!("http://{upstream}")}], "paths": paths});
    let block = "mcp_openapi d.json { publish all; search on; tool b { publish $mcp_tool; } tool c { name d; } }";
    let nginx = Conf::location(block).server(WATCH).file("d.json", document.to_string()).start();
    for name in ["a", "b", "d"] {
        nginx.send(&call("call_tool", json!({"name": name}))).success();
    }
    let mut all = Channel::open(&nginx, "all");
    // Each worker publishes what it has served.
    let mut told = [all.next()["tool"].to_string(), all.next()["tool"].to_string()];
    told.sort();
    assert_eq!(told, ["\"a\"", "\"d\""]);
    assert_eq!(Channel::open(&nginx, "b").next()["tool"], "b");
}

#[test]
fn a_result_that_is_too_large_for_a_channel_is_left_out() {
    let upstream = upstream();
    let tool = "mcp_tool large { pass GET http://UPSTREAM/large; publish calls; }";
    let nginx = Conf::location(tool).server(WATCH).with("UPSTREAM", &upstream).start();
    nginx.send(&call("large", json!({}))).success();
    let told = Channel::open(&nginx, "calls").next();
    assert_eq!((&told["status"], told.get("result")), (&json!("ok"), None));
    assert!(told["resultBytes"].as_u64().unwrap() > 6 << 20, "{told}");
}

#[test]
fn a_channel_that_takes_nothing_harms_no_call() {
    let upstream = upstream();
    let redis = "upstream redis { nchan_redis_server redis://127.0.0.1:1; }";
    let tool = "mcp_tool get { pass GET http://UPSTREAM/item; publish calls; nchan_redis_pass redis; }";
    let nginx = Conf::location(tool).http(redis).with("UPSTREAM", &upstream).start();
    for _ in 0..100 {
        nginx.send(&call("get", json!({}))).success();
    }
    nginx.log.await_lines(0, 100, "Nchan refused a message (status 503)");
}

#[test]
fn a_channel_may_lie_in_redis() {
    let (upstream, redis) = (upstream(), Redis::start());
    let server = format!("upstream redis {{ nchan_redis_server {}; }}", redis.url());
    let tool = "nchan_redis_pass redis; mcp_tool get { pass GET http://UPSTREAM/item; publish calls; }";
    let watch = WATCH.replace("nchan_subscriber eventsource", "nchan_redis_pass redis; nchan_subscriber eventsource");
    let conf = || Conf::location(tool).http(&server).server(&watch).with("UPSTREAM", &upstream).listen("reuseport");
    let machines = [conf().start(), conf().start()];
    let deadline = Instant::now() + DEADLINE;
    // Nchan has to find Redis first, in each worker.
    for nginx in &machines {
        while !(0..16).all(|_| Channel::try_open(nginx, "probe").is_ok()) {
            assert!(Instant::now() < deadline, "Nchan does not find Redis");
            thread::sleep(Duration::from_millis(20));
        }
    }
    let mut calls = Channel::open(&machines[1], "calls");
    machines[0].send(&call("get", json!({}))).success();
    assert_eq!(calls.next()["tool"], "get");
}

#[test]
fn many_calls_in_all_workers_are_told_while_nginx_reloads() {
    let upstream = upstream();
    let tool = "mcp_tool get { pass GET http://UPSTREAM/item; argument id integer; publish calls; nchan_message_buffer_length 1000; }";
    let nginx = Conf::location(tool).server(WATCH).with("UPSTREAM", &upstream).listen("reuseport").start();
    let mut calls = Channel::open(&nginx, "calls");
    let mut told = Vec::new();
    for number in 0..200 {
        nginx.send(&call("get", json!({"id": number}))).success();
        told.push(calls.next()["arguments"]["id"].as_u64().unwrap());
    }
    assert_eq!(told, (0..200).collect::<Vec<_>>());
    nginx.reload();
    for number in 0..20 {
        nginx.send(&call("get", json!({"id": number}))).success();
    }
    let mut calls = Channel::open(&nginx, "calls");
    // Nobody has waited for the word of each, which comes from two workers.
    let mut ids: Vec<_> = (0..20).map(|_| calls.next()["arguments"]["id"].as_u64().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..20).collect::<Vec<_>>());
}

#[test]
fn wrong_directives_say_what_to_do() {
    let tool =
        |directives: &str| Conf::location(&format!("mcp_tool t {{ pass GET http://127.0.0.1:9/; {directives} }}"));
    all_refused([
        (tool("publish a; publish b; #here\n"), vec!["\"publish\"", "duplicate"]),
        (tool("publish \"\"; #here\n"), vec!["\"publish\"", "must name a channel"]),
        (tool("publish a b; #here\n"), vec!["\"publish\"", "number of arguments"]),
        (tool("publish \"$no_such_variable\";"), vec!["no_such_variable"]),
        (tool("publish a; #here\n").without_nchan(), vec!["\"publish\"", "needs Nchan", "load_module"]),
        (Conf::location("publish a; #here\n"), vec!["\"publish\"", "not allowed here"]),
    ]);
    taken(tool("publish \"audit_$remote_user\"; nchan_message_timeout 1h; nchan_channel_group audit;"));
}
