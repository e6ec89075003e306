//! Is this the password of somebody? His object is found by what stays of it, and a bind is tried
//! with its name (RFC 4513 §5.1).

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::FutureExt as _;
use ldap3::{Ldap, Scope};

use super::lasting::{Sought, lasting_id, sought};
use super::session::{LdapServer, broken, driven, in_time, plain, read_entry};
use super::{LdapError, Search};
use crate::base::{Entropy, hex};
use crate::limits;

/// What stays of an object.
const LASTING: [&str; 2] = ["objectGUID", "entryUUID"];
/// An object that is not there, or not for us (RFC 4511 §4.1.9).
const NO_SUCH_OBJECT: u32 = 32;
/// What a bind comes to that is no login, be the password wrong or the account shut: constraint
/// violation, no such object, inappropriate authentication, invalid credentials, insufficient
/// rights, unwilling to perform. Whatever else comes says nothing of the password.
const REFUSALS: [u32; 6] = [19, 32, 48, 49, 50, 53];
/// Characters of what a server says that are told to administrators.
const TOLD: usize = 200;

/// What a server says of a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is right.
    Right,
    /// It is not, or the account is shut; for administrators: why.
    Refused(String),
}

/// Servers that know passwords.
#[derive(Debug)]
pub struct Passwords {
    server: LdapServer,
    entropy: Entropy,
    /// The one that answered last: it is asked first.
    first: AtomicUsize,
}

impl Passwords {
    /// The servers of a source. Nothing is connected yet.
    #[must_use]
    pub const fn new(server: LdapServer, entropy: Entropy) -> Self {
        Self {
            server,
            entropy,
            first: AtomicUsize::new(0),
        }
    }

    /// Is this the password of the object with this id? Of nobody, it never is, and is asked in the
    /// same way, so that nobody learns from the time that it takes who is known. Never without
    /// TLS, and never without a password.
    ///
    /// # Errors
    /// When no server says so in time.
    pub async fn verify(&self, id: Option<&str>, password: &str) -> Result<Answer, LdapError> {
        // RFC 4513 §5.1.2: a bind without password succeeds, and proves nothing.
        if password.is_empty() {
            return Ok(Answer::Refused("no password was typed".to_owned()));
        }
        if !self.server.options().has_tls() {
            return Err(LdapError::Tls("a password goes over TLS only".to_owned()));
        }
        let asked = self.in_turn(id, password);
        let asked = tokio::time::timeout(limits::LDAP_LOGIN, asked).await;
        asked.map_err(|_| LdapError::Late(limits::LDAP_LOGIN))?
    }

    /// One server after the other, until one answers.
    async fn in_turn(&self, id: Option<&str>, password: &str) -> Result<Answer, LdapError> {
        let own = self.server.password()?;
        let servers = &self.server.options().servers;
        let first = self.first.load(Ordering::Relaxed);
        let turns = (first..servers.len()).chain(0..first.min(servers.len()));
        let mut last = LdapError::Odd;
        for number in turns {
            let Some(server) = servers.get(number) else {
                continue;
            };
            // The library panics when an answer is no LDAP. What it leaves behind is dropped whole.
            let asked = AssertUnwindSafe(self.ask((server, own.as_deref()), id, password));
            let asked = tokio::time::timeout(limits::LDAP_LOGIN_EACH, asked.catch_unwind());
            match asked.await {
                Ok(Ok(Ok(answer))) => {
                    self.first.store(number, Ordering::Relaxed);
                    return Ok(answer);
                }
                Ok(Ok(Err(error))) => last = error,
                Ok(Err(_)) => last = LdapError::Odd,
                Err(_) => last = LdapError::Late(limits::LDAP_LOGIN_EACH),
            }
            tracing::info!(server, error = %last, "a directory server says nothing of a password");
        }
        Err(last)
    }

