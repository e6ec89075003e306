//! Logins by a provider of OpenID Connect.

use super::*;
use crate::oidc::tests::provider::{TestProvider, fields};
use crate::webmail::provider::{BACK, Entrance, ProviderLogin, SecondStep};

fn served_by(provider: &TestProvider, change: impl FnOnce(&mut ProviderLogin)) -> Site {
    Site::changed(|world| {
        let client = TestProvider::client(provider.options(), world.clock.clone());
        let mut login = ProviderLogin {
            provider: Arc::new(client),
            name: "Example Login".to_owned(),
            domains: Vec::new(),
            second_step: SecondStep::Ours,
            entrance: Entrance::Any,
        };
        change(&mut login);
        world.provider = Some(login);
    })
}

impl Browser<'_> {
    /// Goes to the provider, and comes back: the path with its code.
    async fn sent_back(&mut self, provider: &TestProvider) -> String {
        let away = self.get("/login/provider?next=/sent").await;
        assert_eq!(away.status, StatusCode::SEE_OTHER);
        let (code, state) = provider.visit(away.location()).await;
        format!("{BACK}?code={}&state={state}", code.replace('+', "%2B"))
    }
}

#[tokio::test]
async fn who_is_proven_by_the_provider_is_let_in() {
    let provider = TestProvider::start().await;
    let site = served_by(&provider, |_| {});
    let mut browser = Browser::new(&site);
    let page = browser.get("/login?next=/sent").await;
    assert!(page.has("href=\"/login/provider?next=/sent\">Log in with Example Login<"));
    assert!(page.has("name=\"password\""));
    let back = browser.sent_back(&provider).await;
    let done = browser.get(&back).await;
    assert_eq!(done.location(), "/sent", "{}", done.text);
    assert!(browser.get("/").await.has("ann@example.org"));
    let accounts = &site.webmail.0.world.accounts;
    assert_eq!(accounts.list().await.unwrap().len(), 1);
    // The code is used up.
    let again = browser.get(&back).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
    // An alias is the same person.
    provider.is_used_by("Sales@Example.org");
    let back = browser.sent_back(&provider).await;
    assert_eq!(browser.get(&back).await.location(), "/sent");
    assert_eq!(accounts.list().await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_was_begun_in_another_browser_is_not_finished_here() {
    let provider = TestProvider::start().await;
    let site = served_by(&provider, |_| {});
    let back = Browser::new(&site).sent_back(&provider).await;
    let mut victim = Browser::new(&site);
    for cookie in [false, true] {
        if cookie {
            victim.get("/login").await;
        }
        let refused = victim.get(&back).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(refused.has("not begun in this browser"), "{}", refused.text);
    }
    assert!(victim.get("/").await.location().starts_with("/login"));
    assert!(!provider.asked().contains(&"/token".to_owned()));
    let mut browser = Browser::new(&site);
    let back = browser.sent_back(&provider).await;
    let (path, query) = back.split_once('?').unwrap();
    let state = fields(query)["state"].clone();
    for other in [
        format!("{path}?state={state}&error=access_denied"),
        format!("{back}&iss=https%3A%2F%2Fevil.example"),
        format!("{path}?state={state}"),
    ] {
        let refused = browser.get(&other).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(refused.has("Example Login did not let you in"), "{other}");
    }
    assert!(!provider.asked().contains(&"/token".to_owned()));
    site.pass(601);
    let late = browser.get(&back).await;
    assert!(late.has("too long ago"), "{}", late.text);
}

#[tokio::test]
async fn nobody_else_than_people_of_ours_is_let_in() {
    let provider = TestProvider::start().await;
    let site = served_by(&provider, |login| {
        login.domains = vec!["example.org".to_owned()];
    });
    for address in [
        "eve@evil.example",
        "nobody-knows@example.org",
        "team@example.org",
        "ann+tag@example.org",
        "ann",
        "ann@example.org\r\n",
    ] {
        provider.is_used_by(address);
        let mut browser = Browser::new(&site);
        let back = browser.sent_back(&provider).await;
        let refused = browser.get(&back).await;
        assert_eq!(
            refused.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{address}"
        );
        assert!(refused.has("has no mailbox here"), "{address}");
    }
    let accounts = &site.webmail.0.world.accounts;
    assert!(accounts.list().await.unwrap().is_empty());
    provider.is_used_by("ann@example.org");
    let ann: Mailbox = "ann@example.org".parse().unwrap();
    accounts.invite(&ann).await.unwrap();
    accounts.disable(&ann).await.unwrap();
    let mut browser = Browser::new(&site);
    let back = browser.sent_back(&provider).await;
    let shut = browser.get(&back).await;
    assert_eq!(shut.status, StatusCode::UNPROCESSABLE_ENTITY);
    // A provider that speaks for other domains only.
    let narrow = served_by(&provider, |it| {
        it.domains = vec!["a.example".to_owned()];
    });
    let mut browser = Browser::new(&narrow);
    let back = browser.sent_back(&provider).await;
    assert!(browser.get(&back).await.has("has no mailbox here"));
}

#[tokio::test]
async fn a_second_step_is_asked_for_unless_the_provider_asks() {
    let provider = TestProvider::start().await;
    for (second_step, is_asked) in [(SecondStep::Ours, true), (SecondStep::Providers, false)] {
        let site = served_by(&provider, |login| {
            login.second_step = second_step;
        });
        site.enrolled("ann@example.org").await.secured().await;
        let mut browser = Browser::new(&site);
        let back = browser.sent_back(&provider).await;
        let done = browser.get(&back).await;
        assert_eq!(done.text.contains("name=\"half\""), is_asked);
        let is_in = browser.get("/").await.status == StatusCode::OK;
        assert_eq!(is_in, !is_asked);
    }
}

#[tokio::test]
async fn a_provider_that_is_away_or_lies_is_told_and_own_passwords_go_on() {
    let provider = TestProvider::start().await;
    let site = served_by(&provider, |_| {});
    site.enrolled("ann@example.org").await;
    let mut browser = Browser::new(&site);
    let back = browser.sent_back(&provider).await;
    provider.lie(|lies| {
        lies.claims
            .insert("email_verified", serde_json::json!(false));
    });
    let refused = browser.get(&back).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let back = browser.sent_back(&provider).await;
    provider.lie(|lies| lies.status = Some(("/token", 503)));
    let away = browser.get(&back).await;
    assert_eq!(away.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        away.has("Example Login cannot be reached now"),
        "{}",
        away.text
    );
    drop(provider);
    let provider = TestProvider::start().await;
    let other = served_by(&provider, |_| {});
    drop(provider);
    other.enrolled("ann@example.org").await;
    let mut browser = Browser::new(&other);
    let away = browser.get("/login/provider?next=//evil.example").await;
    assert_eq!(away.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(away.has("cannot be reached now") && away.has("name=\"password\""));
    assert!(!away.has("evil.example"));
    let own = browser.enter_with("ann@example.org", PASSWORD).await;
    assert_eq!(own.location(), "/");
    assert!(browser.get("/").await.has("ann@example.org"));
}

#[tokio::test]
async fn the_only_way_in_is_the_provider_where_the_config_says_so() {
    let provider = TestProvider::start().await;
    let site = served_by(&provider, |login| {
        login.entrance = Entrance::Only;
    });
    let accounts = &site.webmail.0.world.accounts;
    accounts
        .invite(&"ann@example.org".parse().unwrap())
        .await
        .unwrap();
    let mut browser = Browser::new(&site);
    let page = browser.get("/login").await;
    assert!(page.has("Log in with Example Login") && !page.has("name=\"password\""));
    assert!(!page.has("data-passkey"));
    let back = browser.sent_back(&provider).await;
    assert_eq!(browser.get(&back).await.location(), "/sent");
    // A form of before, or made by hand.
    let token = &browser.cookies["tideover-form"];
    let csrf = digest::digest("form", token);
    let form = [
        ("csrf", &*csrf),
        ("address", "ann@example.org"),
        ("password", PASSWORD),
    ];
    let refused = browser.post("/login", &form).await;
    assert_eq!(refused.status, StatusCode::NOT_FOUND);
    let without = Site::new();
    assert_eq!(
        without.visit("/login/provider").await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(without.visit(BACK).await.status, StatusCode::NOT_FOUND);
}
