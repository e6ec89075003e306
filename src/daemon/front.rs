//! Joins the webmail's login and who else lets people in: a directory server that knows passwords,
//! and a provider of OpenID Connect.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use super::StartError;
use super::assemble::Base;
use crate::base::{Boxed, Clock, Sampler};
use crate::config::Config;
use crate::directory::DirectoryHandle;
use crate::ldap::{Answer, Passwords};
use crate::limits;
use crate::net::{TcpDial, TlsClient};
use crate::oidc::{Provider, World};
use crate::smtp::Mailbox;
use crate::webmail::{Front, Person, ProviderLogin, Verdict};

/// A directory server that knows passwords.
#[derive(Debug)]
pub(super) struct LdapFront {
    /// The source of people that it is.
    source: String,
    passwords: Passwords,
    directory: DirectoryHandle,
    /// Passwords that are asked about at one time.
    asking: Semaphore,
    clock: Clock,
    /// Anybody can try passwords: not each gets a line.
    lines: Mutex<Sampler>,
}

impl LdapFront {
    pub(super) fn new(
        source: String,
        passwords: Passwords,
        (directory, clock): (DirectoryHandle, Clock),
    ) -> Self {
        Self {
            source,
            passwords,
            directory,
            asking: Semaphore::const_new(limits::LDAP_LOGINS),
            clock,
            lines: Mutex::new(Sampler::new(100, 1)),
        }
    }

    /// May a line be written? How many were left out.
    fn line(&self) -> Option<u64> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.take(self.clock.now())
    }

    async fn ask(&self, person: Option<&Person>, password: &str) -> Verdict {
        // While the directory only stands in for the one of the log, nobody's record is known.
        if self.directory.current().is_provisional() {
            return Verdict::Away;
        }
        let turn = tokio::time::timeout(limits::LDAP_LOGIN_TURN, self.asking.acquire());
        let Ok(Ok(_turn)) = turn.await else {
            if let Some(left_out) = self.line() {
                tracing::warn!(
                    left_out,
                    "webmail: too many passwords wait for the directory server"
                );
            }
            return Verdict::Away;
        };
        let id = person.map(|person| person.id.as_str());
        match self.passwords.verify(id, password).await {
            Ok(Answer::Right) if person.is_some() => Verdict::Right,
            Ok(Answer::Right) => Verdict::Wrong,
            Ok(Answer::Refused(why)) => {
                if let Some((person, left_out)) = person.zip(self.line()) {
                    let mailbox = &person.mailbox;
                    tracing::info!(%mailbox, why, left_out,
                        "webmail: the directory server refuses a login");
                }
                Verdict::Wrong
            }
            Err(error) => {
                if let Some(left_out) = self.line() {
                    tracing::warn!(%error, left_out,
                        "webmail: the directory server says nothing of a password");
                }
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
        let person = Person::of(&self.directory.current(), address)?;
        Some(person).filter(|person| person.source == self.source)
    }

    fn check<'a>(&'a self, person: Option<&'a Person>, password: &'a str) -> Boxed<'a, Verdict> {
        Box::pin(self.ask(person, password))
    }
}

/// The provider that the config names.
pub(super) fn provider(config: &Config, base: &Base) -> Result<Option<ProviderLogin>, StartError> {
    let Some(oidc) = config.web.as_ref().and_then(|web| web.oidc.clone()) else {
        return Ok(None);
    };
    let world = World {
        dial: Arc::new(TcpDial::default()),
        resolve: base.dns.clone(),
        tls: TlsClient::new().map_err(StartError::other("TLS"))?,
        clock: base.clock.clone(),
        shutdown: base.shutdown.clone(),
    };
    let provider = Provider::new(oidc.options, world);
    Ok(Some(ProviderLogin {
        name: oidc.name.unwrap_or_else(|| provider.host().to_owned()),
        provider,
        domains: oidc.domains,
        second_step: oidc.second_step,
    }))
}
