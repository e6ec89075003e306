//! How a backend is, and what speaks for it.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Override, Wish};
use crate::base::Timestamp;
use crate::mail::{BackendId, Cause, Failure};

/// How a backend is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Takes mail.
    Up,
    /// Takes mail, and asks for less of it; or answers while mail fails.
    Slow,
    /// Takes none: its mail is held.
    Down,
    /// Refuses known recipients alike: its mail is held, one message is tried now and then.
    Rejecting,
}

/// The health of a backend, why, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendHealth {
    /// Which backend.
    pub id: BackendId,
    /// How it is.
    pub health: Health,
    /// Why, for people: `connection refused by 127.0.0.1:2601`. Empty while it was never doubted.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// What an operator said; it beats the health.
    #[serde(default)]
    pub operator: Option<Override>,
    /// It was down when the program was stopped, and nothing has been heard of it since the start:
    /// its mail waits, and goes nowhere else because of that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub remembered: bool,
    /// It is slow because it answers probes while mail fails, attempt for attempt.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub failing: bool,
}

impl BackendHealth {
    /// May it be sent mail without further ado?
    #[must_use]
    pub fn takes_mail(&self) -> bool {
        match self.operator.as_ref().map(|said| said.wish) {
            Some(Wish::Hold) => false,
            Some(Wish::Up) => true,
            Some(Wish::Resume | Wish::Drain) | None => self.health.takes_mail(),
        }
    }

    /// May it be sent mail that was accepted then? `None`: now.
    #[must_use]
    pub fn takes_mail_of(&self, accepted: Option<Timestamp>) -> bool {
        self.takes_mail() && self.drain_of(accepted).is_none()
    }

    /// The drain that keeps mail from it that was accepted then, if one does. `None`: now.
    #[must_use]
    pub fn drain_of(&self, accepted: Option<Timestamp>) -> Option<&Override> {
        self.operator.as_ref().filter(|said| {
            said.wish == Wish::Drain && accepted.is_none_or(|accepted| accepted > said.since)
        })
    }

    /// Does its mail wait because it is rejecting, and for no other reason?
    #[must_use]
    pub fn is_on_trial(&self) -> bool {
        self.health == Health::Rejecting && self.hold().is_none() && !self.takes_mail()
    }

    /// The hold of an operator, if there is one.
    #[must_use]
    pub fn hold(&self) -> Option<&Override> {
        self.operator
            .as_ref()
            .filter(|said| said.wish == Wish::Hold)
    }
}

impl Health {
    /// May it be sent mail without further ado?
    #[must_use]
    pub const fn takes_mail(self) -> bool {
        match self {
            Self::Up | Self::Slow => true,
            Self::Down | Self::Rejecting => false,
        }
    }

    /// As commands and JSON write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Slow => "slow",
            Self::Down => "down",
            Self::Rejecting => "rejecting",
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// `onprem is down since 2026-01-02T10:02:00.000Z: connection refused`.
impl fmt::Display for BackendHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            id,
            health,
            reason,
            since,
            operator,
            remembered: _,
            failing: _,
        } = self;
        if let Some(said) = operator.as_ref().filter(|said| said.wish != Wish::Resume) {
            write!(f, "{id} is {said}")?;
            // What an operator says hides nothing of how it is.
            if *health == Health::Up {
                return Ok(());
            }
            write!(f, "; it is {health} since {since}")?;
        } else {
            write!(f, "{id} is {health} since {since}")?;
        }
        if !reason.is_empty() {
            write!(f, ": {reason}")?;
        }
        Ok(())
    }
}

/// Does a failure ask for less mail, rather than tell that the backend is broken?
#[must_use]
pub fn asks_to_slow_down(failure: &Failure) -> bool {
    failure.cause() == Cause::SlowDown
}

/// Who saw how a backend is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Witness {
    /// A probe, which asks for little.
    Probe,
    /// Mail.
    Traffic,
}

/// Evidence about a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// A probe or a delivery went well.
    Good,
    /// A probe or a delivery failed and the backend is to blame.
    Bad(Failure),
}
