//! How fast a backlog goes, and when it will be done: from what was measured, never from what
//! would be possible.

use std::collections::HashMap;
use std::sync::PoisonError;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Queue;
use super::pace::Slices;
use crate::mail::BackendId;

/// What is measured for less than this says nothing yet.
const LEAST: Duration = Duration::from_secs(5);

/// How a backend gets its backlog.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Progress {
    /// Connections that it may have now; `None` before the first mail.
    pub window: Option<usize>,
    /// Connections that are open, or being opened.
    pub connections: usize,
    /// Recipients of the backlog that it took in the last minute, for a whole minute; `None` when
    /// there is nothing to measure.
    pub per_minute: Option<u64>,
    /// The mailbox with the most waiting mail will have it all after this many seconds: its rates
    /// allow no more. 0 when none had to wait.
    pub mailbox_seconds: u64,
    /// The same of the mail that waits for nothing but its turn: no attempt of it has failed.
    #[serde(default)]
    pub turn_seconds: u64,
}

impl Progress {
    /// When `waiting` recipients will be delivered if it goes on like this. `None` while nobody
    /// knows.
    #[must_use]
    pub fn eta(&self, waiting: u64) -> Option<Duration> {
        let per_minute = self.per_minute.filter(|speed| *speed > 0)?;
        let by_speed = waiting.saturating_mul(60).div_ceil(per_minute);
        Some(Duration::from_secs(by_speed.max(self.mailbox_seconds)))
    }
}

/// How much of its backlog each backend takes.
#[derive(Debug, Default)]
pub(super) struct Speeds(HashMap<BackendId, Speed>);

#[derive(Debug, Default)]
struct Speed {
    slices: Slices<7, 10>,
    /// When it began after a silence.
    begun: Duration,
}

impl Speeds {
    /// A backend took a recipient of its backlog.
    pub(super) fn count(&mut self, backend: &BackendId, now: Duration) {
        if !self.0.contains_key(backend) {
            self.0.insert(backend.clone(), Speed::default());
        }
        if let Some(speed) = self.0.get_mut(backend) {
            if speed.slices.sum(now) == 0 {
                speed.begun = now;
            }
            speed.slices.count(now);
        }
    }

    /// Recipients a minute.
    fn per_minute(&self, backend: &BackendId, now: Duration) -> Option<u64> {
        let speed = self.0.get(backend)?;
        let sum = u64::from(speed.slices.sum(now));
        // The present slice and the six whole ones before it.
        let span = Duration::from_secs(60 + now.as_secs() % 10);
        let measured = now.saturating_sub(speed.begun).min(span);
        if sum == 0 || measured < LEAST {
            return None;
        }
        let millis = u64::try_from(measured.as_millis()).unwrap_or(u64::MAX);
        Some(sum.saturating_mul(60_000) / millis.max(1))
    }
}

impl Queue {
    /// How a backend gets its backlog now.
    #[must_use]
    pub fn progress(&self, backend: &BackendId) -> Progress {
        let now = self.elapsed();
        let (window, connections) = self.state().connections(backend);
        let (all, untried) = {
            let pace = self.pace();
            (
                pace.longest(backend, now),
                pace.longest_untried(backend, now),
            )
        };
        let speeds = self.0.speeds.lock();
        let speeds = speeds.unwrap_or_else(PoisonError::into_inner);
        Progress {
            window,
            connections,
            per_minute: speeds.per_minute(backend, now),
            mailbox_seconds: all.as_secs(),
            turn_seconds: untried.as_secs(),
        }
    }

    pub(super) fn count_speed(&self, backend: &BackendId, recipients: usize) {
        let now = self.elapsed();
        let speeds = self.0.speeds.lock();
        let mut speeds = speeds.unwrap_or_else(PoisonError::into_inner);
        for _ in 0..recipients {
            speeds.count(backend, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foretells_from_what_was_measured() {
        let onprem = BackendId::new("onprem");
        let mut speeds = Speeds::default();
        let at = Duration::from_secs;
        let progress = |speeds: &Speeds, now, mailbox_seconds| Progress {
            per_minute: speeds.per_minute(&onprem, now),
            mailbox_seconds,
            ..Progress::default()
        };
        assert_eq!(progress(&speeds, at(1000), 0).eta(500), None);
        for second in 1000..1300 {
            for _ in 0..5 {
                speeds.count(&onprem, at(second));
            }
            if second == 1003 {
                assert_eq!(progress(&speeds, at(1003), 0).eta(500), None, "too early");
            }
        }
        let known = progress(&speeds, at(1300), 0);
        let speed = known.per_minute.unwrap();
        assert!((290..=310).contains(&speed), "{speed}");
        assert!((95..=105).contains(&known.eta(500).unwrap().as_secs()));
        assert_eq!(progress(&speeds, at(1300), 7200).eta(500), Some(at(7200)));
        // It has stopped: nobody knows.
        assert_eq!(progress(&speeds, at(1400), 0).eta(500), None);
    }
}
