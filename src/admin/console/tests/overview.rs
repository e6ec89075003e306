//! The first page, and its stream.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::json;
use tower::ServiceExt as _;

use super::{Desk, HOSTILE, TOKEN};
use crate::admin::console::{Csrf, assets, console};
use crate::admin::door::Proof;
use crate::admin::operators::SecondStepRule;
use crate::admin::operators::tests::{Place, root};
use crate::admin::{Caller, Role};
use crate::limits;

#[tokio::test]
async fn everybody_who_is_let_in_sees_it_and_nobody_else() {
    let desk = Desk::new();
    for role in Role::ALL {
        let page = desk.get(role, "/").await;
        page.is(StatusCode::OK)
            .has("Mail flows; nothing waits.")
            .has(role.word())
            .has("olga");
        assert_eq!(page.headers["cache-control"], "no-store");
        assert_eq!(page.headers["x-frame-options"], "DENY");
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("script-src 'self'"), "{policy}");
    }
    let nobody = Request::get("/").body(Body::empty()).unwrap();
    let page = desk.ask(None, nobody).await;
    page.is(StatusCode::UNAUTHORIZED).lacks("Mail flows");
    let stream = Request::get("/events").body(Body::empty()).unwrap();
    desk.ask(None, stream).await.is(StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_strangers_say_is_text() {
    let desk = Desk::new();
    desk.status(&json!({
        "backends": [{ "name": "onprem", "health": "down", "reason": HOSTILE,
                       "since": "2026-03-02T02:14:00Z", "override": HOSTILE, "wish": "drain",
                       "hosts": [], "waiting": 3 }],
        "holds": [{ "name": "h1", "what": HOSTILE, "selection": {}, "actor": HOSTILE,
                    "reason": HOSTILE, "since": "2026-03-02T02:14:00Z", "until": null,
                    "held": 1, "oldest": null }],
        "health": { "ok": false, "accepting": true, "problems": [HOSTILE] },
    }));
    let page = desk.get(Role::Viewer, "/").await;
    page.is(StatusCode::OK)
        .has("onprem is down since")
        .lacks("<script>alert")
        .lacks("</section><script")
        .has("&#60;script&#62;alert(1)");
}

#[tokio::test]
async fn an_api_that_fails_is_told_with_its_hint() {
    let desk = Desk::new();
    let refusal = json!({ "error": format!("the index is gone {HOSTILE}"), "hint": "look at it" });
    desk.says_with("GET /api/status", StatusCode::SERVICE_UNAVAILABLE, &refusal);
    let page = desk.get(Role::Admin, "/").await;
    page.is(StatusCode::SERVICE_UNAVAILABLE)
        .has("the index is gone")
        .has("look at it")
        .has("Not now")
        .lacks("<script>alert");
}

#[tokio::test]
async fn cases_that_could_not_be_read_are_not_none() {
    let desk = Desk::new();
    desk.status(&json!({
        "cases": { "cases": null, "recipients": null, "unknown": HOSTILE },
        "backends": [{ "name": "onprem", "health": "up", "reason": "", "in_cases": null,
                       "since": "2026-03-02T02:14:00Z", "override": null, "hosts": [],
                       "waiting": 0 }],
    }));
    let page = desk.get(Role::Viewer, "/").await;
    page.is(StatusCode::OK)
        .has("Whether cases wait for a decision is not known")
        .has("how many are held in cases is not known")
        .has("<dd class=\"value\">not known</dd>")
        .lacks("<script>alert");
    // While the index is being made, that is what is told.
    desk.status(&json!({
        "cases": { "cases": null, "recipients": null, "unknown": "3 %" },
        "spool": { "index": { "percent": 3, "seconds_left": 60, "text": "3 %" } },
    }));
    let page = desk.get(Role::Viewer, "/").await;
    page.lacks("Whether cases wait")
        .has("The index is being made")
        .has("not known");
}

#[tokio::test]
async fn refused_mail_is_shown() {
    let desk = Desk::new();
    let health = json!({ "ok": false, "accepting": false, "problems": ["the disk is full"] });
    desk.status(&json!({ "health": health }));
    let page = desk.get(Role::Viewer, "/").await;
    page.is(StatusCode::OK).has("New mail is refused for now");
}

/// Two looks could differ, and each reads the cases.
#[tokio::test]
async fn the_state_is_read_once_for_the_page() {
    let desk = Desk::new();
    desk.get(Role::Viewer, "/").await.is(StatusCode::OK);
    let heard = desk.heard();
    let mut asked: Vec<&str> = heard.iter().map(|one| one.path.as_str()).collect();
    asked.sort_unstable();
    assert_eq!(asked, ["/api/drill", "/api/status?health=true"]);
}

/// Whose mail is not there counts as waiting, and waits in vain.
#[tokio::test]
async fn who_waits_in_vain_is_told_beside_who_waits() {
    let desk = Desk::new();
    desk.status(&json!({
        "queue": { "queued": 120 },
        "spool": { "missing": { "segments": 1, "named": [3], "waiting": 12, "recipients": 20,
                                "finished": 0 } },
    }));
    let page = desk.get(Role::Viewer, "/").await;
    page.is(StatusCode::OK)
        .has("Wait in vain")
        .has("of those who wait, 20 cannot be read (segment 3 is missing or cut short)");
    desk.status(&json!({ "queue": { "queued": 120 } }));
    desk.get(Role::Viewer, "/").await.lacks("Wait in vain");
}

#[tokio::test]
async fn unknown_pages_are_pages_and_forms_of_other_sites_are_refused() {
    let desk = Desk::new();
    let page = desk.get(Role::Viewer, "/nothing").await;
    page.is(StatusCode::NOT_FOUND)
        .has("there is no such page")
        .has("To the overview");
    let foreign = Request::builder()
        .method(Method::POST)
        .uri("/")
        .header("sec-fetch-site", "cross-site")
        .body(Body::empty())
        .unwrap();
    let page = desk.ask(Some(Role::Admin), foreign).await;
    page.is(StatusCode::FORBIDDEN)
        .has("not from a page of your session");
}

fn watch() -> Request {
    watch_as("olga")
}

fn watch_as(name: &str) -> Request {
    let mut request = Request::get("/events").body(Body::empty()).unwrap();
    request.extensions_mut().insert(Caller {
        name: name.to_owned(),
        role: Role::Viewer,
        from: "192.0.2.7".to_owned(),
    });
    request.extensions_mut().insert(Csrf {
        word: TOKEN.to_owned(),
        has_second: true,
    });
    request
}

#[tokio::test(start_paused = true)]
async fn the_stream_shows_what_changes_and_ends_by_itself() {
    let desk = Desk::new();
    desk.status(&json!({
        "backends": [{ "name": "onprem", "health": "down", "reason": HOSTILE,
                       "since": "2026-03-02T02:14:00Z", "override": null, "hosts": [],
                       "waiting": 3 }],
    }));
    let response = console(desk.inner.clone()).oneshot(watch()).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["cache-control"], "no-cache");
    // It ends within a minute: who was logged out meanwhile does not get the next one.
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    assert!(text.starts_with("event: live\ndata: "), "{text}");
    // Whose stream breaks off asks anew soon: the page says within seconds when nobody answers.
    assert_eq!(text.matches("retry: 1000").count(), 1);
    assert!(text.contains("onprem is down since"));
    let odd = |line: &&str| {
        !line.is_empty()
            && !line.starts_with("data: ")
            && *line != "event: live"
            && *line != "data:"
            && *line != "retry: 1000"
    };
    assert_eq!(
        text.split(['\n', '\r']).find(odd),
        None,
        "nobody writes lines of his own"
    );
    assert!(!text.contains('\r'));
    assert!((5..=12).contains(&text.matches("event: live").count()));
}

