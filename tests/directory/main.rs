//! The directory against a real OpenLDAP.
//!
//! slapd from a Debian package, with the attributes of Active Directory, is started on loopback
//! ports of its own with its data in a folder of the test, and ended by its process id, also after
//! a panic. The program reads it as a child process.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test fails by panicking"
)]

mod cutter;
mod logins;
mod order;
mod place;
#[path = "../browser/process.rs"]
mod process;
mod slapd;
mod synced;
#[path = "../browser/wait.rs"]
mod wait;
