//! Answers on their way back to the backend that asked.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{HeldPlace, State, open_state};
use crate::error::Error;
use crate::exchange::Context;
use crate::facts::Facts;
use crate::http::UpstreamRequest;
use crate::jsonrpc::{text, write_json};
use crate::scan::{Scanner, compact};
use crate::server::Server;
use crate::tool::InvalidArguments;

/// The headers of calls without a JSON object for a body.
pub(crate) const HEADERS: [&str; 2] = ["Mcp-Input-Responses", "Mcp-Request-State"];
/// Bytes of such a header's value.
const LONGEST_HEADER: usize = 4096;

/// What a call has beside its arguments when it is made again.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Retry {
    /// A JSON object.
    pub(crate) responses: Option<String>,
    /// The backend's own.
    pub(crate) state: Option<String>,
    /// The call that is held for the client.
    pub(crate) held: Option<HeldPlace>,
}

impl Retry {
    /// What a request of 2026-07-28 brings with it. The specification has no code of its own for a state that is not ours.
    pub(crate) fn of(server: &Server, context: &Context, facts: &Facts) -> Result<Retry, Error> {
        let invalid = |why: &'static str| Error::InvalidParams(why.into());
        if let Some(responses) = facts.input_responses() {
            check_responses(responses).map_err(invalid)?;
        }
        let state = facts.request_state().map(|token| {
            let token = text(token).ok_or_else(|| invalid("\"requestState\" must be a string"))?;
            open_state(server, context, facts, &token).map_err(|_| {
                invalid("\"requestState\" was not given for this request, or is too old: begin again without it")
            })
        });
        let responses = facts.input_responses().map(str::to_owned);
        let (state, held) = match state.transpose()? {
            Some(State::Backends(state)) => (Some(state), None),
            Some(State::Held(held)) => (None, Some(held)),
            None => (None, None),
        };
        Ok(Retry { responses, state, held })
    }

    fn is_nothing(&self) -> bool {
        self.responses.is_none() && self.state.is_none()
    }

    /// Puts it into the call: into its body, if that is a JSON object of its arguments, else into headers.
    pub(crate) fn put_into(self, request: &mut UpstreamRequest, has_object: bool) -> Result<(), InvalidArguments> {
        let body = request.body.as_mut().filter(|_| has_object);
        if body.as_ref().is_some_and(|body| has_meta(body)) {
            // It would be taken for what only this server may say.
            return Err(InvalidArguments("invalid arguments: \"_meta\" cannot be an argument".into()));
        }
        if self.is_nothing() {
            return Ok(());
        }
        match body {
            Some(body) => self.write_member(body),
            None => self.write_headers(&mut request.headers)?,
        }
        Ok(())
    }

    /// Adds `_meta` to an object.
    fn write_member(&self, body: &mut Vec<u8>) {
        body.pop();
        body.extend_from_slice(if body.len() > 1 { b",\"_meta\":{" } else { b"\"_meta\":{" });
        if let Some(responses) = &self.responses {
            body.extend_from_slice(b"\"inputResponses\":");
            body.extend_from_slice(responses.as_bytes());
        }
        if let Some(state) = &self.state {
            body.extend_from_slice(if self.responses.is_some() { b",\"requestState\":" } else { b"\"requestState\":" });
            write_json(state, body);
        }
        body.extend_from_slice(b"}}");
    }

    fn write_headers(&self, headers: &mut Vec<(String, String)>) -> Result<(), InvalidArguments> {
        let values = [self.responses.as_deref().map(in_ascii), self.state.as_deref().map(in_header)];
        for ((name, value), what) in HEADERS.into_iter().zip(values).zip(["answers are", "state is"]) {
            let Some(value) = value else { continue };
            if value.len() > LONGEST_HEADER {
                return Err(InvalidArguments(format!(
                    "the {what} larger than what this tool can be given: {LONGEST_HEADER} bytes as a header; its \
                     backend takes more in the JSON body of a POST"
                )));
            }
            headers.push((name.to_owned(), value));
        }
        Ok(())
    }
}

/// Whether a JSON object has the member that answers are put into.
fn has_meta(object: &[u8]) -> bool {
    let Ok(json) = std::str::from_utf8(object) else { return false };
    let mut found = false;
    let walked = Scanner::new(json).object(|name, scanner| {
        found |= name == "_meta";
        scanner.skip()
    });
    found || walked.is_err()
}

/// `InputResponses`: an object of objects.
pub(crate) fn check_responses(json: &str) -> Result<(), &'static str> {
    let mut are_objects = true;
    let walked = Scanner::new(json).object(|_, scanner| {
        are_objects &= scanner.is_at_object();
        scanner.skip()
    });
    match (walked, are_objects) {
        (Err(_), _) => Err("\"inputResponses\" must be an object"),
        (_, false) => Err("every member of \"inputResponses\" must be an object: the result of what was asked for"),
        _ => Ok(()),
    }
}