    async fn ask(
        &self,
        (server, own): (&str, Option<&str>),
        id: Option<&str>,
        password: &str,
    ) -> Result<Answer, LdapError> {
        let (connection, mut ldap) = self.server.connect(server).await?;
        let work = async {
            self.server.log_in(&mut ldap, (server, own)).await?;
            let found = match id {
                Some(id) => self.find(&mut ldap, id).await?,
                None => {
                    self.find(&mut ldap, &hex(&self.entropy.bytes::<16>()))
                        .await?
                }
            };
            let answer = match found.filter(|_| id.is_some()) {
                Some(dn) => bind(&mut ldap, (server, &dn), password).await?,
                None => self.bind_nobody(&mut ldap, server).await?,
            };
            in_time(ldap.unbind()).await.ok();
            Ok(answer)
        };
        driven(connection, work).await
    }

    /// The name of the object with this id, as far as the searches of the source find it.
    async fn find(&self, ldap: &mut Ldap, id: &str) -> Result<Option<String>, LdapError> {
        let sought = sought(id);
        for search in &self.server.options().searches {
            if let Some(dn) = named(ldap, (search, &sought), id).await? {
                return Ok(Some(dn));
            }
        }
        Ok(None)
    }

    /// Tries nobody, with a password that nobody has: it takes as long as a wrong one.
    async fn bind_nobody(&self, ldap: &mut Ldap, server: &str) -> Result<Answer, LdapError> {
        let token = self.entropy.token();
        let (name, password) = token.split_at(token.len() / 2);
        let base = self.server.options().searches.first();
        let base = base.map_or("", |search| search.base.as_str());
        let dn = format!("cn={name},{base}");
        bind(ldap, (server, &dn), password).await?;
        Ok(Answer::Refused("it is nobody's".to_owned()))
    }
}

async fn named(
    ldap: &mut Ldap,
    (search, sought): (&Search, &Sought),
    id: &str,
) -> Result<Option<String>, LdapError> {
    let (base, scope, filter) = match sought {
        Sought::By(by) => {
            let filter = both(&search.filter, by);
            (search.base.as_str(), Scope::Subtree, filter)
        }
        Sought::At(name) => (name.as_str(), Scope::Base, search.filter.clone()),
    };
    let begun = ldap.streaming_search(base, scope, &filter, LASTING.to_vec());
    let mut stream = in_time(begun)
        .await?
        .map_err(|error| broken(base, &error))?;
    let mut objects = Vec::new();
    // A server may send as many as it likes.
    while objects.len() < 2 {
        let next = in_time(stream.next()).await?;
        let Some(entry) = next.map_err(|error| broken(base, &error))? else {
            let result = stream.finish().await;
            if result.rc != NO_SUCH_OBJECT {
                let finished = result.success();
                finished.map_err(|error| broken(base, &error))?;
            }
            break;
        };
        if !entry.is_ref() && !entry.is_intermediate() {
            objects.push(read_entry(entry, usize::MAX).ok_or(LdapError::Odd)?);
        }
    }
    // Whose password would it be, if there were two?
    let [object] = objects.as_slice() else {
        return Ok(None);
    };
    // What the server says of the object must be what was sought; a bind without name is anonymous.
    let is_it = lasting_id(object) == id && !object.dn.is_empty();
    Ok(is_it.then(|| object.dn.clone()))
}

/// What both filters find.
fn both(of_search: &str, by: &str) -> String {
    if of_search.starts_with('(') {
        format!("(&{of_search}{by})")
    } else {
        format!("(&({of_search}){by})")
    }
}

async fn bind(
    ldap: &mut Ldap,
    (server, dn): (&str, &str),
    password: &str,
) -> Result<Answer, LdapError> {
    let refused = |why: String| LdapError::Login {
        server: server.to_owned(),
        name: dn.to_owned(),
        why,
    };
    let bound = in_time(ldap.simple_bind(dn, password)).await?;
    let bound = bound.map_err(|error| refused(plain(&error)))?;
    let result = bound.rc;
    let Err(error) = bound.success() else {
        return Ok(Answer::Right);
    };
    let why = plain(&error);
    if REFUSALS.contains(&result) {
        let why = why.chars().filter(|c| !c.is_control()).take(TOLD);
        return Ok(Answer::Refused(why.collect()));
    }
    Err(refused(why))
}

#[cfg(test)]
#[path = "login_tests.rs"]
mod tests;
