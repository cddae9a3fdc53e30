//! Whatever the arguments of a call are, its request is well formed, and plain values come out as they went in.
//!
//! An input is the number of an operation, that of an operator's value, and the text of the arguments.

#[path = "operations.rs"]
mod operations;
#[path = "upstream.rs"]
mod upstream;

use std::sync::OnceLock;

use mcp::http::UpstreamRequest;
use mcp::operation::{BodyKind, Location, Operation, Parameter, Serialization, Style};
use mcp::{Server, Tool};
use serde_json::{Map, Value};

use upstream::{decode, parts};

use crate::client;

/// What `$k` comes to.
const OPERATOR: [&str; 8] = [client::VALUE, "", "a b;c,d=e", "x\r\nY: 1", "é", "..", "../%2e%2e;/x", "a%2fb&c=d#e"];

pub(crate) fn check(data: &[u8]) {
    static SUT: OnceLock<(Vec<Operation>, Server)> = OnceLock::new();
    let (operations, server) = SUT.get_or_init(|| {
        let operations = operations::operations();
        let tool = |operation: &Operation| Tool::from_operation(operation.clone()).expect("a tool");
        let tools = operations.iter().map(tool).collect();
        (operations, client::server(tools))
    });
    let [number, operator, text @ ..] = data else { return };
    let number = usize::from(*number) % operations.len();
    let operator = OPERATOR[usize::from(*operator) % OPERATOR.len()];
    let arguments: Option<Map<String, Value>> = serde_json::from_slice(text).ok();
    match client::call(server, &operations[number].name, text, operator) {
        Ok((index, request)) => {
            let operation = &operations[index];
            upstream::check(operation, arguments.as_ref(), &request);
            let Some(value) = arguments.as_ref().and_then(|arguments| arguments.get("v")) else { return };
            if let Some(parameter) = operations::is_single(operation) {
                check_parameter(parameter, value, &request);
            } else if let Some(body) = &operation.body {
                check_body(&body.kind, value, &request);
            }
        }
        Err(reply) => {
            let (Some(arguments), Some(parameter)) = (&arguments, operations::is_single(&operations[number])) else {
                return;
            };
            let takes_all = parameter.location == Location::Query
                && matches!(parameter.serialization, Serialization::Style { style: Style::Form, .. });
            let is_plain = arguments.len() == 1 && arguments.get("v").is_some_and(Value::is_string);
            assert!(!takes_all || !is_plain, "refused: {reply}");
        }
    }
}

/// A text, or texts under names or numbers. None for what is not made of texts alone.
fn texts(value: &Value) -> Option<Vec<(&str, &str)>> {
    match value {
        Value::String(text) => Some(vec![("", text)]),
        Value::Array(items) => items.iter().map(|item| Some(("", item.as_str()?))).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, member)| Some((name.as_str(), member.as_str()?))).collect()
        }
        _ => None,
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(decode(bytes)).expect("UTF-8")
}

/// The pairs of a form.
fn pairs(form: &str) -> Vec<(String, String)> {
    let decoded = |text: &str| self::text(text.replace('+', " ").as_bytes());
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').expect("a value");
        (decoded(name), decoded(value))
    };
    if form.is_empty() { Vec::new() } else { form.split('&').map(pair).collect() }
}

/// The segment that a path parameter has.
fn between(path: &str) -> &str {
    path.strip_prefix("/p/").and_then(|rest| rest.strip_suffix("/end")).expect("the template")
}

fn check_parameter(parameter: &Parameter, value: &Value, request: &UpstreamRequest) {
    let (path, query) = request.uri.split_once('?').unwrap_or((&request.uri, ""));
    let header = || request.headers.first().map_or("", |(_, value)| value);
    match &parameter.serialization {
        Serialization::Content(media_type) => {
            let in_query = query.strip_prefix("n-1=").unwrap_or(query);
            let found = match parameter.location {
                Location::Path => text(between(path).as_bytes()),
                Location::Query => text(in_query.as_bytes()),
                Location::Querystring => text(query.as_bytes()),
                Location::Header => header().to_owned(),
                Location::Cookie => text(header().strip_prefix("n-1=").unwrap_or_default().as_bytes()),
            };
            match (media_type.as_str(), value) {
                (_, Value::Null) => {}
                ("application/json", value) => {
                    assert_eq!(serde_json::from_str::<Value>(&found).expect("JSON"), *value);
                }
                ("text/plain", Value::String(value)) => assert_eq!(found, *value),
                ("application/x-www-form-urlencoded", Value::Object(_)) => {
                    let form = if parameter.location == Location::Querystring { query } else { &found };
                    check_pairs(pairs(form), value);
                }
                _ => {}
            }
        }
        Serialization::Style { style, explode, allow_reserved } => {
            let Some(texts) = texts(value).filter(|texts| !texts.is_empty()) else { return };
            // A triple stays as it is there.
            if *allow_reserved && texts.iter().any(|(name, text)| name.contains('%') || text.contains('%')) {
                return;
            }
            match parameter.location {
                Location::Path => {
                    let segment = between(path);
                    assert_eq!(in_path(segment, *style, *explode, value), flat(value, &texts), "{segment}");
                }
                Location::Query => check_query(query, *style, *explode, value, &texts),
                Location::Header if value.is_string() => assert_eq!(header(), texts[0].1),
                Location::Cookie if value.is_string() => {
                    let found = header().strip_prefix("n-1=").unwrap_or_else(|| panic!("{:?}", request.headers));
                    let found = if *style == Style::Cookie { found.to_owned() } else { text(found.as_bytes()) };
                    assert_eq!(found, texts[0].1);
                }
                _ => {}
            }
        }
    }
}

