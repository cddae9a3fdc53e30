//! The bus: what is published reaches every worker, and with Redis every machine, through a channel of Nchan.
//!
//! Each worker hears the channel of an MCP location once, from its first stream to its own end, and hands what it hears to
//! the streams that asked for it. Nchan thus sees no client (no header, no message id, no connection of one) and no coming
//! and going of subscribers. What is for a session is kept by the module itself, for streams that come later.

use std::cell::RefCell;
use std::collections::HashMap;

use mcp::{BusId, Delivery, MessageLog, Publication, Topic};

use crate::channels::Channels;
use crate::conf::Location;
use crate::context::{Context, Stage};
use crate::listening;
use crate::ngx::{self, Chain, Detached, Level, Messages, Request, Status, Wake};

/// Milliseconds after which a channel that was lost is sought again, and after which the worker's end is noticed.
const TICK: usize = 500;
/// Bytes of a message on the channel at the most; what is larger, by a `client_max_body_size` that allows it, is lost.
const LARGEST_MESSAGE: usize = 64 << 20;
/// Seconds for which a session's messages are kept.
const KEPT: u64 = 300;

/// The bus of one MCP location, as this worker knows it.
pub(crate) struct Bus {
    channels: Channels,
    /// The channel's name, the same on every machine with this configuration.
    name: String,
    /// Tells machines apart whose messages meet.
    machine: u16,
    messages: Messages,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    streams: HashMap<u64, Stream>,
    by_topic: HashMap<Topic, Vec<u64>>,
    last_stream: u64,
    ear: Ear,
}

/// A client's stream.
struct Stream {
    request: Request,
    topics: Vec<Topic>,
}

/// The worker's place on the channel.
#[derive(Default)]
struct Ear {
    detached: Option<Detached>,
    wake: Option<Wake>,
    /// Nchan has said that it delivers.
    hears: bool,
}

/// What is told whether a message was published.
type Then = Box<dyn FnOnce(bool)>;

/// What a request to Nchan is for.
enum Errand {
    /// Publishes a message. The request lives as long as this.
    Publish { message: Vec<u8>, then: Option<Then>, _detached: Option<Detached> },
    /// Hears the channel.
    Hear,
}

/// A request to Nchan.
pub(crate) struct ChannelRequest {
    errand: Errand,
    status: u16,
    received: Vec<u8>,
}

impl Bus {
    pub(crate) fn new(channels: Channels, name: String, messages: Messages) -> Bus {
        let mut machine = [0; 2];
        // Without randomness two machines may take each other's messages for their own, and not keep them.
        let _ = getrandom::fill(&mut machine);
        Bus { channels, name, machine: u16::from_ne_bytes(machine), messages, state: RefCell::default() }
    }

    /// Publishes something; `then` is told whether that succeeded.
    pub(crate) fn publish(
        &self,
        location: &'static Location,
        publication: &Publication,
        then: impl FnOnce(bool) + 'static,
    ) {
        let id = self.keep(publication);
        let mut message = format!("{:x} {id} ", self.machine).into_bytes();
        message.extend_from_slice(&publication.envelope);
        self.send(location, Errand::Publish { message, then: Some(Box::new(then)), _detached: None });
    }

