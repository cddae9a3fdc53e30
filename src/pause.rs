//! A call between two requests to its upstream: its client is asked something, or a job that it has begun is left to work. Or one without any,
//! as its answer is what a held call says next.
//!
//! nginx is done with the upstream then, and the client's request is held as that of a stream is.

use mcp::http::UpstreamRequest;
use mcp::{Delivery, Following, Heard, Pending, Step, Waiting};

use crate::bus::Bus;
use crate::call;
use crate::caller::Caller;
use crate::context::{Context, Stage};
use crate::front::{self, Waiter};
use crate::ngx::{Request, Status, Wake};
use crate::reply;

/// Milliseconds after which it is looked whether a call is still held.
const LOOK: usize = 5_000;

/// A call that waits.
pub(crate) struct Pause {
    caller: Caller,
    rest: Rest,
    /// What the client is to hear first.
    events: Vec<u8>,
    wake: Wake,
    /// nginx still has the last upstream in hand.
    is_new: bool,
    is_cancelled: bool,
}

/// What is waited for.
enum Rest {
    /// The client's answers.
    Answers(Waiting),
    /// So many milliseconds.
    Time(usize, Box<Pending>),
    /// A look at the server that the call is for.
    Look { upstream: usize, pending: Box<Pending>, waiter: Option<Waiter> },
    /// What a held call says next.
    Word(Box<Following>),
    /// Nothing but the end of the last upstream.
    Nothing { endpoint: usize, upstream: UpstreamRequest, pending: Box<Pending> },
}

impl Rest {
    fn pending(&mut self) -> &mut Pending {
        match self {
            Rest::Answers(waiting) => waiting.call(),
            Rest::Word(following) => following.request(),
            Rest::Time(_, pending) | Rest::Look { pending, .. } | Rest::Nothing { pending, .. } => pending,
        }
    }
}

/// Goes on with a call whose upstream has answered: sends the reply, or holds the request. Gives what the filter that took
/// the answer returns to nginx.
pub(crate) fn proceed(request: Request, context: &'static Context, caller: Caller, step: Step) -> Status {
    let (rest, events) = match step {
        Step::Reply(reply) => return reply::finish_call(request, context, caller.is_open(), reply),
        Step::Ask { events, waiting } => (Rest::Answers(waiting), events),
        Step::Wait { events, milliseconds, pending } => {
            (Rest::Time(usize::try_from(milliseconds).unwrap_or(usize::MAX), pending), events)
        }
        Step::Renew { upstream, pending } => (Rest::Look { upstream, pending, waiter: None }, Vec::new()),
        Step::Call { endpoint, request: upstream, pending } => {
            (Rest::Nothing { endpoint, upstream, pending }, Vec::new())
        }
        Step::Upgrade
        | Step::Cancel { .. }
        | Step::Listen { .. }
        | Step::Follow(_)
        | Step::Publish { .. }
        | Step::Subscribe { .. }
        | Step::KeepSession { .. } => {
            return call::defective(request, context, caller.is_open());
        }
    };
    let Some(wake) = Wake::new(request, wake) else { return Status::ERROR };
    wake.post();
    request.retain();
    let pause = Pause { caller, rest, events, wake, is_new: true, is_cancelled: false };
    context.set_stage(Stage::Pausing(Box::new(pause)));
    // nginx gives up its hold, and does nothing else to the request; of an answer from its cache it would not even do that.
    if request.is_cached() { Status::OK } else { Status::DONE }
}

/// Lets a client's request wait for what a call says that is held for it.
pub(crate) fn follow(request: Request, context: &'static Context, mut following: Box<Following>) -> Status {
    let location = context.location;
    let Some((bus, wake)) = location.bus.as_ref().zip(Wake::new(request, wake)) else {
        return Status::INTERNAL_SERVER_ERROR;
    };
    let mut caller = Caller::of(request, location, bus, following.topic());
    if following.request().takes_stream() && !caller.reassure(request, location) {
        return Status::INTERNAL_SERVER_ERROR;
    }
    let is_held = is_held(bus, &following);
    // Afterwards: what ends the call is kept before it is held no more.
    catch_up(bus, &mut following);
    if is_held {
        following.begin().iter().for_each(|answer| bus.tell(answer));
    }
    match is_held && !following.is_over() {
        true => wake.post_in(LOOK),
        false => wake.post(),
    }
    request.hold_stream();
    request.at_end(left);
    let rest = Rest::Word(following);
    let pause = Pause { caller, rest, events: Vec::new(), wake, is_new: false, is_cancelled: false };
    context.set_stage(Stage::Pausing(Box::new(pause)));
    Status::DONE
}

