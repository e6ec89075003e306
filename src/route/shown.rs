//! How a recipient's state is shown to people.
//!
//! A backend that is down pauses a whole lane, without an event for each message in it. Who looks
//! at one message sees it as held nevertheless; this is the one place that says so.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::backend::{BackendHealth, Health};
use crate::base::Timestamp;
use crate::mail::{BackendId, RecipientState, SpoolId};

/// Why somebody waits who waits for his turn.
const TURN: &str = "its turn comes later: its mailbox or its sender has had enough for now";

/// The six words for a recipient's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ShownState {
    /// Waits for its next attempt.
    Queued,
    /// Waits on purpose.
    Held,
    /// The next hop took it.
    Delivered,
    /// Refused for good.
    Bounced,
    /// Taken out by an administrator.
    Dropped,
    /// A group whose people got it instead.
    Expanded,
}

impl ShownState {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Held => "held",
            Self::Delivered => "delivered",
            Self::Bounced => "bounced",
            Self::Dropped => "dropped",
            Self::Expanded => "expanded",
        }
    }

    /// Has the recipient come to its end?
    #[must_use]
    pub const fn is_finished(self) -> bool {
        match self {
            Self::Queued | Self::Held => false,
            Self::Delivered | Self::Bounced | Self::Dropped | Self::Expanded => true,
        }
    }
}

/// A recipient's state as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The word for it.
    pub state: ShownState,
    /// Why it is so, for people; empty when there is nothing to say.
    pub reason: String,
    /// The backend that it waits for, or that took or refused it; `None` for strangers who wait.
    pub backend: Option<BackendId>,
    /// The next attempt; `None` unless queued.
    pub due: Option<Timestamp>,
    /// Finished attempts, while it waits.
    pub attempts: u32,
}

impl Shown {
    /// `state`, of mail accepted then, in the light of how the backends are.
    #[must_use]
    pub fn of(state: &RecipientState, accepted: Timestamp, backends: &[BackendHealth]) -> Self {
        match state {
            RecipientState::Queued {
                lane,
                due,
                attempts,
                last,
                paced,
                ..
            } => {
                let said = || match last {
                    // Whatever an attempt said before, it is not why it waits now.
                    _ if *paced => Some(TURN.to_owned()),
                    Some((_, failure)) => Some(failure.to_string()),
                    None => None,
                };
                let held_by = backends
                    .iter()
                    .find(|backend| backend.id.as_str() == lane)
                    .and_then(|backend| paused_for(backend, accepted));
                Self {
                    state: if held_by.is_some() {
                        ShownState::Held
                    } else {
                        ShownState::Queued
                    },
                    due: held_by.is_none().then_some(*due),
                    reason: held_by.or_else(said).unwrap_or_default(),
                    backend: backend_of(lane),
                    attempts: *attempts,
                }
            }
            RecipientState::Held {
                reason,
                lane,
                attempts,
                ..
            } => Self {
                state: ShownState::Held,
                reason: reason.to_string(),
                backend: backend_of(lane),
                due: None,
                attempts: *attempts,
            },
            RecipientState::Delivered { backend, reply, .. } => Self::finished(
                ShownState::Delivered,
                reply.to_string(),
                Some(backend.clone()),
            ),
            RecipientState::Bounced { failure, .. } => {
                Self::finished(ShownState::Bounced, failure.to_string(), None)
            }
            RecipientState::Dropped { actor, .. } => {
                Self::finished(ShownState::Dropped, format!("dropped by {actor}"), None)
            }
            RecipientState::Expanded { into, .. } => {
                Self::finished(ShownState::Expanded, told_of_group(*into), None)
            }
        }
    }

    const fn finished(state: ShownState, reason: String, backend: Option<BackendId>) -> Self {
        Self {
            state,
            reason,
            backend,
            due: None,
            attempts: 0,
        }
    }
}

/// Why the mail of a backend waits, if it does: `onprem is down since 10:02 UTC: refused`.
#[must_use]
pub fn paused(backend: &BackendHealth) -> Option<String> {
    if let Some(said) = backend.hold() {
        return Some(format!("{} is {said}", backend.id));
    }
    if backend.takes_mail() {
        return None;
    }
    let how = match backend.health {
        Health::Up | Health::Slow => return None,
        Health::Down => "is down",
        Health::Rejecting => "refuses mail",
    };
    let since = backend.since.to_jiff().strftime("%Y-%m-%d %H:%M UTC");
    let mut text = format!("{} {how} since {since}", backend.id);
    if !backend.reason.is_empty() {
        text.push_str(": ");
        text.push_str(&backend.reason);
    }
    Some(text)
}

/// Why mail waits that was accepted then: the whole backend, or a drain that it came after; both
/// when it is both.
#[must_use]
pub fn paused_for(backend: &BackendHealth, accepted: Timestamp) -> Option<String> {
    let paused = paused(backend);
    let Some(said) = backend.drain_of(Some(accepted)) else {
        return paused;
    };
    let drained = format!("{} is {said}", backend.id);
    Some(match paused {
        None => drained,
        Some(paused) => format!("{drained}; {paused}"),
    })
}

fn told_of_group(into: Option<SpoolId>) -> String {
    match into {
        Some(id) => format!("its people get it as message {id}"),
        None => "all its people are named beside it".to_owned(),
    }
}

