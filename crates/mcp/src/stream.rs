//! What a client hears of a call before its result: progress and log messages, as `text/event-stream`.
//!
//! An upstream that answers event by event says what there is to hear. Events are read so:
//!
//! | event | client |
//! |---|---|
//! | a JSON-RPC notification `notifications/progress` or `notifications/message` | the same, with the client's own token |
//! | `event: progress`: a number, or an object with `progress`, `total`, `message` | `notifications/progress` |
//! | `event: log`: an object with `level`, `data`, `logger`, or anything else | `notifications/message` |
//! | `event: result` | the result |
//! | `event: error` | a result with `isError` |
//! | `event: retry`: milliseconds | the end of its connection, if the call outlives that, and when to come back |
//! | `event: ping`, the data `[DONE]` | nothing |
//! | any other: an object with the number `progress`, or anything else | `notifications/progress`; the last one is the result, too |

use std::borrow::Cow;

use crate::events::{Event, EventReader, Format};
use crate::http::{UpstreamFailure, UpstreamResponse};
use crate::jsonrpc::{is_id, text, write_json};
use crate::level::LogLevel;
use crate::scan::Scanner;
use crate::session::cut;
use crate::tool::Answer;

/// Bytes of an event without a message of its own that are shown as one.
const MESSAGE: usize = 1024;
/// The event by which an upstream sends the client away, with the milliseconds after which it comes back.
pub(crate) const RETRY: &str = "retry";
/// Milliseconds that a client is sent away for at the most: what it misses is not kept longer.
const LONGEST_PAUSE: u64 = 240_000;
/// What progress grows by when there is none: it must grow with every notification.
const STEP: f64 = 0.001;

/// What the client of a request wants to hear while it runs.
#[derive(Debug, Default)]
pub(crate) struct Hearing {
    /// It takes `text/event-stream`.
    pub(crate) accepts_events: bool,
    /// `_meta.progressToken`, raw.
    pub(crate) progress_token: Option<Box<str>>,
    /// Log messages of this level and above.
    pub(crate) log_level: Option<LogLevel>,
    /// Of progress the numbers alone: in 2024-11-05 it has no message.
    pub(crate) numbers_alone: bool,
}

/// A call whose client hears of it before its result.
#[derive(Debug, Default)]
pub(crate) struct Stream {
    hearing: Hearing,
    /// The upstream is an MCP server: its events are messages, and one of them is the response to the request of this id.
    messages: Option<u64>,
    /// What it asks for itself, in their order.
    requests: Vec<ServerRequest>,
    /// The last progress that was told.
    progress: Option<f64>,
    intake: Option<Intake>,
    /// The client's stream has begun.
    pub(crate) is_open: bool,
    /// The client can be sent away for a while, as the call outlives its connection.
    pub(crate) can_pause: bool,
}

/// A request that a server has sent on the stream of a call.
#[derive(Debug, Clone)]
pub(crate) struct ServerRequest {
    /// Raw.
    pub(crate) id: String,
    pub(crate) method: String,
    /// Raw.
    pub(crate) params: Option<String>,
}

/// Requests of a server that wait for a reply.
const MOST_REQUESTS: usize = 32;

/// An upstream's answer that comes event by event.
#[derive(Debug)]
struct Intake {
    reader: EventReader,
    outcome: Conclusion,
}

/// What the events have come to so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Conclusion {
    /// There was none that says anything.
    #[default]
    Nothing,
    /// The last event that may be the result.
    Result(Vec<u8>),
    /// The upstream says that it failed.
    Failed(String),
}

impl Conclusion {
    /// The same as an answer that came whole.
    pub(crate) fn answer<'a>(&'a self, head: UpstreamResponse<'a>) -> Answer<'a> {
        let (content_type, body) = match self {
            Conclusion::Nothing => (head.content_type, &[][..]),
            Conclusion::Failed(why) => return Answer::Reported(why),
            Conclusion::Result(body) if std::str::from_utf8(body).is_ok_and(is_json) => {
                (Some(&b"application/json"[..]), &body[..])
            }
            Conclusion::Result(body) => (Some(&b"text/plain; charset=utf-8"[..]), &body[..]),
        };
        Answer::Response(UpstreamResponse { content_type, body, ..head })
    }
}

