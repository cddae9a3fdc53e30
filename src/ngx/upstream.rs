//! What nginx's upstream code knows of a call.

use super::request::Request;
use super::string::bytes;
use super::sys::{ngx_http_upstream_state_t, ngx_list_part_t, ngx_msec_t, ngx_table_elt_t};

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
