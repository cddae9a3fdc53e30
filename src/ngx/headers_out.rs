//! The header of a response.

use std::ptr;

use super::request::{Request, Status};
use super::string::{borrowed, bytes};
use super::sys::*;

/// The header of the response.
#[derive(Clone, Copy)]
pub(crate) struct HeadersOut(pub(super) Request);

impl HeadersOut {
    fn raw_mut<'a>(self) -> &'a mut ngx_http_headers_out_t {
        &mut self.0.raw_mut().headers_out
    }

    pub(crate) fn status(self) -> u16 {
        u16::try_from(self.raw_mut().status).unwrap_or(0)
    }

    pub(crate) fn content_type(self) -> Option<&'static [u8]> {
        Some(bytes(&self.raw_mut().content_type)).filter(|value| !value.is_empty())
    }

    pub(crate) fn content_encoding(self) -> Option<&'static [u8]> {
        let line = self.raw_mut().content_encoding;
        // SAFETY: null or a header line in the request's pool.
        unsafe { line.as_ref() }.map(|line| bytes(&line.value))
    }

    /// The announced length of the body.
    pub(crate) fn content_length(self) -> Option<usize> {
        usize::try_from(self.raw_mut().content_length_n).ok()
    }

    /// Forgets everything that was set, such as what an upstream answered.
    pub(crate) fn clear(self) {
        let request = self.0.raw_mut();
        request.set_allow_ranges(0);
        request.set_single_range(0);
        let headers = self.raw_mut();
        let lists = (headers.headers, headers.trailers);
        // SAFETY: all-zero is what nginx starts from; the lists are put back right after.
        *headers = unsafe { std::mem::zeroed() };
        headers.content_length_n = -1;
        headers.last_modified_time = -1;
        (headers.headers, headers.trailers) = lists;
        for list in [&mut headers.headers, &mut headers.trailers] {
            list.part.nelts = 0;
            list.part.next = ptr::null_mut();
            list.last = &mut list.part;
        }
    }

    /// The value of a line that was set.
    pub(crate) fn get(self, name: &str) -> Option<&'static [u8]> {
        self.lines().find(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes())).map(|(_, value)| value)
    }

    /// The lines that were set: names and values.
    fn lines(self) -> impl Iterator<Item = (&'static [u8], &'static [u8])> {
        let first: *const ngx_list_part_t = &self.raw_mut().headers.part;
        // SAFETY: nginx's list of the response's headers, whose parts, keys and values live in the request's pool.
        let parts = std::iter::successors(unsafe { first.as_ref() }, |part| unsafe { part.next.as_ref() });
        let lines = parts.flat_map(|part| {
            // SAFETY: a part has so many elements.
            (0..part.nelts).map(|index| unsafe { &*part.elts.cast::<ngx_table_elt_t>().add(index) })
        });
        lines.filter(|line| line.hash != 0).map(|line| (bytes(&line.key), bytes(&line.value)))
    }

    /// Adds the lines of another response; false without memory for them.
    pub(crate) fn copy_lines(self, other: HeadersOut) -> bool {
        other.lines().all(|(name, value)| {
            let copies = self.0.pool().string(name).zip(self.0.pool().string(value));
            copies.is_some_and(|(name, value)| self.add(name, value) == Status::OK)
        })
    }

    /// Sets the status that says what protocol follows.
    pub(crate) fn set_switching_protocols(self) {
        self.set(NGX_HTTP_SWITCHING_PROTOCOLS as u16, None, None);
        // nginx has no text for it.
        self.raw_mut().status_line = borrowed(b"101 Switching Protocols");
    }

    /// Sets the status that is logged, once another one was sent.
    pub(crate) fn set_status(self, status: u16) {
        self.raw_mut().status = ngx_uint_t::from(status);
    }

    /// Sets status, type and length (none: it is not known yet), leaving other header lines as they are.
    pub(crate) fn set(self, status: u16, content_type: Option<&'static str>, length: Option<usize>) {
        let headers = self.raw_mut();
        headers.status = ngx_uint_t::from(status);
        headers.status_line.len = 0;
        let content_type = content_type.unwrap_or_default();
        headers.content_type = borrowed(content_type.as_bytes());
        headers.content_type_len = content_type.len();
        headers.content_type_lowcase = ptr::null_mut();
        headers.charset.len = 0;
        headers.content_length_n = length.map_or(-1, |length| i64::try_from(length).unwrap_or(i64::MAX));
        headers.content_length = ptr::null_mut();
    }

    /// Adds a line; the value is copied.
    pub(crate) fn push(self, name: &'static str, value: &str) -> Status {
        match self.0.pool().string(value.as_bytes()) {
            Some(value) => self.add(borrowed(name.as_bytes()), value),
            None => Status::ERROR,
        }
    }

    /// Adds a line that lives as long as the request.
    fn add(self, name: ngx_str_t, value: ngx_str_t) -> Status {
        // SAFETY: the list was initialised by nginx or by `clear`.
        unsafe {
            let line = ngx_list_push(&mut self.raw_mut().headers).cast::<ngx_table_elt_t>();
            if line.is_null() {
                return Status::ERROR;
            }
            line.write(std::mem::zeroed());
            (*line).hash = 1;
            (*line).key = name;
            (*line).value = value;
        }
        Status::OK
    }
}