impl Hearing {
    pub(crate) const NOTHING: Hearing =
        Hearing { accepts_events: false, progress_token: None, log_level: None, numbers_alone: false };

    /// Whether the client wants to hear how far the call is.
    pub(crate) fn wants_progress(&self) -> bool {
        self.accepts_events && self.progress_token.is_some()
    }
}

impl Stream {
    pub(crate) fn new(hearing: Hearing) -> Self {
        Stream { hearing, ..Stream::default() }
    }

    /// The upstream is an MCP server, which has got a request of this id.
    pub(crate) fn expect_messages(&mut self, id: u64) {
        self.messages = Some(id);
    }

    /// Tells the client what one message of an MCP server says.
    pub(crate) fn hear(&mut self, message: &str, out: &mut Vec<u8>) {
        self.event(Event { name: "", data: message.as_bytes() }, &mut Conclusion::default(), out);
    }

    /// What else the upstream sends is read by somebody else.
    pub(crate) fn hand_over(&mut self) -> Option<EventReader> {
        self.intake.take().map(|intake| intake.reader)
    }

    /// What the server has asked for since the last look.
    pub(crate) fn take_requests(&mut self) -> Vec<ServerRequest> {
        std::mem::take(&mut self.requests)
    }

    /// Whether the response is there, whatever else the upstream may send.
    pub(crate) fn is_concluded(&self) -> bool {
        let outcome = self.intake.as_ref().map(|intake| &intake.outcome);
        self.messages.is_some() && matches!(outcome, Some(Conclusion::Result(_)))
    }

    /// Whether the client takes a stream.
    pub(crate) fn is_welcome(&self) -> bool {
        self.hearing.accepts_events
    }

    /// Whether the client wants to hear how far the call is.
    pub(crate) fn wants_progress(&self) -> bool {
        self.hearing.wants_progress()
    }

    /// The header of the upstream's answer has come. True if the body is to be taken in parts, of `limit` bytes at the
    /// most for each event.
    pub(crate) fn begin(&mut self, head: &UpstreamResponse<'_>, limit: usize) -> bool {
        let is_plain = head.content_encoding.is_none_or(|coding| coding.eq_ignore_ascii_case(b"identity"));
        let format = Format::of(head.content_type).filter(|_| is_plain && (200..300).contains(&head.status));
        self.intake =
            format.map(|format| Intake { reader: EventReader::new(format, limit), outcome: Conclusion::Nothing });
        self.intake.is_some()
    }

    /// Takes the next part of the body and appends what the client is to be sent.
    pub(crate) fn take(&mut self, part: &[u8], limit: usize, out: &mut Vec<u8>) -> Result<(), UpstreamFailure> {
        let Some(mut intake) = self.intake.take() else { return Ok(()) };
        let Intake { reader, outcome } = &mut intake;
        let taken = reader.push(part, &mut |event| self.event(event, outcome, out));
        self.intake = Some(intake);
        taken.map_err(|_| UpstreamFailure::TooLarge(limit as u64))
    }

