//! The bus: what is published reaches every worker through a log in shared memory, and other machines through a channel of
//! Nchan ([`crate::link`]).
//!
//! Whoever publishes writes into the log and rings; each worker with streams or calls of sessions reads on from where it was,
//! and hands what it finds to those that it is for. What is for a session is kept, for streams that come later.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ptr;

use mcp::{
    BusId, Delivery, Heard, Holder, Leases, MessageLog, Publication, Server, SessionState, Subscriptions, Topic,
};

use crate::call;
use crate::conf::Location;
use crate::front;
use crate::link::Link;
use crate::listening;
use crate::nchan;
use crate::ngx::{self, Level, ListDigests, Request, Ringer, SharedTable, StreamCounts};
use crate::pause;
use crate::websocket;

/// Milliseconds for which a session's messages are kept.
const KEPT: u64 = 300_000;

/// What all workers share.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    pub(crate) messages: SharedTable<MessageLog<'static>>,
    pub(crate) lists: ListDigests,
    pub(crate) subscriptions: SharedTable<Subscriptions<'static>>,
    pub(crate) audience: StreamCounts,
    pub(crate) leases: SharedTable<Leases<'static>>,
}

/// The bus of one MCP location, as this worker knows it.
pub(crate) struct Bus {
    /// Tells the messages of locations apart, the same in every process with this configuration.
    key: u128,
    /// Tells machines apart whose messages meet.
    machine: u16,
    memory: Memory,
    /// The way to other machines.
    pub(crate) link: Option<Link>,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    streams: HashMap<u64, Stream>,
    by_topic: HashMap<Topic, Vec<u64>>,
    last_stream: u64,
    /// Calls of sessions, and those that are held or follow one that is.
    calls: HashSet<Request>,
    /// Those of them that hear of something of their own.
    own: HashMap<Topic, Vec<Request>>,
    /// What is published is heard although there is none of these.
    stays: bool,
}

/// A client's stream.
struct Stream {
    request: Request,
    topics: Vec<Topic>,
}

/// What a worker knows of all its buses.
struct Worker {
    /// Where it reads on in the log; none if something was published while nobody wanted to know.
    place: Option<u64>,
    /// The locations with streams or calls.
    locations: Vec<&'static Location>,
}

thread_local! {
    static WORKER: RefCell<Worker> = const { RefCell::new(Worker { place: None, locations: Vec::new() }) };
}

impl Bus {
    /// The bus of a location with this name. Two machines with the same number may give different messages the same id, of which
    /// one is not heard.
    pub(crate) fn new(name: &str, machine: u16, memory: Memory, link: Option<Link>) -> Bus {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        Bus { key: u128::from(hasher.finish()), machine, memory, link, state: RefCell::default() }
    }

    /// Publishes something; `then` is told whether everybody was reached.
    pub(crate) fn publish(
        &self,
        location: &'static Location,
        publication: &Publication,
        then: impl FnOnce(bool) + 'static,
    ) {
        let Some(id) = self.write(publication) else { return then(false) };
        match &self.link {
            Some(link) => link.publish(location, id, &publication.envelope, then),
            None => then(true),
        }
    }

    /// Publishes something for the workers of this machine.
    pub(crate) fn tell(&self, publication: &Publication) {
        self.write(publication);
    }

    fn write(&self, publication: &Publication) -> Option<BusId> {
        let now = ngx::now_in_milliseconds();
        let published =
            self.memory.messages.with(|log| log.publish(self.key, publication, now, self.machine)).flatten();
        match published {
            Some(_) => ngx::ring(),
            None => ngx::Log::cycle().write(Level::Error, format_args!("there is no room for a message to clients")),
        }
        published
    }

    /// Publishes that a session has ended.
    pub(crate) fn end_session(&self, location: &'static Location, end: &Publication) {
        if self.link.is_some() {
            note_end(location, &end.topic);
        }
        self.publish(location, end, |_| {});
    }

    /// The configuration with this location is about to be run: says what its server lists.
    pub(crate) fn announce(&self, server: &Server) {
        for (topic, digest) in server.list_digests() {
            self.memory.lists.insert((self.key, topic), digest);
        }
    }

