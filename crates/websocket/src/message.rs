//! A text message that comes in pieces.

use tungstenite::protocol::frame::coding::CloseCode;

use crate::frame::Failure;

const NOT_UTF8: Failure = Failure { code: CloseCode::Invalid, reason: "a text message must be UTF-8" };

/// The fragments so far, joined.
#[derive(Debug, Default)]
pub(crate) struct Message {
    bytes: Vec<u8>,
    /// So many of them are whole characters; what follows is the beginning of one.
    checked: usize,
}

impl Message {
    /// Judges the length that a further frame announces, before any of it is taken.
    pub(crate) fn admit(&self, announced: u64, max: usize) -> Result<(), Failure> {
        let room = max.saturating_sub(self.bytes.len()) as u64;
        if announced > room {
            return Err(Failure { code: CloseCode::Size, reason: "the message is too large" });
        }
        Ok(())
    }

    /// Takes a piece that was admitted. What is not UTF-8 fails at its first wrong byte, section 8.1.
    pub(crate) fn push(&mut self, piece: impl ExactSizeIterator<Item = u8>, max: usize) -> Result<(), Failure> {
        let needed = self.bytes.len() + piece.len();
        if needed > self.bytes.capacity() {
            // Doubled as a vector does by itself, but never beyond what a message can come to.
            let capacity = needed.max(self.bytes.capacity().saturating_mul(2).min(max));
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        self.bytes.extend(piece);
        match std::str::from_utf8(&self.bytes[self.checked..]) {
            Ok(text) => self.checked += text.len(),
            Err(error) if error.error_len().is_none() => self.checked += error.valid_up_to(),
            Err(_) => return Err(NOT_UTF8),
        }
        Ok(())
    }

    /// The whole text.
    pub(crate) fn finish(self) -> Result<String, Failure> {
        String::from_utf8(self.bytes).map_err(|_| NOT_UTF8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_came_is_kept() {
        let max = 1000;
        let mut message = Message::default();
        message.admit(1000, max).expect("room");
        assert_eq!(message.bytes.capacity(), 0);
        for length in 1..=max {
            message.push(b"a".iter().copied(), max).expect("text");
            let capacity = message.bytes.capacity();
            assert!(capacity <= max && capacity <= 2 * length, "{capacity} for {length}");
        }
        assert!(message.admit(0, max).is_ok());
        assert!(message.admit(1, max).is_err());
        assert_eq!(message.finish().map(|text| text.len()), Ok(max));
    }

    #[test]
    fn the_first_wrong_byte_fails() {
        let mut message = Message::default();
        for byte in b"\xce\xba\xf4" {
            message.push([*byte].into_iter(), 9).expect("the beginning of a character");
        }
        assert_eq!(message.push([0x90].into_iter(), 9), Err(NOT_UTF8));
    }
}
