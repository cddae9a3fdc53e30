//! Plays a client who is asked on the stream of its call.

use mcp::http::{Body, HttpReply};
use serde_json::{Value, json};

use super::compare::{matches, strip};
use super::text_of;

/// The last message of a stream, as if it had come by itself.
pub(crate) fn end_of_stream(mut reply: HttpReply) -> HttpReply {
    let text = text_of(&reply.body).unwrap_or_default();
    let last = text.split_terminator("\n\n").last().and_then(|event| event.strip_prefix("data: ")).expect("an event");
    reply.body = Body::Bytes(last.into());
    reply
}

/// Compares what the client is asked, and gives its responses.
pub(crate) fn answer(events: &[u8], asked: &Value) -> Vec<Value> {
    let events = std::str::from_utf8(events).expect("UTF-8");
    let mut ids = Vec::new();
    let mut heard = Vec::new();
    for event in events.split_terminator("\n\n") {
        let mut message: Value = serde_json::from_str(event.strip_prefix("data: ").expect("data")).expect("JSON");
        strip(&mut message, false);
        ids.push(message.as_object_mut().unwrap().remove("id").expect("an id"));
        heard.push(message);
    }
    assert!(matches(&asked["hears"], &json!(heard)), "expected {}\n     got {}", asked["hears"], json!(heard));
    let answers = asked["answers"].as_array().expect("answers");
    let responses = ids.into_iter().zip(answers).filter(|(_, answer)| !answer.is_null());
    responses
        .map(|(id, answer)| {
            let mut response = json!({"jsonrpc": "2.0", "id": id});
            response.as_object_mut().unwrap().extend(answer.as_object().expect("an object").clone());
            response
        })
        .collect()
}
