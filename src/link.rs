//! The link to other machines: a channel of Nchan with Redis behind it, which every worker with streams hears.
//!
//! No client's request ever gets there: the module asks Nchan itself, by requests without a client. Nchan thus sees no header,
//! no message id and no connection of a client, and no coming and going of subscribers. It keeps nothing.

use std::cell::{Cell, RefCell};

use mcp::BusId;

use crate::bus::{self, Bus};
use crate::channels::Channels;
use crate::conf::Location;
use crate::context::{Context, Stage};
use crate::ngx::{self, Chain, Detached, Level, Request, Status, Wake};

/// Bytes of a message on the channel at the most, which the log of each machine takes no larger.
const LARGEST_MESSAGE: usize = mcp::MAX_ENVELOPE + 4096;
/// Milliseconds for which a worker that ends lives on: it frees what others have yet to take from Nchan, which ends them by a
/// signal.
const LINGER: usize = 1000;
/// Milliseconds between two looks whether the link still carries: Nchan says nothing when Redis goes away.
const CHECK: usize = 2000;
/// A message that says nothing.
const NOTHING: &[u8] = b"-";

/// The link of one MCP location, as this worker knows it.
pub(crate) struct Link {
    channels: Channels,
    /// The channel's name, the same on every machine with this configuration.
    name: String,
    ear: RefCell<Ear>,
}

/// The worker's place on the channel.
#[derive(Default)]
struct Ear {
    detached: Option<Detached>,
    /// Nchan has said that it delivers.
    hears: bool,
    /// The next look whether it still does.
    check: Option<Wake>,
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

thread_local! {
    /// This worker has asked something of Nchan.
    static IS_USED: Cell<bool> = const { Cell::new(false) };
}

/// Milliseconds for which the worker must live on when it is to end.
pub(crate) fn linger() -> usize {
    if IS_USED.get() { LINGER } else { 0 }
}

impl Link {
    pub(crate) fn new(channels: Channels, name: String) -> Link {
        Link { channels, name, ear: RefCell::default() }
    }

    /// Publishes a message; `then` is told whether that succeeded.
    pub(crate) fn publish(&self, location: &'static Location, id: BusId, envelope: &[u8], then: Then) {
        let mut message = format!("{id} ").into_bytes();
        message.extend_from_slice(envelope);
        self.send(location, Errand::Publish { message, then: Some(then), _detached: None });
    }

    /// Whether the channel delivers.
    pub(crate) fn hears(&self) -> bool {
        self.ear.borrow().hears
    }

    /// Begins to hear the channel, unless that is under way.
    pub(crate) fn hear(&self, location: &'static Location) {
        if self.ear.borrow().detached.is_some() {
            return;
        }
        let detached = self.send(location, Errand::Hear);
        let check = detached.as_ref().and_then(|detached| Wake::new(detached.request(), check));
        let is_lost = check.is_none();
        if let Some(check) = &check {
            check.forgo_at_exit();
            check.post_in(CHECK);
        }
        *self.ear.borrow_mut() = Ear { detached, hears: false, check };
        if is_lost {
            self.lose(location);
        }
    }

    /// Streams end rather than miss something without a word; their clients come again.
    fn lose(&self, location: &'static Location) {
        self.close();
        location.bus.iter().for_each(Bus::close_all);
    }

    /// Hears nothing any more.
    pub(crate) fn close(&self) {
        let ear = self.ear.take();
        drop(ear);
    }

    /// Sends a request to Nchan. What keeps it alive is returned if that is for the caller to do.
    fn send(&self, location: &'static Location, errand: Errand) -> Option<Detached> {
        IS_USED.set(bus::hear());
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

/// Publishes nothing, which fails if nothing could be published.
fn check(request: Request) {
    let Some(context) = Context::of(request) else { return };
    let Some(link) = context.location.link() else { return };
    link.send(context.location, Errand::Publish { message: NOTHING.to_vec(), then: None, _detached: None });
    link.ear.borrow().check.iter().for_each(|check| check.post_in(CHECK));
}

/// The channel's name, for Nchan.
pub(crate) fn channel_name(request: Request) -> Option<&'static str> {
    let context = Context::of(request).filter(|_| !request.is_main())?;
    context.location.link().map(|link| link.name.as_str())
}

/// Runs a request to Nchan in the location of its channel.
pub(crate) fn run(request: Request, context: &'static Context) -> Status {
    let Some(link) = context.location.link() else { return Status::INTERNAL_SERVER_ERROR };
    let (method, body) = match &mut *context.stage_mut() {
        Stage::Channel(channel) => match &mut channel.errand {
            Errand::Publish { message, .. } => ("POST", Some(std::mem::take(message))),
            Errand::Hear => ("GET", None),
        },
        _ => return Status::INTERNAL_SERVER_ERROR,
    };
    request.enter_location(link.channels.location().loc_conf(), method, "/");
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
    if let (true, Some(bus), Some(link)) = (hears, &context.location.bus, context.location.link()) {
        link.ear.borrow_mut().hears = true;
        bus.linked();
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
    if chain.take(&mut received, LARGEST_MESSAGE).over_limit {
        ngx::Log::cycle().write(Level::Error, format_args!("a channel of Nchan carried a message that is too large"));
        received.clear();
    }
    let mut begin = 0;
    while let Some(length) = received[begin..].windows(2).position(|pair| pair == b"\n\n") {
        let event = &received[begin..begin + length];
        begin += length + 2;
        let data = event.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"data: "));
        if let Some((id, envelope)) = data.and_then(parse) {
            bus.receive(id, envelope);
        }
    }
    received.drain(..begin);
    if let Stage::Channel(channel) = &mut *context.stage_mut() {
        channel.received = received;
    }
    Status::OK
}

/// A message on the channel: its id and its envelope.
fn parse(message: &[u8]) -> Option<(BusId, &[u8])> {
    let space = message.iter().position(|byte| *byte == b' ')?;
    let id = std::str::from_utf8(&message[..space]).ok().and_then(BusId::parse)?;
    Some((id, &message[space + 1..]))
}

/// A request to Nchan is over.
pub(crate) fn finished(context: &'static Context, channel: ChannelRequest, status: Status) {
    let refused = u16::try_from(status.0).ok().filter(|status| *status >= 300);
    let status = refused.unwrap_or(channel.status);
    let succeeded = (200..300).contains(&status);
    let hears = matches!(channel.errand, Errand::Hear);
    if let Some(link) = context.location.link().filter(|_| hears || !succeeded) {
        if !ngx::is_exiting() {
            let what = if hears { "a channel of Nchan was lost" } else { "Nchan refused a message" };
            ngx::Log::cycle().write(Level::Error, format_args!("{what} (status {status})"));
        }
        link.lose(context.location);
    }
    if let Errand::Publish { then: Some(then), .. } = channel.errand {
        then(succeeded);
    }
}
