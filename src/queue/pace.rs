//! Messages a minute and an hour for each mailbox, and a third of that for each sender and mailbox:
//! platforms suspend a mailbox that gets more (decision 11). Pure, time is an argument.
//!
//! What was sent is counted in slices of a sliding window, with one slice more than the window has,
//! so that no minute and no hour ever sees more than its limit. Who has no room gets a turn of its
//! own later; nobody else waits for it.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use crate::limits;
use crate::mail::BackendId;

/// A turn is not further away than this; who comes then gets another one.
const HORIZON: Duration = Duration::from_secs(60 * 60);

/// Limits of a mailbox; 0: none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MailboxRates {
    /// Messages in any minute.
    pub per_minute: u32,
    /// Messages in any hour.
    pub per_hour: u32,
}

impl MailboxRates {
    /// What one sender may have of it: a third.
    pub(super) const fn of_one_sender(self) -> Self {
        Self {
            per_minute: self.per_minute.div_ceil(3),
            per_hour: self.per_hour.div_ceil(3),
        }
    }

    /// Does it limit nothing?
    pub(super) const fn is_unlimited(self) -> bool {
        self.per_minute == 0 && self.per_hour == 0
    }
}

/// One message for one mailbox.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item<'a> {
    pub(super) backend: &'a BackendId,
    pub(super) mailbox: &'a str,
    pub(super) sender: &'a str,
    pub(super) rates: MailboxRates,
    /// Attempts of it that failed: 0 when nothing but its turn keeps it.
    pub(super) attempts: u32,
}

impl Item<'_> {
    /// The mailbox with its limits, and the sender and mailbox with theirs.
    fn accounts(&self) -> [(u64, MailboxRates); 2] {
        let hash = |value: &dyn Fn(&mut DefaultHasher)| {
            let mut hasher = DefaultHasher::new();
            value(&mut hasher);
            hasher.finish()
        };
        let mailbox = hash(&|hasher| self.mailbox.hash(hasher));
        let pair = hash(&|hasher| (self.mailbox, self.sender).hash(hasher));
        [(mailbox, self.rates), (pair, self.rates.of_one_sender())]
    }
}

/// May it go now?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Yes; it is counted.
    Now,
    /// Its turn comes after this long.
    In(Duration),
}

/// What every mailbox of every backend got lately.
#[derive(Debug, Default)]
pub(super) struct Pace {
    backends: HashMap<BackendId, HashMap<u64, Account>>,
}

impl Pace {
    /// Asks for a turn. `now` is the time since some beginning.
    pub(super) fn ask(&mut self, item: &Item<'_>, now: Duration) -> Turn {
        match self.wait(item, now) {
            None => {
                self.count(item, now);
                Turn::Now
            }
            Some(wait) => Turn::In(wait),
        }
    }

    /// Is there no room for it now? It has its turn then, as with [`Self::ask`].
    pub(super) fn wait(&mut self, item: &Item<'_>, now: Duration) -> Option<Duration> {
        let accounts = self.backends.get_mut(item.backend)?;
        let waits = item.accounts().into_iter().filter_map(|(key, rates)| {
            let account = accounts.get_mut(&key)?;
            (!account.has_room(rates, now)).then(|| {
                let turn = account.next_turn(rates, now);
                if item.attempts == 0 {
                    account.untried = now + account.all_turns(now);
                }
                turn
            })
        });
        waits.max()
    }

    /// Counts a message that goes now, whether there is room or not.
    pub(super) fn count(&mut self, item: &Item<'_>, now: Duration) {
        if item.rates.is_unlimited() {
            return;
        }
        let accounts = self.backends.entry(item.backend.clone()).or_default();
        for (key, _) in item.accounts() {
            if accounts.len() >= limits::PACED_MAILBOXES && !accounts.contains_key(&key) {
                forget_the_quiet(accounts, now);
            }
            accounts.entry(key).or_default().count(now);
        }
    }

    /// What was counted shortly before was not taken after all: its room is free again.
    pub(super) fn refund(&mut self, item: &Item<'_>, counted: Duration) {
        if item.rates.is_unlimited() {
            return;
        }
        let Some(accounts) = self.backends.get_mut(item.backend) else {
            return;
        };
        for (key, _) in item.accounts() {
            if let Some(account) = accounts.get_mut(&key) {
                account.minute.give_back(counted);
                account.hour.give_back(counted);
            }
        }
    }

    /// Turns that were given count no more: somebody did something to those who have them, and
    /// they may never come. Who still has one keeps it, and gets another one when it is taken.
    pub(super) fn forget_turns(&mut self) {
        for account in self.backends.values_mut().flat_map(HashMap::values_mut) {
            account.next = Duration::ZERO;
            account.untried = Duration::ZERO;
            account.beyond = 0;
        }
    }

    /// When the mailbox with the most waiting mail will have it all.
    pub(super) fn longest(&self, backend: &BackendId, now: Duration) -> Duration {
        let accounts = self.backends.get(backend).into_iter().flatten();
        let waits = accounts.map(|(_, account)| account.all_turns(now));
        waits.max().unwrap_or_default()
    }

    /// The same of mail that waits for nothing but its turn: no attempt of it has failed.
    pub(super) fn longest_untried(&self, backend: &BackendId, now: Duration) -> Duration {
        let accounts = self.backends.get(backend).into_iter().flatten();
        let waits = accounts.map(|(_, account)| account.untried.saturating_sub(now));
        waits.max().unwrap_or_default()
    }
}

