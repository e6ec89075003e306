//! How much waits for each rule and each move, and how much a drain keeps from its backend.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Queue;
use crate::backend::Wish;
use crate::base::Timestamp;
use crate::mail::{BackendId, RecipientState, SpoolId};
use crate::spool::SpoolError;

/// Held recipients that are read at once.
const PAGE: usize = 1_000;
/// A count is good for so many times as long as it took: who asks all the time costs little.
const WORTH: u32 = 20;

/// What waits for one rule or one move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HeldCount {
    /// Recipients.
    pub recipients: u64,
    /// Their messages.
    pub messages: u64,
    /// When the oldest of their messages was accepted.
    pub oldest: Option<Timestamp>,
}

/// Counts by the name of the rule, or `@domain` for a move.
pub type HeldCounts = BTreeMap<String, HeldCount>;

/// Recipients that a drain keeps from their backend, by backend.
pub type DrainCounts = BTreeMap<BackendId, u64>;

/// Backends that are drained, and since when.
type Drains = Vec<(BackendId, Timestamp)>;

/// The last counts, and until when they are good.
#[derive(Debug, Default)]
pub(super) struct Counted {
    held: Option<(Instant, Arc<HeldCounts>)>,
    /// With the drains that were counted, and since when they are.
    drained: Option<(Instant, Drains, DrainCounts)>,
}

impl Queue {
    /// Counts what is held by rules and moves. Looks at everything that is held, so it may take
    /// seconds, and blocks; a count that is only moments old is given again.
    ///
    /// # Errors
    /// When the index fails.
    pub fn held_counts(&self) -> Result<Arc<HeldCounts>, SpoolError> {
        let counted = self.0.counted.lock();
        // Under the lock: two who ask at one time count once.
        let mut counted = counted.unwrap_or_else(PoisonError::into_inner);
        let begun = Instant::now();
        if let Some((until, counts)) = &counted.held
            && begun < *until
        {
            return Ok(Arc::clone(counts));
        }
        let counts = Arc::new(self.count_held()?);
        let took: Duration = begun.elapsed();
        counted.held = Some((Instant::now() + took * WORTH, Arc::clone(&counts)));
        Ok(counts)
    }

    /// Somebody was held or released just now: who asks next gets a new count.
    pub(super) fn count_anew(&self) {
        let counted = self.0.counted.lock();
        counted.unwrap_or_else(PoisonError::into_inner).held = None;
    }

    /// Counts what waits for drained backends and came after the drain. Looks at all that waits
    /// since then, so it may take seconds, and blocks; a count that is only moments old is given
    /// again.
    ///
    /// # Errors
    /// When the index fails.
    pub fn drain_counts(&self) -> Result<DrainCounts, SpoolError> {
        let healths = self.0.parts.router.board().healths();
        let drains = healths.values().filter_map(|health| {
            let said = health.operator.as_ref()?;
            (said.wish == Wish::Drain).then(|| (health.id.clone(), said.since))
        });
        let drains: Drains = drains.collect();
        let Some(first) = drains.iter().map(|(_, since)| *since).min() else {
            return Ok(DrainCounts::new());
        };
        let counted = self.0.counted.lock();
        let mut counted = counted.unwrap_or_else(PoisonError::into_inner);
        let begun = Instant::now();
        if let Some((until, of, counts)) = &counted.drained
            && begun < *until
            && *of == drains
        {
            return Ok(counts.clone());
        }
        let mut counts = DrainCounts::new();
        let mut last = Some(SpoolId::first_at(first));
        while let Some(after) = last {
            let ids = self.0.parts.spool.unfinished(Some(after), PAGE)?;
            last = ids.last().copied();
            for id in ids {
                for backend in self.drained_lanes(id, &drains)? {
                    *counts.entry(backend).or_default() += 1;
                }
            }
        }
        let until = Instant::now() + begun.elapsed() * WORTH;
        counted.drained = Some((until, drains, counts.clone()));
        Ok(counts)
    }

    /// The drained backend of each recipient of a message that waits for one.
    fn drained_lanes(
        &self,
        id: SpoolId,
        drains: &[(BackendId, Timestamp)],
    ) -> Result<Vec<BackendId>, SpoolError> {
        let mut found = Vec::new();
        let mut number = 0;
        while let Some(state) = self.0.parts.spool.state(id, number)? {
            if let RecipientState::Queued { lane, .. } = &state {
                let kept = drains
                    .iter()
                    .find(|(backend, since)| backend.as_str() == lane && id.timestamp() > *since);
                found.extend(kept.map(|(backend, _)| backend.clone()));
            }
            number += 1;
        }
        Ok(found)
    }

    fn count_held(&self) -> Result<HeldCounts, SpoolError> {
        let mut counts = HeldCounts::new();
        let mut counted: BTreeMap<String, SpoolId> = BTreeMap::new();
        let mut last = None;
        loop {
            let page = self.0.parts.spool.held_recipients(last, PAGE)?;
            let Some(end) = page.last() else {
                return Ok(counts);
            };
            last = Some((end.id, end.recipient));
            for one in &page {
                let Some(name) = holder(&one.state) else {
                    continue;
                };
                // They come message by message.
                let is_next = counted.insert(name.clone(), one.id) != Some(one.id);
                let count = counts.entry(name).or_default();
                count.recipients += 1;
                count.messages += u64::from(is_next);
                let received = one.id.timestamp();
                count.oldest = Some(count.oldest.map_or(received, |known| known.min(received)));
            }
        }
    }
}

/// The rule, or `@domain` of the move, that holds a recipient.
fn holder(state: &RecipientState) -> Option<String> {
    match state {
        RecipientState::Held { reason, .. } => reason.hold(),
        RecipientState::Queued { .. }
        | RecipientState::Delivered { .. }
        | RecipientState::Bounced { .. }
        | RecipientState::Dropped { .. }
        | RecipientState::Expanded { .. } => None,
    }
}
