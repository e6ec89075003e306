//! Which mail a replay means. Pure: the directory is asked by whoever calls.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::Timestamp;
use crate::mail::{BackendId, Envelope, Recipient, RecipientState, SpoolId};
use crate::route::{DRILL, Pattern};

/// By which time mail is selected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// When we took it.
    #[default]
    Accepted,
    /// When a backend took it.
    Delivered,
}

/// Mail of which state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Which {
    /// Delivered before.
    #[default]
    Finished,
    /// Queued or held.
    Unfinished,
}

/// What comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// As it came.
    #[default]
    Oldest,
    /// What people look for first.
    Newest,
}

/// Which mail a replay means. What is empty does not narrow it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Selection {
    /// From then on.
    pub since: Timestamp,
    /// Up to then.
    pub until: Timestamp,
    /// When this was planned: what was delivered later is none of its business.
    #[serde(default)]
    pub made: Timestamp,
    /// By which time.
    #[serde(default)]
    pub by: By,
    /// How many people are named: by addresses, or by a wave.
    #[serde(default)]
    pub people: u64,
    /// The wave whose people are meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wave: Option<String>,
    /// The sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<Pattern>,
    /// The Message-ID, without angle brackets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// The domain of the recipients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// The backend that got it, or for which it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_backend: Option<BackendId>,
    /// Only what another backend got instead of the target.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub diverted: bool,
    /// Mail of which state.
    #[serde(default)]
    pub which: Which,
    /// Also what a replay has brought there before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
    /// Only what the mailboxes do not have: they are asked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub missing_only: bool,
    /// With it: also to mailboxes that cannot be asked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unasked: bool,
    /// With it: what was delivered from then on may still be on its way into the mailbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled_before: Option<Timestamp>,
    /// What comes first.
    #[serde(default)]
    pub order: Order,
}

/// Keys of mailboxes and addresses; empty: everybody.
pub type People = BTreeSet<String>;

/// Why mail that is meant is not replayed.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Skip {
    /// A replay has brought it there before.
    Already,
    /// It waits: the queue brings it.
    Waiting,
    /// Its recipient lives elsewhere now.
    Elsewhere,
    /// Nobody of that name is known any more.
    Unknown,
    /// Refused for good, and its sender told if he may be.
    Bounced,
    /// Taken out by an administrator, or by the policy on automatic answers.
    Dropped,
    /// A probe of a drill that nobody waited for any more.
    Probe,
    /// A group whose people got it instead: they are recipients of a message of their own.
    Expanded,
    /// It is kept no longer: only the ledger knows it.
    Gone,
    /// It is damaged.
    Damaged,
    /// It was delivered a moment ago.
    Fresh,
    /// The mailbox has it.
    Present,
    /// The mailbox has it in its junk folder.
    InJunk,
    /// The mailbox has it among what its user deleted.
    InTrash,
    /// The mailbox could not be asked.
    NotAsked,
}

impl Skip {
    /// For people.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Already => "a replay has brought them there before (--again repeats it)",
            Self::Waiting => "still waiting: the queue delivers them (--unfinished replays them)",
            Self::Elsewhere => "their recipients live elsewhere now: replay them --to their home",
            Self::Unknown => "nobody of that name is in the directory any more",
            Self::Bounced => "bounced: their senders were told, or the content was refused",
            Self::Dropped => "taken out by an administrator or a rule of [automatic]",
            Self::Probe => "probes of drills, taken out when nobody waited for them any more",
            Self::Expanded => "groups that were down: their people have copies of their own",
            Self::Gone => "their bodies are gone: spool.retain is over, the ledger has the rest",
            Self::Damaged => "damaged: see `tideover spool verify`",
            Self::Fresh => {
                "delivered a moment ago: perhaps not in the mailbox yet (--until counts them)"
            }
            Self::Present => "their mailboxes have them",
            Self::InJunk => "their mailboxes have them, in the junk folder",
            Self::InTrash => "their users deleted them: they lie in the trash",
            Self::NotAsked => {
                "their mailboxes cannot be asked (--unasked replays them all the same)"
            }
        }
    }
}

/// Is a recipient meant, as far as its state goes?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meant {
    Yes,
    No,
    /// It would be, if it were not for this.
    But(Skip),
}

impl Selection {
    /// The ids that messages of this selection can have.
    #[must_use]
    pub fn ids(&self) -> Range<SpoolId> {
        let from = match self.by {
            By::Accepted => SpoolId::first_at(self.since),
            // Accepted before it was delivered, however long before.
            By::Delivered => SpoolId::default(),
        };
        from..SpoolId::first_at(self.until)
    }

