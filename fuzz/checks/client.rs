//! A client of a server with some tools.

use mcp::http::{Body, Headers, HttpReply, HttpRequest, Transport, UpstreamRequest};
use mcp::{Server, ServerBuilder, Step, Tool};
use serde_json::Value;

/// A value of an operator that fits everywhere.
pub(crate) const VALUE: &str = "value";

pub(crate) fn server(tools: Vec<Tool>) -> Server {
    let mut builder = ServerBuilder::new();
    builder.secret([7; 32]);
    for tool in tools {
        builder.tool(tool).expect("names differ");
    }
    builder.build().expect("a server")
}

/// The result of `tools/list`.
#[allow(dead_code, reason = "of one target only")]
pub(crate) fn list(server: &Server) -> Value {
    match send(server, "tools/list", "", b"", "") {
        Step::Reply(reply) => read(&reply)["result"].take(),
        step => panic!("{step:?}"),
    }
}

/// Calls a tool with the text of its arguments: the index of the tool that is called, and its request; else the reply.
pub(crate) fn call(
    server: &Server,
    tool: &str,
    arguments: &[u8],
    operator: &str,
) -> Result<(usize, UpstreamRequest), Value> {
    match send(server, "tools/call", tool, arguments, operator) {
        Step::Call { endpoint, request, .. } => Ok((endpoint, request)),
        Step::Reply(reply) => {
            // What they tell would be of the operator's value, which fits everywhere.
            assert!(reply.notes.is_empty() || operator != VALUE, "{:?}", reply.notes);
            Err(read(&reply))
        }
        step => panic!("{step:?}"),
    }
}

fn send(server: &Server, method: &str, tool: &str, arguments: &[u8], operator: &str) -> Step {
    const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}"#;
    let mut body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{META}"#).into_bytes();
    if !tool.is_empty() {
        body.extend_from_slice(format!(r#","name":"{tool}","arguments":"#).as_bytes());
        body.extend_from_slice(arguments);
    }
    body.extend_from_slice(b"}}");
    let headers = [
        ("host", "localhost"),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", method),
        ("mcp-name", tool),
    ];
    let headers = headers.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let lines = if tool.is_empty() { &headers[..5] } else { &headers[..] };
    let request = HttpRequest {
        transport: Transport::StreamableHttp,
        target: b"/mcp",
        method: "POST",
        headers: Headers(lines),
        body: &body,
        hosts: &[],
        session_state: None,
        offering: None,
        now: 1000,
    };
    server.receive(&request, &|| [0; 16]).start(server, &mut |_, _| operator.to_owned())
}

fn read(reply: &HttpReply) -> Value {
    let bytes = match &reply.body {
        Body::Empty => return Value::Null,
        Body::Bytes(bytes) => bytes.clone(),
        Body::Page { head, page } => [head, &page[..]].concat(),
    };
    serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&bytes)))
}
