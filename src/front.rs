//! The servers behind a location (`mcp_upstream`), as this worker knows them.
//!
//! What they list is learned by requests without a client, which go through nginx's proxy as calls do. A client's request waits for
//! the first look at them, so that it is judged by what is offered; after that nothing waits, unless another worker has
//! seen that a server lists something else. The first worker looks again and again for all of them.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::sync::Arc;

use mcp::http::{UpstreamFailure, UpstreamRequest};
use mcp::{Ear, Learned, McpUpstream, Offering, Peer, Pending, Publication, Server, Turn};

use crate::call::failure;
use crate::conf::Location;
use crate::context::{Context, Stage};
use crate::ngx::{
    self, Chain, Detached, Disguise, Held, Level, ListDigests, ReadHandler, Request, Status, UpstreamFinalizer, Wake,
    run_finalizer,
};
use crate::{bus, filter, handler};

/// Milliseconds that a client's request waits for a look at a server.
pub(crate) const PATIENCE: usize = 5_000;
/// Milliseconds between two looks after the first failure, and at the most.
const RETRY: (usize, usize) = (1_000, 60_000);
/// Milliseconds between two looks at the least, whatever a server says of its lists.
const SHORTEST: u64 = 5_000;
/// Milliseconds of silence after which a server's stream of changes is opened anew: nginx's own time-out is 60 s.
const SILENCE: usize = 50_000;
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
    /// Something has changed while it was looked at.
    is_stale: Cell<bool>,
    /// The warnings that were written.
    warned: RefCell<Vec<String>>,
}

struct Ground {
    detached: Detached,
    timer: Wake,
}

/// A message to a server while it is under way.
pub(crate) struct Message {
    upstream: usize,
    errand: Errand,
    /// The request that it runs beside, which lives as long as this.
    detached: Option<Detached>,
    disguise: Option<Disguise>,
    finalizer: UpstreamFinalizer,
    held: Held,
    failure: Option<UpstreamFailure>,
    is_complete: bool,
}

/// What a message is for.
enum Errand {
    /// A look.
    Look,
    /// It says something, and its answer nothing.
    Tell,
    /// Its answer tells of changes, as long as it goes on; none before it has begun.
    Listen(Option<(Ear, Wake)>),
}

/// A client's request that waits for a look.
pub(crate) struct Waiter {
    location: &'static Location,
    request: Request,
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
    _waiter: Waiter,
    wake: Wake,
    reader: ReadHandler,
}

