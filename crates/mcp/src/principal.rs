//! Who a client is, in what it carries for the server: sessions and tasks are good for whoever got them.

use sha2::{Digest, Sha256};

/// Bytes of a mark.
const MARK: usize = 16;

/// Stands for a principal: a digest, as its text may be long, and is not for everybody's eyes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark(pub(crate) [u8; MARK]);

impl Mark {
    /// The mark of a principal, be it empty.
    pub(crate) fn of(principal: &str) -> Mark {
        let mut mark = [0; MARK];
        mark.copy_from_slice(&Sha256::digest(principal)[..MARK]);
        Mark(mark)
    }
}
