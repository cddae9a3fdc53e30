//! Rust and C agree on where nginx's bit-fields lie.

fn main() {}