    /// The body is complete: what it comes to, and what else the client is to be sent. None if the answer did not come in
    /// events.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) -> Option<Conclusion> {
        let Intake { mut reader, mut outcome } = self.intake.take()?;
        reader.finish(&mut |event| self.event(event, &mut outcome, out));
        Some(outcome)
    }

    /// Tells the client what there is to say of the call.
    pub(crate) fn tell(&mut self, message: &str, out: &mut Vec<u8>) {
        let progress = self.progress.unwrap_or(0.0).floor() + 1.0;
        self.tell_progress(progress, &number(progress), None, Some(message), out);
    }

    /// Tells the client that the call is still under way.
    pub(crate) fn heartbeat(&mut self, out: &mut Vec<u8>) {
        let progress = self.progress.unwrap_or(0.0) + STEP;
        self.tell_progress(progress, &number(progress), None, None, out);
    }

    fn event(&mut self, event: Event<'_>, outcome: &mut Conclusion, out: &mut Vec<u8>) {
        let data = String::from_utf8_lossy(event.data);
        let members = Members::of(&data);
        match (event.name, members.method.and_then(text).as_deref()) {
            ("ping", _) => {}
            (RETRY, _) => self.pause(&data, out),
            (_, Some("notifications/progress")) => self.progress(&Members::of(members.params.unwrap_or("{}")), "", out),
            (_, Some("notifications/message")) => self.log(members.params.unwrap_or("{}"), out),
            (_, method) if self.messages.is_some() => self.message(method, &members, &data, outcome),
            ("progress", None) if members.is_object => self.progress(&members, "", out),
            ("progress", None) => {
                // Rust reads more numbers than JSON has: ".5", "inf".
                let is_number = is_json(&data) && data.trim().parse::<f64>().is_ok();
                let bare = Members { progress: is_number.then(|| data.trim()), ..Members::default() };
                self.progress(&bare, &data, out);
            }
            ("log", None) => self.log(&data, out),
            ("result", None) => *outcome = Conclusion::Result(data.into_owned().into_bytes()),
            ("error", None) => *outcome = Conclusion::Failed(members.explanation(&data)),
            (_, None) if data == "[DONE]" => {}
            (_, None) => {
                self.progress(&members, &data, out);
                *outcome = Conclusion::Result(data.into_owned().into_bytes());
            }
            // Another notification: nothing that may stand on the stream of a call.
            (_, Some(_)) => {}
        }
    }

    /// The client is to come back after so many milliseconds. That is for whoever keeps the call's stream.
    fn pause(&self, data: &str, out: &mut Vec<u8>) {
        if let Some(milliseconds) = data.trim().parse::<u64>().ok().filter(|_| self.can_pause) {
            out.extend_from_slice(format!("event: {RETRY}\ndata: {}\n\n", milliseconds.min(LONGEST_PAUSE)).as_bytes());
        }
    }

    /// A message of an MCP server: the response, or a request of its own.
    fn message(&mut self, method: Option<&str>, members: &Members<'_>, data: &str, outcome: &mut Conclusion) {
        let is_first = *outcome == Conclusion::Nothing;
        match (method, members.id) {
            (None, Some(id)) if is_first && self.messages.is_some_and(|own| own.to_string() == id) => {
                *outcome = Conclusion::Result(data.as_bytes().to_vec());
            }
            (Some(method), Some(id)) if is_id(id) && self.requests.len() < MOST_REQUESTS => {
                let (id, method, params) = (id.to_owned(), method.to_owned(), members.params.map(str::to_owned));
                self.requests.push(ServerRequest { id, method, params });
            }
            _ => {}
        }
    }

    /// An event that says how far the call is.
    fn progress(&mut self, members: &Members<'_>, data: &str, out: &mut Vec<u8>) {
        let bare = data.trim();
        let given =
            members.progress.and_then(|raw| Some((raw, raw.parse::<f64>().ok().filter(|value| value.is_finite())?)));
        let message = match (members.message, given) {
            (Some(message), _) => text(message),
            (None, Some(_)) => None,
            (None, None) => {
                // A JSON string is shown without its quotes.
                Some(text(bare).unwrap_or(Cow::Borrowed(bare))).filter(|message| !message.is_empty())
            }
        };
        let total = members.total.filter(|total| total.parse::<f64>().is_ok_and(f64::is_finite));
        let message = message.as_deref().map(|message| cut(message, MESSAGE));
        match (given, self.progress) {
            (Some((raw, value)), last) if last.is_none_or(|last| value > last) => {
                self.tell_progress(value, raw, total, message, out);
            }
            (Some(_), Some(last)) => {
                let next = last + STEP;
                self.tell_progress(next, &number(next), total, message, out);
            }
            (_, last) => {
                let next = last.unwrap_or(0.0).floor() + 1.0;
                self.tell_progress(next, &number(next), total, message, out);
            }
        }
    }

    fn tell_progress(&mut self, value: f64, raw: &str, total: Option<&str>, message: Option<&str>, out: &mut Vec<u8>) {
        let Some(token) = self.hearing.progress_token.as_deref().filter(|_| self.hearing.accepts_events) else {
            return;
        };
        self.progress = Some(value);
        notification(out, "notifications/progress", |out| {
            out.extend_from_slice(b"{\"progressToken\":");
            out.extend_from_slice(token.as_bytes());
            out.extend_from_slice(b",\"progress\":");
            out.extend_from_slice(raw.as_bytes());
            if let Some(total) = total {
                out.extend_from_slice(b",\"total\":");
                out.extend_from_slice(total.as_bytes());
            }
            if let Some(message) = message.filter(|_| !self.hearing.numbers_alone) {
                out.extend_from_slice(b",\"message\":");
                write_json(message, out);
            }
            out.push(b'}');
        });
    }

    /// An event that is a log message: its parameters, or anything else, which is then of level `info`.
    fn log(&self, data: &str, out: &mut Vec<u8>) {
        let Some(wanted) = self.hearing.log_level.filter(|_| self.hearing.accepts_events) else { return };
        let members = Members::of(data);
        let level = members.level.and_then(text).and_then(|name| LogLevel::parse(&name));
        let is_message = level.is_some() && members.data.is_some();
        if level.unwrap_or(LogLevel::Info) < wanted {
            return;
        }
        notification(out, "notifications/message", |out| {
            if is_message {
                out.extend_from_slice(data.trim().as_bytes());
                return;
            }
            out.extend_from_slice(b"{\"level\":\"info\",\"data\":");
            match is_json(data) {
                true => out.extend_from_slice(data.trim().as_bytes()),
                false => write_json(data, out),
            }
            out.push(b'}');
        });
    }
}

