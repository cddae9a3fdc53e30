//! A call: the request is sent to an endpoint's upstream, and what comes back is collected.
//!
//! The client's own request makes the call: it is moved into the endpoint's location, whose content handler is nginx's
//! proxy, and our filters keep what the upstream answers from going to the client. So everything that nginx does for a
//! proxied request, it does for a call: balancing, retries, time-outs, caching, closing the upstream when the client is
//! gone, `$upstream_*` variables in the client's access log.

use mcp::http::{Headers, UpstreamFailure, UpstreamRequest, UpstreamResponse};
use mcp::{Delivery, Pending, Server, Step};

use crate::caller::Caller;
use crate::context::{Batch, Context, Stage};
use crate::filter;
use crate::front;
use crate::handler::proceed;
use crate::held;
use crate::ngx::{self, Chain, Disguise, Held, Request, Status, Taken, UpstreamFinalizer, Wake, run_finalizer};
use crate::pause;
use crate::reply;
use crate::sse;

/// What an upstream announces is believed up to this size, in bytes; beyond it the buffer grows with what comes.
const LARGEST_RESERVE: usize = 1 << 20;

/// A call under way.
pub(crate) struct Call {
    caller: Caller,
    /// The client wants to hear no more of it.
    is_cancelled: bool,
    endpoint: usize,
    pending: Option<Box<Pending>>,
    disguise: Option<Disguise>,
    keepalive: bool,
    /// The header of the upstream's answer: nginx has it as long as the request.
    head: Option<UpstreamResponse<'static>>,
    failure: Option<UpstreamFailure>,
    finalizer: UpstreamFinalizer,
    ended: bool,
    /// The answer comes event by event.
    pub(crate) in_events: bool,
    /// The answer is a file, which nginx reads.
    pub(crate) is_file: bool,
    /// Parts of it that wait for a client who is slow to read.
    held: Held,
    /// To what its server asks, if that is an MCP server.
    replies: front::Replies,
    /// Runs when nginx is done with what has come, while the client has yet to answer something that the server has asked for.
    patience: Option<Wake>,
    pub(crate) body: Vec<u8>,
    pub(crate) complete: bool,
}

impl Call {
    fn new(caller: Caller, endpoint: usize, pending: Box<Pending>) -> Box<Call> {
        Box::new(Call {
            caller,
            is_cancelled: false,
            endpoint,
            pending: Some(pending),
            disguise: None,
            keepalive: true,
            head: None,
            failure: None,
            finalizer: None,
            ended: false,
            in_events: false,
            is_file: false,
            held: Held::default(),
            replies: front::Replies::default(),
            patience: None,
            body: Vec::new(),
            complete: false,
        })
    }

    /// The upstream's header has come; its body follows.
    pub(crate) fn begin(&mut self, request: Request, limit: usize, begins_jobs: bool) {
        if !self.undisguise(request) {
            self.failure = Some(UpstreamFailure::Unreachable);
        }
        self.finalizer = request.replace_upstream_finalizer(Some(ngx::upstream_finished));
        let out = request.headers_out();
        let line = |name: &[u8]| begins_jobs.then(|| ngx::upstream_header(request, name)).flatten();
        let head = UpstreamResponse {
            status: out.status(),
            content_type: out.content_type(),
            content_encoding: out.content_encoding(),
            location: line(b"location"),
            retry_after: line(b"retry-after"),
            body: &[],
        };
        self.in_events = self.pending.as_mut().is_some_and(|pending| pending.begin(&head, limit));
        if self.in_events || !request.is_main() {
            request.stream_upstream();
        }
        // Of an empty file no body is sent to a request beside another one.
        self.complete |= out.content_length() == Some(0);
        self.body.reserve(out.content_length().unwrap_or(0).min(LARGEST_RESERVE));
        self.head = Some(head);
    }

    /// nginx is done with the upstream: runs what the proxy module wants to be run then, and keeps what went wrong.
    pub(crate) fn end(&mut self, request: Request, status: Status) {
        run_finalizer(self.finalizer.take(), request, status);
        if status.is_refusal() {
            self.ended = true;
            self.failure = Some(if status.0 == 504 { UpstreamFailure::TimedOut } else { UpstreamFailure::Truncated });
        }
    }

    /// Whether the call is known to have failed after the upstream's header came.
    pub(crate) fn has_failed(&self) -> bool {
        self.ended && self.failure.is_some()
    }

