//! What holds for every route that there is, also for those that somebody adds.

use super::*;

/// The routes as the router's source has them.
fn routes() -> Vec<String> {
    let source = include_str!("../../mod.rs");
    let (_, source) = source.split_once("Router::new()").unwrap();
    let (source, _) = source.split_once(".with_state(webmail)").unwrap();
    let one = |piece: &str| {
        let first = piece.trim_start().split([',', '\n']).next().unwrap();
        match first {
            "frame::STYLE_PATH" => frame::STYLE_PATH.to_owned(),
            "frame::SCRIPT_PATH" => frame::SCRIPT_PATH.to_owned(),
            path => path.trim_matches('"').to_owned(),
        }
    };
    let routes: Vec<String> = source.split(".route(").skip(1).map(one).collect();
    assert!(
        routes.len() > 30 && routes.iter().all(|path| path.starts_with('/')),
        "{routes:?}"
    );
    routes
}

/// What anybody may see: the way in, and what pages are made of.
fn is_public(path: &str) -> bool {
    ["/login", "/invite", "/style.css", "/app.js", "/icon.svg"]
        .iter()
        .any(|public| path.starts_with(public))
}

/// With ids of somebody's own things in the braces.
fn filled(path: &str, id: &str) -> String {
    path.replace("{id}", id)
        .replace("{number}", "1")
        .replace("{token}", "nothing")
}

#[tokio::test]
async fn every_answer_has_the_headers_that_keep_it_safe() {
    let site = Site::at("https://mail.example.org");
    let mut ann = site.enrolled("ann@example.org").await;
    let id = site.deliver(&["ann@example.org"], MAIL).await.to_string();
    let mut paths = routes();
    paths.extend(["/no/such/page", "/message/x", "/compose?draft=x"].map(str::to_owned));
    for path in &paths {
        for method in [Method::GET, Method::POST, Method::PUT, Method::OPTIONS] {
            let answer = ann
                .send(method.clone(), &filled(path, &id), String::new())
                .await;
            let what = format!("{method} {path} {}", answer.status);
            for (name, value) in [
                ("x-content-type-options", "nosniff"),
                ("referrer-policy", "no-referrer"),
                ("cross-origin-opener-policy", "same-origin"),
                ("strict-transport-security", "max-age=31536000"),
            ] {
                assert_eq!(answer.header(name), value, "{what}");
            }
            let policy = answer.header("content-security-policy");
            assert!(policy.contains("default-src 'none'"), "{what}: {policy}");
            assert!(!policy.contains("unsafe-eval"), "{what}: {policy}");
            let is_framed = path.ends_with("/html") || path.ends_with("/print");
            let is_sealed = policy.contains("sandbox") || policy.contains("frame-ancestors 'none'");
            assert!(is_sealed, "{what}: {policy}");
            assert!(!policy.contains("unsafe") || is_framed, "{what}: {policy}");
            let frame = answer.header("x-frame-options");
            assert!(["DENY", "SAMEORIGIN"].contains(&frame), "{what}: {frame}");
            let kept = answer.header("cache-control");
            let is_asset = kept.contains("immutable");
            assert!(
                kept == "no-store" || (is_asset && is_public(path)),
                "{what}: {kept}"
            );
        }
    }
}

#[tokio::test]
async fn who_is_not_logged_in_sees_nothing_and_does_nothing() {
    let site = Site::new();
    let id = site.deliver(&["ann@example.org"], MAIL).await.to_string();
    for path in routes().iter().filter(|path| !is_public(path)) {
        for method in [Method::GET, Method::POST] {
            let request = Request::builder()
                .method(method.clone())
                .uri(filled(path, &id));
            let answer = site.ask(request.body(Body::empty()).unwrap()).await;
            let what = format!("{method} {path} {}", answer.status);
            let to_login = answer.status == StatusCode::SEE_OTHER
                && answer.header("location").starts_with("/login");
            assert!(to_login || answer.status.is_client_error(), "{what}");
            assert!(
                !answer.has("Hello Ann") && !answer.has("The plan"),
                "{what}"
            );
        }
    }
}

