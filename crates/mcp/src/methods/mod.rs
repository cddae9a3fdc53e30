//! What requests ask for, and doing it.

mod arguments;
mod completion;
mod directories;
pub(crate) mod initialize;
mod lists;
mod nearest;
mod prompts;
pub(crate) mod resources;
mod search;
pub(crate) mod tools;

pub(crate) use completion::result as completion_result;

use std::borrow::Cow;
use std::sync::Arc;

use self::directories::ShowFiles;
use crate::directory::Catalog;
use crate::error::Error;
use crate::exchange::Context;
use crate::facts::Facts;
use crate::failure::Failed;
use crate::front::{self, Forward};
use crate::http::{Evaluate, Outcome, UpstreamRequest};
use crate::input::{Capabilities, Retry};
use crate::jsonrpc::{Params, begin_result, write_error};
use crate::list::Listing;
use crate::server::{Callee, Server};
use crate::session::cut;
use crate::task::{Errand, TaskRequest};
use crate::tool::{Answer, Endpoint, Unsent, Written};
use crate::{Offering, ProtocolVersion};

/// Methods of any revision, whether this server has them or not: those that logs and variables can expect.
const KNOWN: [&str; 29] = [
    "tools/call",
    "tools/list",
    "initialize",
    "notifications/initialized",
    "server/discover",
    "ping",
    "notifications/cancelled",
    "notifications/progress",
    "notifications/roots/list_changed",
    "notifications/elicitation/complete",
    "notifications/tasks/status",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "resources/subscribe",
    "resources/unsubscribe",
    "resources/directory/read",
    "prompts/list",
    "prompts/get",
    "completion/complete",
    "logging/setLevel",
    "subscriptions/listen",
    "tasks/get",
    "tasks/update",
    "tasks/cancel",
    "tasks/result",
    "tasks/list",
    "skills/list",
    "skills/get",
];

/// A method for [`Facts`]: nothing to allocate for a known one, bounded for others.
pub(crate) fn name(method: &str) -> Cow<'static, str> {
    match KNOWN.iter().find(|known| **known == method) {
        Some(known) => Cow::Borrowed(known),
        None => Cow::Owned(cut(method, 64).to_owned()),
    }
}

/// One request, judged.
#[derive(Debug)]
pub(crate) struct Request {
    /// They have no id only for a message that could not be read so far.
    pub(crate) facts: Arc<Facts>,
    pub(crate) operation: Operation,
}

/// What a request comes to.
#[derive(Debug)]
pub(crate) enum Operation {
    /// The session has begun: `initialize`.
    Initialize,
    /// `ping`.
    Ping,
    /// `server/discover`.
    Discover,
    /// One of the lists.
    List { listing: Listing, page: usize },
    /// What depends on the files that there are.
    ShowFiles(Box<ShowFiles>),
    /// `tools/call`; through `call_tool` if the client has found the tool by a search.
    CallTool { tool: usize, through_search: bool },
    /// `tools/call` of `search_tools`.
    SearchTools,
    /// `tools/call` of `describe_tool`.
    DescribeTool,
    /// `tools/call` of `call_tool` that names no tool.
    RefuseCall(Unsent),
    /// `resources/read`.
    ReadResource { resource: usize },
    /// `prompts/get`.
    GetPrompt { prompt: usize },
    /// `completion/complete`.
    Complete(completion::Completion),
    /// Any of these, of a server behind this one.
    Forward(Box<Forward>),
    /// `tasks/get`, `tasks/update`, `tasks/cancel`.
    Task(Box<TaskRequest>),
    /// An error.
    Refuse(Error),
}

