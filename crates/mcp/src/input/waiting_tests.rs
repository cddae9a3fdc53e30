use super::*;
use crate::ProtocolVersion;
use crate::http::{Body, HttpReply, Outcome, UpstreamResponse};
use crate::input::Capabilities;
use crate::test_server::{self, NONCE, post};
use crate::tool::test_tools::named;

const CALL: &str = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"ask"}}"#;
const QUESTION: &[u8] =
    br#"{"resultType":"input_required","inputRequests":{"a":{"method":"roots/list"},"b":{"method":"roots/list"}}}"#;

fn server(channels: bool) -> Server {
    let ask = named("ask", &[&["pass", "POST", "http://upstream/ask"], &["result", "mcp"]]);
    test_server::server([ask], |builder| builder.channels(channels))
}

fn session(server: &Server, nonce: u8) -> String {
    test_server::session(server, ProtocolVersion::V2025_11_25, Capabilities::ROOTS, nonce)
}

fn answer(pending: Box<Pending>, server: &Server, body: &[u8]) -> Step {
    let content_type = Some(&b"application/json"[..]);
    let answer =
        UpstreamResponse { status: 200, content_type, content_encoding: None, body, ..UpstreamResponse::default() };
    pending.resume(server, Ok(answer), &mut |_, _| String::new())
}

/// A call whose backend has asked two things.
fn ask(server: &Server, session: &str) -> (String, Waiting) {
    let Step::Call { pending, .. } = post(server, session, CALL) else { panic!("no call") };
    match answer(pending, server, QUESTION) {
        Step::Ask { events, waiting } => (String::from_utf8(events).unwrap(), waiting),
        step => panic!("{step:?}"),
    }
}

fn respond(server: &Server, session: &str, response: &str) -> Option<Delivery> {
    match post(server, session, response) {
        Step::Publish { publications, .. } => Some(Delivery::parse(&publications[0].envelope).unwrap()),
        Step::Reply(HttpReply { status: 202, .. }) => None,
        step => panic!("{step:?}"),
    }
}

fn result(id: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":"{id}","result":{{"of":"{id}"}}}}"#)
}

fn id(index: usize) -> String {
    format!("{}-1.{index}", format!("{NONCE:02x}").repeat(16))
}

#[test]
fn a_call_goes_on_with_the_answers_in_whatever_order_they_come() {
    let server = server(true);
    let session = session(&server, 1);
    let (events, mut waiting) = ask(&server, &session);
    let asked = |id: &str| format!("data: {{\"jsonrpc\":\"2.0\",\"id\":\"{id}\",\"method\":\"roots/list\"}}\n\n");
    assert_eq!(events, asked(&id(0)) + &asked(&id(1)));
    assert_eq!(waiting.call().topic(), Some(Topic::of_session(&session)));
    assert!(!waiting.take(&respond(&server, &session, &result(&id(1))).unwrap()));
    let twice = format!(r#"{{"jsonrpc":"2.0","id":"{}","result":{{"of":"twice"}}}}"#, id(1));
    assert!(!waiting.take(&respond(&server, &session, &twice).unwrap()));
    assert!(waiting.take(&respond(&server, &session, &result(&id(0))).unwrap()));
    let Step::Call { request, mut pending, .. } = waiting.resume(&server, &mut |_, _| String::new()) else {
        panic!("no call")
    };
    let [a, b] = [0, 1].map(|index| format!(r#"{{"of":"{}"}}"#, id(index)));
    let body = String::from_utf8(request.body.unwrap()).unwrap();
    assert_eq!(body, format!(r#"{{"_meta":{{"inputResponses":{{"a":{a},"b":{b}}}}}}}"#));
    // Another round has ids of its own.
    pending.open();
    let Step::Ask { events, .. } = answer(pending, &server, QUESTION) else { panic!("no question") };
    assert!(String::from_utf8(events).unwrap().contains(&format!("\"{}-2.0\"", "ab".repeat(16))));
}

#[test]
fn only_its_own_client_answers_a_call() {
    let server = server(true);
    let [own, other] = [1, 2].map(|nonce| session(&server, nonce));
    let (_, mut waiting) = ask(&server, &own);
    for (session, response) in [
        (&other, result(&id(0))),
        (&own, result(&id(7))),
        (&own, result(&id(0).replace("ab", "cd"))),
        (&own, r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}"#.to_owned()),
    ] {
        assert!(!waiting.take(&respond(&server, session, &response).unwrap()), "{response}");
    }
    assert!(waiting.asked.iter().all(|asked| asked.answer.is_none()));
    assert!(waiting.failure.is_none());
}

#[test]
fn what_is_no_answer_to_us_is_not_published() {
    let server = server(true);
    let session = session(&server, 1);
    for id in
        ["7", "\"\"", "\"a\"", "\"AB\"", &format!("\"{}\"", "ab".repeat(16)), &format!("\"{}-1.0x\"", "ab".repeat(16))]
    {
        assert_eq!(
            respond(&server, &session, &format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#)),
            None,
            "{id}"
        );
    }
    assert_eq!(respond(&server, &session, r#"{"jsonrpc":"2.0","result":{}}"#), None);
    let deaf = self::server(false);
    assert_eq!(respond(&deaf, &session, &result(&id(0))), None);
}

#[test]
fn what_is_too_large_for_the_bus_becomes_an_error() {
    let server = server(true);
    let session = session(&server, 1);
    let text = format!("\"{}\"", "x".repeat(LARGEST));
    let deep = "[".repeat(125) + &"]".repeat(125);
    for value in [text, deep] {
        let (_, mut waiting) = ask(&server, &session);
        let response = format!(r#"{{"jsonrpc":"2.0","id":"{}","result":{{"a":{value}}}}}"#, id(0));
        assert!(waiting.take(&respond(&server, &session, &response).unwrap()));
        let step = waiting.resume(&server, &mut |_, _| String::new());
        assert!(reply(step).contains("larger than 262144 bytes or nested too deeply"));
    }
}

fn reply(step: Step) -> String {
    match step {
        Step::Reply(HttpReply { body: Body::Bytes(body), outcome: Outcome::ToolError, .. }) => {
            String::from_utf8(body).unwrap()
        }
        step => panic!("{step:?}"),
    }
}

#[test]
fn questions_that_are_open_in_the_end_are_withdrawn() {
    let server = server(true);
    let session = session(&server, 1);
    let (_, mut waiting) = ask(&server, &session);
    waiting.call().open();
    let refusal = format!(r#"{{"jsonrpc":"2.0","id":"{}","error":{{"code":-32601,"message":"no\nroots"}}}}"#, id(1));
    assert!(waiting.take(&respond(&server, &session, &refusal.replace('\n', "\\n")).unwrap()));
    let events = reply(waiting.resume(&server, &mut |_, _| String::new()));
    let events: Vec<_> = events.split_terminator("\n\n").collect();
    assert_eq!(events.len(), 2, "{events:?}");
    assert!(events[0].contains(&format!("\"notifications/cancelled\",\"params\":{{\"requestId\":\"{}\"", id(0))));
    assert!(events[1].contains("go on: no\\nroots (-32601)\""), "{}", events[1]);
}

#[test]
fn without_channels_nobody_is_asked() {
    let server = server(false);
    let session = session(&server, 1);
    let Step::Call { pending, .. } = post(&server, &session, CALL) else { panic!("no call") };
    assert!(
        reply(answer(pending, &server, QUESTION))
            .contains("no channels to hear the answers on; it asks for: the client's roots; ")
    );
}
