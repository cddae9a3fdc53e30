//! The input is a client's request: method, header lines, body.

#![no_main]

#[path = "../checks/front.rs"]
mod front;
#[path = "../checks/host.rs"]
mod host;
#[path = "../checks/message.rs"]
mod message;
#[path = "../checks/servers.rs"]
mod servers;
#[path = "../checks/wire.rs"]
mod wire;

libfuzzer_sys::fuzz_target!(|data: &[u8]| message::check(data));
