//! Whatever frames a client sends, and however they are cut, the same comes of it, and nothing grows beyond its limit.
//!
//! An input is a byte by which it is cut, and either the client's bytes or, if that byte is odd, frames: the first byte of each,
//! the length of its payload, the payload.

#[path = "../../crates/websocket/tests/support/mod.rs"]
mod support;

use websocket::{Event, Socket};

/// Bytes of a message.
const MAX: usize = 300;

pub(crate) fn check(data: &[u8]) {
    let [cut, rest @ ..] = data else { return };
    let bytes = if cut % 2 == 0 { rest.to_vec() } else { frames(rest) };
    let outcome = support::feed_every_way(|| Socket::new(MAX), &bytes, &mut support::Random(u64::from(*cut) + 1));
    // Each is a whole frame of a server.
    support::sent(&outcome.output);
    assert!(outcome.output.len() <= bytes.len() + 4096, "{} bytes come of {}", outcome.output.len(), bytes.len());
    let closed = outcome.events.iter().position(|event| *event == Event::Closed);
    assert_eq!(closed.is_some(), outcome.is_closed);
    assert!(closed.is_none_or(|at| at + 1 == outcome.events.len()), "{:?}", outcome.events);
    for event in &outcome.events {
        assert!(!matches!(event, Event::Message(text) if text.len() > MAX), "{event:?}");
    }
}

fn frames(mut rest: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    while let [first, length, more @ ..] = rest {
        let (payload, others) = more.split_at(usize::from(*length).min(more.len()));
        // Some larger than any message.
        let payload = if *length == 255 { payload.repeat(3) } else { payload.to_vec() };
        bytes.extend(support::frame(*first, payload));
        rest = others;
    }
    bytes
}
