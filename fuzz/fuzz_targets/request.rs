//! The input is an operation's number, an operator's value and the arguments of a call.

#![no_main]

#[path = "../checks/client.rs"]
mod client;
#[path = "../checks/request.rs"]
mod request;
#[path = "../checks/wire.rs"]
mod wire;

libfuzzer_sys::fuzz_target!(|data: &[u8]| request::check(data));
