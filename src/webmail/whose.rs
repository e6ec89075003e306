//! Whose accounts are: each belongs to a person, not to an address. What was decided is kept with
//! the account, whenever the directory changes; what was not decided yet lets nobody in.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::Webmail;
use super::accounts::{ACCOUNTS, Account, AccountError, Accounts, blocking};
use super::invitation::ANSWERS;
use super::invitations::Invited;
use super::notices::NOTICES;
use super::settings::SETTINGS;
use crate::base::{Shutdown, Timestamp};
use crate::directory::{Directory, DirectoryHandle, EntryKind, FoundBy};
use crate::mail::{DRAFTS, OUTBOX, SENT_AS};
use crate::person::{Belonging, Bond, Departed, Subject, belonging, confirmed, judge};
use crate::smtp::Mailbox;

/// Between two tries when accounts cannot be read or written.
const AGAIN: Duration = Duration::from_secs(5);

/// After an account was made: others may be made with it, and all are looked at together.
const TOGETHER: Duration = Duration::from_secs(1);

/// What is known of all accounts together.
#[derive(Debug, Default)]
pub(super) struct Whose {
    /// The accounts of people who have another address now, by today's.
    names: Mutex<HashMap<String, String>>,
    /// An account was made.
    made: Notify,
}

impl Whose {
    /// An account was made: it is looked whose it is.
    pub(super) fn note_made(&self) {
        self.made.notify_one();
    }

    fn names(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Account {
    /// The own address of its person, as the directory had him last.
    #[must_use]
    pub fn person(&self) -> &Mailbox {
        self.bond
            .as_ref()
            .map_or(&self.address, |bond| &bond.address)
    }

    /// Its address is somebody else's.
    #[must_use]
    pub fn departed(&self) -> Option<&Departed> {
        self.bond.as_ref().and_then(|bond| bond.departed.as_ref())
    }

    /// May its person log in? Who departed may not, and neither may who was shut out.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.disabled && self.departed().is_none()
    }
}

impl Accounts {
    /// The key of the account that somebody means who types this address: that of the person
    /// whose address it is now, else the one that was made for it.
    #[must_use]
    pub fn meant(&self, key: &str) -> String {
        let names = self.whose.names();
        names.get(key).cloned().unwrap_or_else(|| key.to_owned())
    }

    /// The same accounts, whose people log in with the aliases that this directory gives them, too.
    #[must_use]
    pub(super) fn knowing(mut self, directory: DirectoryHandle) -> Self {
        self.directory = Some(directory);
        self
    }

    /// The key of the account into which somebody wants who types this address: the one that is
    /// meant by it, else that of the mailbox whose alias it is. Tries are counted by what it finds,
    /// so it is asked before them: it looks up keys only, whoever exists and however many addresses
    /// are disputed.
    pub(super) async fn account_of(&self, key: &str) -> Result<String, AccountError> {
        let (meant, mailbox) = (self.meant(key), self.mailbox_of(key));
        // An account of its own comes first, also one that is shut.
        let is_there = self.find(&meant).await?.is_some();
        let by_alias = mailbox.map(|mailbox| self.meant(&mailbox));
        Ok(by_alias.filter(|_| !is_there).unwrap_or(meant))
    }

    /// Under which name guesses are counted for what was typed, which leads to this account: all
    /// aliases are one name.
    pub(super) fn counted_as(&self, typed: &str, account: &str) -> String {
        if self.front.is_some() {
            self.counted(typed)
        } else {
            account.to_owned()
        }
    }

    /// The own address of the one mailbox that has this one. Of two that dispute it none has it.
    fn mailbox_of(&self, key: &str) -> Option<String> {
        let directory = self.directory.as_ref()?.current();
        let address: Mailbox = Mailbox::written_key(key).parse().ok()?;
        let Some((entry, FoundBy::Address)) = directory.find(&address) else {
            return None;
        };
        let has_mailbox = matches!(entry.kind, EntryKind::Mailbox | EntryKind::User);
        let is_his = has_mailbox && !directory.is_provisional() && !directory.is_disputed(&address);
        is_his.then(|| entry.address.key())
    }

