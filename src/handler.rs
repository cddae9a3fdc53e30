//! The way of a request: read before the limits, answered after them.
//!
//! The body is read in the rewrite phase, so that `limit_req`, `auth_request`, `map` and logs can go by what is in it.

use mcp::http::{Headers, HttpRequest, Transport};
use mcp::{Exchange, Publication, SessionState, Step};

use crate::call;
use crate::context::{Context, Stage, location_of};
use crate::front::{self, Fronts};
use crate::ngx::{self, Admission, Request, Status};
use crate::{listening, nchan, pause, reply, resumable, secret, sse, websocket};

/// The first phase: what was admitted before does what it is for.
pub(crate) fn post_read(request: Request) -> Status {
    let Some(begin) = request.take_begin() else { return Status::DECLINED };
    request.finalize(begin(request));
    Status::DONE
}

/// Rewrite phase: reads the body, once.
pub(crate) fn rewrite(request: Request) -> Status {
    let Some(location) = location_of(request).filter(|_| request.is_main()) else { return Status::DECLINED };
    if Context::of(request).is_some() {
        return Status::DECLINED;
    }
    let Some(context) = Context::create(request, location) else { return Status::INTERNAL_SERVER_ERROR };
    let status = request.read_body(ngx::body_ready);
    if status.is_refusal() {
        return status;
    }
    if status == Status::AGAIN {
        context.reader.set(request.read_event_handler());
        request.set_read_event_handler(Some(ngx::body_event));
    }
    request.finalize(Status::DONE);
    Status::DONE
}

/// More of the body has come, or has not come in time: nginx would only close the connection then.
pub(crate) fn body_event(request: Request) {
    let Some(context) = Context::of(request) else { return };
    if request.read_timed_out() {
        request.forbid_keepalive();
        let reply = context.location.server.refuse_unread(Headers(&request.headers()), 408);
        request.finalize(reply::send(request, context, reply));
    } else {
        ngx::run_reader(context.reader.get(), request);
    }
}

/// What becomes of a request that was read.
pub(crate) enum Judged {
    /// Limits and access rules are next.
    GoesOn,
    /// It is judged later.
    Waits,
    /// It is finished with this.
    Ends(Status),
}

impl Judged {
    /// Lets it become that.
    pub(crate) fn carry_out(self, request: Request) {
        match self {
            Judged::GoesOn => request.resume_phases(),
            Judged::Waits => {}
            Judged::Ends(status) => request.finalize(status),
        }
    }
}

/// The body is complete: judges the request, at once or later.
pub(crate) fn body_ready(request: Request) -> Judged {
    match Context::of(request) {
        None => Judged::Ends(Status::INTERNAL_SERVER_ERROR),
        Some(context) if !front::receives(request, context) => Judged::Waits,
        Some(context) => judge(request, context),
    }
}

/// Judges a request.
pub(crate) fn judge(request: Request, context: &'static Context) -> Judged {
    let spilled;
    let body = match request.body_in_one_piece() {
        Some(body) => body,
        None => match request.body() {
            Ok(body) => {
                spilled = body;
                &spilled
            }
            Err(error) => {
                request.log().write(ngx::Level::Error, format_args!("reading the request's body failed: {error}"));
                return Judged::Ends(Status::INTERNAL_SERVER_ERROR);
            }
        },
    };
    let mut lines = request.headers();
    let transport = match request.outlet() {
        Some(outlet) => outlet.transport(),
        None if websocket::is_wanted(request, Headers(&lines)) => Transport::Upgrade,
        None => match sse::session_of(request, Headers(&lines)) {
            Some(session) => {
                lines.push((b"mcp-session-id", session));
                Transport::Post
            }
            None => Transport::StreamableHttp,
        },
    };
    let headers = Headers(&lines);
    let location = context.location;
    let now = request.now();
    let hosts = location.server_names.of(request);
    let session_state = headers.get("mcp-session-id").and_then(|session| location.session_state(session, now));
    let offering = location.fronts.as_ref().map(Fronts::offering);
    let offering = offering.as_ref();
    let (method, target) = (request.method(), request.target());
    let http = HttpRequest { transport, target, method, headers, body, hosts, session_state, offering, now };
    context.receive(location.server.receive(&http, &secret::nonce));
    sse::forward(request, context, body)
}

