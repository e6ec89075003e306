//! What a user is told about where his mail stands: true, short, without jargon.

use std::collections::BTreeMap;
use std::fmt;

use super::moment::Moments;
use super::texts::fill;
use crate::backend::{BackendHealth, Health};
use crate::base::Timestamp;
use crate::mail::{BackendId, HoldReason, RecipientState};

/// Knows how the backends are.
pub trait HealthView: Send + Sync + fmt::Debug {
    /// The health of a backend; `None` when there is no such backend.
    fn health(&self, backend: &BackendId) -> Option<BackendHealth>;
    /// Since when this domain is on the move between platforms, if it is.
    fn moving(&self, domain: &str) -> Option<Timestamp>;
}

/// How good the news is; also in words, never by colour alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Done,
    Waiting,
    Trouble,
}

impl Tone {
    /// The class that gives it a colour.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Waiting => "waiting",
            Self::Trouble => "trouble",
        }
    }
}

/// Where a message stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    /// How good that is.
    pub tone: Tone,
    /// A few words.
    pub text: String,
    /// A sentence more; may be empty.
    pub detail: String,
}

/// What is wrong with the user's home, what that means for him.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Banner {
    pub title: String,
    pub help: String,
}

/// Tells where mail stands.
#[derive(Debug)]
pub(crate) struct Teller<'a> {
    pub moments: &'a Moments,
    pub health: &'a dyn HealthView,
    pub platforms: &'a BTreeMap<BackendId, String>,
}

impl Teller<'_> {
    /// The banner for a user whose home is `home`, when something is wrong with it.
    pub(crate) fn banner(&self, home: &BackendId) -> Option<Banner> {
        let texts = self.moments.texts;
        let health = self.health.health(home)?;
        let (title, since) = match (health.hold(), health.health) {
            (Some(hold), _) => (texts.banner_held, hold.since),
            _ if health.takes_mail() => return None,
            (None, Health::Rejecting) => (texts.banner_rejecting, health.since),
            (None, _) => (texts.banner_down, health.since),
        };
        let since = self.moments.long(since);
        let platform = self.platform(home.as_str());
        let values = [("platform", platform.as_str()), ("time", since.as_str())];
        Some(Banner {
            title: capitalised(&fill(title, &values)),
            help: fill(texts.banner_help, &values),
        })
    }

    /// The banner for a user whose domain is on the move.
    pub(crate) fn moving(&self, domain: &str) -> Option<Banner> {
        let texts = self.moments.texts;
        let since = self.moments.long(self.health.moving(domain)?);
        let values = [("domain", domain), ("time", since.as_str())];
        Some(Banner {
            title: fill(texts.banner_moving, &values),
            help: fill(texts.banner_moving_help, &values),
        })
    }

    /// Where the mail of one recipient stands that was accepted at `received`.
    pub(crate) fn recipient(&self, state: &RecipientState, received: Timestamp) -> Standing {
        let texts = self.moments.texts;
        match state {
            RecipientState::Queued {
                lane, due, last, ..
            } => self.queued(lane, (*due, last.is_some()), received),
            RecipientState::Held {
                reason: HoldReason::Move { domain, .. },
                ..
            } => Standing {
                tone: Tone::Waiting,
                text: fill(texts.state_moving, &[("domain", domain)]),
                detail: self.kept_since(received),
            },
            RecipientState::Held { since, .. } => Standing {
                tone: Tone::Waiting,
                text: fill(texts.state_held, &[("time", &self.moments.long(*since))]),
                detail: self.kept_since(received),
            },
            RecipientState::Delivered { backend, at, .. } => {
                let platform = self.platform(backend.as_str());
                let at = self.moments.full(*at);
                let values = [("platform", platform.as_str()), ("time", at.as_str())];
                Standing {
                    tone: Tone::Done,
                    text: fill(texts.state_delivered, &values),
                    detail: capitalised(&fill(texts.detail_delivered, &values)),
                }
            }
            RecipientState::Bounced { failure, .. } => Standing {
                tone: Tone::Trouble,
                text: texts.state_bounced.to_owned(),
                detail: fill(texts.detail_refused, &[("reason", &failure.to_string())]),
            },
            RecipientState::Expanded { .. } => Standing {
                tone: Tone::Done,
                text: texts.state_expanded.to_owned(),
                detail: String::new(),
            },
            RecipientState::Dropped { .. } => Standing {
                tone: Tone::Trouble,
                text: texts.state_dropped.to_owned(),
                detail: String::new(),
            },
        }
    }

    /// Where a message stands that the user sent to several.
    pub(crate) fn sent(&self, states: &[RecipientState], received: Timestamp) -> Standing {
        let texts = self.moments.texts;
        if let [only] = states {
            return self.recipient(only, received);
        }
        let count = |wanted: fn(&RecipientState) -> bool| {
            states.iter().filter(|state| wanted(state)).count()
        };
        let done = count(|state| {
            matches!(
                state,
                RecipientState::Delivered { .. } | RecipientState::Expanded { .. }
            )
        });
        let finished = count(RecipientState::is_finished);
        let (failed, all) = ((finished - done).to_string(), states.len().to_string());
        let values = [
            ("done", &*done.to_string()),
            ("failed", &*failed),
            ("all", &*all),
        ];
        let (tone, text) = if finished > done {
            (Tone::Trouble, fill(texts.state_some_failed, &values))
        } else if done == states.len() {
            (Tone::Done, texts.state_left.to_owned())
        } else {
            (Tone::Waiting, fill(texts.state_some_left, &values))
        };
        Standing {
            tone,
            text,
            detail: String::new(),
        }
    }

    fn queued(&self, lane: &str, (due, tried): (Timestamp, bool), received: Timestamp) -> Standing {
        let texts = self.moments.texts;
        let platform = self.platform(lane);
        let is_down = self
            .health
            .health(&BackendId::new(lane))
            .is_some_and(|health| !health.takes_mail());
        let (received_at, due_at) = (self.moments.long(received), self.moments.long(due));
        let (text, time) = if is_down {
            (texts.state_waits, received_at)
        } else if tried && due > self.moments.now {
            (texts.state_retry, due_at)
        } else {
            (texts.state_on_its_way, received_at)
        };
        Standing {
            tone: Tone::Waiting,
            text: fill(text, &[("platform", &platform), ("time", &time)]),
            detail: self.kept_since(received),
        }
    }

    fn kept_since(&self, received: Timestamp) -> String {
        let received = self.moments.full(received);
        fill(self.moments.texts.detail_since, &[("time", &received)])
    }

    /// The name of a lane for people: a platform's, or a stranger's domain.
    fn platform(&self, lane: &str) -> String {
        if let Some(domain) = lane.strip_prefix('@') {
            return domain.to_owned();
        }
        let named = self.platforms.get(&BackendId::new(lane));
        named.cloned().unwrap_or_else(|| lane.to_owned())
    }
}

/// With a capital letter: platforms may be called `onprem`.
fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(chars).collect()
    })
}
