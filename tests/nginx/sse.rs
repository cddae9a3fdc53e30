//! HTTP+SSE, the transport of 2024-11-05.

use std::cell::RefCell;

use serde_json::{Map, Value, json};

use crate::harness::{
    Act, Conf, Connection, Events, Gate, Nginx, PUBLISH, Request, Upstream, changed, json as answer, response,
    session_request, specification,
};

const TOOL: &str = "mcp_tool t { description d; pass POST http://UPSTREAM/x; argument text string; }";

/// A client: its stream, and where it sends its messages.
struct Client<'n> {
    nginx: &'n Nginx,
    events: Events,
    endpoint: String,
    /// The methods of its requests, by their ids.
    asked: RefCell<Map<String, Value>>,
}

impl<'n> Client<'n> {
    fn open(nginx: &'n Nginx) -> Client<'n> {
        Client::open_by(nginx, &Request::new("GET").header("Accept", "text/event-stream"))
    }

    fn open_by(nginx: &'n Nginx, request: &Request) -> Client<'n> {
        let mut events = Events::open(nginx.connect(), request);
        let event = events.next().unwrap();
        assert_eq!(event.name.as_deref(), Some("endpoint"));
        Client { nginx, events, endpoint: event.data.unwrap(), asked: RefCell::default() }
    }

    fn begin(nginx: &'n Nginx, capabilities: &Value) -> Client<'n> {
        let mut client = Client::open(nginx);
        let info = json!({"name": "live", "version": "1.0"});
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": info});
        let result = client.result(&session_request(0, "initialize", &params));
        assert_eq!(result["protocolVersion"], "2024-11-05");
        client.post(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
        client
    }

    fn request(&self, message: &Value) -> Request {
        self.asked.borrow_mut().insert(message["id"].to_string(), message["method"].clone());
        Request::post(message.to_string()).without("Accept").to(&self.endpoint)
    }

    /// Posts a message, in whatever worker.
    fn post(&self, message: &Value) {
        let response = self.nginx.send(&self.request(message));
        assert_eq!((response.status, response.body.len()), (202, 0), "{}", response.text());
    }

    /// The next message on the stream.
    fn hear(&mut self) -> Value {
        loop {
            let event = self.events.next().expect("an event");
            if event.comment.is_some() {
                continue;
            }
            assert_eq!((event.name.as_deref(), &event.id), (Some("message"), &None));
            let message: Value = serde_json::from_str(&event.data.unwrap()).unwrap();
            let asked = self.asked.borrow().get(&message["id"].to_string()).cloned().unwrap_or_default();
            specification::check("2024-11-05", asked.as_str().unwrap_or_default(), &message);
            return message;
        }
    }

    fn ask(&mut self, request: &Value) -> Value {
        self.post(request);
        let answer = self.hear();
        assert_eq!(answer["id"], request["id"], "{answer}");
        answer
    }

    fn result(&mut self, request: &Value) -> Value {
        let answer = self.ask(request);
        assert!(answer["result"].is_object(), "{answer}");
        answer["result"].clone()
    }
}

fn conf(upstream: &Upstream, directives: &str) -> Conf {
    Conf::location(&format!("{TOOL}\n{directives}")).with("UPSTREAM", upstream).listen("reuseport")
}

fn upstream() -> Upstream {
    Upstream::answering(answer(&json!({"a": 1})))
}

fn call(id: impl Into<Value>, text: &str) -> Value {
    session_request(id, "tools/call", &json!({"name": "t", "arguments": {"text": text}}))
}

#[test]
fn what_is_posted_to_any_worker_is_answered_on_the_stream() {
    let upstream = upstream();
    let nginx = conf(&upstream, "").start();
    let mut client = Client::begin(&nginx, &json!({}));
    assert!(client.endpoint.starts_with("/mcp?session_id="), "{}", client.endpoint);
    let tools = client.result(&session_request("l", "tools/list", &json!({})));
    assert_eq!(tools["tools"][0]["name"], "t");
    assert_eq!(tools["tools"][0].get("annotations"), None);
    for id in 0..20 {
        let result = client.result(&call(id, "x"));
        // Nothing of what later revisions have.
        assert_eq!(result, json!({"content": [{"type": "text", "text": "{\"a\":1}"}], "isError": false}));
    }
    assert_eq!(client.ask(&session_request(1, "nothing/such", &json!({})))["error"]["code"], -32601);
    let other = Client::begin(&nginx, &json!({}));
    assert_ne!(other.endpoint, client.endpoint);
}

#[test]
fn the_endpoint_is_where_the_stream_came_from() {
    let upstream = upstream();
    let nginx = conf(&upstream, "").start();
    let request = Request::new("GET").header("Accept", "text/event-stream").to("/mcp?key=1");
    let client = Client::open_by(&nginx, &request);
    assert!(client.endpoint.starts_with("/mcp?key=1&session_id="), "{}", client.endpoint);
}

#[test]
fn what_cannot_be_taken_is_told_at_once() {
    let upstream = upstream();
    let nginx = conf(&upstream, "client_max_body_size 1k;").start();
    let client = Client::begin(&nginx, &json!({}));
    let list = session_request(1, "tools/list", &json!({}));
    for (request, status, code) in [
        (client.request(&list).to("/mcp?session_id=nonsense"), 404, 404),
        (client.request(&list).to("/mcp?session_id="), 404, 404),
        (client.request(&list).header("Content-Type", "text/plain"), 415, 415),
        (client.request(&list).header("Origin", "https://evil.example"), 403, 403),
        (client.request(&json!({"a": "x".repeat(1100)})), 413, 413),
    ] {
        let response = nginx.send(&request);
        assert_eq!((response.status, response.error_code()), (status, code), "{request:?}");
    }
    let mut garbage = client.request(&list);
    garbage.body = b"{".to_vec();
    let response = nginx.send(&garbage);
    assert_eq!((response.status, response.error_code()), (400, -32700));
    // A stream without its type asked for, or with a session, is another transport's.
    assert_eq!(nginx.send(&Request::new("GET")).status, 400);
    let get = Request::new("GET").header("Accept", "text/event-stream").header("MCP-Protocol-Version", "2025-06-18");
    assert_eq!(nginx.send(&get).status, 400);
}

#[test]
fn a_session_ends_with_its_stream_and_so_do_its_calls() {
    let gate = Gate::default();
    let upstream = Upstream::answering(vec![Act::AwaitClose(gate.clone())]);
    let nginx = conf(&upstream, "").start();
    for round in 1..=4 {
        let client = Client::begin(&nginx, &json!({}));
        let request = client.request(&call(1, "x"));
        client.post(&call(1, "x"));
        upstream.await_requests(round);
        drop(client);
        gate.wait();
        assert_eq!(await_status(&nginx, &request, 404).error_code(), 404);
    }
}

/// Sends a request until it gets this status: nginx sees a client leave a little later.
fn await_status(nginx: &Nginx, request: &Request, status: u16) -> crate::harness::Response {
    (0..500).map(|_| nginx.send(request)).find(|response| response.status == status).expect("the status")
}

#[test]
fn a_call_is_cancelled_in_whatever_worker() {
    let gate = Gate::default();
    let upstream = Upstream::answering(vec![Act::AwaitClose(gate.clone())]);
    let nginx = conf(&upstream, "").start();
    let mut client = Client::begin(&nginx, &json!({}));
    for round in 1..=4 {
        client.post(&call(round, "x"));
        upstream.await_requests(round);
        client.post(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": round}}));
        gate.wait();
    }
    assert_eq!(client.result(&session_request("p", "ping", &json!({}))), json!({}));
}

#[test]
fn progress_and_what_is_published_come_as_messages() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
    let events = "data: {\"progress\":1}\n\ndata: {\"progress\":2}\n\nevent: result\ndata: {\"a\":1}\n\n";
    let upstream = Upstream::sending(&format!("{head}{events}"));
    let nginx = conf(&upstream, "").server(PUBLISH).start();
    let mut client = Client::begin(&nginx, &json!({}));
    let mut request = call(5, "x");
    request["params"]["_meta"]["progressToken"] = json!("p");
    client.post(&request);
    for progress in [1, 2] {
        assert_eq!(client.hear()["params"], json!({"progressToken": "p", "progress": progress}));
    }
    assert_eq!(client.hear()["result"]["content"][0]["text"], "{\"a\":1}");
    assert_eq!(nginx.publish(None, &changed()).status, 200);
    assert_eq!(client.hear()["method"], "notifications/tools/list_changed");
}

#[test]
fn a_backend_asks_a_client_that_can_be_asked() {
    let prompt = json!([{"role": "user", "content": {"type": "text", "text": "?"}}]);
    let schema = json!({"type": "object", "properties": {"size": {"type": "string"}}});
    for (capability, method, params, reply) in [
        (
            "sampling",
            "sampling/createMessage",
            json!({"messages": prompt, "maxTokens": 5}),
            json!({"role": "assistant", "content": {"type": "text", "text": "large"}, "model": "m"}),
        ),
        (
            "elicitation",
            "elicitation/create",
            json!({"message": "Which size?", "requestedSchema": schema}),
            json!({"action": "accept", "content": {"size": "large"}}),
        ),
    ] {
        let question =
            json!({"resultType": "input_required", "inputRequests": {"q": {"method": method, "params": params}}});
        let upstream = Upstream::new(move |request| match request.text().contains("inputResponses") {
            true => answer(&json!({"content": [{"type": "text", "text": request.text()}]})),
            false => answer(&question),
        });
        let nginx = conf(&upstream, "mcp_tool ask { description d; pass POST http://UPSTREAM/x; result mcp; }").start();
        let ask = session_request(1, "tools/call", &json!({"name": "ask", "arguments": {}}));
        let mut client = Client::begin(&nginx, &json!({capability: {}}));
        client.post(&session_request("v", "logging/setLevel", &json!({"level": "error"})));
        assert_eq!(client.hear()["id"], "v");
        client.post(&ask);
        let asked = client.hear();
        assert_eq!(asked["method"], method, "{asked}");
        client.post(&json!({"jsonrpc": "2.0", "id": asked["id"], "result": reply}));
        let result = client.hear()["result"].clone();
        assert!(result["content"][0]["text"].as_str().unwrap().contains("large"), "{result}");
        let mut other = Client::begin(&nginx, &json!({}));
        let refused = other.result(&ask);
        let why = format!("does not support {capability}");
        assert!(refused["content"][0]["text"].as_str().unwrap().contains(&why), "{refused}");
    }
}

#[test]
fn an_answer_that_is_too_large_becomes_an_error() {
    let upstream = Upstream::answering(answer(&json!({"a": "x".repeat(1_200_000)})));
    let nginx = conf(&upstream, "").start();
    let mut client = Client::begin(&nginx, &json!({}));
    let error = client.ask(&call(1, "x"));
    assert_eq!(error["error"]["code"], -32603, "{}", error["error"]);
    assert!(error["error"]["message"].as_str().unwrap().contains("larger than"));
    assert_eq!(client.result(&session_request("p", "ping", &json!({}))), json!({}));
}

#[test]
fn limits_act_on_what_is_posted_and_answer_the_post() {
    let upstream = upstream();
    let directives = "limit_req zone=z; limit_req_status 429; access_log /dev/stderr each;";
    let nginx = conf(&upstream, directives)
        .http("limit_req_zone $mcp_tool zone=z:1m rate=1r/m;\n")
        .http("log_format each 'each $status $request_method $mcp_transport $mcp_method $mcp_tool $mcp_status';\n")
        .start();
    let mut client = Client::begin(&nginx, &json!({}));
    assert!(client.ask(&call(1, "x"))["result"].is_object());
    let refused = nginx.send(&client.request(&call(2, "x")));
    assert_eq!((refused.status, refused.error_code(), refused.json()["id"].clone()), (429, 429, json!(2)));
    // The stream hears nothing of it.
    assert_eq!(client.result(&session_request("p", "ping", &json!({}))), json!({}));
    drop(client);
    for (line, count) in [
        ("each 200 POST sse tools/call t ok", 1),
        ("each 429 POST sse tools/call t protocol_error", 1),
        ("each 200 GET sse - - ok", 1),
    ] {
        nginx.log.await_lines(0, count, line);
    }
    assert!(!nginx.log.since(0).iter().any(|line| line.contains("each 202 POST sse tools/call")));
}

#[test]
fn a_message_is_accepted_before_it_is_answered() {
    let upstream = upstream();
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("socket");
    let nginx = conf(&upstream, "").server("listen unix:SOCKET;").with("SOCKET", socket.display()).start();
    let get = Request::new("GET").header("Accept", "text/event-stream");
    let mut events = Events::open(nginx.connect_locally(&socket), &get);
    let endpoint = events.next().unwrap().data.unwrap();
    let initialize = json!({"protocolVersion": "2024-11-05", "capabilities": {}});
    let mut messages = vec![session_request(0, "initialize", &initialize)];
    messages.extend((1..50).map(|id| session_request(id, "ping", &json!({}))));
    messages.extend((50..100).map(|id| call(id, "x")));
    for message in messages {
        let mut poster = nginx.connect_locally(&socket);
        poster.send(&Request::post(message.to_string()).to(&endpoint).bytes());
        while events.next().expect("an answer").name.as_deref() != Some("message") {}
        assert!(poster.has_more(), "{message}");
        assert_eq!(poster.receive().status, 202);
    }
}

#[test]
fn who_is_refused_access_is_told_in_answer_to_the_post() {
    let service = Upstream::new(|request| match request.header("authorization").as_deref() {
        Some("Bearer good") => response(204, "text/plain", ""),
        Some(_) => response(403, "text/plain", "no"),
        None => vec![Act::Send(
            b"HTTP/1.1 401 Status\r\nWWW-Authenticate: Bearer scope=\"a\"\r\nContent-Length: 0\r\n\r\n".to_vec(),
        )],
    });
    let upstream = upstream();
    let directives = "auth_request /auth; add_header X-Once $mcp_tool always; mcp_allowed_origins *;
        access_log /dev/stderr each;";
    let nginx = conf(&upstream, directives)
        .http("log_format each 'each $status $request_method $mcp_method $mcp_status $mcp_error_code';\n")
        .server("location = /auth { internal; proxy_pass http://SERVICE/; proxy_pass_request_body off; proxy_set_header Content-Length ''; }")
        .with("SERVICE", &service)
        .start();
    let good = |request: Request| request.header("Authorization", "Bearer good");
    let get = good(Request::new("GET").header("Accept", "text/event-stream"));
    let mut client = Client::open_by(&nginx, &get);
    let initialize = session_request(0, "initialize", &json!({"protocolVersion": "2024-11-05", "capabilities": {}}));
    let notification = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    for message in [&initialize, &call(7, "x"), &notification] {
        let post = client.request(message).header("Origin", "https://a.example");
        let refused = nginx.send(&post);
        assert_eq!((refused.status, refused.error_code()), (401, 401));
        for (name, value) in [
            ("www-authenticate", "Bearer scope=\"a\""),
            ("access-control-allow-origin", "https://a.example"),
            ("content-type", "application/json"),
        ] {
            let lines: Vec<_> = refused.headers.iter().filter(|(other, _)| other == name).collect();
            assert!(matches!(lines[..], [(_, found)] if found == value), "{name}: {lines:?}");
        }
        assert!(refused.headers.iter().filter(|(name, _)| name == "x-once").count() <= 1, "{:?}", refused.headers);
        let denied = nginx.send(&post.clone().header("Authorization", "Bearer bad"));
        assert_eq!((denied.status, denied.error_code()), (403, 403));
        assert_eq!(denied.header("www-authenticate"), None);
        assert_eq!(nginx.send(&good(post)).status, 202);
    }
    // Nothing of what was refused is said on the stream as well.
    assert_eq!(client.hear()["id"], 0);
    assert_eq!(client.hear()["id"], 7);
    assert_eq!(upstream.requests().len(), 1);
    for (line, count) in [
        ("each 401 POST tools/call protocol_error 401", 1),
        ("each 403 POST tools/call protocol_error 403", 1),
        ("each 200 POST tools/call ok", 1),
    ] {
        nginx.log.await_lines(0, count, line);
    }
    assert!(!nginx.log.since(0).iter().any(|line| line.contains("each 202 POST tools/call")));
}

#[test]
fn a_session_is_for_the_user_who_began_it() {
    let upstream = upstream();
    let nginx = conf(&upstream, "mcp_principal $http_x_user;").start();
    let by = |user: &str, request: Request| request.header("X-User", user);
    let mut client = Client::open_by(&nginx, &by("ada", Request::new("GET").header("Accept", "text/event-stream")));
    assert_eq!(nginx.send(&by("bob", client.request(&call(7, "bob")))).status, 404);
    assert_eq!(nginx.send(&by("ada", client.request(&call(8, "ada")))).status, 202);
    // The other one is told nothing by the stream, and neither is its owner of it.
    assert_eq!(client.hear()["id"], 8);
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn of_who_posts_and_leaves_before_his_message_is_judged_nothing_is_heard() {
    let upstream = upstream();
    for (status, logged) in [(204, 499), (401, 401), (403, 403)] {
        let gate = Gate::default();
        let opened = gate.clone();
        let service = Upstream::new(move |request| match request.header("x-now") {
            Some(_) => response(204, "text/plain", ""),
            None => [vec![Act::Await(opened.clone())], response(status, "text/plain", "")].concat(),
        });
        let auth = "location = /auth { internal; proxy_pass http://SERVICE/; proxy_pass_request_body off;
            proxy_set_header Content-Length ''; proxy_ignore_client_abort on; }";
        let nginx = conf(&upstream, "auth_request /auth; access_log /dev/stderr each;")
            .http("log_format each 'each $status $mcp_method';\n")
            .server(auth)
            .with("SERVICE", &service)
            .start();
        let get = Request::new("GET").header("Accept", "text/event-stream").header("X-Now", "1");
        let mut client = Client::open_by(&nginx, &get);
        let mut poster = nginx.connect();
        poster.send(&client.request(&call(7, "x")).bytes());
        service.await_requests(2);
        poster.reset();
        nginx.log.await_lines(0, 1, "client prematurely closed connection");
        gate.open();
        nginx.log.await_lines(0, 1, &format!("each {logged} tools/call"));
        let ping = client.request(&session_request("p", "ping", &json!({}))).header("X-Now", "1");
        assert_eq!(nginx.send(&ping).status, 202);
        assert_eq!(client.hear()["id"], "p");
    }
    assert_eq!(upstream.requests().len(), 0);
}

#[test]
fn a_password_is_asked_for() {
    let upstream = upstream();
    let directives = "auth_basic realm; auth_basic_user_file users; satisfy any;";
    let nginx = conf(&upstream, directives).file("users", "ada:{PLAIN}secret\n").start();
    let as_ada = |request: Request| request.header("Authorization", "Basic YWRhOnNlY3JldA==");
    let client = Client::open_by(&nginx, &as_ada(Request::new("GET").header("Accept", "text/event-stream")));
    let ping = client.request(&session_request(1, "ping", &json!({})));
    let refused = nginx.send(&ping);
    assert_eq!((refused.status, refused.error_code(), refused.json()["id"].clone()), (401, 401, json!(1)));
    assert_eq!(refused.header("www-authenticate"), Some("Basic realm=\"realm\""));
    assert_eq!(nginx.send(&as_ada(ping)).status, 202);
}

#[test]
fn a_reload_ends_streams_gracefully() {
    let upstream = upstream();
    let nginx = conf(&upstream, "").start();
    let mut client = Client::begin(&nginx, &json!({}));
    nginx.reload();
    let last = client.events.next().unwrap();
    assert!(last.retry.is_some(), "{last:?}");
    assert_eq!(client.events.next(), None);
    let response = nginx.send(&client.request(&call(1, "x")));
    assert_eq!(response.status, 404);
    Client::begin(&nginx, &json!({}));
}

#[test]
fn without_listening_there_is_no_such_transport() {
    let upstream = upstream();
    let nginx = conf(&upstream, "mcp_listen off;").start();
    let response = nginx.send(&Request::new("GET").header("Accept", "text/event-stream"));
    assert_eq!((response.status, response.error_code()), (405, 405));
}

#[test]
fn a_client_that_leaves_while_it_posts_does_no_harm() {
    let upstream = upstream();
    let nginx = conf(&upstream, "").start();
    let mut client = Client::begin(&nginx, &json!({}));
    for _ in 0..10 {
        let mut connection: Connection = nginx.connect();
        connection.send(&client.request(&call(1, "x")).bytes());
        connection.reset();
    }
    client.post(&session_request("p", "ping", &json!({})));
    // What was posted may be answered, whoever posted it.
    while client.hear()["id"] != "p" {}
}
