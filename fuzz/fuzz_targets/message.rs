#![no_main]

#[path = "../message.rs"]
mod entry;

libfuzzer_sys::fuzz_target!(|input: &[u8]| entry::message(input));
