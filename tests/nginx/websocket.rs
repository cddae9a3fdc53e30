//! WebSocket.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::harness::{
    Act, Conf, Gate, Nginx, PUBLISH, Upstream, WebSocket, changed, handshake, json as answer, session_request,
    stateless_request,
};

const TOOL: &str = "mcp_tool t { description d; pass POST http://UPSTREAM/x; argument text string; }";
/// The first byte of a whole text frame.
const TEXT: u8 = 0x81;

fn upstream() -> Upstream {
    Upstream::answering(answer(&json!({"a": 1})))
}

fn nginx(upstream: &Upstream, directives: &str) -> Nginx {
    Conf::location(&format!("{TOOL}\n{directives}")).with("UPSTREAM", upstream).start()
}

fn call(id: impl Into<Value>, text: &str) -> Value {
    stateless_request(id, "tools/call", json!({"name": "t", "arguments": {"text": text}}))
}

fn session_call(id: impl Into<Value>, text: &str) -> Value {
    session_request(id, "tools/call", &json!({"name": "t", "arguments": {"text": text}}))
}

fn list() -> Value {
    stateless_request(1, "tools/list", json!({}))
}

/// A client's frame; the mask changes nothing.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..126 => bytes.push(0x80 | length as u8),
        length => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

#[test]
fn every_revision_is_spoken_on_a_socket() {
    let upstream = upstream();
    let nginx = nginx(&upstream, "");
    let mut socket = WebSocket::open(&nginx);
    assert_eq!(socket.head.header("sec-websocket-protocol"), Some("mcp"));
    assert_eq!(socket.head.header("sec-websocket-extensions"), None);
    assert_eq!(socket.result(&list())["tools"][0]["name"], "t");
    assert_eq!(socket.result(&call("a", "x"))["structuredContent"], json!({"a": 1}));
    assert_eq!(socket.close(), 1000);
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let mut socket = WebSocket::open(&nginx);
        socket.initialize(version, &json!({}));
        assert_eq!(socket.result(&session_request(1, "ping", &json!({}))), json!({}));
        assert_eq!(socket.result(&session_call(2, "x"))["content"][0]["text"], "{\"a\":1}");
        assert_eq!(socket.close(), 1000);
    }
}

#[test]
fn a_batch_is_answered_as_one_where_there_are_batches() {
    let upstream = upstream();
    let nginx = nginx(&upstream, "");
    let mut socket = WebSocket::open(&nginx);
    socket.initialize("2025-03-26", &json!({}));
    socket.say(&json!([session_call(1, "x"), session_request(2, "ping", &json!({}))]));
    let Some(tungstenite::Message::Text(text)) = socket.receive() else { panic!("no message") };
    let answers: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&answers[0]["id"], &answers[1]["id"]), (&json!(1), &json!(2)));
    let mut socket = WebSocket::open(&nginx);
    socket.initialize("2025-06-18", &json!({}));
    socket.say(&json!([session_request(2, "ping", &json!({}))]));
    assert_eq!(socket.hear()["error"]["code"], -32600);
}

#[test]
fn what_is_wrong_is_told_and_the_socket_stays() {
    let upstream = upstream();
    let nginx = nginx(&upstream, "");
    let mut socket = WebSocket::open(&nginx);
    socket.say_text("{nonsense");
    let error = socket.hear();
    assert_eq!((&error["error"]["code"], &error["id"]), (&json!(-32700), &Value::Null));
    // Nobody waits for an answer to a notification, whatever is wrong with it.
    socket.say(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    socket.say(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 77}}));
    assert_eq!(socket.ask(&session_request(1, "tools/list", &json!({})))["error"]["code"], -32600);
    assert_eq!(socket.ask(&stateless_request(2, "nothing/such", json!({})))["error"]["code"], -32601);
    assert_eq!(socket.result(&list())["tools"][0]["name"], "t");
}

