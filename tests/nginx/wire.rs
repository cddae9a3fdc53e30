//! Replays `tests/wire/*.json` through nginx: what the core answers, nginx sends. The files' format is in their README.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::harness::{Act, Conf, Connection, Nginx, Port, Request, Response, Session, Upstream, response};

const META: &str = "io.modelcontextprotocol/";
/// Statuses that nginx ends a request with by closing the connection.
const CLOSING: [u64; 2] = [408, 499];

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire")
}

fn load(name: &str) -> Value {
    let path = directory().join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A word of a directive as nginx's parser reads it back.
fn quoted(word: &str) -> String {
    format!("\"{}\"", word.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The server that a file describes, as directives.
fn settings(settings: &Value) -> String {
    let mut directives = "mcp_server_info wire 1.0.0;\nmcp_listen off;\n".to_owned();
    for (name, value) in settings.as_object().into_iter().flatten() {
        directives += &match name.as_str() {
            "allowed_origins" => {
                let origins: Vec<_> = value.as_array().unwrap().iter().map(|origin| origin.as_str().unwrap()).collect();
                format!("mcp_allowed_origins {};\n", origins.join(" "))
            }
            "instructions" => format!("mcp_instructions {};\n", quoted(value.as_str().unwrap())),
            "page_size" => format!("mcp_page_size {value};\n"),
            "cache_ttl" => format!("mcp_cache_ttl {};\n", value.as_u64().unwrap() / 1000),
            "cache_private" => format!("mcp_cache_scope {};\n", if *value == true { "private" } else { "public" }),
            "no_tools" | "offers" | "search" | "files" | "skills" => String::new(),
            other => panic!("unknown setting {other}"),
        };
    }
    directives
}

fn tools() -> String {
    blocks("mcp_tool", &load("tools.json"), "name")
}

/// What a file offers beside tools.
fn offers(offers: &Value) -> String {
    let offers = offers.as_str().map_or_else(|| offers.clone(), load);
    blocks("mcp_resource", &offers["resources"], "uri") + &blocks("mcp_prompt", &offers["prompts"], "name")
}

fn blocks(block: &str, all: &Value, name: &str) -> String {
    let mut directives = String::new();
    for one in all.as_array().unwrap() {
        directives += &format!("{block} {} {{\n", quoted(one[name].as_str().unwrap()));
        for directive in one["directives"].as_array().unwrap() {
            let words: Vec<_> = directive.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
            let arguments: Vec<_> = words[1..].iter().map(|word| quoted(word)).collect();
            directives += &format!("{} {};\n", words[0], arguments.join(" "));
        }
        directives += "}\n";
    }
    directives
}

/// The variables that a file's cases ask for.
fn variables(cases: &[Value]) -> BTreeSet<String> {
    let facts = cases.iter().filter_map(|case| case["facts"].as_object());
    facts.flat_map(|facts| facts.keys().cloned()).collect()
}

fn conf(file: &Value, upstream: &Upstream, refused: &Port) -> Conf {
    let cases = file["cases"].as_array().unwrap();
    let mut tools = if file["server"].get("no_tools").is_none() { tools() } else { String::new() };
    tools += &file["server"].get("offers").map(offers).unwrap_or_default();
    tools +=
        &file["server"]["skills"].as_str().map(|directory| format!("mcp_skills {directory};\n")).unwrap_or_default();
    let document = file["server"]["search"].as_str();
    if let Some(document) = document {
        tools += &format!("mcp_openapi {document} {{ pass http://upstream; search on; }}\n");
    }
    let statuses: BTreeSet<u64> = cases.iter().filter_map(|case| case["request"]["refused"].as_u64()).collect();
    let refusals: String =
        statuses.iter().map(|status| format!("if ($http_x_refused = {status}) {{ return {status}; }}\n")).collect();
    let shown: String = variables(cases).iter().map(|name| format!(",\"{name}\":\"$mcp_{name}\"")).collect();
    let documents = document.map(|name| (name, std::fs::read(directory().join(name)).unwrap()));
    // In the second location every session has expired.
    let conf = Conf::location(&format!("{refusals}{tools}"))
        .http(&format!("log_format facts escape=json 'facts {{\"case\":\"$http_x_case\",\"status\":\"$mcp_status\",\"code\":\"$mcp_error_code\"{shown}}}';\n"))
        .http("upstream upstream { server UPSTREAM; }\nupstream refused { server REFUSED; }\n")
        .server(&settings(&file["server"]))
        .server("access_log /dev/stderr facts;\nserver_name 127.0.0.1;\n")
        .server("location = /expired { mcp on; mcp_session_timeout 0; }\n")
        .with("UPSTREAM", upstream)
        .with("REFUSED", refused);
    let conf = documents.into_iter().fold(conf, |conf, (name, text)| conf.file(name, text));
    let files = file["server"]["files"].as_object().into_iter().flatten();
    files.fold(conf, |conf, (path, text)| conf.file(path, text.as_str().unwrap()))
}

/// Answers as `upstream.json` says.
fn upstream() -> Upstream {
    let answers = load("upstream.json");
    Upstream::new(move |request| {
        let answer = &answers[request.line()];
        let Some(status) = answer["status"].as_u64() else { return vec![Act::Close] };
        let body = answer["body"].as_str().map(str::to_owned);
        let body = body.or_else(|| answer.get("json").map(Value::to_string)).unwrap_or_default();
        response(status as u16, answer["content_type"].as_str().unwrap(), body)
    })
}

/// Adds what every request of 2026-07-28 carries and the case does not give itself.
fn stateless(body: &mut Option<Value>, headers: &mut BTreeMap<String, String>) {
    headers.insert("mcp-protocol-version".into(), "2026-07-28".into());
    let Some(Value::Object(message)) = body else { return };
    if let Some(method) = message.get("method").and_then(Value::as_str) {
        headers.insert("mcp-method".into(), method.into());
    }
    let Value::Object(params) = message.entry("params").or_insert_with(|| json!({})) else { return };
    if let Some(name) = params.get("name").or_else(|| params.get("uri")).and_then(Value::as_str) {
        headers.insert("mcp-name".into(), name.into());
    }
    let Value::Object(meta) = params.entry("_meta").or_insert_with(|| json!({})) else { return };
    for (name, value) in [
        ("protocolVersion", json!("2026-07-28")),
        ("clientInfo", json!({"name": "wire-client", "version": "2.0"})),
        ("clientCapabilities", json!({})),
    ] {
        meta.entry(format!("{META}{name}")).or_insert(value);
    }
    meta.retain(|_, value| value != "absent");
}

/// The id of a new session in a revision.
fn session(nginx: &Nginx, revision: &str) -> String {
    let params = json!({"protocolVersion": revision, "capabilities": {}, "clientInfo": {"name": "wire-client", "version": "2.0"}});
    let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
    Session::from(&nginx.send(&Request::post(body.to_string())), revision).id
}

/// The request of a case.
fn request(nginx: &Nginx, request: &Value) -> Request {
    let method = request["method"].as_str().unwrap_or("POST");
    let mut headers = BTreeMap::from([("host".to_owned(), "localhost".to_owned())]);
    if method == "POST" {
        headers.insert("content-type".into(), "application/json".into());
        headers.insert("accept".into(), "application/json, text/event-stream".into());
    }
    let mut body = request.get("body").cloned();
    match request["as"].as_str() {
        Some("2026-07-28") => stateless(&mut body, &mut headers),
        Some(revision) => {
            headers.insert("mcp-session-id".into(), session(nginx, revision));
            if revision >= "2025-06-18" {
                headers.insert("mcp-protocol-version".into(), revision.into());
            }
        }
        None => {}
    }
    if let Some(Value::Object(message)) = &mut body {
        message.entry("jsonrpc").or_insert_with(|| "2.0".into());
        message.retain(|_, value| value != "absent");
    }
    let mut sent = Request::new(method);
    sent.headers = headers.into_iter().collect();
    for (name, value) in request["headers"].as_object().into_iter().flatten() {
        sent = sent.without(name);
        match value {
            Value::Null => {}
            Value::String(value) => sent.headers.push((name.clone(), value.clone())),
            Value::Array(values) => {
                sent.headers.extend(values.iter().map(|v| (name.clone(), v.as_str().unwrap().to_owned())))
            }
            other => panic!("header {name}: {other}"),
        }
    }
    sent.body = match request["text"].as_str() {
        Some(text) => text.into(),
        None => body.map(|body| body.to_string().into_bytes()).unwrap_or_default(),
    };
    apply_state(nginx, request, &mut sent);
    sent
}

/// Does to the session what the case says has been done to it.
fn apply_state(nginx: &Nginx, request: &Value, sent: &mut Request) {
    let id = sent.headers.iter_mut().find(|(name, _)| name.eq_ignore_ascii_case("mcp-session-id"));
    match (request["session"].as_str(), id) {
        (Some("ended"), Some((_, id))) => {
            let reply = nginx.send(&Request::new("DELETE").header("Mcp-Session-Id", id));
            assert_eq!(reply.status, 204);
        }
        (Some("forged"), Some((_, id))) => {
            let last = id.pop().unwrap();
            id.push(if last == 'A' { 'Q' } else { 'A' });
        }
        (Some("expired"), _) => sent.target = "/expired".into(),
        (Some(other), _) => panic!("unknown state {other}"),
        (None, _) => {}
    }
    if let Some(status) = request["refused"].as_u64() {
        sent.headers.push(("X-Refused".into(), status.to_string()));
    }
}

/// Takes off what every message has, after checking it.
fn strip(message: &mut Value, stateless: bool) {
    let Value::Object(message) = message else { panic!("not an object: {message}") };
    assert_eq!(message.remove("jsonrpc"), Some(json!("2.0")));
    let Some(Value::Object(result)) = message.get_mut("result") else { return };
    result.retain(|name, value| name != "isError" || *value != json!(false));
    if stateless {
        let info = json!({format!("{META}serverInfo"): {"name": "wire", "version": "1.0.0"}});
        assert_eq!(result.remove("_meta"), Some(info), "serverInfo");
        assert_eq!(result.remove("resultType"), Some(json!("complete")), "resultType");
    }
}

/// Whether a value is as a case wants it: `"*"` is anything, `"~text"` a string with that text in it.
fn matches(expected: &Value, actual: &Value) -> bool {
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

fn check_headers(expected: &Value, reply: &Response) {
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

fn check_body(case: &Value, reply: &Response) {
    let expected = &case["reply"];
    if reply.body.is_empty() {
        assert_eq!(reply.header("content-type"), None, "the type of nothing");
        assert!(expected.get("body").is_none() && expected.get("text").is_none(), "the body is empty");
        return;
    }
    if let Some(part) = expected["text"].as_str() {
        assert!(reply.text().contains(part), "{part} is not in {}", reply.text());
        if expected.get("body").is_none() {
            return;
        }
    }
    let mut body = if expected["event"] == true { reply.only_event() } else { reply.json() };
    let is_stateless = case["request"]["as"] == "2026-07-28";
    match &mut body {
        Value::Array(messages) => messages.iter_mut().for_each(|message| strip(message, is_stateless)),
        message => strip(message, is_stateless),
    }
    let expected = expected.get("body").cloned().unwrap_or_default();
    assert!(matches(&expected, &body), "expected {expected}\n     got {body}");
}

/// Checks the variables, in the log line that nginx has written of the request.
fn check_facts(nginx: &Nginx, position: usize, number: usize, case: &Value) {
    let lines = nginx.log.await_lines(position, 1, &format!("facts {{\"case\":\"{number}\""));
    let line: Value = serde_json::from_str(lines[0].strip_prefix("facts ").unwrap()).unwrap();
    for (name, value) in case["facts"].as_object().into_iter().flatten() {
        let expected = if value.is_null() { json!("") } else { value.clone() };
        assert!(matches(&expected, &line[name]), "$mcp_{name} is {}", line[name]);
    }
    let of = |message: &Value| match (&message["error"]["code"], &message["result"]["isError"]) {
        (Value::Number(code), _) => ("protocol_error", code.to_string()),
        (_, Value::Bool(true)) => ("tool_error", String::new()),
        _ => ("ok", String::new()),
    };
    let (status, code) = match &case["reply"]["body"] {
        Value::Array(messages) => {
            messages.iter().map(of).find(|(status, _)| *status != "ok").unwrap_or(("ok", String::new()))
        }
        message => of(message),
    };
    if case["reply"].get("text").is_none() && case["request"]["method"] != "HEAD" {
        assert_eq!(line["status"], status, "$mcp_status");
        assert_eq!(line["code"], code, "$mcp_error_code");
    }
}

fn run(nginx: &Nginx, connection: &mut Connection, upstream: &Upstream, number: usize, case: &Value) {
    let request = request(nginx, &case["request"]).header("X-Case", &number.to_string());
    let position = nginx.log.position();
    let before = upstream.requests().len();
    let reply = connection.exchange(&request);
    // nginx writes its log line when it is done with the request, which may be when the client has closed.
    if !connection.is_kept() {
        *connection = nginx.connect();
    }
    assert_eq!(Some(u64::from(reply.status)), case["reply"]["status"].as_u64(), "status of {}", reply.text());
    check_headers(&case["reply"]["headers"], &reply);
    if request.method != "HEAD" {
        check_body(case, &reply);
    }
    check_facts(nginx, position, number, case);
    let seen = upstream.requests().split_off(before);
    let mut calls: Vec<String> =
        case["calls"].as_array().into_iter().flatten().map(|call| call.as_str().unwrap().to_owned()).collect();
    calls.retain(|call| !call.ends_with("/down"));
    let seen: Vec<String> = seen
        .iter()
        .map(|request| format!("{} {}", request.line(), String::from_utf8_lossy(request.body())).trim_end().to_owned())
        .collect();
    assert_eq!(seen, calls, "requests that the upstream saw");
}

/// Replays a file's cases, one after the other on one connection where nginx keeps it.
fn replay(name: &str) {
    let file = load(name);
    let upstream = upstream();
    let refused = Port::reserve();
    let nginx = conf(&file, &upstream, &refused).start();
    let mut connection = nginx.connect();
    let mut failed = Vec::new();
    let mut count = 0;
    for (number, case) in file["cases"].as_array().unwrap().iter().enumerate() {
        let refused = case["request"]["refused"].as_u64();
        let for_core_alone = match refused {
            Some(status) => CLOSING.contains(&status) || !(400..600).contains(&status),
            // Time is told by another location here.
            None => case.get("core").is_some_and(|why| why != "the clock is the test's"),
        };
        if for_core_alone {
            continue;
        }
        count += 1;
        if catch_unwind(AssertUnwindSafe(|| run(&nginx, &mut connection, &upstream, number, case))).is_err() {
            eprintln!("   in {name}: {}\n", case["name"]);
            failed.push(case["name"].as_str().unwrap());
            connection = nginx.connect();
        }
    }
    assert!(failed.is_empty(), "{} of {count} cases of {name} failed: {failed:#?}", failed.len());
    assert!(count > 0, "{name} has no cases");
}

#[test]
fn batches_are_answered_as_by_the_core() {
    replay("batch.json");
}

#[test]
fn calls_are_answered_as_by_the_core() {
    replay("calls.json");
}

#[test]
fn http_is_spoken_as_by_the_core() {
    replay("http.json");
}

#[test]
fn streams_are_preferred_as_by_the_core() {
    replay("accept.json");
}

#[test]
fn sessions_live_as_in_the_core() {
    replay("lifecycle.json");
}

#[test]
fn lists_are_given_as_by_the_core() {
    replay("list.json");
    replay("list-empty.json");
    replay("list-pages.json");
}

#[test]
fn messages_are_read_as_by_the_core() {
    replay("messages.json");
}

#[test]
fn mirrored_headers_are_checked_as_by_the_core() {
    replay("mirrored.json");
}

#[test]
fn origins_are_judged_as_by_the_core() {
    replay("origin.json");
    replay("origin-any.json");
    replay("origin-listed.json");
}

#[test]
fn refusals_are_told_as_by_the_core() {
    replay("refuse.json");
}

#[test]
fn resources_are_read_as_by_the_core() {
    replay("resources.json");
    replay("offers-none.json");
    replay("directories.json");
}

#[test]
fn prompts_are_given_as_by_the_core() {
    replay("prompts.json");
}

#[test]
fn arguments_are_completed_as_by_the_core() {
    replay("completion.json");
}

#[test]
fn tools_are_found_as_by_the_core() {
    replay("search.json");
}

#[test]
fn stateless_requests_are_answered_as_by_the_core() {
    replay("stateless.json");
}

#[test]
fn every_file_is_replayed() {
    let source = include_str!("wire.rs");
    for entry in std::fs::read_dir(directory()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        // What comes over the bus, and what takes time, is the core's alone here; other tests have it with nginx.
        const OTHERS: [&str; 11] = [
            "tools.json",
            "offers.json",
            "upstream.json",
            "listen.json",
            "cancelled.json",
            "subscribe.json",
            "input.json",
            "ask.json",
            "tasks.json",
            "websocket.json",
            "sse.json",
        ];
        if name.ends_with(".json") && !OTHERS.contains(&name.as_str()) {
            assert!(source.contains(&format!("replay(\"{name}\")")), "{name} is not replayed");
        }
    }
}
