//! Whom a backend put off (4yz), and of what its answers speak.

use std::collections::BTreeMap;

use crate::backend::asks_to_slow_down;
use crate::limits;
use crate::mail::{Blame, Failure};

/// What an answer that puts somebody off speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Matter {
    /// His mailbox is full, or who writes to him has no address: it is not the backend.
    Own,
    /// The backend has trouble of its own.
    System,
    /// It asks for less.
    Less,
    /// Nobody can tell: it may be a filter, or that he is to come again.
    Unclear,
}

impl Matter {
    pub(super) fn of(failure: &Failure) -> Self {
        if asks_to_slow_down(failure) {
            return Self::Less;
        }
        let status = failure.reply.as_ref().and_then(|reply| reply.enhanced);
        match status.map(|status| (status.subject, status.detail)) {
            // RFC 3463 §3.3: mailbox full; §3.2: bad sender's mailbox, or system, address.
            Some((2, 2) | (1, 7 | 8)) => Self::Own,
            // RFC 3463 §3.4: other or undefined mail system status. At RCPT some say so of one
            // mailbox.
            Some((3, 0)) if failure.blame == Blame::Message => Self::System,
            Some(_) | None => Self::Unclear,
        }
    }
}

/// Whom it put off since it took mail, each once. Bounded: more say nothing more.
#[derive(Debug, Clone, Default)]
pub(super) struct PutOff(BTreeMap<String, Matter>);

impl PutOff {
    /// This one was put off; what is said last counts.
    pub(super) fn note(&mut self, recipient: &str, matter: Matter) {
        if self.0.len() < 2 * limits::FAILING_MAILBOXES || self.0.contains_key(recipient) {
            self.0.insert(recipient.to_owned(), matter);
        }
    }

    /// People who count against it; full mailboxes are nothing special until they are many.
    pub(super) fn people(&self) -> u32 {
        let own = self.count(&[Matter::Own]);
        let others = self.count(&[Matter::System, Matter::Unclear]);
        let is_many = own >= limits::FAILING_MAILBOXES;
        number(if is_many { others + own } else { others })
    }

    /// People whom it put off for its own trouble.
    pub(super) fn by_the_system(&self) -> u32 {
        number(self.count(&[Matter::System]))
    }

    /// People for whom it asked for less.
    pub(super) fn asked(&self) -> u32 {
        number(self.count(&[Matter::Less]))
    }

    fn count(&self, matters: &[Matter]) -> usize {
        let of = |matter: &&Matter| matters.contains(matter);
        self.0.values().filter(of).count()
    }
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
