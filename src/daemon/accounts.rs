//! Joins the operators' API and the webmail's accounts, which are on one floor and do not see each
//! other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::assemble::Base;
use crate::admin::{
    Account, AccountAdmin, AccountRefused, AccountState, Coverage, Invitation, InviteQuery,
    InvitedView, Presence,
};
use crate::base::{Boxed, Clock};
use crate::directory::{Directory, DirectoryHandle, EntryKind, Lookup};
use crate::notice::Share;
use crate::person::Why;
use crate::route::{Admission, Admit as _, Origin, Router};
use crate::smtp::Mailbox;
use crate::webmail::{self, AccountError, Accounts, Invited, Webmail};

/// The accounts, as operators see them.
#[derive(Debug)]
pub(super) struct AccountDesk {
    pub(super) accounts: Accounts,
    base_url: String,
    router: Router,
    pub(super) directory: DirectoryHandle,
    clock: Clock,
    /// Sends mail; `None` without a webmail.
    pub(super) webmail: Option<Webmail>,
    counted: Mutex<Option<Counted>>,
}

/// How many could log in, and of what that is true: it is asked for often, and everybody is
/// counted.
#[derive(Debug)]
struct Counted {
    directory: Weak<Directory>,
    written: u64,
    coverage: Arc<Coverage>,
}

impl AccountDesk {
    pub(super) fn new(
        (accounts, webmail): (Accounts, Option<Webmail>),
        base_url: String,
        base: &Base,
    ) -> Self {
        Self {
            accounts,
            base_url,
            router: base.router.clone(),
            directory: base.directory.clone(),
            clock: base.clock.clone(),
            webmail,
            counted: Mutex::default(),
        }
    }
}

impl AccountAdmin for AccountDesk {
    fn busy(&self) -> Vec<(String, Share)> {
        let webmail = self.webmail.as_ref();
        webmail.map_or_else(Vec::new, Webmail::busy)
    }

    fn invite<'a>(&'a self, address: &'a Mailbox) -> Boxed<'a, Result<Invitation, AccountRefused>> {
        Box::pin(async move {
            self.check_served()?;
            self.invite_one(&self.mailbox_of(address)?).await
        })
    }

    fn invite_many(&self, whom: InviteQuery) -> Boxed<'_, Result<InvitedView, AccountRefused>> {
        Box::pin(self.invite_all(whom))
    }

    fn reset<'a>(&'a self, address: &'a Mailbox) -> Boxed<'a, Result<Invitation, AccountRefused>> {
        Box::pin(async move {
            self.check_served()?;
            self.refuse_anothers(address).await?;
            let account = self.account_of(address).await?;
            let was_disabled = self.is_disabled(&account).await;
            let invited = if self.is_reused(&account).await {
                self.accounts.begin_anew(&account).await
            } else {
                self.refuse_departed(&account).await?;
                let invited = self.accounts.reset(&account).await;
                if let Some(webmail) = self.webmail.as_ref().filter(|_| invited.is_ok()) {
                    webmail.note_reset(&account).await;
                }
                invited
            };
            let invited = invited.map_err(refused)?;
            Ok(self.invitation(&account, (was_disabled, invited)))
        })
    }

    fn coverage(&self) -> Boxed<'_, Result<Arc<Coverage>, AccountRefused>> {
        Box::pin(async move {
            let (directory, written) = (self.directory.current(), self.accounts.written());
            let counted = || self.counted.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(known) = counted().as_ref()
                && known.written == written
                && known.directory.as_ptr() == Arc::as_ptr(&directory)
            {
                return Ok(Arc::clone(&known.coverage));
            }
            let accounts = self.accounts.list().await.map_err(refused)?;
            let departed = accounts.iter().filter(|one| one.departed().is_some());
            let departed = departed.filter(|one| !one.disabled).count();
            let (all, known) = (Arc::clone(&directory), by_person(&accounts));
            let counted_now = tokio::task::spawn_blocking(move || coverage(&all, &known)).await;
            let counted_now =
                counted_now.map_err(|error| AccountRefused::Failed(error.to_string()))?;
            let coverage = Arc::new(Coverage {
                departed,
                ..counted_now
            });
            *counted() = Some(Counted {
                directory: Arc::downgrade(&directory),
                written,
                coverage: Arc::clone(&coverage),
            });
            Ok(coverage)
        })
    }

    fn list(&self) -> Boxed<'_, Result<Vec<Account>, AccountRefused>> {
        Box::pin(async move {
            let accounts = self.accounts.list().await.map_err(refused)?;
            let present = |account: &webmail::Account| Account {
                directory: self.presence(account),
                ..view(account)
            };
            Ok(accounts.iter().map(present).collect())
        })
    }

    fn confirm<'a>(&'a self, address: &'a Mailbox) -> Boxed<'a, Result<Account, AccountRefused>> {
        Box::pin(async move {
            let directory = self.directory.current();
            let account = self.accounts.confirm(address, &directory).await;
            let account = account.map_err(refused)?;
            Ok(Account {
                directory: self.presence(&account),
                ..view(&account)
            })
        })
    }

    fn disable<'a>(&'a self, address: &'a Mailbox) -> Boxed<'a, Result<(), AccountRefused>> {
        Box::pin(async move {
            self.refuse_anothers(address).await?;
            let account = self.account_of(address).await;
            // Somebody who left the directory can still be shut out.
            let account = account.unwrap_or_else(|_| address.clone());
            self.accounts.disable(&account).await.map_err(refused)
        })
    }
}

