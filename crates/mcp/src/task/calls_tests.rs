use super::*;
use crate::http::{Body, HttpReply, UpstreamResponse};
use crate::test_server::{self, NOW, post_stateless};
use crate::tool::test_tools::named;

const TASK: &[&str] = &["task", "poll", "ttl=1h"];

fn server(names: &[&str], task: &[&str]) -> Server {
    let tool = |name: &&str| named(name, &[&["pass", "POST", "http://upstream/start"], task]);
    test_server::server(names.iter().map(tool), |_| {})
}

/// A request of a client of 2026-07-28 with a progress token; `capabilities` are what it declares.
fn send(server: &Server, principal: &str, method: &str, name: &str, capabilities: &str) -> Step {
    let param = if method == "tools/call" { "name" } else { "taskId" };
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{"{param}":"{name}","_meta":{{"progressToken":1,"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{capabilities}}}}}}}"#
    );
    post_stateless(server, principal, (method, name), &body, NOW)
}

const TASKS: &str = r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#;

/// The upstream answers with 202.
fn accepted(server: &Server, step: Step, message: &str) -> Step {
    let Step::Call { pending, .. } = step else { panic!("{step:?}") };
    let body = format!(r#"{{"message":"{message}"}}"#);
    let answer = UpstreamResponse {
        status: 202,
        content_type: Some(b"application/json"),
        location: Some(b"/jobs/secret"),
        body: body.as_bytes(),
        ..UpstreamResponse::default()
    };
    pending.resume(server, Ok(answer), &mut |_, _| String::new())
}

fn reply(step: Step) -> (Outcome, serde_json::Value) {
    match step {
        Step::Reply(HttpReply { body: Body::Bytes(body), outcome, .. }) => {
            (outcome, serde_json::from_slice(&body).unwrap())
        }
        step => panic!("{step:?}"),
    }
}

#[test]
fn a_task_is_its_clients_and_its_tools() {
    let server = server(&["a", "b"], TASK);
    let (_, created) = reply(accepted(&server, send(&server, "ada", "tools/call", "b", TASKS), ""));
    let id = created["result"]["taskId"].as_str().unwrap();
    assert!(!id.contains("secret"));
    let found = |server: &Server, principal: &str| match send(server, principal, "tasks/get", id, TASKS) {
        Step::Call { endpoint, request, .. } => {
            Some((server.tools()[endpoint].name().to_owned(), request.method, request.uri))
        }
        step => {
            assert_eq!(reply(step).0, Outcome::ProtocolError { code: -32602 });
            None
        }
    };
    let expected = Some(("b".to_owned(), Some("GET"), "/jobs/secret".to_owned()));
    assert_eq!(found(&server, "ada"), expected);
    assert_eq!(found(&server, "bob"), None);
    // After a reload tools may have another order, or be gone.
    assert_eq!(found(&self::server(&["b"], TASK), "ada"), expected);
    assert_eq!(found(&self::server(&["a"], TASK), "ada"), None);
}

#[test]
fn a_held_call_tells_what_is_new_of_its_job() {
    let server = server(&["a"], TASK);
    let mut step = accepted(&server, send(&server, "", "tools/call", "a", "{}"), "begun");
    for (message, expected) in [("10 %", "10 %"), ("10 %", ""), ("20 %", "20 %"), ("", "")] {
        let Step::Wait { pending, milliseconds, .. } = step else { panic!("{step:?}") };
        assert_eq!(milliseconds, 2000);
        step = accepted(&server, pending.poll(), message);
        let Step::Wait { events, .. } = &step else { panic!("{step:?}") };
        let events = String::from_utf8_lossy(events);
        assert_eq!(events.contains("notifications/progress"), !expected.is_empty(), "{events}");
        assert!(events.contains(expected), "{events}");
    }
}

#[test]
fn who_waits_for_long_looks_less_often() {
    let server = server(&["a"], &["task", "poll", "interval=100ms", "hold=1d"]);
    let mut step = accepted(&server, send(&server, "", "tools/call", "a", "{}"), "begun");
    let (mut looks, mut waited) = (0, 0);
    while let Step::Wait { pending, milliseconds, .. } = step {
        assert!((100..=100.max(waited / 32)).contains(&milliseconds));
        (looks, waited) = (looks + 1, waited + milliseconds);
        step = accepted(&server, pending.poll(), "");
    }
    assert_eq!(reply(step).0, Outcome::ToolError);
    assert!(waited > 80_000_000 && looks < 400, "{looks} looks in {waited} ms");
}
