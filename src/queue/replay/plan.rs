//! What a replay would do: counts, sizes, the biggest mailboxes, what is left out and why, and how
//! long it takes under the rates.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::judge::{Judge, Verdict};
use super::record::Unasked;
use super::selection::{Order, Skip};
use super::walk::Walk;
use crate::limits;
use crate::mail::SpoolId;
use crate::mail::{ReplayPhase, ReplayedRecipient};
use crate::queue::{MailboxRates, TargetLimits};
use crate::spool::{Spool, SpoolError, StoredMessage};

/// Mailboxes that a plan names.
const BIGGEST: usize = 10;

/// What a replay would do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// Messages.
    pub messages: u64,
    /// Recipients: each gets his message once.
    pub recipients: u64,
    /// Bytes of those messages.
    pub bytes: u64,
    /// Recipients of them that a rule or a move holds now: they follow when it lets them.
    #[serde(default)]
    pub withheld: u64,
    /// Mailboxes that could not be asked what they have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unasked: Vec<Unasked>,
    /// What is meant, but not replayed.
    pub skipped: Vec<Skipped>,
    /// The mailboxes that get most, the biggest first.
    pub biggest: Vec<Biggest>,
    /// How long it takes at least, under the rates, in seconds.
    pub eta_seconds: u64,
}

/// What is not replayed, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Skipped {
    /// Why.
    pub reason: Skip,
    /// The same for people.
    pub text: String,
    /// Recipients.
    pub recipients: u64,
}

/// A mailbox that gets much.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Biggest {
    /// Its key in the directory.
    pub mailbox: String,
    /// Messages.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// How long its rates make that, in seconds; one sender gets a third of them.
    pub eta_seconds: u64,
}

/// Counts while a plan is made.
#[derive(Debug, Default)]
pub(super) struct Counting {
    plan: Plan,
    skipped: BTreeMap<Skip, u64>,
    mailboxes: HashMap<String, Load>,
    /// By sender and mailbox.
    pairs: HashMap<u64, u64>,
    /// In whatever mailbox, of those that had no room in `mailboxes`, too.
    most_of_one_sender: u64,
}

/// What a mailbox gets.
#[derive(Debug, Default)]
struct Load {
    messages: u64,
    bytes: u64,
    /// Messages of the sender with the most.
    of_one_sender: u64,
}

impl Load {
    fn time(&self, rates: MailboxRates) -> Duration {
        let of_sender = time_for(self.of_one_sender, rates.of_one_sender());
        time_for(self.messages, rates).max(of_sender)
    }
}

/// Is a message met for the first time?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Met {
    First,
    Before,
}

impl From<bool> for Met {
    fn from(first: bool) -> Self {
        if first { Self::First } else { Self::Before }
    }
}

impl Counting {
    /// A message with what is decided for its recipients.
    pub(super) fn note(&mut self, message: &StoredMessage, verdicts: &[(u16, Verdict)]) {
        self.note_recipients(message, (verdicts, Met::First));
    }

    /// One recipient of a message whose others may have been noted.
    pub(super) fn note_one(&mut self, message: &StoredMessage, verdict: (u16, Verdict), met: Met) {
        self.note_recipients(message, (&[verdict], met));
    }

    fn note_recipients(
        &mut self,
        message: &StoredMessage,
        (verdicts, met): (&[(u16, Verdict)], Met),
    ) {
        let (recipients, withheld) = (self.plan.recipients, self.plan.withheld);
        for (_, verdict) in verdicts {
            match verdict {
                Verdict::Take(taken) => {
                    self.plan.recipients += 1;
                    self.note_mailbox(message, &taken.mailbox);
                }
                Verdict::Withheld => self.plan.withheld += 1,
                Verdict::Skip(skip) => self.skip(*skip, 1),
                Verdict::Ended(_) | Verdict::No => {}
            }
        }
        let counted = (recipients, withheld) != (self.plan.recipients, self.plan.withheld);
        if counted && met == Met::First {
            self.plan.messages += 1;
            self.plan.bytes += message.size;
        }
    }

    /// A mailbox could not be asked what it has.
    pub(super) fn not_asked(&mut self, said: (&str, String), recipients: u64) {
        Unasked::note(&mut self.plan.unasked, said, recipients);
    }

    /// So many are left out.
    pub(super) fn skip(&mut self, skip: Skip, recipients: u64) {
        if recipients > 0 {
            *self.skipped.entry(skip).or_default() += recipients;
        }
    }

