//! What operators hold in their hands: each command of each runbook is executed, the rules for
//! alerts are tried by promtool, and the examples are good configs.
//!
//! A runbook is executed on a machine of its own: namespaces for its network, its processes and its
//! files, in which Tideover is installed as [docs/operations.md] says, with the documented example
//! config. Its commands run word for word, in their order; between them the test moves the world.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test fails by panicking"
)]

mod book;
mod machine;
mod pages;
mod platform;
mod sender;
#[path = "../platforms/harness/wait.rs"]
mod wait;

#[path = "../platforms/harness/dovecot.rs"]
#[expect(dead_code, reason = "the tests of the platforms use the rest")]
mod dovecot;
#[path = "../platforms/harness/packages.rs"]
#[expect(dead_code, reason = "the tests of the platforms use the rest")]
mod packages;
#[path = "../platforms/harness/process.rs"]
#[expect(dead_code, reason = "the tests of the platforms use the rest")]
mod process;

mod certificates;
mod damage;
mod disk_full;
mod domain_move;
mod install;
mod leaving;
mod lost_index;
mod planned_maintenance;
mod platform_down;
mod reject_storm;
mod releases;
mod rules;
mod server_down;
mod store_restored;
mod unit;
mod wave_day;
