//! The servers behind a location (`mcp_upstream`), as this worker knows them.
//!
//! What they list is learned by requests without a client, which go through nginx's proxy as calls do. A client's request waits for
//! the first look at them, so that it is judged by what is offered; after that nothing waits, unless another worker has
//! seen that a server lists something else. The first worker looks again and again for all of them.

mod message;
mod sessions;
mod wanted;

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;

use mcp::http::{UpstreamFailure, UpstreamRequest};
use mcp::{Caller, Callers, Learned, McpUpstream, Offering, Peer, Pending, Publication, Server, Turn};

use self::message::{Errand, send};
pub(crate) use self::message::{
    Message, Replies, body, cancel, ending, finished, header, run, tell, upstream_finished,
};
use self::sessions::Session;
pub(crate) use self::sessions::{Arrangement, admit};
use self::wanted::Wants;
use crate::conf::Location;
use crate::context::{Context, Stage};
use crate::ngx::{self, Detached, Level, ListDigests, ReadHandler, Request, Wake};
use crate::{bus, handler};

/// Milliseconds that a client's request waits for a look at a server.
pub(crate) const PATIENCE: usize = 5_000;
/// Milliseconds between two looks after the first failure, and at the most.
const RETRY: (usize, usize) = (1_000, 60_000);
/// Milliseconds between two looks at the least, whatever a server says of its lists.
const SHORTEST: u64 = 5_000;
/// Milliseconds from the end of such a stream to the next one.
const LISTEN_AGAIN: usize = 5_000;
/// Seconds for which the lists of a server that cannot be reached are taken to be right.
const KEPT: u64 = 600;

/// All servers behind a location.
pub(crate) struct Fronts {
    fronts: Vec<Front>,
    offering: RefCell<Arc<Offering>>,
    /// Clients' requests that wait for a look.
    waiting: RefCell<HashSet<Request>>,
    /// What other workers have seen.
    lists: ListDigests,
    /// Tells the lists of locations apart, the same in every process with this configuration.
    name: String,
}

/// One of them.
struct Front {
    peer: RefCell<Peer>,
    /// What has begun for callers who must not share a session.
    callers: RefCell<Callers<Rc<Session>>>,
    /// A request without a client that timers belong to.
    ground: RefCell<Option<Ground>>,
    /// The first look is over, whatever came of it.
    is_seen: Cell<bool>,
    failures: Cell<u32>,
    /// Seconds since the epoch at the last look, and when what is known was last seen to be right.
    looked: Cell<u64>,
    right: Cell<u64>,
    /// What another worker had seen when this one looked again for that.
    chased: Cell<[u64; 3]>,
    /// The server's stream of changes is open.
    listens: Cell<bool>,
    /// What was known of it when it turned out to have none.
    mute: RefCell<Option<Arc<Learned>>>,
    /// Of which of its resources clients want to hear.
    wants: Wants,
    /// Something has changed while it was looked at.
    is_stale: Cell<bool>,
    /// The warnings that were written.
    warned: RefCell<Vec<String>>,
}

struct Ground {
    detached: Detached,
    timer: Wake,
    /// For what is asked of the server at the end of a turn.
    ask: Wake,
}

/// A client's request that waits for a look.
pub(crate) struct Waiter {
    location: &'static Location,
    request: Request,
    awaited: Awaited,
}

/// What it waits for.
enum Awaited {
    /// That these servers have been looked at.
    Looks(Vec<usize>),
    /// A session of its client's own.
    Session(Rc<Session>),
}

impl Waiter {
    /// Whether that is there, or known not to come.
    pub(crate) fn is_over(&self) -> bool {
        let Some(fronts) = &self.location.fronts else { return true };
        match &self.awaited {
            Awaited::Looks(upstreams) => {
                upstreams.iter().filter_map(|upstream| fronts.fronts.get(*upstream)).all(Front::is_idle)
            }
            Awaited::Session(session) => !session.is_looking(),
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        if let Some(fronts) = &self.location.fronts {
            fronts.waiting.borrow_mut().remove(&self.request);
        }
    }
}

/// A client's request that was read, but not yet judged.
pub(crate) struct Arrival {
    waiter: Waiter,
    wake: Wake,
    reader: ReadHandler,
}

impl Fronts {
    /// The servers behind a location with this name; none if there are none.
    pub(crate) fn new(server: &Server, name: &str, lists: ListDigests) -> Option<Fronts> {
        let front = |upstream| Front {
            peer: RefCell::new(Peer::new(upstream)),
            callers: RefCell::default(),
            ground: RefCell::default(),
            is_seen: Cell::new(false),
            failures: Cell::new(0),
            looked: Cell::new(0),
            right: Cell::new(0),
            chased: Cell::default(),
            listens: Cell::new(false),
            mute: RefCell::default(),
            wants: Wants::default(),
            is_stale: Cell::new(false),
            warned: RefCell::default(),
        };
        let count = server.upstreams().len();
        (count > 0).then(|| Fronts {
            fronts: (0..count).map(front).collect(),
            offering: RefCell::new(Arc::new(Offering::new(server, vec![None; count]))),
            waiting: RefCell::default(),
            lists,
            name: name.to_owned(),
        })
    }

