//! Clients that can only be asked between two requests, and servers that ask in the middle of one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{front, legacy, message, shown, text_result, tool, with_lines};
use crate::harness::{
    Act, Events, Gate, Received, Request, Response, Session, Upstream, WORKERS, WebSocket, request, response,
    stateless_request,
};
use crate::http2;

/// What a server is answered to its questions, and what it opens.
#[derive(Clone, Default)]
struct Talk {
    answers: Arc<Mutex<BTreeMap<String, Value>>>,
    gates: Arc<Mutex<BTreeMap<String, Gate>>>,
    /// It was told that a call is cancelled.
    cancelled: Gate,
    /// nginx has closed a call's connection.
    closed: Gate,
}

impl Talk {
    fn gate(&self, id: &str) -> Gate {
        self.gates.lock().unwrap().entry(id.to_owned()).or_default().clone()
    }

    fn answer(&self, id: &str) -> Value {
        self.gate(id).wait();
        self.answers.lock().unwrap()[id].clone()
    }
}

pub(super) fn event(message: &Value) -> Act {
    Act::Send(format!("event: message\ndata: {message}\n\n").into_bytes())
}

/// A question of a server, as the client hears it, too.
fn question(round: usize) -> Value {
    let schema = json!({"type": "object", "properties": {"name": {"type": "string"}}});
    json!({"method": "elicitation/create", "params": {"message": format!("round {round}?"), "requestedSchema": schema}})
}

pub(super) fn ask(id: &str, question: &Value) -> Act {
    let mut message = question.clone();
    (message["jsonrpc"], message["id"]) = (json!("2.0"), json!(id));
    event(&message)
}

/// A server of 2025-11-25 which, for each call, does what `script` says of its message, after the head of a stream.
fn server(talk: &Talk, script: impl Fn(&Talk, &Value) -> Vec<Act> + Send + Sync + 'static) -> Upstream {
    let talk = talk.clone();
    Upstream::new(move |received: &Received| {
        let message = message(received);
        match message["method"].as_str() {
            Some("tools/call" | "prompts/get" | "resources/read") => {
                let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
                [vec![Act::Send(head.to_vec())], script(&talk, &message)].concat()
            }
            Some("notifications/cancelled") => {
                talk.cancelled.open();
                response(202, "text/plain", "")
            }
            Some("initialize") => {
                let capabilities = json!({"tools": {}, "prompts": {}, "resources": {}});
                let result = json!({"protocolVersion": "2025-11-25", "capabilities": capabilities, "serverInfo": {"name": "old", "version": "1"}});
                let body = json!({"jsonrpc": "2.0", "id": message["id"], "result": result}).to_string();
                with_lines(200, "Mcp-Session-Id: s\r\n", &body)
            }
            Some("prompts/list") => super::result(received, &json!({"prompts": [{"name": "p"}]})),
            Some("resources/list") => super::result(received, &json!({"resources": [{"name": "r", "uri": "a:b"}]})),
            Some("resources/templates/list") => super::result(received, &json!({"resourceTemplates": []})),
            Some(_) => legacy(received, "s", &[tool("t")]).unwrap(),
            None => {
                assert_eq!(received.header("mcp-session-id").as_deref(), Some("s"));
                let id = message["id"].as_str().unwrap().to_owned();
                let outcome = message.get("result").or(message.get("error")).unwrap().clone();
                assert_eq!(talk.answers.lock().unwrap().insert(id.clone(), outcome), None, "{id} is answered once");
                talk.gate(&id).open();
                response(202, "text/plain", "")
            }
        }
    })
}

pub(super) fn done(message: &Value) -> Act {
    event(&json!({"jsonrpc": "2.0", "id": message["id"], "result": text_result("done")}))
}

/// The id of a question: calls are told apart by their argument `n`.
fn id(message: &Value, round: usize) -> String {
    format!("{}.{round}", message["params"]["arguments"]["n"])
}

/// A server that asks so many times, and then is done.
fn asking(talk: &Talk, rounds: usize) -> Upstream {
    server(talk, move |talk, message| {
        let asked = (1..=rounds).flat_map(|round| {
            let id = id(message, round);
            [ask(&id, &question(round)), Act::Await(talk.gate(&id))]
        });
        asked.chain([done(message), Act::Close]).collect()
    })
}

