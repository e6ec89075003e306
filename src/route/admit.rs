//! Who may be a recipient: the question that the front door asks at RCPT.

use std::fmt;

use crate::automatic::Party;
use crate::base::{Boxed, Timestamp};
use crate::smtp::{Mailbox, Reply};

/// Where a message comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Anybody: mail for our own domains only (I11).
    Internet,
    /// A device of an allow list, or a user who logged in: mail for strangers too.
    Trusted,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Taken.
    Accept {
        /// As the envelope keeps it.
        address: Mailbox,
        /// The lane in which its mail waits first: the home's name, or `@domain`.
        lane: String,
        /// The directory key under which the webmail lists it; `None` for strangers.
        mailbox: Option<String>,
    },
    /// Not taken.
    Reject(Reply),
}

/// Decides who may be a recipient.
pub trait Admit: Send + Sync + fmt::Debug {
    /// May mail from `origin` go to `address`?
    fn admit(&self, address: &Mailbox, origin: Origin) -> Admission;

    /// A message from `from` was accepted for `address`, which is how Outlook writes an X.500
    /// address.
    fn encapsulated(&self, _address: &Mailbox, _from: &str, _at: Timestamp) {}

    /// Whose an address is, for the policy on automatic answers; `None`: it is the program's own,
    /// to which no policy applies.
    fn party(&self, _address: &Mailbox) -> Option<Party> {
        Some(Party::Stranger)
    }

    /// Finds out what [`Self::admit`] needs to know of `address` and nobody knows yet. Comes back
    /// soon, also when nothing can be found out.
    fn prepare<'a>(&'a self, _address: &'a Mailbox) -> Boxed<'a, ()> {
        Box::pin(std::future::ready(()))
    }
}
