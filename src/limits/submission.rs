//! Bounds of those who log in to hand in mail.

use std::time::Duration;

/// Wrong logins of one session. Beyond: 421 4.7.0 and close.
pub const WRONG_LOGINS: usize = 3;
/// A client that must log in has so long for it, from its connection on. Beyond: 421 4.4.2 and
/// close.
pub const LOGIN_TIME: Duration = Duration::from_secs(60);
