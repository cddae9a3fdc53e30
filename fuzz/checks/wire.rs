//! What holds of everything that a client is sent.

#![allow(dead_code, reason = "no target uses all of it")]

use mcp::http::{Body, HttpReply};
use mcp::{Delivery, Publication};
use serde::de::IgnoredAny;
use serde_json::Value;

/// The bytes of a body.
pub(crate) fn bytes(body: &Body) -> Vec<u8> {
    match body {
        Body::Empty => Vec::new(),
        Body::Bytes(bytes) => bytes.clone(),
        Body::Page { head, page } => [head, &page[..]].concat(),
    }
}

/// Sees that a reply is well formed, and gives its messages, each of them a response.
pub(crate) fn check_reply(reply: &HttpReply) -> Vec<Value> {
    assert!((200..600).contains(&reply.status), "{reply:?}");
    for (name, value) in &reply.headers {
        assert!(!value.contains(['\r', '\n', '\0']), "{name}: {value:?}");
    }
    let bytes = bytes(&reply.body);
    if bytes.is_empty() {
        return Vec::new();
    }
    // As a client may prefer it.
    if reply.content_type == Some("text/event-stream") {
        return check_events(&bytes);
    }
    let text = std::str::from_utf8(&bytes).expect("UTF-8");
    let messages = match serde_json::from_str(text) {
        Ok(Value::Array(messages)) => messages,
        Ok(message) => vec![message],
        // A number may be too large for a `Value`.
        Err(error) => {
            serde_json::from_str::<IgnoredAny>(text).unwrap_or_else(|_| panic!("{error}: {text}"));
            return Vec::new();
        }
    };
    for message in &messages {
        assert_eq!(message["jsonrpc"], "2.0", "{message}");
        assert!(message["result"].is_object() != message["error"].is_object(), "{message}");
    }
    messages
}

/// Sees that every event is whole, and its message one line of JSON, and gives the messages.
pub(crate) fn check_events(events: &[u8]) -> Vec<Value> {
    let events = std::str::from_utf8(events).expect("UTF-8");
    assert!(events.is_empty() || events.ends_with("\n\n"), "{events:?}");
    let mut messages = Vec::new();
    for event in events.split_terminator("\n\n") {
        assert!(!event.contains('\r'), "{event:?}");
        for line in event.split('\n') {
            let (name, value) = line.split_once(": ").expect("a field");
            match name {
                "data" if value.is_empty() => {}
                "data" if event.starts_with("event: endpoint\n") => assert!(value.contains("?session_id="), "{value}"),
                "event" => assert!(matches!(value, "endpoint" | "message"), "{event:?}"),
                "data" => {
                    assert!(value.starts_with(r#"{"jsonrpc":"2.0","#), "{value}");
                    serde_json::from_str::<IgnoredAny>(value).unwrap_or_else(|error| panic!("{error}: {value}"));
                    messages.extend(serde_json::from_str::<Value>(value));
                }
                "id" => assert!(value.starts_with("get:") && value.bytes().all(|byte| byte.is_ascii_graphic())),
                _ => assert_eq!(name, "retry", "{event:?}"),
            }
        }
    }
    messages
}

pub(crate) fn check_publication(publication: &Publication) {
    assert!(!publication.envelope.iter().any(|byte| matches!(byte, b'\r' | b'\n')));
    let delivery = Delivery::parse(&publication.envelope).expect("what was published");
    assert_eq!(delivery.topic(), &publication.topic);
}
