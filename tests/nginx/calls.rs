//! What a call sends to its upstream, byte for byte.

use serde_json::{Value, json};

use crate::harness::{Conf, Nginx, Received, Session, Upstream, call, json as answer};

/// An nginx with one tool, `t`, of these directives.
fn nginx(upstream: &Upstream, tool: &str) -> Nginx {
    conf(upstream, tool).start()
}

fn conf(upstream: &Upstream, tool: &str) -> Conf {
    Conf::location(&format!("mcp_tool t {{ description d; {tool} }}")).with("UPSTREAM", upstream)
}

fn upstream() -> Upstream {
    Upstream::answering(answer(&json!({})))
}

/// What reaches the upstream of a call of a tool.
fn sent(tool: &str, arguments: Value) -> Received {
    let upstream = upstream();
    nginx(&upstream, tool).send(&call("t", arguments)).success();
    upstream.only_request()
}

#[test]
fn a_get_has_its_line_and_three_headers() {
    let upstream = upstream();
    nginx(&upstream, "pass GET \"http://UPSTREAM/items/{id}\"; argument id integer required;")
        .send(&call("t", json!({"id": 7})))
        .success();
    let expected = format!(
        "GET /items/7 HTTP/1.1\r\nHost: {upstream}\r\nAccept: application/json, text/*;q=0.9, */*;q=0.8\r\n\r\n"
    );
    assert_eq!(upstream.only_request().text(), expected);
}

#[test]
fn a_post_has_its_body_with_type_and_length() {
    let upstream = upstream();
    nginx(
        &upstream,
        "pass POST http://UPSTREAM/orders; argument item string required; argument count integer default=1;",
    )
    .send(&call("t", json!({"item": "Schraube \u{1f529} \"M8\""})))
    .success();
    let request = upstream.only_request();
    let body = r#"{"item":"Schraube 🔩 \"M8\"","count":1}"#;
    assert_eq!(request.line(), "POST /orders");
    assert_eq!(std::str::from_utf8(request.body()).unwrap(), body);
    let mut headers = request.headers();
    headers.sort();
    let expected = [
        ("accept", "application/json, text/*;q=0.9, */*;q=0.8".to_owned()),
        ("content-length", body.len().to_string()),
        ("content-type", "application/json".to_owned()),
        ("host", upstream.to_string()),
    ];
    assert_eq!(headers, expected.map(|(name, value)| (name.to_owned(), value)));
}

#[test]
fn every_method_is_sent_as_written() {
    for (method, body) in [("GET", ""), ("POST", "{}"), ("PUT", "{}"), ("PATCH", "{}"), ("DELETE", ""), ("OPTIONS", "")]
    {
        let request = sent(&format!("pass {method} http://UPSTREAM/x;"), json!({}));
        assert_eq!((request.line(), request.body()), (format!("{method} /x"), body.as_bytes()));
        assert_eq!(request.header("content-length").is_some(), !body.is_empty(), "{request:?}");
    }
}

#[test]
fn a_head_call_has_no_body_to_wait_for() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n";
    let upstream = Upstream::answering(vec![crate::harness::Act::Send(head.into())]);
    let result = nginx(&upstream, "pass HEAD http://UPSTREAM/x;").send(&call("t", json!({}))).success();
    assert_eq!(upstream.only_request().line(), "HEAD /x");
    assert!(result["content"][0]["text"].as_str().unwrap().contains("200"), "{result}");
}

