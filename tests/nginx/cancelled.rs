//! Calls whose clients want to hear no more of them: `notifications/cancelled`, from another connection than the call's.

use serde_json::{Value, json};

use crate::harness::{Act, Conf, Events, Gate, Nginx, Request, Session, Upstream, json as answer};

const TOOL: &str = "mcp_tool work { description d; pass POST http://UPSTREAM/work; argument wait boolean; }\nadd_header X-Worker $pid always;";

fn nginx(upstream: &Upstream) -> Nginx {
    Conf::location(TOOL).with("UPSTREAM", upstream).listen("reuseport").start()
}

/// Cancels a call, and gives the worker that has taken the message.
fn cancel(nginx: &Nginx, session: &Session, id: &Value) -> String {
    let body = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}});
    let response = nginx.send(&session.carry(Request::post(body.to_string())));
    assert_eq!((response.status, response.body.len()), (202, 0));
    response.header("x-worker").unwrap().to_owned()
}

#[test]
fn a_cancelled_call_ends_in_whatever_worker_it_runs() {
    for version in ["2025-03-26", "2025-06-18", "2025-11-25"] {
        let gate = Gate::default();
        let upstream = Upstream::answering(vec![Act::AwaitClose(gate.clone())]);
        let nginx = nginx(&upstream);
        let session = Session::open(&nginx, version);
        let mut elsewhere = 0;
        for number in 1..=12 {
            let mut connection = nginx.connect();
            let id = json!(format!("call {number}"));
            let params = json!({"name": "work", "arguments": {}});
            connection.send(&session.request(id.clone(), "tools/call", params).bytes());
            upstream.await_requests(number);
            // Others are not meant.
            cancel(&nginx, &session, &json!("call 0"));
            cancel(&nginx, &Session::open(&nginx, version), &id);
            let worker = cancel(&nginx, &session, &id);
            let response = connection.receive();
            assert_eq!((response.status, response.body.len()), (202, 0));
            elsewhere += usize::from(response.header("x-worker") != Some(&worker));
            // The connection is good for more.
            let list = connection.exchange(&session.request(1, "tools/list", json!({})));
            assert_eq!(list.result()["tools"][0]["name"], "work");
        }
        assert!(elsewhere > 0, "every cancellation came to the worker of its call");
        gate.wait();
    }
}

#[test]
fn a_stream_that_has_begun_ends_without_a_result() {
    let gate = Gate::default();
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
    let upstream = Upstream::answering(vec![
        Act::Send(format!("{head}data: {{\"progress\":1}}\n\n").into_bytes()),
        Act::AwaitClose(gate.clone()),
    ]);
    let nginx = nginx(&upstream);
    let session = Session::open(&nginx, "2025-06-18");
    let params = json!({"name": "work", "arguments": {}, "_meta": {"progressToken": 1}});
    let mut events = Events::open(nginx.connect(), &session.request(7, "tools/call", params));
    events.notification("notifications/progress");
    cancel(&nginx, &session, &json!(7));
    assert_eq!(events.next(), None);
    gate.wait();
}

#[test]
fn a_batch_goes_on_with_its_next_call() {
    let gate = Gate::default();
    let waits = vec![Act::AwaitClose(gate.clone())];
    let upstream = Upstream::new(move |request| match request.body() == b"{\"wait\":true}" {
        true => waits.clone(),
        false => answer(&json!({"done": true})),
    });
    let nginx = nginx(&upstream);
    let session = Session::open(&nginx, "2025-03-26");
    let call = |id: u64, arguments: Value| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": "work", "arguments": arguments}});
    let mut connection = nginx.connect();
    let batch = json!([call(1, json!({"wait": true})), call(2, json!({}))]);
    connection.send(&session.carry(Request::post(batch.to_string())).bytes());
    upstream.await_requests(1);
    cancel(&nginx, &session, &json!(1));
    let replies = connection.receive().json();
    assert_eq!((replies.as_array().unwrap().len(), &replies[0]["id"]), (1, &json!(2)));
    gate.wait();
}

#[test]
fn what_is_over_cannot_be_cancelled() {
    let upstream = Upstream::answering(answer(&json!({})));
    let nginx = nginx(&upstream);
    let session = Session::open(&nginx, "2025-11-25");
    for _ in 0..20 {
        assert_eq!(nginx.send(&session.call("work", json!({}))).status, 200);
        cancel(&nginx, &session, &json!(1));
    }
    cancel(&nginx, &session, &json!(null));
}
