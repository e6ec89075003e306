//! Passwords that are replaced: by their owner, who knows the old one, or by the help desk, for
//! who has lost it; and accounts that are shut.

use std::net::IpAddr;

use super::accounts::{ACCOUNTS, Account, AccountError, Accounts, INVITATIONS, LoginError, Secret};
use super::invitations::Invited;
use super::passkeys::Keyring;
use crate::smtp::Mailbox;

/// Why a password was not changed.
#[derive(Debug)]
pub(crate) enum Unchanged {
    /// The password until now was not right, or there were too many tries, or we failed.
    Login(LoginError),
    /// The new one cannot be used.
    Refused,
}

/// What becomes of the passkeys of an account that gets another password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OldPasskeys {
    /// They go on to let in.
    Stay,
    /// They let nobody in any more.
    Go,
}

impl OldPasskeys {
    /// As a box of a form says.
    pub(super) const fn of(ticked: &str) -> Self {
        if ticked.is_empty() {
            Self::Stay
        } else {
            Self::Go
        }
    }
}

impl Accounts {
    /// Changes the password of an account whose owner knows it; all its sessions end.
    pub(crate) async fn change_password(
        &self,
        account: &Account,
        (old, new, passkeys): (String, String, OldPasskeys),
        from: IpAddr,
    ) -> Result<Account, Unchanged> {
        let verified = self.verify_key(account.key(), old, from).await;
        let account = verified.map_err(Unchanged::Login)?;
        let hash = match self.hash_new(&account, new.clone()).await {
            Ok(hash) => hash,
            Err(AccountError::Password) => return Err(Unchanged::Refused),
            Err(error) => return Err(error.into()),
        };
        let changing = self.changing.lock().await;
        let now = self.find(&account.key()).await?;
        // Disabled or changed since it was verified: the old password counts no more.
        let is_same = |now: &Account| now.is_open() && now.generation == account.generation;
        let Some(mut account) = now.filter(is_same) else {
            return Err(Unchanged::Login(LoginError::Wrong));
        };
        account.password = Some(Secret(hash));
        account.generation = account.generation.wrapping_add(1);
        let gone = account.take_passkeys(passkeys);
        self.store(ACCOUNTS, &account.key(), &account).await?;
        self.forget_passkeys(gone).await?;
        drop(changing);
        self.note_password(&account, &new).await;
        Ok(account)
    }

    /// For who has lost his password, or whose password somebody else may know: it works no more,
    /// neither do his second step and his passkeys, his sessions end, what a login provider calls
    /// him is forgotten, and a new invitation lets him choose another one. A disabled account is
    /// opened again by it.
    ///
    /// # Errors
    /// [`AccountError::Unknown`], or when it could not be stored.
    pub async fn reset(&self, address: &Mailbox) -> Result<Invited, AccountError> {
        let _changing = self.changing.lock().await;
        let key = address.key();
        let found = self.find(&key).await?;
        let mut account = found.ok_or(AccountError::Unknown(key))?;
        account.password = None;
        account.second = None;
        let gone = account.keyring.take();
        let pin = account.pin.take();
        account.disabled = false;
        account.generation = account.generation.wrapping_add(1);
        let invited = self.put_invitation(&mut account).await?;
        self.forget_passkeys(gone).await?;
        self.forget_pin(pin).await?;
        Ok(invited)
    }

    /// Ends an account's sessions and lets nobody log in to it, until it is invited again.
    ///
    /// # Errors
    /// [`AccountError::Unknown`], or when it could not be stored.
    pub async fn disable(&self, address: &Mailbox) -> Result<(), AccountError> {
        let _changing = self.changing.lock().await;
        let key = address.key();
        let found = self.find(&key).await?;
        let mut account = found.ok_or_else(|| AccountError::Unknown(key.clone()))?;
        account.disabled = true;
        account.generation = account.generation.wrapping_add(1);
        let invitation = account.invitation.take();
        let gone = account.keyring.take();
        self.store(ACCOUNTS, &key, &account).await?;
        self.forget_passkeys(gone).await?;
        if let Some(invitation) = invitation {
            self.spool.put_fact(INVITATIONS, &invitation, None).await?;
        }
        Ok(())
    }
}

impl Account {
    /// The passkeys that go.
    pub(super) const fn take_passkeys(&mut self, passkeys: OldPasskeys) -> Option<Keyring> {
        match passkeys {
            OldPasskeys::Stay => None,
            OldPasskeys::Go => self.keyring.take(),
        }
    }
}

impl<E: Into<AccountError>> From<E> for Unchanged {
    fn from(error: E) -> Self {
        Self::Login(LoginError::Internal(error.into()))
    }
}
