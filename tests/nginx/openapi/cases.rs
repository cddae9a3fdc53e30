//! Every case of `tests/openapi/cases.json` through a running nginx: a document and the arguments of a call in, the bytes of
//! the upstream's request out. The file says at its head how its cases are to be read.

use serde_json::{Map, Value, json};

use super::multipart::{Part, parts};
use super::{tools_of, upstream};
use crate::harness::{Conf, Connection, Received, Upstream, call};

/// Header lines that every request may have.
const USUAL: [&str; 4] = ["host", "accept", "content-type", "content-length"];

#[test]
fn every_case_is_exact() {
    let file: Value = serde_json::from_str(include_str!("../../openapi/cases.json")).unwrap();
    let cases = file["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 105);
    let upstream = upstream();
    let conf = cases.iter().enumerate().fold(Conf::new(), |conf, (number, case)| {
        conf.server(&format!("location = /{number} {{ mcp on; mcp_openapi {number}.json {{ }} }}\n"))
            .file(&format!("{number}.json"), document(case, &upstream))
    });
    let nginx = conf.start();
    let mut connection = nginx.connect();
    let mut wrong: Vec<String> = nginx.log.since(0).into_iter().filter(|line| line.contains("[warn]")).collect();
    for (number, case) in cases.iter().enumerate() {
        if let Err(why) = run(case, &mut connection, &format!("/{number}"), &upstream) {
            wrong.push(format!("{}: {why}", case["name"].as_str().unwrap()));
        }
    }
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

fn document(case: &Value, upstream: &Upstream) -> String {
    let version = case["openapi_version"].as_str().unwrap();
    let mut document = json!({"info": {"title": "case", "version": "1"}});
    if version == "2.0" {
        document["host"] = upstream.to_string().into();
        document["schemes"] = json!(["http"]);
    } else {
        document["openapi"] = version.into();
        document["servers"] = json!([{"url": "{origin}"}]);
    }
    for (key, value) in case["openapi_fragment"].as_object().unwrap() {
        document[key] = value.clone();
    }
    document.to_string().replace("{origin}", &format!("http://{upstream}"))
}

fn run(case: &Value, connection: &mut Connection, location: &str, upstream: &Upstream) -> Result<(), String> {
    let expect = &case["expect"];
    let tools = tools_of(connection, location);
    let [tool] = &tools[..] else { return Err(format!("{} tools", tools.len())) };
    let properties = tool["inputSchema"]["properties"].as_object().unwrap();
    for name in list(&expect["schema_must_not_have"]) {
        if properties.contains_key(name.as_str().unwrap()) {
            return Err(format!("{name} is an argument"));
        }
    }
    let arguments = match &case["arguments"] {
        Value::Null => by_location(properties, &case["arguments_by_location"]),
        arguments => arguments.clone(),
    };
    let before = upstream.requests().len();
    let reply = connection.exchange(&call(tool["name"].as_str().unwrap(), arguments).to(location)).result();
    let requests = upstream.requests().split_off(before);
    let refused = reply["isError"] == true;
    match &requests[..] {
        [] if refused && (expect["error"] == true || expect["error_also_accepted"] == true) => Ok(()),
        [request] if !refused => compare(expect, request, upstream),
        _ => Err(format!("{requests:?} for {reply}")),
    }
}

/// Arguments whose names collide, under the names that the tool has for them.
fn by_location(properties: &Map<String, Value>, given: &Value) -> Value {
    let mut arguments = Map::new();
    for (location, values) in given.as_object().unwrap() {
        if location == "body" {
            arguments.insert("body".into(), values.clone());
            continue;
        }
        for (name, value) in values.as_object().unwrap() {
            let own = format!("{name}_{location}");
            let name = if properties.contains_key(&own) { &own } else { name };
            assert!(arguments.insert(name.clone(), value.clone()).is_none(), "{name} is there twice");
        }
    }
    arguments.into()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A value and others that are as good.
fn accepts(expected: &Value, also: &Value, found: &Value) -> bool {
    expected == found || list(also).contains(found)
}

fn compare(expect: &Value, request: &Received, upstream: &Upstream) -> Result<(), String> {
    let line = request.line();
    let (method, target) = line.split_once(' ').unwrap();
    if expect["method"] != method
        || !accepts(&expect["path_and_query"], &expect["path_and_query_also_accepted"], &json!(target))
    {
        return Err(format!("{line} for {} {}", expect["method"], expect["path_and_query"]));
    }
    let headers = expect["headers"].as_object().unwrap();
    for (name, value) in headers {
        let mut sent = json!(request.header(name));
        if name == "content-type" {
            sent = sent.as_str().and_then(|value| value.split(';').next()).into();
        }
        if !accepts(value, &expect["headers_also_accepted"][name], &sent) {
            return Err(format!("{name}: {sent} for {value}"));
        }
    }
    for (name, value) in request.headers() {
        if !USUAL.contains(&name.as_str()) && !headers.contains_key(&name) {
            return Err(format!("{name}: {value} was not to be sent"));
        }
    }
    if request.header("host") != Some(upstream.to_string()) {
        return Err(format!("the host of {request:?}"));
    }
    let mut bodies = std::iter::once(&expect["body"]).chain(list(&expect["body_also_accepted"]));
    if bodies.any(|body| is_body(body, request)) { Ok(()) } else { Err(format!("{request:?} for {}", expect["body"])) }
}

fn is_body(expected: &Value, request: &Received) -> bool {
    let body = request.body();
    let Some(expected) = expected.as_object() else {
        return body.is_empty() && request.header("content-type").is_none();
    };
    let (kind, value) = expected.iter().next().unwrap();
    match kind.as_str() {
        "json" => serde_json::from_slice::<Value>(body).is_ok_and(|body| body == *value),
        "text" => value.as_str().map(str::as_bytes) == Some(body),
        "base64" => *value == base64(body),
        "multipart" => are_parts(list(value), parts(request)),
        other => panic!("{other}"),
    }
}

fn are_parts(expected: &[Value], mut parts: Vec<Part>) -> bool {
    expected.iter().all(|expected| {
        // Those of one name in their order.
        let Some(at) = parts.iter().position(|part| expected["name"] == *part.name) else { return false };
        is_part(expected, &parts.remove(at))
    }) && parts.is_empty()
}

fn is_part(expected: &Value, part: &Part) -> bool {
    expected.as_object().unwrap().iter().all(|(key, value)| match key.as_str() {
        "name" => true,
        "text" => value.as_str().map(str::as_bytes) == Some(&part.body),
        "json" => serde_json::from_slice::<Value>(&part.body).is_ok_and(|body| body == *value),
        "base64" => *value == base64(&part.body),
        "content_type" => {
            let essence = part.content_type.as_deref().and_then(|value| value.split(';').next());
            value.as_str() == essence
        }
        "filename" if value.is_boolean() => *value == part.filename.is_some(),
        "filename" => value.as_str() == part.filename.as_deref(),
        other => panic!("{other}"),
    })
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let number = (0..3).fold(0, |number, i| (number << 8) | usize::from(chunk.get(i).copied().unwrap_or(0)));
        text.extend((0..4).map(|i| if i <= chunk.len() { DIGITS[(number >> (18 - 6 * i)) & 63] as char } else { '=' }));
    }
    text
}
