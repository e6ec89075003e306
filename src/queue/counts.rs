//! How much waits for each rule and each move.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Queue;
use crate::base::Timestamp;
use crate::mail::{HoldReason, RecipientState};
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
    /// When the oldest of their messages was accepted.
    pub oldest: Option<Timestamp>,
}

/// Counts by the name of the rule, or `@domain` for a move.
pub type HeldCounts = BTreeMap<String, HeldCount>;

/// The last count, and until when it is good.
#[derive(Debug, Default)]
pub(super) struct Counted(Option<(Instant, Arc<HeldCounts>)>);

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
        if let Some((until, counts)) = &counted.0
            && begun < *until
        {
            return Ok(Arc::clone(counts));
        }
        let counts = Arc::new(self.count_held()?);
        let took: Duration = begun.elapsed();
        counted.0 = Some((Instant::now() + took * WORTH, Arc::clone(&counts)));
        Ok(counts)
    }

    fn count_held(&self) -> Result<HeldCounts, SpoolError> {
        let mut counts = HeldCounts::new();
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
                let count = counts.entry(name).or_default();
                count.recipients += 1;
                let received = one.id.timestamp();
                count.oldest = Some(count.oldest.map_or(received, |known| known.min(received)));
            }
        }
    }
}

/// The rule, or `@domain` of the move, that holds a recipient.
fn holder(state: &RecipientState) -> Option<String> {
    match state {
        RecipientState::Held {
            reason: HoldReason::Operator { hold, .. },
            ..
        } => Some(hold.clone()),
        RecipientState::Held {
            reason: HoldReason::Move { domain, .. },
            ..
        } => Some(format!("@{domain}")),
        RecipientState::Held { .. }
        | RecipientState::Queued { .. }
        | RecipientState::Delivered { .. }
        | RecipientState::Bounced { .. }
        | RecipientState::Dropped { .. } => None,
    }
}
