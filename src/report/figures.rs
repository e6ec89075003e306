//! What a report says, as JSON has it. Fields are added, never renamed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Outage, Timeline};
use crate::base::Timestamp;
use crate::mail::{BackendId, SpoolId};
use crate::spool::Lost;

/// The figures of a report: about mail that was accepted from `since` up to `until`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Figures {
    /// Mail from then on …
    pub since: Timestamp,
    /// … up to then.
    pub until: Timestamp,
    /// Whose mail, in words; `None`: everybody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// When it was counted: what became of the mail until then counts.
    pub made: Timestamp,
    /// Messages.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Messages that cannot be read: damaged. Nobody knows whose they were, or what became of
    /// them.
    pub unreadable: u64,
    /// What is not there any more, and no row knows: not in the numbers below.
    #[serde(default)]
    pub lost: Lost,
    /// Files of the ledger that cannot be read, or are gone before their time: who stands in them
    /// is in no number below.
    #[serde(default)]
    pub ledger_gaps: u64,
    /// Places in which the index is not what the log has, of any time: the numbers below are not
    /// to be trusted until `tideover spool rebuild` was run.
    #[serde(default)]
    pub disorder: u64,
    /// There were more messages than a report takes.
    pub cut: bool,
    /// Recipients of the messages, and what became of them.
    pub recipients: Ends,
    /// Recipients of whom nothing is known: an error of ours. Always 0.
    pub unaccounted: u64,
    /// Recipients who may have got it twice: an attempt, or one of a replay, had no known end.
    pub uncertain: u64,
    /// Recipients who were given up, and may have it all the same: an attempt had no known end.
    #[serde(default)]
    pub perhaps_there: u64,
    /// Recipients whose mail another backend has instead of their home.
    pub diverted: u64,
    /// Recipients to whom a replay brought it (once more).
    pub replayed: u64,
    /// Recipients of whom a backend refused what a replay brought.
    #[serde(default)]
    pub replays_refused: u64,
    /// What was seen in mailboxes of those who were looked for.
    #[serde(default)]
    pub landing: LandingFigures,
    /// How long the delivered ones took.
    pub waits: WaitFigures,
    /// How much was encrypted on the way.
    pub tls: TlsFigures,
    /// The backends, by name; strangers are not among them.
    pub backends: Vec<BackendFigures>,
    /// What operators held, by who and why.
    pub holds: Vec<HoldFigures>,
    /// Recipients who have not got it: the first ones.
    pub open: Vec<OpenRecipient>,
    /// The course of it.
    pub timeline: Timeline,
}

/// What was seen in mailboxes: what was seen last counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LandingFigures {
    /// Recipients in whose mailbox somebody looked.
    pub looked: u64,
    /// It is there.
    pub found: u64,
    /// Of those, in the folder for junk.
    pub junk: u64,
    /// It is in no folder.
    pub missing: u64,
}

/// What became of recipients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ends {
    /// All.
    pub all: u64,
    /// The next hop has it.
    pub delivered: u64,
    /// Groups whose people have it as a message of their own.
    pub expanded: u64,
    /// Nobody has it yet, and it is kept.
    pub waiting: u64,
    /// Refused for good.
    pub bounced: u64,
    /// Taken out by an administrator.
    pub dropped: u64,
}

impl Ends {
    /// Those of whom it is known what became of them.
    #[must_use]
    pub const fn known(&self) -> u64 {
        self.delivered + self.expanded + self.waiting + self.bounced + self.dropped
    }
}

/// How long it took from acceptance to delivery. A recipient counts once, where he fits first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaitFigures {
    /// Up to a minute.
    pub minute: u64,
    /// Up to ten minutes.
    pub ten_minutes: u64,
    /// Up to an hour.
    pub hour: u64,
    /// Up to a day.
    pub day: u64,
    /// Longer.
    pub longer: u64,
    /// The longest ones, longest first.
    pub longest: Vec<WaitOf>,
}

/// How long one recipient waited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaitOf {
    /// The message.
    pub id: SpoolId,
    /// Who.
    pub address: String,
    /// Where it went.
    pub backend: BackendId,
    /// Seconds.
    pub seconds: u64,
}

/// How much was encrypted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TlsFigures {
    /// Messages that came over TLS.
    pub in_with: u64,
    /// Messages that came over the net without.
    pub in_without: u64,
    /// Deliveries over TLS.
    pub out_with: u64,
    /// Deliveries without.
    pub out_without: u64,
}

/// What went to a backend, and what it went through.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BackendFigures {
    /// Its name.
    pub name: BackendId,
    /// Recipients whose home it was when their mail came.
    pub arrived: u64,
    /// Recipients whose mail it has taken, replays not counted.
    pub delivered: u64,
    /// Deliveries to it that replays made.
    #[serde(default)]
    pub replayed: u64,
    /// Recipients who wait for it.
    pub waiting: u64,
    /// Attempts that it put off.
    pub deferred: u64,
    /// Seconds that it took no mail.
    pub seconds_away: u64,
    /// The times when it took no mail, oldest first.
    pub outages: Vec<Outage>,
    /// What came before is not known any more; `None`: everything is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_since: Option<Timestamp>,
}

/// What an operator held.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct HoldFigures {
    /// Who.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// How many recipients.
    pub recipients: u64,
}

/// A recipient who has not got it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OpenRecipient {
    /// The message.
    pub id: SpoolId,
    /// When it was accepted.
    pub received: Timestamp,
    /// From whom; empty for reports.
    pub from: String,
    /// To whom.
    pub address: String,
    /// `queued`, `held`, `bounced`, `dropped`.
    pub state: String,
    /// Why, for people.
    pub reason: String,
}
