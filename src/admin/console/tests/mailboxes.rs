//! Missing mail and write-backs.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{Desk, HOSTILE};
use crate::admin::Role;

fn landing(missing: u64) -> Value {
    let mail: Vec<Value> = (0..missing.min(150))
        .map(|number| {
            json!({ "id": "06J8Z4K2M0001", "recipient": number, "address": HOSTILE,
                    "backend": if number % 2 == 0 { "onprem" } else { "cloud" },
                    "delivered": "2026-03-02T02:14:00Z", "missed": "2026-03-02T02:24:00Z",
                    "message_id": HOSTILE })
        })
        .collect();
    json!({ "share": 150, "within_seconds": 600, "proven_until": "2026-03-02T02:14:00Z",
            "pending": 7, "found": 1204, "in_junk": 3, "missing": missing, "not_asked": 1,
            "unasked": [{ "mailbox": HOSTILE, "why": HOSTILE, "recipients": 2 }],
            "waits_for": HOSTILE, "mail": mail, "missing_now": missing })
}

fn run(state: &str) -> Value {
    let mut run = json!({
        "id": "w2", "state": state, "meant": { "backend": null, "users": 0 }, "users": 5,
        "deeds": [{ "at": "2026-03-02T02:14:00Z", "state": "running", "actor": HOSTILE,
                    "reason": HOSTILE }],
        "done": 1, "failed": 1, "total": 5, "eta_seconds": 600, "waits_for": [HOSTILE],
    });
    run["carried"] = carried();
    let mut result = carried();
    super::merge(
        &mut result,
        &json!({ "mailbox": HOSTILE, "failed": "the login is refused", "refusals": [HOSTILE] }),
    );
    run["results"] = json!([result]);
    run
}

fn carried() -> Value {
    json!({ "sent": 12, "drafts": 3, "states": 0, "filed": 0, "deleted": 0, "copied": 0,
            "there": 4, "absent": 2, "cannot": 0, "refused": 1, "lost": 0 })
}

fn desk(missing: u64, runs: &Value) -> Desk {
    let desk = Desk::new();
    desk.says("GET /api/landing", &landing(missing));
    desk.says("GET /api/writebacks", runs);
    desk
}

#[tokio::test]
async fn what_is_missing_is_shown_with_what_brings_it() {
    let desk = desk(180, &json!([]));
    for role in Role::ALL {
        let page = desk.get(role, "/mailboxes").await;
        page.is(StatusCode::OK)
            .has("180 missing")
            .has("1.50 % of what is delivered is looked for, for 10 min.")
            .has("75 messages")
            .has("tideover replay plan --to onprem --missing-only --by delivered")
            .has("--since 2026-03-02T02:14:00.000Z")
            .has("and 80 more")
            .has("There was none yet.")
            .lacks("<script>alert");
        let may = role >= Role::Operator;
        assert_eq!(page.html.contains("/dismiss"), may, "{role}");
    }
    let none = self::desk(0, &json!([]));
    let page = none.get(Role::Viewer, "/mailboxes").await;
    page.has("Nothing is known to be missing")
        .lacks("state trouble");
}

#[tokio::test]
async fn one_is_taken_off_the_list_with_a_reason() {
    let desk = desk(1, &json!([]));
    let gone = json!({ "dismissed": "06J8Z4K2M0001-0" });
    desk.says("POST /api/landing/missing/06J8Z4K2M0001-0/dismiss", &gone);
    let path = "/mailboxes/missing/06J8Z4K2M0001-0/dismiss";
    let reason = [("reason", "she has it")];
    desk.post(Role::HelpDesk, path, &reason)
        .await
        .is(StatusCode::FORBIDDEN);
    desk.post(Role::Operator, path, &[])
        .await
        .is(StatusCode::BAD_REQUEST);
    desk.post_raw(Role::Operator, path, &reason)
        .await
        .is(StatusCode::FORBIDDEN);
    assert!(desk.changes().is_empty());
    desk.post(Role::Operator, path, &reason)
        .await
        .is(StatusCode::SEE_OTHER);
    assert_eq!(desk.changes()[0].reason.as_deref(), Some("she has it"));
    // The second click finds nothing, and is told so.
    let refusal = json!({ "error": "it is not on the list of missing mail", "hint": "look" });
    let api = "POST /api/landing/missing/06J8Z4K2M0001-0/dismiss";
    desk.says_with(api, StatusCode::NOT_FOUND, &refusal);
    desk.post(Role::Operator, path, &reason)
        .await
        .has("not on the list");
}

#[tokio::test]
async fn write_backs_show_their_progress_and_whom_they_did_not_carry() {
    let desk = desk(0, &json!([run("done"), run("running")]));
    let page = desk.get(Role::Operator, "/mailboxes").await;
    page.is(StatusCode::OK)
        .has("12 sent, 3 drafts")
        .has("1 of 5 users done")
        .has("value=\"2\" max=\"5\"")
        .has("the login is refused")
        .has("/mailboxes/runs/w2/stop")
        .lacks("/mailboxes/carry")
        .lacks("<script>alert");
    desk.get(Role::Viewer, "/mailboxes").await.lacks("/stop");
    desk.says("POST /api/writebacks/w2/stop", &run("stopped"));
    let reason = [("reason", "the platform is slow")];
    let page = desk
        .post(Role::Operator, "/mailboxes/runs/w2/stop", &reason)
        .await;
    page.is(StatusCode::SEE_OTHER);
    let done = desk.changes();
    assert_eq!(done[0].reason.as_deref(), Some("the platform is slow"));
}

#[tokio::test]
async fn a_write_back_is_looked_at_before_it_begins() {
    let desk = desk(0, &json!([]));
    let mut plan = carried();
    let skipped = json!([{ "reason": "no-imap", "text": HOSTILE, "users": 7, "example": HOSTILE }]);
    super::merge(
        &mut plan,
        &json!({ "users": 3, "skipped": skipped, "rows": [] }),
    );
    desk.says("POST /api/writebacks/plan", &plan);
    desk.says("POST /api/writebacks/start", &run("running"));
    let page = desk
        .get(Role::Operator, "/mailboxes/carry?backend=on%26prem")
        .await;
    page.is(StatusCode::OK)
        .has("nothing is done yet")
        .has("12 sent, 3 drafts")
        .has("7 users")
        .lacks("<script>alert");
    let asked = desk.changes();
    assert_eq!(asked[0].path, "/api/writebacks/plan?backend=on%26prem");
    assert_eq!(asked[0].body, Value::Null, "an empty list is everybody");
    desk.get(Role::Viewer, "/mailboxes/carry")
        .await
        .lacks("name=\"reason\"");
    let fields = [("backend", "onprem"), ("reason", "it is back")];
    desk.post(Role::Viewer, "/mailboxes/carry", &fields)
        .await
        .is(StatusCode::FORBIDDEN);
    let page = desk.post(Role::Operator, "/mailboxes/carry", &fields).await;
    page.is(StatusCode::SEE_OTHER);
    let done = desk.changes();
    let last = done.last().unwrap();
    assert_eq!(last.path, "/api/writebacks/start?backend=onprem");
    assert_eq!(last.reason.as_deref(), Some("it is back"));
}
