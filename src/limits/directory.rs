//! Bounds of what is looked at of the directory.

/// Generations that are looked at for the last one of each source. Beyond: it is not said.
pub const GENERATIONS_LOOKED_AT: u64 = 1_000;
