//! Backends that need something of the user or the client's model before they can answer.

use serde_json::{Value, json};

use crate::harness::{
    Act, Conf, Events, Gate, Nginx, Received, Request, Session, Upstream, all_refused, json as answer, request,
    response, taken,
};

const VERSIONS: [&str; 3] = ["2025-03-26", "2025-06-18", "2025-11-25"];

const OFFERS: &str = "mcp_tool order { pass POST http://UPSTREAM/order; argument item string; result mcp; }
    mcp_tool item { pass GET \"http://UPSTREAM/item/{id}\"; argument id string required; result mcp; }
    mcp_prompt hello { pass POST http://UPSTREAM/order; result mcp; }
    mcp_resource \"note://{id}\" { pass GET \"http://UPSTREAM/note/{id}\"; result mcp; }
    add_header X-Worker $pid always;";

/// An nginx whose workers share its connections evenly.
fn nginx(upstream: &Upstream) -> Nginx {
    conf(upstream, "").start()
}

fn conf(upstream: &Upstream, more: &str) -> Conf {
    Conf::location(&format!("{OFFERS}\n{more}")).with("UPSTREAM", upstream).listen("reuseport")
}

/// What a backend asks for in one round.
fn question(round: usize) -> Value {
    let params = json!({"message": format!("round {round}?"), "requestedSchema": {"type": "object", "properties": {}}});
    json!({
        "resultType": "input_required",
        "inputRequests": {"q": {"method": "elicitation/create", "params": params}},
        "requestState": format!("after-{round}"),
    })
}

/// What a request says that follows a question: the answers and the state.
fn retried(received: &Received) -> Option<(Value, String)> {
    let body: Value = serde_json::from_slice(received.body()).unwrap_or_default();
    let (answers, state) = match body.get("_meta") {
        Some(meta) => (meta["inputResponses"].clone(), meta["requestState"].as_str().map(str::to_owned)),
        None => {
            let answers = received.header("mcp-input-responses")?;
            (serde_json::from_str(&answers).unwrap(), received.header("mcp-request-state"))
        }
    };
    Some((answers, state.unwrap()))
}

/// The result of every kind of thing that can be asked for.
fn result(text: &str) -> Value {
    json!({
        "content": [{"type": "text", "text": text}],
        "messages": [{"role": "user", "content": {"type": "text", "text": text}}],
        "contents": [{"uri": "note://1", "text": text}],
    })
}

/// An upstream that asks so many times, and then tells what it was answered.
fn asking(rounds: usize) -> Upstream {
    Upstream::new(move |received| {
        let (answers, state) = retried(received).unwrap_or((json!(null), "after-0".to_owned()));
        let round: usize = state.strip_prefix("after-").unwrap().parse().unwrap();
        match round < rounds {
            true => answer(&question(round + 1)),
            false => answer(&result(&answers.to_string())),
        }
    })
}

fn open(nginx: &Nginx, version: &str) -> Session {
    Session::open_as(nginx, version, json!({"elicitation": {"form": {}}, "roots": {}}))
}

/// The id of the request that the client hears next.
fn asked(events: &mut Events, round: usize) -> Value {
    let message = events.message();
    assert_eq!((&message["method"], &message["jsonrpc"]), (&json!("elicitation/create"), &json!("2.0")));
    assert_eq!(message["params"]["message"], format!("round {round}?"));
    message["id"].clone()
}

/// Answers it on a new connection, and gives the worker that has taken the answer.
fn reply(nginx: &Nginx, session: &Session, id: &Value, content: &Value) -> String {
    let result = json!({"action": "accept", "content": content});
    let body = json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string();
    let response = nginx.send(&session.carry(Request::post(body)));
    assert_eq!((response.status, response.body.len()), (202, 0));
    response.header("x-worker").unwrap().to_owned()
}

fn text(result: &Value) -> &str {
    let item = &result["content"][0];
    assert_eq!(item["type"], "text", "{result}");
    item["text"].as_str().unwrap()
}

#[test]
fn a_client_of_a_session_answers_in_whatever_worker() {
    for version in VERSIONS {
        let upstream = asking(2);
        let nginx = nginx(&upstream);
        let session = open(&nginx, version);
        let mut elsewhere = 0;
        for number in 0..8 {
            let (name, arguments) = if number % 2 == 0 { ("order", json!({})) } else { ("item", json!({"id": "a b"})) };
            let mut events = Events::open(nginx.connect(), &session.call(name, arguments));
            for round in 1..=2 {
                let id = asked(&mut events, round);
                // Answers to what was not asked are for nobody.
                reply(&nginx, &session, &json!("0123456789abcdef0123456789abcdef-1.0"), &json!({}));
                let worker = reply(&nginx, &session, &id, &json!({"n": number}));
                elsewhere += usize::from(events.head.header("x-worker") != Some(&worker));
            }
            let (result, mut connection) = events.result();
            let expected = json!({"q": {"action": "accept", "content": {"n": number}}});
            assert_eq!(serde_json::from_str::<Value>(text(&result)).unwrap(), expected);
            // The connection is good for more.
            assert!(connection.exchange(&session.request(1, "tools/list", json!({}))).result()["tools"].is_array());
        }
        assert!(elsewhere > 0, "every answer came to the worker of its call");
        assert_eq!(upstream.requests().len(), 8 * 3);
    }
}

#[test]
fn prompts_and_resources_ask_as_tools_do() {
    let upstream = asking(1);
    let nginx = nginx(&upstream);
    let session = open(&nginx, "2025-11-25");
    for (method, params, place) in [
        ("prompts/get", json!({"name": "hello"}), "/messages/0/content/text"),
        ("resources/read", json!({"uri": "note://1"}), "/contents/0/text"),
    ] {
        let mut events = Events::open(nginx.connect(), &session.request(1, method, params));
        let id = asked(&mut events, 1);
        reply(&nginx, &session, &id, &json!({}));
        let result = events.result().0;
        assert!(result.pointer(place).unwrap().as_str().unwrap().contains("accept"), "{result}");
    }
}

#[test]
fn several_clients_are_asked_at_once() {
    let upstream = asking(1);
    let nginx = nginx(&upstream);
    let mut waiting = Vec::new();
    for number in 0..12 {
        let session = open(&nginx, VERSIONS[number % 3]);
        let mut events = Events::open(nginx.connect(), &session.call("order", json!({})));
        let id = asked(&mut events, 1);
        waiting.push((number, session, events, id));
    }
    // None hears what another one is asked, or is answered by it.
    let (_, stranger, _, _) = &waiting[0];
    for (_, _, _, id) in &waiting[1..] {
        reply(&nginx, stranger, id, &json!("forged"));
    }
    for (number, session, events, id) in waiting.into_iter().rev() {
        reply(&nginx, &session, &id, &json!({"mine": number}));
        let result = events.result().0;
        assert!(text(&result).contains(&format!("{{\"mine\":{number}}}")), "{result}");
    }
}

#[test]
fn a_client_that_does_not_answer_in_time_is_told() {
    let upstream = asking(1);
    let nginx = conf(&upstream, "mcp_input_timeout 150ms; mcp_heartbeat 20ms;").start();
    let session = open(&nginx, "2025-06-18");
    let mut events = Events::open(nginx.connect(), &session.call("order", json!({})));
    let id = asked(&mut events, 1);
    let comment = events.next().unwrap();
    assert!(comment.comment.is_some(), "{comment:?}");
    assert_eq!(events.notification("notifications/cancelled")["requestId"], id);
    let result = events.result().0;
    assert_eq!(result["isError"], true);
    assert!(text(&result).contains("has not answered in time"), "{result}");
    // It is too late.
    reply(&nginx, &session, &id, &json!({}));
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn a_client_may_refuse_cancel_or_leave_while_it_is_asked() {
    let upstream = asking(1);
    let nginx = nginx(&upstream);
    let session = open(&nginx, "2025-11-25");
    let mut events = Events::open(nginx.connect(), &session.call("order", json!({})));
    let id = asked(&mut events, 1);
    let body = json!({"jsonrpc": "2.0", "id": id, "error": {"code": -1, "message": "the user is away"}});
    assert_eq!(nginx.send(&session.carry(Request::post(body.to_string()))).status, 202);
    let result = events.result().0;
    assert!(text(&result).contains("the user is away"), "{result}");

    let mut events = Events::open(nginx.connect(), &session.request(7, "tools/call", json!({"name": "order"})));
    asked(&mut events, 1);
    let body = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}});
    assert_eq!(nginx.send(&session.carry(Request::post(body.to_string()))).status, 202);
    assert_eq!(events.next(), None);

    for _ in 0..20 {
        let mut events = Events::open(nginx.connect(), &session.call("order", json!({})));
        let id = asked(&mut events, 1);
        drop(events);
        reply(&nginx, &session, &id, &json!({}));
    }
    // Whoever stays is served.
    let mut events = Events::open(nginx.connect(), &session.call("order", json!({})));
    let id = asked(&mut events, 1);
    reply(&nginx, &session, &id, &json!({}));
    assert!(text(&events.result().0).contains("accept"));
}

