//! Tools that `mcp_openapi` makes of API descriptions.

mod calls;
mod cases;
mod config;
mod corpus;
mod credentials;
mod curation;
mod hostile;
mod multipart;
mod resources;
mod source;
mod warnings;

use serde_json::{Value, json};

use crate::harness::{Connection, Nginx, Upstream, json as answer, request};

/// An upstream that answers every call with `{"ok": true}`.
fn upstream() -> Upstream {
    Upstream::answering(answer(&json!({"ok": true})))
}

/// A description in OpenAPI 3.1 of these paths, served by `server`.
fn document(server: &str, paths: Value) -> Value {
    json!({"openapi": "3.1.1", "info": {"title": "t", "version": "1"}, "servers": [{"url": server}], "paths": paths})
}

/// Every tool of a location, page after page.
fn tools_of(connection: &mut Connection, location: &str) -> Vec<Value> {
    let mut tools = Vec::new();
    let mut params = json!({});
    loop {
        let page = connection.exchange(&request(1, "tools/list", params).to(location)).result();
        let count = tools.len();
        tools.extend(page["tools"].as_array().unwrap().iter().cloned());
        let Some(cursor) = page.get("nextCursor") else { return tools };
        assert!(tools.len() > count, "an empty page has a next one");
        params = json!({"cursor": cursor});
    }
}

/// Every tool of `/mcp`.
fn tools(nginx: &Nginx) -> Vec<Value> {
    tools_of(&mut nginx.connect(), "/mcp")
}

/// The names of the tools of `/mcp`.
fn names(nginx: &Nginx) -> Vec<String> {
    tools(nginx).iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}
