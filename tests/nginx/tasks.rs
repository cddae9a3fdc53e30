//! Calls that become jobs of their backend's: tasks of 2026-07-28, and calls that are held.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::harness::{
    Act, Conf, Events, Nginx, Received, Request, Session, Upstream, all_refused, json as answer, request, response,
    taken,
};

const TOOL: &str = "mcp_tool work { pass POST http://UPSTREAM/start; argument n integer; task poll interval=100ms; }
    add_header X-Worker $pid always;";

fn conf(upstream: &Upstream, directives: &str) -> Conf {
    Conf::location(directives).with("UPSTREAM", upstream).listen("reuseport")
}

/// 202, with the job's URL if it is the answer to a call.
fn accepted(location: Option<&str>, body: &Value) -> Vec<Act> {
    let location = location.map(|location| format!("Location: {location}\r\n")).unwrap_or_default();
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 202 Accepted\r\n{location}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    vec![Act::Send([head.as_bytes(), body.as_bytes()].concat())]
}

/// An upstream with one job, which is looked at so many times before it has ended.
fn job(looks: usize) -> Upstream {
    let seen = Arc::new(AtomicUsize::new(0));
    Upstream::new(move |received| match received.line().as_str() {
        "POST /start" => accepted(Some("/jobs/7?of=ada"), &json!({})),
        "GET /jobs/7?of=ada" => match seen.fetch_add(1, Ordering::SeqCst) {
            look if look < looks => accepted(None, &json!({"message": format!("look {look}")})),
            _ => answer(&json!({"done": true})),
        },
        _ => response(204, "text/plain", ""),
    })
}

/// A request of a client that knows the extension.
fn request_as(user: &str, method: &str, params: Value) -> Request {
    let mut params = params;
    params["_meta"] =
        json!({"io.modelcontextprotocol/clientCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}}});
    let name = params["taskId"].as_str().map(str::to_owned);
    let request = request(1, method, params).header("X-User", user);
    match name {
        Some(name) => request.header("Mcp-Name", &name),
        None => request,
    }
}

fn begin(nginx: &Nginx) -> Value {
    let response = nginx.send(&request_as("ada", "tools/call", json!({"name": "work", "arguments": {}})));
    let task = response.result();
    assert_eq!((&task["resultType"], &task["status"]), (&json!("task"), &json!("working")));
    task["taskId"].clone()
}

fn lines(requests: &[Received]) -> Vec<String> {
    requests.iter().map(Received::line).collect()
}

#[test]
fn a_task_can_be_seen_from_every_worker_and_after_a_reload() {
    let upstream = job(8);
    let nginx = conf(&upstream, &format!("{TOOL}\nmcp_principal $http_x_user;")).start();
    let id = begin(&nginx);
    assert!(!id.as_str().unwrap().contains("jobs"));
    let get = |user: &str| request_as(user, "tasks/get", json!({"taskId": id}));
    for look in 0..8 {
        if look == 4 {
            nginx.reload();
        }
        let task = nginx.send(&get("ada")).result();
        assert_eq!((&task["status"], &task["statusMessage"]), (&json!("working"), &json!(format!("look {look}"))));
        assert_eq!(task["pollIntervalMs"], 100);
        // It is nobody else's.
        assert_eq!(nginx.send(&get("eve")).error_code(), -32602);
    }
    for response in nginx.send_to_every_worker(&get("ada")) {
        let task = response.result();
        assert_eq!(task["status"], "completed");
        assert_eq!(task["result"]["structuredContent"], json!({"done": true}));
    }
    let ended = nginx.send(&request_as("ada", "tasks/cancel", json!({"taskId": id}))).result();
    assert_eq!(ended["resultType"], "complete");
    assert_eq!(lines(&upstream.requests()).last().unwrap(), "DELETE /jobs/7?of=ada");
    let update = json!({"taskId": id, "inputResponses": {}});
    assert_eq!(nginx.send(&request_as("ada", "tasks/update", update)).result()["resultType"], "complete");
}

#[test]
fn a_call_is_held_for_whoever_knows_no_tasks() {
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"] {
        let upstream = job(3);
        let nginx = conf(&upstream, TOOL).start();
        let session = (version != "2026-07-28").then(|| Session::open(&nginx, version));
        let params = json!({"name": "work", "arguments": {"n": 1}, "_meta": {"progressToken": "t"}});
        let watched = match &session {
            Some(session) => session.request(1, "tools/call", params),
            None => request(1, "tools/call", params),
        };
        let mut events = Events::open(nginx.connect(), &watched);
        for look in 0..3 {
            let message = (version != "2024-11-05").then(|| json!(format!("look {look}")));
            assert_eq!(events.notification("notifications/progress").get("message"), message.as_ref());
        }
        let (result, mut connection) = events.result();
        assert_eq!(result["content"][0]["text"], "{\"done\":true}");
        let list = match &session {
            Some(session) => session.request(2, "tools/list", json!({})),
            None => request(2, "tools/list", json!({})),
        };
        assert_eq!(connection.exchange(&list).result()["tools"][0]["name"], "work");
        let requests = upstream.requests();
        assert_eq!(lines(&requests)[..2], ["POST /start", "GET /jobs/7?of=ada"]);
        assert_eq!((requests[0].body(), requests[1].body()), (&b"{\"n\":1}"[..], &b""[..]));
        assert_eq!((requests[1].header("content-type"), requests.len()), (None, 5));
    }
}

#[test]
fn a_client_without_a_stream_waits_for_its_result() {
    let upstream = job(2);
    let nginx = conf(&upstream, TOOL).start();
    let mut connection = nginx.connect();
    for _ in 0..2 {
        let call = request(1, "tools/call", json!({"name": "work", "arguments": {}}));
        let response = connection.exchange(&call.header("Accept", "application/json"));
        assert_eq!(response.success()["structuredContent"], json!({"done": true}));
    }
}

#[test]
fn a_held_call_is_kept_alive_and_ends_at_its_limit() {
    let upstream = job(usize::MAX);
    let tool = "mcp_tool work { pass POST http://UPSTREAM/start; task poll interval=300ms hold=1s; }";
    let nginx = conf(&upstream, tool).server("mcp_heartbeat 50ms;").start();
    // Without a token there is nothing else to say.
    let mut events = Events::open(nginx.connect(), &request(1, "tools/call", json!({"name": "work", "arguments": {}})));
    assert!(events.next().unwrap().comment.is_some());
    let result = events.result().0;
    assert_eq!(result["isError"], true);
    assert!(result["content"][0]["text"].as_str().unwrap().contains("has not ended within 1 s"), "{result}");
}

#[test]
fn a_held_call_may_be_cancelled_or_left() {
    let upstream = job(usize::MAX);
    let nginx = conf(&upstream, TOOL).start();
    let session = Session::open(&nginx, "2025-11-25");
    let params = |id: u32| json!({"name": "work", "arguments": {"n": id}, "_meta": {"progressToken": id}});
    let mut events = Events::open(nginx.connect(), &session.request(7, "tools/call", params(7)));
    events.notification("notifications/progress");
    let body = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}});
    assert_eq!(nginx.send(&session.carry(Request::post(body.to_string()))).status, 202);
    assert_eq!(events.next(), None);
    for number in 0..10 {
        let mut events = Events::open(nginx.connect(), &session.request(number, "tools/call", params(number)));
        events.notification("notifications/progress");
    }
    // Nobody is left who would look at the job.
    let looks = |after: u64| {
        std::thread::sleep(std::time::Duration::from_millis(after));
        upstream.requests().len()
    };
    let before = looks(300);
    assert_eq!(looks(400), before);
}

