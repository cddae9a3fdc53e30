//! `search`: the tools of an API description are found instead of listed.

use serde_json::{Value, json};

use crate::harness::{Act, Conf, Nginx, Request, Upstream, call, json as answer, request};

const DOCUMENT: &str = include_str!("../wire/warehouse.yaml");

/// A location whose tools are found, with these directives.
fn conf(directives: &str) -> Conf {
    Conf::location(&format!("mcp_openapi api.yaml {{ pass http://UPSTREAM; search on; }}\n{directives}"))
        .file("api.yaml", DOCUMENT)
}

fn upstream() -> Upstream {
    Upstream::new(|request| -> Vec<Act> { answer(&json!({"asked": request.line()})) })
}

fn through(tool: &str, arguments: Value) -> Request {
    call("call_tool", json!({"name": tool, "arguments": arguments}))
}

fn names(tools: &Value) -> Vec<&str> {
    tools["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect()
}

fn listed(nginx: &Nginx) -> Value {
    nginx.send(&request(1, "tools/list", json!({}))).result()
}

#[test]
fn a_tool_is_found_described_and_called() {
    let upstream = upstream();
    let nginx = conf("").with("UPSTREAM", &upstream).start();
    assert_eq!(names(&listed(&nginx)), ["search_tools", "describe_tool", "call_tool"]);
    let found = nginx.send(&call("search_tools", json!({"query": "one order", "limit": 1}))).result();
    assert_eq!(names(&found["structuredContent"]), ["getOrder"]);
    let described = nginx.send(&call("describe_tool", json!({"name": "getOrder"}))).result();
    assert_eq!(described["structuredContent"]["inputSchema"]["required"], json!(["id"]));
    for call in [through("getOrder", json!({"id": 7})), call("getOrder", json!({"id": 7}))] {
        let result = nginx.send(&call).result();
        assert_eq!(result["structuredContent"], json!({"asked": "GET /orders/7"}));
    }
    let result = nginx.send(&through("getOrder", json!({"id": "x"}))).result();
    assert_eq!(result["isError"], true);
    assert!(result["content"][0]["text"].as_str().unwrap().starts_with("tool \"getOrder\": "), "{result}");
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn limits_and_logs_go_by_the_tool_that_is_called() {
    let upstream = upstream();
    let nginx = conf("limit_req zone=z;\nlimit_req_status 429;\naccess_log /dev/stderr t;")
        .http("limit_req_zone $mcp_tool zone=z:1m rate=1r/m;\n")
        .http("log_format t 'called $mcp_tool $mcp_arg_id $mcp_status';\n")
        .with("UPSTREAM", &upstream)
        .start();
    let mut connection = nginx.connect();
    connection.exchange(&through("getOrder", json!({"id": 7}))).success();
    assert_eq!(connection.exchange(&through("getOrder", json!({"id": 8}))).error_code(), 429);
    assert_eq!(connection.exchange(&call("getOrder", json!({"id": 8}))).error_code(), 429);
    connection.exchange(&through("listOrders", json!({}))).success();
    connection.exchange(&call("search_tools", json!({"query": "order"}))).success();
    let lines = nginx.log.await_lines(0, 5, "called ");
    let expected = [
        "called getOrder 7 ok",
        "called getOrder 8 protocol_error",
        "called getOrder 8 protocol_error",
        "called listOrders - ok",
        "called search_tools - ok",
    ];
    assert_eq!(lines, expected);
    assert_eq!(upstream.requests().len(), 2);
}

#[test]
fn listed_tools_and_several_documents_stand_beside_each_other() {
    let upstream = upstream();
    let directives = "mcp_openapi api.yaml { pass http://UPSTREAM; prefix b_; search on; }\n\
                      mcp_openapi api.yaml { pass http://UPSTREAM; prefix c_; methods POST; search off; }\n\
                      mcp_tool last { pass GET http://UPSTREAM/last; }";
    let nginx = conf(directives).with("UPSTREAM", &upstream).start();
    let expected = ["search_tools", "describe_tool", "call_tool", "c_createOrder", "last"];
    assert_eq!(names(&listed(&nginx)), expected);
    let found = nginx.send(&call("search_tools", json!({"query": "stock"}))).result();
    assert_eq!(names(&found["structuredContent"]), ["warehouseStock", "b_warehouseStock"]);
    let result = nginx.send(&through("last", json!({}))).result();
    assert_eq!(result["structuredContent"], json!({"asked": "GET /last"}));
}

#[test]
fn no_other_tool_has_the_name_of_one_of_the_three() {
    let tool = "mcp_tool call_tool {\npass GET http://127.0.0.1:1/x;\n}\n";
    let block = "mcp_openapi api.yaml {\npass http://127.0.0.1:1;\nsearch on;\n}\n";
    for (directives, directive) in [(format!("{block}{tool}"), "mcp_tool"), (format!("{tool}{block}"), "mcp_openapi")] {
        let conf = Conf::location(&directives).file("api.yaml", DOCUMENT);
        let line = conf.line_of(&format!("{directive} ")).unwrap();
        let (taken, output) = conf.check();
        assert!(!taken, "{output}");
        let expected = format!(
            "\"{directive}\" directive is invalid: the location has \"search on\", which makes a tool \"call_tool\""
        );
        assert!(output.contains(&expected) && output.contains(&format!("nginx.conf:{line}\n")), "{line}: {output}");
    }
    let own = DOCUMENT.replace("getOrder", "search_tools");
    let (taken, output) = Conf::location(block).file("api.yaml", own).check();
    assert!(!taken && output.contains("makes a tool \"search_tools\" of its own"), "{output}");
    let (taken, output) = Conf::location(tool).check();
    assert!(taken, "{output}");
}

#[test]
fn search_is_on_or_off_once() {
    for (directives, expected) in [
        ("search maybe;", "\"search\" directive must be \"on\" or \"off\", not \"maybe\""),
        ("search on;\nsearch on;", "\"search\" directive is duplicate"),
    ] {
        let block = format!("mcp_openapi api.yaml {{\npass http://127.0.0.1:1;\n{directives}\n}}\n");
        let (taken, output) = Conf::location(&block).file("api.yaml", DOCUMENT).check();
        assert!(!taken && output.contains(expected), "{output}");
    }
}
