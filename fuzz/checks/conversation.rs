//! Whatever clients, upstreams and backends say, in whatever order, each request gets one reply and everything is well formed.
//!
//! An input is a script, an act a line: its first byte says what is done, the second one to whom, the rest is text, in which
//! `|` stands for a line break.
//!
//! | | act |
//! |---|---|
//! | `>` | a client sends a message; second byte: of which revision, see [`Script::client`] |
//! | `<` | an upstream answers; the third byte says how, see [`answer`] |
//! | `e` | it sends some events, likewise |
//! | `!` | it fails |
//! | `h` | time passes |
//! | `w` | nothing is waited for any more |
//! | `p` | a backend publishes; second byte: `s` for the session |
//! | `b` | everybody hears what was published |
//! | `f` | everybody hears something else |

#![allow(dead_code, reason = "`fronted` has a check of its own")]

use std::sync::OnceLock;

use mcp::Server;
use mcp::Step;
use mcp::http::{Body, Headers, HttpRequest, Transport, UpstreamFailure, UpstreamResponse};
use serde_json::Value;

use crate::host::{Answer, Host};
use crate::servers;

/// Acts of a script.
const ACTS: usize = 60;
/// Revisions with sessions, and what their client can be asked.
const REVISIONS: [&str; 4] = ["2025-03-26", "2025-06-18", "2025-11-25", "2024-11-05"];

pub(crate) fn check(data: &[u8]) {
    static SCRIPT: OnceLock<Script> = OnceLock::new();
    let script = SCRIPT.get_or_init(|| Script::new(servers::server()));
    let mut host = Host::new(&script.server);
    for (act, whom, text) in acts(data) {
        script.perform(&mut host, act, whom, &text);
    }
    host.finish();
}

/// What a script says, act by act: what is done, to whom, and the text.
pub(crate) fn acts(data: &[u8]) -> impl Iterator<Item = (u8, u8, Vec<u8>)> {
    data.split(|byte| *byte == b'\n').take(ACTS).filter_map(|line| {
        let [act, whom, text @ ..] = line else { return None };
        let text = text.iter().map(|byte| if *byte == b'|' { b'\n' } else { *byte }).collect();
        Some((*act, *whom, text))
    })
}

pub(crate) struct Script {
    pub(crate) server: Server,
    /// An id for each of [`REVISIONS`].
    sessions: Vec<String>,
}

impl Script {
    pub(crate) fn new(server: Server) -> Script {
        let sessions = REVISIONS.iter().map(|revision| open(&server, revision)).collect();
        Script { server, sessions }
    }

    pub(crate) fn perform(&self, host: &mut Host<'_>, act: u8, whom: u8, text: &[u8]) {
        match act {
            b'>' => return self.client(host, whom, text),
            b'p' => {
                let session = (whom == b's').then(|| self.sessions[2].as_str());
                return host.publish(session, text);
            }
            b'b' => return host.hear_all(),
            b'f' => return host.hear(text, false),
            _ => {}
        }
        let Some(number) = host.number(whom) else { return };
        let [how, body @ ..] = text else {
            return match act {
                b'h' => host.beat(number),
                b'w' => host.wake(number),
                _ => {}
            };
        };
        match act {
            b'<' => host.answer(number, Ok(answer(*how, body))),
            b'e' => host.some_events(number, answer(*how, body)),
            b'!' => host.answer(number, Err(failure(*how))),
            _ => {}
        }
    }

    /// `a` to `d`: a session of one of [`REVISIONS`], `g` its GET, `x` its end, `w` the same on a WebSocket; all else 2026-07-28,
    /// `v` on a WebSocket.
    fn client(&self, host: &mut Host<'_>, whom: u8, text: &[u8]) {
        let mut headers = vec![
            ("content-type", "application/json".to_owned()),
            ("accept", "application/json, text/event-stream".to_owned()),
        ];
        let session = match whom {
            b'a'..=b'd' => Some(usize::from(whom - b'a')),
            b'g' | b'x' | b'w' => Some(2),
            _ => None,
        };
        match session {
            Some(index) => headers.push(("mcp-session-id", self.sessions[index].clone())),
            None => {
                headers.push(("mcp-protocol-version", "2026-07-28".to_owned()));
                // Right whenever it can be: a client that contradicts itself is what another target is about.
                let message: Value = serde_json::from_slice(text).unwrap_or_default();
                let params = &message["params"];
                headers.extend(message["method"].as_str().map(|method| ("mcp-method", method.to_owned())));
                let name = params["name"].as_str().or_else(|| params["uri"].as_str());
                let name = name.or_else(|| params["taskId"].as_str());
                headers.extend(name.map(|name| ("mcp-name", name.to_owned())));
            }
        }
        let lines: Vec<_> = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        let method = match whom {
            b'g' => "GET",
            b'x' => "DELETE",
            _ => "POST",
        };
        let transport = if matches!(whom, b'v' | b'w') { Transport::WebSocket } else { Transport::StreamableHttp };
        host.receive(transport, method, &lines, if method == "POST" { text } else { b"" });
    }
}

fn open(server: &Server, revision: &str) -> String {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{revision}","capabilities":{{"elicitation":{{"form":{{}},"url":{{}}}},"sampling":{{}},"roots":{{}}}},"clientInfo":{{"name":"c","version":"1"}}}}}}"#
    );
    let headers = Headers(&[(b"content-type", b"application/json"), (b"accept", b"*/*")]);
    let request = HttpRequest {
        transport: Transport::StreamableHttp,
        method: "POST",
        target: b"/mcp",
        headers,
        body: body.as_bytes(),
        hosts: &[],
        session_state: None,
        offering: None,
        now: 1000,
    };
    match server.receive(&request, &|| [9; 16]).start(server, &mut |_, _| String::new()) {
        Step::Reply(reply) | Step::KeepSession { reply, .. } => {
            assert!(matches!(reply.body, Body::Bytes(_) | Body::Page { .. }));
            let session = reply.headers.into_iter().find(|(name, _)| *name == "Mcp-Session-Id");
            session.map(|(_, id)| id).unwrap_or_default()
        }
        step => panic!("{step:?}"),
    }
}

pub(crate) fn answer(how: u8, body: &[u8]) -> Answer<'_> {
    let (status, content_type): (u16, &[u8]) = match how {
        b'j' => (200, b"application/json"),
        b'e' => (200, b"text/event-stream; charset=utf-8"),
        b'n' => (200, b"application/x-ndjson"),
        b't' => (200, b"text/plain"),
        b'i' => (200, b"image/png"),
        b'a' => (202, b"application/json"),
        b'r' => (303, b"text/plain"),
        b'4' => (404, b"application/json"),
        b'5' => (503, b"text/html"),
        other => (u16::from(other) * 4, b"\xff; charset=\""),
    };
    let location = matches!(how, b'a' | b'r').then_some(&b"/jobs/1"[..]);
    let retry_after = (how == b'a').then_some(&b"1"[..]);
    let content_type = Some(content_type);
    Answer {
        head: UpstreamResponse { status, content_type, location, retry_after, ..UpstreamResponse::default() },
        body,
    }
}

pub(crate) fn failure(how: u8) -> UpstreamFailure {
    match how {
        b'0' => UpstreamFailure::Unreachable,
        b'1' => UpstreamFailure::TimedOut,
        b'2' => UpstreamFailure::Unavailable,
        b'3' => UpstreamFailure::Truncated,
        b'4' => UpstreamFailure::TooLarge(7),
        other => UpstreamFailure::Refused(u16::from(other) * 3),
    }
}
