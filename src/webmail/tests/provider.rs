//! Logins by a provider of OpenID Connect.

use super::*;
use crate::oidc::tests::provider::{TestProvider, fields};
use crate::webmail::provider::{BACK, ProviderLogin, SecondStep};

pub(super) fn served_by(provider: &TestProvider, change: impl FnOnce(&mut ProviderLogin)) -> Site {
    Site::changed(|world| {
        let client = TestProvider::client(provider.options(), world.clock.clone());
        let mut login = ProviderLogin {
            provider: client,
            name: "Example Login".to_owned(),
            domains: None,
            second_step: SecondStep::Ours,
        };
        change(&mut login);
        world.provider = Some(login);
    })
}

impl Browser<'_> {
    /// Goes to the provider, and comes back: the path with its code.
    pub(super) async fn sent_back(&mut self, provider: &TestProvider) -> String {
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
    provider.is_used_by("Ann@Example.org");
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
        login.domains = Some(vec!["example.org".to_owned()]);
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
        it.domains = Some(vec!["a.example".to_owned()]);
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
async fn without_a_provider_nobody_goes_there() {
    let site = Site::new();
    for path in ["/login/provider", BACK] {
        assert_eq!(site.visit(path).await.status, StatusCode::NOT_FOUND);
    }
}

/// Who comes back as who has this address there, and is called so.
async fn comes_as(
    browser: &mut Browser<'_>,
    provider: &TestProvider,
    (address, subject): (&str, &str),
) -> Answer {
    provider.is_used_by(address);
    let subject = serde_json::json!(subject);
    provider.lie(|lies| {
        lies.claims.insert("sub", subject);
    });
    let back = browser.sent_back(provider).await;
    browser.get(&back).await
}

/// The directory names others.
fn names(site: &Site, rows: &str) {
    let csv = format!("address,aliases,receive_only,type\n{rows}");
    let directory = people::read(&csv);
    site.webmail.0.world.directory.replace(directory);
}

#[tokio::test]
async fn only_the_own_address_opens_a_mailbox() {
    let provider = TestProvider::start().await;
    let site = served_by(&provider, |_| {});
    let rows = "ann@example.org,sales@example.org,,mailbox\n\
        bob@example.org,b@example.org,bob@example.org;old@example.org,mailbox\n\
        room@example.org,,,resource\nfriend@example.org,,,contact\nall@example.org,,,group\n";
    names(&site, rows);
    for address in [
        "sales@example.org",
        "bob@example.org",
        "b@example.org",
        "old@example.org",
        "room@example.org",
        "friend@example.org",
        "all@example.org",
    ] {
        let mut browser = Browser::new(&site);
        let refused = comes_as(&mut browser, &provider, (address, "1")).await;
        assert!(refused.has("has no mailbox here"), "{address}");
        assert!(browser.get("/").await.location().starts_with("/login"));
    }
    let accounts = &site.webmail.0.world.accounts;
    assert!(accounts.list().await.unwrap().is_empty());
    let mut browser = Browser::new(&site);
    let ann = comes_as(&mut browser, &provider, ("ann@example.org", "1")).await;
    assert_eq!(ann.location(), "/sent");
}

#[tokio::test]
async fn who_came_first_is_the_only_one_who_comes_until_a_reset() {
    let provider = TestProvider::start().await;
    let site = served_by(&provider, |_| {});
    let accounts = &site.webmail.0.world.accounts;
    let log = logged::Log::new();
    let ann: Mailbox = "ann@example.org".parse().unwrap();
    site.enrolled("ann@example.org").await;
    log.logins();
    let come = async |address: &str, subject: &str| {
        let mut browser = Browser::new(&site);
        let answer = comes_as(&mut browser, &provider, (address, subject)).await;
        answer.status == StatusCode::SEE_OTHER
    };
    assert!(come("ann@example.org", "first").await);
    let lines = log.logins();
    assert_eq!(
        lines,
        ["nobody provider begun", "ann@example.org provider in"]
    );
    assert!(accounts.list().await.unwrap()[0].is_pinned());
    // Somebody else has her address there now, or says so.
    assert!(!come("ann@example.org", "second").await);
    let text = log.text();
    assert!(
        text.contains("sub") && text.contains("tideover user reset"),
        "{text}"
    );
    assert_eq!(log.logins()[1], "nobody provider wrong");
    // And she is not somebody else here when she is called so there.
    site.enrolled("bob@example.org").await;
    assert!(!come("bob@example.org", "first").await);
    assert!(come("bob@example.org", "third").await);
    assert!(come("ann@example.org", "first").await);
    accounts.reset(&ann).await.unwrap();
    assert!(
        !accounts
            .find("ann@example.org")
            .await
            .unwrap()
            .unwrap()
            .is_pinned()
    );
    assert!(come("ann@example.org", "second").await);
    assert!(!come("ann@example.org", "first").await);
    // Shut and opened again is begun again, too.
    accounts.disable(&ann).await.unwrap();
    assert!(!come("ann@example.org", "second").await);
    accounts.invite(&ann).await.unwrap();
    assert!(come("ann@example.org", "first").await);
}

#[tokio::test]
async fn the_pin_goes_along_with_a_new_name_and_not_with_the_address() {
    let provider = TestProvider::start().await;
    let site = served_by(&provider, |_| {});
    let accounts = &site.webmail.0.world.accounts;
    let come = async |address: &str, subject: &str| {
        let mut browser = Browser::new(&site);
        let answer = comes_as(&mut browser, &provider, (address, subject)).await;
        let is_in = answer.status == StatusCode::SEE_OTHER;
        (is_in, browser.get("/").await.text)
    };
    assert!(come("ann@example.org", "first").await.0);
    site.judge().await;
    names(&site, "lee@example.org,ann@example.org,,mailbox\n");
    let directory = site.webmail.0.world.directory.current();
    let ann: Mailbox = "ann@example.org".parse().unwrap();
    accounts.confirm(&ann, &directory).await.unwrap();
    let (is_in, page) = come("lee@example.org", "first").await;
    assert!(is_in && page.contains("lee@example.org"));
    assert!(!come("lee@example.org", "second").await.0);
    // Somebody new has the address of before as his own.
    names(
        &site,
        "lee@example.org,,,mailbox\nann@example.org,,,mailbox\n",
    );
    site.judge().await;
    assert!(!come("ann@example.org", "second").await.0);
    assert!(!come("ann@example.org", "first").await.0);
    assert!(come("lee@example.org", "first").await.0);
    assert_eq!(accounts.list().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_provider_that_is_half_dead_uses_up_nothing_of_own_passwords() {
    let provider = TestProvider::start().await;
    let site = served_by(&provider, |_| {});
    site.enrolled("ann@example.org").await;
    let mut browser = Browser::new(&site);
    provider.lie(|lies| lies.status = Some(("/token", 503)));
    for _ in 0..40 {
        let back = browser.sent_back(&provider).await;
        let away = browser.get(&back).await;
        assert_eq!(away.status, StatusCode::SERVICE_UNAVAILABLE);
    }
    let back = browser.sent_back(&provider).await;
    provider.lie(|lies| lies.is_forged = true);
    for _ in 0..30 {
        let refused = browser.get(&back).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    // Now it is enough, from here, also with another cookie; and for a while.
    let late = browser.get(&back).await;
    assert_eq!(late.status, StatusCode::TOO_MANY_REQUESTS);
    let mut fresh = Browser::new(&site);
    let back = fresh.sent_back(&provider).await;
    let late = fresh.get(&back).await;
    assert_eq!(late.status, StatusCode::TOO_MANY_REQUESTS);
    let own = fresh.enter_with("ann@example.org", PASSWORD).await;
    assert_eq!(own.location(), "/");
    site.pass(11);
    provider.lie(|_| {});
    let back = fresh.sent_back(&provider).await;
    assert_eq!(fresh.get(&back).await.location(), "/sent");
}

#[tokio::test]
async fn visits_to_the_provider_have_a_bound() {
    let provider = TestProvider::start().await;
    let site = served_by(&provider, |_| {});
    site.enrolled("ann@example.org").await;
    let mut browser = Browser::new(&site);
    let mut gone = 0;
    let stopped = loop {
        let answer = browser.get("/login/provider").await;
        if answer.status != StatusCode::SEE_OTHER {
            break answer;
        }
        gone += 1;
        assert!(gone < 2_000);
    };
    assert!(gone >= 300, "{gone}");
    assert_eq!(stopped.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(stopped.has("name=\"password\""));
    let own = browser.enter_with("ann@example.org", PASSWORD).await;
    assert_eq!(own.location(), "/");
}

#[tokio::test]
async fn what_was_begun_before_a_login_is_over_after_it() {
    let provider = TestProvider::start().await;
    let site = served_by(&provider, |_| {});
    let mut browser = Browser::new(&site);
    let form = browser.get("/login").await.field("csrf");
    let (first, second) = (
        browser.sent_back(&provider).await,
        browser.sent_back(&provider).await,
    );
    assert_eq!(browser.get(&first).await.location(), "/sent");
    let stale = browser.get(&second).await;
    assert!(stale.has("not begun in this browser"), "{}", stale.text);
    assert_ne!(browser.get("/login").await.field("csrf"), form);
}
