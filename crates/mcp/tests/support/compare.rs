//! Compares what came back with what a case wants.

use mcp::Exchange;
use mcp::http::{HttpReply, Outcome};
use serde_json::{Value, json};

use crate::sent::META;

/// Takes off what every message has, after checking it.
pub(crate) fn strip(message: &mut Value, stateless: bool) {
    let Value::Object(message) = message else { panic!("not an object: {message}") };
    assert_eq!(message.remove("jsonrpc"), Some(json!("2.0")));
    let Some(Value::Object(result)) = message.get_mut("result") else { return };
    // False is what an absent `isError` means.
    result.retain(|name, value| name != "isError" || *value != json!(false));
    if stateless {
        let meta = result.remove("_meta");
        assert_eq!(
            meta,
            Some(json!({format!("{META}serverInfo"): {"name": "wire", "version": "1.0.0"}})),
            "serverInfo"
        );
        assert!(result.contains_key("resultType"), "resultType");
        result.retain(|name, value| name != "resultType" || *value != json!("complete"));
    }
}

/// Whether a value is as a case wants it: `"*"` is anything, `"~text"` a string with that text in it.
pub(crate) fn matches(expected: &Value, actual: &Value) -> bool {
    match (expected, actual) {
        (Value::String(pattern), _) if pattern == "*" => true,
        (Value::String(pattern), Value::String(actual)) => match pattern.strip_prefix('~') {
            Some(part) => actual.contains(part),
            None => pattern == actual,
        },
        (Value::Object(expected), Value::Object(actual)) => {
            expected.len() == actual.len()
                && expected.iter().all(|(name, value)| actual.get(name).is_some_and(|actual| matches(value, actual)))
        }
        (Value::Array(expected), Value::Array(actual)) => {
            expected.len() == actual.len() && expected.iter().zip(actual).all(|(e, a)| matches(e, a))
        }
        _ => expected == actual,
    }
}

pub(crate) fn check_headers(expected: &Value, reply: &HttpReply) {
    for (name, value) in expected.as_object().into_iter().flatten() {
        let values: Vec<_> =
            reply.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v).collect();
        match value {
            Value::Null => assert!(values.is_empty(), "header {name} is {values:?}"),
            _ => {
                assert_eq!(values.len(), 1, "header {name} in {:?}", reply.headers);
                assert!(matches(value, &json!(values[0])), "header {name} is {values:?}");
            }
        }
    }
}

pub(crate) fn check_outcome(body: Option<&Value>, reply: &HttpReply) {
    let of = |message: &Value| match (&message["error"]["code"], &message["result"]["isError"]) {
        (Value::Number(code), _) => Outcome::ProtocolError { code: code.as_i64().unwrap() },
        (_, Value::Bool(true)) => Outcome::ToolError,
        _ => Outcome::Ok,
    };
    let expected = match body {
        Some(Value::Array(messages)) => messages.iter().map(of).find(|one| *one != Outcome::Ok).unwrap_or(Outcome::Ok),
        Some(message) => of(message),
        None => Outcome::Ok,
    };
    assert_eq!(reply.outcome, expected, "outcome");
}

pub(crate) fn check_facts(expected: &Value, exchange: &Exchange) {
    let facts = exchange.facts();
    for (name, value) in expected.as_object().into_iter().flatten() {
        let fact: Option<String> = match name.as_str() {
            "method" => facts.method().map(Into::into),
            "transport" => Some(facts.transport().to_owned()),
            "tool" => facts.tool().map(Into::into),
            "resource" => facts.resource().map(Into::into),
            "prompt" => facts.prompt().map(Into::into),
            "protocol_version" => facts.protocol_version().map(|version| version.to_string()),
            "request_id" => facts.request_id().map(Into::into),
            "client_name" => facts.client_name().map(Into::into),
            "client_version" => facts.client_version().map(Into::into),
            "session" => facts.session().map(Into::into),
            argument => facts.argument(argument.strip_prefix("arg_").expect("arg_NAME")).map(Into::into),
        };
        assert!(matches(value, &json!(fact)), "{name} is {fact:?}");
    }
}
