//! Who owns which address: one owner each, whatever the sources say.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::conflict::{Conflict, ConflictKind};
use super::join::{Chains, place};
use super::normalise::{claims_key, proper_keys};
use super::people::{Finder, People, Ruling, Slot, key_of};
use super::store::{Directory, entry_of, lookup_key};
use super::table::Table;
use super::x500::x500_key;
use super::{Entry, Normalise, Rules};

/// Owners, and those who went away with empty hands.
#[derive(Debug, Clone, Default)]
pub(super) struct Claims {
    /// From the key of an address to the head of its owner.
    pub(super) table: Table,
    /// Entries that are left out: their own address belongs to somebody else, who is named here
    /// and gets those of their addresses that nobody wants. Also what makes no entry at all.
    pub(super) left_out: BTreeMap<u32, Option<u32>>,
    /// The same, by who gets them.
    pub(super) heirs: BTreeMap<u32, Vec<u32>>,
    /// Keys that an entry claims and does not have.
    pub(super) lost: BTreeMap<u32, Vec<String>>,
    pub(super) conflicts: Vec<Conflict>,
    /// Keys of the addresses that two claim and nobody has settled.
    pub(super) disputed: HashSet<String>,
    /// Rulings that keep addresses with whom they had.
    pub(super) kept: Vec<(String, String)>,
    /// Domains in which somebody has an address.
    pub(super) inhabited: BTreeSet<String>,
}

/// The key of an X.500 address in the table of addresses, which all have an `@`.
pub(super) fn x500_line(x500: &str) -> String {
    format!("x500:{}", x500_key(x500))
}

/// What an entry claims: the key, and as it is written.
pub(super) fn keys_of(entry: &Entry) -> Vec<(String, String)> {
    let addresses = entry.addresses();
    let mut keys: Vec<(String, String)> = addresses
        .map(|address| (lookup_key(address), address.to_string()))
        .collect();
    keys.extend(entry.x500.iter().map(|one| (x500_line(one), one.clone())));
    keys
}

/// Gives every address its owner: by ruling, else to whom had it in `before`, else to the first.
pub(super) fn claims(
    people: &People,
    chains: &Chains,
    (rules, before): (&Rules, Option<&Directory>),
) -> Claims {
    let mut claiming = Claiming::new(people, chains, rules);
    claiming.run();
    let Some(before) = before else {
        return claiming.claims;
    };
    // A ruling for one address may cost another one its owner: a few rounds settle that.
    for _ in 0..4 {
        if !claiming.keep(before) {
            break;
        }
        claiming.run();
    }
    claiming.claims
}

struct Claiming<'a> {
    people: &'a People,
    chains: &'a Chains,
    rules: &'a Rules,
    finder: Option<Finder>,
    /// The head of the person of each record; made when somebody asks.
    head_of: Option<HashMap<usize, u32>>,
    /// Who is to have an address, by ruling.
    ruled: HashMap<String, u32>,
    /// Those who claim an address that somebody has: `(key, claimant)`.
    contests: Vec<(String, String, u32)>,
    claims: Claims,
    kept: BTreeMap<String, String>,
}

impl<'a> Claiming<'a> {
    fn new(people: &'a People, chains: &'a Chains, rules: &'a Rules) -> Self {
        let mut claiming = Self {
            people,
            chains,
            rules,
            finder: None,
            head_of: None,
            ruled: HashMap::new(),
            contests: Vec::new(),
            claims: Claims::default(),
            kept: BTreeMap::new(),
        };
        for (key, ruling) in &people.rulings {
            if let Some(owner) = &ruling.owner {
                claiming.rule(key, owner);
            }
        }
        claiming
    }

    /// The head of the person whose record this is, if he claims the address.
    fn rule(&mut self, key: &str, owner: &str) -> bool {
        let Some((source, id)) = owner.split_once('/') else {
            return false;
        };
        let people = self.people;
        let finder = self.finder.get_or_insert_with(|| people.finder());
        let Some(slot) = finder.find(people, source, id) else {
            return false;
        };
        let chains = self.chains;
        let head_of = self.head_of.get_or_insert_with(|| chains.head_of());
        let Some(head) = head_of.get(&slot).copied() else {
            return false;
        };
        // Who departed does not stand in the way of who is there.
        let claims = self
            .entry(head)
            .is_some_and(|entry| entry.departed.is_none() && claims_key(&entry, key, self.rules));
        if claims {
            self.ruled.insert(key.to_owned(), head);
        }
        claims
    }

