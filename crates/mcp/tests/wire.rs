//! Replays `tests/wire/*.json`: a request in, status, headers and JSON out. The files' format is in their README.

#![allow(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

#[path = "support/asks.rs"]
mod asks;
#[path = "support/compare.rs"]
mod compare;
#[path = "support/sent.rs"]
mod sent;
#[path = "support/server.rs"]
mod server;
#[path = "support/specification.rs"]
mod specification;
#[path = "support/stream.rs"]
mod stream;
#[path = "support/upstream.rs"]
mod upstream;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mcp::http::{Body, HttpReply};
use mcp::{Delivery, Publication, Server, Step};
use serde_json::{Map, Value, json};

use asks::{answer, end_of_stream};
use compare::{check_facts, check_headers, check_outcome, matches, strip};
use sent::{Sent, no_values};
use server::{catalog, server};
use stream::Stream;
use upstream::{Upstream, call};

const NOW: u64 = 1_800_000_000;
const LIFETIME: u64 = 86_400;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/wire")
}

fn load(name: &str) -> Value {
    let path = directory().join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
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