    /// Tells the streams which lists are others in the configuration that follows this one.
    fn tell_changes(&self, server: &Server) {
        for (topic, digest) in server.list_digests() {
            let has_changed = self.memory.lists.get((self.key, &topic)).is_some_and(|newest| newest != digest);
            let change = Publication::list_changed(topic).filter(|_| has_changed);
            if let Some(delivery) = change.and_then(|change| Delivery::parse(&change.envelope)) {
                self.deliver(&delivery, BusId { time: 0, tag: 0 });
            }
        }
    }

    /// A worker has seen which files there are; whether it is the first one.
    pub(crate) fn notice_files(&self, digest: u64) -> bool {
        self.memory.lists.replace((self.key, "files"), digest)
    }

    /// Something was published on another machine.
    pub(crate) fn receive(&self, location: &'static Location, id: BusId, envelope: &[u8]) {
        // Each worker of this machine may hear of it.
        if self.memory.messages.with(|log| log.receive(self.key, id, envelope)) == Some(true) {
            let delivery = Delivery::parse(envelope);
            if let Some((session, wish)) = delivery.as_ref().and_then(Delivery::subscription) {
                self.subscribe(session, &wish.uri, wish.wanted, wish.until);
            }
            delivery.iter().filter(|delivery| delivery.is_end()).for_each(|end| note_end(location, end.topic()));
            ngx::ring();
        }
    }

    /// A worker with streams has said that it is there, on whatever machine.
    pub(crate) fn renew(&self, server: &Server, holder: Holder) {
        let now = ngx::ticks();
        self.memory.leases.with(|leases| {
            leases.renew(self.key, Some(holder), now);
            if server.is_here(holder) {
                leases.renew(self.key, None, now);
            }
        });
    }

    /// Whether a worker of another machine may still have its streams. From now on this one hears of that.
    pub(crate) fn may_hold(&self, location: &'static Location, holder: Holder) -> bool {
        self.is_linked(location);
        self.memory.leases.with(|leases| leases.may_hold(self.key, holder, ngx::ticks())) != Some(false)
    }

    /// Remembers that a session wants to hear of a resource, or no more; false if it cannot be remembered.
    pub(crate) fn subscribe(&self, session: &str, uri: &str, wanted: bool, until: u64) -> bool {
        let remembered = self.memory.subscriptions.with(|table| match wanted {
            true => table.add(session, uri, until, ngx::now()),
            false => {
                table.remove(session, uri);
                true
            }
        });
        remembered == Some(true)
    }

    /// The resources that a session wants to hear of.
    pub(crate) fn subscriptions(&self, session: &str) -> Vec<String> {
        self.memory.subscriptions.with(|table| table.of(session, ngx::now())).unwrap_or_default()
    }

    /// Forgets them, as the session has ended.
    pub(crate) fn forget(&self, session: &str) {
        self.memory.subscriptions.with(|table| table.clear(session));
    }

    /// What was published for a session and not seen yet, in its order.
    pub(crate) fn kept(&self, session: &str, heard: &Heard) -> Vec<(BusId, Vec<u8>)> {
        let since = ngx::now_in_milliseconds().saturating_sub(KEPT);
        self.memory.messages.with(|log| log.kept(session, heard, since)).unwrap_or_default()
    }

    /// Opens a stream that hears these topics, and gives its number. [`listening::opened`] is told as soon as nothing that
    /// is published from then on can pass it by.
    pub(crate) fn join(&self, location: &'static Location, request: Request, topics: &[Topic]) -> u64 {
        let number = self.add(request, topics);
        location.fronts.iter().for_each(|fronts| fronts.want(location, topics));
        if !self.enter(location) {
            listening::close(request);
            return number;
        }
        if self.is_linked(location) {
            self.open(request);
        }
        number
    }

    fn add(&self, request: Request, topics: &[Topic]) -> u64 {
        let mut state = self.state.borrow_mut();
        state.last_stream += 1;
        let number = state.last_stream;
        for topic in topics {
            state.by_topic.entry(topic.clone()).or_default().push(number);
        }
        state.streams.insert(number, Stream { request, topics: topics.to_vec() });
        self.count(&state, topics);
        number
    }