    /// Whether the answer is there although its upstream goes on.
    pub(crate) fn is_concluded(&self) -> bool {
        self.pending.as_ref().is_some_and(|pending| pending.is_concluded())
    }

    /// Whether the upstream's header has come.
    pub(crate) fn has_begun(&self) -> bool {
        self.head.is_some()
    }

    /// Gives the client's method and URI back to the request; false when the upstream's answer is not HTTP.
    pub(crate) fn undisguise(&mut self, request: Request) -> bool {
        self.disguise.take().is_none_or(|disguise| request.undisguise(disguise))
    }

    /// Takes what has come of an answer that comes event by event, and tells the client what there is to hear. None once
    /// the client is gone.
    pub(crate) fn relay(&mut self, request: Request, context: &'static Context, chain: Chain) -> Option<Taken> {
        let limit = context.location.max_result_size;
        // The client has read something, perhaps all.
        let mut status = match self.caller.is_open() && chain.is_empty() {
            true => ngx::flush(request),
            false => Status::OK,
        };
        let mut held = std::mem::take(&mut self.held);
        let taken = chain.feed(&mut held, &mut |bytes| {
            if status == Status::ERROR || self.failure.is_some() {
                return true;
            }
            if context.outbox.borrow_mut().is_crowded() {
                return false;
            }
            let mut out = Vec::new();
            let taken = self.pending.as_mut().map_or(Ok(()), |pending| pending.take(bytes, limit, &mut out));
            self.reply(request, context);
            if !out.is_empty() {
                status = self.tell(request, context, out);
            }
            if let Err(failure) = taken {
                self.failure = Some(failure);
            }
            true
        });
        self.held = held;
        if self.pending.as_ref().is_some_and(|pending| pending.is_asking()) {
            self.patience = self.patience.take().or_else(|| Wake::new(request, wait_for_client));
            self.patience.iter().for_each(Wake::post);
        }
        (status != Status::ERROR).then_some(taken)
    }

    /// Takes what has come of an answer that comes event by event, when nobody is told of it here.
    pub(crate) fn take(&mut self, chain: Chain, take: &mut dyn FnMut(&[u8])) -> Taken {
        chain.feed(&mut self.held, &mut |bytes| {
            take(bytes);
            true
        })
    }

    /// Whether its client is to be asked something by the end of its request.
    pub(crate) fn wants_to_be_held(&self) -> bool {
        self.pending.as_ref().is_some_and(|pending| pending.wants_to_be_held())
    }

    /// Whether the client's response can end although its request goes on.
    pub(crate) fn can_part_with(&self, request: Request) -> bool {
        !self.caller.is_open() || !request.ends_by_closing()
    }

    /// The question, and what is kept of the call beside the upstream.
    pub(crate) fn be_held(&mut self, server: &Server) -> Option<mcp::Held> {
        self.pending.take()?.be_held(server)
    }

    /// Its client is told no more; whether the client's stream has begun.
    pub(crate) fn part(&mut self) -> bool {
        self.caller.part()
    }

    /// Its client is not asked.
    pub(crate) fn decline(&mut self, request: Request, context: &'static Context, why: &str) {
        self.pending.iter_mut().for_each(|pending| pending.decline(why));
        self.reply(request, context);
    }

    /// Sends what there is for the server that the call is for.
    fn reply(&mut self, request: Request, context: &'static Context) {
        let Some(pending) = &mut self.pending else { return };
        let Some(upstream) = pending.upstream() else { return };
        let replies = pending.replies(&context.location.server);
        self.replies.send(request, context, upstream, replies);
    }

    /// The replies to its server that are under way.
    pub(crate) fn replies(&mut self) -> &mut front::Replies {
        &mut self.replies
    }

    fn tell(&mut self, request: Request, context: &Context, bytes: Vec<u8>) -> Status {
        let Some(pending) = &mut self.pending else { return Status::ERROR };
        let was_open = self.caller.is_open();
        let status = self.caller.tell(request, context, pending, bytes);
        if !was_open && self.head.is_none() {
            // The upstream's is still to come.
            request.forget_sent_header();
        }
        status
    }

    /// Tells a client who has heard nothing for some time that its call is under way.
    pub(crate) fn beat(&mut self, request: Request, context: &Context) {
        let Some(pending) = &mut self.pending else { return };
        let was_open = self.caller.is_open();
        self.caller.beat(request, context, pending);
        if !was_open && self.caller.is_open() && self.head.is_none() {
            request.forget_sent_header();
        }
    }

