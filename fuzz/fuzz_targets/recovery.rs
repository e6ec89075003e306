#![no_main]

#[path = "../../tests/simulation/chance.rs"]
#[allow(dead_code, reason = "the simulation asks more of it")]
mod chance;
#[path = "../../tests/simulation/disk.rs"]
#[allow(dead_code, reason = "the simulation asks more of it")]
mod disk;
#[path = "../recovery.rs"]
mod entry;

libfuzzer_sys::fuzz_target!(|input: &[u8]| entry::recovery(input));
