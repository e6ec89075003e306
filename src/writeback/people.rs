//! Whose work there is: the accounts of the webmail, and where their mailboxes are now.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::record::Meant;
use super::{WritebackError, Writebacks};
use crate::base::Timestamp;
use crate::directory::{Directory, EntryKind, FoundBy, Lookup};
use crate::mail::BackendId;
use crate::person::{Belonging, Bond, Departed, Span, belonging, spans};
use crate::route::{Admission, Admit as _, Origin, Router};
use crate::smtp::Mailbox;
use crate::spool::{Spool, SpoolError};

/// The facts of the accounts; each has an `address`.
const ACCOUNTS: &str = "account";

/// Why nothing is carried for those without a home.
pub(super) const NOWHERE: &str = "no backend holds the mailbox";
/// Why nothing is carried for those who departed.
pub(super) const DEPARTED: &str = "their address belongs to somebody else now, who shall not get \
    their work: `tideover user list` says to whom; if it is the same person, say so with \
    `tideover user confirm`";

/// Somebody who may have worked in the webmail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Person {
    /// The key under which the spool lists his mail.
    pub(super) mailbox: String,
    /// Keys that it had, or may have had: his other addresses, unless they are somebody else's.
    pub(super) former: Vec<String>,
    /// Which mail under these keys is his, as far as the directory remembers.
    spans: Vec<Span>,
    /// His own address.
    pub(super) address: Mailbox,
    /// His accounts, by the addresses under which they were made: usually one.
    pub(super) accounts: Vec<Mailbox>,
    /// What was sent before is of somebody else who had the address then.
    pub(super) began: Timestamp,
    /// What is known of whose the first one is.
    bond: Option<Bond>,
    /// Why nothing of his is carried: his address is somebody else's.
    pub(super) departed: Option<String>,
    /// What they may send as.
    pub(super) addresses: Vec<Mailbox>,
    /// The backend that holds the mailbox, and its address there.
    pub(super) home: Option<Home>,
}

/// A backend that holds a mailbox, and the mailbox's address there.
pub(super) type Home = (BackendId, Mailbox);

impl Person {
    pub(super) fn backend(&self) -> Option<&BackendId> {
        self.home.as_ref().map(|(backend, _)| backend)
    }

    /// Every key under which something of his may stand; today's is the last one.
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        let former = self.former.iter().map(String::as_str);
        former.chain([self.mailbox.as_str()])
    }

    fn add_former(&mut self, keys: impl Iterator<Item = String>) {
        for key in keys {
            if key != self.mailbox && !self.former.contains(&key) {
                self.former.push(key);
            }
        }
    }

    /// Is what came to one of his keys his? Before and after, it may have been somebody else's.
    pub(super) fn is_his(&self, mailbox: &str, at: Timestamp) -> bool {
        let known = self.spans.iter().filter(|span| span.mailbox == mailbox);
        let mut known = known.peekable();
        known.peek().is_none() || known.any(|span| span.covers(at))
    }

    /// Where it is by now; nowhere when it is somebody else's.
    pub(super) fn home_now(&self, router: &Router) -> Option<Home> {
        let account = self.accounts.first()?;
        let person = whose(router, (account, self.bond.as_ref())).ok()?;
        home_of(router, &person)
    }

    /// Why nothing of his is carried when no backend holds his mailbox.
    pub(super) fn why_nowhere(&self, router: &Router) -> String {
        if let Some(why) = &self.departed {
            return why.clone();
        }
        let account = self.accounts.first();
        let whose = account.map(|account| whose(router, (account, self.bond.as_ref())));
        match whose {
            Some(Err(departed)) => is_left_out(&departed),
            Some(Ok(_)) | None => NOWHERE.to_owned(),
        }
    }

    /// Under what its result is told: who departed has no mailbox any more.
    pub(super) fn label(&self) -> String {
        match self.departed {
            Some(_) => format!("{} (departed)", self.mailbox),
            None => self.mailbox.clone(),
        }
    }
}

/// An account of the webmail, as far as it counts here.
#[derive(Debug, Deserialize)]
struct Account {
    address: Mailbox,
    #[serde(default)]
    bond: Option<Bond>,
    #[serde(default)]
    began: Option<Timestamp>,
}

/// The own address of an account's person, or whose its address is now.
fn whose(router: &Router, (account, bond): (&Mailbox, Option<&Bond>)) -> Result<Mailbox, Departed> {
    let directory = router.directory().current();
    match belonging(account, bond, (&directory, Timestamp::EPOCH)) {
        Belonging::Own(entry) => Ok(entry.address),
        Belonging::Nobody => Ok(bond.map_or(account, |bond| &bond.address).clone()),
        Belonging::Another(departed) => Err(departed),
    }
}

