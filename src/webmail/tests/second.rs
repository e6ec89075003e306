//! The second step of a login.

use super::*;
use crate::credential::{from_base32, shown};

impl Browser<'_> {
    async fn first_step(&mut self, address: &str) -> Answer {
        let csrf = self.get("/login").await.field("csrf");
        let form = [
            ("csrf", &*csrf),
            ("address", address),
            ("password", PASSWORD),
            ("next", "/sent"),
        ];
        self.post("/login", &form).await
    }

    pub(super) async fn second_step(&mut self, page: &Answer, code: &str) -> Answer {
        let (csrf, half, next) = (page.field("csrf"), page.field("half"), page.field("next"));
        let form = [
            ("csrf", &*csrf),
            ("half", &*half),
            ("next", &*next),
            ("code", code),
        ];
        self.post("/login/second", &form).await
    }

    /// Has the cookie for forms that a login has ended again, as who has copied it.
    pub(super) fn with_form_of(&mut self, before: &BTreeMap<String, String>) {
        let forms = before.iter().filter(|(name, _)| name.ends_with("-form"));
        self.cookies
            .extend(forms.map(|(name, it)| (name.clone(), it.clone())));
    }

    /// Switches the second step on: the secret, the recovery codes, and the code that did it.
    pub(super) async fn secured(&mut self) -> (Vec<u8>, Vec<String>, String) {
        let page = self.get("/security/second").await;
        assert!(page.has("otpauth://totp/Example%20Mail:ann%40example.org"));
        assert!(page.has("<path fill=\"#000\""));
        let (csrf, text) = (page.field("csrf"), page.field("secret"));
        let secret = from_base32(&text).unwrap();
        let code = self.code(&secret);
        for (code, password, says) in [
            ("000000x", PASSWORD, "The code is not right"),
            (&*code, "wrong password", "is not right"),
        ] {
            let form = [
                ("csrf", &*csrf),
                ("secret", &*text),
                ("code", code),
                ("password", password),
            ];
            let refused = self.post("/security/second", &form).await;
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
            assert!(refused.has(says), "{}", refused.text);
            assert_eq!(refused.field("secret"), text);
        }
        let form = [
            ("csrf", &*csrf),
            ("secret", &*text),
            ("code", &*code),
            ("password", PASSWORD),
        ];
        let on = self.post("/security/second", &form).await;
        assert_eq!(on.status, StatusCode::OK, "{}", on.text);
        (secret, codes(&on), code)
    }

    fn code(&self, secret: &[u8]) -> String {
        shown(secret, self.site.webmail.0.world.clock.now())
    }
}

