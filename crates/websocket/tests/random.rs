//! Whatever a client sends, and however it is cut, the same comes of it, within bounds, and as tungstenite understands it.

mod support;

use std::io::{self, Read, Write};

use support::{BINARY, CLOSE, CONTINUATION, MORE, PING, PONG, Random, TEXT, feed_every_way, frame, sent};
use tungstenite::Message;
use tungstenite::protocol::{Role, WebSocket, WebSocketConfig};
use websocket::{Event, Socket};

const MAX: usize = 300;

/// A conversation, now and then with a fault.
fn conversation(random: &mut Random) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut is_begun = false;
    for _ in 0..random.below(12) {
        let text = "aé€😀".repeat(random.below(14));
        let (first, payload) = match random.below(20) {
            0..4 => (PING, &text.as_bytes()[..text.len().min(125)]),
            4 => (PONG, &b"pong"[..]),
            5 => ([CLOSE, BINARY, 0x83][random.below(3)], &b"\x03\xe8bye"[..]),
            _ => {
                // Cut in the middle of characters, too.
                let first = if is_begun { CONTINUATION } else { TEXT };
                is_begun = random.below(2) == 0;
                (if is_begun { first ^ MORE } else { first }, text.as_bytes())
            }
        };
        bytes.extend(frame(first, payload));
    }
    if random.below(3) == 0 && !bytes.is_empty() {
        let place = random.below(bytes.len());
        bytes[place] ^= 1 << random.below(8);
    }
    bytes
}

/// The client's bytes, and nowhere to write to.
struct Wire<'a>(&'a [u8]);

impl Read for Wire<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Wire<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The messages that tungstenite's own connection reads before a fault, a close or a binary message.
fn second_opinion(bytes: &[u8]) -> Vec<Event> {
    let config = WebSocketConfig::default().read_buffer_size(512).max_message_size(Some(MAX)).max_frame_size(Some(MAX));
    let mut socket = WebSocket::from_raw_socket(Wire(bytes), Role::Server, Some(config));
    let mut messages = Vec::new();
    loop {
        match socket.read() {
            Ok(Message::Text(text)) => messages.push(Event::Message(text.to_string())),
            Ok(Message::Ping(_) | Message::Pong(_)) => {}
            _ => return messages,
        }
    }
}

fn check(bytes: &[u8], random: &mut Random) -> Vec<Event> {
    let outcome = feed_every_way(|| Socket::new(MAX), bytes, random);
    let mut messages = outcome.events;
    let is_closed = messages.last() == Some(&Event::Closed);
    assert_eq!(is_closed, outcome.is_closed, "{bytes:02x?}");
    if is_closed {
        messages.pop();
    }
    assert_eq!(messages, second_opinion(bytes), "{bytes:02x?}");
    let frames = sent(&outcome.output);
    let closes = frames.iter().filter(|frame| frame.starts_with("close")).count();
    assert_eq!(closes, usize::from(is_closed), "{bytes:02x?}");
    assert!(frames.len() <= 18, "{bytes:02x?}");
    messages
}

#[test]
fn conversations() {
    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut messages = 0;
    for _ in 0..1000 {
        let bytes = conversation(&mut random);
        messages += check(&bytes, &mut random).len();
    }
    assert!(messages > 1000, "{messages}");
}

#[test]
fn noise() {
    let mut random = Random(0x5851_f42d_4c95_7f2d);
    for _ in 0..1000 {
        let length = random.below(40);
        let mut bytes: Vec<u8> = (0..length).map(|_| random.below(256) as u8).collect();
        // Most would fail at the first byte otherwise.
        if let [first, second, ..] = &mut bytes[..] {
            *first &= 0x8b;
            *second |= 0x80;
        }
        check(&bytes, &mut random);
    }
}
