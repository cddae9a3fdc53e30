//! The input is a client's wishes and the events of an upstream.

#![no_main]

#[path = "../checks/client.rs"]
mod client;
#[path = "../checks/events.rs"]
mod events;
#[path = "../checks/wire.rs"]
mod wire;

libfuzzer_sys::fuzz_target!(|data: &[u8]| events::check(data));
