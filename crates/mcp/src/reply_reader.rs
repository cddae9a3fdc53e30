//! The messages of a reply, for clients who do not get it as an HTTP response.

use std::borrow::Cow;

use crate::events::{EventReader, Format};
use crate::headers::JSON;

/// Takes the body of a [reply](crate::http::HttpReply) apart into the messages in it, in whatever pieces it comes.
#[derive(Debug)]
pub struct ReplyReader(Body);

#[derive(Debug)]
enum Body {
    /// One message, or an array of them.
    Whole(Vec<u8>),
    /// A message in each event.
    Events(EventReader),
}

impl ReplyReader {
    /// A reader of bodies of this type; none if nothing in it is a message.
    pub fn new(content_type: Option<&[u8]>) -> Option<ReplyReader> {
        match Format::of(content_type) {
            // What is read was made here, within its own limits.
            Some(Format::EventStream) => {
                Some(ReplyReader(Body::Events(EventReader::new(Format::EventStream, usize::MAX))))
            }
            _ if content_type == Some(JSON.as_bytes()) => Some(ReplyReader(Body::Whole(Vec::new()))),
            _ => None,
        }
    }

    /// Takes the next piece; `sink` gets the messages that are complete with it, each a line of JSON.
    pub fn push(&mut self, piece: &[u8], sink: &mut dyn FnMut(&str)) {
        self.read(piece, &mut |name, message| {
            if name.is_empty() {
                sink(message)
            }
        });
    }

    /// The same for who also wants to hear of events that have a name and are no messages of the protocol.
    pub(crate) fn read(&mut self, piece: &[u8], sink: &mut dyn FnMut(&str, &str)) {
        match &mut self.0 {
            Body::Whole(body) => body.extend_from_slice(piece),
            Body::Events(reader) => {
                // There is no limit that it could exceed.
                let taken = reader.push(piece, &mut |event| tell(event.data, &mut |text| sink(event.name, text)));
                debug_assert!(taken.is_ok());
            }
        }
    }

    /// The body is complete.
    pub fn finish(self, sink: &mut dyn FnMut(&str)) {
        match self.0 {
            Body::Whole(body) => tell(&body, sink),
            Body::Events(mut reader) => reader.finish(&mut |event| tell(event.data, sink)),
        }
    }
}

/// Events without data carry but an id.
fn tell(message: &[u8], sink: &mut dyn FnMut(&str)) {
    let text = String::from_utf8_lossy(message);
    // Between the tokens of JSON a line break is but space, and inside of them there is none.
    let line = match text.contains(['\n', '\r']) {
        true => Cow::Owned(text.replace(['\n', '\r'], " ")),
        false => text,
    };
    if !line.trim().is_empty() {
        sink(&line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In two pieces, cut everywhere.
    fn read(content_type: &str, body: &str) -> Option<Vec<String>> {
        let mut all = None;
        for at in 0..=body.len() {
            let mut messages = Vec::new();
            let mut sink = |message: &str| messages.push(message.to_owned());
            let mut reader = ReplyReader::new(Some(content_type.as_bytes()))?;
            reader.push(&body.as_bytes()[..at], &mut sink);
            reader.push(&body.as_bytes()[at..], &mut sink);
            reader.finish(&mut sink);
            assert!(all.as_ref().is_none_or(|all| *all == messages), "cut at {at}: {messages:?}");
            all = Some(messages);
        }
        all
    }

    #[test]
    fn a_reply_is_one_message() {
        assert_eq!(
            read("application/json", "{\"id\":1,\r\n\"result\":{}}"),
            Some(vec!["{\"id\":1,  \"result\":{}}".to_owned()])
        );
        assert_eq!(read("application/json", ""), Some(vec![]));
    }

    #[test]
    fn a_stream_is_one_message_in_each_event() {
        let body = ":\n\nid: get:1:2\ndata: \n\ndata: {\"a\":1}\n\nretry: 5\n\nid: get:1:3\ndata: {\"b\":2}\n\n";
        assert_eq!(read("text/event-stream", body), Some(vec!["{\"a\":1}".to_owned(), "{\"b\":2}".to_owned()]));
    }

    #[test]
    fn nothing_else_has_messages_in_it() {
        for content_type in ["text/html", "", "application/x-ndjson"] {
            assert_eq!(read(content_type, "<html>"), None, "{content_type}");
        }
        assert!(ReplyReader::new(None).is_none());
    }
}