impl Operation {
    /// Reads what a request asks for. `initialize` is not among it: that needs more than a method and parameters.
    pub(crate) fn read(
        server: &Server,
        offering: Option<&Arc<Offering>>,
        version: ProtocolVersion,
        method: &str,
        params: &Params<'_>,
        facts: &mut Facts,
    ) -> Self {
        let offers = server.offers();
        let operation = match method {
            "tools/call" => tools::read_call(server, offering, params, facts),
            "resources/read" if offers.resources => resources::read(server, offering, params, facts),
            "prompts/get" if offers.prompts => prompts::read(server, offering, params, facts),
            "completion/complete" if offers.completions => completion::read(server, offering, params, facts),
            "skills/list" | "skills/get" | "resources/directory/read" if offers.skills && version.is_stateless() => {
                directories::read(method, params)
            }
            "resources/list" if server.directories().next().is_some() => directories::read(method, params),
            "ping" if !version.is_stateless() => Ok(Self::Ping),
            "server/discover" if version.is_stateless() => Ok(Self::Discover),
            _ => match Listing::of(method).filter(|listing| offers.list(*listing)) {
                Some(listing) => lists::read(server, offering, version, listing, params),
                None => Err(Error::MethodNotFound(cut(method, 128).to_owned())),
            },
        };
        operation.unwrap_or_else(Self::Refuse)
    }
}

/// What came of an operation.
pub(crate) enum Performed<'s> {
    /// This result: how it begins, and the rest with the brace that ends the response around it.
    Result(&'s str, Arc<[u8]>),
    /// The same, of a list that has what servers behind this one list.
    Merged { opening: String, page: Arc<[u8]> },
    /// This result, whole.
    Made(Vec<u8>),
    /// A `CallToolResult` of this server's own: JSON, and the text to show in its stead, if that is another one.
    Structured { json: String, text: Option<String> },
    /// A `CallToolResult` that says why the tool was not called.
    ToolError(Unsent),
    /// An error.
    Error(Failed),
    /// Somebody else has to be asked, perhaps about a job: this one of [`Server::endpoint`]s.
    Call { endpoint: usize, request: UpstreamRequest, errand: Option<Box<Errand>> },
    /// A server behind this one has to be asked.
    Forward { endpoint: usize, request: UpstreamRequest, forward: Box<Forward> },
}

impl Operation {
    /// Whether it must be known which files there are.
    pub(crate) fn wants_catalog(&self) -> bool {
        matches!(self, Self::ShowFiles(_))
    }

    /// Says which files there are.
    pub(crate) fn set_catalog(&mut self, catalog: &Arc<Catalog>) {
        if let Self::ShowFiles(show) = self {
            show.catalog = Some(catalog.clone());
        }
    }

    /// Whether an upstream may ask the client for input before there is a result.
    pub(crate) fn may_ask(&self, server: &Server) -> bool {
        let endpoint = match self {
            Self::Forward(forward) => return forward.may_ask(),
            Self::CallTool { tool, .. } => Some(server.tools()[*tool].endpoint()),
            Self::ReadResource { resource } => server.resources()[*resource].source.endpoint(),
            Self::GetPrompt { prompt } => server.prompts()[*prompt].source.endpoint(),
            _ => None,
        };
        endpoint.is_some_and(Endpoint::may_ask)
    }

    /// The tool whose watchers are told of what comes of it.
    pub(crate) fn recorded_tool(&self, server: &Server) -> Option<usize> {
        match self {
            Self::CallTool { tool, .. } => server.tools()[*tool].is_recorded().then_some(*tool),
            _ => None,
        }
    }

    /// What an endpoint was asked for.
    pub(crate) fn again(server: &Server, endpoint: usize) -> Self {
        match server.callee(endpoint) {
            Callee::Tool(tool) => Self::CallTool { tool, through_search: false },
            Callee::Resource(resource) => Self::ReadResource { resource },
            Callee::Prompt(prompt) => Self::GetPrompt { prompt },
            // Nobody asks because of it.
            Callee::Completion => Self::Refuse(Error::Refused(500)),
            // Who asks keeps what it was asked for.
            Callee::Upstream(_) => Self::Refuse(Error::Refused(500)),
        }
    }

