//! A client that cuts what it sends in every way, and says what came of it.

#![allow(dead_code, reason = "no test uses all of it")]

use websocket::{Event, Socket};

/// First bytes of frames: the final ones.
pub(crate) const TEXT: u8 = 0x81;
pub(crate) const BINARY: u8 = 0x82;
pub(crate) const CONTINUATION: u8 = 0x80;
pub(crate) const CLOSE: u8 = 0x88;
pub(crate) const PING: u8 = 0x89;
pub(crate) const PONG: u8 = 0x8a;
/// Makes a frame one that others follow.
pub(crate) const MORE: u8 = 0x80;

/// A frame of a client.
pub(crate) fn frame(first: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    let mut bytes = header(first, payload.len() as u64);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// The header of a client's frame of any length.
pub(crate) fn header(first: u8, length: u64) -> Vec<u8> {
    let mut bytes = vec![first];
    match length {
        0..126 => bytes.push(0x80 | length as u8),
        126..0x1_0000 => {
            bytes.push(0x80 | 126);
            bytes.extend((length as u16).to_be_bytes());
        }
        _ => {
            bytes.push(0x80 | 127);
            bytes.extend(length.to_be_bytes());
        }
    }
    bytes.extend([0x37, 0xfa, 0x21, 0x3d]);
    bytes
}

/// A client's close frame.
pub(crate) fn close(code: u16, reason: impl AsRef<[u8]>) -> Vec<u8> {
    frame(CLOSE, [&code.to_be_bytes(), reason.as_ref()].concat())
}

/// What a connection came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) events: Vec<Event>,
    pub(crate) output: Vec<u8>,
    pub(crate) is_closed: bool,
}

impl Outcome {
    /// Events, then what was sent, each as a short text; a close frame without its reason.
    pub(crate) fn shown(&self) -> Vec<String> {
        let events = self.events.iter().map(|event| match event {
            Event::Message(text) if text.len() > 200 => format!("message of {}", text.len()),
            Event::Message(text) => format!("message {text}"),
            Event::Closed => "closed".to_owned(),
        });
        events.chain(sent(&self.output)).collect()
    }
}

/// The frames of a server, each as a short text.
pub(crate) fn sent(mut output: &[u8]) -> Vec<String> {
    let mut frames = Vec::new();
    while let [first, length, rest @ ..] = output {
        let (length, rest) = match *length {
            0..126 => (usize::from(*length), rest),
            126 => (usize::from(u16::from_be_bytes([rest[0], rest[1]])), &rest[2..]),
            _ => (u64::from_be_bytes(rest[..8].try_into().expect("a length")) as usize, &rest[8..]),
        };
        let (payload, rest) = rest.split_at(length);
        let text = String::from_utf8_lossy(payload);
        frames.push(match *first {
            TEXT if length > 200 => format!("sent of {length}"),
            TEXT => format!("sent {text}"),
            PING => format!("ping {text}"),
            PONG => format!("pong {text}"),
            CLOSE if length == 0 => "close".to_owned(),
            CLOSE => format!("close {}", u16::from_be_bytes([payload[0], payload[1]])),
            other => panic!("no frame of a server: {other:#x}"),
        });
        output = rest;
    }
    assert!(output.is_empty(), "half a frame: {output:?}");
    frames
}

/// Feeds pieces to a connection.
pub(crate) fn feed<'a>(mut socket: Socket, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let mut events = Vec::new();
    pieces.into_iter().for_each(|piece| socket.receive(piece, &mut |event| events.push(event)));
    Outcome { events, output: socket.take_output(), is_closed: socket.is_closed() }
}

/// Feeds all at once, byte by byte and in other pieces, which must come to the same.
pub(crate) fn feed_every_way(socket: impl Fn() -> Socket, bytes: &[u8], random: &mut Random) -> Outcome {
    let outcome = feed(socket(), [bytes]);
    assert_eq!(feed(socket(), bytes.chunks(1)), outcome, "byte by byte: {bytes:02x?}");
    for longest in [3, 17, 1000] {
        let mut pieces = Vec::new();
        let mut rest = bytes;
        while !rest.is_empty() {
            // Empty ones, too.
            let (piece, others) = rest.split_at(random.below(longest + 1).min(rest.len()));
            pieces.push(piece);
            rest = others;
        }
        assert_eq!(feed(socket(), pieces.iter().copied()), outcome, "{pieces:02x?}");
    }
    outcome
}

/// Numbers that look random and are the same in every run (xorshift).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % bound
    }
}
