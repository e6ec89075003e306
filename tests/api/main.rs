//! The API over TCP, asked by programs that are not ours. What its document says is held against
//! what is answered.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper of a test fails by panicking"
)]

mod document;
mod examples;
mod files;
mod names;
mod place;
mod platform;
mod schema;
mod schemathesis;
mod story;
#[path = "../platforms/harness/wait.rs"]
mod wait;
