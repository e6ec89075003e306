//! Which mail is a person's: what came to his address since it is his, and what came to those
//! that he had before.

use super::bond::Bond;
use crate::base::Timestamp;
use crate::directory::{Directory, Holder, Past, Trace, is_named_alike};
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
/// directory remembers who had which address, as far back as its log goes.
///
/// What may be somebody else's is not his: a name that is not known speaks for nobody here.
#[must_use]
pub fn spans(
    mailbox: &str,
    (address, bond): (&Mailbox, Option<&Bond>),
    directory: &Directory,
) -> Vec<Span> {
    let holder = directory.holder(address);
    let who = Who::of(holder.as_ref(), bond);
    let mut spans = vec![Span {
        mailbox: mailbox.to_owned(),
        since: who.others(mailbox, &directory.past(mailbox)).max(),
        until: None,
    }];
    for key in who.former(address, directory) {
        if spans.iter().all(|span| span.mailbox != key) {
            spans.push(who.span_of(key, directory));
        }
    }
    spans
}

/// What tells a person from others.
struct Who<'a> {
    /// His records of today.
    records: Vec<&'a str>,
    /// Those that were his when somebody looked.
    before: Vec<&'a str>,
    name: &'a str,
    x500: &'a [String],
    /// His records' own addresses, and since when.
    own: Vec<(String, Timestamp)>,
    /// Addresses that lead to him.
    aliases: Vec<&'a Mailbox>,
}

impl<'a> Who<'a> {
    fn of(holder: Option<&'a Holder>, bond: Option<&'a Bond>) -> Self {
        let records = holder.map_or(&[][..], |holder| &holder.records);
        let today = records.iter().map(|one| one.name.as_str());
        let before = bond.into_iter();
        let before = before.flat_map(|bond| bond.records.iter().chain(&bond.former));
        let entry = holder.map(|holder| &holder.entry);
        let (name, x500) = match (entry, bond) {
            (Some(entry), _) => (entry.name.as_str(), &entry.x500[..]),
            (None, Some(bond)) => (bond.name.as_str(), &bond.x500[..]),
            (None, None) => ("", &[][..]),
        };
        Self {
            records: today.collect(),
            before: before.map(String::as_str).collect(),
            name,
            x500,
            own: records
                .iter()
                .map(|one| (one.address.key(), one.named_so))
                .collect(),
            aliases: entry.map_or_else(Vec::new, |entry| entry.addresses().collect()),
        }
    }

    /// Keys of addresses that were his own, and are so no more.
    fn former(&self, address: &Mailbox, directory: &Directory) -> Vec<String> {
        let renamed = directory.former(address);
        let mut keys: Vec<String> = renamed.iter().map(Mailbox::key).collect();
        // A source without ids knows a record by its address.
        let named = self.records.iter().chain(&self.before);
        let named = named.filter(|name| !Trace::is_lasting(name));
        let named = named.filter_map(|name| name.split_once('/')?.1.parse::<Mailbox>().ok());
        keys.extend(named.map(|one| one.key()));
        for alias in self.aliases.iter().map(|alias| alias.key()) {
            let mut past = directory.past(&alias).into_iter();
            if past.any(|past| self.is_his(&alias, &past)) {
                keys.push(alias);
            }
        }
        let own = address.key();
        keys.retain(|key| *key != own);
        keys
    }

    /// What came to an address while it was his own.
    fn span_of(&self, key: String, directory: &Directory) -> Span {
        let past = directory.past(&key);
        let mine = past.iter().filter(|past| self.is_his(&key, past));
        let ended = mine.map(|past| past.until).max();
        let (mut before, mut after) = (None, None);
        for other in self.others(&key, &past) {
            if ended.is_none_or(|ended| other > ended) {
                after = ended;
            } else {
                before = before.max(Some(other));
            }
        }
        // Who has it now, and since when; it is not this person's own any more.
        let holder = key.parse::<Mailbox>().ok();
        let holder = holder.and_then(|address| directory.holder(&address));
        let holder = holder.filter(|holder| holder.entry.address.key() == key);
        let taken = holder.map(|holder| {
            let records = holder.records.iter();
            let its = records.filter(|one| one.address.key() == key);
            its.map(|one| one.named_so)
                .min()
                .unwrap_or(Timestamp::EPOCH)
        });
        Span {
            mailbox: key,
            since: before,
            until: match taken {
                Some(taken) => Some(ended.map_or(taken, |ended| ended.min(taken))),
                None => after,
            },
        }
    }

    /// When others ceased to have an address.
    fn others(&self, key: &str, past: &[Past]) -> impl Iterator<Item = Timestamp> {
        let others = past.iter().filter(move |past| !self.is_his(key, past));
        others.map(|past| past.until)
    }

    /// Is it this person who had an address?
    fn is_his(&self, key: &str, past: &Past) -> bool {
        let (is_today, was) = (
            self.records.contains(&past.record.as_str()),
            self.before.contains(&past.record.as_str()),
        );
        match (is_today, past.was_another) {
            (true, was_another) => return !was_another,
            (false, _) if was => return true,
            (false, true) => return false,
            (false, false) => {}
        }
        let source = Trace::source_of(&past.record);
        let is_same_source = |one: &&str| Trace::is_lasting(one) && Trace::source_of(one) == source;
        let has_another_id =
            Trace::is_lasting(&past.record) && self.records.iter().any(is_same_source);
        // Another record of its source, and it is there under its own address.
        if has_another_id || past.is_living {
            return false;
        }
        // Two sources named the same address at the same time: they were joined.
        let was_joined = |(own, since): &(String, Timestamp)| own == key && *since < past.until;
        self.own.iter().any(was_joined) || self.resembles(past)
    }

    fn resembles(&self, past: &Past) -> bool {
        let is_same = |own: &String| past.x500.iter().any(|it| it.eq_ignore_ascii_case(own));
        is_named_alike(self.name, &past.name) || self.x500.iter().any(is_same)
    }
}