#[test]
fn arguments_are_placed_where_they_are_declared() {
    let request = sent(
        "pass POST \"http://UPSTREAM/{a}/x?fixed=1&b={b}\"; argument a string required; argument b string; \
         argument q string[] in=query; argument h string in=header name=X-H; argument c string in=cookie name=sid; \
         argument d string in=cookie; argument j object; argument n integer in=body name=number;",
        json!({"a": "p", "b": "v", "q": ["1", "2"], "h": "line", "c": "s", "d": "t", "j": {"k": [1, null]}, "n": 5}),
    );
    assert_eq!(request.line(), "POST /p/x?fixed=1&b=v&q=1&q=2");
    assert_eq!(request.header("x-h").as_deref(), Some("line"));
    assert_eq!(request.header("cookie").as_deref(), Some("sid=s; d=t"));
    assert_eq!(std::str::from_utf8(request.body()).unwrap(), r#"{"j":{"k":[1,null]},"number":5}"#);
}

#[test]
fn arguments_that_are_not_given_are_not_sent() {
    let request = sent(
        "pass GET \"http://UPSTREAM/x?b={b}\"; argument b string; argument q string; argument h string in=header name=X-H; \
         argument c string in=cookie;",
        json!({}),
    );
    assert_eq!(request.line(), "GET /x");
    assert_eq!((request.header("x-h"), request.header("cookie")), (None, None));
}

#[test]
fn a_form_is_sent_as_forms_are() {
    let request = sent(
        "pass POST http://UPSTREAM/form; argument name string in=form; argument tags string[] in=form;",
        json!({"name": "a&b=c d+ä", "tags": ["x", "y z"]}),
    );
    assert_eq!(request.header("content-type").as_deref(), Some("application/x-www-form-urlencoded"));
    assert_eq!(std::str::from_utf8(request.body()).unwrap(), "name=a%26b%3Dc+d%2B%C3%A4&tags=x&tags=y+z");
}

#[test]
fn one_argument_can_be_the_whole_body() {
    let request = sent(
        "pass PUT http://UPSTREAM/x; argument item object whole; argument dry boolean in=query;",
        json!({"item": {"b": 1, "a": [2]}, "dry": true}),
    );
    assert_eq!(request.line(), "PUT /x?dry=true");
    assert_eq!(std::str::from_utf8(request.body()).unwrap(), r#"{"b":1,"a":[2]}"#);
}

#[test]
fn an_input_schema_is_listed_and_enforced_as_written() {
    let schema = json!({"type": "object", "properties": {"id": {"type": "string", "pattern": "^[a-z]+$"}}, "required": ["id"], "additionalProperties": false});
    let upstream = upstream();
    let conf = conf(&upstream, "pass GET \"http://UPSTREAM/{id}\"; input_schema schemas/s.json;")
        .file("schemas/s.json", schema.to_string());
    let nginx = conf.start();
    let list = nginx.send(&crate::harness::request(1, "tools/list", json!({}))).result();
    assert_eq!(list["tools"][0]["inputSchema"], schema);
    for arguments in [json!({}), json!({"id": "A"}), json!({"id": 5}), json!({"id": "a", "x": 1})] {
        nginx.send(&call("t", arguments)).failure();
    }
    assert!(upstream.requests().is_empty());
    nginx.send(&call("t", json!({"id": "abc"}))).success();
    assert_eq!(upstream.only_request().line(), "GET /abc");
}

#[test]
fn wrong_arguments_never_reach_the_upstream() {
    let upstream = upstream();
    let nginx = nginx(
        &upstream,
        "pass GET \"http://UPSTREAM/{id}\"; argument id integer required min=1; argument lang string enum=en,de;",
    );
    let mut connection = nginx.connect();
    for (arguments, named) in [
        (json!({}), "\"id\""),
        (json!({"id": "7"}), "\"id\""),
        (json!({"id": 0}), "\"id\""),
        (json!({"id": null}), "\"id\""),
        (json!({"id": 7, "lang": "fr"}), "\"lang\""),
        (json!({"id": 7, "other": 1}), "\"other\""),
    ] {
        let text = connection.exchange(&call("t", arguments)).failure();
        assert!(text.contains(named), "{text}");
    }
    assert!(upstream.requests().is_empty());
}

/// Values that would leave their place if they were put there as they are, and what must come of them in a path; none
/// where no path can hold them.
const ATTACKS: [(&str, Option<&str>); 24] = [
    ("..", None),
    (".", None),
    ("../../etc/passwd", None),
    ("%2e%2e", None),
    ("%252e%252e%252fadmin", None),
    ("a/../b", None),
    ("..\\..", None),
    ("...", Some("...")),
    ("a..b", Some("a..b")),
    ("a/b", Some("a%2Fb")),
    ("a%2fb", Some("a%252fb")),
    ("a\\b", Some("a%5Cb")),
    ("?admin=1", Some("%3Fadmin%3D1")),
    ("#x", Some("%23x")),
    ("x&admin=1", Some("x%26admin%3D1")),
    ("x;y=z", Some("x%3By%3Dz")),
    (" ", Some("%20")),
    ("a b", Some("a%20b")),
    (
        "x HTTP/1.1\r\nHost: evil\r\n\r\nGET /admin",
        Some("x%20HTTP%2F1.1%0D%0AHost%3A%20evil%0D%0A%0D%0AGET%20%2Fadmin"),
    ),
    ("a\0b", Some("a%00b")),
    ("ä€😀", Some("%C3%A4%E2%82%AC%F0%9F%98%80")),
    ("$host ${uri} $mcp_tool", Some("%24host%20%24%7Buri%7D%20%24mcp_tool")),
    ("{id}", Some("%7Bid%7D")),
    ("http://evil/", Some("http%3A%2F%2Fevil%2F")),
];

#[test]
fn no_value_can_leave_its_segment_of_the_path() {
    let upstream = upstream();
    let nginx = nginx(&upstream, "pass GET \"http://UPSTREAM/v1/{id}/end\"; argument id string required;");
    let mut connection = nginx.connect();
    for (value, expected) in ATTACKS {
        let seen = upstream.requests().len();
        let response = connection.exchange(&call("t", json!({"id": value})));
        let requests = upstream.requests().split_off(seen);
        match expected {
            Some(expected) => {
                response.success();
                assert_eq!(requests[0].line(), format!("GET /v1/{expected}/end"), "{value:?}");
                assert_eq!(requests[0].headers().len(), 2, "{requests:?}");
            }
            None => {
                assert!(response.failure().contains("\"id\""), "{value:?}");
                assert!(requests.is_empty(), "{requests:?}");
            }
        }
    }
}

#[test]
fn no_value_can_leave_its_place_in_the_query() {
    let upstream = upstream();
    let nginx = nginx(&upstream, "pass GET \"http://UPSTREAM/x?b={b}\"; argument b string; argument q string;");
    for (value, expected) in ATTACKS {
        let seen = upstream.requests().len();
        nginx.send(&call("t", json!({"q": value, "b": value}))).success();
        let target = upstream.requests()[seen].target();
        let (b, q) = target.strip_prefix("/x?b=").unwrap().split_once("&q=").unwrap();
        assert_eq!(b, q);
        assert!(b.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%".contains(&byte)), "{b}");
        if let Some(expected) = expected {
            assert_eq!(b, expected);
        }
    }
}

#[test]
fn no_value_can_leave_its_header_line() {
    let upstream = upstream();
    let nginx = nginx(&upstream, "pass GET http://UPSTREAM/x; argument h string in=header name=X-H;");
    for value in ["a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\rX-Evil: 1", "a\0b", "\u{7f}", "ä", "\u{2028}"] {
        let text = nginx.send(&call("t", json!({"h": value}))).failure();
        assert!(text.contains("\"h\""), "{text}");
    }
    assert!(upstream.requests().is_empty());
    for value in ["plain", "a: b; c=\"d\", e", "$host %0d%0a ${uri}", "a\tb"] {
        nginx.send(&call("t", json!({"h": value}))).success();
        assert_eq!(upstream.requests().last().unwrap().header("x-h").as_deref(), Some(value));
    }
}

#[test]
fn no_value_can_leave_its_cookie() {
    let upstream = upstream();
    let nginx = nginx(&upstream, "pass GET http://UPSTREAM/x; argument c string in=cookie;");
    for (value, expected) in [
        ("1; admin=true", "1%3B%20admin=true"),
        ("1, admin=true", "1%2C%20admin=true"),
        ("a\r\nX-Evil: 1", "a%0D%0AX-Evil:%201"),
        ("\"q\\", "%22q%5C"),
        ("ä\0", "%C3%A4%00"),
    ] {
        nginx.send(&call("t", json!({"c": value}))).success();
        let request = upstream.requests().pop().unwrap();
        assert_eq!(request.header("cookie"), Some(format!("c={expected}")));
        assert_eq!(request.header("x-evil"), None);
    }
}

#[test]
fn any_text_survives_a_json_body() {
    let upstream = upstream();
    let nginx = nginx(&upstream, "pass POST http://UPSTREAM/x; argument a string;");
    for (value, _) in ATTACKS {
        nginx.send(&call("t", json!({"a": value}))).success();
        let request = upstream.requests().pop().unwrap();
        assert_eq!(serde_json::from_slice::<Value>(request.body()).unwrap(), json!({"a": value}));
        assert_eq!(request.line(), "POST /x");
    }
}

#[test]
fn numbers_reach_the_upstream_as_they_were_written() {
    let upstream = upstream();
    let nginx = nginx(&upstream, "pass POST \"http://UPSTREAM/{i}\"; argument i integer required; argument n number;");
    for (arguments, line, body) in [
        (r#"{"i":9007199254740993,"n":0.1}"#, "POST /9007199254740993", r#"{"n":0.1}"#),
        (r#"{"i":-5,"n":1e3}"#, "POST /-5", r#"{"n":1000.0}"#),
        (r#"{"i":5.0,"n":18446744073709551615}"#, "POST /5", r#"{"n":18446744073709551615}"#),
    ] {
        let mut request = call("t", json!({"i": 0}));
        let body_text = String::from_utf8(request.body).unwrap();
        request.body = body_text.replace(r#"{"i":0}"#, arguments).into_bytes();
        nginx.send(&request).success();
        let request = upstream.requests().pop().unwrap();
        assert_eq!((request.line().as_str(), std::str::from_utf8(request.body()).unwrap()), (line, body));
    }
}

#[test]
fn a_large_body_reaches_the_upstream_whole() {
    let upstream = upstream();
    let text = "0123456789".repeat(1 << 20);
    let nginx =
        conf(&upstream, "pass POST http://UPSTREAM/x; argument a string;").server("client_max_body_size 16m;").start();
    nginx.send(&call("t", json!({"a": text}))).success();
    let request = upstream.only_request();
    assert!(request.body() == json!({"a": text}).to_string().as_bytes());
}

#[test]
fn nothing_of_the_client_reaches_the_upstream() {
    let upstream = upstream();
    let nginx = nginx(&upstream, "pass GET http://UPSTREAM/x;");
    let mut request = call("t", json!({})).to("/mcp?token=secret");
    for (name, value) in [
        ("Authorization", "Bearer secret"),
        ("Cookie", "session=secret"),
        ("Accept-Encoding", "gzip"),
        ("X-Api-Key", "secret"),
        ("X-Forwarded-For", "1.2.3.4"),
        ("X-Forwarded-Host", "evil"),
        ("Forwarded", "for=evil"),
        ("Proxy-Authorization", "secret"),
        ("Range", "bytes=0-1"),
        ("User-Agent", "client"),
        ("Referer", "http://secret/"),
        ("Accept-Language", "de"),
        ("X-HTTP-Method-Override", "DELETE"),
        ("TE", "trailers"),
        ("Upgrade", "websocket"),
        ("If-None-Match", "*"),
        ("Mcp-Session-Id", "none"),
        ("Transfer-Coding", "x"),
        ("Content-Encoding", "identity"),
    ] {
        request = request.header(name, value);
    }
    nginx.send(&request).success();
    let request = upstream.only_request();
    let names: Vec<_> = request.headers().into_iter().map(|(name, _)| name).collect();
    assert_eq!((request.line().as_str(), names), ("GET /x", vec!["host".to_owned(), "accept".to_owned()]));
}

#[test]
fn what_the_operator_forwards_reaches_the_upstream() {
    let upstream = upstream();
    let nginx = nginx(
        &upstream,
        "pass GET http://UPSTREAM/x; proxy_set_header Authorization $http_authorization; proxy_set_header Cookie $http_cookie; \
         proxy_set_header X-Tool $mcp_tool; proxy_set_header X-Id $mcp_request_id; proxy_set_header X-Real-IP $remote_addr;",
    );
    nginx.send(&call("t", json!({})).header("Authorization", "Bearer x").header("Cookie", "a=b")).success();
    let request = upstream.only_request();
    for (name, value) in
        [("authorization", "Bearer x"), ("cookie", "a=b"), ("x-tool", "t"), ("x-id", "1"), ("x-real-ip", "127.0.0.1")]
    {
        assert_eq!(request.header(name).as_deref(), Some(value));
    }
    // A header whose value is empty is not sent.
    nginx.send(&call("t", json!({}))).success();
    assert_eq!(upstream.requests()[1].header("authorization"), None);
}

#[test]
fn headers_of_the_operator_are_inherited_as_nginx_does_it() {
    let upstream = upstream();
    let conf = Conf::new()
        .http("proxy_set_header X-Http h;\n")
        .server("location /a { mcp on; mcp_tool t { pass GET http://UPSTREAM/x; } }\n")
        .server("location /b { mcp on; proxy_set_header X-Location l; mcp_tool t { pass GET http://UPSTREAM/x; } }\n")
        .server("location /c { mcp on; proxy_set_header X-Location l; mcp_tool t { pass GET http://UPSTREAM/x; proxy_set_header X-Tool t; } }\n")
        .server("location /d { mcp on; mcp_tool t { pass GET http://UPSTREAM/x; proxy_set_header Host other; proxy_set_header Accept text/html; } }\n")
        .server("location /e { mcp on; proxy_set_header Host $host; mcp_tool t { pass GET http://UPSTREAM/x; } }\n")
        .with("UPSTREAM", &upstream);
    let nginx = conf.start();
    let own = upstream.to_string();
    let accept = "application/json, text/*;q=0.9, */*;q=0.8";
    for (path, host, accept, set) in [
        ("/a", own.as_str(), accept, "x-http"),
        ("/b", &own, accept, "x-location"),
        ("/c", &own, accept, "x-tool"),
        ("/d", "other", "text/html", ""),
        ("/e", "localhost", accept, ""),
    ] {
        nginx.send(&call("t", json!({})).to(path)).success();
        let request = upstream.requests().pop().unwrap();
        assert_eq!(request.header("host").as_deref(), Some(host), "{path}");
        assert_eq!(request.header("accept").as_deref(), Some(accept), "{path}");
        for name in ["x-http", "x-location", "x-tool"] {
            assert_eq!(request.header(name).is_some(), name == set, "{name} in {path}");
        }
        assert_eq!(request.header("connection"), None, "{path}");
    }
}

#[test]
fn the_host_is_the_one_of_the_url() {
    let upstream = upstream();
    let conf = Conf::location("mcp_tool t { pass GET http://backend/x; }")
        .http("upstream backend { server UPSTREAM; keepalive 4; }\n")
        .with("UPSTREAM", &upstream);
    conf.start().send(&call("t", json!({}))).success();
    assert_eq!(upstream.only_request().header("host").as_deref(), Some("backend"));
}

#[test]
fn a_relative_file_is_looked_for_beside_the_configuration() {
    let upstream = upstream();
    let schema = r#"{"type":"object","properties":{"ok":{"type":"boolean"}}}"#;
    let conf =
        conf(&upstream, "pass GET http://UPSTREAM/x; output_schema deep/er/o.json;").file("deep/er/o.json", schema);
    let nginx = conf.start();
    let list = nginx.send(&crate::harness::request(1, "tools/list", json!({}))).result();
    assert_eq!(list["tools"][0]["outputSchema"], serde_json::from_str::<Value>(schema).unwrap());
}

#[test]
fn an_answer_that_violates_the_output_schema_is_logged_and_strictly_refused() {
    let upstream = Upstream::answering(answer(&json!({"n": "five"})));
    let schema = r#"{"type":"object","properties":{"n":{"type":"integer"}}}"#;
    let conf = Conf::location(
        "mcp_tool lax { pass GET http://UPSTREAM/x; output_schema o.json; }\n\
         mcp_tool tight { pass GET http://UPSTREAM/x; output_schema o.json; strict on; }",
    );
    let nginx = conf.with("UPSTREAM", &upstream).file("o.json", schema).start();
    let position = nginx.log.position();
    nginx.send(&call("lax", json!({}))).success();
    nginx.log.await_lines(position, 1, "does not match the output schema");
    let text = nginx.send(&call("tight", json!({}))).failure();
    assert!(text.contains("output schema"), "{text}");
}

#[test]
fn every_revision_calls_the_same() {
    let upstream = upstream();
    let nginx = nginx(&upstream, "pass GET \"http://UPSTREAM/{id}\"; argument id string required;");
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let session = Session::open(&nginx, version);
        nginx.send(&session.call("t", json!({"id": version}))).success();
        assert_eq!(upstream.requests().pop().unwrap().line(), format!("GET /{version}"));
    }
    nginx.send(&call("t", json!({"id": "2026-07-28"}))).success();
    assert_eq!(upstream.requests().pop().unwrap().line(), "GET /2026-07-28");
}

#[test]
fn a_tool_gives_the_result_that_its_words_ask_for() {
    let body = json!({"data": {"items": [{"id": 1}, {"id": 2}]}, "note": "text"});
    let upstream = Upstream::answering(answer(&body));
    let conf = Conf::location(
        "mcp_tool part { pass GET http://UPSTREAM/x; select data.items.1; }\n\
         mcp_tool wrapped { pass GET http://UPSTREAM/x; select data.items; result json wrap=items; }\n\
         mcp_tool text { pass GET http://UPSTREAM/x; select note; result text; }\n\
         mcp_tool none { pass GET http://UPSTREAM/x; select data.none; }",
    );
    let nginx = conf.with("UPSTREAM", &upstream).start();
    assert_eq!(nginx.send(&call("part", json!({}))).success()["structuredContent"], json!({"id": 2}));
    assert_eq!(
        nginx.send(&call("wrapped", json!({}))).success()["structuredContent"],
        json!({"items": [{"id": 1}, {"id": 2}]})
    );
    assert_eq!(nginx.send(&call("text", json!({}))).success()["content"], json!([{"type": "text", "text": "text"}]));
    assert!(nginx.send(&call("none", json!({}))).failure().contains("data.none"));
}

#[test]
fn an_upstream_that_speaks_mcp_makes_the_result_itself() {
    let result = json!({"content": [{"type": "text", "text": "hi", "annotations": {"priority": 0.5}}], "isError": true, "_meta": {"a/b": 1}});
    let upstream = Upstream::answering(answer(&result));
    let nginx = nginx(&upstream, "pass GET http://UPSTREAM/x; result mcp;");
    let response = nginx.send(&call("t", json!({})));
    assert_eq!(response.failure(), "hi");
    assert_eq!(response.result()["_meta"]["a/b"], 1);
}
