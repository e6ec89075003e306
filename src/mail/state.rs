//! The life of one recipient: its states, the events, and the only function that changes one by
//! the other (I3: one end, and exactly one).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::held::Kept;
use super::waiting::Waiting;
use super::{BackendId, Failure, HoldReason, Landing, ReplayStep, SenderPace, SpoolId};
use crate::base::Timestamp;
use crate::smtp::Reply;

/// Where a recipient stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RecipientState {
    /// Waits for its next attempt, in a lane.
    Queued {
        /// The queue it waits in: a backend's name or `@domain`.
        lane: String,
        /// Not to be tried before.
        due: Timestamp,
        /// Finished attempts that count for the retry schedule.
        attempts: u32,
        /// An attempt began and its outcome is not known yet.
        attempting: bool,
        /// An earlier attempt may have arrived: a copy may come twice.
        uncertain: bool,
        /// Why the last attempt failed, and when.
        last: Option<(Timestamp, Failure)>,
        /// Milliseconds that it was held: they use up no time (decision 5).
        #[serde(default)]
        on_hold: u64,
        /// When it was released although it was held by a rule: rules older than that are done
        /// with it.
        #[serde(default)]
        exempt: Option<Timestamp>,
        /// It waits for its turn: its mailbox or its sender has had enough for now.
        #[serde(default)]
        paced: bool,
    },
    /// Waits on purpose until somebody or something releases it.
    Held {
        /// Why.
        reason: HoldReason,
        /// Since when.
        since: Timestamp,
        /// The lane it returns to.
        lane: String,
        /// Finished attempts before the hold.
        attempts: u32,
        /// An earlier attempt may have arrived.
        uncertain: bool,
        /// Milliseconds of holds before this one.
        #[serde(default)]
        on_hold: u64,
        /// When it was released past the rules of that time.
        #[serde(default)]
        exempt: Option<Timestamp>,
    },
    /// End: the next hop took it.
    Delivered {
        /// Which backend; `@domain` for a stranger's host.
        backend: BackendId,
        /// When.
        at: Timestamp,
        /// What it said.
        reply: Reply,
        /// The address it was delivered to.
        delivery_address: String,
        /// An earlier attempt may have arrived too.
        uncertain: bool,
        /// Its home, when failover gave it to another backend: to be brought home later.
        #[serde(default)]
        diverted_from: Option<BackendId>,
    },
    /// End: it was refused for good, and the sender told if he may be.
    Bounced {
        /// When.
        at: Timestamp,
        /// Why.
        failure: Failure,
        /// The backend that refused it for good; `None` when it was given up, and for strangers.
        #[serde(default)]
        backend: Option<BackendId>,
        /// The administrator who said so; empty when nobody did.
        #[serde(default)]
        actor: String,
        /// An attempt may have arrived all the same.
        #[serde(default)]
        uncertain: bool,
    },
    /// End: an administrator took it out, or a rule when it came.
    Dropped {
        /// When.
        at: Timestamp,
        /// Who; of a rule its key in the config.
        actor: String,
        /// An attempt may have arrived all the same.
        #[serde(default)]
        uncertain: bool,
    },
    /// End: a group, and its people get the mail instead (RFC 3464 §2.3.3, `expanded`).
    Expanded {
        /// When.
        at: Timestamp,
        /// The message that goes to its people; `None`: all of them were named beside it.
        into: Option<SpoolId>,
        /// An attempt for the group may have arrived too.
        #[serde(default)]
        uncertain: bool,
    },
}

/// What can happen to a recipient after its acceptance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecipientEvent {
    /// An attempt begins. Written before the message can have arrived, so that a crash leaves a
    /// mark (decision 8).
    Attempted {
        /// Where to.
        backend: BackendId,
    },
    /// An attempt was given up before anything was sent, or its outcome is lost by a crash.
    Interrupted {
        /// It may have arrived.
        uncertain: bool,
    },
    /// The next hop took it.
    Delivered {
        /// Which backend.
        backend: BackendId,
        /// What it said.
        reply: Reply,
        /// The address it was delivered to.
        delivery_address: String,
        /// TLS of the connection.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tls: Option<String>,
        /// Its home, when failover gave it to another backend.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        diverted_from: Option<BackendId>,
    },
    /// The attempt failed; another one follows.
    Deferred {
        /// Where it was tried.
        backend: BackendId,
        /// Why it failed.
        failure: Failure,
        /// The next attempt.
        due: Timestamp,
        /// Does it count for the retry schedule? A backend's trouble does not.
        counts: bool,
    },
    /// Its mailbox gets no more for now: it has its turn later. Nothing was tried.
    Paced {
        /// Its turn.
        due: Timestamp,
        /// It is not the mailbox, but the sender who has sent enough.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sender: Option<Box<SenderPace>>,
    },
    /// A replay did something with it.
    Replay {
        /// Which replay: `r1`.
        replay: String,
        /// Where to.
        backend: BackendId,
        /// What.
        step: ReplayStep,
        /// Its home, when a replay gives waiting mail to another backend.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        diverted_from: Option<BackendId>,
    },
    /// Somebody looked for it in the mailbox.
    Landing {
        /// Whose mailbox it is.
        backend: BackendId,
        /// What was seen.
        landing: Landing,
    },
    /// It goes to another lane: its route has changed.
    Rerouted {
        /// The new lane.
        lane: String,
    },
    /// It is held.
    Held {
        /// Why.
        reason: HoldReason,
    },
    /// It is queued again.
    Released {
        /// Who released it.
        actor: String,
        /// The next attempt.
        due: Timestamp,
        /// Why, for people.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
        /// Also past the rules that hold it now: somebody means this very mail.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        past_holds: bool,
    },
    /// It is refused for good.
    Bounced {
        /// Why.
        failure: Failure,
        /// The backend that refused it for good; `None` when it was given up, and for strangers.
        #[serde(default)]
        backend: Option<BackendId>,
        /// The administrator who said so; empty when nobody did.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        actor: String,
        /// Why he did.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// An administrator takes it out.
    Dropped {
        /// Who.
        actor: String,
        /// Why, for people.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    /// It is a group whose home is down: its people get the mail instead.
    Expanded {
        /// The message that goes to its people; `None`: all of them were named beside it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        into: Option<SpoolId>,
        /// How many people that message has.
        people: u16,
    },
}

impl RecipientEvent {
    /// One word, for tables and the index.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Attempted { .. } => "attempted",
            Self::Interrupted { .. } => "interrupted",
            Self::Delivered { .. } => "delivered",
            Self::Deferred { .. } => "deferred",
            Self::Paced { .. } => "paced",
            Self::Replay { .. } => "replay",
            Self::Landing { .. } => "landing",
            Self::Rerouted { .. } => "rerouted",
            Self::Held { .. } => "held",
            Self::Released { .. } => "released",
            Self::Bounced { .. } => "bounced",
            Self::Dropped { .. } => "dropped",
            Self::Expanded { .. } => "expanded",
        }
    }
}

