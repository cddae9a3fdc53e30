use super::*;
use crate::ProtocolVersion;
use crate::input::Capabilities;
use crate::test_server::{self, post, post_stateless};
use crate::tool::test_tools::named;

const CALL: &str = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"hello"}}"#;

fn server() -> Server {
    let hello = named("hello", &[&["pass", "GET", "http://upstream/hello"]]);
    let ask = named("ask", &[&["pass", "POST", "http://upstream/ask"], &["result", "mcp"]]);
    test_server::server([hello, ask], |builder| builder.channels(true))
}

fn session(server: &Server, nonce: u8) -> String {
    test_server::session(server, ProtocolVersion::V2025_03_26, Capabilities::NONE, nonce)
}

fn call(step: Step) -> Box<Pending> {
    match step {
        Step::Call { pending, .. } => pending,
        step => panic!("{step:?}"),
    }
}

/// What a cancellation delivers to the calls of its session.
fn cancellation(server: &Server, session: &str, id: &str) -> Delivery {
    let body = format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#);
    match post(server, session, &body) {
        Step::Publish { publications, then } => {
            assert!(matches!(*then, Step::Reply(HttpReply { status: 202, .. })));
            Delivery::parse(&publications[0].envelope).unwrap()
        }
        step => panic!("{step:?}"),
    }
}

#[test]
fn a_call_is_cancelled_by_its_client_alone() {
    let server = server();
    let [own, other] = [1, 2].map(|nonce| session(&server, nonce));
    let pending = call(post(&server, &own, CALL));
    assert_eq!(pending.topic(), Some(Topic::of_session(&own)));
    for (session, id, meant) in
        [(&own, "7", true), (&own, "8", false), (&own, "\"7\"", false), (&own, "77", false), (&other, "7", false)]
    {
        assert_eq!(pending.is_cancelled_by(&cancellation(&server, session, id)), meant, "{session} {id}");
    }
    let ended = Delivery::parse(&Publication::end_of_session(&own).envelope).unwrap();
    assert!(!pending.is_cancelled_by(&ended));
}

#[test]
fn nothing_answers_a_call_that_was_cancelled() {
    let server = server();
    let session = session(&server, 1);
    for (is_open, status) in [(false, 202), (true, 200)] {
        let mut pending = call(post(&server, &session, CALL));
        if is_open {
            pending.open();
        }
        let Step::Reply(reply) = pending.cancel(&server, &mut |_, _| String::new()) else { panic!("it goes on") };
        assert_eq!((reply.status, reply.body, reply.outcome), (status, Body::Empty, Outcome::Ok));
    }
}

#[test]
fn a_batch_goes_on_after_a_call_that_was_cancelled() {
    let server = server();
    let session = session(&server, 1);
    let second = CALL.replace("\"id\":7", "\"id\":8");
    let mut evaluate = |_, _| String::new();
    let first = call(post(&server, &session, &format!("[{CALL},{second}]")));
    assert!(!first.is_cancelled_by(&cancellation(&server, &session, "8")), "it has not begun");
    assert!(first.is_cancelled_by(&cancellation(&server, &session, "7")));
    let second = call(first.cancel(&server, &mut evaluate));
    assert!(second.is_cancelled_by(&cancellation(&server, &session, "8")));
    let Step::Reply(reply) = second.cancel(&server, &mut evaluate) else { panic!("it goes on") };
    assert_eq!((reply.status, reply.body), (202, Body::Empty));
}

/// What a client of 2026-07-28 gets for a call of `ask`, whose backend answers with a state and asks for nothing.
fn ask(server: &Server, state: Option<&str>, principal: &str, now: u64) -> Result<String, i64> {
    const META: &str = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}"#;
    let state = state.map(|state| format!(r#","requestState":"{state}""#)).unwrap_or_default();
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"ask",{META}{state}}}}}"#);
    let (request, pending) = match post_stateless(server, principal, ("tools/call", "ask"), &body, now) {
        Step::Call { request, pending, .. } => (request, pending),
        Step::Reply(HttpReply { outcome: Outcome::ProtocolError { code }, .. }) => return Err(code),
        step => panic!("{step:?}"),
    };
    let body = request.body.unwrap();
    let answer = UpstreamResponse {
        status: 200,
        content_type: Some(b"application/json"),
        content_encoding: None,
        body: br#"{"resultType":"input_required","requestState":"secret"}"#,
        ..UpstreamResponse::default()
    };
    let Step::Reply(reply) = pending.resume(server, Ok(answer), &mut |_, _| String::new()) else { panic!("no reply") };
    let Body::Bytes(bytes) = reply.body else { panic!("no body") };
    let message: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    match body.as_slice() {
        b"{}" => Ok(message["result"]["requestState"].as_str().unwrap().to_owned()),
        body => Ok(String::from_utf8(body.to_vec()).unwrap()),
    }
}

#[test]
fn a_state_comes_back_from_who_was_given_it_and_within_an_hour() {
    let server = server();
    let state = ask(&server, None, "ada", 1000).unwrap();
    assert!(!state.contains("secret"));
    let body = r#"{"_meta":{"requestState":"secret"}}"#.to_owned();
    for (principal, now, expected) in [
        ("ada", 1000, Ok(body.clone())),
        ("ada", 1000 + 3599, Ok(body)),
        ("ada", 1000 + 3600, Err(-32602)),
        ("bob", 1000, Err(-32602)),
        ("", 1000, Err(-32602)),
    ] {
        assert_eq!(ask(&server, Some(&state), principal, now), expected, "{principal} at {now}");
    }
}
