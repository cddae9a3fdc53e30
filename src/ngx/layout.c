/*
 * The C side of tests/layout.rs: sets one bit-field at a time, so that the test can see whether Rust reads the same bit.
 * bindgen < 0.73 computed wrong positions for nginx >= 1.29.3 (rust-bindgen#3384).
 */
#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#define FLAG(type, field)                                                     \
    void mcp_layout_##type##_##field(type *object) { object->field = 1; }

#define SIZE(type)                                                            \
    size_t mcp_layout_sizeof_##type(void) { return sizeof(type); }

FLAG(ngx_http_request_t, valid_unparsed_uri)
FLAG(ngx_http_request_t, internal)
FLAG(ngx_http_request_t, keepalive)
FLAG(ngx_http_request_t, header_only)
FLAG(ngx_http_request_t, background)
FLAG(ngx_http_request_t, filter_need_in_memory)
FLAG(ngx_http_request_t, allow_ranges)
FLAG(ngx_http_request_t, single_range)
FLAG(ngx_http_request_t, disable_not_modified)
FLAG(ngx_http_request_t, preserve_body)
FLAG(ngx_http_request_t, header_sent)
FLAG(ngx_http_request_t, lingering_close)
FLAG(ngx_http_request_t, logged)
FLAG(ngx_buf_t, memory)
FLAG(ngx_buf_t, temporary)
FLAG(ngx_buf_t, in_file)
FLAG(ngx_buf_t, flush)
FLAG(ngx_buf_t, sync)
FLAG(ngx_buf_t, last_buf)
FLAG(ngx_buf_t, last_in_chain)
FLAG(ngx_event_t, timedout)
FLAG(ngx_event_t, ready)
FLAG(ngx_event_t, pending_eof)
FLAG(ngx_event_t, posted)
FLAG(ngx_event_t, cancelable)
FLAG(ngx_http_core_loc_conf_t, noname)
FLAG(ngx_http_core_loc_conf_t, exact_match)
FLAG(ngx_http_upstream_t, buffering)
FLAG(ngx_connection_t, error)
FLAG(ngx_connection_t, buffered)
SIZE(ngx_http_request_t)
SIZE(ngx_buf_t)
SIZE(ngx_event_t)
SIZE(ngx_connection_t)
SIZE(ngx_http_core_loc_conf_t)
SIZE(ngx_http_upstream_conf_t)
SIZE(ngx_http_upstream_t)
