//! Calls that outlive the connection that they came on. What there is to hear of such a call is published on a topic of its own;
//! the reply to the request is a stream that hears it, and so is that of whoever comes back with the id of one of its events.

use std::sync::Arc;

use super::{Delivery, Heard, Listener, MAX_ENVELOPE, Publication, Topic};
use crate::ProtocolVersion;
use crate::exchange::Pending;
use crate::facts::Facts;
use crate::http::HttpReply;
use crate::methods::tools::write_tool_error;
use crate::reply_reader::ReplyReader;
use crate::scan::Scanner;
use crate::server::Server;
use crate::stream::RETRY;

/// The stream of a call that runs apart from its client's connection.
///
/// The host makes a request of its own for the call and hands over what that is answered with, as it comes.
#[derive(Debug)]
pub struct CallStream {
    topic: Topic,
    version: ProtocolVersion,
    facts: Arc<Facts>,
    reader: Option<ReplyReader>,
    has_ended: bool,
}

impl Pending {
    /// Whether the call can [outlive](Pending::outlive) its client's connection: its tool says so, and its client can come back.
    pub fn may_outlive(&self, server: &Server) -> bool {
        let is_meant = server.tools().get(self.endpoint).is_some_and(|tool| tool.is_resumable());
        is_meant
            && self.has_session()
            && !self.context.version.is_stateless()
            && self.stream.is_welcome()
            && self.batch.is_none()
            && server.offers().channels
    }

    /// Lets the call outlive its client's connection, if it may: gives what the reply
    /// to the request begins with, who hears it, and what the call says. `call` and `stream` are random numbers.
    pub fn outlive(
        &mut self,
        server: &Server,
        call: [u8; 16],
        stream: [u8; 16],
    ) -> Option<(HttpReply, Listener, CallStream)> {
        if !self.may_outlive(server) {
            return None;
        }
        let version = self.context.version;
        let topic = Topic::of_call(self.facts.session()?, &call);
        self.stream.can_pause = true;
        let reply = self.context.stream(Vec::new());
        let listener = Listener::call(version, (call, topic.clone()), stream, Heard::default());
        let facts = Arc::clone(&self.facts);
        Some((reply, listener, CallStream { topic, version, facts, reader: None, has_ended: false }))
    }
}

impl CallStream {
    /// What is published when the call begins, and from time to time while it says nothing: without it nobody finds the
    /// stream again.
    pub fn begun(&self) -> Publication {
        Publication::begun(self.topic.clone())
    }

    /// What the host knows of the request that the call is of.
    pub fn facts(&self) -> &Arc<Facts> {
        &self.facts
    }

    /// The answer has begun, and is of this content type.
    pub fn begin(&mut self, content_type: Option<&[u8]>) {
        self.reader = ReplyReader::new(content_type);
    }

    /// Takes the next piece of its body; `publish` gets what there is to publish of it.
    pub fn push(&mut self, server: &Server, piece: &[u8], publish: &mut dyn FnMut(Publication)) {
        if let Some(mut reader) = self.reader.take() {
            reader.read(piece, &mut |name, data| self.say(server, name, data, publish));
            self.reader = Some(reader);
        }
    }

    /// The answer is complete.
    pub fn finish(&mut self, server: &Server, publish: &mut dyn FnMut(Publication)) {
        if let Some(reader) = self.reader.take() {
            reader.finish(&mut |message| self.say(server, "", message, publish));
        }
        if !std::mem::replace(&mut self.has_ended, true) {
            // Nobody wants to hear an answer any more.
            publish(Publication::last(self.topic.clone(), None));
        }
    }

    /// The answer will never be complete.
    pub fn abandon(&mut self, server: &Server, publish: &mut dyn FnMut(Publication)) {
        if !std::mem::replace(&mut self.has_ended, true) {
            let answer = server.abandoned(&self.facts).and_then(|answer| String::from_utf8(answer).ok());
            publish(Publication::last(self.topic.clone(), answer.as_deref()));
        }
    }

