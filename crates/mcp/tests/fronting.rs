//! Servers behind this one: what is sent to learn of them, what is offered then, and how their answers are passed on.

#![allow(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

#[path = "fronting/held.rs"]
mod held;

use std::sync::Arc;

use mcp::http::{Body, Headers, HttpReply, HttpRequest, Transport, UpstreamFailure, UpstreamRequest, UpstreamResponse};
use mcp::{Exchange, McpUpstream, McpUpstreamBuilder, Offering, Peer, Server, ServerBuilder, Step, ToolBuilder, Turn};
use serde_json::{Value, json};

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// How a server answers: status, content type, session, body.
type Answer = (u16, &'static str, Option<&'static str>, String);

fn upstream(name: &str, directives: &[(&str, &str)]) -> McpUpstream {
    let mut builder = McpUpstreamBuilder::new(name).unwrap();
    builder.pass(&["http://behind/mcp?key=1"]).unwrap();
    for (directive, value) in directives {
        match *directive {
            "prefix" => builder.prefix(&[value]).unwrap(),
            "credential" => builder.credential(&[value]).unwrap(),
            other => panic!("{other}"),
        }
    }
    builder.build().unwrap()
}

/// A server with a tool of its own in front of others.
fn server(upstreams: Vec<McpUpstream>) -> Server {
    let mut builder = ServerBuilder::new();
    builder.secret([1; 32]);
    builder.channels(true);
    builder.server_info(&["front", "1"]).unwrap();
    let mut tool = ToolBuilder::new("own").unwrap();
    tool.pass(&["GET", "http://own/"]).unwrap();
    builder.tool(tool.build().unwrap()).unwrap();
    upstreams.into_iter().for_each(|upstream| builder.upstream(upstream).unwrap());
    builder.build().unwrap()
}

fn message(request: &UpstreamRequest) -> Value {
    serde_json::from_slice(request.body.as_deref().unwrap()).unwrap()
}

fn header<'r>(request: &'r UpstreamRequest, name: &str) -> Option<&'r str> {
    request.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
}

fn result(request: &UpstreamRequest, result: Value) -> Answer {
    let body = json!({"jsonrpc": "2.0", "id": message(request)["id"], "result": result}).to_string();
    (200, "application/json", None, body)
}

fn error(request: &UpstreamRequest, status: u16, code: i64) -> Answer {
    let body =
        json!({"jsonrpc": "2.0", "id": message(request)["id"], "error": {"code": code, "message": "no"}}).to_string();
    (status, "application/json", None, body)
}

/// Looks at a server until all is learned; gives what it was sent.
fn look(
    server: &Server,
    peer: &mut Peer,
    answer: &dyn Fn(&UpstreamRequest) -> Answer,
) -> (Vec<UpstreamRequest>, Result<(), String>) {
    let mut sent = vec![peer.begin(server, &mut |_| "secret".to_owned())];
    for _ in 0..100 {
        let (status, content_type, session, body) = answer(sent.last().unwrap());
        peer.head(status, Some(content_type.as_bytes()), session.map(str::as_bytes), 1 << 20);
        let outcome = body.as_bytes().chunks(7).try_for_each(|part| peer.push(part).map(|_| ()));
        match peer.end(server, outcome) {
            Turn::Send(next) => sent.push(next),
            Turn::Done(outcome) => return (sent, outcome.map(|_| ())),
        }
    }
    panic!("it has no end");
}

fn offering(server: &Server, peers: &[&Peer]) -> Arc<Offering> {
    Arc::new(Offering::new(server, peers.iter().map(|peer| peer.learned().cloned()).collect()))
}

/// What comes of a client's request of 2026-07-28.
fn ask(server: &Server, offering: &Arc<Offering>, method: &str, params: Value) -> Step {
    let mut exchange = receive(server, offering, method, params);
    while let Some(upstream) = exchange.wants_session() {
        exchange.share_session(upstream);
    }
    exchange.start(server, &mut evaluate)
}

