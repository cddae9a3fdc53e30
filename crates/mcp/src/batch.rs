//! Several messages in one body: 2025-03-26 alone has that.

use std::sync::Arc;
use std::vec;

use crate::error::Error;
use crate::exchange::{Context, Pending, Step};
use crate::facts::Facts;
use crate::failure::Failed;
use crate::front::Forward;
use crate::http::{Body, Evaluate, HttpReply, Outcome, UpstreamRequest};
use crate::input::Retry;
use crate::jsonrpc::{begin_result, write_error};
use crate::methods::tools::{write_structured, write_tool_error};
use crate::methods::{Performed, Request, write_answer};
use crate::record::Record;
use crate::server::{Callee, Server};
use crate::stream::Stream;
use crate::task::begun;
use crate::tool::{Answer, Unsent};

/// Bytes of replies after which the rest of a batch is refused: each result has its limit, their sum needs one too.
const MAX_REPLIES: usize = 32 << 20;

/// Why an answer cannot be made a result of in a batch.
fn unsuited(server: &Server, endpoint: usize, answer: Answer<'_>) -> Option<String> {
    if let Some(question) = server.endpoint(endpoint).and_then(|endpoint| endpoint.question(answer)) {
        return Some(question.in_words("nobody can be asked in a batch: send this by itself"));
    }
    let has_begun = server.tools().get(endpoint).is_some_and(|tool| begun(tool, answer).is_some());
    has_begun.then(|| "a job has begun, which is not followed in a batch: call the tool by itself".to_owned())
}

/// A request of a batch that an upstream answers.
struct Asked {
    endpoint: usize,
    request: UpstreamRequest,
    forward: Option<Box<Forward>>,
}

/// A batch on its way: its requests are answered one after the other, in their order.
#[derive(Debug)]
pub(crate) struct Batch {
    rest: vec::IntoIter<Request>,
    /// The replies so far, as an array that is still open.
    replies: Vec<u8>,
    /// The first that was not fine.
    outcome: Outcome,
    /// For the error log.
    notes: Vec<String>,
    /// For those who watch tools.
    pub(crate) records: Vec<Record>,
}

impl Batch {
    pub(crate) fn new(requests: Vec<Request>) -> Self {
        Batch {
            rest: requests.into_iter(),
            replies: vec![b'['],
            outcome: Outcome::Ok,
            notes: Vec::new(),
            records: Vec::new(),
        }
    }

    /// Answers requests up to the next one that needs an upstream.
    pub(crate) fn run(mut self, server: &Server, context: Context, evaluate: &mut Evaluate<'_>) -> Step {
        while let Some(request) = self.rest.next() {
            let recorded = request.operation.recorded_tool(server);
            let facts = Arc::clone(&request.facts);
            let start = self.replies.len();
            if let Some(Asked { endpoint, request, forward }) = self.answer(server, &context, request, evaluate) {
                let mut pending = Pending::new(context, facts, endpoint);
                pending.stream = Stream::default();
                pending.batch = Some(Box::new(self));
                pending.is_recorded = recorded.is_some();
                return match forward {
                    Some(forward) => pending.forward(endpoint, request, forward),
                    None => Step::call(endpoint, request, pending),
                };
            }
            self.record(recorded, &context, &facts, start);
        }
        let mut reply = match self.replies.len() {
            // All that it asked for was cancelled.
            1 => context.reply(202, Body::Empty, self.outcome),
            _ => {
                self.replies.push(b']');
                context.message(200, Body::Bytes(self.replies), self.outcome)
            }
        };
        reply.notes = self.notes;
        reply.records = self.records;
        Step::Reply(reply)
    }