    /// Gives a publication its id, and keeps it if it is to be kept.
    fn keep(&self, publication: &Publication) -> BusId {
        let now = ngx::now();
        let act = |log: &mut MessageLog<'_>| {
            let id = log.next_id(now, self.machine);
            if let Some(session) = publication.topic.session().filter(|_| publication.keep) {
                log.insert(session, id, &publication.envelope);
            }
            id
        };
        self.messages.with(act).unwrap_or(BusId { time: now, tag: 0 })
    }

    /// What was published for a session and not seen yet, in its order.
    pub(crate) fn kept(&self, session: &str, after: Option<BusId>) -> Vec<(BusId, Vec<u8>)> {
        let since = ngx::now().saturating_sub(KEPT);
        self.messages.with(|log| log.read(session, after, since)).unwrap_or_default()
    }

    /// Opens a stream that hears these topics, and gives its number. [`listening::opened`] is told as soon as nothing that
    /// is published from then on can pass it by.
    pub(crate) fn join(&self, location: &'static Location, request: Request, topics: &[Topic]) -> u64 {
        let (number, hears, is_new) = {
            let mut state = self.state.borrow_mut();
            state.last_stream += 1;
            let number = state.last_stream;
            for topic in topics {
                state.by_topic.entry(topic.clone()).or_default().push(number);
            }
            state.streams.insert(number, Stream { request, topics: topics.to_vec() });
            (number, state.ear.hears, state.ear.detached.is_none())
        };
        if hears {
            listening::opened(request);
        } else if is_new {
            self.hear(location);
        }
        number
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
    }

    /// Begins to hear the channel.
    fn hear(&self, location: &'static Location) {
        let detached = self.send(location, Errand::Hear);
        let wake = detached.as_ref().and_then(|detached| Wake::new(detached.request(), tick));
        wake.iter().for_each(|wake| wake.post_in(TICK));
        let is_lost = detached.is_none();
        self.state.borrow_mut().ear = Ear { detached, wake, hears: false };
        if is_lost {
            self.close_all();
        }
    }

    /// The channel delivers from now on.
    fn heard(&self) {
        self.state.borrow_mut().ear.hears = true;
        self.requests().into_iter().for_each(listening::opened);
    }

    /// Hands what the channel has carried to the streams that want it.
    fn deliver(&self, message: &[u8]) {
        let mut parts = message.splitn(3, |byte| *byte == b' ');
        let mut text = || std::str::from_utf8(parts.next()?).ok();
        let origin = text().and_then(|origin| u16::from_str_radix(origin, 16).ok());
        let id = text().and_then(BusId::parse);
        let (Some(origin), Some(id), Some(envelope)) = (origin, id, parts.next()) else { return };
        let Some(delivery) = Delivery::parse(envelope) else { return };
        if origin != self.machine {
            self.keep_foreign(&delivery, id, envelope);
        }
        let numbers = self.state.borrow().by_topic.get(delivery.topic()).cloned().unwrap_or_default();
        for number in numbers {
            // A stream may have ended while another one was told.
            let request = self.state.borrow().streams.get(&number).map(|stream| stream.request);
            request.into_iter().for_each(|request| listening::deliver(request, &delivery, id));
        }
    }

    /// Keeps what another machine has published, unless another worker was faster.
    fn keep_foreign(&self, delivery: &Delivery, id: BusId, envelope: &[u8]) {
        let Some(session) = delivery.topic().session() else { return };
        self.messages.with(|log| {
            log.note(id);
            if delivery.is_kept() && !log.contains(session, id) {
                log.insert(session, id, envelope);
            }
        });
    }

    /// The channel is heard no more: Nchan has ended the request. Streams end rather than miss something without a word;
    /// their clients come again.
    fn lost(&self, status: u16) {
        let ear = std::mem::take(&mut self.state.borrow_mut().ear);
        drop(ear);
        if !ngx::is_exiting() {
            ngx::Log::cycle().write(Level::Error, format_args!("a channel of Nchan was lost (status {status})"));
        }
        self.close_all();
    }

    fn requests(&self) -> Vec<Request> {
        self.state.borrow().streams.values().map(|stream| stream.request).collect()
    }

    /// Ends every stream.
    fn close_all(&self) {
        self.requests().into_iter().for_each(listening::close);
    }

    /// Sends a request to Nchan. What keeps it alive is returned if that is for the caller to do.
    fn send(&self, location: &'static Location, errand: Errand) -> Option<Detached> {
        let mut errand = Some(errand);
        let sent = Detached::new(self.channels.location()).and_then(|detached| {
            let request = detached.request();
            Context::create(request, location)?;
            let wake = Wake::new(request, |_| {})?;
            let beside = ngx::start_subrequest(request, |beside| {
                let own = Context::create(beside, location)?;
                let channel = ChannelRequest { errand: errand.take()?, status: 0, received: Vec::new() };
                own.set_stage(Stage::Channel(Box::new(channel)));
                Some(())
            })?;
            Some((detached, wake, Context::of(beside)?))
        });
        let Some((detached, wake, own)) = sent else {
            ngx::Log::cycle().write(Level::Error, format_args!("no memory or connection for a request to Nchan"));
            if let Some(Errand::Publish { then: Some(then), .. }) = errand {
                then(false);
            }
            return None;
        };
        // Not now: we may have been called by Nchan, which cannot be asked for something while it tells us something.
        wake.post();
        match &mut *own.stage_mut() {
            Stage::Channel(channel) => match &mut channel.errand {
                Errand::Publish { _detached: kept, .. } => {
                    *kept = Some(detached);
                    None
                }
                Errand::Hear => Some(detached),
            },
            _ => None,
        }
    }
}

