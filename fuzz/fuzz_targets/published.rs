//! The input is a script of publishing, see the check.

#![no_main]

#[path = "../checks/published.rs"]
mod published;
#[path = "../checks/wire.rs"]
mod wire;

libfuzzer_sys::fuzz_target!(|data: &[u8]| published::check(data));
