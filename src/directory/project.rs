//! From the records of one person to one entry: which source counts for which fact.

use std::collections::BTreeMap;

use super::people::Ruling;
use super::{Entry, EntryKind, Fact, HAND, Record, Rules};
use crate::base::Timestamp;
use crate::mail::BackendId;
use crate::smtp::Mailbox;

/// What a source says of one person.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) source: String,
    pub(super) record: Record,
    pub(super) departed: Option<Timestamp>,
}

/// Which source a fact comes from.
pub type Provenance = BTreeMap<Fact, Vec<String>>;

/// One entry of what all sources say; the first counts where no other order is given. `None` when
/// nobody says anything.
pub(super) fn project(said: Vec<Said>, ruling: Option<&Ruling>, rules: &Rules) -> Option<Entry> {
    let mut said = said;
    if said.len() == 1 {
        return said.pop().map(|one| alone(one, ruling));
    }
    Some(Projection { said: &said, rules }.entry(ruling)?.0)
}

/// The same, and where each fact comes from.
pub(super) fn explain(
    said: &[Said],
    ruling: Option<&Ruling>,
    rules: &Rules,
) -> Option<(Entry, Provenance)> {
    Projection { said, rules }.entry(ruling)
}

fn alone(one: Said, ruling: Option<&Ruling>) -> Entry {
    let Said {
        record, departed, ..
    } = one;
    let ruled = ruling.and_then(|ruling| ruling.home.clone());
    Entry {
        address: record.address,
        home: ruled.or(record.home),
        delivery_address: record.delivery_address,
        delivery_addresses: record.delivery_addresses,
        name: record.name,
        kind: record.kind.unwrap_or_default(),
        aliases: record.aliases,
        x500: record.x500,
        second_address: record.second_address,
        members: record.members,
        receive_only: record.receive_only,
        hidden: record.hidden.unwrap_or_default(),
        internal_only: record.internal_only.unwrap_or_default(),
        departed,
    }
}

struct Projection<'a> {
    said: &'a [Said],
    rules: &'a Rules,
}

