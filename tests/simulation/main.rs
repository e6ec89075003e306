//! The program in a simulated world: its own time, disk, platforms and chance. A seed repeats a
//! run to the last bit. Run one seed again with `TIDEOVER_SEED=n cargo test --test simulation`,
//! thousands of them with `TIDEOVER_SEEDS=n` (CONTRIBUTING.md has the command).

#![expect(
    clippy::disallowed_methods,
    reason = "a test reads its seed from the environment"
)]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::fn_params_excessive_bools,
    clippy::unnecessary_literal_bound,
    reason = "a test ends at the first thing that is not as it should be"
)]

mod asked;
mod auditor;
mod bodies;
mod chance;
mod clock;
mod closing;
mod content;
mod corners;
mod damage;
mod desk;
#[expect(dead_code, reason = "tests/crash asks more of the disk")]
mod disk;
mod door;
mod groups;
mod hanging;
mod held_day;
mod holds;
mod homes;
mod landing;
mod letters;
mod mended;
mod move_desk;
mod operators;
mod platforms;
mod recovery;
mod rehearsal;
mod rejecting;
mod releases;
mod repeats;
mod replays;
mod replays_desk;
mod replays_killed;
mod replays_missing;
mod reports;
mod scenarios;
mod seeds;
mod senders;
mod signals;
mod store;
mod told;
mod trials;
mod verified;
mod wave_desk;
mod waves;
mod ways_out;
mod week;
mod world;

use seeds::{each_seed, seeds};
use world::{Plan, World};

/// Outages, trouble, kills and power cuts for an hour and a half; then everything heals. Every
/// acknowledged message arrives at its home, twice only when the ledger says so.
#[test]
fn a_bad_morning_loses_nothing() {
    each_seed(25, |seed| {
        let mut world = World::new(seed, Plan::bad_morning());
        world.live_through_it();
        world.check();
    });
}

/// With nothing going wrong everything arrives exactly once.
#[test]
fn a_good_morning_delivers_exactly_once() {
    each_seed(5, |seed| {
        let mut world = World::new(seed, Plan::good_morning());
        world.live_through_it();
        let report = world.check();
        assert_eq!(report.duplicates, 0, "seed {seed}");
        assert_eq!(report.uncertain, 0, "seed {seed}");
    });
}

/// The same checks must fail on a disk whose syncs do nothing: they can see a loss.
#[test]
fn on_a_lying_disk_the_checks_fail() {
    let caught = seeds(10).any(|seed| {
        std::panic::catch_unwind(|| {
            let mut world = World::new(seed, Plan::lying_disk());
            world.live_through_it();
            world.check();
        })
        .is_err()
    });
    assert!(caught, "no seed showed that the disk lied");
}
