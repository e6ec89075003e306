//! Values of the index. Their encoding may change from version to version: [`FORMAT`] then
//! changes too, and the index is rebuilt.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::mail::RecipientState;
use crate::spool::SpoolError;

/// The version of keys and rows.
pub(crate) const FORMAT: u32 = 11;

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
    /// When the last one so far was finished, in milliseconds; 0: none.
    pub(crate) finished_at: u64,
}

/// `f`: a fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FactRow {
    /// Position of its record.
    pub(crate) position: u64,
    /// Its value, as JSON.
    pub(crate) json: String,
}

/// The row under `CHECKPOINT`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    pub(crate) format: u32,
    pub(crate) uuid: String,
    /// The first position that is not in the store.
    pub(crate) position: u64,
}

/// The row under `COUNTERS`. All but `newest` and `floor` are functions of what the log still has:
/// a message that goes takes its share with it, so that an index made anew counts the same (I13).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Counters {
    /// Queued recipients, by lane.
    pub(crate) queued: BTreeMap<String, u64>,
    /// Held recipients.
    pub(crate) held: u64,
    /// Recipients of which a copy may have come twice.
    pub(crate) uncertain: u64,
    /// Messages.
    pub(crate) accepted: u64,
    /// Recipients delivered.
    pub(crate) delivered: u64,
    /// Of those, the ones that another backend got, by home.
    pub(crate) diverted: BTreeMap<String, u64>,
    /// The newest message.
    pub(crate) newest: u64,
    /// Segments below this one are being removed: what they hold is carried forward, or goes.
    pub(crate) floor: u32,
}

impl Counters {
    /// Do both count the same? `newest` and `floor` are no function of what the log still has.
    pub(crate) fn counts_like(&self, other: &Self) -> bool {
        let Self { newest, floor, .. } = *self;
        let other = Self {
            newest,
            floor,
            ..other.clone()
        };
        *self == other
    }

    /// A recipient is in this state now.
    pub(crate) fn enter(&mut self, state: &RecipientState) {
        if let Some(home) = state.diverted_from() {
            *self.diverted.entry(home.to_string()).or_default() += 1;
        }
        match state {
            RecipientState::Queued { lane, .. } => match self.queued.get_mut(lane) {
                Some(queued) => *queued += 1,
                None => {
                    self.queued.insert(lane.clone(), 1);
                }
            },
            RecipientState::Held { .. } => self.held += 1,
            RecipientState::Delivered { .. } => self.delivered += 1,
            RecipientState::Bounced { .. }
            | RecipientState::Dropped { .. }
            | RecipientState::Expanded { .. } => {}
        }
        self.uncertain += u64::from(state.is_uncertain());
    }

    /// A recipient is in this state no more.
    pub(crate) fn leave(&mut self, state: &RecipientState) {
        if let Some(home) = state.diverted_from()
            && let Some(diverted) = self.diverted.get_mut(home.as_str())
        {
            *diverted = diverted.saturating_sub(1);
            if *diverted == 0 {
                self.diverted.remove(home.as_str());
            }
        }
        match state {
            RecipientState::Queued { lane, .. } => {
                if let Some(queued) = self.queued.get_mut(lane) {
                    *queued = queued.saturating_sub(1);
                    if *queued == 0 {
                        self.queued.remove(lane);
                    }
                }
            }
            RecipientState::Held { .. } => self.held = self.held.saturating_sub(1),
            RecipientState::Delivered { .. } => self.delivered = self.delivered.saturating_sub(1),
            RecipientState::Bounced { .. }
            | RecipientState::Dropped { .. }
            | RecipientState::Expanded { .. } => {}
        }
        let uncertain = u64::from(state.is_uncertain());
        self.uncertain = self.uncertain.saturating_sub(uncertain);
    }
}

pub(crate) fn encode(row: &impl Serialize) -> Vec<u8> {
    // Rows hold numbers, texts and lists of them: there is nothing that cannot be encoded.
    postcard::to_stdvec(row).unwrap_or_default()
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, SpoolError> {
    postcard::from_bytes(bytes)
        .map_err(|error| SpoolError::Index(format!("a row cannot be read: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_log_does_not_tell_is_not_compared() {
        let counters = Counters::default();
        let later = Counters {
            newest: 7,
            floor: 3,
            ..Counters::default()
        };
        assert!(counters.counts_like(&later));
        let wrong = Counters { held: 1, ..later };
        assert!(!counters.counts_like(&wrong));
    }
}
