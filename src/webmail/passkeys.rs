//! The passkeys of accounts: kept with the account, so that they work when everything else is
//! down. One that its device has verified its user for stands for password and second step.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use serde::{Deserialize, Serialize};

use super::accounts::{ACCOUNTS, Account, AccountError, Accounts, LoginError};
use super::second::SecondError;
use super::webauthn::{Assertion, Ceremony, Refusal, Registered, Relying, Stored};
use crate::base::Timestamp;
use crate::credential::{digest, same};
use crate::limits;

/// Whose passkey it is, as facts: by the digest of its id.
const PASSKEYS: &str = "passkey";
/// Characters of a name.
const NAME: usize = 60;

/// The passkeys of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Keyring {
    /// What authenticators call the account (WebAuthn §14.6.1): chance, and nothing of the person.
    pub handle: String,
    /// When the challenge was made with which the newest was added; none before it is good any
    /// more.
    #[serde(default)]
    last: Timestamp,
    #[serde(default)]
    pub keys: Vec<Passkey>,
}

/// A passkey.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Passkey {
    /// What its authenticator calls it, in base64url.
    pub id: String,
    /// The public key as COSE, in base64url.
    key: String,
    /// What its user calls it.
    pub name: String,
    pub created: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<Timestamp>,
    /// Signatures so far, if it counts them.
    #[serde(default)]
    count: u32,
    /// When the challenge was made that it answered last; none before it is good any more.
    #[serde(default)]
    last: Timestamp,
    /// A login was refused then, because there may be a copy of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubt: Option<Timestamp>,
}

/// A login by passkey, as the browser brings it.
#[derive(Debug)]
pub(super) struct Shown {
    /// The passkey's id, in base64url.
    pub id: String,
    /// What the authenticator calls the account.
    pub handle: String,
    pub assertion: Assertion,
}

/// Why a passkey is not added, or lets nobody in.
#[derive(Debug)]
pub(super) enum PasskeyError {
    /// Too many tries, or we failed.
    Login(LoginError),
    /// It is not right.
    Refused(Refusal),
    /// The account was changed meanwhile.
    Over,
    /// The account has as many as it may have.
    TooMany,
}

impl<E: Into<AccountError>> From<E> for PasskeyError {
    fn from(error: E) -> Self {
        Self::Login(LoginError::Internal(error.into()))
    }
}

impl From<Refusal> for PasskeyError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Account {
    /// Its passkeys.
    pub(super) fn passkeys(&self) -> &[Passkey] {
        self.keyring.as_ref().map_or(&[], |ring| &ring.keys)
    }

    /// How many passkeys it has.
    #[must_use]
    pub fn passkey_count(&self) -> usize {
        self.passkeys().len()
    }
}

impl Accounts {
    /// What a new passkey is made for, once the password was right: the account's keyring.
    pub(super) async fn open_keyring(
        &self,
        account: &Account,
        password: String,
        from: IpAddr,
    ) -> Result<Keyring, PasskeyError> {
        let verified = self.verify_key(account.key(), password, from).await;
        verified.map_err(PasskeyError::Login)?;
        let _changing = self.changing.lock().await;
        let mut account = self.unchanged(account).await?;
        if account.passkeys().len() >= limits::PASSKEYS {
            return Err(PasskeyError::TooMany);
        }
        if let Some(ring) = account.keyring {
            return Ok(ring);
        }
        let ring = Keyring {
            handle: BASE64URL.encode(self.entropy.bytes::<32>()),
            last: Timestamp::default(),
            keys: Vec::new(),
        };
        account.keyring = Some(ring.clone());
        self.store(ACCOUNTS, &account.key(), &account).await?;
        Ok(ring)
    }

