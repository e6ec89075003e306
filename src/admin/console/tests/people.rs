//! Users, waves, replays and drills.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{Desk, HOSTILE};
use crate::admin::Role;

fn account(address: &str, state: &str) -> Value {
    json!({ "address": address, "state": state, "created": "2026-03-02T02:14:00Z",
            "password": true, "passkeys": 2, "renamed": HOSTILE })
}

fn desk() -> Desk {
    let desk = Desk::new();
    let accounts: Vec<Value> = (0..120)
        .map(|number| account(&format!("user{number:03}@example.org"), "active"))
        .chain([account("bob@example.org", "disabled")])
        .collect();
    desk.says("GET /api/users", &json!(accounts));
    let covered = json!({ "mailboxes": 200, "enrolled": 120, "second_factor": 3, "invited": 4,
                          "percent": 60 });
    desk.says(
        "GET /api/users/coverage",
        &json!({
            "total": covered, "domains": { "example.org": covered, "example.net": covered },
            "missing": (0..80).map(|number| format!("missing{number}@example.org"))
                .collect::<Vec<_>>(),
        }),
    );
    let invitation = json!({ "address": "ann@example.org", "link": "https://mail/invite/secret",
                             "expires": "2026-03-09T02:14:00Z", "code": "ABCD-EFGH" });
    desk.says("POST /api/users/invite", &invitation);
    desk.says("POST /api/users/reset", &invitation);
    desk.says(
        "POST /api/users/disable",
        &json!({ "address": "bob@example.org" }),
    );
    desk
}

#[tokio::test]
async fn accounts_are_found_and_paged() {
    let desk = desk();
    for role in Role::ALL {
        let page = desk.get(role, "/users").await;
        page.is(StatusCode::OK)
            .has("120 of 200, 60 %")
            .has("user000@example.org")
            .has("and 30 more")
            .has("skip=50")
            .lacks("user060@example.org")
            .lacks("<script>alert");
        assert_eq!(
            page.html.contains("/users/invite"),
            role >= Role::HelpDesk,
            "{role}"
        );
    }
    let page = desk.get(Role::Viewer, "/users?q=USER1&skip=0").await;
    page.has("user100@example.org")
        .has("20 found")
        .lacks("user000");
    desk.get(Role::Viewer, "/users?q=zzz")
        .await
        .has("None has that in its address");
    let end = desk
        .get(Role::Viewer, "/users?skip=18446744073709551615")
        .await;
    end.is(StatusCode::OK);
}

/// Times stand in a remark as in the rest of the page.
#[tokio::test]
async fn since_when_a_user_is_gone_is_said_like_every_time() {
    let desk = desk();
    let gone = json!({ "address": "gone@example.org", "state": "active", "password": true,
                       "created": "2026-03-02T02:14:00Z", "passkeys": 0,
                       "directory": { "departed": "2020-06-05T12:43:32.655Z" } });
    desk.says("GET /api/users", &json!([gone]));
    desk.get(Role::Viewer, "/users")
        .await
        .is(StatusCode::OK)
        .has("no source names its user since 2020-06-0")
        .lacks("32.655");
}

#[tokio::test]
async fn a_user_is_helped_with_a_reason_and_his_link_is_shown_once() {
    let desk = desk();
    let fields = [
        ("address", "ann@example.org"),
        ("reason", "she called, Grüße"),
    ];
    for what in ["invite", "reset", "disable"] {
        let path = format!("/users/{what}");
        desk.post(Role::Viewer, &path, &fields)
            .await
            .is(StatusCode::FORBIDDEN);
        let refused = desk.refused();
        assert_eq!(refused.last(), Some(&format!("/api{path}")), "written down");
        desk.post(Role::Admin, &path, &[("address", "a@b")])
            .await
            .is(StatusCode::BAD_REQUEST);
    }
    desk.post(Role::Admin, "/users/explode", &fields)
        .await
        .is(StatusCode::NOT_FOUND);
    assert_eq!(desk.changes().len(), 0);
    let page = desk.post(Role::HelpDesk, "/users/invite", &fields).await;
    page.is(StatusCode::OK)
        .has("https://mail/invite/secret")
        .has("ABCD-EFGH");
    assert_eq!(page.headers["cache-control"], "no-store");
    let page = desk.post(Role::HelpDesk, "/users/disable", &fields).await;
    page.is(StatusCode::SEE_OTHER);
    let done = desk.changes();
    assert_eq!(done[0].body, json!({ "address": "ann@example.org" }));
    assert_eq!(done[0].reason.as_deref(), Some("she called, Grüße"));
    assert_eq!(done[1].path, "/api/users/disable");
    let page = desk
        .get(Role::HelpDesk, page.headers["location"].to_str().unwrap())
        .await;
    page.has("bob@example.org is disabled");
    let active = desk
        .get(Role::HelpDesk, "/users?disabled=user000@example.org")
        .await;
    active.lacks("is disabled: its sessions");
}

