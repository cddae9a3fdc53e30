//! Texts of clients, upstreams and documents where they could do harm. SECURITY.md says where the other tests of this kind are.

use serde_json::{Value, json};

use crate::harness::{Act, Conf, Request, Session, Upstream, call, json as answer, request, response};

/// What begins a line of a terminal anew, colours it, or ends a line of a log.
const HARM: &str = "a\r\nforged: line\u{1b}[31m\u{8}\u{7f}\u{9b}\0b";

/// Sees that nothing in these lines is a line of its own, or speaks to a terminal.
fn are_harmless(lines: &[String], expected: &str) {
    assert!(lines.iter().any(|line| line.contains("forged") && line.contains(expected)), "{expected} in {lines:#?}");
    for line in lines {
        assert!(!line.trim_start().starts_with("forged"), "{line:?}");
        assert!(!line.chars().any(|c| c.is_control() && c != '\t'), "{line:?}");
    }
}

#[test]
fn what_a_document_says_cannot_break_the_error_log() {
    let broken = json!({"$ref": format!("#/{HARM}")});
    let mut document = json!({
        "openapi": "3.1.0",
        "info": {"title": HARM, "version": HARM},
        "servers": [{"url": "http://127.0.0.1:9"}],
        "paths": {"/a": {"get": {"operationId": "a"}}, "/b": {"get": {"operationId": HARM, "parameters": [broken]}}},
    });
    document["paths"][format!("/{HARM}")] = json!({"get": {"requestBody": broken}, "post": broken});
    for strict in ["", "strict on;"] {
        let conf =
            Conf::location(&format!("mcp_openapi api.json {{ {strict} }}")).file("api.json", document.to_string());
        let (taken, output) = conf.check();
        assert_eq!(taken, strict.is_empty(), "{output:?}");
        let lines: Vec<String> = output.split('\n').map(str::to_owned).collect();
        are_harmless(&lines, "api.json");
    }
}

#[test]
fn what_an_upstream_says_cannot_break_the_error_log() {
    let block = json!({"content": [{"type": HARM, "text": HARM}]});
    let upstream = Upstream::new(move |received| match received.target().as_str() {
        "/mcp" => answer(&block),
        "/strict" => answer(&json!({"a": HARM})),
        _ => response(200, "application/json", HARM),
    });
    let nginx = Conf::location(
        "mcp_tool mcp { pass GET http://UPSTREAM/mcp; result mcp; }
         mcp_tool strict { pass GET http://UPSTREAM/strict; output_schema schema.json; }
         mcp_tool text { pass GET http://UPSTREAM/text; }",
    )
    .file("schema.json", json!({"type": "object", "properties": {"a": {"const": HARM.to_owned() + "c"}}}).to_string())
    .with("UPSTREAM", &upstream)
    .start();
    for tool in ["mcp", "strict", "text"] {
        nginx.send(&call(tool, json!({}))).result();
    }
    let noted = nginx.log.await_lines(0, 3, "mcp: ");
    are_harmless(&noted, "mcp: ");
    let lines = nginx.log.since(0);
    assert!(lines.iter().all(|line| !line.trim_start().starts_with("forged")), "{lines:#?}");
}

#[test]
fn what_an_upstream_says_in_its_header_cannot_break_a_reply() {
    let lines = "X-Split: a\rSet-Cookie: b\r\nMcp-Session-Id: forged\r\nLocation: http://127.0.0.1:9/\r\n\
                 Access-Control-Allow-Origin: *\r\nX-Accel-Redirect: /secret\r\nRefresh: 0; url=http://127.0.0.1:9/\r\n";
    let sent = format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{lines}Content-Length: 2\r\n\r\n{{}}");
    let upstream = Upstream::answering(vec![Act::Send(sent.into_bytes())]);
    let nginx = Conf::location("mcp_tool t { pass GET http://UPSTREAM/; }").with("UPSTREAM", &upstream).start();
    let reply = nginx.send(&call("t", json!({})));
    let names: Vec<&str> = reply.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["server", "date", "content-type", "content-length", "connection"]);
}

#[test]
fn a_session_cannot_be_chosen_or_changed() {
    let nginx = Conf::location("").start();
    let session = Session::open(&nginx, "2025-06-18");
    let ping = |id: &str| {
        let session = Session { id: id.to_owned(), version: session.version.clone() };
        nginx.send(&session.request(1, "ping", json!({}))).status
    };
    assert_eq!(ping(&session.id), 200);
    // A client that brings an id to its first request gets another one.
    let brought = nginx.send(&session.carry(Session::initialize("2025-06-18")));
    assert_ne!(brought.header("mcp-session-id").unwrap(), session.id);
    let (payload, tag) = session.id.split_once('.').unwrap();
    for id in [format!("{payload}."), format!("{payload}.{}", "A".repeat(tag.len())), format!("A{payload}.{tag}")] {
        assert_eq!(ping(&id), 404, "{id}");
    }
}

#[test]
fn a_session_is_for_the_user_who_began_it() {
    let nginx = Conf::location("mcp_principal $http_x_user; mcp_tool t { pass GET http://UPSTREAM/; }")
        .with("UPSTREAM", Upstream::new(|_| response(200, "text/plain", "x")))
        .start();
    let by = |user: &str, request: Request| if user.is_empty() { request } else { request.header("X-User", user) };
    for (owner, other, status) in [("ada", "bob", 404), ("ada", "", 404), ("", "ada", 200), ("ada", "ada", 200)] {
        let session = Session::from(&nginx.send(&by(owner, Session::initialize("2025-06-18"))), "2025-06-18");
        for request in [
            session.request(1, "ping", json!({})),
            session.call("t", json!({})),
            session.request(2, "logging/setLevel", json!({"level": "error"})),
        ] {
            assert_eq!(nginx.send(&by(other, request)).status, status, "{owner}'s session, {other}");
        }
        if status == 404 {
            let own = || session.carry(Request::new("GET").header("Accept", "text/event-stream"));
            assert_eq!(nginx.send(&by(other, own())).status, 404);
            assert_eq!(nginx.send(&by(other, session.carry(Request::new("DELETE")))).status, 404);
            // Nobody has ended it.
            assert_eq!(nginx.send(&by(owner, session.request(3, "ping", json!({})))).status, 200);
        }
    }
}

#[test]
fn what_a_client_says_is_data_in_every_reply() {
    let nginx = Conf::location("mcp_tool t { pass GET http://127.0.0.1:9/; argument n integer; }").start();
    let messages = [
        request(HARM, "tools/call", json!({"name": HARM, "arguments": {}})).without("Mcp-Name"),
        request(HARM, HARM, json!({})).without("Mcp-Method"),
        call("t", json!({"n": HARM})),
        call("t", json!({HARM: HARM})),
        request(1, "resources/read", json!({"uri": HARM})),
        request(1, "tools/list", json!({"cursor": HARM})),
    ];
    for message in messages {
        let reply = nginx.send(&message);
        let value: Value = serde_json::from_slice(&reply.body).unwrap();
        assert_eq!(value["jsonrpc"], "2.0");
        // JSON has no control characters: not one came through unescaped.
        assert!(reply.body.iter().all(|byte| *byte >= 0x20), "{}", reply.text());
        assert!(reply.headers.iter().all(|(name, value)| !name.contains("forged") && !value.contains("forged")));
    }
}
