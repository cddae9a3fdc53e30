//! Workers that are killed under load.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use serde_json::json;

use crate::harness::{
    Conf, Events, Nginx, PUBLISH, Request, Response, Session, Upstream, call, changed, json as answer, request,
};

/// What a client says of a response: right, or none as the connection was closed.
fn judge(response: Option<&Response>, right: impl Fn(&Response) -> bool, counts: &[AtomicUsize; 2]) {
    if let Some(response) = response {
        assert!(right(response), "{response:?}");
    }
    counts[usize::from(response.is_none())].fetch_add(1, Ordering::Relaxed);
}

/// Clients of all kinds, until it is over.
fn clients(nginx: &Nginx, is_over: &AtomicBool, counts: &[AtomicUsize; 2]) {
    let session = Session::open(nginx, "2025-11-25");
    let requests = [
        call("t", json!({})),
        session.call("t", json!({})),
        session.request(2, "logging/setLevel", json!({"level": "error"})),
        session.request(3, "resources/subscribe", json!({"uri": "a:b"})),
        Request::post(changed().to_string()).to("/publish"),
    ];
    thread::scope(|scope| {
        for request in &requests {
            scope.spawn(move || {
                let mut connection = nginx.connect();
                while !is_over.load(Ordering::Relaxed) {
                    let response = connection.try_exchange(request);
                    let right = |response: &Response| {
                        response.status == 200
                            && response.json().get("error").is_none()
                            && response.json()["result"].get("isError").is_none_or(|failed| failed == false)
                    };
                    judge(response.as_ref(), right, counts);
                    if response.is_none() || !connection.is_kept() {
                        connection = nginx.connect();
                    }
                }
            });
        }
        scope.spawn(|| {
            let filter = json!({"notifications": {"toolsListChanged": true}});
            let listen = request(1, "subscriptions/listen", filter);
            while !is_over.load(Ordering::Relaxed) {
                let mut connection = nginx.connect();
                if connection.try_send(&listen.bytes()) {
                    judge(connection.try_receive_head().as_ref(), |head| head.status == 200, counts);
                }
            }
        });
    });
}

fn kill_under_load(conf: Conf) {
    let upstream = Upstream::answering(answer(&json!({"a": 1})));
    let mut nginx = conf.server(PUBLISH).with("UPSTREAM", &upstream).start();
    nginx.expect_in_log("exited on signal 9");
    // One that was killed while it used shared memory: nginx unlocks it.
    nginx.expect_in_log("was locked by");
    let session = Session::open(&nginx, "2025-11-25");
    let (is_over, counts) = (AtomicBool::new(false), [AtomicUsize::new(0), AtomicUsize::new(0)]);
    thread::scope(|scope| {
        scope.spawn(|| clients(&nginx, &is_over, &counts));
        for round in 0..8 {
            let answered = counts[0].load(Ordering::Relaxed);
            while counts[0].load(Ordering::Relaxed) < answered + 50 {
                thread::yield_now();
            }
            nginx.kill_worker(&nginx.workers()[round % 2]);
        }
        is_over.store(true, Ordering::Relaxed);
    });
    // Everything works on, and what was begun before is known.
    nginx.send(&session.call("t", json!({}))).success();
    let mut listeners: Vec<Events> = (0..8).map(|_| nginx.listen_for_changes()).collect();
    assert_eq!(nginx.publish(None, &changed()).json()["published"], 1);
    listeners.iter_mut().for_each(|events| drop(events.notification("notifications/tools/list_changed")));
    nginx.send(&session.carry(Request::new("DELETE")));
    assert_eq!(nginx.send(&session.call("t", json!({}))).status, 404);
}

const TOOLS: &str = "mcp_tool t { pass GET http://UPSTREAM/; }
mcp_resource a:b { text x; }";

#[test]
fn a_worker_is_killed_under_load() {
    kill_under_load(Conf::location(TOOLS).without_nchan());
}

#[test]
fn a_worker_is_killed_under_load_beside_nchan() {
    kill_under_load(Conf::location(TOOLS));
}