    fn say(&mut self, server: &Server, name: &str, data: &str, publish: &mut dyn FnMut(Publication)) {
        if self.has_ended {
            return;
        }
        let topic = || self.topic.clone();
        if name == RETRY {
            return data.parse().map_or((), |milliseconds| publish(Publication::pause(topic(), milliseconds)));
        }
        if !is_answer(data) {
            // What is too large to be published is not missed for long: the answer says it all.
            let publication = Publication::message(topic(), data);
            return if can_be_published(&publication) {
                publish(publication)
            };
        }
        self.has_ended = true;
        let answer = Publication::last(topic(), Some(data));
        if can_be_published(&answer) {
            return publish(answer);
        }
        let mut out = Vec::new();
        let why = format!(
            "the result has {} bytes or is nested too deeply: what outlives its connection has {MAX_ENVELOPE} bytes at the most",
            data.len()
        );
        write_tool_error(server, self.version, self.facts.request_id().unwrap_or_default(), &why, &mut out);
        publish(Publication::last(topic(), Some(&String::from_utf8_lossy(&out))));
    }
}

/// Whether something is small and plain enough for the bus.
pub(crate) fn can_be_published(publication: &Publication) -> bool {
    publication.envelope.len() <= MAX_ENVELOPE && Delivery::parse(&publication.envelope).is_some()
}

