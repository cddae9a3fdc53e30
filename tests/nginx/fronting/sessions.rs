//! Sessions of a server behind: one for everybody, or one for each caller that the server can tell apart.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{front, message, result, shown, text_result, tool, with_lines};
use crate::harness::{Act, Conf, Events, Gate, Nginx, Received, Request, Session, Upstream, WORKERS, call, response};

/// Who has begun each session of a server, by its number; none once it is lost.
type Begun = Arc<Mutex<Vec<Option<String>>>>;

/// Who a message comes from, by the header line of this name.
fn user(received: &Received, header: &str) -> String {
    received.header(header).unwrap_or_default()
}

/// A server of 2025-11-25 that sees to it that a session is used by whom it was begun by. Its tool says in which it was called, or asks the client first.
fn server(header: &'static str, begun: &Begun) -> Upstream {
    let begun = Arc::clone(begun);
    Upstream::new(move |received| {
        let message = message(received);
        let user = user(received, header);
        let mut begun = begun.lock().unwrap();
        match message["method"].as_str() {
            Some("server/discover") => return response(400, "text/plain", "no session"),
            Some("initialize") if user == "Bearer wrong" => return response(401, "text/plain", "who are you?"),
            Some("initialize") => {
                begun.push(Some(user));
                let result = json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "old", "version": "1"}});
                let body = json!({"jsonrpc": "2.0", "id": message["id"], "result": result}).to_string();
                return with_lines(200, &format!("Mcp-Session-Id: {}\r\n", begun.len() - 1), &body);
            }
            _ => {}
        }
        let session: usize = received.header("mcp-session-id").unwrap().parse().unwrap();
        let Some(owner) = &begun[session] else { return response(404, "text/plain", "it is over") };
        if *owner != user {
            return response(403, "text/plain", format!("the session is {owner}'s, not {user}'s"));
        }
        match message["method"].as_str() {
            Some("notifications/initialized") => response(202, "text/plain", ""),
            Some("tools/list") => result(received, &json!({"tools": [tool("t")]})),
            Some("tools/call") => result(received, &text_result(&format!("{session} {user}"))),
            _ => response(202, "text/plain", ""),
        }
    })
}

/// The sessions in which a caller's calls were made, by several connections.
fn called(nginx: &Nginx, make: impl Fn() -> Request, user: &str) -> BTreeSet<String> {
    let text = |_| {
        let result = nginx.send(&make()).result();
        let (text, has_failed) = shown(&result);
        assert!(!has_failed, "{text}");
        let (session, owner) = text.split_once(' ').unwrap();
        assert_eq!(owner, user);
        session.to_owned()
    };
    (0..12).map(text).collect()
}

fn conf(server: &Upstream, block: &str, around: &str) -> Conf {
    front(server, block).server(around)
}

#[test]
fn callers_that_the_server_can_tell_apart_share_no_session() {
    for (header, block, around) in [
        ("authorization", "credential $http_authorization;", ""),
        ("authorization", "proxy_set_header Authorization $http_authorization;", ""),
        ("authorization", "", "proxy_set_header Authorization \"$http_authorization\";\n"),
        ("x-user", "proxy_set_header X-User $http_authorization;", ""),
    ] {
        let begun = Begun::default();
        let server = server(header, &begun);
        let nginx = conf(&server, block, around).start();
        let make = |user: &'static str| {
            let call = call("t", json!({}));
            move || if user.is_empty() { call.clone() } else { call.clone().header("Authorization", user) }
        };
        let mut sessions = BTreeSet::new();
        for user in ["Bearer ann", "Bearer bob", ""] {
            let own = called(&nginx, make(user), user);
            assert!(own.len() <= WORKERS && own.is_disjoint(&sessions), "{own:?} {sessions:?}");
            sessions.extend(own);
        }
        // They last.
        assert!(called(&nginx, make("Bearer ann"), "Bearer ann").is_subset(&sessions));
        assert!(begun.lock().unwrap().len() <= 3 * WORKERS);
        // Each in the own session, one after the other.
        let session = Session::open(&nginx, "2025-03-26");
        let call = |id: u8| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "t"}});
        let batch =
            session.carry(Request::post(json!([call(1), call(2)]).to_string())).header("Authorization", "Bearer bob");
        let answers = nginx.send(&batch).json();
        for answer in answers.as_array().unwrap() {
            assert!(shown(&answer["result"]).0.ends_with(" Bearer bob"), "{answer}");
        }
    }
}