/// Appends an event with a JSON-RPC message.
pub(crate) fn write_event<T>(out: &mut Vec<u8>, message: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    out.extend_from_slice(b"data: ");
    let start = out.len();
    let written = message(out);
    // Between the tokens of JSON a line break is but space, and inside of them there is none.
    out[start..].iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
    out.extend_from_slice(b"\n\n");
    written
}

fn notification(out: &mut Vec<u8>, method: &str, params: impl FnOnce(&mut Vec<u8>)) {
    write_event(out, |out| {
        out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"method\":\"");
        out.extend_from_slice(method.as_bytes());
        out.extend_from_slice(b"\",\"params\":");
        params(out);
        out.push(b'}');
    });
}

/// The members of an event that mean something, raw; none of what is no object.
#[derive(Debug, Default)]
struct Members<'a> {
    is_object: bool,
    id: Option<&'a str>,
    method: Option<&'a str>,
    params: Option<&'a str>,
    progress: Option<&'a str>,
    total: Option<&'a str>,
    message: Option<&'a str>,
    level: Option<&'a str>,
    data: Option<&'a str>,
}

impl<'a> Members<'a> {
    fn of(json: &'a str) -> Self {
        let mut members = Members::default();
        let mut scanner = Scanner::new(json);
        if !scanner.is_at_object() {
            return members;
        }
        let walked = scanner.object(|name, scanner| {
            let slot = match name {
                "id" => &mut members.id,
                "method" => &mut members.method,
                "params" => &mut members.params,
                "progress" => &mut members.progress,
                "total" => &mut members.total,
                "message" => &mut members.message,
                "level" => &mut members.level,
                "data" => &mut members.data,
                _ => return scanner.skip(),
            };
            *slot = Some(scanner.value()?).filter(|value| *value != "null");
            Ok(())
        });
        members.is_object = true;
        if walked.and_then(|()| scanner.end()).is_ok() { members } else { Members::default() }
    }

    /// What an event says went wrong.
    fn explanation(&self, data: &str) -> String {
        let message = self.message.and_then(text).or_else(|| text(data.trim()));
        message.map_or_else(|| data.to_owned(), Cow::into_owned)
    }
}

