//! Whom mail for a backend is for, and how likely it takes it while it is rejecting.

use std::collections::{HashSet, VecDeque};
use std::fmt;
use std::hash::Hash;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::Timestamp;

/// A person to whom mail goes, whichever of his addresses it names.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Addressee {
    /// The key of his address in the directory; of whom the directory does not name, the key of
    /// the address without its tag.
    pub person: String,
    /// How he is named to the backend.
    pub form: Form,
}

/// How somebody is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Form {
    /// By an address of his.
    Plain,
    /// With a tag (RFC 5233), which not every backend knows: that it knows nobody of that name says
    /// nothing about him.
    Tagged,
}

/// How likely a backend that is rejecting takes mail for somebody: the best one comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Prospect {
    /// It took mail for him lately.
    Accepted,
    /// Nothing is known.
    Open,
    /// The same, and he is named with a tag, or is nobody whom the directory knows.
    Tagged,
    /// It refused him since it is rejecting.
    Refused,
}

/// Somebody who was refused at RCPT: who asks for him needs no mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RefusedAtRcpt {
    /// The key of his address in the directory.
    pub person: String,
    /// Who wrote to him, as was said at MAIL; empty: the null path. Some servers say at RCPT what
    /// they have against a sender.
    pub sender: String,
    /// As he was named at RCPT.
    pub recipient: String,
}

/// What a backend said when it was asked for somebody without mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastAsked {
    /// When it said so.
    pub at: Timestamp,
    /// For whom, as he was named at RCPT.
    pub recipient: String,
    /// What it said, or what stood in the way.
    pub reply: String,
}

/// `ann@example.org at 2026-11-18T10:02:00.000Z: 550 5.1.1 unknown`.
impl fmt::Display for LastAsked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}: {}", self.recipient, self.at, self.reply)
    }
}

/// The last ones of many, each once. Bounded.
#[derive(Debug, Clone)]
pub(super) struct Lately<T> {
    most: usize,
    order: VecDeque<T>,
    known: HashSet<T>,
}

impl<T: Clone + Eq + Hash> Lately<T> {
    /// None yet, and never more than so many.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            order: VecDeque::new(),
            known: HashSet::new(),
        }
    }

    /// Adds one; beyond the bound the oldest is forgotten.
    pub(super) fn note(&mut self, one: T) {
        if !self.known.insert(one.clone()) {
            return;
        }
        self.order.push_back(one);
        if self.order.len() > self.most
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    pub(super) fn has(&self, one: &T) -> bool {
        self.known.contains(one)
    }

    pub(super) fn forget(&mut self, one: &T) {
        if self.known.remove(one) {
            self.order.retain(|other| other != one);
        }
    }

    pub(super) fn clear(&mut self) {
        self.order.clear();
        self.known.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ones_are_known() {
        let mut lately = Lately::new(2);
        let known = |lately: &Lately<u8>| [1, 2, 3].map(|one| lately.has(&one));
        for one in [1, 2, 1, 3] {
            lately.note(one);
        }
        assert_eq!(known(&lately), [false, true, true]);
        lately.forget(&2);
        lately.forget(&1);
        lately.note(1);
        assert_eq!(known(&lately), [true, false, true]);
        lately.clear();
        assert_eq!(known(&lately), [false, false, false]);
    }
}
