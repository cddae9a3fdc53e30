//! A response that comes event by event.

use std::time::Instant;

use serde_json::Value;

use super::DEADLINE;
use super::client::{Connection, Request, Response};
use super::specification;

/// One event, or a comment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) comment: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) retry: Option<String>,
    pub(crate) data: Option<String>,
}

/// The events of a response.
pub(crate) struct Events {
    pub(crate) head: Response,
    connection: Connection,
    /// Revision and method of the request.
    asked: (String, String),
    text: String,
    has_ended: bool,
}

impl Events {
    /// Sends a request that is answered by events.
    pub(crate) fn open(mut connection: Connection, request: &Request) -> Events {
        connection.send(&request.bytes());
        let head = connection.receive_head();
        assert_eq!((head.status, head.header("content-type")), (200, Some("text/event-stream")), "{head:?}");
        assert_eq!(head.header("x-accel-buffering"), Some("no"));
        assert_eq!(head.header("content-length"), None);
        Events { head, connection, asked: request.asks(), text: String::new(), has_ended: false }
    }

    /// The next event or comment; none at the end of the response.
    pub(crate) fn next(&mut self) -> Option<Event> {
        let end = loop {
            match self.text.find("\n\n") {
                Some(end) => break end,
                None if self.has_ended => {
                    assert_eq!(self.text, "", "half an event");
                    return None;
                }
                None => match self.connection.receive_part(&self.head) {
                    Some(part) => self.text += std::str::from_utf8(&part).expect("events in UTF-8"),
                    None => self.has_ended = true,
                },
            }
        };
        let mut event = Event::default();
        for line in self.text[..end].split('\n') {
            let (field, value) = line.split_once(':').unwrap_or_else(|| panic!("no field: {line:?}"));
            let slot = match field {
                "" => &mut event.comment,
                "id" => &mut event.id,
                "event" => &mut event.name,
                "retry" => &mut event.retry,
                "data" => &mut event.data,
                _ => panic!("an unknown field: {line:?}"),
            };
            assert_eq!(slot.replace(value.strip_prefix(' ').unwrap_or(value).to_owned()), None, "{line:?} again");
        }
        self.text.drain(..end + 2);
        Some(event)
    }

    /// The next message.
    pub(crate) fn message(&mut self) -> Value {
        // A stream that is kept alive does not fall silent.
        let deadline = Instant::now() + DEADLINE;
        loop {
            assert!(Instant::now() < deadline, "nothing but what keeps the stream alive");
            let event = self.next().expect("an event");
            // Without data it only carries an id.
            if event.comment.is_some() || event.data.as_deref() == Some("") {
                continue;
            }
            assert_eq!(event.name, None, "{event:?}");
            let message: Value = serde_json::from_str(&event.data.expect("data")).expect("a message");
            assert_eq!(message["jsonrpc"], "2.0", "{message}");
            specification::check(&self.asked.0, &self.asked.1, &message);
            return message;
        }
    }

    /// The parameters of the next message, which is a notification of this method.
    pub(crate) fn notification(&mut self, method: &str) -> Value {
        let message = self.message();
        assert_eq!(message["method"], method, "{message}");
        assert_eq!(message.get("id"), None, "{message}");
        message["params"].clone()
    }

    /// The result in the last message, after which the response ends; the connection can be used again.
    pub(crate) fn result(mut self) -> (Value, Connection) {
        let message = self.message();
        assert!(message["result"].is_object(), "{message}");
        assert_eq!(self.next(), None);
        (message["result"].clone(), self.connection)
    }
}
