//! Recipients in the hands of an operator's verb.

use std::time::Duration;

use super::Queue;
use super::claims::Claim;
use crate::mail::SpoolId;

/// Recipients of one message that are claimed; freed when this goes.
pub(super) struct Hands<'a> {
    queue: &'a Queue,
    id: SpoolId,
    numbers: Vec<u16>,
}

impl<'a> Hands<'a> {
    pub(super) const fn new(queue: &'a Queue, id: SpoolId) -> Self {
        Self {
            queue,
            id,
            numbers: Vec::new(),
        }
    }

    /// Whom it has.
    pub(super) fn numbers(&self) -> &[u16] {
        &self.numbers
    }

    /// Claims recipients, waiting a while for those under way; returns how many stay under way.
    pub(super) async fn take(&mut self, wanted: &[u16], patience: Duration) -> u64 {
        let mut left = wanted.to_vec();
        let wait = tokio::time::sleep(patience);
        tokio::pin!(wait);
        loop {
            // Before the look, or what is freed in between would be missed.
            let freed = self.queue.0.freed.notified();
            left.retain(|&number| {
                let claim = self.queue.state().claim(self.id, number);
                if claim == Claim::Ours {
                    self.numbers.push(number);
                }
                claim == Claim::UnderWay
            });
            if left.is_empty() {
                return 0;
            }
            tokio::select! {
                biased;
                () = freed => {}
                () = &mut wait => return left.len() as u64,
                () = self.queue.0.parts.shutdown.stopping() => return left.len() as u64,
            }
        }
    }
}

impl Drop for Hands<'_> {
    fn drop(&mut self) {
        let mut state = self.queue.state();
        for number in &self.numbers {
            state.give_back(self.id, *number);
        }
        drop(state);
        self.queue.0.freed.notify_waiters();
    }
}
