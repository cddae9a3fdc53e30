//! The fence around nginx's C interface: every `unsafe` of the module is below here.
//!
//! Handles such as [`Request`] are copies of pointers that nginx gave us. What makes them sound is said once: nginx calls
//! a worker's code from one thread, a handle is only used inside the call (or the events of the request) that it came
//! with, and everything a handle lends lives in the request's or the configuration's pool.

mod audience;
mod bell;
mod buf;
mod complex;
mod conf;
mod detached;
mod digests;
mod disguise;
mod entry;
mod event;
mod headers_out;
mod inner;
mod log;
mod module;
mod outbox;
mod pool;
mod request;
mod served;
mod sessions;
mod shared_table;
mod string;
mod subrequest;
pub(crate) mod sys;
mod upstream;
mod variable;
mod zone;

pub(crate) use audience::StreamCounts;
pub(crate) use bell::{Ringer, hear, later, ring};
pub(crate) use buf::{Chain, Held, Taken, flushing, response};
pub(crate) use complex::ComplexValue;
pub(crate) use conf::{Conf, LocationContext, Place, own_conf, parse_milliseconds, parse_seconds, parse_size};
pub(crate) use detached::{Detached, is_exiting, is_first_worker, worker_connections};
pub(crate) use digests::ListDigests;
pub(crate) use disguise::Disguise;
pub(crate) use event::Wake;
pub(crate) use inner::{Admission, Inner, Outlet};
pub(crate) use log::{Level, Log};
pub(crate) use module::{
    NGX_HTTP_MCP_OPENAPI_CONF, NGX_HTTP_MCP_OPERATION_CONF, NGX_HTTP_MCP_PROMPT_CONF, NGX_HTTP_MCP_RESOURCE_CONF,
    NGX_HTTP_MCP_TOOL_CONF, NGX_HTTP_MCP_UPSTREAM_CONF, body_event, body_ready, content, flush, hold_conversation,
    mcp_module, next_body_filter, next_header_filter, publish, publish_ready, upstream_finished,
};
pub(crate) use outbox::Outbox;
pub(crate) use request::{ReadHandler, Received, Request, Status, now, now_in_milliseconds, run_reader, ticks};
pub(crate) use served::{Served, ServerNames};
pub(crate) use sessions::SessionStates;
pub(crate) use shared_table::SharedTable;
pub(crate) use subrequest::start as start_subrequest;
pub(crate) use upstream::{UpstreamFinalizer, last_attempt, run_finalizer, upstream_header};