#[tokio::test]
async fn waves_and_replays_are_told_with_their_verbs() {
    let desk = Desk::new();
    desk.says("GET /api/waves", &json!([]));
    desk.says("GET /api/replays", &json!([]));
    desk.get(Role::Viewer, "/waves")
        .await
        .is(StatusCode::OK)
        .has("There are none.");
    desk.says(
        "GET /api/waves",
        &json!([{
            "id": "w1", "name": HOSTILE, "hash": "ab", "to": "cloud", "users": 10,
            "state": "started", "started": "2026-03-02T02:14:00Z", "generation": 5,
            "steps": [{ "at": "2026-03-02T02:14:00Z", "state": "started", "actor": HOSTILE,
                        "reason": HOSTILE }],
            "there": 9, "waiting": 3, "following": 1,
        }]),
    );
    let page = desk.get(Role::Viewer, "/waves").await;
    page.is(StatusCode::OK)
        .has("9 of 10 are there")
        .has("value=\"9\" max=\"10\"")
        .has("tideover wave revert w1")
        .lacks("<script>alert");
}

#[tokio::test]
async fn drills_show_their_lights_and_run_for_who_may() {
    let desk = Desk::new();
    desk.get(Role::Viewer, "/drills")
        .await
        .is(StatusCode::OK)
        .has("Nothing is drilled");
    let view = json!({
        "address": "probe@example.org", "every_seconds": 300, "deadline_seconds": 120,
        "green": false,
        "legs": [{ "name": "internet-cloud", "from": null, "to": "cloud",
                   "mailbox": "drill@example.org", "light": "red", "reason": HOSTILE,
                   "since": "2026-03-02T02:14:00Z", "latency_ms": 1200 }],
    });
    desk.says("GET /api/drill", &view);
    desk.says("POST /api/drill/run", &view);
    for role in Role::ALL {
        let page = desk.get(role, "/drills").await;
        page.is(StatusCode::OK)
            .has("from the Internet to cloud")
            .has("1200 ms");
        page.lacks("<script>alert");
        assert_eq!(page.html.contains("/drills/run"), role >= Role::Operator);
    }
    desk.post(Role::HelpDesk, "/drills/run", &[])
        .await
        .is(StatusCode::FORBIDDEN);
    assert_eq!(desk.refused(), ["/api/drill/run"], "written down");
    assert_eq!(desk.changes().len(), 0);
    desk.post(
        Role::Operator,
        "/drills/run",
        &[("reason", "after the work")],
    )
    .await
    .is(StatusCode::SEE_OTHER);
    let done = desk.changes();
    assert_eq!(done[0].path, "/api/drill/run");
    assert_eq!(done[0].reason.as_deref(), Some("after the work"));
}

#[tokio::test]
async fn the_audit_log_is_shown_and_asked_for() {
    let desk = Desk::new();
    desk.says(
        "GET /api/audit",
        &json!({ "next": "x&y", "entries": [{
        "id": "1", "at": "2026-03-02T02:14:00Z", "who": HOSTILE, "role": "operator",
        "from": HOSTILE, "what": "Hold mail", "path": HOSTILE, "reason": HOSTILE,
        "outcome": "refused", "told": HOSTILE, "left_out": 3,
    }] }),
    );
    let page = desk.get(Role::Viewer, "/audit?by=a%26b").await;
    page.is(StatusCode::OK)
        .has("Hold mail")
        .has("refused")
        .has("3 refusals before it")
        .has("/audit?by=a%26b&#38;what=&#38;after=x%26y")
        .lacks("<script>alert")
        .lacks("\u{202e}");
    let heard = desk.heard();
    assert_eq!(heard.last().unwrap().path, "/api/audit?limit=50&by=a%26b");
    desk.says(
        "GET /api/audit",
        &json!({ "next": null, "entries": [{
        "id": "1", "at": "2026-03-02T02:14:00Z", "who": "ann", "role": "operator",
        "from": "192.0.2.7", "what": "Take a step of a move", "path": "/api/moves/x.example",
        "arguments": { "step": "finish", "home": HOSTILE, "dry_run": "yes" },
        "reason": "now", "outcome": "looked", "told": "",
    }] }),
    );
    let page = desk.get(Role::Viewer, "/audit").await;
    page.has("Finish the move of x.example, home ")
        .has("(only a look)")
        .has("<span class=\"state waiting\">looked</span>")
        .lacks("<script>alert");
    let refusal = json!({ "error": "there is no such page", "hint": "begin anew" });
    desk.says_with("GET /api/audit", StatusCode::BAD_REQUEST, &refusal);
    desk.get(Role::Viewer, "/audit?after=zz")
        .await
        .is(StatusCode::BAD_REQUEST)
        .has("there is no such page");
}
