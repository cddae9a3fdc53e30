//! Requests that are made of what a client sends by another way than an HTTP request of its own.
//!
//! Each is a request of nginx in every respect: it goes through all phases, limits and logs, and ends as nginx ends requests. Only
//! its response goes to an [`Outlet`] instead of a socket.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr;
use std::rc::Rc;

use mcp::http::{HeaderLine, HttpReply, Transport};

use super::buf::length;
use super::disguise::method_bit;
use super::entry::guard;
use super::log::Log;
use super::request::{Request, Status};
use super::string::{borrowed, bytes};
use super::sys::*;

/// When a request that has passed its limits and access rules does what it is for.
pub(crate) enum Admission {
    /// At once.
    Now,
    /// When the outlet has it go on ([`crate::handler::go_on`]).
    Later,
    /// Never: its client has left.
    Never,
}

/// Who hears the response to such a request.
pub(crate) trait Outlet {
    /// By which way the client has sent it.
    fn transport(&self) -> Transport;

    /// The request has passed its limits and access rules.
    fn admit(&self, _inner: Request) -> Admission {
        Admission::Now
    }

    /// nginx refuses the request with this reply, which follows.
    fn refuse(&self, _inner: Request, _refusal: &HttpReply) {}

    /// Takes a part of the response's body; false if it cannot now, and [`Inner::resume`] follows.
    fn take(&self, inner: Request, part: &[u8]) -> bool;

    /// The response is complete.
    fn complete(&self, inner: Request);

    /// nginx is done with the request: nothing more comes.
    fn over(&self, inner: Request);

    /// The client wants the request of this id no more, which it has sent by the same way.
    fn cancel(&self, id: &str);

    /// Some time has passed, for an outlet that wants to know.
    fn remind(&self) {}
}

/// What connects a request and its outlet.
struct Line {
    /// Null once nginx is done with the request.
    connection: Cell<*mut ngx_connection_t>,
    outlet: Rc<dyn Outlet>,
    begin: Cell<Option<Begin>>,
}

/// What a request does in the place of nginx's phases.
pub(crate) type Begin = Box<dyn FnOnce(Request) -> Status>;

/// A request that was made; it runs on when this is dropped.
pub(crate) struct Inner(Rc<Line>);

impl Inner {
    /// Makes a request of a client's, which need not outlive it: to the same URI, with this method, these header lines and this
    /// body. It runs soon, but not from within this. None when there is no connection or memory left.
    ///
    /// With `begin` it is for what the client's request was admitted for already: it knows the values of variables that this
    /// has found, and goes through no phases, but does that.
    pub(crate) fn start<'a>(
        client: Request,
        method: &'static str,
        lines: impl Iterator<Item = HeaderLine<'a>>,
        body: &[u8],
        outlet: Rc<dyn Outlet>,
        begin: Option<Begin>,
    ) -> Option<Inner> {
        let is_admitted = begin.is_some();
        let line = Rc::new(Line { connection: Cell::new(ptr::null_mut()), outlet, begin: Cell::new(begin) });
        let (mut name, mut content) = (borrowed(method.as_bytes()), borrowed(body));
        let kept = Rc::into_raw(Rc::clone(&line));
        // SAFETY: the client's request is alive; what is lent is copied, but for the static name of the method.
        let r = unsafe {
            let line = kept.cast_mut().cast::<c_void>();
            mcp_create_inner(client.as_ptr(), method_bit(method), &mut name, &mut content, line)
        };
        let Some(request) = Request::new(r) else {
            // SAFETY: of `into_raw` above, and not given away.
            drop(unsafe { Rc::from_raw(kept) });
            return None;
        };
        // SAFETY: the request was just made, and its connection lives until `over` says otherwise.
        unsafe {
            line.connection.set((*r).connection);
            for (name, value) in lines {
                // Without memory for a line the request goes without it no further than anything else.
                if mcp_add_header(request.as_ptr(), &mut borrowed(name), &mut borrowed(value)) != NGX_OK as ngx_int_t {
                    mcp_leave_inner((*r).connection);
                }
            }
            if is_admitted && !request.take_variables(client) {
                mcp_leave_inner((*r).connection);
            }
            mcp_start_inner(request.as_ptr());
        }
        Some(Inner(line))
    }

    /// The request, as long as nginx has it.
    pub(crate) fn request(&self) -> Option<Request> {
        // SAFETY: null, or a connection whose request nginx is not done with.
        let connection = unsafe { self.0.connection.get().as_ref() }?;
        Request::new(connection.data.cast()).map(Request::main)
    }

    /// The client has left: what runs for the request ends, but not from within this.
    pub(crate) fn leave(&self) {
        let connection = self.0.connection.get();
        if !connection.is_null() {
            // SAFETY: nginx is not done with the request.
            unsafe { mcp_leave_inner(connection) }
        }
    }

    /// The outlet can take more.
    pub(crate) fn resume(&self) {
        let connection = self.0.connection.get();
        if !connection.is_null() {
            // SAFETY: as in `leave`.
            unsafe { mcp_resume_inner(connection) }
        }
    }
}

