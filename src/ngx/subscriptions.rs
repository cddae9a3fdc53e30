//! The resources that sessions have subscribed to, shared by all workers and kept over reload.

use std::slice;

use mcp::Subscriptions;

use super::sys::ngx_conf_t;
use super::zone::Zone;

/// A handle to the shared table.
#[derive(Clone, Copy)]
pub(crate) struct SessionSubscriptions(Zone<{ Subscriptions::SIZE }>);

impl SessionSubscriptions {
    /// Asks for the shared memory; once per configuration.
    pub(crate) fn add(cf: *mut ngx_conf_t) -> Option<SessionSubscriptions> {
        Zone::add(cf, "mcp_subscriptions").map(SessionSubscriptions)
    }

    /// Uses the table while no other worker does.
    pub(crate) fn with<T>(self, act: impl FnOnce(&mut Subscriptions<'_>) -> T) -> Option<T> {
        self.0.with(|memory| {
            // SAFETY: the zone has so many bytes, and nobody else uses them now.
            act(&mut Subscriptions::new(unsafe { slice::from_raw_parts_mut(memory, Subscriptions::SIZE) }))
        })
    }
}