fn accounts(spool: &Spool) -> Result<Vec<Account>, SpoolError> {
    let mut accounts = Vec::new();
    for (key, value) in spool.facts(ACCOUNTS, "")? {
        match serde_json::from_value(value) {
            Ok(account) => accounts.push(account),
            Err(error) => tracing::error!(
                key, %error,
                "an account is left out of write-back: it cannot be read"
            ),
        }
    }
    Ok(accounts)
}

/// Everybody who is meant, by mailbox. Blocks.
pub(super) fn people(
    (spool, router): (&Spool, &Router),
    (meant, named): (&Meant, &BTreeSet<String>),
) -> Result<Vec<Person>, SpoolError> {
    let mut people: BTreeMap<String, Person> = BTreeMap::new();
    let accounts = accounts(spool)?;
    // What somebody did under his key is nobody else's, whoever has the address.
    let mut keys: BTreeSet<String> = accounts.iter().map(|it| it.address.key()).collect();
    let last = accounts.iter().filter_map(|it| it.bond.as_ref());
    keys.extend(last.map(|bond| bond.address.key()));
    for one in accounts {
        let Account {
            address: account,
            bond,
            began,
        } = one;
        let is_named = |key: &str| named.is_empty() || named.contains(key);
        let address = match whose(router, (&account, bond.as_ref())) {
            Ok(address) => address,
            Err(departed) => {
                let person = left_out((account, bond), &departed);
                if is_named(&person.mailbox) {
                    people.insert(person.label(), person);
                }
                continue;
            }
        };
        let (mailbox, _) = mailbox_of(router, &address);
        if !is_named(&mailbox) && !is_named(&account.key()) {
            continue;
        }
        let home = home_of(router, &address);
        let directory = router.directory().current();
        let spans = spans(&mailbox, (&address, bond.as_ref()), &directory);
        let had: Vec<String> = spans.iter().map(|span| span.mailbox.clone()).collect();
        let person = people.entry(mailbox.clone()).or_insert_with(|| Person {
            former: former(router, &mailbox)
                .into_iter()
                .filter(|key| !keys.contains(key))
                .collect(),
            spans,
            mailbox: mailbox.clone(),
            address: address.clone(),
            accounts: Vec::new(),
            began: began.unwrap_or(Timestamp::EPOCH),
            bond,
            departed: None,
            addresses: vec![account.clone()],
            home,
        });
        let is_anothers = |key: &String| !had.contains(key) && is_own(&directory, key);
        let former = had.iter().cloned().chain([account.key()]);
        person.add_former(former.filter(|key| !is_anothers(key)));
        for one in addresses_of(router, &address) {
            if person
                .addresses
                .iter()
                .all(|other| other.key() != one.key())
            {
                person.addresses.push(one);
            }
        }
        person.accounts.push(account);
    }
    let is_meant = |person: &Person| match &meant.backend {
        Some(backend) => person.backend() == Some(backend),
        None => true,
    };
    Ok(people.into_values().filter(is_meant).collect())
}

/// Has an entry this address as its own?
fn is_own(directory: &Directory, key: &str) -> bool {
    let address = Mailbox::written_key(key).parse::<Mailbox>().ok();
    let holder = address.and_then(|address| directory.holder(&address));
    holder.is_some_and(|holder| holder.entry.address.key() == key)
}

/// Whose address is somebody else's, with what he did.
fn left_out((account, bond): (Mailbox, Option<Bond>), departed: &Departed) -> Person {
    let key = account.key();
    let last = bond.map(|bond| bond.address.key());
    Person {
        former: last.into_iter().filter(|last| *last != key).collect(),
        spans: Vec::new(),
        mailbox: key,
        address: account.clone(),
        addresses: vec![account.clone()],
        accounts: vec![account],
        began: Timestamp::EPOCH,
        bond: None,
        departed: Some(is_left_out(departed)),
        home: None,
    }
}

fn is_left_out(departed: &Departed) -> String {
    format!(
        "left out: the address belongs to {} now; if that is the same person, say so with \
         `tideover user confirm`",
        departed.to
    )
}

/// Who is looked at: who is named is told, too, when his mailbox is not where it is meant. Blocks.
pub(super) fn candidates(
    parts: (&Spool, &Router),
    (meant, named): (&Meant, &BTreeSet<String>),
) -> Result<Vec<Person>, SpoolError> {
    if named.is_empty() {
        people(parts, (meant, named))
    } else {
        people(parts, (&Meant::default(), named))
    }
}

/// Why somebody with his mailbox there is not meant.
pub(super) fn is_elsewhere(home: &BackendId, meant: &Meant) -> Option<String> {
    let meant = meant.backend.as_ref().filter(|meant| *meant != home)?;
    Some(format!(
        "the mailbox is at {home} now, and this is for {meant} only"
    ))
}

