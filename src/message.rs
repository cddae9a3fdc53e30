//! A message of a client that came by another way than in an HTTP request of its own. It becomes a request of nginx, and
//! what that is answered with is said in its [`Conversation`].

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use mcp::http::{HeaderLine, HttpReply, Transport};
use mcp::{Facts, ReplyReader};

use crate::context::Context;
use crate::ngx::{Admission, Inner, Outlet, Request};

/// Header lines that are about a request itself and not about its client.
const OWN_LINES: [&[u8]; 15] = [
    b"accept",
    b"accept-encoding",
    b"connection",
    b"content-encoding",
    b"content-length",
    b"content-type",
    b"expect",
    b"keep-alive",
    b"last-event-id",
    b"proxy-connection",
    b"range",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
];
/// The beginnings of their names.
const OWN_PREFIXES: [&[u8]; 2] = [b"if-", b"sec-websocket-"];

/// What a client and its server say to each other.
pub(crate) trait Conversation {
    /// By which way.
    fn transport(&self) -> Transport;

    /// Whether the client has more to hear than should wait for it. If so, [`Message::resume`] follows.
    fn is_crowded(&self) -> bool;

    /// Tells the client a message, a line of JSON, which comes of this request.
    fn say(&self, inner: Request, message: &str);

    /// The message has passed its limits and access rules.
    fn admit(&self, _inner: Request) -> Admission {
        Admission::Now
    }

    /// nginx refuses the message. False: that is said as any other answer.
    fn refuse(&self, _inner: Request, _refusal: &HttpReply) -> bool {
        false
    }

    /// The client's messages belong to this session from now on.
    fn begin_session(&self, _session: &[u8]) {}

    /// The client wants the request of this id no more, raw JSON.
    fn cancel(&self, _id: &str) {}

    /// The message of this number is done with, or the stream (none) has ended, which may have said something.
    fn over(&self, _message: Option<u64>, _has_spoken: bool) {}
}

/// A message on its way; or the stream of a session, which is opened by a request as well.
pub(crate) struct Message {
    /// None: it is the stream.
    number: Option<u64>,
    conversation: Rc<dyn Conversation>,
    reader: RefCell<Option<ReplyReader>>,
    has_begun: Cell<bool>,
    /// There is something in the response that can be said.
    has_spoken: Cell<bool>,
    /// No answer is owed: all is said, or nobody wants to hear it.
    is_settled: Cell<bool>,
    inner: RefCell<Option<Inner>>,
}

impl Message {
    /// Makes a request of a message, with what is known of the client's request. It runs soon, but not from within this. None
    /// when there is no connection or memory left.
    pub(crate) fn start(
        client: Request,
        method: &'static str,
        session: Option<&[u8]>,
        body: &[u8],
        number: Option<u64>,
        conversation: Rc<dyn Conversation>,
    ) -> Option<Rc<Message>> {
        let message = Rc::new(Message {
            number,
            conversation,
            reader: RefCell::default(),
            has_begun: Cell::new(false),
            has_spoken: Cell::new(false),
            is_settled: Cell::new(number.is_none()),
            inner: RefCell::default(),
        });
        let lines = client.headers();
        let kept = lines.iter().copied().filter(|(name, _)| !is_own(name) && !name.starts_with(b"mcp-"));
        let accept: HeaderLine<'_> = (b"Accept", b"application/json, text/event-stream");
        let length = body.len().to_string();
        let content: [HeaderLine<'_>; 2] =
            [(b"Content-Type", b"application/json"), (b"Content-Length", length.as_bytes())];
        let content = content.into_iter().filter(|_| method == "POST");
        let session = session.map(|session| (&b"Mcp-Session-Id"[..], session));
        let lines = kept.chain([accept]).chain(content).chain(session);
        let outlet: Rc<dyn Outlet> = Rc::clone(&message) as _;
        let inner = Inner::start(client, method, lines, body, outlet, None)?;
        message.inner.replace(Some(inner));
        Some(message)
    }

    /// The client has left, or wants no answer any more.
    pub(crate) fn leave(&self) {
        self.is_settled.set(true);
        self.inner.borrow().iter().for_each(Inner::leave);
    }

    /// The client can take more.
    pub(crate) fn resume(&self) {
        self.inner.borrow().iter().for_each(Inner::resume);
    }

    /// Whether it is a request with this id, raw JSON.
    pub(crate) fn has_id(&self, id: &str) -> bool {
        let request = self.inner.borrow().as_ref().and_then(Inner::request);
        request.and_then(facts).and_then(Facts::request_id) == Some(id)
    }

    /// To a notification nothing is said, whatever a response has to say of it.
    fn say(&self, inner: Request, message: &str) {
        if !facts(inner).is_some_and(Facts::is_notification) {
            self.conversation.say(inner, message);
        }
    }

    /// The first part of the response has come.
    fn begin(&self, inner: Request) {
        if self.has_begun.replace(true) {
            return;
        }
        let content_type = inner.headers_out().content_type();
        // Whatever a stream is refused with, nobody has asked for it.
        let is_wanted = self.number.is_some() || content_type == Some(b"text/event-stream");
        let reader = ReplyReader::new(content_type).filter(|_| is_wanted);
        self.has_spoken.set(reader.is_some());
        self.reader.replace(reader);
    }
}

fn facts(request: Request) -> Option<&'static Facts> {
    Context::of(request)?.facts()
}

impl Outlet for Message {
    fn transport(&self) -> Transport {
        self.conversation.transport()
    }

    fn admit(&self, inner: Request) -> Admission {
        self.conversation.admit(inner)
    }

    fn refuse(&self, inner: Request, refusal: &HttpReply) {
        if self.conversation.refuse(inner, refusal) {
            // It is not said again.
            self.has_begun.set(true);
            self.is_settled.set(true);
        }
    }

    fn take(&self, inner: Request, part: &[u8]) -> bool {
        if self.conversation.is_crowded() {
            return false;
        }
        self.begin(inner);
        let reader = self.reader.take();
        self.reader.replace(reader.map(|mut reader| {
            reader.push(part, &mut |message| self.say(inner, message));
            reader
        }));
        true
    }

    fn complete(&self, inner: Request) {
        if let Some(session) = inner.headers_out().get("Mcp-Session-Id") {
            self.conversation.begin_session(session);
        }
        if let Some(reader) = self.reader.take() {
            reader.finish(&mut |message| self.say(inner, message));
        }
        // What has no body says nothing, and what another module has answered is no answer.
        let is_answer = !self.has_begun.get() || self.has_spoken.get();
        self.is_settled.set(self.is_settled.get() || is_answer);
    }

    fn over(&self, inner: Request) {
        self.inner.take();
        if let (false, Some(context)) = (self.is_settled.get(), Context::of(inner)) {
            let answer = context.facts().and_then(|facts| context.location.server.abandoned(facts));
            answer.iter().for_each(|answer| self.conversation.say(inner, &String::from_utf8_lossy(answer)));
        }
        self.conversation.over(self.number, self.has_spoken.get());
    }

    fn cancel(&self, id: &str) {
        self.conversation.cancel(id);
    }
}

/// Whether a header line is about a request itself and not about its client.
pub(crate) fn is_own(name: &[u8]) -> bool {
    OWN_LINES.contains(&name) || OWN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}
