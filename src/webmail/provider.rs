//! Somebody else who lets people in: a provider of OpenID Connect. What a login is kept together by
//! is made of the cookie that the visitor had before it, so nothing is kept here, and nobody can
//! finish in one browser what was begun in another.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;
use serde::{Deserialize, Serialize};

use super::Webmail;
use super::accounts::{ACCOUNTS, Account, AccountError, Accounts, LoginError};
use super::error::WebError;
use super::front::{Door, Person};
use crate::base::Timestamp;
use crate::credential::{Throttle, digest, is_token, same};
use crate::oidc::{Proven, Provider, Secrets};
use crate::smtp::Mailbox;

/// Where visitors come back to; the router has it, too.
pub(crate) const BACK: &str = "/login/provider/back";
/// A login must be finished within this time.
const LIFE: Duration = Duration::from_secs(10 * 60);
/// Bytes of the path that a visitor wants to see afterwards; a longer one is forgotten.
const NEXT: usize = 500;

/// Whose account it is that belongs to whom the provider calls so, as facts: by the digest of that.
const PINS: &str = "login-subject";
/// Visits to the provider from one address: at once, and then one in this time. Such a visit is
/// one line to the browser, and a finished login counts for nothing.
const GONE: (u32, Duration) = (300, Duration::from_secs(1));
/// Visitors who come back to one address: each is a question to the provider.
const BACKS: (u32, Duration) = (30, Duration::from_secs(10));

/// A provider that lets people in.
#[derive(Debug, Clone)]
pub struct ProviderLogin {
    /// The provider.
    pub provider: Provider,
    /// What it is called on the login page.
    pub name: String,
    /// Keys of the domains whose mailboxes it opens; `None`: of all that are ours.
    pub domains: Option<Vec<String>>,
    /// Who asks for a second step.
    pub second_step: SecondStep,
}

/// Who asks for a second step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SecondStep {
    /// We do, if the user has set one up.
    #[default]
    Ours,
    /// The provider does.
    Providers,
}

/// What the provider calls the owner of an account, kept from his first login by it on: addresses
/// are given to others, and this is not (OpenID Connect Core §5.7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pin {
    issuer: String,
    /// Providers may call him otherwise for another client (§8.1).
    client: String,
    subject: String,
    pub since: Timestamp,
}

impl Pin {
    fn new((issuer, client): (&str, &str), subject: &str, since: Timestamp) -> Self {
        Self {
            issuer: issuer.to_owned(),
            client: client.to_owned(),
            subject: subject.to_owned(),
            since,
        }
    }

    /// The key of the fact that says whose account it is.
    fn found_by(&self) -> String {
        let whole = [&self.issuer, &self.client, &self.subject];
        let parts = whole.map(|part| digest("subject", part));
        digest("subject", &parts.concat())
    }

    /// Is it of the same provider, for the same client?
    fn is_beside(&self, other: &Self) -> bool {
        self.issuer == other.issuer && self.client == other.client
    }
}

/// Whether an account was pinned just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pinned {
    Now,
    Before,
}

/// How often visitors go to the provider and come back: apart from guesses of passwords, so that
/// neither uses up what the other may, and by nothing that a visitor chooses.
#[derive(Debug)]
pub(crate) struct Visits {
    gone: Mutex<Throttle>,
    back: Mutex<Throttle>,
}

/// A way of a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leg {
    There,
    Back,
}

impl Default for Visits {
    fn default() -> Self {
        let new = |(most, forgive)| Mutex::new(Throttle::of_addresses(most, forgive));
        Self {
            gone: new(GONE),
            back: new(BACKS),
        }
    }
}

impl Visits {
    fn of(&self, leg: Leg) -> std::sync::MutexGuard<'_, Throttle> {
        let throttle = match leg {
            Leg::There => &self.gone,
            Leg::Back => &self.back,
        };
        throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a visit, or says how long to wait.
    pub(crate) fn note(&self, leg: Leg, now: Timestamp, from: IpAddr) -> Result<(), Duration> {
        let mut throttle = self.of(leg);
        throttle.check(now, "", from)?;
        throttle.tried(now, "", from);
        Ok(())
    }

