//! What is kept with an account of the person whose it is.

use serde::{Deserialize, Serialize};

use crate::base::Timestamp;
use crate::directory::{Holder, Trace, is_named_otherwise};
use crate::smtp::Mailbox;

/// Records of before that are remembered, so that a name that comes back is known again.
const FORMER: usize = 8;

/// The person whose an account is, as the directory had him last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bond {
    /// His own address.
    pub address: Mailbox,
    /// His records, `SOURCE/ID`; none: the directory never named him.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<String>,
    /// Records that were his before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub former: Vec<String>,
    /// His name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// His X.500 addresses, which stay when an Exchange renames somebody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub x500: Vec<String>,
    /// His address is somebody else's; nobody gets in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub departed: Option<Departed>,
}

/// The address of an account is somebody else's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Departed {
    /// When that was seen.
    pub since: Timestamp,
    /// The own address of who has it.
    pub to: String,
    /// How that is known.
    pub why: Why,
}

/// How it is known that an address is somebody else's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// Who has it was there before under an address of his own.
    Taken,
    /// It may be the same person, and may be another: an administrator has to say.
    Doubt,
    /// It is no mailbox any more, but a group, a contact or a room.
    NoMailbox,
}

impl Bond {
    /// The bond to somebody whom the directory does not name.
    #[must_use]
    pub const fn unnamed(address: Mailbox) -> Self {
        Self {
            address,
            records: Vec::new(),
            former: Vec::new(),
            name: String::new(),
            x500: Vec::new(),
            departed: None,
        }
    }

    /// The bond to who has these records now, after `before`.
    #[must_use]
    pub(super) fn to(holder: &Holder, before: Option<&Self>) -> Self {
        let records: Vec<String> = holder.records.iter().map(|one| one.name.clone()).collect();
        let mut former = Vec::new();
        for one in before
            .into_iter()
            .flat_map(|it| it.records.iter().chain(&it.former))
        {
            if !records.contains(one) && !former.contains(one) {
                former.push(one.clone());
            }
        }
        former.truncate(FORMER);
        Self {
            address: holder.entry.address.clone(),
            records,
            former,
            // Who is without a name for once has not lost the one that he had.
            name: match before.filter(|_| holder.entry.name.is_empty()) {
                Some(before) => before.name.clone(),
                None => holder.entry.name.clone(),
            },
            x500: holder.entry.x500.iter().take(FORMER).cloned().collect(),
            departed: None,
        }
    }

    /// Is this holder of its address its person? An id that stays decides; without one, who has
    /// the address as his own.
    #[must_use]
    pub(super) fn is_of(&self, holder: &Holder) -> bool {
        let names = || holder.records.iter().map(|one| one.name.as_str());
        let is_his = |name: &str| self.records.iter().any(|own| own == name);
        let stays = |name: &str| Trace::is_lasting(name) && is_his(name);
        // The first source says who it is. One behind it that has not forgotten who left, and whose
        // record of him is joined with his successor's, says nothing.
        if names().next().is_some_and(stays) {
            return true;
        }
        if self.contradicts(holder) {
            return false;
        }
        if names().any(stays) {
            return true;
        }
        // A row of a source without ids was away, and is there for somebody else.
        let mut back = holder.records.iter().filter(|one| one.since > one.first);
        if back.any(|one| is_his(&one.name)) && self.is_named_otherwise(holder) {
            return false;
        }
        // Without an id nobody with another name comes back, and none comes from elsewhere.
        let may_be_another = self.departed.is_some() || self.has_other_ids(holder);
        if may_be_another && self.is_named_otherwise(holder) {
            return false;
        }
        names().any(is_his) || holder.entry.address.key() == self.address.key()
    }

    /// Are there ids that stay on both sides?
    fn has_other_ids(&self, holder: &Holder) -> bool {
        let mut theirs = holder.records.iter();
        self.records.iter().any(|one| Trace::is_lasting(one))
            && theirs.any(|one| Trace::is_lasting(&one.name))
    }

    /// Does a source have another lasting id for the holder than for this person?
    #[must_use]
    pub(super) fn contradicts(&self, holder: &Holder) -> bool {
        let lasting = self.records.iter().filter(|one| Trace::is_lasting(one));
        lasting.into_iter().any(|own| {
            let source = Trace::source_of(own);
            let theirs = holder.records.iter().map(|one| one.name.as_str());
            let mut theirs = theirs
                .filter(|name| Trace::is_lasting(name) && Trace::source_of(name) == source)
                .peekable();
            theirs.peek().is_some() && theirs.all(|name| name != own)
        })
    }

    /// Do the names speak for two people? Not when one is unknown, when they share a word (a
    /// marriage), or when an X.500 address stays.
    #[must_use]
    pub(super) fn is_named_otherwise(&self, holder: &Holder) -> bool {
        let entry = &holder.entry;
        let is_same = |one: &String| self.x500.iter().any(|own| own.eq_ignore_ascii_case(one));
        is_named_otherwise(&self.name, &entry.name) && !entry.x500.iter().any(is_same)
    }

    /// The same, departed.
    #[must_use]
    pub(super) fn departing(&self, (to, why): (&Mailbox, Why), now: Timestamp) -> Self {
        let since = self.departed.as_ref().map_or(now, |one| one.since);
        Self {
            departed: Some(Departed {
                since,
                to: to.to_string(),
                why,
            }),
            ..self.clone()
        }
    }
}
