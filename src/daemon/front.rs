//! Joins the webmail's login and a directory server, for who may log in with the password that the
//! organisation has of him.

use tokio::sync::Semaphore;

use crate::base::Boxed;
use crate::directory::{Directory, DirectoryHandle, EntryKind};
use crate::ldap::{Answer, Passwords};
use crate::limits;
use crate::smtp::Mailbox;
use crate::webmail::{Front, Person, Verdict};

/// A directory server that knows passwords.
#[derive(Debug)]
pub(super) struct LdapFront {
    /// The source of people that it is.
    source: String,
    passwords: Passwords,
    directory: DirectoryHandle,
    /// Passwords that are asked about at one time.
    asking: Semaphore,
}

impl LdapFront {
    pub(super) const fn new(
        source: String,
        passwords: Passwords,
        directory: DirectoryHandle,
    ) -> Self {
        Self {
            source,
            passwords,
            directory,
            asking: Semaphore::const_new(limits::LDAP_LOGINS),
        }
    }

    async fn ask(&self, person: Option<&Person>, password: &str) -> Verdict {
        // While the directory only stands in for the one of the log, nobody's record is known.
        if self.directory.current().is_provisional() {
            return Verdict::Away;
        }
        let turn = tokio::time::timeout(limits::LDAP_LOGIN_TURN, self.asking.acquire());
        let Ok(Ok(_turn)) = turn.await else {
            tracing::warn!("webmail: too many passwords wait for the directory server");
            return Verdict::Away;
        };
        let id = person.map(|person| person.id.as_str());
        match self.passwords.verify(id, password).await {
            Ok(Answer::Right) if person.is_some() => Verdict::Right,
            Ok(Answer::Right) => Verdict::Wrong,
            Ok(Answer::Refused(why)) => {
                if let Some(person) = person {
                    let mailbox = &person.mailbox;
                    tracing::info!(%mailbox, why, "webmail: the directory server refuses a login");
                }
                Verdict::Wrong
            }
            Err(error) => {
                tracing::warn!(%error, "webmail: the directory server says nothing of a password");
                Verdict::Away
            }
        }
    }
}

impl Front for LdapFront {
    fn whose(&self, address: &Mailbox) -> Option<Mailbox> {
        let found = self.directory.current().find(address);
        found.map(|(entry, _)| entry.address)
    }

    fn person(&self, address: &Mailbox) -> Option<Person> {
        person(&self.directory.current(), &self.source, address)
    }

    fn check<'a>(&'a self, person: Option<&'a Person>, password: &'a str) -> Boxed<'a, Verdict> {
        Box::pin(self.ask(person, password))
    }
}

/// Who has this address, and may log in because `source` says who he is.
fn person(directory: &Directory, source: &str, address: &Mailbox) -> Option<Person> {
    let (entry, id) = directory.named_by(source, address)?;
    let has_mailbox = matches!(entry.kind, EntryKind::Mailbox | EntryKind::User);
    let is_ours = directory.domain(entry.address.domain()).is_some();
    if !has_mailbox || !is_ours || entry.departed.is_some() {
        return None;
    }
    Some(Person {
        addresses: entry.addresses().cloned().collect(),
        mailbox: entry.address,
        source: source.to_owned(),
        id,
    })
}
