//! Calls of a server behind: the headers that it wants, how much it may ask at a time, and what it is told when nobody waits for its
//! answer any more.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::asked::{ask, done, event};
use super::{front, legacy, message, modern, result, shown, text_result, tool};
use crate::harness::{Act, Events, Gate, Received, Request, Session, Upstream, call, response};

/// A server of 2025-11-25 whose calls never end, and what it opens: once it is told that a call of this id is cancelled, and once nginx
/// has closed the call's connection.
fn endless(cancelled: &Gate, closed: &Gate) -> Upstream {
    let (cancelled, closed) = (cancelled.clone(), closed.clone());
    let called = Mutex::new(Vec::new());
    Upstream::new(move |received| {
        let message = message(received);
        match message["method"].as_str() {
            Some("tools/call") => {
                called.lock().unwrap().push(message["id"].clone());
                let head =
                    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n: hello\n\n";
                vec![Act::Send(head.to_vec()), Act::AwaitClose(closed.clone())]
            }
            Some("notifications/cancelled") => {
                assert_eq!(received.header("mcp-session-id").as_deref(), Some("s"));
                assert_eq!(message.get("id"), None);
                assert!(called.lock().unwrap().contains(&message["params"]["requestId"]), "{message}");
                cancelled.open();
                response(202, "text/plain", "")
            }
            _ => legacy(received, "s", &[tool("t")]).unwrap(),
        }
    })
}

fn await_call(server: &Upstream) {
    let mut seen = server.requests();
    while !seen.iter().any(|received| message(received)["method"] == "tools/call") {
        seen = server.await_requests(seen.len() + 1);
    }
}

#[test]
fn a_server_with_sessions_is_told_that_a_client_has_left() {
    for makes_batch in [false, true] {
        let (cancelled, closed) = (Gate::default(), Gate::default());
        let server = endless(&cancelled, &closed);
        let nginx = front(&server, "").start();
        let session = Session::open(&nginx, "2025-03-26");
        let request = match makes_batch {
            false => call("t", json!({})),
            true => {
                let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "t"}});
                session.carry(Request::post(json!([call]).to_string()))
            }
        };
        let mut client = nginx.connect();
        client.send(&request.bytes());
        await_call(&server);
        drop(client);
        cancelled.wait();
        closed.wait();
    }
}

#[test]
fn a_server_with_sessions_is_told_that_a_call_is_cancelled() {
    let (cancelled, closed) = (Gate::default(), Gate::default());
    let server = endless(&cancelled, &closed);
    let nginx = front(&server, "").start();
    let session = Session::open(&nginx, "2025-11-25");
    let mut client = nginx.connect();
    client.send(&session.request("a", "tools/call", json!({"name": "t"})).bytes());
    await_call(&server);
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "a"}});
    assert_eq!(nginx.send(&session.carry(Request::post(cancel.to_string()))).status, 202);
    assert_eq!(client.receive().status, 202);
    cancelled.wait();
    closed.wait();
}

#[test]
fn a_server_with_sessions_is_told_that_it_was_too_slow() {
    let (cancelled, closed) = (Gate::default(), Gate::default());
    let server = endless(&cancelled, &closed);
    let nginx = front(&server, "proxy_read_timeout 200ms;").start();
    let failed = nginx.send(&call("t", json!({}))).result();
    assert_eq!(shown(&failed), ("\"behind\": its backend did not answer in time", true));
    cancelled.wait();
}

/// A tool two of whose arguments are repeated in headers.
fn mirrored() -> Value {
    let schema = json!({"type": "object", "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "at": {"type": "object", "properties": {"row": {"type": "integer", "x-mcp-header": "Row"}}},
        "plain": {"type": "string"},
    }});
    json!({"name": "t", "inputSchema": schema})
}

