//! The client's side of a call: the stream on which it hears of it, and what it may say meanwhile.
//!
//! It stays the same from the call's first request to an upstream to its last.

use mcp::{KEEPALIVE, Pending, Topic};

use crate::bus::Bus;
use crate::conf::Location;
use crate::context::{Context, Stage};
use crate::ngx::{Request, Status, Wake};
use crate::reply;

/// A client that has called something.
pub(crate) struct Caller {
    /// Which hears of what is for the call, the request that the call runs in, and what it hears of besides; if there is anything to hear.
    hearing: Option<(&'static Bus, Request, Option<Topic>)>,
    /// Its stream has begun.
    is_open: bool,
    /// Nothing was said to it since the last heartbeat was due.
    is_silent: bool,
    heartbeat: Option<Wake>,
}

impl Drop for Caller {
    fn drop(&mut self) {
        self.heartbeat.iter().for_each(Wake::cancel);
        if let Some((bus, request, own)) = &self.hearing {
            bus.end_call(*request, own.as_ref());
        }
    }
}

impl Caller {
    /// The client of a call that is about to begin.
    pub(crate) fn new(request: Request, location: &'static Location, pending: &Pending) -> Caller {
        let bus = location.bus.as_ref().filter(|_| pending.has_session());
        Caller::hearing(request, location, bus, None)
    }

    /// The client of a request that hears of this.
    pub(crate) fn of(request: Request, location: &'static Location, bus: &'static Bus, own: &Topic) -> Caller {
        Caller::hearing(request, location, Some(bus), Some(own.clone()))
    }

    fn hearing(request: Request, location: &'static Location, bus: Option<&'static Bus>, own: Option<Topic>) -> Caller {
        if let Some(bus) = bus {
            bus.begin_call(location, request, own.as_ref());
        }
        let hearing = bus.map(|bus| (bus, request, own));
        Caller { hearing, is_open: false, is_silent: true, heartbeat: None }
    }

    /// It is told no more; whether its stream has begun.
    pub(crate) fn part(&mut self) -> bool {
        self.heartbeat.take().iter().for_each(Wake::cancel);
        self.is_open
    }

    /// Whether its stream has begun, so that the reply is the end of that.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    /// From now on it is told from time to time that its call is under way; false if there is no memory for that.
    pub(crate) fn reassure(&mut self, request: Request, location: &Location) -> bool {
        if location.heartbeat == 0 || self.heartbeat.is_some() {
            return true;
        }
        self.heartbeat = Wake::new(request, heartbeat);
        self.heartbeat.iter().for_each(|wake| wake.post_in(location.heartbeat));
        self.heartbeat.is_some()
    }

    /// Sends what there is to hear, and the header of the stream before the first of it.
    pub(crate) fn tell(
        &mut self,
        request: Request,
        context: &Context,
        pending: &mut Pending,
        bytes: Vec<u8>,
    ) -> Status {
        self.is_silent = false;
        if !self.is_open {
            self.is_open = true;
            if pending.may_be_held() {
                // Nothing more could come of its connection while the call is held.
                request.forbid_keepalive();
            }
            request.headers_out().clear();
            let status = reply::begin_stream(request, &pending.open());
            if status == Status::ERROR {
                return status;
            }
        }
        context.outbox.borrow_mut().send(request, bytes, false)
    }

    /// Says that the call is under way, if nothing else was said for some time.
    pub(crate) fn beat(&mut self, request: Request, context: &Context, pending: &mut Pending) {
        if self.is_silent && !request.is_backed_up() {
            let mut out = Vec::new();
            pending.heartbeat(&mut out);
            if out.is_empty() {
                out.extend_from_slice(KEEPALIVE);
            }
            // A client who is gone is noticed elsewhere.
            self.tell(request, context, pending, out);
        }
        self.is_silent = true;
        self.heartbeat.iter().for_each(|wake| wake.post_in(context.location.heartbeat));
    }
}

fn heartbeat(request: Request) {
    let Some(context) = Context::of(request) else { return };
    let mut stage = context.take_stage();
    match &mut stage {
        Stage::Calling(call) => call.beat(request, context),
        Stage::Pausing(pause) => pause.beat(request, context),
        _ => {}
    }
    context.set_stage(stage);
}