impl AccountDesk {
    /// Is somebody in the directory? It asks as the webmail does when it lets somebody in.
    fn presence(&self, account: &webmail::Account) -> Presence {
        if let Some(departed) = account.departed() {
            return Presence::Taken {
                by: departed.to.clone(),
                since: departed.since,
                doubtful: departed.why == Why::Doubt,
            };
        }
        let address = account.person();
        if let Lookup::Known { entry, .. } = self.directory.current().lookup(address)
            && let Some(since) = entry.departed
        {
            return Presence::Departed(since);
        }
        match self.router.admit(address, Origin::Trusted) {
            Admission::Reject(reply) if reply.code >= 500 => Presence::Gone,
            Admission::Reject(_) | Admission::Accept { .. } => Presence::There,
        }
    }

    /// Invites the user of a mailbox.
    pub(super) async fn invite_one(&self, mailbox: &Mailbox) -> Result<Invitation, AccountRefused> {
        // Who was renamed keeps his account.
        let account = self.accounts.meant(&mailbox.key()).parse();
        let account = account.unwrap_or_else(|_| mailbox.clone());
        self.refuse_departed(&account).await?;
        self.refuse_anothers(mailbox).await?;
        let was_disabled = self.is_disabled(&account).await;
        let invited = self.accounts.invite_with_code(&account).await;
        let invited = invited.map_err(refused)?;
        Ok(self.invitation(mailbox, (was_disabled, invited)))
    }

    /// Has somebody new the address of an account as his own? Then the address means him.
    async fn is_reused(&self, account: &Mailbox) -> bool {
        let found = self.accounts.find(&account.key()).await;
        let Ok(Some(found)) = found else {
            return false;
        };
        let directory = self.directory.current();
        let holder = directory.holder(account);
        let own = holder.map(|holder| holder.entry.address.key());
        found.departed().is_some() && own == Some(account.key())
    }

    /// A link for an account whose address is somebody else's would let its person read the other
    /// one's mail.
    async fn refuse_departed(&self, account: &Mailbox) -> Result<(), AccountRefused> {
        let found = self.accounts.find(&account.key()).await;
        let Ok(Some(found)) = found else {
            return Ok(());
        };
        let Some(departed) = found.departed() else {
            return Ok(());
        };
        Err(AccountRefused::NoSuch(format!(
            "the account {account} is of somebody whose address belongs to {to} now: if that is \
             the same person, say so with `tideover user confirm {account}`; for somebody new \
             whose own address it is, `tideover user reset {account}` begins the account anew",
            to = departed.to
        )))
    }

