//! What those who watch a tool are told of each call of it.

use crate::date::iso8601;
use crate::exchange::Context;
use crate::facts::Facts;
use crate::scan::Scanner;
use crate::tool::Object;

/// Bytes of a result that are told at the most, and of arguments; larger ones are left out.
const LARGEST: usize = 1 << 20;

/// A call that has ended, of a tool whose calls are [recorded](crate::Tool::record_calls).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The tool's number, which is that of its [endpoint](crate::Server::endpoint).
    pub tool: usize,
    /// An object whose last brace is missing.
    json: Vec<u8>,
}

impl Record {
    /// Of a call that was answered with this JSON-RPC response.
    pub(crate) fn answered(tool: usize, context: &Context, facts: &Facts, response: &[u8]) -> Record {
        let outcome = outcome_of(response);
        let status = match outcome {
            Some(("result", result)) if !is_tool_error(result) => "ok",
            Some(("result", _)) => "tool_error",
            _ => "protocol_error",
        };
        Record::new(tool, context, facts, status, outcome)
    }

    /// Of a call whose client wanted to hear no more of it.
    pub(crate) fn cancelled(tool: usize, context: &Context, facts: &Facts) -> Record {
        Record::new(tool, context, facts, "cancelled", None)
    }

    fn new(
        tool: usize,
        context: &Context,
        facts: &Facts,
        status: &str,
        outcome: Option<(&'static str, &str)>,
    ) -> Record {
        let size = outcome.map_or(0, |(_, value)| value.len());
        let mut json = Vec::with_capacity(size.min(LARGEST) + 512);
        let mut record = Object::begin(&mut json);
        record.text("time", &iso8601(context.now));
        record.text("tool", facts.tool().unwrap_or_default());
        if !context.principal.is_empty() {
            record.text("principal", &context.principal);
        }
        if let Some(name) = facts.client_name() {
            record.text("client", &name);
        }
        let arguments = facts.arguments().map(|arguments| ("arguments", arguments));
        let (told, omitted): (Vec<_>, Vec<_>) =
            arguments.into_iter().chain(outcome).partition(|(_, value)| value.len() <= LARGEST);
        told.into_iter().for_each(|(name, value)| record.member(name, value));
        for (name, value) in omitted {
            record.member(&format!("{name}Bytes"), &value.len().to_string());
        }
        record.text("status", status);
        Record { tool, json }
    }

    /// The record as JSON, of a call whose request came so many milliseconds ago.
    pub fn message(&self, milliseconds: u64) -> Vec<u8> {
        let mut message = self.json.clone();
        message.extend_from_slice(format!(",\"milliseconds\":{milliseconds}}}").as_bytes());
        message
    }
}

/// The member of a response that says what came of the request.
fn outcome_of(response: &[u8]) -> Option<(&'static str, &str)> {
    let response = std::str::from_utf8(response).ok()?;
    let mut found = None;
    let walked = Scanner::new(response).object(|name, scanner| {
        let value = scanner.value()?;
        match name {
            "result" => found = Some(("result", value)),
            "error" => found = Some(("error", value)),
            _ => {}
        }
        Ok(())
    });
    walked.ok().and(found)
}

fn is_tool_error(result: &str) -> bool {
    let mut is_error = false;
    let walked = Scanner::new(result).object(|name, scanner| {
        is_error |= scanner.value()? == "true" && name == "isError";
        Ok(())
    });
    walked.is_ok() && is_error
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::ProtocolVersion;

    fn told(response: &str, arguments: Option<&str>) -> Value {
        let mut context = Context::new(ProtocolVersion::V2025_11_25, None, "POST");
        (context.now, context.principal) = (1_800_000_000, "a\"b".to_owned());
        let mut facts = Facts::default();
        facts.tool = Some("hello".into());
        arguments.into_iter().for_each(|arguments| facts.set_arguments(arguments));
        let message = Record::answered(3, &context, &facts, response.as_bytes()).message(7);
        assert!(!message.contains(&b'\n'));
        serde_json::from_slice(&message).unwrap()
    }

    #[test]
    fn a_record_says_what_was_asked_and_what_came_of_it() {
        let common = json!({"time": "2027-01-15T08:00:00Z", "tool": "hello", "principal": "a\"b", "milliseconds": 7});
        let with = |more: Value| {
            let mut record = common.clone();
            record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            record
        };
        for (response, arguments, expected) in [
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#,
                Some("{\n\"a\": 1}"),
                json!({"status": "ok", "result": {"content": []}}),
            ),
            (
                r#"{"id":1,"result":{"isError":true}}"#,
                None,
                json!({"status": "tool_error", "result": {"isError": true}}),
            ),
            (
                r#"{"id":1,"result":{"a":{"isError":true}}}"#,
                None,
                json!({"status": "ok", "result": {"a": {"isError": true}}}),
            ),
            (r#"{"id":1,"error":{"code":-1}}"#, None, json!({"status": "protocol_error", "error": {"code": -1}})),
        ] {
            let mut told = told(response, arguments);
            let asked = told.as_object_mut().unwrap().remove("arguments");
            assert_eq!(asked, arguments.map(|_| json!({"a": 1})));
            assert_eq!(told, with(expected));
        }
    }

    #[test]
    fn what_is_too_large_is_named_by_its_size() {
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(LARGEST));
        let told = told(&format!("{{\"result\":{large}}}"), Some(&large));
        assert_eq!((&told["resultBytes"], &told["argumentsBytes"]), (&json!(large.len()), &json!(large.len())));
        assert_eq!((told.get("result"), told.get("arguments")), (None, None));
    }
}
