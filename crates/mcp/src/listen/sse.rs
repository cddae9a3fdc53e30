//! HTTP+SSE, the transport of 2024-11-05: a stream of the server's, and messages that are posted to a URL that stands in it.
//!
//! The session begins and ends with the stream. What is answered goes over the bus to it, from whatever worker the message
//! came to.

use super::stream::lists;
use super::{Holder, Listener, MAX_ENVELOPE, Publication, Topic};
use crate::ProtocolVersion;
use crate::error::Error;
use crate::exchange::Work;
use crate::facts::Facts;
use crate::headers::{EVENT_STREAM, trim};
use crate::http::Transport;
use crate::input::Capabilities;
use crate::jsonrpc::{self, write_error};
use crate::receive::Reception;
use crate::server::Server;
use crate::session::{Beginning, Claim, Client, MACHINE, Session, nonce_of};

/// The one revision that has it.
const VERSION: ProtocolVersion = ProtocolVersion::V2024_11_05;
/// The parameter of the URL that has the session's id.
pub const SESSION_PARAMETER: &str = "session_id";

impl Reception<'_, '_> {
    /// Whether a GET opens a stream of this transport: it is for `text/event-stream`, and knows of no session and no other
    /// revision.
    pub(crate) fn opens_sse(&self) -> bool {
        let types = self.request.headers.get_all("accept").flat_map(|line| line.split(|byte| *byte == b','));
        let mut names = types.map(|range| trim(range.split(|byte| *byte == b';').next().unwrap_or_default()));
        self.request.transport == Transport::StreamableHttp
            && self.headers.session_id.value.is_none()
            && self.headers.protocol_version.value.is_none_or(|version| version == VERSION.as_str().as_bytes())
            && names.any(|name| name.eq_ignore_ascii_case(EVENT_STREAM.as_bytes()))
    }

    /// Opens one, and begins its session.
    pub(crate) fn open_sse(&mut self) -> Work {
        let (issued, owner) = (self.request.now, None);
        let session = Session { version: VERSION, capabilities: Capabilities::NONE, issued, owner };
        let mut nonce = (self.nonce)();
        self.server.holder([0; MACHINE]).mark(&mut nonce);
        self.claim = Claim::Begins(Box::new(Beginning { session, client: Client::default(), nonce }));
        self.version = VERSION;
        self.facts.transport = Transport::Sse;
        self.facts.protocol_version = Some(VERSION);
        Work::OpenSse { target: String::from_utf8_lossy(self.request.target).into(), nonce: (self.nonce)() }
    }

    /// A message is posted: it is worked on, and answered on the stream, if it is one of a session.
    pub(crate) fn judge_posted(&mut self) -> Result<Work, Error> {
        self.check_content_type()?;
        self.version = VERSION;
        if !jsonrpc::is_batch(self.request.body) {
            let message = jsonrpc::read(self.request.body).map_err(|refusal| refusal.error)?;
            self.note(&message);
        }
        self.open_session()?;
        Ok(Work::Forward)
    }
}

/// The stream of a session that has begun with it, of a request with this path and query.
pub(crate) fn sse_listener(server: &Server, session: &str, target: &str, nonce: [u8; 16]) -> Listener {
    let listener = Listener::session(VERSION, Topic::of_session(session), lists(server), nonce, Default::default());
    listener.over_sse(endpoint(target, session))
}

/// The URL that messages are posted to: that of the stream itself, as its client has it.
fn endpoint(target: &str, session: &str) -> String {
    let target = target.split('#').next().unwrap_or_default();
    let separator = if target.contains('?') { '&' } else { '?' };
    format!("{target}{separator}{SESSION_PARAMETER}={session}")
}

impl Server {
    /// A worker of this machine, told from others by these random bytes, which it changes whenever it was cut off from other machines: its
    /// streams have ended then.
    pub fn holder(&self, worker: [u8; MACHINE]) -> Holder {
        Holder::new(self.machine(), worker)
    }

    /// Who holds the stream of a session of HTTP+SSE, from its id, which was found right.
    pub fn holder_of(&self, session: &str) -> Option<Holder> {
        nonce_of(session).as_ref().and_then(Holder::in_nonce)
    }

    /// Whether a holder is, or was, a worker of this machine with this configuration.
    pub fn is_here(&self, holder: Holder) -> bool {
        holder.is_of(self.machine())
    }

