//! A provider: what it says of itself, kept for a while, and a login by it.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD as BASE64URL};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tokio::sync::{Mutex, Semaphore, oneshot};

use super::claims::{Expected, proven};
use super::https::Ask;
use super::jose::{Keys, Token, Unproven};
use super::{OidcError, Options, World};
use crate::base::Timestamp;
use crate::limits;
use crate::net::HttpPlace as Place;

/// What a provider says of itself is asked for again after this time.
const FRESH: Duration = Duration::from_secs(3600);
/// A provider that did not answer is not asked again for so long: who comes then hears it at once.
const AWAY: Duration = Duration::from_secs(10);
/// Unknown keys make us ask for new ones not more often than that.
const KEYS_AGAIN: Duration = Duration::from_secs(30);
/// Characters of what comes with a visitor who comes back.
const CODE: usize = 4_096;

/// What a login by a provider is kept together by; nobody else knows them.
#[derive(Debug, Clone)]
pub struct Secrets {
    /// Comes back with the visitor (RFC 6749 §10.12).
    pub state: String,
    /// Comes back in the token.
    pub nonce: String,
    /// RFC 7636 §4.1: proves to the provider that who began asks for the token.
    pub verifier: String,
    /// Where the visitor comes back to.
    pub redirect: String,
}

/// Where a visitor goes to log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun(pub String);

/// What a visitor comes back with.
#[derive(Debug, Clone, Copy)]
pub struct Back<'a> {
    /// RFC 6749 §4.1.2.
    pub code: &'a str,
    /// RFC 9207 §2; empty: it was not there.
    pub iss: &'a str,
}

/// Whom the provider has proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// His address.
    pub address: String,
    /// What it calls him, whatever his address is (`sub`).
    pub subject: String,
}

/// A provider; cheap to clone.
#[derive(Debug, Clone)]
pub struct Provider(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    options: Options,
    world: World,
    known: Mutex<Known>,
    /// Logins that are asked about at one time.
    asking: Semaphore,
}

/// What is known of it.
#[derive(Debug, Default)]
struct Known {
    itself: Option<(Itself, Timestamp)>,
    keys: Option<(Keys, Timestamp)>,
    /// When it did not answer, and why.
    away: Option<(OidcError, Timestamp)>,
}

/// What it says of itself (OpenID Connect Discovery §3).
#[derive(Debug, Clone, Deserialize)]
struct Itself {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    jwks_uri: String,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
    /// RFC 9207 §3.
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: String,
}

impl Provider {
    /// A provider that is asked as `options` say. Nothing is asked yet.
    #[must_use]
    pub fn new(options: Options, world: World) -> Self {
        Self(Arc::new(Inner {
            options,
            world,
            known: Mutex::default(),
            asking: Semaphore::const_new(limits::OIDC_LOGINS),
        }))
    }

    /// Its name, and ours there: `sub` is unique within these (OpenID Connect Core §8).
    #[must_use]
    pub fn names(&self) -> (&str, &str) {
        (&self.0.options.issuer, &self.0.options.client_id)
    }

    /// The host of its issuer, for people.
    #[must_use]
    pub fn host(&self) -> &str {
        let rest = self.0.options.issuer.trim_start_matches("https://");
        rest.split(['/', ':']).next().unwrap_or(rest)
    }

    /// Where a visitor goes to log in.
    ///
    /// # Errors
    /// When it cannot be asked where.
    pub async fn begin(&self, secrets: &Secrets) -> Result<Begun, OidcError> {
        let itself = self.0.itself().await?;
        // RFC 7636 §4.2.
        let challenge = BASE64URL.encode(Sha256::digest(secrets.verifier.as_bytes()));
        let parameters = form(&[
            ("response_type", "code"),
            ("scope", "openid email profile"),
            ("client_id", &self.0.options.client_id),
            ("redirect_uri", &secrets.redirect),
            ("state", &secrets.state),
            ("nonce", &secrets.nonce),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ]);
        let begins = itself.authorization_endpoint;
        let mark = if begins.contains('?') { '&' } else { '?' };
        Ok(Begun(format!("{begins}{mark}{parameters}")))
    }

    /// Whom the provider proves with the code that a visitor has brought back.
    ///
    /// # Errors
    /// When it cannot be asked, or is not believed.
    pub async fn finish(&self, back: Back<'_>, secrets: &Secrets) -> Result<Proven, OidcError> {
        if back.code.is_empty() || back.code.len() > CODE {
            return Err(OidcError::refused("the code is missing"));
        }
        let inner = &self.0;
        let turn = inner.asking.try_acquire();
        let _turn = turn.map_err(|_| OidcError::away("too many log in at once"))?;
        let whole = async {
            inner.check_iss(back.iss).await?;
            let token = inner.token(back.code, secrets).await?;
            inner.read(&token, secrets).await
        };
        let whole = tokio::time::timeout(limits::OIDC_LOGIN, whole).await;
        whole.map_err(|_| OidcError::away("it took too long"))?
    }
}

