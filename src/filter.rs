//! The filters: what an upstream answers is collected, and nginx's own error pages become what an MCP client can read.

use mcp::Endpoint;
use mcp::http::{Headers, HttpReply, UpstreamFailure};

use crate::call::{Call, failure};
use crate::conf::Location;
use crate::context::{Context, Stage, location_of};
use crate::ngx::{self, Chain, Request, Status, Wake};
use crate::{call, front, held, nchan, pause, reply};

/// What becomes of a chain.
pub(crate) enum Pass {
    /// It goes on to the next filter.
    Chain,
    /// It ends here, with this status.
    Nothing(Status),
}

/// Header filter.
pub(crate) fn header(request: Request) -> Status {
    let Some(context) = Context::of(request) else { return early_refusal(request) };
    match context.take_stage() {
        Stage::Done => ngx::next_header_filter(request),
        Stage::Channel(channel) => nchan::header(request, context, channel),
        Stage::Fronting(message) => front::header(request, context, message),
        Stage::Calling(mut call) => match request.take_refusal() {
            Some(status) => {
                call.undisguise(request);
                call.restore_keepalive(request);
                settle(request, context, call, Some(failure(status)))
            }
            None => {
                let limit = context.location.max_result_size;
                let length = request.headers_out().content_length().unwrap_or(0);
                let begins_jobs = context.endpoint().is_some_and(Endpoint::begins_jobs);
                call.begin(request, limit, begins_jobs);
                if call.is_file && length > limit {
                    return refuse_file(request, context, call);
                }
                context.set_stage(Stage::Calling(call));
                Status::OK
            }
        },
        stage => match request.refusal().filter(|status| *status >= 400) {
            Some(status) => {
                let server = &context.location.server;
                let refusal = match &stage {
                    Stage::Received(exchange) => server.refuse(exchange, status),
                    _ => server.refuse_unread(Headers(&request.headers()), status),
                };
                refuse(request, context, refusal)
            }
            None => {
                context.set_stage(stage);
                ngx::next_header_filter(request)
            }
        },
    }
}

/// Body filter.
pub(crate) fn body(request: Request, chain: Chain) -> Pass {
    let Some(context) = Context::of(request) else { return Pass::Chain };
    if context.is_done() {
        if chain.is_empty() {
            return Pass::Chain;
        }
        chain.discard();
        return Pass::Nothing(Status::OK);
    }
    match context.take_stage() {
        Stage::Channel(channel) => Pass::Nothing(nchan::body(context, channel, chain)),
        Stage::Fronting(message) => Pass::Nothing(front::body(request, context, message, chain)),
        Stage::Calling(call) if call.has_begun() => Pass::Nothing(collect(request, context, call, chain)),
        Stage::Holding(holding) if !chain.is_empty() => Pass::Nothing(held::body(request, context, holding, chain)),
        stage => {
            context.set_stage(stage);
            Pass::Chain
        }
    }
}

/// Takes what has come of an upstream's answer, and replies when it is whole or can no longer become so.
fn collect(request: Request, context: &'static Context, mut call: Box<Call>, chain: Chain) -> Status {
    let limit = context.location.max_result_size;
    if call.in_events {
        return relay(request, context, call, chain);
    }
    let taken = chain.take(&mut call.body, limit);
    if !request.is_main() {
        if taken.over_limit {
            call.body.resize(limit + 1, 0);
        }
        call.complete |= taken.last_in_chain;
        context.set_stage(Stage::Calling(call));
        return if taken.over_limit { stop_soon(request) } else { Status::OK };
    }
    if taken.over_limit {
        let status = settle(request, context, call, Some(UpstreamFailure::TooLarge(limit as u64)));
        return if status == Status::ERROR { status } else { stop_soon(request) };
    }
    if call.has_failed() {
        call.restore_keepalive(request);
    }
    if taken.last_buf || call.has_failed() {
        return settle(request, context, call, None);
    }
    context.set_stage(Stage::Calling(call));
    Status::OK
}

/// A file is larger than what is taken: nothing of it is read, as that could take long.
fn refuse_file(request: Request, context: &'static Context, mut call: Box<Call>) -> Status {
    let limit = context.location.max_result_size;
    let status = match request.is_main() {
        true => settle(request, context, call, Some(UpstreamFailure::TooLarge(limit as u64))),
        false => {
            call.body.resize(limit + 1, 0);
            context.set_stage(Stage::Calling(call));
            Status::OK
        }
    };
    request.skip_body();
    status
}