/// A lane is a backend's name, or `@domain` for strangers.
fn backend_of(lane: &str) -> Option<BackendId> {
    (!lane.starts_with('@')).then(|| BackendId::new(lane))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::{Override, Wish};
    use crate::mail::{Blame, Failure, RecipientEvent};

    fn backend(health: Health) -> BackendHealth {
        BackendHealth {
            id: BackendId::new("onprem"),
            health,
            reason: "connection refused by 127.0.0.1:2601".to_owned(),
            since: Timestamp::from_millis(36_120_000),
            operator: None,
            remembered: false,
            failing: false,
        }
    }

    #[test]
    fn what_waits_for_a_backend_that_is_down_is_held() {
        let state = RecipientState::accepted("onprem".to_owned(), Timestamp::EPOCH);
        let shown = Shown::of(&state, Timestamp::EPOCH, &[backend(Health::Down)]);
        assert_eq!(shown.state, ShownState::Held);
        assert_eq!(
            shown.reason,
            "onprem is down since 1970-01-01 10:02 UTC: connection refused by 127.0.0.1:2601"
        );
        assert_eq!(shown.due, None);
    }

    #[test]
    fn an_operator_s_word_beats_the_health() {
        let said = |wish, health| {
            let state = RecipientState::accepted("onprem".to_owned(), Timestamp::EPOCH);
            let operator = Some(Override {
                wish,
                actor: "root".to_owned(),
                reason: "disks".to_owned(),
                since: Timestamp::EPOCH,
            });
            let backend = BackendHealth {
                operator,
                ..backend(health)
            };
            let shown = Shown::of(&state, Timestamp::EPOCH, &[backend]);
            (shown.state, shown.reason)
        };
        let held = "onprem is held by root since 1970-01-01 00:00 UTC: disks".to_owned();
        assert_eq!(said(Wish::Hold, Health::Up), (ShownState::Held, held));
        let forced = said(Wish::Up, Health::Down);
        assert_eq!(forced, (ShownState::Queued, String::new()));
    }

    /// What came before a drain goes; what came after it waits, and so does both while the backend
    /// takes nothing: nobody is left in doubt which it is.
    #[test]
    fn a_drain_holds_what_came_after_it() {
        let at = Timestamp::from_millis;
        let shown = |health, accepted| {
            let state = RecipientState::accepted("onprem".to_owned(), Timestamp::EPOCH);
            let operator = Some(Override {
                wish: Wish::Drain,
                actor: "root".to_owned(),
                reason: "disks".to_owned(),
                since: at(60_000),
            });
            let backend = BackendHealth {
                operator,
                ..backend(health)
            };
            let shown = Shown::of(&state, at(accepted), &[backend]);
            (shown.state.as_str(), shown.reason)
        };
        let drained = "onprem is drained by root since 1970-01-01 00:01 UTC: disks";
        let refuses = "onprem refuses mail since 1970-01-01 10:02 UTC: connection refused by \
                       127.0.0.1:2601";
        for (health, accepted, expected) in [
            (Health::Up, 60_000, ("queued", String::new())),
            (Health::Up, 60_001, ("held", drained.to_owned())),
            (Health::Rejecting, 60_000, ("held", refuses.to_owned())),
            (
                Health::Rejecting,
                60_001,
                ("held", format!("{drained}; {refuses}")),
            ),
        ] {
            assert_eq!(shown(health, accepted), expected, "{health} {accepted}");
        }
    }

    #[test]
    fn what_waits_for_a_healthy_backend_or_a_stranger_is_queued() {
        for (lane, name) in [("onprem", Some("onprem")), ("@example.net", None)] {
            let state = RecipientState::accepted(lane.to_owned(), Timestamp::EPOCH);
            let shown = Shown::of(&state, Timestamp::EPOCH, &[backend(Health::Slow)]);
            assert_eq!(shown.state, ShownState::Queued);
            assert_eq!(shown.reason, "");
            assert_eq!(shown.due, Some(Timestamp::EPOCH));
            assert_eq!(shown.backend, name.map(BackendId::new));
        }
    }

    #[test]
    fn who_waits_for_his_turn_is_not_said_to_wait_for_what_an_attempt_said() {
        let backends = [backend(Health::Up)];
        let failure = Failure::without_reply(Blame::Backend, "451 4.7.500 Server busy");
        let deferred = RecipientEvent::Deferred {
            backend: BackendId::new("onprem"),
            failure,
            due: Timestamp::EPOCH,
            counts: false,
        };
        let paced = RecipientEvent::Paced {
            due: Timestamp::from_millis(3_600_000),
            sender: None,
        };
        let mut state = RecipientState::accepted("onprem".to_owned(), Timestamp::EPOCH);
        let mut told = Vec::new();
        for event in [&deferred, &paced, &deferred] {
            state = state.apply(event, Timestamp::EPOCH).unwrap();
            let shown = Shown::of(&state, Timestamp::EPOCH, &backends);
            told.push((state.is_paced(), shown.reason));
        }
        let busy = (false, "451 4.7.500 Server busy".to_owned());
        assert_eq!(told, [busy.clone(), (true, TURN.to_owned()), busy]);
        let shown = Shown::of(&state, Timestamp::EPOCH, &[backend(Health::Down)]);
        assert!(shown.reason.starts_with("onprem is down"));
    }

    #[test]
    fn a_finished_recipient_does_not_change_with_the_backend() {
        let state = RecipientState::Dropped {
            at: Timestamp::EPOCH,
            actor: "root".to_owned(),
            uncertain: false,
        };
        let shown = Shown::of(&state, Timestamp::EPOCH, &[backend(Health::Down)]);
        assert_eq!(shown.state, ShownState::Dropped);
        assert_eq!(shown.reason, "dropped by root");
    }
}
