//! JSON-RPC messages: read in one pass without copying, written into one buffer.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::{Error, WireError};
use crate::scan::{NotJson, Scanner, is_plain};
use crate::trace::{HEADERS, Trace};
use crate::version::ProtocolVersion;

/// How many messages a batch may hold.
pub(crate) const MAX_BATCH: usize = 64;

/// A message that keeps to JSON-RPC's rules.
#[derive(Debug)]
pub(crate) enum Message<'a> {
    Request { id: &'a str, method: Cow<'a, str>, params: Params<'a> },
    Notification { method: Cow<'a, str>, params: Params<'a> },
    Response(Response<'a>),
}

/// What a client answers to a request of ours, raw.
#[derive(Debug)]
pub(crate) struct Response<'a> {
    pub(crate) id: Option<&'a str>,
    /// The error, if there is one.
    pub(crate) outcome: Result<&'a str, &'a str>,
}

/// A message that cannot be taken, and whom to tell.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) id: Option<Box<str>>,
    pub(crate) error: Error,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Refusal { id: None, error }
    }
}

/// The parameters of every method together, as raw JSON; each method takes what is its own. `null` is as good as absent.
#[derive(Debug, Default)]
pub(crate) struct Params<'a> {
    pub(crate) name: Option<&'a str>,
    pub(crate) uri: Option<&'a str>,
    pub(crate) cursor: Option<&'a str>,
    pub(crate) level: Option<&'a str>,
    pub(crate) arguments: Option<&'a str>,
    /// Of `completion/complete`.
    pub(crate) reference: Option<&'a str>,
    pub(crate) argument: Option<&'a str>,
    pub(crate) context: Option<&'a str>,
    /// The filter of `subscriptions/listen`.
    pub(crate) notifications: Option<&'a str>,
    /// What `notifications/cancelled` is about.
    pub(crate) request_id: Option<&'a str>,
    pub(crate) protocol_version: Option<&'a str>,
    /// An object.
    pub(crate) client_info: Option<&'a str>,
    /// Of `initialize`.
    pub(crate) capabilities: Option<&'a str>,
    /// What a client answers to an `input_required` result, and the state that came with it.
    pub(crate) input_responses: Option<&'a str>,
    pub(crate) request_state: Option<&'a str>,
    pub(crate) task_id: Option<&'a str>,
    pub(crate) meta: Option<Meta<'a>>,
}

/// What a request says of itself in 2026-07-28.
#[derive(Debug, Default)]
pub(crate) struct Meta<'a> {
    pub(crate) protocol_version: Option<&'a str>,
    /// An object.
    pub(crate) client_info: Option<&'a str>,
    pub(crate) client_capabilities: Option<&'a str>,
    /// Of any revision.
    pub(crate) progress_token: Option<&'a str>,
    pub(crate) log_level: Option<&'a str>,
    pub(crate) trace: Trace<'a>,
}

/// The text of a raw JSON string; none if the value is something else.
pub(crate) fn text(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    match is_plain(inner.as_bytes()) {
        true => Some(Cow::Borrowed(inner)),
        false => serde_json::from_str(raw).ok().map(Cow::Owned),
    }
}

/// Reads one message.
pub(crate) fn read(body: &[u8]) -> Result<Message<'_>, Refusal> {
    let Ok(text) = simdutf8::basic::from_utf8(body) else { return Err(not_json(body).into()) };
    let mut scanner = Scanner::new(text);
    if !scanner.is_at_object() {
        let whole = scanner.skip().and_then(|()| scanner.end());
        return Err(match whole {
            Ok(()) => Error::InvalidRequest("a message must be a JSON object".into()).into(),
            Err(NotJson) => not_json(body).into(),
        });
    }
    let mut envelope = Envelope::default();
    let walked = scanner.object(|name, scanner| envelope.member(name, scanner));
    match walked.and_then(|()| scanner.end()) {
        Ok(()) => envelope.message(),
        Err(NotJson) => Err(not_json(body).into()),
    }
}

