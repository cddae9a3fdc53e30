//! A request as the module sees it.

use std::ptr::{self, NonNull};

use mcp::http::HeaderLine;
use smallvec::SmallVec;

use super::buf;
use super::headers_out::HeadersOut;
use super::log::Log;
use super::pool::Pool;
use super::string::{borrowed, bytes};
use super::sys::*;

/// What a handler tells nginx: one of nginx's codes, or an HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Status(pub(crate) ngx_int_t);

impl Status {
    pub(crate) const OK: Status = Status(NGX_OK as ngx_int_t);
    pub(crate) const ERROR: Status = Status(NGX_ERROR as ngx_int_t);
    pub(crate) const AGAIN: Status = Status(NGX_AGAIN as ngx_int_t);
    pub(crate) const DONE: Status = Status(NGX_DONE as ngx_int_t);
    pub(crate) const DECLINED: Status = Status(NGX_DECLINED as ngx_int_t);
    pub(crate) const NOT_FOUND: Status = Status(NGX_HTTP_NOT_FOUND as ngx_int_t);
    pub(crate) const REQUEST_TIME_OUT: Status = Status(NGX_HTTP_REQUEST_TIME_OUT as ngx_int_t);
    pub(crate) const CLIENT_CLOSED_REQUEST: Status = Status(NGX_HTTP_CLIENT_CLOSED_REQUEST as ngx_int_t);
    pub(crate) const INTERNAL_SERVER_ERROR: Status = Status(NGX_HTTP_INTERNAL_SERVER_ERROR as ngx_int_t);

    /// Whether it is an HTTP status that ends the request.
    pub(crate) fn is_refusal(self) -> bool {
        self.0 >= NGX_HTTP_SPECIAL_RESPONSE as ngx_int_t
    }
}

/// nginx's function for what a client sends.
pub(crate) type ReadHandler = ngx_http_event_handler_pt;

/// Runs one for a request.
pub(crate) fn run_reader(handler: ReadHandler, request: Request) {
    if let Some(handler) = handler {
        // SAFETY: the function that nginx had installed for this request.
        unsafe { handler(request.as_ptr()) }
    }
}

/// What came of reading from a client.
pub(crate) enum Received {
    /// So many bytes.
    Bytes(usize),
    /// There are none yet.
    Nothing,
    /// The client has closed, or the connection is broken.
    End,
}

/// A handle to a request; valid as long as nginx has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Request(NonNull<ngx_http_request_t>);

impl Request {
    /// The handle of a pointer that nginx passed to an entry point.
    pub(crate) fn new(r: *mut ngx_http_request_t) -> Option<Request> {
        NonNull::new(r).map(Request)
    }

    pub(crate) fn as_ptr(self) -> *mut ngx_http_request_t {
        self.0.as_ptr()
    }

    pub(super) fn raw<'a>(self) -> &'a ngx_http_request_t {
        // SAFETY: the handle's invariant; the reference is used for one read and not kept across calls into nginx.
        unsafe { &*self.0.as_ptr() }
    }

    pub(super) fn raw_mut<'a>(self) -> &'a mut ngx_http_request_t {
        // SAFETY: as in `raw`, for one write.
        unsafe { &mut *self.0.as_ptr() }
    }

    pub(crate) fn pool(self) -> Pool {
        Pool::new(self.raw().pool)
    }

    pub(crate) fn log(self) -> Log {
        // SAFETY: a request has a connection and a connection has a log.
        Log::new(unsafe { (*self.raw().connection).log })
    }

    pub(crate) fn is_main(self) -> bool {
        self.raw().main == self.as_ptr()
    }

    pub(crate) fn main(self) -> Request {
        NonNull::new(self.raw().main).map_or(self, Request)
    }