    /// Somebody new has an address as his own under which the account of somebody who was renamed
    /// still stands: neither of the two is meant without a word.
    async fn refuse_anothers(&self, address: &Mailbox) -> Result<(), AccountRefused> {
        let found = self.accounts.find(&address.key()).await;
        let Ok(Some(found)) = found else {
            return Ok(());
        };
        let directory = self.directory.current();
        let holder = directory.holder(address);
        let is_own = holder.is_some_and(|one| one.entry.address.key() == address.key());
        if !is_own || found.departed().is_some() || found.person().key() == address.key() {
            return Ok(());
        }
        Err(AccountRefused::NoSuch(format!(
            "{address} is the address of somebody new, who has no account: the one that was made \
             for it is that of {person} now. Name {person} to mean that one; somebody new can \
             have an account under another address of his only",
            person = found.person()
        )))
    }

    /// Was the account shut? Who opens it again is told.
    async fn is_disabled(&self, account: &Mailbox) -> bool {
        let found = self.accounts.find(&account.key()).await;
        matches!(found, Ok(Some(found)) if found.disabled)
    }

    pub(super) fn check_served(&self) -> Result<(), AccountRefused> {
        if self.base_url.is_empty() {
            return Err(AccountRefused::Failed(
                "there is no webmail: add [web] bind to the config".to_owned(),
            ));
        }
        Ok(())
    }

    fn invitation(
        &self,
        account: &Mailbox,
        (was_disabled, invited): (bool, Invited),
    ) -> Invitation {
        Invitation {
            address: account.to_string(),
            link: webmail::invitation_link(&self.base_url, &invited.token),
            expires: self.clock.now().after(webmail::INVITATION_LIFE),
            was_disabled,
            code: invited.code,
            name: String::new(),
            mailed_to: None,
        }
    }

    /// Whose account is meant: the one of exactly this address, else that of its mailbox. Who left,
    /// and whose address is now an alias of somebody else, still has his own.
    async fn account_of(&self, address: &Mailbox) -> Result<Mailbox, AccountRefused> {
        let own = self.accounts.find(&address.key()).await.map_err(refused)?;
        if let Some(own) = own {
            return Ok(own.address);
        }
        let mailbox = self.mailbox_of(address)?;
        let meant = self.accounts.meant(&mailbox.key());
        Ok(written(&meant).unwrap_or(mailbox))
    }

    /// The mailbox behind an address or alias: its key is where the mail is listed.
    pub(super) fn mailbox_of(&self, address: &Mailbox) -> Result<Mailbox, AccountRefused> {
        refuse_kind(&self.directory.current(), address)?;
        let key = self.router.explain(address).mailbox;
        key.and_then(|key| written(&key)).ok_or_else(|| {
            AccountRefused::NoSuch(format!(
                "{address} has no mailbox in the directory: `tideover explain ADDRESS` says why"
            ))
        })
    }
}

/// The address of a key, which has no quotes.
fn written(key: &str) -> Option<Mailbox> {
    Mailbox::written_key(key).parse().ok()
}

/// Groups and people outside have no mail of their own here, and nobody logs in as them.
fn refuse_kind(directory: &Directory, address: &Mailbox) -> Result<(), AccountRefused> {
    let Lookup::Known { entry, .. } = directory.lookup(address) else {
        return Ok(());
    };
    match entry.kind {
        EntryKind::Mailbox | EntryKind::User => Ok(()),
        kind @ (EntryKind::Group | EntryKind::Contact | EntryKind::Resource) => {
            Err(AccountRefused::NoSuch(format!(
                "{address} is a {} in the directory: only mailboxes have an account",
                kind.as_str()
            )))
        }
    }
}

/// Who of the directory has a mailbox, and what his account is.
fn coverage(directory: &Directory, known: &HashMap<String, Account>) -> Coverage {
    let mut coverage = Coverage::default();
    for entry in directory.entries() {
        let has_mailbox = matches!(entry.kind, EntryKind::Mailbox | EntryKind::User);
        if !has_mailbox || entry.departed.is_some() {
            continue;
        }
        let account = known.get(&entry.address.key());
        let domain = entry.address.domain().key();
        coverage.total.count(account);
        coverage.domains.entry(domain).or_default().count(account);
        if account.is_none_or(|account| account.state != AccountState::Active) {
            coverage.missing.push(entry.address.to_string());
        }
    }
    coverage.missing.sort_unstable();
    coverage
}