/// A server that asks once, and whose call has no end.
fn endless(talk: &Talk) -> Upstream {
    server(talk, |talk, message| vec![ask(&id(message, 1), &question(1)), Act::AwaitClose(talk.closed.clone())])
}

/// A client's call, with what it brings beside its arguments.
fn call(n: usize, more: &Value) -> Request {
    request(1, "tools/call", params(n, more))
}

fn params(n: usize, more: &Value) -> Value {
    let mut params = json!({"name": "t", "arguments": {"n": n}, "_meta": {"io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}}});
    more.as_object().unwrap().iter().for_each(|(name, value)| params[name] = value.clone());
    params
}

/// The keys and requests of a question that a response has.
fn asked(result: &Value) -> Vec<(String, Value)> {
    assert_eq!(result["resultType"], "input_required", "{result}");
    let requests = result["inputRequests"].as_object().unwrap();
    requests.iter().map(|(key, request)| (key.clone(), request.clone())).collect()
}

/// What a client brings that answers all of it with a name.
fn answered(result: &Value, name: &str) -> Value {
    let accept = json!({"action": "accept", "content": {"name": name}});
    let responses: serde_json::Map<_, _> = asked(result).into_iter().map(|(key, _)| (key, accept.clone())).collect();
    json!({"inputResponses": responses, "requestState": result["requestState"]})
}

fn worker(response: &Response) -> String {
    response.header("x-worker").unwrap().to_owned()
}

#[test]
fn a_client_answers_in_whatever_worker() {
    let talk = Talk::default();
    let server = asking(&talk, 2);
    let nginx = front(&server, "").start();
    let mut elsewhere = 0;
    for n in 0..8 {
        let first = nginx.send(&call(n, &json!({})));
        let result = first.result();
        assert_eq!(asked(&result).into_iter().map(|(_, request)| request).collect::<Vec<_>>(), [question(1)]);
        let second = nginx.send(&call(n, &answered(&result, "Ann")));
        let result = second.result();
        assert_eq!(asked(&result)[0].1, question(2));
        let third = nginx.send(&call(n, &answered(&result, "Bob")));
        assert_eq!(shown(&third.result()), ("done", false));
        for (round, name) in [(1, "Ann"), (2, "Bob")] {
            assert_eq!(talk.answer(&format!("{n}.{round}")), json!({"action": "accept", "content": {"name": name}}));
        }
        elsewhere += [&second, &third].iter().filter(|response| worker(response) != worker(&first)).count();
    }
    assert!(elsewhere > 0, "every client came back to the worker of its call");
}

#[test]
fn several_calls_are_held_at_once_and_each_hears_its_own() {
    let talk = Talk::default();
    let server = asking(&talk, 1);
    let nginx = front(&server, "").start();
    let held: Vec<Value> = (0..12).map(|n| nginx.send(&call(n, &json!({}))).result()).collect();
    for (n, result) in held.iter().enumerate().rev() {
        assert_eq!(shown(&nginx.send(&call(n, &answered(result, &n.to_string()))).result()), ("done", false));
        assert_eq!(talk.answer(&format!("{n}.1"))["content"]["name"], n.to_string());
    }
}

#[test]
fn what_a_server_says_meanwhile_is_heard_by_the_next_request() {
    let talk = Talk::default();
    let (waits, goes_on) = (Gate::default(), Gate::default());
    let server = server(&talk, {
        let (waits, goes_on) = (waits.clone(), goes_on.clone());
        move |talk, message| {
            let token = &message["params"]["_meta"]["progressToken"];
            let progress = |value: u32| {
                event(
                    &json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": token, "progress": value}}),
                )
            };
            let ping = json!({"jsonrpc": "2.0", "id": "ping", "method": "ping"});
            vec![
                progress(1),
                ask(&id(message, 1), &question(1)),
                Act::Await(talk.gate(&id(message, 1))),
                event(&ping),
                Act::Await(talk.gate("ping")),
                progress(2),
                Act::Await(goes_on.clone()),
                done(message),
                Act::AwaitClose(waits.clone()),
            ]
        }
    });
    let nginx = front(&server, "").start();
    let with_token = |token: &str, more: &Value| {
        let mut params = params(7, more);
        params["_meta"]["progressToken"] = json!(token);
        request(token, "tools/call", params)
    };
    let mut events = Events::open(nginx.connect(), &with_token("first", &json!({})));
    assert_eq!(events.head.header("connection"), Some("close"), "the call may outlive it");
    assert_eq!(events.notification("notifications/progress"), json!({"progressToken": "first", "progress": 1}));
    let (result, _) = events.result();
    let mut events = Events::open(nginx.connect(), &with_token("second", &answered(&result, "Ann")));
    assert_eq!(events.notification("notifications/progress"), json!({"progressToken": "second", "progress": 2}));
    goes_on.open();
    let message = events.message();
    assert_eq!((&message["id"], shown(&message["result"])), (&json!("second"), ("done", false)));
    assert_eq!(events.next(), None);
    assert_eq!(talk.answer("ping"), json!({}));
    // The server keeps its stream open, which is closed for it.
    waits.wait();
}

#[test]
fn several_questions_are_asked_and_what_is_missing_is_asked_again() {
    let talk = Talk::default();
    let server = server(&talk, |talk, message| {
        let ids = ["a", "b", "c"];
        let mut acts: Vec<Act> = ids.iter().zip(1..).map(|(id, round)| ask(id, &question(round))).collect();
        acts.extend(ids.map(|id| Act::Await(talk.gate(id))));
        acts.extend([done(message), Act::Close]);
        acts
    });
    let nginx = front(&server, "").start();
    let mut result = nginx.send(&call(1, &json!({}))).result();
    let mut seen = BTreeSet::new();
    // What the client is asked at once depends on how the server's words come.
    for _ in 0..6 {
        if result["resultType"] != "input_required" {
            break;
        }
        let questions = asked(&result);
        seen.extend(questions.iter().map(|(_, question)| question["params"]["message"].as_str().unwrap().to_owned()));
        let mut more = answered(&result, "Ann");
        let responses = more["inputResponses"].as_object_mut().unwrap();
        if responses.len() > 1 {
            responses.shift_remove(&questions[0].0);
        }
        responses.insert("unknown".to_owned(), json!({"action": "cancel"}));
        result = nginx.send(&call(1, &more)).result();
    }
    assert_eq!(shown(&result), ("done", false));
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["round 1?", "round 2?", "round 3?"]);
}

#[test]
fn a_state_is_good_for_its_client_and_its_call_alone() {
    let talk = Talk::default();
    let server = asking(&talk, 1);
    let nginx = front(&server, "").server("mcp_principal $http_x_user;\n").start();
    let send = |user: &str, request: Request| nginx.send(&request.header("X-User", user));
    let result = send("ada", call(1, &json!({}))).result();
    let right = answered(&result, "Ann");
    let state = right["requestState"].as_str().unwrap().to_owned();
    let mut forged = right.clone();
    forged["requestState"] = json!(format!("{}A{}", &state[..40], &state[41..]));
    for (user, n, more) in [("eve", 1, &right), ("", 1, &right), ("ada", 2, &right), ("ada", 1, &forged)] {
        let refused = send(user, call(n, more));
        assert_eq!((refused.status, refused.error_code()), (400, -32602), "{user} {n}");
    }
    assert_eq!(talk.answers.lock().unwrap().len(), 0);
    let unable =
        send("ada", request(1, "tools/call", json!({"name": "t", "arguments": {"n": 1}, "requestState": state})));
    assert_eq!((unable.status, unable.error_code()), (400, -32021), "it is asked again, and cannot be");
    assert_eq!(shown(&send("ada", call(1, &right)).result()), ("done", false));
    // Once more it is of no use: what came of the call is known for some time.
    assert_eq!(shown(&send("ada", call(1, &right)).result()), ("done", false));
    assert_eq!(talk.answers.lock().unwrap().len(), 1);
}

#[test]
fn prompts_and_resources_ask_as_tools_do() {
    let talk = Talk::default();
    let server = server(&talk, |talk, message| {
        let id = message["method"].as_str().unwrap();
        let result = match id {
            "prompts/get" => json!({"messages": [{"role": "user", "content": {"type": "text", "text": "done"}}]}),
            _ => json!({"contents": [{"uri": "a:b", "text": "done"}]}),
        };
        let response = json!({"jsonrpc": "2.0", "id": message["id"], "result": result});
        vec![ask(id, &question(1)), Act::Await(talk.gate(id)), event(&response), Act::Close]
    });
    let nginx = front(&server, "").start();
    for (method, mut params, place) in [
        ("prompts/get", json!({"name": "p"}), "/messages/0/content/text"),
        ("resources/read", json!({"uri": "a:b"}), "/contents/0/text"),
    ] {
        params["_meta"] = json!({"io.modelcontextprotocol/clientCapabilities": {"elicitation": {}}});
        let send = |params: &Value| match params["uri"].as_str() {
            Some(uri) => nginx.send(&request(1, method, params.clone()).header("Mcp-Name", uri)),
            None => nginx.send(&request(1, method, params.clone())),
        };
        let result = send(&params).result();
        params.as_object_mut().unwrap().extend(answered(&result, "Ann").as_object().unwrap().clone());
        let result = send(&params).result();
        assert_eq!(result.pointer(place), Some(&json!("done")), "{result}");
        assert_eq!(talk.answer(method)["action"], "accept");
    }
}

#[test]
fn sampling_and_roots_are_asked_for_and_what_cannot_be_is_refused() {
    let talk = Talk::default();
    let messages = json!([{"role": "user", "content": {"type": "text", "text": "hi"}}]);
    let sample = json!({"method": "sampling/createMessage", "params": {"messages": messages, "maxTokens": 9}});
    let url = json!({"method": "elicitation/create", "params": {"mode": "url", "message": "log in", "url": "https://a.example/", "elicitationId": "e"}});
    let server = server(&talk, {
        let (sample, url) = (sample.clone(), url.clone());
        move |talk, message| {
            let mut acts = Vec::new();
            for (id, asked) in [
                ("sample", sample.clone()),
                ("roots", json!({"method": "roots/list"})),
                ("url", url.clone()),
                ("form", question(1)),
                ("shape", json!({"method": "sampling/createMessage"})),
                ("other", json!({"method": "tools/list"})),
            ] {
                acts.extend([ask(id, &asked), Act::Await(talk.gate(id))]);
            }
            acts.extend([done(message), Act::Close]);
            acts
        }
    });
    let nginx = front(&server, "").start();
    let capabilities = json!({"sampling": {}, "roots": {}, "elicitation": {"url": {}}});
    let send = |more: Value| {
        let mut params = params(1, &more);
        params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = capabilities.clone();
        nginx.send(&request(1, "tools/call", params)).result()
    };
    let mut result = send(json!({}));
    let url_in_2026 = json!({"method": "elicitation/create", "params": {"mode": "url", "message": "log in", "url": "https://a.example/"}});
    for (expected, answer) in [
        (sample, json!({"role": "assistant", "content": {"type": "text", "text": "ho"}, "model": "m"})),
        (json!({"method": "roots/list"}), json!({"roots": [{"uri": "file:///x"}]})),
        (url_in_2026, json!({"action": "accept"})),
    ] {
        let questions = asked(&result);
        assert_eq!(questions.len(), 1);
        assert_eq!(questions[0].1, expected);
        result =
            send(json!({"requestState": result["requestState"], "inputResponses": {questions[0].0.clone(): answer}}));
    }
    assert_eq!(shown(&result), ("done", false));
    assert_eq!(talk.answer("sample")["content"]["text"], "ho");
    assert_eq!(talk.answer("roots")["roots"][0]["uri"], "file:///x");
    for (id, expected) in
        [("form", "does not support elicitation.form"), ("shape", "\"params\""), ("other", "nobody here")]
    {
        let refusal = talk.answer(id);
        let why = refusal["message"].as_str().unwrap();
        assert!(refusal["code"] == -32601 && why.contains(expected), "{id}: {refusal}");
    }
}

#[test]
fn a_client_that_does_not_come_back_in_time_is_waited_for_no_longer() {
    let talk = Talk::default();
    let server = endless(&talk);
    let nginx = front(&server, "").server("mcp_input_timeout 150ms;\n").start();
    let result = nginx.send(&call(1, &json!({}))).result();
    talk.cancelled.wait();
    talk.closed.wait();
    let late = nginx.send(&call(1, &answered(&result, "Ann"))).result();
    assert_eq!(shown(&late), ("the client has not answered in time what is needed to go on", true));
    assert_eq!(talk.answers.lock().unwrap().len(), 0);
}

#[test]
fn what_the_user_takes_is_not_the_servers_time() {
    let talk = Talk::default();
    let server = server(&talk, |talk, message| match message["params"]["arguments"]["n"].as_u64() {
        Some(0 | 1) => {
            let id = id(message, 1);
            vec![
                ask(&id, &question(1)),
                event(
                    &json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 0, "progress": 1}}),
                ),
                Act::Await(talk.gate(&id)),
                done(message),
                Act::Close,
            ]
        }
        _ => vec![Act::AwaitClose(talk.closed.clone())],
    });
    let nginx = front(&server, "proxy_read_timeout 1s;").start();
    let session = Session::open_as(&nginx, "2025-11-25", json!({"elicitation": {}}));
    let mut events = Events::open(nginx.connect(), &session.call("t", json!({"n": 0})));
    let asked = events.message();
    let result = nginx.send(&call(1, &json!({}))).result();
    // One that asks nothing has that time, and begins later.
    let slow = nginx.send(&call(2, &json!({}))).result();
    assert_eq!(shown(&slow), ("\"behind\": its backend did not answer in time", true));
    assert_eq!(shown(&nginx.send(&call(1, &answered(&result, "Ann"))).result()), ("done", false));
    let answer = json!({"jsonrpc": "2.0", "id": asked["id"], "result": {"action": "cancel"}});
    assert_eq!(nginx.send(&session.carry(Request::post(answer.to_string()))).status, 202);
    assert_eq!(shown(&events.result().0), ("done", false));
}

