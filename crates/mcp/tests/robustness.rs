//! Whatever comes in, a reply goes out: mutated and random requests neither panic nor get a malformed answer.

#![allow(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

use mcp::http::{Body, Headers, HttpReply, HttpRequest, UpstreamFailure, UpstreamResponse};
use mcp::{Server, ServerBuilder, Step, ToolBuilder};
use serde_json::Value;

/// A generator that gives the same numbers on every run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

fn server() -> Server {
    let mut tool = ToolBuilder::new("get_item").unwrap();
    tool.description(&["Look up one item."]).unwrap();
    tool.pass(&["GET", "http://upstream/items/{id}"]).unwrap();
    tool.argument(&["id", "integer", "required", "mirror=Id"]).unwrap();
    let mut builder = ServerBuilder::new();
    builder.secret([1; 32]);
    builder.tool(tool.build().unwrap()).unwrap();
    let mut tool = ToolBuilder::new("find_item").unwrap();
    tool.pass(&["POST", "http://upstream/find"]).unwrap();
    tool.argument(&["text", "string"]).unwrap();
    builder.hidden_tool(tool.build().unwrap()).unwrap();
    builder.build().unwrap()
}

const SEEDS: [&str; 9] = [
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_item","arguments":{"id":7},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"}}}}"#,
    r#"{"jsonrpc":"2.0","id":"a","method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#,
    r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","method":"notifications/initialized"},{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"get_item","arguments":{"id":1}}}]"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"abc"}}"#,
    r#"[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search_tools","arguments":{"query":"find items","limit":5}}}]"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"describe_tool","arguments":{"name":"find_itm"}}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"call_tool","arguments":{"name":"find_item","arguments":{"text":"x"}}}}"#,
    r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#,
    r#"{"jsonrpc":"2.0","id":-5,"method":"tools/call","params":{"name":"get_item","arguments":{"id":"\u00e4\ud83d\ude00"}}}"#,
];

const PIECES: [&str; 20] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    ",",
    ":",
    "null",
    "true",
    "-1",
    "1e400",
    "\\u0000",
    "\\ud800",
    "\u{feff}",
    "\u{0}",
    "\u{7f}",
    "\"id\":2,",
    "\"method\":\"ping\",",
    "{\"a\":",
    "\u{1f600}",
];

/// A request's body: a known one with bytes changed, cut out, doubled or put in, or plain noise.
fn body(numbers: &mut Numbers) -> Vec<u8> {
    let mut body = numbers.pick(&SEEDS).as_bytes().to_vec();
    if numbers.below(16) == 0 {
        body = (0..numbers.below(300)).map(|_| numbers.next() as u8).collect();
    }
    for _ in 0..numbers.below(6) {
        let at = numbers.below(body.len());
        let end = (at + numbers.below(40)).min(body.len());
        match numbers.below(6) {
            0 => body.truncate(at),
            1 => drop(body.drain(at..end)),
            2 => {
                let copy = body[at..end].to_vec();
                body.splice(at..at, copy);
            }
            3 => drop(body.splice(at..at, numbers.pick(&PIECES).bytes())),
            4 => body.splice(at..at, b"[".repeat(numbers.below(300))).for_each(drop),
            _ if body.is_empty() => {}
            _ => body[at] = numbers.next() as u8,
        }
    }
    body
}

/// The tool has no values of the operator.
fn no_values(_: usize, _: usize) -> String {
    panic!("there is nothing to evaluate")
}

fn check(reply: &HttpReply) {
    assert!((200..600).contains(&reply.status));
    let bytes = match &reply.body {
        Body::Empty => return,
        Body::Bytes(bytes) => bytes.clone(),
        Body::Page { head, page } => [head, &page[..]].concat(),
    };
    let value: Value =
        serde_json::from_slice(&bytes).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&bytes)));
    for message in value.as_array().map_or(std::slice::from_ref(&value), Vec::as_slice) {
        assert_eq!(message["jsonrpc"], "2.0", "{value}");
        assert!(message["result"].is_object() != message["error"].is_object(), "{value}");
    }
}

