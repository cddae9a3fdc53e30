//! The `$mcp_*` variables.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::harness::{Conf, Nginx, Request, Session, Upstream, call, json as answer, request, response};

const FORMAT: &str = "log_format v escape=json 'v $http_x_mark {\"method\":\"$mcp_method\",\"tool\":\"$mcp_tool\",\
\"version\":\"$mcp_protocol_version\",\"transport\":\"$mcp_transport\",\"status\":\"$mcp_status\",\"code\":\"$mcp_error_code\",\
\"id\":\"$mcp_request_id\",\"client\":\"$mcp_client_name/$mcp_client_version\",\"session\":\"$mcp_session\",\
\"up_status\":\"$mcp_upstream_status\",\"up_time\":\"$mcp_upstream_time\",\"arg\":\"$mcp_arg_id\",\"deep\":\"$mcp_arg_deep\",\
\"none\":\"$mcp_arg_none\",\"stock\":\"$upstream_status $upstream_addr $request_method $uri $status\"}';
";

fn conf(upstream: &Upstream) -> Conf {
    Conf::location(
        "mcp_tool get { pass GET \"http://UPSTREAM/{id}\"; argument id string required; argument deep object; }\n\
         access_log /dev/stderr v;",
    )
    .http(FORMAT)
    .with("UPSTREAM", upstream)
}

/// What the log says of a request.
fn logged(nginx: &Nginx, request: &Request) -> Value {
    static MARK: AtomicUsize = AtomicUsize::new(0);
    let mark = MARK.fetch_add(1, Ordering::Relaxed);
    nginx.send(&request.clone().header("X-Mark", &mark.to_string()));
    let begin = format!("v {mark} ");
    let line = nginx.log.await_lines(0, 1, &begin).remove(0);
    serde_json::from_str(line.strip_prefix(&begin).unwrap()).unwrap_or_else(|error| panic!("{error}: {line}"))
}

fn upstream() -> Upstream {
    Upstream::new(|request| match request.target().as_str() {
        "/missing" => response(404, "text/plain", "none"),
        _ => answer(&json!({})),
    })
}

