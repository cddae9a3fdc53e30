//! What a server behind this one replies, as it comes: one JSON message, or a stream of messages with the reply among them.

use crate::events::{EventReader, Format};
use crate::http::UpstreamFailure;
use crate::jsonrpc::text;
use crate::session::cut;
use crate::tool::{Members, checked_json};

/// Bytes of a server's explanation that are passed on.
const SHOWN: usize = 512;

/// A JSON-RPC response, taken apart.
#[derive(Debug, PartialEq)]
pub(crate) enum Reply<'a> {
    /// Raw.
    Result(&'a str),
    Error(RpcError<'a>),
}

/// Whether a body is a response to this very request. Servers say that a session is over with errors that have no id, or one of their own.
pub(super) fn is_response_to(id: u64, body: &[u8]) -> bool {
    let own =
        |body| Members::of(checked_json(body).ok()?, "it").ok()?.get("id").map(|theirs| *theirs == id.to_string());
    own(body) == Some(true) && Reply::read(body, Some(id)).is_ok()
}

/// A JSON-RPC error.
#[derive(Debug, PartialEq)]
pub(crate) struct RpcError<'a> {
    pub(crate) code: i64,
    pub(crate) message: String,
    /// Raw.
    pub(crate) data: Option<&'a str>,
}

impl<'a> Reply<'a> {
    /// Reads a response; the error says why it is none. `id` is the one that it must have, unless it is an error that
    /// could not be told whose it is.
    pub(crate) fn read(body: &'a [u8], id: Option<u64>) -> Result<Reply<'a>, String> {
        let message = Members::of(checked_json(body)?, "it")?;
        if message.get("jsonrpc") != Some("\"2.0\"") {
            return Err("it is no JSON-RPC message".into());
        }
        let theirs = message.get("id");
        let is_ours = |id: u64| theirs == Some(id.to_string().as_str());
        match (message.get("result"), message.get("error")) {
            (None, Some(error)) if theirs.is_none() || id.is_none_or(is_ours) => {
                Ok(Reply::Error(RpcError::read(error)?))
            }
            (Some(result), None) if id.is_none_or(is_ours) => match result.starts_with('{') {
                true => Ok(Reply::Result(result)),
                false => Err("its \"result\" is not an object".into()),
            },
            (None, None) => Err("it has neither \"result\" nor \"error\"".into()),
            (Some(_), Some(_)) => Err("it has both \"result\" and \"error\"".into()),
            _ => Err("it answers another request".into()),
        }
    }
}

impl<'a> RpcError<'a> {
    fn read(json: &'a str) -> Result<RpcError<'a>, String> {
        let error = Members::of(json, "its \"error\"")?;
        let code = error.get("code").and_then(|code| code.parse().ok()).ok_or("its error has no \"code\"")?;
        let message = error.get("message").and_then(text).unwrap_or_default();
        Ok(RpcError { code, message: cut(&message, SHOWN).to_owned(), data: error.get("data") })
    }
}

/// An answer while it comes.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    pub(super) status: u16,
    /// `Mcp-Session-Id`
    pub(super) session: Option<String>,
    pub(super) id: Option<u64>,
    limit: usize,
    events: Option<EventReader>,
    /// The message, or as much as there is of it.
    pub(super) body: Vec<u8>,
    is_answered: bool,
}

impl Inbox {
    /// What the answer to a request with this id comes into.
    pub(super) fn new(id: Option<u64>) -> Inbox {
        Inbox { id, ..Inbox::default() }
    }

    /// The header has come.
    pub(super) fn head(&mut self, status: u16, content_type: Option<&[u8]>, session: Option<&[u8]>, limit: usize) {
        self.status = status;
        // Visible ASCII, as the specification wants it: nothing else may go into a header of ours.
        let fits = |id: &&[u8]| !id.is_empty() && id.len() <= 1024 && id.iter().all(|byte| matches!(byte, b'!'..=b'~'));
        self.session = session.filter(fits).map(|id| String::from_utf8_lossy(id).into_owned());
        self.limit = limit;
        let format = Format::of(content_type).filter(|format| *format == Format::EventStream);
        self.events = format.map(|format| EventReader::new(format, limit));
    }

    /// The next part of the body. True once the response is there, whatever else may follow.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<bool, UpstreamFailure> {
        let too_large = UpstreamFailure::TooLarge(self.limit as u64);
        let Some(events) = &mut self.events else {
            if self.body.len() + bytes.len() > self.limit {
                return Err(too_large);
            }
            self.body.extend_from_slice(bytes);
            return Ok(false);
        };
        let (id, body, is_answered) = (self.id, &mut self.body, &mut self.is_answered);
        let taken = events.push(bytes, &mut |event| take(event.data, id, body, is_answered));
        taken.map(|()| self.is_answered).map_err(|_| too_large)
    }

