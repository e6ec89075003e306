//! Values of the index. Their encoding may change from version to version: [`FORMAT`] then
//! changes too, and the index is rebuilt.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::mail::RecipientState;
use crate::spool::SpoolError;

/// The version of keys and rows.
pub(crate) const FORMAT: u32 = 13;

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
    /// Held recipients, by lane; strangers are one.
    pub(crate) held: BTreeMap<String, u64>,
    /// Recipients of which a copy may have come twice.
    pub(crate) uncertain: u64,
    /// Messages.
    pub(crate) accepted: u64,
    /// Their recipients.
    pub(crate) recipients: u64,
    /// Recipients delivered, by backend; strangers are one.
    pub(crate) delivered: BTreeMap<String, u64>,
    /// Recipients that came to another end.
    pub(crate) otherwise: u64,
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

    /// In what the rows, counted anew, are not like these; for people.
    pub(crate) fn differences(&self, rows: &Self) -> Vec<String> {
        let mut found = Vec::new();
        let mut compare = |what: &str, kept: u64, rows: u64| {
            if kept != rows {
                found.push(format!("{what}: {kept} by the account, {rows} by the rows"));
            }
        };
        compare("messages", self.accepted, rows.accepted);
        compare("recipients", self.recipients, rows.recipients);
        compare("not delivered for good", self.otherwise, rows.otherwise);
        compare("perhaps twice", self.uncertain, rows.uncertain);
        for (what, kept, rows) in [
            ("waiting for", &self.queued, &rows.queued),
            ("held for", &self.held, &rows.held),
            ("delivered to", &self.delivered, &rows.delivered),
            ("diverted from", &self.diverted, &rows.diverted),
        ] {
            let names: BTreeSet<_> = kept.keys().chain(rows.keys()).collect();
            for name in names {
                let [kept, rows] = [kept, rows].map(|counts| counts.get(name).copied());
                let (kept, rows) = (kept.unwrap_or(0), rows.unwrap_or(0));
                compare(&format!("{what} {name}"), kept, rows);
            }
        }
        found
    }

    /// A message with recipients in these states is there.
    pub(crate) fn accept(&mut self, states: &[RecipientState]) {
        self.accepted += 1;
        self.recipients += states.len() as u64;
        for state in states {
            self.enter(state);
        }
    }

    /// A message with recipients in these states is there no more.
    pub(crate) fn retire(&mut self, states: &[RecipientState]) {
        less(&mut self.accepted, 1);
        less(&mut self.recipients, states.len() as u64);
        for state in states {
            self.leave(state);
        }
    }

    /// A recipient is in this state now.
    pub(crate) fn enter(&mut self, state: &RecipientState) {
        if let Some(home) = state.diverted_from() {
            one_more(&mut self.diverted, home.as_str());
        }
        match state {
            RecipientState::Queued { lane, .. } => one_more(&mut self.queued, lane),
            RecipientState::Held { lane, .. } => one_more(&mut self.held, place(lane)),
            RecipientState::Delivered { backend, .. } => {
                one_more(&mut self.delivered, place(backend.as_str()));
            }
            RecipientState::Bounced { .. }
            | RecipientState::Dropped { .. }
            | RecipientState::Expanded { .. } => self.otherwise += 1,
        }
        self.uncertain += u64::from(state.is_uncertain());
    }

    /// A recipient is in this state no more.
    pub(crate) fn leave(&mut self, state: &RecipientState) {
        if let Some(home) = state.diverted_from() {
            one_less(&mut self.diverted, home.as_str());
        }
        match state {
            RecipientState::Queued { lane, .. } => one_less(&mut self.queued, lane),
            RecipientState::Held { lane, .. } => one_less(&mut self.held, place(lane)),
            RecipientState::Delivered { backend, .. } => {
                one_less(&mut self.delivered, place(backend.as_str()));
            }
            RecipientState::Bounced { .. }
            | RecipientState::Dropped { .. }
            | RecipientState::Expanded { .. } => less(&mut self.otherwise, 1),
        }
        less(&mut self.uncertain, u64::from(state.is_uncertain()));
    }
}

/// Under which name a lane or backend is counted where strangers are one.
pub(crate) fn place(name: &str) -> &str {
    if name.starts_with('@') { "@" } else { name }
}

fn one_more(counts: &mut BTreeMap<String, u64>, name: &str) {
    match counts.get_mut(name) {
        Some(count) => *count += 1,
        None => {
            counts.insert(name.to_owned(), 1);
        }
    }
}

fn one_less(counts: &mut BTreeMap<String, u64>, name: &str) {
    if let Some(count) = counts.get_mut(name) {
        less(count, 1);
        if *count == 0 {
            counts.remove(name);
        }
    }
}

const fn less(count: &mut u64, by: u64) {
    *count = count.saturating_sub(by);
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
        let wrong = Counters {
            recipients: 1,
            ..later
        };
        assert!(!counters.counts_like(&wrong));
    }
}
