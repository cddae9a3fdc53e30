//! A backend's question on its way to the client.

use super::question::InputRequest;
use super::waiting::{Asked, ask_id};
use super::{Capabilities, Question, State, Waiting, seal_state};
use crate::ProtocolVersion;
use crate::error::Error;
use crate::exchange::{Pending, Step};
use crate::http::{Evaluate, Outcome};
use crate::jsonrpc::{begin_result, write_json};
use crate::methods::tools::write_tool_error;
use crate::server::{Callee, Server};
use crate::stream::write_event;
use crate::tool::Written;

/// How often one call may ask the client of a session. A stateless client counts for itself.
pub(crate) const MOST_ROUNDS: usize = 10;

impl Pending {
    /// Passes on what the upstream asks for; `out` is what is still to be sent before.
    pub(crate) fn ask(
        self: Box<Self>,
        server: &Server,
        question: &Question<'_>,
        out: Vec<u8>,
        evaluate: &mut Evaluate<'_>,
    ) -> Step {
        if !self.context.version.is_stateless() {
            return self.ask_in_session(server, question, out, evaluate);
        }
        let state = question.state.clone().map(State::Backends);
        self.ask_by_result(server, question, state.as_ref(), out)
    }

    /// Asks a client whose request ends with the question, and who brings the state with the next one.
    pub(crate) fn ask_by_result(
        self: Box<Self>,
        server: &Server,
        question: &Question<'_>,
        state: Option<&State>,
        out: Vec<u8>,
    ) -> Step {
        let missing = question.needs().missing_in(self.facts.capabilities);
        if missing != Capabilities::NONE {
            return self.fail(out, &Error::MissingCapability(missing), None);
        }
        // A state that is too long is none of a question.
        let state = state.and_then(|state| seal_state(server, &self.context, &self.facts, state));
        let mut result = Vec::with_capacity(512);
        if let Err(why) = question.write(state.as_deref(), Some(server.meta()), &mut result) {
            let text = format!("the MCP result of the backend is invalid: {why}");
            return self.explain(server, out, &text, Some(text.clone()));
        }
        self.end(out, |_, facts, out| {
            begin_result(facts.request_id().unwrap_or_default(), out);
            out.extend_from_slice(&result);
            out.push(b'}');
            (200, Written { outcome: Outcome::Ok, note: None })
        })
    }

    /// Asks the client of a session by requests on the call's stream.
    fn ask_in_session(
        mut self: Box<Self>,
        server: &Server,
        question: &Question<'_>,
        mut out: Vec<u8>,
        evaluate: &mut Evaluate<'_>,
    ) -> Step {
        let nonce = match self.can_ask(question.needs()) {
            Ok(nonce) => nonce,
            Err(why) => return self.explain(server, out, &question.in_words(&why), None),
        };
        self.rounds += 1;
        let mut asked = Vec::with_capacity(question.requests.len());
        for (index, request) in question.requests.iter().enumerate() {
            let id = ask_id(nonce, self.rounds, index);
            write_event(&mut out, |out| write_request(self.context.version, &id, request, out));
            asked.push(Asked::new(id, request));
        }
        let waiting = Waiting::new(self, asked, question.state.clone());
        match question.requests.is_empty() {
            // It only wants to be called again.
            true => waiting.resume(server, evaluate),
            false => Step::Ask { events: out, waiting },
        }
    }

    /// What nobody else can guess, for the ids of requests or the name of a call that is held; the error says why the client cannot be asked.
    pub(crate) fn can_ask(&self, needs: Capabilities) -> Result<[u8; 16], String> {
        let version = self.context.version;
        // It has no streams that answer a POST.
        if version == ProtocolVersion::V2024_11_05 && self.facts.transport.has_headers() {
            return Err(format!("a client of revision {version} cannot be asked while a call runs"));
        }
        let missing = needs.missing_in(self.facts.capabilities);
        if missing != Capabilities::NONE {
            return Err(format!("the client does not support {}", missing.to_string().replace(' ', ", ")));
        }
        if !version.is_stateless() && !self.stream.is_welcome() {
            return Err("the client takes no \"text/event-stream\", on which it would be asked".to_owned());
        }
        if self.rounds >= MOST_ROUNDS {
            return Err(format!("it has asked {MOST_ROUNDS} times already"));
        }
        self.context.asking.ok_or_else(|| "this server has no channels to hear the answers on".to_owned())
    }

    /// Ends the call with what says why there is no result: of a tool, a result for the model.
    pub(crate) fn explain(self: Box<Self>, server: &Server, out: Vec<u8>, text: &str, note: Option<String>) -> Step {
        let is_tool = match server.callee(self.endpoint) {
            Callee::Tool(_) => true,
            Callee::Upstream(_) => self.facts.tool().is_some(),
            _ => false,
        };
        if !is_tool {
            return self.fail(out, &Error::Backend(text.to_owned()), note);
        }
        self.end(out, |version, facts, out| {
            write_tool_error(server, version, facts.request_id().unwrap_or_default(), text, out);
            (200, Written { outcome: Outcome::ToolError, note })
        })
    }
}

/// Appends a request to a client of a session.
pub(crate) fn write_request(version: ProtocolVersion, id: &str, request: &InputRequest<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    write_json(id, out);
    out.extend_from_slice(b",\"method\":");
    write_json(request.method.as_str(), out);
    if let Some(params) = request.params {
        out.extend_from_slice(b",\"params\":");
        // 2026-07-28 has no such member any more, 2025-11-25 demands it.
        let wants_id = version == ProtocolVersion::V2025_11_25 && request.is_url();
        match params.strip_prefix('{').filter(|_| wants_id && request.param("elicitationId").is_none()) {
            Some(rest) => {
                out.extend_from_slice(b"{\"elicitationId\":");
                write_json(id, out);
                out.push(b',');
                out.extend_from_slice(rest.as_bytes());
            }
            None => out.extend_from_slice(params.as_bytes()),
        }
    }
    out.push(b'}');
}
