//! The input is the text of an API description.

#![no_main]

#[path = "../checks/client.rs"]
mod client;
#[path = "../checks/document.rs"]
mod document;
#[path = "../checks/wire.rs"]
mod wire;

libfuzzer_sys::fuzz_target!(|data: &[u8]| document::check(data));