/// Says what serde_json finds wrong with a text that is not JSON.
fn not_json(body: &[u8]) -> Error {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Error::NotJson("it is empty".to_owned());
    }
    let error = serde_json::from_slice::<IgnoredAny>(body).err();
    Error::NotJson(error.map_or_else(|| "it is nested too deeply".to_owned(), |error| error.to_string()))
}

/// The members of a message, as they came.
#[derive(Debug, Default)]
struct Envelope<'a> {
    jsonrpc: Option<&'a str>,
    id: Option<&'a str>,
    method: Option<&'a str>,
    params: Option<Params<'a>>,
    result: Option<&'a str>,
    error: Option<&'a str>,
    /// The first thing that is wrong with a text that is JSON.
    problem: Option<Error>,
}

impl<'a> Envelope<'a> {
    fn member(&mut self, name: &str, scanner: &mut Scanner<'a>) -> Result<(), NotJson> {
        let slot = match name {
            "jsonrpc" => &mut self.jsonrpc,
            "id" => &mut self.id,
            "method" => &mut self.method,
            "result" => &mut self.result,
            "error" => &mut self.error,
            "params" => return self.params(scanner),
            _ => return scanner.skip(),
        };
        if slot.replace(scanner.value()?).is_some() {
            self.problem.get_or_insert_with(|| twice_given(name));
            // Which of two ids is right nobody can tell, so none is answered.
            if name == "id" {
                self.id = None;
            }
        }
        Ok(())
    }

    fn params(&mut self, scanner: &mut Scanner<'a>) -> Result<(), NotJson> {
        if !scanner.is_at_object() {
            if scanner.value()? != "null" {
                self.problem.get_or_insert(Error::InvalidParams("\"params\" must be an object".into()));
            }
            return Ok(());
        }
        if self.params.is_some() {
            self.problem.get_or_insert_with(|| twice_given("params"));
        }
        let params = self.params.insert(Params::default());
        let problem = &mut self.problem;
        scanner.object(|name, scanner| params.member(name, scanner, problem))
    }

    fn message(self) -> Result<Message<'a>, Refusal> {
        let id = self.id;
        let refuse = |error: Error| Refusal { id: id.filter(|id| is_id(id)).map(Box::from), error };
        let invalid = |why: &'static str| refuse(Error::InvalidRequest(why.into()));
        if let Some(problem) = self.problem {
            return Err(refuse(problem));
        }
        if self.jsonrpc != Some("\"2.0\"") {
            return Err(invalid("\"jsonrpc\" must be \"2.0\""));
        }
        if id.is_some_and(|id| !is_id(id)) {
            return Err(invalid("an id must be a string or an integer"));
        }
        let error = self.error.filter(|error| *error != "null");
        let outcome = error.map(Err).or(self.result.map(Ok));
        let Some(method) = self.method.filter(|method| *method != "null") else {
            let outcome = outcome.ok_or_else(|| invalid("\"method\" is missing"))?;
            return Ok(Message::Response(Response { id, outcome }));
        };
        if outcome.is_some() {
            return Err(invalid("a message is either a request or a response"));
        }
        let method = text(method).ok_or_else(|| invalid("\"method\" must be a string"))?;
        let params = self.params.unwrap_or_default();
        Ok(match id {
            Some(id) => Message::Request { id, method, params },
            None => Message::Notification { method, params },
        })
    }
}