    /// The body is complete.
    pub(super) fn finish(&mut self) {
        if let Some(mut events) = self.events.take() {
            let (id, body, is_answered) = (self.id, &mut self.body, &mut self.is_answered);
            events.finish(&mut |event| take(event.data, id, body, is_answered));
        }
    }
}

/// Keeps the message of an event if it is the response.
fn take(data: &[u8], id: Option<u64>, body: &mut Vec<u8>, is_answered: &mut bool) {
    if !*is_answered && Reply::read(data, id).is_ok() {
        *is_answered = true;
        body.extend_from_slice(data);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_a_response_to_the_request() {
        let read = |json: &'static str| Reply::read(json.as_bytes(), Some(7));
        assert_eq!(read(r#"{"jsonrpc":"2.0","id":7,"result":{"a": 1}}"#), Ok(Reply::Result(r#"{"a": 1}"#)));
        let error = |data| Reply::Error(RpcError { code: -3, message: "no".into(), data });
        assert_eq!(read(r#"{"jsonrpc":"2.0","id":7,"error":{"code":-3,"message":"no"}}"#), Ok(error(None)));
        assert_eq!(
            read(r#"{"jsonrpc":"2.0","id":null,"error":{"code":-3,"message":"no","data":[]}}"#),
            Ok(error(Some("[]")))
        );
        for (json, why) in [
            (r#"{"jsonrpc":"2.0","id":8,"result":{}}"#, "another request"),
            (r#"{"jsonrpc":"2.0","id":8,"error":{"code":1,"message":""}}"#, "another request"),
            (r#"{"jsonrpc":"2.0","id":"7","result":{}}"#, "another request"),
            (r#"{"jsonrpc":"2.0","id":7,"result":[]}"#, "\"result\" is not an object"),
            (r#"{"jsonrpc":"2.0","id":7}"#, "neither"),
            (r#"{"jsonrpc":"2.0","id":7,"result":{},"error":{"code":1}}"#, "both"),
            (r#"{"jsonrpc":"2.0","id":7,"error":{"message":"no"}}"#, "no \"code\""),
            (r#"{"id":7,"result":{}}"#, "no JSON-RPC message"),
            (r#"{"jsonrpc":"2.0","id":7,"id":7,"result":{}}"#, "two members"),
            ("[]", "not an object"),
            ("<html>", "expected value"),
        ] {
            let error = read(json).unwrap_err();
            assert!(error.contains(why), "{json}: {error}");
        }
    }

    #[test]
    fn an_error_without_the_id_answers_nobody() {
        for (id, is_own) in [("7", true), ("8", false), ("null", false), ("\"server-error\"", false), ("\"7\"", false)]
        {
            let body =
                format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32600,"message":"Session not found"}}}}"#);
            assert_eq!(is_response_to(7, body.as_bytes()), is_own, "{body}");
        }
        for body in ["", "<html>", "[]", r#"{"id":7}"#, r#"{"jsonrpc":"2.0","id":7}"#] {
            assert!(!is_response_to(7, body.as_bytes()), "{body}");
        }
    }

    #[test]
    fn the_response_is_found_among_the_messages_of_a_stream() {
        let body = "event: message\nid: 1\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}\n\n: \n\n\
                    data: {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n\n\
                    data: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}\n\ndata: more\n\n";
        for size in [1, 7, body.len()] {
            let mut inbox = Inbox::new(Some(7));
            inbox.head(200, Some(b"text/event-stream; charset=utf-8"), Some(b"abc"), 1000);
            let mut is_answered = false;
            for part in body.as_bytes().chunks(size) {
                is_answered |= inbox.push(part).unwrap();
            }
            inbox.finish();
            assert!(is_answered);
            assert_eq!(inbox.session.as_deref(), Some("abc"));
            assert_eq!(inbox.body, b"{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{}}");
        }
    }

    #[test]
    fn answers_have_a_limit() {
        for content_type in [&b"application/json"[..], b"text/event-stream"] {
            let mut inbox = Inbox::new(Some(7));
            inbox.head(200, Some(content_type), Some(b"a b"), 10);
            assert_eq!(inbox.session, None);
            assert_eq!(inbox.push(b"0123456789"), Ok(false));
            assert_eq!(inbox.push(b"0"), Err(UpstreamFailure::TooLarge(10)));
        }
    }
}