/// An event that cannot happen in a state: an error of ours, or a damaged log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a recipient that is {state} cannot be {event}")]
pub struct IllegalTransition {
    /// The state.
    pub state: &'static str,
    /// The event.
    pub event: &'static str,
}

impl RecipientState {
    /// The first state of an accepted recipient.
    #[must_use]
    pub const fn accepted(lane: String, at: Timestamp) -> Self {
        Self::Queued {
            lane,
            due: at,
            attempts: 0,
            attempting: false,
            uncertain: false,
            last: None,
            on_hold: 0,
            exempt: None,
            paced: false,
        }
    }

    /// `queued`, `held`, `delivered`, `bounced`, `dropped`, `expanded`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Queued { .. } => "queued",
            Self::Held { .. } => "held",
            Self::Delivered { .. } => "delivered",
            Self::Bounced { .. } => "bounced",
            Self::Dropped { .. } => "dropped",
            Self::Expanded { .. } => "expanded",
        }
    }

    /// Has it come to its end?
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        match self {
            Self::Queued { .. } | Self::Held { .. } => false,
            Self::Delivered { .. }
            | Self::Bounced { .. }
            | Self::Dropped { .. }
            | Self::Expanded { .. } => true,
        }
    }

    /// Is it held because the message is damaged?
    #[must_use]
    pub const fn is_damaged(&self) -> bool {
        matches!(
            self,
            Self::Held {
                reason: HoldReason::Damaged { .. },
                ..
            }
        )
    }

    /// Its home, when another backend got it.
    #[must_use]
    pub const fn diverted_from(&self) -> Option<&BackendId> {
        match self {
            Self::Delivered { diverted_from, .. } => diverted_from.as_ref(),
            Self::Queued { .. }
            | Self::Held { .. }
            | Self::Bounced { .. }
            | Self::Dropped { .. }
            | Self::Expanded { .. } => None,
        }
    }

    /// May a copy have arrived that we do not know of? Once so, always so: no end makes it known.
    #[must_use]
    pub const fn is_uncertain(&self) -> bool {
        match self {
            Self::Queued { uncertain, .. }
            | Self::Held { uncertain, .. }
            | Self::Delivered { uncertain, .. }
            | Self::Bounced { uncertain, .. }
            | Self::Dropped { uncertain, .. }
            | Self::Expanded { uncertain, .. } => *uncertain,
        }
    }

    /// The state after `event`, which happened at `at`.
    ///
    /// # Errors
    /// When the event cannot happen in this state; the state is unchanged then.
    pub fn apply(&self, event: &RecipientEvent, at: Timestamp) -> Result<Self, IllegalTransition> {
        if let Some(next) = self.after_replay(event, at) {
            return Ok(next);
        }
        // A look changes nothing.
        if matches!(event, RecipientEvent::Landing { .. }) {
            return Ok(self.clone());
        }
        match self {
            Self::Queued {
                lane,
                due,
                attempts,
                uncertain,
                last,
                on_hold,
                exempt,
                attempting,
                paced,
            } => Waiting {
                lane,
                due: *due,
                attempts: *attempts,
                attempting: *attempting,
                uncertain: *uncertain,
                last: last.as_ref(),
                on_hold: *on_hold,
                exempt: *exempt,
                paced: *paced,
            }
            .apply(event, at),
            Self::Held {
                lane,
                attempts,
                uncertain,
                since,
                on_hold,
                exempt,
                reason: _,
            } => {
                let now = at.as_millis().saturating_sub(since.as_millis());
                let on_hold = on_hold.saturating_add(now);
                let kept = Kept {
                    lane,
                    attempts: *attempts,
                    uncertain: *uncertain,
                    on_hold,
                    exempt: *exempt,
                };
                kept.apply(event, at).ok_or_else(|| self.illegal(event))
            }
            Self::Delivered { .. }
            | Self::Bounced { .. }
            | Self::Dropped { .. }
            | Self::Expanded { .. } => Err(self.illegal(event)),
        }
    }

    const fn illegal(&self, event: &RecipientEvent) -> IllegalTransition {
        IllegalTransition {
            state: self.name(),
            event: event.name(),
        }
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
