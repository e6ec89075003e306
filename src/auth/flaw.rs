//! Why a signature does not count.

use crate::mail::AuthResult;

/// A result that is no pass, with its reason in our words (nothing of a stranger's is repeated).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Flaw {
    pub(super) result: AuthResult,
    pub(super) reason: &'static str,
}

impl Flaw {
    /// It was broken or forged.
    pub(super) const fn fail(reason: &'static str) -> Self {
        Self {
            result: AuthResult::Fail,
            reason,
        }
    }

    /// What is published or signed cannot be read.
    pub(super) const fn perm(reason: &'static str) -> Self {
        Self {
            result: AuthResult::PermError,
            reason,
        }
    }

    /// It cannot be found out now.
    pub(super) const fn temp(reason: &'static str) -> Self {
        Self {
            result: AuthResult::TempError,
            reason,
        }
    }

    /// Not looked at, or not taken, by a rule of ours.
    pub(super) const fn policy(reason: &'static str) -> Self {
        Self {
            result: AuthResult::Policy,
            reason,
        }
    }
}