#[test]
fn frames_come_in_pieces() {
    let upstream = upstream();
    let nginx = nginx(&upstream, "");
    let text = call(7, "\u{e4}\u{1f600}").to_string().into_bytes();
    let mut socket = WebSocket::open(&nginx);
    // Fragments of a byte each, and a ping between them.
    for (index, byte) in text.iter().enumerate() {
        let last = index + 1 == text.len();
        socket.send_bytes(&frame(if index == 0 { 0x01 } else { u8::from(last) << 7 }, &[*byte]));
        if index == 3 {
            socket.send_bytes(&frame(0x89, b"there?"));
        }
    }
    let Some(tungstenite::Message::Pong(pong)) = socket.receive() else { panic!("no pong") };
    assert_eq!(&pong[..], b"there?");
    assert_eq!(socket.hear()["id"], 7);
    // A frame cut anywhere.
    for byte in frame(TEXT, &text) {
        socket.send_bytes(&[byte]);
    }
    assert_eq!(socket.hear()["id"], 7);
    assert!(upstream.requests()[1].text().contains("\u{e4}\u{1f600}"));
    // The first message together with the handshake.
    let mut connection = nginx.connect();
    let hasty = [handshake().bytes(), frame(TEXT, &text)].concat();
    connection.send(&hasty);
    let mut socket = WebSocket::opened(connection);
    assert_eq!(socket.hear()["id"], 7);
}

#[test]
fn a_client_that_breaks_the_rules_is_told_by_a_code() {
    let upstream = upstream();
    let nginx = nginx(&upstream, "client_max_body_size 1k;");
    let cases: [(Vec<u8>, u16); 8] = [
        (frame(0x88, &1000u16.to_be_bytes()), 1000),
        (vec![TEXT, 0x01, b'x'], 1002),
        (frame(0xc1, b"{}"), 1002),
        (frame(0x80, b"{}"), 1002),
        (frame(0x88, &1005u16.to_be_bytes()), 1002),
        (frame(0x82, b"{}"), 1003),
        (frame(TEXT, b"\xff"), 1007),
        (frame(TEXT, &[b' '; 1025]), 1009),
    ];
    for (bytes, code) in cases {
        let mut socket = WebSocket::open(&nginx);
        socket.send_bytes(&bytes);
        assert_eq!(socket.close_code(), code, "{bytes:?}");
    }
    // The largest that is allowed.
    let mut socket = WebSocket::open(&nginx);
    let list = list().to_string();
    socket.say_text(&format!("{list}{}", " ".repeat(1024 - list.len())));
    assert!(socket.hear()["result"].is_object());
}

#[test]
fn a_handshake_is_judged() {
    let upstream = upstream();
    let nginx = nginx(&upstream, "");
    for (request, status, code, expected) in [
        (handshake().header("Sec-WebSocket-Version", "8"), 426, 426, "Sec-WebSocket-Version"),
        (handshake().without("Sec-WebSocket-Key"), 400, -32600, "Sec-WebSocket-Key"),
        (handshake().header("Sec-WebSocket-Protocol", "graphql-ws"), 400, -32600, "the subprotocol spoken here"),
        (handshake().header("Origin", "https://evil.example"), 403, 403, "evil.example"),
        (handshake().header("Host", "evil.example"), 403, 403, "evil.example"),
    ] {
        let response = nginx.send(&request);
        assert_eq!((response.status, response.error_code()), (status, code), "{request:?}");
        assert!(response.text().contains(expected), "{}", response.text());
        assert_eq!(response.header("sec-websocket-version").is_some(), status == 426);
    }
    WebSocket::open_with(nginx.connect(), &handshake().header("Origin", "http://localhost:3000"));
    let plain = handshake().without("Sec-WebSocket-Protocol");
    assert_eq!(WebSocket::open_with(nginx.connect(), &plain).head.header("sec-websocket-protocol"), None);
}

