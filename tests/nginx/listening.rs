//! Streams on which clients hear what happens between their requests. What is for several machines needs Nchan.

use serde_json::{Value, json};

use crate::harness::{Conf, Events, Nginx, PUBLISH, Request, Session, all_refused, changed, note, request, taken};

const TOOL: &str = "mcp_tool t { description d; pass GET http://127.0.0.1:9/; }";
const VERSIONS: [&str; 3] = ["2025-03-26", "2025-06-18", "2025-11-25"];

/// An nginx whose workers share its connections evenly.
fn nginx(directives: &str) -> Nginx {
    let location = format!("{TOOL}\nadd_header X-Worker $pid always;\n{directives}");
    Conf::location(&location).server(PUBLISH).listen("reuseport").start()
}

/// Gives the number of streams that the message was for.
fn publish(nginx: &Nginx, session: Option<&Session>, message: &Value) -> u64 {
    let response = nginx.publish(session, message);
    let published = response.json();
    assert_eq!((response.status, &published["published"]), (200, &json!(1)));
    published["listening"].as_u64().unwrap()
}

#[test]
fn what_is_published_reaches_every_listener_in_every_worker() {
    let nginx = nginx("");
    let mut listeners: Vec<Events> = (0..16).map(|_| nginx.listen_for_changes()).collect();
    let mut deaf = nginx.listen(&json!({}));
    let workers: Vec<_> = listeners.iter().map(|events| events.head.header("x-worker").unwrap()).collect();
    assert!(workers.iter().any(|worker| *worker != workers[0]), "one worker has them all");
    for _ in 0..3 {
        assert_eq!(publish(&nginx, None, &changed()), 16);
        for events in &mut listeners {
            let heard = events.notification("notifications/tools/list_changed");
            assert_eq!(heard["_meta"], json!({"io.modelcontextprotocol/subscriptionId": "s"}));
        }
    }
    nginx.reload();
    let end = deaf.message();
    assert_eq!((&end["id"], &end["result"]["resultType"]), (&json!("s"), &json!("complete")));
    assert_eq!(deaf.next(), None);
}

#[test]
fn a_session_hears_what_is_meant_for_it_and_for_all() {
    let nginx = nginx("");
    for version in VERSIONS {
        let sessions = [Session::open(&nginx, version), Session::open(&nginx, version)];
        let mut streams: Vec<_> = sessions.iter().map(|session| nginx.stream(session, None)).collect();
        publish(&nginx, Some(&sessions[1]), &note("second"));
        publish(&nginx, Some(&sessions[0]), &note("first"));
        for (events, expected) in streams.iter_mut().zip(["first", "second"]) {
            assert_eq!(events.notification("notifications/message")["data"], expected);
        }
        publish(&nginx, None, &changed());
        streams.iter_mut().for_each(|events| {
            events.notification("notifications/tools/list_changed");
        });
    }
}

#[test]
fn a_stream_is_resumed_after_the_last_event_that_was_seen() {
    let nginx = nginx("");
    let session = Session::open(&nginx, "2025-11-25");
    // Published before there is a stream: kept.
    publish(&nginx, Some(&session), &note("0"));
    let mut events = nginx.stream(&session, None);
    assert_eq!(events.notification("notifications/message")["data"], "0");
    publish(&nginx, Some(&session), &note("1"));
    let last = loop {
        let event = events.next().unwrap();
        if event.data.as_deref().is_some_and(|data| data.contains("\"1\"")) {
            break event.id.unwrap();
        }
    };
    drop(events);
    for text in ["2", "3"] {
        publish(&nginx, Some(&session), &note(text));
    }
    for _ in 0..4 {
        // In whatever worker.
        let mut again = nginx.stream(&session, Some(&last));
        for text in ["2", "3"] {
            assert_eq!(again.notification("notifications/message")["data"], text);
        }
    }
}

#[test]
fn a_newer_stream_of_a_session_ends_the_older_one() {
    let nginx = nginx("");
    let session = Session::open(&nginx, "2025-06-18");
    let mut streams: Vec<Events> = Vec::new();
    for _ in 0..4 {
        let mut newer = nginx.stream(&session, None);
        publish(&nginx, Some(&session), &note("x"));
        newer.notification("notifications/message");
        if let Some(mut older) = streams.pop() {
            while older.next().is_some() {}
        }
        streams.push(newer);
    }
}

#[test]
fn the_end_of_a_session_ends_its_stream() {
    let nginx = nginx("");
    for version in VERSIONS {
        let session = Session::open(&nginx, version);
        let mut events = nginx.stream(&session, None);
        assert_eq!(nginx.send(&session.carry(Request::new("DELETE"))).status, 204);
        while events.next().is_some() {}
        let gone = session.carry(Request::new("GET").header("Accept", "text/event-stream"));
        assert_eq!(nginx.send(&gone).status, 404);
        let gone = Request::post(note("x").to_string()).to(&format!("/publish?session={}", session.id));
        assert_eq!(nginx.send(&gone).status, 404);
    }
}