    /// What is to be published so that the client of HTTP+SSE hears `message` on its stream, a line of JSON that is (part of) the
    /// answer to the message with these facts. An error takes the place of what is larger than the bus carries.
    pub fn reply_on_stream(&self, facts: &Facts, message: &str) -> Option<Publication> {
        let topic = Topic::of_session(facts.session()?);
        let publication = Publication::reply(topic.clone(), message);
        if publication.envelope.len() <= MAX_ENVELOPE {
            return Some(publication);
        }
        let id = facts.request_id()?;
        let why = format!("the answer is larger than {MAX_ENVELOPE} bytes, the most that HTTP+SSE carries here");
        let mut error = Vec::new();
        write_error(Some(id), VERSION, &Error::Backend(why).wire(VERSION, true), &mut error);
        Some(Publication::reply(topic, &String::from_utf8_lossy(&error)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Body, HeaderLine};
    use crate::listen::{Delivered, Delivery};
    use crate::test_server::{self, NOW, start};
    use crate::{Exchange, Step};

    fn server_on(machine: [u8; MACHINE]) -> Server {
        test_server::server([], |builder| {
            builder.session_lifetime(60);
            builder.channels(true);
            builder.machine(machine);
        })
    }

    fn server() -> Server {
        server_on([3; MACHINE])
    }

    fn get(server: &Server, lines: &[HeaderLine<'_>]) -> Exchange {
        test_server::receive(server, "GET", lines, "", NOW)
    }

    #[test]
    fn a_stream_begins_with_its_endpoint_and_carries_answers() {
        let server = server();
        let exchange = get(&server, &[(b"accept", b"application/json;q=0.5, Text/Event-Stream; q=1")]);
        let facts = exchange.facts().clone();
        assert_eq!((facts.transport(), facts.protocol_version()), ("sse", Some(VERSION)));
        assert_eq!(facts.session(), None, "it is not known yet whose it is");
        let Step::Listen { reply, mut listener } = start(exchange, &server) else { panic!("no stream") };
        let session = facts.session().unwrap().to_owned();
        let endpoint = format!("event: endpoint\ndata: /mcp?session_id={session}\n\n");
        assert_eq!(reply.body, Body::Bytes(endpoint.into_bytes()));
        let carry = |publication: Publication| Delivery::parse(&publication.envelope).unwrap();
        let answer = carry(server.reply_on_stream(&facts, r#"{"id":1,"result":{}}"#).unwrap());
        let event = b"event: message\ndata: {\"id\":1,\"result\":{}}\n\n".to_vec();
        assert_eq!(listener.deliver(&answer, None), Delivered::Event(event));
        let end = carry(listener.closed().unwrap());
        assert!(end.is_end());
        assert_eq!(end.topic(), &Topic::of_session(&session));
    }

    #[test]
    fn the_session_says_who_holds_its_stream() {
        let [server, other] = [[3; MACHINE], [9; MACHINE]].map(server_on);
        let mut exchange = get(&server, &[(b"accept", b"text/event-stream")]);
        let holder = server.holder([7; MACHINE]);
        exchange.set_holder(holder);
        let facts = exchange.facts().clone();
        assert!(matches!(start(exchange, &server), Step::Listen { .. }));
        assert_eq!(other.holder_of(facts.session().unwrap()), Some(holder));
        assert!(server.is_here(holder) && !other.is_here(holder));
    }

    #[test]
    fn what_is_too_large_becomes_an_error_for_who_waits_for_it() {
        let server = server();
        let exchange = get(&server, &[(b"accept", b"text/event-stream")]);
        let mut facts = exchange.facts().as_ref().clone();
        facts.set_session("a.b");
        let large = format!("{{\"id\":1,\"result\":{{\"a\":\"{}\"}}}}", "x".repeat(MAX_ENVELOPE));
        assert_eq!(server.reply_on_stream(&facts, &large), None);
        facts.set_request_id("7");
        let envelope = server.reply_on_stream(&facts, &large).unwrap().envelope;
        assert!(envelope.len() < 1000);
        assert!(String::from_utf8(envelope).unwrap().contains("\"id\":7,\"error\":{\"code\":-32603"));
    }

    #[test]
    fn who_does_not_ask_for_it_gets_none() {
        let server = server();
        let accept: HeaderLine<'_> = (b"accept", b"text/event-stream");
        let cases: [&[HeaderLine<'_>]; 4] = [
            &[],
            &[(b"accept", b"*/*")],
            &[accept, (b"mcp-protocol-version", b"2025-06-18")],
            &[accept, (b"mcp-session-id", b"a.b")],
        ];
        for lines in cases {
            let step = start(get(&server, lines), &server);
            assert!(matches!(step, Step::Reply(reply) if reply.status >= 400), "{lines:?}");
        }
    }

    #[test]
    fn messages_go_where_the_stream_came_from() {
        for (target, expected) in [
            ("/mcp", "/mcp?session_id=a.b"),
            ("/a%20b/mcp/?key=1", "/a%20b/mcp/?key=1&session_id=a.b"),
            ("/mcp#x", "/mcp?session_id=a.b"),
        ] {
            assert_eq!(endpoint(target, "a.b"), expected);
        }
    }
}