#[test]
fn a_hundred_calls_are_in_flight_and_answered_as_they_end() {
    let gate = Gate::default();
    let opened = gate.clone();
    let upstream = Upstream::new(move |request| {
        let wait = if request.text().contains("late") { vec![Act::Await(opened.clone())] } else { vec![] };
        [wait, answer(&json!({"a": 1}))].concat()
    });
    let nginx = Conf::location(TOOL).with("UPSTREAM", &upstream).connections(1024).start();
    let mut socket = WebSocket::open(&nginx);
    for id in 0..100 {
        socket.say(&call(id, "late"));
    }
    upstream.await_requests(100);
    // It overtakes them all.
    assert_eq!(socket.ask(&call("quick", "now"))["result"]["structuredContent"]["a"], 1);
    gate.open();
    let ids: BTreeSet<u64> = (0..100).map(|_| socket.hear()["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, (0..100).collect());
}

#[test]
fn more_than_can_be_worked_on_waits() {
    let gate = Gate::default();
    let opened = gate.clone();
    let upstream = Upstream::new(move |_| [vec![Act::Await(opened.clone())], answer(&json!({"a": 1}))].concat());
    let nginx = Conf::location(TOOL).with("UPSTREAM", &upstream).connections(1024).start();
    let mut socket = WebSocket::open(&nginx);
    for id in 0..300 {
        socket.say(&call(id, "late"));
    }
    upstream.await_requests(128);
    gate.open();
    let ids: BTreeSet<u64> = (0..300).map(|_| socket.hear()["id"].as_u64().unwrap()).collect();
    assert_eq!(ids, (0..300).collect());
}

#[test]
fn a_call_is_cancelled_by_its_id_and_by_no_other() {
    let gate = Gate::default();
    let upstream = Upstream::answering(vec![Act::AwaitClose(gate.clone())]);
    let nginx = nginx(&upstream, "");
    let cancel =
        |id: Value| json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}});
    for (round, version) in [None, Some("2025-06-18")].into_iter().enumerate() {
        let mut socket = WebSocket::open(&nginx);
        version.into_iter().for_each(|version| socket.initialize(version, &json!({})));
        let mut other = WebSocket::open(&nginx);
        let (call, ping) = match version {
            None => (call(1, "x"), list()),
            Some(_) => (session_call(1, "x"), session_request(1, "ping", &json!({}))),
        };
        socket.say(&call);
        upstream.await_requests(round + 1);
        other.say(&cancel(json!(1)));
        socket.say(&cancel(json!("1")));
        socket.say(&cancel(json!(2)));
        socket.say(&cancel(json!(1)));
        gate.wait();
        // No answer comes to what was cancelled, and the id can be used again.
        let answer = socket.ask(&ping);
        assert!(answer["result"].is_object(), "{answer}");
    }
}

#[test]
fn a_client_that_leaves_takes_its_calls_with_it() {
    for leave in [|socket: WebSocket| drop(socket), |mut socket: WebSocket| _ = socket.close()] {
        let gate = Gate::default();
        let upstream = Upstream::answering(vec![Act::AwaitClose(gate.clone())]);
        let nginx = nginx(&upstream, "");
        let mut socket = WebSocket::open(&nginx);
        socket.say(&call(1, "x"));
        upstream.await_requests(1);
        leave(socket);
        gate.wait();
    }
}

