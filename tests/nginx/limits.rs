//! Stock nginx decides who may call what, by the variables of the call.

use serde_json::{Value, json};

use crate::harness::{
    Act, Conf, Gate, Nginx, Request, Response, Session, Upstream, call, json as answer, request, response,
};

const TOOLS: &str = "mcp_tool a { description d; pass GET http://UPSTREAM/a; }
mcp_tool b { description d; pass GET http://UPSTREAM/b; }";

fn upstream() -> Upstream {
    Upstream::answering(answer(&json!({})))
}

fn conf(upstream: &Upstream, directives: &str) -> Conf {
    Conf::location(&format!("{TOOLS}\n{directives}")).with("UPSTREAM", upstream)
}

/// A call in each era.
fn calls(nginx: &Nginx, tool: &str) -> [(Request, bool); 2] {
    let session = Session::open(nginx, "2025-06-18");
    [(call(tool, json!({})), true), (session.call(tool, json!({})), false)]
}

/// Sees that nginx's refusal came as JSON-RPC, with its status or, before a request with a session, as 200.
fn refused(reply: &Response, status: u16, is_stateless: bool) {
    let limit = matches!(status, 429 | 503);
    assert_eq!(reply.status, if limit && !is_stateless { 200 } else { status }, "{}", reply.text());
    assert_eq!(reply.error_code(), i64::from(status));
    assert_eq!(reply.json()["id"], 1);
}

#[test]
fn a_rate_is_limited_for_each_tool() {
    for (status, directive) in [(503, ""), (429, "limit_req_status 429;")] {
        for era in [0, 1] {
            let upstream = upstream();
            let conf = conf(&upstream, &format!("limit_req zone=z; {directive}"))
                .http("limit_req_zone $mcp_tool zone=z:1m rate=1r/m;\n");
            let nginx = conf.start();
            let mut connection = nginx.connect();
            let (first, is_stateless) = &calls(&nginx, "a")[era];
            connection.exchange(first).success();
            refused(&connection.exchange(first), status, *is_stateless);
            assert!(connection.is_kept());
            connection.exchange(&calls(&nginx, "b")[era].0).success();
            refused(&connection.exchange(first), status, *is_stateless);
            // Whatever calls no tool has an empty key, which is not limited.
            for _ in 0..3 {
                connection.exchange(&request(1, "tools/list", json!({}))).result();
            }
            assert_eq!(upstream.requests().len(), 2);
        }
    }
}

#[test]
fn an_unknown_tool_uses_up_no_limit() {
    let upstream = upstream();
    let conf = conf(&upstream, "limit_req zone=z;").http("limit_req_zone $mcp_tool zone=z:1m rate=1r/m;\n");
    let nginx = conf.start();
    for _ in 0..3 {
        assert_eq!(nginx.send(&call("none", json!({}))).error_code(), -32602);
    }
}

#[test]
fn a_delayed_call_is_made_later() {
    let upstream = upstream();
    let conf = conf(&upstream, "limit_req zone=z burst=5;").http("limit_req_zone $mcp_tool zone=z:1m rate=50r/s;\n");
    let nginx = conf.start();
    let mut connections: Vec<_> = (0..5).map(|_| nginx.connect()).collect();
    for connection in &mut connections {
        connection.send(&call("a", json!({})).bytes());
    }
    for connection in &mut connections {
        connection.receive().success();
    }
}

#[test]
fn a_client_that_leaves_while_it_is_delayed_makes_no_call() {
    let upstream = upstream();
    let conf = conf(&upstream, "limit_req zone=z burst=5;\naccess_log /dev/stderr left;")
        .http("limit_req_zone $mcp_tool zone=z:1m rate=1r/m;\nlog_format left 'left $status';\n");
    let nginx = conf.start();
    nginx.send(&call("a", json!({}))).success();
    let mut waiting = nginx.connect();
    waiting.send(&call("a", json!({})).bytes());
    // On the same connection's turn: another request is served, then the waiting client leaves.
    nginx.log.await_lines(0, 1, "delaying request");
    drop(waiting);
    nginx.log.await_lines(0, 1, "left 499");
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn connections_are_limited() {
    let gate = Gate::default();
    let acts = [vec![Act::Await(gate.clone())], answer(&json!({}))].concat();
    let upstream = Upstream::answering(acts);
    let conf = conf(&upstream, "limit_conn z 1;").http("limit_conn_zone $mcp_tool zone=z:1m;\n");
    let nginx = conf.start();
    let mut first = nginx.connect();
    first.send(&call("a", json!({})).bytes());
    upstream.await_requests(1);
    refused(&nginx.send(&call("a", json!({}))), 503, true);
    gate.open();
    first.receive().success();
    // On the same connection the first call is over for nginx, too.
    first.exchange(&call("a", json!({}))).success();
}

#[test]
fn a_map_of_the_tool_decides() {
    let upstream = upstream();
    let conf =
        conf(&upstream, "if ($forbidden) { return 403; }").http("map $mcp_tool $forbidden { default 0; b 1; }\n");
    let nginx = conf.start();
    for index in [0, 1] {
        let (request, is_stateless) = &calls(&nginx, "b")[index];
        refused(&nginx.send(request), 403, *is_stateless);
        nginx.send(&calls(&nginx, "a")[index].0).success();
    }
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn an_argument_decides() {
    let upstream = upstream();
    let conf = Conf::location(
        "mcp_tool t { pass GET \"http://UPSTREAM/{id}\"; argument id string required; }\n\
         if ($mcp_arg_id ~ \"^secret\") { return 403; }",
    );
    let nginx = conf.with("UPSTREAM", &upstream).start();
    refused(&nginx.send(&call("t", json!({"id": "secret-1"}))), 403, true);
    nginx.send(&call("t", json!({"id": "open"}))).success();
    assert_eq!(upstream.only_request().line(), "GET /open");
}

#[test]
fn addresses_are_allowed_and_denied() {
    let upstream = upstream();
    let nginx = conf(&upstream, "deny all;").start();
    refused(&nginx.send(&call("a", json!({}))), 403, true);
    let nginx = conf(&upstream, "allow 127.0.0.1; deny all;").start();
    for (request, _) in calls(&nginx, "a") {
        nginx.send(&request).success();
    }
}

/// Asks a service of the operator's.
const AUTH: &str = "location = /auth {
    internal;
    proxy_pass http://SERVICE/check;
    proxy_pass_request_body off;
    proxy_set_header Content-Length '';
    proxy_set_header X-Tool $mcp_tool;
    proxy_set_header X-Method $mcp_method;
    proxy_set_header X-Id $mcp_request_id;
}
";

#[test]
fn a_service_of_the_operator_decides() {
    let challenge = "Bearer resource_metadata=\"https://as.example/\"";
    let service = Upstream::new(move |request| {
        let status = request.header("x-ask").unwrap_or_else(|| "204".to_owned());
        let head = format!("HTTP/1.1 {status} Status\r\nWWW-Authenticate: {challenge}\r\n");
        let rest = if status == "204" { "\r\n" } else { "Content-Type: text/html\r\nContent-Length: 4\r\n\r\npage" };
        vec![Act::Send([head.as_bytes(), rest.as_bytes()].concat())]
    });
    let upstream = upstream();
    let nginx = conf(&upstream, "auth_request /auth;").server(AUTH).with("SERVICE", &service).start();
    let mut connection = nginx.connect();
    for (good, _) in calls(&nginx, "a") {
        for (asked, status) in [("401", 401), ("403", 403), ("500", 500)] {
            let reply = connection.exchange(&good.clone().header("X-Ask", asked));
            assert_eq!(reply.status, status, "{}", reply.text());
            assert_eq!(reply.error_code(), if status == 500 { -32603 } else { i64::from(status) });
            assert_eq!(reply.json()["id"], 1);
            assert_eq!(reply.header("www-authenticate"), (status == 401).then_some(challenge));
            if !connection.is_kept() {
                connection = nginx.connect();
            }
        }
        connection.exchange(&good).success();
    }
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn a_service_of_the_operator_knows_the_call() {
    let service = Upstream::new(|request| match request.header("x-tool").as_deref() {
        Some("b") => response(403, "text/plain", "no"),
        _ => response(200, "text/plain", ""),
    });
    let upstream = upstream();
    let nginx = conf(&upstream, "auth_request /auth;").server(AUTH).with("SERVICE", &service).start();
    nginx.send(&call("a", json!({})).header("Authorization", "Bearer x")).success();
    refused(&nginx.send(&call("b", json!({}))), 403, true);
    let seen = service.requests();
    assert_eq!(seen[0].header("x-tool").as_deref(), Some("a"));
    assert_eq!(seen[0].header("x-method").as_deref(), Some("tools/call"));
    assert_eq!(seen[0].header("x-id").as_deref(), Some("1"));
    assert_eq!(seen[0].header("authorization").as_deref(), Some("Bearer x"));
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn what_the_service_answers_can_go_on_to_the_tool() {
    let service =
        Upstream::answering(vec![Act::Send(b"HTTP/1.1 200 OK\r\nX-User: ada\r\nContent-Length: 0\r\n\r\n".to_vec())]);
    let upstream = upstream();
    let conf = conf(
        &upstream,
        "auth_request /auth; auth_request_set $user $upstream_http_x_user; proxy_set_header X-User $user;\n\
         access_log /dev/stderr v;",
    )
    .http("log_format v 'v $mcp_tool $mcp_upstream_status';\n")
    .server(AUTH)
    .with("SERVICE", &service);
    let nginx = conf.start();
    nginx.send(&call("a", json!({}))).success();
    assert_eq!(upstream.only_request().header("x-user").as_deref(), Some("ada"));
    nginx.log.await_lines(0, 1, "v a 200");
}

#[test]
fn a_password_is_asked_for() {
    let upstream = upstream();
    let conf = conf(&upstream, "auth_basic realm; auth_basic_user_file users;\nproxy_set_header X-User $remote_user;");
    let nginx = conf.file("users", "ada:{PLAIN}secret\n").start();
    let reply = nginx.send(&call("a", json!({})));
    refused(&reply, 401, true);
    assert_eq!(reply.header("www-authenticate"), Some("Basic realm=\"realm\""));
    nginx.send(&call("a", json!({})).header("Authorization", "Basic YWRhOnNlY3JldA==")).success();
    let request = upstream.only_request();
    assert_eq!(request.header("x-user").as_deref(), Some("ada"));
    assert_eq!(request.header("authorization"), None);
}

#[test]
fn one_of_two_rules_can_be_enough() {
    let upstream = upstream();
    let directives = "satisfy any; deny all; auth_basic realm; auth_basic_user_file users;";
    let nginx = conf(&upstream, directives).file("users", "ada:{PLAIN}secret\n").start();
    assert_eq!(nginx.send(&call("a", json!({}))).status, 401);
    nginx.send(&call("a", json!({})).header("Authorization", "Basic YWRhOnNlY3JldA==")).success();
}

#[test]
fn headers_of_a_refusal_are_kept() {
    let upstream = upstream();
    let conf = conf(&upstream, "add_header Retry-After 7 always;\nlimit_req zone=z;\nlimit_req_status 429;")
        .http("limit_req_zone $mcp_tool zone=z:1m rate=1r/m;\n");
    let nginx = conf.start();
    nginx.send(&call("a", json!({}))).success();
    let reply = nginx.send(&call("a", json!({})));
    refused(&reply, 429, true);
    assert_eq!(reply.header("retry-after"), Some("7"));
}

#[test]
fn a_batch_is_limited_by_its_first_call() {
    let upstream = upstream();
    let conf = conf(&upstream, "limit_req zone=z;").http("limit_req_zone $mcp_tool zone=z:1m rate=1r/m;\n");
    let nginx = conf.start();
    let session = Session::open(&nginx, "2025-03-26");
    let message = |id: i32, tool: &str| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool, "arguments": {}}});
    let batch = session.carry(Request::post(json!([message(1, "a"), message(2, "b")]).to_string()));
    let replies = nginx.send(&batch).json();
    assert!(replies.as_array().unwrap().iter().all(|reply| reply["result"].is_object()), "{replies}");
    let replies = nginx.send(&batch);
    assert_eq!(replies.status, 200);
    let codes: Vec<Value> =
        replies.json().as_array().unwrap().iter().map(|reply| reply["error"]["code"].clone()).collect();
    assert_eq!(codes, [json!(503), json!(503)]);
}

#[test]
fn what_rewrites_return_is_what_the_client_can_read() {
    let upstream = upstream();
    for (status, code) in [
        (400, -32600),
        (401, 401),
        (402, 402),
        (404, 404),
        (409, 409),
        (410, 410),
        (500, -32603),
        (502, 502),
        (504, 504),
    ] {
        let nginx = conf(&upstream, &format!("return {status};")).start();
        let reply = nginx.send(&call("a", json!({})));
        assert_eq!((reply.status, reply.error_code()), (status, code));
    }
    assert!(upstream.requests().is_empty());
}
