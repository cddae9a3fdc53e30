//! What the module keeps of a request while nginx has it.

use std::cell::{Cell, OnceCell, RefCell, RefMut};
use std::rc::Rc;
use std::sync::Arc;

use mcp::http::{Body, Outcome, UpstreamRequest};
use mcp::{Endpoint, Exchange, Facts, Step};

use crate::call::Call;
use crate::conf::{Location, LocationConf};
use crate::front::{Arrangement, Arrival, Message};
use crate::held::Holding;
use crate::listening::Listening;
use crate::nchan::ChannelRequest;
use crate::ngx::{self, Outbox, ReadHandler, Request, Wake};
use crate::pause::Pause;
use crate::publish::Publishing;
use crate::sse::Posting;
use crate::websocket::WebSocket;

/// How far a request is.
pub(crate) enum Stage {
    /// The body is on its way.
    Reading,
    /// The body was read; before it is judged, servers behind this one are looked at.
    Arriving(Arrival),
    /// The body was read and judged; limits and access rules are next, or are passed and its outlet is asked.
    Received(Box<Exchange>),
    /// Limits and access rules are passed; the client gets a session of its own at a server behind this one.
    Arranging(Box<Arrangement>),
    /// A call is under way.
    Calling(Box<Call>),
    /// A call is between two requests to its upstream.
    Pausing(Box<Pause>),
    /// The client was asked something with the reply that it has got, and the call goes on.
    Holding(Box<Holding>),
    /// A stream is open to the client.
    Listening(Box<Listening>),
    /// The client's connection is a WebSocket.
    WebSocket(Rc<WebSocket>),
    /// A backend's messages are being published.
    Publishing(Rc<Publishing>),
    /// A message of HTTP+SSE has come, and is not accepted yet.
    Posting(Rc<Posting>),
    /// A server behind this one is sent a message.
    Fronting(Box<Message>),
    /// Nothing: timers for a server behind this one belong to the request.
    Ground(usize),
    /// Nchan is asked for something.
    Channel(Box<ChannelRequest>),
    /// The reply is with nginx; whatever else wants to be sent is dropped.
    Done,
}

/// The context of one request, in its pool.
pub(crate) struct Context {
    pub(crate) location: &'static Location,
    stage: RefCell<Stage>,
    /// nginx's own function for the client's bytes, while ours stands in for it.
    pub(crate) reader: Cell<ReadHandler>,
    facts: OnceCell<Arc<Facts>>,
    outcome: Cell<Option<Outcome>>,
    /// What the call sends, and for which endpoint; variables lend it to the proxy module.
    upstream: Cell<Option<&'static (usize, UpstreamRequest)>>,
    body: OnceCell<Body>,
    /// The channel of Nchan that the request is for.
    channel: Cell<Option<&'static [u8]>>,
    batch: OnceCell<Batch>,
    /// What a stream of events has under way.
    pub(crate) outbox: RefCell<Outbox>,
}

/// What a request needs to wait for calls that run beside it.
pub(crate) struct Batch {
    pub(crate) next: RefCell<Option<Step>>,
    pub(crate) wake: Wake,
}

impl Context {
    /// A context for a request that enters an MCP location.
    pub(crate) fn create(request: Request, location: &'static Location) -> Option<&'static Context> {
        request.set_context(
            ngx::mcp_module(),
            Context {
                location,
                stage: RefCell::new(Stage::Reading),
                reader: Cell::new(None),
                facts: OnceCell::new(),
                outcome: Cell::new(None),
                upstream: Cell::new(None),
                body: OnceCell::new(),
                channel: Cell::new(None),
                batch: OnceCell::new(),
                outbox: RefCell::new(Outbox::default()),
            },
        )
    }

    /// The context of this very request.
    pub(crate) fn of(request: Request) -> Option<&'static Context> {
        request.context(ngx::mcp_module())
    }

    /// Takes the stage out, leaving `Done`; whoever takes it puts the next one in.
    pub(crate) fn take_stage(&self) -> Stage {
        self.stage.replace(Stage::Done)
    }

