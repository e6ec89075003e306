//! Who may log in: accounts, invitations and passwords, kept as facts of the spool, so that login
//! works when everything else is down (decision 14).

use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::front::{Front, KnownBy};
use super::invitations::Invited;
use super::passkeys::Keyring;
use super::provider::Pin;
use super::renewal::OldPasskeys;
use super::scram::{KeepKeys, Offer};
use super::second::Second;
pub(super) use super::stored::blocking;
use super::whose::Whose;
use crate::base::{Clock, Entropy, Timestamp};
use crate::credential::{HashError, LONGEST, Passwords, SHORTEST, Throttle, digest, is_token};
use crate::directory::DirectoryHandle;
use crate::person::Bond;
use crate::smtp::Mailbox;
use crate::spool::{Spool, SpoolError};

pub(super) const ACCOUNTS: &str = "account";
pub(super) const INVITATIONS: &str = "invitation";
/// How long an invitation is good.
pub const INVITATION_LIFE: Duration = Duration::from_secs(14 * 24 * 3600);

/// Somebody who may use the webmail (and submission).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The address that he logs in and sends with.
    pub address: Mailbox,
    /// Made when.
    pub created: Timestamp,
    /// May not log in.
    #[serde(default)]
    pub disabled: bool,
    /// Counts password changes and ends older sessions.
    #[serde(default)]
    pub generation: u32,
    /// PHC string; `None` until the invitation is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) password: Option<Secret>,
    /// Digest of the one invitation that is good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) invitation: Option<String>,
    /// The language of his browser when he logged in last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) language: Option<String>,
    /// Codes that a login needs beside the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) second: Option<Second>,
    /// What lets him in without password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) keyring: Option<Keyring>,
    /// What a login provider calls its owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) pin: Option<Pin>,
    /// Its person; `None`: nobody has looked yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bond: Option<Bond>,
    /// What was written before is somebody else's, who had the address then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) began: Option<Timestamp>,
}

impl Account {
    /// The key under which the account and its mail are found.
    #[must_use]
    pub fn key(&self) -> String {
        self.address.key()
    }

    /// An account that nobody can log in to yet.
    pub(super) fn new(address: &Mailbox, now: Timestamp) -> Self {
        Self {
            address: address.clone(),
            created: now,
            disabled: false,
            generation: 0,
            password: None,
            invitation: None,
            language: None,
            second: None,
            keyring: None,
            pin: None,
            bond: None,
            began: None,
        }
    }

    /// Has its owner come in by a login provider?
    #[must_use]
    pub const fn is_pinned(&self) -> bool {
        self.pin.is_some()
    }

    /// Has it a password of its own?
    #[must_use]
    pub const fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// Can its owner log in without anybody's help?
    #[must_use]
    pub fn is_enrolled(&self) -> bool {
        self.has_password() || self.passkey_count() > 0
    }

    /// Has anybody been in, or was it begun anew since?
    pub(super) const fn was_used(&self) -> bool {
        self.generation > 0 || self.language.is_some()
    }

    /// Is there an invitation that was not used yet?
    #[must_use]
    pub const fn is_invited(&self) -> bool {
        self.invitation.is_some()
    }
}

/// A text that no log shows.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Secret(pub(super) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// An invitation to set a password: good once, until it expires.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Invitation {
    account: String,
    expires: Timestamp,
}

/// Why an account cannot be changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// There is no such account.
    #[error("no account {0}: invite the user first")]
    Unknown(String),
    /// The invitation was used, has expired, or never was.
    #[error("the invitation is not valid any more: ask for a new one")]
    Invitation,
    /// Too short, too long, or the address itself.
    #[error("the password must have {SHORTEST} to {LONGEST} characters and not be the address")]
    Password,
    /// No mailbox has the address.
    #[error("no mailbox has the address {0} now: see `tideover directory lookup {0}`")]
    NoMailbox(String),
    /// There is another account for this person.
    #[error("{0} has an account of its own, {1}: disable one of the two")]
    HasAccount(String, String),
    /// The fact of an account cannot be read.
    #[error("the account {0} is damaged: invite the user again")]
    Damaged(String),
    /// The spool failed.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// Hashing failed.
    #[error("the password could not be hashed")]
    Hash(String),
}

impl From<HashError> for AccountError {
    fn from(error: HashError) -> Self {
        Self::Hash(error.to_string())
    }
}

/// What a try to log in came to.
#[derive(Debug)]
pub enum LoginError {
    /// Wrong address or password; which of them is not told.
    Wrong,
    /// Too many tries: wait so long.
    Wait(Duration),
    /// It is not the own password, and who might know it otherwise cannot be asked now.
    Away,
    /// We failed.
    Internal(AccountError),
}

impl<E: Into<AccountError>> From<E> for LoginError {
    fn from(error: E) -> Self {
        Self::Internal(error.into())
    }
}

