//! HTTP+SSE, the transport of 2024-11-05: what comes by POST is answered on the client's stream, wherever that is open.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};

use mcp::http::{Headers, HttpReply, Transport};
use mcp::{Exchange, Facts, SESSION_PARAMETER, SessionState, Topic};

use crate::bus::Bus;
use crate::conf::Location;
use crate::context::{Context, Stage};
use crate::handler::{Judged, go_on, proceed};
use crate::message::{Conversation, Message};
use crate::ngx::{self, Admission, Request, Status, Wake};
use crate::reply;

/// A message's POST, which is answered as soon as the message is judged.
pub(crate) struct Posting {
    exchange: Box<Exchange>,
    verdict: RefCell<Option<Verdict>>,
    wake: Wake,
    request: Request,
}

/// What becomes of a message.
enum Verdict {
    /// It has passed its limits and access rules.
    Accepted { _start: Start },
    /// This answers the POST.
    Refused(HttpReply),
}

/// Has an accepted message worked on once this is dropped: its POST is answered, or the client of that has left.
struct Start(Wake);

impl Drop for Start {
    fn drop(&mut self) {
        self.0.post();
    }
}

/// The way back to a client: its stream, by the bus.
struct Stream {
    location: &'static Location,
    /// Gone once it is answered, or its client has left.
    posting: Weak<Posting>,
    /// Nothing comes to the stream before. Who knows a session's URL and no more could say something there.
    is_accepted: Cell<bool>,
}

/// The session of a message that is posted: it stands in the URL that the client was told.
pub(crate) fn session_of(request: Request, headers: Headers<'_>) -> Option<&'static [u8]> {
    let session = request.argument(SESSION_PARAMETER.as_bytes())?;
    let is_posted = request.method() == "POST" && headers.get("mcp-session-id").is_none();
    request.copy(session.as_bytes()).filter(|_| is_posted)
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
    if !may_be_open(location, bus, session) {
        return Judged::Ends(reply::send(request, context, exchange.refuse_without_stream()));
    }
    let posting = Rc::new(Posting { exchange, verdict: RefCell::default(), wake, request });
    let stream = Stream { location, posting: Rc::downgrade(&posting), is_accepted: Cell::new(false) };
    if Message::start(request, "POST", Some(session.as_bytes()), body, Some(1), Rc::new(stream)).is_none() {
        return Judged::Ends(reply::send(request, context, location.server.refuse(&posting.exchange, 503)));
    }
    // Its own line in the log is the message's.
    request.forgo_log();
    request.suspend_phases();
    context.set_stage(Stage::Posting(posting));
    Judged::Waits
}

/// Whether the stream of a session may be open. Of those of other machines only the end is known, and whether who holds them is silent.
fn may_be_open(location: &'static Location, bus: &Bus, session: &str) -> bool {
    let server = &location.server;
    match server.holder_of(session).filter(|holder| bus.link.is_some() && !server.is_here(*holder)) {
        Some(holder) => {
            location.session_state(session.as_bytes(), ngx::now()) != Some(SessionState::Ended)
                && bus.may_hold(location, holder)
        }
        None => bus.listening([Topic::of_session(session)].into_iter()) > 0,
    }
}

/// Whether the client that a call is for has left before the call could hear of it.
pub(crate) fn has_ended(request: Request, context: &'static Context) -> bool {
    let is_of_stream = request.outlet().is_some_and(|outlet| outlet.transport() == Transport::Sse);
    let session = context.facts().and_then(Facts::session).filter(|_| is_of_stream);
    let bus = context.location.bus.as_ref();
    session.zip(bus).is_some_and(|(session, bus)| !may_be_open(context.location, bus, session))
}

/// Answers a POST.
fn answer(request: Request) {
    let Some(context) = Context::of(request) else { return };
    let Stage::Posting(posting) = context.take_stage() else { return };
    let Some(Posting { exchange, verdict, .. }) = Rc::into_inner(posting) else { return };
    let server = &context.location.server;
    let verdict = verdict.into_inner();
    request.finalize(match &verdict {
        Some(Verdict::Accepted { .. }) => {
            proceed(request, context, exchange.start(server, &mut |_, _| String::new()), false)
        }
        Some(Verdict::Refused(refusal)) => reply::send(request, context, refusal.clone()),
        None => reply::send(request, context, server.refuse(&exchange, 500)),
    });
    // An accepted message is worked on from here on.
    drop(verdict);
}

impl Stream {
    fn judge(&self, verdict: Verdict) {
        if let Some(posting) = self.posting.upgrade() {
            posting.verdict.replace(Some(verdict));
            posting.wake.post();
        }
    }
}

impl Conversation for Stream {
    fn transport(&self) -> Transport {
        Transport::Sse
    }

    fn admit(&self, inner: Request) -> Admission {
        match (self.posting.upgrade(), Wake::new(inner, go_on)) {
            (Some(_), Some(wake)) => {
                self.is_accepted.set(true);
                self.judge(Verdict::Accepted { _start: Start(wake) });
                Admission::Later
            }
            _ => Admission::Never,
        }
    }

    /// A message that is not accepted is answered where it was posted, or nowhere.
    fn refuse(&self, inner: Request, refusal: &HttpReply) -> bool {
        if self.is_accepted.get() {
            return false;
        }
        if let Some(posting) = self.posting.upgrade() {
            posting.request.headers_out().copy_lines(inner.headers_out());
        }
        self.judge(Verdict::Refused(refusal.clone()));
        true
    }

    /// A stream that is too slow for what it is sent ends.
    fn is_crowded(&self) -> bool {
        false
    }

    fn say(&self, inner: Request, message: &str) {
        if !self.is_accepted.get() {
            return;
        }
        let facts = Context::of(inner).and_then(Context::facts);
        let publication = facts.and_then(|facts| self.location.server.reply_on_stream(facts, message));
        if let (Some(publication), Some(bus)) = (publication, &self.location.bus) {
            bus.publish(self.location, &publication, |_| {});
        }
    }

    /// What ends without having been refused, and before it could begin, has failed.
    fn over(&self, _message: Option<u64>, _has_spoken: bool) {
        if let Some(posting) = self.posting.upgrade() {
            posting.verdict.borrow_mut().take_if(|verdict| matches!(verdict, Verdict::Accepted { .. }));
            posting.wake.post();
        }
    }
}