    pub(crate) fn set_stage(&self, stage: Stage) {
        self.stage.replace(stage);
    }

    /// The stage, to be changed in place.
    pub(crate) fn stage_mut(&self) -> RefMut<'_, Stage> {
        self.stage.borrow_mut()
    }

    /// How a request goes that is not over yet.
    pub(crate) fn note(&self, outcome: Outcome) {
        self.outcome.set(Some(outcome));
    }

    pub(crate) fn is_done(&self) -> bool {
        matches!(*self.stage.borrow(), Stage::Done)
    }

    /// The request was read: what it is, is known from here on.
    pub(crate) fn receive(&self, exchange: Exchange) {
        // A request is received once; a second time would be a defect that the first facts must survive.
        let _ = self.facts.set(Arc::clone(exchange.facts()));
        self.set_stage(Stage::Received(Box::new(exchange)));
    }

    /// What the request is, is known without its having been read.
    pub(crate) fn describe(&self, facts: Arc<Facts>) {
        let _ = self.facts.set(facts);
    }

    pub(crate) fn facts(&self) -> Option<&Facts> {
        self.facts.get().map(Arc::as_ref)
    }

    /// The same, for another request as well.
    pub(crate) fn shared_facts(&self) -> Option<Arc<Facts>> {
        self.facts.get().cloned()
    }

    pub(crate) fn finish(&self, outcome: Outcome) {
        self.outcome.set(Some(outcome));
        self.set_stage(Stage::Done);
    }

    pub(crate) fn outcome(&self) -> Option<Outcome> {
        self.outcome.get()
    }

    /// Keeps what a call of an endpoint sends as long as the request, since nginx has pointers to it; false if there is no
    /// memory for it.
    pub(crate) fn keep_upstream(&self, request: Request, endpoint: usize, upstream: UpstreamRequest) -> bool {
        self.upstream.set(request.keep((endpoint, upstream)));
        self.upstream.get().is_some()
    }

    pub(crate) fn upstream(&self) -> Option<&'static UpstreamRequest> {
        self.upstream.get().map(|(_, request)| request)
    }

    /// The endpoint that the call is of.
    pub(crate) fn endpoint(&self) -> Option<&Endpoint> {
        self.upstream.get().and_then(|(endpoint, _)| self.location.server.endpoint(*endpoint))
    }

    /// The HTTP method that the call is made with.
    pub(crate) fn upstream_method(&self) -> Option<&str> {
        self.upstream()?.method.or_else(|| self.endpoint().map(Endpoint::method))
    }

    /// Keeps the body of the reply as long as the request.
    pub(crate) fn keep_body(&self, body: Body) -> &Body {
        self.body.get_or_init(|| body)
    }

    /// What an operator's text of an endpoint comes to in this request.
    pub(crate) fn operator_value(&self, request: Request, endpoint: usize, index: usize) -> String {
        let value = self.location.operator_values.get(endpoint).and_then(|values| values.get(index));
        let value = value.and_then(|value| value.evaluate(request)).unwrap_or_default();
        // A credential without its key is none: nothing is sent for it.
        if matches!(value, b"Bearer " | b"Basic ") {
            String::new()
        } else {
            String::from_utf8_lossy(value).into_owned()
        }
    }

    /// The channel of Nchan that the request is for.
    pub(crate) fn channel(&self) -> Option<&'static [u8]> {
        self.channel.get()
    }

    /// Says so; the name must live as long as the request.
    pub(crate) fn set_channel(&self, name: &'static [u8]) {
        self.channel.set(Some(name));
    }

    pub(crate) fn batch(&self) -> Option<&Batch> {
        self.batch.get()
    }

    pub(crate) fn set_batch(&self, batch: Batch) {
        let _ = self.batch.set(batch);
    }
}

/// The MCP location that a request is in.
pub(crate) fn location_of(request: Request) -> Option<&'static Location> {
    request.loc_conf::<LocationConf>(ngx::mcp_module())?.location()
}