impl Request {
    fn line<'a>(self) -> Option<&'a Line> {
        // SAFETY: null, or what `Inner::start` gave, which lives as long as the request.
        unsafe { mcp_inner_line(self.as_ptr()).cast::<Line>().as_ref() }
    }

    /// What it does in the place of nginx's phases, once.
    pub(crate) fn take_begin(self) -> Option<Begin> {
        self.line()?.begin.take()
    }

    /// Takes over what another request has found of variables; false without memory for it.
    pub(crate) fn take_variables(self, from: Request) -> bool {
        // SAFETY: both requests are of the same configuration, and each has an array with a place for every variable.
        let (own, others) = unsafe {
            let main_conf = *(*self.as_ptr()).main_conf.add(ngx_http_core_module.ctx_index);
            let count = (*main_conf.cast::<ngx_http_core_main_conf_t>()).variables.nelts;
            let own = std::slice::from_raw_parts_mut((*self.as_ptr()).variables, count);
            (own, std::slice::from_raw_parts((*from.as_ptr()).variables, count))
        };
        for (own, other) in own.iter_mut().zip(others) {
            if other.valid() == 0 || other.no_cacheable() != 0 {
                continue;
            }
            let value = ngx_str_t { len: other.len() as usize, data: other.data };
            let Some(copy) = self.copy(bytes(&value)) else { return false };
            *own = *other;
            own.data = copy.as_ptr().cast_mut();
        }
        true
    }

    /// Who hears the response; none for a request that came on a client's connection.
    pub(crate) fn outlet(self) -> Option<&'static dyn Outlet> {
        self.line().map(|line| &*line.outlet)
    }
}

/// What nginx has of the response.
#[unsafe(no_mangle)]
extern "C" fn mcp_inner_send_chain(
    connection: *mut ngx_connection_t,
    chain: *mut ngx_chain_t,
    _limit: off_t,
) -> *mut ngx_chain_t {
    // `NGX_CHAIN_ERROR`
    let failed = ptr::without_provenance_mut(NGX_ERROR as usize);
    // SAFETY: a connection's `data` is its active request; the chain is well-formed, `pos..last` of a buffer is initialised.
    guard(Log::cycle(), failed, || unsafe {
        let Some(request) = Request::new((*connection).data.cast()).map(Request::main) else { return failed };
        let outlet = request.outlet();
        let mut link = chain;
        while !link.is_null() {
            let b = &mut *(*link).buf;
            let length = length(b);
            if !b.pos.is_null() && length > 0 {
                let part = std::slice::from_raw_parts(b.pos, length);
                if outlet.is_some_and(|outlet| !outlet.take(request, part)) {
                    (*(*connection).write).set_ready(0);
                    return link;
                }
                b.pos = b.last;
                (*connection).sent += off_t::try_from(length).unwrap_or(0);
            }
            b.file_pos = b.file_last;
            if b.last_buf() != 0 {
                outlet.iter().for_each(|outlet| outlet.complete(request));
            }
            link = (*link).next;
        }
        ptr::null_mut()
    })
}

/// nginx is about to free the request, or has decided to.
#[unsafe(no_mangle)]
extern "C" fn mcp_inner_over(line: *mut c_void) {
    // SAFETY: what `Inner::start` gave away, once.
    let line = unsafe { Rc::from_raw(line.cast::<Line>()) };
    guard(Log::cycle(), (), || {
        let inner = Inner(line);
        let request = inner.request();
        inner.0.connection.set(ptr::null_mut());
        request.into_iter().for_each(|request| inner.0.outlet.over(request));
    });
}
