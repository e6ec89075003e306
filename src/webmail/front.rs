//! Somebody in front who knows passwords, too: the organisation's directory server. He is asked
//! only when the own password does not fit, so that a login never needs him (decision 14).

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::accounts::{ACCOUNTS, Account, AccountError, Accounts, LoginError, blocking};
use super::second::Second;
use crate::base::Boxed;
use crate::directory::{Directory, EntryKind, Trace};
use crate::person::Why;
use crate::smtp::Mailbox;

/// Which account is whose, as facts: by what his record is known by, so that it outlives his names.
const BONDS: &str = "login-person";

/// Somebody of the directory whose password he may know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// His own address now, under which his mail is listed.
    pub mailbox: Mailbox,
    /// All addresses that lead to him, his own first.
    pub addresses: Vec<Mailbox>,
    /// The source that says who he is.
    pub source: String,
    /// What his record is known by in that source, also when he is renamed.
    pub id: String,
}

impl Person {
    /// Who has exactly this address, when he has a mailbox of ours and is there.
    #[must_use]
    pub fn of(directory: &Directory, address: &Mailbox) -> Option<Self> {
        let (entry, source, id) = directory.named(address)?;
        let has_mailbox = matches!(entry.kind, EntryKind::Mailbox | EntryKind::User);
        let is_ours = directory.domain(entry.address.domain()).is_some();
        if !has_mailbox || !is_ours || entry.departed.is_some() {
            return None;
        }
        Some(Self {
            addresses: entry.addresses().cloned().collect(),
            mailbox: entry.address,
            source,
            id,
        })
    }

    /// His record: `SOURCE/ID`.
    fn record(&self) -> String {
        format!("{}/{}", self.source, self.id)
    }
}

/// What he says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is his password.
    Right,
    /// It is not, or his account there is shut.
    Wrong,
    /// It cannot be known now.
    Away,
}

/// Who knew the password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KnownBy {
    /// We did: it is the own one.
    Us,
    /// Somebody in front.
    Front,
}

/// Knows passwords.
pub trait Front: Send + Sync + fmt::Debug {
    /// The mailbox to which an address leads, with a tag or without.
    fn whose(&self, address: &Mailbox) -> Option<Mailbox>;

    /// Who has exactly this address, when his password is known here at all.
    fn person(&self, address: &Mailbox) -> Option<Person>;

    /// Is this his password? It is never empty. Nobody's never is; it takes as long to say so, and
    /// the server is asked all the same, so that nobody learns who is known.
    fn check<'a>(&'a self, person: Option<&'a Person>, password: &'a str) -> Boxed<'a, Verdict>;
}

/// The account into which somebody was let in last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Bond {
    account: String,
}

/// What becomes of a login when the password is right.
pub(super) enum Door {
    /// Nothing: his account is shut, or nobody knows whose it is.
    Shut,
    /// It goes to his account.
    Open(Box<Account>),
    /// He has none yet; but he may have had one, and its second step with it, under an address
    /// that is not his any more.
    New(Option<Second>),
}

impl Accounts {
    /// The same accounts, with somebody in front.
    #[must_use]
    pub fn behind(mut self, front: Arc<dyn Front>) -> Self {
        self.front = Some(front);
        self
    }

    /// Under which name guesses are counted for what was typed: all names of a person are one.
    pub(super) fn counted(&self, key: &str) -> String {
        let address = Mailbox::written_key(key).parse::<Mailbox>();
        let asked = self.front.as_ref().zip(address.ok());
        let mailbox = asked.and_then(|(front, address)| front.whose(&address));
        mailbox.map_or_else(|| self.meant(key), |mailbox| mailbox.key())
    }

    /// Asks him about a password that is not the own one: whose it is. An account is made for who
    /// comes for the first time.
    pub(super) async fn ask_front(&self, key: &str, password: &str) -> Result<Account, LoginError> {
        // RFC 4513 §5.1.2: a bind without password succeeds, and proves nothing.
        let Some(front) = self.front.as_ref().filter(|_| !password.is_empty()) else {
            return Err(LoginError::Wrong);
        };
        let address = Mailbox::written_key(key).parse::<Mailbox>().ok();
        let find = || address.as_ref().and_then(|it| front.person(it));
        let mut person = find();
        if let Some(known) = &person
            && matches!(self.door(known).await?, Door::Shut)
        {
            person = None;
        }
        match (front.check(person.as_ref(), password).await, person) {
            (Verdict::Right, Some(person)) => {
                let _changing = self.changing.lock().await;
                // He may have left, or been renamed or shut out, while the server was asked.
                if find().as_ref() != Some(&person) {
                    return Err(LoginError::Wrong);
                }
                self.enter(&person).await
            }
            (Verdict::Away, _) => Err(LoginError::Away),
            (Verdict::Right | Verdict::Wrong, _) => Err(LoginError::Wrong),
        }
    }

