//! Calls whose client hears of them before their result.

use std::fmt::Write;
use std::fs;

use serde_json::{Value, json};

use crate::harness::{Act, Conf, Connection, Events, Gate, Nginx, Request, Session, Upstream, call, request, response};

const TOOL: &str = "mcp_tool work { description d; pass POST http://UPSTREAM/work; }";

/// The head of an answer in events.
fn head(content_type: &str, framing: &str) -> Act {
    Act::Send(format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n{framing}\r\n\r\n").into_bytes())
}

fn send(bytes: &str) -> Act {
    Act::Send(bytes.as_bytes().to_vec())
}

fn chunk(bytes: &str) -> Act {
    send(&format!("{:x}\r\n{bytes}\r\n", bytes.len()))
}

/// An upstream that says two things, the second one and its result only when the gate is open.
fn two_events(gate: &Gate) -> Upstream {
    Upstream::answering(vec![
        head("text/event-stream", "Transfer-Encoding: chunked"),
        chunk("data: {\"progress\":1,\"total\":2,\"message\":\"half\"}\n\n"),
        Act::Await(gate.clone()),
        chunk("data: {\"progress\":2,\"total\":2}\n\nevent: result\ndata: {\"do"),
        chunk("ne\":true}\n\n"),
        chunk(""),
    ])
}

/// A call that wants to hear how far it is.
fn watched(session: Option<&Session>, token: Value) -> Request {
    let params = json!({"name": "work", "arguments": {}, "_meta": {"progressToken": token}});
    match session {
        Some(session) => session.request(1, "tools/call", params),
        None => request(1, "tools/call", params),
    }
}

fn nginx(upstream: &Upstream) -> Nginx {
    Conf::location(TOOL).with("UPSTREAM", upstream).start()
}

/// The connection can be used for another request.
fn go_on(mut connection: Connection) {
    let list = connection.exchange(&request(2, "tools/list", json!({})));
    assert_eq!(list.result()["tools"][0]["name"], "work");
}

#[test]
fn events_reach_the_client_as_they_come() {
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"] {
        let gate = Gate::default();
        let upstream = two_events(&gate);
        let nginx = nginx(&upstream);
        let session = (version != "2026-07-28").then(|| Session::open(&nginx, version));
        let mut events = Events::open(nginx.connect(), &watched(session.as_ref(), json!("t")));
        let mut half = json!({"progressToken": "t", "progress": 1, "total": 2});
        if version > "2024-11-05" {
            half["message"] = json!("half");
        }
        assert_eq!(events.notification("notifications/progress"), half);
        gate.open();
        assert_eq!(
            events.notification("notifications/progress"),
            json!({"progressToken": "t", "progress": 2, "total": 2})
        );
        let (result, connection) = events.result();
        let structured = result.get("structuredContent").cloned();
        assert_eq!(structured, (version >= "2025-06-18").then(|| json!({"done": true})));
        assert_eq!(result.get("resultType").is_some(), version == "2026-07-28");
        go_on(connection);
    }
}

#[test]
fn lines_are_events_too_and_the_last_one_is_the_result() {
    let gate = Gate::default();
    let upstream = Upstream::answering(vec![
        head("application/x-ndjson", "Connection: close"),
        send("{\"progress\":1}\n"),
        Act::Await(gate.clone()),
        send("{\"ok\":1}"),
        Act::Close,
    ]);
    let nginx = nginx(&upstream);
    let mut events = Events::open(nginx.connect(), &watched(None, json!(7)));
    assert_eq!(events.notification("notifications/progress"), json!({"progressToken": 7, "progress": 1}));
    gate.open();
    // Without its line break it is known to be whole only at the end.
    assert_eq!(events.notification("notifications/progress")["message"], "{\"ok\":1}");
    assert_eq!(events.result().0["structuredContent"], json!({"ok": 1}));
}

