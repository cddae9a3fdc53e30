//! How many streams of which worker hear of what, shared by all workers and kept over reload.

use std::cell::Cell;

use mcp::{Audience, Topic};

use super::shared_table::SharedTable;
use super::sys::{mcp_enrol, mcp_is_enrolled, mcp_make_roll, ngx_conf_t, ngx_cycle_t, ngx_int_t};

thread_local! {
    /// This worker's place on the roll (roll.c).
    static PLACE: Cell<Option<u32>> = const { Cell::new(None) };
}

/// A handle to the shared table.
#[derive(Clone, Copy)]
pub(crate) struct StreamCounts(SharedTable<Audience<'static>>);

impl StreamCounts {
    /// Asks for the shared memory; once per configuration.
    pub(crate) fn add(cf: *mut ngx_conf_t) -> Option<StreamCounts> {
        SharedTable::add(cf).map(StreamCounts)
    }

    /// Notes how many streams of this worker hear of each of a server's topics.
    pub(crate) fn set<'t>(self, server: u128, counts: impl Iterator<Item = (&'t Topic, usize)>) {
        let Some(place) = self.place() else { return };
        self.0.with(|table| counts.for_each(|(topic, streams)| table.set(server, topic, place, streams)));
    }

    /// How many streams of workers that live hear of a server's topic.
    pub(crate) fn of(self, server: u128, topic: &Topic) -> usize {
        let noted = self.0.with(|table| table.of(server, topic)).unwrap_or_default();
        noted.into_iter().filter(|(place, _)| is_alive(*place)).map(|(_, streams)| streams).sum()
    }

    /// This worker's place, which may have been that of one that is dead.
    fn place(self) -> Option<u32> {
        if PLACE.get().is_none() {
            // SAFETY: locks a byte of a file that stays open.
            let place = u32::try_from(unsafe { mcp_enrol() }).ok()?;
            self.0.with(|table| table.clear(place));
            PLACE.set(Some(place));
        }
        PLACE.get()
    }
}

fn is_alive(place: u32) -> bool {
    // SAFETY: asks for a lock on a byte of a file that stays open.
    i32::try_from(place).is_ok_and(|place| unsafe { mcp_is_enrolled(place) } != 0)
}

/// Makes the roll, in the master.
pub(super) fn make(cycle: *mut ngx_cycle_t) -> ngx_int_t {
    // SAFETY: the cycle that nginx is about to run.
    unsafe { mcp_make_roll((*cycle).log) }
}
