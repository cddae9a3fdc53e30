//! Frames as they come in pieces, and as they go out: RFC 6455 section 5.2.

use std::io::Cursor;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{CloseCode, Control, OpCode};

/// The longest header: two bytes, eight of length, four of mask.
const MAX_HEADER: usize = 14;
/// The longest payload of a control frame, section 5.5.
pub(crate) const MAX_CONTROL: usize = 125;

/// Why a connection fails: what the close frame says of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: CloseCode,
    pub(crate) reason: &'static str,
}

impl Failure {
    pub(crate) const fn protocol(reason: &'static str) -> Self {
        Failure { code: CloseCode::Protocol, reason }
    }
}

/// The beginning of a header that is not complete yet.
#[derive(Debug, Default)]
pub(crate) struct PartialHeader {
    bytes: [u8; MAX_HEADER],
    length: usize,
}

impl PartialHeader {
    /// Takes a header's bytes from the front of `bytes`: none until it is complete.
    pub(crate) fn read(&mut self, bytes: &mut &[u8]) -> Result<Option<Incoming>, Failure> {
        let fresh = bytes.len().min(MAX_HEADER - self.length);
        self.bytes[self.length..self.length + fresh].copy_from_slice(&bytes[..fresh]);
        let mut cursor = Cursor::new(&self.bytes[..self.length + fresh]);
        let parsed = FrameHeader::parse(&mut cursor).map_err(|_| Failure::protocol("unknown opcode"))?;
        let Some((header, length)) = parsed else {
            self.length += fresh;
            *bytes = &[];
            return Ok(None);
        };
        // What was kept was no complete header, so that this one ends in the bytes that came now.
        *bytes = &bytes[cursor.position() as usize - self.length..];
        self.length = 0;
        Incoming::judge(&header, length).map(Some)
    }
}

/// A frame whose header is right and whose payload is being received.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) opcode: OpCode,
    pub(crate) is_final: bool,
    /// Bytes of the payload that did not come yet.
    pub(crate) left: u64,
    /// Begins with the byte for the next one of the payload.
    mask: [u8; 4],
}

impl Incoming {
    fn judge(header: &FrameHeader, length: u64) -> Result<Self, Failure> {
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(Failure::protocol("reserved bits are set, but no extension was agreed on"));
        }
        let Some(mask) = header.mask else {
            return Err(Failure::protocol("frames of a client must be masked"));
        };
        if matches!(header.opcode, OpCode::Control(_)) {
            if !header.is_final {
                return Err(Failure::protocol("a control frame must not be fragmented"));
            }
            if length > MAX_CONTROL as u64 {
                return Err(Failure::protocol("a control frame must not be longer than 125 bytes"));
            }
        }
        Ok(Incoming { opcode: header.opcode, is_final: header.is_final, left: length, mask })
    }

    /// Takes what belongs to this frame from the front of `bytes` and gives it without its mask.
    pub(crate) fn unmask<'b>(&mut self, bytes: &mut &'b [u8]) -> impl ExactSizeIterator<Item = u8> + use<'b> {
        let length = usize::try_from(self.left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let (payload, rest) = bytes.split_at(length);
        let mask = self.mask;
        self.mask.rotate_left(length % 4);
        self.left -= length as u64;
        *bytes = rest;
        payload.iter().enumerate().map(move |(index, byte)| byte ^ mask[index % 4])
    }
}

/// Writes a whole frame of a server, which is not masked.
pub(crate) fn write(opcode: OpCode, payload: &[u8], output: &mut Vec<u8>) {
    let header = FrameHeader { opcode, ..FrameHeader::default() };
    output.reserve(MAX_HEADER + payload.len());
    // A vector takes all that is written.
    _ = header.format(payload.len() as u64, output);
    output.extend_from_slice(payload);
}

/// Writes a close frame; without a code it is empty. A reason that is too long is cut.
pub(crate) fn write_close(code: Option<CloseCode>, reason: &str, output: &mut Vec<u8>) {
    let mut payload = Vec::new();
    if let Some(code) = code {
        let room = MAX_CONTROL - 2;
        let end = (0..=room.min(reason.len())).rev().find(|&end| reason.is_char_boundary(end)).unwrap_or(0);
        payload.extend(u16::from(code).to_be_bytes());
        payload.extend(&reason.as_bytes()[..end]);
    }
    write(OpCode::Control(Control::Close), &payload, output);
}

/// Reads the payload of a client's close frame: none if it has no code, section 5.5.1.
pub(crate) fn read_close(payload: &[u8]) -> Result<Option<CloseCode>, Failure> {
    let [high, low, reason @ ..] = payload else {
        return if payload.is_empty() { Ok(None) } else { Err(Failure::protocol("half a close code")) };
    };
    let code = CloseCode::from(u16::from_be_bytes([*high, *low]));
    if !code.is_allowed() {
        return Err(Failure::protocol("a close code that must not be sent"));
    }
    if std::str::from_utf8(reason).is_err() {
        return Err(Failure { code: CloseCode::Invalid, reason: "the reason of a close must be UTF-8" });
    }
    Ok(Some(code))
}