    /// From now on a stream hears of one more topic, or of one less.
    pub(crate) fn adjust(&self, location: &'static Location, number: u64, topic: Topic, wanted: bool) {
        let topics = [topic];
        if let (Some(fronts), true) = (&location.fronts, wanted) {
            fronts.want(location, &topics);
        }
        let [topic] = topics;
        let mut state = self.state.borrow_mut();
        let State { streams, by_topic, .. } = &mut *state;
        let Some(stream) = streams.get_mut(&number) else { return };
        stream.topics.retain(|other| *other != topic);
        let numbers = by_topic.entry(topic.clone()).or_default();
        numbers.retain(|other| *other != number);
        if wanted {
            numbers.push(number);
            stream.topics.push(topic.clone());
        } else if numbers.is_empty() {
            by_topic.remove(&topic);
        }
        self.count(&state, &[topic]);
    }

    /// Notes for all workers how many streams of this one hear these topics.
    fn count(&self, state: &State, topics: &[Topic]) {
        let count = |topic| state.by_topic.get(topic).map_or(0, Vec::len) + state.own.get(topic).map_or(0, Vec::len);
        let counts = topics.iter().map(|topic| (topic, count(topic)));
        self.memory.audience.set(self.key, counts);
    }

    /// How many streams of this machine hear these things: one that hears several of them is counted for each.
    pub(crate) fn listening(&self, topics: impl Iterator<Item = Topic>) -> usize {
        let topics: HashSet<Topic> = topics.collect();
        topics.iter().map(|topic| self.memory.audience.of(self.key, topic)).sum()
    }

    /// What streams of this worker hear of.
    pub(crate) fn topics(&self) -> Vec<Topic> {
        self.state.borrow().by_topic.keys().cloned().collect()
    }

    /// The worker reads the log for this location for as long as it lives, whether it has streams or not.
    pub(crate) fn stay(&self, location: &'static Location) {
        self.state.borrow_mut().stays = self.enter(location);
    }

    /// From now on the worker reads the log for this location.
    fn enter(&self, location: &'static Location) -> bool {
        if !hear() {
            return false;
        }
        WORKER.with_borrow_mut(|worker| {
            if worker.place.is_none() {
                worker.place = self.memory.messages.with(|log| log.end());
            }
            if !worker.locations.iter().any(|other| ptr::eq(*other, location)) {
                worker.locations.push(location);
            }
        });
        true
    }

    /// A stream is over.
    pub(crate) fn leave(&self, number: u64) {
        let mut state = self.state.borrow_mut();
        let Some(stream) = state.streams.remove(&number) else { return };
        for topic in &stream.topics {
            if let Some(streams) = state.by_topic.get_mut(topic) {
                streams.retain(|other| *other != number);
                if streams.is_empty() {
                    state.by_topic.remove(topic);
                }
            }
        }
        self.count(&state, &stream.topics);
        self.exit_if_idle(&state);
    }

    /// A call hears of what is for it from now on ([`call::hear`]): for its session, or on a topic of its own.
    pub(crate) fn begin_call(&self, location: &'static Location, request: Request, own: Option<&Topic>) {
        let is_first = {
            let mut state = self.state.borrow_mut();
            state.calls.insert(request);
            if let Some(own) = own {
                state.own.entry(own.clone()).or_default().push(request);
                self.count(&state, std::slice::from_ref(own));
            }
            state.calls.len() == 1 && state.streams.is_empty()
        };
        if is_first {
            self.enter(location);
        }
    }

    /// The call is over.
    pub(crate) fn end_call(&self, request: Request, own: Option<&Topic>) {
        let mut state = self.state.borrow_mut();
        if let Some(own) = own {
            let requests = state.own.entry(own.clone()).or_default();
            requests.retain(|other| *other != request);
            if requests.is_empty() {
                state.own.remove(own);
            }
            self.count(&state, std::slice::from_ref(own));
        }
        if state.calls.remove(&request) {
            self.exit_if_idle(&state);
        }
    }

    fn exit_if_idle(&self, state: &State) {
        if state.streams.is_empty() && state.calls.is_empty() && !state.stays {
            WORKER.with_borrow_mut(|worker| worker.locations.retain(|location| !location.has_bus(self)));
        }
    }

    /// The link hears from now on.
    pub(crate) fn linked(&self) {
        self.requests().into_iter().for_each(|request| self.open(request));
        self.calls().into_iter().for_each(pause::linked);
    }

    /// Whether what is published on other machines is heard; if not yet, [`pause::linked`] is told when it is.
    pub(crate) fn is_linked(&self, location: &'static Location) -> bool {
        match &self.link {
            Some(link) if !link.hears() => {
                link.hear(location);
                false
            }
            _ => true,
        }
    }

