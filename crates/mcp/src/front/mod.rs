//! Fronting MCP servers: what they offer is offered here, and their calls go to them.
//!
//! The core stays a state machine. For each server behind this one ([`McpUpstream`]) the host keeps a [`Peer`], which says what to
//! send to learn how the server is spoken to and what it lists, and gives out what was [`Learned`]. Of that a [`Offering`] is made,
//! which comes with every request:
//!
//! ```text
//! peer.begin(server)                     → the first request
//! peer.head(…), peer.push(bytes)           its answer, as it comes
//! peer.end(server, …)                    → Turn::Send(the next one), or Turn::Done(what was learned)
//! Offering::new(server, learned)          → HttpRequest.offering
//! ```
//!
//! The newest revision is tried first: `server/discover` of 2026-07-28, else `initialize` and what that negotiates. A request of
//! a client becomes one of the server's revision, and its answer one of the client's ([`relay`]).

mod asked;
mod caller;
mod ear;
mod following;
mod forward;
mod held;
mod item;
mod link;
mod offering;
mod peer;
mod relay;
mod reply;
mod selector;
mod session;
mod upstream;

pub use caller::{Caller, Callers, tells_apart};
pub use ear::{Ear, News, is_part_of};
pub use following::Following;
pub(crate) use forward::Forward;
pub use held::{Held, HeldCall};
pub(crate) use offering::Fronted;
pub use offering::Offering;
pub use peer::{Learned, Peer, Turn};
pub(crate) use relay::{result_of, write_answer};
pub use upstream::{McpUpstream, McpUpstreamBuilder};