impl Fronts {
    /// The servers behind a location with this name; none if there are none.
    pub(crate) fn new(server: &Server, name: &str, lists: ListDigests) -> Option<Fronts> {
        let front = |upstream| Front {
            peer: RefCell::new(Peer::new(upstream)),
            ground: RefCell::default(),
            is_seen: Cell::new(false),
            failures: Cell::new(0),
            looked: Cell::new(0),
            right: Cell::new(0),
            chased: Cell::default(),
            listens: Cell::new(false),
            mute: RefCell::default(),
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
        for (upstream, front) in self.fronts.iter().enumerate() {
            let ground = Detached::new(location.front_location(upstream)).and_then(|detached| {
                let request = detached.request();
                Context::create(request, location)?.set_stage(Stage::Ground(upstream));
                let timer = Wake::new(request, due)?;
                timer.forgo_at_exit();
                timer.post_in(1);
                Some(Ground { detached, timer })
            });
            if ground.is_none() {
                ngx::Log::cycle().write(Level::Error, format_args!("no memory or connection to ask servers with"));
                front.is_seen.set(true);
            }
            *front.ground.borrow_mut() = ground;
        }
    }

    /// Whether requests can be judged by what is known now; if not, a look is under way.
    fn is_ready(&self, location: &'static Location) -> bool {
        let mut is_ready = true;
        for (upstream, front) in self.fronts.iter().enumerate() {
            if !front.is_seen.get() {
                is_ready = false;
            } else if self.is_outdated(location, upstream, front) {
                self.look(location, upstream);
                is_ready = false;
            }
        }
        is_ready
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

    /// Lets a request wait for the look that is under way.
    fn wait(&self, location: &'static Location, request: Request) -> Waiter {
        self.waiting.borrow_mut().insert(request);
        Waiter { location, request }
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
        if send(location, upstream, message, Errand::Look).is_none() {
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
        } else if front.failures.get() == 0 {
            front.listen(location, upstream);
        }
        let waiting: Vec<Request> = self.waiting.borrow().iter().copied().collect();
        waiting.into_iter().for_each(woken);
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
    /// What an operator's text comes to where there is no client.
    fn value(&self, location: &'static Location, upstream: usize, index: usize) -> String {
        let ground = self.ground.borrow().as_ref().map(|ground| ground.detached.request());
        let site = location.server.upstreams()[upstream].site();
        let context = ground.and_then(|ground| Some((ground, Context::of(ground)?)));
        context.map(|(ground, context)| context.operator_value(ground, site, index)).unwrap_or_default()
    }

    /// Hears from the server itself when something changes, if it says that.
    fn listen(&self, location: &'static Location, upstream: usize) {
        if self.listens.get() || self.is_mute() || !ngx::is_first_worker() || !bus::hear() {
            return;
        }
        let mut evaluate = |index| self.value(location, upstream, index);
        let Some(request) = self.peer.borrow().listen(&location.server, &mut evaluate) else { return };
        self.listens.set(send(location, upstream, request, Errand::Listen(None)).is_some());
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

/// Sends a message to a server. None if there is no connection or memory left.
fn send(location: &'static Location, upstream: usize, message: UpstreamRequest, errand: Errand) -> Option<()> {
    let site = location.server.upstreams()[upstream].site();
    let detached = Detached::new(location.front_location(upstream))?;
    let request = detached.request();
    Context::create(request, location)?;
    let wake = Wake::new(request, |_| {})?;
    let beside = ngx::start_subrequest(request, |beside| {
        let own = Context::create(beside, location)?;
        own.set_stage(Stage::Fronting(Box::new(Message::new(upstream, errand))));
        own.keep_upstream(beside, site, message).then_some(())
    })?;
    // Not now, as something else may be running.
    wake.post();
    if let Stage::Fronting(message) = &mut *Context::of(beside)?.stage_mut() {
        message.detached = Some(detached);
    }
    Some(())
}

/// Sends what is for the server of a call beside the call itself.
pub(crate) fn send_replies(location: &'static Location, upstream: usize, replies: Vec<UpstreamRequest>) {
    for reply in replies {
        if send(location, upstream, reply, Errand::Tell).is_none() {
            ngx::Log::cycle().write(Level::Error, format_args!("no memory or connection for a message to a server"));
        }
    }
}

thread_local! {
    /// The requests on which servers tell of changes.
    static LISTENING: RefCell<Vec<Request>> = const { RefCell::new(Vec::new()) };
}

/// A server has said nothing for long: it is asked anew, before nginx takes it for a failure.
fn silent(request: Request) {
    if request.close_upstream() {
        request.finalize(Status::OK);
    }
}

/// The worker is to end: nothing is heard any more.
pub(crate) fn ending() {
    LISTENING.take().into_iter().for_each(silent);
}

/// It is time to look at a server.
fn due(request: Request) {
    let Some(context) = Context::of(request) else { return };
    let Stage::Ground(upstream) = *context.stage_mut() else { return };
    if let Some(fronts) = &context.location.fronts {
        fronts.look(context.location, upstream);
    }
}

/// A look is over for which a client's request waits.
fn woken(request: Request) {
    let Some(context) = Context::of(request) else { return };
    match &*context.stage_mut() {
        Stage::Arriving(arrival) => {
            arrival.wake.cancel();
            arrival.wake.post();
        }
        Stage::Pausing(pause) => pause.looked(),
        _ => {}
    }
}

/// Whether a request that was read can be judged now; if not, it waits, and is judged later.
pub(crate) fn receives(request: Request, context: &'static Context) -> bool {
    let location = context.location;
    let Some(fronts) = location.fronts.as_ref().filter(|fronts| !fronts.is_ready(location)) else { return true };
    let Some(wake) = Wake::new(request, arrive) else { return true };
    wake.post_in(PATIENCE);
    let reader = request.read_event_handler();
    request.suspend_phases();
    context.set_stage(Stage::Arriving(Arrival { _waiter: fronts.wait(location, request), wake, reader }));
    false
}

/// Goes on with a request that has waited.
fn arrive(request: Request) {
    let Some(context) = Context::of(request) else { return };
    let Stage::Arriving(Arrival { _waiter, reader, wake }) = context.take_stage() else { return };
    wake.cancel();
    request.set_read_event_handler(reader);
    handler::judge(request, context).carry_out(request);
}

/// Lets a call wait until its server has been looked at; none if that is done already.
pub(crate) fn renew(
    location: &'static Location,
    request: Request,
    upstream: usize,
    pending: &Pending,
) -> Option<Waiter> {
    let fronts = location.fronts.as_ref()?;
    let front = fronts.fronts.get(upstream)?;
    if !pending.is_of(&front.peer.borrow()) {
        return None;
    }
    let waiter = fronts.wait(location, request);
    if !front.peer.borrow().is_looking() {
        front.peer.borrow_mut().forget_link();
    }
    fronts.look(location, upstream);
    Some(waiter)
}

impl Message {
    fn new(upstream: usize, errand: Errand) -> Message {
        Message {
            upstream,
            errand,
            detached: None,
            disguise: None,
            finalizer: None,
            held: Held::default(),
            failure: None,
            is_complete: false,
        }
    }
}

/// Runs a message's request in its server's location.
pub(crate) fn run(request: Request, context: &'static Context) -> Status {
    let Stage::Fronting(mut message) = context.take_stage() else { return Status::INTERNAL_SERVER_ERROR };
    let Some(upstream) = context.upstream() else { return Status::INTERNAL_SERVER_ERROR };
    let location = context.location.front_location(message.upstream);
    let method = context.upstream_method().unwrap_or("POST");
    message.disguise = Some(request.enter_location(location.loc_conf(), method, &upstream.uri));
    context.set_stage(Stage::Fronting(message));
    request.run_content_handler()
}

/// The header of a server's answer.
pub(crate) fn header(request: Request, context: &'static Context, mut message: Box<Message>) -> Status {
    if let Some(status) = request.take_refusal() {
        message.failure = Some(failure(status));
    } else {
        if !message.disguise.take().is_none_or(|disguise| request.undisguise(disguise)) {
            message.failure = Some(UpstreamFailure::Unreachable);
        }
        message.finalizer = request.replace_upstream_finalizer(Some(ngx::upstream_finished));
        request.stream_upstream();
        let out = request.headers_out();
        message.is_complete |= out.content_length() == Some(0);
        let session = ngx::upstream_header(request, b"mcp-session-id");
        let front = message.front(context);
        match (&mut message.errand, front) {
            (Errand::Look, Some(front)) => {
                let limit = context.location.max_result_size;
                front.peer.borrow_mut().head(out.status(), out.content_type(), session, limit);
            }
            (Errand::Listen(hears), Some(front)) => {
                let ear = Ear::new(out.status(), out.content_type());
                if ear.is_none() {
                    *front.mute.borrow_mut() = front.peer.borrow().learned().cloned();
                }
                *hears = ear.zip(Wake::new(request, silent));
                if let Some((_, silence)) = hears {
                    silence.forgo_at_exit();
                    silence.post_in(SILENCE);
                    LISTENING.with_borrow_mut(|listening| listening.push(request));
                }
            }
            _ => {}
        }
    }
    context.set_stage(Stage::Fronting(message));
    Status::OK
}

/// What has come of a server's answer.
pub(crate) fn body(request: Request, context: &'static Context, mut message: Box<Message>, chain: Chain) -> Status {
    let mut held = std::mem::take(&mut message.held);
    let mut is_enough = false;
    let front = message.front(context);
    let (mut failure, mut is_news) = (message.failure, false);
    let taken = chain.feed(&mut held, &mut |bytes| {
        let pushed = match (&mut message.errand, front) {
            (Errand::Look, Some(front)) => {
                front.peer.borrow_mut().push(bytes).map(|is_answered| is_enough |= is_answered)
            }
            (Errand::Listen(Some((ear, silence))), _) => {
                silence.post_in(SILENCE);
                ear.push(bytes).map(|is_change| is_news |= is_change)
            }
            _ => Ok(()),
        };
        if let Err(why) = pushed {
            failure.get_or_insert(why);
        }
        true
    });
    message.held = held;
    message.failure = failure;
    message.is_complete |= taken.last_in_chain || is_enough;
    let is_over = is_enough || message.failure.is_some();
    let upstream = message.upstream;
    context.set_stage(Stage::Fronting(message));
    if let (true, Some(fronts), Some(front)) = (is_news, &context.location.fronts, front) {
        if front.peer.borrow().is_looking() {
            front.is_stale.set(true);
        } else {
            fronts.look(context.location, upstream);
        }
    }
    if is_over { filter::stop_soon(request) } else { Status::OK }
}

/// nginx is done with a server that has begun to answer.
pub(crate) fn upstream_finished(
    request: Request,
    context: &'static Context,
    mut message: Box<Message>,
    status: Status,
) {
    run_finalizer(message.finalizer.take(), request, status);
    if status.is_refusal() && !message.is_complete {
        let why = if status.0 == 504 { UpstreamFailure::TimedOut } else { UpstreamFailure::Truncated };
        message.failure.get_or_insert(why);
    }
    context.set_stage(Stage::Fronting(message));
}

/// A message's request is over.
pub(crate) fn finished(request: Request, context: &'static Context, message: Message, status: Status) {
    let location = context.location;
    let (Some(fronts), Some(front)) = (&location.fronts, message.front(context)) else { return };
    match message.errand {
        Errand::Look => {}
        Errand::Tell => return,
        Errand::Listen(_) => {
            LISTENING.with_borrow_mut(|listening| listening.retain(|other| *other != request));
            front.listens.set(false);
            // It may have changed meanwhile.
            if !front.is_mute() && !ngx::is_exiting() {
                front.look_in(LISTEN_AGAIN);
            }
            return;
        }
    }
    let outcome = match (message.failure, u16::try_from(status.0)) {
        (Some(failure), _) => Err(failure),
        (None, Ok(status)) if status >= 300 => Err(failure(status)),
        (None, _) if !message.is_complete => Err(UpstreamFailure::Truncated),
        (None, _) => Ok(()),
    };
    let turn = front.peer.borrow_mut().end(&location.server, outcome);
    fronts.go_on(location, message.upstream, turn);
}

impl Message {
    fn front(&self, context: &'static Context) -> Option<&'static Front> {
        context.location.fronts.as_ref()?.fronts.get(self.upstream)
    }
}