    /// Does it, as far as that is possible without an upstream. `retry` is what the client answers to the upstream's
    /// question.
    pub(crate) fn perform<'s>(
        self,
        server: &'s Server,
        context: &Context,
        facts: &Facts,
        retry: Retry,
        evaluate: &mut Evaluate<'_>,
    ) -> Performed<'s> {
        let version = context.version;
        match self {
            Self::Initialize => Performed::Result("", server.initialize_result(version).clone()),
            Self::Ping => Performed::Result("", server.empty_result().clone()),
            Self::Discover => Performed::Result("", server.discover_result().clone()),
            Self::List { listing, page } => match &context.offering {
                None => {
                    let list = server.list(listing, version);
                    Performed::Result(list.opening(), list.body(page).clone())
                }
                Some(offering) => {
                    let list = offering.list(server, listing, version);
                    Performed::Merged { opening: list.opening().to_owned(), page: list.body(page).clone() }
                }
            },
            Self::ShowFiles(show) => show.perform(server, context),
            Self::Task(request) => request.perform(server, context),
            Self::CallTool { tool, .. } if must_take_task(server, tool, version, facts) => {
                Performed::Error(Error::MissingCapability(Capabilities::TASKS).into())
            }
            Self::CallTool { tool, through_search } => match tools::call(server, tool, facts, retry, evaluate) {
                Performed::ToolError(unsent) if through_search => {
                    Performed::ToolError(search::blame(server, tool, unsent))
                }
                performed => performed,
            },
            Self::SearchTools => search::search(server, facts.arguments()),
            Self::DescribeTool => search::describe(server, version, facts.arguments()),
            Self::RefuseCall(unsent) => Performed::ToolError(unsent),
            Self::ReadResource { resource } => {
                resources::perform(server, version, &server.resources()[resource], facts, retry, evaluate)
            }
            Self::GetPrompt { prompt } => {
                prompts::perform(server, version, &server.prompts()[prompt], facts, retry, evaluate)
            }
            Self::Complete(completion) => completion::perform(server, version, &completion, facts, evaluate),
            Self::Forward(forward) => forward.perform(server, context, facts, retry, evaluate),
            Self::Refuse(error) => Performed::Error(error.into()),
        }
    }
}

/// Appends the whole response to a request whose answer came from an endpoint, and gives its HTTP status.
pub(crate) fn write_answer(
    server: &Server,
    version: ProtocolVersion,
    facts: &Facts,
    endpoint: usize,
    answer: &Answer<'_>,
    out: &mut Vec<u8>,
) -> (u16, Written) {
    let start = out.len();
    let id = facts.request_id().unwrap_or_default();
    begin_result(id, out);
    let written = match server.callee(endpoint) {
        Callee::Tool(tool) => {
            let meta = version.is_stateless().then(|| server.meta());
            let written = server.tools()[tool].write_result(version, *answer, meta, out);
            out.push(b'}');
            return (200, written);
        }
        Callee::Upstream(upstream) => {
            out.truncate(start);
            return front::write_answer(server, version, facts, upstream, answer, out);
        }
        Callee::Resource(resource) => {
            resources::write_answer(server, version, &server.resources()[resource], facts, answer, out)
        }
        Callee::Prompt(prompt) => prompts::write_answer(server, version, &server.prompts()[prompt], answer, out),
        Callee::Completion => completion::write_answer(server, version, answer, out),
    };
    match written {
        Ok(()) => {
            out.push(b'}');
            (200, Written { outcome: Outcome::Ok, note: None })
        }
        Err(Failed { error, note }) => {
            out.truncate(start);
            let wire = error.wire(version, true);
            write_error(Some(id), version, &wire, out);
            (wire.status, Written { outcome: Outcome::ProtocolError { code: wire.code }, note })
        }
    }
}

/// Whether a call may only become a task, which its client knows nothing of. Clients of sessions cannot, so theirs are held.
fn must_take_task(server: &Server, tool: usize, version: ProtocolVersion, facts: &Facts) -> bool {
    let is_required = server.tools()[tool].task().is_some_and(|rules| rules.required);
    is_required && version.is_stateless() && !facts.capabilities.has(Capabilities::TASKS)
}