/// Where the mailbox of an account is now; `None`: no backend holds one.
pub(super) fn home_of(router: &Router, account: &Mailbox) -> Option<Home> {
    let home = mailbox_of(router, account).1?;
    let holder = router.mailbox_at(account, &home)?;
    Some((home, holder))
}

impl Writebacks {
    /// Keys of the mailboxes that are meant by these addresses; aliases count, too.
    ///
    /// # Errors
    /// With those that no user has, or when the index fails.
    pub async fn named(&self, addresses: Vec<Mailbox>) -> Result<BTreeSet<String>, WritebackError> {
        let parts = self.parts();
        let router = parts.router.clone();
        let looking = move |spool: &Spool| named((spool, &router), &addresses);
        match parts.spool.beside(looking).await? {
            (keys, unknown) if unknown.is_empty() => Ok(keys),
            (_, unknown) => {
                let unknown: Vec<String> = unknown.iter().map(Mailbox::to_string).collect();
                Err(WritebackError::Nobody(unknown.join(", ")))
            }
        }
    }

    /// Whom a run writes down, so that who moves away before it is his turn is told; `None`:
    /// everybody is meant, and nobody written down.
    pub(super) async fn listed(
        &self,
        (meant, named): (Meant, BTreeSet<String>),
    ) -> Result<Option<BTreeSet<String>>, SpoolError> {
        if meant.backend.is_none() || !named.is_empty() {
            return Ok(Some(named).filter(|named| !named.is_empty()));
        }
        let router = self.parts().router.clone();
        let looking = move |spool: &Spool| people((spool, &router), (&meant, &named));
        let people = self.parts().spool.beside(looking).await?;
        Ok(Some(people.into_iter().map(|one| one.mailbox).collect()))
    }
}

/// Mailboxes, and addresses that no user has.
fn named(
    (spool, router): (&Spool, &Router),
    addresses: &[Mailbox],
) -> Result<(BTreeSet<String>, Vec<Mailbox>), SpoolError> {
    let (mut keys, mut unknown) = (BTreeSet::new(), Vec::new());
    let (accounts, directory) = (accounts(spool)?, router.directory().current());
    for address in addresses {
        // An account of this address whose person is somebody else than who has it.
        let own = accounts
            .iter()
            .find(|one| one.address.key() == address.key());
        let own = own.filter(|one| whose(router, (&one.address, one.bond.as_ref())).is_err());
        if let Some(own) = own {
            keys.insert(own.address.key());
            continue;
        }
        let is_known = match directory.lookup(address) {
            Lookup::Known { entry, .. } => {
                !matches!(entry.kind, EntryKind::Group | EntryKind::Contact)
            }
            // Who is gone from the directory may have worked here before.
            Lookup::Unknown(_) | Lookup::Stranger => {
                spool.fact(ACCOUNTS, &address.key())?.is_some()
            }
        };
        if is_known {
            keys.insert(mailbox_of(router, address).0);
        } else {
            unknown.push(address.clone());
        }
    }
    Ok((keys, unknown))
}

fn mailbox_of(router: &Router, address: &Mailbox) -> (String, Option<BackendId>) {
    let found = router.directory().current().find(address);
    match router.admit(address, Origin::Trusted) {
        // It was his own, and is a tag of somebody else's now.
        Admission::Accept { .. } if matches!(found, Some((_, FoundBy::Tag))) => {
            (address.key(), None)
        }
        Admission::Accept { lane, mailbox, .. } => {
            let home = Some(lane).filter(|lane| !lane.starts_with('@'));
            let key = mailbox.unwrap_or_else(|| address.key());
            (key, home.map(|name| BackendId::new(&name)))
        }
        Admission::Reject(_) => (address.key(), None),
    }
}

/// Who gets a new address usually keeps the one of before as an alias. The directory gives each
/// address to one entry: what is another's own is no alias here.
fn former(router: &Router, mailbox: &str) -> Vec<String> {
    let Some(address) = Mailbox::written_key(mailbox).parse::<Mailbox>().ok() else {
        return Vec::new();
    };
    match router.directory().current().lookup(&address) {
        Lookup::Known { entry, .. }
            if entry.address.key() == mailbox
                && !matches!(entry.kind, EntryKind::Group | EntryKind::Contact) =>
        {
            let keys = router.directory().current().keys_of(&address);
            keys.into_iter().filter(|key| key != mailbox).collect()
        }
        Lookup::Known { .. } | Lookup::Unknown(_) | Lookup::Stranger => Vec::new(),
    }
}

/// What was sent from any of his addresses is his, also from one that only receives today.
fn addresses_of(router: &Router, account: &Mailbox) -> Vec<Mailbox> {
    let mut addresses = vec![account.clone()];
    if let Lookup::Known { entry, .. } = router.directory().current().lookup(account)
        && matches!(entry.kind, EntryKind::Mailbox | EntryKind::User)
    {
        addresses.extend(entry.addresses().cloned());
    }
    addresses
}
