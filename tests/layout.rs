//! Rust and C agree on where nginx's bit-fields lie and how large its structures are.
//!
//! bindgen before 0.73 computed wrong places for nginx >= 1.29.3 (rust-bindgen#3384), and the module would have set a bit
//! that means something else. `src/ngx/layout.c` sets each bit in C; here Rust has to see that one, and no other.

#[allow(
    unknown_lints,
    clippy::all,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unnecessary_transmutes,
    unreachable_pub,
    unsafe_op_in_unsafe_fn,
    reason = "written by bindgen"
)]
mod nginx {
    include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
}

use std::ptr::from_mut;

/// For each field: C sets it, Rust reads one there, and Rust's own setter makes the same bytes.
macro_rules! flags {
    ($($type:ident: $($field:ident by $set:ident in $c:ident),+;)+) => {
        unsafe extern "C" {
            $($(fn $c(object: *mut nginx::$type);)+)+
        }

        #[test]
        fn every_bit_is_where_c_has_it() {
            $($({
                // SAFETY: nginx's structures are plain C, for which all bits zero is a value.
                let [mut by_c, mut by_rust]: [nginx::$type; 2] = unsafe { [std::mem::zeroed(), std::mem::zeroed()] };
                let name = concat!(stringify!($type), ".", stringify!($field));
                assert_eq!(by_c.$field(), 0, "{name}");
                // SAFETY: the function sets one bit of the object.
                unsafe { $c(from_mut(&mut by_c)) };
                assert_eq!(by_c.$field(), 1, "Rust does not see the bit that C has set: {name}");
                by_rust.$set(1);
                assert!(bytes(&by_c) == bytes(&by_rust), "Rust sets another bit than C: {name}");
            })+)+
        }
    };
}

macro_rules! sizes {
    ($($type:ident in $c:ident;)+) => {
        unsafe extern "C" {
            $(fn $c() -> usize;)+
        }

        #[test]
        fn every_structure_has_the_size_that_c_has() {
            $(
                // SAFETY: the function only returns a number.
                assert_eq!(size_of::<nginx::$type>(), unsafe { $c() }, stringify!($type));
            )+
        }
    };
}

fn bytes<T>(object: &T) -> &[u8] {
    // SAFETY: the object was zeroed as a whole, so that its padding is initialised as well.
    unsafe { std::slice::from_raw_parts(std::ptr::from_ref(object).cast(), size_of::<T>()) }
}

flags! {
    ngx_http_request_t:
        valid_unparsed_uri by set_valid_unparsed_uri in mcp_layout_ngx_http_request_t_valid_unparsed_uri,
        internal by set_internal in mcp_layout_ngx_http_request_t_internal,
        keepalive by set_keepalive in mcp_layout_ngx_http_request_t_keepalive,
        header_only by set_header_only in mcp_layout_ngx_http_request_t_header_only,
        background by set_background in mcp_layout_ngx_http_request_t_background,
        filter_need_in_memory by set_filter_need_in_memory in mcp_layout_ngx_http_request_t_filter_need_in_memory,
        allow_ranges by set_allow_ranges in mcp_layout_ngx_http_request_t_allow_ranges,
        single_range by set_single_range in mcp_layout_ngx_http_request_t_single_range,
        disable_not_modified by set_disable_not_modified in mcp_layout_ngx_http_request_t_disable_not_modified,
        preserve_body by set_preserve_body in mcp_layout_ngx_http_request_t_preserve_body,
        header_sent by set_header_sent in mcp_layout_ngx_http_request_t_header_sent,
        lingering_close by set_lingering_close in mcp_layout_ngx_http_request_t_lingering_close,
        logged by set_logged in mcp_layout_ngx_http_request_t_logged;
    ngx_buf_t:
        memory by set_memory in mcp_layout_ngx_buf_t_memory,
        temporary by set_temporary in mcp_layout_ngx_buf_t_temporary,
        in_file by set_in_file in mcp_layout_ngx_buf_t_in_file,
        flush by set_flush in mcp_layout_ngx_buf_t_flush,
        sync by set_sync in mcp_layout_ngx_buf_t_sync,
        last_buf by set_last_buf in mcp_layout_ngx_buf_t_last_buf,
        last_in_chain by set_last_in_chain in mcp_layout_ngx_buf_t_last_in_chain;
    ngx_event_t:
        timedout by set_timedout in mcp_layout_ngx_event_t_timedout,
        ready by set_ready in mcp_layout_ngx_event_t_ready,
        pending_eof by set_pending_eof in mcp_layout_ngx_event_t_pending_eof,
        posted by set_posted in mcp_layout_ngx_event_t_posted,
        cancelable by set_cancelable in mcp_layout_ngx_event_t_cancelable;
    ngx_http_core_loc_conf_t:
        noname by set_noname in mcp_layout_ngx_http_core_loc_conf_t_noname,
        exact_match by set_exact_match in mcp_layout_ngx_http_core_loc_conf_t_exact_match;
    ngx_http_upstream_t:
        buffering by set_buffering in mcp_layout_ngx_http_upstream_t_buffering;
    ngx_connection_t:
        error by set_error in mcp_layout_ngx_connection_t_error,
        buffered by set_buffered in mcp_layout_ngx_connection_t_buffered;
}

sizes! {
    ngx_http_request_t in mcp_layout_sizeof_ngx_http_request_t;
    ngx_buf_t in mcp_layout_sizeof_ngx_buf_t;
    ngx_event_t in mcp_layout_sizeof_ngx_event_t;
    ngx_connection_t in mcp_layout_sizeof_ngx_connection_t;
    ngx_http_core_loc_conf_t in mcp_layout_sizeof_ngx_http_core_loc_conf_t;
    ngx_http_upstream_conf_t in mcp_layout_sizeof_ngx_http_upstream_conf_t;
    ngx_http_upstream_t in mcp_layout_sizeof_ngx_http_upstream_t;
}

#[test]
fn every_probe_of_layout_c_is_tested() {
    let [probes, tests] = [include_str!("../src/ngx/layout.c"), include_str!("layout.rs")];
    for line in probes.lines() {
        let Some((kind, arguments)) = line.split_once('(').filter(|(kind, _)| matches!(*kind, "FLAG" | "SIZE")) else {
            continue;
        };
        let arguments = arguments.trim_end_matches(')').replace(", ", "_");
        let function =
            if kind == "SIZE" { format!("mcp_layout_sizeof_{arguments};") } else { format!("mcp_layout_{arguments}") };
        assert!(tests.contains(&function), "{line}");
    }
}
