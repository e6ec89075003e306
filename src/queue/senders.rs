//! What each sender of ours sends through each backend: messages a minute, recipients a day. A
//! platform shuts a mailbox out that sends more. Pure, time is an argument.
//!
//! Who has no room gets a turn of its own later, behind those who wait already; no other sender
//! waits for it. The minute goes by a clock that nobody sets, the day by hours of the calendar,
//! because it outlives the process.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::pace::Slices;
use crate::base::Timestamp;
use crate::limits;
use crate::mail::{BackendId, SenderBound};

/// A turn is not further away than this; who comes then gets another one. What is due much later
/// would be taken for mail of a clock that was set back.
const HORIZON: Duration = Duration::from_secs(60 * 60);
/// The hours of a day with one too many, so that no 24 hours see more than their limit.
const HOURS: u64 = 25;
/// From this part of a day's limit on somebody should know.
const NEAR_PERCENT: u64 = 90;

/// Limits of one sender at one backend; 0: none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SenderRates {
    /// Messages in any minute.
    pub per_minute: u32,
    /// Recipients in any 24 hours.
    pub per_day: u32,
    /// Recipients of one transaction: a message with more of them is several messages; 0: it is
    /// one.
    pub per_message: u32,
}

impl SenderRates {
    pub(super) const fn is_unlimited(self) -> bool {
        self.per_minute == 0 && self.per_day == 0
    }

    /// As how many messages so many recipients count.
    fn messages(self, recipients: u32) -> u32 {
        match self.per_message {
            0 => 1,
            most => recipients.div_ceil(most).max(1),
        }
    }
}

/// How much of its day a sender has used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SenderUse {
    /// The account, the device, or the address.
    pub sender: String,
    /// The backend to which it sent.
    pub backend: BackendId,
    /// Recipients within the last 24 hours, and of the hour before.
    pub recipients: u32,
    /// How many it may have.
    pub limit: u32,
}

/// A moment, by both clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    /// Since some beginning.
    pub(super) elapsed: Duration,
    pub(super) now: Timestamp,
}

impl Moment {
    pub(super) const fn hour(self) -> u64 {
        self.now.as_secs() / 3600
    }
}

/// Who sends where.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sending<'a> {
    pub(super) backend: &'a BackendId,
    pub(super) sender: &'a str,
    pub(super) rates: SenderRates,
}

/// Has it waited for its turn before?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turned {
    /// No: those who wait come first.
    Never,
    /// Perhaps.
    Perhaps,
}

/// Who of a message goes, and when the others have their turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    /// So many recipients go now.
    pub(super) go: u32,
    /// The others after that long, and for which limit. Then they ask again: as many go as there
    /// is room for.
    pub(super) late: Option<(Duration, SenderBound)>,
}

impl Plan {
    const fn all(recipients: u32) -> Self {
        Self {
            go: recipients,
            late: None,
        }
    }
}

/// What stands on the disk of a sender: hours since the epoch with their recipients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) hours: Vec<(u64, u32)>,
}

impl Kept {
    /// Does any of it count in this hour?
    pub(super) fn lasts(&self, hour: u64) -> bool {
        self.hours.iter().any(|(at, _)| at + HOURS > hour)
    }
}

/// What the senders sent lately.
#[derive(Debug, Default)]
pub(super) struct Senders {
    /// What the disk knows of them was read.
    pub(super) restored: bool,
    backends: HashMap<BackendId, HashMap<String, Account>>,
}

impl Senders {
    /// Who of `recipients` may go now. Nothing is counted.
    pub(super) fn plan(
        &mut self,
        sending: &Sending<'_>,
        (recipients, turned): (u32, Turned),
        at: Moment,
    ) -> Plan {
        if sending.rates.is_unlimited() {
            return Plan::all(recipients);
        }
        let account = self.make(sending, at);
        account.plan(sending.rates, (recipients, turned), at)
    }

    /// Counts what goes now. What must be on the disk before it goes.
    pub(super) fn count(
        &mut self,
        sending: &Sending<'_>,
        recipients: u32,
        at: Moment,
    ) -> Option<Kept> {
        if recipients == 0 || sending.rates.is_unlimited() {
            return None;
        }
        // What the disk knows must not be overwritten before it was read.
        let knows = self.restored;
        let account = self.make(sending, at);
        account.settle_hours(at.hour());
        for _ in 0..sending.rates.messages(recipients) {
            account.minute.count(at.elapsed);
        }
        let day = account.sent.entry(at.hour()).or_default();
        *day = day.saturating_add(recipients);
        account.unkept = account.unkept.saturating_add(recipients);
        if !knows {
            return None;
        }
        account.take_unkept(sending.rates.per_day)
    }

