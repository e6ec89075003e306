//! What could not be written since the start, for those who look.

use std::sync::{Mutex, PoisonError};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SpoolError;
use crate::base::Timestamp;

/// Batches that could not be written. Nothing in them was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WriteFailures {
    /// Since the start.
    pub count: u64,
    /// The last time.
    pub last: Timestamp,
    /// What the system said then.
    pub what: String,
    /// Nothing was written since.
    pub lasting: bool,
}

/// Shared by the writer and those who ask.
#[derive(Debug, Default)]
pub(crate) struct Failures(Mutex<Option<WriteFailures>>);

impl Failures {
    pub(crate) fn note(&self, error: &SpoolError, now: Timestamp) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.as_ref().map_or(0, |before| before.count);
        *failures = Some(WriteFailures {
            count: count + 1,
            last: now,
            what: error.to_string(),
            lasting: true,
        });
    }

    /// It works again.
    pub(crate) fn ended(&self) {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(failures) = failures.as_mut() {
            failures.lasting = false;
        }
    }

    pub(crate) fn told(&self) -> Option<WriteFailures> {
        let failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failures.clone()
    }
}
