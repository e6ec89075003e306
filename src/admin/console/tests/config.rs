//! The config that runs, and a reload.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{Desk, HOSTILE};
use crate::admin::Role;

fn view(disk: &Value) -> Value {
    let key = |name: &str, value: &str, from: &str, line: Option<usize>| {
        json!({ "name": name, "value": value, "from": from, "line": line,
                "meaning": "When `it` is *full*, mail gets `452`." })
    };
    json!({
        "file": "/etc/tideover/tideover.toml", "loaded": "2026-03-02T02:14:00Z", "disk": disk,
        "sections": [
            { "title": "[spool]", "line": null, "keys": [
                key("retain", "\"30d\"", "default", None), key("uuid", "", "unset", None)] },
            { "title": "[backend.onprem]", "line": 7, "keys": [
                key("title", &format!("\"{HOSTILE}\""), "file", Some(9)),
                key("auth", "the best offered", "words", None)] },
        ],
    })
}

fn same() -> Value {
    json!({ "state": "same", "problems": [], "changes": [], "directory": false, "mark": "0f&1" })
}

fn changed(state: &str) -> Value {
    json!({ "state": state, "problems": ["tideover.toml:6: spool.retain: \"x\" is no duration"],
            "changes": [{ "section": "[spool]", "key": "retain", "runs": "\"30d\"",
                          "says": "\"60d\"", "line": 6 },
                        { "section": "[backend.cloud]", "key": "mx", "runs": null,
                          "says": "\"c.example\"", "line": 8 }],
            "directory": false,
            "mark": (state == "changed").then_some("0f&1") })
}

#[tokio::test]
async fn hosts_and_paths_are_for_operators() {
    let desk = Desk::new();
    desk.says("GET /api/config", &view(&same()));
    for role in Role::ALL {
        let page = desk.get(role, "/config").await;
        let may = role >= Role::Operator;
        let status = if may {
            StatusCode::OK
        } else {
            StatusCode::FORBIDDEN
        };
        page.is(status);
        assert_eq!(page.html.contains("retain"), may, "{role}");
        assert_eq!(page.html.contains("href=\"/config\""), may, "{role}");
        let overview = desk.get(role, "/").await;
        assert_eq!(overview.html.contains("href=\"/config\""), may, "{role}");
    }
}

#[tokio::test]
async fn each_key_has_its_value_its_line_and_its_meaning() {
    let desk = Desk::new();
    desk.says("GET /api/config", &view(&same()));
    let page = desk.get(Role::Operator, "/config").await;
    page.has("/etc/tideover/tideover.toml")
        .has("The file is the one that runs.")
        .has("href=\"#s1\"")
        .has("id=\"s1\"")
        .has("line 9")
        .has("not in the file")
        .has("the best offered")
        .has("<code>452</code>")
        .lacks("<script>alert")
        .lacks("/config/reload");
    let page = desk.get(Role::Operator, "/config?q=ONPREM&set=yes").await;
    page.has("line 9")
        .lacks("the best offered")
        .lacks("[spool]");
    let page = desk.get(Role::Operator, "/config?q=retain").await;
    page.has("[spool]").lacks("line 9").lacks("uuid");
    let page = desk.get(Role::Operator, "/config?q=moon").await;
    page.has("No section and no key has that");
}

#[tokio::test]
async fn what_a_reload_would_change_is_shown_and_done_by_an_admin() {
    let desk = Desk::new();
    desk.says("GET /api/config", &view(&changed("changed")));
    desk.says("POST /api/reload", &json!({ "reloaded": true }));
    let page = desk.get(Role::Operator, "/config").await;
    page.has("nothing: it is new")
        .has("takes an admin")
        .lacks("/config/reload");
    let page = desk.get(Role::Admin, "/config").await;
    page.has("/config/reload")
        .has("line 6")
        .has("name=\"mark\" value=\"0f&#38;1\"");
    let reason = [("reason", "two weeks more")];
    let page = desk.post(Role::Operator, "/config/reload", &reason).await;
    page.is(StatusCode::FORBIDDEN);
    assert_eq!(desk.refused(), ["/api/reload?mark="]);
    let page = desk.post(Role::Admin, "/config/reload", &[]).await;
    page.is(StatusCode::BAD_REQUEST).has("there is no reason");
    assert!(desk.changes().is_empty());
    let shown = [("reason", "two weeks more"), ("mark", "0f&1")];
    let page = desk.post(Role::Admin, "/config/reload", &shown).await;
    page.is(StatusCode::SEE_OTHER);
    let heard = desk.changes();
    assert_eq!(heard.len(), 1);
    assert_eq!(heard[0].path, "/api/reload?mark=0f%261");
    assert_eq!(heard[0].reason.as_deref(), Some("two weeks more"));
}

#[tokio::test]
async fn what_is_refused_is_said_with_its_lines() {
    let desk = Desk::new();
    for state in ["refused", "restart"] {
        desk.says("GET /api/config", &view(&changed(state)));
        let page = desk.get(Role::Admin, "/config").await;
        page.has("A reload refuses it")
            .has("tideover.toml:6")
            .lacks("/config/reload");
    }
    // Somebody was faster than the page.
    let refusal = json!({ "error": "tideover.toml:3: x\ntideover.toml:4: y", "hint": "mend it" });
    desk.says_with(
        "POST /api/reload",
        StatusCode::UNPROCESSABLE_ENTITY,
        &refusal,
    );
    let page = desk
        .post(Role::Admin, "/config/reload", &[("reason", "x")])
        .await;
    page.is(StatusCode::UNPROCESSABLE_ENTITY)
        .has("tideover.toml:4: y")
        .has("mend it");
}
