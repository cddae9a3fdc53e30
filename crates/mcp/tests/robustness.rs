//! Whatever comes in, a reply goes out: mutated and random requests neither panic nor get a malformed answer.

#![allow(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

#[path = "../../../fuzz/checks/wire.rs"]
mod wire;

use mcp::http::{Body, Headers, HttpRequest, Transport, UpstreamFailure, UpstreamResponse};
use mcp::{
    Delivered, Delivery, KEEPALIVE, Listener, PromptBuilder, PublishRequest, ResourceBuilder, Server, ServerBuilder,
    SessionState, Step, ToolBuilder,
};
use wire::{check_events, check_publication, check_reply};

/// A generator that gives the same numbers on every run (xorshift).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

fn server() -> Server {
    let mut tool = ToolBuilder::new("get_item").unwrap();
    tool.presentation().description(&["Look up one item."]).unwrap();
    tool.pass(&["GET", "http://upstream/items/{id}"]).unwrap();
    tool.argument(&["id", "integer", "required", "mirror=Id"]).unwrap();
    let mut builder = ServerBuilder::new();
    builder.secret([1; 32]);
    builder.channels(true);
    builder.tool(tool.build().unwrap()).unwrap();
    let mut tool = ToolBuilder::new("find_item").unwrap();
    tool.pass(&["POST", "http://upstream/find"]).unwrap();
    tool.argument(&["text", "string"]).unwrap();
    tool.result(&["mcp"]).unwrap();
    tool.task(&["poll"]).unwrap();
    builder.hidden_tool(tool.build().unwrap()).unwrap();
    for (uri, call) in
        [("a://{b}/{+c}", "http://upstream/{b}"), ("a://d{?e}", "http://upstream/e"), ("a:f", "http://upstream/")]
    {
        let mut resource = ResourceBuilder::new(uri).unwrap();
        resource.pass(&[call]).unwrap();
        resource.result(&[if uri == "a:f" { "mcp" } else { "auto" }]).unwrap();
        builder.resource(resource.build().unwrap()).unwrap();
    }
    let mut prompt = PromptBuilder::new("ask").unwrap();
    prompt.argument(&["a"]).unwrap();
    prompt.pass(&["POST", "http://upstream/"]).unwrap();
    prompt.result(&["mcp"]).unwrap();
    prompt.complete(&["a", "GET", "http://upstream/{a}"]).unwrap();
    builder.prompt(prompt.build().unwrap()).unwrap();
    builder.build().unwrap()
}

const SEEDS: [&str; 18] = [
    r#"{"jsonrpc":"2.0","id":1,"method":"tasks/get","params":{"taskId":"x","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"extensions":{"io.modelcontextprotocol/tasks":{}}}}}}"#,
    r#"{"jsonrpc":"2.0","id":"000102030405060708090a0b0c0d0e0f-1.0","result":{"action":"accept","content":{"a":"\u00e4"}}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_item","inputResponses":{"a":{}},"requestState":"x","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{},"roots":{}}}}}"#,
    r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"a\u00e4","reason":"r"}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true,"resourceSubscriptions":["a:"]},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get_item","arguments":{"id":7},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":{"name":"c","version":"1"}}}}"#,
    r#"{"jsonrpc":"2.0","id":"a","method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}"#,
    r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","method":"notifications/initialized"},{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"get_item","arguments":{"id":1}}}]"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"abc"}}"#,
    r#"[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"search_tools","arguments":{"query":"find items","limit":5}}}]"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"describe_tool","arguments":{"name":"find_itm"}}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"call_tool","arguments":{"name":"find_item","arguments":{"text":"x"}}}}"#,
    r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#,
    r#"{"jsonrpc":"2.0","id":-5,"method":"tools/call","params":{"name":"get_item","arguments":{"id":"\u00e4\ud83d\ude00"}}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"a://b%2F/c/%C3%A4","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#,
    r#"[{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"a://d?e=1"}},{"jsonrpc":"2.0","id":2,"method":"resources/read","params":{"uri":"a:f"}},{"jsonrpc":"2.0","id":3,"method":"prompts/get","params":{"name":"ask","arguments":{"a":"b"}}}]"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"ask"},"argument":{"name":"a","value":"b"},"context":{"arguments":{"c":"d"}}}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"resources/subscribe","params":{"uri":"a:f"}}"#,
];

