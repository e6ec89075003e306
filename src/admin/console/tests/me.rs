//! The page of the own login.

use axum::http::StatusCode;
use serde_json::json;

use super::{Desk, HOSTILE};
use crate::admin::Role;

fn desk() -> Desk {
    let desk = Desk::new();
    let session = |id: &str, device: &str, this: bool| {
        json!({ "id": id, "operator": "ann", "from": HOSTILE, "device": device, "this": this,
                "created": "2026-03-02T02:14:00Z", "seen": "2026-03-02T02:50:00Z",
                "expires": "2026-03-02T14:14:00Z" })
    };
    let sessions = json!([
        session("0a", "Firefox, Linux", true),
        session("0b", "", false)
    ]);
    desk.says("GET /api/me/sessions", &sessions);
    desk.says("POST /api/me/sessions/end", &sessions);
    let token = |id: &str, good: bool| {
        json!({ "id": id, "operator": "ann", "label": HOSTILE, "role": "viewer", "by": HOSTILE,
                "created": "2026-03-02T02:14:00Z", "expires": "2026-04-02T02:14:00Z",
                "good": good })
    };
    desk.says(
        "GET /api/me/tokens",
        &json!([token("1a", true), token("1b", false)]),
    );
    desk.says("POST /api/me/tokens/revoke", &token("1a", false));
    desk
}

#[tokio::test]
async fn everybody_sees_where_he_is_logged_in_and_what_asks_in_his_name() {
    let desk = desk();
    for role in Role::ALL {
        let page = desk.get(role, "/me").await;
        page.is(StatusCode::OK)
            .has("Firefox, Linux")
            .has("A browser of another kind")
            .has("this browser")
            .has("value=\"0b\"")
            .has("End all others")
            .has("value=\"1a\"")
            .has("href=\"/password\"")
            .has("href=\"/second\"")
            .lacks("value=\"0a\"")
            .lacks("value=\"1b\"")
            .lacks("<script>alert")
            .lacks("\u{202e}");
    }
    for (did, told) in [
        ("password", "Your password is changed"),
        ("others", "Your other sessions have ended"),
        (HOSTILE, "Your login"),
    ] {
        let path = format!("/me?did={}", crate::admin::console::ask::escaped(did));
        desk.get(Role::Viewer, &path)
            .await
            .has(told)
            .lacks("<script>alert");
    }
    desk.says("GET /api/me/sessions", &json!([]));
    desk.says("GET /api/me/tokens", &json!([]));
    desk.get(Role::Viewer, "/me")
        .await
        .is(StatusCode::OK)
        .has("You have none.")
        .lacks("End all others");
}

#[tokio::test]
async fn sessions_and_tokens_end_with_a_reason_for_the_log() {
    let desk = desk();
    for (path, fields, asked, body, next) in [
        (
            "/me/sessions/end",
            vec![("id", "0b")],
            "/api/me/sessions/end",
            json!({ "id": "0b" }),
            "/me?did=session",
        ),
        (
            "/me/sessions/end",
            vec![],
            "/api/me/sessions/end",
            json!({}),
            "/me?did=others",
        ),
        (
            "/me/tokens/end",
            vec![("id", "1a")],
            "/api/me/tokens/revoke",
            json!({ "id": "1a" }),
            "/me?did=token",
        ),
    ] {
        desk.post_raw(Role::Viewer, path, &fields)
            .await
            .is(StatusCode::FORBIDDEN);
        let page = desk.post(Role::Viewer, path, &fields).await;
        page.is(StatusCode::SEE_OTHER);
        assert_eq!(page.headers["location"], next);
        let changes = desk.changes();
        let last = changes.last().unwrap();
        assert_eq!((&*last.path, &last.body), (asked, &body));
        assert!(last.reason.is_some(), "it may be required");
    }
    assert_eq!(desk.changes().len(), 3);
}
