//! What went over a test's connections, for the message of a failure.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// Entries that are kept.
const ENTRIES: usize = 16;
/// Bytes of an entry that are kept.
const LENGTH: usize = 2000;

/// The last requests and responses, in the order in which they went.
#[derive(Clone, Default)]
pub(crate) struct Journal(Arc<Mutex<VecDeque<String>>>);

impl Journal {
    /// Adds what went in a direction: `-->` to nginx, `<--` from it.
    pub(crate) fn add(&self, direction: &str, bytes: &[u8]) {
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(LENGTH)]);
        let rest = match bytes.len().saturating_sub(LENGTH) {
            0 => String::new(),
            rest => format!(" … {rest} more bytes"),
        };
        let mut entries = self.0.lock().unwrap();
        if entries.len() == ENTRIES {
            entries.pop_front();
        }
        entries.push_back(format!("{direction} {}{rest}", shown.replace("\r\n", "\n    ")));
    }

    pub(crate) fn print(&self) {
        for entry in self.0.lock().unwrap().iter() {
            eprintln!("{entry}");
        }
    }
}
