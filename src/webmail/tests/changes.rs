//! Who owns an account hears when a way into it has changed.

use super::*;
use crate::credential::digest;
use crate::oidc::tests::provider::TestProvider;

const FACTS: &str = "login-change";
const OTHER: &str = "another long password";

impl Site {
    /// What is to be told to Ann, with the time of its first line.
    fn untold(&self) -> Option<(serde_json::Value, u64)> {
        let spool = &self.webmail.0.world.spool;
        let fact = spool.fact(FACTS, "ann@example.org").unwrap()?;
        let at = fact["lines"].get(0)?["at"].clone();
        let at: Timestamp = serde_json::from_value(at).unwrap();
        Some((fact, at.as_millis()))
    }

    /// The mails that go out now about logins of Ann: her mailbox's, and her second address's.
    async fn told(&self) -> Vec<String> {
        let Some((_, first)) = self.untold() else {
            self.webmail.tell_changes().await.unwrap();
            return Vec::new();
        };
        self.webmail.tell_changes().await.unwrap();
        let spool = &self.webmail.0.world.spool;
        let mut told = Vec::new();
        for to in ["ann@example.org", "ann@home.example"] {
            let name = format!("changes of {first} in ann@example.org to {to}");
            let id = format!("{}@mx.example.org", digest("note", &name));
            let ids = spool.by_message_id(&id).unwrap();
            assert!(ids.len() < 2, "{to}");
            for id in ids {
                let message = spool.message(id).unwrap().unwrap();
                assert_eq!(message.envelope.recipients[0].address.to_string(), to);
                assert_eq!(message.envelope.from, ReversePath::Null);
                let body = spool.body(id).unwrap().unwrap();
                let text = body.read_at(0, 65_536).unwrap().to_vec();
                let text = String::from_utf8(text).unwrap().replace("=\r\n", "");
                told.push(text);
            }
        }
        told
    }

    /// The same after the pause; both are alike.
    async fn told_later(&self) -> String {
        self.pass(601);
        let [own, second] = <[String; 2]>::try_from(self.told().await).unwrap();
        let body = |mail: &str| mail.split_once("\r\n\r\n").unwrap().1.to_owned();
        assert_eq!(body(&own), body(&second));
        body(&own)
    }
}

impl Browser<'_> {
    /// Changes the password of Ann, who has the first one.
    async fn new_password(&mut self, (old, new): (&str, &str), passkeys: &str) -> Answer {
        let csrf = self.get("/security").await.field("csrf");
        let form = [
            ("csrf", &*csrf),
            ("old", old),
            ("password", new),
            ("again", new),
            ("passkeys", passkeys),
        ];
        self.post("/security/password", &form).await
    }
}

#[tokio::test]
async fn an_owner_hears_it_in_his_mailbox_and_at_his_second_address() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    assert!(
        site.told().await.is_empty(),
        "the first password is no change"
    );
    ann.new_password((PASSWORD, OTHER), "").await.location();
    let told = site.told().await;
    assert_eq!(told.len(), 2);
    for mail in &told {
        assert!(
            mail.contains("\r\nAuto-Submitted: auto-generated\r\n"),
            "{mail}"
        );
        let line = ": the password was changed (Firefox, Linux, 0.0.0.0)\r\n";
        assert!(mail.contains(line), "{mail}");
        assert!(mail.contains("For your mailbox ann@example.org"));
        assert!(!mail.contains("http") && !mail.contains(OTHER), "{mail}");
    }
    let subject = "A way into your emergency mail has changed";
    let count = |page: &Answer| page.text.matches(subject).count();
    let one = count(&ann.get("/?view=messages").await);
    assert!(one > 0);
    assert!(site.told().await.is_empty());
    // It is in view also while no platform takes mail; the second address is left alone then.
    site.set_health(Health::Down, Timestamp::EPOCH);
    site.pass(601);
    ann.new_password((OTHER, PASSWORD), "").await.location();
    assert_eq!(site.told().await.len(), 1);
    assert_eq!(count(&ann.get("/?view=messages").await), 2 * one);
}

