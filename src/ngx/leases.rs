//! Which workers of other machines have been heard of lately, shared by all workers and kept over reload.

use std::slice;

use mcp::Leases;

use super::sys::ngx_conf_t;
use super::zone::Zone;

/// A handle to the shared table.
#[derive(Clone, Copy)]
pub(crate) struct HolderLeases(Zone<{ Leases::SIZE }>);

impl HolderLeases {
    /// Asks for the shared memory; once per configuration.
    pub(crate) fn add(cf: *mut ngx_conf_t) -> Option<HolderLeases> {
        Zone::add(cf, "mcp_holders").map(HolderLeases)
    }

    /// Uses the table while no other worker does.
    pub(crate) fn with<T>(self, act: impl FnOnce(&mut Leases<'_>) -> T) -> Option<T> {
        self.0.with(|memory| {
            // SAFETY: the zone has so many bytes, and nobody else uses them now.
            act(&mut Leases::new(unsafe { slice::from_raw_parts_mut(memory, Leases::SIZE) }))
        })
    }
}