    fn entry(&self, head: u32) -> Option<Entry> {
        entry_of(self.people, self.chains, self.rules, head)
    }

    fn owner(&self, key: &str) -> Option<u32> {
        let head = self.claims.table.find(key, |head| {
            let entry = self.entry(head);
            entry.is_some_and(|entry| claims_key(&entry, key, self.rules))
        })?;
        let heir = self.claims.left_out.get(&head).copied().flatten();
        Some(heir.unwrap_or(head))
    }

    fn run(&mut self) {
        self.contests.clear();
        self.claims = Claims::default();
        let chains = self.chains;
        let living = |head: &u32| {
            let slot = self.people.slots.get(place(*head));
            slot.is_some_and(Slot::is_living)
        };
        let (living, departed): (Vec<u32>, Vec<u32>) =
            chains.heads.iter().partition(|it| living(it));
        for head in living {
            self.claim(head);
        }
        // What was kept free for somebody who is left out himself.
        for (key, written, head) in std::mem::take(&mut self.contests) {
            if self.owner(&key).is_none() && !self.claims.left_out.contains_key(&head) {
                self.give(&key, head);
                if let Some(lost) = self.claims.lost.get_mut(&head) {
                    lost.retain(|one| *one != key);
                }
            } else {
                self.contests.push((key, written, head));
            }
        }
        self.inherit();
        // Who departed has what nobody else wants.
        for head in &departed {
            self.claim(*head);
        }
        self.inherit();
        if self.rules.normalise == Normalise::Apply {
            let heads = chains.heads.iter().copied();
            heads.for_each(|head| self.claim_proper(head));
        }
        self.tell();
        let kept = &self.kept;
        self.claims.kept = kept.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
    }

    fn claim(&mut self, head: u32) {
        let Some(entry) = self.entry(head) else {
            self.claims.left_out.insert(head, None);
            return;
        };
        let keys = keys_of(&entry);
        let taken = |this: &Self, key: &str| match this.ruled.get(key) {
            Some(owner) if *owner != head => true,
            Some(_) => false,
            None => this.owner(key).is_some_and(|owner| owner != head),
        };
        if let Some((own, _)) = keys.first()
            && taken(self, own)
        {
            self.claims.left_out.insert(head, None);
            if entry.departed.is_none() {
                let all = keys.into_iter();
                self.contests
                    .extend(all.map(|(key, written)| (key, written, head)));
            }
            return;
        }
        self.claim_ruled(head, &entry);
        for (key, written) in keys {
            if !taken(self, &key) {
                if self.owner(&key) != Some(head) {
                    self.give(&key, head);
                }
                continue;
            }
            self.claims.lost.entry(head).or_default().push(key.clone());
            if entry.departed.is_none() {
                self.contests.push((key, written, head));
            }
        }
    }

    /// Proper forms of addresses come behind all that sources say: nobody gets mail of somebody
    /// else because of a spelling.
    fn claim_proper(&mut self, head: u32) {
        let entry = self.entry(head);
        let Some(entry) = entry.filter(|_| !self.claims.left_out.contains_key(&head)) else {
            return;
        };
        for (key, written) in proper_keys(&entry, self.rules) {
            let ruled = self.ruled.get(&key).copied();
            match ruled.filter(|owner| *owner != head).or(self.owner(&key)) {
                Some(owner) if owner == head => {}
                None => self.give(&key, head),
                Some(_) => {
                    self.claims.lost.entry(head).or_default().push(key.clone());
                    if entry.departed.is_none() {
                        self.contests.push((key, written, head));
                    }
                }
            }
        }
    }

    /// Proper forms that an administrator gave to somebody count like what sources say.
    fn claim_ruled(&mut self, head: u32, entry: &Entry) {
        if self.ruled.is_empty() {
            return;
        }
        for (key, _) in proper_keys(entry, self.rules) {
            if self.ruled.get(&key) == Some(&head) && self.owner(&key).is_none() {
                self.give(&key, head);
            }
        }
    }

