//! Whatever a client sends, it gets one reply that is well formed.
//!
//! An input is like a request: method, header lines with their names in lower case, an empty line, the body. The method
//! `MESSAGE` stands for one on a WebSocket, `UPGRADE` for the request that asks for one.

use std::sync::OnceLock;

use mcp::Server;
use mcp::http::{Transport, UpstreamResponse};

use crate::host::{Answer, Host};
use crate::servers;

/// Header lines that are looked at.
const LINES: usize = 32;

pub(crate) fn check(data: &[u8]) {
    static SERVER: OnceLock<Server> = OnceLock::new();
    let server = SERVER.get_or_init(servers::server);
    let end = data.windows(2).position(|pair| pair == b"\n\n").unwrap_or(data.len());
    let (head, body) = (&data[..end], data.get(end + 2..).unwrap_or_default());
    let mut lines = head.split(|byte| *byte == b'\n');
    let method = std::str::from_utf8(lines.next().unwrap_or_default()).unwrap_or("POST");
    let headers: Vec<(&[u8], &[u8])> = lines
        .filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            Some((&line[..colon], line[colon + 1..].trim_ascii()))
        })
        .take(LINES)
        .collect();
    let mut host = Host::new(server);
    let (transport, method) = match method {
        "MESSAGE" => (Transport::WebSocket, "POST"),
        "UPGRADE" => (Transport::Upgrade, "GET"),
        method => (Transport::StreamableHttp, method),
    };
    host.receive(transport, method, &headers, body);
    let head = UpstreamResponse { status: 200, content_type: Some(b"application/json"), ..UpstreamResponse::default() };
    while let Some(number) = host.number(0) {
        host.answer(number, Ok(Answer { head, body: b"{\"a\":1}" }));
        host.wake(number);
    }
    host.finish();
}
