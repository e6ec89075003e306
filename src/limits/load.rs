//! When strangers are told to come later, and what connections hold in memory.

use std::time::Duration;

/// Connections that strangers leave free for platforms, devices and people of ours; a tenth of
/// [`super::CONNECTIONS`] at most. Beyond, for strangers: 421 4.7.0 and close.
pub const RESERVED_CONNECTIONS: usize = 50;
/// Wait of a message to be on stable storage. Beyond: strangers get 421 4.3.2 and close.
pub const COMMIT_WAIT: Duration = Duration::from_secs(10);
/// Bytes that all connections hold together, beside the bodies of messages, which have
/// [`super::BODIES_IN_MEMORY`]. From three quarters on strangers get 421 4.3.2 and close, and who
/// holds more than [`FAIR_SHARE`] has to go with the same word; beyond: everybody, and who is there
/// gets 452 4.3.1 for more.
pub const CONNECTIONS_MEMORY: u64 = 256 * 1024 * 1024;
/// Bytes that a connection counts as from its beginning: buffers, TLS, what its task needs.
pub const CONNECTION_MEMORY: usize = 64 * 1024;
/// Bytes that a connection may hold when memory gets scarce. Beyond: 421 4.3.2 and close.
pub const FAIR_SHARE: u64 = 256 * 1024;
/// All must be calm for so long until strangers are taken again.
pub const BUSY_REST: Duration = Duration::from_secs(3);
/// After a stranger found no place: so long it counts as so.
pub const PLACES_REST: Duration = Duration::from_secs(60);
/// Time of being busy in one go. Beyond: notices tell of it.
pub const BUSY_LASTS: Duration = Duration::from_secs(300);
/// The longest that the reply to an error is kept back; 1 s, 2 s, 4 s … before.
pub const TARPIT: Duration = Duration::from_secs(10);
/// Errors of one session that are answered at once. Beyond: [`TARPIT`].
pub const TARPIT_AFTER: usize = 3;
/// Connections of one listener that wait for the reply to an error at one time. Beyond: it comes at
/// once. When places get scarce they are closed with 421 4.7.0.
pub const TARPIT_CONNECTIONS: usize = 100;