    /// Whose own address belongs to another entry leaves his further addresses to it: mail for them
    /// is not refused because two entries are in each other's way.
    fn inherit(&mut self) {
        let left_out = self.claims.left_out.iter();
        let left_out = left_out.filter(|(_, heir)| heir.is_none());
        let left_out: Vec<u32> = left_out.map(|(head, _)| *head).collect();
        for head in left_out {
            let Some(entry) = self.entry(head) else {
                continue;
            };
            let Some(heir) = self.owner(&lookup_key(&entry.address)) else {
                self.let_in(head, &entry);
                continue;
            };
            // Ann and ann are two people where case counts.
            let exact = self
                .rules
                .exact_case
                .contains(&entry.address.domain().key());
            let own = entry.address.unquoted_local();
            if exact && !self.has_spelling(heir, &own) {
                continue;
            }
            for (key, _) in keys_of(&entry) {
                if self.owner(&key).is_none() {
                    self.give(&key, head);
                }
            }
            self.claims.left_out.insert(head, Some(heir));
            self.claims.heirs.entry(heir).or_default().push(head);
        }
    }

    /// His address was kept free for somebody who is left out himself.
    fn let_in(&mut self, head: u32, entry: &Entry) {
        self.claims.left_out.remove(&head);
        for (key, _) in keys_of(entry) {
            if self.owner(&key).is_none() {
                self.give(&key, head);
            } else if self.owner(&key) != Some(head) {
                self.claims.lost.entry(head).or_default().push(key);
            }
        }
    }

    fn has_spelling(&self, head: u32, local: &str) -> bool {
        let entry = self.entry(head);
        entry.is_some_and(|entry| entry.addresses().any(|one| one.unquoted_local() == local))
    }

    /// A key that nobody has yet gets its owner.
    fn give(&mut self, key: &str, head: u32) {
        self.claims.table.set(key, head, |_| false);
        if let Some((_, domain)) = key.rsplit_once('@')
            && !key.starts_with("x500:")
            && !self.claims.inhabited.contains(domain)
        {
            self.claims.inhabited.insert(domain.to_owned());
        }
    }

    /// Looks for addresses that have left whom they belonged to while he still claims them.
    fn keep(&mut self, before: &Directory) -> bool {
        let mut changed = false;
        for (key, _, _) in self.contests.clone() {
            if self.ruled.contains_key(&key) {
                continue;
            }
            let Some(old) = before.owner_record(&key) else {
                continue;
            };
            let now = self.owner(&key).and_then(|head| self.record_name(head));
            if now.as_ref() != Some(&old) && self.rule(&key, &old) {
                self.kept.insert(key, old);
                changed = true;
            }
        }
        changed
    }

    fn record_name(&self, head: u32) -> Option<String> {
        let slot = self.people.slots.get(place(head))?;
        let (id, _) = slot.record()?;
        Some(key_of(self.people.source_name(slot), &id))
    }

    fn settled(&self, key: &str) -> Option<String> {
        let ruling: Option<&Ruling> = self.people.rulings.get(key);
        let ruling = ruling.filter(|ruling| !ruling.kept)?;
        Some(ruling.by.clone())
    }

    fn tell(&mut self) {
        let (mut conflicts, mut disputed) = (Vec::new(), HashSet::new());
        for (key, written, head) in &self.contests {
            let owner = self.owner(key);
            let claimant = self.entry(*head).map(|entry| entry.address.to_string());
            let claimant = claimant.unwrap_or_default();
            // The addresses of an entry that is left out, which nobody else wants.
            let owner = owner.or_else(|| {
                let own = self.entry(*head).map(|entry| lookup_key(&entry.address));
                self.owner(&own?)
            });
            let Some(owner) = owner.filter(|owner| owner != head) else {
                continue;
            };
            let name = self.entry(owner).map(|entry| entry.address.to_string());
            let settled = self.settled(key);
            let kind = if key.starts_with("x500:") {
                ConflictKind::X500
            } else {
                ConflictKind::Address
            };
            if kind == ConflictKind::Address && settled.is_none() {
                disputed.insert(key.clone());
            }
            conflicts.push(Conflict {
                kind,
                address: written.clone(),
                owner: name.unwrap_or_default(),
                owner_record: self.record_name(owner).unwrap_or_default(),
                claimant,
                claimant_record: self.record_name(*head).unwrap_or_default(),
                homes: Vec::new(),
                settled,
            });
        }
        (self.claims.conflicts, self.claims.disputed) = (conflicts, disputed);
    }
}
