//! Why a signature does not count.

use crate::mail::AuthResult;

/// Said of what was not looked at by a bound of ours: it might have passed.
pub(super) mod bound {
    pub(in crate::auth) const HEADER: &str = "the header is larger than we look at";
    pub(in crate::auth) const SIGNATURES: &str = "more signatures than we look at";
    pub(in crate::auth) const FIELDS: &str = "more fields are signed than we look at";
    pub(in crate::auth) const SUMS: &str = "too many kinds of signatures";
    /// Of DMARC: a domain below the author's has name servers that fail.
    pub(in crate::auth) const UNSURE: &str = "what may belong to the author could not be looked up";
    pub(in crate::auth) const ALL: [&str; 5] = [HEADER, SIGNATURES, FIELDS, SUMS, UNSURE];
}

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
