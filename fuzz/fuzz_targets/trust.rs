#![no_main]

#[path = "../../tests/simulation/chance.rs"]
#[allow(dead_code, reason = "the simulation asks more of it")]
mod chance;
#[path = "../trust.rs"]
mod entry;
#[path = "../pipes.rs"]
#[allow(dead_code, reason = "others talk over pipes")]
mod pipes;

libfuzzer_sys::fuzz_target!(|input: &[u8]| entry::trust(input));
