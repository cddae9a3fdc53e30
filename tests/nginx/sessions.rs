//! Sessions are good in every worker, after a reload and, with a secret of the operator's, after a restart.

use serde_json::json;

use crate::harness::{Conf, Nginx, Request, Session};

/// Every reply tells which worker it is from.
fn conf() -> Conf {
    Conf::location("").server("add_header X-Worker $pid always;\n").listen("reuseport")
}

fn ping(session: &Session) -> Request {
    session.request(1, "ping", json!({}))
}

fn end(session: &Session) -> Request {
    session.carry(Request::new("DELETE"))
}

/// Sees that the session has this status in every worker.
fn has_status(nginx: &Nginx, session: &Session, status: u16) {
    for reply in nginx.send_to_every_worker(&ping(session)) {
        assert_eq!(reply.status, status, "{}", reply.text());
        assert_eq!(reply.error_code_if(status != 200), (status != 200).then_some(i64::from(status)));
    }
}

#[test]
fn a_session_is_good_in_every_worker() {
    let nginx = conf().start();
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let session = Session::open(&nginx, version);
        has_status(&nginx, &session, 200);
    }
}

#[test]
fn an_ended_session_is_unknown_in_every_worker() {
    let nginx = conf().start();
    let [one, other] = [(); 2].map(|()| Session::open(&nginx, "2025-06-18"));
    assert_eq!(nginx.send(&end(&one)).status, 204);
    has_status(&nginx, &one, 404);
    has_status(&nginx, &other, 200);
    assert_eq!(nginx.send(&end(&one)).status, 404);
}

#[test]
fn sessions_survive_a_reload() {
    let nginx = conf().start();
    let [kept, ended] = [(); 2].map(|()| Session::open(&nginx, "2025-11-25"));
    assert_eq!(nginx.send(&end(&ended)).status, 204);
    for _ in 0..2 {
        nginx.reload();
        has_status(&nginx, &kept, 200);
        has_status(&nginx, &ended, 404);
    }
}

#[test]
fn sessions_survive_a_restart_with_a_secret() {
    let mut nginx = conf().server("mcp_secret key;\n").file("key", "0123456789abcdef0123456789abcdef\n").start();
    let session = Session::open(&nginx, "2025-06-18");
    nginx.restart();
    has_status(&nginx, &session, 200);
}

#[test]
fn sessions_end_with_a_restart_without_a_secret() {
    let mut nginx = conf().start();
    let session = Session::open(&nginx, "2025-06-18");
    nginx.restart();
    has_status(&nginx, &session, 404);
}

#[test]
fn sessions_are_good_on_every_machine_with_the_same_secret() {
    let with = |key: &str| conf().server("mcp_secret key;\n").file("key", key).start();
    let one = with("0123456789abcdef");
    // White space at the end is an editor's, not the operator's.
    let same = with("0123456789abcdef\r\n \n");
    let other = with("0123456789abcdeF");
    let session = Session::open(&one, "2025-06-18");
    has_status(&same, &session, 200);
    has_status(&other, &session, 404);
}

#[test]
fn a_new_secret_ends_the_sessions_at_the_reload() {
    let with = |key: &str| conf().server("mcp_secret key;\n").file("key", key);
    let nginx = with("0123456789abcdef").start();
    let session = Session::open(&nginx, "2025-06-18");
    nginx.reload_with(&with("fedcba9876543210"));
    has_status(&nginx, &session, 404);
}

#[test]
fn ids_that_are_not_ours_are_unknown() {
    let nginx = conf().start();
    let session = Session::open(&nginx, "2025-06-18");
    let id = &session.id;
    let middle = id.len() / 2;
    let turned: String = id.chars().rev().collect();
    let long = id.repeat(50);
    let foreign = "5f9a7c1e-8a52-4c64-9d0e-8b1b1c8f3f11";
    let changed =
        format!("{}{}{}", &id[..middle], if id.as_bytes()[middle] == b'A' { 'B' } else { 'A' }, &id[middle + 1..]);
    for forged in [
        "x",
        ".",
        "..",
        "AAAA.AAAA",
        foreign,
        &turned,
        &long,
        &changed,
        &id[1..],
        &id[..id.len() - 1],
        &format!("{id}A"),
        "%00",
        "\u{e4}",
    ] {
        let forged = Session { id: forged.to_owned(), ..session.clone() };
        let reply = nginx.send(&ping(&forged));
        assert_eq!((reply.status, reply.error_code()), (404, 404), "{}", forged.id);
        assert_eq!(nginx.send(&end(&forged)).status, 404, "{}", forged.id);
    }
    has_status(&nginx, &session, 200);
}

#[test]
fn a_session_is_over_when_its_time_is() {
    let nginx = Conf::location("").server("location = /short { mcp on; mcp_session_timeout 0; }\n").start();
    let session = Session::open(&nginx, "2025-06-18");
    assert_eq!(nginx.send(&ping(&session)).status, 200);
    assert_eq!(nginx.send(&ping(&session).to("/short")).status, 404);
}

#[test]
fn thousands_of_sessions_can_be_ended() {
    let nginx = conf().server("keepalive_requests 10000;\n").start();
    let mut connection = nginx.connect();
    let mut open = || Session::from(&connection.exchange(&Session::initialize("2025-06-18")), "2025-06-18");
    let sessions: Vec<_> = (0..2000).map(|_| open()).collect();
    for session in &sessions {
        assert_eq!(connection.exchange(&end(session)).status, 204);
    }
    for session in &sessions {
        assert_eq!(connection.exchange(&ping(session)).status, 404);
    }
}

#[test]
fn sessions_have_ids_of_their_own() {
    let nginx = conf().start();
    let mut ids: Vec<String> = nginx
        .send_to_every_worker(&Session::initialize("2025-06-18"))
        .iter()
        .map(|reply| Session::from(reply, "2025-06-18").id)
        .collect();
    let count = ids.len();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), count);
    assert!(ids.iter().all(|id| id.bytes().all(|byte| byte.is_ascii_graphic())));
}
