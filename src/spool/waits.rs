//! How long what is handed in now waits until it is durable, for those who let more mail in.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::handle::Spool;
use crate::base::Timestamp;

/// What was written last tells how it is for so long.
const BELIEVED: Duration = Duration::from_secs(1);

/// Shared by the writer and those who ask.
#[derive(Debug, Default)]
pub(crate) struct Waits(Mutex<State>);

#[derive(Debug, Default, Clone, Copy)]
struct State {
    /// Since when the oldest of what is being written has waited; `None`: nothing is.
    since: Option<Timestamp>,
    /// When something was written last, and how long it had waited.
    last: Option<(Timestamp, Duration)>,
}

impl Waits {
    /// The writer begins with what has waited since then.
    pub(crate) fn began(&self, since: Timestamp) {
        self.with(|state| state.since = Some(since));
    }

    /// It is done with it.
    pub(crate) fn ended(&self, now: Timestamp) {
        self.with(|state| {
            if let Some(since) = state.since.take() {
                state.last = Some((now, now.since(since)));
            }
        });
    }

    /// The longest wait: of what is being written, and of what was written just now.
    pub(crate) fn longest(&self, now: Timestamp) -> Duration {
        let state = self.with(|state| *state);
        let present = state.since.map(|since| now.since(since));
        let last = state.last.filter(|(at, _)| at.is_within(BELIEVED, now));
        let last = last.map(|(_, waited)| waited);
        present.max(last).unwrap_or_default()
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Spool {
    /// So long waits what wants to be on stable storage, about. It grows while the disk does not
    /// answer.
    #[must_use]
    pub fn commit_wait(&self) -> Duration {
        self.0.waits.longest(self.0.clock.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_does_not_answer_is_seen_before_it_does() {
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1000);
        let seconds = Duration::from_secs;
        let waits = Waits::default();
        assert_eq!(waits.longest(at(100)), Duration::ZERO);
        waits.began(at(100));
        assert_eq!(waits.longest(at(107)), seconds(7));
        waits.ended(at(108));
        assert_eq!(waits.longest(at(108)), seconds(8));
        // What is written next has waited less, and is not done yet.
        waits.began(at(108));
        assert_eq!(waits.longest(at(108)), seconds(8));
        assert_eq!(waits.longest(at(110)), seconds(2));
        waits.ended(at(110));
        assert_eq!(waits.longest(at(111)), Duration::ZERO);
        // A clock that was set back makes no wait of it.
        waits.began(at(112));
        assert_eq!(waits.longest(at(50)), Duration::ZERO);
    }
}
