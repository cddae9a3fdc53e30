//! Requests that run beside another one: the calls of a batch, and what is asked of Nchan.

use std::ptr;

use super::entry::guard;
use super::request::{Request, Status};
use super::string::borrowed;
use super::sys::*;

/// Starts a background subrequest that runs `begin` and, when it is over, `finished` with nginx's code.
///
/// It shares the client's header lines (for variables such as `$http_authorization`), but not the values of variables
/// that the client's request has already evaluated.
pub(crate) fn start(parent: Request, begin: impl FnOnce(Request) -> Option<()>) -> Option<Request> {
    let post = parent.pool().zeroed::<ngx_http_post_subrequest_t>()?.as_ptr();
    let mut uri = borrowed(b"/");
    let mut sr: *mut ngx_http_request_t = ptr::null_mut();
    let flags = NGX_HTTP_SUBREQUEST_BACKGROUND as ngx_uint_t;
    // SAFETY: the parent is alive; the new request is only posted here, so that it can be changed before it runs.
    unsafe {
        (*post).handler = Some(done);
        if ngx_http_subrequest(parent.as_ptr(), &mut uri, ptr::null_mut(), &mut sr, post, flags) != NGX_OK as ngx_int_t
        {
            return None;
        }
        let main_conf = *(*sr).main_conf.add(ngx_http_core_module.ctx_index);
        let count = (*main_conf.cast::<ngx_http_core_main_conf_t>()).variables.nelts;
        (*sr).variables = parent.pool().zeroed_slice::<ngx_http_variable_value_t>(count)?.as_ptr();
        (*sr).write_event_handler = Some(run);
    }
    let request = Request::new(sr)?;
    begin(request)?;
    Some(request)
}

extern "C" fn run(r: *mut ngx_http_request_t) {
    let Some(request) = Request::new(r) else { return };
    let status = guard(request.log(), Status::INTERNAL_SERVER_ERROR, || crate::handler::run_beside(request));
    request.finalize(status);
}

extern "C" fn done(r: *mut ngx_http_request_t, _data: *mut std::ffi::c_void, rc: ngx_int_t) -> ngx_int_t {
    let Some(request) = Request::new(r) else { return rc };
    if rc == NGX_AGAIN as ngx_int_t {
        // It is not over: a file is being read by a thread.
        return rc;
    }
    guard(request.log(), (), || crate::handler::finished_beside(request, Status(rc)));
    // SAFETY: the request's connection outlives it.
    if unsafe { (*(*r).connection).error() } != 0 { rc } else { NGX_OK as ngx_int_t }
}