fn is_held(bus: &Bus, following: &Following) -> bool {
    bus.listening(std::iter::once(following.holder().clone())) > 0
}

/// Takes what a held call has said before, and what may have been missed.
fn catch_up(bus: &Bus, following: &mut Following) {
    let kept = following.topic().session().map(|name| bus.kept(name, &Heard::default()));
    for (_, envelope) in kept.into_iter().flatten() {
        // What is kept is nothing that the client is told meanwhile.
        Delivery::parse(&envelope).iter().for_each(|delivery| _ = following.take(delivery, &mut Vec::new()));
    }
}

/// The request ends. If it still waits for what a call says, its client has left, which ends the call.
fn left(request: Request) {
    let Some(context) = Context::of(request) else { return };
    if let (Stage::Pausing(pause), Some(bus)) = (&*context.stage_mut(), &context.location.bus) {
        if let Rest::Word(following) = &pause.rest {
            bus.tell(&following.leave());
        }
    }
}

fn wake(request: Request) {
    let Some(context) = Context::of(request) else { return };
    match context.take_stage() {
        Stage::Pausing(pause) if pause.is_new => pause.begin(request, context),
        Stage::Pausing(mut pause) => match pause.goes_on(context) {
            true => context.set_stage(Stage::Pausing(pause)),
            false => pause.end(request, context),
        },
        stage => context.set_stage(stage),
    }
}

