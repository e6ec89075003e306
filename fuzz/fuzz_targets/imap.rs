#![no_main]

#[path = "../imap.rs"]
mod entry;
#[path = "../pipes.rs"]
#[allow(dead_code, reason = "others use more of it")]
mod pipes;
#[path = "../server.rs"]
#[allow(dead_code, reason = "others use more of it")]
mod server;

libfuzzer_sys::fuzz_target!(|input: &[u8]| entry::imap(input));
