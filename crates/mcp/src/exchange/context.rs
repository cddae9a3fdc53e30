//! What all replies of an exchange have in common, and the replies that need no upstream.

use std::sync::Arc;

use super::{Pending, Step};
use crate::error::Error;
use crate::facts::Facts;
use crate::failure::Failed;
use crate::front::Following;
use crate::headers::EVENT_STREAM;
use crate::http::{Body, Evaluate, HttpReply, Outcome};
use crate::input::Retry;
use crate::jsonrpc::{begin_result, write_error};
use crate::methods::tools::{write_structured, write_tool_error};
use crate::methods::{Operation, Performed};
use crate::origin;
use crate::record::Record;
use crate::server::Server;
use crate::stream::{Hearing, write_event};
use crate::tool::{Endpoint, Unsent};
use crate::{Offering, ProtocolVersion};

/// What they go by.
#[derive(Debug)]
pub(crate) struct Context {
    /// The revision whose rules the reply follows.
    pub(crate) version: ProtocolVersion,
    /// The web origin that may read the reply.
    pub(crate) origin: Option<String>,
    /// The HTTP methods that mean something here.
    pub(crate) methods: &'static str,
    pub(crate) hearing: Hearing,
    /// When the request came, in seconds since the epoch.
    pub(crate) now: u64,
    /// Who the client is, as far as the host knows.
    pub(crate) principal: String,
    /// What the ids of requests to the client are made of; none if its answers cannot be heard.
    pub(crate) asking: Option<[u8; 16]>,
    /// What is known of the servers behind this one.
    pub(crate) offering: Option<Arc<Offering>>,
    /// The client would rather have a stream than a single message.
    pub(crate) prefers_events: bool,
}

impl Context {
    pub(crate) const fn new(version: ProtocolVersion, origin: Option<String>, methods: &'static str) -> Context {
        Context {
            version,
            origin,
            methods,
            hearing: Hearing::NOTHING,
            now: 0,
            principal: String::new(),
            asking: None,
            offering: None,
            prefers_events: false,
        }
    }

    /// A reply of one message, or an array of them: a stream with one event for a client who would rather have that. What HTTP
    /// itself calls an error is no stream.
    pub(crate) fn message(&self, status: u16, body: Body, outcome: Outcome) -> HttpReply {
        if !self.prefers_events || status != 200 {
            return self.reply(status, body, outcome);
        }
        let mut events = Vec::new();
        write_event(&mut events, |out| match &body {
            Body::Empty => {}
            Body::Bytes(message) => out.extend_from_slice(message),
            Body::Page { head, page } => {
                out.extend_from_slice(head);
                out.extend_from_slice(page);
            }
        });
        HttpReply { outcome, ..self.stream(events) }
    }

    /// A reply with what browsers need to know.
    pub(crate) fn reply(&self, status: u16, body: Body, outcome: Outcome) -> HttpReply {
        let content_type = (body != Body::Empty).then_some("application/json");
        let mut headers = Vec::new();
        if let Some(origin) = &self.origin {
            origin::expose(origin, &mut headers);
        }
        HttpReply { status, content_type, headers, body, outcome, notes: Vec::new(), records: Vec::new() }
    }

    /// A reply that has nothing to say.
    pub(super) fn empty_result(&self, server: &Server, id: &str) -> HttpReply {
        let mut head = Vec::with_capacity(64);
        begin_result(id, &mut head);
        self.message(200, Body::Page { head, page: server.empty_result().clone() }, Outcome::Ok)
    }

    /// The reply with a result whose larger part is shared.
    pub(super) fn page(&self, id: &str, opening: &str, page: Arc<[u8]>) -> HttpReply {
        let mut head = Vec::with_capacity(id.len() + 40 + opening.len());
        begin_result(id, &mut head);
        head.extend_from_slice(opening.as_bytes());
        self.message(200, Body::Page { head, page }, Outcome::Ok)
    }

    /// The beginning of a stream.
    pub(crate) fn stream(&self, events: Vec<u8>) -> HttpReply {
        let body = if events.is_empty() { Body::Empty } else { Body::Bytes(events) };
        let mut reply = self.reply(200, body, Outcome::Ok);
        reply.content_type = Some(EVENT_STREAM);
        // For proxies on the way, each in the language that it knows: pass it on at once, keep it nowhere.
        reply.headers.push(("X-Accel-Buffering", "no".to_owned()));
        reply.headers.push(("Cache-Control", "no-store, no-transform".to_owned()));
        reply
    }

