//! The live suite: the module in a running nginx, against real sockets.
//!
//! `MCP_MODULE` names the module's .so (`cargo build` makes it in `target/debug/libngx_http_mcp_module.so`), `MCP_NGINX` the
//! nginx to run (`nginx` by default) and `MCP_NCHAN` Nchan's .so, if it is to be loaded as well. Each test has an nginx, a
//! directory and ports of its own; what nginx writes to its error log is printed when a test fails.

#![allow(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

mod batches;
mod calls;
mod cancelled;
mod clients;
mod cluster;
mod config;
mod directories;
mod disconnect;
mod examples;
mod faults;
mod fronting;
mod harness;
mod http2;
mod input;
mod limits;
mod listening;
mod locations;
mod offers;
mod openapi;
mod proxying;
mod reload;
mod results;
mod resumable;
mod search;
mod security;
mod sessions;
mod sse;
mod streams;
mod subscriptions;
mod tasks;
mod tls;
mod variables;
mod watching;
mod websocket;
mod wire;
mod wss;
