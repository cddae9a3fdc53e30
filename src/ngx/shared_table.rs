//! The core's tables in memory that all workers share and a reload keeps.

use std::marker::PhantomData;
use std::slice;

use mcp::{Audience, Leases, MessageLog, Subscriptions};

use super::sys::ngx_conf_t;
use super::zone::Zone;

/// A table that the core keeps in memory which it is given.
pub(crate) trait Table {
    /// The name of its zone.
    const ZONE: &'static str;
    /// What it takes, in bytes.
    const SIZE: usize;
    /// The table, in memory of that size.
    type In<'m>;

    /// The table that stands in this memory.
    fn new(memory: &mut [u8]) -> Self::In<'_>;
}

/// A handle to a shared table.
pub(crate) struct SharedTable<T>(Zone, PhantomData<T>);

impl<T> Clone for SharedTable<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for SharedTable<T> {}

impl<T: Table> SharedTable<T> {
    /// Asks for the shared memory; once per configuration.
    pub(crate) fn add(cf: *mut ngx_conf_t) -> Option<Self> {
        Zone::add(cf, T::ZONE, T::SIZE).map(|zone| SharedTable(zone, PhantomData))
    }

    /// Uses the table while no other worker does.
    pub(crate) fn with<R>(self, act: impl FnOnce(&mut T::In<'_>) -> R) -> Option<R> {
        self.0.with(|memory| {
            // SAFETY: the zone has so many bytes, and nobody else uses them now.
            act(&mut T::new(unsafe { slice::from_raw_parts_mut(memory, T::SIZE) }))
        })
    }
}

/// What was published.
impl Table for MessageLog<'_> {
    const ZONE: &'static str = "mcp_messages";
    const SIZE: usize = MessageLog::SIZE;
    type In<'m> = MessageLog<'m>;

    fn new(memory: &mut [u8]) -> MessageLog<'_> {
        MessageLog::new(memory)
    }
}

/// The resources that sessions have subscribed to.
impl Table for Subscriptions<'_> {
    const ZONE: &'static str = "mcp_subscriptions";
    const SIZE: usize = Subscriptions::SIZE;
    type In<'m> = Subscriptions<'m>;

    fn new(memory: &mut [u8]) -> Subscriptions<'_> {
        Subscriptions::new(memory)
    }
}

/// How many streams of which worker hear of what.
impl Table for Audience<'_> {
    const ZONE: &'static str = "mcp_audience";
    const SIZE: usize = Audience::SIZE;
    type In<'m> = Audience<'m>;

    fn new(memory: &mut [u8]) -> Audience<'_> {
        Audience::new(memory)
    }
}

/// Which workers of other machines have been heard of lately.
impl Table for Leases<'_> {
    const ZONE: &'static str = "mcp_holders";
    const SIZE: usize = Leases::SIZE;
    type In<'m> = Leases<'m>;

    fn new(memory: &mut [u8]) -> Leases<'_> {
        Leases::new(memory)
    }
}
