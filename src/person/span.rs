//! Which mail is a person's: what came to his address since it is his, and what came to those
//! that he had before.

use super::bond::Bond;
use crate::base::Timestamp;
use crate::directory::{Directory, Holder, Past, Tenure, Trace, is_named_alike};
use crate::smtp::Mailbox;

/// Mail that came to a mailbox within a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The key under which the spool lists it.
    pub mailbox: String,
    /// Not what came earlier: it was of somebody else. `None`: from the beginning on.
    pub since: Option<Timestamp>,
    /// Not what came from this moment on: it is of somebody else. `None`: to this day.
    pub until: Option<Timestamp>,
}

impl Span {
    /// Did this come within it?
    #[must_use]
    pub fn covers(&self, at: Timestamp) -> bool {
        self.since.is_none_or(|since| since <= at) && self.until.is_none_or(|until| at < until)
    }
}

/// The mail of a person: `mailbox` is the key under which it is listed today, and comes first. The
/// directory remembers who had which address when, as far back as its log goes.
///
/// What came while somebody else had an address is not his. It is cut off only where somebody else
/// surely had it and went before he came, so that no disorder of the sources hides his own mail.
#[must_use]
pub fn spans(
    mailbox: &str,
    (address, bond): (&Mailbox, Option<&Bond>),
    directory: &Directory,
) -> Vec<Span> {
    let mut spans = vec![Span {
        mailbox: mailbox.to_owned(),
        since: None,
        until: None,
    }];
    let holder = directory.holder(address);
    // What stands in for a directory that nobody can read knows nothing of the past.
    let holder = holder.filter(|_| !directory.is_provisional());
    let leading = holder.as_ref().and_then(|holder| holder.records.first());
    if let (Some(holder), Some(leading)) = (&holder, leading) {
        let who = Who {
            holder,
            leading,
            bond,
            directory,
        };
        if leading.address.key() == mailbox
            && let Some(today) = spans.first_mut()
        {
            today.since = who.beginning(mailbox, leading.named_so);
        }
        spans.extend(who.before(mailbox));
    }
    spans
}

/// What tells a person from others.
struct Who<'a> {
    holder: &'a Holder,
    /// The record that says who he is. Others that are joined with it may lag behind, and still be
    /// of who had the address before.
    leading: &'a Trace,
    bond: Option<&'a Bond>,
    directory: &'a Directory,
}

impl Who<'_> {
    /// What came to addresses that he had before.
    fn before(&self, mailbox: &str) -> Vec<Span> {
        let mut tenures = self.leading.former.clone();
        for name in self.was().filter(|name| **name != self.leading.name) {
            // A source without ids knows a record by its address.
            let id = name.split_once('/').map_or("", |(_, id)| id);
            if !Trace::is_lasting(name)
                && let Ok(address) = id.parse::<Mailbox>()
            {
                let past = self.directory.past(&address.key()).into_iter();
                let his = past.filter(|past| past.record == *name);
                tenures.extend(his.map(|past| past.tenure));
            }
        }
        for alias in self.holder.entry.addresses() {
            let past = self.directory.past(&alias.key()).into_iter();
            let renamed = past.filter(|past| self.was_renamed(past));
            tenures.extend(renamed.map(|past| past.tenure));
        }
        let spans = tenures.iter().filter_map(|one| self.span_of(one, mailbox));
        let mut found: Vec<Span> = Vec::new();
        for span in spans {
            if !found.contains(&span) {
                found.push(span);
            }
        }
        found
    }

    /// Names of records that were his when somebody looked.
    fn was(&self) -> impl Iterator<Item = &String> {
        let bond = self.bond.into_iter();
        bond.flat_map(|bond| bond.records.iter().chain(&bond.former))
    }

    /// Went a record of a source without ids in the same generation in which his came, and is his
    /// name alike?
    fn was_renamed(&self, past: &Past) -> bool {
        past.record != self.leading.name
            && past.tenure.until == self.leading.first
            && self.resembles(past)
            && !self.is_other(past)
    }

    /// What came to an address while it was his; `None` when somebody else had it then.
    fn span_of(&self, tenure: &Tenure, mailbox: &str) -> Option<Span> {
        let key = tenure.address.key();
        let others = self.others(&key);
        let holder = self.directory.holder(&tenure.address);
        let holder = holder.filter(|holder| holder.entry.address.key() == key);
        // Who has it today as his own, and since when.
        let today = holder.filter(|_| key != self.holder.entry.address.key());
        let today = today.map(|holder| {
            let records = holder.records.iter();
            let its = records.filter(|one| one.address.key() == key);
            its.map(|one| one.named_so)
                .min()
                .unwrap_or(Timestamp::EPOCH)
        });
        // Who had it first kept it: a record that only claimed it got none of its mail.
        let had_it = |other: &&Tenure| other.since <= tenure.since && other.until > tenure.since;
        if others.iter().any(|other| had_it(&other))
            || today.is_some_and(|since| since <= tenure.since)
        {
            return None;
        }
        let has_after = others.iter().any(|other| other.until > tenure.until);
        let is_closed = key == mailbox || today.is_some() || has_after;
        Some(Span {
            since: self.beginning(&key, tenure.since),
            // What was under way meanwhile came a moment later.
            until: is_closed.then_some(tenure.until),
            mailbox: key,
        })
    }

    /// From when on mail to an address is his, who has it since then: from the beginning on, unless
    /// somebody else had it before.
    fn beginning(&self, key: &str, since: Timestamp) -> Option<Timestamp> {
        let others = self.others(key);
        let is_earlier = others.iter().any(|other| other.until <= since);
        is_earlier.then_some(since)
    }

    /// When others had an address.
    fn others(&self, key: &str) -> Vec<Tenure> {
        let past = self.directory.past(key).into_iter();
        let others = past.filter(|past| self.is_other(past));
        others.map(|past| past.tenure).collect()
    }

    /// Was it surely somebody else who had an address?
    fn is_other(&self, past: &Past) -> bool {
        if past.record == self.leading.name {
            return past.tenure.was_another;
        }
        if self.was().any(|name| *name == past.record) {
            return false;
        }
        let is_same_source = Trace::source_of(&past.record) == Trace::source_of(&self.leading.name);
        let have_ids = Trace::is_lasting(&past.record) && Trace::is_lasting(&self.leading.name);
        if is_same_source && have_ids {
            return true;
        }
        let mut records = self.holder.records.iter();
        if records.any(|one| one.name == past.record) {
            return false;
        }
        past.is_living || !self.resembles(past)
    }

    fn resembles(&self, past: &Past) -> bool {
        let entry = &self.holder.entry;
        let is_same = |own: &String| past.x500.iter().any(|it| it.eq_ignore_ascii_case(own));
        is_named_alike(&entry.name, &past.name) || entry.x500.iter().any(is_same)
    }
}
