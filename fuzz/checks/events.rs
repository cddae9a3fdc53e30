//! Whatever events an upstream sends, and however they are cut, its client is sent the same, and whole events alone.
//!
//! An input is what the client wants to hear, in a byte, another one by which the body is cut, and the body.

use std::sync::OnceLock;

use mcp::http::{UpstreamFailure, UpstreamResponse};
use mcp::{Pending, Server, Step, ToolBuilder};

use crate::{client, wire};

/// Bytes of an event that are taken: few, so that a short body can have more.
const LIMIT: usize = 600;

pub(crate) fn check(data: &[u8]) {
    static SERVER: OnceLock<Server> = OnceLock::new();
    let server = SERVER.get_or_init(|| {
        let mut tool = ToolBuilder::new("t").expect("a name");
        tool.pass(&["GET", "http://upstream/"]).expect("a URL");
        client::server(vec![tool.build().expect("a tool")])
    });
    let [wishes, cut, body @ ..] = data else { return };
    let whole = hear(server, *wishes, [body]);
    let size = 1 + usize::from(*cut);
    assert_eq!(hear(server, *wishes, body.chunks(size)), whole, "in pieces of {size} bytes");
}

/// All that the client is sent.
fn hear<'b>(server: &Server, wishes: u8, pieces: impl IntoIterator<Item = &'b [u8]>) -> Vec<u8> {
    let content_type: &[u8] = if wishes & 1 == 0 { b"text/event-stream" } else { b"application/x-ndjson" };
    let head = UpstreamResponse { status: 200, content_type: Some(content_type), ..UpstreamResponse::default() };
    let mut pending = pending(server, wishes);
    assert!(pending.begin(&head, LIMIT));
    let (mut heard, mut failure) = (Vec::new(), None);
    for piece in pieces {
        if let Err(why) = pending.take(piece, LIMIT, &mut heard) {
            assert_eq!(why, UpstreamFailure::TooLarge(LIMIT as u64));
            failure = Some(why);
            break;
        }
    }
    assert!(wishes & 6 != 0 || heard.is_empty(), "the client wants to hear nothing");
    wire::check_events(&heard);
    if !heard.is_empty() {
        pending.open();
    }
    let is_open = !heard.is_empty();
    match pending.resume(server, failure.map_or(Ok(head), Err), &mut |_, _| String::new()) {
        Step::Reply(reply) if is_open => {
            heard.extend(wire::bytes(&reply.body));
            wire::check_events(&heard);
            // Not by their values: a number may be too large for one.
            let heard = String::from_utf8_lossy(&heard);
            let responses = heard.lines().filter(|line| line.starts_with(r#"data: {"jsonrpc":"2.0","id":"#));
            assert_eq!(responses.count(), 1, "{heard}");
        }
        Step::Reply(reply) => {
            wire::check_reply(&reply);
            heard.extend(wire::bytes(&reply.body));
        }
        step => panic!("{step:?}"),
    }
    heard
}

/// A call whose client wants to hear of its progress, its log, or nothing.
fn pending(server: &Server, wishes: u8) -> Box<Pending> {
    let mut meta = String::new();
    if wishes & 2 != 0 {
        meta.push_str(r#""progressToken":"p\"q","#);
    }
    if wishes & 4 != 0 {
        meta.push_str(r#""io.modelcontextprotocol/logLevel":"info","#);
    }
    match client::send(server, "tools/call", "t", b"{}", &meta, client::VALUE) {
        Step::Call { pending, .. } => pending,
        step => panic!("{step:?}"),
    }
}
