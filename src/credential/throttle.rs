//! How often somebody may try a password: per account and address together, per address, and per
//! account, so that a guesser is slowed down and does not lock the owner out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::base::Timestamp;

/// Wrong passwords for one account from one address before it has to wait.
const PER_PAIR: u32 = 5;
/// Wrong passwords from one address.
const PER_ADDRESS: u32 = 30;
/// Wrong passwords for one account from everywhere. An owner who comes from an address that has
/// logged in before is not held up by it.
const PER_ACCOUNT: u32 = 100;
/// One wrong password is forgiven in this time.
const FORGIVE: Duration = Duration::from_secs(60);

/// How many tries are let through at once; `None`: these are not counted.
#[derive(Debug, Clone, Copy)]
struct Limits {
    pair: Option<u32>,
    address: u32,
    account: Option<u32>,
    /// One try is forgiven in this time.
    forgive: Duration,
}

/// Of passwords and codes.
const GUESSES: Limits = Limits {
    pair: Some(PER_PAIR),
    address: PER_ADDRESS,
    account: Some(PER_ACCOUNT),
    forgive: FORGIVE,
};
/// Entries that are remembered. Beyond: the one with the fewest failures is forgotten.
const ENTRIES: usize = 20_000;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Subject {
    Pair(String, IpAddr),
    Address(IpAddr),
    Account(String),
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    at: Timestamp,
}

impl Failures {
    /// What is left of them at `now`.
    fn left(self, now: Timestamp, forgive: Duration) -> u32 {
        let forgiven = now.since(self.at).as_secs() / forgive.as_secs().max(1);
        self.count
            .saturating_sub(u32::try_from(forgiven).unwrap_or(u32::MAX))
    }
}

/// Counts wrong passwords; bounded in memory.
#[derive(Debug)]
pub(crate) struct Throttle {
    limits: Limits,
    failures: HashMap<Subject, Failures>,
    known: HashMap<(String, IpAddr), Timestamp>,
}

impl Default for Throttle {
    fn default() -> Self {
        Self::new(GUESSES)
    }
}

impl Throttle {
    fn new(limits: Limits) -> Self {
        Self {
            limits,
            failures: HashMap::new(),
            known: HashMap::new(),
        }
    }

    /// Counts by where tries come from and by nothing else: so many at once, then one in each
    /// `forgive`.
    pub(crate) fn of_addresses(most: u32, forgive: Duration) -> Self {
        Self::new(Limits {
            pair: None,
            address: most,
            account: None,
            forgive,
        })
    }

    /// May `account` be tried from `address` now? Otherwise: how long to wait.
    pub(crate) fn check(
        &self,
        now: Timestamp,
        account: &str,
        address: IpAddr,
    ) -> Result<(), Duration> {
        let address = network(address);
        let is_known = self.known.contains_key(&(account.to_owned(), address));
        let forgive = self.limits.forgive;
        for (subject, limit) in self.limits.subjects(account, address) {
            if is_known && matches!(subject, Subject::Account(_)) {
                continue;
            }
            let Some(failures) = self.failures.get(&subject) else {
                continue;
            };
            let over = (failures.left(now, forgive) + 1).saturating_sub(limit);
            if over > 0 {
                let into_step = now.since(failures.at).as_secs() % forgive.as_secs().max(1);
                let wait = (forgive * over).saturating_sub(Duration::from_secs(into_step));
                return Err(wait);
            }
        }
        Ok(())
    }

    /// Notes a try before it is known how it ends, so that many at once count too.
    pub(crate) fn tried(&mut self, now: Timestamp, account: &str, address: IpAddr) {
        let (limits, forgive) = (self.limits, self.limits.forgive);
        for (subject, _) in limits.subjects(account, network(address)) {
            self.make_room(now);
            let failures = self.failures.entry(subject);
            let failures = failures.or_insert(Failures { count: 0, at: now });
            let left = failures.left(now, forgive);
            if left == 0 {
                failures.at = now;
            } else {
                // Keep the rhythm of forgiveness: move on by whole steps only.
                let steps = failures.count - left;
                failures.at = failures.at.after(forgive * steps);
            }
            failures.count = left.saturating_add(1);
        }
    }

    /// The password was right.
    pub(crate) fn succeeded(&mut self, now: Timestamp, account: &str, address: IpAddr) {
        let address = network(address);
        self.failures
            .remove(&Subject::Pair(account.to_owned(), address));
        self.refund(account, address);
        self.know(now, account, address);
    }

    /// A try that counts for nothing.
    pub(crate) fn refund(&mut self, account: &str, address: IpAddr) {
        for (subject, _) in self.limits.subjects(account, network(address)) {
            if let Some(failures) = self.failures.get_mut(&subject) {
                failures.count = failures.count.saturating_sub(1);
            }
        }
    }

    /// The account's owner comes from this address: others do not hold him up there.
    pub(crate) fn know(&mut self, now: Timestamp, account: &str, address: IpAddr) {
        let address = network(address);
        let place = (account.to_owned(), address);
        if let Some(at) = self.known.get_mut(&place) {
            *at = now;
            return;
        }
        if self.known.len() >= ENTRIES
            && let Some(oldest) = self.known.iter().min_by_key(|(_, at)| **at)
        {
            let oldest = oldest.0.clone();
            self.known.remove(&oldest);
        }
        self.known.insert(place, now);
    }