#[test]
fn a_stream_may_end_while_nothing_may_be_sent() {
    // The header of a stream takes a good part of a second. That what must wait is still there then, scripts/memory sees.
    let nginx = nginx("limit_rate 512;");
    let session = Session::open(&nginx, "2025-06-18");
    let mut events = nginx.stream(&session, None);
    assert_eq!(nginx.send(&session.carry(Request::new("DELETE"))).status, 204);
    while events.next().is_some() {}
}

#[test]
fn a_backend_is_told_how_many_hear_it() {
    let nginx = nginx("");
    let sessions = [Session::open(&nginx, "2025-11-25"), Session::open(&nginx, "2025-11-25")];
    let mut streams = vec![nginx.stream(&sessions[0], None)];
    assert_eq!(publish(&nginx, Some(&sessions[0]), &note("heard")), 1);
    assert_eq!(publish(&nginx, Some(&sessions[1]), &note("kept")), 0);
    let mut listener = nginx.listen_for_changes();
    assert_eq!(publish(&nginx, None, &changed()), 2);
    let twice = json!([changed(), changed()]).to_string();
    assert_eq!(nginx.send(&Request::post(twice).to("/publish")).json(), json!({"published": 2, "listening": 2}));
    // The newer stream of a session is the one that is left.
    streams.push(nginx.stream(&sessions[0], None));
    while streams[0].next().is_some() {}
    assert_eq!(publish(&nginx, None, &changed()), 2);
    nginx.reload();
    while listener.next().is_some() {}
    assert_eq!(publish(&nginx, None, &changed()), 0);
    let _again = nginx.listen_for_changes();
    assert_eq!(publish(&nginx, None, &changed()), 1);
}

#[test]
fn a_silent_stream_is_kept_alive() {
    let nginx = nginx("mcp_heartbeat 20ms;");
    let mut events = nginx.listen(&json!({}));
    for _ in 0..3 {
        assert!(events.next().unwrap().comment.is_some());
    }
}

#[test]
fn listeners_come_and_go() {
    let nginx = nginx("");
    let session = Session::open(&nginx, "2025-11-25");
    for round in 0..40 {
        let mut events = nginx.listen_for_changes();
        let get = nginx.stream(&session, None);
        if round % 2 == 0 {
            drop(get);
        }
        publish(&nginx, None, &changed());
        events.notification("notifications/tools/list_changed");
    }
}

#[test]
fn what_cannot_be_published_is_refused() {
    let nginx = nginx("");
    for (request, status) in [
        (Request::new("GET").to("/publish"), 405),
        (Request::post("{").to("/publish"), 400),
        (Request::post(note("x").to_string()).to("/publish"), 400),
        (Request::post(changed().to_string()).to("/publish?session=x"), 404),
        (Request::post(changed().to_string()).to("/publish").header("Content-Type", "text/plain"), 415),
    ] {
        let response = nginx.send(&request);
        assert_eq!(response.status, status, "{response:?}");
        response.error_code();
    }
    let from_outside = nginx.send(&Request::post(changed().to_string()).to("/pub"));
    assert_eq!(from_outside.status, 404);
}

#[test]
fn more_than_a_client_may_leave_unread_is_resumed_whole() {
    let nginx = nginx("");
    let session = Session::open(&nginx, "2025-06-18");
    let text = "x".repeat(100_000);
    for number in 0..30 {
        publish(&nginx, Some(&session), &note(&format!("{number} {text}")));
    }
    let mut events = nginx.stream(&session, None);
    for number in 0..30 {
        let data = events.notification("notifications/message")["data"].as_str().unwrap().to_owned();
        assert_eq!(data, format!("{number} {text}"));
    }
}

#[test]
fn a_reload_that_changes_the_tools_tells_every_listener() {
    let nginx = nginx("");
    let session = Session::open(&nginx, "2025-06-18");
    let listen_all = || -> Vec<Events> { (0..8).map(|_| nginx.listen_for_changes()).collect() };
    let mut listeners = listen_all();
    let mut events = nginx.stream(&session, None);
    nginx.reload();
    for events in &mut listeners {
        assert_eq!(events.message()["result"]["resultType"], "complete");
    }
    while let Some(event) = events.next() {
        assert_eq!(event.data, None);
    }
    let mut listeners = listen_all();
    let mut events = nginx.stream(&session, None);
    let changed = format!("{TOOL}\nmcp_tool other {{ description d; pass GET http://127.0.0.1:9/; }}");
    nginx.reload_with(&Conf::location(&changed).server(PUBLISH).listen("reuseport"));
    for events in &mut listeners {
        events.notification("notifications/tools/list_changed");
        assert_eq!(events.message()["result"]["resultType"], "complete");
    }
    events.notification("notifications/tools/list_changed");
    let tools = nginx.send(&session.request(1, "tools/list", json!({})));
    assert_eq!(tools.result()["tools"].as_array().unwrap().len(), 2);
}

