#![no_main]

#[path = "../directory.rs"]
mod entry;

libfuzzer_sys::fuzz_target!(|input: &[u8]| entry::directory(input));
