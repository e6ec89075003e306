//! Joins the operators' API and the webmail's accounts, which are on one floor and do not see each
//! other.

use super::assemble::Base;
use crate::admin::{Account, AccountAdmin, AccountRefused, AccountState, Invitation};
use crate::base::{Boxed, Clock};
use crate::route::Router;
use crate::smtp::Mailbox;
use crate::webmail::{self, AccountError, Accounts};

/// The accounts, as operators see them.
#[derive(Debug)]
pub(super) struct AccountDesk {
    accounts: Accounts,
    base_url: String,
    router: Router,
    clock: Clock,
}

impl AccountDesk {
    pub(super) fn new(accounts: Accounts, base_url: String, base: &Base) -> Self {
        Self {
            accounts,
            base_url,
            router: base.router.clone(),
            clock: base.clock.clone(),
        }
    }
}

impl AccountAdmin for AccountDesk {
    fn invite<'a>(&'a self, address: &'a Mailbox) -> Boxed<'a, Result<Invitation, AccountRefused>> {
        Box::pin(async move {
            if self.base_url.is_empty() {
                return Err(AccountRefused::Failed(
                    "there is no webmail: add [web] bind to the config".to_owned(),
                ));
            }
            let account = self.mailbox_of(address)?;
            let expires = self.clock.now().after(webmail::INVITATION_LIFE);
            let token = self.accounts.invite(&account).await.map_err(refused)?;
            Ok(Invitation {
                address: account.to_string(),
                link: webmail::invitation_link(&self.base_url, &token),
                expires,
            })
        })
    }

    fn list(&self) -> Boxed<'_, Result<Vec<Account>, AccountRefused>> {
        Box::pin(async move {
            let accounts = self.accounts.list().await.map_err(refused)?;
            Ok(accounts.iter().map(view).collect())
        })
    }

    fn disable<'a>(&'a self, address: &'a Mailbox) -> Boxed<'a, Result<(), AccountRefused>> {
        Box::pin(async move {
            // Somebody who left the directory can still be shut out.
            let account = self.mailbox_of(address).unwrap_or_else(|_| address.clone());
            self.accounts.disable(&account).await.map_err(refused)
        })
    }
}

impl AccountDesk {
    /// The mailbox behind an address or alias: its key is where the mail is listed.
    fn mailbox_of(&self, address: &Mailbox) -> Result<Mailbox, AccountRefused> {
        let key = self.router.explain(address).mailbox;
        key.and_then(|key| key.parse().ok()).ok_or_else(|| {
            AccountRefused::NoSuch(format!(
                "{address} has no mailbox in the directory: see `tideover explain {address}`"
            ))
        })
    }
}

fn view(account: &webmail::Account) -> Account {
    Account {
        address: account.address.to_string(),
        state: if account.disabled {
            AccountState::Disabled
        } else if account.is_enrolled() {
            AccountState::Active
        } else {
            AccountState::Invited
        },
        created: account.created,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn refused(error: AccountError) -> AccountRefused {
    match error {
        AccountError::Unknown(_) | AccountError::Invitation | AccountError::Damaged(_) => {
            AccountRefused::NoSuch(error.to_string())
        }
        AccountError::Password | AccountError::Spool(_) | AccountError::Hash(_) => {
            AccountRefused::Failed(error.to_string())
        }
    }
}
