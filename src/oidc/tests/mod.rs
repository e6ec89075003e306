//! Logins by a provider that lies.

pub(crate) mod provider;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use provider::{CLIENT, TestProvider};

use super::*;
use crate::base::{Clock, TimeSource, Timestamp};
use crate::limits;

/// The system's time, and so many seconds more.
#[derive(Debug, Clone, Default)]
struct Ahead(Arc<AtomicU64>);

impl TimeSource for Ahead {
    fn now(&self) -> Timestamp {
        let ahead = Duration::from_secs(self.0.load(Ordering::Relaxed));
        Clock::system().now().after(ahead)
    }
}

fn secrets() -> Secrets {
    Secrets {
        state: "state".to_owned(),
        nonce: "nonce".to_owned(),
        verifier: "v".repeat(64),
        redirect: "https://mail.example.org/login/provider/back".to_owned(),
    }
}

const fn back(code: &str) -> Back<'_> {
    Back { code, iss: "" }
}

fn client(provider: &TestProvider) -> Provider {
    TestProvider::client(provider.options(), Clock::system())
}

/// A whole login.
async fn log_in(provider: &TestProvider, client: &Provider) -> Result<Proven, OidcError> {
    let Begun(address) = client.begin(&secrets()).await?;
    let (code, state) = provider.visit(&address).await;
    assert_eq!(state, "state");
    client.finish(back(&code), &secrets()).await
}

fn is_away(answer: &Result<Proven, OidcError>) -> bool {
    matches!(answer, Err(OidcError::Away(_)))
}

fn is_refused(answer: &Result<Proven, OidcError>) -> bool {
    matches!(answer, Err(OidcError::Refused(_)))
}

#[tokio::test]
async fn a_login_names_the_address_that_the_provider_proves() {
    let provider = TestProvider::start().await;
    let client = client(&provider);
    let ann = Ok(Proven {
        address: "ann@example.org".to_owned(),
        subject: "248289761001".to_owned(),
    });
    assert_eq!(log_in(&provider, &client).await, ann);
    assert_eq!(log_in(&provider, &client).await, ann);
    let asked = provider.asked();
    let count = |path: &str| asked.iter().filter(|it| *it == path).count();
    assert_eq!(count("/.well-known/openid-configuration"), 1);
    assert_eq!(count("/jwks"), 1);
    assert_eq!(count("/token"), 2);
    // A code is good once, and for who has asked for it.
    let Begun(address) = client.begin(&secrets()).await.unwrap();
    let (code, _) = provider.visit(&address).await;
    let other = Secrets {
        verifier: "w".repeat(64),
        ..secrets()
    };
    assert!(is_refused(&client.finish(back(&code), &other).await));
    assert!(is_refused(&client.finish(back(&code), &secrets()).await));
    for odd in [String::new(), "x".repeat(5_000)] {
        assert!(is_refused(&client.finish(back(&odd), &secrets()).await));
    }
}

#[tokio::test]
async fn each_lie_in_a_token_lets_nobody_in() {
    let provider = TestProvider::start().await;
    let client = client(&provider);
    let past = Clock::system().now().as_secs() - 1_000;
    for (name, value) in [
        ("iss", json!("https://evil.example")),
        ("aud", json!("somebody else")),
        ("aud", json!([CLIENT, "somebody else"])),
        ("azp", json!("somebody else")),
        ("nonce", json!("of another login")),
        ("nonce", Value::Null),
        ("exp", json!(past)),
        ("iat", json!(past)),
        ("email_verified", json!(false)),
        ("email_verified", Value::Null),
        ("email", Value::Null),
        ("sub", Value::Null),
    ] {
        provider.lie(|lies| {
            lies.claims.insert(name, value.clone());
        });
        let answer = log_in(&provider, &client).await;
        assert!(is_refused(&answer), "{name} {value}: {answer:?}");
    }
    for header in [
        json!({ "alg": "none" }),
        json!({ "alg": "HS256", "kid": "first" }),
        json!({ "alg": "RS256", "kid": "first" }),
        json!({ "alg": "ES256", "kid": "unknown" }),
        json!({ "alg": "ES256", "kid": "first", "crit": ["exp"] }),
    ] {
        provider.lie(|lies| lies.header = Some(header.clone()));
        let answer = log_in(&provider, &client).await;
        assert!(is_refused(&answer), "{header}: {answer:?}");
    }
    provider.lie(|lies| lies.is_forged = true);
    assert!(is_refused(&log_in(&provider, &client).await));
    provider.lie(|_| {});
    assert!(log_in(&provider, &client).await.is_ok());
}

#[tokio::test]
async fn new_keys_are_asked_for_but_not_at_each_token() {
    let provider = TestProvider::start().await;
    let ahead = Ahead::default();
    let client = TestProvider::client(provider.options(), Clock::new(ahead.clone()));
    log_in(&provider, &client).await.unwrap();
    provider.change_keys("second");
    provider.asked();
    // Too soon after the last time.
    assert!(is_refused(&log_in(&provider, &client).await));
    assert!(!provider.asked().contains(&"/jwks".to_owned()));
    ahead.0.store(31, Ordering::Relaxed);
    assert!(log_in(&provider, &client).await.is_ok());
    assert!(provider.asked().contains(&"/jwks".to_owned()));
}