/// Whether a text is JSON.
pub(crate) fn is_json(text: &str) -> bool {
    let mut scanner = Scanner::new(text);
    scanner.skip().and_then(|()| scanner.end()).is_ok()
}

/// A number as JSON, with three places after the point at the most.
fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(token: Option<&str>, level: Option<LogLevel>) -> Stream {
        let progress_token = token.map(Box::from);
        Stream::new(Hearing { accepts_events: true, progress_token, log_level: level, numbers_alone: false })
    }

    fn head(content_type: &str) -> UpstreamResponse<'_> {
        UpstreamResponse {
            status: 200,
            content_type: Some(content_type.as_bytes()),
            content_encoding: None,
            body: b"",
            ..UpstreamResponse::default()
        }
    }

    /// The parameters of what the client hears, and what the events come to.
    fn hear(mut stream: Stream, body: &str) -> (Vec<String>, Conclusion) {
        assert!(stream.begin(&head("text/event-stream"), 10_000));
        let mut out = Vec::new();
        stream.take(body.as_bytes(), 10_000, &mut out).unwrap();
        let outcome = stream.finish(&mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        let events = out.split_terminator("\n\n").map(|event| {
            let event = event.strip_prefix("data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/").unwrap();
            event.strip_suffix('}').unwrap().replace("\",\"params\":", " ")
        });
        (events.collect(), outcome)
    }

    fn result(text: &str) -> Conclusion {
        Conclusion::Result(text.as_bytes().to_vec())
    }

    #[test]
    fn every_event_is_progress_and_the_last_one_the_result() {
        let (heard, outcome) = hear(
            stream(Some("\"t\""), None),
            "data: {\"progress\":0,\"total\":100}\n\ndata: {\"progress\":50.5,\"total\":100,\"message\":\"half\"}\n\ndata: loading\n\n\
             data: \"a \\\"string\\\"\"\n\ndata: {\"name\":\"bolt\"}\n\n",
        );
        assert_eq!(
            heard,
            [
                r#"progress {"progressToken":"t","progress":0,"total":100}"#,
                r#"progress {"progressToken":"t","progress":50.5,"total":100,"message":"half"}"#,
                r#"progress {"progressToken":"t","progress":51,"message":"loading"}"#,
                r#"progress {"progressToken":"t","progress":52,"message":"a \"string\""}"#,
                r#"progress {"progressToken":"t","progress":53,"message":"{\"name\":\"bolt\"}"}"#,
            ]
        );
        assert_eq!(outcome, result("{\"name\":\"bolt\"}"));
    }

    #[test]
    fn events_with_a_name_are_what_they_say() {
        let (heard, outcome) = hear(
            stream(Some("7"), Some(LogLevel::Info)),
            "event: progress\ndata: 3\n\nevent: progress\ndata: {\"message\":\"x\"}\n\nevent: result\ndata: {\"a\":\ndata: 1}\n\n\
             event: log\ndata: {\"level\":\"warning\",\"data\":[1],\"logger\":\"db\"}\n\nevent: log\ndata: hm\n\nevent: log\ndata: \
             {\"level\":\"debug\",\"data\":1}\n\nevent: ping\ndata: 1\n\ndata: [DONE]\n\n",
        );
        assert_eq!(
            heard,
            [
                r#"progress {"progressToken":7,"progress":3}"#,
                r#"progress {"progressToken":7,"progress":4,"message":"x"}"#,
                r#"message {"level":"warning","data":[1],"logger":"db"}"#,
                r#"message {"level":"info","data":"hm"}"#,
            ]
        );
        assert_eq!(outcome, result("{\"a\":\n1}"));
        for (data, expected) in
            [("no luck", "no luck"), ("\"no luck\"", "no luck"), ("{\"message\":\"no luck\"}", "no luck"), ("{}", "{}")]
        {
            let (_, outcome) = hear(stream(None, None), &format!("event: error\ndata: {data}\n\n"));
            assert_eq!(outcome, Conclusion::Failed(expected.to_owned()));
        }
    }

    #[test]
    fn notifications_get_the_token_of_the_client() {
        let (heard, outcome) = hear(
            stream(Some("\"mine\""), Some(LogLevel::Error)),
            "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":\"x\",\"progress\":1}}\n\n\
             data: {\"method\":\"notifications/message\",\"params\":{\"level\":\"alert\",\"data\":1}}\n\n\
             data: {\"method\":\"notifications/message\",\"params\":{\"level\":\"info\",\"data\":1}}\n\n\
             data: {\"method\":\"notifications/tools/list_changed\"}\n\ndata: ok\n\n",
        );
        assert_eq!(
            heard,
            [
                r#"progress {"progressToken":"mine","progress":1}"#,
                r#"message {"level":"alert","data":1}"#,
                r#"progress {"progressToken":"mine","progress":2,"message":"ok"}"#,
            ]
        );
        assert_eq!(outcome, result("ok"));
    }

    #[test]
    fn what_is_no_number_of_json_is_a_message() {
        for text in [".5", "5.", "+5", "inf", "-infinity", "NaN", "1_0", "0x1", "05"] {
            let (heard, _) = hear(stream(Some("7"), None), &format!("event: progress\ndata: {text}\n\n"));
            assert_eq!(heard, [format!(r#"progress {{"progressToken":7,"progress":1,"message":"{text}"}}"#)]);
        }
    }

    #[test]
    fn a_client_of_the_first_revision_hears_numbers_alone() {
        let mut old = stream(Some("7"), None);
        old.hearing.numbers_alone = true;
        let (heard, _) =
            hear(old, "data: {\"progress\":1,\"total\":2,\"message\":\"half\"}\n\nevent: progress\ndata: done\n\n");
        assert_eq!(
            heard,
            [r#"progress {"progressToken":7,"progress":1,"total":2}"#, r#"progress {"progressToken":7,"progress":2}"#]
        );
    }

    #[test]
    fn progress_grows_with_every_notification() {
        let mut stream = stream(Some("1"), None);
        let mut out = Vec::new();
        stream.heartbeat(&mut out);
        stream.begin(&head("application/x-ndjson"), 100);
        for line in ["{\"progress\":0}\n", "{\"progress\":5}\n", "{\"progress\":5}\n", "{\"progress\":1e999}\n"] {
            stream.take(line.as_bytes(), 100, &mut out).unwrap();
        }
        stream.heartbeat(&mut out);
        let out = String::from_utf8(out).unwrap();
        let told: Vec<_> = out.match_indices("\"progress\":").map(|(at, name)| &out[at + name.len()..]).collect();
        let told: Vec<_> = told.iter().map(|rest| &rest[..rest.find([',', '}']).unwrap()]).collect();
        assert_eq!(told, ["0.001", "0.002", "5", "5.001", "6", "6.001"]);
    }

    #[test]
    fn nobody_hears_what_was_not_asked_for() {
        let body = "data: {\"progress\":1}\n\nevent: log\ndata: x\n\n";
        assert_eq!(hear(stream(None, None), body).0, Vec::<String>::new());
        let mut deaf = stream(Some("1"), Some(LogLevel::Debug));
        deaf.hearing.accepts_events = false;
        assert_eq!(hear(deaf, body), (Vec::new(), result("{\"progress\":1}")));
    }

    #[test]
    fn only_a_plain_success_comes_in_events() {
        let mut stream = stream(None, None);
        assert!(!stream.begin(&head("application/json"), 10));
        assert!(!stream.begin(&UpstreamResponse { status: 500, ..head("text/event-stream") }, 10));
        let coded = UpstreamResponse { content_encoding: Some(b"gzip"), ..head("text/event-stream") };
        assert!(!stream.begin(&coded, 10));
        assert_eq!(stream.finish(&mut Vec::new()), None);
        assert!(stream.begin(&head("text/event-stream"), 10));
        assert_eq!(stream.take(b"data: 0123456789\n\n", 10, &mut Vec::new()), Err(UpstreamFailure::TooLarge(10)));
    }
}
