//! Requests without a client.

use std::cell::{Cell, RefCell};
use std::ptr;

use mcp::http::HeaderLine;

use super::conf::LocationContext;
use super::entry::guard;
use super::log::Log;
use super::request::Request;
use super::string::borrowed;
use super::sys::*;

/// A request that nginx makes of itself; whatever runs for it ends soon after this is dropped.
///
/// It does nothing: what is to be done runs beside it, as a [subrequest](super::start_subrequest), whose end nginx reports to
/// us without touching the connection.
pub(crate) struct Detached(Request);

impl Detached {
    /// A request in a location; none when there is no connection or memory left.
    pub(crate) fn new(location: LocationContext) -> Option<Detached> {
        // SAFETY: the context is one of the running configuration.
        Request::new(unsafe { mcp_create_detached(location.as_ptr(), ptr::null_mut()) }).map(Detached)
    }

    /// The same on behalf of a client's request, which need not outlive it: with these header lines, and with what that has found of
    /// variables.
    pub(crate) fn for_client<'a>(
        location: LocationContext,
        client: Request,
        lines: impl Iterator<Item = HeaderLine<'a>>,
    ) -> Option<Detached> {
        // SAFETY: as above; what is taken of the client's request, which is alive, is copied.
        let made = unsafe { mcp_create_detached(location.as_ptr(), client.as_ptr()) };
        let detached = Request::new(made).map(Detached)?;
        let request = detached.request();
        for (name, value) in lines {
            // SAFETY: the request was just made; what is lent is copied.
            let added = unsafe { mcp_add_header(request.as_ptr(), &mut borrowed(name), &mut borrowed(value)) };
            if added != NGX_OK as ngx_int_t {
                return None;
            }
        }
        // SAFETY: the request runs nothing yet.
        let is_ready = unsafe { mcp_know_headers(request.as_ptr()) } == NGX_OK as ngx_int_t;
        (is_ready && request.take_variables(client)).then_some(detached)
    }

    pub(crate) fn request(&self) -> Request {
        self.0
    }
}

thread_local! {
    /// Requests that are over. They are freed when nothing of theirs can be running any more.
    static OVER: RefCell<Vec<Request>> = const { RefCell::new(Vec::new()) };
    static BURIAL: Cell<*mut ngx_event_t> = const { Cell::new(ptr::null_mut()) };
}

impl Drop for Detached {
    fn drop(&mut self) {
        let request = self.0;
        // A worker that ends has no use for it.
        let _ = OVER.try_with(|over| over.borrow_mut().push(request));
        let _ = BURIAL.try_with(|burial| {
            if burial.get().is_null() {
                // SAFETY: all-zero is what nginx starts an event from; the one event stays for as long as the worker.
                let event: &mut ngx_event_t = Box::leak(Box::new(unsafe { std::mem::zeroed() }));
                event.handler = Some(bury);
                burial.set(event);
            }
            // SAFETY: the event lives on; the cycle has a log.
            unsafe {
                (*burial.get()).log = (*ngx_cycle).log;
                mcp_post_event(burial.get());
            }
        });
    }
}

extern "C" fn bury(_event: *mut ngx_event_t) {
    guard(Log::cycle(), (), || {
        let over = OVER.take();
        for request in over {
            // SAFETY: made by `Detached::new`, given up once, and nothing of it is running: posted events run by themselves.
            unsafe { mcp_free_detached(request.as_ptr()) }
        }
    });
}

/// Connections that the worker may have: `worker_connections`.
pub(crate) fn worker_connections() -> usize {
    // SAFETY: the running cycle.
    unsafe { (*ngx_cycle).connection_n }
}

/// Whether this worker is the one that does what is to be done once for all of them.
pub(crate) fn is_first_worker() -> bool {
    // SAFETY: nginx's global, set before the worker starts.
    unsafe { ngx_worker == 0 }
}

/// Whether nginx asked the worker to end once its requests are answered.
pub(crate) fn is_exiting() -> bool {
    // SAFETY: nginx's global, which only changes between events.
    unsafe { ngx_exiting != 0 || ngx_quit != 0 || ngx_terminate != 0 }
}
