//! What the tests run nginx, its clients and its upstreams with.

mod check;
mod client;
mod conf;
mod events;
mod journal;
mod log;
mod message;
mod nginx;
mod port;
mod publish;
mod redis;
#[path = "../../crates/mcp/tests/support/specification.rs"]
pub(crate) mod specification;
mod tls;
mod upstream;
mod websocket;

pub(crate) use check::{all_refused, refused, taken};
pub(crate) use client::{Connection, Request, Response};
pub(crate) use conf::Conf;
pub(crate) use events::Events;
pub(crate) use message::{Session, call, request};
pub(crate) use nginx::{Nginx, WORKERS, nginx};
pub(crate) use port::Port;
pub(crate) use publish::{PUBLISH, changed, note};
pub(crate) use redis::Redis;
pub(crate) use tls::{Authority, Certificate, read_head, read_until};
pub(crate) use upstream::{Act, Gate, Received, Upstream, json, last, response};
pub(crate) use websocket::{WebSocket, handshake, session_request, stateless_request};

use std::time::Duration;

/// How long anything is waited for before a test fails: long, since a run under valgrind is slow, and never waited out by a
/// test that passes; but less than the 60 seconds of nginx's own time-outs, which are not what a test has waited for.
pub(crate) const DEADLINE: Duration = Duration::from_secs(50);
