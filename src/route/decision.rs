//! What is decided, and why.

use crate::mail::{BackendId, DeliveryTarget, HoldReason};
use crate::smtp::{Mailbox, Reply};

/// What is decided for a recipient now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Deliver there.
    Relay {
        /// The next hops, in order: the next one is for when the one before cannot be reached.
        targets: Vec<DeliveryTarget>,
        /// The address to say in RCPT.
        address: Mailbox,
        /// The home that the mail is kept from, when failover gives it to another backend.
        diverted_from: Option<BackendId>,
    },
    /// Wait.
    Hold {
        /// The backend that is waited for, if it is one.
        backend: Option<BackendId>,
        /// Why, for people: `onprem is down since 10:02: connection refused`.
        reason: String,
    },
    /// A group whose home is down for long: its people get it.
    Expand {
        /// Who, each once: their public addresses, and groups that have to wait still.
        people: Vec<Mailbox>,
        /// Why, for people.
        reason: String,
    },
    /// Nobody takes it.
    Reject(Reply),
}

/// A decision with the steps that led to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The decision.
    pub decision: Decision,
    /// The home backend, if the recipient has one.
    pub home: Option<BackendId>,
    /// The lane in which its mail waits: the home's name, or `@domain`.
    pub lane: String,
    /// The directory key under which the webmail lists its mail; `None` for strangers.
    pub mailbox: Option<String>,
    /// Why each recipient is held by itself, when a rule or a move says so.
    pub withheld: Option<HoldReason>,
    /// The steps, for people.
    pub steps: Vec<String>,
}
