//! Servers behind this one (`mcp_upstream`): another nginx with the module, and servers that do what a test says.

mod asked;
mod calls;
mod lists;
mod resources;
mod sessions;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::harness::{
    Act, Conf, Events, Gate, Nginx, Received, Request, Session, Upstream, all_refused, call, json as answer, request,
    response, taken,
};

const VERSIONS: [&str; 3] = ["2025-03-26", "2025-06-18", "2025-11-25"];

/// An nginx in front of a server.
fn front(server: &impl std::fmt::Display, directives: &str) -> Conf {
    let facts = "add_header X-Facts $mcp_tool|$mcp_resource|$mcp_prompt|$mcp_status always;";
    let location = format!(
        "mcp_upstream behind {{ pass http://SERVER/mcp; {directives} }}\nadd_header X-Worker $pid always;\n{facts}"
    );
    Conf::location(&location).listen("reuseport").with("SERVER", server)
}

/// A message as a server gets it.
fn message(received: &Received) -> Value {
    serde_json::from_slice(received.body()).expect("a message")
}

fn tool(name: &str) -> Value {
    json!({"name": name, "description": "A tool.", "inputSchema": {"type": "object"}})
}

fn text_result(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}]})
}

/// A whole answer with further header lines.
fn with_lines(status: u16, lines: &str, body: &str) -> Vec<Act> {
    let head = format!(
        "HTTP/1.1 {status} Status\r\nContent-Type: application/json\r\n{lines}Content-Length: {}\r\n\r\n",
        body.len()
    );
    vec![Act::Send(format!("{head}{body}").into_bytes())]
}

fn result(received: &Received, result: &Value) -> Vec<Act> {
    answer(&json!({"jsonrpc": "2.0", "id": message(received)["id"], "result": result}))
}

/// What a server of 2026-07-28 answers to everything but calls.
fn modern(received: &Received, tools: &[Value]) -> Option<Vec<Act>> {
    let listed = |member: &str, items: &[Value]| {
        Some(result(
            received,
            &json!({"resultType": "complete", "ttlMs": 60_000, "cacheScope": "public", member: items}),
        ))
    };
    match message(received)["method"].as_str().unwrap() {
        "server/discover" => Some(result(
            received,
            &json!({"resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}},
                    "ttlMs": 0, "cacheScope": "public"}),
        )),
        "tools/list" => listed("tools", tools),
        _ => None,
    }
}

/// What a server of 2025-11-25 answers to everything but calls; it knows one session.
fn legacy(received: &Received, session: &str, tools: &[Value]) -> Option<Vec<Act>> {
    let message = message(received);
    let own = received.header("mcp-session-id");
    match message["method"].as_str() {
        Some("initialize") => {
            assert_eq!((message["params"]["protocolVersion"].as_str(), &own), (Some("2025-11-25"), &None));
            let result = json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                                "serverInfo": {"name": "old", "version": "1"}});
            let body = json!({"jsonrpc": "2.0", "id": message["id"], "result": result}).to_string();
            Some(with_lines(200, &format!("Mcp-Session-Id: {session}\r\n"), &body))
        }
        Some("server/discover") => Some(response(400, "text/plain", "no session")),
        _ if own.as_deref() != Some(session) => {
            Some(response(404, "application/json", r#"{"error":"no such session"}"#))
        }
        Some("notifications/initialized") => Some(response(202, "text/plain", "")),
        Some("tools/list") => Some(result(received, &json!({"tools": tools}))),
        _ => None,
    }
}

