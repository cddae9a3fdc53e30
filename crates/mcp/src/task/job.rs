//! What the URL of a job answers.

use std::borrow::Cow;

use crate::http::{UpstreamFailure, UpstreamResponse};
use crate::input::Question;
use crate::jsonrpc::text;
use crate::session::cut;
use crate::tool::{Answer, Members, Tool, checked_json};

/// Milliseconds that a job may ask to be left alone for, at the least and at the most.
const WAIT: (u64, u64) = (500, 5 * 60 * 1000);
/// Bytes of a job's message that are passed on.
const MESSAGE: usize = 1024;

/// How a job is.
pub(super) enum Job<'a> {
    /// It goes on, and has something to say or not.
    Working(Option<String>),
    /// It waits for the client's input.
    Asks(Question<'a>),
    /// Its result is somewhere else.
    Moved(&'a [u8]),
    /// It was cancelled.
    Cancelled,
    /// There is none at its URL.
    Unknown,
    /// It has ended with this JSON-RPC error, an object with `code` and `message`.
    Failed(&'a str),
    /// Its question cannot be passed on.
    Wrong(String),
    /// This is its result.
    Done(Answer<'a>),
}

/// Whether an answer to a tool's call says that a job has begun, and where.
pub(crate) fn begun<'a>(tool: &Tool, answer: Answer<'a>) -> Option<&'a [u8]> {
    match answer {
        Answer::Response(UpstreamResponse { status: 202, location, .. }) => location.filter(|_| tool.task().is_some()),
        _ => None,
    }
}

/// Milliseconds after which a job wants to be looked at again: `Retry-After` in seconds.
pub(super) fn interval(answer: Answer<'_>) -> Option<u64> {
    let Answer::Response(UpstreamResponse { retry_after: Some(value), .. }) = answer else { return None };
    let seconds: u64 = std::str::from_utf8(value).ok()?.trim().parse().ok()?;
    Some(seconds.saturating_mul(1000).clamp(WAIT.0, WAIT.1))
}

impl<'a> Job<'a> {
    pub(super) fn of(tool: &Tool, answer: Answer<'a>) -> Job<'a> {
        let unavailable = || Job::Working(Some("the tool's backend is not available at the moment".to_owned()));
        match answer {
            Answer::Response(response) => match response.status {
                202 => Job::working(tool, response.body),
                303 => response.location.map_or(Job::Done(answer), Job::Moved),
                404 => Job::Unknown,
                410 => Job::Cancelled,
                429 | 502 | 503 | 504 => unavailable(),
                200..300 if tool.endpoint().may_ask() => Job::ended(tool, response.body, answer),
                _ => Job::Done(answer),
            },
            Answer::Failure(UpstreamFailure::TooLarge(_) | UpstreamFailure::Refused(_)) => Job::Done(answer),
            Answer::Failure(_) => unavailable(),
            Answer::Reported(_) => Job::Done(answer),
        }
    }

    /// The body of a job that goes on. One that is not JSON says nothing.
    fn working(tool: &Tool, body: &'a [u8]) -> Job<'a> {
        let Ok(members) = checked_json(body).and_then(|json| Members::of(json, "it")) else {
            return Job::Working(None);
        };
        let status = members.get("status").and_then(text);
        if tool.endpoint().may_ask() && status.as_deref() == Some("input_required") {
            return Question::of(members).map_or_else(Job::Wrong, Job::Asks);
        }
        let message = members.get("message").or(members.get("statusMessage")).and_then(text);
        let message = message.filter(|message| !message.is_empty());
        Job::Working(message.map(|message| cut(&message, MESSAGE).to_owned()))
    }

    /// The answer of a job that has ended, in a tool with `result mcp`.
    fn ended(tool: &Tool, body: &'a [u8], answer: Answer<'a>) -> Job<'a> {
        if let Some(question) = tool.endpoint().question(answer) {
            return Job::Asks(question);
        }
        let error = checked_json(body).and_then(|json| Members::of(json, "it")).ok().and_then(|result| {
            let error = result.get("error").filter(|_| result.get("content").is_none())?;
            let members = Members::of(error, "it").ok()?;
            let has_code = members.get("code").is_some_and(|code| code.parse::<i64>().is_ok());
            (has_code && members.get("message").and_then(text).is_some()).then_some(error)
        });
        error.map_or(Job::Done(answer), Job::Failed)
    }
}

/// The message of a JSON-RPC error.
pub(super) fn message(error: &str) -> Option<String> {
    Members::of(error, "it").ok()?.get("message").and_then(text).map(Cow::into_owned)
}
