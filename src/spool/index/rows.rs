//! Values of the index. Their encoding may change from version to version: [`FORMAT`] then
//! changes too, and the index is rebuilt.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::spool::SpoolError;

/// The version of keys and rows.
pub(crate) const FORMAT: u32 = 1;

/// `m`: where a message is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MessageRow {
    /// Position of its record.
    pub(crate) position: u64,
    /// Bytes of its body.
    pub(crate) size: u64,
    /// Recipients.
    pub(crate) recipients: u16,
    /// Recipients that are not finished.
    pub(crate) unfinished: u16,
}

/// The row under `CHECKPOINT`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    pub(crate) format: u32,
    pub(crate) uuid: String,
    /// The first position that is not in the store.
    pub(crate) position: u64,
}

/// The row under `COUNTERS`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Counters {
    /// Queued recipients, by lane.
    pub(crate) queued: BTreeMap<String, u64>,
    /// Held recipients.
    pub(crate) held: u64,
    /// Recipients of which a copy may have come twice.
    pub(crate) uncertain: u64,
    /// Messages accepted.
    pub(crate) accepted: u64,
    /// Recipients delivered.
    pub(crate) delivered: u64,
    /// The newest message.
    pub(crate) newest: u64,
}

pub(crate) fn encode(row: &impl Serialize) -> Vec<u8> {
    // Rows hold numbers, texts and lists of them: there is nothing that cannot be encoded.
    postcard::to_stdvec(row).unwrap_or_default()
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, SpoolError> {
    postcard::from_bytes(bytes)
        .map_err(|error| SpoolError::Index(format!("a row cannot be read: {error}")))
}