    /// What is known of them.
    pub(crate) fn offering(&self) -> Arc<Offering> {
        Arc::clone(&self.offering.borrow())
    }

    /// Looks at all of them soon; called when the worker starts.
    pub(crate) fn start(&self, location: &'static Location) {
        location.bus.iter().filter(|_| ngx::is_first_worker()).for_each(|bus| bus.stay(location));
        for (upstream, front) in self.fronts.iter().enumerate() {
            let ground = Detached::new(location.front_location(upstream)).and_then(|detached| {
                let request = detached.request();
                Context::create(request, location)?.set_stage(Stage::Ground(upstream));
                let timer = Wake::new(request, due)?;
                timer.forgo_at_exit();
                timer.post_in(1);
                let ask = Wake::new(request, ask)?;
                Some(Ground { detached, timer, ask })
            });
            if ground.is_none() {
                ngx::Log::cycle().write(Level::Error, format_args!("no memory or connection to ask servers with"));
                front.is_seen.set(true);
            }
            *front.ground.borrow_mut() = ground;
        }
    }

    /// The servers that must be looked at before requests can be judged, which is under way.
    fn missing(&self, location: &'static Location) -> Vec<usize> {
        let mut missing = Vec::new();
        for (upstream, front) in self.fronts.iter().enumerate() {
            let is_outdated = front.is_seen.get() && self.is_outdated(location, upstream, front);
            if is_outdated {
                self.look(location, upstream);
            }
            if is_outdated || !front.is_seen.get() {
                missing.push(upstream);
            }
        }
        missing
    }

    /// Whether another worker has seen that a server lists something else.
    fn is_outdated(&self, location: &Location, upstream: usize, front: &Front) -> bool {
        let now = ngx::now();
        let known = front.peer.borrow().learned().map_or_else(Learned::no_digests, |learned| learned.digests().clone());
        let name = location.server.upstreams()[upstream].name();
        let newest =
            known.each_ref().map(|(topic, digest)| self.lists.get((&self.name, name, topic)).unwrap_or(*digest));
        if known.iter().zip(newest).all(|((_, known), newest)| *known == newest) {
            front.right.set(now);
            return false;
        }
        // One that lists something else to everybody is not asked all the time.
        let chased = front.chased.replace(newest);
        chased != newest || front.looked.get() < now
    }

    /// Lets a request wait for something that is under way.
    fn wait(&self, location: &'static Location, request: Request, awaited: Awaited) -> Waiter {
        self.waiting.borrow_mut().insert(request);
        Waiter { location, request, awaited }
    }

    /// Something may be there that requests wait for.
    fn wake(&self) {
        let waiting: Vec<Request> = self.waiting.borrow().iter().copied().collect();
        waiting.into_iter().for_each(woken);
    }

    /// Looks at a server, unless that is under way.
    fn look(&self, location: &'static Location, upstream: usize) {
        let front = &self.fronts[upstream];
        if front.peer.borrow().is_looking() {
            return;
        }
        front.looked.set(ngx::now());
        let mut evaluate = |index| front.value(location, upstream, index);
        let request = front.peer.borrow_mut().begin(&location.server, &mut evaluate);
        self.send(location, upstream, request);
    }

    /// Sends a message of a look.
    fn send(&self, location: &'static Location, upstream: usize, message: UpstreamRequest) {
        let front = &self.fronts[upstream];
        if send(location, upstream, message, Errand::Look, message::ground(location, upstream, None)).is_none() {
            let turn = front.peer.borrow_mut().end(&location.server, Err(UpstreamFailure::Unavailable));
            self.go_on(location, upstream, turn);
        }
    }

    fn go_on(&self, location: &'static Location, upstream: usize, turn: Turn) {
        match turn {
            Turn::Send(_) if ngx::is_exiting() => {}
            Turn::Send(message) => self.send(location, upstream, message),
            Turn::Done(outcome) => self.looked(location, upstream, outcome),
        }
    }

