#![no_main]

#[path = "../../tests/simulation/chance.rs"]
#[allow(dead_code, reason = "the simulation asks more of it")]
mod chance;
#[path = "../delivery.rs"]
mod entry;
#[path = "../pipes.rs"]
#[allow(dead_code, reason = "others use more of it")]
mod pipes;
#[path = "../server.rs"]
mod server;

libfuzzer_sys::fuzz_target!(|input: &[u8]| entry::delivery(input));
