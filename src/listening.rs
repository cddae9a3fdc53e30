//! A stream on which a client hears what happens between its requests.

use mcp::http::{Body, Headers, HttpReply};
use mcp::{BusId, Delivered, Delivery, Heard, KEEPALIVE, Listener};

use crate::bus::Bus;
use crate::conf::Location;
use crate::context::{Context, Stage};
use crate::ngx::{self, Request, Status, Wake};
use crate::reply;
use crate::resumable::Beginning;

/// Bytes under way to a client after which its stream is given up, beside what was kept for it: it can come again.
const LARGEST_BACKLOG: usize = 1 << 20;

/// Bytes around a message in an event, at the most.
const EVENT: usize = 128;

/// A client's stream.
pub(crate) struct Listening {
    location: &'static Location,
    listener: Listener,
    /// Its number on the bus.
    number: Option<u64>,
    /// What opens it, until it is open.
    reply: Option<HttpReply>,
    /// The call that begins then.
    call: Option<Box<Beginning>>,
    /// What was sent of what had been published before, sorted; and how many bytes that were.
    kept: Vec<BusId>,
    kept_size: usize,
    wake: Wake,
    /// Nothing was sent since the wake was set.
    is_silent: bool,
    /// How the request is to be finished, once nothing else runs for it.
    end: Option<Status>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Opens a stream, as soon as the bus is heard, and begins its call, if it is that of one.
pub(crate) fn start(
    request: Request,
    context: &'static Context,
    reply: HttpReply,
    listener: Listener,
    call: Option<Box<Beginning>>,
) -> Status {
    let Some(bus) = &context.location.bus else { return Status::INTERNAL_SERVER_ERROR };
    if call.is_none() && listener.is_of_call() && kept(bus, &listener).is_empty() {
        // It is not known here, or was over long ago.
        let refusal = context.location.server.refuse_unread(Headers(&request.headers()), 410);
        return reply::send(request, context, refusal);
    }
    let Some(wake) = Wake::new(request, wake) else { return Status::INTERNAL_SERVER_ERROR };
    let topics = listener.topics().to_vec();
    request.hold_stream();
    context.set_stage(Stage::Listening(Box::new(Listening {
        location: context.location,
        listener,
        number: None,
        reply: Some(reply),
        call,
        kept: Vec::new(),
        kept_size: 0,
        wake,
        is_silent: true,
        end: None,
    })));
    let number = bus.join(context.location, request, &topics);
    with(request, |_, listening| {
        listening.number = Some(number);
        // Whatever is wanted from now on is published where the stream is heard.
        let session = listening.listener.resumes().map(|(session, _)| session.to_owned());
        for uri in session.map(|session| bus.subscriptions(&session)).unwrap_or_default() {
            if let Delivered::Topic { topic, wanted } = listening.listener.subscribe(&uri, true) {
                bus.adjust(context.location, number, topic, wanted);
            }
        }
    });
    Status::DONE
}

/// Does something to the stream of a request, if it has one.
fn with(request: Request, act: impl FnOnce(&'static Context, &mut Listening)) {
    let Some(context) = Context::of(request) else { return };
    match context.take_stage() {
        Stage::Listening(mut listening) => {
            act(context, &mut listening);
            context.set_stage(Stage::Listening(listening));
        }
        stage => context.set_stage(stage),
    }
}

/// The bus is heard: the client is told that its stream is open.
pub(crate) fn opened(request: Request) {
    with(request, |context, listening| {
        let Some(reply) = listening.reply.take() else { return };
        let Some(bus) = &context.location.bus else { return };
        let call = listening.call.take();
        match &call {
            Some(call) => bus.publish(context.location, &call.begun(), |_| {}),
            // How a call goes is said of the request that makes it.
            None => context.note(reply.outcome),
        }
        let kept = kept(bus, &listening.listener);
        listening.kept = kept.iter().map(|(id, _)| *id).collect();
        listening.kept_size = kept.iter().map(|(_, envelope)| envelope.len() + EVENT).sum();
        // First, so that no stream which is opened once this one is seen to be open counts as older.
        if let Some(publication) = listening.listener.opened() {
            bus.publish(context.location, &publication, |_| {});
        }
        let mut status = reply::begin_stream(request, &reply);
        if let (Body::Bytes(bytes), true) = (reply.body, status != Status::ERROR) {
            status = listening.send(request, context, bytes);
        } else if status != Status::ERROR {
            status = listening.send(request, context, KEEPALIVE.to_vec());
        }
        if status == Status::ERROR {
            listening.finish(Status::ERROR);
            return;
        }
        listening.rest();
        for (id, envelope) in kept {
            if let Some(delivery) = Delivery::parse(&envelope) {
                listening.deliver(request, context, &delivery, id);
            }
        }
        call.into_iter().for_each(|call| call.begin(request, context));
    });
}

/// What was published before for a stream. Of that of a call all is: it says whether the call is over.
fn kept(bus: &Bus, listener: &Listener) -> Vec<(BusId, Vec<u8>)> {
    let nothing = Heard::default();
    let resumed = listener.resumes();
    let resumed = resumed.map(|(session, heard)| (session, if listener.is_of_call() { &nothing } else { heard }));
    resumed.map(|(session, heard)| bus.kept(session, heard)).unwrap_or_default()
}

/// Something was published that the client may want to hear.
pub(crate) fn deliver(request: Request, delivery: &Delivery, id: BusId) {
    with(request, |context, listening| {
        // What was kept has been sent when the stream was opened, and may come once more.
        if listening.reply.is_none() && listening.kept.binary_search(&id).is_err() {
            listening.deliver(request, context, delivery, id);
        }
    });
}

/// The server ends the stream.
pub(crate) fn close(request: Request) {
    with(request, |context, listening| {
        if listening.end.is_none() {
            let bytes = listening.listener.close();
            listening.close(request, context, bytes);
        }
    });
}

/// The client can take more, or has not for too long.
pub(crate) fn writable(request: Request) {
    if request.write_timed_out() {
        request.finalize(Status::REQUEST_TIME_OUT);
        return;
    }
    let status = ngx::flush(request);
    if status == Status::ERROR || !request.pace_writing() {
        request.finalize(Status::ERROR);
    }
}

fn wake(request: Request) {
    let Some(location) = Context::of(request).map(|context| context.location) else { return };
    let mut end = None;
    with(request, |context, listening| {
        end = listening.end;
        if end.is_none() {
            if listening.is_silent && !request.is_backed_up() {
                listening.send(request, context, KEEPALIVE.to_vec());
            }
            listening.rest();
        }
    });
    match end {
        Some(status) => request.finalize(status),
        None => location.directories.look(location),
    }
}

impl Listening {
    fn deliver(&mut self, request: Request, context: &'static Context, delivery: &Delivery, id: BusId) {
        if self.end.is_some() {
            return;
        }
        match self.listener.deliver(delivery, Some(id)) {
            Delivered::Nothing => {}
            Delivered::Topic { topic, wanted } => {
                if let (Some(bus), Some(number)) = (&self.location.bus, self.number) {
                    bus.adjust(context.location, number, topic, wanted);
                }
            }
            Delivered::Event(bytes) => {
                self.send(request, context, bytes);
            }
            Delivered::Close(bytes) => self.close(request, context, bytes),
        }
    }

    fn send(&mut self, request: Request, context: &'static Context, bytes: Vec<u8>) -> Status {
        self.is_silent = false;
        let mut outbox = context.outbox.borrow_mut();
        let mut status = outbox.send(request, bytes, false);
        if outbox.backlog() > LARGEST_BACKLOG + self.kept_size || !request.pace_writing() {
            status = Status::ERROR;
        }
        if status == Status::ERROR {
            self.finish(status);
        }
        status
    }

    fn close(&mut self, request: Request, context: &'static Context, bytes: Vec<u8>) {
        // First, so that no one who sees the end is told that it is still heard.
        self.leave();
        if self.reply.take().is_some() {
            // It was never open, as the bus cannot be heard.
            let refusal = context.location.server.refuse_unread(Headers(&request.headers()), 503);
            let status = reply::send(request, context, refusal);
            self.finish(status);
            return;
        }
        let status = context.outbox.borrow_mut().send(request, bytes, true);
        self.finish(if status == Status::ERROR { status } else { Status::OK });
    }

    /// Ends the request, but not from within whatever runs now.
    fn finish(&mut self, status: Status) {
        self.end = Some(status);
        self.leave();
        self.wake.cancel();
        self.wake.post();
    }

    /// Hears no more.
    fn leave(&mut self) {
        if let (Some(number), Some(bus)) = (self.number.take(), &self.location.bus) {
            bus.leave(number);
            let end = self.listener.closed();
            end.iter().for_each(|end| bus.end_session(self.location, end));
        }
    }

    /// Waits until something must be said so that nobody on the way takes the connection for dead.
    fn rest(&mut self) {
        self.is_silent = true;
        let interval = self.location.heartbeat;
        if interval > 0 {
            self.wake.post_in(interval);
        }
    }
}