    pub(super) async fn enter(&self, person: &Person) -> Result<Account, LoginError> {
        let account = match self.door(person).await? {
            Door::Shut => return Err(LoginError::Wrong),
            Door::Open(account) => *account,
            Door::New(second) => {
                let mut account = Account::new(&person.mailbox, self.clock.now());
                account.second = second;
                self.store(ACCOUNTS, &account.key(), &account).await?;
                self.whose.note_made();
                account
            }
        };
        let bond = Bond {
            account: account.key(),
        };
        if self.bond(person).await?.as_ref() != Some(&bond) {
            self.store(BONDS, &person.record(), &bond).await?;
        }
        Ok(account)
    }

    async fn bond(&self, person: &Person) -> Result<Option<Bond>, AccountError> {
        self.load(BONDS, &person.record()).await
    }

    /// Into which account somebody may go. An account under an earlier name of his is his as well,
    /// and shuts him out when it is disabled; but an alias may have been the address of somebody
    /// else who left.
    pub(super) async fn door(&self, person: &Person) -> Result<Door, AccountError> {
        let bond = self.bond(person).await?;
        let before = match &bond {
            Some(bond) => self.find(&bond.account).await?,
            None => None,
        };
        let own = person.mailbox.key();
        let mut doubtful = Vec::new();
        for address in &person.addresses {
            let key = address.key();
            let is_bound = bond.as_ref().is_some_and(|bond| bond.account == key);
            if key == own || is_bound {
                continue;
            }
            if let Some(account) = self.find(&key).await?
                && !is_anothers(&account, person)
                && !self.is_bound_to_another(&key, person).await?
            {
                doubtful.push(account);
            }
        }
        let account = self.find(&self.meant(&own)).await?;
        let shut = doubtful.iter().chain(&before).chain(&account);
        if let Some(shut) = shut.into_iter().find(|account| account.disabled) {
            let (mailbox, account) = (&person.mailbox, shut.key());
            tracing::info!(%mailbox, account, "webmail: no login, the account is disabled");
            return Ok(Door::Shut);
        }
        let is_out = |account: &&Account| {
            !account.is_open() || is_anothers(account, person) || leads_elsewhere(account, person)
        };
        if let Some(out) = before.iter().chain(&account).find(is_out) {
            let (mailbox, account) = (&person.mailbox, out.key());
            tracing::warn!(%mailbox, account, "webmail: no login, the account is somebody else's");
            return Ok(Door::Shut);
        }
        if let Some(account) = account {
            return Ok(Door::Open(Box::new(account)));
        }
        let is_still_his = |account: &Account| {
            let mut addresses = person.addresses.iter();
            addresses.any(|address| address.key() == account.key())
        };
        match before {
            Some(account) if is_still_his(&account) => Ok(Door::Open(Box::new(account))),
            Some(account) => Ok(Door::New(account.second)),
            None => Ok(in_doubt(person, &doubtful)),
        }
    }

    async fn is_bound_to_another(&self, key: &str, person: &Person) -> Result<bool, AccountError> {
        let (spool, record) = (self.spool.clone(), person.record());
        if !Trace::is_lasting(&record) {
            return Ok(false);
        }
        let bonds = blocking(move || spool.facts(BONDS, "")).await??;
        let is_of = |value| serde_json::from_value::<Bond>(value).is_ok_and(|it| it.account == key);
        let is_other = |other: &String| *other != record && Trace::is_lasting(other);
        let mut others = bonds.into_iter().filter(|(other, _)| is_other(other));
        Ok(others.any(|(_, value)| is_of(value)))
    }
}

/// Is it known that an account is somebody else's? An id that goes with the name tells nothing:
/// with another one it may be the same person.
fn is_anothers(account: &Account, person: &Person) -> bool {
    let Some(bond) = &account.bond else {
        return false;
    };
    if let Some(departed) = &bond.departed {
        return departed.why == Why::Taken;
    }
    let own = person.record();
    let is_like_it =
        |one: &String| Trace::source_of(one) == person.source && Trace::is_lasting(one);
    Trace::is_lasting(&own) && bond.records.iter().any(is_like_it) && !bond.records.contains(&own)
}

/// Is the person of an account known under another address? Who has no id that stays is then not
/// him, for all that is known: he was renamed, and somebody new has the address of before.
fn leads_elsewhere(account: &Account, person: &Person) -> bool {
    let own = person.record();
    let is_elsewhere = |bond: &crate::person::Bond| {
        bond.address.key() != person.mailbox.key() && !bond.records.contains(&own)
    };
    !Trace::is_lasting(&own) && account.bond.as_ref().is_some_and(is_elsewhere)
}

/// Whose accounts under his aliases are, is not known.
fn in_doubt(person: &Person, doubtful: &[Account]) -> Door {
    let Some(account) = doubtful.first() else {
        return Door::New(None);
    };
    let (mailbox, account) = (&person.mailbox, account.key());
    tracing::warn!(
        %mailbox,
        account,
        "webmail: no login, nobody knows whether the account is his, or was that of somebody \
         who left; `tideover user invite` lets him in with a password for here"
    );
    Door::Shut
}
