//! nginx's counted strings.

use super::sys::ngx_str_t;

/// The bytes of a string; an empty slice for a null one.
///
/// The lifetime is the caller's choice and must not outlive the pool that the string lives in.
pub(crate) fn bytes<'a>(text: &ngx_str_t) -> &'a [u8] {
    if text.data.is_null() || text.len == 0 {
        return &[];
    }
    // SAFETY: nginx keeps `len` bytes at `data` as long as the pool that they were allocated in.
    unsafe { std::slice::from_raw_parts(text.data, text.len) }
}

/// A string over bytes that nginx will only read, and that live as long as it may.
pub(crate) fn borrowed(text: &[u8]) -> ngx_str_t {
    ngx_str_t { len: text.len(), data: text.as_ptr().cast_mut() }
}
