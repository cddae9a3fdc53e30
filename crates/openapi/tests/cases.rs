//! Replays `tests/openapi/cases.json`: a document and the arguments of a call in, the upstream request out. The file says
//! at its head how its cases are to be read.

#![allow(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

use mcp::http::{HeaderLine, Headers, HttpRequest, Transport, UpstreamRequest};
use mcp::operation::{Location, Operation, Source};
use mcp::{Server, ServerBuilder, Step, Tool};
use openapi::{Document, Limits, Rules};
use serde_json::{Map, Value, json};

const ORIGIN: &str = "http://127.0.0.1:8080";

#[test]
fn every_case_is_exact() {
    let cases: Value = serde_json::from_str(include_str!("../../../tests/openapi/cases.json")).unwrap();
    let cases = cases["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 105);
    let mut wrong = Vec::new();
    for case in cases {
        if let Err(why) = run(case) {
            wrong.push(format!("{}: {why}", case["name"].as_str().unwrap()));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

fn run(case: &Value) -> Result<(), String> {
    let operation = operation(case)?;
    let expect = &case["expect"];
    for name in expect["schema_must_not_have"].as_array().into_iter().flatten() {
        if operation.input_schema["properties"].get(name.as_str().unwrap()).is_some() {
            return Err(format!("{name} is an argument"));
        }
    }
    let arguments = match case.get("arguments").filter(|arguments| !arguments.is_null()) {
        Some(arguments) => arguments.clone(),
        None => by_location(&operation, &case["arguments_by_location"]),
    };
    let tool = Tool::from_operation(operation).map_err(|error| error.0)?;
    let (method, origin) = (tool.endpoint().method().to_owned(), tool.endpoint().origin().to_owned());
    let mut builder = ServerBuilder::new();
    builder.secret([7; 32]);
    builder.tool(tool).unwrap();
    match call(&builder.build().unwrap(), &arguments) {
        Ok(request) => {
            if expect["method"] != json!(method) || origin != ORIGIN {
                return Err(format!("{method} {origin}"));
            }
            compare(expect, &request)
        }
        Err(_) if expect["error"] == true || expect["error_also_accepted"] == true => Ok(()),
        Err(reply) => Err(format!("refused: {reply}")),
    }
}

fn operation(case: &Value) -> Result<Operation, String> {
    let version = case["openapi_version"].as_str().unwrap();
    let mut document = json!({"info": {"title": "case", "version": "1"}});
    if version == "2.0" {
        document["host"] = ORIGIN.split_once("://").unwrap().1.into();
        document["schemes"] = json!(["http"]);
    } else {
        document["openapi"] = version.into();
        document["servers"] = json!([{"url": "{origin}"}]);
    }
    for (key, value) in case["openapi_fragment"].as_object().unwrap() {
        document[key] = value.clone();
    }
    let text = document.to_string().replace("{origin}", ORIGIN);
    let document = Document::parse(&text, &Limits::default()).map_err(|error| error.to_string())?;
    let outcome = document.operations(&Rules::default(), &mut |name| Err(name.into()));
    if !outcome.warnings.is_empty() {
        return Err(format!("{:?}", outcome.warnings));
    }
    outcome.operations.into_iter().next().map(|(operation, _)| operation).ok_or_else(|| "no operation".into())
}

/// The arguments under whatever names they have here.
fn by_location(operation: &Operation, given: &Value) -> Value {
    let mut arguments = Map::new();
    for (location, values) in given.as_object().unwrap() {
        let location = match location.as_str() {
            "path" => Location::Path,
            "query" => Location::Query,
            "header" => Location::Header,
            "cookie" => Location::Cookie,
            "body" => {
                arguments.insert(operation.body.as_ref().unwrap().argument.clone(), values.clone());
                continue;
            }
            other => panic!("{other}"),
        };
        for (name, value) in values.as_object().unwrap() {
            let parameter = operation.parameters.iter().find(|p| p.location == location && p.name == *name).unwrap();
            let Source::Argument(argument) = &parameter.source else { panic!("{name}") };
            arguments.insert(argument.clone(), value.clone());
        }
    }
    arguments.into()
}

/// The upstream request of a `tools/call`, or the reply that there is instead.
fn call(server: &Server, arguments: &Value) -> Result<UpstreamRequest, String> {
    let meta = |name: &str| format!("io.modelcontextprotocol/{name}");
    let name = server.tools()[0].name();
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": name,
        "arguments": arguments,
        "_meta": {
            meta("protocolVersion"): "2026-07-28",
            meta("clientInfo"): {"name": "cases", "version": "1"},
            meta("clientCapabilities"): {},
        },
    }});
    let lines: [HeaderLine<'_>; 6] = [
        (b"host", b"localhost"),
        (b"content-type", b"application/json"),
        (b"accept", b"application/json, text/event-stream"),
        (b"mcp-protocol-version", b"2026-07-28"),
        (b"mcp-method", b"tools/call"),
        (b"mcp-name", name.as_bytes()),
    ];
    let body = message.to_string();
    let request = HttpRequest {
        transport: Transport::StreamableHttp,
        target: b"/mcp",
        method: "POST",
        headers: Headers(&lines),
        body: body.as_bytes(),
        hosts: &["localhost".to_owned()],
        session_state: None,
        offering: None,
        now: 1_800_000_000,
    };
    let exchange = server.receive(&request, &|| [9; 16]);
    match exchange.start(server, &mut |_, _| panic!("nothing is evaluated")) {
        Step::Call { request, .. } => Ok(request),
        Step::Reply(reply) | Step::KeepSession { reply, .. } => match reply.body {
            mcp::http::Body::Bytes(bytes) => Err(String::from_utf8(bytes).unwrap()),
            other => Err(format!("{} {other:?}", reply.status)),
        },
        step => panic!("{step:?}"),
    }
}

fn compare(expect: &Value, request: &UpstreamRequest) -> Result<(), String> {
    let uri = json!(request.uri);
    let uris = expect["path_and_query_also_accepted"].as_array().into_iter().flatten();
    if expect["path_and_query"] != uri && !uris.into_iter().any(|accepted| *accepted == uri) {
        return Err(format!("{uri} for {}", expect["path_and_query"]));
    }
    for (name, value) in expect["headers"].as_object().into_iter().flatten() {
        let sent = header(request, name);
        let also = expect["headers_also_accepted"][name].as_array().into_iter().flatten();
        let same = match &sent {
            None => value.is_null(),
            Some(sent) => *value == json!(sent) || also.into_iter().any(|also| *also == json!(sent)),
        };
        if !same {
            return Err(format!("{name}: {sent:?} for {value}"));
        }
    }
    let bodies = std::iter::once(&expect["body"]).chain(expect["body_also_accepted"].as_array().into_iter().flatten());
    let mut why = String::new();
    for body in bodies {
        match compare_body(body, request) {
            Ok(()) => return Ok(()),
            Err(error) => why = error,
        }
    }
    Err(why)
}

fn header(request: &UpstreamRequest, name: &str) -> Option<String> {
    if name == "content-type" {
        let essence = request.content_type.as_deref()?.split(';').next().unwrap();
        return Some(essence.to_owned());
    }
    request.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.clone())
}

