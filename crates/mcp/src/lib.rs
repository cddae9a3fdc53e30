//! The Model Context Protocol as a pure state machine.
//!
//! HTTP values go in, instructions come out: no nginx, no I/O, no clock, no randomness of its own, no async. A host
//! (the nginx module in the root package, a test, a fuzzer) drives it so:
//!
//! ```text
//! server.receive(&request, &nonce)          the request was read; nothing has happened yet
//!     → Exchange                            facts() are what limits, logs and variables go by
//! exchange.start(&server, evaluate)         the request was let through (else server.refuse(…))
//!     → Step::Reply(reply)                  send it, done
//!     → Step::Publish(publications, then)   for calls that run elsewhere; then go on
//!     → Step::Upgrade, Step::Cancel         of a WebSocket
//!     → Step::Listen(reply, listener)       send it, go on with what the listener makes of deliveries
//!     → Step::Call(request, pending)        make this upstream request …
//! pending.begin(&head) …                    … hand over its answer event by event, if it comes so
//! pending.resume(&server, answer, evaluate) … and what came of it in the end
//!     → Step                                again
//!     → Step::Ask(events, waiting)          send them, hand over what the bus carries …
//! waiting.take(&delivery)                   … until all answers are there
//! waiting.resume(&server, evaluate)
//!     → Step                                again
//!     → Step::Wait(milliseconds, pending)   come back after that time
//! pending.poll()
//!     → Step                                again
//!     → Step::Renew(upstream, pending)      have a new look at a server behind this one ([`Peer`])
//! pending.renewed(&server, &offering, …)
//!     → Step                                again
//!
//! pending.be_held(&server)                  the client is asked by the end of its request: keep the call ([`HeldCall`])
//!     → Step::Follow(following)             its next request: hand over what the call says ([`Following`])
//! following.resume(&server, evaluate)
//!     → Step                                again
//! ```
//!
//! [`Server`] is built once per location at configuration time and is immutable; a request only reads it.

#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test ends at what it did not expect"))]

mod batch;
mod completion;
mod date;
mod directory;
mod error;
mod events;
mod exchange;
mod facts;
mod failure;
mod front;
mod glob;
mod headers;
pub mod http;
mod input;
mod jsonrpc;
mod legacy;
mod level;
mod list;
mod listen;
mod methods;
mod offers;
pub mod operation;
mod origin;
mod presentation;
mod principal;
mod prompt;
mod receive;
mod record;
mod reply_reader;
mod resource;
mod scan;
mod seal;
mod search;
mod server;
mod session;
mod stateless;
mod stream;
mod task;
#[cfg(test)]
mod test_server;
mod text_template;
mod tool;
mod trace;
mod version;

pub use directory::{Catalog, Contents, Directory, Found, FoundFile};
pub use exchange::{Exchange, Pending, Step};
pub use facts::Facts;
pub use front::{
    Caller, Callers, Ear, Following, Held, HeldCall, Learned, McpUpstream, McpUpstreamBuilder, News, Offering, Peer,
    Turn, is_part_of, tells_apart,
};
pub use input::Waiting;
pub use level::LogLevel;
pub use listen::{
    Audience, BusId, CallStream, Delivered, Delivery, Heard, Holder, KEEPALIVE, Leases, Listener, MAX_ENVELOPE,
    MAX_RESOURCES, MAX_URI, MessageLog, Passed, Publication, PublishRequest, SESSION_PARAMETER, Subscriptions, Topic,
    Wanted, Wish,
};
pub use presentation::Presentation;
pub use prompt::{Prompt, PromptBuilder};
pub use record::Record;
pub use reply_reader::ReplyReader;
pub use resource::{Resource, ResourceBuilder};
pub use server::{Server, ServerBuilder};
pub use session::SessionState;
pub use tool::{ConfigError, Endpoint, Tool, ToolBuilder};
pub use version::ProtocolVersion;