fn finish(server: &Server, mut step: Step, numbers: &mut Numbers) {
    for _ in 0..1000 {
        match step {
            Step::Reply(reply) | Step::EndSession { reply, .. } => return check(&reply),
            Step::Listen { .. } => return,
            Step::Call { pending, .. } => {
                let noise: Vec<u8> = (0..numbers.below(60)).map(|_| numbers.next() as u8).collect();
                let types: [Option<&[u8]>; 5] = [
                    None,
                    Some(b"application/json"),
                    Some(b"text/plain"),
                    Some(b"image/png"),
                    Some(b"\xff; charset=\""),
                ];
                let answer = UpstreamResponse {
                    status: *numbers.pick(&[200, 204, 302, 404, 500, 0]),
                    content_type: *numbers.pick(&types),
                    content_encoding: None,
                    body: if numbers.below(3) == 0 { br#"{"a":1}"# } else { &noise },
                };
                let failed = numbers.below(8) == 0;
                step = pending.resume(
                    server,
                    if failed { Err(UpstreamFailure::Truncated) } else { Ok(answer) },
                    &mut no_values,
                );
            }
        }
    }
    panic!("the exchange does not end");
}

#[test]
fn every_request_gets_a_wellformed_reply() {
    let server = server();
    let open = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-03-26"}}"#;
    let session = session(&server, open);
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for round in 0..20_000 {
        let body = body(&mut numbers);
        let mut headers: Vec<(&str, Vec<u8>)> = Vec::new();
        for (name, values) in [
            (
                "content-type",
                &["application/json", "application/json", "text/plain", "application/json; charset=\"utf-8"][..],
            ),
            ("accept", &["application/json, text/event-stream", "*/*", ";;q=,,", "application/json;q=0"]),
            ("mcp-protocol-version", &["2026-07-28", "2025-03-26", "", "2027-01-01"]),
            ("mcp-session-id", &[session.as_str(), session.as_str(), ".", "AAAA.AAAA"]),
            ("mcp-method", &["tools/call", "tools/list", "\t"]),
            ("mcp-name", &["get_item", "=?base64?Z2V0X2l0ZW0=?=", "=?base64?", "=?base64??="]),
            ("mcp-param-id", &["7", "7.0", "=?base64?Nw==?=", "-"]),
            ("origin", &["http://localhost:1", "http://[", "://", "null", "http://evil.example"]),
            ("host", &["localhost", "[::1]:80", ":", "]", ""]),
        ] {
            // Most of the time what a good request has, so that most requests are read to their end.
            if numbers.below(4) > 0 || name == "content-type" {
                let mut value =
                    values[if numbers.below(5) > 0 { 0 } else { numbers.below(values.len()) }].as_bytes().to_vec();
                if numbers.below(40) == 0 && !value.is_empty() {
                    let at = numbers.below(value.len());
                    value[at] = numbers.next() as u8;
                }
                if name != "origin" || numbers.below(10) == 0 {
                    headers.push((name, value));
                }
            }
        }
        let method = if numbers.below(30) == 0 { *numbers.pick(&["GET", "DELETE", "OPTIONS", "X"]) } else { "POST" };
        let lines: Vec<_> = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())).collect();
        let request = HttpRequest {
            method,
            headers: Headers(&lines),
            body: &body,
            hosts: &[],
            session_ended: numbers.below(50) == 0,
            now: 1000,
        };
        let exchange = server.receive(&request, &|| [0; 16]);
        for argument in ["id", "", "a"] {
            exchange.facts().argument(argument);
        }
        if round % 7 == 0 {
            check(&server.refuse(&exchange, numbers.below(700) as u16));
        }
        finish(&server, exchange.start(&server, &mut no_values), &mut numbers);
    }
}

fn session(server: &Server, open: &str) -> String {
    let headers = Headers(&[(b"content-type", b"application/json")]);
    let request =
        HttpRequest { method: "POST", headers, body: open.as_bytes(), hosts: &[], session_ended: false, now: 1000 };
    let Step::Reply(reply) = server.receive(&request, &|| [0; 16]).start(server, &mut no_values) else {
        panic!("initialize calls")
    };
    reply.headers.into_iter().find(|(name, _)| *name == "Mcp-Session-Id").expect("a session").1
}
