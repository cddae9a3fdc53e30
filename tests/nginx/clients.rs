//! What clients send, well or badly, whole or not, and what they get for it.

use serde_json::{Value, json};

use crate::harness::{
    Act, Conf, Connection, Gate, Nginx, Request, Session, Upstream, call, json as answer, request, response,
};

/// A tool that answers with what it was given, and one that fails.
fn upstream() -> Upstream {
    Upstream::new(|request| match request.target().as_str() {
        "/echo" => response(200, "application/json", request.body()),
        _ => response(500, "text/plain", "broken"),
    })
}

const TOOLS: &str = "mcp_tool echo { description d; pass POST http://UPSTREAM/echo; argument text string; }
mcp_tool fail { description d; pass GET http://UPSTREAM/fail; }";

fn conf(upstream: &Upstream) -> Conf {
    Conf::location(TOOLS).with("UPSTREAM", upstream)
}

fn nginx(upstream: &Upstream) -> Nginx {
    conf(upstream).start()
}

fn echo(id: i32, text: &str) -> Request {
    request(id, "tools/call", json!({"name": "echo", "arguments": {"text": text}}))
}

/// Sees that a connection serves a call.
fn serves(connection: &mut Connection, id: i32) {
    let reply = connection.exchange(&echo(id, "x"));
    assert_eq!(reply.json()["id"], id);
    assert_eq!(reply.success()["structuredContent"], json!({"text": "x"}));
}

#[test]
fn a_connection_serves_on_after_every_kind_of_error() {
    let upstream = upstream();
    let nginx = nginx(&upstream);
    let mut connection = nginx.connect();
    let session = Session::open(&nginx, "2025-06-18");
    let good = echo(1, "x");
    let with = |name: &str, value: &str| good.clone().header(name, value);
    let body = |text: &str| Request { body: text.into(), ..good.clone() };
    let cases: Vec<(&str, Request, u16)> = vec![
        ("not JSON", body("{"), 400),
        ("no body", body(""), 400),
        ("no message", body("42"), 400),
        ("a batch", body("[]"), 400),
        ("bytes", Request { body: vec![0xff, 0, 0xfe], ..good.clone() }, 400),
        ("an unknown method", request(1, "no/such", json!({})), 404),
        ("an unknown tool", call("none", json!({})), 400),
        ("wrong arguments", call("echo", json!({"text": 1})), 200),
        ("a failed call", call("fail", json!({})), 200),
        ("another type", with("Content-Type", "text/plain"), 415),
        ("no type", good.clone().without("Content-Type"), 415),
        ("nothing acceptable", with("Accept", "text/html"), 406),
        ("a foreign origin", with("Origin", "https://evil.example"), 403),
        ("a foreign host", with("Host", "evil.example"), 403),
        ("headers that differ", with("Mcp-Name", "fail"), 400),
        ("an unknown version", with("MCP-Protocol-Version", "1999-01-01"), 400),
        ("no session", Request::post(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#), 400),
        ("a foreign session", Session { id: "AAAA.BBBB".into(), ..session.clone() }.request(1, "ping", json!({})), 404),
        ("GET", Request::new("GET"), 400),
        ("PUT", Request { body: b"{}".to_vec(), ..Request::new("PUT") }, 405),
        (
            "a notification",
            session.carry(Request::post(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)),
            202,
        ),
    ];
    for (number, (name, request, status)) in cases.iter().enumerate() {
        let reply = connection.exchange(request);
        assert_eq!(reply.status, *status, "{name}: {}", reply.text());
        assert!(reply.body.is_empty() || reply.header("content-type") == Some("application/json"), "{name}: {reply:?}");
        assert!(connection.is_kept(), "{name}");
        serves(&mut connection, number as i32);
    }
}

#[test]
fn pipelined_requests_are_answered_in_their_order() {
    let upstream = upstream();
    let nginx = nginx(&upstream);
    let mut connection = nginx.connect();
    let requests = [
        echo(1, "a"),
        request(2, "tools/list", json!({})),
        request(3, "tools/call", json!({"name": "fail", "arguments": {}})),
        Request { body: b"{".to_vec(), ..echo(4, "") },
        echo(5, "b"),
        request(6, "server/discover", json!({})),
    ];
    connection.send(&requests.iter().flat_map(Request::bytes).collect::<Vec<_>>());
    let ids: Vec<Value> = requests.iter().map(|_| connection.receive().json()["id"].clone()).collect();
    assert_eq!(ids, [json!(1), json!(2), json!(3), Value::Null, json!(5), json!(6)]);
    serves(&mut connection, 7);
}

#[test]
fn many_connections_are_served_at_a_time() {
    let gate = Gate::default();
    let waits = gate.clone();
    let upstream = Upstream::new(move |request| {
        [vec![Act::Await(waits.clone())], response(200, "application/json", request.body())].concat()
    });
    let nginx = nginx(&upstream);
    let mut connections: Vec<_> = (0..40).map(|_| nginx.connect()).collect();
    for (id, connection) in connections.iter_mut().enumerate() {
        connection.send(&echo(id as i32, &format!("text {id}")).bytes());
    }
    upstream.await_requests(40);
    gate.open();
    for (id, connection) in connections.iter_mut().enumerate().rev() {
        let reply = connection.receive();
        assert_eq!(reply.json()["id"], id);
        assert_eq!(reply.success()["structuredContent"]["text"], format!("text {id}"));
    }
}

#[test]
fn a_chunked_body_is_read() {
    let upstream = upstream();
    let nginx = nginx(&upstream);
    let mut connection = nginx.connect();
    let request = echo(1, "chunked").header("Transfer-Encoding", "chunked");
    let mut bytes = request.head(0);
    for piece in request.body.chunks(7) {
        bytes.extend(format!("{:x}\r\n", piece.len()).bytes());
        bytes.extend(piece);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    connection.send(&bytes);
    assert_eq!(connection.receive().success()["structuredContent"]["text"], "chunked");
    serves(&mut connection, 2);
}

#[test]
fn a_body_that_breaks_its_chunks_is_refused_in_json() {
    let upstream = upstream();
    let nginx = nginx(&upstream);
    let mut connection = nginx.connect();
    connection.send(&[echo(1, "").header("Transfer-Encoding", "chunked").head(0), b"zz\r\n".to_vec()].concat());
    let reply = connection.receive();
    assert_eq!((reply.status, reply.error_code()), (400, -32600));
}

#[test]
fn a_body_in_a_temporary_file_is_read() {
    let upstream = upstream();
    let nginx = conf(&upstream).server("client_body_buffer_size 1k;").start();
    let mut connection = nginx.connect();
    for size in [500, 1000, 5000, 300_000] {
        let text = "x".repeat(size);
        let reply = connection.exchange(&echo(1, &text));
        assert!(reply.success()["structuredContent"]["text"] == text.as_str(), "{size}");
    }
    nginx.log.await_lines(0, 1, "is buffered to a temporary file");
}

#[test]
fn a_body_that_is_always_kept_in_a_file_is_read() {
    let upstream = upstream();
    let nginx = conf(&upstream).server("client_body_in_file_only clean;").start();
    let mut connection = nginx.connect();
    serves(&mut connection, 1);
    serves(&mut connection, 2);
}

#[test]
fn a_slow_body_holds_nobody_up() {
    let upstream = upstream();
    let nginx = nginx(&upstream);
    let mut slow = nginx.connect();
    let mut other = nginx.connect();
    let bytes = echo(1, "slow").bytes();
    for (number, piece) in bytes.chunks(25).enumerate() {
        slow.send(piece);
        serves(&mut other, number as i32);
    }
    assert_eq!(slow.receive().success()["structuredContent"]["text"], "slow");
    serves(&mut slow, 2);
}

#[test]
fn a_body_of_ten_megabytes_is_read() {
    let upstream = Upstream::new(|request| answer(&json!({"bytes": request.body().len()})));
    let nginx = conf(&upstream).server("client_max_body_size 16m;").start();
    let mut connection = nginx.connect();
    for text in ["0123456789".repeat(1 << 20), "short".to_owned()] {
        let bytes = json!({"text": text}).to_string().len();
        let reply = connection.exchange(&echo(1, &text));
        assert_eq!(reply.success()["structuredContent"], json!({"bytes": bytes}));
    }
}

#[test]
fn a_body_that_is_too_large_is_refused_in_json() {
    let upstream = upstream();
    let nginx = conf(&upstream).server("client_max_body_size 1k;").start();
    let reply = nginx.send(&echo(1, &"x".repeat(2000)).header("Origin", "http://localhost:5173"));
    assert_eq!((reply.status, reply.error_code()), (413, 413));
    assert_eq!(reply.header("access-control-allow-origin"), Some("http://localhost:5173"));
    let mut connection = nginx.connect();
    let request = echo(1, &"x".repeat(2000)).header("Transfer-Encoding", "chunked");
    let chunk = [format!("{:x}\r\n", request.body.len()).into_bytes(), request.body.clone(), b"\r\n0\r\n\r\n".to_vec()];
    connection.send(&[request.head(0), chunk.concat()].concat());
    let reply = connection.receive();
    assert_eq!((reply.status, reply.error_code()), (413, 413));
    assert!(upstream.requests().is_empty());
}

#[test]
fn a_body_that_does_not_come_is_refused_in_json() {
    let upstream = upstream();
    let nginx = conf(&upstream).server("client_body_timeout 100ms;").start();
    for sent in [0, 20] {
        let mut connection = nginx.connect();
        let request = echo(1, "late");
        connection.send(&request.bytes()[..request.head(request.body.len()).len() + sent]);
        let reply = connection.receive();
        assert_eq!((reply.status, reply.error_code()), (408, 408));
        assert_eq!(reply.header("connection"), Some("close"));
        connection.await_close();
    }
}

#[test]
fn a_header_that_is_too_large_is_refused_in_json() {
    let upstream = upstream();
    let nginx = conf(&upstream).server("client_header_buffer_size 512; large_client_header_buffers 2 1k;").start();
    for request in [echo(1, "").header("X-Large", &"x".repeat(1500)), echo(1, "").header("X-Large", &"x".repeat(9000))]
    {
        let mut connection = nginx.connect();
        connection.try_send(&request.bytes());
        let reply = connection.receive();
        assert_eq!((reply.status, reply.error_code()), (400, -32600));
    }
}

#[test]
fn a_malformed_header_is_refused_in_json() {
    let upstream = upstream();
    let nginx = nginx(&upstream);
    for line in [
        "Host: localhost\r\nHost: other\r\n",
        "Content-Length: x\r\nHost: a\r\n",
        "Host: a b\r\n",
        "Host: localhost\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n",
    ] {
        let mut connection = nginx.connect();
        connection.send(format!("POST /mcp HTTP/1.1\r\n{line}\r\n").as_bytes());
        let reply = connection.receive();
        assert_eq!((reply.status, reply.error_code()), (400, -32600), "{line:?}");
    }
    let mut connection = nginx.connect();
    connection.send(b"POST /mcp HTTP/1.1\r\n\r\n");
    assert_eq!(connection.receive().status, 400);
}

#[test]
fn a_request_line_that_cannot_be_read_is_answered_by_nginx() {
    let upstream = upstream();
    let nginx = nginx(&upstream);
    for line in
        ["nonsense\r\n\r\n", "POST\r\n\r\n", "POST /mcp HTTX/1.1\r\n\r\n", "\x16\x03\x01\x02\0\x01\0\x01\r\n\r\n"]
    {
        let mut connection = nginx.connect();
        connection.send(line.as_bytes());
        let reply = connection.receive();
        assert_eq!((reply.status, reply.header("content-type")), (400, Some("text/html")), "{line:?}");
    }
}

#[test]
fn other_locations_keep_their_error_pages() {
    let upstream = upstream();
    let nginx = conf(&upstream).server("client_max_body_size 1k; location /other { return 403; }").start();
    let reply = nginx.send(&Request::new("GET").to("/other"));
    assert_eq!((reply.status, reply.header("content-type")), (403, Some("text/html")));
    let reply = nginx.send(&echo(1, &"x".repeat(2000)).to("/none"));
    assert_eq!((reply.status, reply.header("content-type")), (413, Some("text/html")));
}

#[test]
fn an_error_page_of_the_server_does_not_replace_a_reply() {
    let upstream = upstream();
    let nginx = conf(&upstream)
        .server("error_page 400 403 404 405 406 413 415 500 502 503 504 =200 /page; location = /page { return 200 page; }\nclient_max_body_size 1k;")
        .start();
    for (request, status, code) in [
        (Request { body: b"{".to_vec(), ..echo(1, "") }, 400, -32700),
        (request(1, "no/such", json!({})), 404, -32601),
        (Request::new("PATCH"), 405, 405),
        (echo(1, "").header("Origin", "https://evil.example"), 403, 403),
        (echo(1, &"x".repeat(2000)), 413, 413),
    ] {
        let reply = nginx.send(&request);
        assert_eq!((reply.status, reply.error_code()), (status, code), "{}", reply.text());
    }
    assert!(nginx.send(&call("fail", json!({}))).failure().contains("broken"));
    let reply = nginx.send(&Request::new("GET").to("/none"));
    assert_eq!((reply.status, reply.text().as_str()), (200, "page"));
}

#[test]
fn methods_without_a_meaning_are_refused_with_those_that_have_one() {
    let upstream = upstream();
    let nginx = nginx(&upstream);
    let mut connection = nginx.connect();
    for method in ["PUT", "PATCH", "PROPFIND", "PURGE"] {
        let reply = connection.exchange(&Request::new(method));
        assert_eq!((reply.status, reply.error_code()), (405, 405), "{method}");
        assert_eq!(reply.header("allow"), Some("GET, POST, DELETE, OPTIONS"), "{method}");
    }
    let reply = connection.exchange(&Request::new("HEAD"));
    assert_eq!((reply.status, reply.header("allow")), (405, Some("GET, POST, DELETE, OPTIONS")));
    let reply = connection.exchange(&Request::new("OPTIONS"));
    assert_eq!((reply.status, reply.header("allow")), (204, Some("GET, POST, DELETE, OPTIONS")));
    serves(&mut connection, 1);
    let reply = nginx.send(&Request::new("TRACE"));
    assert_eq!((reply.status, reply.error_code()), (405, 405));
}

#[test]
fn a_browser_gets_its_preflight_and_may_read_the_reply() {
    let upstream = upstream();
    let nginx = conf(&upstream).server("mcp_allowed_origins https://app.example;").start();
    let preflight = Request::new("OPTIONS")
        .header("Origin", "https://app.example")
        .header("Access-Control-Request-Method", "POST")
        .header("Access-Control-Request-Headers", "content-type, mcp-protocol-version, mcp-param-x");
    let reply = nginx.send(&preflight);
    assert_eq!((reply.status, reply.header("access-control-allow-origin")), (204, Some("https://app.example")));
    assert!(reply.header("access-control-allow-headers").unwrap().to_lowercase().contains("mcp-param-x"));
    for request in [echo(1, "x"), call("fail", json!({})), Request { body: b"{".to_vec(), ..echo(1, "x") }] {
        let reply = nginx.send(&request.header("Origin", "https://app.example"));
        assert_eq!(reply.header("access-control-allow-origin"), Some("https://app.example"));
        assert_eq!(reply.header("vary"), Some("Origin"));
    }
}

#[test]
fn an_expectation_is_met() {
    let upstream = upstream();
    let nginx = nginx(&upstream);
    let mut connection = nginx.connect();
    let request = echo(1, "x").header("Expect", "100-continue");
    connection.send(&request.head(request.body.len()));
    assert_eq!(connection.receive().status, 100);
    connection.send(&request.body);
    connection.receive().success();
    serves(&mut connection, 2);
}

#[test]
fn a_client_of_http_1_0_is_answered() {
    let upstream = upstream();
    let nginx = nginx(&upstream);
    let mut connection = nginx.connect();
    let bytes = String::from_utf8(echo(1, "x").bytes()).unwrap().replace("HTTP/1.1", "HTTP/1.0");
    connection.send(bytes.as_bytes());
    let reply = connection.receive();
    assert_eq!(reply.success()["structuredContent"]["text"], "x");
    connection.await_close();
}

#[test]
fn a_reply_is_not_compressed_unless_the_operator_says_so() {
    let upstream = Upstream::answering(answer(&json!({"text": "x".repeat(5000)})));
    let conf = |directives: &str| {
        Conf::location("mcp_tool t { pass GET http://UPSTREAM/x; }").server(directives).with("UPSTREAM", &upstream)
    };
    let request = call("t", json!({})).header("Accept-Encoding", "gzip");
    let reply = conf("").start().send(&request);
    assert_eq!(reply.header("content-encoding"), None);
    let reply = conf("gzip on; gzip_types application/json; gzip_min_length 100;").start().send(&request);
    assert_eq!(reply.header("content-encoding"), Some("gzip"));
    assert!(reply.body.starts_with(&[0x1f, 0x8b]) && reply.body.len() < 1000);
}

#[test]
fn headers_that_the_operator_adds_are_on_every_reply() {
    let upstream = upstream();
    let nginx = conf(&upstream).server("add_header X-Added yes always; server_tokens off;").start();
    for request in [echo(1, "x"), call("fail", json!({})), request(1, "tools/list", json!({})), Request::new("GET")] {
        let reply = nginx.send(&request);
        assert_eq!((reply.header("x-added"), reply.header("server")), (Some("yes"), Some("nginx")));
    }
}