/// Names, where there are some, and values in one row.
fn flat(value: &Value, texts: &[(&str, &str)]) -> Vec<String> {
    let row = |(name, text): &(&str, &str)| match value {
        Value::Object(_) => vec![(*name).to_owned(), (*text).to_owned()],
        _ => vec![(*text).to_owned()],
    };
    texts.iter().flat_map(row).collect()
}

/// What a reader of the segment finds, as [`flat`].
fn in_path(segment: &str, style: Style, explode: bool, value: &Value) -> Vec<String> {
    let named = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        vec![text(name.as_bytes()), text(value.as_bytes())]
    };
    let of_members = |pairs: std::str::Split<'_, char>| pairs.flat_map(named).collect();
    let of_items = |items: std::str::Split<'_, char>| items.map(|item| text(item.as_bytes())).collect();
    match style {
        Style::Matrix => {
            let rest = segment.strip_prefix(';').expect("a semicolon");
            if !explode || value.is_string() {
                let items = rest.strip_prefix("n-1").expect("the name");
                let items = items.strip_prefix('=').unwrap_or(items);
                // One text has no delimiters.
                return if value.is_string() { vec![text(items.as_bytes())] } else { of_items(items.split(',')) };
            }
            let pairs = rest.split(';').map(named);
            pairs.flat_map(|pair| if value.is_array() { pair[1..].to_vec() } else { pair }).collect()
        }
        _ if value.is_string() => {
            vec![text(segment.strip_prefix('.').filter(|_| style == Style::Label).unwrap_or(segment).as_bytes())]
        }
        Style::Label => {
            let rest = segment.strip_prefix('.').expect("a dot");
            match explode {
                true if value.is_object() => of_members(rest.split('.')),
                true => of_items(rest.split('.')),
                false => of_items(rest.split(',')),
            }
        }
        _ if explode && value.is_object() => of_members(segment.split(',')),
        _ => of_items(segment.split(',')),
    }
}

fn check_query(query: &str, style: Style, explode: bool, value: &Value, texts: &[(&str, &str)]) {
    let raw: Vec<(String, &str)> = query
        .split('&')
        .map(|pair| pair.split_once('=').expect("a value"))
        .map(|(name, value)| (text(name.as_bytes()), value))
        .collect();
    if !explode && !value.is_string() && style != Style::DeepObject {
        let [(name, joined)] = raw.as_slice() else { panic!("{query}") };
        assert_eq!(name, "n-1");
        let holds = |c| texts.iter().any(|(name, text)| name.contains(c) || text.contains(c));
        let joint = match style {
            Style::SpaceDelimited => "%20",
            Style::TabDelimited => "%09",
            Style::PipeDelimited if holds('|') => "|",
            Style::PipeDelimited => "%7C",
            _ => ",",
        };
        let found: Vec<String> = joined.split(joint).map(|item| text(item.as_bytes())).collect();
        assert_eq!(found, flat(value, texts), "{query}");
        return;
    }
    let name = |name: &str| match (style, value) {
        (Style::DeepObject, Value::Object(_)) => format!("n-1[{name}]"),
        (_, Value::Object(_)) => name.to_owned(),
        _ => "n-1".to_owned(),
    };
    // How deepObject writes a list is nobody's rule.
    if style == Style::DeepObject && value.is_array() {
        return;
    }
    let expected: Vec<(String, String)> = texts.iter().map(|(n, text)| (name(n), (*text).to_owned())).collect();
    let found: Vec<(String, String)> = raw.into_iter().map(|(name, value)| (name, text(value.as_bytes()))).collect();
    assert_eq!(found, expected, "{query}");
}

fn check_body(kind: &BodyKind, value: &Value, request: &UpstreamRequest) {
    let (Some(content_type), Some(body)) = (&request.content_type, &request.body) else {
        assert!(value.is_null(), "the body is gone");
        return;
    };
    match kind {
        BodyKind::Json => assert_eq!(serde_json::from_slice::<Value>(body).expect("JSON"), *value),
        BodyKind::Text => value.as_str().into_iter().for_each(|value| assert_eq!(value.as_bytes(), body)),
        BodyKind::Form(fields) if fields.is_empty() => {
            check_pairs(pairs(std::str::from_utf8(body).expect("UTF-8")), value);
        }
        BodyKind::Multipart(fields) if fields.is_empty() => {
            let found = parts(content_type, body);
            let expected: Vec<&Value> = value.as_object().expect("an object").values().flat_map(items).collect();
            assert_eq!(found.len(), expected.len());
            for ((head, content), value) in found.iter().zip(expected) {
                if let Value::String(value) = value {
                    assert_eq!(content, value.as_bytes(), "{head}");
                }
            }
        }
        BodyKind::Multipart(_) => drop(parts(content_type, body)),
        BodyKind::Bytes | BodyKind::Form(_) => {}
    }
}

/// The pairs of a form that nothing describes.
fn check_pairs(found: Vec<(String, String)>, value: &Value) {
    let members = value.as_object().expect("an object");
    let expected: Vec<_> =
        members.iter().flat_map(|(name, value)| items(value).map(move |item| (name, item))).collect();
    assert_eq!(found.len(), expected.len());
    for ((name, text), (expected_name, value)) in found.iter().zip(expected) {
        assert_eq!(name, expected_name);
        if let Value::String(value) = value {
            assert_eq!(text, value);
        }
    }
}

/// The values that a member stands for.
fn items(value: &Value) -> impl Iterator<Item = &Value> {
    let items = if let Value::Array(items) = value { items.as_slice() } else { std::slice::from_ref(value) };
    items.iter().filter(|item| !item.is_null())
}
