//! Connections and descriptors that run out.

use serde_json::json;

use crate::harness::{Act, Conf, Connection, Gate, Upstream, call, json as answer, request};

const CALLS: usize = 40;

/// Makes more calls than there is room for, then lets all of them go on: each is answered or its connection closed, and
/// after it all is as before.
fn exhaust(directives: &str, connections: usize, alarms: &[&str]) {
    let gate = Gate::default();
    let upstream = Upstream::answering([vec![Act::Await(gate.clone())], answer(&json!({"a": 1}))].concat());
    let mut nginx = Conf::location("mcp_tool t { pass GET http://upstream/; }\nadd_header X-Worker $pid always;")
        .main(directives)
        .connections(connections)
        .listen("reuseport")
        .http("upstream upstream { server UPSTREAM max_fails=0; }\n")
        .with("UPSTREAM", &upstream)
        .start();
    alarms.iter().for_each(|alarm| nginx.expect_in_log(alarm));
    // A worker that has no descriptor left for that of another one, which nginx sends it at its start, hears nothing of nginx ever
    // after, as with no module at all.
    nginx.reopen_logs();
    let filter = json!({"notifications": {"toolsListChanged": true}});
    let mut clients: Vec<Connection> = (0..CALLS).map(|_| nginx.connect()).collect();
    let is_listener = |number: usize| number % 8 == 0;
    for (number, client) in clients.iter_mut().enumerate() {
        let request = match is_listener(number) {
            true => request(1, "subscriptions/listen", filter.clone()),
            false => call("t", json!({})),
        };
        client.try_send(&request.bytes());
    }
    // It has happened, be it to a client or to an upstream.
    nginx.log.await_lines(0, 1, alarms[0]);
    gate.open();
    let (mut succeeded, mut failed, mut closed) = (0, 0, 0);
    // Those that listen keep their connections, and others may have to wait for them.
    let (listeners, calls): (Vec<_>, Vec<_>) =
        clients.into_iter().enumerate().partition(|(number, _)| is_listener(*number));
    for (_, mut client) in calls.into_iter() {
        match client.try_receive_for("POST") {
            None => closed += 1,
            Some(reply) if reply.result()["isError"] == true => failed += 1,
            Some(_) => succeeded += 1,
        }
    }
    assert!(succeeded > 0 && failed + closed > 0, "{succeeded} succeeded, {failed} failed, {closed} were closed");
    drop(listeners);
    // A worker without descriptors accepts nothing for a while.
    nginx.send_to_every_worker(&call("t", json!({}))).iter().for_each(|reply| drop(reply.success()));
}

#[test]
fn connections_run_out() {
    exhaust("", 20, &["worker_connections are not enough"]);
}

#[test]
fn descriptors_run_out() {
    // The second is nginx's own, with no module of ours as well: it stops, and was about to accept connections again.
    let alarms = ["(24: Too many open files)", "accept4() failed (9: Bad file descriptor)"];
    exhaust("worker_rlimit_nofile 40;", 256, &alarms);
}