/// Does something to the pause of a request, if it has one.
fn with(request: Request, act: impl FnOnce(&'static Context, &mut Pause)) {
    let Some(context) = Context::of(request) else { return };
    let mut stage = context.take_stage();
    if let Stage::Pausing(pause) = &mut stage {
        act(context, pause);
    }
    context.set_stage(stage);
}

/// What other machines publish is heard from now on.
pub(crate) fn linked(request: Request) {
    with(request, |context, pause| {
        if !pause.is_new {
            pause.ask(request, context);
        }
    });
}

/// The client's answers may have been missed.
pub(crate) fn give_up(request: Request) {
    with(request, |_, pause| {
        if matches!(pause.rest, Rest::Answers(_) | Rest::Word(_)) && !pause.is_new {
            pause.wake.post();
        }
    });
}

/// Something is for calls, perhaps for this one.
pub(crate) fn hear(request: Request, delivery: &Delivery) {
    with(request, |context, pause| pause.hear(request, context, delivery));
}

impl Pause {
    /// nginx is done with the last upstream.
    fn begin(mut self: Box<Self>, request: Request, context: &'static Context) {
        self.is_new = false;
        request.watch_stream();
        let is_timely = match &mut self.rest {
            Rest::Nothing { .. } | Rest::Word(_) => return self.end(request, context),
            _ if self.is_cancelled => return self.end(request, context),
            Rest::Time(milliseconds, _) => {
                self.wake.post_in(*milliseconds);
                self.say(request, context)
            }
            Rest::Answers(_) => {
                self.wake.post_in(context.location.input_timeout);
                let bus = context.location.bus.as_ref();
                if bus.is_some_and(|bus| bus.is_linked(context.location)) { self.say(request, context) } else { true }
            }
            Rest::Look { upstream, pending, waiter } => {
                *waiter = front::renew(request, context, *upstream, pending);
                if waiter.is_none() {
                    return self.end(request, context);
                }
                self.wake.post_in(front::PATIENCE);
                true
            }
        };
        let takes_stream = self.rest.pending().takes_stream();
        let is_heard = !takes_stream || self.caller.reassure(request, context.location);
        context.set_stage(Stage::Pausing(self));
        if !is_timely || !is_heard {
            request.finalize(Status::ERROR);
        }
    }

    /// Sends the client what it is to hear; false if that fails.
    fn say(&mut self, request: Request, context: &'static Context) -> bool {
        let events = std::mem::take(&mut self.events);
        let said =
            events.is_empty() || self.caller.tell(request, context, self.rest.pending(), events) != Status::ERROR;
        said && request.pace_writing()
    }

    /// Sends what was held back until the answers can be heard.
    fn ask(&mut self, request: Request, context: &'static Context) {
        if !self.say(request, context) {
            self.wake.post();
        }
    }

    /// The server that the call is for was looked at.
    pub(crate) fn looked(&self) {
        let Rest::Look { waiter: Some(waiter), .. } = &self.rest else { return };
        if waiter.is_over() && !self.is_new {
            self.wake.cancel();
            self.wake.post();
        }
    }

    /// Tells the client that its call is under way.
    pub(crate) fn beat(&mut self, request: Request, context: &'static Context) {
        if self.is_new {
            return;
        }
        self.caller.beat(request, context, self.rest.pending());
    }

    fn hear(&mut self, request: Request, context: &'static Context, delivery: &Delivery) {
        self.is_cancelled |= self.rest.pending().is_cancelled_by(delivery);
        let mut events = Vec::new();
        let is_answered = match &mut self.rest {
            Rest::Answers(waiting) => waiting.take(delivery),
            Rest::Word(following) => following.take(delivery, &mut events),
            _ => false,
        };
        // A client that is slow to read misses what is of no use later.
        if !events.is_empty() && !context.outbox.borrow_mut().is_crowded() {
            self.events = events;
            self.ask(request, context);
        }
        if self.is_cancelled || is_answered {
            self.wake.cancel();
            self.wake.post();
        }
    }

    /// Whether a call that this one waits for has yet to say something.
    fn goes_on(&mut self, context: &'static Context) -> bool {
        let (Rest::Word(following), Some(bus)) = (&mut self.rest, &context.location.bus) else { return false };
        let is_held = is_held(bus, following);
        catch_up(bus, following);
        let goes_on = is_held && !following.is_over() && !self.is_cancelled;
        if goes_on {
            self.wake.post_in(LOOK);
        }
        goes_on
    }

    /// What was waited for is there, or has not come in time.
    fn end(self: Box<Self>, request: Request, context: &'static Context) {
        let status = self.outcome(request, context);
        request.finalize(status);
    }

    /// What becomes of the call; nothing of the pause is left then.
    fn outcome(self: Box<Self>, request: Request, context: &'static Context) -> Status {
        let Pause { caller, rest, is_cancelled, .. } = *self;
        let server = &context.location.server;
        let mut evaluate = |endpoint, index| context.operator_value(request, endpoint, index);
        let step = match rest {
            Rest::Answers(waiting) if is_cancelled => waiting.into_call().cancel(server, &mut evaluate),
            Rest::Time(_, pending) | Rest::Look { pending, .. } | Rest::Nothing { pending, .. } if is_cancelled => {
                pending.cancel(server, &mut evaluate)
            }
            Rest::Word(following) => following.resume(server, &mut evaluate),
            Rest::Answers(waiting) => waiting.resume(server, &mut evaluate),
            Rest::Time(_, pending) => pending.poll(),
            Rest::Look { upstream, pending, .. } => match &context.location.fronts {
                Some(fronts) => {
                    let own = fronts.learned(request, context, upstream);
                    pending.renewed(server, &fronts.offering(), own.as_deref(), &mut evaluate)
                }
                None => return Status::ERROR,
            },
            Rest::Nothing { endpoint, upstream, pending } => Step::Call { endpoint, request: upstream, pending },
        };
        match step {
            Step::Call { endpoint, request: upstream, pending } => {
                call::again(request, context, caller, endpoint, upstream, pending)
            }
            Step::Reply(reply) => reply::finish_call(request, context, caller.is_open(), reply),
            _ => call::defective(request, context, caller.is_open()),
        }
    }
}