    fn make_room(&mut self, now: Timestamp) {
        if self.failures.len() < ENTRIES {
            return;
        }
        let forgive = self.limits.forgive;
        self.failures
            .retain(|_, failures| failures.left(now, forgive) > 0);
        if self.failures.len() < ENTRIES {
            return;
        }
        // A tenth at once, so that a flood of new addresses does not sort for every try.
        let mut counts: Vec<_> = self
            .failures
            .values()
            .map(|one| one.left(now, forgive))
            .collect();
        counts.sort_unstable();
        let cut = counts.get(counts.len() / 10).copied().unwrap_or(u32::MAX);
        let mut spare = ENTRIES / 10;
        self.failures.retain(|_, failures| {
            let goes = spare > 0 && failures.left(now, forgive) <= cut;
            spare -= usize::from(goes);
            !goes
        });
    }
}

impl Limits {
    fn subjects(self, account: &str, address: IpAddr) -> impl Iterator<Item = (Subject, u32)> {
        let pair = || Subject::Pair(account.to_owned(), address);
        let pair = self.pair.map(|limit| (pair(), limit));
        let account = || Subject::Account(account.to_owned());
        let account = self.account.map(|limit| (account(), limit));
        let address = (Subject::Address(address), self.address);
        pair.into_iter().chain([address]).chain(account)
    }
}

/// One household is one /64 in IPv6.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6((v6.to_bits() & !u128::from(u64::MAX)).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000_000 + seconds * 1000)
    }

    #[test]
    fn the_sixth_try_waits_and_time_forgives() {
        let mut throttle = Throttle::default();
        for _ in 0..5 {
            assert_eq!(throttle.check(at(0), "ann", OWNER), Ok(()));
            throttle.tried(at(0), "ann", OWNER);
        }
        let wait = throttle.check(at(10), "ann", OWNER).unwrap_err();
        assert_eq!(wait, Duration::from_secs(50));
        assert_eq!(throttle.check(at(60), "ann", OWNER), Ok(()));
        throttle.tried(at(60), "ann", OWNER);
        assert!(throttle.check(at(61), "ann", OWNER).is_err());
        assert_eq!(throttle.check(at(61), "bob", OWNER), Ok(()));
    }

    #[test]
    fn a_success_clears_the_pair() {
        let mut throttle = Throttle::default();
        for _ in 0..4 {
            throttle.tried(at(0), "ann", OWNER);
        }
        throttle.tried(at(0), "ann", OWNER);
        throttle.succeeded(at(0), "ann", OWNER);
        assert_eq!(throttle.check(at(0), "ann", OWNER), Ok(()));
    }

    #[test]
    fn guessers_do_not_lock_the_owner_out() {
        let mut throttle = Throttle::default();
        throttle.tried(at(0), "ann", OWNER);
        throttle.succeeded(at(0), "ann", OWNER);
        for guesser in 0..100_u8 {
            throttle.tried(at(1), "ann", IpAddr::from([198, 51, 100, guesser]));
        }
        let new = IpAddr::from([203, 0, 113, 1]);
        assert!(throttle.check(at(1), "ann", new).is_err());
        assert_eq!(throttle.check(at(1), "ann", OWNER), Ok(()));
    }

    #[test]
    fn one_address_cannot_try_many_accounts() {
        let mut throttle = Throttle::default();
        for account in 0..30 {
            throttle.tried(at(0), &format!("user{account}"), OWNER);
        }
        assert!(throttle.check(at(0), "another", OWNER).is_err());
        let neighbours = ["2001:db8::1", "2001:db8::2"].map(|ip| ip.parse::<IpAddr>().unwrap());
        assert_eq!(network(neighbours[0]), network(neighbours[1]));
    }

    #[test]
    fn visits_are_counted_by_where_they_come_from_alone_and_given_back() {
        let mut visits = Throttle::of_addresses(3, Duration::from_secs(10));
        for name in ["a", "b", "c"] {
            assert_eq!(visits.check(at(0), name, OWNER), Ok(()));
            visits.tried(at(0), name, OWNER);
        }
        let wait = visits.check(at(4), "d", OWNER).unwrap_err();
        assert_eq!(wait, Duration::from_secs(6));
        let other = IpAddr::from([203, 0, 113, 1]);
        assert_eq!(visits.check(at(4), "a", other), Ok(()));
        visits.refund("", OWNER);
        assert_eq!(visits.check(at(4), "d", OWNER), Ok(()));
        visits.tried(at(4), "d", OWNER);
        assert!(visits.check(at(5), "d", OWNER).is_err());
        assert_eq!(visits.check(at(10), "d", OWNER), Ok(()));
    }

    #[test]
    fn memory_is_bounded() {
        let mut throttle = Throttle::default();
        for number in 0..30_000_u32 {
            let address = IpAddr::from(number.to_be_bytes());
            throttle.tried(at(0), &format!("user{number}"), address);
        }
        assert!(throttle.failures.len() <= ENTRIES);
    }
}
