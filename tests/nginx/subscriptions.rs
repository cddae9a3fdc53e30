//! Resources that sessions subscribe to, in whatever worker their requests and streams are.

use serde_json::{Value, json};

use crate::harness::{Conf, Events, Nginx, PUBLISH, Request, Session, request};

const VERSIONS: [&str; 3] = ["2025-03-26", "2025-06-18", "2025-11-25"];
const UPDATED: &str = "notifications/resources/updated";

/// An nginx whose workers share its connections evenly.
fn conf(more: &str) -> Conf {
    let location = format!(
        "mcp_resource a:b {{ text x; }}\nmcp_resource \"a:c/{{id}}\" {{ text x; }}\nadd_header X-Worker $pid always;\n{more}"
    );
    Conf::location(&location).server(PUBLISH).listen("reuseport")
}

/// Sends such a request on a new connection, and gives the worker that answered it.
fn send(nginx: &Nginx, session: &Session, method: &str, uri: &str) -> String {
    let response = nginx.send(&session.request(1, &format!("resources/{method}"), json!({"uri": uri})));
    assert_eq!((response.status, response.result()), (200, json!({})));
    response.header("x-worker").unwrap().to_owned()
}

fn publish(nginx: &Nginx, uri: &str) {
    let message = json!({"method": UPDATED, "params": {"uri": uri}});
    let response = nginx.publish(None, &message);
    assert_eq!((response.status, &response.json()["published"]), (200, &json!(1)));
}

/// Sees that a stream hears of these, in this order, and of nothing before.
fn hears(events: &mut Events, uris: &[&str]) {
    for uri in uris {
        assert_eq!(events.notification(UPDATED), json!({"uri": uri}));
    }
}

#[test]
fn a_session_hears_of_what_it_has_subscribed_to() {
    let nginx = conf("").start();
    for version in VERSIONS {
        let session = Session::open(&nginx, version);
        let other = Session::open(&nginx, version);
        send(&nginx, &session, "subscribe", "a:b");
        let mut events = nginx.stream(&session, None);
        let mut deaf = nginx.stream(&other, None);
        publish(&nginx, "a:b");
        hears(&mut events, &["a:b"]);
        let mut workers = Vec::new();
        for number in 0..8 {
            workers.push(send(&nginx, &session, "subscribe", &format!("a:c/{number}")));
        }
        workers.dedup();
        assert!(workers.len() > 1, "one worker has them all");
        for number in 0..4 {
            send(&nginx, &session, "unsubscribe", &format!("a:c/{number}"));
        }
        for number in 0..8 {
            publish(&nginx, &format!("a:c/{number}"));
        }
        publish(&nginx, "a:b");
        hears(&mut events, &["a:c/4", "a:c/5", "a:c/6", "a:c/7", "a:b"]);
        send(&nginx, &other, "subscribe", "a:c/0");
        publish(&nginx, "a:c/0");
        hears(&mut deaf, &["a:c/0"]);
    }
}

#[test]
fn subscriptions_outlast_streams_and_reloads() {
    let nginx = conf("").start();
    let session = Session::open(&nginx, "2025-06-18");
    send(&nginx, &session, "subscribe", "a:b");
    send(&nginx, &session, "subscribe", "a:c/1");
    for _ in 0..6 {
        let mut events = nginx.stream(&session, None);
        publish(&nginx, "a:b");
        hears(&mut events, &["a:b"]);
    }
    nginx.reload();
    send(&nginx, &session, "unsubscribe", "a:b");
    let mut events = nginx.stream(&session, None);
    publish(&nginx, "a:b");
    publish(&nginx, "a:c/1");
    hears(&mut events, &["a:c/1"]);
}

#[test]
fn the_end_of_a_session_is_the_end_of_its_subscriptions() {
    let nginx = conf("").start();
    let session = Session::open(&nginx, "2025-11-25");
    send(&nginx, &session, "subscribe", "a:b");
    let events = nginx.stream(&session, None);
    assert_eq!(nginx.send(&session.carry(Request::new("DELETE"))).status, 204);
    drop(events);
    let subscribe = session.request(1, "resources/subscribe", json!({"uri": "a:b"}));
    assert_eq!(nginx.send(&subscribe).status, 404);
    publish(&nginx, "a:b");
}

#[test]
fn a_session_cannot_subscribe_without_end() {
    let nginx = conf("").start();
    let session = Session::open(&nginx, "2025-11-25");
    let refused = (0..20).find_map(|number| {
        let uri = format!("a:c/{number}{}", "0".repeat(4000));
        let reply = nginx.send(&session.request(1, "resources/subscribe", json!({"uri": uri}))).json();
        reply.get("error").cloned()
    });
    assert!(refused.unwrap()["message"].as_str().unwrap().contains("too many subscriptions"));
}

#[test]
fn a_listener_hears_of_the_resources_that_it_names() {
    let nginx = conf("").start();
    let filter = json!({"notifications": {"resourceSubscriptions": ["a:b", "a:c/1"], "resourcesListChanged": true}});
    let mut events = Events::open(nginx.connect(), &request("s", "subscriptions/listen", filter));
    let acknowledged = events.notification("notifications/subscriptions/acknowledged");
    assert_eq!(acknowledged["notifications"]["resourceSubscriptions"], json!(["a:b", "a:c/1"]));
    for uri in ["a:c/2", "a:c/1", "a:b"] {
        publish(&nginx, uri);
    }
    for uri in ["a:c/1", "a:b"] {
        assert_eq!(events.notification(UPDATED)["uri"], uri);
    }
    nginx.reload_with(&conf("mcp_resource a:d { text x; }"));
    events.notification("notifications/resources/list_changed");
}

#[test]
fn without_streams_there_is_nothing_to_subscribe_to() {
    let nginx = Conf::location("mcp_listen off; mcp_resource a:b { text x; }").start();
    let session = Session::open(&nginx, "2025-11-25");
    let subscribe = session.request(1, "resources/subscribe", json!({"uri": "a:b"}));
    assert_eq!(nginx.send(&subscribe).error_code(), -32601);
    let discovered: Value = nginx.send(&request(1, "server/discover", json!({}))).result();
    assert_eq!(discovered["capabilities"]["resources"], json!({}));
}