impl Inner {
    /// RFC 9207 §2.4: another provider's answer is not ours; one that always says who it is does
    /// so this time, too.
    async fn check_iss(self: &Arc<Self>, iss: &str) -> Result<(), OidcError> {
        if !iss.is_empty() && iss != self.options.issuer {
            return Err(OidcError::refused("iss is somebody else"));
        }
        let itself = self.itself().await?;
        if iss.is_empty() && itself.authorization_response_iss_parameter_supported {
            return Err(OidcError::refused("iss is missing"));
        }
        Ok(())
    }

    /// RFC 6749 §4.1.3.
    async fn token(self: &Arc<Self>, code: &str, secrets: &Secrets) -> Result<String, OidcError> {
        let itself = self.itself().await?;
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &secrets.redirect),
            ("code_verifier", &secrets.verifier),
        ];
        let secret = self.secret()?;
        let mut authorization = None;
        // RFC 6749 §2.3.1; OpenID Connect Core §9: `client_secret_basic` when nothing else is said.
        let methods = &itself.token_endpoint_auth_methods_supported;
        let is_basic = methods.is_empty() || methods.iter().any(|it| it == "client_secret_basic");
        match &secret {
            Some(secret) if is_basic => {
                let pair = format!("{}:{}", escaped(&self.options.client_id), escaped(secret));
                authorization = Some(format!("Basic {}", STANDARD.encode(pair)));
            }
            Some(secret) => {
                fields.push(("client_id", &self.options.client_id));
                fields.push(("client_secret", secret));
            }
            None => fields.push(("client_id", &self.options.client_id)),
        }
        let ask = Ask {
            form: Some(form(&fields)),
            authorization,
        };
        let authorities = self.options.authorities.as_ref();
        let asked = self.world.fetch(&itself.token_endpoint, authorities, ask);
        let (status, body) = asked.await?;
        if status >= 500 {
            return Err(OidcError::away(format!("its token endpoint says {status}")));
        }
        if status != 200 {
            let why = format!("its token endpoint says {status}: {}", reason(&body));
            return Err(OidcError::Refused(why));
        }
        let tokens: Result<Tokens, _> = serde_json::from_slice(&body);
        let tokens = tokens.map_err(|_| OidcError::refused("there is no ID token"))?;
        if tokens.id_token.len() > limits::OIDC_TOKEN {
            return Err(OidcError::refused("the ID token is too long"));
        }
        Ok(tokens.id_token)
    }

    async fn read(self: &Arc<Self>, token: &str, secrets: &Secrets) -> Result<Proven, OidcError> {
        let parsed = || Token::parse(token);
        let mut opened = self.keys(FRESH).await?;
        let mut payload = parsed().and_then(|token| opened.open(token));
        if payload == Err(Unproven::UnknownKey) {
            // It may have changed its keys since.
            opened = self.keys(KEYS_AGAIN).await?;
            payload = parsed().and_then(|token| opened.open(token));
        }
        let payload = payload.map_err(|unproven| match unproven {
            Unproven::UnknownKey => OidcError::refused("nobody knows the key of the ID token"),
            Unproven::Because(why) => OidcError::refused(why),
        })?;
        let expected = Expected {
            issuer: &self.options.issuer,
            client_id: &self.options.client_id,
            nonce: &secrets.nonce,
            claim: &self.options.claim,
            trust: self.options.trust,
            now: self.world.clock.now(),
        };
        proven(&payload, &expected).map_err(OidcError::refused)
    }

    fn secret(&self) -> Result<Option<String>, OidcError> {
        let Some(file) = &self.options.secret_file else {
            return Ok(None);
        };
        let wrong = |why: &str| OidcError::away(format!("{}: {why}", file.display()));
        let text = std::fs::read_to_string(file).map_err(|error| wrong(&error.to_string()))?;
        let secret = text.trim_end_matches(['\r', '\n']);
        if secret.is_empty() {
            return Err(wrong("is empty, expected the client secret"));
        }
        Ok(Some(secret.to_owned()))
    }

    /// Waits for an answer that is for all, and goes on when who waits has gone: a browser that
    /// closes its connection must not leave us without what we asked for.
    async fn for_all<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, OidcError>> + Send + 'static,
    ) -> Result<T, OidcError> {
        let (tell, told) = oneshot::channel();
        self.world.shutdown.spawn("login-provider", async move {
            // Who waited may have gone.
            tell.send(work.await).ok();
        });
        let ended = |_| Err(OidcError::away("the question was not finished"));
        told.await.unwrap_or_else(ended)
    }

    /// What it says of itself; what it said before, when it is away now.
    async fn itself(self: &Arc<Self>) -> Result<Itself, OidcError> {
        if let Some(itself) = self.known.lock().await.itself(self.world.clock.now()) {
            return Ok(itself);
        }
        let inner = Arc::clone(self);
        self.for_all(async move { inner.ask_itself().await }).await
    }

    async fn ask_itself(&self) -> Result<Itself, OidcError> {
        let now = self.world.clock.now();
        let mut known = self.known.lock().await;
        if let Some(itself) = known.itself(now) {
            return Ok(itself);
        }
        let before = known.itself.clone();
        if let Err(error) = known.check_away(now) {
            return before.map(|(itself, _)| itself).ok_or(error);
        }
        let issuer = self.options.issuer.trim_end_matches('/');
        let address = format!("{issuer}/.well-known/openid-configuration");
        let read = match self.json(&address).await {
            Ok(body) => self.described(&body),
            Err(error) => Err(error),
        };
        match (known.noted(read, now), before) {
            (Ok(itself), _) => {
                known.itself = Some((itself.clone(), now));
                // Its keys may be elsewhere now.
                known.keys = None;
                Ok(itself)
            }
            (Err(OidcError::Away(why)), Some((itself, _))) => {
                tracing::warn!(why, "the login provider is asked as it was before");
                Ok(itself)
            }
            (Err(error), _) => Err(error),
        }
    }

    fn described(&self, body: &[u8]) -> Result<Itself, OidcError> {
        let itself: Result<Itself, _> = serde_json::from_slice(body);
        let itself =
            itself.map_err(|error| OidcError::refused(format!("its discovery: {error}")))?;
        // OpenID Connect Discovery §4.3.
        if itself.issuer != self.options.issuer {
            return Err(OidcError::refused("its discovery names another issuer"));
        }
        let places = [
            &itself.authorization_endpoint,
            &itself.token_endpoint,
            &itself.jwks_uri,
        ];
        if places.iter().any(|place| Place::of(place).is_none()) {
            return Err(OidcError::refused(
                "its discovery names places without https",
            ));
        }
        if itself.authorization_endpoint.contains('#') {
            return Err(OidcError::refused("its discovery names a fragment"));
        }
        Ok(itself)
    }

    /// Its keys, not older than `life`.
    async fn keys(self: &Arc<Self>, life: Duration) -> Result<Keys, OidcError> {
        let itself = self.itself().await?;
        let now = self.world.clock.now();
        if let Some(keys) = self.known.lock().await.keys(now, life) {
            return Ok(keys);
        }
        let inner = Arc::clone(self);
        self.for_all(async move { inner.ask_keys(&itself, life).await })
            .await
    }

    async fn ask_keys(&self, itself: &Itself, life: Duration) -> Result<Keys, OidcError> {
        let now = self.world.clock.now();
        let mut known = self.known.lock().await;
        if let Some(keys) = known.keys(now, life) {
            return Ok(keys);
        }
        known.check_away(now)?;
        let read = self.json(&itself.jwks_uri).await.and_then(|body| {
            Keys::parse(&body).ok_or_else(|| OidcError::refused("its keys cannot be read"))
        });
        let keys = known.noted(read, now)?;
        known.keys = Some((keys.clone(), now));
        Ok(keys)
    }

    async fn json(&self, address: &str) -> Result<Vec<u8>, OidcError> {
        let authorities = self.options.authorities.as_ref();
        let asked = self.world.fetch(address, authorities, Ask::default());
        match asked.await? {
            (200, body) => Ok(body),
            (status, _) => Err(OidcError::away(format!("{address} says {status}"))),
        }
    }
}