    fn note_mailbox(&mut self, message: &StoredMessage, mailbox: &str) {
        let mut hasher = DefaultHasher::new();
        (mailbox, message.envelope.from.to_string()).hash(&mut hasher);
        let pair = hasher.finish();
        let mut of_one_sender = 0;
        if self.pairs.len() < limits::PLANNED_MAILBOXES || self.pairs.contains_key(&pair) {
            let count = self.pairs.entry(pair).or_default();
            *count += 1;
            of_one_sender = *count;
            self.most_of_one_sender = self.most_of_one_sender.max(*count);
        }
        // Beyond the bound the biggest are the biggest of those that came first.
        let has_room = self.mailboxes.len() < limits::PLANNED_MAILBOXES;
        if has_room || self.mailboxes.contains_key(mailbox) {
            let load = self.mailboxes.entry(mailbox.to_owned()).or_default();
            load.messages += 1;
            load.bytes += message.size;
            load.of_one_sender = load.of_one_sender.max(of_one_sender);
        }
    }

    /// The plan, under the limits of the backend, which takes `per_minute` if that was measured.
    pub(super) fn finish(self, limits: &TargetLimits, per_minute: Option<u64>) -> Plan {
        let mut plan = self.plan;
        plan.skipped = self
            .skipped
            .into_iter()
            .map(|(reason, recipients)| Skipped {
                reason,
                text: reason.text().to_owned(),
                recipients,
            })
            .collect();
        let rates = limits.mailbox;
        let mut biggest: Vec<Biggest> = self
            .mailboxes
            .into_iter()
            .map(|(mailbox, load)| Biggest {
                mailbox,
                messages: load.messages,
                bytes: load.bytes,
                eta_seconds: load.time(rates).as_secs(),
            })
            .collect();
        // Not always the biggest: one sender gets a third of the rates only.
        let slowest = biggest.iter().map(|one| one.eta_seconds).max();
        let of_mailbox = slowest.unwrap_or(0);
        biggest.sort_by(|a, b| (b.messages, &a.mailbox).cmp(&(a.messages, &b.mailbox)));
        biggest.truncate(BIGGEST);
        let of_sender = time_for(self.most_of_one_sender, rates.of_one_sender()).as_secs();
        let minutes = |speed: u64| (plan.recipients * 60).checked_div(speed).unwrap_or(0);
        let of_backend = minutes(u64::from(limits.messages_per_minute));
        let measured = per_minute.map_or(0, minutes);
        plan.eta_seconds = of_mailbox.max(of_sender).max(of_backend).max(measured);
        plan.biggest = biggest;
        plan
    }
}

/// How long a mailbox takes to get so many messages: the windows of the rates are a slice longer
/// than a minute and an hour.
fn time_for(messages: u64, rates: MailboxRates) -> Duration {
    let before = messages.saturating_sub(1);
    let (hours, rest) = match u64::from(rates.per_hour) {
        0 => (0, before),
        per_hour => (before / per_hour, before % per_hour),
    };
    let minutes = rest.checked_div(u64::from(rates.per_minute)).unwrap_or(0);
    Duration::from_secs(hours * 65 * 60 + minutes * 70)
}

/// Looks at all the mail that is meant. Blocks.
pub(super) fn count(spool: &Spool, judge: &Judge) -> Result<Counting, SpoolError> {
    let mut counting = Counting::default();
    count_gone(spool, judge, &mut counting)?;
    // The order does not matter here.
    let mut walk = Walk::new(judge.selection.ids(), Order::Oldest);
    loop {
        let page = walk.next(|range, limit| spool.accepted(range, limit))?;
        if page.is_empty() {
            return Ok(counting);
        }
        for id in page {
            match read(spool, id)? {
                Read::Message(message) => {
                    let verdicts = judged(spool, judge, (&message, &spool.replays(id)?))?;
                    counting.note(&message, &verdicts);
                }
                Read::Damaged => counting.skip(Skip::Damaged, 1),
                Read::Gone => {}
            }
        }
    }
}