/// The recovery codes of a page.
fn codes(page: &Answer) -> Vec<String> {
    let codes = page.text.split("<li><code>").skip(1);
    codes
        .map(|rest| rest.split('<').next().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_login_takes_two_steps_and_a_code_works_once() {
    let site = Site::new();
    let mut browser = site.enrolled("ann@example.org").await;
    let (secret, codes, used) = browser.secured().await;
    assert_eq!(codes.len(), 10);
    let mut other = Browser::new(&site);
    let page = other.first_step("ann@example.org").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.has("One more step"));
    assert!(other.get("/").await.location().starts_with("/login"));
    // The code that switched it on is used up.
    let refused = other.second_step(&page, &used).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    site.pass(30);
    let code = browser.code(&secret);
    let before = other.cookies.clone();
    assert_eq!(other.second_step(&page, &code).await.location(), "/sent");
    assert_eq!(other.get("/sent").await.status, StatusCode::OK);
    other.with_form_of(&before);
    // Neither the first step nor the code is good twice.
    assert_eq!(other.second_step(&page, &code).await.location(), "/login");
    let page = other.first_step("ann@example.org").await;
    let again = other.second_step(&page, &code).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_recovery_code_works_once_and_new_ones_end_the_old() {
    let site = Site::new();
    let mut browser = site.enrolled("ann@example.org").await;
    let (_, old, _) = browser.secured().await;
    let mut other = Browser::new(&site);
    let page = other.first_step("ann@example.org").await;
    let typed = old[3].to_lowercase().replace('-', " ");
    let recovered = other.second_step(&page, &typed).await;
    assert_eq!(recovered.location(), "/security?did=recovered&left=9");
    let page = other.get("/security?did=recovered&left=9").await;
    assert!(page.has("9 recovery codes are left"), "{}", page.text);
    let page = other.first_step("ann@example.org").await;
    let again = other.second_step(&page, &old[3]).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);

    let csrf = browser.get("/security").await.field("csrf");
    let form = [
        ("csrf", &*csrf),
        ("password", PASSWORD),
        ("action", "codes"),
    ];
    let renewed = codes(&browser.post("/security/second/change", &form).await);
    assert_eq!(renewed.len(), 10);
    let refused = other.second_step(&page, &old[4]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let recovered = other.second_step(&page, &renewed[0]).await;
    assert!(recovered.location().starts_with("/security?did=recovered"));
}

#[tokio::test]
async fn guesses_of_the_second_step_are_throttled() {
    let site = Site::new();
    let mut browser = site.enrolled("ann@example.org").await;
    let (secret, ..) = browser.secured().await;
    let mut other = Browser::new(&site);
    let page = other.first_step("ann@example.org").await;
    for _ in 0..5 {
        let refused = other.second_step(&page, "000000x").await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    site.pass(30);
    let code = browser.code(&secret);
    let waits = other.second_step(&page, &code).await;
    assert_eq!(waits.status, StatusCode::TOO_MANY_REQUESTS);
    // A first step of long ago is worth nothing.
    site.pass(11 * 60);
    let code = browser.code(&secret);
    assert_eq!(other.second_step(&page, &code).await.location(), "/login");
}

#[tokio::test]
async fn an_invitation_leads_to_the_second_step_and_a_reset_ends_it() {
    let site = Site::new();
    let accounts = site.webmail.0.world.accounts.clone();
    let address: Mailbox = "ann@example.org".parse().unwrap();
    let mut browser = site.enrolled("ann@example.org").await;
    browser.secured().await;
    let mut other = Browser::new(&site);
    let mut choose = async |token: String| {
        let path = format!("/invite/{token}");
        let csrf = other.get(&path).await.field("csrf");
        let form = [
            ("csrf", &*csrf),
            ("password", PASSWORD),
            ("again", PASSWORD),
        ];
        other.post(&path, &form).await
    };
    let asked = choose(accounts.invite(&address).await.unwrap()).await;
    assert!(asked.has("One more step"), "{}", asked.text);
    let free = choose(accounts.reset(&address).await.unwrap().token).await;
    assert_eq!(free.location(), "/?welcome=1");
}

#[tokio::test]
async fn it_is_switched_off_with_the_password_only() {
    let site = Site::new();
    let mut browser = site.enrolled("ann@example.org").await;
    browser.secured().await;
    let csrf = browser.get("/security").await.field("csrf");
    let form = |password| [("csrf", &*csrf), ("password", password), ("action", "off")];
    let refused = browser
        .post("/security/second/change", &form("wrong password"))
        .await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let mut other = Browser::new(&site);
    assert!(
        other
            .first_step("ann@example.org")
            .await
            .has("One more step")
    );
    let off = browser
        .post("/security/second/change", &form(PASSWORD))
        .await;
    assert_eq!(off.location(), "/security?did=second-off");
    assert_eq!(
        other.first_step("ann@example.org").await.location(),
        "/sent"
    );
}

#[tokio::test]
async fn a_second_step_that_is_open_when_the_address_goes_lets_nobody_in() {
    let site = Site::new();
    site.enrolled("bob@example.org").await;
    let mut browser = site.enrolled("ann@example.org").await;
    let (_, recovery, _) = browser.secured().await;
    let mut other = Browser::new(&site);
    let page = other.first_step("ann@example.org").await;
    whose::change(&site, whose::LEFT);
    site.judge().await;
    let over = other.second_step(&page, &recovery[0]).await;
    assert_eq!(over.location(), "/login");
}