impl Known {
    fn itself(&self, now: Timestamp) -> Option<Itself> {
        let fresh = self.itself.as_ref();
        let fresh = fresh.filter(|(_, at)| now.since(*at) < FRESH);
        fresh.map(|(itself, _)| itself.clone())
    }

    fn keys(&self, now: Timestamp, life: Duration) -> Option<Keys> {
        let fresh = self.keys.as_ref();
        let fresh = fresh.filter(|(_, at)| now.since(*at) < life);
        fresh.map(|(keys, _)| keys.clone())
    }

    /// Did it not answer a moment ago?
    fn check_away(&self, now: Timestamp) -> Result<(), OidcError> {
        match &self.away {
            Some((error, at)) if now.since(*at) < AWAY => Err(error.clone()),
            Some(_) | None => Ok(()),
        }
    }

    /// Remembers whether it answered.
    fn noted<T>(&mut self, answer: Result<T, OidcError>, now: Timestamp) -> Result<T, OidcError> {
        self.away = answer.as_ref().err().map(|error| (error.clone(), now));
        answer
    }
}

/// `error` of an answer (RFC 6749 §5.2), for administrators.
fn reason(body: &[u8]) -> String {
    let answer: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let error = answer.get("error").and_then(serde_json::Value::as_str);
    let plain = |c: &char| c.is_ascii_graphic();
    let error = error.unwrap_or("no reason").chars();
    error.filter(plain).take(60).collect()
}

/// `application/x-www-form-urlencoded`.
fn form(fields: &[(&str, &str)]) -> String {
    let pairs = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", escaped(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// Percent-encodes what is not unreserved (RFC 3986 §2.3).
fn escaped(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut escaped, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            write!(escaped, "%{byte:02X}").ok();
        }
        escaped
    })
}
