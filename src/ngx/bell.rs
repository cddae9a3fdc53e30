//! The bell: one process rings, every worker that listens is told.

use std::cell::Cell;

use super::entry::guard;
use super::log::Log;
use super::sys::*;

/// What a worker does when the bell rings.
#[derive(Clone, Copy)]
pub(crate) struct Ringer {
    /// Somebody has rung.
    pub(crate) rung: fn(),
    /// nginx has asked the worker to end once its requests are answered.
    pub(crate) ending: fn(),
}

thread_local! {
    static RINGER: Cell<Option<Ringer>> = const { Cell::new(None) };
}

/// Listens from now on, for as long as the worker lives; false if there is no connection left.
pub(crate) fn hear(ringer: Ringer) -> bool {
    if RINGER.get().is_some() {
        return true;
    }
    // SAFETY: the running cycle; the handler is ours.
    let hears = unsafe { mcp_hear_bell(ngx_cycle, Some(on_bell)) } == NGX_OK as ngx_int_t;
    if hears {
        RINGER.set(Some(ringer));
    }
    hears
}

/// Tells all workers, this one as well, but not from within what runs now.
pub(crate) fn ring() {
    // SAFETY: writes to a descriptor that stays open.
    unsafe { mcp_ring_bell() }
}

extern "C" fn on_bell(event: *mut ngx_event_t) {
    // SAFETY: the event is the bell's, whose connection is open for as long as the worker lives.
    let is_ending = unsafe {
        let connection = (*event).data.cast::<ngx_connection_t>();
        let is_ending = (*connection).close() != 0;
        if is_ending {
            (*connection).set_close(0);
            (*connection).set_idle(0);
        }
        is_ending
    };
    guard(Log::cycle(), (), || {
        let Some(ringer) = RINGER.get() else { return };
        if is_ending { (ringer.ending)() } else { (ringer.rung)() }
    });
}

/// Makes the bell, in the master.
pub(super) fn make(cycle: *mut ngx_cycle_t) -> ngx_int_t {
    // SAFETY: the cycle that nginx is about to run.
    unsafe { mcp_make_bell((*cycle).log) }
}

/// What is done later, and the event that does it.
struct Later {
    event: ngx_event_t,
    act: fn(),
}

/// Runs `act` after some time, for which a worker that ends lives on.
pub(crate) fn later(milliseconds: usize, act: fn()) {
    // SAFETY: all-zero is what nginx starts an event from.
    let later = Box::into_raw(Box::new(Later { event: unsafe { std::mem::zeroed() }, act }));
    // SAFETY: `run_later` frees it; the cycle has a log.
    unsafe {
        (*later).event.handler = Some(run_later);
        (*later).event.data = later.cast();
        (*later).event.log = (*ngx_cycle).log;
        mcp_add_timer(&raw mut (*later).event, milliseconds);
    }
}

extern "C" fn run_later(event: *mut ngx_event_t) {
    // SAFETY: the event's data is what `later` gave away; nginx is done with an event of a timer when it calls its handler.
    let later = unsafe { Box::from_raw((*event).data.cast::<Later>()) };
    guard(Log::cycle(), (), later.act);
}
