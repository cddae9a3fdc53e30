//! HTTP+SSE, the transport of 2024-11-05: what comes by POST is answered on the client's stream, wherever that is open.

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use mcp::http::{Headers, HttpReply, Transport};
use mcp::{Exchange, Facts, SESSION_PARAMETER, Topic};

use crate::conf::Location;
use crate::context::{Context, Stage};
use crate::handler::{Judged, proceed};
use crate::message::{Conversation, Message};
use crate::ngx::{Request, Status, Wake};
use crate::reply;

/// A message's POST, which is answered when it is known whether the message is worked on.
pub(crate) struct Posting {
    exchange: Box<Exchange>,
    /// What nginx refuses the message with.
    refusal: RefCell<Option<HttpReply>>,
    wake: Wake,
    request: Request,
}

/// The way back to a client: its POST, as long as that waits, then its stream, by the bus.
struct Stream {
    location: &'static Location,
    posting: Weak<Posting>,
}

/// The session of a message that is posted: it stands in the URL that the client was told.
pub(crate) fn session_of(request: Request, headers: Headers<'_>) -> Option<&'static [u8]> {
    let is_posted = request.method() == "POST" && headers.get("mcp-session-id").is_none();
    let session = request.argument(SESSION_PARAMETER.as_bytes()).filter(|_| is_posted)?;
    request.copy(session.as_bytes())
}

/// Has a message that was posted worked on, in a request of its own, which limits and access rules are for. Any other request
/// goes on.
pub(crate) fn forward(request: Request, context: &'static Context, body: &[u8]) -> Judged {
    let exchange = match context.take_stage() {
        Stage::Received(exchange) if exchange.is_forwarded() => exchange,
        stage => {
            context.set_stage(stage);
            return Judged::GoesOn;
        }
    };
    let location = context.location;
    let (Some(bus), Some(wake)) = (&location.bus, Wake::new(request, answer)) else {
        return Judged::Ends(Status::INTERNAL_SERVER_ERROR);
    };
    let session = context.facts().and_then(Facts::session).unwrap_or_default();
    // Of streams of other machines only the end is known.
    let is_here = bus.link.is_none() || location.server.has_begun(session);
    if is_here && bus.listening([Topic::of_session(session)].into_iter()) == 0 {
        return Judged::Ends(reply::send(request, context, exchange.refuse_without_stream()));
    }
    let posting = Rc::new(Posting { exchange, refusal: RefCell::default(), wake, request });
    let stream = Stream { location, posting: Rc::downgrade(&posting) };
    if Message::start(request, "POST", Some(session.as_bytes()), body, Some(1), Rc::new(stream)).is_none() {
        return Judged::Ends(reply::send(request, context, location.server.refuse(&posting.exchange, 503)));
    }
    // Its own line in the log is the message's.
    request.forgo_log();
    request.suspend_phases();
    context.set_stage(Stage::Posting(posting));
    Judged::Waits
}

/// Answers a POST.
fn answer(request: Request) {
    let Some(context) = Context::of(request) else { return };
    let Stage::Posting(posting) = context.take_stage() else { return };
    let Some(Posting { exchange, refusal, .. }) = Rc::into_inner(posting) else { return };
    request.finalize(match refusal.take() {
        Some(refusal) => reply::send(request, context, refusal),
        None => proceed(request, context, exchange.start(&context.location.server, &mut |_, _| String::new()), false),
    });
}

impl Conversation for Stream {
    fn transport(&self) -> Transport {
        Transport::Sse
    }

    fn admit(&self) {
        self.posting.upgrade().iter().for_each(|posting| posting.wake.post());
    }

    /// What would be an error of the protocol with a status of success goes to the stream.
    fn refuse(&self, inner: Request, refusal: &HttpReply) -> bool {
        let Some(posting) = self.posting.upgrade().filter(|_| refusal.status >= 400) else { return false };
        let is_copied = posting.request.headers_out().copy_lines(inner.headers_out());
        posting.refusal.replace(Some(refusal.clone()).filter(|_| is_copied));
        posting.wake.post();
        is_copied
    }

    /// A stream that is too slow for what it is sent ends.
    fn is_crowded(&self) -> bool {
        false
    }

    fn say(&self, inner: Request, message: &str) {
        let facts = Context::of(inner).and_then(Context::facts);
        let publication = facts.and_then(|facts| self.location.server.reply_on_stream(facts, message));
        if let (Some(publication), Some(bus)) = (publication, &self.location.bus) {
            bus.publish(self.location, &publication, |_| {});
        }
    }

    /// Whatever has kept it from being worked on is said on the stream.
    fn over(&self, _message: Option<u64>, _has_spoken: bool) {
        self.admit();
    }
}