/// What backends publish.
const PUBLISHED: [&str; 5] = [
    r#"{"method":"notifications/tools/list_changed"}"#,
    r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"a":[1,{"b":"\r\n"}]},"x":1e400}}"#,
    r#"{"method":"notifications/resources/updated","params":{"uri":"a:","\u005fmeta":{}}}"#,
    r#"[{"method":"notifications/tools/list_changed"},
        {"method":"notifications/message","params":{"level":"info","data":{"a":"\u00e4 \ud83d\ude00"}}}]"#,
    r#"{"method":"notifications/progress","params":{"progressToken":"t","progress":0.5}}"#,
];

/// What the bus carries.
const ENVELOPES: [&str; 6] = [
    r#"{"topic":"session","of":"0123","response":{"id":"a","result":{}}}"#,
    r#"{"topic":"tools","message":{"jsonrpc":"2.0","method":"a","params":{"_meta":{"a":1}}}}"#,
    r#"{"topic":"session","of":"0123","opened":"00000000000000000000000000000000"}"#,
    r#"{"topic":"session","of":"0123","ended":true}"#,
    r#"{"topic":"session","of":"0123","cancelled":"a"}"#,
    r#"{"topic":"session","of":"0123","subscription":{"uri":"a:","wanted":true,"until":9}}"#,
];

const PIECES: [&str; 20] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    ",",
    ":",
    "null",
    "true",
    "-1",
    "1e400",
    "\\u0000",
    "\\ud800",
    "\u{feff}",
    "\u{0}",
    "\u{7f}",
    "\"id\":2,",
    "\"method\":\"ping\",",
    "{\"a\":",
    "\u{1f600}",
];

/// A body: a known one with bytes changed, cut out, doubled or put in, or plain noise.
fn body(numbers: &mut Numbers, seeds: &[&str]) -> Vec<u8> {
    let mut body = numbers.pick(seeds).as_bytes().to_vec();
    if numbers.below(16) == 0 {
        body = (0..numbers.below(300)).map(|_| numbers.next() as u8).collect();
    }
    for _ in 0..numbers.below(6) {
        let at = numbers.below(body.len());
        let end = (at + numbers.below(40)).min(body.len());
        match numbers.below(6) {
            0 => body.truncate(at),
            1 => drop(body.drain(at..end)),
            2 => {
                let copy = body[at..end].to_vec();
                body.splice(at..at, copy);
            }
            3 => drop(body.splice(at..at, numbers.pick(&PIECES).bytes())),
            4 => body.splice(at..at, b"[".repeat(numbers.below(300))).for_each(drop),
            _ if body.is_empty() => {}
            _ => body[at] = numbers.next() as u8,
        }
    }
    body
}

/// The tool has no values of the operator.
fn no_values(_: usize, _: usize) -> String {
    panic!("there is nothing to evaluate")
}

