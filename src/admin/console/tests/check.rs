//! The config file, checked.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{Desk, HOSTILE};
use crate::admin::Role;

fn problem(what: &str) -> Value {
    json!({ "file": "/etc/t.toml", "line": 7, "key": "spool.retain", "what": what,
            "told": format!("/etc/t.toml:7: spool.retain: {what}") })
}

fn view() -> Value {
    json!({
        "ok": true, "file": "/etc/t.toml", "problems": [], "warnings": [],
        "open_relay": { "tried": 300, "worked": 0, "open": [] },
        "summary": ["listens on 127.0.0.1:25", "/etc/mx.crt is for mx.example.org",
                    "example.org goes to onprem", "filter rspamd answers: 3.4"],
        "certificates": [{ "file": "/etc/mx.crt", "first": true, "names": ["mx.example.org"],
                           "ends": "2026-05-02T02:14:00Z" }],
        "filters": [{ "name": "rspamd", "version": "3.4" },
                    { "name": "clamav", "trouble": HOSTILE }],
    })
}

#[tokio::test]
async fn operators_see_what_a_start_would_do_and_come_from_the_overview() {
    let desk = Desk::new();
    desk.says("GET /api/check", &view());
    for role in Role::ALL {
        let may = role >= Role::Operator;
        let overview = desk.get(role, "/").await;
        assert_eq!(overview.html.contains("href=\"/check\""), may, "{role}");
        let page = desk.get(role, "/check").await;
        if !may {
            page.is(StatusCode::FORBIDDEN).lacks("/etc/t.toml");
            continue;
        }
        page.is(StatusCode::OK)
            .has("<span class=\"state done\">good</span>")
            .has("listens on 127.0.0.1:25")
            .has("href=\"/check?online=yes\"")
            .lacks("<script>alert");
        for once in ["/etc/mx.crt", "rspamd"] {
            assert_eq!(page.html.matches(once).count(), 1, "{once}");
        }
    }
    let asked = desk.heard().pop().unwrap();
    assert_eq!(asked.path, "/api/check?online=false");
    desk.get(Role::Operator, "/check?depth=all")
        .await
        .is(StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_is_wrong_is_told_and_others_are_asked_when_it_is_wanted() {
    let desk = Desk::new();
    let mut wrong = view();
    wrong["ok"] = json!(false);
    wrong["problems"] = json!([problem(HOSTILE)]);
    wrong["open_relay"] = json!({ "tried": 3, "worked": 1, "open": [
        { "listener": "127.0.0.1:25", "mail": "<a@b.example>", "rcpt": "x%y@c.example",
          "lane": "@c.example" }] });
    let finding = |verdict: &str| json!({ "subject": "mx", "verdict": verdict, "text": HOSTILE });
    wrong["dns"] = json!({
        "wrong": 1, "waits": 1, "unanswered": 0, "resolvers": ["system"],
        "hostname": "mx.example.org", "addresses": [], "host": [finding("good")],
        "domains": [{ "domain": "example.org", "findings": [finding("wrong"), finding("waits")],
                      "waits": [HOSTILE], "wait_seconds": 3600, "said": [] }],
    });
    desk.says("GET /api/check", &wrong);
    let page = desk.get(Role::Operator, "/check?online=yes").await;
    page.is(StatusCode::OK)
        .has("something is wrong")
        .has("OPEN RELAY")
        .has("/etc/t.toml:7: spool.retain:")
        .has("The public DNS, as system and the servers")
        .has("<bdi>example.org</bdi>")
        .has("<span class=\"state trouble\">wrong</span>")
        .has("A cutover waits for:")
        .has("kept for up to 60 min")
        .lacks("<script>alert");
    assert_eq!(desk.heard().pop().unwrap().path, "/api/check?online=true");
    let mut odd = view();
    odd["warnings"] = json!([problem("odd")]);
    desk.says("GET /api/check", &odd);
    let page = desk.get(Role::Operator, "/check").await;
    page.has("good, with warnings").has("spool.retain: odd");
}
