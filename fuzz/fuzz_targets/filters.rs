#![no_main]

#[path = "../filters.rs"]
mod entry;
#[path = "../pipes.rs"]
#[allow(dead_code, reason = "others use more of it")]
mod pipes;
#[path = "../server.rs"]
#[allow(dead_code, reason = "others use more of it")]
mod server;

libfuzzer_sys::fuzz_target!(|input: &[u8]| entry::filters(input));
