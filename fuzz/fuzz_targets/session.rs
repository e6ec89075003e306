#![no_main]

#[path = "../../tests/simulation/chance.rs"]
#[allow(dead_code, reason = "the simulation asks more of it")]
mod chance;
#[path = "../session.rs"]
mod entry;
#[path = "../pipes.rs"]
mod pipes;
#[path = "../../tests/simulation/disk.rs"]
#[allow(dead_code, reason = "the simulation asks more of it")]
mod platter;

libfuzzer_sys::fuzz_target!(|input: &[u8]| entry::session(input));