impl<'a> Projection<'a> {
    /// The records in the order that counts for a fact.
    fn ordered(&self, fact: Fact) -> Vec<&'a Said> {
        let mut ordered: Vec<&Said> = self.said.iter().collect();
        ordered.sort_by_key(|one| {
            // What is said by hand has the address that the person had then: it may be another now.
            let names_only = fact == Fact::Address && one.source == HAND;
            (names_only, self.rules.rank_for(fact, &one.source))
        });
        ordered
    }

    fn first<T>(
        &self,
        fact: Fact,
        from: &mut Provenance,
        value: impl Fn(&'a Record) -> Option<T>,
    ) -> Option<T> {
        let (source, value) = self
            .ordered(fact)
            .into_iter()
            .find_map(|one| Some((&one.source, value(&one.record)?)))?;
        from.insert(fact, vec![source.clone()]);
        Some(value)
    }

    /// All values of all sources, each once.
    fn all<T: Clone>(
        &self,
        fact: Fact,
        from: &mut Provenance,
        (values, key): (impl Fn(&'a Record) -> Vec<T>, impl Fn(&T) -> String),
    ) -> Vec<T> {
        let (mut all, mut keys) = (Vec::new(), Vec::new());
        for one in self.ordered(fact) {
            for value in values(&one.record) {
                let key = key(&value);
                if keys.contains(&key) {
                    continue;
                }
                keys.push(key);
                all.push(value);
                let sources = from.entry(fact).or_default();
                if !sources.contains(&one.source) {
                    sources.push(one.source.clone());
                }
            }
        }
        all
    }

    fn entry(&self, ruling: Option<&Ruling>) -> Option<(Entry, Provenance)> {
        let mut from = Provenance::new();
        let address = self.first(Fact::Address, &mut from, |record| {
            Some(record.address.clone())
        })?;
        let own = address.key();
        let mut aliases = self.all(
            Fact::Aliases,
            &mut from,
            (
                |record: &Record| {
                    let others = [&record.address].into_iter().chain(&record.aliases);
                    others.cloned().collect()
                },
                Mailbox::key,
            ),
        );
        aliases.retain(|alias| alias.key() != own);
        let known: Vec<String> = aliases.iter().map(Mailbox::key).collect();
        let mut receive_only = self.all(
            Fact::Aliases,
            &mut from,
            (|record: &Record| record.receive_only.clone(), Mailbox::key),
        );
        receive_only.retain(|one| one.key() != own && !known.contains(&one.key()));
        if aliases.is_empty() && receive_only.is_empty() {
            from.remove(&Fact::Aliases);
        }
        let kind = self.kind(&mut from);
        let home = self.home(ruling, &mut from);
        let entry = Entry {
            home,
            kind,
            delivery_address: self.first(Fact::DeliveryAddress, &mut from, |record| {
                record.delivery_address.clone()
            }),
            delivery_addresses: self.delivery_addresses(),
            name: self
                .first(Fact::Name, &mut from, |record| {
                    (!record.name.is_empty()).then(|| record.name.clone())
                })
                .unwrap_or_default(),
            x500: self.all(
                Fact::X500,
                &mut from,
                (
                    |record: &Record| record.x500.clone(),
                    |one: &String| one.to_lowercase(),
                ),
            ),
            second_address: self.first(Fact::SecondAddress, &mut from, |record| {
                record.second_address.clone()
            }),
            members: self
                .first(Fact::Members, &mut from, |record| {
                    (!record.members.is_empty()).then(|| record.members.clone())
                })
                .unwrap_or_default(),
            hidden: self
                .first(Fact::Hidden, &mut from, |record| record.hidden)
                .unwrap_or_default(),
            internal_only: self
                .first(Fact::InternalOnly, &mut from, |record| record.internal_only)
                .unwrap_or_default(),
            departed: self.departed(),
            address,
            aliases,
            receive_only,
        };
        Some((entry, from))
    }

    fn delivery_addresses(&self) -> BTreeMap<BackendId, Mailbox> {
        let mut all = BTreeMap::new();
        for one in self.ordered(Fact::DeliveryAddress) {
            for (backend, address) in &one.record.delivery_addresses {
                all.entry(backend.clone())
                    .or_insert_with(|| address.clone());
            }
        }
        all
    }

    /// A mailbox anywhere beats a mail user here: that is what a mail user stands for.
    fn kind(&self, from: &mut Provenance) -> EntryKind {
        let said = self.first(Fact::Type, from, |record| record.kind);
        let mailbox = |record: &Record| record.kind.filter(|_| record.has_mailbox());
        match said {
            Some(EntryKind::User | EntryKind::Contact) => {
                self.first(Fact::Type, from, mailbox).or(said)
            }
            other => other,
        }
        .unwrap_or_default()
    }

    /// What was said by hand, settled, said by whoever has the mailbox, said by anybody.
    fn home(&self, ruling: Option<&Ruling>, from: &mut Provenance) -> Option<BackendId> {
        let by_hand = |one: &&Said| self.rules.rank(&one.source) == 0 && one.record.home.is_some();
        if let Some(one) = self.said.iter().find(by_hand) {
            from.insert(Fact::Home, vec![one.source.clone()]);
            return one.record.home.clone();
        }
        if let Some(ruling) = ruling
            && let Some(home) = &ruling.home
        {
            from.insert(Fact::Home, vec![format!("settled by {}", ruling.by)]);
            return Some(home.clone());
        }
        let of_mailbox = |record: &Record| record.home.clone().filter(|_| record.has_mailbox());
        self.first(Fact::Home, from, of_mailbox)
            .or_else(|| self.first(Fact::Home, from, |record| record.home.clone()))
    }

    /// The latest, when all are gone who know the person themselves.
    fn departed(&self) -> Option<Timestamp> {
        let knowing = self.said.iter();
        let knowing = knowing.filter(|one| self.rules.makes_people(&one.source));
        let departed: Option<Vec<_>> = knowing.map(|one| one.departed).collect();
        departed?.into_iter().max()
    }
}

/// The homes of a person who has a mailbox on more than one, with who says so.
pub(super) fn homes(said: &[Said]) -> Vec<(BackendId, String)> {
    let mut homes: Vec<(BackendId, String)> = Vec::new();
    for one in said.iter().filter(|one| one.record.has_mailbox()) {
        if let Some(home) = &one.record.home
            && homes.iter().all(|(known, _)| known != home)
        {
            homes.push((home.clone(), one.source.clone()));
        }
    }
    if homes.len() > 1 { homes } else { Vec::new() }
}