    /// Why the call has failed although its upstream goes on.
    pub(crate) fn failure(&self) -> Option<UpstreamFailure> {
        self.failure
    }

    /// Hands what was collected, or why it is not complete, to the core.
    pub(crate) fn resume(
        mut self: Box<Self>,
        request: Request,
        context: &'static Context,
        failure: Option<UpstreamFailure>,
    ) -> Option<(Step, Caller)> {
        let pending = self.pending.take()?;
        let mut evaluate = |endpoint, index| context.operator_value(request, endpoint, index);
        let failure = failure.or(self.failure);
        if self.is_cancelled
            || matches!(
                failure,
                Some(UpstreamFailure::TimedOut | UpstreamFailure::TooLarge(_) | UpstreamFailure::Truncated)
            )
        {
            front::cancel(request, context, &pending);
        }
        if self.is_cancelled {
            return Some((pending.cancel(&context.location.server, &mut evaluate), self.caller));
        }
        let answer = match (self.head, failure) {
            (_, Some(failure)) => Err(failure),
            (Some(head), None) => Ok(UpstreamResponse { body: &self.body, ..head }),
            (None, None) => Err(UpstreamFailure::Unreachable),
        };
        Some((pending.resume(&context.location.server, answer, &mut evaluate), self.caller))
    }

    /// The connection can be kept although nginx gave up on the upstream: the client gets a complete reply.
    pub(crate) fn restore_keepalive(&self, request: Request) {
        request.set_keepalive(self.keepalive);
    }
}

/// What nginx's own status for a failed call means.
pub(crate) fn failure(status: u16) -> UpstreamFailure {
    match status {
        502 => UpstreamFailure::Unreachable,
        503 => UpstreamFailure::Unavailable,
        504 => UpstreamFailure::TimedOut,
        other => UpstreamFailure::Refused(other),
    }
}

/// Makes the call with the client's request.
pub(crate) fn start(
    request: Request,
    context: &'static Context,
    endpoint: usize,
    upstream: UpstreamRequest,
    pending: Box<Pending>,
) -> Status {
    let caller = Caller::new(request, context.location, &pending);
    if sse::has_ended(request, context) {
        return Status::CLIENT_CLOSED_REQUEST;
    }
    call(request, context, caller, endpoint, upstream, pending)
}

/// Makes the next call of the same client's, once nginx is done with the last one.
pub(crate) fn again(
    request: Request,
    context: &'static Context,
    caller: Caller,
    endpoint: usize,
    upstream: UpstreamRequest,
    pending: Box<Pending>,
) -> Status {
    // What the last upstream said; of the client's stream the header is sent.
    request.headers_out().clear();
    request.forget_sent_header();
    call(request, context, caller, endpoint, upstream, pending)
}

fn call(
    request: Request,
    context: &'static Context,
    mut caller: Caller,
    endpoint: usize,
    upstream: UpstreamRequest,
    pending: Box<Pending>,
) -> Status {
    let is_ready = context.keep_upstream(request, endpoint, upstream)
        && (!pending.wants_progress() || caller.reassure(request, context.location));
    if !is_ready {
        return Status::INTERNAL_SERVER_ERROR;
    }
    if pending.upstream().is_some() {
        request.at_end(given_up);
    }
    context.set_stage(Stage::Calling(Call::new(caller, endpoint, pending)));
    run(request)
}

/// What the user takes to answer is not the server's time.
pub(crate) fn wait_for_client(request: Request) {
    let Some(context) = Context::of(request) else { return };
    request.await_upstream(context.location.input_timeout);
}

/// The request ends. If its call still runs, the client has left, which its server is told.
fn given_up(request: Request) {
    let Some(context) = Context::of(request) else { return };
    match &mut *context.stage_mut() {
        Stage::Calling(call) => call.pending.iter().for_each(|pending| front::cancel(request, context, pending)),
        Stage::Holding(holding) => holding.given_up(context),
        _ => {}
    }
}

/// What no call comes to.
pub(crate) fn defective(request: Request, context: &'static Context, is_open: bool) -> Status {
    request.log().write(ngx::Level::Alert, format_args!("a single call did not end in a reply"));
    let reply = context.location.server.refuse_unread(Headers(&request.headers()), 500);
    reply::finish_call(request, context, is_open, reply)
}