    /// Adds a passkey.
    pub(super) async fn add_passkey(
        &self,
        (account, name): (&Account, &str),
        (relying, ceremony): (&Relying, Ceremony<'_>),
        said: (&[u8], &[u8]),
    ) -> Result<(), PasskeyError> {
        let _changing = self.changing.lock().await;
        let mut account = self.unchanged(account).await?;
        let key = account.key();
        let ring = account.keyring.as_mut().ok_or(PasskeyError::Over)?;
        if ring.keys.len() >= limits::PASSKEYS {
            return Err(PasskeyError::TooMany);
        }
        let registered = relying.register(ceremony, said, ring.last)?;
        let passkey = Passkey::new(&registered, name, ceremony.now);
        // WebAuthn §7.1 step 26: of nobody yet.
        if self.owner(&passkey.id).await?.is_some() {
            return Err(Refusal::Known.into());
        }
        self.store(PASSKEYS, &found_by(&passkey.id), &key).await?;
        tracing::info!(account = %key, name = %passkey.name, "webmail: a passkey was added");
        ring.last = registered.issued;
        ring.keys.push(passkey);
        Ok(self.store(ACCOUNTS, &key, &account).await?)
    }

    /// Removes a passkey, when the password is right.
    pub(super) async fn drop_passkey(
        &self,
        account: &Account,
        (id, password): (&str, String),
        from: IpAddr,
    ) -> Result<(), SecondError> {
        let verified = self.verify_key(account.key(), password, from).await;
        verified.map_err(SecondError::Login)?;
        let _changing = self.changing.lock().await;
        let account = self.unchanged(account).await;
        let mut account = account.map_err(|_| SecondError::Over)?;
        let key = account.key();
        let keys = account.keyring.as_mut().map(|ring| &mut ring.keys);
        let at = |keys: &Vec<Passkey>| keys.iter().position(|passkey| passkey.id == id);
        // Somebody else's is none of his.
        let Some((keys, at)) = keys.and_then(|keys| at(keys).map(|at| (keys, at))) else {
            return Ok(());
        };
        keys.remove(at);
        self.store(ACCOUNTS, &key, &account).await?;
        self.spool.put_fact(PASSKEYS, &found_by(id), None).await?;
        tracing::info!(account = %key, "webmail: a passkey was removed");
        Ok(())
    }

    /// Forgets all passkeys of an account that is stored without them already.
    pub(super) async fn forget_passkeys(&self, gone: Option<Keyring>) -> Result<(), AccountError> {
        for passkey in gone.map_or_else(Vec::new, |ring| ring.keys) {
            let found_by = found_by(&passkey.id);
            self.spool.put_fact(PASSKEYS, &found_by, None).await?;
        }
        Ok(())
    }

    /// A login by passkey: whose it is.
    pub(super) async fn verify_passkey(
        &self,
        (relying, ceremony): (&Relying, Ceremony<'_>),
        shown: &Shown,
        from: IpAddr,
    ) -> Result<Account, PasskeyError> {
        if shown.id.len() > limits::PASSKEY_ID * 4 / 3 + 1 {
            return Err(Refusal::TooLong.into());
        }
        let owner = self.owner(&shown.id).await?;
        // Counted apart from passwords, so that neither keeps the other out. Who shows none that
        // is known is counted by where he comes from.
        let counted = owner.as_ref().map_or_else(
            || format!("passkeys from {from}"),
            |owner| format!("passkeys of {}", owner.key()),
        );
        let tried = self.note_try(&counted, from);
        tried.map_err(|wait| PasskeyError::Login(LoginError::Wait(wait)))?;
        let key = owner.ok_or(Refusal::Unknown)?.key();
        let _changing = self.changing.lock().await;
        let account = self.find(&key).await?.filter(Account::is_open);
        let mut account = account.ok_or(Refusal::Unknown)?;
        let ring = account.keyring.as_mut().ok_or(Refusal::Unknown)?;
        // WebAuthn §7.2 step 6: the account that the authenticator names has this passkey.
        if !same(&ring.handle, &shown.handle) {
            return Err(Refusal::Unknown.into());
        }
        let passkey = ring.keys.iter_mut().find(|passkey| passkey.id == shown.id);
        let passkey = passkey.ok_or(Refusal::Unknown)?;
        let used = passkey.used_for(relying, ceremony, &shown.assertion);
        if matches!(used, Ok(()) | Err(Refusal::Counter)) {
            let name = passkey.name.clone();
            self.store(ACCOUNTS, &key, &account).await?;
            if used.is_err() {
                tracing::warn!(account = %key, %name, "webmail: a passkey may have been copied");
            }
        }
        used?;
        self.note_success(&counted, from);
        Ok(account)
    }

    /// The account that has this passkey.
    pub(super) async fn owner(&self, id: &str) -> Result<Option<Account>, AccountError> {
        let Some(key) = self.load::<String>(PASSKEYS, &found_by(id)).await? else {
            return Ok(None);
        };
        let account = self.find(&key).await?;
        Ok(account.filter(|account| account.passkeys().iter().any(|passkey| passkey.id == id)))
    }

    /// The account as it is now, if nothing happened to it since its session began.
    async fn unchanged(&self, account: &Account) -> Result<Account, PasskeyError> {
        let now = self.find(&account.key()).await?;
        let is_same = |now: &Account| now.is_open() && now.generation == account.generation;
        now.filter(is_same).ok_or(PasskeyError::Over)
    }
}

impl Passkey {
    fn new(registered: &Registered, name: &str, now: Timestamp) -> Self {
        Self {
            id: BASE64URL.encode(&registered.id),
            key: BASE64URL.encode(&registered.key),
            name: readable(name),
            created: now,
            used: None,
            count: registered.count,
            last: Timestamp::default(),
            doubt: None,
        }
    }

    /// Notes a login with it, if it is right.
    fn used_for(
        &mut self,
        relying: &Relying,
        ceremony: Ceremony<'_>,
        assertion: &Assertion,
    ) -> Result<(), Refusal> {
        let key = BASE64URL.decode(&self.key);
        let key = key.map_err(|_| Refusal::Shape)?;
        let stored = Stored {
            key: &key,
            count: self.count,
            last: self.last,
        };
        match relying.assert(ceremony, assertion, stored) {
            Ok(asserted) => {
                self.count = asserted.count;
                self.last = asserted.issued;
                self.used = Some(ceremony.now);
                Ok(())
            }
            Err(Refusal::Counter) => {
                self.doubt = Some(ceremony.now);
                Err(Refusal::Counter)
            }
            Err(refusal) => Err(refusal),
        }
    }
}

/// The key of the fact that says whose passkey it is.
fn found_by(id: &str) -> String {
    digest("passkey", id)
}

/// A name in one line.
fn readable(name: &str) -> String {
    let letters = name.chars().filter(|c| !c.is_control()).take(NAME);
    letters.collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_of_before_is_read_and_written_as_it_was() {
        let before = serde_json::json!({
            "address": "ann@example.org",
            "created": Timestamp::from_millis(1_700_000_000_000),
            "disabled": false,
            "generation": 3,
            "password": "$argon2id$x",
        });
        let account: Account = serde_json::from_value(before.clone()).unwrap();
        assert_eq!(account.passkey_count(), 0);
        assert_eq!(serde_json::to_value(&account).unwrap(), before);
    }

    #[test]
    fn names_are_one_short_line() {
        assert_eq!(readable(" My\nphone\u{7} "), "Myphone");
        assert_eq!(readable(&"ü".repeat(100)).chars().count(), NAME);
    }
}
