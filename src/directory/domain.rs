//! The domains that we take mail for.

use serde::{Deserialize, Serialize};

use crate::mail::BackendId;

/// A domain that we take mail for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainRule {
    /// Its name, lower case, ASCII.
    pub name: String,
    /// Who may say "user unknown".
    pub kind: DomainKind,
    /// Home of recipients that the directory does not name.
    pub home: BackendId,
    /// Backends that may take the mail while the home is down, in order.
    pub failover: Vec<BackendId>,
    /// What happens to recipients that the directory does not name.
    pub unknown: Unknown,
}

/// `type` of a domain, with the semantics of Exchange's accepted domains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DomainKind {
    /// The directory is complete: who is not in it does not exist.
    Authoritative,
    /// Shared with a platform that knows more.
    InternalRelay,
    /// Nobody is local; all mail goes to the home.
    ExternalRelay,
}

/// `unknown` of a domain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unknown {
    /// 550 5.1.1.
    Reject,
    /// Relay to the home of the domain.
    Relay,
    /// As the home of the domain says, which is asked at RCPT; what it said outlives outages.
    Verify,
}
