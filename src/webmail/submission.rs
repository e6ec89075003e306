//! Programs that hand in mail with the password of an account (RFC 6409): the same people, the same
//! tries, the same addresses and the same allowance as on the pages.
//!
//! For whom the pages are open does not matter here: whoever runs a door for programs wants it
//! open.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Webmail;
use super::accounts::{Account, LoginError};
use super::error::WebError;
use super::outbox::{Unsent, WINDOW};
use crate::base::Timestamp;
use crate::credential::ScramKeys;
use crate::smtp::Mailbox;

/// Whose program it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writer {
    /// The key of his account.
    pub account: String,
    /// The addresses that he may send as.
    pub addresses: Vec<Mailbox>,
}

/// Why a program may not.
#[derive(Debug)]
pub enum ProgramError {
    /// Wrong address or password; which of them is not told.
    Wrong,
    /// The password is right, and the account asks for a second step, which no program can take: it
    /// would be a way round it.
    SecondStep,
    /// The account is closed, or its address is somebody else's.
    Shut,
    /// Too many tries: wait so long.
    Wait(Duration),
    /// So many messages and recipients were sent within the hour as there may be.
    Enough(u32, u32),
    /// Who knows the password cannot be asked now.
    Away,
    /// We failed.
    Internal,
}

impl From<LoginError> for ProgramError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::Wrong => Self::Wrong,
            LoginError::Wait(wait) => Self::Wait(wait),
            LoginError::Away => Self::Away,
            LoginError::Internal(error) => {
                tracing::error!(%error, "submission: a login failed");
                Self::Internal
            }
        }
    }
}

impl From<WebError> for ProgramError {
    fn from(error: WebError) -> Self {
        tracing::error!(?error, "submission: what somebody may send is not known");
        Self::Internal
    }
}

/// What programs have handed in since the start and within the hour, each counted before it is
/// written down: what comes over many connections at once, and receipts, which stand under nobody's
/// name in the log.
#[derive(Debug, Default)]
pub(super) struct Handed(Mutex<BTreeMap<String, VecDeque<(Timestamp, usize)>>>);

impl Handed {
    /// Counts a message of this account, if it may send it: at most so many, to so many.
    fn take(
        &self,
        account: &str,
        recipients: usize,
        now: Timestamp,
        (most, most_recipients): (u32, u32),
    ) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        all.retain(|_, sent| {
            // A clock that was set back keeps nobody for longer.
            sent.retain(|(at, _)| at.is_within(WINDOW, now));
            !sent.is_empty()
        });
        let sent = all.entry(account.to_owned()).or_default();
        let to: usize = sent.iter().map(|(_, recipients)| recipients).sum();
        let may = number(sent.len()) < most && number(to + recipients) <= most_recipients;
        if may {
            sent.push_back((now, recipients));
        }
        may
    }
}

impl Webmail {
    /// A program says that it is somebody's.
    ///
    /// # Errors
    /// See [`ProgramError`].
    pub async fn verify_program(
        &self,
        address: &str,
        password: String,
        from: IpAddr,
    ) -> Result<Writer, ProgramError> {
        let accounts = &self.0.world.accounts;
        let (account, _) = accounts.verify(address, password, from).await?;
        self.entered(&account)
    }

    /// Would everybody come in by SCRAM who comes in by a password?
    pub async fn offers_scram(&self) -> bool {
        let offers = self.0.world.accounts.offers_scram().await;
        offers.unwrap_or_else(|error| {
            tracing::warn!(%error, "submission: SCRAM is not offered");
            false
        })
    }

    /// Keys for SCRAM of who is meant by an address, or nobody's; and a fresh nonce.
    ///
    /// # Errors
    /// See [`ProgramError`].
    pub async fn program_keys(
        &self,
        address: &str,
        from: IpAddr,
    ) -> Result<(ScramKeys, String), ProgramError> {
        let accounts = &self.0.world.accounts;
        Ok(accounts.recall_keys(address, from).await?)
    }

    /// A program has shown that it knows the password of these keys.
    ///
    /// # Errors
    /// See [`ProgramError`].
    pub async fn verify_program_keys(
        &self,
        address: &str,
        keys: &ScramKeys,
        from: IpAddr,
    ) -> Result<Writer, ProgramError> {
        let accounts = &self.0.world.accounts;
        let account = accounts.verify_keys(address, keys, from).await?;
        self.entered(&account)
    }

    /// What the program of this account may do now.
    ///
    /// # Errors
    /// See [`ProgramError`].
    pub async fn renew_program(&self, account: &str) -> Result<Writer, ProgramError> {
        let found = self.0.world.accounts.find(account).await;
        let found = found.map_err(LoginError::Internal)?;
        // A second step that is new shuts out whoever came in without.
        let open = found.filter(|account| account.is_open() && !account.has_second_step());
        self.writer_of(&open.ok_or(ProgramError::Shut)?)
    }

    /// A program sends a message to so many: it counts as one that was written on the pages.
    ///
    /// # Errors
    /// See [`ProgramError`].
    pub async fn program_sends(
        &self,
        writer: &Writer,
        (from, recipients): (Option<&Mailbox>, usize),
    ) -> Result<(), ProgramError> {
        let (account, addresses) = (&writer.account, &writer.addresses);
        let allowed = self.check_allowance(account, addresses, recipients).await;
        allowed.map_err(|unsent| match unsent {
            Unsent::Enough(messages, recipients) => ProgramError::Enough(messages, recipients),
            Unsent::Web(error) => error.into(),
            Unsent::Refused(_) | Unsent::Full => ProgramError::Internal,
        })?;
        let writing = &self.0.options.writing;
        let most = (writing.messages_per_hour, writing.recipients_per_hour);
        let now = self.0.world.clock.now();
        if !self.0.handed.take(account, recipients, now, most) {
            return Err(ProgramError::Enough(most.0, most.1));
        }
        // So that it is found among what he sent, whoever has the address then.
        if let Some(from) = from {
            self.note_sender(account, from).await?;
        }
        Ok(())
    }

    /// How what somebody typed as his name is written down.
    #[must_use]
    pub fn shown_identity(&self, typed: &str) -> String {
        self.known_address(typed)
    }

    fn entered(&self, account: &Account) -> Result<Writer, ProgramError> {
        if account.has_second_step() {
            return Err(ProgramError::SecondStep);
        }
        self.writer_of(account)
    }

    fn writer_of(&self, account: &Account) -> Result<Writer, ProgramError> {
        let person = self.person_of(account).ok_or(ProgramError::Shut)?;
        if self.is_gone(&person) {
            return Err(ProgramError::Shut);
        }
        Ok(Writer {
            account: account.key(),
            addresses: self.addresses_of(&person),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_has_its_bounds_whoever_hands_in_how_often_at_once() {
        let handed = Handed::default();
        let at = |seconds: u64| Timestamp::from_millis(seconds * 1000);
        let take =
            |account, recipients, second| handed.take(account, recipients, at(second), (3, 10));
        assert!(take("ann", 4, 0) && take("ann", 4, 1));
        assert!(!take("ann", 3, 2), "too many recipients");
        assert!(take("ann", 2, 3));
        assert!(!take("ann", 0, 4), "too many messages");
        assert!(take("bob", 10, 4), "each has his own");
        assert!(!take("ann", 1, 3_599));
        assert!(take("ann", 1, 3_600), "an hour later");
    }
}