impl<'a> Params<'a> {
    fn member(&mut self, name: &str, scanner: &mut Scanner<'a>, problem: &mut Option<Error>) -> Result<(), NotJson> {
        let slot = match name {
            "name" => &mut self.name,
            "uri" => &mut self.uri,
            "cursor" => &mut self.cursor,
            "level" => &mut self.level,
            "arguments" => &mut self.arguments,
            "ref" => &mut self.reference,
            "argument" => &mut self.argument,
            "context" => &mut self.context,
            "notifications" => &mut self.notifications,
            "requestId" => &mut self.request_id,
            "protocolVersion" => &mut self.protocol_version,
            "capabilities" => &mut self.capabilities,
            "inputResponses" => &mut self.input_responses,
            "requestState" => &mut self.request_state,
            "taskId" => &mut self.task_id,
            "clientInfo" => return read_object("clientInfo", &mut self.client_info, scanner, problem),
            "_meta" => return self.meta(scanner, problem),
            _ => return scanner.skip(),
        };
        read_member(name, slot, scanner, problem)
    }

    fn meta(&mut self, scanner: &mut Scanner<'a>, problem: &mut Option<Error>) -> Result<(), NotJson> {
        if !scanner.is_at_object() {
            if scanner.value()? != "null" {
                problem.get_or_insert(Error::InvalidParams("\"_meta\" must be an object".into()));
            }
            return Ok(());
        }
        if self.meta.is_some() {
            problem.get_or_insert_with(|| twice_given("_meta"));
        }
        let meta = self.meta.insert(Meta::default());
        scanner.object(|name, scanner| match name.strip_prefix("io.modelcontextprotocol/") {
            Some("protocolVersion") => read_member(name, &mut meta.protocol_version, scanner, problem),
            Some("clientInfo") => read_object("clientInfo", &mut meta.client_info, scanner, problem),
            Some("clientCapabilities") => read_member(name, &mut meta.client_capabilities, scanner, problem),
            Some("logLevel") => read_member(name, &mut meta.log_level, scanner, problem),
            None if name == "progressToken" => read_member(name, &mut meta.progress_token, scanner, problem),
            None => match HEADERS.iter().position(|header| *header == name) {
                Some(index) => read_member(name, &mut meta.trace.0[index], scanner, problem),
                None => scanner.skip(),
            },
            Some(_) => scanner.skip(),
        })
    }
}

/// Reads a member into its slot; `null` leaves it empty.
fn read_member<'a>(
    name: &str,
    slot: &mut Option<&'a str>,
    scanner: &mut Scanner<'a>,
    problem: &mut Option<Error>,
) -> Result<(), NotJson> {
    let value = scanner.value()?;
    if slot.is_some() {
        problem.get_or_insert_with(|| twice_given(name));
    }
    *slot = Some(value).filter(|value| *value != "null");
    Ok(())
}

/// The same for a member that must be an object.
fn read_object<'a>(
    name: &str,
    slot: &mut Option<&'a str>,
    scanner: &mut Scanner<'a>,
    problem: &mut Option<Error>,
) -> Result<(), NotJson> {
    read_member(name, slot, scanner, problem)?;
    if slot.is_some_and(|value| !value.starts_with('{')) {
        problem.get_or_insert_with(|| Error::InvalidParams(format!("\"{name}\" must be an object").into()));
    }
    Ok(())
}

