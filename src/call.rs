//! A tool's call: the request is sent to the tool's upstream, and what comes back is collected.
//!
//! The client's own request makes the call: it is moved into the tool's location, whose content handler is nginx's
//! proxy, and our filters keep what the upstream answers from going to the client. So everything that nginx does for a
//! proxied request, it does for a call: balancing, retries, time-outs, caching, closing the upstream when the client is
//! gone, `$upstream_*` variables in the client's access log.

use mcp::http::{UpstreamFailure, UpstreamRequest, UpstreamResponse};
use mcp::{Pending, Step};

use crate::context::{Batch, Context, Stage};
use crate::handler::proceed;
use crate::ngx::{self, Disguise, Request, Status, UpstreamFinalizer, Wake, run_finalizer};

/// What an upstream announces is believed up to this size, in bytes; beyond it the buffer grows with what comes.
const LARGEST_RESERVE: usize = 1 << 20;

/// A call under way.
pub(crate) struct Call {
    tool: usize,
    pending: Option<Pending>,
    disguise: Option<Disguise>,
    keepalive: bool,
    head: Option<Head>,
    failure: Option<UpstreamFailure>,
    finalizer: UpstreamFinalizer,
    ended: bool,
    pub(crate) body: Vec<u8>,
    pub(crate) complete: bool,
}

/// The header of the upstream's answer.
struct Head {
    status: u16,
    content_type: Option<Vec<u8>>,
    content_encoding: Option<Vec<u8>>,
}

impl Call {
    fn new(tool: usize, pending: Pending) -> Box<Call> {
        Box::new(Call {
            tool,
            pending: Some(pending),
            disguise: None,
            keepalive: true,
            head: None,
            failure: None,
            finalizer: None,
            ended: false,
            body: Vec::new(),
            complete: false,
        })
    }

    /// The upstream's header has come; its body follows.
    pub(crate) fn begin(&mut self, request: Request) {
        if !self.undisguise(request) {
            self.failure = Some(UpstreamFailure::Unreachable);
        }
        if !request.is_main() {
            request.stream_upstream();
        }
        self.finalizer = request.replace_upstream_finalizer(Some(ngx::upstream_finished));
        let out = request.headers_out();
        self.body.reserve(out.content_length().unwrap_or(0).min(LARGEST_RESERVE));
        self.head = Some(Head {
            status: out.status(),
            content_type: out.content_type().map(<[u8]>::to_vec),
            content_encoding: out.content_encoding().map(<[u8]>::to_vec),
        });
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

    /// Whether the upstream's header has come.
    pub(crate) fn has_begun(&self) -> bool {
        self.head.is_some()
    }

    /// Gives the client's method and URI back to the request; false when the upstream's answer is not HTTP.
    pub(crate) fn undisguise(&mut self, request: Request) -> bool {
        self.disguise.take().is_none_or(|disguise| request.undisguise(disguise))
    }

    /// Hands what was collected, or why it is not complete, to the core.
    pub(crate) fn resume(
        mut self: Box<Self>,
        request: Request,
        context: &Context,
        failure: Option<UpstreamFailure>,
    ) -> Option<Step> {
        let pending = self.pending.take()?;
        let answer = match (&self.head, failure.or(self.failure)) {
            (_, Some(failure)) => Err(failure),
            (Some(head), None) => Ok(UpstreamResponse {
                status: head.status,
                content_type: head.content_type.as_deref(),
                content_encoding: head.content_encoding.as_deref(),
                body: &self.body,
            }),
            (None, None) => Err(UpstreamFailure::Unreachable),
        };
        let mut evaluate = |tool, index| context.operator_value(request, tool, index);
        Some(pending.resume(&context.location.server, answer, &mut evaluate))
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
    tool: usize,
    upstream: UpstreamRequest,
    pending: Pending,
) -> Status {
    context.keep_upstream(tool, upstream);
    context.set_stage(Stage::Calling(Call::new(tool, pending)));
    run(request)
}

/// Moves a request whose stage is `Calling` into the tool's location and runs it there.
pub(crate) fn run(request: Request) -> Status {
    let Some(context) = Context::of(request) else { return Status::INTERNAL_SERVER_ERROR };
    let (Stage::Calling(mut call), Some(upstream)) = (context.take_stage(), context.upstream()) else {
        return Status::INTERNAL_SERVER_ERROR;
    };
    let server = &context.location.server;
    let (Some(location), Some(tool)) = (context.location.tools.get(call.tool), server.tools().get(call.tool)) else {
        return Status::INTERNAL_SERVER_ERROR;
    };
    call.keepalive = request.keepalive();
    call.disguise = Some(request.enter_location(location.loc_conf(), tool.method(), &upstream.uri));
    context.set_stage(Stage::Calling(call));
    request.run_content_handler()
}

/// Makes the call in a request of its own beside the client's, which waits for it.
pub(crate) fn start_beside(
    request: Request,
    context: &'static Context,
    tool: usize,
    upstream: UpstreamRequest,
    pending: Pending,
) -> Status {
    if context.batch().is_none() {
        let Some(wake) = Wake::new(request, advance) else { return Status::INTERNAL_SERVER_ERROR };
        context.set_batch(Batch { next: None.into(), wake });
        request.hold();
    }
    let started = ngx::start_subrequest(request, |beside| {
        let own = Context::create(beside, context.location)?;
        own.keep_upstream(tool, upstream);
        own.set_stage(Stage::Calling(Call::new(tool, pending)));
        Some(())
    });
    if started.is_some() { Status::DONE } else { Status::INTERNAL_SERVER_ERROR }
}

/// A call beside the client's request is over: its outcome waits for the request to be woken.
pub(crate) fn finished_beside(beside: Request, status: Status) {
    let (Some(own), Some(context)) = (Context::of(beside), Context::of(beside.main())) else { return };
    let (Stage::Calling(mut call), Some(batch)) = (own.take_stage(), context.batch()) else { return };
    call.undisguise(beside);
    let failed = match u16::try_from(status.0) {
        _ if call.body.len() > context.location.max_result_size => {
            Some(UpstreamFailure::TooLarge(context.location.max_result_size as u64))
        }
        Ok(status) if status >= 300 => Some(failure(status)),
        _ if !call.complete => Some(UpstreamFailure::Truncated),
        _ => None,
    };
    batch.next.replace(call.resume(beside.main(), context, failed));
    batch.wake.post();
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
