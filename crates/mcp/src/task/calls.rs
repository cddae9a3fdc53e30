//! Calls that have become jobs: what comes of each look at them.

use super::id::Task;
use super::job::{Job, begun, interval, message};
use super::location::resolve;
use super::request::unknown;
use super::rules::TaskRules;
use super::status::Status;
use crate::error::Error;
use crate::exchange::{Pending, Step};
use crate::http::{Outcome, UpstreamRequest};
use crate::input::Capabilities;
use crate::jsonrpc::begin_result;
use crate::methods::write_answer;
use crate::server::Server;
use crate::tool::{Answer, Written};

/// How often a job may say that its result is somewhere else.
const MOST_MOVES: u8 = 3;
/// A call that was held for long is looked after less often: after this part of the time at the least, as each look costs
/// the host some memory until the call ends.
const PATIENCE: u64 = 32;

/// What somebody wants of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Its result, for a call that is held.
    Hold,
    /// `tasks/get`
    Get,
    /// `tasks/update`
    Update,
    /// `tasks/cancel`
    Cancel,
}

/// A request to a job.
#[derive(Debug)]
pub(crate) struct Errand {
    wish: Wish,
    task: Task,
    /// Where the next request goes.
    uri: String,
    moves: u8,
    /// Milliseconds that a call was held already.
    held: u64,
    /// What its client was told last.
    told: Option<String>,
}

impl Errand {
    pub(super) fn new(wish: Wish, task: Task) -> Self {
        let uri = task.uri.clone();
        Errand { wish, task, uri, moves: 0, held: 0, told: None }
    }
}

impl Pending {
    /// Looks at the job that a call waits for: after the time that [`Step::Wait`] says.
    pub fn poll(self: Box<Self>) -> Step {
        let uri = self.errand.as_ref().map_or_else(|| "/".to_owned(), |errand| errand.uri.clone());
        let request = UpstreamRequest { uri, method: Some("GET"), ..UpstreamRequest::default() };
        Step::call(self.endpoint, request, self)
    }

    /// Goes on with a call whose answer is about a job; gives back what is about none.
    pub(crate) fn follow(
        mut self: Box<Self>,
        server: &Server,
        answer: Answer<'_>,
        out: Vec<u8>,
    ) -> Result<Step, (Box<Pending>, Vec<u8>)> {
        if let Some(errand) = self.errand.take() {
            return Ok(match errand.wish {
                // They are signals: what comes of them is seen by `tasks/get`.
                Wish::Update | Wish::Cancel => self.acknowledge(server, answer, out),
                Wish::Get | Wish::Hold => self.see(server, *errand, answer, out),
            });
        }
        let job = server.tools().get(self.endpoint).and_then(|tool| Some((begun(tool, answer)?, tool.task()?)));
        match job {
            Some((location, rules)) => Ok(self.begin_job(server, rules, location, answer, out)),
            None => Err((self, out)),
        }
    }

    /// A job has begun.
    fn begin_job(
        mut self: Box<Self>,
        server: &Server,
        rules: TaskRules,
        location: &[u8],
        answer: Answer<'_>,
        out: Vec<u8>,
    ) -> Step {
        let origin = server.tools()[self.endpoint].endpoint().origin();
        let uri = resolve(origin, self.uri.as_deref().unwrap_or("/"), location);
        let task = uri.and_then(|uri| {
            let task = Task::new(server, &self.context, self.endpoint, uri, rules.ttl);
            task.ok_or_else(|| "the job's URL is too long".to_owned())
        });
        let task = match task {
            Ok(task) => task,
            Err(why) => {
                let text = format!("the tool's backend has begun a job that cannot be followed: {why}");
                return self.explain(server, out, &text, Some(text.clone()));
            }
        };
        let interval = interval(answer).unwrap_or(rules.interval);
        if self.facts.capabilities.has(Capabilities::TASKS) {
            let status = Status::new(&task, self.context.now);
            return self.show(server, &Status { result_type: "task", interval: Some(interval), ..status }, out);
        }
        self.errand = Some(Box::new(Errand::new(Wish::Hold, task)));
        self.wait(server, rules, interval, None, out)
    }

    /// Holds the call for another while.
    fn wait(
        mut self: Box<Self>,
        server: &Server,
        rules: TaskRules,
        interval: u64,
        message: Option<String>,
        mut out: Vec<u8>,
    ) -> Step {
        let Some(errand) = &mut self.errand else { return self.fail(out, &Error::Refused(500), None) };
        let interval = interval.max(errand.held / PATIENCE);
        errand.held = errand.held.saturating_add(interval);
        if errand.held > rules.hold {
            let text = format!(
                "the job that this call has begun has not ended within {} s, for which a call is held; it may still go on",
                rules.hold / 1000
            );
            return self.explain(server, out, &text, None);
        }
        if message.is_some() && message != errand.told {
            errand.told = message;
            let told = errand.told.as_deref().unwrap_or_default();
            self.stream.tell(told, &mut out);
        }
        Step::Wait { events: out, milliseconds: interval, pending: self }
    }