/// Content phase: the request has passed its limits and access rules.
pub(crate) fn content(request: Request) -> Status {
    let Some(context) = Context::of(request) else { return Status::INTERNAL_SERVER_ERROR };
    match context.take_stage() {
        Stage::Received(mut exchange) => {
            if let Some(refusal) = exchange.set_principal(&context.location.principal(request)) {
                request.outlet().iter().for_each(|outlet| outlet.refuse(request, &refusal));
                return reply::send(request, context, refusal);
            }
            if let Some(link) = context.location.link() {
                exchange.set_holder(link.holder(&context.location.server));
            }
            match request.outlet().map_or(Admission::Now, |outlet| outlet.admit(request)) {
                Admission::Now => admitted(request, context, exchange),
                Admission::Later => {
                    request.hold();
                    context.set_stage(Stage::Received(exchange));
                    Status::DONE
                }
                Admission::Never => Status::CLIENT_CLOSED_REQUEST,
            }
        }
        _ => Status::INTERNAL_SERVER_ERROR,
    }
}

/// Goes on with a request that was admitted to do so later.
pub(crate) fn go_on(request: Request) {
    let Some(context) = Context::of(request) else { return };
    if let Stage::Received(exchange) = context.take_stage() {
        request.finalize(admitted(request, context, exchange));
    }
}

fn admitted(request: Request, context: &'static Context, mut exchange: Box<Exchange>) -> Status {
    if exchange.wants_catalog() {
        exchange.set_catalog(context.location.directories.catalog(context.location));
    }
    begin(request, context, exchange)
}

/// Does what is asked for.
pub(crate) fn begin(request: Request, context: &'static Context, exchange: Box<Exchange>) -> Status {
    let exchange = match front::admit(request, context, exchange) {
        Ok(exchange) => exchange,
        Err(status) => return status,
    };
    let beside = exchange.is_batch();
    let step = exchange
        .start(&context.location.server, &mut |endpoint, index| context.operator_value(request, endpoint, index));
    proceed(request, context, step, beside)
}

/// Runs a request of ours beside another one.
pub(crate) fn run_beside(request: Request) -> Status {
    match Context::of(request) {
        Some(context) if matches!(*context.stage_mut(), Stage::Channel(_)) => nchan::run(request, context),
        Some(context) if matches!(*context.stage_mut(), Stage::Fronting(_)) => front::run(request, context),
        _ => call::run(request),
    }
}

/// A request beside another one is over.
pub(crate) fn finished_beside(request: Request, status: Status) {
    let Some(context) = Context::of(request) else { return };
    match context.take_stage() {
        Stage::Channel(channel) => nchan::finished(context, *channel, status),
        Stage::Calling(call) => call::finished_beside(request, call, status),
        Stage::Fronting(message) => front::finished(request, context, *message, status),
        _ => {}
    }
}

/// Does what the core says. Calls of a batch run beside the request, one after another; a single call is the request.
pub(crate) fn proceed(request: Request, context: &'static Context, step: Step, beside: bool) -> Status {
    match step {
        Step::Reply(reply) => reply::send(request, context, reply),
        Step::KeepSession { session, state, until, reply } => {
            let location = context.location;
            location.session_states.insert(session.as_bytes(), state, until, request.now());
            if let (SessionState::Ended, Some(bus)) = (state, &location.bus) {
                let end = Publication::end_of_session(&session);
                end.topic.session().into_iter().for_each(|session| bus.forget(session));
                bus.end_session(location, &end);
            }
            reply::send(request, context, reply)
        }
        Step::Subscribe { session, uri, wanted, until, publication, reply, refusal } => {
            let Some(bus) = &context.location.bus else { return Status::INTERNAL_SERVER_ERROR };
            if !bus.subscribe(&session, &uri, wanted, until) {
                return reply::send(request, context, refusal);
            }
            bus.publish(context.location, &publication, |_| {});
            reply::send(request, context, reply)
        }
        Step::Publish { publications, then } => {
            if let Some(bus) = &context.location.bus {
                publications.iter().for_each(|publication| bus.publish(context.location, publication, |_| {}));
            }
            proceed(request, context, *then, beside)
        }
        Step::Follow(following) => pause::follow(request, context, following),
        Step::Listen { reply, listener } => listening::start(request, context, reply, listener, None),
        Step::Upgrade => websocket::open(request, context),
        Step::Cancel { request: id, reply } => {
            request.outlet().iter().for_each(|outlet| outlet.cancel(&id));
            reply::send(request, context, reply)
        }
        // They come of a call's answer alone, see `pause`.
        Step::Ask { .. } | Step::Wait { .. } | Step::Renew { .. } => Status::INTERNAL_SERVER_ERROR,
        Step::Call { endpoint, request: upstream, pending } if beside => {
            call::start_beside(request, context, endpoint, upstream, pending)
        }
        Step::Call { endpoint, request: upstream, pending } => {
            resumable::start(request, context, endpoint, upstream, pending)
        }
    }
}
