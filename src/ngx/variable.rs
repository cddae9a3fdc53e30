//! Variables that nginx asks us for.

use super::entry::guard;
use super::request::Request;
use super::string::{borrowed, bytes};
use super::sys::*;
use crate::variables::Variable;

/// Registers a variable, or with a name that ends in `_` all that begin so.
pub(crate) fn add(cf: *mut ngx_conf_t, variable: &'static Variable) -> bool {
    let mut name = borrowed(variable.name.to_bytes());
    let prefix = if variable.name.to_bytes().ends_with(b"_") { NGX_HTTP_VAR_PREFIX } else { 0 };
    let flags = prefix | NGX_HTTP_VAR_NOCACHEABLE;
    // SAFETY: `cf` is nginx's at preconfiguration; the returned variable lives in the configuration's pool.
    unsafe {
        let added = ngx_http_add_variable(cf, &mut name, flags as ngx_uint_t);
        if added.is_null() {
            return false;
        }
        (*added).get_handler = Some(if prefix == 0 { get } else { get_prefixed });
        // A prefix variable's own name comes in `data` when it is read, so those find their `Variable` by its prefix.
        (*added).data = std::ptr::from_ref(variable) as usize;
    }
    true
}

extern "C" fn get(r: *mut ngx_http_request_t, v: *mut ngx_variable_value_t, data: usize) -> ngx_int_t {
    // SAFETY: `data` is the address of a static `Variable`, set in `add`.
    let variable = unsafe { &*(data as *const Variable) };
    answer(r, v, variable, "")
}

extern "C" fn get_prefixed(r: *mut ngx_http_request_t, v: *mut ngx_variable_value_t, data: usize) -> ngx_int_t {
    // SAFETY: for a prefix variable nginx passes the address of the full name, in the configuration's pool.
    let name = bytes(unsafe { &*(data as *const ngx_str_t) });
    let found = crate::variables::prefixed(name);
    match found {
        Some((variable, rest)) => answer(r, v, variable, rest),
        None => NGX_ERROR as ngx_int_t,
    }
}

fn answer(r: *mut ngx_http_request_t, v: *mut ngx_variable_value_t, variable: &Variable, rest: &str) -> ngx_int_t {
    let Some(request) = Request::new(r) else { return NGX_ERROR as ngx_int_t };
    let value = guard(request.log(), None, || (variable.get)(request, rest));
    // SAFETY: `v` is nginx's slot for the value; the value's bytes live as long as the request.
    let v = unsafe { &mut *v };
    v.set_valid(u32::from(value.is_some()));
    v.set_not_found(u32::from(value.is_none()));
    v.set_no_cacheable(0);
    if let Some(value) = value {
        v.set_len(u32::try_from(value.len()).unwrap_or(0));
        v.data = value.as_ptr().cast_mut();
    }
    NGX_OK as ngx_int_t
}