#[test]
fn a_client_that_leaves_while_it_waits_ends_the_call() {
    let talk = Talk::default();
    let server = endless(&talk);
    let nginx = front(&server, "").start();
    let result = nginx.send(&call(1, &json!({}))).result();
    let mut client = nginx.connect();
    client.send(&call(1, &answered(&result, "Ann")).bytes());
    talk.answer("1.1");
    drop(client);
    talk.cancelled.wait();
    talk.closed.wait();
    let late = nginx.send(&call(1, &answered(&result, "Ann"))).result();
    assert_eq!(shown(&late), ("\"behind\": its backend broke off its answer", true));
}

#[test]
fn a_server_that_breaks_off_is_told_of() {
    let talk = Talk::default();
    let left = Gate::default();
    let server = server(&talk, {
        let left = left.clone();
        move |talk, message| {
            let end = match message["params"]["arguments"]["n"].as_u64() {
                Some(0) => vec![Act::Await(talk.gate(&id(message, 1))), Act::Close],
                Some(1) => vec![Act::Await(left.clone()), Act::Close],
                _ => vec![
                    Act::Await(talk.gate(&id(message, 1))),
                    event(&json!({"jsonrpc": "2.0", "id": message["id"], "result": text_result(&"x".repeat(2 << 20))})),
                    Act::Close,
                ],
            };
            [vec![ask(&id(message, 1), &question(1))], end].concat()
        }
    });
    let nginx = front(&server, "").start();
    let held: Vec<Value> = (0..3).map(|n| nginx.send(&call(n, &json!({}))).result()).collect();
    left.open();
    for (n, expected) in
        [(0, "\"behind\": its backend broke off"), (1, "\"behind\": its backend broke off"), (2, "bytes at the most")]
    {
        let result = nginx.send(&call(n, &answered(&held[n], "Ann"))).result();
        assert!(shown(&result).1 && shown(&result).0.contains(expected), "{result}");
    }
}

