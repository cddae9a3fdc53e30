//! `ngx_http_mcp_module`: nginx as a Model Context Protocol server.
//!
//! A request's way, in the order of the files:
//!
//! ```text
//! nginx → handler::rewrite    the body is read, mcp::Server::receive judges it; limits and access rules follow
//!         handler::content    what the core says is done
//!             reply::send     … the reply, or
//!             call::start     … the request goes to an upstream through nginx's proxy
//!         filter              what comes back is collected, the core makes the reply of it, or wants
//!             pause           … to ask the client, or to look again later; then the call is made once more
//!             held            … or the client's reply is a question, and the call goes on without it
//! ```
//!
//! What clients hear between their requests goes another way: `listening` is a client's open stream, `publish` takes what
//! backends say, `bus` carries it between the workers and `link` between machines, through `nchan`, whose location `channels` makes. `record` tells those who watch a
//! tool of its calls, by `nchan` as well.
//!
//! `front` looks at the servers behind a location, whose tools, resources and prompts are offered as its own.
//!
//! `directives` and `conf` hold the configuration, `openapi` makes tools of API descriptions, `offers` resources and prompts of their blocks,
//! `endpoint` and `proxy` hold the location that calls go through, `variables` the `$mcp_*`.
//! `directories` are those whose files are resources.
//! Everything that touches C is below [`ngx`].

mod bus;
mod call;
mod caller;
mod channels;
mod conf;
mod context;
mod directives;
mod directories;
mod endpoint;
mod filter;
mod front;
mod handler;
mod held;
mod link;
mod listening;
mod message;
mod nchan;
mod ngx;
mod offers;
mod openapi;
mod pause;
mod proxy;
mod publish;
mod record;
mod reply;
mod resumable;
mod secret;
mod sse;
mod variables;
mod websocket;
