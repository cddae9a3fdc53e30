//! nginx's upstream code: what it knows of a call, and what it is told.

use super::request::{Request, Status};
use super::string::bytes;
use super::sys::*;

/// The last attempt of a request's upstream call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attempt {
    /// The status of the upstream's answer, or nginx's own 502 or 504.
    pub(crate) status: usize,
    /// Milliseconds from the start of the attempt to its end; none while it runs.
    pub(crate) response_time: Option<ngx_msec_t>,
}

/// The last attempt; none when the request made no call.
pub(crate) fn last_attempt(request: Request) -> Option<Attempt> {
    // SAFETY: `upstream_states` is an array of states in the request's pool, or null.
    unsafe {
        let states = (*request.as_ptr()).upstream_states.as_ref()?;
        let last = states.nelts.checked_sub(1)?;
        let state = &*states.elts.cast::<ngx_http_upstream_state_t>().add(last);
        Some(Attempt {
            status: state.status,
            response_time: Some(state.response_time).filter(|time| *time != ngx_msec_t::MAX),
        })
    }
}

/// The value of a header line of the upstream's answer as it came, by its name in lower case.
pub(crate) fn upstream_header(request: Request, name: &[u8]) -> Option<&'static [u8]> {
    // SAFETY: null, or an upstream in the request's pool; its list holds the lines of the answer, in the same pool.
    unsafe {
        let upstream = (*request.as_ptr()).upstream.as_ref()?;
        let mut part: *const ngx_list_part_t = &upstream.headers_in.headers.part;
        while let Some(lines) = part.as_ref() {
            for index in 0..lines.nelts {
                let line = &*lines.elts.cast::<ngx_table_elt_t>().add(index);
                if line.hash != 0 && bytes(&line.key).eq_ignore_ascii_case(name) {
                    return Some(bytes(&line.value));
                }
            }
            part = lines.next;
        }
        None
    }
}

/// nginx's function for the end of an upstream's answer, good or bad.
pub(crate) type UpstreamFinalizer = Option<unsafe extern "C" fn(*mut ngx_http_request_t, ngx_int_t)>;

/// Runs one for a request.
pub(crate) fn run_finalizer(finalizer: UpstreamFinalizer, request: Request, status: Status) {
    if let Some(finalizer) = finalizer {
        // SAFETY: the function that the proxy module had installed for this request.
        unsafe { finalizer(request.as_ptr(), status.0) }
    }
}

impl Request {
    /// Makes nginx hand on the upstream's answer as it comes. Of a request beside the client's it would otherwise collect
    /// the answer in a temporary file, as it takes the client for too slow.
    pub(crate) fn stream_upstream(self) {
        // SAFETY: null, or an upstream in the request's pool.
        if let Some(upstream) = unsafe { self.raw().upstream.as_mut() } {
            upstream.set_buffering(0);
        }
    }

    /// Closes the upstream's connection, whatever is still to come of it; false when nginx is done with it already.
    ///
    /// The request goes on: whoever stops its upstream finalizes it.
    pub(crate) fn close_upstream(self) -> bool {
        // SAFETY: null, or an upstream in the request's pool; its `cleanup` points to the handler in the request's list
        // of cleanups until nginx is done with the upstream.
        let cleanup = unsafe {
            let Some(upstream) = self.raw().upstream.as_ref() else { return false };
            upstream.cleanup.as_ref().copied().flatten()
        };
        let Some(cleanup) = cleanup else { return false };
        let main = self.main().raw_mut();
        main.set_count(main.count() + 1);
        // SAFETY: the handler takes the request, and gives up one reference to it.
        unsafe { cleanup(self.as_ptr().cast()) };
        true
    }

    /// Waits so many milliseconds longer than ever for what the upstream says next.
    pub(crate) fn await_upstream(self, milliseconds: usize) {
        // SAFETY: null, or an upstream in the request's pool; it has a configuration, and its connection, while there is one, a read event.
        unsafe {
            let Some(upstream) = self.raw().upstream.as_ref() else { return };
            if let Some(connection) = upstream.peer.connection.as_ref() {
                mcp_add_timer(connection.read, milliseconds.saturating_add((*upstream.conf).read_timeout));
            }
        }
    }

    /// Whether the answer comes from nginx's cache.
    pub(crate) fn is_cached(self) -> bool {
        self.raw().cached() != 0
    }

    /// Puts `finalizer` in the place of what nginx calls when its side of the upstream is over, and returns that.
    pub(crate) fn replace_upstream_finalizer(self, finalizer: UpstreamFinalizer) -> UpstreamFinalizer {
        // SAFETY: null, or an upstream in the request's pool.
        unsafe { self.raw().upstream.as_mut() }
            .and_then(|upstream| std::mem::replace(&mut upstream.finalize_request, finalizer))
    }
}