    /// A look is over.
    fn looked(&self, location: &'static Location, upstream: usize, outcome: Result<Arc<Learned>, String>) {
        let front = &self.fronts[upstream];
        let configured = &location.server.upstreams()[upstream];
        front.is_seen.set(true);
        match outcome {
            Ok(learned) => {
                front.failures.set(0);
                front.right.set(ngx::now());
                self.warn(front, configured, learned.warnings().to_vec());
                self.put_together(location);
                self.announce(location, configured, learned.digests());
            }
            Err(why) => {
                front.failures.set(front.failures.get().saturating_add(1));
                let name = configured.name();
                ngx::Log::cycle().write(Level::Error, format_args!("\"mcp_upstream\" \"{name}\": {why}"));
                let is_old = front.right.get() + KEPT < ngx::now();
                let is_known = front.peer.borrow().learned().is_some();
                if is_known && is_old {
                    front.peer.borrow_mut().forget();
                    self.put_together(location);
                    self.announce(location, configured, &Learned::no_digests());
                }
            }
        }
        front.plan(configured);
        if front.is_stale.take() {
            self.look(location, upstream);
        } else if front.failures.get() == 0 && ngx::is_first_worker() {
            front.listen(location, upstream);
            front.forget_unheard(location, upstream);
        }
        self.wake();
    }

    /// Writes warnings that were not written before.
    fn warn(&self, front: &Front, configured: &McpUpstream, warnings: Vec<String>) {
        if *front.warned.borrow() != warnings && ngx::is_first_worker() {
            for warning in &warnings {
                let name = configured.name();
                ngx::Log::cycle().write(Level::Warn, format_args!("\"mcp_upstream\" \"{name}\": {warning}"));
            }
        }
        *front.warned.borrow_mut() = warnings;
    }

    /// Makes the offering of what is known now.
    fn put_together(&self, location: &'static Location) {
        let learned: Vec<_> = self.fronts.iter().map(|front| front.peer.borrow().learned().cloned()).collect();
        let before = self.offering();
        if before.is_of(&learned) {
            return;
        }
        let offering = Offering::new(&location.server, learned);
        if before.warnings() != offering.warnings() && ngx::is_first_worker() {
            for warning in offering.warnings() {
                ngx::Log::cycle().write(Level::Warn, format_args!("\"mcp_upstream\": {warning}"));
            }
        }
        *self.offering.borrow_mut() = Arc::new(offering);
        self.want_all(location);
    }

    /// Tells everybody which lists are others than before.
    fn announce(&self, location: &'static Location, configured: &McpUpstream, digests: &[(mcp::Topic, u64); 3]) {
        let nothing = Learned::no_digests();
        for ((topic, digest), (_, none)) in digests.iter().zip(&nothing) {
            let list = (&self.name, configured.name(), topic);
            let before = self.lists.get(list).unwrap_or(*none);
            self.lists.insert(list, *digest);
            let change = Publication::list_changed(topic.clone()).filter(|_| before != *digest);
            if let (Some(change), Some(bus)) = (change, &location.bus) {
                bus.publish(location, &change, |_| {});
            }
        }
    }
}

impl Front {
    /// Whether it was looked at, and is not just now.
    fn is_idle(&self) -> bool {
        self.is_seen.get() && !self.peer.borrow().is_looking()
    }

    /// What a server is told of nobody in particular.
    fn nobody(&self, upstream: usize) -> Caller {
        let ground = self.ground.borrow().as_ref().map(|ground| ground.detached.request());
        let context = ground.and_then(|ground| Some((ground, Context::of(ground)?)));
        context.map(|(ground, context)| sessions::caller(ground, context, upstream)).unwrap_or_default()
    }

    /// What an operator's text comes to where there is no client.
    fn value(&self, location: &'static Location, upstream: usize, index: usize) -> String {
        let ground = self.ground.borrow().as_ref().map(|ground| ground.detached.request());
        let site = location.server.upstreams()[upstream].site();
        let context = ground.and_then(|ground| Some((ground, Context::of(ground)?)));
        context.map(|(ground, context)| context.operator_value(ground, site, index)).unwrap_or_default()
    }

    /// Hears from the server itself when something changes, if it says that.
    fn listen(&self, location: &'static Location, upstream: usize) {
        if !self.listens.get() && !self.is_mute() && bus::hear() {
            self.listen_anew(location, upstream);
        }
    }

    /// The same on a stream that takes the place of the one that there is.
    fn listen_anew(&self, location: &'static Location, upstream: usize) {
        let uris = self.wants.uris();
        let uris = uris.iter().map(String::as_str);
        let mut evaluate = |index| self.value(location, upstream, index);
        let Some(request) = self.peer.borrow().listen(&location.server, uris, &mut evaluate) else {
            // There is nothing more to hear.
            return self.wants.stream.get().into_iter().for_each(message::quit);
        };
        let ground = message::ground(location, upstream, None);
        self.listens.set(send(location, upstream, request, Errand::Listen(None), ground).is_some());
    }

