//! What operators do with the webmail's accounts. The webmail owns them; it is on the same floor,
//! so the two meet in this trait and `daemon` joins them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{InviteQuery, InvitedView};
use crate::base::{Boxed, Timestamp};
use crate::notice::Share;
use crate::smtp::Mailbox;

/// An account of the webmail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Account {
    /// The mailbox it opens.
    pub address: String,
    /// Can it be used?
    pub state: AccountState,
    /// Made when.
    pub created: Timestamp,
    /// It has a password of its own.
    #[serde(default)]
    pub password: bool,
    /// A login by password takes a code of an app, too.
    #[serde(default)]
    pub second_step: bool,
    /// Its passkeys, each of which lets in without password.
    #[serde(default)]
    pub passkeys: usize,
    /// Its user has come in by a login provider, which calls him the same from then on.
    #[serde(default)]
    pub provider: bool,
    /// Is its user in the directory?
    #[serde(default)]
    pub directory: Presence,
    /// The own address of its user, when that is another one by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renamed: Option<String>,
}

impl Account {
    /// With what its user can log in, for people.
    #[must_use]
    pub fn factors(&self) -> String {
        let mut factors = Vec::new();
        if self.password {
            factors.push("password".to_owned());
        }
        if self.second_step {
            factors.push("app".to_owned());
        }
        match self.passkeys {
            0 => {}
            1 => factors.push("passkey".to_owned()),
            many => factors.push(format!("{many} passkeys")),
        }
        if self.provider {
            factors.push("provider".to_owned());
        }
        factors.join(", ")
    }
}

/// Is the user of an account in the directory?
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    /// He is; or his domain takes everybody.
    #[default]
    There,
    /// No source names him since then; he has his mail and may log in during `directory.grace`.
    Departed(Timestamp),
    /// The directory does not name him, and he sees and sends nothing.
    Gone,
    /// His address is somebody else's, and he cannot log in.
    Taken {
        /// The own address of who has it.
        by: String,
        /// When that was seen.
        since: Timestamp,
        /// It may be the same person: somebody who knows has to say.
        doubtful: bool,
    },
}

/// Can an account be used?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AccountState {
    /// The invitation is not used yet.
    Invited,
    /// Its user can log in without anybody's help.
    Active,
    /// Its user logs in with the password of the directory server only.
    Directory,
    /// Nobody can log in.
    Disabled,
}

impl AccountState {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Invited => "invited",
            Self::Active => "active",
            Self::Directory => "directory",
            Self::Disabled => "disabled",
        }
    }
}

/// A link with which a user sets a password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Invitation {
    /// For which mailbox.
    pub address: String,
    /// The link; whoever has it can set the password, once.
    pub link: String,
    /// The link is dead after this moment.
    pub expires: Timestamp,
    /// The account was disabled: it can be used again, and the password of before cannot.
    #[serde(default)]
    pub was_disabled: bool,
    /// The same as the link, to be typed at `/invite`.
    #[serde(default)]
    pub code: String,
    /// The user's name, as the directory has it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Where the link was sent to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mailed_to: Option<String>,
}

/// How many of those who have a mailbox can use the webmail.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Coverage {
    /// All domains together.
    pub total: Covered,
    /// Each domain, by name.
    pub domains: BTreeMap<String, Covered>,
    /// Mailboxes whose users cannot log in yet, by address; also those who are invited.
    pub missing: Vec<String>,
    /// Accounts that nobody gets into because their address is somebody else's.
    #[serde(default)]
    pub departed: usize,
}

/// Counts of mailboxes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Covered {
    /// Mailboxes of the directory.
    pub mailboxes: usize,
    /// Of them, those whose users can log in.
    pub enrolled: usize,
    /// Of those, the ones who have more than a password: codes of an app, or a passkey.
    #[serde(default)]
    pub second_factor: usize,
    /// Of the mailboxes, those whose invitations are not used yet.
    pub invited: usize,
    /// Enrolled of a hundred, rounded down: 100 means all.
    pub percent: usize,
}

impl Covered {
    /// One more mailbox, with its account if it has one.
    pub fn count(&mut self, account: Option<&Account>) {
        self.mailboxes += 1;
        match account.map(|account| (account.state, account)) {
            Some((AccountState::Active, account)) => {
                self.enrolled += 1;
                let has_second = account.second_step || account.passkeys > 0;
                self.second_factor += usize::from(has_second);
            }
            Some((AccountState::Invited, _)) => self.invited += 1,
            Some((AccountState::Directory | AccountState::Disabled, _)) | None => {}
        }
        self.percent = self.enrolled * 100 / self.mailboxes;
    }
}

/// Why it was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccountRefused {
    /// The address has no mailbox here or no account.
    #[error("{0}")]
    NoSuch(String),
    /// The spool or something else failed.
    #[error("{0}")]
    Failed(String),
}

/// What operators do with accounts.
pub trait AccountAdmin: Send + Sync + fmt::Debug {
    /// Users who have had nearly all that they may send within an hour, the busiest first.
    fn busy(&self) -> Vec<(String, Share)>;

    /// Makes a link for the user, and the account if there is none.
    ///
    /// # Errors
    /// See [`AccountRefused`].
    fn invite<'a>(&'a self, address: &'a Mailbox) -> Boxed<'a, Result<Invitation, AccountRefused>>;

    /// Makes links for many, as [`Self::invite`] does, and sends them by mail if that is wanted.
    ///
    /// # Errors
    /// See [`AccountRefused`]; nothing is made then.
    fn invite_many(&self, whom: InviteQuery) -> Boxed<'_, Result<InvitedView, AccountRefused>>;

    /// Makes a link for a user who has lost his password, and ends the password and his sessions.
    ///
    /// # Errors
    /// See [`AccountRefused`].
    fn reset<'a>(&'a self, address: &'a Mailbox) -> Boxed<'a, Result<Invitation, AccountRefused>>;

    /// Somebody says that who has the address of an account now is its person.
    ///
    /// # Errors
    /// See [`AccountRefused`].
    fn confirm<'a>(&'a self, address: &'a Mailbox) -> Boxed<'a, Result<Account, AccountRefused>>;

    /// How many can log in of those who have a mailbox.
    ///
    /// # Errors
    /// See [`AccountRefused`].
    fn coverage(&self) -> Boxed<'_, Result<Arc<Coverage>, AccountRefused>>;

    /// All accounts, by address.
    ///
    /// # Errors
    /// See [`AccountRefused`].
    fn list(&self) -> Boxed<'_, Result<Vec<Account>, AccountRefused>>;

    /// Ends the account's sessions and refuses new ones.
    ///
    /// # Errors
    /// See [`AccountRefused`].
    fn disable<'a>(&'a self, address: &'a Mailbox) -> Boxed<'a, Result<(), AccountRefused>>;
}
