//! What is being looked for: bounded. Pure, time is an argument.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use crate::base::Timestamp;
use crate::limits;
use crate::mail::{BackendId, SpoolId};

/// A message for a recipient that a backend took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) id: SpoolId,
    pub(super) number: u16,
    pub(super) backend: BackendId,
    /// When.
    pub(super) at: Timestamp,
}

/// The log is read again so far back: what was stamped is not in it before it is on the disk.
const SETTLING: Duration = Duration::from_secs(30);

type Key = (SpoolId, u16, BackendId);

#[derive(Debug, Clone, Copy)]
struct Wait {
    at: Timestamp,
    due: Timestamp,
    looks: u32,
}

/// What is being looked for.
#[derive(Debug, Default)]
pub(super) struct Pending {
    waiting: BTreeMap<Key, Wait>,
    /// What was looked for to its end, since the cursor: the log tells it again.
    done: BTreeMap<Key, Timestamp>,
    /// Somebody found no place; all before this one did.
    overflowed: Option<Timestamp>,
    /// Why nothing is looked for.
    pub(super) waits_for: Option<String>,
}

/// Is a delivery one of the sample? The same answer for the same delivery, after a restart, too.
pub(super) fn is_sampled(id: SpoolId, number: u16, share: u32) -> bool {
    let mut hasher = DefaultHasher::new();
    (id.as_u64(), number).hash(&mut hasher);
    hasher.finish() % 10_000 < u64::from(share)
}

/// From a delivery to the first look for it.
pub(super) fn first_look(within: Duration) -> Duration {
    (within / 10).clamp(Duration::from_millis(500), Duration::from_secs(60))
}

impl Pending {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Is this delivery new?
    pub(super) fn is_new(&self, taken: &Taken) -> bool {
        let key = (taken.id, taken.number, taken.backend.clone());
        let known = self
            .waiting
            .get(&key)
            .is_some_and(|wait| wait.at >= taken.at);
        !known && self.done.get(&key).is_none_or(|at| *at < taken.at)
    }

    /// It is to be looked for, if there is a place; else the log tells it again.
    pub(super) fn add(&mut self, taken: Taken, within: Duration) {
        if self.waiting.len() + self.done.len() >= limits::LANDING_PENDING {
            self.overflowed.get_or_insert(taken.at);
            return;
        }
        let wait = Wait {
            at: taken.at,
            due: taken.at.after(first_look(within)),
            looks: 0,
        };
        let key = (taken.id, taken.number, taken.backend);
        self.waiting.insert(key, wait);
    }

    /// What is due, the oldest delivery first.
    pub(super) fn due(&self, now: Timestamp) -> Vec<Taken> {
        let due = self.waiting.iter().filter(|(_, wait)| wait.due <= now);
        let mut due: Vec<Taken> = due
            .map(|((id, number, backend), wait)| Taken {
                id: *id,
                number: *number,
                backend: backend.clone(),
                at: wait.at,
            })
            .collect();
        due.sort_by_key(|taken| (taken.at, taken.id, taken.number));
        due
    }

    /// It was looked for to its end.
    pub(super) fn end(&mut self, taken: &Taken) {
        let key = (taken.id, taken.number, taken.backend.clone());
        self.waiting.remove(&key);
        self.done.insert(key, taken.at);
    }

    /// It is looked for once more: after twice the time, and when its time is over.
    pub(super) fn again(&mut self, taken: &Taken, now: Timestamp, within: Duration) {
        let key = (taken.id, taken.number, taken.backend.clone());
        if let Some(wait) = self.waiting.get_mut(&key) {
            wait.looks += 1;
            let step = first_look(within) * 2_u32.saturating_pow(wait.looks.min(10));
            let last = wait.at.after(within);
            let next = now.after(step);
            wait.due = if last > now { next.min(last) } else { next };
        }
    }

    /// All that was delivered before then was looked for, when the log was read at `now`, from
    /// `before` on.
    pub(super) fn cursor(&mut self, now: Timestamp, before: Option<Timestamp>) -> Timestamp {
        let read = now.before(SETTLING).max(before.unwrap_or_default());
        // What found no place is told by the log again.
        let read = self.overflowed.take().map_or(read, |first| first.min(read));
        let oldest = self.waiting.values().map(|wait| wait.at).min();
        let cursor = oldest.unwrap_or(read).min(read);
        self.done.retain(|_, at| *at >= cursor);
        cursor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);
    const WITHIN: Duration = Duration::from_secs(600);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn taken(id: u64, seconds: u64) -> Taken {
        Taken {
            id: SpoolId::from_u64(id),
            number: 0,
            backend: BackendId::new("onprem"),
            at: at(seconds),
        }
    }

    #[test]
    fn a_delivery_is_looked_for_ever_more_rarely_and_when_its_time_is_over() {
        let mut pending = Pending::default();
        pending.add(taken(1, 0), WITHIN);
        let mut looks = Vec::new();
        for second in 0..1_500 {
            if pending.due(at(second)).len() == 1 {
                looks.push(second);
                pending.again(&taken(1, 0), at(second), WITHIN);
            }
        }
        assert_eq!(looks[..4], [60, 180, 420, 600], "{looks:?}");
    }

    #[test]
    fn the_cursor_stands_at_the_oldest_that_is_not_proven() {
        let mut pending = Pending::default();
        for (id, second) in [(1, 10), (2, 20), (3, 30)] {
            pending.add(taken(id, second), WITHIN);
        }
        assert_eq!(pending.cursor(at(40), None), at(10));
        pending.end(&taken(2, 20));
        assert!(!pending.is_new(&taken(2, 20)), "the log tells it again");
        assert!(pending.is_new(&taken(2, 21)), "a second delivery");
        pending.end(&taken(1, 10));
        assert_eq!(pending.cursor(at(70), Some(at(10))), at(30));
        pending.end(&taken(3, 30));
        assert_eq!(pending.cursor(at(70), Some(at(30))), at(40), "a slow disk");
        let early = pending.cursor(at(50), Some(at(45)));
        assert_eq!(early, at(45), "not before the beginning");
        assert_eq!(pending.done.len(), 0);
    }

    #[test]
    fn what_finds_no_place_is_not_forgotten() {
        let mut pending = Pending::default();
        let most = limits::LANDING_PENDING as u64;
        for id in 0..=most {
            pending.add(taken(id, 10 + id), WITHIN);
        }
        assert_eq!(pending.len() as u64, most);
        for id in 0..most {
            pending.end(&taken(id, 10 + id));
        }
        let cursor = pending.cursor(at(1 << 30), None);
        assert_eq!(cursor, at(10 + most), "before the one without a place");
        assert!(pending.is_new(&taken(most, 10 + most)));
        assert_eq!(pending.done.len(), 0);
        pending.add(taken(most, 10 + most), WITHIN);
        assert_eq!(pending.len(), 1);
    }

    #[test]
    fn a_sample_is_as_large_as_it_is_said_and_always_the_same() {
        let count = |share| {
            let ids = (0..20_000).map(SpoolId::from_u64);
            ids.filter(|id| is_sampled(*id, 0, share)).count()
        };
        assert_eq!((count(0), count(10_000)), (0, 20_000));
        let hundredth = count(100);
        assert!((120..280).contains(&hundredth), "{hundredth}");
        assert_eq!(hundredth, count(100));
        assert_eq!(first_look(WITHIN), MINUTE);
    }
}