#[test]
fn whom_the_operator_tells_apart_shares_no_session() {
    let begun = Begun::default();
    let server = server("x-nobody", &begun);
    let nginx = conf(&server, "", "mcp_principal $http_x_user;\n").start();
    let make = |user: &'static str| move || call("t", json!({})).header("X-User", user);
    let ann = called(&nginx, make("ann"), "");
    let bob = called(&nginx, make("bob"), "");
    assert!(ann.is_disjoint(&bob), "{ann:?} {bob:?}");
    let nobody = called(&nginx, || call("t", json!({})), "");
    assert!(nobody.is_disjoint(&ann) && nobody.is_disjoint(&bob));
}

#[test]
fn what_says_nothing_of_the_caller_makes_no_session() {
    let begun = Begun::default();
    let server = server("x-nobody", &begun);
    let block =
        "credential \"Bearer constant\"; proxy_set_header X-Request-Id $request_id; proxy_set_header X-Tool $mcp_tool;";
    let nginx = conf(&server, block, "").start();
    called(&nginx, || call("t", json!({})).header("Authorization", "Bearer ann"), "");
    assert!(begun.lock().unwrap().len() <= WORKERS);
}

#[test]
fn a_callers_session_that_is_lost_is_made_again() {
    let begun = Begun::default();
    let server = server("authorization", &begun);
    let nginx = conf(&server, "credential $http_authorization;", "").start();
    let make = || call("t", json!({})).header("Authorization", "Bearer ann");
    for _ in 0..3 {
        let before = called(&nginx, make, "Bearer ann");
        let lost: Vec<usize> = before.iter().map(|session| session.parse().unwrap()).collect();
        lost.into_iter().for_each(|session| begun.lock().unwrap()[session] = None);
        assert!(called(&nginx, make, "Bearer ann").is_disjoint(&before));
    }
}

#[test]
fn whom_the_server_refuses_is_told_so() {
    let begun = Begun::default();
    let server = server("authorization", &begun);
    let nginx = conf(&server, "credential $http_authorization;", "").start();
    for _ in 0..3 {
        let refused = nginx.send(&call("t", json!({})).header("Authorization", "Bearer wrong")).result();
        assert_eq!(shown(&refused), ("\"behind\": initialize: the server answers HTTP 401 Unauthorized", true));
    }
    // Nobody else is any worse off.
    called(&nginx, || call("t", json!({})).header("Authorization", "Bearer ann"), "Bearer ann");
}

#[test]
fn answers_go_where_the_question_came_from() {
    let asked = json!({"message": "who?", "requestedSchema": {"type": "object", "properties": {}}});
    let answered: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
    let gate = Gate::default();
    let server = Upstream::new({
        let (answered, gate) = (answered.clone(), gate.clone());
        move |received| {
            let message = message(received);
            if let Some(acts) = super::legacy(received, "s", &[tool("t")]) {
                return acts;
            }
            if message["method"] == "tools/call" {
                let event = |message: Value| Act::Send(format!("data: {message}\n\n").into_bytes());
                return vec![
                    Act::Send(
                        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n".to_vec(),
                    ),
                    event(json!({"jsonrpc": "2.0", "id": 7, "method": "elicitation/create", "params": asked})),
                    Act::Await(gate.clone()),
                    event(json!({"jsonrpc": "2.0", "id": message["id"], "result": text_result("done")})),
                    Act::Close,
                ];
            }
            answered.lock().unwrap().push((user(received, "authorization"), message));
            gate.open();
            response(202, "text/plain", "")
        }
    });
    let nginx = conf(&server, "proxy_set_header Authorization $http_authorization;", "").start();
    let session = Session::open_as(&nginx, "2025-11-25", json!({"elicitation": {}}));
    let call = session.call("t", json!({})).header("Authorization", "Bearer ann");
    let mut events = Events::open(nginx.connect(), &call);
    let question = events.message();
    let reply = json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "decline"}});
    assert_eq!(nginx.send(&session.carry(Request::post(reply.to_string()))).status, 202);
    assert_eq!(shown(&events.result().0), ("done", false));
    let answered = answered.lock().unwrap();
    let [(user, answer)] = &answered[..] else { panic!("{answered:?}") };
    assert_eq!(
        (user.as_str(), &answer["id"], &answer["result"]["action"]),
        ("Bearer ann", &json!(7), &json!("decline"))
    );
}