#[test]
fn a_reload_ends_no_call_that_is_held() {
    let talk = Talk::default();
    let server = asking(&talk, 2);
    let nginx = front(&server, "").start();
    let first = nginx.send(&call(1, &json!({})));
    let result = first.result();
    let position = nginx.begin_reload();
    let second = nginx.send(&call(1, &answered(&result, "Ann")));
    let result = second.result();
    assert_eq!(asked(&result)[0].1, question(2));
    let third = nginx.send(&call(1, &answered(&result, "Bob")));
    assert_eq!(shown(&third.result()), ("done", false));
    assert_ne!(worker(&first), worker(&third));
    nginx.log.await_lines(position, WORKERS, "exited with code 0");
}

#[test]
fn so_many_are_held_and_no_more() {
    let talk = Talk::default();
    let server = asking(&talk, 1);
    // An eighth of 80 in each of two workers.
    let nginx = front(&server, "").connections(80).start();
    let mut results = Vec::new();
    for n in 0..30 {
        results.push(nginx.send(&call(n, &json!({}))).result());
    }
    let (held, refused): (Vec<_>, Vec<_>) =
        results.iter().enumerate().partition(|(_, result)| result["resultType"] == "input_required");
    assert!(held.len() <= 20 && held.len() >= 10, "{}", held.len());
    for (n, result) in refused {
        assert_eq!(shown(result), ("done", false));
        let why = talk.answer(&format!("{n}.1"));
        assert!(why["message"].as_str().unwrap().starts_with("too many calls"), "{why}");
    }
    for (n, result) in held {
        assert_eq!(shown(&nginx.send(&call(n, &answered(result, "Ann"))).result()), ("done", false));
    }
    // There is room again.
    let result = nginx.send(&call(99, &json!({}))).result();
    assert_eq!(shown(&nginx.send(&call(99, &answered(&result, "Ann"))).result()), ("done", false));
}