fn finish(server: &Server, mut step: Step, numbers: &mut Numbers) {
    for _ in 0..1000 {
        match step {
            Step::Reply(reply) | Step::KeepSession { reply, .. } => return drop(check_reply(&reply)),
            Step::Upgrade => return,
            Step::Cancel { request, reply } => {
                assert!(serde_json::from_str::<serde_json::Value>(&request).is_ok(), "{request}");
                return drop(check_reply(&reply));
            }
            Step::Subscribe { publication, reply, refusal, .. } => {
                check_publication(&publication);
                check_reply(&refusal);
                return drop(check_reply(&reply));
            }
            Step::Publish { publications, then } => {
                publications.iter().for_each(check_publication);
                step = *then;
            }
            Step::Listen { reply, mut listener } => {
                assert_eq!((reply.status, reply.content_type), (200, Some("text/event-stream")));
                if let Body::Bytes(events) = &reply.body {
                    check_events(events);
                }
                listener.opened().iter().for_each(check_publication);
                return drop(check_events(&listener.close()));
            }
            Step::Wait { events, pending, .. } => {
                check_events(&events);
                step = pending.poll();
            }
            Step::Ask { events, waiting } => {
                check_events(&events);
                step = waiting.resume(server, &mut no_values);
            }
            Step::Renew { .. } | Step::Follow(_) => panic!("no server is behind this one"),
            Step::Call { pending, .. } => {
                let noise: Vec<u8> = (0..numbers.below(60)).map(|_| numbers.next() as u8).collect();
                let types: [Option<&[u8]>; 5] = [
                    None,
                    Some(b"application/json"),
                    Some(b"text/plain"),
                    Some(b"image/png"),
                    Some(b"\xff; charset=\""),
                ];
                let answer = UpstreamResponse {
                    status: *numbers.pick(&[200, 202, 204, 302, 303, 404, 410, 500, 503, 0]),
                    content_type: *numbers.pick(&types),
                    content_encoding: None,
                    location: *numbers.pick(&[None, Some(&b"/jobs/1"[..]), Some(b"http://other/"), Some(b"\xff")]),
                    retry_after: *numbers.pick(&[None, Some(&b"1"[..]), Some(b"-1"), Some(b"\xff")]),
                    body: match numbers.below(6) {
                        0 | 1 => br#"{"a":1,"contents":[{"uri":"a:b","text":""}],"messages":[],"values":["a"]}"#,
                        2 => br#"{"resultType":"input_required","inputRequests":{"a":{"method":"roots/list"}}}"#,
                        3 => br#"{"resultType":"input_required","requestState":"s"}"#,
                        _ => &noise,
                    },
                };
                let failed = numbers.below(8) == 0;
                step = pending.resume(
                    server,
                    if failed { Err(UpstreamFailure::Truncated) } else { Ok(answer) },
                    &mut no_values,
                );
            }
        }
    }
    panic!("the exchange does not end");
}

#[test]
fn every_request_gets_a_wellformed_reply() {
    let server = server();
    let open = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-03-26","capabilities":{"roots":{}}}}"#;
    let session = session(&server, open);
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for round in 0..20_000 {
        let body = body(&mut numbers, &SEEDS);
        let mut headers: Vec<(&str, Vec<u8>)> = Vec::new();
        for (name, values) in [
            (
                "content-type",
                &["application/json", "application/json", "text/plain", "application/json; charset=\"utf-8"][..],
            ),
            ("accept", &["application/json, text/event-stream", "*/*", ";;q=,,", "application/json;q=0"]),
            ("mcp-protocol-version", &["2026-07-28", "2025-03-26", "", "2027-01-01"]),
            ("mcp-session-id", &[session.as_str(), session.as_str(), ".", "AAAA.AAAA"]),
            ("mcp-method", &["tools/call", "tools/list", "\t", "subscriptions/listen"]),
            ("last-event-id", &["get:1:2", "1:[-5],3", ""]),
            ("mcp-name", &["get_item", "=?base64?Z2V0X2l0ZW0=?=", "=?base64?", "=?base64??="]),
            ("mcp-param-id", &["7", "7.0", "=?base64?Nw==?=", "-"]),
            ("origin", &["http://localhost:1", "http://[", "://", "null", "http://evil.example"]),
            ("host", &["localhost", "[::1]:80", ":", "]", ""]),
        ] {
            // Most of the time what a good request has, so that most requests are read to their end.
            if numbers.below(4) > 0 || name == "content-type" {
                let mut value =
                    values[if numbers.below(5) > 0 { 0 } else { numbers.below(values.len()) }].as_bytes().to_vec();
                if numbers.below(40) == 0 && !value.is_empty() {
                    let at = numbers.below(value.len());
                    value[at] = numbers.next() as u8;
                }
                if name != "origin" || numbers.below(10) == 0 {
                    headers.push((name, value));
                }
            }
        }
        let method = if numbers.below(30) == 0 { *numbers.pick(&["GET", "DELETE", "OPTIONS", "X"]) } else { "POST" };
        let lines: Vec<_> = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_slice())).collect();
        let transports =
            [Transport::StreamableHttp, Transport::WebSocket, Transport::Upgrade, Transport::Post, Transport::Sse];
        let request = HttpRequest {
            transport: *numbers.pick(&transports),
            target: b"/mcp",
            method,
            headers: Headers(&lines),
            body: &body,
            hosts: &[],
            session_state: (numbers.below(50) == 0).then_some(SessionState::Ended),
            offering: None,
            now: 1000,
        };
        let exchange = server.receive(&request, &|| [0; 16]);
        for argument in ["id", "", "a"] {
            exchange.facts().argument(argument);
        }
        if round % 7 == 0 {
            check_reply(&server.refuse(&exchange, numbers.below(700) as u16));
        }
        finish(&server, exchange.start(&server, &mut no_values), &mut numbers);
    }
}

