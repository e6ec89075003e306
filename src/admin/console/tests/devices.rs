//! Devices, shown and ended.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{Desk, HOSTILE, merge};
use crate::admin::Role;

fn device(more: &Value) -> Value {
    let mut device = json!({
        "name": "scanner-3", "way": "listed", "state": "full",
        "senders": ["@example.org"], "networks": [HOSTILE],
        "recipients": ["tax@office.example"], "expires": "2026-06-02T02:14:00Z",
        "daily_recipients": 2000, "today": 2000,
        "last_seen": "2026-03-02T02:14:00Z", "last_sender": HOSTILE,
        "last_refusal": { "at": "2026-03-02T02:14:00Z", "reply": HOSTILE },
        "made": "2026-03-02T02:14:00Z", "by": HOSTILE, "reason": HOSTILE,
    });
    merge(&mut device, more);
    device
}

fn erp(name: &str) -> Value {
    json!({
        "name": name, "way": "login", "state": "active", "senders": ["erp@example.org"],
        "networks": [], "recipients": [], "expires": null, "daily_recipients": null,
        "today": 7, "last_seen": null, "last_sender": null, "last_refusal": null,
        "made": "2026-03-02T02:14:00Z", "by": "ann", "reason": "",
    })
}

#[tokio::test]
async fn everybody_sees_what_devices_may_and_did() {
    let desk = Desk::new();
    desk.says("GET /api/devices", &json!([]));
    let empty = desk.get(Role::Viewer, "/devices").await;
    empty
        .is(StatusCode::OK)
        .has("There are none")
        .has("tideover device add NAME");
    desk.says("GET /api/devices", &json!([device(&json!({})), erp("erp")]));
    for role in Role::ALL {
        let page = desk.get(role, "/devices").await;
        page.is(StatusCode::OK)
            .has("scanner-3")
            .has("has sent what it may today")
            .has("tax@office.example")
            .has("logs in from anywhere")
            .has("never seen; recipients today: 7, without a limit")
            .has("tideover device renew NAME")
            .lacks("<script>alert");
        let offers = page.html.contains("/devices/scanner-3/end");
        assert_eq!(offers, role >= Role::Operator);
    }
    let found = desk.get(Role::Viewer, "/devices?q=ERP").await;
    found.has("1 found").lacks("scanner-3");
    let odd = desk.get(Role::Viewer, "/devices?Q=erp").await;
    odd.is(StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn many_devices_have_pages() {
    let desk = Desk::new();
    let all: Vec<Value> = (0..120)
        .map(|number| erp(&format!("erp-{number:03}")))
        .collect();
    desk.says("GET /api/devices", &json!(all));
    let first = desk.get(Role::Viewer, "/devices").await;
    first
        .has("120 found")
        .has("erp-049")
        .lacks("erp-050")
        .has("skip=50");
    let last = desk.get(Role::Viewer, "/devices?q=&skip=100").await;
    last.has("erp-119").lacks("erp-099").lacks("Next page");
    let beyond = desk
        .get(Role::Viewer, "/devices?skip=99999999999999999999")
        .await;
    beyond.is(StatusCode::BAD_REQUEST);
}

/// First it is shown, then it is done, with a reason, by who may.
#[tokio::test]
async fn a_device_is_ended_after_a_look() {
    let desk = Desk::new();
    desk.says("GET /api/devices/scanner-3", &device(&json!({})));
    desk.says("POST /api/devices/scanner-3/end", &device(&json!({})));
    desk.says("GET /api/devices", &json!([]));
    for role in Role::ALL {
        let page = desk.get(role, "/devices/scanner-3/end").await;
        page.is(StatusCode::OK)
            .has("nothing is done yet")
            .has("a stranger")
            .lacks("<script>alert");
        let offers = page.html.contains("<form class=\"sheet act\"");
        assert_eq!(offers, role >= Role::Operator);
    }
    assert!(desk.changes().is_empty(), "a look");
    let why = [("reason", "it was sold")];
    desk.post(Role::Viewer, "/devices/scanner-3/end", &why)
        .await
        .is(StatusCode::FORBIDDEN);
    desk.post(Role::Operator, "/devices/scanner-3/end", &[])
        .await
        .is(StatusCode::BAD_REQUEST);
    assert!(desk.changes().is_empty(), "without a reason");
    let done = desk
        .post(Role::Operator, "/devices/scanner-3/end", &why)
        .await;
    done.is(StatusCode::SEE_OTHER);
    let did = desk.changes();
    assert_eq!(did.len(), 1);
    assert_eq!(did[0].path, "/api/devices/scanner-3/end");
    assert_eq!(did[0].reason.as_deref(), Some("it was sold"));
    let after = desk.get(Role::Operator, "/devices?ended=scanner-3").await;
    after.has("scanner-3 is no device any more");
    // Who made it again meanwhile is not told that it is gone.
    desk.says("GET /api/devices", &json!([device(&json!({}))]));
    let there = desk.get(Role::Operator, "/devices?ended=scanner-3").await;
    there.lacks("is no device any more");
}
