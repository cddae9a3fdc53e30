//! What the core costs per `tools/call`, without nginx: reading, validating, placing, and writing the result.
//!
//! ```text
//! cargo run --release -p mcp --example call_cost [ROUNDS]
//! ```

use std::time::Instant;

use mcp::http::{Body, HeaderLine, Headers, HttpRequest, Transport, UpstreamResponse};
use mcp::{ServerBuilder, Step, ToolBuilder};

const STATELESS: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_item","arguments":{"id":7},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1.0"},"io.modelcontextprotocol/clientCapabilities":{}}}}"#;
const WITH_SESSION: &str =
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_item","arguments":{"id":7}}}"#;
const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","clientInfo":{"name":"bench","version":"1.0"}}}"#;

fn main() -> Result<(), mcp::ConfigError> {
    let rounds: u32 = std::env::args().nth(1).and_then(|rounds| rounds.parse().ok()).unwrap_or(200_000);
    let mut tool = ToolBuilder::new("get_item")?;
    tool.presentation().description(&["Look up one item."])?;
    tool.pass(&["GET", "http://inventory/items/{id}"])?;
    tool.argument(&["id", "integer", "required", "min=1"])?;
    tool.argument(&["lang", "string", "enum=en,de", "default=en"])?;
    let mut builder = ServerBuilder::new();
    builder.secret([1; 32]);
    builder.tool(tool.build()?)?;
    let server = builder.build()?;

    let plain: Vec<HeaderLine<'_>> = vec![
        (b"host", b"localhost"),
        (b"content-type", b"application/json"),
        (b"accept", b"application/json, text/event-stream"),
    ];
    let hosts = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let request = |headers, body: &'static str| HttpRequest {
        transport: Transport::StreamableHttp,
        target: b"/mcp",
        method: "POST",
        headers: Headers(headers),
        body: body.as_bytes(),
        hosts: &hosts,
        session_state: None,
        offering: None,
        now: 1000,
    };
    let nonce = || [0; 16];
    let mut no_values = |_, _| String::new();
    let Step::Reply(reply) = server.receive(&request(&plain, INITIALIZE), &nonce).start(&server, &mut no_values) else {
        return Ok(());
    };
    let session = reply.headers.into_iter().find(|(name, _)| *name == "Mcp-Session-Id").map(|(_, id)| id);
    let session = session.unwrap_or_default();

    let stateless = [
        &plain[..],
        &[(b"mcp-protocol-version", b"2026-07-28"), (b"mcp-method", b"tools/call"), (b"mcp-name", b"get_item")],
    ]
    .concat();
    let with_session =
        [&plain[..], &[(b"mcp-protocol-version", b"2025-06-18"), (b"mcp-session-id", session.as_bytes())]].concat();
    let answer = UpstreamResponse {
        status: 200,
        content_type: Some(b"application/json"),
        content_encoding: None,
        body: br#"{"id":7,"name":"bolt","stock":1200,"price":0.25}"#,
        ..UpstreamResponse::default()
    };
    for (what, headers, body) in [
        ("tools/call 2026-07-28", &stateless, STATELESS),
        ("tools/call 2025-06-18", &with_session, WITH_SESSION),
        ("tools/list 2025-06-18", &with_session, LIST),
    ] {
        let begin = Instant::now();
        let mut bytes = 0;
        for _ in 0..rounds {
            let mut step = server.receive(&request(headers, body), &nonce).start(&server, &mut no_values);
            if let Step::Call { pending, .. } = step {
                step = pending.resume(&server, Ok(answer), &mut no_values);
            }
            let Step::Reply(reply) = step else { continue };
            assert_eq!(reply.status, 200);
            bytes += match reply.body {
                Body::Empty => 0,
                Body::Bytes(bytes) => bytes.len(),
                Body::Page { head, page } => head.len() + page.len(),
            };
        }
        let each = begin.elapsed() / rounds.max(1);
        println!("{what}: {each:?} each, {} bytes", bytes / rounds.max(1) as usize);
    }
    Ok(())
}
