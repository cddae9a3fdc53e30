//! Plays the bus to a stream: what is published is delivered to its listener, and what that sends is compared.

use mcp::http::{Body, HttpReply};
use mcp::{BusId, Delivered, Delivery, Listener, Publication, PublishRequest, Server};
use serde_json::{Map, Value, json};

use super::NOW;
use super::compare::{matches, strip};

/// A stream that is open.
pub(crate) struct Stream<'a> {
    server: &'a Server,
    listener: Listener,
    /// The id of its session.
    session: Option<&'a str>,
    /// What was sent and is not compared yet.
    sent: Vec<u8>,
    has_ended: bool,
    /// Messages that the bus has stored.
    stored: u64,
}

impl<'a> Stream<'a> {
    /// A stream that begins with this reply; the bus carries the news of its opening.
    pub(crate) fn open(server: &'a Server, session: Option<&'a str>, reply: &HttpReply, listener: Listener) -> Self {
        assert_eq!((reply.status, reply.content_type), (200, Some("text/event-stream")));
        let sent = match &reply.body {
            Body::Empty => Vec::new(),
            Body::Bytes(events) => events.clone(),
            Body::Page { .. } => panic!("a page"),
        };
        let opened = listener.opened();
        let mut stream = Stream { server, listener, session, sent, has_ended: false, stored: 0 };
        stream.carry(opened.as_slice());
        stream
    }

    fn carry(&mut self, publications: &[Publication]) {
        for publication in publications {
            self.stored += 1;
            let id = BusId { time: NOW * 1000, tag: self.stored << 16 };
            let delivery = Delivery::parse(&publication.envelope).expect("an envelope");
            match self.listener.deliver(&delivery, Some(id)) {
                Delivered::Nothing | Delivered::Topic { .. } => {}
                Delivered::Event(event) => self.sent.extend(event),
                Delivered::Close(event) => {
                    self.sent.extend(event);
                    self.has_ended = true;
                }
            }
        }
    }

    /// Does what a step says and compares what comes of it. `other` is another stream of the same client, `send` sends a
    /// message of it and gives what is published of that.
    pub(crate) fn step(
        &mut self,
        step: &Value,
        other: &dyn Fn() -> Listener,
        send: &dyn Fn(&Value) -> Vec<Publication>,
    ) {
        match step["do"].as_str() {
            None => {}
            Some("publish") => {
                let body = step["body"].to_string();
                let session = step["to_session"].as_bool().unwrap_or_default();
                let session = session.then(|| self.session.expect("a session"));
                let request = PublishRequest {
                    method: "POST",
                    content_type: Some(b"application/json"),
                    session,
                    body: body.as_bytes(),
                    now: NOW,
                    session_state: None,
                };
                let publications = self.server.publish(&request).expect("what can be published");
                self.carry(&publications);
            }
            Some("send") => self.carry(&send(&step["body"])),
            Some("open another") => self.carry(other().opened().as_slice()),
            Some("end the session") => self.carry(&[Publication::end_of_session(self.session.expect("a session"))]),
            Some("reload") => {
                self.sent.extend(self.listener.close());
                self.has_ended = true;
            }
            Some(unknown) => panic!("unknown step {unknown}"),
        }
        let sent = String::from_utf8(std::mem::take(&mut self.sent)).expect("UTF-8");
        assert!(sent.is_empty() || sent.ends_with("\n\n"), "{sent}");
        let events: Vec<Value> = sent.split_terminator("\n\n").map(event).collect();
        let expected = step.get("hears").cloned().unwrap_or_else(|| json!([]));
        assert!(matches(&expected, &events.clone().into()), "expected {expected}\n     got {}", json!(events));
        assert_eq!(self.has_ended, step["ends"].as_bool().unwrap_or_default(), "whether it has ended");
    }
}

/// An event's fields; `data` is a message without what all messages have.
fn event(text: &str) -> Value {
    let mut fields = Map::new();
    for line in text.lines() {
        let (name, value) = line.split_once(": ").expect("a field");
        let value = match name {
            "data" if !value.is_empty() => {
                let mut message = serde_json::from_str(value).expect("JSON");
                strip(&mut message, false);
                message
            }
            _ => value.into(),
        };
        assert_eq!(fields.insert(name.to_owned(), value), None, "{text}");
    }
    fields.into()
}
