//! Servers for tests, their sessions, and what clients send them.

use crate::http::{HeaderLine, Headers, HttpRequest, Transport};
use crate::input::Capabilities;
use crate::session::{Client, Session};
use crate::{Exchange, ProtocolVersion, Server, ServerBuilder, Step, Tool};

/// When everything happens, in seconds since the epoch.
pub(crate) const NOW: u64 = 1000;
/// Each byte that the host finds by chance.
pub(crate) const NONCE: u8 = 0xab;

/// A server with these tools, and with what else is said of it.
pub(crate) fn server(tools: impl IntoIterator<Item = Tool>, say: impl FnOnce(&mut ServerBuilder)) -> Server {
    let mut builder = ServerBuilder::new();
    builder.secret([1; 32]);
    tools.into_iter().for_each(|tool| builder.tool(tool).unwrap());
    say(&mut builder);
    builder.build().unwrap()
}

/// The id of a session, which differs with `nonce`.
pub(crate) fn session(server: &Server, version: ProtocolVersion, capabilities: Capabilities, nonce: u8) -> String {
    let session = Session { version, capabilities, issued: NOW, owner: None };
    server.sessions().seal(session, &Client::default(), [nonce; 16])
}

/// Has a request read, with these header lines.
pub(crate) fn receive(server: &Server, method: &str, lines: &[HeaderLine<'_>], body: &str, now: u64) -> Exchange {
    let request = HttpRequest {
        transport: Transport::StreamableHttp,
        target: b"/mcp",
        method,
        headers: Headers(lines),
        body: body.as_bytes(),
        hosts: &[],
        session_state: None,
        offering: None,
        now,
    };
    server.receive(&request, &|| [NONCE; 16])
}

/// What comes of an exchange; nothing in it is the operator's.
pub(crate) fn start(exchange: Exchange, server: &Server) -> Step {
    exchange.start(server, &mut |_, _| String::new())
}

/// What comes of a message in a session.
pub(crate) fn post(server: &Server, session: &str, body: &str) -> Step {
    post_accepting(server, session, "*/*", body)
}

/// The same for a client that takes these types.
pub(crate) fn post_accepting(server: &Server, session: &str, accept: &str, body: &str) -> Step {
    let lines: [HeaderLine<'_>; 3] = [
        (b"content-type", b"application/json"),
        (b"accept", accept.as_bytes()),
        (b"mcp-session-id", session.as_bytes()),
    ];
    start(receive(server, "POST", &lines, body, NOW), server)
}

/// What comes of a message of 2026-07-28 that a principal sends; `method` and `name` are what it says in its headers.
pub(crate) fn post_stateless(
    server: &Server,
    principal: &str,
    (method, name): (&str, &str),
    body: &str,
    now: u64,
) -> Step {
    let lines: [HeaderLine<'_>; 5] = [
        (b"content-type", b"application/json"),
        (b"accept", b"*/*"),
        (b"mcp-protocol-version", b"2026-07-28"),
        (b"mcp-method", method.as_bytes()),
        (b"mcp-name", name.as_bytes()),
    ];
    let mut exchange = receive(server, "POST", &lines, body, now);
    assert!(exchange.set_principal(principal).is_none());
    start(exchange, server)
}