fn names(nginx: &Nginx) -> Vec<String> {
    let result = nginx.send(&request(1, "tools/list", json!({}))).result();
    result["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

fn shown(result: &Value) -> (&str, bool) {
    (result["content"][0]["text"].as_str().unwrap(), result["isError"] == true)
}

/// Another nginx with everything.
fn behind() -> Nginx {
    Conf::location(
        "mcp_tool greet { description \"Greets.\"; pass GET http://LISTEN/greet; argument name string required; title Greet; }
         mcp_tool own { pass GET http://LISTEN/greet; }
         mcp_resource note:today { text milk; }
         mcp_resource \"note:days/{day}\" { text \"milk on {day}\"; complete day monday tuesday; }
         mcp_prompt hail { argument name; message user \"Hail {name}!\"; complete name Ann Bob; }",
    )
    .server("location = /greet { default_type application/json; return 200 '{\"hello\":\"$arg_name\"}'; }")
    .start()
}

#[test]
fn what_another_nginx_offers_is_offered_in_every_revision() {
    let behind = behind();
    let nginx = front(&behind.address(), "prefix b_; hide tool=own;").start();
    let sessions = VERSIONS.map(|version| Session::open(&nginx, version));
    let ask = |session: Option<&Session>, method: &str, params: Value| {
        let name = params["uri"].as_str().map(str::to_owned);
        nginx.send(&match (session, name) {
            (Some(session), _) => session.request(1, method, params),
            (None, Some(uri)) => request(1, method, params).header("Mcp-Name", &uri),
            (None, None) => request(1, method, params),
        })
    };
    for session in sessions.iter().map(Some).chain([None]) {
        let version = session.map_or("2026-07-28", |session| session.version.as_str());
        let tools = ask(session, "tools/list", json!({})).result();
        assert_eq!(tools["tools"].as_array().unwrap().len(), 1, "{version}");
        assert_eq!(
            (&tools["tools"][0]["name"], &tools["tools"][0]["description"]),
            (&json!("b_greet"), &json!("Greets."))
        );
        assert_eq!(tools["tools"][0].get("title").is_some(), version >= "2025-06-18");
        let of_annotations = tools["tools"][0]["annotations"]["title"] == "Greet";
        assert_eq!(of_annotations, version == "2025-03-26");
        let greeted = ask(session, "tools/call", json!({"name": "b_greet", "arguments": {"name": "Ann"}}));
        assert_eq!(greeted.header("x-facts"), Some("b_greet|||ok"));
        let greeted = greeted.result();
        assert_eq!(shown(&greeted), ("{\"hello\":\"Ann\"}", false));
        assert_eq!(greeted.get("structuredContent").is_some(), version >= "2025-06-18");
        assert_eq!(greeted.get("resultType").is_some(), session.is_none());
        let wrong = ask(session, "tools/call", json!({"name": "b_greet", "arguments": {}})).result();
        assert_eq!((shown(&wrong).1, shown(&wrong).0.contains("\"name\" is required")), (true, true), "{wrong}");
        let unknown = ask(session, "tools/call", json!({"name": "b_own"}));
        assert_eq!(unknown.error_code(), -32602);
        let uris = ask(session, "resources/list", json!({})).result();
        assert_eq!(uris["resources"][0]["uri"], "note:today");
        let templates = ask(session, "resources/templates/list", json!({})).result();
        assert_eq!(templates["resourceTemplates"][0]["uriTemplate"], "note:days/{day}");
        for (uri, text) in [("note:today", "milk"), ("note:days/monday", "milk on monday")] {
            let read = ask(session, "resources/read", json!({"uri": uri}));
            let listed = if uri == "note:today" { uri } else { "note:days/{day}" };
            assert_eq!(read.header("x-facts"), Some(format!("|{listed}||ok").as_str()));
            let read = read.result();
            assert_eq!(read["contents"][0], json!({"uri": uri, "mimeType": "text/plain", "text": text}));
        }
        let absent = ask(session, "resources/read", json!({"uri": "note:tomorrow"}));
        assert_eq!(absent.error_code(), if session.is_none() { -32602 } else { -32002 });
        assert_eq!(ask(session, "prompts/list", json!({})).result()["prompts"][0]["name"], "b_hail");
        let hailed = ask(session, "prompts/get", json!({"name": "b_hail", "arguments": {"name": "Bob"}}));
        assert_eq!(hailed.header("x-facts"), Some("||b_hail|ok"));
        let hailed = hailed.result();
        assert_eq!(hailed["messages"][0]["content"], json!({"type": "text", "text": "Hail Bob!"}));
        for (reference, value, expected) in [
            (json!({"type": "ref/prompt", "name": "b_hail"}), ("name", "A"), json!(["Ann"])),
            (json!({"type": "ref/resource", "uri": "note:days/{day}"}), ("day", "t"), json!(["tuesday"])),
        ] {
            let argument = json!({"name": value.0, "value": value.1});
            let completed =
                ask(session, "completion/complete", json!({"ref": reference, "argument": argument})).result();
            assert_eq!(completed["completion"]["values"], expected);
        }
    }
}

#[test]
fn a_session_that_the_server_has_lost_is_made_again() {
    let generation = Arc::new(AtomicUsize::new(1));
    let server = Upstream::new({
        let generation = generation.clone();
        move |received| {
            let round = generation.load(Ordering::SeqCst);
            let session = format!("session-{round}");
            let number = message(received)["params"]["arguments"]["n"].clone();
            if received.header("mcp-session-id").is_some_and(|theirs| theirs != session) {
                // As the SDKs say it.
                let id = [json!(null), json!("server-error")][round % 2].clone();
                let error = json!({"code": -32600, "message": "Session not found"});
                let body = json!({"jsonrpc": "2.0", "id": id, "error": error}).to_string();
                return response(404, "application/json", body);
            }
            legacy(received, &session, &[tool("t")])
                .unwrap_or_else(|| result(received, &text_result(&format!("{session} {number}"))))
        }
    });
    let nginx = front(&server, "").start();
    assert_eq!(names(&nginx), ["t"]);
    for round in 1..=3 {
        generation.store(round, Ordering::SeqCst);
        for number in 0..4 {
            let session = Session::open(&nginx, "2025-06-18");
            for request in [call("t", json!({"n": number})), session.call("t", json!({"n": number}))] {
                let expected = format!("session-{round} {number}");
                assert_eq!(shown(&nginx.send(&request).result()), (expected.as_str(), false));
            }
        }
    }
    // Each worker has its own, and no more than one at a time.
    let begun = server.requests().iter().filter(|received| message(received)["method"] == "initialize").count();
    assert!((3..=6).contains(&begun), "{begun} sessions");
    let calls = server.requests().into_iter().filter(|received| message(received)["method"] == "tools/call");
    for received in calls {
        assert_eq!(received.header("mcp-protocol-version").as_deref(), Some("2025-11-25"));
        assert_eq!(
            (received.header("mcp-method"), received.header("accept").as_deref()),
            (None, Some("application/json, text/event-stream"))
        );
    }
}

#[test]
fn a_stream_is_passed_on_and_what_the_server_asks_is_answered() {
    let (ponged, answered) = (Gate::default(), Gate::default());
    let closed = Gate::default();
    let server = Upstream::new({
        let (ponged, answered, closed) = (ponged.clone(), answered.clone(), closed.clone());
        move |received| {
            if let Some(acts) = legacy(received, "s", &[tool("t")]) {
                return acts;
            }
            let message = message(received);
            if message["method"] == "tools/call" {
                let token = &message["params"]["_meta"]["progressToken"];
                let event =
                    |message: Value| Act::Send(format!("event: message\r\ndata: {message}\r\n\r\n").into_bytes());
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
                let elicit = json!({"message": "who?", "requestedSchema": {"type": "object", "properties": {}}});
                return vec![
                    Act::Send(head.as_bytes().to_vec()),
                    event(
                        json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": token, "progress": 1, "message": "half"}}),
                    ),
                    event(json!({"jsonrpc": "2.0", "id": "p", "method": "ping"})),
                    Act::Await(ponged.clone()),
                    event(json!({"jsonrpc": "2.0", "id": 7, "method": "elicitation/create", "params": elicit})),
                    Act::Await(answered.clone()),
                    event(json!({"jsonrpc": "2.0", "id": message["id"], "result": text_result("done")})),
                    // The server keeps its stream open.
                    Act::AwaitClose(closed.clone()),
                ];
            }
            match (&message["id"], &message["result"]) {
                (id, result) if *id == json!("p") && *result == json!({}) => ponged.open(),
                (id, result) if *id == json!(7) && result["content"]["name"] == "Ann" => answered.open(),
                (id, _) if *id == json!(7) && message["error"]["code"] == -32601 => answered.open(),
                _ => panic!("{message}"),
            }
            response(202, "text/plain", "")
        }
    });
    let nginx = front(&server, "").start();
    let session = Session::open_as(&nginx, "2025-11-25", json!({"elicitation": {}}));
    let params = json!({"name": "t", "arguments": {}, "_meta": {"progressToken": "mine"}});
    let mut events = Events::open(nginx.connect(), &session.request(5, "tools/call", params.clone()));
    let heard = events.notification("notifications/progress");
    assert_eq!(heard, json!({"progressToken": "mine", "progress": 1, "message": "half"}));
    let asked = events.message();
    assert_eq!((&asked["method"], &asked["params"]["message"]), (&json!("elicitation/create"), &json!("who?")));
    let reply =
        json!({"jsonrpc": "2.0", "id": asked["id"], "result": {"action": "accept", "content": {"name": "Ann"}}});
    assert_eq!(nginx.send(&session.carry(Request::post(reply.to_string()))).status, 202);
    let (result, _) = events.result();
    assert_eq!(shown(&result), ("done", false));
    closed.wait();
    // A client without a session cannot be asked; the server is told so.
    let mut events = Events::open(nginx.connect(), &request(1, "tools/call", params));
    events.notification("notifications/progress");
    assert_eq!(shown(&events.result().0), ("done", false));
}

#[test]
fn a_question_of_the_newest_revision_goes_to_every_client() {
    let server = Upstream::new(|received| {
        modern(received, &[tool("t")]).unwrap_or_else(|| {
            let params = &message(received)["params"];
            assert_eq!(received.header("mcp-name").as_deref(), Some("t"));
            match params["requestState"].as_str() {
                None => {
                    let elicit = json!({"message": "who?", "requestedSchema": {"type": "object", "properties": {}}});
                    let asked = json!({"k": {"method": "elicitation/create", "params": elicit}});
                    result(received, &json!({"resultType": "input_required", "inputRequests": asked, "requestState": "mine"}))
                }
                Some(state) => {
                    let name = &params["inputResponses"]["k"]["content"]["name"];
                    result(received, &json!({"resultType": "complete", "content": [{"type": "text", "text": format!("{state} {name}")}]}))
                }
            }
        })
    });
    let nginx = front(&server, "prefix x_;").start();
    let content = json!({"action": "accept", "content": {"name": "Ann"}});
    let capabilities = json!({"elicitation": {}});
    let params = |more: Value| {
        let mut params = json!({"name": "x_t", "arguments": {"a": 1}, "_meta": {"io.modelcontextprotocol/clientCapabilities": capabilities}});
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        params
    };
    let asked = nginx.send(&request(1, "tools/call", params(json!({})))).result();
    assert_eq!(
        (&asked["resultType"], &asked["inputRequests"]["k"]["params"]["message"]),
        (&json!("input_required"), &json!("who?"))
    );
    assert_ne!(asked["requestState"], "mine");
    let more = json!({"requestState": asked["requestState"], "inputResponses": {"k": content}});
    let done = nginx.send(&request(2, "tools/call", params(more))).result();
    assert_eq!(shown(&done), ("mine \"Ann\"", false));
    let session = Session::open_as(&nginx, "2025-06-18", capabilities.clone());
    let mut events = Events::open(nginx.connect(), &session.call("x_t", json!({"a": 1})));
    let question = events.message();
    assert_eq!(question["method"], "elicitation/create");
    let reply = json!({"jsonrpc": "2.0", "id": question["id"], "result": content});
    assert_eq!(nginx.send(&session.carry(Request::post(reply.to_string()))).status, 202);
    assert_eq!(shown(&events.result().0), ("mine \"Ann\"", false));
}

#[test]
fn what_a_server_answers_wrong_is_told() {
    let cases = [
        ("html", 200, "text/html", "<html>", "the answer of \"behind\" is invalid: "),
        ("nothing", 202, "text/plain", "", "the answer of \"behind\" is invalid: "),
        ("broken", 500, "text/plain", "x", "\"behind\" answered HTTP 500 Internal Server Error"),
        ("denied", 401, "application/json", "{}", "\"behind\" answered HTTP 401 Unauthorized"),
        (
            "shape",
            200,
            "application/json",
            r#"{"jsonrpc":"2.0","id":1,"result":{"content":1}}"#,
            "the result of \"behind\" is invalid: its \"content\"",
        ),
        ("empty", 200, "text/event-stream", ": nothing\n\n", "the answer of \"behind\" is invalid: "),
    ];
    let server = Upstream::new(move |received| {
        let tools: Vec<Value> =
            cases.iter().map(|case| tool(case.0)).chain([tool("error"), tool("large"), tool("cut")]).collect();
        modern(received, &tools).unwrap_or_else(|| {
            let message = message(received);
            let name = message["params"]["name"].as_str().unwrap().to_owned();
            match cases.iter().find(|case| case.0 == name) {
                Some((_, status, content_type, body, _)) => response(*status, content_type, body),
                None if name == "large" => result(received, &text_result(&"x".repeat(200_000))),
                None if name == "cut" => {
                    vec![
                        Act::Send(
                            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
                                .to_vec(),
                        ),
                        Act::Close,
                    ]
                }
                None => {
                    let error = json!({"code": -12, "message": "no", "data": {"a": 1}});
                    response(
                        400,
                        "application/json",
                        json!({"jsonrpc": "2.0", "id": message["id"], "error": error}).to_string(),
                    )
                }
            }
        })
    });
    let mut conf = front(&server, "");
    conf = conf.server("mcp_max_result_size 100k;\n");
    let nginx = conf.start();
    for (name, _, _, _, expected) in cases {
        let result = nginx.send(&call(name, json!({}))).result();
        assert!(shown(&result).1 && shown(&result).0.starts_with(expected), "{name}: {result}");
    }
    for (name, expected) in [("large", "larger than the limit"), ("cut", "broke off its answer")] {
        let result = nginx.send(&call(name, json!({}))).result();
        assert!(shown(&result).1 && shown(&result).0.contains(expected), "{name}: {result}");
    }
    let refused = nginx.send(&call("error", json!({})));
    assert_eq!(
        (refused.status, &refused.json()["error"]),
        (200, &json!({"code": -12, "message": "no", "data": {"a": 1}}))
    );
    let session = Session::open(&nginx, "2025-06-18");
    assert_eq!(nginx.send(&session.call("error", json!({}))).error_code(), -12);
}

#[test]
fn a_credential_goes_with_every_message() {
    let server = Upstream::new(|received| {
        modern(received, &[tool("t")]).unwrap_or_else(|| result(received, &text_result("called")))
    });
    let nginx = front(&server, "credential \"Bearer $http_x_key\";").start();
    assert_eq!(shown(&nginx.send(&call("t", json!({})).header("X-Key", "abc")).result()), ("called", false));
    nginx.send(&call("t", json!({})));
    let sent = |method: &str| -> Vec<Option<String>> {
        let requests = server.requests().into_iter().filter(|received| message(received)["method"] == method);
        requests.map(|received| received.header("authorization")).collect()
    };
    assert!(sent("tools/list").iter().all(Option::is_none));
    assert_eq!(sent("tools/call"), [Some("Bearer abc".to_owned()), None]);
}

#[test]
fn wrong_directives_are_refused() {
    let pass = "pass http://127.0.0.1:1/mcp;";
    let block = |directives: &str| format!("mcp on;\nmcp_upstream a {{\n{pass}\n{directives}\n}}");
    let cases = [
        (
            "mcp on;\nmcp_upstream a { } #here".to_owned(),
            &["\"mcp_upstream\"", "it has no \"pass\"", "pass http://"][..],
        ),
        ("mcp on;\nmcp_upstream \"a b\" { } #here".to_owned(), &["\"mcp_upstream\"", "invalid server name \"a b\""]),
        ("mcp_upstream a { pass http://127.0.0.1:1/; } #here".to_owned(), &["\"mcp_upstream\"", "needs \"mcp on\""]),
        (
            format!("mcp on;\nmcp_upstream a {{ {pass} }}\nmcp_upstream a {{ {pass} }} #here"),
            &["\"mcp_upstream\"", "is duplicate", "server \"a\""],
        ),
        ("mcp on;\nmcp_upstream a { pass \"http://a/{id}\"; } #here".to_owned(), &["\"pass\"", "takes no {argument}"]),
        ("mcp on;\nmcp_upstream a { pass GET http://a/; } #here".to_owned(), &["\"pass\"", "takes one value"]),
        (block("pass http://a/; #here"), &["\"pass\"", "is duplicate"]),
        (block("prefix \"a b\"; #here"), &["\"prefix\"", "A-Z a-z 0-9"]),
        (block("expose operation=a; #here"), &["\"expose\"", "unknown term \"operation=a\"", "tool=…"]),
        (block("hide; #here"), &["\"hide\"", "it selects nothing"]),
        (block("cache 0; #here"), &["\"cache\"", "1s at the least"]),
        (block("cache often; #here"), &["\"cache\"", "such as \"60s\"", "often"]),
        (block("proxy_pass http://x; #here"), &["\"proxy_pass\"", "is not allowed in \"mcp_upstream\""]),
        (block("allow all; #here"), &["\"allow\"", "is not allowed in \"mcp_upstream\"", "MCP location"]),
        (block("argument a string; #here"), &["\"argument\"", "is not allowed here"]),
        (block("mcp_tool t { } #here"), &["\"mcp_tool\"", "inside of \"mcp_upstream\""]),
        (
            format!("mcp on;\nproxy_set_header Authorization x;\nmcp_upstream a {{ credential y; {pass} }} #here"),
            &["\"mcp_upstream\"", "\"Authorization\"", "or \"credential\""],
        ),
    ];
    let conf = |directives: String| Conf::new().server(&format!("location /x {{\n{directives}\n}}\n"));
    all_refused(cases.map(|(directives, expected)| (conf(directives), expected.to_vec())));
    taken(conf(block(
        "prefix p_; expose tool=a* prompt=*; hide resource=secret:*; cache 5m; credential \"Bearer $http_x\";",
    )));
}
