//! Calls of a document's tools use nginx as those of `mcp_tool` do.

use serde_json::{Value, json};

use super::multipart::parts;
use super::{document, names, tools, upstream};
use crate::harness::{Act, Conf, Gate, Request, Session, Upstream, call, json as answer};

fn get(id: &str) -> Value {
    json!({"get": {"operationId": id}})
}

fn conf(directives: &str, document: &Value) -> Conf {
    Conf::location(directives).file("api.json", document.to_string())
}

#[test]
fn directives_of_a_tool_act_on_it_alone() {
    let gate = Gate::default();
    let waits = gate.clone();
    let upstream = Upstream::new(move |request| match request.target().as_str() {
        "/fast" => vec![Act::AwaitClose(waits.clone())],
        _ => [vec![Act::Await(waits.clone())], answer(&json!({"late": true}))].concat(),
    });
    let paths = json!({"/fast": get("fast"), "/slow": get("slow"), "/other": get("other")});
    let nginx = conf(
        "proxy_read_timeout 20s;\nmcp_openapi api.json { proxy_connect_timeout 5s;\n\
         tool fast { proxy_read_timeout 100ms; proxy_set_header X-Tool fast; }\ntool slow { proxy_set_header X-Tool slow; } }",
        &document(&format!("http://{upstream}"), paths),
    )
    .start();
    let (mut slow, mut other) = (nginx.connect(), nginx.connect());
    slow.send(&call("slow", json!({})).bytes());
    other.send(&call("other", json!({})).bytes());
    upstream.await_requests(2);
    // The fast tool's time runs out, which opens the gate that the others wait for.
    assert!(nginx.send(&call("fast", json!({}))).failure().contains("in time"));
    for mut connection in [slow, other] {
        assert_eq!(connection.receive().success()["structuredContent"], json!({"late": true}));
    }
    for request in upstream.requests() {
        let expected = match request.target().as_str() {
            "/fast" => Some("fast"),
            "/slow" => Some("slow"),
            _ => None,
        };
        assert_eq!(request.header("x-tool").as_deref(), expected);
    }
}

