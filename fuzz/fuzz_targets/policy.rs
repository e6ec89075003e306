#![no_main]

#[path = "../policy.rs"]
mod entry;

libfuzzer_sys::fuzz_target!(|input: &[u8]| entry::policy(input));