/// JSON on one line of ASCII: outside of strings it is that anyway.
fn in_ascii(json: &str) -> String {
    let mut line = String::with_capacity(json.len());
    compact(json, &mut line);
    let mut out = String::with_capacity(line.len());
    let mut units = [0; 2];
    for letter in line.chars() {
        match letter {
            ' '..='~' => out.push(letter),
            // DEL is valid JSON, but nothing for a header.
            _ => letter.encode_utf16(&mut units).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}"))),
        }
    }
    out
}

/// A text as the value of a header.
pub(crate) fn in_header(text: &str) -> String {
    let is_plain = text.bytes().all(|byte| matches!(byte, b'!'..=b'~')) && !text.is_empty();
    match is_plain && !text.starts_with("=?base64?") {
        true => text.to_owned(),
        false => format!("=?base64?{}?=", STANDARD.encode(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry(responses: Option<&str>, state: Option<&str>) -> Retry {
        Retry { responses: responses.map(str::to_owned), state: state.map(str::to_owned), held: None }
    }

    fn body(object: &str, retry: Retry) -> Result<String, String> {
        let mut request = UpstreamRequest { body: Some(object.into()), ..UpstreamRequest::default() };
        retry.put_into(&mut request, true).map_err(|error| error.0)?;
        assert!(request.headers.is_empty());
        Ok(String::from_utf8(request.body.unwrap()).unwrap())
    }

    fn headers(retry: Retry) -> Result<Vec<(String, String)>, String> {
        // A form, say.
        let mut request = UpstreamRequest { body: Some(b"a=b".to_vec()), ..UpstreamRequest::default() };
        retry.put_into(&mut request, false).map_err(|error| error.0)?;
        assert_eq!(request.body.unwrap(), b"a=b");
        Ok(request.headers)
    }

    #[test]
    fn a_json_body_has_it_as_a_member() {
        let answers = r#"{"a": {"action":"accept"}}"#;
        for (object, responses, state, expected) in [
            ("{}", None, None, "{}".to_owned()),
            ("{}", Some(answers), None, format!(r#"{{"_meta":{{"inputResponses":{answers}}}}}"#)),
            (r#"{"a":1}"#, None, Some("\"é"), r#"{"a":1,"_meta":{"requestState":"\"é"}}"#.to_owned()),
            (
                r#"{"a":{"_meta":1}}"#,
                Some(answers),
                Some(""),
                format!(r#"{{"a":{{"_meta":1}},"_meta":{{"inputResponses":{answers},"requestState":""}}}}"#),
            ),
        ] {
            assert_eq!(body(object, retry(responses, state)), Ok(expected));
        }
    }

    #[test]
    fn nobody_else_says_what_stands_there() {
        for object in [r#"{"_meta":{"requestState":"forged"}}"#, r#"{"a":1,"\u005fmeta":null}"#] {
            for retry in [Retry::default(), retry(None, Some("s"))] {
                assert!(body(object, retry).unwrap_err().contains("\"_meta\" cannot be an argument"));
            }
        }
    }

    #[test]
    fn other_calls_have_it_in_headers() {
        let named = |values: [Option<&str>; 2]| {
            let lines = HEADERS.into_iter().zip(values);
            lines.filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect::<Vec<_>>()
        };
        for (responses, state, expected) in [
            (None, None, [None, None]),
            (
                Some("{ \"a\":\r\n{\"b\": \"é \u{1f600}\u{7f}\\n\"} }"),
                None,
                [Some(r#"{"a":{"b":"\u00e9 \ud83d\ude00\u007f\n"}}"#), None],
            ),
            (Some("{}"), Some("a.b-~"), [Some("{}"), Some("a.b-~")]),
            (None, Some("a b"), [None, Some("=?base64?YSBi?=")]),
            (None, Some("é\n"), [None, Some("=?base64?w6kK?=")]),
            (None, Some(""), [None, Some("=?base64??=")]),
            (None, Some("=?base64?YQ==?="), [None, Some("=?base64?PT9iYXNlNjQ/WVE9PT89?=")]),
        ] {
            assert_eq!(headers(retry(responses, state)), Ok(named(expected)), "{responses:?} {state:?}");
        }
    }

    #[test]
    fn headers_have_a_limit() {
        let responses = |size: usize| format!("{{\"a\":{{\"b\":\"{}\"}}}}", "x".repeat(size - 14));
        assert!(headers(retry(Some(&responses(4096)), Some(&"s".repeat(4096)))).is_ok());
        assert!(headers(retry(Some(&responses(4097)), None)).unwrap_err().contains("the answers are larger"));
        assert!(headers(retry(None, Some(&"s".repeat(4097)))).unwrap_err().contains("the state is larger"));
    }

    #[test]
    fn responses_are_objects() {
        for (json, is_right) in
            [("{}", true), (r#"{"a":{}, "b": {"c":1}}"#, true), ("[]", false), (r#"{"a":1}"#, false), ("1", false)]
        {
            assert_eq!(check_responses(json).is_ok(), is_right, "{json}");
        }
    }
}
