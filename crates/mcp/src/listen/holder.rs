//! Who holds the streams of HTTP+SSE, whose sessions end with them: a session's id says it, for machines that do not see its stream.

use std::fmt::{self, Display, Formatter};

use super::topic::hex;
use crate::session::MACHINE;

/// A worker of a machine, for as long as it has been linked to other machines without a break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Holder([u8; Holder::SIZE]);

impl Holder {
    /// Bytes of a holder: those of its machine, then its own.
    pub(crate) const SIZE: usize = 2 * MACHINE;

    pub(crate) fn new(machine: [u8; MACHINE], worker: [u8; MACHINE]) -> Holder {
        let mut bytes = [0; Holder::SIZE];
        bytes[..MACHINE].copy_from_slice(&machine);
        bytes[MACHINE..].copy_from_slice(&worker);
        Holder(bytes)
    }

    /// Reads what [`Display`] writes.
    pub fn parse(text: &str) -> Option<Holder> {
        let digits = text.bytes().all(|digit| digit.is_ascii_hexdigit()) && text.len() == 2 * Holder::SIZE;
        digits.then(|| u64::from_str_radix(text, 16).ok()).flatten().map(|number| Holder(number.to_be_bytes()))
    }

    /// The one in the nonce of a session's id.
    pub(crate) fn in_nonce(nonce: &[u8; 16]) -> Option<Holder> {
        nonce.first_chunk().copied().map(Holder)
    }

    /// Puts it there.
    pub(crate) fn mark(self, nonce: &mut [u8; 16]) {
        nonce[..Holder::SIZE].copy_from_slice(&self.0);
    }

    pub(crate) fn is_of(self, machine: [u8; MACHINE]) -> bool {
        self.0.starts_with(&machine)
    }
}

/// 16 hexadecimal digits.
impl Display for Holder {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_read_as_it_is_written() {
        let holder = Holder::new([0, 1, 2, 255], [7; 4]);
        assert_eq!(holder.to_string(), "000102ff07070707");
        assert_eq!(Holder::parse(&holder.to_string()), Some(holder));
        for text in ["", "-", "000102ff0707070", "000102ff070707070", "+00102ff07070707", "000102ff0707070x"] {
            assert_eq!(Holder::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_nonce_says_whose_it_is() {
        let holder = Holder::new([1; 4], [2; 4]);
        let mut nonce = [9; 16];
        holder.mark(&mut nonce);
        assert_eq!(nonce, [1, 1, 1, 1, 2, 2, 2, 2, 9, 9, 9, 9, 9, 9, 9, 9]);
        assert_eq!(Holder::in_nonce(&nonce), Some(holder));
        assert!(holder.is_of([1; 4]) && !holder.is_of([2; 4]));
    }
}
