//! The bell: one process rings, every worker that listens is told.

use std::cell::Cell;
use std::ptr;

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

/// Runs `act` after some time, for which a worker that ends lives on. For what happens at most once in a worker's life.
pub(crate) fn later(milliseconds: usize, act: fn()) {
    // SAFETY: all-zero is what nginx starts an event from; this one stays for as long as the worker.
    let event: &mut ngx_event_t = Box::leak(Box::new(unsafe { std::mem::zeroed() }));
    event.handler = Some(run_later);
    event.data = ptr::from_mut(Box::leak(Box::new(act))).cast();
    // SAFETY: the event lives on; the cycle has a log.
    unsafe {
        event.log = (*ngx_cycle).log;
        mcp_add_timer(event, milliseconds);
    }
}

extern "C" fn run_later(event: *mut ngx_event_t) {
    // SAFETY: the event's data is what `later` made of a function.
    let act = unsafe { *(*event).data.cast::<fn()>() };
    guard(Log::cycle(), (), act);
}
