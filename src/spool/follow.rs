//! How far the index follows the log. While it is behind, mail is taken and nothing is asked.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::SpoolError;
use super::handle::Spool;
use super::index::Index;
use super::segment::Position;
use crate::base::Timestamp;

/// Before this share of the work is done, nobody knows how long the rest takes: one part in this
/// many.
const TOO_EARLY: u64 = 50;

/// Shared by the writer, which goes on to write, and by what brings the index up to the log.
#[derive(Debug)]
pub(crate) struct Follow {
    complete: AtomicBool,
    /// The end of what is on stable storage; the offset is beyond the segment when that is closed.
    durable: AtomicU64,
    /// Bytes of the log that are read.
    read: AtomicU64,
    /// Bytes of the log that are to be read.
    total: AtomicU64,
    begun: Timestamp,
    problem: Mutex<Option<String>>,
}

impl Follow {
    /// The index knows the whole log, which ends at `end`.
    pub(crate) fn complete(begun: Timestamp, end: Position) -> Self {
        Self {
            complete: AtomicBool::new(true),
            durable: AtomicU64::new(end.to_u64()),
            read: AtomicU64::new(0),
            total: AtomicU64::new(0),
            begun,
            problem: Mutex::default(),
        }
    }

    /// It is so many bytes behind; the log ends at `end`.
    pub(crate) fn behind(begun: Timestamp, total: u64, end: Position) -> Self {
        Self {
            complete: AtomicBool::new(false),
            total: AtomicU64::new(total),
            ..Self::complete(begun, end)
        }
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.complete.load(Ordering::Acquire)
    }

    /// The index knows the whole log from now on.
    pub(crate) fn end(&self) {
        self.complete.store(true, Ordering::Release);
    }

    pub(crate) fn durable(&self) -> Position {
        Position::from_u64(self.durable.load(Ordering::Acquire))
    }

    pub(crate) fn set_durable(&self, end: Position) {
        self.durable.store(end.to_u64(), Ordering::Release);
    }

    /// So many bytes more are read.
    pub(crate) fn advance(&self, bytes: u64) {
        self.read.fetch_add(bytes, Ordering::Relaxed);
    }

    /// It begins, perhaps again, and is so many bytes behind.
    pub(crate) fn restart(&self, total: u64) {
        self.read.store(0, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }

    pub(crate) fn set_problem(&self, problem: Option<String>) {
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }

    fn progress(&self, now: Timestamp) -> IndexProgress {
        let total = self.total.load(Ordering::Relaxed);
        let read = self.read.load(Ordering::Relaxed).min(total);
        let problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        IndexProgress {
            read,
            total,
            elapsed: now.since(self.begun),
            problem: problem.clone(),
        }
    }
}

/// How far the index is while it is made from the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexProgress {
    /// Bytes of the log that are read.
    pub read: u64,
    /// Bytes of the log that are to be read; without what has come since.
    pub total: u64,
    /// For how long it has been at work.
    pub elapsed: Duration,
    /// Why it does not go on; it is tried again.
    pub problem: Option<String>,
}

impl IndexProgress {
    /// Whole percent, 99 at most: it is not done.
    #[must_use]
    pub fn percent(&self) -> u8 {
        let share = self.read.saturating_mul(100) / self.total.max(1);
        u8::try_from(share.min(99)).unwrap_or(99)
    }

    /// How long the rest takes; unknown at the beginning, and while it does not go on.
    #[must_use]
    pub fn left(&self) -> Option<Duration> {
        if self.problem.is_some() || self.read <= self.total / TOO_EARLY {
            return None;
        }
        let rest = u128::from(self.total.saturating_sub(self.read));
        let millis = self.elapsed.as_millis().saturating_mul(rest) / u128::from(self.read.max(1));
        u64::try_from(millis).ok().map(Duration::from_millis)
    }
}

/// `43 % of the log is read`, with the time left or the problem.
impl std::fmt::Display for IndexProgress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} % of the log is read", self.percent())?;
        match (&self.problem, self.left()) {
            (Some(problem), _) => write!(f, "; it is tried again: {problem}"),
            (None, Some(left)) if left.as_secs() >= 90 => {
                write!(f, ", about {} min left", (left.as_secs() + 30) / 60)
            }
            (None, Some(left)) => write!(f, ", about {} s left", left.as_secs().max(1)),
            (None, None) => Ok(()),
        }
    }
}

impl Spool {
    /// How far the index is; `None` when it knows the whole log. Until then mail is taken, and
    /// whatever asks the index gets [`SpoolError::Rebuilding`].
    #[must_use]
    pub fn rebuilding(&self) -> Option<IndexProgress> {
        let follow = &self.0.follow;
        (!follow.is_complete()).then(|| follow.progress(self.0.clock.now()))
    }

    /// The index, when it knows the whole log; with everything of which anybody was told.
    pub(crate) fn index(&self) -> Result<&Index, SpoolError> {
        match self.rebuilding() {
            None => Ok(self.0.index.settled()),
            Some(progress) => Err(SpoolError::Rebuilding(progress.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told_when_it_can_be_known() {
        let at = |read, seconds| IndexProgress {
            read,
            total: 1000,
            elapsed: Duration::from_secs(seconds),
            problem: None,
        };
        for (progress, expected) in [
            (at(0, 0), "0 % of the log is read"),
            (at(20, 5), "2 % of the log is read"),
            (at(100, 5), "10 % of the log is read, about 45 s left"),
            (at(250, 100), "25 % of the log is read, about 5 min left"),
            (at(1000, 7), "99 % of the log is read, about 1 s left"),
        ] {
            assert_eq!(progress.to_string(), expected);
        }
        let stuck = IndexProgress {
            problem: Some("reading a.seg: no such disk".to_owned()),
            ..at(500, 5)
        };
        assert_eq!(
            stuck.to_string(),
            "50 % of the log is read; it is tried again: reading a.seg: no such disk"
        );
    }
}