fn compare_body(expected: &Value, request: &UpstreamRequest) -> Result<(), String> {
    let differs = || Err(format!("{:?} for {expected}", request.body.as_deref().map(String::from_utf8_lossy)));
    let Some(body) = &request.body else { return if expected.is_null() { Ok(()) } else { differs() } };
    let Some(expected) = expected.as_object() else { return differs() };
    let same = match expected.iter().next().map(|(kind, value)| (kind.as_str(), value)) {
        Some(("json", value)) => serde_json::from_slice::<Value>(body).is_ok_and(|body| body == *value),
        Some(("text", value)) => value.as_str().map(str::as_bytes) == Some(body),
        Some(("multipart", parts)) => {
            let boundary = request.content_type.as_deref().and_then(|value| value.split_once("boundary="));
            same_parts(parts.as_array().unwrap(), &split(body, boundary.unwrap().1.trim_matches('"')))
        }
        other => panic!("{other:?}"),
    };
    if same { Ok(()) } else { differs() }
}

/// One part of `multipart/form-data`.
struct Part {
    name: String,
    filename: bool,
    content_type: Option<String>,
    body: Vec<u8>,
}

fn split(body: &[u8], boundary: &str) -> Vec<Part> {
    // Latin-1, so that bytes and characters are the same.
    let text: String = body.iter().map(|byte| *byte as char).collect();
    let text = format!("\r\n{text}");
    let mut pieces = text.split(&format!("\r\n--{boundary}")).skip(1).collect::<Vec<_>>();
    assert_eq!(pieces.pop(), Some("--\r\n"));
    let part = |piece: &str| {
        let (head, body) = piece.strip_prefix("\r\n").unwrap().split_once("\r\n\r\n").unwrap();
        let line = |name: &str| {
            let mut lines = head.split("\r\n").filter_map(|line| line.split_once(": "));
            lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
        };
        let disposition = line("content-disposition").unwrap();
        Part {
            name: disposition.split("; name=\"").nth(1).unwrap().split('"').next().unwrap().to_owned(),
            filename: disposition.contains("; filename="),
            content_type: line("content-type"),
            body: body.chars().map(|char| char as u8).collect(),
        }
    };
    pieces.into_iter().map(part).collect()
}

fn same_parts(expected: &[Value], parts: &[Part]) -> bool {
    let mut left: Vec<&Part> = parts.iter().collect();
    for expected in expected {
        // Those of one name in their order.
        let Some(at) = left.iter().position(|part| expected["name"] == json!(part.name)) else { return false };
        let part = left.remove(at);
        let content_type = part.content_type.as_deref().and_then(|value| value.split(';').next());
        let same = expected.as_object().unwrap().iter().all(|(key, value)| match key.as_str() {
            "name" => true,
            "text" => value.as_str().map(str::as_bytes) == Some(&part.body),
            "json" => serde_json::from_slice::<Value>(&part.body).is_ok_and(|body| body == *value),
            "base64" => *value == json!(base64(&part.body)),
            "content_type" => value.as_str() == content_type,
            "filename" => *value == json!(part.filename),
            other => panic!("{other}"),
        });
        if !same {
            return false;
        }
    }
    left.is_empty()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let number = (0..3).fold(0, |number, i| (number << 8) | usize::from(chunk.get(i).copied().unwrap_or(0)));
        for i in 0..4 {
            let digit = DIGITS[(number >> (18 - 6 * i)) & 63] as char;
            out.push(if i <= chunk.len() { digit } else { '=' });
        }
    }
    out
}
