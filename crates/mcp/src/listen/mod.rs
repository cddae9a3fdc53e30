//! What a server tells its clients between requests.
//!
//! The host has a bus, a [`MessageLog`] in memory that its workers share. What is published there is a [`Publication`]; what
//! comes out, in every worker, is read as a [`Delivery`] and handed to each [`Listener`] whose stream is open in this worker,
//! which says what its client gets of it.
//!
//! A stream is opened by `subscriptions/listen` (2026-07-28), or by a GET in a session of the revisions before.

mod audience;
mod call;
mod change;
mod delivery;
mod event;
mod filter;
mod heard;
mod holder;
mod leases;
mod listener;
mod log;
mod publish;
mod ring;
mod rule;
mod said;
mod sse;
mod stream;
mod subscribe;
mod subscriptions;
mod topic;

pub use audience::Audience;
pub use call::CallStream;
pub(crate) use call::can_be_published;
pub(crate) use delivery::Answered;
pub use delivery::{BusId, Delivery, Publication, Wanted, Wish};
pub use event::KEEPALIVE;
pub use heard::Heard;
pub use holder::Holder;
pub use leases::Leases;
pub use listener::{Delivered, Listener};
pub use log::{MessageLog, Passed};
pub use publish::PublishRequest;
pub(crate) use said::{Said, Saying};
pub use sse::SESSION_PARAMETER;
pub(crate) use sse::sse_listener;
pub(crate) use subscribe::Subscription;
pub use subscriptions::Subscriptions;
pub use topic::Topic;
pub(crate) use topic::{LIST_CHANGES, hex};

/// The member of `_meta` that says which subscription a message belongs to.
pub(crate) const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
/// Resources that one stream may hear of.
pub const MAX_RESOURCES: usize = 1024;
/// Bytes of an envelope ([`Publication::envelope`]): what is larger is not published.
pub const MAX_ENVELOPE: usize = 1 << 20;
/// Bytes of a resource's URI.
pub const MAX_URI: usize = 4096;