/// I12, for every route: with the ids of another user's things there is nothing to see, and nothing
/// of his changes.
#[tokio::test]
async fn i12_what_is_another_users_is_not_there() {
    let site = Site::with_undo();
    let mut ann = site.enrolled("ann@example.org").await;
    let mut bob = site.enrolled("bob@example.org").await;
    let id = site.deliver(&["ann@example.org"], MAIL).await.to_string();
    // A draft, a letter on its way out, a session.
    let draft = [
        ("to", "c@x.example"),
        ("subject", "Secret draft"),
        ("action", "save"),
    ];
    let kept = ann.write("/compose", &draft).await;
    let (_, token) = kept.location().split_once("draft=").unwrap();
    let token = token.split('&').next().unwrap().to_owned();
    let leaving = [("to", "c@x.example"), ("subject", "Secret letter")];
    let leaves = ann.write("/compose", &leaving).await;
    let (_, going) = leaves.location().split_once("going=").unwrap();
    let going = going.to_owned();
    let csrf = bob.get("/settings").await.field("csrf");
    let before = snapshot(&site, "ann@example.org");
    for path in routes() {
        for token in [&token, &going] {
            probe(&mut bob, &path, [&id, token, &csrf]).await;
        }
    }
    for path in [
        format!("/compose?draft={token}"),
        format!("/compose?draft={going}"),
    ] {
        assert_eq!(bob.get(&path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert!(!shows_anything(
        &bob.get(&format!("/sent?going={going}")).await
    ));
    // A part of her message put to a letter of his.
    let keep = format!("{id}.0");
    let form = [
        ("to", "bob@example.org"),
        ("keep", &*keep),
        ("action", "save"),
    ];
    assert_eq!(
        bob.write("/compose", &form).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        snapshot(&site, "ann@example.org"),
        before,
        "nothing of hers has changed"
    );
    assert_eq!(
        ann.get("/").await.status,
        StatusCode::OK,
        "she is still logged in"
    );
}

/// Asks for a route, and for all that it could do, with the ids of somebody else.
async fn probe(bob: &mut Browser<'_>, path: &str, [id, token, csrf]: [&str; 3]) {
    let (at, is_object) = (filled(path, id), path.contains("{id}"));
    let page = bob.get(&at).await;
    assert!(!shows_anything(&page), "GET {path}");
    let missing = [StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED];
    let is_missing = missing.contains(&page.status);
    assert!(is_missing || !is_object, "GET {path}: {}", page.status);
    // Ends Bob's own session, which is no matter of Ann's.
    if path == "/logout" || is_public(path) {
        return;
    }
    for action in ["delete", "send", "save", "accepted", ""] {
        let form = [
            ("csrf", csrf),
            ("id", id),
            ("whole", "/"),
            ("token", token),
            ("answers", id),
            ("answer", action),
            ("session", id),
            ("action", action),
        ];
        let done = bob.post(&at, &form).await;
        assert!(!shows_anything(&done), "POST {path} {action}");
        let is_refused = done.status.is_client_error();
        assert!(is_refused || !is_object, "POST {path}: {}", done.status);
    }
}

fn shows_anything(page: &Answer) -> bool {
    ["Hello Ann", "The plan", "Secret draft", "Secret letter"]
        .iter()
        .any(|text| page.has(text))
}

/// All facts about an account: drafts, outbox, marks, settings.
fn snapshot(site: &Site, account: &str) -> String {
    let spool = &site.webmail.0.world.spool;
    let kinds = ["draft", "outbox", "mark", "webmail-settings"];
    let facts = kinds.map(|kind| spool.facts(kind, account).unwrap());
    format!("{facts:?}")
}
