//! A call that waits for what its client answers to requests on its stream.

use super::Retry;
use super::question::{InputRequest, Method};
use crate::error::Error;
use crate::exchange::{Pending, Step};
use crate::failure::Failed;
use crate::http::Evaluate;
use crate::jsonrpc::{Response, text, write_json};
use crate::listen::{Answered, Delivery, Publication, Topic, hex};
use crate::methods::{Operation, Performed};
use crate::scan::compact;
use crate::server::Server;
use crate::session::cut;
use crate::stream::write_event;
use crate::tool::Members;

/// Bytes of an answer on the bus.
const LARGEST: usize = 256 << 10;
/// Hexadecimal digits at the beginning of a request's id.
const NONCE: usize = 32;
/// Bytes of a client's explanation that are passed on.
const SHOWN: usize = 512;

/// A call whose client was asked. Dropping it abandons the exchange.
#[derive(Debug)]
pub struct Waiting {
    call: Box<Pending>,
    asked: Vec<Asked>,
    /// The backend's.
    state: Option<String>,
    /// Why there can be no answer any more.
    failure: Option<String>,
}

/// One request to the client.
#[derive(Debug)]
pub(super) struct Asked {
    id: String,
    /// The backend's name for it.
    key: String,
    method: Method,
    answer: Option<String>,
}

impl Asked {
    pub(super) fn new(id: String, request: &InputRequest<'_>) -> Self {
        Asked { id, key: request.key.clone().into_owned(), method: request.method, answer: None }
    }
}

/// The id of a request to a client: nobody else can guess it.
pub(crate) fn ask_id(nonce: [u8; 16], round: usize, index: usize) -> String {
    format!("{}-{round}.{index}", hex(&nonce))
}

/// Whether an id may be one of ours.
fn is_ask_id(id: &str) -> bool {
    let Some((nonce, number)) = id.split_at_checked(NONCE) else { return false };
    nonce.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        && (2..=8).contains(&number.len())
        && number.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'.'))
}

/// What is published of a client's response, for the call that asked; nothing if it answers no request of ours.
pub(crate) fn publish_answer(topic: Topic, response: &Response<'_>) -> Option<Publication> {
    let id = response.id.and_then(text).filter(|id| is_ask_id(id))?;
    let (name, json) = match response.outcome {
        Ok(result) => ("result", result),
        Err(error) => ("error", error),
    };
    Some(answer(topic, &id, name, json))
}

/// What is published of an answer to a request of this id: `result` or `error`, raw.
pub(crate) fn answer(topic: Topic, id: &str, name: &str, json: &str) -> Publication {
    let mut answer = format!("{{\"id\":\"{id}\",\"{name}\":");
    compact(json, &mut answer);
    answer.push('}');
    let publication = Publication::response(topic.clone(), &answer);
    // The envelope is a level more, which may be one too many.
    if answer.len() <= LARGEST && Delivery::parse(&publication.envelope).is_some() {
        return publication;
    }
    let why = format!("its answer is larger than {LARGEST} bytes or nested too deeply");
    Publication::response(topic, &format!("{{\"id\":\"{id}\",\"error\":{{\"code\":-32603,\"message\":\"{why}\"}}}}"))
}

impl Waiting {
    pub(super) fn new(call: Box<Pending>, asked: Vec<Asked>, state: Option<String>) -> Self {
        Waiting { call, asked, state, failure: None }
    }

    /// The call, whose stream may be opened or told that it goes on, and whose topic the host listens to.
    pub fn call(&mut self) -> &mut Pending {
        &mut self.call
    }

    /// The call, if it [is cancelled](Pending::is_cancelled_by).
    pub fn into_call(self) -> Box<Pending> {
        self.call
    }

    /// Takes what the bus carries. True once nothing more is to be waited for.
    pub fn take(&mut self, delivery: &Delivery) -> bool {
        if let Some(Answered { id, outcome }) = delivery.answered() {
            let is_own = self.call.topic().as_ref() == Some(delivery.topic());
            let asked = self.asked.iter_mut().find(|asked| asked.id == *id && asked.answer.is_none() && is_own);
            match (asked, outcome) {
                (None, _) => {}
                (Some(asked), Ok(result)) if result.starts_with('{') => asked.answer = Some(result.clone()),
                (Some(asked), Ok(_)) => {
                    let why = format!("the client's answer to \"{}\" is no object", asked.method.as_str());
                    self.failure.get_or_insert(why);
                }
                (Some(asked), Err(error)) => {
                    // There is no answer to wait for.
                    asked.answer = Some(String::new());
                    self.failure.get_or_insert_with(|| explain(asked.method, error));
                }
            }
        }
        self.failure.is_some() || self.asked.iter().all(|asked| asked.answer.is_some())
    }

    /// Calls the upstream again, with the answers. If there are not all of them, the call ends with a result that says so.
    pub fn resume(self, server: &Server, evaluate: &mut Evaluate<'_>) -> Step {
        let Waiting { call: mut pending, asked, state, failure } = self;
        let is_complete = asked.iter().all(|asked| asked.answer.is_some());
        let late = || "the client has not answered in time what is needed to go on".to_owned();
        if let Some(why) = failure.or_else(|| (!is_complete).then(late)) {
            let mut out = Vec::new();
            for asked in asked.iter().filter(|asked| asked.answer.is_none()) {
                write_event(&mut out, |out| write_withdrawal(&asked.id, out));
            }
            return pending.explain(server, out, &why, None);
        }
        let retry = Retry { responses: (!asked.is_empty()).then(|| responses(&asked)), state, held: None };
        let again = match pending.forward.take() {
            Some(forward) => Operation::Forward(forward),
            None => Operation::again(server, pending.endpoint),
        };
        match again.perform(server, &pending.context, &pending.facts, retry, evaluate) {
            Performed::Call { endpoint, request, .. } => Step::call(endpoint, request, pending),
            Performed::Forward { endpoint, request, forward } => pending.forward(endpoint, request, forward),
            Performed::ToolError(unsent) => pending.explain(server, Vec::new(), &unsent.text, unsent.note),
            Performed::Error(Failed { error, note }) => pending.fail(Vec::new(), &error, note),
            Performed::Result(..) | Performed::Merged { .. } | Performed::Made(_) | Performed::Structured { .. } => {
                pending.fail(Vec::new(), &Error::Refused(500), None)
            }
        }
    }
}

/// The answers as `InputResponses`.
fn responses(asked: &[Asked]) -> String {
    let mut out = vec![b'{'];
    for (index, asked) in asked.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_json(&asked.key, &mut out);
        out.push(b':');
        out.extend_from_slice(asked.answer.as_deref().unwrap_or("{}").as_bytes());
    }
    out.push(b'}');
    String::from_utf8(out).unwrap_or_default()
}

/// What a client's error means to the model.
fn explain(method: Method, error: &str) -> String {
    let members = Members::of(error, "").unwrap_or_default();
    let message = members.get("message").and_then(text).unwrap_or_default();
    let code = members.get("code").map(|code| format!(" ({})", cut(code, 16))).unwrap_or_default();
    format!(
        "the client did not answer \"{}\", which is needed to go on: {}{code}",
        method.as_str(),
        cut(&message, SHOWN)
    )
}

/// Appends the news that a request need not be answered any more.
fn write_withdrawal(id: &str, out: &mut Vec<u8>) {
    let message = format!(
        "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{{\"requestId\":\"{id}\",\"reason\":\"the call has ended\"}}}}"
    );
    out.extend_from_slice(message.as_bytes());
}

#[cfg(test)]
#[path = "waiting_tests.rs"]
mod tests;
