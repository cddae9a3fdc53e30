//! Work that is put off: to the end of the current turn of the event loop, for some time, or to the end of a request.

use std::ffi::c_void;

use super::entry::guard;
use super::log::Log;
use super::request::Request;
use super::sys::{
    mcp_add_timer, mcp_delete_posted_event, mcp_delete_timer, mcp_post_event, ngx_event_t, ngx_http_cleanup_add,
    ngx_http_request_t, ngx_http_run_posted_requests,
};

/// An event of a request's own, posted to run `act` outside of the handler that finished something.
///
/// `ngx_http_post_request()` alone is not enough: a call may finish in an event of another connection, after which
/// nobody runs this connection's posted requests.
pub(crate) struct Wake {
    event: *mut ngx_event_t,
}

struct Target {
    request: Request,
    act: fn(Request),
    event: *mut ngx_event_t,
}

impl Drop for Target {
    fn drop(&mut self) {
        // SAFETY: the event lives in the same pool, and pools run their cleanups before they free memory.
        unsafe {
            mcp_delete_posted_event(self.event);
            mcp_delete_timer(self.event);
        }
    }
}

impl Wake {
    /// An event for `request`, in its pool, and deleted with it.
    pub(crate) fn new(request: Request, act: fn(Request)) -> Option<Wake> {
        let event = request.pool().zeroed::<ngx_event_t>()?.as_ptr();
        let target = request.pool().keep(Target { request, act, event })?;
        // SAFETY: the event was just allocated; `log` is the connection's.
        unsafe {
            (*event).data = target.as_ptr().cast::<c_void>();
            (*event).handler = Some(run);
            (*event).log = (*(*request.as_ptr()).connection).log;
        }
        Some(Wake { event })
    }

    /// Runs `act` soon, once, however often it is posted before.
    pub(crate) fn post(&self) {
        // SAFETY: the event lives as long as the request, which the caller holds.
        unsafe { mcp_post_event(self.event) }
    }

    /// Runs `act` after this time, unless it is put off again before.
    pub(crate) fn post_in(&self, milliseconds: usize) {
        // SAFETY: as in `post`.
        unsafe { mcp_add_timer(self.event, milliseconds) }
    }

    /// The worker need not live on until then.
    pub(crate) fn forgo_at_exit(&self) {
        // SAFETY: as in `post`.
        unsafe { (*self.event).set_cancelable(1) }
    }

    /// Runs nothing any more.
    pub(crate) fn cancel(&self) {
        // SAFETY: as in `post`.
        unsafe {
            mcp_delete_posted_event(self.event);
            mcp_delete_timer(self.event);
        }
    }
}

impl Request {
    /// Runs `act` when nginx ends the request, before anything of it is freed. Without memory it does not.
    pub(crate) fn at_end(self, act: fn(Request)) {
        let Some(target) = self.pool().keep((self, act)) else { return };
        // SAFETY: the request is alive; what is added lives in its pool, and so does the target.
        unsafe {
            if let Some(cleanup) = ngx_http_cleanup_add(self.as_ptr(), 0).as_mut() {
                cleanup.handler = Some(end);
                cleanup.data = target.as_ptr().cast();
            }
        }
    }
}

extern "C" fn end(target: *mut c_void) {
    // SAFETY: the target of `at_end`, alive until the pool is destroyed, which follows.
    let (request, act) = unsafe { *target.cast::<(Request, fn(Request))>() };
    guard(Log::cycle(), (), || act(request));
}

extern "C" fn run(event: *mut ngx_event_t) {
    // SAFETY: nginx runs a posted event once; its data is the `Target` of `Wake::new`, alive as long as the event.
    let target = unsafe { &*(*event).data.cast::<Target>() };
    let request = target.request;
    let r: *mut ngx_http_request_t = request.as_ptr();
    // SAFETY: the request is alive, its pool's cleanup would have deleted the event.
    let connection = unsafe { (*r).connection };
    guard(Log::cycle(), (), || (target.act)(request));
    // SAFETY: a connection outlives its requests; nginx's own handlers end so.
    unsafe { ngx_http_run_posted_requests(connection) }
}
