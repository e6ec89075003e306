//! Somebody in front who knows passwords, too: the organisation's directory server. He is asked
//! only when the own password does not fit, so that a login never needs him (decision 14).

use std::fmt;
use std::sync::Arc;

use super::accounts::{ACCOUNTS, Account, AccountError, Accounts, LoginError};
use crate::base::Boxed;
use crate::smtp::Mailbox;

/// What he says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is the password of who has this mailbox.
    Right(Mailbox),
    /// It is not, or nobody of ours has the address.
    Wrong,
    /// He cannot be asked now.
    Away,
}

/// Knows passwords.
pub trait Front: Send + Sync + fmt::Debug {
    /// Is this the password of who has the address? It is never empty.
    fn check<'a>(&'a self, address: &'a Mailbox, password: &'a str) -> Boxed<'a, Verdict>;
}

impl Accounts {
    /// The same accounts, with somebody in front.
    #[must_use]
    pub fn behind(mut self, front: Arc<dyn Front>) -> Self {
        self.front = Some(front);
        self
    }

    /// Asks him about a password that is not the own one: whose it is. An account is made for who
    /// comes for the first time.
    pub(super) async fn ask_front(&self, key: &str, password: &str) -> Result<Account, LoginError> {
        let Some(front) = &self.front else {
            return Err(LoginError::Wrong);
        };
        let Ok(address) = key.parse::<Mailbox>() else {
            return Err(LoginError::Wrong);
        };
        // RFC 4513 §5.1.2: a bind without password succeeds, and proves nothing.
        if password.is_empty() || self.is_disabled(key).await? {
            return Err(LoginError::Wrong);
        }
        let mailbox = match front.check(&address, password).await {
            Verdict::Right(mailbox) => mailbox,
            Verdict::Wrong => return Err(LoginError::Wrong),
            Verdict::Away => return Err(LoginError::Away),
        };
        let _changing = self.changing.lock().await;
        match self.find(&mailbox.key()).await? {
            Some(account) if account.disabled => Err(LoginError::Wrong),
            Some(account) => Ok(account),
            None => {
                let account = Account::new(&mailbox, self.clock.now());
                self.store(ACCOUNTS, &account.key(), &account).await?;
                Ok(account)
            }
        }
    }

    async fn is_disabled(&self, key: &str) -> Result<bool, AccountError> {
        let account = self.find(key).await?;
        Ok(account.is_some_and(|account| account.disabled))
    }
}