    /// Is the message meant?
    pub(super) fn names_message(&self, envelope: &Envelope) -> bool {
        let sender = self.sender.as_ref();
        let sender = sender.is_none_or(|sender| sender.names_sender(&envelope.from));
        let wanted = self.message_id.as_deref();
        sender && wanted.is_none_or(|wanted| envelope.message_id.as_deref() == Some(wanted))
    }

    /// Is this recipient of it meant, whatever became of it?
    pub(super) fn names_recipient(&self, recipient: &Recipient, people: &People) -> bool {
        let address = recipient.address.key();
        let mailbox = recipient.mailbox.as_ref();
        let named = people.is_empty()
            || people.contains(&address)
            || mailbox.is_some_and(|mailbox| people.contains(mailbox));
        let domain = recipient.address.domain().key();
        // Strangers have no mailbox here.
        mailbox.is_some() && named && self.domain.as_ref().is_none_or(|wanted| *wanted == domain)
    }

    /// Is it meant with what became of it?
    pub(super) fn means(&self, state: &RecipientState, to: &BackendId) -> Meant {
        let from = |name: &str| {
            let wanted = self.from_backend.as_ref();
            wanted.is_none_or(|wanted| wanted.as_str() == name)
        };
        match state {
            RecipientState::Delivered {
                backend,
                at,
                diverted_from,
                ..
            } => {
                let home = !self.diverted || diverted_from.as_ref() == Some(to);
                let meant = from(backend.as_str()) && home && self.which == Which::Finished;
                // It waited when this was planned: the queue has brought it.
                if meant && *at >= self.made {
                    return Meant::But(Skip::Waiting);
                }
                if meant && self.in_time(*at) && self.settled_before.is_some_and(|then| *at >= then)
                {
                    return Meant::But(Skip::Fresh);
                }
                (meant && self.in_time(*at)).into()
            }
            RecipientState::Queued { lane, .. } | RecipientState::Held { lane, .. } => {
                let meant = from(lane) && !self.diverted && self.by == By::Accepted;
                match self.which {
                    Which::Unfinished if state.is_damaged() && meant => Meant::But(Skip::Damaged),
                    Which::Unfinished => meant.into(),
                    Which::Finished if meant => Meant::But(Skip::Waiting),
                    Which::Finished => Meant::No,
                }
            }
            RecipientState::Bounced { at, .. } => self.ended(Skip::Bounced, *at),
            RecipientState::Dropped { at, actor, .. } if actor == DRILL => {
                self.ended(Skip::Probe, *at)
            }
            RecipientState::Dropped { at, .. } => self.ended(Skip::Dropped, *at),
            RecipientState::Expanded { at, .. } => self.ended(Skip::Expanded, *at),
        }
    }

    /// Did it end in the time that is meant, and before this was planned?
    fn in_time(&self, end: Timestamp) -> bool {
        let meant = match self.by {
            By::Accepted => true,
            By::Delivered => self.since <= end && end < self.until,
        };
        meant && end < self.made
    }

    fn ended(&self, skip: Skip, at: Timestamp) -> Meant {
        let narrowed = self.diverted || self.from_backend.is_some();
        if self.which == Which::Finished && self.in_time(at) && !narrowed {
            Meant::But(skip)
        } else {
            Meant::No
        }
    }

    /// In a sentence, for people.
    #[must_use]
    pub fn told(&self) -> String {
        let by = match self.by {
            By::Accepted => "accepted",
            By::Delivered => "delivered",
        };
        let since = match self.since {
            Timestamp::EPOCH => "the beginning".to_owned(),
            since => since.to_string(),
        };
        let mut text = format!("{by} from {since} to {}", self.until);
        let people = (self.people > 0).then(|| self.people.to_string());
        let from = self.from_backend.as_ref().map(ToString::to_string);
        let sender = self.sender.as_ref().map(ToString::to_string);
        for (what, value) in [
            ("recipients", &people),
            ("wave", &self.wave),
            ("from", &sender),
            ("Message-ID", &self.message_id),
            ("domain", &self.domain),
            ("got by", &from),
        ] {
            if let Some(value) = value {
                // Writing to a string does not fail.
                write!(text, ", {what} {value}").ok();
            }
        }
        for (is, what) in [
            (self.diverted, ", diverted"),
            (self.which == Which::Unfinished, ", still waiting"),
            (self.missing_only, ", only what is missing"),
            (self.unasked, ", also to mailboxes that cannot be asked"),
            (self.again, ", again"),
            (self.order == Order::Newest, ", newest first"),
        ] {
            text.push_str(if is { what } else { "" });
        }
        text
    }
}

impl From<bool> for Meant {
    fn from(meant: bool) -> Self {
        if meant { Self::Yes } else { Self::No }
    }
}

#[cfg(test)]
#[path = "selection_tests.rs"]
mod tests;
