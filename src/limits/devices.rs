//! Bounds of devices.

use std::time::Duration;

/// Devices. Beyond: no more are made.
pub const DEVICES: usize = 1_000;
/// Networks of one device. Beyond: it is not made.
pub const DEVICE_NETWORKS: usize = 16;
/// Senders of one device, and recipients. Beyond: it is not made.
pub const DEVICE_RULES: usize = 200;
/// Recipients a day of a device that logs in, when nobody says another number: a password can be
/// stolen.
pub const DEVICE_DAILY: u32 = 1_000;
/// Characters that are remembered of the last sender of a device, and of its last refusal. Beyond:
/// cut off.
pub const DEVICE_TEXT: usize = 500;
/// What devices did is written so often. A crash forgets what came later.
pub const DEVICE_USAGE_WRITTEN: Duration = Duration::from_secs(5 * 60);