#[tokio::test]
async fn what_happens_soon_after_is_in_one_mail_more() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    let again = (PASSWORD, PASSWORD);
    ann.new_password(again, "").await.location();
    assert_eq!(site.told().await.len(), 2);
    let (_, codes, _) = ann.secured().await;
    ann.new_password((PASSWORD, OTHER), "").await.location();
    assert!(site.told().await.is_empty(), "not so soon");
    let mut other = Browser::new(&site);
    let half = other.enter_with("ann@example.org", OTHER).await;
    let done = other.second_step(&half, &codes[0]).await;
    assert!(done.location().contains("did=recovered"));
    for action in ["codes", "off"] {
        let csrf = ann.get("/security").await.field("csrf");
        let form = [("csrf", &*csrf), ("password", OTHER), ("action", action)];
        ann.post("/security/second/change", &form).await;
    }
    // What is refused is no change.
    let csrf = ann.get("/security").await.field("csrf");
    let form = [("csrf", &*csrf), ("password", "wrong"), ("action", "off")];
    ann.post("/security/second/change", &form).await;
    ann.new_password(("wrong", PASSWORD), "").await;
    let told = site.told_later().await;
    let lines = [
        "the second step was switched on",
        "the password was changed",
        "somebody logged in with a recovery code",
        "new recovery codes were made",
        "the second step was switched off",
    ];
    let places: Vec<_> = lines.iter().map(|line| told.find(line)).collect();
    assert!(places.is_sorted() && places[0].is_some(), "{told}");
    let count = told.lines().filter(|line| line.starts_with("    ")).count();
    assert_eq!(count, lines.len(), "{told}");
    assert!(!codes.iter().any(|code| told.contains(code.as_str())));
    assert!(site.told().await.is_empty());
    site.pass(601);
    site.webmail.tell_changes().await.unwrap();
    let spool = &site.webmail.0.world.spool;
    assert_eq!(spool.fact(FACTS, "ann@example.org").unwrap(), None);
}

#[tokio::test]
async fn a_crash_before_it_is_written_down_that_it_was_told_repeats_nothing() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    ann.new_password((PASSWORD, OTHER), "").await.location();
    drop(ann);
    let (fact, _) = site.untold().unwrap();
    assert_eq!(site.told().await.len(), 2);
    let site = site.crash().await;
    let spool = &site.webmail.0.world.spool;
    spool
        .put_fact(FACTS, "ann@example.org", Some(fact))
        .await
        .unwrap();
    // Still one each: `told` looks.
    assert_eq!(site.told().await.len(), 2);
    assert!(site.told().await.is_empty());
}

#[tokio::test]
async fn the_help_desk_and_the_provider_are_told_in_his_language() {
    let provider = TestProvider::start().await;
    let site = provider::served_by(&provider, |_| {});
    let accounts = &site.webmail.0.world.accounts;
    let ann: Mailbox = "ann@example.org".parse().unwrap();
    site.enrolled("ann@example.org").await;
    for _ in 0..2 {
        let mut browser = Browser::new(&site);
        let back = browser.sent_back(&provider).await;
        browser.get(&back).await.location();
    }
    let account = accounts.find("ann@example.org").await.unwrap().unwrap();
    accounts.remember_language(&account, "de").await.unwrap();
    accounts.reset(&ann).await.unwrap();
    site.webmail.note_reset(&ann).await;
    let told = site.told_later().await;
    let by = "Jemand hat sich zum ersten Mal mit Example Login angemeldet";
    assert_eq!(told.matches(by).count(), 1, "{told}");
    assert!(told.contains("Die Hilfestelle hat die Anmeldung"), "{told}");
    assert!(!told.contains("help desk"), "{told}");
}

#[tokio::test]
async fn passkeys_go_with_the_password_when_that_is_asked_for() {
    let site = Site::at(passkeys::URL);
    let mut ann = site.enrolled("ann@example.org").await;
    assert!(!ann.get("/security").await.has("Remove all passkeys"));
    let mut device = ann.with_passkey(b"one").await;
    assert!(
        ann.get("/security")
            .await
            .has("name=\"passkeys\" value=\"1\"")
    );
    ann.new_password((PASSWORD, OTHER), "").await.location();
    let mut other = Browser::new(&site);
    assert_eq!(other.log_in_with(&mut device).await.location(), "/sent");
    ann.new_password((OTHER, PASSWORD), "1").await.location();
    let out = Browser::new(&site).log_in_with(&mut device).await;
    assert_eq!(out.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        site.told_later()
            .await
            .contains("all passkeys were removed")
    );
    // By an invitation, too.
    let accounts = &site.webmail.0.world.accounts;
    for (ticked, is_in) in [("", true), ("1", false)] {
        let mut device = ann.with_passkey(b"two").await;
        let token = accounts.invite(&"ann@example.org".parse().unwrap()).await;
        let path = format!("/invite/{}", token.unwrap());
        let mut invited = Browser::new(&site);
        let page = invited.get(&path).await;
        assert!(page.has("name=\"passkeys\" value=\"1\""));
        let csrf = page.field("csrf");
        let form = [
            ("csrf", &*csrf),
            ("password", PASSWORD),
            ("again", PASSWORD),
            ("passkeys", ticked),
        ];
        invited.post(&path, &form).await.location();
        let answer = Browser::new(&site).log_in_with(&mut device).await;
        assert_eq!(answer.status == StatusCode::SEE_OTHER, is_in);
        ann = invited;
        if is_in {
            let id = device.id();
            ann.remove(&id, PASSWORD).await.location();
        }
    }
    let told = site.told_later().await;
    for line in [
        "a passkey was added",
        "a passkey was removed",
        "a password was set with an invitation",
    ] {
        assert!(told.contains(line), "{told}");
    }
}
