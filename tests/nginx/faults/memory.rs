//! Shared memory that is full.

use serde_json::{Value, json};

use crate::harness::{Conf, Connection, Events, Nginx, PUBLISH, Request, Response, Session, note, request};

fn conf() -> Conf {
    Conf::location("mcp_tool t { pass GET http://127.0.0.1:9/; }\nadd_header X-Worker $pid always;")
        .server("client_max_body_size 2m; keepalive_requests 1000000;\n")
        .server(PUBLISH)
        .listen("reuseport")
}

fn worker(response: &Response) -> String {
    response.header("x-worker").unwrap().to_owned()
}

/// A connection to a worker.
fn connection_to(nginx: &Nginx, wanted: &str) -> Connection {
    loop {
        let mut connection = nginx.connect();
        if worker(&connection.exchange(&request(1, "tools/list", json!({})))) == wanted {
            return connection;
        }
    }
}

fn listen(nginx: &Nginx, session: &Session, wanted: &str) -> Events {
    loop {
        let events = nginx.stream(session, None);
        if worker(&events.head) == wanted {
            return events;
        }
    }
}

fn heard(events: &mut Events) -> Value {
    loop {
        let message = events.message();
        if message["method"] == "notifications/message" {
            return message["params"]["data"].clone();
        }
    }
}

#[test]
fn a_worker_that_slept_through_more_than_the_log_holds_ends_its_streams() {
    let nginx = conf().start();
    let workers = nginx.workers();
    let sessions = [Session::open(&nginx, "2025-11-25"), Session::open(&nginx, "2025-11-25")];
    let mut asleep = listen(&nginx, &sessions[0], &workers[0]);
    let mut awake = listen(&nginx, &sessions[1], &workers[1]);
    let mut publisher = connection_to(&nginx, &workers[1]);
    nginx.freeze_worker(&workers[0]);
    let text = "x".repeat(500_000);
    for number in 0..12 {
        let reply = publisher.exchange(&sessions[1].publication(&note(&format!("{number} {text}"))));
        assert_eq!(reply.json()["published"], 1);
        assert!(heard(&mut awake).as_str().unwrap().starts_with(&format!("{number} ")));
    }
    nginx.wake_worker(&workers[0]);
    // It cannot say what it has missed, so it says that it has missed something.
    while asleep.next().is_some() {}
    let mut asleep = listen(&nginx, &sessions[0], &workers[0]);
    assert_eq!(publisher.exchange(&sessions[0].publication(&note("again"))).json()["published"], 1);
    assert_eq!(heard(&mut asleep), "again");
}

#[test]
fn what_is_kept_for_a_session_makes_room_from_its_oldest_end() {
    let nginx = conf().start();
    let session = Session::open(&nginx, "2025-11-25");
    let text = "x".repeat(500_000);
    for number in 0..12 {
        assert_eq!(nginx.send(&session.publication(&note(&format!("{number} {text}")))).status, 200);
    }
    let mut events = listen(&nginx, &session, &nginx.workers()[0]);
    let number = |text: &Value| text.as_str().unwrap().split_once(' ').unwrap().0.parse::<usize>().unwrap();
    let first = number(&heard(&mut events));
    assert!(first > 0, "there was room for all");
    (first + 1..12).for_each(|expected| assert_eq!(number(&heard(&mut events)), expected));
}

/// What a table of ended sessions has room for.
const ENDED: usize = 16_384;

#[test]
fn a_table_of_ended_sessions_that_is_full_harms_nobody() {
    let nginx = conf().start();
    let mut connection = nginx.connect();
    // As many at a time as a connection takes.
    const PIPELINED: usize = 64;
    let mut last = None;
    for _ in 0..ENDED / PIPELINED + 8 {
        let initialize = Session::initialize("2025-06-18").bytes();
        connection.send(&initialize.repeat(PIPELINED));
        let sessions: Vec<Session> =
            (0..PIPELINED).map(|_| Session::from(&connection.receive_for("POST"), "2025-06-18")).collect();
        let ends = sessions.iter().map(|session| session.carry(Request::new("DELETE")).bytes());
        connection.send(&ends.collect::<Vec<_>>().concat());
        (0..PIPELINED).for_each(|_| assert_eq!(connection.receive_for("DELETE").status, 204));
        last = sessions.into_iter().last();
    }
    // The newest is remembered, and others are as good as ever.
    let ping = |session: &Session| session.request(1, "ping", json!({}));
    assert_eq!(connection.exchange(&ping(&last.unwrap())).status, 404);
    let session = Session::open(&nginx, "2025-06-18");
    assert_eq!(connection.exchange(&ping(&session)).status, 200);
}