/// The request, judged.
fn receive(server: &Server, offering: &Arc<Offering>, method: &str, mut params: Value) -> Exchange {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {"roots": {}},
        "progressToken": "mine",
        "traceparent": TRACE,
    });
    let name = params["name"].as_str().or(params["uri"].as_str()).unwrap_or_default().to_owned();
    let body = json!({"jsonrpc": "2.0", "id": "a", "method": method, "params": params}).to_string();
    let lines: [(&[u8], &[u8]); 5] = [
        (b"content-type", b"application/json"),
        (b"accept", b"application/json, text/event-stream"),
        (b"mcp-protocol-version", b"2026-07-28"),
        (b"mcp-method", method.as_bytes()),
        (b"mcp-name", name.as_bytes()),
    ];
    let request = HttpRequest {
        transport: Transport::StreamableHttp,
        target: b"/mcp",
        method: "POST",
        headers: Headers(&lines),
        body: body.as_bytes(),
        hosts: &[],
        session_state: None,
        offering: Some(offering),
        now: 1000,
    };
    server.receive(&request, &|| [0; 16])
}

fn evaluate(_: usize, _: usize) -> String {
    "secret".to_owned()
}

fn reply(step: Step) -> (HttpReply, Value) {
    let Step::Reply(reply) = step else { panic!("{step:?}") };
    let body = match &reply.body {
        Body::Empty => Vec::new(),
        Body::Bytes(bytes) => bytes.clone(),
        Body::Page { head, page } => [head, &page[..]].concat(),
    };
    let body = serde_json::from_slice(&body).unwrap();
    (reply, body)
}