    /// The configuration of a module for the location that the request is in.
    pub(crate) fn loc_conf<T>(self, module: &ngx_module_t) -> Option<&'static T> {
        let confs = self.raw().loc_conf;
        if confs.is_null() {
            return None;
        }
        // SAFETY: `loc_conf` has a slot for every HTTP module; the configuration outlives every request of its cycle.
        unsafe { (*confs.add(module.ctx_index)).cast::<T>().as_ref() }
    }

    /// The same for `http {}`.
    pub(crate) fn main_conf<T>(self, module: &ngx_module_t) -> Option<&'static T> {
        let confs = self.raw().main_conf;
        if confs.is_null() {
            return None;
        }
        // SAFETY: as in `loc_conf`.
        unsafe { (*confs.add(module.ctx_index)).cast::<T>().as_ref() }
    }

    /// Whether nginx has not looked for the request's location yet.
    pub(crate) fn is_outside_locations(self) -> bool {
        // SAFETY: the core module has a configuration in every server, and that knows the server's context.
        unsafe {
            let core = (*self.raw().srv_conf.add(ngx_http_core_module.ctx_index)).cast::<ngx_http_core_srv_conf_t>();
            (*(*core).ctx).loc_conf == self.raw().loc_conf
        }
    }

    /// The array of the server's configurations, which tells servers apart.
    pub(super) fn srv_conf(self) -> *mut *mut std::ffi::c_void {
        self.raw().srv_conf
    }

    /// The module's context of this request, as set by `set_context`.
    pub(crate) fn context<T>(self, module: &ngx_module_t) -> Option<&'static T> {
        let contexts = self.raw().ctx;
        if contexts.is_null() {
            return None;
        }
        // SAFETY: the slot holds null or what `set_context` put there; it lives in the request's pool.
        unsafe { (*contexts.add(module.ctx_index)).cast::<T>().as_ref() }
    }

    /// Moves a value into the request's pool; it is dropped with the request.
    pub(crate) fn keep<T>(self, value: T) -> Option<&'static T> {
        // SAFETY: just written; handles and what they lend are not used beyond their request.
        self.pool().keep(value).map(|kept| unsafe { kept.as_ref() })
    }

    /// Moves a context into the request's pool; it is dropped with the request.
    pub(crate) fn set_context<T>(self, module: &ngx_module_t, context: T) -> Option<&'static T> {
        let kept = self.pool().keep(context)?;
        // SAFETY: `ctx` has a slot for every HTTP module.
        unsafe {
            *self.raw().ctx.add(module.ctx_index) = kept.as_ptr().cast();
            Some(kept.as_ref())
        }
    }

    pub(crate) fn method(self) -> &'static str {
        match self.raw().method as u32 {
            NGX_HTTP_GET => "GET",
            NGX_HTTP_POST => "POST",
            _ => std::str::from_utf8(bytes(&self.raw().method_name)).unwrap_or("?").trim_end(),
        }
    }

    /// An argument of the request line, decoded; none if it is not UTF-8.
    pub(crate) fn argument(self, name: &[u8]) -> Option<String> {
        let mut value = borrowed(b"");
        // SAFETY: nginx reads the name and the request's arguments; what is decoded is a copy, which becomes no longer.
        unsafe {
            if ngx_http_arg(self.as_ptr(), name.as_ptr().cast_mut(), name.len(), &mut value) != NGX_OK as ngx_int_t {
                return None;
            }
            let copy = self.copy(bytes(&value))?;
            let (mut from, mut to) = (copy.as_ptr().cast_mut(), copy.as_ptr().cast_mut());
            ngx_unescape_uri(&mut to, &mut from, copy.len(), 0);
            let length = usize::try_from(to.offset_from(copy.as_ptr())).unwrap_or(0);
            String::from_utf8(copy[..length].to_vec()).ok()
        }
    }

    /// Path and query of the request line, as they came.
    pub(crate) fn target(self) -> &'static [u8] {
        bytes(&self.raw().unparsed_uri)
    }

    /// Keeps the request out of the access log.
    pub(crate) fn forgo_log(self) {
        self.raw_mut().set_logged(1);
    }

    /// The path of the request line, decoded; empty when the request line could not be read.
    pub(crate) fn path(self) -> &'static [u8] {
        bytes(&self.raw().uri)
    }

    /// The client's header lines, name in lower case.
    pub(crate) fn headers(self) -> SmallVec<[HeaderLine<'static>; 16]> {
        let mut lines = SmallVec::new();
        let mut part: *const ngx_list_part_t = &self.raw().headers_in.headers.part;
        while !part.is_null() {
            // SAFETY: nginx's list of the request's headers; keys and values live in the request's pool.
            unsafe {
                let elements = (*part).elts.cast::<ngx_table_elt_t>();
                for index in 0..(*part).nelts {
                    let line = &*elements.add(index);
                    if line.hash != 0 && !line.lowcase_key.is_null() {
                        lines.push((std::slice::from_raw_parts(line.lowcase_key, line.key.len), bytes(&line.value)));
                    }
                }
                part = (*part).next;
            }
        }
        lines
    }

    /// The host that the request is for, as nginx chose the server by it: lower case, without port.
    pub(super) fn host(self) -> ngx_str_t {
        self.raw().headers_in.server
    }

    /// Whether the client reached us on a loopback address.
    pub(crate) fn is_loopback(self) -> bool {
        // SAFETY: the connection is alive; after `ngx_connection_local_sockaddr` its local address is set.
        unsafe {
            let connection = self.raw().connection;
            if ngx_connection_local_sockaddr(connection, ptr::null_mut(), 0) != NGX_OK as ngx_int_t {
                return false;
            }
            let address = (*connection).local_sockaddr;
            match i32::from((*address).sa_family) {
                family if family == AF_INET as i32 => {
                    let address = &*address.cast::<sockaddr_in>();
                    address.sin_addr.s_addr.to_ne_bytes()[0] == 127
                }
                family if family == AF_INET6 as i32 => {
                    let address = &*address.cast::<sockaddr_in6>();
                    let octets = address.sin6_addr.__in6_u.__u6_addr8;
                    octets == std::net::Ipv6Addr::LOCALHOST.octets()
                        || (octets[..12] == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff] && octets[12] == 127)
                }
                _ => true,
            }
        }
    }

    /// Reads the client's body; `ready` runs when it is complete, perhaps before this returns.
    pub(crate) fn read_body(self, ready: unsafe extern "C" fn(*mut ngx_http_request_t)) -> Status {
        // SAFETY: the handle's invariant; nginx keeps the request until the body is read or the client is gone.
        Status(unsafe { ngx_http_read_client_request_body(self.as_ptr(), Some(ready)) })
    }

    /// The body that was read.
    pub(crate) fn body(self) -> std::io::Result<Vec<u8>> {
        let body = self.raw().request_body;
        if body.is_null() {
            return Ok(Vec::new());
        }
        // SAFETY: `request_body` is set by nginx and lives in the request's pool.
        buf::read_all(unsafe { (*body).bufs })
    }

    /// The body when it lies in memory in one piece, as nearly all do.
    pub(crate) fn body_in_one_piece(self) -> Option<&'static [u8]> {
        let body = self.raw().request_body;
        if body.is_null() {
            return Some(&[]);
        }
        // SAFETY: as in `body`; a memory buffer's `pos..last` is initialised and lives in the request's pool.
        unsafe {
            let link = (*body).bufs;
            if link.is_null() {
                return Some(&[]);
            }
            let b = &*(*link).buf;
            if !(*link).next.is_null() || b.in_file() != 0 || b.pos.is_null() {
                return None;
            }
            Some(std::slice::from_raw_parts(b.pos, buf::length(b)))
        }
    }

    /// The function that nginx calls when the client sends more.
    pub(crate) fn read_event_handler(self) -> ReadHandler {
        self.raw().read_event_handler
    }

    pub(crate) fn set_read_event_handler(self, handler: ReadHandler) {
        self.raw_mut().read_event_handler = handler;
    }

    /// Whether the time for the client's next bytes has run out.
    pub(crate) fn read_timed_out(self) -> bool {
        // SAFETY: a request's connection has a read event.
        unsafe { (*(*self.raw().connection).read).timedout() != 0 }
    }

    /// Leaves the phase that a phase handler has interrupted, until [`Request::resume_phases`]; the client is watched meanwhile.
    pub(crate) fn suspend_phases(self) {
        self.watch();
        self.raw_mut().write_event_handler = Some(ngx_http_request_empty_handler);
    }

    /// Goes on with the phase that a phase handler interrupted.
    pub(crate) fn resume_phases(self) {
        let r = self.raw_mut();
        r.set_preserve_body(1);
        r.write_event_handler = Some(ngx_http_core_run_phases);
        // SAFETY: the request is in a phase; nginx's own modules resume it so.
        unsafe { ngx_http_core_run_phases(self.as_ptr()) }
    }

    pub(crate) fn finalize(self, status: Status) {
        // SAFETY: the caller holds the reference that this gives up, as nginx's rules for the status say.
        unsafe { ngx_http_finalize_request(self.as_ptr(), status.0) }
    }

    /// Whether the connection can become one of another protocol.
    pub(crate) fn can_upgrade(self) -> bool {
        self.is_main() && self.method() == "GET" && self.raw().http_version == NGX_HTTP_VERSION_11 as ngx_uint_t
    }

    /// Bytes of a body at the most, as the location wants it (`client_max_body_size`).
    pub(crate) fn max_body_size(self) -> usize {
        // SAFETY: the core module has a configuration in every location.
        let size = unsafe {
            let core = *self.raw().loc_conf.add(ngx_http_core_module.ctx_index);
            (*core.cast::<ngx_http_core_loc_conf_t>()).client_max_body_size
        };
        usize::try_from(size).ok().filter(|size| *size > 0).unwrap_or(usize::MAX)
    }

    /// Keeps nginx from ending the request when the running handler returns `DONE`; `finalize` gives the hold up. The
    /// client is watched meanwhile.
    pub(crate) fn hold(self) {
        self.retain();
        self.watch();
    }

    /// The same while nginx still has the request in hand, and watches the client itself.
    pub(crate) fn retain(self) {
        let r = self.raw_mut();
        r.set_count(r.count() + 1);
    }

    /// Ends the request when its client leaves.
    pub(crate) fn watch(self) {
        self.raw_mut().read_event_handler = Some(ngx_http_test_reading);
    }

    /// The client has got its response, as far as it takes it, and may leave; what it does is no affair of the upstream's. One that has sent
    /// the request by another way than one of its own takes what it has sent with it when it does.
    pub(crate) fn part_with_client(self) {
        let r = self.raw_mut();
        r.write_event_handler = Some(super::module::writable);
        if self.outlet().is_none() {
            r.read_event_handler = Some(ngx_http_block_reading);
        }
    }

    /// Whether a response of unknown length has its end where the connection is closed.
    pub(crate) fn ends_by_closing(self) -> bool {
        self.outlet().is_none() && self.raw().http_version < NGX_HTTP_VERSION_11 as ngx_uint_t
    }

    /// The same for a response that goes on for long: what the client does not take at once is sent when it can take it.
    pub(crate) fn hold_stream(self) {
        self.retain();
        self.watch_stream();
    }

    /// Watches the client, and sends what there is for it when it can take it.
    pub(crate) fn watch_stream(self) {
        self.watch();
        self.raw_mut().write_event_handler = Some(super::module::writable);
    }

    /// From now on the connection is another protocol's: what the client sends, and that it can take more, is told to
    /// `event`. It is closed when the request ends.
    pub(crate) fn hold_connection(self, event: unsafe extern "C" fn(*mut ngx_http_request_t)) {
        self.retain();
        let r = self.raw_mut();
        r.read_event_handler = Some(event);
        r.write_event_handler = Some(event);
        r.set_keepalive(0);
        // What is still to come of the client is read then, so that it gets all that was sent to it.
        r.set_lingering_close(1);
    }

    /// Reads what the client has sent by now.
    pub(crate) fn receive(self, buffer: &mut [u8]) -> Received {
        let r = self.raw_mut();
        // SAFETY: the request and its connection are alive; nginx filled what is between the ends of its buffer, and
        // writes no more than the length given.
        unsafe {
            if let Some(read) = r.header_in.as_mut().filter(|read| read.pos < read.last) {
                let length = buf::length(read).min(buffer.len());
                buffer[..length].copy_from_slice(std::slice::from_raw_parts(read.pos, length));
                read.pos = read.pos.add(length);
                return Received::Bytes(length);
            }
            let connection = r.connection;
            let Some(recv) = (*connection).recv else { return Received::End };
            match recv(connection, buffer.as_mut_ptr(), buffer.len()) {
                again if again == NGX_AGAIN as isize => {
                    match ngx_handle_read_event((*connection).read, 0) == NGX_OK as ngx_int_t {
                        true => Received::Nothing,
                        false => Received::End,
                    }
                }
                length => {
                    usize::try_from(length).ok().filter(|length| *length > 0).map_or(Received::End, Received::Bytes)
                }
            }
        }
    }

    /// Whether the client has closed its side, as far as can be seen without reading.
    pub(crate) fn client_has_left(self) -> bool {
        // SAFETY: a request's connection has a read event.
        unsafe { (*(*self.raw().connection).read).pending_eof() != 0 || (*self.raw().connection).error() != 0 }
    }

    /// Whether the client took nothing for `send_timeout`.
    pub(crate) fn write_timed_out(self) -> bool {
        // SAFETY: a request's connection has a write event.
        unsafe { (*(*self.raw().connection).write).timedout() != 0 }
    }

    /// Waits for the client if it has not taken everything, as nginx does for the body of a response; false if that cannot be
    /// waited for.
    pub(crate) fn pace_writing(self) -> bool {
        // SAFETY: the request and its connection are alive; the core module has a configuration in every location.
        unsafe { mcp_pace_writing(self.as_ptr()) == NGX_OK as ngx_int_t }
    }

    /// Gives the request a body, which is copied.
    pub(crate) fn set_body(self, bytes: &[u8]) -> bool {
        let Some(body) = self.pool().zeroed::<ngx_http_request_body_t>() else { return false };
        let Some(chain) = buf::memory(self, bytes) else { return false };
        let r = self.raw_mut();
        r.request_body = body.as_ptr();
        // SAFETY: just allocated.
        unsafe { (*body.as_ptr()).bufs = chain };
        r.headers_in.content_length_n = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        true
    }

    /// A copy in the request's pool.
    pub(crate) fn copy(self, value: &[u8]) -> Option<&'static [u8]> {
        self.pool().string(value).map(|copy| bytes(&copy))
    }

    /// Whether the reply has no body (a HEAD request, 204 …), as the header filters found.
    pub(crate) fn header_only(self) -> bool {
        self.raw().header_only() != 0
    }

    /// Keeps nginx from sending the body that it has a header of.
    pub(crate) fn skip_body(self) {
        self.raw_mut().set_header_only(1);
    }

    /// After a reply to a request that was not read whole, the connection cannot be used again.
    pub(crate) fn forbid_keepalive(self) {
        self.raw_mut().set_keepalive(0);
    }

    pub(crate) fn keepalive(self) -> bool {
        self.raw().keepalive() != 0
    }

    pub(crate) fn set_keepalive(self, keep: bool) {
        self.raw_mut().set_keepalive(u32::from(keep));
    }

    /// Lets nginx send a header once more: what was sent so far is a stream's own, and the upstream's is still to come.
    pub(crate) fn forget_sent_header(self) {
        self.raw_mut().set_header_sent(0);
    }

    /// Whether the client has not yet read all that was sent to it.
    pub(crate) fn is_backed_up(self) -> bool {
        // SAFETY: a request has a connection.
        unsafe { (*self.raw().connection).buffered() != 0 }
    }

    /// The HTTP status of a refusal that nginx made itself (`err_status`), taken away so that the reply's own counts.
    pub(crate) fn take_refusal(self) -> Option<u16> {
        let r = self.raw_mut();
        let status = u16::try_from(r.err_status).ok().filter(|status| *status != 0)?;
        r.err_status = 0;
        Some(status)
    }

    /// The same, only looked at.
    pub(crate) fn refusal(self) -> Option<u16> {
        u16::try_from(self.raw().err_status).ok().filter(|status| *status != 0)
    }

    pub(crate) fn headers_out(self) -> HeadersOut {
        HeadersOut(self)
    }

    /// Seconds since the epoch.
    pub(crate) fn now(self) -> u64 {
        now()
    }

    /// How long ago it came, in milliseconds: `$request_time`.
    pub(crate) fn milliseconds(self) -> u64 {
        // SAFETY: nginx sets the cached time before it starts.
        let now = unsafe { &*ngx_cached_time };
        let milliseconds = (now.sec - self.raw().start_sec) * 1000 + now.msec as i64 - self.raw().start_msec as i64;
        u64::try_from(milliseconds).unwrap_or(0)
    }
}

/// Seconds since the epoch, as of nginx's last look at the clock.
pub(crate) fn now() -> u64 {
    // SAFETY: nginx sets the cached time before it starts.
    u64::try_from(unsafe { (*ngx_cached_time).sec }).unwrap_or(0)
}

/// The same in milliseconds.
pub(crate) fn now_in_milliseconds() -> u64 {
    // SAFETY: as in `now`.
    now() * 1000 + unsafe { (*ngx_cached_time).msec } as u64
}

/// Milliseconds of a clock that nobody sets, the same in all workers.
pub(crate) fn ticks() -> u64 {
    // SAFETY: nginx sets it before it starts; only events change it.
    unsafe { ngx_current_msec as u64 }
}