/// Moves a request whose stage is `Calling` into the endpoint's location and runs it there.
pub(crate) fn run(request: Request) -> Status {
    let Some(context) = Context::of(request) else { return Status::INTERNAL_SERVER_ERROR };
    let (Stage::Calling(mut call), Some(upstream)) = (context.take_stage(), context.upstream()) else {
        return Status::INTERNAL_SERVER_ERROR;
    };
    let server = &context.location.server;
    let number = call.endpoint;
    let (Some(location), Some(endpoint)) = (context.location.endpoints.get(number), server.endpoint(number)) else {
        return Status::INTERNAL_SERVER_ERROR;
    };
    call.keepalive = request.keepalive();
    let is_file = endpoint.file_root().is_some();
    call.is_file = is_file;
    let disguise =
        request.enter_location(location.loc_conf(), upstream.method.unwrap_or(endpoint.method()), &upstream.uri);
    call.disguise = Some(disguise);
    context.set_stage(Stage::Calling(call));
    if is_file { request.run_content_phase(&upstream.uri) } else { request.run_content_handler() }
}

/// Makes the call in a request of its own beside the client's, which waits for it.
pub(crate) fn start_beside(
    request: Request,
    context: &'static Context,
    endpoint: usize,
    upstream: UpstreamRequest,
    pending: Box<Pending>,
) -> Status {
    if context.batch().is_none() {
        let Some(wake) = Wake::new(request, advance) else { return Status::INTERNAL_SERVER_ERROR };
        context.set_batch(Batch { next: None.into(), wake });
        request.hold();
    }
    let started = ngx::start_subrequest(request, |beside| {
        let own = Context::create(beside, context.location)?;
        let caller = Caller::new(beside, context.location, &pending);
        if pending.upstream().is_some() {
            beside.at_end(given_up);
        }
        own.keep_upstream(beside, endpoint, upstream).then(|| {
            own.set_stage(Stage::Calling(Call::new(caller, endpoint, pending)));
        })
    });
    if started.is_some() { Status::DONE } else { Status::INTERNAL_SERVER_ERROR }
}

/// A call beside the client's request is over: its outcome waits for the request to be woken.
pub(crate) fn finished_beside(beside: Request, mut call: Box<Call>, status: Status) {
    let Some(context) = Context::of(beside.main()) else { return };
    let Some(batch) = context.batch() else { return };
    call.undisguise(beside);
    let failed = match u16::try_from(status.0) {
        _ if call.body.len() > context.location.max_result_size => {
            Some(UpstreamFailure::TooLarge(context.location.max_result_size as u64))
        }
        Ok(status) if status >= 300 => Some(failure(status)),
        _ if !call.complete => Some(UpstreamFailure::Truncated),
        _ => None,
    };
    batch.next.replace(call.resume(beside.main(), context, failed).map(|(step, _)| step));
    batch.wake.post();
}

/// Something that may have been for the call was missed.
pub(crate) fn miss(request: Request) {
    pause::give_up(request);
    held::miss(request);
}

/// Something is for calls, perhaps for this one.
pub(crate) fn hear(request: Request, delivery: &Delivery) {
    let Some(context) = Context::of(request) else { return };
    if matches!(*context.stage_mut(), Stage::Pausing(_)) {
        return pause::hear(request, delivery);
    }
    let mut stage = context.stage_mut();
    let call = match &mut *stage {
        Stage::Calling(call) => call,
        Stage::Holding(holding) => return holding.hear(context, delivery),
        _ => return,
    };
    if call.pending.as_ref().is_some_and(|pending| pending.is_cancelled_by(delivery)) {
        call.is_cancelled = true;
        // Not now: others hear of it, too.
        Wake::new(request, close).iter().for_each(Wake::post);
    }
    if call.pending.as_mut().is_some_and(|pending| pending.hear(delivery)) {
        call.reply(request, context);
    }
}

/// The answer is there, and what else the upstream may send is not waited for.
pub(crate) fn conclude_soon(request: Request) -> Status {
    match Wake::new(request, close) {
        Some(wake) => {
            wake.post();
            Status::OK
        }
        None => Status::ERROR,
    }
}

/// Nothing more is to come of the call: its upstream is closed.
fn close(request: Request) {
    if !request.close_upstream() {
        return;
    }
    let status = if request.is_main() { filter::closed(request) } else { Status::OK };
    request.finalize(status);
}

/// Goes on with a batch.
fn advance(request: Request) {
    let Some(context) = Context::of(request) else { return };
    let Some(step) = context.batch().and_then(|batch| batch.next.take()) else { return };
    let status = proceed(request, context, step, true);
    if status != Status::DONE {
        request.finalize(status);
    }
}
