//! Calls that outlive the connection that they came on.

use serde_json::{Value, json};

use crate::harness::{
    Act, Conf, Events, Gate, Nginx, Request, Response, Session, Upstream, all_refused, call, response,
};

const TOOLS: &str = "mcp_tool t { pass GET http://UPSTREAM/wait; resumable on; }
mcp_tool events { pass GET http://UPSTREAM/events; resumable on; }
mcp_tool large { pass GET http://UPSTREAM/large; resumable on; }
mcp_tool down { pass GET http://127.0.0.1:1/; resumable on; }
mcp_tool plain { pass GET http://UPSTREAM/now; }
mcp_tool now { pass GET http://UPSTREAM/now; resumable on; proxy_set_header X-User $http_x_user; proxy_set_header X-Set $kept; }
set $kept \"$http_x_user kept\";
add_header X-Worker $pid always;";

const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";

/// What the upstream waits for, and what it tells.
#[derive(Clone, Default)]
struct Gates {
    asked: Gate,
    answer: Gate,
    gone: Gate,
}

fn upstream(gates: &Gates) -> Upstream {
    let Gates { asked, answer, gone } = gates.clone();
    Upstream::new(move |request| match request.target().as_str() {
        "/wait" => {
            asked.open();
            let mut acts = vec![Act::Await(answer.clone())];
            acts.extend(response(200, "application/json", r#"{"name":"bolt"}"#));
            acts
        }
        "/events" => {
            asked.open();
            let part = |text: &str| Act::Send(text.as_bytes().to_vec());
            vec![
                Act::Send(HEAD.to_vec()),
                part("event: progress\ndata: 1\n\nevent: retry\ndata: 50\n\n"),
                Act::Await(answer.clone()),
                part("event: progress\ndata: 2\n\ndata: {\"name\":\"bolt\"}\n\n"),
                Act::Close,
            ]
        }
        "/large" => response(200, "application/json", format!("\"{}\"", "x".repeat(2 << 20))),
        "/gone" => {
            asked.open();
            vec![Act::AwaitClose(gone.clone())]
        }
        _ => response(200, "application/json", r#"{"name":"bolt"}"#),
    })
}

struct Scene {
    gates: Gates,
    upstream: Upstream,
    nginx: Nginx,
    session: Session,
}

impl Scene {
    fn new() -> Scene {
        let gates = Gates::default();
        let upstream = upstream(&gates);
        let nginx = Conf::location(TOOLS).with("UPSTREAM", &upstream).listen("reuseport").start();
        let session = Session::open(&nginx, "2025-11-25");
        Scene { gates, upstream, nginx, session }
    }
}

fn begin(nginx: &Nginx, session: &Session, tool: &str) -> Events {
    let params = json!({"name": tool, "arguments": {}, "_meta": {"progressToken": "p"}});
    Events::open(nginx.connect(), &session.request(1, "tools/call", params))
}

/// The id of the first event, which has nothing else.
fn place(events: &mut Events) -> String {
    loop {
        let event = events.next().unwrap();
        if event.comment.is_none() {
            assert_eq!(event.data.as_deref(), Some(""), "{event:?}");
            return event.id.unwrap();
        }
    }
}

fn resumption(session: &Session, last: &str) -> Request {
    session.carry(Request::new("GET").header("Accept", "text/event-stream").header("Last-Event-ID", last))
}

fn resume(nginx: &Nginx, session: &Session, last: &str) -> Events {
    Events::open(nginx.connect(), &resumption(session, last))
}

fn is_bolt(message: &Value) {
    assert_eq!((&message["id"], &message["result"]["structuredContent"]), (&json!(1), &json!({"name": "bolt"})));
}

#[test]
fn a_call_goes_on_when_its_connection_is_lost_and_is_resumed_in_any_worker() {
    let Scene { gates, upstream, nginx, session } = Scene::new();
    let mut events = begin(&nginx, &session, "t");
    let last = place(&mut events);
    gates.asked.wait();
    drop(events);
    let mut again = resume(&nginx, &session, &last);
    gates.answer.open();
    is_bolt(&again.message());
    assert_eq!(again.next(), None);
    // What was there to hear is there for some time.
    for _ in 0..8 {
        let mut again = resume(&nginx, &session, &last);
        is_bolt(&again.message());
        assert_eq!(again.next(), None);
    }
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn a_call_that_is_not_interrupted_is_answered_on_its_stream() {
    let Scene { upstream, nginx, .. } = Scene::new();
    for version in ["2025-03-26", "2025-06-18", "2025-11-25"] {
        let session = Session::open(&nginx, version);
        let call = session.call("now", json!({})).header("X-User", "ada");
        let (result, _) = Events::open(nginx.connect(), &call).result();
        assert_eq!(result["content"][0]["text"], r#"{"name":"bolt"}"#);
        let (result, _) = Events::open(nginx.connect(), &session.call("down", json!({}))).result();
        assert_eq!(result["isError"], true);
    }
    let requests = upstream.requests();
    assert_eq!(requests.len(), 3);
    for request in requests {
        assert_eq!((request.header("x-user"), request.header("x-set")), (Some("ada".into()), Some("ada kept".into())));
    }
}

#[test]
fn an_upstream_sends_its_client_away_until_there_is_more() {
    let Scene { gates, upstream: _upstream, nginx, session } = Scene::new();
    let mut events = begin(&nginx, &session, "events");
    let (mut last, mut progress, mut retry) = (place(&mut events), Vec::new(), None);
    while let Some(event) = events.next() {
        last = event.id.clone().unwrap_or(last);
        retry = event.retry.or(retry);
        progress.extend(event.data.filter(|data| data.contains("\"progress\":1")));
    }
    assert_eq!((progress.len(), retry.as_deref()), (1, Some("50")));
    let mut again = resume(&nginx, &session, &last);
    gates.answer.open();
    assert_eq!(again.notification("notifications/progress")["progress"], 2);
    again.notification("notifications/progress");
    is_bolt(&again.message());
    assert_eq!(again.next(), None);
}

#[test]
fn whoever_comes_back_hears_what_he_missed_and_nothing_twice() {
    let Scene { gates, upstream: _upstream, nginx, session } = Scene::new();
    let mut events = begin(&nginx, &session, "events");
    let first = place(&mut events);
    gates.answer.open();
    let heard = |mut events: Events| {
        let mut heard = Vec::new();
        while let Some(event) = events.next() {
            heard.extend(event.id.zip(event.data.filter(|data| !data.is_empty())));
        }
        heard
    };
    // Until it is over.
    let mut last = first.clone();
    let all = loop {
        let all = heard(resume(&nginx, &session, &first));
        last = all.last().map_or(last, |(id, _)| id.clone());
        if all.last().is_some_and(|(_, data)| data.contains("\"result\"")) {
            break all;
        }
    };
    assert_eq!(all.len(), 4, "{all:?}");
    for (at, (id, _)) in all.iter().enumerate() {
        assert_eq!(heard(resume(&nginx, &session, id)), all[at + 1..]);
    }
}

#[test]
fn a_session_hears_its_own_calls_alone() {
    let Scene { upstream: _upstream, nginx, session, .. } = Scene::new();
    let last = place(&mut begin(&nginx, &session, "now"));
    let other = Session::open(&nginx, "2025-11-25");
    let gone = |response: Response| assert_eq!((response.status, response.error_code()), (410, 410));
    gone(nginx.send(&resumption(&other, &last)));
    gone(nginx.send(&resumption(&session, &format!("{}:1:1", "0".repeat(32)))));
    // Any other id is none of a call.
    resume(&nginx, &session, "no-id-of-ours");
}

#[test]
fn a_cancelled_call_ends_wherever_it_runs() {
    let gates = Gates::default();
    let upstream = upstream(&gates);
    let tool = "mcp_tool gone { pass GET http://UPSTREAM/gone; resumable on; }";
    let nginx = Conf::location(tool).with("UPSTREAM", &upstream).listen("reuseport").start();
    let session = Session::open(&nginx, "2025-11-25");
    let mut events = begin(&nginx, &session, "gone");
    let last = place(&mut events);
    gates.asked.wait();
    drop(events);
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
    assert_eq!(nginx.send(&session.carry(Request::post(cancel.to_string()))).status, 202);
    gates.gone.wait();
    let mut again = resume(&nginx, &session, &last);
    while let Some(event) = again.next() {
        assert!(event.data.is_none_or(|data| data.is_empty()));
    }
}

#[test]
fn a_reload_interrupts_no_call() {
    let Scene { gates, upstream: _upstream, nginx, session } = Scene::new();
    let mut events = begin(&nginx, &session, "t");
    let last = place(&mut events);
    gates.asked.wait();
    let position = nginx.begin_reload();
    while events.next().is_some() {}
    let mut again = resume(&nginx, &session, &last);
    gates.answer.open();
    is_bolt(&again.message());
    nginx.log.await_lines(position, crate::harness::WORKERS, "exited with code 0");
}

#[test]
fn who_cannot_resume_a_call_is_answered_as_ever() {
    let Scene { upstream: _upstream, nginx, .. } = Scene::new();
    assert_eq!(nginx.send(&call("now", json!({}))).success()["structuredContent"], json!({"name": "bolt"}));
    let session = Session::open(&nginx, "2025-11-25");
    let plain = nginx.send(&session.call("plain", json!({})));
    assert_eq!(plain.header("content-type"), Some("application/json"));
    let without_stream = Request::post(
        json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "now"}}).to_string(),
    );
    let reply = nginx.send(&session.carry(without_stream.header("Accept", "application/json")));
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.result()["structuredContent"], json!({"name": "bolt"}));
}

#[test]
fn a_result_that_cannot_be_kept_is_an_error() {
    let Scene { upstream: _upstream, nginx, session, .. } = Scene::new();
    let (result, _) = Events::open(nginx.connect(), &session.call("large", json!({}))).result();
    assert_eq!(result["isError"], true);
    assert!(result["content"][0]["text"].as_str().unwrap().contains("at the most"));
}

#[test]
fn a_session_has_so_many_of_them_at_once() {
    let gates = Gates::default();
    let upstream = upstream(&gates);
    let nginx = Conf::location(TOOLS).with("UPSTREAM", &upstream).start();
    let session = Session::open(&nginx, "2025-11-25");
    let mut streams = Vec::new();
    for _ in 0..80 {
        let mut connection = nginx.connect();
        connection.send(&session.call("t", json!({})).bytes());
        streams.push(connection);
    }
    gates.answer.open();
    for mut connection in streams {
        let head = connection.receive_head();
        assert_eq!(head.status, 200);
    }
}

#[test]
fn wrong_directives_say_what_to_do() {
    let tool =
        |directives: &str| Conf::location(&format!("mcp_tool t {{ pass GET http://127.0.0.1:9/; {directives} }}"));
    all_refused([
        (tool("resumable on; resumable off; #here\n"), vec!["\"resumable\"", "duplicate"]),
        (tool("resumable maybe; #here\n"), vec!["\"resumable\"", "\"maybe\""]),
        (tool("resumable on; #here\n").server("mcp_listen off;"), vec!["\"resumable\"", "\"mcp_listen on\""]),
        (Conf::location("resumable on; #here\n"), vec!["\"resumable\"", "not allowed here"]),
    ]);
}
