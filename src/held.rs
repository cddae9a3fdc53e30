//! Calls of servers with sessions that are held while their clients are asked something ([`mcp::HeldCall`]).
//!
//! The client has its reply, which is the question, and its request lives on: nginx's proxy goes on with the server, and what comes is
//! published. The client's next request, in whatever worker, hears that ([`crate::pause::follow`]).

use std::cell::Cell;
use std::iter::once;

use mcp::{Delivery, Held, HeldCall, Publication};

use crate::bus::Bus;
use crate::call::{self, Call};
use crate::context::{Context, Stage};
use crate::filter;
use crate::front;
use crate::ngx::{self, Chain, Request, Status, Wake};
use crate::reply;

/// The part of a worker's connections that such calls may have.
const SHARE: usize = 8;

thread_local! {
    /// How many there are in this worker.
    static HELD: Cell<usize> = const { Cell::new(0) };
}

/// A call without a client.
pub(crate) struct Holding {
    request: Request,
    call: Box<Call>,
    held: HeldCall,
    bus: &'static Bus,
    /// Runs when its client should have come back.
    timer: Wake,
    /// Runs as soon as nginx is done with what has come of the server.
    rest: Wake,
    /// It is to be given up.
    is_left: bool,
}

impl Drop for Holding {
    fn drop(&mut self) {
        self.bus.end_call(self.request, Some(self.held.topic()));
        HELD.set(HELD.get() - 1);
    }
}

/// Ends the client's request with what its server asks for, and keeps the call. If that cannot be, the server is told so and the call goes on
/// as it was.
pub(crate) fn begin(request: Request, context: &'static Context, mut call: Box<Call>) -> Status {
    let location = context.location;
    let has_room = HELD.get() < ngx::worker_connections() / SHARE;
    let means = location.bus.as_ref().zip(Wake::new(request, expire)).zip(Wake::new(request, rest));
    let why = match (means, call.can_part_with(request)) {
        _ if !has_room => "too many calls wait for their clients here",
        (None, _) | (_, false) => "the client of this call cannot be asked while it runs",
        (Some(((bus, timer), rest)), true) => {
            let Some(Held { publications, reply, call: held }) = call.be_held(&location.server) else {
                return Status::ERROR;
            };
            HELD.set(HELD.get() + 1);
            // Before the client can come back.
            bus.begin_call(location, request, Some(held.topic()));
            publications.iter().for_each(|publication| bus.tell(publication));
            let mut holding = Holding { request, call, held, bus, timer, rest, is_left: false };
            holding.reply(context);
            request.forbid_keepalive();
            let status = reply::finish_call(request, context, holding.call.part(), reply);
            if status == Status::ERROR {
                holding.given_up(context);
                return status;
            }
            request.part_with_client();
            holding.wait(context);
            context.set_stage(Stage::Holding(Box::new(holding)));
            return Status::OK;
        }
    };
    call.decline(request, context, why);
    context.set_stage(Stage::Calling(call));
    Status::OK
}

/// Takes what has come of the server.
pub(crate) fn body(request: Request, context: &'static Context, mut holding: Box<Holding>, chain: Chain) -> Status {
    let limit = context.location.max_result_size;
    let Holding { call, held, bus, .. } = &mut *holding;
    let (mut has_question, mut failure) = (false, None);
    let taken = call.take(chain, &mut |bytes| {
        let followers = held.followers().clone();
        let publish = &mut |publication: Publication| {
            // What is of no use later is for who listens now.
            if publication.keep || bus.listening(once(followers.clone())) > 0 {
                bus.tell(&publication);
            }
        };
        match held.take(bytes, limit, publish) {
            Ok(is_asked) => has_question |= is_asked,
            Err(why) => failure = failure.or(Some(why)),
        }
    });
    let is_complete = taken.last_buf || call.has_failed();
    if failure.is_some() || is_complete {
        holding.end(context, failure);
    }
    holding.reply(context);
    if has_question {
        holding.wait(context);
    } else if holding.held.is_asking() {
        holding.rest.post();
    }
    let is_over = holding.held.is_over();
    context.set_stage(Stage::Holding(holding));
    if is_over && !is_complete { filter::stop_soon(request) } else { Status::OK }
}

/// nginx is done with the server.
pub(crate) fn upstream_finished(context: &'static Context, mut holding: Box<Holding>, status: Status) {
    holding.call.end(holding.request, status);
    if status == Status::ERROR {
        holding.end(context, None);
    }
    context.set_stage(Stage::Holding(holding));
}

/// What was published for the call was missed, so that it cannot come to an end.
pub(crate) fn miss(request: Request) {
    let Some(context) = Context::of(request) else { return };
    if let Stage::Holding(holding) = &mut *context.stage_mut() {
        holding.leave();
    }
}

/// nginx is done with what has come of the server.
fn rest(request: Request) {
    let Some(context) = Context::of(request) else { return };
    let is_left = match &*context.stage_mut() {
        Stage::Holding(holding) => holding.is_left,
        _ => return,
    };
    if is_left {
        return give_up(request, context);
    }
    call::wait_for_client(request);
}

/// The client should have come back.
fn expire(request: Request) {
    let Some(context) = Context::of(request) else { return };
    match &mut *context.stage_mut() {
        Stage::Holding(holding) if holding.is_followed() => {
            return holding.timer.post_in(context.location.input_timeout);
        }
        Stage::Holding(holding) => {
            holding.cancel(context);
            let bus = holding.bus;
            holding.held.expire(&mut |publication| bus.tell(&publication));
        }
        _ => return,
    }
    give_up(request, context);
}

/// Ends the call.
fn give_up(request: Request, context: &'static Context) {
    if let Stage::Holding(holding) = &mut *context.stage_mut() {
        holding.given_up(context);
    }
    if request.close_upstream() {
        request.finalize(Status::OK);
    }
}

impl Holding {
    /// Something is for calls, perhaps for this one.
    pub(crate) fn hear(&mut self, context: &'static Context, delivery: &Delivery) {
        if self.held.is_left_by(delivery) {
            self.leave();
        }
        if self.held.hear(delivery) {
            self.reply(context);
        }
    }

    /// Sees to it that it ends, but not from within what runs now.
    fn leave(&mut self) {
        self.is_left = true;
        self.rest.post();
    }

    /// The request ends. If the call still runs, nobody will hear of it any more.
    pub(crate) fn given_up(&mut self, context: &'static Context) {
        if !self.held.is_over() {
            self.cancel(context);
            self.end(context, None);
        }
    }

    /// Waits for the client, or for what else the server says.
    fn wait(&self, context: &'static Context) {
        self.timer.post_in(context.location.input_timeout);
        self.rest.post();
    }

    fn is_followed(&self) -> bool {
        self.bus.listening(once(self.held.followers().clone())) > 0
    }

    /// The server says no more.
    fn end(&mut self, context: &'static Context, failure: Option<mcp::http::UpstreamFailure>) {
        let failure = failure.or(self.call.failure());
        self.held.end(&context.location.server, failure, &mut |publication| self.bus.tell(&publication));
    }

    /// Sends what there is for the server.
    fn reply(&mut self, context: &'static Context) {
        let replies = self.held.replies(&context.location.server);
        self.call.replies().send(self.request, context, self.held.upstream(), replies);
    }

    /// Tells the server that nobody wants its answer any more.
    fn cancel(&self, context: &'static Context) {
        if let Some(cancellation) = self.held.cancellation(&context.location.server) {
            front::tell(context.location, self.held.upstream(), cancellation, None, Some((self.request, context)));
        }
    }
}
