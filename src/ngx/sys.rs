//! nginx's types and functions, as bindgen read them from the headers of the nginx that this build is for.
#![allow(missing_docs, non_camel_case_types, non_snake_case, non_upper_case_globals, unreachable_pub, dead_code)]
// Headers of newer systems mention 128-bit integers, which Rust 1.85 does not take for C's; none is used here.
#![allow(improper_ctypes)]
// Rust 1.85 does not know the last of these lints.
#![allow(
    unknown_lints,
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    unsafe_op_in_unsafe_fn,
    unnecessary_transmutes
)]

include!(concat!(env!("OUT_DIR"), "/bindings.rs"));

unsafe extern "C" {
    /// `ngx_post_event()` into `ngx_posted_events`, a macro in C (shim.c).
    pub fn mcp_post_event(event: *mut ngx_event_t);
    /// `ngx_delete_posted_event()` of an event that is posted (shim.c).
    pub fn mcp_delete_posted_event(event: *mut ngx_event_t);
    /// `ngx_add_timer()`, likewise inline (shim.c).
    pub fn mcp_add_timer(event: *mut ngx_event_t, milliseconds: ngx_msec_t);
    /// `ngx_del_timer()` of an event whose timer is set (shim.c).
    pub fn mcp_delete_timer(event: *mut ngx_event_t);
    /// What `ngx_http_writer()` does after it has written (shim.c).
    pub fn mcp_pace_writing(request: *mut ngx_http_request_t) -> ngx_int_t;
    /// A request in a location, without a client, or on behalf of one's (inner.c).
    pub fn mcp_create_detached(
        conf: *mut ngx_http_conf_ctx_t,
        client: *mut ngx_http_request_t,
    ) -> *mut ngx_http_request_t;
    /// Makes the header lines of one known to variables (inner.c).
    pub fn mcp_know_headers(request: *mut ngx_http_request_t) -> ngx_int_t;
    /// Frees one (inner.c).
    pub fn mcp_free_detached(request: *mut ngx_http_request_t);
    /// A request like a client's, on a connection of its own (inner.c).
    pub fn mcp_create_inner(
        client: *mut ngx_http_request_t,
        method: ngx_uint_t,
        method_name: *mut ngx_str_t,
        body: *mut ngx_str_t,
        line: *mut core::ffi::c_void,
    ) -> *mut ngx_http_request_t;
    /// Adds a header line to one that does not run yet (inner.c).
    pub fn mcp_add_header(request: *mut ngx_http_request_t, key: *mut ngx_str_t, value: *mut ngx_str_t) -> ngx_int_t;
    /// Runs one (inner.c).
    pub fn mcp_start_inner(request: *mut ngx_http_request_t);
    /// What `mcp_create_inner` was given, null for a client's request (inner.c).
    pub fn mcp_inner_line(request: *mut ngx_http_request_t) -> *mut core::ffi::c_void;
    /// Nobody waits for the response any more (inner.c).
    pub fn mcp_leave_inner(connection: *mut ngx_connection_t);
    /// Offers the rest of the response again (inner.c).
    pub fn mcp_resume_inner(connection: *mut ngx_connection_t);
    /// Makes the bell of all workers (bell.c).
    pub fn mcp_make_bell(log: *mut ngx_log_t) -> ngx_int_t;
    /// Hears it in this worker (bell.c).
    pub fn mcp_hear_bell(cycle: *mut ngx_cycle_t, handler: ngx_event_handler_pt) -> ngx_int_t;
    /// Rings it (bell.c).
    pub fn mcp_ring_bell();
    /// Gives the cycle that ends a log that lasts, while the next one is read (lasting_log.c).
    pub fn mcp_lend_log(cf: *mut ngx_conf_t) -> ngx_int_t;
    /// Gives it its own back (lasting_log.c).
    pub fn mcp_take_log_back();
    /// Makes the roll of the processes that live (roll.c).
    pub fn mcp_make_roll(log: *mut ngx_log_t) -> ngx_int_t;
    /// Takes a place on it (roll.c).
    pub fn mcp_enrol() -> core::ffi::c_int;
    /// Whether the process with a place lives (roll.c).
    pub fn mcp_is_enrolled(place: core::ffi::c_int) -> core::ffi::c_int;
    /// Gives freed memory back to the system (shim.c).
    pub fn mcp_trim_heap();
}
