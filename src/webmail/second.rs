//! The second step of a login: codes of an authenticator app, and recovery codes for who has lost
//! it. Both are kept with the account, so that they work when everything else is down.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::accounts::{ACCOUNTS, Account, AccountError, Accounts, LoginError, Secret, blocking};
use crate::base::Timestamp;
use crate::credential::{SECRET, accepted, base32, digest, from_base32, grouped, is_token};

/// Logins that wait for their second step, as facts.
const HALVES: &str = "half-login";
/// The second step must follow the first one within this time.
const HALF_LIFE: Duration = Duration::from_secs(10 * 60);
/// Recovery codes of an account.
pub(crate) const CODES: usize = 10;
/// Bytes of chance in a recovery code.
const CODE: usize = 10;

/// The second step of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Second {
    /// What the app knows, in base32.
    secret: Secret,
    /// The step of time whose code was used last; none before it is good any more.
    #[serde(default)]
    last: u64,
    /// Digests of the recovery codes that were not used yet.
    #[serde(default)]
    codes: Vec<String>,
    /// Switched on when.
    #[serde(default)]
    pub since: Timestamp,
}

impl Second {
    /// Recovery codes that are left.
    pub(super) const fn left(&self) -> usize {
        self.codes.len()
    }
}

/// A login whose password was right.
#[derive(Debug, Serialize, Deserialize)]
struct Half {
    account: String,
    generation: u32,
    expires: Timestamp,
}

/// Why a second step is not switched on, or a login does not go on.
#[derive(Debug)]
pub(crate) enum SecondError {
    /// The password is wrong, or there were too many tries, or we failed.
    Login(LoginError),
    /// The code is wrong.
    Code,
    /// The first step was too long ago, or never was.
    Over,
}

impl<E: Into<AccountError>> From<E> for SecondError {
    fn from(error: E) -> Self {
        Self::Login(LoginError::Internal(error.into()))
    }
}

impl Account {
    /// Does a login need a second step?
    #[must_use]
    pub const fn has_second_step(&self) -> bool {
        self.second.is_some()
    }
}

impl Accounts {
    /// A new secret, for the app to learn.
    pub(crate) fn new_secret(&self) -> String {
        base32(&self.entropy.bytes::<SECRET>())
    }

    /// Switches the second step on, when the password is right and the app shows the right code.
    /// Returns the recovery codes, which are never shown again.
    pub(crate) async fn set_second(
        &self,
        account: &Account,
        (password, secret, code): (String, &str, &str),
        from: IpAddr,
    ) -> Result<Vec<String>, SecondError> {
        let bytes = from_base32(secret).filter(|bytes| bytes.len() == SECRET);
        let bytes = bytes.ok_or(SecondError::Code)?;
        let verified = self.verify_key(account.key(), password, from).await;
        verified.map_err(SecondError::Login)?;
        let now = self.clock.now();
        let last = accepted(&bytes, code, (now, 0)).ok_or(SecondError::Code)?;
        let (codes, digests) = self.new_codes();
        let second = Second {
            secret: Secret(secret.to_owned()),
            last,
            codes: digests,
            since: now,
        };
        self.put_second(account, Some(second)).await?;
        Ok(codes)
    }

    /// Switches the second step off.
    pub(crate) async fn drop_second(
        &self,
        account: &Account,
        password: String,
        from: IpAddr,
    ) -> Result<(), SecondError> {
        let verified = self.verify_key(account.key(), password, from).await;
        verified.map_err(SecondError::Login)?;
        self.put_second(account, None).await
    }

    /// New recovery codes in the place of the old ones.
    pub(crate) async fn renew_codes(
        &self,
        account: &Account,
        password: String,
        from: IpAddr,
    ) -> Result<Vec<String>, SecondError> {
        let verified = self.verify_key(account.key(), password, from).await;
        let account = verified.map_err(SecondError::Login)?;
        let (codes, digests) = self.new_codes();
        let second = account.second.clone().ok_or(SecondError::Over)?;
        let codes_only = Second {
            codes: digests,
            ..second
        };
        self.put_second(&account, Some(codes_only)).await?;
        Ok(codes)
    }

