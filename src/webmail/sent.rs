//! What a user sent. The index lists it by sender's address, and addresses go from one person to
//! another: a letter that was written here is its account's for ever, whoever has the address now
//! (I12).

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use super::Webmail;
use super::accounts::blocking;
use super::error::WebError;
use super::guard::User;
use super::mailbox::{Page, all_pages};
use crate::mail::{Authenticity, Envelope, SENT_AS, SpoolId, sent_as_key};
use crate::smtp::Mailbox;
use crate::spool::{Spool, SpoolError};

/// Messages of which is remembered whose they are. Beyond: they are looked at again.
const REMEMBERED: usize = 200_000;
/// Rows that are read at once when all are wanted.
const MANY: usize = 2_048;

/// Whose the letters in the index are.
#[derive(Debug, Default)]
pub(crate) struct Owners(Mutex<HashMap<SpoolId, Arc<Owner>>>);

/// Whose a letter is.
#[derive(Debug, PartialEq, Eq)]
enum Owner {
    /// An account wrote it.
    Account(String),
    /// A program that logged in, as far as is known: who has the address.
    Address(String),
    Nobody,
}

impl Owner {
    fn of(envelope: &Envelope) -> Self {
        match (&envelope.peer.user, envelope.from.mailbox()) {
            _ if envelope.authenticity != Authenticity::Local => Self::Nobody,
            (Some(account), _) => Self::Account(account.clone()),
            (None, Some(from)) => Self::Address(from.key()),
            (None, None) => Self::Nobody,
        }
    }

    fn is(&self, account: &str, addresses: &[Mailbox]) -> bool {
        match self {
            Self::Account(owner) => owner == account,
            Self::Address(from) => addresses.iter().any(|own| own.key() == *from),
            Self::Nobody => false,
        }
    }
}

/// Sent by this account, or by a program from one of these addresses.
pub(crate) fn is_sent(envelope: &Envelope, account: &str, addresses: &[Mailbox]) -> bool {
    Owner::of(envelope).is(account, addresses)
}

/// Under which senders the index has what an account sent: its own address, those that it may
/// send as, and those from which it wrote before. Blocks.
pub(crate) fn senders(
    spool: &Spool,
    account: &str,
    addresses: &[Mailbox],
) -> Result<BTreeSet<String>, SpoolError> {
    let mut keys: BTreeSet<String> = addresses.iter().map(Mailbox::key).collect();
    keys.insert(account.to_owned());
    let prefix = sent_as_key(account, "");
    let before = spool.facts(SENT_AS, &prefix)?.into_iter();
    keys.extend(before.filter_map(|(key, _)| Some(key.strip_prefix(&prefix)?.to_owned())));
    Ok(keys)
}

impl Webmail {
    /// Notes that an account writes from an address, so that its letters are found when the
    /// address is somebody else's.
    pub(crate) async fn note_sender(&self, account: &str, from: &Mailbox) -> Result<(), WebError> {
        let key = sent_as_key(account, &from.key());
        let (spool, name) = (self.0.world.spool.clone(), key.clone());
        if from.key() == account
            || blocking(move || spool.fact(SENT_AS, &name))
                .await??
                .is_some()
        {
            return Ok(());
        }
        let now = serde_json::json!({});
        let noted = self.0.world.spool.put_fact(SENT_AS, &key, Some(now));
        Ok(noted.await?)
    }

    /// Keeps those that the user sent. Blocks.
    fn keep_own(&self, user: &User, ids: &mut Vec<SpoolId>) -> Result<(), SpoolError> {
        let account = user.account();
        let mut own = Vec::with_capacity(ids.len());
        for id in ids.drain(..).filter(|id| id.timestamp() >= user.began) {
            if self.owner(id)?.is(&account, &user.addresses) {
                own.push(id);
            }
        }
        *ids = own;
        Ok(())
    }

    fn owner(&self, id: SpoolId) -> Result<Arc<Owner>, SpoolError> {
        let owners = || {
            self.0
                .owners
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        let known = owners().get(&id).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let message = self.0.world.spool.message_if_whole(id)?;
        let owner = message.map_or(Owner::Nobody, |message| Owner::of(&message.envelope));
        let owner = Arc::new(owner);
        let mut owners = owners();
        if owners.len() >= REMEMBERED {
            owners.clear();
        }
        owners.insert(id, Arc::clone(&owner));
        Ok(owner)
    }

    /// Ids of what the user sent between two messages, at least the newest `most` of each address.
    /// Blocks.
    pub(crate) fn sent_ids(
        &self,
        user: &User,
        (before, oldest): (Option<SpoolId>, Option<SpoolId>),
        most: usize,
    ) -> Result<Vec<SpoolId>, SpoolError> {
        let spool = &self.0.world.spool;
        let mut ids = Vec::new();
        for sender in senders(spool, &user.account(), &user.addresses)? {
            ids.extend(all_pages((before, oldest), most, |before| {
                let page = spool.sent(&sender, before, MANY)?;
                let next = page.last().copied().filter(|_| page.len() == MANY);
                Ok((page, next))
            })?);
        }
        self.keep_own(user, &mut ids)?;
        Ok(ids)
    }

    /// One page of at most `limit` rows of what the user sent, newest first; and where the next one
    /// begins, if there is one. Blocks.
    pub(crate) fn sent_page(
        &self,
        user: &User,
        before: Option<SpoolId>,
        limit: usize,
    ) -> Result<Page, SpoolError> {
        let spool = &self.0.world.spool;
        let mut all = Vec::new();
        for sender in senders(spool, &user.account(), &user.addresses)? {
            all.extend(spool.sent(&sender, before, limit)?);
        }
        all.sort_unstable_by(|one, other| other.cmp(one));
        all.dedup();
        let is_last = all.len() < limit;
        all.truncate(limit);
        let next = all.last().copied().filter(|_| !is_last);
        self.keep_own(user, &mut all)?;
        Ok((all, next))
    }
}
