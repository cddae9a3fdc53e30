//! Clients of a WebSocket and of HTTP+SSE that vanish after any byte of what they send.

use serde_json::{Value, json};

use crate::harness::{
    Conf, Events, Nginx, Request, Upstream, WebSocket, handshake, json as answer, last, request, session_request,
    stateless_request,
};

fn nginx(upstream: &Upstream) -> Nginx {
    let tool = "mcp_tool t { description d; pass POST http://up/; argument text string; }
        add_header X-Worker $pid always;";
    let conf = Conf::location(tool).listen("reuseport").http("upstream up { server UPSTREAM; }\n");
    conf.with("UPSTREAM", upstream).start()
}

fn upstream() -> Upstream {
    Upstream::answering(last(answer(&json!({"a": 1}))))
}

/// A client's frame; the mask is of zeros and changes nothing.
fn frame(message: &Value) -> Vec<u8> {
    let text = message.to_string();
    let length = u16::try_from(text.len()).unwrap().to_be_bytes();
    [&[0x81, 0x80 | 126], &length[..], &[0; 4], text.as_bytes()].concat()
}

/// Sends the beginning of these bytes on connections of their own, up to each byte, and closes or resets them.
fn vanish_after_every_byte(nginx: &Nginx, bytes: &[u8], first: usize) {
    for end in first..=bytes.len() {
        for resets in [false, true] {
            let mut client = nginx.connect();
            client.send(&bytes[..end]);
            if resets { client.reset() } else { drop(client) }
        }
    }
}

#[test]
fn a_client_of_a_websocket_vanishes_after_any_byte() {
    let upstream = upstream();
    let nginx = nginx(&upstream);
    let call = stateless_request(1, "tools/call", json!({"name": "t", "arguments": {"text": "x"}}));
    WebSocket::open(&nginx).result(&call);
    let before = nginx.state(&request(1, "tools/list", json!({})));
    // Of the handshake, and of a frame that comes with it.
    vanish_after_every_byte(&nginx, &[handshake().bytes(), frame(&call)].concat(), 1);
    // Of a frame after the handshake, and of the second one of a session, whose stream is opened with it.
    let hello =
        json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "l", "version": "1"}});
    let hello = session_request(0, "initialize", &hello);
    let second = frame(&session_request(1, "tools/call", &json!({"name": "t", "arguments": {"text": "x"}})));
    for end in 0..=second.len() {
        for resets in [false, true] {
            let mut client = nginx.connect();
            client.send(&handshake().bytes());
            assert_eq!(client.receive_head().status, 101);
            client.send(&[frame(&hello), second[..end].to_vec()].concat());
            if resets { client.reset() } else { drop(client) }
        }
    }
    nginx.await_descriptors(&before);
    WebSocket::open(&nginx).result(&call);
}

#[test]
fn a_client_of_http_sse_vanishes_after_any_byte() {
    let upstream = upstream();
    let nginx = nginx(&upstream);
    let get = Request::new("GET").header("Accept", "text/event-stream");
    let open = || {
        let mut events = Events::open(nginx.connect(), &get);
        let endpoint = events.next().unwrap().data.unwrap();
        (events, endpoint)
    };
    let call = session_request(7, "tools/call", &json!({"name": "t", "arguments": {"text": "x"}})).to_string();
    let (mut events, endpoint) = open();
    let post = Request::post(call).to(&endpoint);
    assert_eq!(nginx.send(&post).status, 202);
    while events.next().expect("an answer").name.as_deref() != Some("message") {}
    let before = nginx.state(&request(1, "tools/list", json!({})));
    // Of what opens a stream, of the stream that is open, and of what is posted for one.
    vanish_after_every_byte(&nginx, &get.bytes(), 1);
    for _ in 0..20 {
        let (other, endpoint) = open();
        nginx.send(&post.clone().to(&endpoint));
        drop(other);
    }
    vanish_after_every_byte(&nginx, &post.bytes(), 1);
    nginx.await_descriptors(&before);
    // The session that this was in goes on. What was posted whole may have been answered.
    let ping = Request::post(session_request("last", "ping", &json!({})).to_string()).to(&endpoint);
    assert_eq!(nginx.send(&ping).status, 202);
    while !events.next().expect("an answer").data.is_some_and(|data| data.contains("\"last\"")) {}
}