    /// Takes the answer that the batch waits for, and goes on.
    pub(crate) fn resume(
        mut self,
        server: &Server,
        context: Context,
        (facts, recorded): (&Facts, Option<usize>),
        (endpoint, answer): (usize, Answer<'_>),
        evaluate: &mut Evaluate<'_>,
    ) -> Step {
        let start = self.replies.len();
        if let Some(text) = unsuited(server, endpoint, answer) {
            match server.callee(endpoint) {
                Callee::Tool(_) => {
                    self.separate();
                    let id = facts.request_id().unwrap_or_default();
                    write_tool_error(server, context.version, id, &text, &mut self.replies);
                    self.sum_up(Outcome::ToolError);
                }
                _ => self.error(&context, facts.request_id(), &Error::Backend(text)),
            }
            self.record(recorded, &context, facts, start);
            return self.run(server, context, evaluate);
        }
        self.separate();
        let (_, written) = write_answer(server, context.version, facts, endpoint, &answer, &mut self.replies);
        self.sum_up(written.outcome);
        self.notes.extend(written.note);
        self.record(recorded, &context, facts, start);
        self.run(server, context, evaluate)
    }

    /// The reply if the host refuses a batch. As for a single request, an error that travels with 200 is one for each.
    pub(crate) fn refused(requests: &[Request], error: &Error, context: &Context) -> HttpReply {
        let wire = error.wire(context.version, requests.iter().any(|request| request.facts.request_id().is_some()));
        if wire.status != 200 {
            return context.error(None, error);
        }
        let mut batch = Batch::new(Vec::new());
        for request in requests {
            batch.error(context, request.facts.request_id(), error);
        }
        batch.replies.push(b']');
        context.message(200, Body::Bytes(batch.replies), batch.outcome)
    }

    /// Answers one request, or says which upstream must be asked.
    fn answer(
        &mut self,
        server: &Server,
        context: &Context,
        request: Request,
        evaluate: &mut Evaluate<'_>,
    ) -> Option<Asked> {
        let Request { facts, operation } = request;
        let performed = if self.replies.len() > MAX_REPLIES {
            Performed::Error(
                Error::InvalidRequest("the batch's results are too large: send this one by itself".into()).into(),
            )
        } else {
            operation.perform(server, context, &facts, Retry::default(), evaluate)
        };
        let outcome = match (facts.request_id(), performed) {
            (Some(_), Performed::Call { endpoint, request, .. }) => {
                return Some(Asked { endpoint, request, forward: None });
            }
            (Some(_), Performed::Forward { endpoint, request, forward }) => {
                return Some(Asked { endpoint, request, forward: Some(forward) });
            }
            (Some(id), Performed::Result(opening, page)) => {
                self.separate();
                begin_result(id, &mut self.replies);
                self.replies.extend_from_slice(opening.as_bytes());
                self.replies.extend_from_slice(&page);
                Outcome::Ok
            }
            (Some(id), Performed::Merged { opening, page }) => {
                self.separate();
                begin_result(id, &mut self.replies);
                self.replies.extend_from_slice(opening.as_bytes());
                self.replies.extend_from_slice(&page);
                Outcome::Ok
            }
            (Some(id), Performed::Made(result)) => {
                self.separate();
                begin_result(id, &mut self.replies);
                self.replies.extend_from_slice(&result);
                self.replies.push(b'}');
                Outcome::Ok
            }
            (Some(id), Performed::Structured { json, text }) => {
                self.separate();
                write_structured(server, context.version, id, (&json, text.as_deref()), &mut self.replies);
                Outcome::Ok
            }
            (Some(id), Performed::ToolError(Unsent { text, note })) => {
                self.separate();
                self.notes.extend(note);
                write_tool_error(server, context.version, id, &text, &mut self.replies);
                Outcome::ToolError
            }
            (id, Performed::Error(Failed { error, note })) => {
                self.notes.extend(note);
                self.error(context, id, &error);
                return None;
            }
            (None, _) => return None,
        };
        self.sum_up(outcome);
        None
    }

    fn error(&mut self, context: &Context, id: Option<&str>, error: &Error) {
        self.separate();
        let wire = error.wire(context.version, id.is_some());
        write_error(id, context.version, &wire, &mut self.replies);
        self.sum_up(Outcome::ProtocolError { code: wire.code });
    }

    /// Keeps what is told of a call whose response begins at a place.
    fn record(&mut self, recorded: Option<usize>, context: &Context, facts: &Facts, start: usize) {
        let response = &self.replies[start..];
        let response = response.strip_prefix(b",").unwrap_or(response);
        self.records.extend(recorded.map(|tool| Record::answered(tool, context, facts, response)));
    }

    fn separate(&mut self) {
        if self.replies.len() > 1 {
            self.replies.push(b',');
        }
    }

    fn sum_up(&mut self, outcome: Outcome) {
        if self.outcome == Outcome::Ok {
            self.outcome = outcome;
        }
    }
}