    /// Looks whose all accounts are, and writes down what is new. Nothing while the directory
    /// stands in for one that nobody knows.
    ///
    /// # Errors
    /// When accounts cannot be read or written.
    pub async fn judge(&self, directory: Arc<Directory>) -> Result<(), AccountError> {
        if directory.is_provisional() {
            return Ok(());
        }
        let _changing = self.changing.lock().await;
        let mut accounts = self.list().await?;
        let subjects: Vec<Subject> = accounts.iter().map(subject).collect();
        let (now, same) = (self.clock.now(), Arc::clone(&directory));
        let bonds = blocking(move || judge(&subjects, &same, now)).await?;
        for (place, bond) in bonds {
            let Some(account) = accounts.get_mut(place) else {
                continue;
            };
            tell(account, &bond);
            account.bond = Some(bond);
            self.store(ACCOUNTS, &account.key(), account).await?;
        }
        *self.whose.names() = names(&accounts);
        Ok(())
    }

    /// Looks whose accounts are, again whenever the directory changes or an account is made.
    pub async fn follow(self, directory: DirectoryHandle, shutdown: Shutdown) {
        let mut changes = directory.changes();
        loop {
            let current = changes.borrow_and_update().clone();
            let judged = self.judge(current).await;
            if let Err(error) = &judged {
                tracing::error!(%error, "it is not known whose all accounts are: who may be \
                    somebody else does not get in");
            }
            tokio::select! {
                biased;
                () = shutdown.stopping() => return,
                open = changes.changed() => if open.is_err() { return },
                () = self.whose.made.notified() => tokio::select! {
                    biased;
                    () = shutdown.stopping() => return,
                    () = tokio::time::sleep(TOGETHER) => {}
                },
                () = tokio::time::sleep(AGAIN), if judged.is_err() => {}
            }
        }
    }

    /// Somebody says that who has the address of an account now is the same person as before: the
    /// account, as it is now.
    ///
    /// # Errors
    /// [`AccountError::Unknown`]; [`AccountError::NoMailbox`] when no mailbox has the address;
    /// [`AccountError::HasAccount`] when its person has an account already.
    pub async fn confirm(
        &self,
        address: &Mailbox,
        directory: &Directory,
    ) -> Result<Account, AccountError> {
        let _changing = self.changing.lock().await;
        let key = address.key();
        let found = self.find(&key).await?;
        let mut account = found.ok_or_else(|| AccountError::Unknown(key.clone()))?;
        let bond = confirmed(&account.address, account.bond.as_ref(), directory);
        let bond = bond.ok_or_else(|| AccountError::NoMailbox(key.clone()))?;
        let mut accounts = self.list().await?;
        let is_his = |other: &&Account| {
            other.key() != key && other.is_open() && other.person().key() == bond.address.key()
        };
        if let Some(other) = accounts.iter().find(is_his) {
            let other = other.address.to_string();
            return Err(AccountError::HasAccount(bond.address.to_string(), other));
        }
        account.bond = Some(bond);
        self.store(ACCOUNTS, &key, &account).await?;
        accounts.retain(|other| other.key() != key);
        accounts.push(account.clone());
        *self.whose.names() = names(&accounts);
        Ok(account)
    }
}

/// Rooms of the spool that keep what an account wrote, under `ACCOUNT/…`.
const WRITTEN: [&str; 3] = [DRAFTS, SENT_AS, ANSWERS];

impl Accounts {
    /// Somebody new has the address of a departed account as his own: it begins anew for him, and
    /// what the other one left in it is put aside, where no page shows it.
    ///
    /// # Errors
    /// [`AccountError::Unknown`], or when it could not be stored.
    pub async fn begin_anew(&self, address: &Mailbox) -> Result<Invited, AccountError> {
        let _changing = self.changing.lock().await;
        let (key, now) = (address.key(), self.clock.now());
        let found = self.find(&key).await?;
        let before = found.ok_or_else(|| AccountError::Unknown(key.clone()))?;
        let mut account = Account {
            generation: before.generation.wrapping_add(1),
            invitation: before.invitation,
            began: Some(now),
            ..Account::new(address, now)
        };
        // First of all: nobody comes in by what was.
        let invited = self.put_invitation(&mut account).await?;
        self.forget_passkeys(before.keyring).await?;
        self.forget_pin(before.pin).await?;
        self.put_aside(&key, now).await?;
        Ok(invited)
    }

