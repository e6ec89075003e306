//! The webmail and the console in a real browser.
//!
//! Chromium and its driver from Debian packages look at the pages of the built program: a child
//! process with a platform that is down. Each test owns a server on free ports of a loopback
//! address of its own, and a browser; both are ended by their process ids, also after a panic.
//! What the browser saw is kept as pictures in `target/tmp/browser`.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test fails by panicking"
)]

mod attacks;
mod console;
mod driver;
mod lost;
mod outage;
mod own;
mod passkeys;
mod place;
mod platform;
mod process;
mod report;
mod second;
mod seen;
mod talks;
mod wait;
mod ways;