    /// Turns that were given count no more: somebody did something to those who have them, and
    /// they may never come.
    pub(super) fn forget_turns(&mut self) {
        for account in self.backends.values_mut().flat_map(HashMap::values_mut) {
            account.next = Duration::ZERO;
            account.full = None;
        }
    }

    /// A message that went out before the start.
    pub(super) fn recall(&mut self, sending: &Sending<'_>, at: Moment) {
        self.make(sending, at).minute.count(at.elapsed);
    }

    /// What the disk says of a sender.
    pub(super) fn restore(&mut self, (backend, sender): (BackendId, &str), kept: &Kept, now: u64) {
        let accounts = self.backends.entry(backend).or_default();
        let account = accounts.entry(sender.to_owned()).or_default();
        for (hour, recipients) in &kept.hours {
            let day = account.sent.entry((*hour).min(now)).or_default();
            *day = day.saturating_add(*recipients);
        }
    }

    /// So many recipients did not get it after all.
    pub(super) fn refund(&mut self, sending: &Sending<'_>, recipients: u32) {
        let Some(account) = self.account(sending) else {
            return;
        };
        account.unkept = account.unkept.saturating_sub(recipients);
        let mut left = recipients;
        for sent in account.sent.values_mut().rev() {
            let back = left.min(*sent);
            *sent -= back;
            left -= back;
        }
    }

    /// The limit because of which mail of this sender waits now, if one is.
    pub(super) fn waits(&self, sender: &str, at: Moment) -> Option<(BackendId, SenderBound)> {
        let mut names: Vec<&BackendId> = self.backends.keys().collect();
        names.sort_unstable();
        names.into_iter().find_map(|name| {
            let account = self.backends.get(name)?.get(sender)?;
            let bound = account.waits(at)?;
            Some((name.clone(), bound))
        })
    }

    /// Those who have used nearly all of their day, the busiest first; `rates` of each backend.
    pub(super) fn near(
        &self,
        rates: &dyn Fn(&BackendId) -> SenderRates,
        now: Timestamp,
    ) -> Vec<SenderUse> {
        let hour = now.as_secs() / 3600;
        let mut near = Vec::new();
        for (backend, accounts) in &self.backends {
            let limit = rates(backend).per_day;
            for (sender, account) in accounts {
                let recipients = account.used(hour);
                let is_near = u64::from(recipients) * 100 >= u64::from(limit) * NEAR_PERCENT;
                if limit > 0 && is_near {
                    near.push(SenderUse {
                        sender: sender.clone(),
                        backend: backend.clone(),
                        recipients,
                        limit,
                    });
                }
            }
        }
        let order = |it: &SenderUse| {
            let share = u64::from(it.recipients) * 1000 / u64::from(it.limit.max(1));
            (
                std::cmp::Reverse(share),
                it.sender.clone(),
                it.backend.clone(),
            )
        };
        near.sort_by_cached_key(order);
        near
    }

    fn account(&mut self, sending: &Sending<'_>) -> Option<&mut Account> {
        let accounts = self.backends.get_mut(sending.backend)?;
        accounts.get_mut(sending.sender)
    }

    fn make(&mut self, sending: &Sending<'_>, at: Moment) -> &mut Account {
        let accounts = self.backends.entry(sending.backend.clone()).or_default();
        let is_new = !accounts.contains_key(sending.sender);
        if is_new && accounts.len() >= limits::PACED_SENDERS {
            forget_the_quiet(accounts, at);
        }
        accounts.entry(sending.sender.to_owned()).or_default()
    }
}

/// Makes room for half as many again: those who sent least go first.
fn forget_the_quiet(accounts: &mut HashMap<String, Account>, at: Moment) {
    let mut busy = 0;
    while accounts.len() > limits::PACED_SENDERS / 2 {
        accounts.retain(|_, account| account.used(at.hour()) > busy);
        busy = busy * 2 + 1;
    }
}

/// What one sender sent to one backend lately, and the turns that it has.
#[derive(Debug, Clone, Default)]
struct Account {
    minute: Slices<7, 10>,
    /// The first turn of the minutes that nobody has yet.
    next: Duration,
    /// Recipients, by hours since the epoch.
    sent: BTreeMap<u64, u32>,
    /// When somebody was sent away last because the day was full.
    full: Option<Duration>,
    /// Of `sent` what the disk does not know.
    unkept: u32,
}

