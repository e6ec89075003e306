//! Replays in the log: what was planned, started, paused and ended, and by whom.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::plan::Plan;
use super::selection::{People, Selection};
use crate::base::Timestamp;
use crate::limits;
use crate::mail::BackendId;
use crate::spool::{Spool, SpoolError};

/// The room under which the facts stand in the log.
const ROOM: &str = "replay";
/// The replays; the number follows.
const REPLAY: &str = "replay/";
/// Who is meant, a key a line.
const PEOPLE: &str = "people/";
/// Steps of a replay that are remembered. Beyond: the oldest is forgotten.
const STEPS: usize = 50;

/// Where a replay stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReplayState {
    /// Nobody has started it.
    Planned,
    /// It goes on, also after a restart.
    Running,
    /// It waits for `resume`.
    Paused,
    /// All of it has come to its end.
    Done,
    /// Somebody ended it.
    Stopped,
}

impl ReplayState {
    /// One word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Done => "done",
            Self::Stopped => "stopped",
        }
    }
}

/// Who did what with a replay, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReplayDeed {
    /// When.
    pub at: Timestamp,
    /// What it was from then on.
    pub state: ReplayState,
    /// Who; `tideover` for the program itself.
    pub actor: String,
    /// Why; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// What came of a replay so far, counted in recipients.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Found so far: they are replayed, or were.
    pub found: u64,
    /// Brought.
    pub delivered: u64,
    /// Of those, the ones of which perhaps a second copy came.
    pub uncertain: u64,
    /// Refused for good.
    pub refused: u64,
    /// Left out since the start: another replay brought them, they moved, they were damaged.
    pub left_out: u64,
    /// Their mailbox has them: with `--missing-only`.
    #[serde(default)]
    pub present: u64,
    /// Their mailbox could not be asked.
    #[serde(default)]
    pub not_asked: u64,
    /// Mailboxes that could not be asked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unasked: Vec<Unasked>,
    /// Why they were refused, most frequent first.
    #[serde(default)]
    pub refusals: Vec<Refused>,
}

/// A reply that ended the replay of some recipients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Refused {
    /// What the backend said to the first one.
    pub reply: String,
    /// How many.
    pub recipients: u64,
    /// The first one.
    pub example: String,
}

/// A mailbox that could not be asked what it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unasked {
    /// Its key in the directory.
    pub mailbox: String,
    /// Why.
    pub why: String,
    /// Recipients about whom it should have been asked.
    pub recipients: u64,
}

impl Unasked {
    /// Notes one in a list that does not grow for ever.
    pub(in crate::queue) fn note(
        list: &mut Vec<Self>,
        (mailbox, why): (&str, String),
        recipients: u64,
    ) {
        if let Some(known) = list.iter_mut().find(|one| one.mailbox == mailbox) {
            known.recipients += recipients;
        } else if list.len() < limits::REPLAY_UNASKED {
            list.push(Self {
                mailbox: mailbox.to_owned(),
                why,
                recipients,
            });
        }
    }
}

impl Counts {
    /// Those that have come to an end.
    #[must_use]
    pub const fn ended(&self) -> u64 {
        self.delivered + self.refused + self.left_out + self.present + self.not_asked
    }

    /// What became of those that have come to an end, for people: `0 delivered, 3 refused`.
    #[must_use]
    pub fn told(&self, number: impl Fn(u64) -> String) -> String {
        let mut text = format!("{} delivered", number(self.delivered));
        for (count, what) in [
            (self.refused, "refused"),
            (self.left_out, "left out"),
            (self.present, "there already"),
            (self.not_asked, "not asked"),
        ] {
            if count > 0 {
                // Writing to a string does not fail.
                write!(text, ", {} {what}", number(count)).ok();
            }
        }
        text
    }

    /// A mailbox could not be asked.
    pub(super) fn not_asked(&mut self, said: (&str, String), recipients: u64) {
        self.not_asked += recipients;
        Unasked::note(&mut self.unasked, said, recipients);
    }

    /// One was refused.
    pub(super) fn refuse(&mut self, reply: String, example: impl FnOnce() -> String) {
        self.refused += 1;
        if let Some(known) = self.refusals.iter_mut().find(|one| one.reply == reply) {
            known.recipients += 1;
        } else if self.refusals.len() < limits::REPLAY_REFUSALS {
            self.refusals.push(Refused {
                reply,
                recipients: 1,
                example: example(),
            });
        }
    }
}

/// A replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Replay {
    /// `r1`.
    pub id: String,
    /// Where to.
    pub to: BackendId,
    /// Which mail.
    pub selection: Selection,
    /// Where it stands.
    pub state: ReplayState,
    /// What was planned.
    pub plan: Plan,
    /// What came of it when it last stopped going on.
    #[serde(default)]
    pub counts: Counts,
    /// Its life.
    pub deeds: Vec<ReplayDeed>,
}