    /// Whether it has no stream of changes. With a new session it may have one.
    fn is_mute(&self) -> bool {
        let (mute, peer) = (self.mute.borrow(), self.peer.borrow());
        mute.as_ref().zip(peer.learned()).is_some_and(|(mute, learned)| mute.has_link_of(learned))
    }

    /// Looks again after some time.
    fn look_in(&self, milliseconds: usize) {
        if let Some(ground) = &*self.ground.borrow() {
            ground.timer.post_in(milliseconds);
        }
    }

    /// Says when to look again.
    fn plan(&self, configured: &McpUpstream) {
        let ground = self.ground.borrow();
        let Some(ground) = &*ground else { return };
        let peer = self.peer.borrow();
        let milliseconds = match (self.failures.get(), peer.learned()) {
            (0, Some(learned)) if ngx::is_first_worker() => {
                let cache = configured.cache().saturating_mul(1000);
                let ttl = learned.ttl().filter(|ttl| *ttl > 0).map_or(cache, |ttl| ttl.max(SHORTEST));
                usize::try_from(cache.min(ttl)).unwrap_or(usize::MAX)
            }
            (0, _) => return,
            (failures, learned) if learned.is_none() || ngx::is_first_worker() => {
                RETRY.0.saturating_mul(1 << failures.min(10).saturating_sub(1)).min(RETRY.1)
            }
            _ => return,
        };
        ground.timer.post_in(milliseconds);
    }
}

/// It is time to look at a server.
fn due(request: Request) {
    let Some(context) = Context::of(request) else { return };
    let Stage::Ground(upstream) = *context.stage_mut() else { return };
    if let Some(fronts) = &context.location.fronts {
        fronts.look(context.location, upstream);
    }
}

/// A server is to be asked to tell of other resources than before.
fn ask(request: Request) {
    let Some(context) = Context::of(request) else { return };
    let Stage::Ground(upstream) = *context.stage_mut() else { return };
    let front = context.location.fronts.as_ref().and_then(|fronts| fronts.fronts.get(upstream));
    front.iter().for_each(|front| front.ask(context.location, upstream));
}

/// Something may be there that a client's request waits for.
fn woken(request: Request) {
    let Some(context) = Context::of(request) else { return };
    match &*context.stage_mut() {
        Stage::Arriving(arrival) if arrival.waiter.is_over() => {
            arrival.wake.cancel();
            arrival.wake.post();
        }
        Stage::Arranging(arrangement) => arrangement.looked(),
        Stage::Pausing(pause) => pause.looked(),
        _ => {}
    }
}

/// Whether a request that was read can be judged now; if not, it waits, and is judged later.
pub(crate) fn receives(request: Request, context: &'static Context) -> bool {
    let location = context.location;
    let Some(fronts) = &location.fronts else { return true };
    let missing = fronts.missing(location);
    if missing.is_empty() {
        return true;
    }
    let Some(wake) = Wake::new(request, arrive) else { return true };
    wake.post_in(PATIENCE);
    let reader = request.read_event_handler();
    request.suspend_phases();
    let waiter = fronts.wait(location, request, Awaited::Looks(missing));
    context.set_stage(Stage::Arriving(Arrival { waiter, wake, reader }));
    false
}

/// Goes on with a request that has waited.
fn arrive(request: Request) {
    let Some(context) = Context::of(request) else { return };
    let Stage::Arriving(Arrival { reader, wake, .. }) = context.take_stage() else { return };
    wake.cancel();
    request.set_read_event_handler(reader);
    handler::judge(request, context).carry_out(request);
}

/// Lets a call wait until its server has been looked at, or has begun a session anew; none if that is done already.
pub(crate) fn renew(request: Request, context: &'static Context, upstream: usize, pending: &Pending) -> Option<Waiter> {
    let location = context.location;
    let fronts = location.fronts.as_ref()?;
    if let Some(session) = fronts.session(request, context, upstream) {
        if !pending.is_of(&session.peer.borrow()) {
            return None;
        }
        session.begin(request, context);
        return Some(fronts.wait(location, request, Awaited::Session(session)));
    }
    let front = fronts.fronts.get(upstream)?;
    if !pending.is_of(&front.peer.borrow()) {
        return None;
    }
    let waiter = fronts.wait(location, request, Awaited::Looks(vec![upstream]));
    if !front.peer.borrow().is_looking() {
        front.peer.borrow_mut().forget_link();
    }
    fronts.look(location, upstream);
    Some(waiter)
}
