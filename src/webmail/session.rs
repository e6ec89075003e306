//! Sessions: a random token in a cookie (RFC 6265), its digest as a fact of the spool.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::accounts::{Account, AccountError, Accounts, blocking};
use crate::base::{Clock, Entropy, Timestamp};
use crate::credential::{digest, is_token, same};
use crate::spool::{Spool, SpoolError};

const SESSIONS: &str = "session";
/// A session ends so long after login: one working day.
pub(crate) const LIFE: Duration = Duration::from_secs(12 * 3600);
/// Expired sessions are cleared away so often, at a login.
const CLEARING: Duration = Duration::from_secs(3600);

/// What is stored under the digest of the token.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Stored {
    account: String,
    generation: u32,
    created: Timestamp,
    expires: Timestamp,
    /// Where it was begun.
    #[serde(default)]
    origin: Origin,
}

/// Where a session was begun, so that its owner knows it again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Origin {
    /// The visitor's address.
    pub address: String,
    /// What his browser calls itself.
    pub agent: String,
}

/// A session, as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// The name by which it can be ended; tells nothing about its token.
    pub id: String,
    pub created: Timestamp,
    pub expires: Timestamp,
    pub origin: Origin,
}

/// Somebody who is logged in.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    /// His account.
    pub account: Account,
    /// The token that every form of his carries.
    pub csrf: String,
    /// The digest under which the session is stored.
    pub id: String,
}

impl Session {
    /// Does a form come from one of our pages?
    pub(crate) fn allows(&self, csrf: &str) -> bool {
        same(&self.csrf, csrf)
    }
}

/// The sessions; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Sessions {
    spool: Spool,
    accounts: Accounts,
    clock: Clock,
    entropy: Entropy,
    cleared: Arc<AtomicU64>,
}

impl Sessions {
    pub(crate) fn new(spool: Spool, accounts: Accounts, clock: Clock, entropy: Entropy) -> Self {
        Self {
            spool,
            accounts,
            clock,
            entropy,
            cleared: Arc::default(),
        }
    }

    /// Begins a session: returns the token for the cookie.
    pub(crate) async fn begin(
        &self,
        account: &Account,
        origin: Origin,
    ) -> Result<String, SpoolError> {
        self.clear_expired().await?;
        let token = self.entropy.token();
        let now = self.clock.now();
        let stored = Stored {
            account: account.key(),
            generation: account.generation,
            created: now,
            expires: now.after(LIFE),
            origin,
        };
        let value = serde_json::to_value(&stored)
            .map_err(|error| SpoolError::Damaged(error.to_string()))?;
        let id = digest("session", &token);
        self.spool.put_fact(SESSIONS, &id, Some(value)).await?;
        Ok(token)
    }

    /// The session of a token, while it is good and its account may be used.
    pub(crate) async fn find(&self, token: &str) -> Result<Option<Session>, SpoolError> {
        if !is_token(token) {
            return Ok(None);
        }
        let id = digest("session", token);
        let (spool, key) = (self.spool.clone(), id.clone());
        let fact = blocking(move || spool.fact(SESSIONS, &key)).await??;
        let stored = fact.and_then(|value| serde_json::from_value::<Stored>(value).ok());
        let Some(stored) = stored.filter(|stored| stored.expires > self.clock.now()) else {
            return Ok(None);
        };
        let account = match self.accounts.find(&stored.account).await {
            Ok(account) => account,
            Err(AccountError::Spool(error)) => return Err(error),
            Err(_) => None,
        };
        let account =
            account.filter(|account| account.is_open() && account.generation == stored.generation);
        if let (Some(account), Ok(from)) = (&account, stored.origin.address.parse()) {
            self.accounts.note_session(&account.person().key(), from);
        }
        Ok(account.map(|account| Session {
            account,
            csrf: digest("csrf", token),
            id,
        }))
    }

    /// Ends a session.
    pub(crate) async fn end(&self, session: &Session) -> Result<(), SpoolError> {
        self.spool.put_fact(SESSIONS, &session.id, None).await
    }

    /// The sessions of an account that are good, newest first.
    pub(crate) async fn of(&self, account: &Account) -> Result<Vec<Listed>, SpoolError> {
        let spool = self.spool.clone();
        let facts = blocking(move || spool.facts(SESSIONS, "")).await??;
        let (key, now) = (account.key(), self.clock.now());
        let is_own = |stored: &Stored| {
            stored.account == key && stored.generation == account.generation && stored.expires > now
        };
        let mut listed: Vec<Listed> = facts
            .into_iter()
            .filter_map(|(id, value)| Some((id, serde_json::from_value(value).ok()?)))
            .filter(|(_, stored)| is_own(stored))
            .map(|(id, stored)| Listed {
                id,
                created: stored.created,
                expires: stored.expires,
                origin: stored.origin,
            })
            .collect();
        listed.sort_by_key(|one| std::cmp::Reverse(one.created));
        Ok(listed)
    }

    /// Ends one of the account's sessions; `false` when it has none of this name.
    pub(crate) async fn end_one(&self, account: &Account, id: &str) -> Result<bool, SpoolError> {
        let is_own = self.of(account).await?.iter().any(|one| one.id == id);
        if is_own {
            self.spool.put_fact(SESSIONS, id, None).await?;
        }
        Ok(is_own)
    }

    /// Ends all of an account's sessions but this one: how many these were.
    pub(crate) async fn end_others(&self, session: &Session) -> Result<usize, SpoolError> {
        let all = self.of(&session.account).await?;
        let others: Vec<_> = all.iter().filter(|one| one.id != session.id).collect();
        for one in &others {
            self.spool.put_fact(SESSIONS, &one.id, None).await?;
        }
        Ok(others.len())
    }

    async fn clear_expired(&self) -> Result<(), SpoolError> {
        let now = self.clock.now();
        let last = Timestamp::from_millis(self.cleared.load(Ordering::Relaxed));
        if now.since(last) < CLEARING {
            return Ok(());
        }
        self.cleared.store(now.as_millis(), Ordering::Relaxed);
        let spool = self.spool.clone();
        let facts = blocking(move || spool.facts(SESSIONS, "")).await??;
        for (key, value) in facts {
            let stored = serde_json::from_value::<Stored>(value);
            if !stored.is_ok_and(|stored| stored.expires > now) {
                self.spool.put_fact(SESSIONS, &key, None).await?;
            }
        }
        Ok(())
    }
}