/// Whether a raw JSON value may be a request's id or a progress token: a string, or a number without fraction and exponent.
pub(crate) fn is_id(raw: &str) -> bool {
    let digits = raw.strip_prefix('-').unwrap_or(raw);
    // Half a surrogate pair is no text, and would make what repeats it unreadable.
    let is_text = raw.starts_with('"') && (!raw.contains("\\u") || text(raw).is_some());
    is_text || (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

fn twice_given(member: &str) -> Error {
    let name: String = member.chars().take(64).collect();
    Error::InvalidRequest(format!("\"{name}\" is given twice").into())
}

/// Whether the body is an array, and so a batch.
pub(crate) fn is_batch(body: &[u8]) -> bool {
    body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[')
}

/// The messages of a batch, unread.
pub(crate) fn split(body: &[u8]) -> Result<Vec<&RawValue>, Error> {
    /// One more than allowed at most, so that the caller sees the excess.
    struct Elements;

    impl<'de> Visitor<'de> for Elements {
        type Value = Vec<&'de RawValue>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
            let mut elements = Vec::new();
            while elements.len() <= MAX_BATCH {
                match array.next_element()? {
                    Some(element) => elements.push(element),
                    None => return Ok(elements),
                }
            }
            while array.next_element::<IgnoredAny>()?.is_some() {}
            Ok(elements)
        }
    }

    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let elements = deserializer.deserialize_seq(Elements).and_then(|elements| deserializer.end().map(|()| elements));
    let elements = elements.map_err(|error| Error::NotJson(error.to_string()))?;
    match elements.len() {
        0 => Err(Error::InvalidRequest("a batch must hold a message".into())),
        1..=MAX_BATCH => Ok(elements),
        _ => Err(Error::InvalidRequest(format!("a batch may hold {MAX_BATCH} messages at most").into())),
    }
}

/// The beginning of a response, up to its result.
pub(crate) fn begin_result(id: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",\"id\":");
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(b",\"result\":");
}

/// A whole error response. Where the id is not known, the older revisions say `null` as JSON-RPC does; since
/// 2025-11-25 it is left out.
pub(crate) fn write_error(id: Option<&str>, version: ProtocolVersion, error: &WireError<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"{\"jsonrpc\":\"2.0\",");
    match id {
        Some(id) => {
            out.extend_from_slice(b"\"id\":");
            out.extend_from_slice(id.as_bytes());
            out.push(b',');
        }
        None if version < ProtocolVersion::V2025_11_25 => out.extend_from_slice(b"\"id\":null,"),
        None => {}
    }
    out.extend_from_slice(b"\"error\":{\"code\":");
    out.extend_from_slice(error.code.to_string().as_bytes());
    out.extend_from_slice(b",\"message\":");
    write_json(&error.message, out);
    if let Some(data) = &error.data {
        out.extend_from_slice(b",\"data\":");
        write_json(data, out);
    }
    out.extend_from_slice(b"}}");
}

/// Appends a value as JSON.
pub(crate) fn write_json<T: serde::Serialize + ?Sized>(value: &T, out: &mut Vec<u8>) {
    // Strings and JSON values serialise without fail, and a `Vec` takes everything.
    let written = serde_json::to_writer(out, value);
    debug_assert!(written.is_ok());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_strings_and_integers() {
        for id in ["0", "-1", "12345678901234567890123", "\"\"", "\"a\"", r#""\u00e4\ud83d\ude00""#] {
            assert!(is_id(id), "{id}");
        }
        for id in ["null", "true", "1.0", "1e2", "-", "", "{}", "[]", "1E5", "-1.5", r#""\ud800""#] {
            assert!(!is_id(id), "{id}");
        }
    }

    #[test]
    fn raw_strings_are_read_without_copying_where_possible() {
        assert!(matches!(text("\"tools/call\""), Some(Cow::Borrowed("tools/call"))));
        assert!(matches!(text(r#""tools\/call""#), Some(Cow::Owned(text)) if text == "tools/call"));
        assert_eq!(text(r#""\ud800""#), None);
        for json in ["1", "null", "{}", "[\"a\"]"] {
            assert_eq!(text(json), None, "{json}");
        }
    }

    #[test]
    fn the_id_is_left_out_of_errors_since_2025_11_25() {
        let wire = WireError { status: 400, code: -1, message: "no".into(), data: None };
        for (version, expected) in [
            (ProtocolVersion::V2025_06_18, r#"{"jsonrpc":"2.0","id":null,"error":{"code":-1,"message":"no"}}"#),
            (ProtocolVersion::V2025_11_25, r#"{"jsonrpc":"2.0","error":{"code":-1,"message":"no"}}"#),
        ] {
            let mut out = Vec::new();
            write_error(None, version, &wire, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}
