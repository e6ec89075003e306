//! Logins with the password that a directory server has.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::base::Boxed;
use crate::webmail::front::{Front, Verdict};

const THEIRS: &str = "a password of the organisation";

/// Knows one password for everybody, and ann under an alias, too.
#[derive(Debug, Default)]
struct Server {
    is_away: std::sync::atomic::AtomicBool,
    asked: AtomicUsize,
}

impl Front for Server {
    fn check<'a>(&'a self, address: &'a Mailbox, password: &'a str) -> Boxed<'a, Verdict> {
        assert!(!password.is_empty(), "an empty password proves nothing");
        self.asked.fetch_add(1, Ordering::SeqCst);
        let verdict = if self.is_away.load(Ordering::SeqCst) {
            Verdict::Away
        } else if password == THEIRS {
            let name = address.to_string().replace("sales@", "ann@");
            Verdict::Right(name.parse().unwrap())
        } else {
            Verdict::Wrong
        };
        Box::pin(std::future::ready(verdict))
    }
}

fn site() -> (Site, Arc<Server>) {
    let server = Arc::new(Server::default());
    let front: Arc<dyn Front> = Arc::<Server>::clone(&server);
    (Site::behind(front), server)
}

impl Browser<'_> {
    async fn enter_with(&mut self, address: &str, password: &str) -> Answer {
        let csrf = self.get("/login").await.field("csrf");
        let form = [
            ("csrf", &*csrf),
            ("address", address),
            ("password", password),
        ];
        self.post("/login", &form).await
    }
}

#[tokio::test]
async fn who_has_no_account_gets_one_with_the_password_of_the_server() {
    let (site, _) = site();
    let accounts = site.webmail.0.world.accounts.clone();
    let mut browser = Browser::new(&site);
    let wrong = browser
        .enter_with("sales@example.org", "wrong password")
        .await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(accounts.list().await.unwrap().is_empty());
    let right = browser.enter_with("sales@example.org", THEIRS).await;
    assert_eq!(right.location(), "/");
    assert!(browser.get("/").await.has("ann@example.org"));
    let all = accounts.list().await.unwrap();
    assert_eq!(all.len(), 1);
    // Nothing of the password is kept; it can be used to choose one for here.
    assert!(!all[0].has_password() && !all[0].is_enrolled() && !all[0].is_invited());
    let csrf = browser.get("/security").await.field("csrf");
    let form = [
        ("csrf", &*csrf),
        ("old", THEIRS),
        ("password", PASSWORD),
        ("again", PASSWORD),
    ];
    let changed = browser.post("/security/password", &form).await;
    assert_eq!(changed.location(), "/security?did=password");
    assert!(accounts.list().await.unwrap()[0].has_password());
}

#[tokio::test]
async fn the_own_password_needs_nobody() {
    let (site, server) = site();
    site.enrolled("ann@example.org").await;
    server.is_away.store(true, Ordering::SeqCst);
    let mut browser = Browser::new(&site);
    let own = browser.enter_with("ann@example.org", PASSWORD).await;
    assert_eq!(own.location(), "/");
    assert_eq!(server.asked.load(Ordering::SeqCst), 0);
    let away = browser.enter_with("ann@example.org", THEIRS).await;
    assert_eq!(away.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(away.has("cannot be checked now"), "{}", away.text);
    server.is_away.store(false, Ordering::SeqCst);
    let theirs = browser.enter_with("ann@example.org", THEIRS).await;
    assert_eq!(theirs.location(), "/");
}

#[tokio::test]
async fn nobody_is_asked_without_a_password_about_the_disabled_or_too_often() {
    let (site, server) = site();
    let mut browser = Browser::new(&site);
    let asked = |expected: usize| assert_eq!(server.asked.load(Ordering::SeqCst), expected);
    let empty = browser.enter_with("ann@example.org", "").await;
    assert_eq!(empty.status, StatusCode::UNPROCESSABLE_ENTITY);
    let long = browser
        .enter_with("ann@example.org", &"x".repeat(300))
        .await;
    assert_eq!(long.status, StatusCode::UNPROCESSABLE_ENTITY);
    asked(0);
    for _ in 0..3 {
        browser
            .enter_with("ann@example.org", "wrong password")
            .await;
    }
    asked(3);
    let waits = browser.enter_with("ann@example.org", THEIRS).await;
    assert_eq!(waits.status, StatusCode::TOO_MANY_REQUESTS);
    asked(3);
    let bob: Mailbox = "bob@example.org".parse().unwrap();
    site.enrolled("bob@example.org").await;
    site.webmail.0.world.accounts.disable(&bob).await.unwrap();
    let shut = browser.enter_with("bob@example.org", THEIRS).await;
    assert_eq!(shut.status, StatusCode::UNPROCESSABLE_ENTITY);
    asked(3);
    // Nor by an alias of somebody who is disabled.
    let ann: Mailbox = "ann@example.org".parse().unwrap();
    let accounts = &site.webmail.0.world.accounts;
    accounts.invite(&ann).await.unwrap();
    accounts.disable(&ann).await.unwrap();
    let shut = browser.enter_with("sales@example.org", THEIRS).await;
    assert_eq!(shut.status, StatusCode::UNPROCESSABLE_ENTITY);
}
