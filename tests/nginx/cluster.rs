//! Two machines, which is two nginx with one Redis: they share sessions and what is published.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Conf, DEADLINE, Events, Nginx, PUBLISH, Redis, Request, Session, changed, note, request};

const TOOL: &str =
    "mcp_tool t { description d; pass GET http://127.0.0.1:9/; }\nmcp_channels { nchan_redis_pass redis; }";

fn cluster_conf(redis: &Redis) -> Conf {
    // A worker that ends waits for a connection whose descriptor Nchan has closed, as for any client that has yet to send a request.
    let upstream = format!(
        "upstream redis {{ nchan_redis_server {}; nchan_redis_storage_mode distributed; }}\nmcp_secret secret;
        client_header_timeout 5s;",
        redis.url()
    );
    let conf = Conf::location(TOOL).http(&upstream).file("secret", "a secret that both machines have in common");
    conf.server(PUBLISH).listen("reuseport")
}

fn machine(redis: &Redis) -> Nginx {
    let nginx = cluster_conf(redis).start();
    await_link(&nginx);
    nginx
}

/// Awaits that Nchan has found Redis, in whatever worker. When it had lost it, it closes that connection's descriptor twice, and so
/// that of the next attempt, whose number may be a client's by then: docs/failures.md.
fn await_link(nginx: &Nginx) {
    let deadline = Instant::now() + DEADLINE;
    let filter = json!({"notifications": {}});
    let is_linked = || {
        let mut streams = Vec::new();
        (0..16).all(|_| {
            streams.push(nginx.connect());
            let last = streams.last_mut().unwrap();
            let is_open = last.try_send(&request(1, "subscriptions/listen", filter.clone()).bytes())
                && last.try_receive_head().is_some_and(|head| head.status == 200);
            let published = || nginx.connect().try_exchange(&Request::post(changed().to_string()).to("/publish"));
            is_open && published().is_some_and(|reply| reply.status == 200)
        })
    };
    while !is_linked() {
        assert!(Instant::now() < deadline, "Nchan has not found Redis");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Awaits that each worker has noticed that Redis is gone: each has a connection of its own.
fn await_loss(nginx: &Nginx) {
    let deadline = Instant::now() + DEADLINE;
    while (0..16).any(|_| nginx.publish(None, &changed()).status != 503) {
        assert!(Instant::now() < deadline, "not all of Nchan has noticed that Redis is gone");
    }
}

/// The data of the next log message, and the id of its event.
fn next_note(events: &mut Events) -> (Value, String) {
    loop {
        let event = events.next().expect("a message before the end");
        let data = event.data.filter(|data| !data.is_empty());
        let message: Option<Value> = data.map(|data| serde_json::from_str(&data).unwrap());
        if let Some(message) = message.filter(|message| message["method"] == "notifications/message") {
            return (message["params"]["data"].clone(), event.id.unwrap());
        }
    }
}

#[test]
fn what_is_published_on_one_machine_is_heard_on_the_other() {
    let redis = Redis::start();
    let machines = [machine(&redis), machine(&redis)];
    let mut listeners: Vec<Events> =
        machines.iter().flat_map(|nginx| (0..4).map(|_| nginx.listen_for_changes())).collect();
    for nginx in &machines {
        assert_eq!(nginx.publish(None, &changed()).status, 200);
        listeners.iter_mut().for_each(|events| drop(events.notification("notifications/tools/list_changed")));
    }
    // A session that was begun on one is heard and resumed on the other, and each message comes once.
    let session = Session::open(&machines[0], "2025-11-25");
    let mut events = machines[1].stream(&session, None);
    for (number, nginx) in [0, 1, 0, 1].into_iter().enumerate() {
        assert_eq!(machines[nginx].publish(Some(&session), &note(&number.to_string())).status, 200);
        assert_eq!(next_note(&mut events).0, number.to_string());
    }
    assert_eq!(machines[0].publish(Some(&session), &note("seen")).status, 200);
    let (_, last) = next_note(&mut events);
    drop(events);
    assert_eq!(machines[0].publish(Some(&session), &note("missed")).status, 200);
    for nginx in &machines {
        assert_eq!(next_note(&mut nginx.stream(&session, Some(&last))).0, "missed");
    }
}

#[test]
fn a_stream_does_not_begin_before_other_machines_are_heard() {
    let redis = Redis::start();
    let nginx = cluster_conf(&redis).start();
    let deadline = Instant::now() + DEADLINE;
    // Nchan has found Redis in each worker, which has heard nothing of the channel yet.
    while (0..16).any(|_| nginx.publish(None, &changed()).status != 200) {
        assert!(Instant::now() < deadline, "Nchan has not found Redis");
    }
    redis.freeze();
    let filter = json!({"notifications": {"toolsListChanged": true}});
    let listen = request("s", "subscriptions/listen", filter);
    let mut connections: Vec<_> = (0..4).map(|_| nginx.connect()).collect();
    connections.iter_mut().for_each(|connection| connection.send(&listen.bytes()));
    // Whatever a worker does at once it has done when it has answered something else.
    let list = request(1, "tools/list", json!({}));
    (0..16).for_each(|_| assert_eq!(nginx.send(&list).status, 200));
    assert!(connections.iter().all(|connection| !connection.has_more()));
    redis.thaw();
    connections.iter_mut().for_each(|connection| assert_eq!(connection.receive_head().status, 200));
}

/// Sends a request until it is refused with 404: what ends is noticed a little later.
fn await_unknown(nginx: &Nginx, request: &Request) {
    let deadline = Instant::now() + DEADLINE;
    while nginx.send(request).status != 404 {
        assert!(Instant::now() < deadline, "the session has not ended");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Opens a stream of HTTP+SSE: what comes on it, and a message to it.
fn open_sse(nginx: &Nginx) -> (Events, Request) {
    let mut events = Events::open(nginx.connect(), &Request::new("GET").header("Accept", "text/event-stream"));
    let ping = Request::post(json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}).to_string());
    let ping = ping.to(&events.next().unwrap().data.unwrap());
    (events, ping)
}

/// Posts the message, and awaits its answer.
fn ask(nginx: &Nginx, (events, ping): &mut (Events, Request)) {
    assert_eq!(nginx.send(ping).status, 202);
    while events.next().expect("an answer").name.as_deref() != Some("message") {}
}

#[test]
fn a_session_that_has_ended_is_unknown_to_every_machine() {
    let redis = Redis::start();
    let machines = [machine(&redis), machine(&redis)];
    let session = Session::open(&machines[0], "2025-11-25");
    let list = session.request(1, "tools/list", json!({}));
    machines.iter().for_each(|nginx| assert_eq!(nginx.send(&list).status, 200));
    assert_eq!(machines[0].send(&session.carry(Request::new("DELETE"))).status, 204);
    machines.iter().for_each(|nginx| await_unknown(nginx, &list));
    // By HTTP+SSE, what is posted on one machine is answered on the other, as long as the stream is open.
    let mut client = open_sse(&machines[0]);
    machines.iter().for_each(|nginx| ask(nginx, &mut client));
    let (events, ping) = client;
    drop(events);
    machines.iter().for_each(|nginx| await_unknown(nginx, &ping));
}

#[test]
fn the_sessions_of_a_machine_that_dies_are_forgotten_and_no_others() {
    let redis = Redis::start();
    let [mut dying, other, nginx] = [machine(&redis), machine(&redis), machine(&redis)];
    let mut lost = open_sse(&dying);
    let mut kept = open_sse(&other);
    ask(&nginx, &mut lost);
    ask(&nginx, &mut kept);
    dying.kill();
    await_unknown(&nginx, &lost.1);
    ask(&nginx, &mut kept);
    ask(&other, &mut kept);
}

#[test]
fn a_redis_that_goes_away_is_told_of_and_missed_for_no_longer_than_that() {
    let mut redis = Redis::start();
    let mut nginx = machine(&redis);
    // Nchan's own, with no module of ours as well: at its end, of a connection that it had lost.
    nginx.expect_in_log("failed (9: Bad file descriptor)");
    let mut events = nginx.listen_for_changes();
    redis.stop();
    // The stream ends rather than miss something.
    while events.next().is_some() {}
    await_loss(&nginx);
    let filter = json!({"notifications": {"toolsListChanged": true}});
    assert_eq!(nginx.send(&request(1, "subscriptions/listen", filter)).status, 503);
    redis.resume();
    await_link(&nginx);
    let mut events = nginx.listen_for_changes();
    nginx.publish(None, &changed());
    events.notification("notifications/tools/list_changed");
}

#[test]
fn a_redis_that_falls_silent_is_told_of_and_missed_for_no_longer_than_that() {
    let redis = Redis::start();
    let nginx = machine(&redis);
    let mut events = nginx.listen_for_changes();
    redis.freeze();
    // No connection has ended, so only a time-out can tell.
    while events.next().is_some() {}
    await_loss(&nginx);
    redis.thaw();
    await_link(&nginx);
    let mut events = nginx.listen_for_changes();
    nginx.publish(None, &changed());
    events.notification("notifications/tools/list_changed");
}

#[test]
fn a_reload_leaves_nchan_nothing_that_is_gone() {
    let redis = Redis::start();
    let conf = |location: &str| {
        let upstream = format!("upstream redis {{ nchan_redis_server {}; }}", redis.url());
        // What is freed holds no traces of what it was.
        Conf::location(location).http(&upstream).server(PUBLISH).started_by(&["env", "MALLOC_PERTURB_=90"])
    };
    let mut nginx = conf(TOOL).start();
    nginx.expect_in_log("no_such_directive");
    await_link(&nginx);
    for _ in 0..2 {
        nginx.reload_with(&conf(TOOL));
        await_link(&nginx);
        // The log is still there after a configuration that is none.
        nginx.reload_in_vain_with(&conf("no_such_directive;"));
    }
    nginx.reload_with(&conf(TOOL));
    await_link(&nginx);
}