#[test]
fn a_worker_that_is_killed_takes_its_own_streams_alone() {
    let mut nginx = nginx("");
    nginx.expect_in_log("exited on signal 9");
    let mut listeners: Vec<Events> = (0..16).map(|_| nginx.listen_for_changes()).collect();
    let session = Session::open(&nginx, "2025-11-25");
    publish(&nginx, Some(&session), &note("before"));
    let victim = listeners[0].head.header("x-worker").unwrap().to_owned();
    nginx.kill_worker(&victim);
    listeners.retain(|events| events.head.header("x-worker") != Some(&victim));
    assert!(!listeners.is_empty(), "one worker had them all");
    let mut newcomers = (0..16).map(|_| nginx.listen_for_changes());
    // Nobody counts those of the dead any more, before and after a process has taken the place.
    assert_eq!(publish(&nginx, None, &changed()), listeners.len() as u64);
    listeners.extend(newcomers.by_ref());
    for _ in 0..3 {
        assert_eq!(publish(&nginx, None, &changed()), listeners.len() as u64);
        listeners.iter_mut().for_each(|events| drop(events.notification("notifications/tools/list_changed")));
    }
    assert_eq!(nginx.stream(&session, None).notification("notifications/message")["data"], "before");
}

#[test]
fn what_is_too_large_for_all_is_refused() {
    let nginx = Conf::location(TOOL).server(&format!("client_max_body_size 4m; {PUBLISH}")).start();
    let session = Session::open(&nginx, "2025-11-25");
    let large = Request::post(note(&"x".repeat(2 << 20)).to_string());
    let refused = nginx.send(&large.to(&format!("/publish?session={}", session.id)));
    assert_eq!((refused.status, refused.error_code()), (413, 413));
}

#[test]
fn what_comes_back_from_nchan_is_heard_once() {
    let nginx = nginx("mcp_channels { }");
    let session = Session::open(&nginx, "2025-06-18");
    let mut listeners: Vec<Events> = (0..8).map(|_| nginx.listen_for_changes()).collect();
    let mut events = nginx.stream(&session, None);
    for number in 0..20 {
        publish(&nginx, None, &changed());
        publish(&nginx, Some(&session), &note(&number.to_string()));
    }
    for events in &mut listeners {
        (0..20).for_each(|_| drop(events.notification("notifications/tools/list_changed")));
    }
    for number in 0..20 {
        events.notification("notifications/tools/list_changed");
        assert_eq!(events.notification("notifications/message")["data"], number.to_string());
    }
    nginx.reload();
    for events in &mut listeners {
        // After the last of them there is only the end.
        assert_eq!(events.message()["result"]["resultType"], "complete");
    }
}

#[test]
fn who_cannot_be_told_anything_is_refused() {
    let redis = "upstream redis { nchan_redis_server redis://127.0.0.1:1; }";
    let channels = format!("{TOOL}\nmcp_channels {{ nchan_redis_pass redis; }}");
    let nginx = Conf::location(&channels).http(redis).server(PUBLISH).start();
    let listen = request(1, "subscriptions/listen", json!({"notifications": {"toolsListChanged": true}}));
    assert_eq!(nginx.send(&listen).status, 503);
    let published = nginx.send(&Request::post(changed().to_string()).to("/publish"));
    assert_eq!((published.status, published.error_code()), (503, 503));
}

#[test]
fn wrong_directives_say_what_to_do() {
    let server = |directives: &str| Conf::location(TOOL).server(directives);
    all_refused([
        (server("location = /p { mcp_publish /other; #here\n }"), vec!["\"mcp_publish\"", "\"/other\"", "\"mcp on\""]),
        (server("location = /p { mcp_publish /mcp; mcp_publish /mcp; #here\n }"), vec!["\"mcp_publish\"", "duplicate"]),
        (server("location = /p { proxy_pass http://127.0.0.1:1; mcp_publish /mcp; #here\n }"), vec!["alone"]),
        (server("mcp_listen off; location = /p { mcp_publish /mcp; #here\n }"), vec!["\"mcp_listen\" is off"]),
        (server("location /c { mcp_channels { } #here\n }"), vec!["\"mcp_channels\"", "\"mcp on\""]),
        (server("mcp_listen maybe; #here\n"), vec!["\"mcp_listen\"", "\"maybe\""]),
        (server("mcp_heartbeat soon; #here\n"), vec!["\"mcp_heartbeat\"", "\"soon\""]),
        (Conf::location("mcp_channels { nchan_no_such_thing 1; #here\n }"), vec!["nchan_no_such_thing"]),
        (Conf::location("mcp_channels { }\nmcp_channels { } #here\n"), vec!["\"mcp_channels\"", "duplicate"]),
    ]);
    taken(Conf::location("mcp_channels { nchan_message_timeout 1m; nchan_channel_group tenant; }"));
}