#[test]
fn who_wants_to_hear_nothing_gets_the_result_alone() {
    let gate = Gate::default();
    gate.open();
    let upstream = two_events(&gate);
    let nginx = nginx(&upstream);
    let mut requests = vec![call("work", json!({})), watched(None, json!(1)).header("Accept", "application/json")];
    let session = Session::open(&nginx, "2025-03-26");
    requests.push(session.call("work", json!({})));
    for request in requests {
        assert_eq!(nginx.send(&request).success()["content"][0]["text"], "{\"done\":true}");
    }
    let call = |id: i32, name: &str| {
        let params = json!({"name": name, "arguments": {}, "_meta": {"progressToken": id}});
        json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params})
    };
    let batch = json!([call(1, "work"), call(2, "work")]).to_string();
    let replies = nginx.send(&session.carry(Request::post(batch))).json();
    for (place, id) in [(0, 1), (1, 2)] {
        assert_eq!(replies[place]["id"], id);
        assert_eq!(replies[place]["result"]["content"][0]["text"], "{\"done\":true}");
    }
}

#[test]
fn log_messages_reach_who_asked_for_their_level() {
    let mut body = String::new();
    for level in ["debug", "info", "warning", "error"] {
        write!(body, "event: log\ndata: {{\"level\":\"{level}\",\"data\":\"{level}!\"}}\n\n").unwrap();
    }
    let upstream = Upstream::answering(response(200, "text/event-stream", format!("{body}data: done\n\n")));
    let nginx = nginx(&upstream);
    let heard = |request: &Request| {
        let mut events = Events::open(nginx.connect(), request);
        let mut heard = Vec::new();
        loop {
            let message = events.message();
            match message["method"].as_str() {
                Some(method) => {
                    assert_eq!(method, "notifications/message");
                    heard.push(message["params"]["data"].as_str().unwrap().to_owned());
                }
                None => return heard.join(" "),
            }
        }
    };
    let meta = json!({"io.modelcontextprotocol/logLevel": "warning"});
    let stateless = request(1, "tools/call", json!({"name": "work", "arguments": {}, "_meta": meta}));
    assert_eq!(heard(&stateless), "warning! error!");
    assert_eq!(nginx.send(&call("work", json!({}))).success()["content"][0]["text"], "done");

    let session = Session::open(&nginx, "2025-11-25");
    assert_eq!(heard(&session.call("work", json!({}))), "info! warning! error!");
    for (level, expected) in [("debug", "debug! info! warning! error!"), ("error", "error!")] {
        let set = session.request(1, "logging/setLevel", json!({"level": level}));
        assert_eq!(nginx.send(&set).result(), json!({}));
        // Every worker knows it.
        for _ in 0..8 {
            assert_eq!(heard(&session.call("work", json!({}))), expected);
        }
    }
}

#[test]
fn a_slow_upstream_does_not_leave_the_client_in_doubt() {
    let gate = Gate::default();
    let upstream = Upstream::answering([vec![Act::Await(gate.clone())], response(200, "text/plain", "done")].concat());
    let nginx = Conf::location(TOOL).server("mcp_heartbeat 20ms;").with("UPSTREAM", &upstream).start();
    let mut events = Events::open(nginx.connect(), &watched(None, json!(1)));
    let mut last = 0.0;
    for _ in 0..3 {
        let progress = events.notification("notifications/progress")["progress"].as_f64().unwrap();
        assert!(progress > last);
        last = progress;
    }
    gate.open();
    let connection = loop {
        let message = events.message();
        if message.get("result").is_some() {
            assert_eq!(message["result"]["content"][0]["text"], "done");
            break events;
        }
    };
    drop(connection);
}