fn names(server: &Server, offering: &Arc<Offering>, method: &str, member: &str) -> Vec<String> {
    let (_, body) = reply(ask(server, offering, method, json!({})));
    let items = body["result"][member].as_array().unwrap_or_else(|| panic!("{body}")).clone();
    items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

fn tool(name: &str) -> Value {
    json!({"name": name, "inputSchema": {"type": "object"}})
}

/// A server of 2026-07-28.
fn modern(request: &UpstreamRequest) -> Answer {
    match message(request)["method"].as_str().unwrap() {
        "server/discover" => result(
            request,
            json!({"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}, "prompts": {}, "resources": {}}}),
        ),
        "tools/list" => result(request, json!({"tools": [tool("t"), tool("own"), {"name": 1}], "ttlMs": 7000})),
        "prompts/list" => result(request, json!({"prompts": [{"name": "p"}]})),
        "resources/list" => {
            result(request, json!({"resources": [{"uri": "a:b", "name": "r"}], "cacheScope": "private"}))
        }
        "resources/templates/list" => result(
            request,
            json!({"resourceTemplates": [{"uriTemplate": "a:{x}", "name": "x"}, {"uriTemplate": "c:{.y}", "name": "y"}]}),
        ),
        other => panic!("{other}"),
    }
}

/// A server of a revision with sessions.
fn legacy(request: &UpstreamRequest) -> Answer {
    let message = message(request);
    match message["method"].as_str().unwrap() {
        "server/discover" => (400, "text/plain", None, "no session".to_owned()),
        "initialize" => {
            let (status, content_type, _, body) = result(
                request,
                json!({"protocolVersion": "2025-06-18", "capabilities": {"tools": {"listChanged": true}}}),
            );
            (status, content_type, Some("s-1"), body)
        }
        "notifications/initialized" => (202, "text/plain", None, String::new()),
        "tools/list" => {
            let page = message["params"]["cursor"].as_str().unwrap_or("0").parse::<usize>().unwrap();
            let next = if page < 2 { json!((page + 1).to_string()) } else { json!(null) };
            let listed = json!({"tools": [tool(&format!("t{page}"))], "nextCursor": next});
            let body = json!({"jsonrpc": "2.0", "id": message["id"], "result": listed});
            (200, "text/event-stream", None, format!(": hello\n\nevent: message\ndata: {body}\n\n"))
        }
        other => panic!("{other}"),
    }
}

#[test]
fn the_newest_revision_is_spoken_where_it_is_known() {
    let server = server(vec![upstream("one", &[("prefix", "x_"), ("credential", "$x")])]);
    let mut peer = Peer::new(0);
    let (sent, outcome) = look(&server, &mut peer, &modern);
    assert_eq!(outcome, Ok(()));
    let methods: Vec<_> = sent.iter().map(|request| header(request, "Mcp-Method").unwrap()).collect();
    assert_eq!(
        methods,
        ["server/discover", "tools/list", "resources/list", "resources/templates/list", "prompts/list"]
    );
    for request in &sent {
        assert_eq!((request.uri.as_str(), header(request, "Authorization")), ("/mcp?key=1", Some("secret")));
        assert_eq!(header(request, "MCP-Protocol-Version"), Some("2026-07-28"));
        let meta = &message(request)["params"]["_meta"];
        assert_eq!(meta["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
        assert_eq!(meta["io.modelcontextprotocol/clientInfo"], json!({"name": "front", "version": "1"}));
        assert_eq!(meta["io.modelcontextprotocol/clientCapabilities"], json!({}));
    }
    let learned = peer.learned().unwrap();
    assert_eq!(learned.warnings(), ["tools[2] of page 1 is left out: its \"name\" is not a string"]);
    let offering = offering(&server, &[&peer]);
    assert_eq!(names(&server, &offering, "tools/list", "tools"), ["own", "x_t", "x_own"]);
    assert_eq!(names(&server, &offering, "prompts/list", "prompts"), ["x_p"]);
    assert_eq!(names(&server, &offering, "resources/templates/list", "resourceTemplates"), ["x", "y"]);
    let (_, list) = reply(ask(&server, &offering, "tools/list", json!({})));
    assert_eq!((&list["result"]["ttlMs"], &list["result"]["cacheScope"]), (&json!(7000), &json!("private")));
    assert!(peer.listen(&server, std::iter::empty(), &mut |_| String::new()).is_none(), "it says nothing of changes");
    // The next look need not find out again, but may have other capabilities.
    let before = offering;
    assert_eq!(look(&server, &mut peer, &modern).1, Ok(()));
    assert!(before.is_of(&[peer.learned().cloned()]));
}

#[test]
fn older_servers_get_a_session_and_are_read_page_by_page() {
    let server = server(vec![upstream("one", &[])]);
    let mut peer = Peer::new(0);
    let (sent, outcome) = look(&server, &mut peer, &legacy);
    assert_eq!(outcome, Ok(()));
    let methods: Vec<_> = sent.iter().map(|request| message(request)["method"].as_str().unwrap().to_owned()).collect();
    let list = "tools/list";
    assert_eq!(methods, ["server/discover", "initialize", "notifications/initialized", list, list, list]);
    let params = &message(&sent[1])["params"];
    assert_eq!(params["protocolVersion"], "2025-11-25");
    assert_eq!(params["clientInfo"], json!({"name": "front", "version": "1"}));
    assert_eq!(sent[1].headers, []);
    assert_eq!(message(&sent[2]), json!({"jsonrpc": "2.0", "method": "notifications/initialized", "params": {}}));
    for request in &sent[2..] {
        assert_eq!(
            (header(request, "Mcp-Session-Id"), header(request, "MCP-Protocol-Version")),
            (Some("s-1"), Some("2025-06-18"))
        );
        assert_eq!(header(request, "Mcp-Method"), None);
    }
    let offering = offering(&server, &[&peer]);
    assert_eq!(names(&server, &offering, "tools/list", "tools"), ["own", "t0", "t1", "t2"]);
    let listen = peer.listen(&server, std::iter::empty(), &mut |_| String::new()).unwrap();
    assert_eq!((listen.method, &listen.body, listen.uri.as_str()), (Some("GET"), &None, "/mcp?key=1"));
    assert_eq!(header(&listen, "Mcp-Session-Id"), Some("s-1"));
    // The session goes on.
    let (sent, _) = look(&server, &mut peer, &legacy);
    assert_eq!(message(&sent[0])["method"], "tools/list");
    // One that is lost on the way is made again, once.
    for (status, body) in LOST {
        let mut peer = Peer::new(0);
        assert_eq!(look(&server, &mut peer, &legacy).1, Ok(()));
        let forgetful = |request: &UpstreamRequest| match header(request, "Mcp-Session-Id") {
            Some("s-1") => (status, "application/json", None, body.to_owned()),
            _ => legacy(request),
        };
        let (sent, outcome) = look(&server, &mut peer, &forgetful);
        assert_eq!(message(&sent[1])["method"], "server/discover", "{body}");
        assert!(outcome.unwrap_err().starts_with("notifications/initialized: the server answers HTTP 40"));
    }
}

/// How servers say that they know no such session.
const LOST: [(u16, &str); 4] = [
    (404, ""),
    (404, r#"{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"message":"Session not found"}}"#),
    (404, r#"{"jsonrpc":"2.0","error":{"code":-32001,"message":"Session not found"},"id":null}"#),
    (
        400,
        r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: No valid session ID provided"},"id":null}"#,
    ),
];

#[test]
fn a_call_is_made_once_more_however_the_server_says_that_its_session_is_over() {
    let server = server(vec![upstream("one", &[])]);
    let mut peer = Peer::new(0);
    assert_eq!(look(&server, &mut peer, &legacy).1, Ok(()));
    let offering = offering(&server, &[&peer]);
    let called = |answer: &dyn Fn(&Value) -> (u16, String)| {
        let Step::Call { request, pending, .. } = ask(&server, &offering, "tools/call", json!({"name": "t1"})) else {
            panic!("no call")
        };
        let (status, body) = answer(&message(&request)["id"]);
        let content_type = Some(&b"application/json"[..]);
        let answer = UpstreamResponse { status, content_type, body: body.as_bytes(), ..UpstreamResponse::default() };
        pending.resume(&server, Ok(answer), &mut evaluate)
    };
    for (status, body) in LOST {
        assert!(matches!(called(&|_| (status, body.to_owned())), Step::Renew { .. }), "{body}");
    }
    let own = called(&|id| {
        (404, json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "no"}}).to_string())
    });
    assert_eq!(reply(own).1["error"]["code"], -32601);
}

#[test]
fn what_cannot_be_learned_says_why() {
    let server = server(vec![upstream("one", &[])]);
    let on = |method: &'static str, answer: Answer| {
        let outcome = look(&server, &mut Peer::new(0), &move |request| {
            let is_meant = message(request)["method"] == method;
            let replace_id = |body: &str| body.replace("ID", &message(request)["id"].to_string());
            if is_meant { (answer.0, answer.1, answer.2, replace_id(&answer.3)) } else { legacy(request) }
        });
        outcome.1.unwrap_err()
    };
    let json = |status, body: &str| (status, "application/json", None, body.to_owned());
    for (method, answer, expected) in [
        ("server/discover", json(503, "{}"), "server/discover: the server answers HTTP 503 Service Unavailable"),
        ("server/discover", json(401, ""), "server/discover: the server answers HTTP 401 Unauthorized"),
        (
            "server/discover",
            json(400, r#"{"jsonrpc":"2.0","id":ID,"error":{"code":-32020,"message":"header"}}"#),
            "server/discover: the server says \"header\" (-32020)",
        ),
        ("initialize", json(200, "<html>"), "initialize: the server's answer is invalid: expected value"),
        (
            "initialize",
            json(200, r#"{"jsonrpc":"2.0","id":ID,"result":{"protocolVersion":"2030-01-01"}}"#),
            "initialize: it wants to speak \"2030-01-01\", which is not known",
        ),
        ("initialize", json(200, &" ".repeat(2 << 20)), "initialize: the server's answer is larger than 1048576 bytes"),
        ("tools/list", json(200, r#"{"jsonrpc":"2.0","id":ID,"result":{}}"#), "tools/list: it has no \"tools\""),
    ] {
        let why = on(method, answer);
        assert!(why.starts_with(expected), "{why}");
    }
}

#[test]
fn of_several_things_of_one_name_the_first_counts() {
    let server = server(vec![upstream("one", &[]), upstream("two", &[])]);
    let mut peers = [Peer::new(0), Peer::new(1)];
    peers.iter_mut().for_each(|peer| assert_eq!(look(&server, peer, &modern).1, Ok(())));
    let offering = offering(&server, &[&peers[0], &peers[1]]);
    assert_eq!(names(&server, &offering, "tools/list", "tools"), ["own", "t"]);
    let left_out =
        |what: &str, whose: &str| format!("{what} of \"{whose}\" is left out: there is one of this name already");
    let expected = [
        left_out("tool \"own\"", "one"),
        left_out("tool \"t\"", "two"),
        left_out("tool \"own\"", "two"),
        left_out("resource \"a:b\"", "two"),
        left_out("template \"a:{x}\"", "two"),
        left_out("template \"c:{.y}\"", "two"),
        left_out("prompt \"p\"", "two"),
    ];
    assert_eq!(offering.warnings(), expected);
    // A server of which nothing is known offers nothing.
    let offering = Arc::new(Offering::new(&server, vec![None, peers[1].learned().cloned()]));
    assert_eq!(names(&server, &offering, "prompts/list", "prompts"), ["p"]);
}

#[test]
fn requests_become_those_of_the_server() {
    let server = server(vec![upstream("one", &[("prefix", "x_"), ("credential", "$x")])]);
    let mut peer = Peer::new(0);
    assert_eq!(look(&server, &mut peer, &modern).1, Ok(()));
    let offering = offering(&server, &[&peer]);
    let sent = |method: &str, params: Value| match ask(&server, &offering, method, params) {
        Step::Call { endpoint, request, .. } => {
            assert_eq!(server.endpoint(endpoint).unwrap().origin(), "http://behind");
            assert_eq!(
                (header(&request, "Mcp-Method"), header(&request, "Authorization")),
                (Some(method), Some("secret"))
            );
            let mut message = message(&request);
            let meta = message["params"].as_object_mut().unwrap().shift_remove("_meta").unwrap();
            assert_eq!((&meta["progressToken"], message["id"].is_u64()), (&message["id"], true));
            assert_eq!(meta["io.modelcontextprotocol/clientInfo"]["name"], "front");
            assert_eq!((&meta["traceparent"], header(&request, "traceparent")), (&json!(TRACE), Some(TRACE)));
            (header(&request, "Mcp-Name").map(str::to_owned), message["params"].clone(), meta)
        }
        step => panic!("{step:?}"),
    };
    let (name, params, meta) = sent("tools/call", json!({"name": "x_t", "arguments": {"a": 1.50}}));
    assert_eq!((name.as_deref(), params), (Some("t"), json!({"name": "t", "arguments": {"a": 1.50}})));
    assert_eq!(meta["io.modelcontextprotocol/clientCapabilities"], json!({"roots": {}}));
    for uri in ["a:b", "a:z", "c:.z"] {
        let (name, params, _) = sent("resources/read", json!({"uri": uri}));
        assert_eq!((name.as_deref(), params), (Some(uri), json!({"uri": uri})));
    }
    let (name, params, _) = sent("prompts/get", json!({"name": "x_p"}));
    assert_eq!((name.as_deref(), params), (Some("p"), json!({"name": "p"})));
    let argument = json!({"name": "n", "value": "v"});
    for (reference, theirs) in [
        (json!({"type": "ref/prompt", "name": "x_p"}), json!({"type": "ref/prompt", "name": "p"})),
        (json!({"type": "ref/resource", "uri": "a:{x}"}), json!({"type": "ref/resource", "uri": "a:{x}"})),
    ] {
        let (name, params, meta) = sent("completion/complete", json!({"ref": reference, "argument": argument}));
        assert_eq!((name, params), (None, json!({"ref": theirs, "argument": argument})));
        assert_eq!(meta["io.modelcontextprotocol/clientCapabilities"], json!({}));
    }
    let (_, unknown) = reply(ask(&server, &offering, "tools/call", json!({"name": "x_tt"})));
    assert_eq!(unknown["error"]["code"], -32602);
}

#[test]
fn errors_of_a_server_are_passed_on() {
    let server = server(vec![upstream("one", &[])]);
    let mut peer = Peer::new(0);
    assert_eq!(look(&server, &mut peer, &modern).1, Ok(()));
    let offering = offering(&server, &[&peer]);
    let answered = |method: &str,
                    params: Value,
                    answer: &dyn Fn(&UpstreamRequest) -> Result<Answer, UpstreamFailure>| {
        let Step::Call { request, pending, .. } = ask(&server, &offering, method, params) else { panic!("no call") };
        let answer = answer(&request);
        let answer =
            answer.as_ref().map_err(|failure| *failure).map(|(status, content_type, _, body)| UpstreamResponse {
                status: *status,
                content_type: Some(content_type.as_bytes()),
                body: body.as_bytes(),
                ..UpstreamResponse::default()
            });
        let (reply, body) = reply(pending.resume(&server, answer, &mut evaluate));
        (reply.status, body)
    };
    let call = || json!({"name": "t"});
    for (status, code, expected) in
        [(400, -32602, (400, -32602)), (200, -5, (200, -5)), (404, -32601, (404, -32601)), (400, -32021, (400, -32021))]
    {
        let (status, body) = answered("tools/call", call(), &|request| Ok(error(request, status, code)));
        assert_eq!((status, body["error"]["code"].as_i64().unwrap()), expected);
        assert_eq!((&body["error"]["message"], &body["id"]), (&json!("no"), &json!("a")));
    }
    let (status, body) = answered("resources/read", json!({"uri": "a:b"}), &|request| Ok(error(request, 200, -32002)));
    assert_eq!((status, &body["error"]["code"]), (400, &json!(-32602)));
    // How the server is spoken to is no affair of the client's.
    let (status, body) = answered("tools/call", call(), &|request| Ok(error(request, 400, -32020)));
    assert_eq!((status, &body["result"]["isError"]), (200, &json!(true)));
    assert_eq!(body["result"]["content"][0]["text"], "\"one\" says \"no\" (-32020)");
    let (_, body) = answered("prompts/get", json!({"name": "p"}), &|request| Ok(error(request, 400, -32020)));
    assert_eq!(body["error"]["code"], -32603);
    let (_, body) = answered("tools/call", call(), &|_| Err(UpstreamFailure::TimedOut));
    assert_eq!(body["result"]["content"][0]["text"], "\"one\": its backend did not answer in time");
    let (_, body) = answered("resources/read", json!({"uri": "a:b"}), &|_| Err(UpstreamFailure::Unreachable));
    assert_eq!(body["error"]["code"], -32603);
}

#[test]
fn a_call_whose_session_is_lost_is_made_once_more() {
    let server = server(vec![upstream("one", &[])]);
    let mut peer = Peer::new(0);
    assert_eq!(look(&server, &mut peer, &legacy).1, Ok(()));
    let before = offering(&server, &[&peer]);
    let gone = UpstreamResponse { status: 404, content_type: Some(b"text/plain"), ..UpstreamResponse::default() };
    let Step::Call { request, pending, .. } = ask(&server, &before, "tools/call", json!({"name": "t1"})) else {
        panic!("no call")
    };
    assert_eq!(header(&request, "Mcp-Session-Id"), Some("s-1"));
    let Step::Renew { upstream, pending } = pending.resume(&server, Ok(gone), &mut evaluate) else {
        panic!("no new look")
    };
    assert!(upstream == 0 && pending.is_of(&peer));
    peer.forget_link();
    assert_eq!(look(&server, &mut peer, &legacy).1, Ok(()));
    assert!(!pending.is_of(&peer));
    let after = offering(&server, &[&peer]);
    let Step::Call { request, pending, .. } = pending.renewed(&server, &after, None, &mut evaluate) else {
        panic!("no call")
    };
    assert_eq!(message(&request)["params"]["name"], "t1");
    let (_, body) = reply(pending.resume(&server, Ok(gone), &mut evaluate));
    assert_eq!(body["result"]["content"][0]["text"], "\"one\" answered HTTP 404 Not Found");
    // It may have other tools by now.
    let Step::Call { pending, .. } = ask(&server, &before, "tools/call", json!({"name": "t1"})) else {
        panic!("no call")
    };
    let Step::Renew { pending, .. } = pending.resume(&server, Ok(gone), &mut evaluate) else { panic!("no new look") };
    let (_, body) = reply(pending.renewed(&server, &offering(&server, &[&Peer::new(0)]), None, &mut evaluate));
    assert!(body["result"]["content"][0]["text"].as_str().unwrap().contains("does not offer this any more"), "{body}");
}

#[test]
fn a_caller_has_a_session_of_its_own() {
    let server = server(vec![upstream("one", &[("credential", "$x")])]);
    let mut peer = Peer::new(0);
    assert_eq!(look(&server, &mut peer, &legacy).1, Ok(()));
    let offering = offering(&server, &[&peer]);
    let mut own = Peer::of_caller(0);
    let (sent, outcome) = look(&server, &mut own, &|request| match legacy(request) {
        (status, content_type, Some(_), body) => (status, content_type, Some("s-2"), body),
        answer => answer,
    });
    let methods: Vec<_> = sent.iter().map(|request| message(request)["method"].clone()).collect();
    assert_eq!((outcome, methods), (Ok(()), vec![json!("initialize"), json!("notifications/initialized")]));
    assert!(sent.iter().all(|request| header(request, "Authorization") == Some("secret")));
    let begin = |session: Result<&mcp::Learned, String>| {
        let mut exchange = receive(&server, &offering, "tools/call", json!({"name": "t1"}));
        assert_eq!(exchange.wants_session(), Some(0));
        exchange.set_session(0, session);
        assert_eq!(exchange.wants_session(), None);
        exchange.start(&server, &mut evaluate)
    };
    let learned = own.learned().unwrap();
    let Step::Call { request, pending, .. } = begin(Ok(learned)) else { panic!("no call") };
    assert_eq!(header(&request, "Mcp-Session-Id"), Some("s-2"));
    assert!(pending.is_of(&own) && !pending.is_of(&peer));
    // What nobody waits for any more is cancelled in the same one.
    let cancellation = pending.cancellation(&server).unwrap();
    assert_eq!(
        (header(&cancellation, "Mcp-Session-Id"), header(&cancellation, "Authorization")),
        (Some("s-2"), Some("secret"))
    );
    let id = message(&request)["id"].clone();
    assert_eq!(
        message(&cancellation),
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}})
    );
    let (reply, body) = reply(begin(Err("no luck".to_owned())));
    assert_eq!((reply.notes, &body["result"]["isError"]), (vec!["\"one\": no luck".to_owned()], &json!(true)));
}

#[test]
fn a_server_without_sessions_is_asked_for_everybody_alike() {
    let server = server(vec![upstream("one", &[])]);
    let mut peer = Peer::new(0);
    assert_eq!(look(&server, &mut peer, &modern).1, Ok(()));
    let offering = offering(&server, &[&peer]);
    let exchange = receive(&server, &offering, "tools/call", json!({"name": "t"}));
    assert_eq!(exchange.wants_session(), None);
    let Step::Call { pending, .. } = exchange.start(&server, &mut evaluate) else { panic!("no call") };
    assert_eq!(pending.cancellation(&server), None);
}
