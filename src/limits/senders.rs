//! Bounds of those of ours who send.

/// Senders of ours at one backend whose rates are remembered. Beyond: those that sent least lately
/// are forgotten.
pub const PACED_SENDERS: usize = 10_000;
/// Senders, and devices, that notices and `status` name one by one; the others are one line.
pub const NOTICE_SENDERS: usize = 5;
