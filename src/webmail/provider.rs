//! Somebody else who lets people in: a provider of OpenID Connect. What a login is kept together by
//! is made of the cookie that the visitor had before it, so nothing is kept here, and nobody can
//! finish in one browser what was begun in another.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;

use super::Webmail;
use super::digest::{digest, is_token, same};
use super::error::WebError;
use super::front::Person;
use crate::base::Timestamp;
use crate::oidc::{Provider, Secrets};
use crate::smtp::Mailbox;

/// Where visitors come back to; the router has it, too.
pub(crate) const BACK: &str = "/login/provider/back";
/// A login must be finished within this time.
const LIFE: Duration = Duration::from_secs(10 * 60);
/// Bytes of the path that a visitor wants to see afterwards; a longer one is forgotten.
const NEXT: usize = 500;

/// A provider that lets people in.
#[derive(Debug, Clone)]
pub struct ProviderLogin {
    /// The provider.
    pub provider: Arc<Provider>,
    /// What it is called on the login page.
    pub name: String,
    /// Keys of the domains of addresses that it speaks for; none: of all that are ours.
    pub domains: Vec<String>,
    /// Who asks for a second step.
    pub second_step: SecondStep,
    /// By what else people log in.
    pub entrance: Entrance,
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

/// By what people log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Entrance {
    /// Also by password and passkey.
    #[default]
    Any,
    /// By the provider only.
    Only,
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

    /// Does anything but the provider let in?
    pub(crate) fn is_open_to_passwords(&self) -> bool {
        let provider = self.0.world.provider.as_ref();
        provider.is_none_or(|provider| provider.entrance == Entrance::Any)
    }

    /// Refuses a login by anything but the provider where he is the only one.
    pub(crate) fn check_passwords(&self) -> Result<(), WebError> {
        if self.is_open_to_passwords() {
            Ok(())
        } else {
            Err(WebError::NotFound)
        }
    }

    /// The person of ours whose address the provider has proven.
    pub(crate) fn proven(&self, login: &ProviderLogin, address: &str) -> Option<Person> {
        let address: Mailbox = address.parse().ok()?;
        let domain = address.domain().key();
        let speaks_for = login.domains.is_empty() || login.domains.contains(&domain);
        let directory = self.0.world.directory.current();
        let is_ours = directory.domain(address.domain()).is_some();
        Person::of(&directory, &address).filter(|_| speaks_for && is_ours)
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