impl Replay {
    pub(super) fn number(&self) -> u64 {
        let digits = self.id.strip_prefix('r');
        digits
            .and_then(|digits| digits.parse().ok())
            .unwrap_or_default()
    }

    /// When it first began.
    #[must_use]
    pub fn started(&self) -> Option<Timestamp> {
        let mut deeds = self.deeds.iter();
        let first = deeds.find(|deed| deed.state == ReplayState::Running);
        first.map(|deed| deed.at)
    }

    /// For `/health`: it is paused, and its mail waits for somebody.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let last = self.deeds.last()?;
        let (id, at, actor) = (&self.id, last.at, &last.actor);
        let because = match last.reason.as_str() {
            "" => String::new(),
            reason => format!(" ({reason})"),
        };
        (self.state == ReplayState::Paused).then(|| {
            format!(
                "replay {id} was paused at {at} by {actor}{because}: `tideover replay resume {id}` \
                 or `stop`"
            )
        })
    }

    /// May it go on?
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.state, ReplayState::Running | ReplayState::Paused)
    }

    /// From now on it is in this state.
    pub(super) fn step(&mut self, deed: ReplayDeed) {
        self.state = deed.state;
        if self.deeds.len() >= STEPS {
            // The first one says when it was made.
            self.deeds.remove(1);
        }
        self.deeds.push(deed);
    }
}

/// All replays, the first one first.
pub(super) fn list(spool: &Spool) -> Result<Vec<Replay>, SpoolError> {
    let facts = spool.facts(ROOM, REPLAY)?.into_iter();
    facts
        .map(|(key, value)| {
            serde_json::from_value(value)
                .map_err(|error| SpoolError::Damaged(format!("the fact {key}: {error}")))
        })
        .collect()
}

/// Writes a replay down.
pub(super) async fn put(spool: &Spool, replay: &Replay) -> Result<(), SpoolError> {
    let value = serde_json::to_value(replay);
    let value = value.map_err(|error| SpoolError::Damaged(error.to_string()))?;
    spool
        .put_fact(ROOM, &key(REPLAY, replay), Some(value))
        .await
}

/// Writes down whom it means, before the replay itself.
pub(super) async fn put_people(
    spool: &Spool,
    replay: &Replay,
    people: &People,
) -> Result<(), SpoolError> {
    if people.is_empty() {
        return Ok(());
    }
    let mut text = String::new();
    for person in people {
        text.extend([person.as_str(), "\n"]);
    }
    let name = key(PEOPLE, replay);
    let value = replay.id.as_str().into();
    let written = spool.put_document(ROOM, &name, value, text.into()).await?;
    written.wait().await
}

/// Whom it means; empty: everybody.
pub(super) fn people(spool: &Spool, replay: &Replay) -> Result<People, SpoolError> {
    let name = key(PEOPLE, replay);
    let Some((_, text)) = spool.document(ROOM, &name)? else {
        if replay.selection.people == 0 {
            return Ok(People::new());
        }
        // Nobody named must not become everybody.
        return Err(SpoolError::Damaged(format!("{name} is missing")));
    };
    let odd = |_| SpoolError::Damaged(format!("{name} is no text"));
    let text = std::str::from_utf8(&text).map_err(odd)?;
    Ok(text.lines().map(str::to_owned).collect())
}

/// Forgets a replay.
pub(super) async fn forget(spool: &Spool, replay: &Replay) -> Result<(), SpoolError> {
    if replay.selection.people > 0 {
        spool.put_fact(ROOM, &key(PEOPLE, replay), None).await?;
    }
    spool.put_fact(ROOM, &key(REPLAY, replay), None).await
}

fn key(what: &str, replay: &Replay) -> String {
    format!("{what}{:08}", replay.number())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_counted_by_what_was_said() {
        let mut counts = Counts::default();
        for (reply, who) in [("550 no", "ann"), ("552 full", "bob"), ("550 no", "eve")] {
            counts.refuse(reply.to_owned(), || who.to_owned());
        }
        let told: Vec<_> = counts
            .refusals
            .iter()
            .map(|one| (one.reply.as_str(), one.recipients, one.example.as_str()))
            .collect();
        assert_eq!(told, [("550 no", 2, "ann"), ("552 full", 1, "bob")]);
        for number in 0..100 {
            counts.refuse(format!("550 {number}"), String::new);
        }
        assert_eq!(counts.refusals.len(), limits::REPLAY_REFUSALS);
        assert_eq!((counts.refused, counts.ended()), (103, 103));
    }
}
