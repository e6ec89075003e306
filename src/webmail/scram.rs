//! Keys of passwords for SCRAM (RFC 7677), so that mail programs need not send them. They are made
//! when a password is known, when it is set or was right, and count for exactly that password.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::accounts::{Account, AccountError, Accounts, LoginError, Secret, blocking};
use crate::base::Timestamp;
use crate::credential::{ScramKeys, digest, prepared};
use crate::smtp::Mailbox;

/// Keys, as facts, by account.
const KEYS: &str = "scram-keys";
/// What makes keys of nobody, as a fact.
const NOBODY: &str = "scram-nobody";

/// Anybody may ask whether SCRAM is offered, and for that all accounts are read: not more often.
const LOOK: Duration = Duration::from_secs(10);

/// Whether SCRAM was offered, and when that was found out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Offer {
    written: u64,
    at: Timestamp,
    answer: bool,
}

/// Is SCRAM of use?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeepKeys {
    /// No program logs in: nothing is kept that need not be.
    #[default]
    No,
    /// Programs do.
    Yes,
}

/// Keys of an account.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    /// As RFC 5803 writes them.
    keys: Secret,
    /// Digest of the hash of the password that they are of.
    of: String,
}

impl Accounts {
    /// The same accounts, which keep keys or do not.
    #[must_use]
    pub const fn keeping(mut self, keep: KeepKeys) -> Self {
        self.keep_keys = keep;
        self
    }

    /// Makes the keys of a password that is right, unless they are there. That it fails keeps
    /// nobody out: then SCRAM is not offered.
    pub(super) async fn note_password(&self, account: &Account, password: &str) {
        if self.keep_keys == KeepKeys::No {
            return;
        }
        if let Err(error) = self.make_keys(account, password).await {
            tracing::warn!(%error, account = account.key(), "keys for SCRAM could not be kept");
        }
    }

    async fn make_keys(&self, account: &Account, password: &str) -> Result<(), AccountError> {
        let (Some(of), Some(password)) = (hash_of(account), prepared(password)) else {
            return Ok(());
        };
        if self.keys_of(account).await?.is_some() {
            return Ok(());
        }
        let salt = self.entropy.bytes::<16>();
        let made = self.passwords.run(move || ScramKeys::of(&password, salt));
        let keys = Secret(made.await?.to_string());
        self.store(KEYS, &account.key(), &Kept { keys, of }).await
    }

    /// The keys of an account's present password.
    async fn keys_of(&self, account: &Account) -> Result<Option<ScramKeys>, AccountError> {
        let kept: Option<Kept> = self.load(KEYS, &account.key()).await?;
        let is_present = |kept: &Kept| Some(&kept.of) == hash_of(account).as_ref();
        let kept = kept.filter(is_present);
        Ok(kept.and_then(
            |Kept {
                 keys: Secret(text), ..
             }| text.parse().ok(),
        ))
    }

    /// Would everybody come in by SCRAM who comes in by a password? Clients that see it offered try
    /// nothing else.
    pub(super) async fn offers_scram(&self) -> Result<bool, AccountError> {
        // Their passwords are known to somebody else.
        if self.keep_keys == KeepKeys::No || self.front.is_some() {
            return Ok(false);
        }
        // One looks, the others wait for what it finds.
        let mut known = self.scram.lock().await;
        let (written, at) = (self.written(), self.clock.now());
        let is_good = |one: &Offer| one.written == written || at.since(one.at) < LOOK;
        if let Some(offer) = known.filter(is_good) {
            return Ok(offer.answer);
        }
        let spool = self.spool.clone();
        let kept = blocking(move || spool.facts(KEYS, "")).await??;
        let kept: HashMap<String, String> = kept
            .into_iter()
            .filter_map(|(key, value)| {
                let kept: Kept = serde_json::from_value(value).ok()?;
                Some((key, kept.of))
            })
            .collect();
        let accounts = self.list().await?;
        let with_password = |one: &&Account| one.is_open() && one.has_password();
        let mut all = accounts.iter().filter(with_password).peekable();
        let answer =
            all.peek().is_some() && all.all(|one| hash_of(one).as_ref() == kept.get(&one.key()));
        *known = Some(Offer {
            written,
            at,
            answer,
        });
        Ok(answer)
    }

    /// The keys of whoever is meant by what was typed, or nobody's, which cannot be told from them;
    /// and a fresh nonce. A try, until [`Self::verify_keys`] says that it was right.
    pub(super) async fn recall_keys(
        &self,
        typed: &str,
        from: IpAddr,
    ) -> Result<(ScramKeys, String), LoginError> {
        let typed = key_of(typed);
        let meant = self.account_of(&typed).await?;
        let tried = self.note_try(&self.counted_as(&typed, &meant), from);
        tried.map_err(LoginError::Wait)?;
        let keys = match self.find(&meant).await? {
            Some(account) => self.keys_of(&account).await?,
            None => None,
        };
        let nobody = ScramKeys::nobodys(&self.nobodys_secret().await?, &meant);
        Ok((keys.unwrap_or(nobody), self.entropy.token()))
    }

    /// Somebody knows the password of these keys: is it that of whom he says?
    pub(super) async fn verify_keys(
        &self,
        typed: &str,
        keys: &ScramKeys,
        from: IpAddr,
    ) -> Result<Account, LoginError> {
        let typed = key_of(typed);
        let meant = self.account_of(&typed).await?;
        let account = self.find(&meant).await?;
        let account = account.filter(Account::is_open).ok_or(LoginError::Wrong)?;
        let own = self.keys_of(&account).await?;
        if !own.is_some_and(|own| own.is(keys)) {
            return Err(LoginError::Wrong);
        }
        self.note_success(&self.counted_as(&typed, &meant), from);
        Ok(account)
    }

    /// Made once: salts of nobody stay, as those of people do.
    async fn nobodys_secret(&self) -> Result<Vec<u8>, AccountError> {
        let load = || self.load::<Secret>(NOBODY, "secret");
        if let Some(Secret(known)) = load().await? {
            return Ok(known.into_bytes());
        }
        let _changing = self.changing.lock().await;
        if let Some(Secret(known)) = load().await? {
            return Ok(known.into_bytes());
        }
        let secret = self.entropy.token();
        self.store(NOBODY, "secret", &Secret(secret.clone()))
            .await?;
        Ok(secret.into_bytes())
    }
}

fn key_of(typed: &str) -> String {
    let address = typed.trim().parse::<Mailbox>();
    address.map_or_else(|_| String::new(), |address| address.key())
}

fn hash_of(account: &Account) -> Option<String> {
    let Secret(hash) = account.password.as_ref()?;
    Some(digest("scram", hash))
}
