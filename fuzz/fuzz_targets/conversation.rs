//! The input is a script of clients, upstreams and backends, see the check.

#![no_main]

#[path = "../checks/conversation.rs"]
mod conversation;
#[path = "../checks/front.rs"]
mod front;
#[path = "../checks/host.rs"]
mod host;
#[path = "../checks/servers.rs"]
mod servers;
#[path = "../checks/wire.rs"]
mod wire;

libfuzzer_sys::fuzz_target!(|data: &[u8]| conversation::check(data));