#[test]
fn a_question_outlives_a_reload() {
    let upstream = asking(2);
    let nginx = nginx(&upstream);
    let session = open(&nginx, "2025-11-25");
    let mut events = Events::open(nginx.connect(), &session.call("order", json!({})));
    let id = asked(&mut events, 1);
    let position = nginx.begin_reload();
    let worker = reply(&nginx, &session, &id, &json!({}));
    assert_ne!(events.head.header("x-worker"), Some(worker.as_str()));
    let id = asked(&mut events, 2);
    reply(&nginx, &session, &id, &json!({}));
    let message = events.message();
    assert!(text(&message["result"]).contains("accept"), "{message}");
    assert_eq!(events.next(), None);
    drop(events);
    nginx.log.await_lines(position, 2, "exited with code 0");
}

#[test]
fn a_stream_that_has_begun_goes_on_after_a_question() {
    let gate = Gate::default();
    let held = gate.clone();
    let upstream = Upstream::new(move |received| {
        let event = |progress: u32, last: &Value| {
            format!("data: {{\"progress\":{progress}}}\n\nevent: result\ndata: {last}\n\n")
        };
        let whole = |body: String| response(200, "text/event-stream", body);
        match retried(received) {
            None => whole(event(1, &question(1))),
            Some(_) => [vec![Act::Await(held.clone())], whole(event(2, &result("done")))].concat(),
        }
    });
    let nginx = nginx(&upstream);
    let session = open(&nginx, "2025-11-25");
    let params = json!({"name": "order", "arguments": {}, "_meta": {"progressToken": "t"}});
    let mut events = Events::open(nginx.connect(), &session.request(1, "tools/call", params));
    assert_eq!(events.notification("notifications/progress")["progress"], 1);
    let id = asked(&mut events, 1);
    reply(&nginx, &session, &id, &json!({}));
    upstream.await_requests(2);
    gate.open();
    assert_eq!(events.notification("notifications/progress")["progress"], 2);
    let (result, mut connection) = events.result();
    assert_eq!(text(&result), "done");
    assert!(connection.exchange(&session.request(1, "tools/list", json!({}))).result()["tools"].is_array());
}

