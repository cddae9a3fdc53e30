//! `mcp_publish`: backends say what clients are to hear.

use std::cell::Cell;
use std::rc::Rc;

use mcp::PublishRequest;
use mcp::http::{Headers, HttpReply};

use crate::conf::{Location, LocationConf};
use crate::context::{Context, Stage};
use crate::ngx::{self, Request, Status, Wake};
use crate::reply;

/// A backend's request while what it brought is published.
pub(crate) struct Publishing {
    messages: usize,
    listening: usize,
    left: Cell<usize>,
    failed: Cell<bool>,
    wake: Wake,
}

/// Content phase.
pub(crate) fn content(request: Request) -> Status {
    let conf = request.loc_conf::<LocationConf>(ngx::mcp_module());
    let Some(location) = conf.and_then(LocationConf::publishes_to) else { return Status::INTERNAL_SERVER_ERROR };
    if Context::create(request, location).is_none() {
        return Status::INTERNAL_SERVER_ERROR;
    }
    let status = request.read_body(ngx::publish_ready);
    if status.is_refusal() { status } else { Status::DONE }
}

/// The body is complete. Gives what the request is finished with; none while something is being published.
pub(crate) fn body_ready(request: Request) -> Option<Status> {
    let Some(context) = Context::of(request) else { return Some(Status::INTERNAL_SERVER_ERROR) };
    match publish(request, context) {
        Ok(()) => None,
        Err(reply) => Some(reply::send(request, context, reply)),
    }
}

#[expect(clippy::result_large_err, reason = "a reply is one of the two things that are wanted of it")]
fn publish(request: Request, context: &'static Context) -> Result<(), HttpReply> {
    let location: &'static Location = context.location;
    let server = &location.server;
    let lines = request.headers();
    let failure = |status| server.refuse_unread(Headers(&[]), status);
    let body = request.body().map_err(|error| {
        request.log().write(ngx::Level::Error, format_args!("reading the request's body failed: {error}"));
        failure(500)
    })?;
    let now = request.now();
    let session = request.argument(b"session");
    let session_state = session.as_ref().and_then(|session| location.session_state(session.as_bytes(), now));
    let publications = server.publish(&PublishRequest {
        method: request.method(),
        content_type: Headers(&lines).get("content-type"),
        session: session.as_deref(),
        body: &body,
        now,
        session_state,
    })?;
    let bus = location.bus.as_ref().ok_or_else(|| failure(503))?;
    let wake = Wake::new(request, finish).ok_or_else(|| failure(500))?;
    let messages = publications.len();
    let listening = bus.listening(publications.iter().map(|publication| publication.topic.clone()));
    let (left, failed) = (Cell::new(messages), Cell::new(false));
    let publishing = Rc::new(Publishing { messages, listening, left, failed, wake });
    // The backend may leave before other machines are told.
    let waiting = Rc::downgrade(&publishing);
    // The body's reader has left the request to us: `finish` gives it up.
    request.watch();
    context.set_stage(Stage::Publishing(publishing));
    for publication in publications {
        let waiting = waiting.clone();
        bus.publish(location, &publication, move |succeeded| {
            let Some(publishing) = waiting.upgrade() else { return };
            publishing.failed.set(publishing.failed.get() || !succeeded);
            publishing.left.set(publishing.left.get().saturating_sub(1));
            if publishing.left.get() == 0 {
                publishing.wake.post();
            }
        });
    }
    Ok(())
}

/// All is published, or is known not to be.
fn finish(request: Request) {
    let Some(context) = Context::of(request) else { return };
    let Stage::Publishing(publishing) = context.take_stage() else { return };
    let server = &context.location.server;
    let reply = match publishing.failed.get() {
        true => server.refuse_unread(Headers(&[]), 503),
        false => server.published(publishing.messages, publishing.listening),
    };
    request.finalize(reply::send(request, context, reply));
}
