//! The server's side of one WebSocket connection (RFC 6455), for MCP: text messages in both directions, nothing else.
//!
//! [`handshake`] judges the request that asks for it. A [`Socket`] then takes the bytes that come from the client, gives
//! out the messages that are complete, and makes the bytes that go back. It knows no socket, no clock and no randomness:
//! the host reads, writes and keeps the time.
//!
//! What one connection can hold is bounded by the largest message that it may send. No extension is ever agreed to, so
//! messages are not compressed.

mod frame;
mod handshake;
mod message;
mod socket;

pub use handshake::{Accepted, Refused, handshake, is_upgrade};
pub use socket::{Event, Socket};
