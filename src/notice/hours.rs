//! Who has had nearly all that an account may send within an hour. Whoever lets it send notes it;
//! it is told before something is refused.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::Timestamp;

/// An hour.
const HOUR: Duration = Duration::from_secs(3600);
/// From so much on it is nearly all, in per cent.
const NEAR: u64 = 90;

/// What accounts have had of their hour, where that is nearly all; cheap to clone. A restart
/// forgets it until the next message of each.
#[derive(Debug, Clone, Default)]
pub struct Hours(Arc<Mutex<BTreeMap<String, Noted>>>);

#[derive(Debug, Clone, Copy)]
struct Noted {
    at: Timestamp,
    share: Share,
}

/// What is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Messages.
    Messages,
    /// Their recipients, together.
    Recipients,
}

/// So many of so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Of what.
    pub counted: Counted,
    /// How many it has had; never more than the limit.
    pub used: u64,
    /// How many it may have within an hour.
    pub limit: u64,
}

impl Share {
    /// Those of a limit; who wants more has had all.
    #[must_use]
    pub fn new(counted: Counted, used: u64, limit: u64) -> Self {
        Self {
            counted,
            used: used.min(limit),
            limit,
        }
    }

    const fn per_mille(&self) -> u64 {
        if self.limit == 0 {
            return 1000;
        }
        self.used.saturating_mul(1000) / self.limit
    }

    const fn is_near(&self) -> bool {
        self.per_mille() >= NEAR * 10
    }
}

impl Hours {
    /// An account sends: what it has had then within the hour behind it.
    pub fn note(&self, account: &str, at: Timestamp, shares: [Share; 2]) {
        let [one, other] = shares;
        // The one that is reached first.
        let share = if other.per_mille() > one.per_mille() {
            other
        } else {
            one
        };
        let mut all = self.current(at);
        if share.is_near() {
            all.insert(account.to_owned(), Noted { at, share });
        } else {
            all.remove(account);
        }
    }

    /// Those who have had nearly all, the busiest first.
    #[must_use]
    pub fn near(&self, now: Timestamp) -> Vec<(String, Share)> {
        let all = self.current(now);
        let mut near: Vec<_> = all
            .iter()
            .map(|(account, noted)| (account.clone(), noted.share))
            .collect();
        near.sort_by_key(|(_, share)| std::cmp::Reverse(share.per_mille()));
        near
    }

    /// What is older than an hour counts no more.
    fn current(&self, now: Timestamp) -> MutexGuard<'_, BTreeMap<String, Noted>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back keeps nobody for longer.
        all.retain(|_, noted| noted.at <= now && now.since(noted.at) < HOUR);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn shares(messages: u64, recipients: u64) -> [Share; 2] {
        [
            Share::new(Counted::Messages, messages, 100),
            Share::new(Counted::Recipients, recipients, 500),
        ]
    }

    fn told(hours: &Hours, second: u64) -> Vec<String> {
        let near = hours.near(at(second)).into_iter();
        near.map(|(account, it)| format!("{account} {:?} {}/{}", it.counted, it.used, it.limit))
            .collect()
    }

    #[test]
    fn nine_tenths_of_either_are_told_for_an_hour() {
        let hours = Hours::default();
        hours.note("calm", at(0), shares(89, 449));
        hours.note("ann", at(0), shares(90, 100));
        hours.note("bob", at(60), shares(91, 499));
        hours.note("eve", at(120), shares(1, 501));
        let all = [
            "eve Recipients 500/500",
            "bob Recipients 499/500",
            "ann Messages 90/100",
        ];
        assert_eq!(told(&hours, 3599), all);
        assert_eq!(told(&hours, 3600), all[..2]);
        assert_eq!(told(&hours, 3660), all[..1]);
        // What was long ago counts no more at the next message.
        hours.note("eve", at(3670), shares(2, 3));
        assert!(told(&hours, 3671).is_empty());
    }

    #[test]
    fn a_clock_that_is_set_back_keeps_nobody_for_longer() {
        let hours = Hours::default();
        hours.note("ann", at(7200), shares(100, 0));
        assert!(told(&hours, 100).is_empty());
    }

    #[test]
    fn who_may_send_nothing_has_had_all() {
        let hours = Hours::default();
        let nothing = Share::new(Counted::Messages, 1, 0);
        hours.note("ann", at(0), [nothing, nothing]);
        assert_eq!(told(&hours, 1), ["ann Messages 0/0"]);
    }
}
