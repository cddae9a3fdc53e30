//! Which tools a document gives, under which names, and what the operator changes in them.

use serde_json::{Value, json};

use super::{document, names, tools, upstream};
use crate::harness::{Conf, Nginx, Received, Request, Upstream, call};

/// A description of a shop: five operations.
fn shop(upstream: &Upstream) -> Value {
    let id = json!({"name": "id", "in": "path", "required": true, "schema": {"type": "integer"}});
    let tenant = json!({"name": "tenant", "in": "query", "required": true, "schema": {"type": "string"}});
    let limit = json!({"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 100}});
    let order = json!({"type": "object", "properties": {"item": {"type": "integer"}, "source": {"type": "string"}}, "required": ["item", "source"]});
    document(
        &format!("http://{upstream}/v1"),
        json!({
            "/orders": {
                "get": {"operationId": "listOrders", "tags": ["public"], "summary": "Lists orders.", "parameters": [tenant, limit]},
                "post": {"operationId": "addOrder", "tags": ["public"], "parameters": [tenant],
                    "requestBody": {"required": true, "content": {"application/json": {"schema": order}}}},
            },
            "/orders/{id}": {
                "get": {"operationId": "getOrder", "tags": ["public", "single"], "parameters": [id]},
                "delete": {"operationId": "deleteOrder", "parameters": [id]},
            },
            "/admin/reset": {"post": {"operationId": "reset"}},
        }),
    )
}

fn nginx(upstream: &Upstream, directives: &str) -> Nginx {
    Conf::location(&format!("mcp_openapi shop.json {{\n{directives}\n}}"))
        .file("shop.json", shop(upstream).to_string())
        .start()
}

#[test]
fn the_operator_says_which_operations_are_tools() {
    let all = ["listOrders", "addOrder", "getOrder", "deleteOrder", "reset"];
    let cases: [(&str, &[&str]); 12] = [
        ("", &all),
        ("expose tag=public;", &["listOrders", "addOrder", "getOrder"]),
        ("expose tag=public; hide operation=add*;", &["listOrders", "getOrder"]),
        ("expose tag=public method=GET;", &["listOrders", "getOrder"]),
        ("expose operation=reset; expose tag=single;", &["getOrder", "reset"]),
        ("hide path=/admin/*;", &["listOrders", "addOrder", "getOrder", "deleteOrder"]),
        ("hide method=DELETE; hide operation=reset;", &["listOrders", "addOrder", "getOrder"]),
        ("methods POST DELETE;", &["addOrder", "deleteOrder", "reset"]),
        ("readonly on;", &["listOrders", "getOrder"]),
        ("readonly off;", &all),
        ("prefix shop_;", &["shop_listOrders", "shop_addOrder", "shop_getOrder", "shop_deleteOrder", "shop_reset"]),
        ("prefix shop_; readonly on; tool getOrder { name order; }", &["shop_listOrders", "order"]),
    ];
    let upstream = upstream();
    for (directives, expected) in cases {
        let nginx = nginx(&upstream, directives);
        assert_eq!(names(&nginx), expected, "{directives}");
        for hidden in all.iter().filter(|name| !expected.contains(name)) {
            assert_eq!(nginx.send(&call(hidden, json!({"id": 1}))).error_code(), -32602, "{directives}: {hidden}");
        }
    }
    assert!(upstream.requests().is_empty());
}

#[test]
fn a_tool_says_what_it_is() {
    let upstream = upstream();
    let nginx = nginx(&upstream, "tool getOrder { name order; description \"One order of this shop.\"; }");
    let tools = tools(&nginx);
    let tool = |name: &str| tools.iter().find(|tool| tool["name"] == name).unwrap().clone();
    assert_eq!(tool("order")["description"], "One order of this shop.");
    assert_eq!(tool("order")["annotations"], json!({"readOnlyHint": true}));
    assert_eq!(tool("listOrders")["description"], "Lists orders.");
    assert_eq!(tool("listOrders")["title"], "Lists orders.");
    assert_eq!(tool("listOrders")["inputSchema"]["required"], json!(["tenant"]));
    assert_eq!(tool("deleteOrder")["annotations"], json!({"destructiveHint": true, "idempotentHint": true}));
    assert_eq!(tool("addOrder").get("annotations").cloned().unwrap_or(json!({})), json!({}));
    nginx.send(&call("order", json!({"id": 5}))).success();
    assert_eq!(upstream.only_request().line(), "GET /v1/orders/5");
}

/// What reaches the upstream of a call with these header lines, of a tool that has none of these arguments.
fn fixed(block: &str, gone: &[&str], request: &Request) -> Received {
    let upstream = upstream();
    let nginx = nginx(&upstream, block);
    for tool in tools(&nginx) {
        let properties = tool["inputSchema"]["properties"].as_object().unwrap();
        if block.contains(tool["name"].as_str().unwrap()) {
            assert!(gone.iter().all(|name| !properties.contains_key(*name)), "{tool}");
        }
    }
    nginx.send(request).success();
    upstream.only_request()
}

#[test]
fn a_fixed_parameter_is_no_argument() {
    let list = call("listOrders", json!({}));
    let sent = fixed("tool listOrders { fix tenant berlin; }", &["tenant"], &list);
    assert_eq!(sent.line(), "GET /v1/orders?tenant=berlin");
    let sent = fixed("tool listOrders { fix tenant \"a&b=c d\"; fix limit 5; }", &["tenant", "limit"], &list);
    assert_eq!(sent.line(), "GET /v1/orders?tenant=a%26b%3Dc%20d&limit=5");
    let by_client = list.clone().header("X-Tenant", "hamburg");
    let sent = fixed("tool listOrders { fix tenant $http_x_tenant; }", &["tenant"], &by_client);
    assert_eq!(sent.line(), "GET /v1/orders?tenant=hamburg");
    let mixed = fixed("tool listOrders { fix tenant \"t-$http_x_tenant/${mcp_tool}\"; }", &["tenant"], &by_client);
    assert_eq!(mixed.line(), "GET /v1/orders?tenant=t-hamburg%2FlistOrders");
    let sent = fixed("tool getOrder { fix id 7; }", &["id"], &call("getOrder", json!({})));
    assert_eq!(sent.line(), "GET /v1/orders/7");
}

#[test]
fn a_fixed_parameter_cannot_be_given() {
    let upstream = upstream();
    let nginx = nginx(&upstream, "tool listOrders { fix tenant berlin; }");
    let text = nginx.send(&call("listOrders", json!({"tenant": "hamburg"}))).failure();
    assert!(text.contains("tenant"), "{text}");
    assert!(upstream.requests().is_empty());
}

#[test]
fn names_do_not_depend_on_the_order_of_the_document() {
    let upstream = upstream();
    let operation = json!({"operationId": "same"});
    let paths = json!({"/a": {"get": operation}, "/b": {"get": operation}, "/c": {"get": {}}});
    let reversed = json!({"/c": {"get": {}}, "/b": {"get": operation}, "/a": {"get": operation}});
    let of = |paths: Value| {
        let text = document(&format!("http://{upstream}"), paths).to_string();
        let nginx = Conf::location("mcp_openapi api.json { }").file("api.json", text).start();
        let names = names(&nginx);
        let before = upstream.requests().len();
        let mut met = Vec::new();
        for (number, name) in names.iter().enumerate() {
            nginx.send(&call(name, json!({}))).success();
            met.push((upstream.requests()[before + number].target(), name.clone()));
        }
        met.sort();
        met
    };
    let met = of(paths);
    assert_eq!(met.len(), 3);
    assert_eq!(met[2], ("/c".to_owned(), "get_c".to_owned()));
    assert_eq!(met, of(reversed));
}

#[test]
fn output_schemas_are_published_on_demand() {
    let upstream = Upstream::answering(crate::harness::json(&json!({"total": 3})));
    let schema = json!({"type": "object", "properties": {"total": {"type": "integer"}}, "required": ["total"]});
    let text = document(
        &format!("http://{upstream}"),
        json!({"/sum": {"get": {"operationId": "sum", "responses": {"200": {"description": "ok",
            "content": {"application/json": {"schema": schema}}}}}}}),
    )
    .to_string();
    for (directives, expected) in [("output_schema on;", Some(&schema)), ("output_schema off;", None), ("", None)] {
        let conf = Conf::location(&format!("mcp_openapi api.json {{ {directives} }}")).file("api.json", text.as_str());
        let nginx = conf.start();
        assert_eq!(tools(&nginx)[0].get("outputSchema"), expected, "{directives}");
        assert_eq!(nginx.send(&call("sum", json!({}))).success()["structuredContent"], json!({"total": 3}));
    }
}