/// What is decided for a message. Where a replay was refused the body is looked at: it may be the
/// one that is damaged, and no other replay makes it whole. Blocks.
pub(super) fn judged(
    spool: &Spool,
    judge: &Judge,
    (message, replays): (&StoredMessage, &[ReplayedRecipient]),
) -> Result<Vec<(u16, Verdict)>, SpoolError> {
    let mut verdicts = judge.judge(message, replays);
    let was_refused = replays
        .iter()
        .any(|one| one.mark.phase == ReplayPhase::Refused);
    let is_taken = |verdict: &Verdict| matches!(verdict, Verdict::Take(_) | Verdict::Withheld);
    // What has landed is looked for in the mailbox, whatever is left of it here.
    if was_refused
        && !judge.landed
        && verdicts.iter().any(|(_, verdict)| is_taken(verdict))
        && spool.damage(message.id)?.is_some()
    {
        for (_, verdict) in &mut verdicts {
            if is_taken(verdict) {
                *verdict = Verdict::Skip(Skip::Damaged);
            }
        }
    }
    Ok(verdicts)
}

/// What is meant and kept no longer.
pub(super) fn count_gone(
    spool: &Spool,
    judge: &Judge,
    counting: &mut Counting,
) -> Result<(), SpoolError> {
    spool.gone(judge.selection.ids(), &mut |gone| {
        let verdicts = judge.judge(gone, &[]);
        let meant = verdicts.iter().filter(|(_, verdict)| match verdict {
            Verdict::Take(_) | Verdict::Withheld => true,
            Verdict::Skip(_) | Verdict::Ended(_) | Verdict::No => false,
        });
        counting.skip(Skip::Gone, meant.count() as u64);
    })
}

/// What was found when a message was read.
pub(super) enum Read {
    Message(StoredMessage),
    /// Nobody knows any more whom it was for.
    Damaged,
    /// It went at this moment.
    Gone,
}

pub(super) fn read(spool: &Spool, id: SpoolId) -> Result<Read, SpoolError> {
    match spool.message(id) {
        Ok(Some(message)) => Ok(Read::Message(message)),
        Ok(None) => Ok(Read::Gone),
        Err(error) if error.is_damage() => Ok(Read::Damaged),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::base::Timestamp;
    use crate::mail::Envelope;
    use crate::queue::replay::judge::Taken;

    #[test]
    fn the_rates_of_a_mailbox_make_the_time() {
        let rates = |per_minute, per_hour| MailboxRates {
            per_minute,
            per_hour,
        };
        let seconds = |messages, rates| time_for(messages, rates).as_secs();
        assert_eq!(seconds(0, rates(30, 1000)), 0);
        assert_eq!(seconds(30, rates(30, 1000)), 0, "all of them at once");
        assert_eq!(seconds(31, rates(30, 1000)), 70);
        assert_eq!(seconds(1001, rates(30, 1000)), 65 * 60);
        assert_eq!(seconds(50_000, rates(30, 1000)), 49 * 65 * 60 + 33 * 70);
        assert_eq!(seconds(50_000, rates(0, 0)), 0);
    }

    /// One sender gets a third of what a mailbox takes; the row says so, as the whole does.
    #[test]
    fn the_whole_takes_as_long_as_the_slowest_mailbox() {
        let message = |sender: &str, number: u64| StoredMessage {
            id: SpoolId::from_u64(number),
            received: Timestamp::EPOCH,
            envelope: Arc::new(Envelope {
                from: sender.parse().unwrap(),
                ..Envelope::one_way(&"ann@example.org".parse().unwrap())
            }),
            size: 100,
            states: Vec::new(),
        };
        let taken = |mailbox: &str| {
            Verdict::Take(Taken {
                number: 0,
                address: "ann@example.org".parse().unwrap(),
                mailbox: mailbox.to_owned(),
                holder: None,
                attempts: 0,
                diverted_from: None,
            })
        };
        let mut limits = TargetLimits::connections(1);
        limits.mailbox = MailboxRates {
            per_minute: 30,
            per_hour: 1000,
        };
        let mut counting = Counting::default();
        for number in 0..28 {
            counting.note(&message("eve@example.net", number), &[(0, taken("ann"))]);
        }
        for number in 28..58 {
            let sender = format!("s{number}@example.net");
            counting.note(&message(&sender, number), &[(0, taken("bob"))]);
        }
        let plan = counting.finish(&limits, None);
        let rows = plan
            .biggest
            .iter()
            .map(|one| (one.mailbox.as_str(), one.eta_seconds));
        let rows: Vec<_> = rows.collect();
        assert_eq!(rows, [("bob", 0), ("ann", 2 * 70)]);
        assert_eq!(plan.eta_seconds, 2 * 70);
    }
}
