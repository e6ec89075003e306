//! What replays do with a recipient: beside its state, which keeps the end that it had.

use serde::{Deserialize, Serialize};

use super::{BackendId, Failure};
use crate::base::Timestamp;
use crate::smtp::Reply;

/// What a replay does with one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReplayStep {
    /// An attempt begins. Written before the message can have arrived.
    Attempted,
    /// An attempt was given up before anything was sent, or its outcome is lost by a crash.
    Interrupted {
        /// It may have arrived.
        uncertain: bool,
    },
    /// The attempt failed; another one follows.
    Deferred {
        /// Why it failed.
        failure: Failure,
        /// The next attempt.
        due: Timestamp,
        /// Does it count for the retry schedule? A backend's trouble does not.
        counts: bool,
    },
    /// The backend took it.
    Delivered {
        /// What it said.
        reply: Reply,
        /// The address it was delivered to.
        delivery_address: String,
        /// TLS of the connection.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tls: Option<String>,
    },
    /// The backend refused it for good: the end, for this replay.
    Refused {
        /// Why.
        failure: Failure,
    },
}

impl ReplayStep {
    /// One word.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Attempted => "attempted",
            Self::Interrupted { .. } => "interrupted",
            Self::Deferred { .. } => "deferred",
            Self::Delivered { .. } => "delivered",
            Self::Refused { .. } => "refused",
        }
    }

    /// Did the backend take it?
    #[must_use]
    pub const fn is_delivered(&self) -> bool {
        matches!(self, Self::Delivered { .. })
    }

    /// May it have arrived without anybody knowing?
    #[must_use]
    pub const fn is_in_doubt(&self) -> bool {
        match self {
            Self::Interrupted { uncertain } => *uncertain,
            Self::Deferred { failure, .. } => failure.uncertain,
            Self::Attempted | Self::Delivered { .. } | Self::Refused { .. } => false,
        }
    }
}

/// How far the latest replay of a message to a recipient and a backend is: by it a replay knows
/// what is done (I9). It stands in compact rows, whose encoding has no names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayMark {
    /// Which replay: `r1`.
    pub replay: String,
    /// How far it is.
    pub phase: ReplayPhase,
    /// Since when.
    pub at: Timestamp,
    /// Attempts of this replay that count for the retry schedule.
    pub attempts: u32,
    /// A copy may have arrived that nobody knows of.
    pub uncertain: bool,
    /// Some replay has delivered it, this one or one before.
    pub delivered: bool,
}

/// How far a replay of one recipient is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReplayPhase {
    /// An attempt is under way.
    Attempting,
    /// Another attempt follows.
    Waiting {
        /// Not before.
        due: Timestamp,
    },
    /// The backend took it.
    Delivered,
    /// The backend refused it for good.
    Refused,
}

impl ReplayMark {
    /// The mark after a step of `replay` that happened at `at`.
    #[must_use]
    pub fn after(old: Option<&Self>, replay: &str, step: &ReplayStep, at: Timestamp) -> Self {
        let same = old.filter(|old| old.replay == replay);
        // What another one left in doubt is in doubt for this one, too.
        let doubt = |old: &Self| old.uncertain && old.phase != ReplayPhase::Delivered;
        let doubted = match same {
            Some(same) => same.uncertain,
            None => old.is_some_and(doubt),
        };
        let attempts = same.map_or(0, |same| same.attempts);
        let (phase, counted) = match step {
            ReplayStep::Attempted => (ReplayPhase::Attempting, false),
            ReplayStep::Interrupted { .. } => (ReplayPhase::Waiting { due: at }, false),
            ReplayStep::Deferred { due, counts, .. } => {
                (ReplayPhase::Waiting { due: *due }, *counts)
            }
            ReplayStep::Delivered { .. } => (ReplayPhase::Delivered, false),
            ReplayStep::Refused { .. } => (ReplayPhase::Refused, false),
        };
        Self {
            replay: replay.to_owned(),
            phase,
            at,
            attempts: attempts + u32::from(counted),
            uncertain: doubted || step.is_in_doubt(),
            delivered: old.is_some_and(|old| old.delivered) || step.is_delivered(),
        }
    }

    /// Has this replay come to its end with it?
    #[must_use]
    pub fn is_end_of(&self, replay: &str) -> bool {
        let ended = matches!(self.phase, ReplayPhase::Delivered | ReplayPhase::Refused);
        ended && self.replay == replay
    }
}

/// A mark with the recipient and the backend that it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayedRecipient {
    /// The recipient's number in its envelope.
    pub recipient: u16,
    /// Where it is replayed to.
    pub backend: BackendId,
    /// How far that is.
    #[serde(flatten)]
    pub mark: ReplayMark,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Blame;

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn play(steps: &[(&str, ReplayStep)]) -> ReplayMark {
        let mut mark = None;
        for (time, (replay, step)) in (1..).zip(steps) {
            mark = Some(ReplayMark::after(mark.as_ref(), replay, step, at(time)));
        }
        mark.unwrap()
    }

    fn deferred(failure: Failure) -> ReplayStep {
        ReplayStep::Deferred {
            failure,
            due: at(70),
            counts: true,
        }
    }

    fn later() -> Failure {
        Failure::without_reply(Blame::Recipient, "later")
    }

    fn delivered() -> ReplayStep {
        ReplayStep::Delivered {
            reply: Reply::with_text(250, (2, 0, 0), "ok"),
            delivery_address: "ann@example.org".to_owned(),
            tls: None,
        }
    }

    #[test]
    fn a_delivery_is_remembered_whatever_comes_behind_it() {
        let once = play(&[("r1", ReplayStep::Attempted), ("r1", delivered())]);
        assert!(once.is_end_of("r1") && once.delivered && !once.is_end_of("r2"));
        let again = play(&[
            ("r1", delivered()),
            ("r2", ReplayStep::Attempted),
            ("r2", deferred(later())),
        ]);
        assert!(again.delivered && !again.is_end_of("r2") && again.attempts == 1);
        assert_eq!(again.phase, ReplayPhase::Waiting { due: at(70) });
    }

    #[test]
    fn doubt_goes_on_to_the_next_replay_until_it_is_delivered() {
        let cut = ReplayStep::Interrupted { uncertain: true };
        let doubtful = play(&[("r1", ReplayStep::Attempted), ("r1", cut.clone())]);
        assert!(doubtful.uncertain);
        let next = play(&[("r1", cut.clone()), ("r2", delivered())]);
        assert!(next.uncertain, "two copies may have come");
        let anew = play(&[("r1", cut), ("r1", delivered()), ("r2", delivered())]);
        assert!(!anew.uncertain, "the second copy was asked for");
        let cut = Failure {
            uncertain: true,
            ..later()
        };
        assert!(play(&[("r1", deferred(cut)), ("r1", delivered())]).uncertain);
    }

    #[test]
    fn steps_are_written_with_their_names() {
        let json = serde_json::to_string(&delivered()).unwrap();
        assert!(json.starts_with("{\"delivered\":{\"reply\":"), "{json}");
        assert_eq!(
            serde_json::to_string(&ReplayStep::Attempted).unwrap(),
            "\"attempted\""
        );
        let mark = play(&[("r1", deferred(later()))]);
        let bytes = postcard::to_stdvec(&mark).unwrap();
        assert_eq!(postcard::from_bytes::<ReplayMark>(&bytes).unwrap(), mark);
    }
}
