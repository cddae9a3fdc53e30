use super::*;
use crate::http::{Headers, HttpRequest};
use crate::session::Session;
use crate::{ProtocolVersion, ServerBuilder, ToolBuilder};

const CALL: &str = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"hello"}}"#;

fn server() -> Server {
    let mut tool = ToolBuilder::new("hello").unwrap();
    tool.pass(&["GET", "http://upstream/hello"]).unwrap();
    let mut builder = ServerBuilder::new();
    builder.secret([1; 32]);
    builder.channels(true);
    builder.tool(tool.build().unwrap()).unwrap();
    builder.build().unwrap()
}

fn session(server: &Server, nonce: u8) -> String {
    let session = Session { version: ProtocolVersion::V2025_03_26, issued: 1000 };
    server.sessions().seal(session, &crate::session::Client::default(), [nonce; 16])
}

fn send(server: &Server, session: &str, body: &str) -> Step {
    let headers = [
        (&b"content-type"[..], &b"application/json"[..]),
        (b"accept", b"*/*"),
        (b"mcp-session-id", session.as_bytes()),
    ];
    let headers = Headers(&headers);
    let request =
        HttpRequest { method: "POST", headers, body: body.as_bytes(), hosts: &[], session_state: None, now: 1000 };
    server.receive(&request, &|| [0; 16]).start(server, &mut |_, _| String::new())
}

fn call(step: Step) -> Pending {
    match step {
        Step::Call { pending, .. } => pending,
        step => panic!("{step:?}"),
    }
}

/// What a cancellation delivers to the calls of its session.
fn cancellation(server: &Server, session: &str, id: &str) -> Delivery {
    let body = format!(r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{id}}}}}"#);
    match send(server, session, &body) {
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
    let pending = call(send(&server, &own, CALL));
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
        let mut pending = call(send(&server, &session, CALL));
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
    let first = call(send(&server, &session, &format!("[{CALL},{second}]")));
    assert!(!first.is_cancelled_by(&cancellation(&server, &session, "8")), "it has not begun");
    assert!(first.is_cancelled_by(&cancellation(&server, &session, "7")));
    let second = call(first.cancel(&server, &mut evaluate));
    assert!(second.is_cancelled_by(&cancellation(&server, &session, "8")));
    let Step::Reply(reply) = second.cancel(&server, &mut evaluate) else { panic!("it goes on") };
    assert_eq!((reply.status, reply.body), (202, Body::Empty));
}