    /// It counts for nothing: it ended well, or the provider was away.
    pub(crate) fn refund(&self, leg: Leg, from: IpAddr) {
        self.of(leg).refund("", from);
    }
}

/// A login that was begun: what it is kept together by, and what the visitor wants to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Begun {
    random: String,
    since: u64,
    pub next: String,
}

impl Begun {
    pub(crate) fn new(random: String, next: &str, now: Timestamp) -> Self {
        Self {
            random,
            since: now.as_secs(),
            next: Some(next)
                .filter(|next| next.len() <= NEXT)
                .unwrap_or("/")
                .to_owned(),
        }
    }

    /// What goes to the provider and comes back; `csrf` is the mark of the visitor's cookie.
    fn state(&self, csrf: &str) -> String {
        let next = BASE64URL.encode(&self.next);
        format!(
            "{}.{}.{next}.{}",
            self.random,
            self.since,
            self.mark("state", csrf)
        )
    }

    /// The login of a state that came back, if it was begun in this browser, and lately.
    pub(crate) fn of(state: &str, csrf: &str, now: Timestamp) -> Option<Self> {
        let mut parts = state.split('.');
        let (random, since, next, mark) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let next = String::from_utf8(BASE64URL.decode(next).ok()?).ok()?;
        let begun = Self {
            random: Some(random).filter(|it| is_token(it))?.to_owned(),
            since: since.parse().ok()?,
            next: Some(next).filter(|next| next.len() <= NEXT)?,
        };
        let age = now.as_secs().checked_sub(begun.since)?;
        let is_ours = same(&begun.mark("state", csrf), mark) && parts.next().is_none();
        (is_ours && age <= LIFE.as_secs()).then_some(begun)
    }

    /// Of the cookie, of this login, and for this purpose. Hashed twice, so that nothing can be
    /// added at its end.
    fn mark(&self, purpose: &str, csrf: &str) -> String {
        let whole = format!("{csrf}.{}.{}.{}", self.random, self.since, self.next);
        digest(&format!("provider {purpose}"), &digest("provider", &whole))
    }

    pub(crate) fn secrets(&self, csrf: &str, base_url: &str) -> Secrets {
        Secrets {
            state: self.state(csrf),
            nonce: self.mark("nonce", csrf),
            // RFC 7636 §4.1: 43 to 128 characters.
            verifier: self.mark("verifier", csrf),
            redirect: format!("{}{BACK}", base_url.trim_end_matches('/')),
        }
    }
}

impl Webmail {
    /// The provider, where there is one.
    pub(crate) fn provider(&self) -> Result<&ProviderLogin, WebError> {
        self.0.world.provider.as_ref().ok_or(WebError::NotFound)
    }

    /// The person of ours whose address the provider has proven. It must be his own: who may log
    /// in by an alias there need not be who has it here.
    pub(crate) fn proven(&self, login: &ProviderLogin, address: &str) -> Option<Person> {
        let address: Mailbox = address.parse().ok()?;
        let directory = self.0.world.directory.current();
        let person = Person::of(&directory, &address)?;
        let receives = |entry: crate::directory::Entry| {
            let mut only = entry.receive_only.iter();
            only.any(|one| one.key() == address.key())
        };
        let only_receives = directory.find(&address).is_some_and(|(it, _)| receives(it));
        let domain = person.mailbox.domain().key();
        let is_opened = login
            .domains
            .as_ref()
            .is_none_or(|all| all.contains(&domain));
        let is_own = person.mailbox.key() == address.key() && !only_receives;
        Some(person).filter(|_| is_own && is_opened)
    }
}

