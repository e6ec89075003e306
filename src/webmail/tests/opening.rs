//! For whom the webmail is open, as a browser sees it.

use super::*;
use crate::activation::{Scope, Setting, Wish};

impl Site {
    async fn set(&self, scope: Scope, setting: Setting) {
        let wish = Wish {
            scopes: vec![scope],
            setting: Some(setting),
            actor: "root".to_owned(),
            reason: "a test".to_owned(),
        };
        self.webmail.0.world.activation.say(wish).await.unwrap();
    }
}

fn user(address: &str) -> Scope {
    Scope::User(address.to_owned())
}

#[tokio::test]
async fn off_is_told_calmly_and_keeps_the_session() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    let mut bob = site.enrolled("bob@example.org").await;
    let id = site.deliver(&["ann@example.org"], MAIL).await;
    let login = Browser::new(&site).get("/login").await;
    assert!(!login.has("not open at the moment"));
    site.set(user("ann@example.org"), Setting::Off).await;
    for path in ["/", "/sent", "/search?q=plan", "/compose", "/settings"] {
        let page = ann.get(path).await;
        assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        assert!(page.has("Not open at the moment") && !page.has("The plan"));
        assert!(page.has("href=\"/security\""));
    }
    let message = ann.get(&format!("/message/{id}/source")).await;
    assert_eq!(message.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!message.has("Hello"));
    // Her login is hers at any time, and nobody else notices anything.
    let security = ann.get("/security").await;
    assert!(security.has("Not open at the moment") && !security.has("href=\"/archive\""));
    assert_eq!(bob.get("/").await.status, StatusCode::OK);
    // Nothing is told to who does not log in, as long as it is open for somebody.
    assert!(
        !Browser::new(&site)
            .get("/login")
            .await
            .has("use your usual mail")
    );
    site.set(Scope::Everybody, Setting::Off).await;
    assert!(
        Browser::new(&site)
            .get("/login")
            .await
            .has("use your usual mail")
    );
    site.set(user("ann@example.org"), Setting::Full).await;
    assert!(ann.get("/").await.has("The plan"));
}

#[tokio::test]
async fn who_prepares_himself_is_welcomed_though_it_is_closed() {
    let site = Site::new();
    site.set(Scope::Domain("example.org".to_owned()), Setting::Off)
        .await;
    let accounts = site.webmail.0.world.accounts.clone();
    let token = accounts.invite(&"ann@example.org".parse().unwrap()).await;
    let path = format!("/invite/{}", token.unwrap());
    let mut browser = Browser::new(&site);
    let csrf = browser.get(&path).await.field("csrf");
    let form = [
        ("csrf", &*csrf),
        ("password", PASSWORD),
        ("again", PASSWORD),
    ];
    let done = browser.post(&path, &form).await;
    assert_eq!(done.location(), "/security?did=welcome");
    let page = browser.get("/security?did=welcome").await;
    assert_eq!(page.status, StatusCode::OK);
    let csrf = page.field("csrf");
    let out = browser.post("/logout", &[("csrf", &csrf)]).await;
    assert_eq!(out.location(), "/login?out=1");
}

#[tokio::test]
async fn reading_only_shows_everything_and_changes_nothing() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    let id = site.deliver(&["ann@example.org"], MAIL).await;
    let csrf = ann.get("/").await.field("csrf");
    let group = Scope::Group("team@example.org".to_owned());
    site.set(group, Setting::Full).await;
    site.set(Scope::Everybody, Setting::ReadOnly).await;
    let page = ann.get("/").await;
    assert!(page.has("Reading only.") && page.has("The plan") && !page.has("href=\"/compose\""));
    let page = ann.get(&format!("/message/{id}")).await;
    assert!(page.has("Hello Ann"));
    assert!(
        ann.get("/")
            .await
            .has("class=\"count\" aria-hidden=\"true\">1<")
    );
    let spool = &site.webmail.0.world.spool;
    let before = spool.facts("mark", "").unwrap();
    let id = id.to_string();
    let form = [("csrf", &*csrf), ("action", "flag"), ("id", &*id)];
    let refused = ann.post("/actions", &form).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(
        refused.has("nothing can be sent or changed"),
        "{}",
        refused.text
    );
    for path in ["/compose", &format!("/message/{id}/reply")] {
        assert_eq!(ann.get(path).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    let fields = [
        ("csrf", &*csrf),
        ("to", "bob@example.org"),
        ("action", "send"),
    ];
    let refused = ann.upload("/compose", &fields, &[]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(spool.facts("mark", "").unwrap(), before);
    assert!(ann.get("/sent").await.has("Nothing sent yet"));
    assert_eq!(ann.get("/security").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_test_is_told_on_every_page() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    let mut bob = site.enrolled("bob@example.org").await;
    site.set(Scope::Everybody, Setting::Off).await;
    site.set(user("ann@example.org"), Setting::Test).await;
    assert!(ann.get("/").await.has("This is a test."));
    assert!(ann.get("/compose").await.has("This is a test."));
    assert_eq!(bob.get("/").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        !Browser::new(&site)
            .get("/login")
            .await
            .has("use your usual mail")
    );
}
