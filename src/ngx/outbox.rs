//! What goes to the client bit by bit: a stream of events.

use std::collections::VecDeque;
use std::ptr;

use super::buf::length;
use super::module::next_body_filter;
use super::request::{Request, Status};
use super::sys::{ngx_buf_t, ngx_chain_t};

/// Bytes under way after which a stream takes nothing more until its client has read some.
const CROWDED: usize = 64 << 10;

/// The parts of a response that are on their way to the client.
///
/// nginx's filters keep pointers to a part until it is sent, so each stays where it is until then; a request's pool would
/// keep it until the request ends.
#[derive(Default)]
pub(crate) struct Outbox {
    parts: VecDeque<*mut Part>,
}

struct Part {
    chain: ngx_chain_t,
    buf: ngx_buf_t,
    /// What `buf` points to.
    bytes: Vec<u8>,
}

impl Outbox {
    /// Sends a part to the filters behind ours, and on to the client without waiting for more; `last` ends the response.
    pub(crate) fn send(&mut self, request: Request, bytes: Vec<u8>, last: bool) -> Status {
        self.reclaim();
        // SAFETY: all-zero is what nginx starts a buffer from.
        let mut buf: ngx_buf_t = unsafe { std::mem::zeroed() };
        if !bytes.is_empty() {
            buf.pos = bytes.as_ptr().cast_mut();
            // SAFETY: one past the end of the same memory.
            buf.last = unsafe { buf.pos.add(bytes.len()) };
            buf.start = buf.pos;
            buf.end = buf.last;
            buf.set_memory(1);
        }
        buf.set_flush(1);
        buf.set_last_buf(u32::from(last));
        buf.set_last_in_chain(u32::from(last));
        let chain = ngx_chain_t { buf: ptr::null_mut(), next: ptr::null_mut() };
        let part = Box::into_raw(Box::new(Part { chain, buf, bytes }));
        self.parts.push_back(part);
        // SAFETY: just made, and freed only by `reclaim` and `drop`.
        let chain = unsafe {
            (*part).chain.buf = &raw mut (*part).buf;
            &raw mut (*part).chain
        };
        let status = next_body_filter(request, chain);
        self.reclaim();
        status
    }

    /// Whether the client has more to read than should wait for it.
    pub(crate) fn is_crowded(&mut self) -> bool {
        self.backlog() > CROWDED
    }

    /// Bytes that are still under way.
    pub(crate) fn backlog(&mut self) -> usize {
        self.reclaim();
        // SAFETY: as in `send`.
        self.parts.iter().map(|part| unsafe { length(&(**part).buf) }).sum()
    }

    /// Frees what is sent: nobody points to it any more. Of a part without bytes that is known once one behind it is sent.
    fn reclaim(&mut self) {
        let mut sent = 0;
        for (index, part) in self.parts.iter().enumerate() {
            // SAFETY: as in `send`.
            let (left, is_empty) = unsafe { (length(&(**part).buf), (**part).bytes.is_empty()) };
            if left > 0 {
                break;
            }
            if !is_empty {
                sent = index + 1;
            }
        }
        for part in self.parts.drain(..sent) {
            // SAFETY: as in `send`; a part with nothing left to send is not referred to by any filter.
            drop(unsafe { Box::from_raw(part) });
        }
    }
}

impl Drop for Outbox {
    /// The request ends, and with it the filters' pointers.
    fn drop(&mut self) {
        for part in self.parts.drain(..) {
            // SAFETY: as in `send`.
            drop(unsafe { Box::from_raw(part) });
        }
    }
}