#[tokio::test]
async fn each_lie_in_the_discovery_lets_nobody_in() {
    let provider = TestProvider::start().await;
    for (name, value) in [
        ("issuer", json!("https://evil.example")),
        ("issuer", json!(format!("{}/", provider.options().issuer))),
        ("authorization_endpoint", json!("http://evil.example/a")),
        ("authorization_endpoint", json!("javascript:alert(1)")),
        ("authorization_endpoint", json!("https://a.example/#b")),
        ("token_endpoint", json!("http://127.0.0.1/token")),
        ("token_endpoint", Value::Null),
        ("jwks_uri", json!("file:///etc/passwd")),
    ] {
        provider.lie(|lies| {
            lies.discovery.insert(name, value.clone());
        });
        let begun = client(&provider).begin(&secrets()).await;
        let is_refused = matches!(begun, Err(OidcError::Refused(_)));
        assert!(is_refused, "{name} {value}: {begun:?}");
    }
}

#[tokio::test]
async fn huge_answers_are_not_read_and_errors_are_told() {
    let provider = TestProvider::start().await;
    for path in ["/.well-known/openid-configuration", "/jwks", "/token"] {
        provider.lie(|lies| lies.padded = Some((path, limits::OIDC_ANSWER + 1)));
        let answer = log_in(&provider, &client(&provider)).await;
        assert!(is_refused(&answer), "{path}: {answer:?}");
        provider.lie(|lies| lies.status = Some((path, 503)));
        let answer = log_in(&provider, &client(&provider)).await;
        assert!(is_away(&answer), "{path}: {answer:?}");
        // Nobody is sent on to anywhere else.
        provider.lie(|lies| lies.status = Some((path, 307)));
        let answer = log_in(&provider, &client(&provider)).await;
        assert!(answer.is_err(), "{path}: {answer:?}");
    }
    provider.lie(|lies| {
        let long = "x".repeat(limits::OIDC_TOKEN);
        lies.claims.insert("more", json!(long));
    });
    assert!(is_refused(&log_in(&provider, &client(&provider)).await));
}

#[tokio::test]
async fn a_provider_that_is_away_is_told_soon_and_then_at_once() {
    let provider = TestProvider::start().await;
    provider.lie(|lies| lies.silent = Some("/.well-known/openid-configuration"));
    let client = client(&provider);
    let begun = Instant::now();
    assert!(is_away(&log_in(&provider, &client).await));
    let waited = begun.elapsed();
    assert!(
        waited < limits::OIDC_EACH + Duration::from_secs(2),
        "{waited:?}"
    );
    let again = Instant::now();
    assert!(is_away(&log_in(&provider, &client).await));
    assert!(again.elapsed() < Duration::from_secs(1));
    assert_eq!(provider.asked().len(), 1);
}

#[tokio::test]
async fn a_stranger_with_the_providers_address_is_not_believed() {
    let (provider, other) = (TestProvider::start().await, TestProvider::start().await);
    let options = Options {
        authorities: Some(other.certificate()),
        ..provider.options()
    };
    let client = TestProvider::client(options, Clock::system());
    assert!(is_away(&log_in(&provider, &client).await));
    assert_eq!(provider.asked(), Vec::<String>::new());
    let without = Options {
        secret_file: None,
        ..provider.options()
    };
    let client = TestProvider::client(without, Clock::system());
    assert!(is_refused(&log_in(&provider, &client).await));
}

#[tokio::test]
async fn what_was_asked_for_all_is_not_lost_with_who_asked() {
    let provider = TestProvider::start().await;
    for path in ["/.well-known/openid-configuration", "/jwks"] {
        let client = client(&provider);
        provider.lie(|lies| lies.slow = Some((path, Duration::from_millis(300))));
        let gone = tokio::time::timeout(Duration::from_millis(100), log_in(&provider, &client));
        assert!(gone.await.is_err(), "{path}: he has closed his browser");
        provider.lie(|_| {});
        assert!(log_in(&provider, &client).await.is_ok());
        let asked = provider.asked();
        let count = asked.iter().filter(|it| *it == path).count();
        assert_eq!(count, 1, "{path}: {asked:?}");
    }
}

#[tokio::test]
async fn the_answer_of_another_provider_is_not_taken() {
    let provider = TestProvider::start().await;
    let issuer = provider.options().issuer;
    for (announces, iss, is_in) in [
        (false, "", true),
        (false, issuer.as_str(), true),
        (false, "https://evil.example", false),
        (true, issuer.as_str(), true),
        // RFC 9207 §2.4.
        (true, "", false),
        (true, "https://evil.example", false),
    ] {
        provider.lie(|lies| {
            let name = "authorization_response_iss_parameter_supported";
            lies.discovery.insert(name, json!(announces));
        });
        let client = client(&provider);
        let Begun(address) = client.begin(&secrets()).await.unwrap();
        let (code, _) = provider.visit(&address).await;
        let answer = client.finish(Back { code: &code, iss }, &secrets()).await;
        assert_eq!(answer.is_ok(), is_in, "{announces} {iss}: {answer:?}");
        assert!(is_in || is_refused(&answer));
        assert_eq!(provider.asked().contains(&"/token".to_owned()), is_in);
    }
}
