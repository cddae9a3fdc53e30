//! Resources of a server behind that clients want to hear of.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{front, message, result, with_lines};
use crate::harness::{Act, Events, Gate, Received, Request, Session, Upstream, request, response};

/// What a test and its server tell each other.
#[derive(Clone, Default)]
struct Signs {
    /// It was asked to tell of the resource.
    subscribed: Gate,
    /// The resource has changed.
    changed: Gate,
    /// It was asked not to tell any more.
    left: Gate,
    /// What it was asked to tell of.
    asked: Arc<Mutex<Vec<Value>>>,
}

/// A server with a resource `note:a`, and with whatever begins with `day:`.
fn server(is_modern: bool, signs: &Signs) -> Upstream {
    let signs = signs.clone();
    Upstream::new(move |received: &Received| {
        let stream = |changed: &str| {
            let params = json!({"uri": changed});
            let news = json!({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": params});
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n: hello\n\n";
            vec![
                Act::Send(head.as_bytes().to_vec()),
                Act::Await(signs.changed.clone()),
                Act::Send(format!("data: {news}\n\n").into_bytes()),
                Act::AwaitClose(if is_modern { signs.left.clone() } else { Gate::default() }),
            ]
        };
        if received.line().starts_with("GET ") {
            return stream("note:a");
        }
        let message = message(received);
        let capabilities = json!({"resources": {"subscribe": true}});
        match message["method"].as_str().unwrap() {
            "server/discover" if is_modern => {
                result(received, &json!({"supportedVersions": ["2026-07-28"], "capabilities": capabilities}))
            }
            "server/discover" => response(400, "text/plain", "no session"),
            "initialize" => {
                let result = json!({"protocolVersion": "2025-11-25", "capabilities": capabilities});
                let body = json!({"jsonrpc": "2.0", "id": message["id"], "result": result});
                with_lines(200, "Mcp-Session-Id: s\r\n", &body.to_string())
            }
            "resources/list" => result(received, &json!({"resources": [{"uri": "note:a", "name": "a"}]})),
            "resources/templates/list" => {
                result(received, &json!({"resourceTemplates": [{"uriTemplate": "day:{day}", "name": "d"}]}))
            }
            "subscriptions/listen" => {
                let uris = &message["params"]["notifications"]["resourceSubscriptions"];
                signs.asked.lock().unwrap().push(uris.clone());
                signs.subscribed.open();
                stream("note:a")
            }
            "resources/subscribe" => {
                signs.asked.lock().unwrap().push(json!([message["params"]["uri"]]));
                signs.subscribed.open();
                result(received, &json!({}))
            }
            "resources/unsubscribe" => {
                signs.left.open();
                result(received, &json!({}))
            }
            "notifications/initialized" => response(202, "text/plain", ""),
            other => panic!("{other}"),
        }
    })
}

#[test]
fn a_server_is_asked_for_what_clients_want_to_hear_of() {
    for is_modern in [true, false] {
        let signs = Signs::default();
        let server = server(is_modern, &signs);
        let nginx = front(&server, "cache 1s;").start();
        let listed = nginx.send(&request(1, "resources/list", json!({}))).result();
        assert_eq!(listed["resources"][0]["uri"], "note:a");
        // In both workers, in either way.
        let filter = json!({"notifications": {"resourceSubscriptions": ["note:a"]}});
        let mut streams: Vec<Events> = (0..4)
            .map(|_| {
                let mut events = Events::open(nginx.connect(), &request("s", "subscriptions/listen", filter.clone()));
                events.notification("notifications/subscriptions/acknowledged");
                events
            })
            .collect();
        for _ in 0..2 {
            let session = Session::open(&nginx, "2025-06-18");
            let stream = session.carry(Request::new("GET").header("Accept", "text/event-stream"));
            streams.push(Events::open(nginx.connect(), &stream));
            nginx.send(&session.request(1, "resources/subscribe", json!({"uri": "note:a"}))).result();
        }
        signs.subscribed.wait();
        signs.changed.open();
        for events in &mut streams {
            assert_eq!(events.notification("notifications/resources/updated")["uri"], "note:a");
        }
        assert!(signs.asked.lock().unwrap().iter().all(|uris| *uris == json!(["note:a"])));
        // Nobody hears of it any more.
        drop(streams);
        signs.left.wait();
    }
}

#[test]
fn what_a_template_leads_to_can_be_heard_of() {
    let signs = Signs::default();
    let server = server(false, &signs);
    let nginx = front(&server, "").start();
    let filter = json!({"notifications": {"resourceSubscriptions": ["day:monday", "elsewhere:a"]}});
    let mut events = Events::open(nginx.connect(), &request("s", "subscriptions/listen", filter));
    events.notification("notifications/subscriptions/acknowledged");
    signs.subscribed.wait();
    assert_eq!(*signs.asked.lock().unwrap(), [json!(["day:monday"])]);
}
