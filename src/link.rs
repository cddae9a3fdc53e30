//! The link to other machines: a channel of Nchan with Redis behind it, which every worker with streams hears. It keeps nothing.

use std::cell::{Cell, RefCell};

use mcp::{BusId, Holder, Server};

use crate::bus::Bus;
use crate::channels::Channels;
use crate::conf::Location;
use crate::context::Context;
use crate::nchan::{self, Channel, Unpublished};
use crate::ngx::{self, Chain, Detached, Level, Request, Wake};
use crate::secret;

/// Bytes of a message on the channel at the most, which the log of each machine takes no larger.
const LARGEST_MESSAGE: usize = mcp::MAX_ENVELOPE + 4096;
/// Milliseconds between two looks whether the link still carries: Nchan says nothing when Redis goes away.
const CHECK: usize = 2000;
/// The same until it does: Nchan says that it delivers before Redis has agreed to.
const KNOCK: usize = 50;
/// What stands before a message that says no more than who is there.
const PRESENT: u8 = b'-';

/// The link of one MCP location, as this worker knows it.
pub(crate) struct Link {
    /// Its name is the same on every machine with this configuration.
    channel: Channel,
    ear: RefCell<Ear>,
    /// What tells the worker from all others, from one loss of the link to the next.
    worker: Cell<Option<[u8; 4]>>,
}

/// The worker's place on the channel.
#[derive(Default)]
struct Ear {
    detached: Option<Detached>,
    /// Something has come, be it only what was published here.
    hears: bool,
    /// The next look whether it still does.
    check: Option<Wake>,
}

impl Link {
    pub(crate) fn new(channels: Channels, name: String) -> Link {
        Link {
            channel: Channel { location: channels.location(), name },
            ear: RefCell::default(),
            worker: Cell::default(),
        }
    }

    /// Publishes a message; `then` is told whether that succeeded.
    pub(crate) fn publish(
        &self,
        location: &'static Location,
        id: BusId,
        envelope: &[u8],
        then: impl FnOnce(bool) + 'static,
    ) {
        let mut message = format!("{id} ").into_bytes();
        message.extend_from_slice(envelope);
        self.send(location, message, then);
    }

    fn send(&self, location: &'static Location, message: Vec<u8>, then: impl FnOnce(bool) + 'static) {
        let then = move |published: Result<(), Unpublished>| {
            if published == Err(Unpublished::Refused) {
                lost(location);
            }
            then(published.is_ok());
        };
        nchan::publish(location, self.channel.clone(), message, Box::new(then));
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
        let detached = nchan::hear(location, self.channel.clone());
        let check = detached.as_ref().and_then(|detached| Wake::new(detached.request(), check));
        let is_lost = check.is_none();
        if let Some(check) = &check {
            check.forgo_at_exit();
            check.post_in(CHECK);
        }
        *self.ear.borrow_mut() = Ear { detached, hears: false, check };
        if is_lost {
            lost(location);
        }
    }

    /// Who holds the streams of this worker, for other machines.
    pub(crate) fn holder(&self, server: &Server) -> Holder {
        let worker = self.worker.get().unwrap_or_else(secret::nonce);
        self.worker.set(Some(worker));
        server.holder(worker)
    }

    fn look_in(&self, milliseconds: usize) {
        self.ear.borrow().check.iter().for_each(|check| check.post_in(milliseconds));
    }

    /// Something has come. Says whether it is the first.
    fn begins_to_hear(&self) -> bool {
        let mut ear = self.ear.borrow_mut();
        ear.detached.is_some() && !std::mem::replace(&mut ear.hears, true)
    }

    /// Hears nothing any more.
    pub(crate) fn close(&self) {
        self.worker.take();
        let ear = self.ear.take();
        drop(ear);
    }
}

/// Streams end rather than miss something without a word; their clients come again.
pub(crate) fn lost(location: &'static Location) {
    location.link().into_iter().for_each(Link::close);
    location.bus.iter().for_each(Bus::close_all);
}

/// Publishes that this worker is there, which fails if nothing could be published, and comes back.
fn check(request: Request) {
    let Some(location) = Context::of(request).map(|context| context.location) else { return };
    let Some(link) = location.link() else { return };
    link.look_in(CHECK);
    let present = format!("{}{}", char::from(PRESENT), link.holder(&location.server));
    link.send(location, present.into_bytes(), |_| {
        if !link.hears() {
            link.look_in(KNOCK);
        }
    });
}

/// Nchan delivers from now on, as it says.
pub(crate) fn begun(location: &'static Location) {
    location.link().into_iter().for_each(|link| link.look_in(0));
}

/// Takes the messages of the channel, which come as events; `received` is what came before, and keeps what is not complete.
pub(crate) fn take(location: &'static Location, chain: Chain, received: &mut Vec<u8>) {
    let Some(bus) = &location.bus else { return chain.discard() };
    if chain.take(received, LARGEST_MESSAGE).over_limit {
        ngx::Log::cycle().write(Level::Error, format_args!("a channel of Nchan carried a message that is too large"));
        received.clear();
    }
    let mut begin = 0;
    while let Some(length) = received[begin..].windows(2).position(|pair| pair == b"\n\n") {
        let event = &received[begin..begin + length];
        begin += length + 2;
        let data = event.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"data: "));
        if data.is_some() && location.link().is_some_and(Link::begins_to_hear) {
            bus.linked();
        }
        match data.and_then(parse) {
            Some(Message::Present(holder)) => bus.renew(&location.server, holder),
            Some(Message::Published(id, envelope)) => bus.receive(location, id, envelope),
            None => {}
        }
    }
    received.drain(..begin);
}

/// A message on the channel.
enum Message<'m> {
    /// A worker is there.
    Present(Holder),
    /// Something was published: its id and its envelope.
    Published(BusId, &'m [u8]),
}

fn parse(message: &[u8]) -> Option<Message<'_>> {
    if let Some(holder) = message.strip_prefix(&[PRESENT]) {
        return std::str::from_utf8(holder).ok().and_then(Holder::parse).map(Message::Present);
    }
    let space = message.iter().position(|byte| *byte == b' ')?;
    let id = std::str::from_utf8(&message[..space]).ok().and_then(BusId::parse)?;
    Some(Message::Published(id, &message[space + 1..]))
}