pub(super) fn view(account: &webmail::Account) -> Account {
    Account {
        address: account.address.to_string(),
        state: if account.disabled {
            AccountState::Disabled
        } else if account.is_enrolled() {
            AccountState::Active
        } else if account.is_invited() {
            AccountState::Invited
        } else {
            AccountState::Directory
        },
        password: account.has_password(),
        created: account.created,
        second_step: account.has_second_step(),
        passkeys: account.passkey_count(),
        provider: account.is_pinned(),
        directory: Presence::There,
        renamed: (account.person().key() != account.key()).then(|| account.person().to_string()),
    }
}

/// Accounts by whose they are: who was renamed counts once, and who departed for nobody.
pub(super) fn by_person(accounts: &[webmail::Account]) -> HashMap<String, Account> {
    let theirs = accounts.iter().filter(|one| one.departed().is_none());
    let all = theirs.map(|account| (account.person().key(), account));
    let mut known: HashMap<String, Account> = HashMap::new();
    for (key, account) in all {
        // Of two, the one that can be used.
        if account.is_open() || !known.contains_key(&key) {
            known.insert(key, view(account));
        }
    }
    known
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
pub(super) fn refused(error: AccountError) -> AccountRefused {
    match error {
        AccountError::Unknown(_)
        | AccountError::Invitation
        | AccountError::Damaged(_)
        | AccountError::NoMailbox(_)
        | AccountError::HasAccount(..) => AccountRefused::NoSuch(error.to_string()),
        AccountError::Password | AccountError::Spool(_) | AccountError::Hash(_) => {
            AccountRefused::Failed(error.to_string())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::{ImportOptions, read_csv};

    #[test]
    fn only_mailboxes_have_accounts() {
        let csv = "address,type,aliases\nann@example.org,mailbox,sales@example.org\n\
                   carl@example.net,user,\nall@example.org,group,team@example.org\n\
                   out@example.org,contact,\n";
        let directory = read_csv(csv.as_bytes(), ImportOptions::default()).unwrap();
        let refused = |address: &str| refuse_kind(&directory, &address.parse().unwrap()).err();
        for address in ["ann@example.org", "sales@example.org", "carl@example.net"] {
            assert_eq!(refused(address), None);
        }
        for (address, kind) in [
            ("all@example.org", "group"),
            ("team@example.org", "group"),
            ("out@example.org", "contact"),
        ] {
            let why = refused(address).unwrap().to_string();
            assert!(why.contains(&format!("{address} is a {kind}")), "{why}");
        }
    }

    #[test]
    fn an_address_with_quotes_has_a_mailbox_as_any_other() {
        for text in [
            "ann@example.org",
            "\"odd one\"@example.org",
            "\"a@b\"@example.org",
        ] {
            let address: Mailbox = text.parse().unwrap();
            assert_eq!(written(&address.key()), Some(address), "{text}");
        }
    }

    #[test]
    fn coverage_counts_people_with_a_mailbox() {
        let csv = "address,type\nann@example.org,mailbox\nbob@example.org,mailbox\n\
                   eve@example.org,mailbox\ncarl@example.net,user\nall@example.org,group\n\
                   room@example.org,resource\n";
        let directory = read_csv(csv.as_bytes(), ImportOptions::default()).unwrap();
        let account = |(address, state, passkeys): (&str, AccountState, usize)| {
            let account = Account {
                address: address.to_owned(),
                state,
                created: crate::base::Timestamp::default(),
                password: true,
                second_step: false,
                directory: Presence::There,
                renamed: None,
                provider: false,
                passkeys,
            };
            (address.to_owned(), account)
        };
        let known = HashMap::from(
            [
                ("ann@example.org", AccountState::Active, 2),
                ("bob@example.org", AccountState::Invited, 0),
                ("eve@example.org", AccountState::Disabled, 1),
                ("carl@example.net", AccountState::Active, 0),
            ]
            .map(account),
        );
        let counted = coverage(&directory, &known);
        assert_eq!(counted.total.second_factor, 1);
        let of =
            |one: &crate::admin::Covered| [one.mailboxes, one.enrolled, one.invited, one.percent];
        assert_eq!(of(&counted.total), [4, 2, 1, 50]);
        assert_eq!(of(&counted.domains["example.org"]), [3, 1, 1, 33]);
        assert_eq!(of(&counted.domains["example.net"]), [1, 1, 0, 100]);
        assert_eq!(counted.missing, ["bob@example.org", "eve@example.org"]);
    }
}
