//! What a worker prepares while a message is under way: bodies are read and attempts are marked
//! before their turn, so that no connection waits for the disk.
//!
//! A mark must be on stable storage before the final dot, and one sync serves all marks that wait
//! for it. Who has one message prepared waits for a sync with each message; who has a few of them
//! sends while the sync is under way. How many is found out: one more whenever a mark came late.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all};
use tokio::time::Instant;

use super::Queue;
use super::state::Job;
use super::worker::Delivered;
use crate::limits;
use crate::mail::{BodySource, Channel, DeliveryTarget};
use crate::spool::Written;

/// A message that takes longer keeps none waiting behind it: other connections may be faster.
const SLOW: Duration = Duration::from_secs(1);

/// A job that can be sent at once.
pub(super) struct Prepared {
    pub(super) job: Job,
    pub(super) body: Arc<dyn BodySource>,
    /// The attempt's mark on its way to the log.
    pub(super) marked: Written,
}

/// The prepared jobs of one worker, in their order.
pub(super) struct Ahead<J> {
    jobs: VecDeque<J>,
    depth: usize,
}

impl<J> Default for Ahead<J> {
    fn default() -> Self {
        Self {
            jobs: VecDeque::new(),
            depth: 1,
        }
    }
}

impl<J> Ahead<J> {
    fn has_room(&self) -> bool {
        self.jobs.len() < self.depth
    }

    fn push(&mut self, job: J) {
        self.jobs.push_back(job);
    }

    /// The next one.
    pub(super) fn pop(&mut self) -> Option<J> {
        self.jobs.pop_front()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// A message took so long, and perhaps its mark came late.
    fn learn(&mut self, took: Duration, mark: Mark) {
        self.depth = match mark {
            _ if took >= SLOW => 0,
            Mark::Late => (self.depth + 1).min(limits::MARKED_AHEAD),
            Mark::InTime => self.depth.max(1),
        };
    }
}

/// When the mark of an attempt was on stable storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// Before it was needed.
    InTime,
    /// It was waited for.
    Late,
}

impl Queue {
    /// Prepares what this worker may have ahead.
    pub(super) async fn prepare_ahead(&self, target: &DeliveryTarget, ahead: &mut Ahead<Prepared>) {
        while ahead.has_room() {
            let job = {
                let mut state = self.state();
                if state.is_surplus(target) {
                    return;
                }
                let Some(job) = state.pop(target) else {
                    return;
                };
                job
            };
            self.refill(target);
            if let Some(ready) = self.prepare(target, job).await {
                ahead.push(ready);
            }
        }
    }

    /// Delivers a message; what is ahead does not wait for a slow one. Returns how long to leave
    /// the next hop alone.
    pub(super) async fn deliver_before(
        &self,
        target: &DeliveryTarget,
        (present, ahead): (Prepared, &mut Ahead<Prepared>),
        channel: &mut dyn Channel,
    ) -> Duration {
        let begun = Instant::now();
        let delivering = self.deliver(target, present, channel);
        tokio::pin!(delivering);
        let in_time = tokio::time::timeout(SLOW, &mut delivering).await;
        let delivered = if let Ok(delivered) = in_time {
            delivered
        } else {
            let putting_back = self.put_back(ahead.jobs.drain(..));
            join(delivering, putting_back).await.0
        };
        let Delivered { pause, mark } = delivered;
        ahead.learn(begun.elapsed(), mark);
        if !pause.is_zero() {
            self.put_back(ahead.jobs.drain(..)).await;
        }
        pause
    }

    /// Prepared jobs that this worker does not get to: nothing was sent.
    pub(super) async fn put_back(&self, unused: impl Iterator<Item = Prepared>) {
        // All of them at once, for one sync of the log.
        let works: Vec<_> = unused.map(|one| self.put_one_back(one.job)).collect();
        if works.is_empty() {
            return;
        }
        join_all(works).await;
        self.0.freed.notify_waiters();
        self.look_from_the_beginning();
    }

    async fn put_one_back(&self, job: Job) {
        let event = job.interrupted();
        let spool = &self.0.parts.spool;
        if let Err(error) = spool.record(job.id, job.numbers(), event).await {
            tracing::warn!(id = %job.id, %error, "a mark stays");
        }
        for number in job.numbers() {
            // It may have moved meanwhile.
            self.reroute_one(job.id, number, &job.envelope).await;
        }
        self.state().release(&job);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_is_prepared_when_marks_come_late_and_nothing_behind_a_slow_one() {
        let mut ahead = Ahead::<()>::default();
        let quick = Duration::from_millis(5);
        let mut depths = Vec::new();
        for (took, mark) in [
            (quick, Mark::InTime),
            (quick, Mark::Late),
            (quick, Mark::InTime),
            (quick, Mark::Late),
            (quick, Mark::Late),
            (quick, Mark::Late),
            (SLOW, Mark::Late),
            (quick, Mark::InTime),
            (SLOW, Mark::InTime),
            (quick, Mark::Late),
        ] {
            ahead.learn(took, mark);
            depths.push(ahead.depth);
        }
        assert_eq!(depths, [1, 2, 2, 3, 4, 4, 0, 1, 0, 1]);
    }
}
