//! The backends, and what is said about them.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{Desk, HOSTILE, merge};
use crate::admin::Role;

fn details(more: &Value) -> Value {
    let mut details = json!({
        "name": "onprem", "health": "down", "reason": HOSTILE, "since": "2026-03-02T02:14:00Z",
        "override": null,
        "hosts": [{ "address": "mail:25", "good": false, "reason": HOSTILE, "at": null }],
        "waiting": 3, "protocol": "smtp", "tls": "never", "username": "relay",
        "max_connections": 8, "messages_per_minute": 0,
        "probe": { "interval_seconds": 10, "down_after": 3, "up_after": 3, "recipient": null },
        "history": [{ "number": 1, "at": "2026-03-02T02:14:00Z", "became": "down",
                      "reason": HOSTILE }],
    });
    merge(&mut details, more);
    details
}

fn desk() -> Desk {
    let desk = Desk::new();
    desk.says("GET /api/backends", &json!([details(&json!({}))]));
    desk.says("GET /api/backends/onprem", &details(&json!({})));
    for what in ["override", "probe"] {
        let path = format!("POST /api/backends/onprem/{what}");
        desk.says(&path, &details(&json!({})));
    }
    desk
}

#[tokio::test]
async fn everybody_looks_and_who_may_act_sees_how() {
    let desk = desk();
    for role in Role::ALL {
        let list = desk.get(role, "/backends").await;
        list.is(StatusCode::OK)
            .has("/backends/onprem")
            .lacks("<script>alert");
        let page = desk.get(role, "/backends/onprem").await;
        page.is(StatusCode::OK)
            .has("mail:25")
            .has("Login")
            .lacks("<script>alert")
            .lacks("</section><script");
        assert_eq!(
            page.html.contains("Force up"),
            role >= Role::Operator,
            "{role}"
        );
        assert!(
            !page.html.contains("action=\"/backends/onprem/resume\""),
            "nothing to resume"
        );
    }
    desk.get(Role::Admin, "/backends/nothing")
        .await
        .is(StatusCode::NOT_FOUND);
    desk.get(Role::Admin, "/backends/..%2Fusers")
        .await
        .is(StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_is_said_goes_through_the_api_in_the_name_of_who_says_it() {
    let desk = desk();
    let reason = [("reason", " disks are changed ")];
    let page = desk
        .post(Role::Operator, "/backends/onprem/hold", &reason)
        .await;
    page.is(StatusCode::SEE_OTHER);
    assert_eq!(page.headers["location"], "/backends/onprem?done=hold");
    let changes = desk.changes();
    assert_eq!(changes.len(), 1);
    assert_eq!(changes[0].path, "/api/backends/onprem/override");
    assert_eq!(changes[0].caller.name, "olga");
    assert_eq!(changes[0].caller.role, Role::Operator);
    assert_eq!(
        changes[0].body,
        json!({ "wish": "hold", "actor": "olga", "reason": "disks are changed" })
    );
    let probed = desk
        .post(Role::Operator, "/backends/onprem/probe", &[])
        .await;
    probed.is(StatusCode::SEE_OTHER);
    assert_eq!(desk.changes()[1].path, "/api/backends/onprem/probe");
}

#[tokio::test]
async fn nothing_is_done_without_role_reason_and_word() {
    let desk = desk();
    let reason = [("reason", "x")];
    for role in [Role::Viewer, Role::HelpDesk] {
        let page = desk.post(role, "/backends/onprem/hold", &reason).await;
        page.is(StatusCode::FORBIDDEN).has("this takes operator");
        let page = desk.post(role, "/backends/onprem/probe", &reason).await;
        page.is(StatusCode::FORBIDDEN);
    }
    let both = ["override", "probe"].map(|what| format!("/api/backends/onprem/{what}"));
    assert_eq!(
        desk.refused(),
        [both.clone(), both].concat(),
        "written down"
    );
    for none in [&[("reason", "  ")][..], &[]] {
        let page = desk.post(Role::Admin, "/backends/onprem/up", none).await;
        page.is(StatusCode::BAD_REQUEST).has("there is no reason");
    }
    for word in ["", "the-word-of-this-sessioN", "the-word-of-this-session "] {
        let fields = [("csrf", word), ("reason", "x")];
        let page = desk
            .post_raw(Role::Admin, "/backends/onprem/hold", &fields)
            .await;
        if word.trim() != super::TOKEN {
            page.is(StatusCode::FORBIDDEN)
                .has("not from a page of your session");
        }
    }
    let unknown = desk
        .post(Role::Admin, "/backends/onprem/explode", &reason)
        .await;
    unknown.is(StatusCode::NOT_FOUND);
    assert_eq!(desk.changes().len(), 1, "only the one with the word");
}

#[tokio::test]
async fn only_what_is_true_is_said_to_be_done() {
    let desk = desk();
    let page = desk.get(Role::Operator, "/backends/onprem?done=hold").await;
    page.lacks("is held: its mail waits");
    let held = json!({ "wish": "hold", "override": "held by olga" });
    desk.says("GET /api/backends/onprem", &details(&held));
    let page = desk.get(Role::Operator, "/backends/onprem?done=hold").await;
    page.has("onprem is held: its mail waits")
        .has("action=\"/backends/onprem/resume\"")
        .lacks("action=\"/backends/onprem/hold\"");
}