#[test]
fn a_call_is_described_by_its_variables() {
    let upstream = upstream();
    let nginx = conf(&upstream).start();
    let line = logged(&nginx, &call("get", json!({"id": "a \"b\"", "deep": {"x": [1, 2]}})));
    assert_eq!(line["method"], "tools/call");
    assert_eq!(line["tool"], "get");
    assert_eq!(line["version"], "2026-07-28");
    assert_eq!(line["transport"], "streamable_http");
    assert_eq!(line["status"], "ok");
    assert_eq!(line["code"], "");
    assert_eq!(line["id"], "1");
    assert_eq!(line["client"], "live/1.0");
    assert_eq!(line["session"], "");
    assert_eq!(line["up_status"], "200");
    assert!(line["up_time"].as_str().unwrap().parse::<f64>().is_ok(), "{line}");
    assert_eq!(line["arg"], "a \"b\"");
    assert_eq!(line["deep"], r#"{"x":[1,2]}"#);
    assert_eq!(line["none"], "");
    assert_eq!(line["stock"], format!("200 {upstream} POST /mcp 200"));
}

#[test]
fn a_failed_call_is_told_from_a_refused_request() {
    let upstream = upstream();
    let nginx = conf(&upstream).start();
    for (request, status, code, up_status) in [
        (call("get", json!({"id": "missing"})), "tool_error", "", "404"),
        (call("get", json!({})), "tool_error", "", ""),
        (call("none", json!({})), "protocol_error", "-32602", ""),
        (request(1, "no/such", json!({})), "protocol_error", "-32601", ""),
        (Request::post("{"), "protocol_error", "-32700", ""),
        (Request::new("PATCH"), "protocol_error", "405", ""),
        (request(1, "tools/list", json!({})), "ok", "", ""),
        (Request::new("OPTIONS"), "ok", "", ""),
    ] {
        let line = logged(&nginx, &request);
        let seen =
            (line["status"].as_str().unwrap(), line["code"].as_str().unwrap(), line["up_status"].as_str().unwrap());
        assert_eq!(seen, (status, code, up_status), "{line}");
    }
}

#[test]
fn an_unknown_tool_has_no_name() {
    let upstream = upstream();
    let nginx = conf(&upstream).start();
    assert_eq!(logged(&nginx, &call("none", json!({"id": "x"})))["tool"], "");
    assert_eq!(logged(&nginx, &request(1, "tools/list", json!({"name": "get"})))["tool"], "");
}

#[test]
fn a_session_names_itself_and_its_client() {
    let upstream = upstream();
    let nginx = conf(&upstream).start();
    let line = logged(&nginx, &Session::initialize("2025-06-18"));
    assert_eq!(
        (&line["method"], &line["version"], &line["client"]),
        (&json!("initialize"), &json!("2025-06-18"), &json!("live/1.0"))
    );
    let session = Session::open(&nginx, "2025-06-18");
    let line = logged(&nginx, &session.request("seven", "tools/call", json!({"name": "get", "arguments": {"id": 7}})));
    assert_eq!(line["session"], session.id.as_str());
    assert_eq!((&line["id"], &line["client"]), (&json!("\"seven\""), &json!("live/1.0")));
    assert_eq!((&line["version"], &line["arg"]), (&json!("2025-06-18"), &json!("7")));
    let foreign = Session { id: "nonsense".into(), ..session };
    assert_eq!(logged(&nginx, &foreign.request(1, "ping", json!({})))["session"], "");
}

#[test]
fn variables_are_empty_outside_of_an_mcp_location() {
    let upstream = upstream();
    let nginx = conf(&upstream).server("location /other { access_log /dev/stderr v; return 200 other; }").start();
    let line = logged(&nginx, &Request::new("GET").to("/other"));
    for (name, value) in line.as_object().unwrap() {
        match name.as_str() {
            "stock" => {}
            "client" => assert_eq!(value, "/"),
            _ => assert_eq!(value, "", "{name}"),
        }
    }
}

#[test]
fn what_a_client_says_cannot_break_a_log_line() {
    let upstream = upstream();
    let conf = Conf::location(
        "mcp_tool get { pass GET http://UPSTREAM/x; argument id string; }\naccess_log /dev/stderr plain;",
    )
    .http("log_format plain 'plain <$mcp_method|$mcp_request_id|$mcp_arg_id|$mcp_client_name>';\n")
    .with("UPSTREAM", &upstream);
    let nginx = conf.start();
    let position = nginx.log.position();
    let evil = "x\nplain <evil>\r\n\u{0}\u{1b}[31m";
    let body = json!({"jsonrpc": "2.0", "id": evil, "method": "tools/call", "params": {"name": "get", "arguments": {"id": evil}, "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": evil, "version": evil},
        "io.modelcontextprotocol/clientCapabilities": {},
    }}});
    let request = Request { body: body.to_string().into_bytes(), ..call("get", json!({})) };
    nginx.send(&request);
    let lines = nginx.log.await_lines(position, 1, "plain <");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{lines:?}");
}

#[test]
fn a_log_can_be_kept_for_some_calls_alone() {
    let upstream = upstream();
    let conf = Conf::location(
        "mcp_tool get { pass GET http://UPSTREAM/x; }\nmcp_tool other { pass GET http://UPSTREAM/x; }\n\
         access_log /dev/stderr some if=$wanted;",
    )
    .http("map $mcp_tool $wanted { get 1; default 0; }\nlog_format some 'some $mcp_tool $mcp_request_id';\n")
    .with("UPSTREAM", &upstream);
    let nginx = conf.start();
    // One connection is one worker, which logs in order.
    let mut connection = nginx.connect();
    for (id, tool) in [(1, "other"), (2, "get"), (3, "other"), (4, "get")] {
        connection.exchange(&request(id, "tools/call", json!({"name": tool, "arguments": {}})));
    }
    nginx.log.await_lines(0, 1, "some get 4");
    let lines = nginx.log.await_lines(0, 2, "some ");
    assert_eq!(lines, ["some get 2", "some get 4"]);
}

#[test]
fn variables_can_be_sent_back_in_headers() {
    let upstream = upstream();
    let nginx = conf(&upstream).server("add_header X-Tool $mcp_tool always; add_header X-Status $mcp_status always; add_header X-Arg $mcp_arg_id always;").start();
    let reply = nginx.send(&call("get", json!({"id": "a"})));
    assert_eq!(
        (reply.header("x-tool"), reply.header("x-status"), reply.header("x-arg")),
        (Some("get"), Some("ok"), Some("a"))
    );
    let reply = nginx.send(&call("get", json!({"id": "missing"})));
    assert_eq!((reply.header("x-tool"), reply.header("x-status")), (Some("get"), Some("tool_error")));
    let reply = nginx.send(&Request::new("GET"));
    assert_eq!((reply.header("x-tool"), reply.header("x-status")), (None, Some("protocol_error")));
}
