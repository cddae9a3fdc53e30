//! Work that is put off: to the end of the current turn of the event loop, for some time, or to the end of a request.

use std::cell::{Cell, UnsafeCell};
use std::ffi::c_void;
use std::rc::Rc;

use super::entry::guard;
use super::log::Log;
use super::request::Request;
use super::sys::{
    mcp_add_timer, mcp_delete_posted_event, mcp_delete_timer, mcp_post_event, ngx_event_t, ngx_http_cleanup_add,
    ngx_http_request_t, ngx_http_run_posted_requests,
};

/// An event of a request's own, posted to run `act` outside of the handler that finished something. It may outlive the request,
/// and does nothing any more then.
///
/// `ngx_http_post_request()` alone is not enough: a call may finish in an event of another connection, after which
/// nobody runs this connection's posted requests.
pub(crate) struct Wake(Rc<Alarm>);

struct Alarm {
    event: UnsafeCell<ngx_event_t>,
    request: Request,
    act: fn(Request),
    /// nginx has ended the request.
    is_over: Cell<bool>,
}

impl Alarm {
    fn cancel(&self) {
        // SAFETY: nobody has a reference to the event beyond a call.
        unsafe {
            mcp_delete_posted_event(self.event.get());
            mcp_delete_timer(self.event.get());
        }
    }
}

/// What a request's pool has of its event. Pools run their cleanups before they free memory.
struct Kept(Rc<Alarm>);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.cancel();
        self.0.is_over.set(true);
    }
}

impl Wake {
    /// An event for `request`, which ends with it.
    pub(crate) fn new(request: Request, act: fn(Request)) -> Option<Wake> {
        // SAFETY: all-zero is what nginx starts an event from.
        let event = UnsafeCell::new(unsafe { std::mem::zeroed() });
        let alarm = Rc::new(Alarm { event, request, act, is_over: Cell::new(false) });
        request.pool().keep(Kept(Rc::clone(&alarm)))?;
        // SAFETY: the event was just made, and nginx does not have it yet; `log` is the connection's.
        unsafe {
            let event = alarm.event.get();
            (*event).data = Rc::as_ptr(&alarm).cast_mut().cast::<c_void>();
            (*event).handler = Some(run);
            (*event).log = (*(*request.as_ptr()).connection).log;
        }
        Some(Wake(alarm))
    }

    /// Runs `act` soon, once, however often it is posted before.
    pub(crate) fn post(&self) {
        if !self.0.is_over.get() {
            // SAFETY: the pool keeps the event until it is deleted.
            unsafe { mcp_post_event(self.0.event.get()) }
        }
    }

    /// Runs `act` after this time, unless it is put off again before.
    pub(crate) fn post_in(&self, milliseconds: usize) {
        if !self.0.is_over.get() {
            // SAFETY: as in `post`.
            unsafe { mcp_add_timer(self.0.event.get(), milliseconds) }
        }
    }

    /// The worker need not live on until then.
    pub(crate) fn forgo_at_exit(&self) {
        // SAFETY: as in `Alarm::cancel`.
        unsafe { (*self.0.event.get()).set_cancelable(1) }
    }

    /// Runs nothing any more.
    pub(crate) fn cancel(&self) {
        self.0.cancel();
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
    // SAFETY: nginx runs a posted event once; its data is the `Alarm` of `Wake::new`, alive as long as the request.
    let (request, act) = unsafe {
        let alarm = &*(*event).data.cast::<Alarm>();
        (alarm.request, alarm.act)
    };
    let r: *mut ngx_http_request_t = request.as_ptr();
    // SAFETY: the request is alive, its pool's cleanup would have deleted the event.
    let connection = unsafe { (*r).connection };
    guard(Log::cycle(), (), || act(request));
    // SAFETY: a connection outlives its requests; nginx's own handlers end so.
    unsafe { ngx_http_run_posted_requests(connection) }
}