#[test]
fn a_call_of_a_socket_is_held_as_long_as_the_socket() {
    let talk = Talk::default();
    let server = asking(&talk, 1);
    let nginx = front(&server, "").start();
    let mut socket = WebSocket::open(&nginx);
    let result = socket.result(&stateless_request(1, "tools/call", params(1, &json!({}))));
    let result = socket.result(&stateless_request(2, "tools/call", params(1, &answered(&result, "Ann"))));
    assert_eq!(shown(&result), ("done", false));
    socket.result(&stateless_request(3, "tools/call", params(2, &json!({}))));
    drop(socket);
    talk.cancelled.wait();
}

#[test]
fn a_call_of_http_2_is_held_when_its_connection_is_gone() {
    let talk = Talk::default();
    let server = asking(&talk, 1);
    let nginx = front(&server, "").listen("reuseport http2").start();
    let call_all = |requests: Vec<Request>| {
        http2::run(async {
            let mut client = http2::connect(nginx.address()).await;
            let mut results = Vec::new();
            for request in &requests {
                let (status, message) = http2::receive(http2::send(&mut client, request).await).await;
                assert_eq!(status, 200, "{message}");
                results.push(message["result"].clone());
            }
            results
        })
    };
    let held = call_all((0..5).map(|n| call(n, &json!({}))).collect());
    let again = held.iter().enumerate().map(|(n, result)| call(n, &answered(result, "Ann"))).collect();
    for result in call_all(again) {
        assert_eq!(shown(&result), ("done", false));
    }
    // And on the same one.
    http2::run(async {
        let mut client = http2::connect(nginx.address()).await;
        let (_, first) = http2::receive(http2::send(&mut client, &call(9, &json!({}))).await).await;
        let again = call(9, &answered(&first["result"], "Ann"));
        let (_, second) = http2::receive(http2::send(&mut client, &again).await).await;
        assert_eq!(shown(&second["result"]), ("done", false));
    });
}

#[test]
fn a_call_whose_worker_is_gone_is_told_of() {
    let talk = Talk::default();
    let server = endless(&talk);
    let mut nginx = front(&server, "").start();
    nginx.expect_in_log("exited on signal 9");
    let first = nginx.send(&call(1, &json!({})));
    nginx.kill_worker(&worker(&first));
    let late = nginx.send(&call(1, &answered(&first.result(), "Ann")));
    assert_eq!((late.status, late.error_code()), (400, -32602));
    assert!(late.text().contains("not held here any more"), "{}", late.text());
}
