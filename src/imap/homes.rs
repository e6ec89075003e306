//! The mailboxes of all backends that can be asked.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::pace::Paces;
use super::session::Session;
use super::{ImapError, ImapOptions, Place, Purpose, Wanted};
use crate::base::Boxed;
use crate::limits;
use crate::mail::BackendId;
use crate::net::{Dial, Resolve, TlsClient};
use crate::smtp::Mailbox;

/// Asks mailboxes what they have.
pub trait Mailboxes: Send + Sync + fmt::Debug {
    /// How many mailboxes of a backend may be asked at one time; 0: none can be asked.
    fn at_a_time(&self, backend: &BackendId) -> usize;

    /// Where in a mailbox each of these messages is. `mailbox` is its address at the backend.
    ///
    /// # Errors
    /// When it cannot be asked to the end: then nothing is known of any of them.
    fn find<'a>(
        &'a self,
        backend: &'a BackendId,
        mailbox: &'a Mailbox,
        question: (&'a [Wanted], Purpose),
    ) -> Boxed<'a, Result<Vec<Option<Place>>, ImapError>>;
}

/// What the client needs of the world.
#[derive(Debug, Clone)]
pub struct World {
    /// Opens connections.
    pub dial: Arc<dyn Dial>,
    /// Looks up names.
    pub resolve: Arc<dyn Resolve>,
    /// Protects them.
    pub tls: TlsClient,
}

/// The backends with IMAP; cheap to clone.
#[derive(Debug, Clone)]
pub struct ImapHomes(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    world: World,
    homes: Mutex<BTreeMap<BackendId, Arc<Home>>>,
}

#[derive(Debug)]
struct Home {
    options: ImapOptions,
    connections: Arc<Semaphore>,
    refused: Mutex<BTreeSet<String>>,
    paces: Mutex<Paces>,
}

/// So many mailboxes whose logins are refused in a row are no longer each one's own trouble.
const REFUSED: usize = 3;

impl Home {
    /// What a login of this mailbox has shown about all of them.
    fn judged(&self, name: &str, login: Result<(), ImapError>) -> Result<(), ImapError> {
        let refused = self.refused.lock();
        let mut refused = refused.unwrap_or_else(PoisonError::into_inner);
        match login {
            Ok(()) => {
                refused.clear();
                Ok(())
            }
            Err(error @ ImapError::Login { .. }) => {
                if refused.len() < REFUSED {
                    refused.insert(name.to_owned());
                }
                if refused.len() < REFUSED {
                    return Err(error);
                }
                Err(ImapError::Logins {
                    server: self.options.server(),
                    why: error.to_string(),
                })
            }
            other => other,
        }
    }
}

impl ImapHomes {
    /// Backends with their options. Nothing is connected yet.
    #[must_use]
    pub fn new(world: World, homes: impl IntoIterator<Item = (BackendId, ImapOptions)>) -> Self {
        let inner = Inner {
            world,
            homes: Mutex::default(),
        };
        let all = Self(Arc::new(inner));
        all.configure(homes);
        all
    }