#[test]
fn what_goes_wrong_after_a_question_ends_the_stream() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{";
    for acts in [
        vec![Act::Close],
        vec![Act::Send(head.as_bytes().to_vec()), Act::Reset],
        response(503, "text/plain", "busy"),
        response(200, "application/json", "x".repeat(1000)),
    ] {
        let upstream = Upstream::new(move |received| match retried(received) {
            None => answer(&question(1)),
            Some(_) => acts.clone(),
        });
        let nginx = conf(&upstream, "mcp_max_result_size 400;").start();
        let session = open(&nginx, "2025-11-25");
        let mut events = Events::open(nginx.connect(), &session.call("order", json!({})));
        let id = asked(&mut events, 1);
        reply(&nginx, &session, &id, &json!({}));
        let message = events.message();
        assert_eq!(message["result"]["isError"], true, "{message}");
        assert_eq!(events.next(), None);
    }
}

#[test]
fn who_cannot_be_asked_hears_what_is_wanted() {
    let upstream = asking(1);
    let nginx = nginx(&upstream);
    let refusal = |request: &Request| nginx.send(request).failure();
    let session = Session::open(&nginx, "2025-11-25");
    let why = refusal(&session.call("order", json!({})));
    assert!(why.contains("does not support elicitation") && why.contains("round 1?"), "{why}");
    let session = open(&nginx, "2024-11-05");
    assert!(refusal(&session.call("order", json!({}))).contains("2024-11-05"));
    let session = open(&nginx, "2025-06-18");
    let silent = session.call("order", json!({})).header("Accept", "application/json");
    assert!(refusal(&silent).contains("text/event-stream"));
    let deaf = conf(&upstream, "mcp_listen off;").start();
    let session = open(&deaf, "2025-06-18");
    assert!(deaf.send(&session.call("order", json!({}))).failure().contains("no channels"));
}