#[tokio::test]
async fn the_stop_ends_the_streams() {
    let desk = Desk::new();
    let response = console(desk.inner.clone()).oneshot(watch()).await.unwrap();
    desk.shutdown.signal();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(body.is_empty());
}

#[tokio::test]
async fn streams_are_bounded_and_one_that_ends_makes_room() {
    let desk = Desk::new();
    let router = console(desk.inner.clone());
    let mut open = Vec::new();
    for number in 0..limits::CONSOLE_STREAMS {
        let name = format!("o{}", number / limits::OPERATOR_STREAMS);
        let response = router.clone().oneshot(watch_as(&name)).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        open.push(response);
    }
    let refused = router.clone().oneshot(watch()).await.unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()["retry-after"], "60");
    open.pop();
    let again = router.oneshot(watch()).await.unwrap();
    assert_eq!(again.status(), StatusCode::OK);
}

#[tokio::test]
async fn one_operator_does_not_take_the_streams_of_all() {
    let desk = Desk::new();
    let router = console(desk.inner.clone());
    let mut open = Vec::new();
    for _ in 0..limits::OPERATOR_STREAMS {
        let response = router.clone().oneshot(watch_as("vera")).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        open.push(response);
    }
    let refused = router.clone().oneshot(watch_as("vera")).await.unwrap();
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers()["retry-after"], "60");
    let other = router.clone().oneshot(watch()).await.unwrap();
    assert_eq!(other.status(), StatusCode::OK);
    open.pop();
    let again = router.oneshot(watch_as("vera")).await.unwrap();
    assert_eq!(again.status(), StatusCode::OK);
}

/// Who keeps his end open must not take the room of others for it.
#[tokio::test]
async fn who_is_shut_out_keeps_no_stream() {
    let (desk, place) = (Desk::new(), Place::new(SecondStepRule::Optional));
    let proven = place.somebody("olga", Role::Viewer).await;
    let token = place.session(&proven).await;
    let proof = Proof::of_session(&place, token);
    let router = console(desk.inner.clone());
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut request = watch();
        request.extensions_mut().insert(proof.clone());
        let response = router.clone().oneshot(request).await.unwrap();
        open.push(response.into_body());
    }
    let mut late = open.pop().unwrap();
    let mut early = open.pop().unwrap();
    let first = early.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(first.starts_with(b"event: live"), "{first:?}");
    place.operators.disable("olga", &root()).await.unwrap();
    assert!(late.frame().await.is_none(), "nothing more is shown");
    // And it has made room, though who opened it has not gone.
    let mut all = Vec::new();
    for _ in 1..limits::OPERATOR_STREAMS {
        let response = router.clone().oneshot(watch()).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        all.push(response);
    }
}

#[tokio::test]
async fn what_pages_are_made_of_is_for_everybody_and_kept() {
    let desk = Desk::new();
    let page = desk.get(Role::Viewer, "/").await;
    for (name, kind) in [
        ("/style.css", "text/css"),
        ("/console.css", "text/css"),
        ("/console.js", "text/javascript"),
        ("/icon.svg", "image/svg+xml"),
    ] {
        let start = page.html.find(name).unwrap();
        let path = page.html.split_at(start).1.split('"').next().unwrap();
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = assets().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        let headers = response.headers();
        assert!(
            headers["content-type"].to_str().unwrap().starts_with(kind),
            "{path}"
        );
        assert!(
            headers["cache-control"]
                .to_str()
                .unwrap()
                .contains("immutable")
        );
    }
}
