//! What waits for one mailbox, and what it got.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Queue;
use crate::base::Timestamp;
use crate::limits;
use crate::mail::{RecipientState, SpoolId};
use crate::spool::SpoolError;

/// Messages of a mailbox that are looked at in one page.
const PAGE: usize = 200;

/// What waits for one mailbox, and what it got.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Waits {
    /// Recipients that wait.
    pub waiting: u64,
    /// Of them, those that are held one by one.
    pub held: u64,
    /// Of them, those that wait in each lane.
    pub lanes: BTreeMap<String, u64>,
    /// Recipients that were delivered since the time that was asked for, by backend.
    pub delivered: BTreeMap<String, u64>,
    /// There is more than was looked at.
    pub cut: bool,
}

impl Waits {
    /// Those that wait for somebody else than `lane`.
    #[must_use]
    pub fn outside(&self, lane: &str) -> u64 {
        let others = self.lanes.iter().filter(|(name, _)| *name != lane);
        others.map(|(_, count)| count).sum()
    }

    /// Together with what waits under another key.
    pub fn add(&mut self, other: Self) {
        self.waiting += other.waiting;
        self.held += other.held;
        self.cut |= other.cut;
        for (lane, count) in other.lanes {
            *self.lanes.entry(lane).or_default() += count;
        }
        for (backend, count) in other.delivered {
            *self.delivered.entry(backend).or_default() += count;
        }
    }

    fn note(&mut self, state: &RecipientState, since: Option<Timestamp>) {
        match state {
            RecipientState::Queued { lane, .. } => {
                self.waiting += 1;
                *self.lanes.entry(lane.clone()).or_default() += 1;
            }
            RecipientState::Held { lane, .. } => {
                self.waiting += 1;
                self.held += 1;
                *self.lanes.entry(lane.clone()).or_default() += 1;
            }
            RecipientState::Delivered { backend, at, .. } => {
                if since.is_some_and(|since| *at >= since) {
                    let name = backend.as_str().to_owned();
                    *self.delivered.entry(name).or_default() += 1;
                }
            }
            RecipientState::Bounced { .. }
            | RecipientState::Dropped { .. }
            | RecipientState::Expanded { .. } => {}
        }
    }
}

impl Queue {
    /// Looks at the mail of one mailbox (a key of the directory), back to the oldest message that
    /// waits at all, and counts what was delivered since `since`. Blocks.
    ///
    /// # Errors
    /// When the index fails.
    pub fn waits_of(&self, mailbox: &str, since: Option<Timestamp>) -> Result<Waits, SpoolError> {
        let spool = &self.0.parts.spool;
        let oldest = spool.unfinished(None, 1)?.first().copied();
        let oldest = oldest.map(SpoolId::timestamp);
        let mut waits = Waits::default();
        let Some(floor) = oldest.into_iter().chain(since).min() else {
            return Ok(waits);
        };
        let (mut before, mut seen) = (None, 0);
        loop {
            let page = spool.mailbox(mailbox, before, PAGE)?;
            for (id, number) in &page {
                if id.timestamp() < floor {
                    return Ok(waits);
                }
                if let Some(state) = spool.state(*id, *number)? {
                    waits.note(&state, since);
                }
            }
            seen += page.len();
            waits.cut = seen >= limits::WAITS;
            let last = page.last().map(|(id, _)| *id);
            if last.is_none() || last == before || waits.cut {
                return Ok(waits);
            }
            before = last;
        }
    }
}
