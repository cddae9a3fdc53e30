//! What was published, shared by all workers and kept over reload.

use std::slice;

use mcp::MessageLog;

use super::sys::ngx_conf_t;
use super::zone::Zone;

/// A handle to the shared log.
#[derive(Clone, Copy)]
pub(crate) struct Messages(Zone<{ MessageLog::SIZE }>);

impl Messages {
    /// Asks for the shared memory; once per configuration.
    pub(crate) fn add(cf: *mut ngx_conf_t) -> Option<Messages> {
        Zone::add(cf, "mcp_messages").map(Messages)
    }

    /// Uses the log while no other worker does.
    pub(crate) fn with<T>(self, act: impl FnOnce(&mut MessageLog<'_>) -> T) -> Option<T> {
        self.0.with(|memory| {
            // SAFETY: the zone has so many bytes, and nobody else uses them now.
            act(&mut MessageLog::new(unsafe { slice::from_raw_parts_mut(memory, MessageLog::SIZE) }))
        })
    }
}