/// A call of 2026-07-28 by a client that can be asked.
fn stateless(user: &str, more: Value) -> Request {
    let meta = json!({"io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}});
    let mut params = json!({"name": "order", "arguments": {"item": "bolt"}, "_meta": meta});
    more.as_object().unwrap().iter().for_each(|(name, value)| params[name] = value.clone());
    request(1, "tools/call", params).header("X-User", user)
}

#[test]
fn a_stateless_client_calls_again_in_whatever_worker() {
    let upstream = asking(2);
    let nginx = conf(&upstream, "mcp_principal $http_x_user;").start();
    let mut workers = Vec::new();
    let mut more = json!({});
    for round in 1..=2 {
        let response = nginx.send(&stateless("ada", more));
        workers.push(response.header("x-worker").unwrap().to_owned());
        let result = response.result();
        assert_eq!(result["resultType"], "input_required");
        assert_eq!(result["inputRequests"], question(round)["inputRequests"]);
        let state = result["requestState"].as_str().unwrap();
        assert!(!state.contains("after"), "the backend's state is nobody else's: {state}");
        more = json!({"inputResponses": {"q": {"action": "accept"}}, "requestState": state});
        // It is of no use to anybody else, nor with another call.
        assert_eq!(nginx.send(&stateless("eve", more.clone())).error_code(), -32602);
        let mut other = more.clone();
        other["arguments"] = json!({"item": "nut"});
        assert_eq!(nginx.send(&stateless("ada", other)).error_code(), -32602);
    }
    for response in nginx.send_to_every_worker(&stateless("ada", more)) {
        assert_eq!(text(&response.success()), r#"{"q":{"action":"accept"}}"#);
    }
    let unable = request(1, "tools/call", json!({"name": "order", "arguments": {}}));
    let response = nginx.send(&unable);
    assert_eq!((response.status, response.error_code()), (400, -32021));
}

#[test]
fn a_reload_does_not_make_states_stale() {
    let upstream = asking(1);
    let nginx = conf(&upstream, "auth_basic_user_file users; auth_basic mcp;")
        .file("users", "ada:{PLAIN}secret\nbob:{PLAIN}secret\n")
        .start();
    let as_user = |user: &str, more: Value| {
        let token = if user == "ada" { "YWRhOnNlY3JldA==" } else { "Ym9iOnNlY3JldA==" };
        nginx.send(&stateless("", more).header("Authorization", &format!("Basic {token}")))
    };
    let state = as_user("ada", json!({})).result()["requestState"].clone();
    nginx.reload();
    let more = json!({"inputResponses": {"q": {"action": "decline"}}, "requestState": state});
    // Who the client is, says nginx's own authentication unless told otherwise.
    assert_eq!(as_user("bob", more.clone()).error_code(), -32602);
    assert_eq!(text(&as_user("ada", more).success()), r#"{"q":{"action":"decline"}}"#);
}

#[test]
fn wrong_directives_are_refused() {
    all_refused(
        [
            ("mcp_input_timeout soon; #here\n", ["\"mcp_input_timeout\"", "\"soon\""]),
            ("mcp_input_timeout 0; #here\n", ["\"mcp_input_timeout\"", "\"0\""]),
            ("mcp_input_timeout 1m;\nmcp_input_timeout 1m; #here\n", ["\"mcp_input_timeout\"", "duplicate"]),
            ("mcp_principal a b; #here\n", ["\"mcp_principal\"", "number of arguments"]),
            ("mcp_principal a;\nmcp_principal b; #here\n", ["\"mcp_principal\"", "duplicate"]),
            ("mcp_principal $no_such_thing;\n", ["no_such_thing", "unknown"]),
        ]
        .map(|(directive, texts)| (Conf::location(directive), texts.to_vec())),
    );
    taken(Conf::location("").server("mcp_input_timeout 10m; mcp_principal $ssl_client_s_dn;"));
}
