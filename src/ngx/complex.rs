//! Texts with variables.

use super::conf::Conf;
use super::request::Request;
use super::string::{borrowed, bytes};
use super::sys::{
    NGX_OK, ngx_http_compile_complex_value, ngx_http_compile_complex_value_t, ngx_http_complex_value,
    ngx_http_complex_value_t, ngx_int_t,
};
use crate::conf::Error;

/// A text with variables, compiled while the configuration is read.
pub(crate) struct ComplexValue(*mut ngx_http_complex_value_t);

impl ComplexValue {
    /// Compiles a text; nginx itself reports variables that there are none of, once all modules have named theirs.
    pub(crate) fn new(cf: Conf, text: &str) -> Result<ComplexValue, Error> {
        let value = cf.pool().zeroed::<ngx_http_complex_value_t>().ok_or_else(Error::memory)?.as_ptr();
        let mut text = cf.pool().string(text.as_bytes()).ok_or_else(Error::memory)?;
        // SAFETY: all-zero is what nginx's own code starts from; text and value live in the configuration's pool.
        let outcome = unsafe {
            let mut compile: ngx_http_compile_complex_value_t = std::mem::zeroed();
            compile.cf = cf.as_ptr();
            compile.value = &mut text;
            compile.complex_value = value;
            ngx_http_compile_complex_value(&mut compile)
        };
        if outcome == NGX_OK as ngx_int_t { Ok(ComplexValue(value)) } else { Err(Error::Logged) }
    }

    /// What the text comes to in a request; none when memory runs out.
    pub(crate) fn evaluate(&self, request: Request) -> Option<&'static [u8]> {
        let mut value = borrowed(b"");
        // SAFETY: the value was compiled for the running configuration; what comes of it lives in the request's pool.
        let outcome = unsafe { ngx_http_complex_value(request.as_ptr(), self.0, &mut value) };
        (outcome == NGX_OK as ngx_int_t).then(|| bytes(&value))
    }
}