#[test]
fn what_a_backend_asks_goes_over_the_socket() {
    let schema = json!({"type": "object", "properties": {"size": {"type": "string"}}});
    let question = json!({"resultType": "input_required", "requestState": "s", "inputRequests": {"q": {
        "method": "elicitation/create", "params": {"message": "Which size?", "requestedSchema": schema}}}});
    let upstream = Upstream::new(move |request| match request.text().contains("inputResponses") {
        true => answer(&json!({"content": [{"type": "text", "text": request.text()}]})),
        false => answer(&question),
    });
    let ask = "mcp_tool ask { description d; pass POST http://UPSTREAM/x; result mcp; }";
    let nginx = Conf::location(ask).with("UPSTREAM", &upstream).start();
    let call = |id: u64| session_request(id, "tools/call", &json!({"name": "ask", "arguments": {}}));
    for version in ["2025-06-18", "2025-11-25"] {
        let mut socket = WebSocket::open(&nginx);
        socket.initialize(version, &json!({"elicitation": {}}));
        // Several at a time, which are answered in another order.
        let asked: Vec<Value> = (1..=3)
            .map(|id| {
                socket.say(&call(id));
                let asked = socket.hear();
                assert_eq!(asked["method"], "elicitation/create", "{asked}");
                assert_eq!(asked["params"]["message"], "Which size?");
                asked["id"].clone()
            })
            .collect();
        for (index, asked) in asked.iter().enumerate().rev() {
            let id = index + 1;
            let content = json!({"action": "accept", "content": {"size": format!("size {id}")}});
            socket.say(&json!({"jsonrpc": "2.0", "id": asked, "result": content}));
            let result = socket.hear();
            assert_eq!(result["id"], id, "{result}");
            let text = result["result"]["content"][0]["text"].as_str().unwrap();
            assert!(text.contains(&format!("size {id}")), "{text}");
        }
        // Who leaves while it is asked takes the call with it.
        socket.say(&call(4));
        socket.hear();
        assert_eq!(socket.close(), 1000);
        let mut unable = WebSocket::open(&nginx);
        unable.initialize(version, &json!({}));
        let refused = unable.result(&call(1));
        assert!(refused["content"][0]["text"].as_str().unwrap().contains("does not support elicitation"), "{refused}");
    }
    // Without a session the question is the result, and the answer comes with another call.
    let mut socket = WebSocket::open(&nginx);
    let able = json!({"io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}});
    let params = json!({"name": "ask", "arguments": {}, "_meta": able});
    let result = socket.result(&stateless_request(1, "tools/call", params.clone()));
    assert_eq!(result["resultType"], "input_required", "{result}");
    let mut again = params;
    again["requestState"] = result["requestState"].clone();
    again["inputResponses"] = json!({"q": {"action": "accept", "content": {"size": "none"}}});
    let result = socket.result(&stateless_request(2, "tools/call", again));
    assert!(result["content"][0]["text"].as_str().unwrap().contains("none"), "{result}");
}

#[test]
fn progress_goes_over_the_socket() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
    let events = "data: {\"progress\":1}\n\ndata: {\"progress\":2}\n\nevent: result\ndata: {\"a\":1}\n\n";
    let upstream = Upstream::sending(&format!("{head}{events}"));
    let nginx = nginx(&upstream, "");
    let mut socket = WebSocket::open(&nginx);
    let mut request = call(5, "x");
    request["params"]["_meta"]["progressToken"] = json!("p");
    socket.say(&request);
    for progress in [1, 2] {
        let heard = socket.hear();
        assert_eq!(heard["params"], json!({"progressToken": "p", "progress": progress}));
    }
    assert_eq!(socket.hear()["result"]["structuredContent"]["a"], 1);
}

#[test]
fn what_is_published_comes_on_the_socket() {
    let upstream = upstream();
    let nginx = Conf::location(TOOL).server(PUBLISH).with("UPSTREAM", &upstream).start();
    let publish = || assert_eq!(nginx.publish(None, &changed()).status, 200);
    let mut session = WebSocket::open(&nginx);
    session.initialize("2025-11-25", &json!({}));
    let mut subscriber = WebSocket::open(&nginx);
    let filter = json!({"notifications": {"toolsListChanged": true}});
    subscriber.say(&stateless_request("s", "subscriptions/listen", filter));
    assert_eq!(subscriber.hear()["method"], "notifications/subscriptions/acknowledged");
    session.result(&session_request(1, "ping", &json!({})));
    publish();
    assert_eq!(session.hear()["method"], "notifications/tools/list_changed");
    let heard = subscriber.hear();
    assert_eq!(heard["params"]["_meta"], json!({"io.modelcontextprotocol/subscriptionId": "s"}));
    // The subscription is cancelled, the socket is not.
    subscriber.say(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "s"}}));
    subscriber.result(&list());
    publish();
    subscriber.result(&list());
}

