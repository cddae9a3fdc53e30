//! `tasks/get`, `tasks/update` and `tasks/cancel`: what a client wants of its task.

use super::calls::{Errand, Wish};
use super::id::Task;
use crate::error::Error;
use crate::exchange::{Context, Work};
use crate::http::UpstreamRequest;
use crate::input::{Capabilities, check_responses};
use crate::jsonrpc::{Params, text};
use crate::methods::{Operation, Performed};
use crate::receive::Reception;
use crate::server::Server;

/// A request about a task.
#[derive(Debug)]
pub(crate) struct TaskRequest {
    wish: Wish,
    task: Task,
    /// `InputResponses` of `tasks/update`.
    responses: String,
}

impl Reception<'_, '_> {
    /// Reads a request about a task; none for methods that there are not.
    pub(crate) fn read_task(&mut self, method: &str, params: &Params<'_>) -> Option<Result<Work, Error>> {
        let wish = match method {
            "tasks/get" => Wish::Get,
            "tasks/update" => Wish::Update,
            "tasks/cancel" => Wish::Cancel,
            _ => return None,
        };
        let request = self.read_task_request(wish, params);
        Some(request.map(|request| Work::Single(Operation::Task(Box::new(request)))))
    }

    fn read_task_request(&mut self, wish: Wish, params: &Params<'_>) -> Result<TaskRequest, Error> {
        if !self.facts.capabilities.has(Capabilities::TASKS) {
            return Err(Error::MissingCapability(Capabilities::TASKS));
        }
        let invalid = |why: &'static str| Error::InvalidParams(why.into());
        let id = params.task_id.and_then(text).ok_or_else(|| invalid("\"taskId\" must be the id of a task"))?;
        let task = Task::open(self.server, &id, self.request.now).ok_or_else(unknown)?;
        self.facts.tool = Some(self.server.tool_names()[task.tool].clone());
        let responses = match wish {
            Wish::Update => {
                let responses = params.input_responses.ok_or_else(|| invalid("\"inputResponses\" is missing"))?;
                check_responses(responses).map_err(invalid)?;
                responses.to_owned()
            }
            _ => String::new(),
        };
        Ok(TaskRequest { wish, task, responses })
    }
}

/// The task is not known, or not to this client; which of them is nobody's business.
pub(super) fn unknown() -> Error {
    Error::InvalidParams("unknown task: its id is not one of this server's, or it is too old".into())
}

impl TaskRequest {
    /// The request to the job.
    pub(crate) fn perform<'s>(self, server: &'s Server, context: &Context) -> Performed<'s> {
        let TaskRequest { wish, task, responses } = self;
        if !task.is_of(context) {
            return Performed::Error(unknown().into());
        }
        let tool = task.tool;
        let mut request = UpstreamRequest { uri: task.uri.clone(), ..UpstreamRequest::default() };
        match wish {
            Wish::Hold | Wish::Get => request.method = Some("GET"),
            Wish::Cancel => request.method = Some("DELETE"),
            // It cannot have asked for anything.
            Wish::Update if !server.tools()[tool].endpoint().may_ask() => {
                return Performed::Result("", server.acknowledgement().clone());
            }
            Wish::Update => {
                request.method = Some("POST");
                request.content_type = Some("application/json".to_owned());
                request.body = Some(format!("{{\"inputResponses\":{responses}}}").into_bytes());
            }
        }
        Performed::Call { endpoint: tool, request, errand: Some(Box::new(Errand::new(wish, task))) }
    }
}