    /// A job has been looked at.
    fn see(mut self: Box<Self>, server: &Server, mut errand: Errand, answer: Answer<'_>, out: Vec<u8>) -> Step {
        let tool = &server.tools()[self.endpoint];
        let Some(rules) = tool.task() else { return self.fail(out, &unknown(), None) };
        let interval = interval(answer).unwrap_or(rules.interval);
        let why;
        let job = match Job::of(tool, answer) {
            Job::Moved(location) => match resolve(tool.endpoint().origin(), &errand.uri, location) {
                Ok(uri) if errand.moves < MOST_MOVES => {
                    errand.uri = uri;
                    errand.moves += 1;
                    self.errand = Some(Box::new(errand));
                    return self.poll();
                }
                Ok(_) => Job::Done(Answer::Reported("the result of the job cannot be found: it has moved too often")),
                Err(wrong) => {
                    why = format!("the result of the job cannot be found: {wrong}");
                    Job::Done(Answer::Reported(&why))
                }
            },
            Job::Wrong(wrong) => {
                why = format!("the question of the tool's backend is invalid: {wrong}");
                Job::Done(Answer::Reported(&why))
            }
            job => job,
        };
        if errand.wish == Wish::Hold {
            self.hold(server, rules, errand, (job, interval), out)
        } else {
            self.report(server, &errand.task, (job, interval), out)
        }
    }

    /// Goes on with a held call.
    fn hold(
        mut self: Box<Self>,
        server: &Server,
        rules: TaskRules,
        errand: Errand,
        (job, interval): (Job<'_>, u64),
        out: Vec<u8>,
    ) -> Step {
        let text = match job {
            Job::Working(message) => {
                self.errand = Some(Box::new(errand));
                return self.wait(server, rules, interval, message, out);
            }
            Job::Done(answer) => {
                let endpoint = self.endpoint;
                return self
                    .end(out, |version, facts, out| write_answer(server, version, facts, endpoint, &answer, out));
            }
            Job::Asks(question) => question.in_words("the client does not support tasks, by which it would be asked"),
            Job::Failed(error) => format!("the job has failed: {}", message(error).unwrap_or_default()),
            Job::Cancelled => "the job was cancelled".to_owned(),
            Job::Unknown | Job::Moved(_) | Job::Wrong(_) => {
                "the tool's backend does not know the job that it has begun".to_owned()
            }
        };
        self.explain(server, out, &text, None)
    }

    /// Answers `tasks/get`.
    fn report(self: Box<Self>, server: &Server, task: &Task, (job, interval): (Job<'_>, u64), out: Vec<u8>) -> Step {
        let status = Status::new(task, self.context.now);
        match job {
            Job::Working(message) => {
                let (message, interval) = (message.as_deref(), Some(interval));
                self.show(server, &Status { message, interval, ..status }, out)
            }
            Job::Asks(question) => {
                let missing = question.needs().missing_in(self.facts.capabilities);
                if missing != Capabilities::NONE {
                    return self.fail(out, &Error::MissingCapability(missing), None);
                }
                let more = Some(("inputRequests", question.requests_json()));
                self.show(server, &Status { status: "input_required", more, interval: Some(interval), ..status }, out)
            }
            Job::Failed(error) => {
                let (why, more) = (message(error), Some(("error", error)));
                self.show(server, &Status { status: "failed", message: why.as_deref(), more, ..status }, out)
            }
            Job::Cancelled => self.show(server, &Status { status: "cancelled", ..status }, out),
            Job::Unknown | Job::Moved(_) | Job::Wrong(_) => self.fail(out, &unknown(), None),
            Job::Done(answer) => {
                let mut result = Vec::new();
                let written =
                    server.tools()[self.endpoint].write_result(self.context.version, answer, None, &mut result);
                let result = String::from_utf8(result).unwrap_or_default();
                let status = Status { status: "completed", more: Some(("result", &result)), ..status };
                // The request itself went well, whatever the result is.
                self.show_with(server, &status, out, written.note)
            }
        }
    }

    fn show(self: Box<Self>, server: &Server, status: &Status<'_>, out: Vec<u8>) -> Step {
        self.show_with(server, status, out, None)
    }

    fn show_with(self: Box<Self>, server: &Server, status: &Status<'_>, out: Vec<u8>, note: Option<String>) -> Step {
        self.end(out, |_, facts, out| {
            begin_result(facts.request_id().unwrap_or_default(), out);
            status.write(server.meta(), out);
            out.push(b'}');
            (200, Written { outcome: Outcome::Ok, note })
        })
    }

    /// Answers `tasks/update` and `tasks/cancel`, which are signals: what comes of them is seen by `tasks/get`.
    fn acknowledge(self: Box<Self>, server: &Server, answer: Answer<'_>, out: Vec<u8>) -> Step {
        let note = match answer {
            Answer::Response(response) if response.status < 500 => None,
            Answer::Response(response) => Some(format!("status {}", response.status)),
            Answer::Failure(failure) => Some(format!("{failure:?}")),
            Answer::Reported(why) => Some(why.to_owned()),
        };
        let note = note.map(|why| format!("a job was not told what its client wants: {why}"));
        self.end(out, |_, facts, out| {
            begin_result(facts.request_id().unwrap_or_default(), out);
            out.extend_from_slice(server.acknowledgement());
            (200, Written { outcome: Outcome::Ok, note })
        })
    }
}

#[cfg(test)]
#[path = "calls_tests.rs"]
mod tests;