/// The same for an answer that comes event by event.
fn relay(request: Request, context: &'static Context, mut call: Box<Call>, chain: Chain) -> Status {
    let Some(taken) = call.relay(request, context, chain) else { return Status::ERROR };
    call.complete |= taken.last_in_chain;
    if call.is_concluded() && !taken.last_buf && !call.has_failed() {
        call.complete = true;
        context.set_stage(Stage::Calling(call));
        return if request.is_main() { call::conclude_soon(request) } else { stop_soon(request) };
    }
    let too_large = call.failure().filter(|_| !call.has_failed());
    if too_large.is_some() || taken.last_buf || call.has_failed() {
        if !request.is_main() {
            context.set_stage(Stage::Calling(call));
            return stop_soon(request);
        }
        if call.has_failed() {
            call.restore_keepalive(request);
        }
        let status = settle(request, context, call, too_large);
        return if too_large.is_none() || status == Status::ERROR { status } else { stop_soon(request) };
    }
    if call.wants_to_be_held() {
        return held::begin(request, context, call);
    }
    context.set_stage(Stage::Calling(call));
    Status::OK
}

/// Stops an upstream that sends more than is wanted, once nginx's code for it has returned. An error would do it at once,
/// and close the client's connection as well.
pub(crate) fn stop_soon(request: Request) -> Status {
    let stop = |request: Request| {
        if request.close_upstream() {
            request.finalize(Status::OK);
        }
    };
    match Wake::new(request, stop) {
        Some(wake) => {
            wake.post();
            Status::OK
        }
        None => Status::ERROR,
    }
}

/// nginx is done with the upstream, whose header has come.
///
/// After most failures a flush follows in place of the body's end, and the reply with it. After `ERROR` nginx closes the
/// client's connection next, so the reply goes out here.
pub(crate) fn upstream_finished(request: Request, status: Status) {
    let Some(context) = Context::of(request) else { return };
    match context.take_stage() {
        Stage::Calling(mut call) => {
            call.end(request, status);
            if status == Status::ERROR && request.is_main() {
                request.forbid_keepalive();
                settle(request, context, call, Some(UpstreamFailure::Truncated));
            } else {
                context.set_stage(Stage::Calling(call));
            }
        }
        Stage::Fronting(message) => front::upstream_finished(request, context, message, status),
        Stage::Holding(holding) => held::upstream_finished(context, holding, status),
        stage => context.set_stage(stage),
    }
}

/// A call was given up, as its client wants or since its answer is there: what there is to say.
pub(crate) fn closed(request: Request) -> Status {
    let Some(context) = Context::of(request) else { return Status::ERROR };
    match context.take_stage() {
        Stage::Calling(mut call) => {
            call.undisguise(request);
            call.restore_keepalive(request);
            settle(request, context, call, None)
        }
        stage => {
            context.set_stage(stage);
            Status::DONE
        }
    }
}

/// The upstream is done with: replies to the client in place of whatever the upstream or nginx wanted to send, or goes on.
fn settle(request: Request, context: &'static Context, call: Box<Call>, failure: Option<UpstreamFailure>) -> Status {
    match call.resume(request, context, failure) {
        Some((step, caller)) => pause::proceed(request, context, caller, step),
        None => Status::ERROR,
    }
}

/// nginx, or a module of its, has refused the request: the reply says so in JSON-RPC, beside the header lines that the
/// refusal has set (`WWW-Authenticate`, `Retry-After`).
fn refuse(request: Request, context: &'static Context, refusal: HttpReply) -> Status {
    request.take_refusal();
    request.outlet().iter().for_each(|outlet| outlet.refuse(request, &refusal));
    reply::send(request, context, refusal)
}

/// The request was refused before it came to our handlers: its header was too large or malformed, or its body is larger
/// than `client_max_body_size`.
fn early_refusal(request: Request) -> Status {
    let refused = request.refusal().filter(|status| *status >= 400 && request.is_main());
    let location = refused.and_then(|_| match request.is_outside_locations() {
        true => location_by_path(request),
        false => location_of(request),
    });
    match (refused, location) {
        (Some(status), Some(location)) => match Context::create(request, location) {
            Some(context) => {
                refuse(request, context, location.server.refuse_unread(Headers(&request.headers()), status))
            }
            None => Status::ERROR,
        },
        _ => ngx::next_header_filter(request),
    }
}

fn location_by_path(request: Request) -> Option<&'static Location> {
    let main = request.main_conf::<crate::conf::MainConf>(ngx::mcp_module())?;
    let answering = main.served.iter().filter(|(served, _)| served.answers(request));
    answering.max_by_key(|(served, _)| served.rank()).map(|(_, location)| location.as_ref())
}
