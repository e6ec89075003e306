//! Whose work there is: the accounts of the webmail, and where their mailboxes are now.

use std::collections::{BTreeMap, BTreeSet};

use super::record::Meant;
use super::{WritebackError, Writebacks};
use crate::directory::{EntryKind, Lookup};
use crate::mail::BackendId;
use crate::route::{Admission, Admit as _, Origin, Router};
use crate::smtp::Mailbox;
use crate::spool::{Spool, SpoolError};

/// The facts of the accounts; each has an `address`.
const ACCOUNTS: &str = "account";

/// Why nothing is carried for those without a home.
pub(super) const NOWHERE: &str = "no backend holds the mailbox";

/// Somebody who may have worked in the webmail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Person {
    /// The key under which the spool lists his mail.
    pub(super) mailbox: String,
    /// Keys that it had, or may have had: his other addresses, unless they are somebody else's.
    pub(super) former: Vec<String>,
    /// Accounts that lead to this mailbox: usually one.
    pub(super) accounts: Vec<Mailbox>,
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

    /// Where it is by now.
    pub(super) fn home_now(&self, router: &Router) -> Option<Home> {
        self.accounts
            .first()
            .and_then(|account| home_of(router, account))
    }
}

/// Everybody who is meant, by mailbox. Blocks.
pub(super) fn people(
    (spool, router): (&Spool, &Router),
    (meant, named): (&Meant, &BTreeSet<String>),
) -> Result<Vec<Person>, SpoolError> {
    let mut people: BTreeMap<String, Person> = BTreeMap::new();
    for (key, value) in spool.facts(ACCOUNTS, "")? {
        let address = value.get("address").and_then(serde_json::Value::as_str);
        let Some(address) = address.and_then(|text| text.parse::<Mailbox>().ok()) else {
            tracing::error!(
                key,
                "an account is left out of write-back: it cannot be read"
            );
            continue;
        };
        let (mailbox, _) = mailbox_of(router, &address);
        let is_named = named.contains(&mailbox) || named.contains(&address.key());
        if !named.is_empty() && !is_named {
            continue;
        }
        let home = home_of(router, &address);
        let person = people.entry(mailbox.clone()).or_insert_with(|| Person {
            former: former(router, &mailbox),
            mailbox,
            accounts: Vec::new(),
            addresses: Vec::new(),
            home,
        });
        for one in addresses_of(router, &address) {
            if person
                .addresses
                .iter()
                .all(|other| other.key() != one.key())
            {
                person.addresses.push(one);
            }
        }
        person.accounts.push(address);
    }
    let is_meant = |person: &Person| match &meant.backend {
        Some(backend) => person.backend() == Some(backend),
        None => true,
    };
    Ok(people.into_values().filter(is_meant).collect())
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
}

/// Mailboxes, and addresses that no user has.
fn named(
    (spool, router): (&Spool, &Router),
    addresses: &[Mailbox],
) -> Result<(BTreeSet<String>, Vec<Mailbox>), SpoolError> {
    let (mut keys, mut unknown) = (BTreeSet::new(), Vec::new());
    let directory = router.directory().current();
    for address in addresses {
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

/// The same rule as the webmail's.
fn mailbox_of(router: &Router, address: &Mailbox) -> (String, Option<BackendId>) {
    match router.admit(address, Origin::Trusted) {
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
    let Some(address) = mailbox.parse::<Mailbox>().ok() else {
        return Vec::new();
    };
    match router.directory().current().lookup(&address) {
        Lookup::Known { entry, .. }
            if entry.address.key() == mailbox
                && !matches!(entry.kind, EntryKind::Group | EntryKind::Contact) =>
        {
            let keys: BTreeSet<String> = entry.addresses().map(Mailbox::key).collect();
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