impl Account {
    fn plan(
        &mut self,
        rates: SenderRates,
        (recipients, turned): (u32, Turned),
        at: Moment,
    ) -> Plan {
        self.settle_hours(at.hour());
        let asked = self.room_of_minute(rates, turned, at.elapsed);
        let asked = asked.min(recipients);
        if asked == 0 {
            return self.in_turn(rates, 0, at.elapsed);
        }
        if rates.per_day > 0 {
            let used = self.used(at.hour());
            let room = rates.per_day.saturating_sub(used).min(asked);
            let others = self.wait_for_others(at.elapsed);
            match others.filter(|_| turned == Turned::Never) {
                Some(wait) if room == asked => {
                    return Plan {
                        go: 0,
                        late: Some((wait, SenderBound::Day)),
                    };
                }
                Some(_) => return self.sent_away(rates, 0, at),
                None if room < asked => return self.sent_away(rates, room, at),
                None => {}
            }
        }
        if asked < recipients {
            return self.in_turn(rates, asked, at.elapsed);
        }
        Plan::all(recipients)
    }

    /// How long those may still come back who were sent away: they go before what comes.
    fn wait_for_others(&self, now: Duration) -> Option<Duration> {
        let back = self.full?.saturating_add(HORIZON);
        Some(back.saturating_sub(now)).filter(|wait| !wait.is_zero())
    }

    /// Not all of a message have room in the day.
    fn sent_away(&mut self, rates: SenderRates, go: u32, at: Moment) -> Plan {
        self.full = Some(at.elapsed);
        let last = at.hour() + HOURS;
        let mut hours = at.hour() + 1..=last;
        let hour = hours.find(|hour| {
            // What goes now counts until then.
            let going = if *hour < last { go } else { 0 };
            self.used(*hour).saturating_add(going) < rates.per_day
        });
        let start = hour.map(|hour| Timestamp::from_millis(hour * 3_600_000));
        let wait = start.map_or(HORIZON, |start| start.since(at.now).min(HORIZON));
        Plan {
            go,
            late: Some((wait, SenderBound::Day)),
        }
    }

    /// For how many recipients the minute has room, in whole transactions.
    fn room_of_minute(&self, rates: SenderRates, turned: Turned, now: Duration) -> u32 {
        if rates.per_minute == 0 {
            return u32::MAX;
        }
        if turned == Turned::Never && self.next > now {
            return 0;
        }
        let messages = rates.per_minute.saturating_sub(self.minute.sum(now));
        match rates.per_message {
            0 if messages > 0 => u32::MAX,
            most => messages.saturating_mul(most),
        }
    }

    /// So many recipients have room in the minute, and the others their turn when there is room
    /// again.
    fn in_turn(&mut self, rates: SenderRates, go: u32, now: Duration) -> Plan {
        let limit = rates.per_minute;
        let mut minute = self.minute.clone();
        let going = if go == 0 { 0 } else { rates.messages(go) };
        for _ in 0..going {
            minute.count(now);
        }
        let turn = self.next.max(now + minute.room_in(limit, now));
        let wait = turn.saturating_sub(now);
        if wait <= HORIZON {
            let step = Slices::<7, 10>::SPAN.checked_div(limit);
            self.next = turn + step.unwrap_or_default();
        }
        let wait = wait.clamp(Duration::from_millis(1), HORIZON);
        Plan {
            go,
            late: Some((wait, SenderBound::Minute)),
        }
    }

    /// What is too old goes. A clock that was set back makes no hour last for ever.
    fn settle_hours(&mut self, hour: u64) {
        let ahead = self.sent.range(hour + 1..).map(|(_, sent)| *sent);
        let ahead = ahead.fold(0, u32::saturating_add);
        if ahead > 0 {
            self.sent.retain(|at, _| *at <= hour);
            let present = self.sent.entry(hour).or_default();
            *present = present.saturating_add(ahead);
        }
        self.sent.retain(|at, sent| at + HOURS > hour && *sent > 0);
    }

    /// Recipients of the day that ends with this hour.
    fn used(&self, hour: u64) -> u32 {
        let oldest = (hour + 1).saturating_sub(HOURS);
        let sent = self.sent.range(oldest..).map(|(_, sent)| *sent);
        sent.fold(0, u32::saturating_add)
    }

    fn waits(&self, at: Moment) -> Option<SenderBound> {
        if self.wait_for_others(at.elapsed).is_some() {
            return Some(SenderBound::Day);
        }
        (self.next > at.elapsed).then_some(SenderBound::Minute)
    }

    /// What goes to the disk, whenever a tenth of a day is not there.
    fn take_unkept(&mut self, per_day: u32) -> Option<Kept> {
        if per_day == 0 || self.unkept < (per_day / 10).max(1) {
            return None;
        }
        self.unkept = 0;
        let hours = self.sent.iter();
        Some(Kept {
            hours: hours.map(|(hour, sent)| (*hour, *sent)).collect(),
        })
    }
}

#[cfg(test)]
#[path = "senders_tests.rs"]
mod tests;