#[test]
fn whatever_is_published_is_heard_as_it_should_be() {
    let server = server();
    let open = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25"}}"#;
    let session = session(&server, open);
    let listeners = [
        listener(&server, "GET", "", &[("mcp-session-id", &session)]),
        listener(&server, "POST", SEEDS[4], &[("mcp-method", "subscriptions/listen")]),
    ];
    let mut numbers = Numbers(0x1234_5678_9abc_def1);
    let (mut published, mut parsed, mut heard) = (0, 0, 0);
    for _ in 0..3_000 {
        let body = body(&mut numbers, &PUBLISHED);
        let request = PublishRequest {
            method: "POST",
            content_type: Some(b"application/json"),
            session: (numbers.below(2) == 0).then_some(session.as_str()),
            body: &body,
            now: 1000,
            session_state: None,
        };
        let mut envelopes: Vec<Vec<u8>> = match server.publish(&request) {
            Ok(publications) => {
                publications.iter().for_each(check_publication);
                published += 1;
                publications.into_iter().map(|publication| publication.envelope).collect()
            }
            Err(reply) => {
                check_reply(&reply);
                Vec::new()
            }
        };
        // The bus may carry anything; what is not ours must not harm.
        let known: Vec<String> = envelopes.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).chain(ENVELOPES).collect();
        let foreign = self::body(&mut numbers, &known);
        let is_ours = envelopes.len();
        envelopes.push(foreign);
        for (index, envelope) in envelopes.iter().enumerate() {
            let Some(delivery) = Delivery::parse(envelope) else { continue };
            parsed += 1;
            for mut listener in listeners.clone() {
                let (Delivered::Event(events) | Delivered::Close(events)) = listener.deliver(&delivery, None) else {
                    continue;
                };
                heard += 1;
                if index < is_ours {
                    check_events(&events);
                }
                assert!(
                    events.is_empty()
                        || (events.ends_with(b"\n\n") && events.iter().filter(|b| **b == b'\n').count() == 2)
                );
            }
        }
    }
    assert!(published > 300 && parsed > 800 && heard > 500, "{published} {parsed} {heard}");
    assert!(KEEPALIVE.starts_with(b":") && KEEPALIVE.ends_with(b"\n\n"));
}

/// The listener of a stream that is opened by this request.
fn listener(server: &Server, method: &str, body: &str, headers: &[(&str, &str)]) -> Listener {
    let version = if method == "GET" { "2025-11-25" } else { "2026-07-28" };
    let general = [("accept", "*/*"), ("content-type", "application/json"), ("mcp-protocol-version", version)];
    let lines: Vec<_> =
        general.iter().chain(headers).map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    let (headers, body) = (Headers(&lines), body.as_bytes());
    let request = HttpRequest {
        transport: Transport::StreamableHttp,
        target: b"/mcp",
        method,
        headers,
        body,
        hosts: &[],
        session_state: None,
        offering: None,
        now: 1000,
    };
    match server.receive(&request, &|| [0; 16]).start(server, &mut no_values) {
        Step::Listen { listener, .. } => listener,
        step => panic!("{step:?}"),
    }
}

fn session(server: &Server, open: &str) -> String {
    let headers = Headers(&[(b"content-type", b"application/json")]);
    let request = HttpRequest {
        transport: Transport::StreamableHttp,
        target: b"/mcp",
        method: "POST",
        headers,
        body: open.as_bytes(),
        hosts: &[],
        session_state: None,
        offering: None,
        now: 1000,
    };
    let Step::Reply(reply) = server.receive(&request, &|| [0; 16]).start(server, &mut no_values) else {
        panic!("initialize calls")
    };
    reply.headers.into_iter().find(|(name, _)| *name == "Mcp-Session-Id").expect("a session").1
}