/// From time to time: the worker may have been asked to end.
fn tick(detached: Request) {
    let Some(bus) = Context::of(detached).and_then(|context| context.location.bus.as_ref()) else { return };
    if ngx::is_exiting() {
        bus.close_all();
        let ear = std::mem::take(&mut bus.state.borrow_mut().ear);
        drop(ear);
        return;
    }
    bus.state.borrow().ear.wake.iter().for_each(|wake| wake.post_in(TICK));
}

/// The channel's name, for Nchan.
pub(crate) fn channel_name(request: Request) -> Option<&'static str> {
    let context = Context::of(request).filter(|_| !request.is_main())?;
    context.location.bus.as_ref().map(|bus| bus.name.as_str())
}

/// Runs a request to Nchan in the location of its channel.
pub(crate) fn run(request: Request, context: &'static Context) -> Status {
    let Some(bus) = &context.location.bus else { return Status::INTERNAL_SERVER_ERROR };
    let (method, body) = match &mut *context.stage_mut() {
        Stage::Channel(channel) => match &mut channel.errand {
            Errand::Publish { message, .. } => ("POST", Some(std::mem::take(message))),
            Errand::Hear => ("GET", None),
        },
        _ => return Status::INTERNAL_SERVER_ERROR,
    };
    request.enter_location(bus.channels.location().loc_conf(), method, "/");
    if body.is_some_and(|body| !request.set_body(&body)) {
        return Status::INTERNAL_SERVER_ERROR;
    }
    let status = request.run_content_handler();
    // Some of Nchan's refusals end the request themselves, and then are not told from others.
    if context.is_done() { Status::DONE } else { status }
}

/// Nchan's header: it delivers, or says why it does not.
pub(crate) fn header(request: Request, context: &'static Context, mut channel: Box<ChannelRequest>) -> Status {
    channel.status = request.take_refusal().unwrap_or_else(|| request.headers_out().status());
    let hears = matches!(channel.errand, Errand::Hear) && (200..300).contains(&channel.status);
    context.set_stage(Stage::Channel(channel));
    if let Some(bus) = context.location.bus.as_ref().filter(|_| hears) {
        bus.heard();
    }
    Status::OK
}

/// What Nchan sends: the messages of the channel as events.
pub(crate) fn body(context: &'static Context, mut channel: Box<ChannelRequest>, chain: Chain) -> Status {
    let mut received = std::mem::take(&mut channel.received);
    let hears = matches!(channel.errand, Errand::Hear);
    context.set_stage(Stage::Channel(channel));
    let Some(bus) = context.location.bus.as_ref().filter(|_| hears) else {
        chain.discard();
        return Status::OK;
    };
    chain.take(&mut received, LARGEST_MESSAGE);
    let mut begin = 0;
    while let Some(length) = received[begin..].windows(2).position(|pair| pair == b"\n\n") {
        let event = &received[begin..begin + length];
        begin += length + 2;
        let data = event.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"data: "));
        data.into_iter().for_each(|message| bus.deliver(message));
    }
    received.drain(..begin);
    if let Stage::Channel(channel) = &mut *context.stage_mut() {
        channel.received = received;
    }
    Status::OK
}

/// A request to Nchan is over.
pub(crate) fn finished(context: &'static Context, channel: ChannelRequest, status: Status) {
    let refused = u16::try_from(status.0).ok().filter(|status| *status >= 300);
    let status = refused.unwrap_or(channel.status);
    match channel.errand {
        Errand::Publish { then, _detached, .. } => {
            let succeeded = (200..300).contains(&status);
            if !succeeded {
                ngx::Log::cycle().write(Level::Error, format_args!("Nchan refused a message with status {status}"));
            }
            if let Some(then) = then {
                then(succeeded);
            }
        }
        Errand::Hear => context.location.bus.iter().for_each(|bus| bus.lost(status)),
    }
}
