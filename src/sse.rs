//! HTTP+SSE, the transport of 2024-11-05: what comes by POST is answered on the client's stream, wherever that is open.

use std::rc::Rc;

use mcp::http::{Headers, Transport};
use mcp::{Facts, SESSION_PARAMETER, Topic};

use crate::conf::Location;
use crate::context::{Context, Stage};
use crate::handler::proceed;
use crate::message::{Conversation, Message};
use crate::ngx::{Request, Status};
use crate::reply;

/// The way back to a client's stream: the bus.
struct Stream(&'static Location);

/// The session of a message that is posted: it stands in the URL that the client was told.
pub(crate) fn session_of(request: Request, headers: Headers<'_>) -> Option<&'static [u8]> {
    let is_posted = request.method() == "POST" && headers.get("mcp-session-id").is_none();
    let session = request.argument(SESSION_PARAMETER.as_bytes()).filter(|_| is_posted)?;
    request.copy(session.as_bytes())
}

/// Has a message that was posted worked on, in a request of its own, and accepts it; limits and access rules are for that request.
/// None for any other request.
pub(crate) fn forward(request: Request, context: &'static Context, body: &[u8]) -> Option<Status> {
    let exchange = match context.take_stage() {
        Stage::Received(exchange) if exchange.is_forwarded() => exchange,
        stage => {
            context.set_stage(stage);
            return None;
        }
    };
    let location = context.location;
    let Some(bus) = &location.bus else { return Some(Status::INTERNAL_SERVER_ERROR) };
    let session = context.facts().and_then(Facts::session).unwrap_or_default();
    // Where the streams of other machines are is not known.
    if bus.link.is_none() && bus.listening([Topic::of_session(session)].into_iter()) == 0 {
        return Some(reply::send(request, context, exchange.refuse_without_stream()));
    }
    let started = Message::start(request, "POST", Some(session.as_bytes()), body, Some(1), Rc::new(Stream(location)));
    if started.is_none() {
        return Some(reply::send(request, context, location.server.refuse(&exchange, 503)));
    }
    // Its own line in the log is the message's.
    request.forgo_log();
    Some(proceed(request, context, exchange.start(&location.server, &mut |_, _| String::new()), false))
}

impl Conversation for Stream {
    fn transport(&self) -> Transport {
        Transport::Sse
    }

    /// A stream that is too slow for what it is sent ends.
    fn is_crowded(&self) -> bool {
        false
    }

    fn say(&self, inner: Request, message: &str) {
        let facts = Context::of(inner).and_then(Context::facts);
        let publication = facts.and_then(|facts| self.0.server.reply_on_stream(facts, message));
        if let (Some(publication), Some(bus)) = (publication, &self.0.bus) {
            bus.publish(self.0, &publication, |_| {});
        }
    }
}
