//! A clock that jumps, by libfaketime: the wall clock alone, as when an operator or NTP sets it.

use std::fs;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::harness::{Conf, Events, Nginx, PUBLISH, Request, Session, Upstream, call, changed, json as answer, note};

/// Debian's, of any architecture.
fn libfaketime() -> String {
    let directories = fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
    let paths = directories.map(|directory| directory.join("faketime/libfaketime.so.1"));
    let path = paths.into_iter().find(|path| path.exists()).expect("libfaketime (package libfaketime)");
    path.to_str().unwrap().to_owned()
}

/// An nginx whose clock [`set`] can put forward and back.
fn nginx(upstream: &Upstream, directives: &str) -> Nginx {
    let preload = format!("LD_PRELOAD={}", libfaketime());
    let starter =
        ["env", &preload, "FAKETIME_TIMESTAMP_FILE=clock", "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"];
    Conf::location(&format!("mcp_tool t {{ pass GET http://UPSTREAM/; }}\n{directives}"))
        .server(PUBLISH)
        .server("location = /clock { return 200 $msec; }")
        .with("UPSTREAM", upstream)
        .main("env FAKETIME_TIMESTAMP_FILE;\nenv FAKETIME_NO_CACHE;\nenv FAKETIME_DONT_FAKE_MONOTONIC;")
        .file("clock", "+0")
        .started_by(&starter)
        .start()
}

/// Puts the clock so many seconds forward or back from the right time, and awaits that nginx's shows it.
fn set(nginx: &Nginx, seconds: i64) {
    // In one step: nginx may read it at any time.
    let path = nginx.directory().join("clock");
    fs::write(path.with_extension("new"), format!("{seconds:+}")).unwrap();
    fs::rename(path.with_extension("new"), path).unwrap();
    let shown = |seconds: i64| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        Duration::from_secs(now.saturating_add_signed(seconds))
    };
    let (low, high) = (shown(seconds - 5), shown(seconds + 5));
    // Each worker has its own clock, which an event moves.
    for _ in 0..20 {
        let clock = nginx.send(&Request::new("GET").to("/clock")).text().parse::<f64>().unwrap();
        assert!((low.as_secs_f64()..high.as_secs_f64()).contains(&clock), "{clock} for {seconds}");
    }
}

fn tell(nginx: &Nginx, session: &Session, text: &str) {
    assert_eq!(nginx.publish(Some(session), &note(text)).json()["published"], 1);
}

/// The text of the next message, and its id.
fn heard(events: &mut Events) -> (Value, String) {
    loop {
        let event = events.next().expect("a message");
        if let (Some(id), Some(data)) = (event.id, event.data.filter(|data| !data.is_empty())) {
            let message: Value = serde_json::from_str(&data).unwrap();
            return (message["params"]["data"].clone(), id);
        }
    }
}

const HOUR: i64 = 3600;

#[test]
fn sessions_streams_and_calls_survive_a_clock_that_jumps() {
    let upstream = Upstream::answering(answer(&json!({"a": 1})));
    let nginx = nginx(&upstream, "");
    let session = Session::open(&nginx, "2025-11-25");
    let mut events = nginx.stream(&session, None);
    let mut listener = nginx.listen_for_changes();
    let mut last = String::new();
    for (number, seconds) in [0, HOUR, -HOUR, 20 * HOUR, 0].into_iter().enumerate() {
        set(&nginx, seconds);
        nginx.send(&call("t", json!({}))).success();
        nginx.send(&session.call("t", json!({}))).success();
        tell(&nginx, &session, &number.to_string());
        let (text, id) = heard(&mut events);
        assert_eq!(text, number.to_string());
        // What is missed meanwhile comes once, in its order.
        drop(std::mem::replace(&mut last, id));
        tell(&nginx, &session, "missed");
        let mut resumed = nginx.stream(&session, Some(&last));
        assert_eq!(heard(&mut resumed).0, "missed");
        events = resumed;
        assert_eq!(nginx.publish(None, &changed()).status, 200);
        listener.notification("notifications/tools/list_changed");
        while heard_list(&mut events) {}
    }
}

/// Whether the next message is not the one of a changed list, which sessions hear, too.
fn heard_list(events: &mut Events) -> bool {
    events.message()["method"] != "notifications/tools/list_changed"
}

#[test]
fn a_session_is_over_by_the_clock_that_is_shown() {
    let upstream = Upstream::answering(answer(&json!({"a": 1})));
    let nginx = nginx(&upstream, "mcp_session_timeout 2h;");
    let session = Session::open(&nginx, "2025-11-25");
    for (seconds, status) in [(HOUR, 200), (3 * HOUR, 404), (-HOUR, 200)] {
        set(&nginx, seconds);
        assert_eq!(nginx.send(&session.call("t", json!({}))).status, status, "{seconds}");
    }
}

#[test]
fn time_outs_go_by_a_clock_that_does_not_jump() {
    // An upstream that is waited for while the clock goes a day forward, and one that is not waited for while it goes back.
    let gate = crate::harness::Gate::default();
    let acts = [vec![crate::harness::Act::Await(gate.clone())], answer(&json!({"a": 1}))].concat();
    let upstream = Upstream::answering(acts);
    let nginx = nginx(&upstream, "");
    let mut waiting = nginx.connect();
    waiting.send(&call("t", json!({})).bytes());
    upstream.await_requests(1);
    set(&nginx, 20 * HOUR);
    set(&nginx, -HOUR);
    gate.open();
    waiting.receive().success();
}
