//! nginx's buffers and chains.

use std::collections::VecDeque;
use std::ptr;

use super::request::Request;
use super::sys::{ngx_buf_t, ngx_chain_t};

/// A chain as a filter receives it: the filter takes what it wants and leaves the buffers consumed.
#[derive(Clone, Copy)]
pub(crate) struct Chain(*mut ngx_chain_t);

/// How many bytes in memory a buffer has.
///
/// # Safety
///
/// `pos` and `last` point into the same memory.
pub(super) unsafe fn length(b: &ngx_buf_t) -> usize {
    // SAFETY: the caller's promise.
    usize::try_from(unsafe { b.last.offset_from(b.pos) }).unwrap_or(0)
}

/// What a filter took out of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Taken {
    /// The chain ended the response (`last_buf`, of the client's own request).
    pub(crate) last_buf: bool,
    /// The chain ended a subrequest's response (`last_in_chain`).
    pub(crate) last_in_chain: bool,
    /// The bytes would have exceeded the limit; some were not taken.
    pub(crate) over_limit: bool,
}

impl Chain {
    pub(crate) fn new(chain: *mut ngx_chain_t) -> Chain {
        Chain(chain)
    }

    /// Marks every buffer consumed and appends its memory to `to`, up to `limit` bytes in all.
    ///
    /// Buffers are in memory: the request has `filter_need_in_memory` set.
    pub(crate) fn take(self, to: &mut Vec<u8>, limit: usize) -> Taken {
        let mut taken = Taken::default();
        let mut link = self.0;
        while !link.is_null() {
            // SAFETY: nginx hands the filter a well-formed chain; `pos..last` is initialised memory of the buffer.
            unsafe {
                let b = &mut *(*link).buf;
                if !b.pos.is_null() && b.last > b.pos {
                    let bytes = std::slice::from_raw_parts(b.pos, length(b));
                    if to.len() + bytes.len() > limit {
                        taken.over_limit = true;
                    } else {
                        to.extend_from_slice(bytes);
                    }
                    b.pos = b.last;
                }
                b.file_pos = b.file_last;
                taken.last_buf |= b.last_buf() != 0;
                taken.last_in_chain |= b.last_in_chain() != 0;
                link = (*link).next;
            }
        }
        taken
    }

    /// Hands every buffer's memory to `take` and marks it consumed, until `take` says that it wants no more for now; what
    /// is left is put into `held`.
    pub(crate) fn feed(self, held: &mut Held, take: &mut dyn FnMut(&[u8]) -> bool) -> Taken {
        let mut taken = Taken::default();
        let mut link = self.0;
        while !link.is_null() {
            // SAFETY: as in `take`.
            unsafe {
                let b = (*link).buf;
                taken.last_buf |= (*b).last_buf() != 0;
                taken.last_in_chain |= (*b).last_in_chain() != 0;
                held.0.push_back(b);
                link = (*link).next;
            }
        }
        held.feed(take);
        taken
    }

    /// Marks every buffer consumed.
    pub(crate) fn discard(self) {
        self.take(&mut Vec::new(), 0);
    }

    /// No buffers at all: nginx asks to go on sending what is queued.
    pub(crate) fn is_empty(self) -> bool {
        self.0.is_null()
    }
}

/// Buffers of an upstream that are left as they are while the client is slow: nginx reads no more from an upstream whose
/// buffers are full.
#[derive(Default)]
pub(crate) struct Held(VecDeque<*mut ngx_buf_t>);

impl Held {
    /// Goes on with what waits.
    pub(crate) fn feed(&mut self, take: &mut dyn FnMut(&[u8]) -> bool) {
        while let Some(b) = self.0.front().copied() {
            // SAFETY: a buffer that is not consumed stays with the upstream that it came from, and nothing else is held.
            let b = unsafe { &mut *b };
            if !b.pos.is_null() && b.last > b.pos {
                // SAFETY: as in `Chain::take`.
                let bytes = unsafe { std::slice::from_raw_parts(b.pos, length(b)) };
                if !take(bytes) {
                    return;
                }
                b.pos = b.last;
            }
            b.file_pos = b.file_last;
            self.0.pop_front();
        }
    }
}

/// A link and its buffer, allocated together.
#[derive(Clone, Copy)]
#[repr(C)]
struct Link {
    chain: ngx_chain_t,
    buf: ngx_buf_t,
}

/// A chain of read-only memory that ends the response, made in the request's pool; empty parts are left out.
///
/// The parts are borrowed: they must live as long as the request.
pub(crate) fn response(request: Request, parts: [&[u8]; 2]) -> Option<*mut ngx_chain_t> {
    let second = if parts[1].is_empty() { ptr::null_mut() } else { link(request, parts[1], ptr::null_mut())? };
    if parts[0].is_empty() && !second.is_null() {
        return Some(second);
    }
    link(request, parts[0], second)
}

/// A chain with nothing in it that has everything before it sent at once.
pub(crate) fn flushing(request: Request) -> Option<*mut ngx_chain_t> {
    let link = request.pool().zeroed::<Link>()?.as_ptr();
    // SAFETY: just allocated, zeroed, and written by nobody else.
    unsafe {
        (*link).buf.set_flush(1);
        (*link).chain.buf = &raw mut (*link).buf;
        Some(&raw mut (*link).chain)
    }
}

/// A chain with a copy of some bytes, as a request's body is.
pub(super) fn memory(request: Request, bytes: &[u8]) -> Option<*mut ngx_chain_t> {
    let copy = request.copy(bytes)?;
    let chain = link(request, copy, ptr::null_mut())?;
    // SAFETY: just made.
    unsafe { (*(*chain).buf).set_last_buf(1) };
    Some(chain)
}

fn link(request: Request, part: &[u8], next: *mut ngx_chain_t) -> Option<*mut ngx_chain_t> {
    let link = request.pool().zeroed::<Link>()?.as_ptr();
    // SAFETY: just allocated, zeroed, and written by nobody else.
    unsafe {
        let buf = &mut (*link).buf;
        if !part.is_empty() {
            buf.pos = part.as_ptr().cast_mut();
            buf.last = buf.pos.add(part.len());
            buf.start = buf.pos;
            buf.end = buf.last;
            buf.set_memory(1);
        }
        if next.is_null() {
            buf.set_last_buf(u32::from(request.is_main()));
            buf.set_last_in_chain(1);
        }
        (*link).chain.buf = buf;
        (*link).chain.next = next;
        Some(&mut (*link).chain)
    }
}

/// The bytes of a request body, in memory or in a temporary file.
pub(crate) fn read_all(chain: *mut ngx_chain_t) -> std::io::Result<Vec<u8>> {
    use std::os::fd::BorrowedFd;
    use std::os::unix::fs::FileExt;

    let mut all = Vec::new();
    let mut link = chain;
    while !link.is_null() {
        // SAFETY: a request body's chain is well-formed; file buffers name an open descriptor that nginx owns.
        unsafe {
            let b = &*(*link).buf;
            if b.in_file() != 0 && !b.file.is_null() {
                let size = usize::try_from(b.file_last - b.file_pos).unwrap_or(0);
                let offset = u64::try_from(b.file_pos).unwrap_or(0);
                let start = all.len();
                all.resize(start + size, 0);
                let fd = BorrowedFd::borrow_raw((*b.file).fd).try_clone_to_owned()?;
                std::fs::File::from(fd).read_exact_at(&mut all[start..], offset)?;
            } else if !b.pos.is_null() && b.last > b.pos {
                all.extend_from_slice(std::slice::from_raw_parts(b.pos, length(b)));
            }
            link = (*link).next;
        }
    }
    Ok(all)
}