/// Whether a message answers a request, rather than being one.
fn is_answer(message: &str) -> bool {
    let mut has_method = false;
    // Of a message that is nested too deeply the beginning says it.
    let _ = Scanner::new(message).object(|name, scanner| {
        has_method |= name == "method";
        scanner.skip()
    });
    !has_method
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Step;
    use crate::input::Capabilities;
    use crate::test_server::{self, post_accepting};
    use crate::tool::test_tools::named;
    use crate::{BusId, Delivered};

    fn server() -> Server {
        let [mut resumable, plain] =
            ["resumable", "plain"].map(|name| named(name, &[&["pass", "GET", "http://upstream/"]]));
        resumable.let_resume();
        test_server::server([resumable, plain], |builder| builder.channels(true))
    }

    /// A call on its way to its upstream.
    fn pending(server: &Server, version: ProtocolVersion, tool: &str, accept: &str) -> Box<Pending> {
        let session = test_server::session(server, version, Capabilities::NONE, 2);
        let body = format!(r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"{tool}"}}}}"#);
        match post_accepting(server, &session, accept, &body) {
            Step::Call { pending, .. } => pending,
            step => panic!("{step:?}"),
        }
    }

    fn begin(server: &Server, version: ProtocolVersion) -> (Listener, CallStream) {
        let mut pending = pending(server, version, "resumable", "*/*");
        let (reply, listener, stream) = pending.outlive(server, [3; 16], [4; 16]).unwrap();
        assert_eq!((reply.status, reply.content_type), (200, Some("text/event-stream")));
        (listener, stream)
    }

    /// What a client is sent of what is published in this order; the last of it may end its stream.
    fn heard(listener: &mut Listener, published: &[Publication]) -> (String, bool) {
        let mut heard = String::new();
        for (number, publication) in (1..).zip(published) {
            let delivery = Delivery::parse(&publication.envelope).unwrap();
            assert_eq!(delivery.is_kept(), publication.keep);
            match listener.deliver(&delivery, Some(BusId { time: number, tag: 0 })) {
                Delivered::Event(event) => heard += std::str::from_utf8(&event).unwrap(),
                Delivered::Close(event) => return (heard + std::str::from_utf8(&event).unwrap(), true),
                other => assert_eq!(other, Delivered::Nothing),
            }
        }
        (heard, false)
    }

    #[test]
    fn a_call_says_what_its_response_says() {
        let server = server();
        let name = "03".repeat(16);
        for (version, place) in [
            (ProtocolVersion::V2025_11_25, format!("id: {name}:1:0\ndata: \n\n")),
            (ProtocolVersion::V2025_06_18, String::new()),
        ] {
            let (mut listener, mut stream) = begin(&server, version);
            let mut published = vec![stream.begun()];
            stream.begin(Some(b"text/event-stream"));
            let body = "data: {\"method\":\"m\"}\n\n:\n\ndata: {\"id\":7,\"result\":{}}\n\n";
            for byte in body.as_bytes() {
                stream.push(&server, &[*byte], &mut |publication| published.push(publication));
            }
            stream.finish(&server, &mut |publication| published.push(publication));
            stream.abandon(&server, &mut |publication| published.push(publication));
            assert_eq!(published.len(), 3);
            let expected = format!(
                "{place}id: {name}:2:0\ndata: {{\"method\":\"m\"}}\n\nid: {name}:3:0\ndata: {{\"id\":7,\"result\":{{}}}}\n\n"
            );
            assert_eq!(heard(&mut listener, &published), (expected, true));
            // Whoever has heard all of it is told that it is over.
            let delivery = Delivery::parse(&published[2].envelope).unwrap();
            assert_eq!(listener.deliver(&delivery, Some(BusId { time: 3, tag: 0 })), Delivered::Close(Vec::new()));
        }
    }

    #[test]
    fn a_client_is_sent_away_for_a_while() {
        let server = server();
        let (mut listener, mut stream) = begin(&server, ProtocolVersion::V2025_11_25);
        let mut published = Vec::new();
        stream.begin(Some(b"text/event-stream"));
        stream.push(&server, b"event: retry\ndata: 500\n\n", &mut |publication| published.push(publication));
        assert!(!published[0].keep);
        assert_eq!(heard(&mut listener, &published), ("retry: 500\n\n".to_owned(), true));
    }

    #[test]
    fn a_call_has_an_end_whatever_becomes_of_it() {
        let server = server();
        type Sink<'s> = &'s mut dyn FnMut(Publication);
        let end = |act: &dyn Fn(&mut CallStream, Sink<'_>)| {
            let (mut listener, mut stream) = begin(&server, ProtocolVersion::V2025_06_18);
            let mut published = Vec::new();
            act(&mut stream, &mut |publication| published.push(publication));
            heard(&mut listener, &published)
        };
        // It was cancelled: there is no answer.
        assert_eq!(end(&|stream, publish| stream.finish(&server, publish)), (String::new(), true));
        let (answer, ended) = end(&|stream, publish| stream.abandon(&server, publish));
        assert!(ended && answer.contains("\"id\":7,\"error\":"), "{answer}");
        for result in [format!("\"{}\"", "x".repeat(MAX_ENVELOPE)), format!("{}{}", "[".repeat(127), "]".repeat(127))] {
            let (answer, ended) = end(&|stream, publish| {
                stream.begin(Some(b"application/json"));
                stream.push(&server, format!("{{\"id\":7,\"result\":{result}}}").as_bytes(), publish);
                stream.finish(&server, publish);
            });
            assert!(ended && answer.contains("\"isError\":true"), "{answer}");
        }
    }

    #[test]
    fn who_cannot_come_back_is_answered_by_the_connection() {
        let server = server();
        for (tool, accept) in [("plain", "*/*"), ("resumable", "application/json")] {
            let mut pending = pending(&server, ProtocolVersion::V2025_11_25, tool, accept);
            assert!(pending.outlive(&server, [3; 16], [4; 16]).is_none(), "{tool} {accept}");
        }
    }

    #[test]
    fn a_stream_is_found_by_who_knows_its_session() {
        assert_ne!(Topic::of_call("a", &[3; 16]), Topic::of_call("b", &[3; 16]));
        assert_ne!(Topic::of_call("a", &[3; 16]), Topic::of_call("a", &[4; 16]));
        assert_ne!(Topic::of_call("a", &[3; 16]), Topic::of_session("a"));
    }
}