    /// A login whose password was right: the token that its second step carries.
    pub(crate) async fn begin_half(&self, account: &Account) -> Result<String, AccountError> {
        let now = self.clock.now();
        let spool = self.spool.clone();
        for (key, value) in blocking(move || spool.facts(HALVES, "")).await?? {
            let half = serde_json::from_value::<Half>(value);
            if !half.is_ok_and(|half| half.expires > now) {
                self.spool.put_fact(HALVES, &key, None).await?;
            }
        }
        let token = self.entropy.token();
        let half = Half {
            account: account.key(),
            generation: account.generation,
            expires: now.after(HALF_LIFE),
        };
        self.store(HALVES, &digest("half", &token), &half).await?;
        Ok(token)
    }

    /// Whose login waits for its second step.
    pub(crate) async fn half_of(&self, token: &str) -> Result<Option<Account>, AccountError> {
        if !is_token(token) {
            return Ok(None);
        }
        let half: Option<Half> = self.load(HALVES, &digest("half", token)).await?;
        match half {
            Some(half) => self.find(&half.account).await,
            None => Ok(None),
        }
    }

    /// The second step: a code of the app, or a recovery code, which is used up. Returns the
    /// account, and how many recovery codes are left if one was used.
    pub(crate) async fn finish_half(
        &self,
        (token, code): (&str, &str),
        from: IpAddr,
    ) -> Result<(Account, Option<usize>), SecondError> {
        if !is_token(token) {
            return Err(SecondError::Over);
        }
        let key = digest("half", token);
        let half: Option<Half> = self.load(HALVES, &key).await?;
        let now = self.clock.now();
        let half = half.filter(|half| half.expires > now);
        let half = half.ok_or(SecondError::Over)?;
        // Counted apart from passwords, which were right.
        let counted = format!("second step of {}", half.account);
        let tried = self.note_try(&counted, from);
        tried.map_err(|wait| SecondError::Login(LoginError::Wait(wait)))?;
        let _changing = self.changing.lock().await;
        let account = self.find(&half.account).await?;
        let is_same = |one: &Account| one.is_open() && one.generation == half.generation;
        let mut account = account.filter(is_same).ok_or(SecondError::Over)?;
        let Some(second) = &mut account.second else {
            return Err(SecondError::Over);
        };
        let used = second.take(code, now).ok_or(SecondError::Code)?;
        self.store(ACCOUNTS, &account.key(), &account).await?;
        self.spool.put_fact(HALVES, &key, None).await?;
        self.note_success(&counted, from);
        Ok((account, used))
    }

    async fn put_second(
        &self,
        account: &Account,
        second: Option<Second>,
    ) -> Result<(), SecondError> {
        let _changing = self.changing.lock().await;
        let now = self.find(&account.key()).await?;
        let is_same = |now: &Account| now.is_open() && now.generation == account.generation;
        let mut account = now.filter(is_same).ok_or(SecondError::Over)?;
        account.second = second;
        Ok(self.store(ACCOUNTS, &account.key(), &account).await?)
    }

    /// Recovery codes, and what is kept of them.
    fn new_codes(&self) -> (Vec<String>, Vec<String>) {
        let codes = (0..CODES).map(|_| grouped(&base32(&self.entropy.bytes::<CODE>())));
        let codes: Vec<String> = codes.collect();
        let digests = codes.iter().map(|code| recovery(code)).collect();
        (codes, digests)
    }
}

impl Second {
    /// Takes a code: `None` when it is wrong, else how many recovery codes are left if it was one.
    #[expect(
        clippy::option_option,
        reason = "wrong, of the app, or a recovery code"
    )]
    fn take(&mut self, typed: &str, now: Timestamp) -> Option<Option<usize>> {
        let Secret(secret) = &self.secret;
        let secret = from_base32(secret)?;
        if let Some(step) = accepted(&secret, typed, (now, self.last)) {
            self.last = step;
            return Some(None);
        }
        let typed = recovery(typed);
        let at = self.codes.iter().position(|code| *code == typed)?;
        self.codes.swap_remove(at);
        Some(Some(self.codes.len()))
    }
}

/// What is kept of a recovery code. It has 80 bits of chance, so a plain hash is enough.
fn recovery(code: &str) -> String {
    let letters: String = code
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_uppercase())
        .collect();
    digest("recovery", &letters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recovery_codes_are_read_as_people_type_them() {
        assert_eq!(recovery("ABCD-EFGH"), recovery(" abcd efgh"));
        assert_ne!(recovery("ABCD-EFGH"), recovery("ABCD-EFGI"));
    }
}