#[test]
fn arguments_that_a_server_wants_in_headers_are_repeated_there() {
    let server = Upstream::new(|received: &Received| {
        modern(received, &[mirrored()]).unwrap_or_else(|| {
            let lines =
                ["mcp-method", "mcp-name", "mcp-param-region", "mcp-param-row"].map(|name| received.header(name));
            result(received, &text_result(&format!("{lines:?}")))
        })
    });
    let nginx = front(&server, "").start();
    let seen = |region: Option<&str>, row: Option<&str>| {
        let shown = |line: Option<&str>| line.map(str::to_owned);
        format!("{:?}", [Some("tools/call".to_owned()), Some("t".to_owned()), shown(region), shown(row)])
    };
    for (arguments, [region, row]) in [
        (json!({"region": "eu", "at": {"row": 7}, "plain": "x"}), [Some("eu"), Some("7")]),
        (json!({"region": "Zürich\r\nX: y"}), [Some("=?base64?WsO8cmljaA0KWDogeQ==?="), None]),
        (json!({"region": null}), [None, None]),
        (json!({}), [None, None]),
    ] {
        let add = |request: Request, name: &str, value: Option<&str>| match value {
            Some(value) => request.header(name, value),
            None => request,
        };
        let request = add(call("t", arguments.clone()), "Mcp-Param-Region", region);
        let request = add(request, "Mcp-Param-Row", row);
        assert_eq!(shown(&nginx.send(&request).result()), (seen(region, row).as_str(), false), "{arguments}");
        // Of a client with a session nobody wants them.
        let session = Session::open(&nginx, "2025-06-18");
        let result = nginx.send(&session.call("t", arguments)).result();
        assert_eq!(shown(&result).0, seen(region, row));
    }
    // A client of the same revision must send them, too.
    for request in [
        call("t", json!({"region": "eu"})),
        call("t", json!({"region": "eu"})).header("Mcp-Param-Region", "us"),
        call("t", json!({})).header("Mcp-Param-Row", "1"),
    ] {
        let refused = nginx.send(&request);
        assert_eq!((refused.status, refused.error_code()), (400, -32020));
    }
}

#[test]
fn a_flood_of_questions_gets_so_many_replies_at_a_time() {
    const MOST: usize = 32;
    let (heard, more, last) = (Gate::default(), Gate::default(), Gate::default());
    let replies: Vec<[Gate; 2]> = (0..MOST).map(|_| [Gate::default(), Gate::default()]).collect();
    let come = Arc::new(Mutex::new(0));
    let server = Upstream::new({
        let (heard, more, last, replies) = (heard.clone(), more.clone(), last.clone(), replies.clone());
        move |received| {
            if let Some(acts) = legacy(received, "s", &[tool("t")]) {
                return acts;
            }
            let message = message(received);
            if message["method"] != "tools/call" {
                let empty = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
                if message["id"] == "last" {
                    last.open();
                    return vec![Act::Send(empty.to_vec()), Act::Close];
                }
                let mut come = come.lock().unwrap();
                let [has_come, is_closed] = replies.get(*come).expect("no more replies are under way");
                *come += 1;
                has_come.open();
                return vec![Act::Await(more.clone()), Act::Send(empty.to_vec()), Act::AwaitClose(is_closed.clone())];
            }
            let progress = json!({"progressToken": "p", "progress": 1});
            let ping = |id: &str| event(&json!({"jsonrpc": "2.0", "id": id, "method": "ping"}));
            let question = |n: usize| match n % 2 {
                0 => ping(&n.to_string()),
                _ => ask(&n.to_string(), &json!({"method": "roots/list"})),
            };
            let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
            let mut acts = vec![Act::Send(head.to_vec())];
            acts.extend((0..MOST).map(question));
            acts.extend(replies.iter().map(|[has_come, _]| Act::Await(has_come.clone())));
            acts.extend((0..MOST).map(question));
            acts.push(event(&json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": progress})));
            acts.extend([Act::Await(heard.clone())]);
            acts.extend(replies.iter().map(|[_, is_closed]| Act::Await(is_closed.clone())));
            acts.extend([ping("last"), Act::Await(last.clone()), done(&message), Act::Close]);
            acts
        }
    });
    let nginx = front(&server, "").start();
    let session = Session::open(&nginx, "2025-11-25");
    let params = json!({"name": "t", "arguments": {}, "_meta": {"progressToken": "p"}});
    let mut events = Events::open(nginx.connect(), &session.request(1, "tools/call", params));
    events.notification("notifications/progress");
    more.open();
    heard.open();
    assert_eq!(shown(&events.result().0), ("done", false));
    let warned = nginx.log.await_lines(0, 1, "more than 32 things at a time");
    assert_eq!(warned.len(), 1, "{warned:#?}");
}