impl Accounts {
    /// The account of somebody whom the provider has proven just now. One is made for who comes
    /// for the first time. Once an account was entered as one subject, no other enters it.
    pub(super) async fn admit(
        &self,
        person: &Person,
        (names, proven): ((&str, &str), &Proven),
    ) -> Result<(Account, Pinned), LoginError> {
        let _changing = self.changing.lock().await;
        let pin = Pin::new(names, &proven.subject, self.clock.now());
        let known = match self.door(person).await? {
            Door::Shut => return Err(LoginError::Wrong),
            Door::Open(account) => Some(account),
            Door::New(_) => None,
        };
        let mailbox = &person.mailbox;
        let before = known.as_ref().and_then(|known| known.pin.as_ref());
        let before = before.filter(|before| before.is_beside(&pin));
        if before.is_some_and(|before| before.subject != pin.subject) {
            tracing::warn!(
                %mailbox,
                "webmail: no login, the provider calls who comes otherwise (sub) than who came \
                 first; if it is the same person, `tideover user reset` forgets that"
            );
            return Err(LoginError::Wrong);
        }
        let key = known.as_ref().map_or_else(|| mailbox.key(), |it| it.key());
        let owner = self.pinned(&pin).await?;
        if let Some(other) = owner.filter(|owner| owner.key() != key) {
            let account = other.key();
            tracing::warn!(
                %mailbox,
                account,
                "webmail: no login, who comes was here before, in another account (sub); if he \
                 shall come into this one, `tideover user reset` that account"
            );
            return Err(LoginError::Wrong);
        }
        let is_pinned = before.is_some();
        let mut account = self.enter(person).await?;
        if is_pinned {
            return Ok((account, Pinned::Before));
        }
        self.store(PINS, &pin.found_by(), &account.key()).await?;
        account.pin = Some(pin);
        self.store(ACCOUNTS, &account.key(), &account).await?;
        Ok((account, Pinned::Now))
    }

    /// The account that was entered as this subject. One whose address went to somebody else
    /// stands in nobody's way.
    async fn pinned(&self, pin: &Pin) -> Result<Option<Account>, AccountError> {
        let Some(key) = self.load::<String>(PINS, &pin.found_by()).await? else {
            return Ok(None);
        };
        let is_it = |own: &Pin| own.is_beside(pin) && own.subject == pin.subject;
        let account = self.find(&key).await?;
        Ok(account.filter(|one| one.departed().is_none() && one.pin.as_ref().is_some_and(is_it)))
    }

    /// Forgets what the provider called the owner of an account.
    pub(super) async fn forget_pin(&self, gone: Option<Pin>) -> Result<(), AccountError> {
        if let Some(gone) = gone {
            self.spool.put_fact(PINS, &gone.found_by(), None).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_000_000_000 + seconds * 1000)
    }

    fn begun() -> Begun {
        Begun::new("a1".repeat(32), "/message/7?images=1", at(0))
    }

    #[test]
    fn a_state_is_good_in_one_browser_for_a_while() {
        let state = begun().state("mine");
        assert_eq!(Begun::of(&state, "mine", at(600)), Some(begun()));
        assert_eq!(Begun::of(&state, "mine", at(601)), None);
        assert_eq!(Begun::of(&state, "of another", at(1)), None);
        let early = Timestamp::from_millis(999_000_000);
        assert_eq!(Begun::of(&state, "mine", early), None);
    }

    #[test]
    fn nothing_of_a_state_can_be_changed() {
        let state = begun().state("mine");
        let parts: Vec<&str> = state.split('.').collect();
        let next = BASE64URL.encode("/message/8");
        let random = "b2".repeat(32);
        for (place, other) in [(0, random.as_str()), (1, "1000001"), (2, &next), (3, "")] {
            let mut changed = parts.clone();
            changed[place] = other;
            assert_eq!(
                Begun::of(&changed.join("."), "mine", at(2)),
                None,
                "{place}"
            );
        }
        let long = format!("{state}.x");
        for odd in ["", "...", "a.b.c.d", &long] {
            assert_eq!(Begun::of(odd, "mine", at(2)), None, "{odd}");
        }
    }

    #[test]
    fn what_keeps_a_login_together_is_of_it_alone() {
        let secrets = begun().secrets("mine", "https://mail.example.org/");
        assert_eq!(
            secrets.redirect,
            "https://mail.example.org/login/provider/back"
        );
        let other = begun().secrets("of another", "https://mail.example.org");
        let later = Begun::new("b2".repeat(32), "/message/7?images=1", at(0));
        let later = later.secrets("mine", "https://mail.example.org");
        let mut all: Vec<String> = [secrets, other, later]
            .into_iter()
            .flat_map(|it| [it.state, it.nonce, it.verifier])
            .collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 9);
        assert_eq!(Begun::new("a".into(), &"x".repeat(501), at(0)).next, "/");
    }
}
