//! What was acknowledged is there: after kills, power cuts, failing disks, damage and any order of
//! operations. More kills: `TIDEOVER_CRASH_ROUNDS=500 cargo test --release --test crash`; more cuts
//! of the program itself: `TIDEOVER_POWER_CUTS=5000`.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test ends at the first thing that is not as it should be"
)]

mod arbitrary;
#[path = "../simulation/chance.rs"]
mod chance;
#[expect(dead_code, reason = "tests/simulation asks more of the disk")]
#[path = "../simulation/disk.rs"]
mod disk;
mod fault;
mod format;
mod kill;
mod model;
mod power;
mod reader;
mod real;
mod rebuild;
mod room;
mod workload;