    /// The reply to a request that gets no result.
    pub(crate) fn error(&self, id: Option<&str>, error: &Error) -> HttpReply {
        let wire = error.wire(self.version, id.is_some());
        let mut out = Vec::with_capacity(256);
        write_error(id, self.version, &wire, &mut out);
        let mut reply = self.message(wire.status, Body::Bytes(out), Outcome::ProtocolError { code: wire.code });
        if matches!(error, Error::MethodNotAllowed | Error::Refused(405)) {
            reply.headers.push(("Allow", self.methods.to_owned()));
        }
        reply
    }

    /// The message of such a reply.
    pub(super) fn written(&self, id: Option<&str>, error: &Error) -> Vec<u8> {
        let mut out = Vec::new();
        write_error(id, self.version, &error.wire(self.version, id.is_some()), &mut out);
        out
    }

    /// Answers one request.
    pub(super) fn answer(
        self,
        server: &Server,
        facts: Arc<Facts>,
        operation: Operation,
        evaluate: &mut Evaluate<'_>,
    ) -> Step {
        let begins_session = matches!(operation, Operation::Initialize);
        let recorded = operation.recorded_tool(server);
        let performed = match (Retry::of(server, &self, &facts), operation) {
            (Ok(Retry { held: Some(place), responses, .. }), Operation::Forward(forward)) => {
                let endpoint = forward.site(server);
                return Step::Follow(Following::new(self, facts, endpoint, place, responses));
            }
            (Ok(Retry { held: Some(_), .. }), _) => {
                Performed::Error(Error::InvalidParams("\"requestState\" was given for something else".into()).into())
            }
            (Ok(retry), operation) => operation.perform(server, &self, &facts, retry, evaluate),
            (Err(error), _) => Performed::Error(error.into()),
        };
        let id = match (facts.request_id(), performed) {
            (Some(_), Performed::Call { endpoint, request, errand }) => {
                let mut pending = Pending::new(self, facts, endpoint);
                pending.errand = errand;
                pending.is_recorded = recorded.is_some();
                let begins_jobs = server.endpoint(endpoint).is_some_and(Endpoint::begins_jobs);
                pending.uri = begins_jobs.then(|| request.uri.as_str().into());
                return Step::call(endpoint, request, pending);
            }
            (Some(_), Performed::Forward { endpoint, request, forward }) => {
                return Pending::new(self, facts, endpoint).forward(endpoint, request, forward);
            }
            (Some(id), Performed::Result(opening, page)) => {
                let mut reply = self.page(id, opening, page);
                let session = facts.session().filter(|_| begins_session);
                reply.headers.extend(session.map(|session| ("Mcp-Session-Id", session.to_owned())));
                return Step::Reply(reply);
            }
            (Some(id), Performed::Merged { opening, page }) => return Step::Reply(self.page(id, &opening, page)),
            (Some(id), Performed::Made(result)) => {
                let mut out = Vec::with_capacity(id.len() + result.len() + 64);
                begin_result(id, &mut out);
                out.extend_from_slice(&result);
                out.push(b'}');
                return Step::Reply(self.message(200, Body::Bytes(out), Outcome::Ok));
            }
            (Some(id), Performed::Structured { json, text }) => {
                let mut out = Vec::with_capacity(json.len() * 2 + json.len() / 4 + 512);
                write_structured(server, self.version, id, (&json, text.as_deref()), &mut out);
                return Step::Reply(self.message(200, Body::Bytes(out), Outcome::Ok));
            }
            (Some(id), Performed::ToolError(Unsent { text, note })) => {
                let mut out = Vec::with_capacity(text.len() + 512);
                write_tool_error(server, self.version, id, &text, &mut out);
                let record = recorded.map(|tool| Record::answered(tool, &self, &facts, &out));
                let mut reply = self.message(200, Body::Bytes(out), Outcome::ToolError);
                reply.notes.extend(note);
                reply.records.extend(record);
                return Step::Reply(reply);
            }
            (id, Performed::Error(Failed { error, note })) => {
                let mut reply = self.error(id, &error);
                reply.notes.extend(note);
                let record = |tool| Record::answered(tool, &self, &facts, &self.written(id, &error));
                reply.records.extend(recorded.map(record));
                return Step::Reply(reply);
            }
            (None, _) => None,
        };
        // Whatever has no id is refused while it is read.
        Step::Reply(self.error(id, &Error::InvalidRequest("\"id\" is missing".into())))
    }
}
