//! A client's request in the place of one to an upstream.

use std::ptr;

use super::request::{Request, Status};
use super::string::borrowed;
use super::sys::*;

/// What of the client's request is put aside while the request is sent upstream.
#[derive(Clone, Copy)]
pub(crate) struct Disguise {
    method: ngx_uint_t,
    unparsed_uri: ngx_str_t,
    valid_unparsed_uri: u32,
    http_version: ngx_uint_t,
    uri: ngx_str_t,
    exten: ngx_str_t,
}

impl Request {
    /// Puts the upstream's method and URI in the place of the client's, and moves the request into a location.
    ///
    /// `uri` must live as long as the request.
    pub(crate) fn enter_location(self, loc_conf: *mut *mut std::ffi::c_void, method: &str, uri: &str) -> Disguise {
        let r = self.raw_mut();
        let disguise = Disguise {
            method: r.method,
            unparsed_uri: r.unparsed_uri,
            valid_unparsed_uri: r.valid_unparsed_uri(),
            http_version: r.http_version,
            uri: r.uri,
            exten: r.exten,
        };
        r.method = method_bit(method);
        r.unparsed_uri = borrowed(uri.as_bytes());
        r.set_valid_unparsed_uri(1);
        r.set_filter_need_in_memory(1);
        r.set_disable_not_modified(1);
        forget_conditions(&mut r.headers_in);
        r.loc_conf = loc_conf;
        // SAFETY: `loc_conf` is a location of the running configuration.
        unsafe { ngx_http_update_location_config(self.as_ptr()) };
        disguise
    }

    /// Undoes [`Request::enter_location`]'s disguise; the request stays in the location. False when what the upstream
    /// sent is not HTTP: nginx takes it for an answer of HTTP/0.9, and the client's request for one of it, too.
    pub(crate) fn undisguise(self, disguise: Disguise) -> bool {
        let r = self.raw_mut();
        let is_http = r.http_version == disguise.http_version;
        r.http_version = disguise.http_version;
        r.method = disguise.method;
        r.unparsed_uri = disguise.unparsed_uri;
        r.uri = disguise.uri;
        r.exten = disguise.exten;
        r.set_valid_unparsed_uri(disguise.valid_unparsed_uri);
        is_http
    }

    /// Runs the content handler of the location that the request is in.
    pub(crate) fn run_content_handler(self) -> Status {
        match self.raw().content_handler {
            // SAFETY: a content handler of a module of this nginx.
            Some(handler) => Status(unsafe { handler(self.as_ptr()) }),
            None => Status::INTERNAL_SERVER_ERROR,
        }
    }

    /// Runs the handlers of nginx's content phase that a location without one of its own has: those of files. `path` is
    /// what they look for; it must live as long as the request.
    pub(crate) fn run_content_phase(self, path: &str) -> Status {
        let r = self.raw_mut();
        r.uri = borrowed(path.as_bytes());
        // SAFETY: the core module's main configuration has the handlers of each phase, none of which is null.
        unsafe {
            ngx_http_set_exten(self.as_ptr());
            let main = *r.main_conf.add(ngx_http_core_module.ctx_index);
            let phases = &(*main.cast::<ngx_http_core_main_conf_t>()).phases;
            let handlers = &phases[NGX_HTTP_CONTENT_PHASE as usize].handlers;
            let handlers = std::slice::from_raw_parts(handlers.elts.cast::<ngx_http_handler_pt>(), handlers.nelts);
            // nginx runs those first that were added last.
            for handler in handlers.iter().rev().copied().flatten() {
                let status = Status(handler(self.as_ptr()));
                if status != Status::DECLINED {
                    return status;
                }
            }
        }
        Status::NOT_FOUND
    }
}

/// What the client's request says about the reply (its range, its condition, another protocol) must not be taken to be
/// about the upstream's answer.
fn forget_conditions(headers: &mut ngx_http_headers_in_t) {
    for line in [
        &mut headers.upgrade,
        &mut headers.if_modified_since,
        &mut headers.if_unmodified_since,
        &mut headers.if_match,
        &mut headers.if_none_match,
        &mut headers.if_range,
        &mut headers.range,
    ] {
        *line = ptr::null_mut();
    }
}

pub(super) fn method_bit(method: &str) -> ngx_uint_t {
    (match method {
        "GET" => NGX_HTTP_GET,
        "HEAD" => NGX_HTTP_HEAD,
        "POST" => NGX_HTTP_POST,
        "PUT" => NGX_HTTP_PUT,
        "DELETE" => NGX_HTTP_DELETE,
        "OPTIONS" => NGX_HTTP_OPTIONS,
        "PATCH" => NGX_HTTP_PATCH,
        _ => NGX_HTTP_UNKNOWN,
    }) as ngx_uint_t
}
