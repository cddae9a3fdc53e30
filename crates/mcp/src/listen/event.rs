//! `text/event-stream`, as the HTML standard describes it.

use std::fmt;

use super::Heard;
use super::topic::hex;
use crate::stream::write_event;

/// A comment that keeps an idle stream open; clients ignore it.
pub const KEEPALIVE: &[u8] = b":\n\n";

/// A stream of a session. Ids of its events begin with its name, so that they differ from those of all other streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamName {
    /// The session's own.
    Session,
    /// That of a call, by a random number.
    Call([u8; 16]),
}

impl fmt::Display for StreamName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StreamName::Session => f.write_str("get"),
            StreamName::Call(call) => f.write_str(&hex(call)),
        }
    }
}

/// The id of an event: its stream, and what has been heard with it.
pub(crate) type EventId<'h> = (StreamName, &'h Heard);

/// One event. `data` has no line breaks.
pub(crate) fn event(id: Option<EventId<'_>>, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + 96);
    if let Some((stream, heard)) = id {
        out.extend_from_slice(format!("id: {stream}:{heard}\n").as_bytes());
    }
    write_event(&mut out, |out| out.extend_from_slice(data));
    out
}

/// One event of HTTP+SSE, where each has a name.
pub(crate) fn named_event(name: &str, data: &[u8]) -> Vec<u8> {
    let mut out = format!("event: {name}\n").into_bytes();
    write_event(&mut out, |out| out.extend_from_slice(data));
    out
}

/// Tells the client when to come back, in milliseconds.
pub(crate) fn retry(milliseconds: u64) -> Vec<u8> {
    format!("retry: {milliseconds}\n\n").into_bytes()
}

/// What stands in `Last-Event-ID`, if it is an id of ours.
pub(crate) fn last_event_id(value: &[u8]) -> Option<(StreamName, Heard)> {
    let (stream, heard) = std::str::from_utf8(value).ok()?.split_once(':')?;
    let stream = if stream == "get" { StreamName::Session } else { StreamName::Call(read_hex(stream)?) };
    Some((stream, Heard::parse(heard)?))
}

/// Reads 32 hexadecimal digits as [`hex`] writes them.
fn read_hex(digits: &str) -> Option<[u8; 16]> {
    let bytes = u128::from_str_radix(digits, 16).ok()?.to_be_bytes();
    (hex(&bytes) == digits).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_comes_back_as_it_was_sent() {
        let heard = Heard::parse("1700000000000:3+1700000000001:4").unwrap();
        let sent = b"id: get:1700000000000:3+1700000000001:4\ndata: {}\n\n";
        assert_eq!(event(Some((StreamName::Session, &heard)), b"{}"), sent);
        assert_eq!(event(None, b"{}"), b"data: {}\n\n");
        assert_eq!(last_event_id(b"get:1700000000000:3+1700000000001:4"), Some((StreamName::Session, heard.clone())));
        let (call, name) = (StreamName::Call([0x1f; 16]), "1f".repeat(16));
        let sent = format!("id: {name}:1700000000000:3+1700000000001:4\ndata: \n\n");
        assert_eq!(event(Some((call, &heard)), b""), sent.into_bytes());
        let last = format!("{name}:1700000000000:3+1700000000001:4");
        assert_eq!(last_event_id(last.as_bytes()), Some((call, heard)));
        for garbage in [
            &b""[..],
            b"get:",
            b"1700000000:3",
            b"get:1",
            b"get:1:-2",
            b"get:1:[3],-",
            b"post:1:2",
            b"\xff",
            b"1F1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f:1:2",
            b"+f1f1f1f1f1f1f1f1f1f1f1f1f1f1f1f:1:2",
            b"1f1f:1:2",
        ] {
            assert_eq!(last_event_id(garbage), None, "{garbage:?}");
        }
    }
}