#[test]
fn what_goes_wrong_ends_the_stream_as_a_result() {
    let event = "data: {\"progress\":1}\n\n";
    for (acts, expected) in [
        (vec![head("text/event-stream", "Transfer-Encoding: chunked"), chunk(event), Act::Close], "broke off"),
        (vec![head("text/event-stream", "Content-Length: 100"), send(event), Act::Reset], "broke off"),
        (
            vec![
                head("text/event-stream", "Connection: close"),
                send(event),
                send("event: error\ndata: no luck\n\n"),
                Act::Close,
            ],
            "no luck",
        ),
        (
            vec![
                head("text/event-stream", "Connection: close"),
                send(event),
                send(&"data: 0123456789\n".repeat(200)),
                Act::AwaitClose(Gate::default()),
            ],
            "1024",
        ),
        (
            vec![head("text/event-stream", "Connection: close"), send(event), Act::AwaitClose(Gate::default())],
            "in time",
        ),
    ] {
        let upstream = Upstream::answering(acts);
        let nginx = Conf::location(TOOL)
            .server("mcp_max_result_size 1k; proxy_read_timeout 300ms;")
            .with("UPSTREAM", &upstream)
            .start();
        let mut events = Events::open(nginx.connect(), &watched(None, json!(1)));
        assert_eq!(events.notification("notifications/progress")["progress"], 1);
        let (result, _) = events.result();
        assert_eq!(result["isError"], true, "{result}");
        let text = result["content"][0]["text"].as_str().unwrap();
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn a_failure_after_a_heartbeat_is_a_result_too() {
    for acts in [vec![Act::Close], response(503, "text/plain", "busy"), response(200, "image/png", "x")] {
        let gate = Gate::default();
        let upstream = Upstream::answering([vec![Act::Await(gate.clone())], acts.clone()].concat());
        let nginx = Conf::location(TOOL).server("mcp_heartbeat 20ms;").with("UPSTREAM", &upstream).start();
        let mut events = Events::open(nginx.connect(), &watched(None, json!(1)));
        events.notification("notifications/progress");
        gate.open();
        let result = loop {
            let message = events.message();
            if message.get("result").is_some() {
                break message;
            }
        };
        assert_eq!(events.next(), None);
        let is_error = result["result"]["isError"].as_bool().unwrap();
        assert_eq!(
            is_error,
            acts.len() == 1 && !matches!(&acts[0], Act::Send(bytes) if bytes.starts_with(b"HTTP/1.1 200"))
        );
    }
}

#[test]
fn a_client_that_leaves_its_stream_takes_its_call_with_it() {
    let gate = Gate::default();
    let upstream = Upstream::answering(vec![
        head("text/event-stream", "Connection: close"),
        send("data: {\"progress\":1}\n\n"),
        Act::AwaitClose(gate.clone()),
    ]);
    let nginx = nginx(&upstream);
    let mut events = Events::open(nginx.connect(), &watched(None, json!(1)));
    events.notification("notifications/progress");
    drop(events);
    gate.wait();
}

/// The most memory that the workers have had, in KB.
fn peak(nginx: &Nginx) -> usize {
    let mut peak = 0;
    for pid in nginx.workers() {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
        peak = peak.max(line.split_whitespace().nth(1).unwrap().parse().unwrap());
    }
    peak
}

#[test]
fn a_client_that_reads_slowly_slows_its_upstream_down() {
    const EVENTS: usize = 40_000;
    let mut body = String::new();
    for number in 1..=EVENTS {
        write!(body, "data: {{\"progress\":{number},\"message\":\"{}\"}}\n\n", "x".repeat(900)).unwrap();
    }
    body += "event: result\ndata: done\n\n";
    let upstream = Upstream::answering(vec![head("text/event-stream", "Connection: close"), send(&body), Act::Close]);
    let nginx = nginx(&upstream);
    let mut events = Events::open(nginx.connect(), &watched(None, json!(1)));
    let before = peak(&nginx);
    // Nothing was read but the first part: whatever nginx took meanwhile, it took from the upstream without a reader.
    for number in 1..=EVENTS {
        assert_eq!(events.notification("notifications/progress")["progress"], number);
    }
    assert_eq!(events.result().0["content"][0]["text"], "done");
    let grown = peak(&nginx) - before;
    // AddressSanitizer keeps some of what was freed, see scripts/memory: less than all of this.
    let limit = if std::env::var_os("ASAN_OPTIONS").is_some() { 32 << 10 } else { 4096 };
    assert!(grown < limit, "a worker has grown by {grown} KB");
}
