//! Passkeys: added, used, refused, removed.

use serde_json::Value;

use super::*;
use crate::credential;
use crate::webmail::webauthn::test_device::{Device, GOOD};

pub(super) const URL: &str = "https://mail.example.org";
const HERE: (&str, &str) = ("mail.example.org", URL);

impl Browser<'_> {
    /// What a device is asked.
    async fn question(&mut self, path: &str, fields: &[(&str, &str)]) -> Value {
        let answer = self.post(path, fields).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        serde_json::from_str(&answer.text).unwrap()
    }

    /// A new passkey on a device of one's own.
    pub(super) async fn with_passkey(&mut self, id: &[u8]) -> Device {
        let mut device = Device::new(HERE, id);
        let added = self.add_passkey(&mut device, "My phone").await;
        assert_eq!(added.location(), "/security?did=passkey");
        device
    }

    async fn add_passkey(&mut self, device: &mut Device, name: &str) -> Answer {
        let csrf = self.get("/security/passkey").await.field("csrf");
        let form = [("csrf", &*csrf), ("password", PASSWORD)];
        let asked = self.question("/security/passkey/options", &form).await;
        device.user = asked["user"]["id"].as_str().unwrap().to_owned();
        let said = device.create(asked["challenge"].as_str().unwrap());
        self.bring(&csrf, name, &said).await
    }

    async fn bring(&mut self, csrf: &str, name: &str, said: &(Vec<u8>, Vec<u8>)) -> Answer {
        let (client, authenticator) = (coded(&said.0), coded(&said.1));
        let form = [
            ("csrf", csrf),
            ("name", name),
            ("client", &*client),
            ("authenticator", &*authenticator),
        ];
        self.post("/security/passkey", &form).await
    }

    /// The question of a login, and the token of its page.
    async fn asked(&mut self) -> (String, String) {
        let csrf = self.get("/login").await.field("csrf");
        let asked = self
            .question("/login/passkey/options", &[("csrf", &*csrf)])
            .await;
        assert_eq!(asked["rpId"], HERE.0);
        assert_eq!(asked["userVerification"], "required");
        (csrf, asked["challenge"].as_str().unwrap().to_owned())
    }

    pub(super) async fn log_in_with(&mut self, device: &mut Device) -> Answer {
        let (csrf, challenge) = self.asked().await;
        let form = shown(&csrf, device, &challenge);
        self.post_all(&form).await
    }

    async fn post_all(&mut self, form: &[(&'static str, String)]) -> Answer {
        let form: Vec<_> = form.iter().map(|(name, it)| (*name, it.as_str())).collect();
        self.post("/login/passkey", &form).await
    }

    async fn password(&mut self) -> Answer {
        let csrf = self.get("/login").await.field("csrf");
        let form = [
            ("csrf", &*csrf),
            ("address", "ann@example.org"),
            ("password", PASSWORD),
        ];
        self.post("/login", &form).await
    }

    pub(super) async fn remove(&mut self, id: &str, password: &str) -> Answer {
        let csrf = self.get("/security").await.field("csrf");
        let form = [("csrf", &*csrf), ("passkey", id), ("password", password)];
        self.post("/security/passkey/remove", &form).await
    }
}

fn shown(csrf: &str, device: &mut Device, challenge: &str) -> Vec<(&'static str, String)> {
    let given = device.sign(challenge);
    vec![
        ("csrf", csrf.to_owned()),
        ("next", "/sent".to_owned()),
        ("credential", device.id()),
        ("user", device.user.clone()),
        ("client", coded(&given.client)),
        ("authenticator", coded(&given.authenticator)),
        ("signature", coded(&given.signature)),
    ]
}

fn coded(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

fn refused(answer: &Answer, says: &str) {
    assert_eq!(
        answer.status,
        StatusCode::UNPROCESSABLE_ENTITY,
        "{}",
        answer.text
    );
    assert!(answer.has(says), "{says}: {}", answer.text);
}

const NOT_IN: &str = "This passkey does not let you in";

#[tokio::test]
async fn a_passkey_lets_in_without_password_and_stands_for_the_second_step() {
    let site = Site::at(URL);
    let mut browser = site.enrolled("ann@example.org").await;
    let mut device = browser.with_passkey(b"one").await;
    let page = browser.get("/security?did=passkey").await;
    assert!(
        page.has("My phone") && page.has("not used yet"),
        "{}",
        page.text
    );
    assert!(page.has("The passkey has been added."));

    let mut other = Browser::new(&site);
    assert!(other.get("/login").await.has("Log in with a passkey"));
    assert_eq!(other.log_in_with(&mut device).await.location(), "/sent");
    assert_eq!(other.get("/sent").await.status, StatusCode::OK);
    let page = other.get("/security").await;
    assert!(
        page.has("used last on") && page.has("Firefox, Linux"),
        "{}",
        page.text
    );

    // With codes of an app switched on, the passkey is enough, and the password is not.
    let setup = browser.get("/security/second").await;
    let (csrf, secret) = (setup.field("csrf"), setup.field("secret"));
    let now = site.webmail.0.world.clock.now();
    let code = credential::shown(&credential::from_base32(&secret).unwrap(), now);
    let form = [
        ("csrf", &*csrf),
        ("secret", &*secret),
        ("code", &*code),
        ("password", PASSWORD),
    ];
    assert!(
        browser
            .post("/security/second", &form)
            .await
            .has("recovery")
    );
    let mut third = Browser::new(&site);
    let step = third.password().await;
    assert!(step.has("One more step") && step.has("Log in with a passkey"));
    assert_eq!(third.log_in_with(&mut device).await.location(), "/sent");
}

#[tokio::test]
async fn adding_one_takes_the_password_and_the_own_session() {
    let site = Site::at(URL);
    let mut ann = site.enrolled("ann@example.org").await;
    let mut device = Device::new(HERE, b"one");
    let csrf = ann.get("/security/passkey").await.field("csrf");
    let path = "/security/passkey/options";
    let wrong = [("csrf", &*csrf), ("password", "wrong password")];
    let answer = ann.post(path, &wrong).await;
    refused(&answer, "{\"error\":\"");
    let right = [("csrf", &*csrf), ("password", PASSWORD)];
    let asked = ann.question(path, &right).await;
    let expected = ["residentKey", "userVerification"];
    assert!(
        expected
            .iter()
            .all(|it| asked["authenticatorSelection"][it] == "required")
    );
    assert_eq!(asked["attestation"], "none");
    assert_eq!(asked["user"]["name"], "ann@example.org");
    let challenge = asked["challenge"].as_str().unwrap();
    // Another session's question, one that nobody asked, and one of long ago.
    let mut other = Browser::new(&site);
    other.password().await;
    let token = other.get("/security").await.field("csrf");
    let said = device.create(challenge);
    refused(&other.bring(&token, "x", &said).await, "took too long");
    let made_up = device.create(&coded(&[7; 56]));
    refused(&ann.bring(&csrf, "x", &made_up).await, "took too long");
    let expired = other.post("/security/passkey", &[("csrf", "x")]).await;
    assert_eq!(expired.status, StatusCode::FORBIDDEN);
    site.pass(301);
    refused(&ann.bring(&csrf, "x", &said).await, "took too long");
    site.pass(60);
    let added = ann.add_passkey(&mut device, " \u{7}Bob's <b> ").await;
    assert_eq!(added.location(), "/security?did=passkey");
    assert!(
        ann.get("/security")
            .await
            .has("<b dir=\"auto\">Bob&#39;s &#60;b&#62;</b>")
    );
    // The same one again, also by somebody else.
    refused(
        &ann.add_passkey(&mut device, "x").await,
        "has a passkey for you",
    );
    let mut bob = site.enrolled("bob@example.org").await;
    refused(
        &bob.add_passkey(&mut device, "x").await,
        "has a passkey for you",
    );
    // Its user was not verified.
    let mut weak = Device::new(HERE, b"two");
    weak.flags = GOOD & !0x04;
    refused(&ann.add_passkey(&mut weak, "x").await, NOT_IN);
}

#[tokio::test]
async fn a_login_is_good_once_in_one_browser_for_five_minutes() {
    let site = Site::at(URL);
    let mut ann = site.enrolled("ann@example.org").await;
    let mut device = ann.with_passkey(b"one").await;
    let mut other = Browser::new(&site);
    let (csrf, challenge) = other.asked().await;
    let form = shown(&csrf, &mut device, &challenge);
    // What somebody else saw on the way is worth nothing in his browser.
    let mut thief = Browser::new(&site);
    let (token, _) = thief.asked().await;
    let mut stolen = form.clone();
    stolen[0].1 = token;
    refused(&thief.post_all(&stolen).await, "took too long");
    assert_eq!(thief.post_all(&form).await.status, StatusCode::FORBIDDEN);
    let before = other.cookies.clone();
    assert_eq!(other.post_all(&form).await.location(), "/sent");
    assert_eq!(other.post_all(&form).await.status, StatusCode::FORBIDDEN);
    other.with_form_of(&before);
    refused(&other.post_all(&form).await, "took too long");
    let (csrf, challenge) = other.asked().await;
    let form = shown(&csrf, &mut device, &challenge);
    site.pass(301);
    refused(&other.post_all(&form).await, "took too long");
    assert_eq!(other.log_in_with(&mut device).await.location(), "/sent");
}

#[tokio::test]
async fn a_passkey_lets_in_its_owner_only() {
    let site = Site::at(URL);
    let mut ann = site.enrolled("ann@example.org").await;
    let mut bob = site.enrolled("bob@example.org").await;
    let of_ann = ann.with_passkey(b"one").await;
    let mut of_bob = bob.with_passkey(b"two").await;
    let mut other = Browser::new(&site);
    // His own passkey under the name of another account, another's id, one that is not known.
    let own = std::mem::replace(&mut of_bob.user, of_ann.user.clone());
    refused(&other.log_in_with(&mut of_bob).await, NOT_IN);
    of_bob.user = String::new();
    refused(&other.log_in_with(&mut of_bob).await, NOT_IN);
    of_bob.user = own;
    let id = std::mem::replace(&mut of_bob.id, of_ann.id.clone());
    refused(&other.log_in_with(&mut of_bob).await, NOT_IN);
    of_bob.user = of_ann.user.clone();
    refused(&other.log_in_with(&mut of_bob).await, NOT_IN);
    let mut unknown = Device::new(HERE, b"three");
    unknown.user = of_ann.user.clone();
    refused(&other.log_in_with(&mut unknown).await, NOT_IN);
    unknown.id = vec![1; 2000];
    refused(&other.log_in_with(&mut unknown).await, NOT_IN);
    // Nobody removes what is not his.
    let gone = bob.remove(&of_ann.id(), PASSWORD).await;
    assert_eq!(gone.location(), "/security?did=passkey-removed");
    let mut of_ann = of_ann;
    assert_eq!(other.log_in_with(&mut of_ann).await.location(), "/sent");
    of_bob.id = id;
}

#[tokio::test]
async fn a_copied_passkey_is_refused_and_its_owner_is_told() {
    let site = Site::at(URL);
    let mut ann = site.enrolled("ann@example.org").await;
    let mut device = Device::new(HERE, b"one");
    device.count = 1;
    ann.add_passkey(&mut device, "My key").await;
    let mut other = Browser::new(&site);
    device.count = 5;
    assert_eq!(other.log_in_with(&mut device).await.location(), "/sent");
    device.count = 3;
    let answer = other.log_in_with(&mut device).await;
    refused(&answer, "because there may be a copy of it");
    let page = ann.get("/security").await;
    assert!(page.has("A login with it was refused on"), "{}", page.text);
}

#[tokio::test]
async fn a_passkey_that_is_removed_lets_nobody_in() {
    let site = Site::at(URL);
    let mut ann = site.enrolled("ann@example.org").await;
    let mut device = ann.with_passkey(b"one").await;
    let mut kept = ann.with_passkey(b"two").await;
    let wrong = ann.remove(&device.id(), "wrong password").await;
    refused(&wrong, "id=\"passkey-error\"");
    let mut other = Browser::new(&site);
    assert_eq!(other.log_in_with(&mut device).await.location(), "/sent");
    let gone = ann.remove(&device.id(), PASSWORD).await;
    assert_eq!(gone.location(), "/security?did=passkey-removed");
    refused(&other.log_in_with(&mut device).await, NOT_IN);
    assert_eq!(other.log_in_with(&mut kept).await.location(), "/sent");
    // Who is let in is not put out, and the passkey can be added again, by anybody.
    let mut bob = site.enrolled("bob@example.org").await;
    let added = bob.add_passkey(&mut device, "x").await;
    assert_eq!(added.location(), "/security?did=passkey");
}

#[tokio::test]
async fn a_reset_and_a_disabled_account_end_passkeys() {
    let site = Site::at(URL);
    let accounts = site.webmail.0.world.accounts.clone();
    for (number, address) in ["ann@example.org", "bob@example.org"].iter().enumerate() {
        let mailbox: Mailbox = address.parse().unwrap();
        let mut browser = site.enrolled(address).await;
        let mut device = browser.with_passkey(&[7; 9][number..]).await;
        let mut other = Browser::new(&site);
        // An invitation leaves them, as it leaves the password.
        accounts.invite(&mailbox).await.unwrap();
        assert_eq!(other.log_in_with(&mut device).await.location(), "/sent");
        let token = if number == 0 {
            accounts.reset(&mailbox).await.unwrap().token
        } else {
            accounts.disable(&mailbox).await.unwrap();
            refused(&other.log_in_with(&mut device).await, NOT_IN);
            accounts.invite(&mailbox).await.unwrap()
        };
        assert!(other.get("/sent").await.location().starts_with("/login"));
        refused(&other.log_in_with(&mut device).await, NOT_IN);
        let path = format!("/invite/{token}");
        let csrf = other.get(&path).await.field("csrf");
        let form = [
            ("csrf", &*csrf),
            ("password", PASSWORD),
            ("again", PASSWORD),
        ];
        assert_eq!(other.post(&path, &form).await.location(), "/?welcome=1");
        let found = accounts.find(&mailbox.key()).await.unwrap().unwrap();
        assert_eq!(found.passkey_count(), 0);
        refused(&other.log_in_with(&mut device).await, NOT_IN);
    }
}

#[tokio::test]
async fn a_passkey_of_who_left_is_as_if_unknown() {
    let site = Site::at(URL);
    site.enrolled("bob@example.org").await;
    let mut browser = site.enrolled("ann@example.org").await;
    let mut device = browser.with_passkey(b"one").await;
    let mut other = Browser::new(&site);
    whose::change(&site, whose::LEFT);
    site.judge().await;
    refused(&other.log_in_with(&mut device).await, NOT_IN);
    assert!(other.get("/sent").await.location().starts_with("/login"));
}

#[tokio::test]
async fn guesses_are_slowed_down_and_keep_nobody_out() {
    let site = Site::at(URL);
    let mut ann = site.enrolled("ann@example.org").await;
    let mut device = ann.with_passkey(b"one").await;
    let mut forged = Device::new(HERE, b"one");
    forged.user = device.user.clone();
    let mut other = Browser::new(&site);
    for _ in 0..5 {
        refused(&other.log_in_with(&mut forged).await, NOT_IN);
    }
    let waits = other.log_in_with(&mut device).await;
    assert_eq!(waits.status, StatusCode::TOO_MANY_REQUESTS);
    // The password is another door.
    assert_eq!(other.password().await.location(), "/");
    site.pass(60);
    assert_eq!(other.log_in_with(&mut device).await.location(), "/sent");
    // Who comes with passkeys that nobody has is counted by himself.
    let mut unknown = Device::new(HERE, b"unknown");
    for _ in 0..5 {
        refused(&other.log_in_with(&mut unknown).await, NOT_IN);
    }
    let waits = other.log_in_with(&mut unknown).await;
    assert_eq!(waits.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(other.log_in_with(&mut device).await.location(), "/sent");
}

#[tokio::test]
async fn an_account_has_so_many_and_no_more() {
    let site = Site::at(URL);
    let mut ann = site.enrolled("ann@example.org").await;
    let mut left = Device::new(HERE, b"left");
    let csrf = ann.get("/security/passkey").await.field("csrf");
    for number in 0..limits::PASSKEYS - 1 {
        ann.with_passkey(&[u8::try_from(number).unwrap()]).await;
    }
    // Two at once do not slip in behind the last one.
    let form = [("csrf", &*csrf), ("password", PASSWORD)];
    let asked = ann.question("/security/passkey/options", &form).await;
    let said = left.create(asked["challenge"].as_str().unwrap());
    ann.with_passkey(b"last").await;
    refused(&ann.bring(&csrf, "x", &said).await, "You have 20 passkeys");
    let answer = ann.post("/security/passkey/options", &form).await;
    refused(&answer, "You have 20 passkeys");
    left.count = 0;
}

#[tokio::test]
async fn without_https_there_are_none() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    assert!(!ann.get("/security").await.has("assword and code. "));
    assert!(!ann.get("/security").await.has("/security/passkey"));
    assert_eq!(
        ann.get("/security/passkey").await.status,
        StatusCode::NOT_FOUND
    );
    let csrf = ann.get("/security").await.field("csrf");
    for path in ["/security/passkey", "/security/passkey/options"] {
        let answer = ann
            .post(path, &[("csrf", &*csrf), ("password", PASSWORD)])
            .await;
        assert!(answer.status.is_client_error(), "{path}: {}", answer.status);
    }
    let mut other = Browser::new(&site);
    let page = other.get("/login").await;
    assert!(!page.has("data-passkey"));
    let csrf = page.field("csrf");
    for path in ["/login/passkey", "/login/passkey/options"] {
        let answer = other.post(path, &[("csrf", &*csrf)]).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
}
