//! Mail that waits for too long asks for an administrator's decision (decision 5): nothing of it
//! expires by itself.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Admin;
use crate::base::Timestamp;
use crate::limits;
use crate::mail::SpoolId;
use crate::spool::SpoolError;
use crate::terminal::duration;

/// What waits for longer than `queue.attention_after`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AttentionView {
    /// `queue.attention_after`, in seconds.
    pub after_seconds: u64,
    /// Messages that wait for longer, as far as they were counted: at most 1,000.
    pub messages: u64,
    /// There are more.
    pub more: bool,
    /// When the oldest message that waits asks for a decision, or did; none while nothing waits.
    pub next: Option<Timestamp>,
}

impl AttentionView {
    /// Of the oldest messages that wait, oldest first.
    fn of(oldest: &[SpoolId], after: Duration, now: Timestamp) -> Self {
        let is_over = |id: &&SpoolId| id.timestamp().after(after) <= now;
        let messages = oldest.iter().take_while(is_over).count();
        Self {
            after_seconds: after.as_secs(),
            messages: messages as u64,
            more: messages >= limits::PAGE,
            next: oldest.first().map(|id| id.timestamp().after(after)),
        }
    }

    /// For people, when a decision is due: `12 messages wait for more than 7 days`.
    #[must_use]
    pub fn told(&self) -> Option<String> {
        let after = duration(Duration::from_secs(self.after_seconds));
        let (count, more) = (self.messages, if self.more { "or more " } else { "" });
        match self.messages {
            0 => None,
            1 => Some(format!("1 message waits for more than {after}")),
            _ => Some(format!("{count} {more}messages wait for more than {after}")),
        }
    }

    /// The same for `/health`.
    pub(super) fn problem(&self) -> Option<String> {
        let told = self.told()?;
        Some(format!("{told}: an administrator has to decide"))
    }
}

impl Admin {
    /// What waits for too long. Blocks.
    ///
    /// # Errors
    /// When the index fails.
    pub(super) fn attention(&self) -> Result<AttentionView, SpoolError> {
        let oldest = self.spool.unfinished(None, limits::PAGE)?;
        Ok(AttentionView::of(
            &oldest,
            self.attention_after(),
            self.clock.now(),
        ))
    }

    pub(super) fn attention_after(&self) -> Duration {
        *self.attention_after.borrow()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_for_too_long_asks_for_a_decision() {
        let now = Timestamp::from_millis(1_800_000_000_000);
        let day = Duration::from_secs(86_400);
        let (after, hour) = (day * 7, day / 24);
        let id = |age| SpoolId::first_at(now.before(age));
        let view = |ages: &[Duration]| {
            let ids: Vec<SpoolId> = ages.iter().map(|age| id(*age)).collect();
            AttentionView::of(&ids, after, now)
        };
        assert_eq!(view(&[]).next, None);
        let young = view(&[day * 6, hour]);
        assert_eq!((young.messages, young.told()), (0, None));
        assert_eq!(young.next, Some(now.after(day)), "a countdown");
        let due = view(&[after, day * 6]);
        assert_eq!(due.next, Some(now));
        assert_eq!(
            due.told().as_deref(),
            Some("1 message waits for more than 7 days")
        );
        let told = view(&[after * 2, after, hour]).told();
        assert_eq!(
            told.as_deref(),
            Some("2 messages wait for more than 7 days")
        );
        let many = view(&vec![after * 2; limits::PAGE]);
        assert_eq!(
            many.told().as_deref(),
            Some("1000 or more messages wait for more than 7 days")
        );
    }
}