/// The accounts; cheap to clone.
#[derive(Debug, Clone)]
pub struct Accounts {
    pub(super) spool: Spool,
    pub(super) clock: Clock,
    pub(super) entropy: Entropy,
    pub(super) passwords: Passwords,
    throttle: Arc<Mutex<Throttle>>,
    /// Who knows passwords beside us.
    pub(super) front: Option<Arc<dyn Front>>,
    /// One change at a time: read, decide, write.
    pub(super) changing: Arc<tokio::sync::Mutex<()>>,
    pub(super) whose: Arc<Whose>,
    /// Who has which alias.
    pub(super) directory: Option<DirectoryHandle>,
    /// Records that were written.
    pub(super) written: Arc<AtomicU64>,
    pub(super) keep_keys: KeepKeys,
    pub(super) scram: Arc<tokio::sync::Mutex<Option<Offer>>>,
}

impl Accounts {
    /// Accounts that live in `spool`. Hashes one password, so it takes some 20 ms.
    ///
    /// # Errors
    /// When hashing does not work at all.
    pub fn new(spool: Spool, clock: Clock, entropy: Entropy) -> Result<Self, AccountError> {
        let passwords = Passwords::new(entropy.clone())?;
        Ok(Self {
            spool,
            clock,
            entropy,
            passwords,
            throttle: Arc::default(),
            front: None,
            changing: Arc::default(),
            whose: Arc::default(),
            directory: None,
            written: Arc::default(),
            keep_keys: KeepKeys::No,
            scram: Arc::default(),
        })
    }

    /// Makes an account, or lets its owner choose a new password: returns the token for
    /// `/invite/TOKEN`, good once and for [`INVITATION_LIFE`]. Earlier invitations end. A password
    /// that is set goes on to work until the invitation is used; but not that of a disabled
    /// account: somebody else may know it, so it is gone for good.
    ///
    /// # Errors
    /// When it could not be stored.
    pub async fn invite(&self, address: &Mailbox) -> Result<String, AccountError> {
        Ok(self.make_invitation(address).await?.token)
    }

    /// The invitation with its code.
    pub(super) async fn make_invitation(&self, address: &Mailbox) -> Result<Invited, AccountError> {
        let _changing = self.changing.lock().await;
        let key = address.key();
        let now = self.clock.now();
        let stored = match self.find(&key).await {
            Err(AccountError::Damaged(_)) => None,
            other => other?,
        };
        let mut account = stored.unwrap_or_else(|| Account::new(address, now));
        if account.disabled {
            account.disabled = false;
            account.password = None;
            self.forget_pin(account.pin.take()).await?;
            account.generation = account.generation.wrapping_add(1);
        }
        self.put_invitation(&mut account).await
    }

    /// Puts a new invitation in the place of an earlier one, and stores the account.
    pub(super) async fn put_invitation(
        &self,
        account: &mut Account,
    ) -> Result<Invited, AccountError> {
        let invited = self.new_code();
        let hash = digest("invitation", &invited.token);
        if let Some(earlier) = account.invitation.replace(hash.clone()) {
            self.spool.put_fact(INVITATIONS, &earlier, None).await?;
        }
        let key = account.key();
        let invitation = Invitation {
            account: key.clone(),
            expires: self.clock.now().after(INVITATION_LIFE),
        };
        self.store(INVITATIONS, &hash, &invitation).await?;
        self.store(ACCOUNTS, &key, account).await?;
        self.whose.note_made();
        Ok(invited)
    }

    /// Whom an invitation is for, while it is good.
    ///
    /// # Errors
    /// [`AccountError::Invitation`] when it is not.
    pub async fn invited(&self, token: &str) -> Result<Account, AccountError> {
        if !is_token(token) {
            return Err(AccountError::Invitation);
        }
        let hash = digest("invitation", token);
        let found: Option<Invitation> = self.load(INVITATIONS, &hash).await?;
        let invitation = found.ok_or(AccountError::Invitation)?;
        let account = self.find(&invitation.account).await?;
        account
            .filter(|account| {
                invitation.expires > self.clock.now()
                    && account.is_open()
                    && account.invitation.as_ref() == Some(&hash)
            })
            .ok_or(AccountError::Invitation)
    }

