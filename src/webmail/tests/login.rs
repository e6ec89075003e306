use super::*;

#[tokio::test]
async fn without_login_there_is_only_the_login() {
    let site = Site::new();
    let id = site.deliver(&["ann@example.org"], MAIL).await;
    for path in ["/", "/sent", "/compose"] {
        let answer = site.visit(path).await;
        assert!(answer.location().starts_with("/login?next="), "{path}");
    }
    for end in ["", "/html", "/source", "/part/1", "/reply", "/reply-all"] {
        let answer = site.visit(&format!("/message/{id}{end}")).await;
        assert!(answer.location().starts_with("/login?next="), "{end}");
        assert!(!answer.has("Hello"));
    }
    assert_eq!(site.visit("/nothing").await.status, StatusCode::NOT_FOUND);
    assert!(
        site.visit("/nothing")
            .await
            .has("<h1>There is nothing here</h1>")
    );
}

#[tokio::test]
async fn pages_speak_the_language_of_the_reader() {
    let site = Site::new();
    for (wanted, lang, title) in [
        ("de-AT,de;q=0.9,en;q=0.5", "de", "Anmelden"),
        ("en-GB,en;q=0.9", "en", "Log in"),
    ] {
        let request = Request::get("/login").header("accept-language", wanted);
        let page = site.ask(request.body(Body::empty()).unwrap()).await;
        assert!(page.has(&format!("<html lang=\"{lang}\">")));
        assert!(page.has(&format!("<h1>{title}</h1>")));
    }
}

#[tokio::test]
async fn an_invitation_works_once_and_the_password_logs_in() {
    let site = Site::new();
    let accounts = site.webmail.0.world.accounts.clone();
    let address: Mailbox = "ann@example.org".parse().unwrap();
    let earlier = accounts.invite(&address).await.unwrap();
    let token = accounts.invite(&address).await.unwrap();
    assert_eq!(
        site.visit(&format!("/invite/{earlier}")).await.status,
        StatusCode::GONE
    );
    let path = format!("/invite/{token}");
    let mut browser = Browser::new(&site);
    let page = browser.get(&path).await;
    assert!(page.has("ann@example.org"));
    let csrf = page.field("csrf");
    for (password, again, says) in [
        ("short", "short", "This password cannot be used"),
        (
            "ann@example.org",
            "ann@example.org",
            "This password cannot be used",
        ),
        (PASSWORD, "something else", "not the same"),
    ] {
        let form = [("csrf", &*csrf), ("password", password), ("again", again)];
        let answer = browser.post(&path, &form).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.has(says), "{}", answer.text);
    }
    let form = [
        ("csrf", &*csrf),
        ("password", PASSWORD),
        ("again", PASSWORD),
    ];
    assert_eq!(browser.post(&path, &form).await.location(), "/?welcome=1");
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    assert_eq!(site.visit(&path).await.status, StatusCode::GONE);

    let mut other = Browser::new(&site);
    let csrf = other.get("/login?next=/sent").await.field("csrf");
    let form = |password| {
        [
            ("csrf", &*csrf),
            ("address", "ANN@example.org"),
            ("password", password),
            ("next", "/sent"),
        ]
    };
    let wrong = other.post("/login", &form("wrong password")).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.has("do not fit together") && wrong.has("value=\"ANN@example.org\""));
    let before = other.cookies.clone();
    assert_eq!(
        other.post("/login", &form(PASSWORD)).await.location(),
        "/sent"
    );
    assert_eq!(other.get("/sent").await.status, StatusCode::OK);
    accounts.disable(&address).await.unwrap();
    assert!(other.get("/sent").await.location().starts_with("/login"));
    // Forms of before a login are over.
    let late = other.post("/login", &form(PASSWORD)).await;
    assert_eq!(late.status, StatusCode::FORBIDDEN);
    other.with_form_of(&before);
    assert_eq!(
        other.post("/login", &form(PASSWORD)).await.status,
        StatusCode::UNPROCESSABLE_ENTITY
    );
}

#[tokio::test]
async fn tries_are_throttled() {
    let site = Site::new();
    let mut browser = Browser::new(&site);
    let csrf = browser.get("/login").await.field("csrf");
    let form = [
        ("csrf", &*csrf),
        ("address", "x@example.org"),
        ("password", "guess"),
    ];
    for _ in 0..5 {
        let answer = browser.post("/login", &form).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let answer = browser.post("/login", &form).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(answer.has("Please wait 1 min"));
}

#[tokio::test]
async fn logging_out_ends_the_session_and_nothing_of_it_is_stored_in_the_clear() {
    let site = Site::at("https://mail.example.org");
    let mut browser = site.enrolled("ann@example.org").await;
    let page = browser.get("/").await;
    let token = browser.cookies["__Host-tideover"].clone();
    let facts = site.webmail.0.world.spool.facts("session", "").unwrap();
    assert!(!facts.is_empty() && !format!("{facts:?}").contains(&token));
    let csrf = page.field("csrf");
    let kept = browser.cookies.clone();
    let out = browser.post("/logout", &[("csrf", &csrf)]).await;
    assert_eq!(out.location(), "/login?out=1");
    browser.cookies = kept;
    assert!(browser.get("/").await.location().starts_with("/login"));
}

#[tokio::test]
async fn cookies_and_headers_are_strict() {
    let site = Site::at("https://mail.example.org");
    let answer = site.visit("/login").await;
    let cookie = answer.header("set-cookie");
    for part in [
        "__Host-tideover-form=",
        "; HttpOnly",
        "; SameSite=Lax",
        "; Secure",
        "; Path=/",
    ] {
        assert!(cookie.contains(part), "{cookie}");
    }
    let policy = answer.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none';"), "{policy}");
    assert!(!policy.contains("unsafe") && policy.contains("frame-ancestors 'none'"));
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    assert!(!answer.header("strict-transport-security").is_empty());
    let style = site.visit("/style.css").await;
    assert!(style.header("cache-control").contains("immutable"));
    let weight = answer.text.len() + style.text.len() + site.visit("/icon.svg").await.text.len();
    assert!(weight < 60 * 1024, "{weight}");
}

#[tokio::test]
async fn forms_of_other_sites_do_nothing() {
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    let page = ann.get("/compose").await;
    let (csrf, token) = (page.field("csrf"), page.field("token"));
    let to = ("to", "bob@x.example");
    let wrong = "0".repeat(64);
    for csrf in ["", "x", &wrong] {
        let answer = ann
            .upload("/compose", &[("csrf", csrf), ("token", &token), to], &[])
            .await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{csrf}");
        let answer = ann.post("/logout", &[("csrf", csrf)]).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        let answer = ann.post("/login", &[("csrf", csrf)]).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
    }
    let mut bob = site.enrolled("bob@example.org").await;
    let answer = bob
        .upload("/compose", &[("csrf", &csrf), ("token", &token), to], &[])
        .await;
    assert_eq!(
        answer.status,
        StatusCode::FORBIDDEN,
        "the token of another session"
    );
    let request = Request::post("/login").header("sec-fetch-site", "cross-site");
    let answer = site.ask(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(ann.get("/sent").await.has("Nothing sent yet"));
}