    /// Takes over the options of a new config. What is being asked comes to its end by the old one.
    pub fn configure(&self, homes: impl IntoIterator<Item = (BackendId, ImapOptions)>) {
        let known = self.0.homes.lock();
        let mut known = known.unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *known);
        for (id, options) in homes {
            let same = before.remove(&id).filter(|home| home.options == options);
            let home = same.unwrap_or_else(|| {
                let connections = Arc::new(Semaphore::new(options.max_connections.max(1)));
                Arc::new(Home {
                    options,
                    connections,
                    refused: Mutex::default(),
                    paces: Mutex::default(),
                })
            });
            known.insert(id, home);
        }
    }

    fn home(&self, backend: &BackendId) -> Option<Arc<Home>> {
        let homes = self.0.homes.lock();
        let homes = homes.unwrap_or_else(PoisonError::into_inner);
        homes.get(backend).cloned()
    }

    /// Notes one change more of a mailbox, or how long it has to wait for that.
    pub(super) fn change(&self, (backend, mailbox): (&BackendId, &Mailbox)) -> Option<Duration> {
        let home = self.home(backend)?;
        let paces = home.paces.lock();
        let mut paces = paces.unwrap_or_else(PoisonError::into_inner);
        let most = home.options.changes_per_minute;
        paces.change((&mailbox.key(), most), Instant::now())
    }

    async fn find_at(
        &self,
        (backend, mailbox): (&BackendId, &Mailbox),
        question: (&[Wanted], Purpose),
    ) -> Result<Vec<Option<Place>>, ImapError> {
        let home = self.known(backend)?;
        let _one_of_them = one_of(&home).await?;
        let asking = async {
            let mut session = self.logged_in(&home, mailbox).await?;
            let found = session.find(question).await?;
            session.close().await;
            Ok(found)
        };
        let asked = tokio::time::timeout(limits::IMAP_MAILBOX, asking).await;
        asked.unwrap_or(Err(ImapError::TooLong))
    }

    /// A connection that is logged in for this mailbox, and its place among all of the backend.
    pub(super) async fn session(
        &self,
        backend: &BackendId,
        mailbox: &Mailbox,
    ) -> Result<(Session, OwnedSemaphorePermit), ImapError> {
        let home = self.known(backend)?;
        let one_of_them = one_of(&home).await?;
        let session = self.logged_in(&home, mailbox);
        let session = tokio::time::timeout(limits::IMAP_MAILBOX, session).await;
        Ok((session.unwrap_or(Err(ImapError::TooLong))?, one_of_them))
    }

    fn known(&self, backend: &BackendId) -> Result<Arc<Home>, ImapError> {
        let none = || ImapError::NotConfigured(backend.to_string());
        self.home(backend).ok_or_else(none)
    }

    async fn logged_in(&self, home: &Home, mailbox: &Mailbox) -> Result<Session, ImapError> {
        let mut session = Session::open(&home.options, &self.0.world).await?;
        let name = home.options.login.of(mailbox);
        let login = session.log_in(&home.options, &name).await;
        home.judged(&mailbox.key(), login)?;
        Ok(session)
    }
}

async fn one_of(home: &Home) -> Result<OwnedSemaphorePermit, ImapError> {
    let permit = Arc::clone(&home.connections).acquire_owned().await;
    // It is never closed.
    permit.map_err(|_| ImapError::Odd)
}

impl Mailboxes for ImapHomes {
    fn at_a_time(&self, backend: &BackendId) -> usize {
        self.home(backend)
            .map_or(0, |home| home.options.max_connections.max(1))
    }

    fn find<'a>(
        &'a self,
        backend: &'a BackendId,
        mailbox: &'a Mailbox,
        question: (&'a [Wanted], Purpose),
    ) -> Boxed<'a, Result<Vec<Option<Place>>, ImapError>> {
        Box::pin(self.find_at((backend, mailbox), question))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imap::{ImapSecret, LoginName, Security};

    #[test]
    fn several_mailboxes_refused_in_a_row_are_trouble_of_our_login() {
        let home = Home {
            options: ImapOptions {
                host: "onprem".to_owned(),
                port: 993,
                security: Security::Implicit,
                authorities: None,
                login: LoginName::new("%u").unwrap(),
                secret: ImapSecret::Token("token".into()),
                max_connections: 1,
                changes_per_minute: 0,
            },
            connections: Arc::new(Semaphore::new(1)),
            refused: Mutex::default(),
            paces: Mutex::default(),
        };
        let refused = |name: &str| {
            let (who, why) = (name.to_owned(), "NO".to_owned());
            home.judged(name, Err(ImapError::Login { name: who, why }))
                .unwrap_err()
        };
        for name in ["ann", "bob", "ann", "bob"] {
            let error = refused(name);
            assert!(error.is_lasting() && !error.is_of_logins(), "{name}");
        }
        for name in ["cid", "ann"] {
            let error = refused(name);
            assert!(error.is_of_logins() && !error.is_lasting(), "{name}");
            assert!(!error.is_of_server(), "others may be let in");
        }
        home.judged("dan", Ok(())).unwrap();
        assert!(!refused("ann").is_of_logins());
        let broken = home.judged("eve", Err(ImapError::Silent));
        assert_eq!(broken, Err(ImapError::Silent));
    }
}
