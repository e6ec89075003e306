//! Tideover as a service of a machine: what it logs, what it tells its keeper, sockets that are
//! handed to it, how it stops, what it starts without. The built program as a child process; no
//! root, nothing but loopback ports and a folder of each test's own.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a helper of a test fails by panicking"
)]

mod acts;
mod certificates;
mod certified;
mod client;
mod devices;
mod keeper;
mod limits;
mod list;
mod lmtp;
mod load;
mod logs;
mod memory;
mod ordered;
mod pebble;
mod place;
mod platform;
mod revoked;
mod sockets;
mod stop;
mod testssl;
mod upgrade;
mod verify;
mod wait;
mod width;