    async fn put_aside(&self, key: &str, now: Timestamp) -> Result<(), AccountError> {
        for room in [SETTINGS, NOTICES] {
            self.spool.put_fact(room, key, None).await?;
        }
        let prefix = format!("{key}/");
        for room in WRITTEN.into_iter().chain([OUTBOX]) {
            let (spool, wanted) = (self.spool.clone(), prefix.clone());
            let facts = blocking(move || spool.facts(room, &wanted)).await??;
            for (name, value) in facts {
                // No address has this name, so no account.
                let rest = name.strip_prefix(&prefix).unwrap_or_default();
                let aside = format!("{key} until {}/{rest}", now.as_millis());
                if WRITTEN.contains(&room) {
                    self.spool.put_fact(room, &aside, Some(value)).await?;
                }
                self.spool.put_fact(room, &name, None).await?;
            }
        }
        Ok(())
    }
}

fn subject(account: &Account) -> Subject {
    Subject {
        address: account.address.clone(),
        bond: account.bond.clone(),
        disabled: account.disabled,
    }
}

/// Says in the program's log what an administrator wants to know.
fn tell(account: &Account, bond: &Bond) {
    let before = account.departed().map(|one| (&one.to, one.why));
    match &bond.departed {
        Some(now) if before != Some((&now.to, now.why)) => tracing::warn!(
            account = %account.address, to = now.to, why = ?now.why,
            "the address of an account is somebody else's: nobody gets in; if it is the same \
             person, say so with `tideover user confirm`"
        ),
        None if before.is_some() => {
            tracing::info!(account = %account.address, "the person of an account is back");
        }
        None if account.bond.is_some() && account.person() != &bond.address => tracing::info!(
            account = %account.address, now = %bond.address,
            "the person of an account has a new address"
        ),
        _ => {}
    }
}

/// Accounts by the addresses of today, where these are others. Who types the address of somebody
/// who departed means whoever has it.
fn names(accounts: &[Account]) -> HashMap<String, String> {
    let mut names = HashMap::new();
    let shut = accounts.iter().filter(|one| one.departed().is_none());
    let shut = shut.filter(|one| one.disabled);
    for account in shut {
        // Who is shut out is so under a new name, too, unless he has another account for it.
        let person = account.person().key();
        if person != account.key() && accounts.iter().all(|other| other.key() != person) {
            names.insert(person, account.key());
        }
    }
    for account in accounts.iter().filter(|account| account.is_open()) {
        if account.person().key() != account.key() {
            names.insert(account.person().key(), account.key());
        }
    }
    let has_own: HashMap<String, String> = accounts
        .iter()
        .filter(|account| account.is_open())
        .map(|account| (account.person().key(), account.key()))
        .collect();
    for account in accounts {
        let to = account.departed().and_then(|it| it.to.parse().ok());
        let heir = to.and_then(|to: Mailbox| has_own.get(&to.key()));
        if let Some(heir) = heir {
            names.entry(account.key()).or_insert_with(|| heir.clone());
        }
    }
    names
}

impl Webmail {
    /// The address of the mailbox that an account opens now; `None`: it is somebody else's, or
    /// may be.
    pub(super) fn person_of(&self, account: &Account) -> Option<Mailbox> {
        let directory = self.0.world.directory.current();
        let now = self.0.world.clock.now();
        match belonging(&account.address, account.bond.as_ref(), (&directory, now)) {
            Belonging::Own(entry) => Some(entry.address),
            Belonging::Nobody => Some(account.person().clone()),
            Belonging::Another(_) => None,
        }
    }
}
