//! Batches, which 2025-03-26 has.

use serde_json::{Value, json};

use crate::harness::{Act, Conf, Nginx, Port, Request, Response, Session, Upstream, response};

const TOOLS: &str = "mcp_tool echo { description d; pass POST http://UPSTREAM/echo; argument text string; }
mcp_tool fail { description d; pass GET http://UPSTREAM/fail; }
mcp_tool cut { description d; pass GET http://UPSTREAM/cut; }
mcp_tool slow { description d; pass GET http://UPSTREAM/slow; proxy_read_timeout 100ms; }
mcp_tool down { description d; pass GET http://DOWN/x; }";

fn upstream() -> Upstream {
    Upstream::new(|request| match request.target().as_str() {
        "/echo" => response(200, "application/json", request.body()),
        "/cut" => vec![Act::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".to_vec()), Act::Close],
        "/slow" => vec![Act::AwaitClose(crate::harness::Gate::default())],
        _ => response(500, "text/plain", "broken"),
    })
}

fn nginx(upstream: &Upstream, down: &Port) -> Nginx {
    Conf::location(TOOLS).with("UPSTREAM", upstream).with("DOWN", down).start()
}

fn message(id: i32, tool: &str, arguments: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool, "arguments": arguments}})
}

fn send(nginx: &Nginx, messages: &Value) -> Response {
    let session = Session::open(nginx, "2025-03-26");
    let mut connection = nginx.connect();
    let reply = connection.exchange(&session.carry(Request::post(messages.to_string())));
    // The connection serves on.
    let ping = connection.exchange(&session.request("p", "ping", json!({})));
    assert_eq!(ping.json(), json!({"jsonrpc": "2.0", "id": "p", "result": {}}));
    reply
}

#[test]
fn several_calls_are_made_and_answered_in_order() {
    let (upstream, down) = (upstream(), Port::reserve());
    let nginx = nginx(&upstream, &down);
    let messages: Vec<_> = (0..10).map(|id| message(id, "echo", json!({"text": format!("text {id}")}))).collect();
    let replies = send(&nginx, &json!(messages)).json();
    assert_eq!(replies.as_array().unwrap().len(), 10);
    for (id, reply) in replies.as_array().unwrap().iter().enumerate() {
        assert_eq!(reply["id"], id);
        assert_eq!(reply["result"]["content"][0]["text"], format!("{{\"text\":\"text {id}\"}}"));
    }
    assert_eq!(upstream.requests().len(), 10);
}

#[test]
fn calls_mix_with_notifications_and_errors() {
    let (upstream, down) = (upstream(), Port::reserve());
    let nginx = nginx(&upstream, &down);
    let messages = json!([
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        message(1, "echo", json!({"text": "a"})),
        {"jsonrpc": "2.0", "id": 2, "method": "no/such"},
        message(3, "none", json!({})),
        message(4, "echo", json!({"text": 5})),
        {"jsonrpc": "2.0", "id": 5, "method": "tools/list"},
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 9}},
        message(6, "echo", json!({"text": "b"})),
    ]);
    let replies = send(&nginx, &messages).json();
    let short: Vec<_> = replies
        .as_array()
        .unwrap()
        .iter()
        .map(|reply| (reply["id"].clone(), reply["error"]["code"].clone(), reply["result"]["isError"].clone()))
        .collect();
    let expected = [
        (json!(1), Value::Null, json!(false)),
        (json!(2), json!(-32601), Value::Null),
        (json!(3), json!(-32602), Value::Null),
        (json!(4), Value::Null, json!(true)),
        (json!(5), Value::Null, Value::Null),
        (json!(6), Value::Null, json!(false)),
    ];
    assert_eq!(short, expected);
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn a_failing_upstream_fails_its_call_alone() {
    let (upstream, down) = (upstream(), Port::reserve());
    let nginx = nginx(&upstream, &down);
    let tools = ["echo", "fail", "echo", "cut", "echo", "down", "echo", "slow", "echo"];
    let messages: Vec<_> = tools.iter().enumerate().map(|(id, tool)| message(id as i32, tool, json!({}))).collect();
    let replies = send(&nginx, &json!(messages)).json();
    let failed: Vec<_> = replies.as_array().unwrap().iter().map(|reply| reply["result"]["isError"] == true).collect();
    assert_eq!(failed, tools.map(|tool| tool != "echo"));
    let text = |id: usize| replies[id]["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text(1).contains("broken"), "{}", text(1));
    assert!(text(3).contains("broke off"), "{}", text(3));
    assert!(text(5).contains("could not be reached"), "{}", text(5));
    assert!(text(7).contains("in time"), "{}", text(7));
}

#[test]
fn a_batch_of_garbled_answers_is_answered() {
    for bytes in [
        "garbage\r\n\r\n",
        "",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nxyz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX-Accel-Redirect: /x\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx",
    ] {
        let (upstream, down) = (Upstream::sending(bytes), Port::reserve());
        let nginx = nginx(&upstream, &down);
        let replies = send(&nginx, &json!([message(1, "fail", json!({})), message(2, "fail", json!({}))])).json();
        assert_eq!(replies[1]["id"], 2, "{bytes:?}");
        for reply in replies.as_array().unwrap() {
            assert_eq!(reply["result"]["isError"], true, "{bytes:?}: {reply}");
        }
    }
}

#[test]
fn results_of_a_batch_have_their_limit_each() {
    let upstream = Upstream::answering(response(200, "text/plain", "x".repeat(900)));
    let down = Port::reserve();
    let conf =
        Conf::location(TOOLS).server("mcp_max_result_size 1000;").with("UPSTREAM", &upstream).with("DOWN", &down);
    let nginx = conf.start();
    let messages: Vec<_> = (0..5).map(|id| message(id, "fail", json!({}))).collect();
    let replies = send(&nginx, &json!(messages)).json();
    assert!(replies.as_array().unwrap().iter().all(|reply| reply["result"]["isError"] == false), "{replies}");
    let upstream = Upstream::answering(response(200, "text/plain", "x".repeat(100_000)));
    let conf =
        Conf::location(TOOLS).server("mcp_max_result_size 1000;").with("UPSTREAM", &upstream).with("DOWN", &down);
    let replies = send(&conf.start(), &json!([message(1, "fail", json!({})), message(2, "fail", json!({}))])).json();
    for reply in replies.as_array().unwrap() {
        assert!(reply["result"]["content"][0]["text"].as_str().unwrap().contains("1000 bytes"), "{reply}");
    }
}

#[test]
fn calls_of_a_batch_carry_what_the_operator_forwards() {
    let upstream = upstream();
    let down = Port::reserve();
    let conf = Conf::location(&format!("proxy_set_header Authorization $http_authorization;\n{TOOLS}"));
    let nginx = conf.with("UPSTREAM", &upstream).with("DOWN", &down).start();
    let session = Session::open(&nginx, "2025-03-26");
    let messages = json!([message(1, "echo", json!({"text": "a"})), message(2, "echo", json!({"text": "b"}))]);
    nginx.send(
        &session
            .carry(Request::post(messages.to_string()))
            .header("Authorization", "Bearer x")
            .header("Cookie", "secret"),
    );
    for request in upstream.requests() {
        assert_eq!(request.header("authorization").as_deref(), Some("Bearer x"));
        assert_eq!(request.header("cookie"), None);
        assert_eq!(request.header("content-length"), Some(request.body().len().to_string()));
    }
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn a_long_batch_is_answered() {
    let (upstream, down) = (upstream(), Port::reserve());
    let nginx = nginx(&upstream, &down);
    let messages: Vec<_> = (0..300).map(|id| message(id, "echo", json!({"text": "x".repeat(100)}))).collect();
    let reply = send(&nginx, &json!(messages));
    let replies = reply.json();
    // However many a server takes, every id gets an answer or the batch as a whole does.
    match replies.as_array() {
        Some(replies) => assert_eq!(replies.len(), 300),
        None => assert!(reply.error_code() < 0),
    }
}