/// Makes room for half as many again: the mailboxes that got least go first.
fn forget_the_quiet(accounts: &mut HashMap<u64, Account>, now: Duration) {
    let mut busy = 0;
    while accounts.len() > limits::PACED_MAILBOXES / 2 {
        accounts.retain(|_, account| account.hour.sum(now) > busy);
        busy = busy * 2 + 1;
    }
}

/// What one mailbox, or one sender and mailbox, got lately and waits for.
#[derive(Debug, Clone, Default)]
struct Account {
    minute: Slices<7, 10>,
    hour: Slices<13, 300>,
    /// The first turn that nobody has yet.
    next: Duration,
    /// When all have their turns of whom no attempt has failed.
    untried: Duration,
    /// Those who asked when the next turn was beyond the horizon.
    beyond: u32,
    /// Between turns beyond the horizon.
    interval: Duration,
}

impl Account {
    fn has_room(&self, rates: MailboxRates, now: Duration) -> bool {
        let minute = rates.per_minute == 0 || self.minute.sum(now) < rates.per_minute;
        let hour = rates.per_hour == 0 || self.hour.sum(now) < rates.per_hour;
        minute && hour
    }

    fn count(&mut self, now: Duration) {
        self.minute.count(now);
        self.hour.count(now);
    }

    fn next_turn(&mut self, rates: MailboxRates, now: Duration) -> Duration {
        let room = self
            .minute
            .room_in(rates.per_minute, now)
            .max(self.hour.room_in(rates.per_hour, now));
        if self.next <= now {
            self.beyond = 0;
        }
        let turn = self.next.max(now + room);
        // As close together as a minute allows, until the hour is full.
        let minute = interval(Slices::<7, 10>::SPAN, rates.per_minute);
        let hour = interval(Slices::<13, 300>::SPAN, rates.per_hour);
        let planned = if minute.is_zero() {
            0
        } else {
            turn.saturating_sub(now).as_millis() / minute.as_millis().max(1)
        };
        let is_full = u128::from(self.hour.sum(now)) + planned >= u128::from(rates.per_hour);
        let step = if rates.per_hour > 0 && is_full {
            hour.max(minute)
        } else {
            minute
        };
        self.interval = hour.max(minute);
        if turn.saturating_sub(now) > HORIZON {
            self.beyond = self.beyond.saturating_add(1);
            return HORIZON;
        }
        self.next = turn + step;
        turn.saturating_sub(now)
    }

    fn all_turns(&self, now: Duration) -> Duration {
        if self.next <= now {
            return Duration::ZERO;
        }
        self.next.saturating_sub(now) + self.interval * self.beyond
    }
}

/// Between two of `limit` messages that fill a window evenly.
fn interval(window: Duration, limit: u32) -> Duration {
    window.checked_div(limit).unwrap_or_default()
}

/// Counts in slices of `SECONDS`: the present one and those before it.
#[derive(Debug, Clone)]
pub(super) struct Slices<const N: usize, const SECONDS: u64> {
    counts: [u32; N],
    /// Number of the newest slice.
    newest: u64,
}

impl<const N: usize, const SECONDS: u64> Default for Slices<N, SECONDS> {
    fn default() -> Self {
        Self {
            counts: [0; N],
            newest: 0,
        }
    }
}

impl<const N: usize, const SECONDS: u64> Slices<N, SECONDS> {
    /// The window with its slice too many.
    pub(super) const SPAN: Duration = Duration::from_secs(N as u64 * SECONDS);

    pub(super) fn count(&mut self, now: Duration) {
        let slice = now.as_secs() / SECONDS;
        let gone = slice.saturating_sub(self.newest);
        let gone = usize::try_from(gone).unwrap_or(N).min(N);
        self.counts.rotate_right(gone);
        self.counts
            .iter_mut()
            .take(gone)
            .for_each(|count| *count = 0);
        self.newest = self.newest.max(slice);
        // What happened before, and is told only now, counts in its own slice.
        let age = usize::try_from(self.newest - slice).unwrap_or(N);
        if let Some(count) = self.counts.get_mut(age) {
            *count = count.saturating_add(1);
        }
    }

    /// One that was counted not later than then counts no more: the newest of them, so that what
    /// stays counts for its full time.
    fn give_back(&mut self, counted: Duration) {
        let age = self.newest.saturating_sub(counted.as_secs() / SECONDS);
        let age = usize::try_from(age).unwrap_or(N);
        let mut older = self.counts.iter_mut().skip(age);
        if let Some(count) = older.find(|count| **count > 0) {
            *count -= 1;
        }
    }

    /// Slices that still count, the newest first.
    fn counting(&self, now: Duration) -> impl DoubleEndedIterator<Item = u32> + '_ {
        let gone = (now.as_secs() / SECONDS).saturating_sub(self.newest);
        let left = N.saturating_sub(usize::try_from(gone).unwrap_or(N));
        self.counts.iter().take(left).copied()
    }

    pub(super) fn sum(&self, now: Duration) -> u32 {
        self.counting(now).sum()
    }

    /// How long until fewer than `limit` count.
    pub(super) fn room_in(&self, limit: u32, now: Duration) -> Duration {
        let mut sum = self.sum(now);
        if limit == 0 || sum < limit {
            return Duration::ZERO;
        }
        let slices: Vec<u32> = self.counting(now).collect();
        for (age, count) in slices.iter().enumerate().rev() {
            sum -= count;
            if sum < limit {
                // This slice is out when the one `N` behind it begins.
                let number = self.newest.saturating_sub(age as u64) + N as u64;
                return Duration::from_secs(number * SECONDS).saturating_sub(now);
            }
        }
        Self::SPAN
    }
}

#[cfg(test)]
#[path = "pace_tests.rs"]
mod tests;
