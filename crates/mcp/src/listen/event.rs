//! `text/event-stream`, as the HTML standard describes it.

use super::Heard;
use crate::stream::write_event;

/// A comment that keeps an idle stream open; clients ignore it.
pub const KEEPALIVE: &[u8] = b":\n\n";
/// What the ids of a session's own stream begin with, so that they differ from those of all other streams.
const STREAM: &str = "get:";

/// One event. `data` has no line breaks.
pub(crate) fn event(id: Option<&Heard>, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + 64);
    if let Some(id) = id {
        out.extend_from_slice(format!("id: {STREAM}{id}\n").as_bytes());
    }
    write_event(&mut out, |out| out.extend_from_slice(data));
    out
}

/// Tells the client when to come back, in milliseconds.
pub(crate) fn retry(milliseconds: u64) -> Vec<u8> {
    format!("retry: {milliseconds}\n\n").into_bytes()
}

/// What stands in `Last-Event-ID`, if it is an id of a session's own stream.
pub(crate) fn last_event_id(value: &[u8]) -> Option<Heard> {
    Heard::parse(std::str::from_utf8(value).ok()?.strip_prefix(STREAM)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_comes_back_as_it_was_sent() {
        let id = Heard::parse("1700000000000:3+1700000000001:4").unwrap();
        let sent = b"id: get:1700000000000:3+1700000000001:4\ndata: {}\n\n";
        assert_eq!(event(Some(&id), b"{}"), sent);
        assert_eq!(event(None, b"{}"), b"data: {}\n\n");
        assert_eq!(last_event_id(b"get:1700000000000:3+1700000000001:4"), Some(id));
        for garbage in [&b""[..], b"get:", b"1700000000:3", b"get:1", b"get:1:-2", b"get:1:[3],-", b"post:1:2", b"\xff"]
        {
            assert_eq!(last_event_id(garbage), None, "{garbage:?}");
        }
    }
}
