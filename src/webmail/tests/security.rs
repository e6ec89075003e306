//! Passwords that change, sessions that are listed and ended, keys.

use super::*;

const OTHER: &str = "another horse battery";

impl Browser<'_> {
    /// Logs in with a password.
    async fn log_in(&mut self, address: &str, password: &str) -> Answer {
        let csrf = self.get("/login").await.field("csrf");
        let form = [
            ("csrf", &*csrf),
            ("address", address),
            ("password", password),
        ];
        self.post("/login", &form).await
    }

    async fn change(&mut self, old: &str, new: &str, again: &str) -> Answer {
        let csrf = self.get("/security").await.field("csrf");
        let form = [
            ("csrf", &*csrf),
            ("old", old),
            ("password", new),
            ("again", again),
        ];
        self.post("/security/password", &form).await
    }
}

#[tokio::test]
async fn a_new_password_ends_all_other_sessions() {
    let site = Site::new();
    let mut here = site.enrolled("ann@example.org").await;
    let mut there = Browser::new(&site);
    there.log_in("ann@example.org", PASSWORD).await.location();
    for (old, new, again, says) in [
        ("wrong password", OTHER, OTHER, "until now is not right"),
        (PASSWORD, "short", "short", "cannot be used"),
        (
            PASSWORD,
            "ann@example.org",
            "ann@example.org",
            "cannot be used",
        ),
        (PASSWORD, OTHER, "something else", "not the same"),
    ] {
        let refused = here.change(old, new, again).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(refused.has(says), "{}", refused.text);
        assert!(!refused.has(OTHER), "a password is shown");
    }
    assert_eq!(there.get("/").await.status, StatusCode::OK);
    let changed = here.change(PASSWORD, OTHER, OTHER).await;
    assert_eq!(changed.location(), "/security?did=password");
    assert!(here.get("/security?did=password").await.has("is changed"));
    assert!(there.get("/").await.location().starts_with("/login"));
    let refused = there.log_in("ann@example.org", PASSWORD).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    there.log_in("ann@example.org", OTHER).await.location();
    // Nothing is changed by a form of another site.
    let form = [("csrf", "x"), ("old", OTHER), ("password", PASSWORD)];
    let foreign = there.post("/security/password", &form).await;
    assert_eq!(foreign.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn who_guesses_the_old_password_has_to_wait() {
    let site = Site::new();
    let mut browser = site.enrolled("ann@example.org").await;
    for _ in 0..5 {
        browser.change("wrong password", OTHER, OTHER).await;
    }
    let waits = browser.change(PASSWORD, OTHER, OTHER).await;
    assert_eq!(waits.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(waits.has("Please wait"));
}

#[tokio::test]
async fn sessions_are_listed_and_ended_by_their_owner_only() {
    let site = Site::new();
    let mut here = site.enrolled("ann@example.org").await;
    let mut bob = site.enrolled("bob@example.org").await;
    let mut there = Browser::new(&site);
    there.log_in("ann@example.org", PASSWORD).await.location();
    let page = here.get("/security").await;
    assert_eq!(page.text.matches("Firefox, Linux</b>").count(), 2);
    assert_eq!(page.text.matches("This one").count(), 1);
    let other = page.field("session");
    let csrf = bob.get("/security").await.field("csrf");
    let form = [("csrf", &*csrf), ("session", &*other)];
    let foreign = bob.post("/security/sessions", &form).await;
    assert_eq!(foreign.status, StatusCode::NOT_FOUND);
    assert_eq!(there.get("/").await.status, StatusCode::OK);

    let csrf = page.field("csrf");
    let form = [("csrf", &*csrf), ("session", &*other)];
    let ended = here.post("/security/sessions", &form).await;
    assert_eq!(ended.location(), "/security?did=session");
    assert!(there.get("/").await.location().starts_with("/login"));

    for browser in [&mut there, &mut Browser::new(&site)] {
        browser.log_in("ann@example.org", PASSWORD).await.location();
    }
    let form = [("csrf", &*csrf)];
    let ended = here.post("/security/sessions", &form).await;
    assert_eq!(ended.location(), "/security?did=others");
    let page = here.get("/security").await;
    assert_eq!(page.text.matches("Firefox, Linux</b>").count(), 1);
    assert!(there.get("/").await.location().starts_with("/login"));
    assert_eq!(bob.get("/").await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_help_desk_resets_who_lost_his_password() {
    let site = Site::new();
    let accounts = site.webmail.0.world.accounts.clone();
    let address: Mailbox = "ann@example.org".parse().unwrap();
    let unknown = accounts.reset(&address).await;
    assert!(matches!(unknown, Err(AccountError::Unknown(_))));
    let mut browser = site.enrolled("ann@example.org").await;
    let token = accounts.reset(&address).await.unwrap().token;
    assert!(browser.get("/").await.location().starts_with("/login"));
    let refused = browser.log_in("ann@example.org", PASSWORD).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let path = format!("/invite/{token}");
    let csrf = browser.get(&path).await.field("csrf");
    let form = [("csrf", &*csrf), ("password", OTHER), ("again", OTHER)];
    assert_eq!(browser.post(&path, &form).await.location(), "/?welcome=1");
}

#[tokio::test]
async fn keys_can_be_switched_off() {
    let site = Site::new();
    let mut browser = site.enrolled("ann@example.org").await;
    let page = browser.get("/keys").await;
    assert!(page.has("<body data-keys>") && page.has("<kbd>j</kbd>"));
    assert!(!page.has("switched off"));
    let csrf = browser.get("/settings").await.field("csrf");
    let form = [("csrf", &*csrf), ("signature", "Ann")];
    browser.post("/settings", &form).await.location();
    let page = browser.get("/keys").await;
    assert!(page.has("<body>") && page.has("switched off"));
    assert!(browser.get("/settings").await.has(">\nAnn</textarea>"));
    let form = [("csrf", &*csrf), ("keys", "1")];
    browser.post("/settings", &form).await.location();
    assert!(browser.get("/").await.has("<body data-keys>"));
}

#[tokio::test]
async fn an_invitation_revives_no_password_of_a_disabled_account() {
    let site = Site::new();
    let accounts = site.webmail.0.world.accounts.clone();
    let address: Mailbox = "ann@example.org".parse().unwrap();
    let mut browser = site.enrolled("ann@example.org").await;
    // Who is not disabled keeps his password until the invitation is used.
    accounts.invite(&address).await.unwrap();
    browser.log_in("ann@example.org", PASSWORD).await.location();
    accounts.disable(&address).await.unwrap();
    let token = accounts.invite(&address).await.unwrap();
    let refused = browser.log_in("ann@example.org", PASSWORD).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(browser.get("/").await.location().starts_with("/login"));
    let path = format!("/invite/{token}");
    let csrf = browser.get(&path).await.field("csrf");
    let form = [("csrf", &*csrf), ("password", OTHER), ("again", OTHER)];
    assert_eq!(browser.post(&path, &form).await.location(), "/?welcome=1");
    let refused = browser.log_in("ann@example.org", PASSWORD).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn guessers_keep_nobody_out_of_where_he_works_also_after_a_restart() {
    let site = Site::new();
    let cookies = site.enrolled("ann@example.org").await.cookies;
    let site = site.crash().await;
    let accounts = site.webmail.0.world.accounts.clone();
    for guesser in 0..100_u8 {
        let from = std::net::IpAddr::from([198, 51, 100, guesser]);
        accounts.note_try("ann@example.org", from).unwrap();
    }
    let mut other = Browser::new(&site);
    let refused = other.log_in("ann@example.org", PASSWORD).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    // Her session goes on, and the place is known by it.
    let mut ann = Browser {
        site: &site,
        cookies,
    };
    assert_eq!(ann.get("/").await.status, StatusCode::OK);
    other.log_in("ann@example.org", PASSWORD).await.location();
}
