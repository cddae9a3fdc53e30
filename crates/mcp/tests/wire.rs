//! Replays `tests/wire/*.json`: a request in, status, headers and JSON out. The files' format is in their README.

#![allow(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

#[path = "support/asks.rs"]
mod asks;
#[path = "support/compare.rs"]
mod compare;
#[path = "support/specification.rs"]
mod specification;
#[path = "support/stream.rs"]
mod stream;
#[path = "support/upstream.rs"]
mod upstream;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mcp::http::{Body, Headers, HttpReply, HttpRequest, Transport};
use mcp::operation::Operation;
use mcp::{
    Catalog, Contents, Delivery, Exchange, Found, FoundFile, PromptBuilder, Publication, ResourceBuilder, Server,
    ServerBuilder, SessionState, Step, ToolBuilder,
};
use openapi::{Document, Limits, Rules};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use asks::{answer, end_of_stream};
use compare::{check_facts, check_headers, check_outcome, matches, strip};
use stream::Stream;
use upstream::{Upstream, call};

const NOW: u64 = 1_800_000_000;
const LIFETIME: u64 = 86_400;
const META: &str = "io.modelcontextprotocol/";

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/wire")
}

fn load(name: &str) -> Value {
    let path = directory().join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn words(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().map(|word| word.as_str().expect("a word")).collect()
}

/// The server that a file's cases run against.
fn server(settings: &Value) -> Server {
    let mut builder = ServerBuilder::new();
    builder.server_info(&["wire", "1.0.0"]).unwrap();
    builder.secret([7; 32]);
    builder.session_lifetime(LIFETIME);
    for (name, value) in settings.as_object().into_iter().flatten() {
        match name.as_str() {
            "allowed_origins" => builder.allowed_origins(&words(value)).unwrap(),
            "instructions" => builder.instructions(value.as_str().unwrap()).unwrap(),
            "page_size" => builder.page_size(value.as_u64().unwrap() as usize),
            "cache_ttl" => builder.cache_ttl(value.as_u64().unwrap()),
            "cache_private" => builder.cache_private(value.as_bool().unwrap()),
            "channels" => builder.channels(value.as_bool().unwrap()),
            "no_tools" | "offers" | "search" | "tools" | "files" | "skills" => {}
            other => panic!("unknown setting {other}"),
        }
    }
    if settings.get("no_tools").is_none() {
        let plain = load("tools.json");
        for tool in settings.get("tools").unwrap_or(&plain).as_array().unwrap() {
            builder.tool(self::tool(tool)).unwrap();
        }
    }
    if let Some(document) = settings["search"].as_str() {
        for (operation, _) in operations(document) {
            builder.hidden_tool(mcp::Tool::from_operation(operation).unwrap()).unwrap();
        }
    }
    if let Some(offers) = settings.get("offers") {
        let offers = offers.as_str().map_or_else(|| offers.clone(), load);
        for resource in offers["resources"].as_array().unwrap() {
            builder.resource(self::resource(resource)).unwrap();
        }
        for prompt in offers["prompts"].as_array().unwrap() {
            builder.prompt(self::prompt(prompt)).unwrap();
        }
    }
    if let Some(directory) = settings["skills"].as_str() {
        builder.resource(ResourceBuilder::skills(&format!("/{directory}"), "skill://").unwrap()).unwrap();
    }
    builder.build().unwrap()
}

/// What there is in the server's directories.
fn catalog(server: &Server, files: &Value) -> Catalog {
    let find = |directory: &mcp::Directory| {
        let mut found = Found::default();
        for (path, text) in files.as_object().into_iter().flatten() {
            let path = format!("/{path}");
            let Some(path) = path.strip_prefix(directory.root()).map(|path| path.trim_start_matches('/')) else {
                continue;
            };
            let mut steps = path.match_indices('/').map(|(end, _)| &path[..end]);
            let known = found.directories.len();
            found.directories.extend(steps.clone().filter(|step| directory.is_entered(step)).map(str::to_owned));
            if !steps.all(|step| found.directories[known..].iter().any(|known| known == step))
                || !directory.admits(path)
            {
                continue;
            }
            let text = text.as_str().unwrap();
            let contents = directory.wants_contents().then(|| Contents {
                digest: Sha256::digest(text).into(),
                text: directory.wants_text(path).then(|| text.as_bytes().to_vec()),
            });
            let (size, media_type) = (text.len() as u64, Some("text/plain".to_owned()));
            found.files.push(FoundFile { path: path.to_owned(), size, modified: NOW, media_type, contents });
        }
        found.directories.sort();
        found.directories.dedup();
        found
    };
    server.catalog(server.directories().map(find).collect())
}

/// What `mcp_openapi` makes of a document, with `pass http://upstream`.
fn operations(document: &str) -> Vec<(Operation, openapi::Origin)> {
    let text = std::fs::read_to_string(directory().join(document)).unwrap();
    let rules = Rules { pass: Some("http://upstream".into()), ..Rules::default() };
    let document = Document::parse(&text, &Limits::default()).unwrap();
    let outcome = document.operations(&rules, &mut |name| Err(format!("{name} is not here")));
    assert!(outcome.warnings.is_empty(), "{:?}", outcome.warnings);
    outcome.operations
}

fn tool(tool: &Value) -> mcp::Tool {
    let mut builder = ToolBuilder::new(tool["name"].as_str().unwrap()).unwrap();
    for directive in tool["directives"].as_array().unwrap() {
        let words = words(directive);
        let (name, args) = words.split_first().unwrap();
        match *name {
            "pass" => builder.pass(args),
            "title" => builder.title(args),
            "description" => builder.description(args),
            "argument" => builder.argument(args),
            "annotations" => builder.annotations(args),
            "result" => builder.result(args),
            "task" => builder.task(args),
            other => panic!("unknown directive {other}"),
        }
        .unwrap();
    }
    builder.build().unwrap()
}

fn resource(resource: &Value) -> mcp::Resource {
    let mut builder = ResourceBuilder::new(resource["uri"].as_str().unwrap()).unwrap();
    for directive in resource["directives"].as_array().unwrap() {
        let words = words(directive);
        let (name, args) = words.split_first().unwrap();
        match *name {
            "name" => builder.name(args),
            "title" => builder.title(args),
            "description" => builder.description(args),
            "mime_type" => builder.mime_type(args),
            "annotations" => builder.annotations(args),
            "icons" => builder.icons(args),
            "size" => builder.size(args),
            "pass" => builder.pass(args),
            "file" => builder.file(&format!("/{}", args[0])),
            "list" => builder.list(args),
            "hide" => builder.hide(args),
            "text" => builder.text(args),
            "argument" => builder.argument(args),
            "complete" => builder.complete(args),
            "result" => builder.result(args),
            other => panic!("unknown directive {other}"),
        }
        .unwrap();
    }
    builder.build().unwrap()
}

fn prompt(prompt: &Value) -> mcp::Prompt {
    let mut builder = PromptBuilder::new(prompt["name"].as_str().unwrap()).unwrap();
    for directive in prompt["directives"].as_array().unwrap() {
        let words = words(directive);
        let (name, args) = words.split_first().unwrap();
        match *name {
            "title" => builder.title(args),
            "description" => builder.description(args),
            "icons" => builder.icons(args),
            "argument" => builder.argument(args),
            "message" => builder.message(args),
            "pass" => builder.pass(args),
            "complete" => builder.complete(args),
            "result" => builder.result(args),
            other => panic!("unknown directive {other}"),
        }
        .unwrap();
    }
    builder.build().unwrap()
}

/// One case's request, made ready.
struct Sent {
    transport: Transport,
    method: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    ended: bool,
    now: u64,
}

impl Sent {
    fn new(server: &Server, request: &Value) -> Sent {
        let mut headers: BTreeMap<String, Option<String>> = BTreeMap::new();
        headers.insert("host".into(), Some("localhost".into()));
        let method = request["method"].as_str().unwrap_or("POST").to_owned();
        if method == "POST" {
            headers.insert("content-type".into(), Some("application/json".into()));
            headers.insert("accept".into(), Some("application/json, text/event-stream".into()));
        }
        let mut body = request.get("body").cloned();
        let revision = request["as"].as_str();
        match revision {
            Some("2026-07-28") => stateless(&mut body, &mut headers),
            Some(revision) => {
                let session = session(server, revision, &request["capabilities"]);
                headers.insert("mcp-session-id".into(), Some(session));
                if revision >= "2025-06-18" {
                    headers.insert("mcp-protocol-version".into(), Some(revision.into()));
                }
            }
            None => {}
        }
        if let Some(Value::Object(message)) = &mut body {
            if message.get("jsonrpc").is_none() {
                message.insert("jsonrpc".into(), "2.0".into());
            }
            message.retain(|_, value| value != "absent");
        }
        let mut lines = Vec::new();
        for (name, value) in request["headers"].as_object().into_iter().flatten() {
            let name = name.to_ascii_lowercase();
            headers.remove(&name);
            match value {
                Value::Null => {}
                Value::String(value) => lines.push((name, value.clone())),
                Value::Array(values) => lines.extend(values.iter().map(|v| (name.clone(), v.as_str().unwrap().into()))),
                other => panic!("header {name}: {other}"),
            }
        }
        lines.extend(headers.into_iter().filter_map(|(name, value)| Some((name, value?))));
        let body = match (request["text"].as_str(), body) {
            (Some(text), _) => text.as_bytes().to_vec(),
            (None, Some(body)) => body.to_string().into_bytes(),
            (None, None) => Vec::new(),
        };
        let transport = match request["over"].as_str() {
            None => Transport::StreamableHttp,
            Some("websocket") if method == "GET" => Transport::Upgrade,
            Some("websocket") => Transport::WebSocket,
            Some("sse") => Transport::Sse,
            Some("post") => Transport::Post,
            Some(other) => panic!("over {other}"),
        };
        if matches!(transport, Transport::WebSocket | Transport::Sse) {
            // Those of the handshake say nothing of a message.
            lines.retain(|(name, _)| matches!(name.as_str(), "host" | "origin" | "mcp-session-id"));
        }
        let state = request["session"].as_str();
        let now = if state == Some("expired") { NOW + LIFETIME } else { NOW + request["later"].as_u64().unwrap_or(0) };
        if state == Some("forged") {
            for (_, value) in lines.iter_mut().filter(|(name, _)| name == "mcp-session-id") {
                let last = value.pop().unwrap();
                value.push(if last == 'A' { 'Q' } else { 'A' });
            }
        }
        Sent { transport, method, headers: lines, body, ended: state == Some("ended"), now }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// What a response in the same session delivers to its calls.
    fn respond(&self, server: &Server, response: &Value) -> Vec<Delivery> {
        let response = Sent {
            body: response.to_string().into_bytes(),
            headers: self.headers.clone(),
            method: "POST".into(),
            ..*self
        };
        match response.receive(server).start(server, &mut no_values) {
            Step::Publish { publications, then } => {
                let Step::Reply(reply) = *then else { panic!("a response is answered") };
                assert_eq!((reply.status, reply.body), (202, Body::Empty));
                publications.iter().map(|publication| Delivery::parse(&publication.envelope).unwrap()).collect()
            }
            step => panic!("{step:?}"),
        }
    }

    fn receive(&self, server: &Server) -> Exchange {
        self.receive_as(server, 9)
    }

    /// The same with a nonce of such bytes.
    fn receive_as(&self, server: &Server, nonce: u8) -> Exchange {
        let lines: Vec<_> = self.headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        let request = HttpRequest {
            transport: self.transport,
            target: b"/mcp",
            method: &self.method,
            headers: Headers(&lines),
            body: &self.body,
            hosts: &["localhost".to_owned(), "127.0.0.1".to_owned()],
            session_state: self.ended.then_some(SessionState::Ended),
            offering: None,
            now: self.now,
        };
        server.receive(&request, &|| [nonce; 16])
    }
}

/// Adds what every request of 2026-07-28 carries and the case does not give itself.
fn stateless(body: &mut Option<Value>, headers: &mut BTreeMap<String, Option<String>>) {
    headers.insert("mcp-protocol-version".into(), Some("2026-07-28".into()));
    let Some(Value::Object(message)) = body else { return };
    if let Some(method) = message.get("method").and_then(Value::as_str) {
        headers.insert("mcp-method".into(), Some(method.into()));
    }
    let params = message.entry("params").or_insert_with(|| json!({}));
    let Value::Object(params) = params else { return };
    let name = params.get("name").or_else(|| params.get("uri")).or_else(|| params.get("taskId"));
    if let Some(name) = name.and_then(Value::as_str) {
        headers.insert("mcp-name".into(), Some(name.into()));
    }
    let meta = params.entry("_meta").or_insert_with(|| json!({}));
    let Value::Object(meta) = meta else { return };
    for (name, value) in [
        ("protocolVersion", json!("2026-07-28")),
        ("clientInfo", json!({"name": "wire-client", "version": "2.0"})),
        ("clientCapabilities", json!({})),
    ] {
        meta.entry(format!("{META}{name}")).or_insert(value);
    }
    meta.retain(|_, value| value != "absent");
}

/// No tool of the cases has values of the operator.
fn no_values(_: usize, _: usize) -> String {
    panic!("there is nothing to evaluate")
}

/// The id of a new session in a revision.
fn session(server: &Server, revision: &str, capabilities: &Value) -> String {
    let capabilities = capabilities.as_object().cloned().unwrap_or_default();
    let params = json!({"protocolVersion": revision, "capabilities": capabilities, "clientInfo": {"name": "wire-client", "version": "2.0"}});
    let request = json!({"body": {"id": 0, "method": "initialize", "params": params}});
    let Step::Reply(reply) = Sent::new(server, &request).receive(server).start(server, &mut no_values) else {
        panic!("initialize calls")
    };
    let id = reply.headers.iter().find(|(name, _)| *name == "Mcp-Session-Id").expect("a session").1.clone();
    assert!(id.bytes().all(|byte| byte.is_ascii_graphic()), "{id}");
    id
}

/// What others have seen of a case.
#[derive(Default)]
struct Seen {
    /// Requests to the upstream.
    calls: Vec<String>,
    /// How long calls have waited.
    waits: Vec<Value>,
    /// What went over the bus.
    published: Vec<Publication>,
}

/// What was published for the session of a request, without whom it is for.
fn published(sent: &Sent, publications: &[Publication]) -> Value {
    let of = publications.iter().map(|publication| {
        let mut envelope: Map<String, Value> = serde_json::from_slice(&publication.envelope).expect("JSON");
        assert_eq!(Delivery::parse(&publication.envelope).expect("an envelope").topic(), &publication.topic);
        assert_eq!(envelope.remove("topic"), Some(json!("session")));
        assert_eq!(envelope.remove("of").as_ref().and_then(Value::as_str), publication.topic.session());
        let session = sent.header("mcp-session-id").expect("a session");
        assert_eq!(publication.topic, Publication::end_of_session(session).topic);
        envelope.into()
    });
    Value::Array(of.collect())
}

/// Plays the upstream until there is a reply.
fn play(
    server: &Server,
    sent: &Sent,
    upstream: &Upstream<'_>,
    case: &Value,
    mut step: Step,
    seen: &mut Seen,
) -> HttpReply {
    let mut asks = case["asks"].as_array().into_iter().flatten();
    let mut is_open = false;
    loop {
        match step {
            Step::Reply(reply) | Step::KeepSession { reply, .. } | Step::Subscribe { reply, .. } => {
                assert_eq!(asks.next(), None, "the client is not asked");
                return if is_open { end_of_stream(reply) } else { reply };
            }
            Step::Ask { events, mut waiting } => {
                if !std::mem::replace(&mut is_open, true) {
                    assert_eq!(waiting.call().open().content_type, Some("text/event-stream"));
                }
                let asked = asks.next().expect("the client is asked");
                let responses = answer(&events, asked);
                let mut is_done = false;
                for response in responses {
                    assert!(!is_done, "more is waited for");
                    is_done = sent.respond(server, &response).iter().any(|delivery| waiting.take(delivery));
                }
                assert_eq!(is_done, asked["times_out"] != true, "whether nothing more is waited for");
                step = waiting.resume(server, &mut no_values);
            }
            Step::Listen { .. } => panic!("a stream is opened"),
            Step::Renew { .. } | Step::Follow(_) => panic!("no server is behind this one"),
            Step::Upgrade => panic!("a WebSocket is opened"),
            Step::Cancel { request, reply } => {
                assert_eq!(serde_json::from_str::<Value>(&request).expect("an id"), case["cancels"]);
                return reply;
            }
            Step::Publish { publications, then } => {
                seen.published.extend(publications);
                step = *then;
            }
            Step::Wait { events, milliseconds, mut pending } => {
                if !events.is_empty() && !std::mem::replace(&mut is_open, true) {
                    pending.open();
                }
                seen.waits.push(milliseconds.into());
                step = pending.poll();
            }
            Step::Call { endpoint, request, pending } => {
                let method = request.method.unwrap_or(server.endpoint(endpoint).unwrap().method());
                seen.calls.push(call(method, &request));
                step = upstream.answer(method, &request, |answer| pending.resume(server, answer, &mut no_values));
            }
        }
    }
}

fn text_of(body: &Body) -> Option<String> {
    match body {
        Body::Empty => None,
        Body::Bytes(bytes) => Some(String::from_utf8(bytes.clone()).expect("UTF-8")),
        Body::Page { head, page } => Some(String::from_utf8([head, &page[..]].concat()).expect("UTF-8")),
    }
}

/// The message in the only event of a stream.
fn only_event(stream: &str) -> String {
    let data = stream.strip_prefix("data: ").and_then(|rest| rest.strip_suffix("\n\n"));
    data.filter(|data| !data.contains('\n')).unwrap_or_else(|| panic!("not one event: {stream}")).to_owned()
}

/// Takes the steps of a case that opens a stream.
fn listen(server: &Server, sent: &Sent, case: &Value, mut stream: Stream<'_>) {
    assert_eq!(case["reply"]["status"], 200);
    let another = || match sent.receive_as(server, 8).start(server, &mut no_values) {
        Step::Listen { listener, .. } => listener,
        step => panic!("{step:?}"),
    };
    let send = |body: &Value| {
        let session = sent.header("mcp-session-id").expect("a session");
        let headers = json!({"Mcp-Session-Id": session});
        let request = json!({"as": case["request"]["as"], "headers": headers, "body": body});
        match Sent::new(server, &request).receive(server).start(server, &mut no_values) {
            Step::Subscribe { publication, reply, .. } => {
                assert_eq!(reply.status, 200);
                vec![publication]
            }
            step => panic!("{step:?}"),
        }
    };
    for step in case["stream"].as_array().expect("a stream is opened") {
        stream.step(step, &another, &send);
    }
}

/// A case, and the requests that follow it.
fn run(server: &Server, files: &Value, answers: &Value, case: &Value) {
    let upstream = Upstream::new(answers);
    let mut last = run_once(server, files, &upstream, case);
    let mut known: BTreeMap<&str, String> = BTreeMap::new();
    for step in case["again"].as_array().into_iter().flatten() {
        for name in ["requestState", "taskId"] {
            let value = last["result"][name].as_str();
            value.into_iter().for_each(|value| drop(known.insert(name, value.to_owned())));
        }
        let mut again = step.clone();
        again["request"] = follow(&case["request"], step, &known);
        last = run_once(server, files, &upstream, &again);
    }
}

/// The request of a case once more, or another one by the same client.
fn follow(request: &Value, step: &Value, known: &BTreeMap<&str, String>) -> Value {
    let mut request = request.clone();
    let params = match step.get("method") {
        Some(method) => {
            request["body"]["method"] = method.clone();
            let meta = request["body"]["params"]["_meta"].clone();
            request["body"]["params"] = if meta.is_null() { json!({}) } else { json!({"_meta": meta}) };
            &mut request["body"]["params"]
        }
        None => &mut request["body"]["params"],
    };
    for (name, value) in step["params"].as_object().into_iter().flatten() {
        let replaced = value.as_str().and_then(|text| text.strip_prefix('$')).map(|text| {
            let (name, value) = known.iter().find(|(name, _)| text.starts_with(**name)).expect("it is known");
            format!("{value}{}", &text[name.len()..]).into()
        });
        params[name] = replaced.unwrap_or_else(|| value.clone());
    }
    for member in ["later", "headers"] {
        if let Some(value) = step.get(member) {
            request[member] = value.clone();
        }
    }
    request
}

/// Returns the message that came back.
fn run_once(server: &Server, files: &Value, upstream: &Upstream<'_>, case: &Value) -> Value {
    let sent = Sent::new(server, &case["request"]);
    let mut exchange = sent.receive(server);
    if exchange.wants_catalog() {
        exchange.set_catalog(Arc::new(catalog(server, files)));
    }
    check_facts(&case["facts"], &exchange);
    let mut seen = Seen::default();
    let expected = &case["reply"];
    let reply = match case["request"]["refused"].as_u64() {
        Some(status) => server.refuse(&exchange, status as u16),
        None => match exchange.start(server, &mut no_values) {
            Step::Listen { reply, listener } => {
                check_headers(&expected["headers"], &reply);
                let stream = Stream::open(server, sent.header("mcp-session-id"), &reply, listener);
                listen(server, &sent, case, stream);
                return Value::Null;
            }
            step => play(server, &sent, upstream, case, step, &mut seen),
        },
    };
    assert_eq!(case.get("stream"), None, "no stream is opened: {}", text_of(&reply.body).unwrap_or_default());
    let mut text = text_of(&reply.body);
    let content_type = match expected["event"] == true {
        true => {
            text = text.as_deref().map(only_event);
            "text/event-stream"
        }
        false => "application/json",
    };
    let body: Option<Value> = text.as_deref().map(|text| serde_json::from_str(text).expect("JSON"));
    assert_eq!(Some(u64::from(reply.status)), expected["status"].as_u64(), "status of {text:?}");
    check_headers(&expected["headers"], &reply);
    check_outcome(body.as_ref(), &reply);
    if let (Some(body), Some(revision)) = (&body, case["request"]["as"].as_str()) {
        specification::check(revision, case["request"]["body"]["method"].as_str().unwrap_or_default(), body);
    }
    assert_eq!(json!(seen.calls), *case.get("calls").unwrap_or(&json!([])), "calls");
    assert_eq!(json!(seen.waits), *case.get("waits").unwrap_or(&json!([])), "waits");
    let published = published(&sent, &seen.published);
    assert_eq!(published, *case.get("publishes").unwrap_or(&json!([])), "what is published");
    assert_eq!(reply.content_type, text.as_ref().map(|_| content_type), "content type");
    if let Some(part) = expected["text"].as_str() {
        assert!(text.as_deref().unwrap_or_default().contains(part), "{part} is not in {text:?}");
        if expected.get("body").is_none() {
            return Value::Null;
        }
    }
    let stateless = case["request"]["as"] == "2026-07-28";
    let body = body.map(|mut body| {
        match &mut body {
            Value::Array(messages) => messages.iter_mut().for_each(|message| strip(message, stateless)),
            message => strip(message, stateless),
        }
        body
    });
    let expected = expected.get("body").cloned();
    assert!(
        matches(&expected.clone().unwrap_or_default(), &body.clone().unwrap_or_default()),
        "expected {}\n     got {}",
        expected.unwrap_or_default(),
        body.unwrap_or_default()
    );
    body.unwrap_or_default()
}

#[test]
fn every_case_gets_its_reply() {
    let mut names: Vec<_> = std::fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let mut failed = Vec::new();
    let mut count = 0;
    for name in names.iter().filter_map(|name| name.to_str()) {
        if !name.ends_with(".json") || matches!(name, "tools.json" | "offers.json" | "upstream.json") {
            continue;
        }
        let file = load(name);
        let server = server(&file["server"]);
        let upstream = file.get("upstream").cloned().unwrap_or_else(|| load("upstream.json"));
        for case in file["cases"].as_array().expect("cases") {
            count += 1;
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                run(&server, &file["server"]["files"], &upstream, case)
            }));
            if result.is_err() {
                failed.push(format!("{name}: {}", case["name"]));
            }
        }
    }
    assert!(failed.is_empty(), "{} of {count} failed:\n{}", failed.len(), failed.join("\n"));
    assert!(count >= 120, "only {count} cases were found");
}

#[test]
fn names_of_cases_are_unique_in_their_file() {
    for entry in std::fs::read_dir(directory()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let file = load(path.file_name().unwrap().to_str().unwrap());
        let mut seen = Map::new();
        for case in file["cases"].as_array().into_iter().flatten() {
            let name = case["name"].as_str().expect("a name");
            assert!(seen.insert(name.to_owned(), Value::Null).is_none(), "{}: \"{name}\" twice", path.display());
        }
    }
}