#[test]
fn header_lines_of_every_level_hold() {
    let parameter = json!({"name": "X-Own", "in": "header", "schema": {"type": "string"}});
    let paths = json!({
        "/a": {"get": {"operationId": "a", "parameters": [parameter]}},
        "/b": {"post": {"operationId": "b", "requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}}}},
    });
    for (outside, block, tool, expected) in [
        ("proxy_set_header X-A outside;", "", "", "outside"),
        ("", "proxy_set_header X-A block;", "", "block"),
        ("proxy_set_header X-A outside;", "proxy_set_header X-A block;", "", "block"),
        ("proxy_set_header X-A outside;", "proxy_set_header X-A block;", "proxy_set_header X-A tool;", "tool"),
    ] {
        let upstream = upstream();
        let directives =
            format!("{outside}\nmcp_openapi api.json {{ {block}\ntool a {{ {tool} }}\ntool b {{ {tool} }} }}");
        let nginx = conf(&directives, &document(&format!("http://{upstream}"), paths.clone())).start();
        nginx.send(&call("a", json!({"X-Own": "own"}))).success();
        nginx.send(&call("b", json!({"body": {"x": 1}}))).success();
        let requests = upstream.requests();
        for request in &requests {
            assert_eq!(request.header("x-a").as_deref(), Some(expected), "{directives}");
            assert_eq!(request.header("host"), Some(upstream.to_string()));
        }
        assert_eq!(requests[0].header("x-own").as_deref(), Some("own"));
        assert_eq!(requests[1].header("content-type").as_deref(), Some("application/json"));
    }
}

#[test]
fn a_document_may_have_several_origins() {
    let (first, second, third) = (upstream(), upstream(), upstream());
    let server = |upstream: &Upstream, path: &str| json!([{"url": format!("http://{upstream}{path}")}]);
    let mut paths = json!({
        "/a": {"get": {"operationId": "a"}, "post": {"operationId": "b", "servers": server(&second, "/two")}},
        "/c": get("c"),
    });
    paths["/c"]["servers"] = server(&third, "/three/");
    let document = document(&format!("http://{first}/one"), paths);
    let nginx = conf("mcp_openapi api.json { }", &document).start();
    for name in ["a", "b", "c"] {
        nginx.send(&call(name, json!({}))).success();
    }
    assert_eq!(first.only_request().line(), "GET /one/a");
    assert_eq!(second.only_request().line(), "POST /two/a");
    assert_eq!(third.only_request().line(), "GET /three/c");
    for (pass, prefix) in [("", "/one"), ("/", ""), ("/other/", "/other")] {
        let fourth = upstream();
        let nginx = conf(&format!("mcp_openapi api.json {{ pass http://{fourth}{pass}; }}"), &document).start();
        nginx.send(&call("a", json!({}))).success();
        nginx.send(&call("c", json!({}))).success();
        assert_eq!(fourth.requests()[0].line(), format!("GET {prefix}/a"));
    }
    assert_eq!([&first, &second, &third].map(|upstream| upstream.requests().len()), [1, 1, 1]);
}

#[test]
fn pass_may_name_an_upstream_block() {
    let upstream = upstream();
    let document = document("https://api.example.com/v2", json!({"/a": get("a"), "/b": get("b")}));
    let nginx = conf("mcp_openapi api.json { pass http://backend; }", &document)
        .http("upstream backend { server UPSTREAM; keepalive 2; }\n")
        .with("UPSTREAM", &upstream)
        .start();
    let mut client = nginx.connect();
    for _ in 0..5 {
        client.exchange(&call("a", json!({}))).success();
        client.exchange(&call("b", json!({}))).success();
    }
    assert_eq!((upstream.requests().len(), upstream.connections()), (10, 1));
    assert_eq!(upstream.requests()[1].line(), "GET /v2/b");
    assert_eq!(upstream.requests()[1].header("host").as_deref(), Some("backend"));
}

#[test]
fn connections_are_kept_between_tools() {
    let upstream = upstream();
    let body = json!({"content": {"application/json": {"schema": {"type": "object"}}}});
    let paths = json!({
        "/a": {"get": {"operationId": "a"}, "delete": {"operationId": "b"}, "post": {"operationId": "c", "requestBody": body}},
    });
    let nginx = conf("mcp_openapi api.json { }", &document(&format!("http://{upstream}"), paths)).start();
    let mut client = nginx.connect();
    for (name, arguments) in [("a", json!({})), ("b", json!({})), ("c", json!({"body": {}})), ("a", json!({}))] {
        client.exchange(&call(name, arguments)).success();
    }
    let lines: Vec<String> = upstream.requests().iter().map(|request| request.line()).collect();
    assert_eq!(lines, ["GET /a", "DELETE /a", "POST /a", "GET /a"]);
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn a_body_that_need_not_be_is_not_sent() {
    let upstream = upstream();
    let body = json!({"content": {"application/json": {"schema": {"type": "object"}}}});
    let required = json!({"required": true, "content": {"application/json": {"schema": {"type": "object"}}}});
    let paths = json!({
        "/a": {"post": {"operationId": "optional", "requestBody": body}},
        "/b": {"post": {"operationId": "required", "requestBody": required}},
        "/c": {"post": {"operationId": "none"}},
    });
    let nginx = conf("mcp_openapi api.json { }", &document(&format!("http://{upstream}"), paths)).start();
    let mut client = nginx.connect();
    client.exchange(&call("optional", json!({}))).success();
    client.exchange(&call("none", json!({}))).success();
    client.exchange(&call("optional", json!({"body": {}}))).success();
    assert!(client.exchange(&call("required", json!({}))).failure().contains("body"));
    let requests = upstream.requests();
    for request in &requests[..2] {
        assert_eq!((request.body(), request.header("content-type")), (&b""[..], None), "{request:?}");
        // RFC 9110, 8.6: a POST without content says so.
        assert!(matches!(request.header("content-length").as_deref(), None | Some("0")), "{request:?}");
    }
    assert_eq!(requests[2].body(), b"{}");
    assert_eq!(requests[2].header("content-type").as_deref(), Some("application/json"));
    assert_eq!(requests.len(), 3);
}

#[test]
fn files_are_uploaded() {
    let upstream = upstream();
    let schema = json!({"type": "object", "properties": {
        "file": {"contentMediaType": "image/png"},
        "meta": {"type": "object"}, "note": {"type": "string"},
    }});
    let paths = json!({
        "/files": {"post": {"operationId": "upload", "requestBody": {"content": {"multipart/form-data": {"schema": schema}}}}},
        "/raw": {"put": {"operationId": "raw", "requestBody": {"content": {"application/octet-stream": {}}}}},
    });
    let nginx = conf("mcp_openapi api.json { }", &document(&format!("http://{upstream}"), paths)).start();
    let mut client = nginx.connect();
    client.exchange(&call("raw", json!({"body": "AP8NCg=="}))).success();
    assert_eq!(upstream.requests()[0].body(), b"\0\xff\r\n");
    client.exchange(&call("raw", json!({"body": "not base64!"}))).failure();
    // More than fits into one buffer of nginx.
    let large = "AP8NCi0t".repeat(20_000);
    let body = json!({"file": large, "meta": {"a": [1]}, "note": "ä\r\n--x"});
    client.exchange(&call("upload", json!({"body": body}))).success();
    let requests = upstream.requests();
    assert_eq!(requests.len(), 2);
    let mut parts = parts(&requests[1]);
    parts.sort_by(|a, b| a.name.cmp(&b.name));
    let names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
    assert_eq!(names, ["file", "meta", "note"]);
    assert!(parts[0].body == b"\0\xff\r\n--".repeat(20_000));
    assert_eq!(parts[0].content_type.as_deref(), Some("image/png"));
    assert!(parts[0].filename.is_some() && parts[2].filename.is_none());
    assert_eq!(
        (parts[1].body.as_slice(), parts[1].content_type.as_deref()),
        (&br#"{"a":[1]}"#[..], Some("application/json"))
    );
    assert_eq!(parts[2].body, "ä\r\n--x".as_bytes());
}

#[test]
fn batches_call_them() {
    let upstream = Upstream::new(|request| answer(&json!({"line": request.line()})));
    let id = json!({"name": "id", "in": "path", "required": true, "schema": {"type": "integer"}});
    let body = json!({"content": {"application/json": {"schema": {"type": "object"}}}});
    let paths = json!({
        "/a/{id}": {"get": {"operationId": "a", "parameters": [id]}},
        "/b": {"post": {"operationId": "b", "requestBody": body}},
    });
    let nginx = conf("mcp_openapi api.json { }", &document(&format!("http://{upstream}"), paths)).start();
    let session = Session::open(&nginx, "2025-03-26");
    let message = |id: i32, name: &str, arguments: Value| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": name, "arguments": arguments}});
    let batch = json!([
        message(1, "a", json!({"id": 7})),
        message(2, "b", json!({"body": {"x": 1}})),
        message(3, "a", json!({"id": "x"})),
        message(4, "a", json!({"id": 8}))
    ]);
    let replies = nginx.send(&session.carry(Request::post(batch.to_string()))).json();
    let mut lines: Vec<(i64, String)> = replies
        .as_array()
        .unwrap()
        .iter()
        .map(|reply| {
            (reply["id"].as_i64().unwrap(), reply["result"]["content"][0]["text"].as_str().unwrap().to_owned())
        })
        .collect();
    lines.sort();
    assert!(
        lines[0].1.contains("GET /a/7") && lines[1].1.contains("POST /b") && lines[3].1.contains("GET /a/8"),
        "{lines:?}"
    );
    assert_eq!((lines.len(), upstream.requests().len()), (4, 3));
    assert_eq!(upstream.requests()[1].body(), br#"{"x":1}"#);
}

#[test]
fn limits_and_logs_know_the_tool() {
    let upstream = upstream();
    let paths = json!({"/a": get("a"), "/b": get("b")});
    let nginx = conf(
        "limit_req zone=per_tool;\naccess_log /dev/stderr tools;\nmcp_openapi api.json { prefix x_; }",
        &document(&format!("http://{upstream}"), paths),
    )
    .http("limit_req_zone $mcp_tool zone=per_tool:1m rate=1r/m;\nlog_format tools 'called <$mcp_tool> $mcp_status $mcp_upstream_status';\n")
    .start();
    nginx.send(&call("x_a", json!({}))).success();
    nginx.send(&call("x_b", json!({}))).success();
    let refused = nginx.send(&call("x_a", json!({})));
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(upstream.requests().len(), 2);
    nginx.log.await_lines(0, 1, "called <x_a> ok 200");
    nginx.log.await_lines(0, 1, "called <x_b> ok 200");
}

#[test]
fn a_reload_reads_the_document_again() {
    let upstream = upstream();
    let conf = |paths: Value| conf("mcp_openapi api.json { }", &document(&format!("http://{upstream}"), paths));
    let nginx = conf(json!({"/a": get("a")})).start();
    assert_eq!(names(&nginx), ["a"]);
    nginx.reload_with(&conf(json!({"/a": get("renamed"), "/b": get("b")})));
    assert_eq!(names(&nginx), ["renamed", "b"]);
    nginx.send(&call("b", json!({}))).success();
    assert_eq!(nginx.send(&call("a", json!({}))).error_code(), -32602);
    for _ in 0..3 {
        nginx.reload();
    }
    nginx.send(&call("renamed", json!({}))).success();
    assert_eq!(upstream.requests().iter().map(|request| request.line()).collect::<Vec<_>>(), ["GET /b", "GET /a"]);
}

#[test]
fn a_broken_document_does_not_replace_a_good_one() {
    let upstream = upstream();
    let good = conf("mcp_openapi api.json { }", &document(&format!("http://{upstream}"), json!({"/a": get("a")})));
    let bad = Conf::location("mcp_openapi api.json { }").file("api.json", "{");
    let mut nginx = good.start();
    nginx.expect_in_log("api.json");
    nginx.reload_in_vain_with(&bad);
    nginx.send(&call("a", json!({}))).success();
}

#[test]
fn documents_and_tools_stand_side_by_side() {
    let upstream = upstream();
    let document = document(&format!("http://{upstream}"), json!({"/a": get("a"), "/b": get("b")}));
    let nginx = conf(
        "mcp_tool first { pass GET http://UPSTREAM/first; }\nmcp_openapi api.json { }\n\
         mcp_tool last { pass GET http://UPSTREAM/last; }\nmcp_openapi api.json { prefix again_; }",
        &document,
    )
    .with("UPSTREAM", &upstream)
    .start();
    let expected = ["first", "a", "b", "last", "again_a", "again_b"];
    assert_eq!(names(&nginx), expected);
    assert!(tools(&nginx).iter().all(|tool| tool["inputSchema"]["type"] == "object"));
    for name in expected {
        nginx.send(&call(name, json!({}))).success();
    }
    let targets: Vec<String> = upstream.requests().iter().map(|request| request.target()).collect();
    assert_eq!(targets, ["/first", "/a", "/b", "/last", "/a", "/b"]);
}

#[test]
fn a_tool_block_may_be_of_several_operations() {
    let (first, second) = (upstream(), upstream());
    let body = json!({"required": true, "content": {"application/json": {"schema": {"type": "object"}}}});
    let mut paths =
        json!({"/a": get("same"), "/b": get("same"), "/c": {"post": {"operationId": "same", "requestBody": body}}});
    paths["/b"]["servers"] = json!([{"url": format!("http://{second}")}]);
    let nginx = conf(
        "mcp_openapi api.json { tool same { proxy_set_header X-A tool; } }",
        &document(&format!("http://{first}"), paths),
    )
    .start();
    for (name, arguments) in names(&nginx).iter().zip([json!({}), json!({}), json!({"body": {"x": 1}})]) {
        nginx.send(&call(name, arguments)).success();
    }
    let requests = first.requests();
    assert_eq!([requests[0].line(), requests[1].line()], ["GET /a", "POST /c"]);
    assert_eq!(requests[1].body(), br#"{"x":1}"#);
    assert_eq!(second.only_request().line(), "GET /b");
    for request in requests.iter().chain(&second.requests()) {
        assert_eq!(request.header("x-a").as_deref(), Some("tool"));
    }
}

#[test]
fn headers_and_keys_have_the_names_of_the_document() {
    let upstream = upstream();
    let header = |name: &str| json!({"name": name, "in": "header", "schema": {"type": "string"}});
    let parameters = ["X-A", "X-a-B", "Host", "Connection"].map(header);
    let mut document =
        document(&format!("http://{upstream}"), json!({"/a": {"get": {"operationId": "a", "parameters": parameters}}}));
    document["components"] = json!({"securitySchemes": {"s": {"type": "apiKey", "in": "header", "name": "api_key"}}});
    document["security"] = json!([{"s": []}]);
    let nginx = conf("mcp_openapi api.json { credential s secret; }", &document).start();
    let properties = tools(&nginx)[0]["inputSchema"]["properties"].as_object().unwrap().clone();
    assert_eq!(properties.keys().collect::<Vec<_>>(), ["X-A", "X-a-B"]);
    nginx.send(&call("a", json!({"X-A": "1", "X-a-B": "2"}))).success();
    let request = upstream.only_request();
    for (name, value) in [("x-a", "1"), ("x-a-b", "2"), ("api_key", "secret"), ("host", &upstream.to_string())] {
        assert_eq!(request.header(name).as_deref(), Some(value), "{request:?}");
    }
}