#[test]
fn limits_and_access_rules_act_on_each_message() {
    let upstream = upstream();
    let directives = "mcp_tool u { description d; pass POST http://UPSTREAM/x; }
        limit_req zone=z; limit_req_status 429; access_log /dev/stderr each; error_page 401 /none; auth_request /auth;";
    let nginx = Conf::location(&format!("{TOOL}\n{directives}"))
        .http("limit_req_zone $mcp_tool zone=z:1m rate=1r/m;\n")
        .http("log_format each 'each $status $request_method $mcp_transport $mcp_method $mcp_tool $mcp_status $remote_addr $http_x_user';\n")
        .server("location = /auth { internal; if ($mcp_tool = u) { return 403; } return 204; }")
        .with("UPSTREAM", &upstream)
        .start();
    let mut socket = WebSocket::open_with(nginx.connect(), &handshake().header("X-User", "ann"));
    assert!(socket.ask(&call(1, "x"))["result"].is_object());
    assert_eq!(socket.ask(&call(2, "x"))["error"]["code"], 429);
    let denied = stateless_request(3, "tools/call", json!({"name": "u", "arguments": {}}));
    assert_eq!(socket.ask(&denied)["error"]["code"], 403);
    assert!(socket.ask(&list())["result"].is_object());
    assert_eq!(socket.close(), 1000);
    for line in [
        "each 200 POST websocket tools/call t ok 127.0.0.1 ann",
        "each 429 POST websocket tools/call t protocol_error 127.0.0.1 ann",
        "each 403 POST websocket tools/call u protocol_error 127.0.0.1 ann",
        "each 200 POST websocket tools/list - ok 127.0.0.1 ann",
        "each 101 GET websocket - - ok 127.0.0.1 ann",
    ] {
        nginx.log.await_lines(0, 1, line);
    }
}

#[test]
fn a_refused_handshake_opens_nothing() {
    let upstream = upstream();
    let nginx = nginx(&upstream, "deny all;");
    let response = nginx.send(&handshake());
    assert_eq!((response.status, response.error_code()), (403, 403));
}

#[test]
fn a_reload_lets_calls_end_and_then_closes() {
    let gate = Gate::default();
    let opened = gate.clone();
    let upstream = Upstream::new(move |_| [vec![Act::Await(opened.clone())], answer(&json!({"a": 1}))].concat());
    let nginx = nginx(&upstream, "");
    let mut idle = WebSocket::open(&nginx);
    idle.initialize("2025-06-18", &json!({}));
    idle.result(&session_request(1, "ping", &json!({})));
    let mut busy = WebSocket::open(&nginx);
    busy.say(&call(1, "x"));
    upstream.await_requests(1);
    let position = nginx.begin_reload();
    assert_eq!(idle.close_code(), 1001);
    gate.open();
    assert!(busy.hear()["result"].is_object());
    assert_eq!(busy.close_code(), 1001);
    nginx.log.await_lines(position, 2, "exited with code 0");
}

#[test]
fn a_client_that_is_silent_is_asked_and_given_up() {
    let upstream = upstream();
    let nginx = nginx(&upstream, "mcp_heartbeat 100ms;");
    // One that answers pings stays.
    let mut socket = WebSocket::open(&nginx);
    for _ in 0..5 {
        let Some(tungstenite::Message::Ping(_)) = socket.receive() else { panic!("no ping") };
    }
    socket.result(&list());
    let mut connection = nginx.connect();
    connection.send(&handshake().bytes());
    connection.receive_head();
    while connection.receive_some() {}
}

#[test]
fn a_client_that_reads_slowly_holds_its_upstreams_up() {
    let total = 4000;
    let upstream = Upstream::new(move |_| {
        let event = format!("data: {{\"progress\":1,\"message\":\"{}\"}}\n\n", "x".repeat(1000));
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
        let mut acts = vec![Act::Send(head.as_bytes().to_vec())];
        acts.extend((0..total).map(|_| Act::Send(event.clone().into_bytes())));
        acts.push(Act::Send(b"event: result\ndata: {\"a\":1}\n\n".to_vec()));
        acts.push(Act::Close);
        acts
    });
    let nginx = nginx(&upstream, "proxy_buffers 4 4k; proxy_buffer_size 4k;");
    let mut socket = WebSocket::open(&nginx);
    for id in 0..4 {
        let mut request = call(id, "x");
        request["params"]["_meta"]["progressToken"] = json!(id);
        socket.say(&request);
    }
    upstream.await_requests(4);
    let (mut progress, mut results) = (0, 0);
    while results < 4 {
        let message = socket.hear();
        match message.get("id") {
            Some(_) => results += 1,
            None => progress += 1,
        }
    }
    assert_eq!(progress, 4 * total);
}
