//! Each login, and each try, as a line of the program's log and in the metrics. Anybody can try,
//! so lines are sampled, and what was typed is written only when it is an address of ours.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use super::Webmail;
use super::accounts::{Account, LoginError};
use super::passkeys::PasskeyError;
use super::second::SecondError;
use crate::base::{Sampler, Timestamp};
use crate::directory::FoundBy;
use crate::smtp::Mailbox;
use crate::telemetry::names;

/// Lines about who came in: at once, and a second.
const INS: (u64, u64) = (1_000, 10);
/// Lines about all others. They take no place from those.
const OTHERS: (u64, u64) = (100, 1);
/// Lines about who goes to the provider: anybody can, and what fails is still to be seen.
const BEGUN: (u64, u64) = (100, 1);

/// By what somebody logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// The own password; and one that nobody knows.
    Password,
    /// The password that a directory server has.
    Directory,
    /// A code of an app, after a password.
    Code,
    /// A recovery code in its place.
    Recovery,
    Passkey,
    /// The link or the code of an invitation.
    Invitation,
    /// A login provider.
    Provider,
}

impl Way {
    const fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Directory => "directory",
            Self::Code => "code",
            Self::Recovery => "recovery",
            Self::Passkey => "passkey",
            Self::Invitation => "invitation",
            Self::Provider => "provider",
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// He is in.
    In,
    /// The second step is asked for.
    Half,
    /// It was not right.
    Wrong,
    /// Too many tries.
    Throttled,
    /// Who would know cannot be asked.
    Away,
    /// We failed.
    Failed,
    /// He goes to the provider.
    Begun,
}

impl Outcome {
    const fn name(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Half => "half",
            Self::Wrong => "wrong",
            Self::Throttled => "throttled",
            Self::Away => "away",
            Self::Failed => "failed",
            Self::Begun => "begun",
        }
    }

    /// Of an account whose first step was right.
    pub(crate) const fn entered(account: &Account) -> Self {
        if account.has_second_step() {
            Self::Half
        } else {
            Self::In
        }
    }
}

impl From<&LoginError> for Outcome {
    fn from(error: &LoginError) -> Self {
        match error {
            LoginError::Wrong => Self::Wrong,
            LoginError::Wait(_) => Self::Throttled,
            LoginError::Away => Self::Away,
            LoginError::Internal(_) => Self::Failed,
        }
    }
}

impl From<&SecondError> for Outcome {
    fn from(error: &SecondError) -> Self {
        match error {
            SecondError::Login(error) => error.into(),
            SecondError::Code | SecondError::Over => Self::Wrong,
        }
    }
}

impl From<&PasskeyError> for Outcome {
    fn from(error: &PasskeyError) -> Self {
        match error {
            PasskeyError::Login(error) => error.into(),
            PasskeyError::Refused(_) | PasskeyError::Over | PasskeyError::TooMany => Self::Wrong,
        }
    }
}

/// Who tries.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Who<'a> {
    Account(&'a Account),
    /// What he typed.
    Typed(&'a str),
    /// He has not said.
    Nobody,
}

/// A login, or a try.
#[derive(Debug)]
pub(crate) struct Login<'a> {
    pub way: Way,
    pub outcome: Outcome,
    pub who: Who<'a>,
    pub from: IpAddr,
    /// More, for administrators.
    pub why: &'a str,
}

/// Which lines are written.
#[derive(Debug)]
pub(crate) struct Logins(Mutex<[Sampler; 3]>);

impl Default for Logins {
    fn default() -> Self {
        let new = |(most, rate)| Sampler::new(most, rate);
        Self(Mutex::new([INS, OTHERS, BEGUN].map(new)))
    }
}

impl Logins {
    fn take(&self, outcome: Outcome, now: Timestamp) -> Option<u64> {
        let mut samplers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let [ins, others, begun] = &mut *samplers;
        match outcome {
            Outcome::In | Outcome::Half => ins.take(now),
            Outcome::Begun => begun.take(now),
            Outcome::Wrong | Outcome::Throttled | Outcome::Away | Outcome::Failed => {
                others.take(now)
            }
        }
    }
}

impl Webmail {
    /// Writes down a login, or a try.
    pub(crate) fn note_login(&self, login: &Login<'_>) {
        let (way, outcome) = (login.way.name(), login.outcome.name());
        metrics::counter!(names::LOGINS, "way" => way, "outcome" => outcome).increment(1);
        let Some(left_out) = self.0.logins.take(login.outcome, self.0.world.clock.now()) else {
            return;
        };
        let who = match login.who {
            Who::Account(account) => account.key(),
            Who::Typed(typed) => self.known_address(typed),
            Who::Nobody => "nobody".to_owned(),
        };
        let (from, why) = (login.from.to_canonical(), login.why);
        tracing::info!(%who, %from, way, outcome, why, left_out, "webmail: login");
    }

    /// An address that the directory knows, as it is. What else was typed may be anything, also a
    /// password in the wrong field, and is not repeated.
    pub(super) fn known_address(&self, typed: &str) -> String {
        let Ok(address) = typed.trim().parse::<Mailbox>() else {
            return "no address".to_owned();
        };
        let directory = self.0.world.directory.current();
        // What stands behind a `+` is nobody's but the visitor's.
        if matches!(directory.find(&address), Some((_, FoundBy::Address))) {
            address.key()
        } else if directory.domain(address.domain()).is_some() {
            format!("nobody of {}", address.domain().key())
        } else {
            "nobody of ours".to_owned()
        }
    }
}