    /// Sets the password of the invited account. The invitation is used up, sessions end.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub async fn set_password(
        &self,
        token: &str,
        (password, passkeys): (String, OldPasskeys),
    ) -> Result<Account, AccountError> {
        let account = self.invited(token).await?;
        // Hashed before the lock is taken: a slow hash must not hold up the administrator.
        let hash = self.hash_new(&account, password.clone()).await?;
        let changing = self.changing.lock().await;
        let mut account = self.invited(token).await?;
        account.password = Some(Secret(hash));
        account.generation = account.generation.wrapping_add(1);
        let used = account.invitation.take();
        let gone = account.take_passkeys(passkeys);
        self.store(ACCOUNTS, &account.key(), &account).await?;
        self.forget_passkeys(gone).await?;
        if let Some(used) = used {
            self.spool.put_fact(INVITATIONS, &used, None).await?;
        }
        drop(changing);
        self.note_password(&account, &password).await;
        Ok(account)
    }

    /// Checks a login from the address `from`. Unknown users cost the same time as known ones.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn verify(
        &self,
        address: &str,
        password: String,
        from: IpAddr,
    ) -> Result<(Account, KnownBy), LoginError> {
        let typed = address
            .trim()
            .parse::<Mailbox>()
            .map_or_else(|_| String::new(), |address| address.key());
        let account = self.account_of(&typed).await?;
        let counted = self.counted_as(&typed, &account);
        let who = (account, typed, counted);
        self.try_login(who, password, from).await
    }

    /// The same for the account under this key and no other: its address may lead to somebody else
    /// now, who has a password, too.
    pub(super) async fn verify_key(
        &self,
        key: String,
        password: String,
        from: IpAddr,
    ) -> Result<Account, LoginError> {
        let known = self.find(&key).await?;
        let person = known.map_or_else(|| key.clone(), |known| known.person().key());
        let counted = self.counted(&person);
        let login = self.try_login((key.clone(), person, counted), password, from);
        let (account, _) = login.await?;
        Some(account)
            .filter(|account| account.key() == key)
            .ok_or(LoginError::Wrong)
    }

    /// With the key of the account, the address that who is in front is asked about, and the name
    /// under which guesses are counted.
    async fn try_login(
        &self,
        (key, asked, counted): (String, String, String),
        password: String,
        from: IpAddr,
    ) -> Result<(Account, KnownBy), LoginError> {
        self.note_try(&counted, from).map_err(LoginError::Wait)?;
        let account = self.find(&key).await?.filter(Account::is_open);
        let stored = account
            .as_ref()
            .and_then(|account| account.password.clone());
        let stored = stored.map(|Secret(hash)| hash);
        let password = Some(password)
            .filter(|password| password.chars().count() <= LONGEST)
            .unwrap_or_default();
        let matches = self.passwords.verify(password.clone(), stored).await?;
        let entered = match account.filter(|_| matches) {
            Some(account) => {
                self.note_password(&account, &password).await;
                (account, KnownBy::Us)
            }
            None => (self.ask_front(&asked, &password).await?, KnownBy::Front),
        };
        self.note_success(&counted, from);
        Ok(entered)
    }

    /// Counts a try of `key` from an address, or says how long to wait.
    pub(super) fn note_try(&self, key: &str, from: IpAddr) -> Result<(), Duration> {
        let now = self.clock.now();
        let mut throttle = self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        throttle.check(now, key, from)?;
        throttle.tried(now, key, from);
        Ok(())
    }

    /// The try was right.
    pub(super) fn note_success(&self, key: &str, from: IpAddr) {
        let now = self.clock.now();
        let mut throttle = self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        throttle.succeeded(now, key, from);
    }

    /// A session of the account, begun at this address, is used.
    pub(super) fn note_session(&self, key: &str, from: IpAddr) {
        let (now, counted) = (self.clock.now(), self.counted(key));
        let mut throttle = self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        throttle.know(now, &counted, from);
    }

    /// The hash of a password that an account may have.
    pub(super) async fn hash_new(
        &self,
        account: &Account,
        password: String,
    ) -> Result<String, AccountError> {
        let length = password.chars().count();
        let is_address = password.eq_ignore_ascii_case(&account.address.to_string());
        if is_address || !(SHORTEST..=LONGEST).contains(&length) {
            return Err(AccountError::Password);
        }
        Ok(self.passwords.hash(password).await?)
    }

    /// All accounts, by address.
    ///
    /// # Errors
    /// When the index fails.
    pub async fn list(&self) -> Result<Vec<Account>, AccountError> {
        let spool = self.spool.clone();
        let facts = blocking(move || spool.facts(ACCOUNTS, "")).await??;
        let read = |(_, value)| serde_json::from_value(value).ok();
        Ok(facts.into_iter().filter_map(read).collect())
    }

    /// Notes in which language the owner of an account reads.
    pub(super) async fn remember_language(
        &self,
        account: &Account,
        language: &str,
    ) -> Result<(), AccountError> {
        if account.language.as_deref() == Some(language) {
            return Ok(());
        }
        let _changing = self.changing.lock().await;
        let key = account.key();
        let Some(mut account) = self.find(&key).await? else {
            return Ok(());
        };
        account.language = Some(language.to_owned());
        self.store(ACCOUNTS, &key, &account).await
    }

    /// The account under this key ([`Mailbox::key`]).
    ///
    /// # Errors
    /// When the index fails or the account is damaged.
    pub async fn find(&self, key: &str) -> Result<Option<Account>, AccountError> {
        self.load(ACCOUNTS, key).await
    }
}
