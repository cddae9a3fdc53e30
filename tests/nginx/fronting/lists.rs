//! Lists of a server behind that are learned, change and are long.

use std::net::TcpListener;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{front, legacy, message, modern, names, result, shown, text_result, tool, with_lines};
use crate::harness::{Act, Conf, Events, Gate, Port, Upstream, call, request};

#[test]
fn a_server_that_comes_later_is_heard_of() {
    let port = Port::reserve();
    let nginx = front(&port.address(), "").start();
    assert_eq!(names(&nginx), [""; 0]);
    let filter = json!({"notifications": {"toolsListChanged": true}});
    let mut events = Events::open(nginx.connect(), &request("s", "subscriptions/listen", filter));
    events.notification("notifications/subscriptions/acknowledged");
    let listener = TcpListener::bind(port.address()).unwrap();
    let tools = Arc::new(std::sync::Mutex::new(vec![tool("a")]));
    let server = Upstream::on(listener, {
        let tools = tools.clone();
        move |received| {
            modern(received, &tools.lock().unwrap()).unwrap_or_else(|| result(received, &text_result("called")))
        }
    });
    events.notification("notifications/tools/list_changed");
    // All of them know it now.
    for response in nginx.send_to_every_worker(&request(1, "tools/list", json!({}))) {
        assert_eq!(response.result()["tools"][0]["name"], "a");
    }
    drop(server);
    // What is known of it stays for a while, and calls say what is wrong.
    assert_eq!(names(&nginx), ["a"]);
    let failed = nginx.send(&call("a", json!({}))).result();
    assert_eq!((shown(&failed).1, shown(&failed).0.starts_with("\"behind\": ")), (true, true), "{failed}");
}

#[test]
fn a_list_that_changes_is_announced() {
    let tools = Arc::new(std::sync::Mutex::new(vec![tool("a")]));
    let server = Upstream::new({
        let tools = tools.clone();
        move |received| {
            modern(received, &tools.lock().unwrap()).unwrap_or_else(|| result(received, &text_result("called")))
        }
    });
    let nginx = front(&server, "cache 1s;").start();
    assert_eq!(names(&nginx), ["a"]);
    let filter = json!({"notifications": {"toolsListChanged": true}});
    let mut events = Events::open(nginx.connect(), &request("s", "subscriptions/listen", filter));
    events.notification("notifications/subscriptions/acknowledged");
    tools.lock().unwrap().push(tool("b"));
    events.notification("notifications/tools/list_changed");
    for response in nginx.send_to_every_worker(&request(1, "tools/list", json!({}))) {
        assert_eq!(response.result()["tools"][1]["name"], "b");
    }
    assert_eq!(shown(&nginx.send(&call("b", json!({}))).result()), ("called", false));
}

#[test]
fn what_a_server_says_of_its_lists_is_heard_at_once() {
    for is_modern in [true, false] {
        let tools = Arc::new(std::sync::Mutex::new(vec![tool("a")]));
        let (changed, closed) = (Gate::default(), Gate::default());
        let server = Upstream::new({
            let (tools, changed, closed) = (tools.clone(), changed.clone(), closed.clone());
            move |received| {
                let is_listening =
                    received.line().starts_with("GET ") || message(received)["method"] == "subscriptions/listen";
                if is_listening {
                    match is_modern {
                        true => {
                            let filter = &message(received)["params"]["notifications"];
                            assert_eq!(*filter, json!({"toolsListChanged": true}));
                        }
                        false => assert_eq!(received.header("mcp-session-id").as_deref(), Some("s")),
                    }
                    let news = json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"});
                    return vec![
                        Act::Send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n: hello\n\n".to_vec()),
                        Act::Await(changed.clone()),
                        Act::Send(format!("data: {news}\n\n").into_bytes()),
                        Act::AwaitClose(closed.clone()),
                    ];
                }
                let capabilities = json!({"tools": {"listChanged": true}});
                match message(received)["method"].as_str() {
                    Some("server/discover") if is_modern => {
                        result(received, &json!({"supportedVersions": ["2026-07-28"], "capabilities": capabilities}))
                    }
                    Some("initialize") => {
                        let result = json!({"protocolVersion": "2025-11-25", "capabilities": capabilities});
                        let body = json!({"jsonrpc": "2.0", "id": message(received)["id"], "result": result});
                        with_lines(200, "Mcp-Session-Id: s\r\n", &body.to_string())
                    }
                    _ if is_modern => modern(received, &tools.lock().unwrap()).unwrap(),
                    _ => legacy(received, "s", &tools.lock().unwrap()).unwrap(),
                }
            }
        });
        let nginx = front(&server, "cache 1h;").start();
        assert_eq!(names(&nginx), ["a"]);
        let filter = json!({"notifications": {"toolsListChanged": true}});
        let mut events = Events::open(nginx.connect(), &request("s", "subscriptions/listen", filter));
        events.notification("notifications/subscriptions/acknowledged");
        tools.lock().unwrap().push(tool("b"));
        changed.open();
        events.notification("notifications/tools/list_changed");
        for response in nginx.send_to_every_worker(&request(1, "tools/list", json!({}))) {
            assert_eq!(response.result()["tools"][1]["name"], "b");
        }
        // A worker that ends does not wait for the server.
        nginx.reload();
        closed.wait();
    }
}

#[test]
fn ten_thousand_tools_are_listed_page_by_page() {
    let server = Upstream::new(|received| {
        let cursor = message(received)["params"]["cursor"].as_str().map(|cursor| cursor.parse::<usize>().unwrap());
        let page = cursor.unwrap_or(0);
        if message(received)["method"] == "tools/list" {
            let tools: Vec<Value> =
                (page * 1000..(page + 1) * 1000).map(|number| tool(&format!("t{number}"))).collect();
            // There is always another page.
            return result(
                received,
                &json!({"resultType": "complete", "tools": tools, "nextCursor": (page + 1).to_string()}),
            );
        }
        modern(received, &[]).unwrap_or_else(|| result(received, &text_result("called")))
    });
    let nginx = Conf::location(
        "mcp_upstream behind { pass http://SERVER/mcp; }
         mcp_tool t5 { pass GET http://SERVER/own; }
         mcp_page_size 4000;",
    )
    .with("SERVER", &server)
    .start();
    let mut connection = nginx.connect();
    let mut list = |cursor: &Value| connection.exchange(&request(1, "tools/list", json!({"cursor": cursor}))).result();
    // A request waits for the first look, but not for ever, and this one is long on a busy machine.
    while list(&json!(null))["tools"].as_array().unwrap().len() == 1 {}
    let (mut cursor, mut found) = (json!(null), Vec::new());
    let mut pages = 0;
    loop {
        let result = list(&cursor);
        found.extend(result["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap().to_owned()));
        pages += 1;
        match result.get("nextCursor") {
            Some(next) => cursor = next.clone(),
            None => break,
        }
    }
    let expected: Vec<String> = std::iter::once(5)
        .chain((0..10_000).filter(|number| *number != 5))
        .map(|number| format!("t{number}"))
        .collect();
    assert_eq!((pages, found.len()), (3, 10_000));
    assert!(found == expected, "the order is that of the configuration and the server");
    assert_eq!(shown(&connection.exchange(&call("t9999", json!({}))).result()), ("called", false));
}