    fn open(&self, request: Request) {
        listening::opened(request);
        if ngx::is_exiting() {
            // The client comes again, to a worker that stays.
            listening::close(request);
        }
    }

    /// Hands a message to those that it is for.
    fn deliver(&self, delivery: &Delivery, id: BusId) {
        if delivery.is_for_calls() || delivery.is_end() {
            // None of them ends by that at once.
            self.calls().into_iter().for_each(|request| call::hear(request, delivery));
        }
        if delivery.is_for_calls() {
            return;
        }
        let own = self.state.borrow().own.get(delivery.topic()).cloned().unwrap_or_default();
        own.into_iter().for_each(|request| call::hear(request, delivery));
        let numbers = self.state.borrow().by_topic.get(delivery.topic()).cloned().unwrap_or_default();
        for number in numbers {
            // A stream may have ended while another one was told.
            let request = self.state.borrow().streams.get(&number).map(|stream| stream.request);
            request.into_iter().for_each(|request| listening::deliver(request, delivery, id));
        }
    }

    fn requests(&self) -> Vec<Request> {
        self.state.borrow().streams.values().map(|stream| stream.request).collect()
    }

    fn calls(&self) -> Vec<Request> {
        self.state.borrow().calls.iter().copied().collect()
    }

    /// Something that was published was missed.
    fn miss(&self) {
        self.close_all();
        self.calls().into_iter().for_each(call::miss);
    }

    /// Ends every stream.
    pub(crate) fn close_all(&self) {
        self.requests().into_iter().for_each(listening::close);
    }
}

/// A session has ended, on whatever machine: what comes of it here is refused.
fn note_end(location: &'static Location, session: &Topic) {
    if let Some(name) = session.session() {
        let now = ngx::now();
        let until = now.saturating_add(location.server.session_lifetime());
        location.session_states.insert(name.as_bytes(), SessionState::Ended, until, now);
    }
}

/// From now on the worker is told of what is published, and of its end.
pub(crate) fn hear() -> bool {
    let hears = ngx::hear(Ringer { rung, ending });
    if !hears {
        ngx::Log::cycle().write(Level::Error, format_args!("no connection is left for what is published"));
    }
    hears
}

/// There may be something new in the log.
fn rung() {
    let locations = WORKER.with_borrow(|worker| worker.locations.clone());
    let buses = || locations.iter().filter_map(|location| location.bus.as_ref());
    let passed = WORKER.with_borrow_mut(|worker| match (buses().next(), &mut worker.place) {
        (Some(bus), Some(place)) => bus.memory.messages.with(|log| log.passed(place)).flatten(),
        _ => {
            worker.place = None;
            Some(Vec::new())
        }
    });
    match passed {
        Some(passed) => {
            for message in passed {
                let is_meant = |location: &&&Location| location.bus.iter().any(|bus| bus.key == message.server);
                let mut heard = locations.iter().filter(is_meant).peekable();
                let delivery = heard.peek().and_then(|_| Delivery::parse(&message.envelope));
                let Some(delivery) = delivery else { continue };
                for location in heard {
                    location.bus.iter().for_each(|bus| bus.deliver(&delivery, message.id));
                    if let (Some(wanted), Some(fronts)) = (delivery.wanted(), &location.fronts) {
                        fronts.hear(location, wanted);
                    }
                }
            }
        }
        None => {
            // Streams end rather than miss something without a word; their clients come again.
            ngx::Log::cycle().write(Level::Error, format_args!("more was published than the worker could take"));
            buses().for_each(Bus::miss);
            locations.iter().for_each(|location| location.fronts.iter().for_each(|fronts| fronts.want_all(location)));
        }
    }
}

/// The worker is to end: streams end gracefully, and their clients come again to another one. Whose lists it has, they are
/// told when the new ones can be had.
fn ending() {
    front::ending();
    websocket::end_all();
    let locations = WORKER.with_borrow(|worker| worker.locations.clone());
    for location in locations {
        if let Some(bus) = &location.bus {
            bus.tell_changes(&location.server);
            bus.close_all();
        }
    }
    // A worker without timers ends at once, and what is posted is not done any more.
    ngx::later(nchan::linger().max(1), || {});
}
