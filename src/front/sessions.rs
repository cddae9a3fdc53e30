//! Sessions that a server behind a location has for one caller alone.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use mcp::http::{UpstreamFailure, UpstreamRequest};
use mcp::{Caller, Exchange, Learned, Peer, Turn};

use super::message::{self, Errand};
use super::{Awaited, Fronts, PATIENCE, Waiter, woken};
use crate::conf::Location;
use crate::context::{Context, Stage};
use crate::handler;
use crate::ngx::{Detached, Request, Status, Wake};

/// A caller's session, or its beginning.
pub(crate) struct Session {
    pub(super) upstream: usize,
    pub(super) peer: RefCell<Peer>,
    /// Why there is none, when it could not be begun.
    pub(super) why: RefCell<String>,
}

/// A client's request that waits for its session at a server.
pub(crate) struct Arrangement {
    exchange: Box<Exchange>,
    session: Rc<Session>,
    waiter: Waiter,
    wake: Wake,
}

impl Session {
    pub(super) fn new(upstream: usize) -> Rc<Session> {
        Rc::new(Session { upstream, peer: RefCell::new(Peer::of_caller(upstream)), why: RefCell::default() })
    }

    pub(super) fn is_looking(&self) -> bool {
        self.peer.borrow().is_looking()
    }

    /// Begins it on behalf of a request, unless that is under way.
    pub(super) fn begin(self: &Rc<Self>, request: Request, context: &'static Context) {
        if self.is_looking() {
            return;
        }
        let location = context.location;
        let site = location.server.upstreams()[self.upstream].site();
        let mut evaluate = |index| context.operator_value(request, site, index);
        let first = self.peer.borrow_mut().begin(&location.server, &mut evaluate);
        self.send(location, first, message::ground(location, self.upstream, Some((request, context))));
    }

    /// Sends a message of its beginning.
    fn send(self: &Rc<Self>, location: &'static Location, message: UpstreamRequest, ground: Option<Detached>) {
        if message::send(location, self.upstream, message, Errand::Begin(Rc::clone(self)), ground).is_none() {
            let turn = self.peer.borrow_mut().end(&location.server, Err(UpstreamFailure::Unavailable));
            self.go_on(location, turn, None);
        }
    }

    /// Goes on with its beginning, on the same ground.
    pub(super) fn go_on(self: &Rc<Self>, location: &'static Location, turn: Turn, ground: Option<Detached>) {
        match turn {
            Turn::Send(message) => return self.send(location, message, ground),
            Turn::Done(Ok(_)) => {}
            Turn::Done(Err(why)) => *self.why.borrow_mut() = why,
        }
        location.fronts.iter().for_each(Fronts::wake);
    }
}

impl Arrangement {
    /// The session may have begun.
    pub(super) fn looked(&self) {
        if self.waiter.is_over() {
            self.wake.cancel();
            self.wake.post();
        }
    }
}

/// Sees to it that the client of an exchange has a session at each server that it is for, if it must have one of its own there. `DONE` if that
/// takes time: the request is held, and goes on later.
pub(crate) fn admit(
    request: Request,
    context: &'static Context,
    mut exchange: Box<Exchange>,
) -> Result<Box<Exchange>, Status> {
    let Some(fronts) = &context.location.fronts else { return Ok(exchange) };
    while let Some(upstream) = exchange.wants_session() {
        let Some(session) = fronts.session(request, context, upstream) else {
            exchange.share_session(upstream);
            continue;
        };
        let learned = session.peer.borrow().learned().cloned();
        if let Some(learned) = learned {
            exchange.set_session(upstream, Ok(&learned));
            continue;
        }
        let Some(wake) = Wake::new(request, arranged) else { return Err(Status::INTERNAL_SERVER_ERROR) };
        session.begin(request, context);
        wake.post_in(PATIENCE);
        let waiter = fronts.wait(context.location, request, Awaited::Session(Rc::clone(&session)));
        request.hold();
        context.set_stage(Stage::Arranging(Box::new(Arrangement { exchange, session, waiter, wake })));
        // It may have failed at once.
        woken(request);
        return Err(Status::DONE);
    }
    Ok(exchange)
}

/// Goes on with a request that has waited for its session.
fn arranged(request: Request) {
    let Some(context) = Context::of(request) else { return };
    let Stage::Arranging(arrangement) = context.take_stage() else { return };
    let Arrangement { mut exchange, session, wake, .. } = *arrangement;
    wake.cancel();
    if session.peer.borrow().learned().is_none() {
        let why = match session.is_looking() {
            true => "the server did not begin a session in time".to_owned(),
            false => session.why.borrow().clone(),
        };
        exchange.set_session(session.upstream, Err(why));
    }
    request.finalize(handler::begin(request, context, exchange));
}

impl Fronts {
    /// The session that a request's client has at a server alone, or is to have; none if it shares the one of everybody.
    pub(super) fn session(&self, request: Request, context: &'static Context, upstream: usize) -> Option<Rc<Session>> {
        let front = self.fronts.get(upstream)?;
        if !front.peer.borrow().learned().is_some_and(|learned| learned.has_session()) {
            return None;
        }
        let caller = caller(request, context, upstream);
        (caller != front.nobody(upstream)).then(|| front.callers.borrow_mut().of(caller, || Session::new(upstream)))
    }

    /// How a server is spoken to for the client of a request, if not as for everybody.
    pub(crate) fn learned(&self, request: Request, context: &'static Context, upstream: usize) -> Option<Arc<Learned>> {
        self.session(request, context, upstream).and_then(|session| session.peer.borrow().learned().cloned())
    }
}

/// What a server is told of the client of a request.
pub(super) fn caller(request: Request, context: &'static Context, upstream: usize) -> Caller {
    let location = context.location;
    let configured = &location.server.upstreams()[upstream];
    let credentials = configured.endpoint().operator_values().len();
    let credentials = (0..credentials).map(|index| context.operator_value(request, configured.site(), index));
    let lines = location.identities[upstream].iter().map(|line| line.evaluate(request).unwrap_or_default());
    let lines = lines.map(|line| String::from_utf8_lossy(line).into_owned());
    std::iter::once(location.principal(request).into_owned()).chain(credentials).chain(lines).collect()
}