#[test]
fn a_held_call_outlives_a_reload() {
    let upstream = job(6);
    let nginx = conf(&upstream, TOOL).start();
    let params = json!({"name": "work", "arguments": {}, "_meta": {"progressToken": "t"}});
    let mut events = Events::open(nginx.connect(), &request(1, "tools/call", params));
    events.notification("notifications/progress");
    let position = nginx.begin_reload();
    for _ in 1..6 {
        events.notification("notifications/progress");
    }
    assert_eq!(events.message()["result"]["structuredContent"], json!({"done": true}));
    assert_eq!(events.next(), None);
    drop(events);
    nginx.log.await_lines(position, 2, "exited with code 0");
}

#[test]
fn a_job_is_only_looked_for_at_its_tools_origin() {
    let other = Upstream::answering(answer(&json!({})));
    let url = format!("http://{other}/jobs/1");
    let upstream = Upstream::new(move |_| accepted(Some(&url), &json!({})));
    let nginx = conf(&upstream, TOOL).start();
    let why = nginx.send(&request(1, "tools/call", json!({"name": "work", "arguments": {}}))).failure();
    assert!(why.contains("is not at the origin"), "{why}");
    assert_eq!(other.requests().len(), 0);
}

#[test]
fn a_batch_follows_no_jobs() {
    let upstream = job(0);
    let nginx = conf(&upstream, TOOL).start();
    let session = Session::open(&nginx, "2025-03-26");
    let call = |id: u32| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "work", "arguments": {}}});
    let replies = nginx.send(&session.carry(Request::post(json!([call(1), call(2)]).to_string()))).json();
    for place in 0..2 {
        let text = &replies[place]["result"]["content"][0]["text"];
        assert!(text.as_str().unwrap().contains("not followed in a batch"), "{replies}");
    }
}

#[test]
fn wrong_directives_are_refused() {
    let tool = |line: &str| Conf::location(&format!("mcp_tool t {{ pass http://127.0.0.1/; {line} }}"));
    all_refused(
        [
            ("task; #here\n", ["\"task\"", "takes poll"]),
            ("task push; #here\n", ["\"task\"", "takes poll"]),
            ("task poll often; #here\n", ["\"task\"", "\"often\""]),
            ("task poll interval=1ms; #here\n", ["\"task\"", "interval=1ms"]),
            ("task poll;\ntask poll; #here\n", ["\"task\"", "duplicate"]),
        ]
        .map(|(line, texts)| (tool(line), texts.to_vec())),
    );
    all_refused([(Conf::location("task poll; #here\n"), ["\"task\"", "not allowed here"].to_vec())]);
    taken(tool("task poll interval=1s ttl=2h hold=1m required;"));
}
