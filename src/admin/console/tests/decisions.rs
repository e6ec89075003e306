//! Cases, holds and moves, and the directory.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{Desk, HOSTILE, merge};
use crate::admin::Role;

const CASE: &str = "c1a2b3c4d5e6";

fn case(more: &Value) -> Value {
    let mut case = json!({
        "id": CASE, "backend": "cloud", "code": 550, "enhanced": "5.4.1", "text": HOSTILE,
        "cause": "recipient", "recipients": 412, "waiting": 7, "since": "2026-03-02T02:14:00Z",
        "trial": null, "advice": "is the directory right?", "rejecting": HOSTILE,
        "reply": HOSTILE,
        "members": [{ "id": "06J8Z4K2M0001", "recipient": "ann@example.org", "from": HOSTILE,
                      "since": "2026-03-02T02:14:00Z" }],
    });
    merge(&mut case, more);
    case
}

fn desk() -> Desk {
    let desk = Desk::new();
    desk.says("GET /api/cases", &json!([case(&json!({}))]));
    desk.says(&format!("GET /api/cases/{CASE}"), &case(&json!({})));
    let trial = json!({ "actor": "olga", "reason": "x", "at": "2026-03-02T02:14:00Z",
                        "id": "06J8Z4K2M0001", "recipient": 0, "outcome": "trying" });
    let released = json!({ "id": CASE, "trial": trial, "recipients": 412 });
    desk.says(&format!("POST /api/cases/{CASE}/release"), &released);
    let tally = json!({ "recipients": 3, "messages": 2, "under_way": 0, "moving": 0, "seen": 2,
                        "next": null });
    desk.says(&format!("POST /api/cases/{CASE}/bounce"), &tally);
    desk.says("POST /api/queue/perform", &tally);
    desk.says("GET /api/holds", &json!([hold()]));
    desk.says(
        "GET /api/moves",
        &json!([{
            "domain": "example.org", "state": "moving", "since": "2026-03-02T02:14:00Z",
            "ended": null, "held": 9, "oldest": null, "actor": HOSTILE, "reason": HOSTILE,
            "home": null,
        }]),
    );
    desk.says("POST /api/holds/end", &json!([hold()]));
    desk
}

fn hold() -> Value {
    json!({ "name": "h1", "what": HOSTILE, "selection": {}, "actor": HOSTILE, "reason": HOSTILE,
            "since": "2026-03-02T02:14:00Z", "until": null, "held": 3, "oldest": null })
}

#[tokio::test]
async fn a_case_is_shown_to_all_and_decided_by_who_may() {
    let desk = desk();
    for role in Role::ALL {
        desk.get(role, "/cases")
            .await
            .is(StatusCode::OK)
            .has("412 recipients")
            .lacks("<script>a");
        let page = desk.get(role, &format!("/cases/{CASE}")).await;
        page.is(StatusCode::OK)
            .has("is the directory right?")
            .lacks("<script>alert");
        assert_eq!(page.html.contains("/release"), role >= Role::Operator);
        assert_eq!(page.html.contains("/bounce"), role >= Role::Admin);
    }
    let (release, bounce) = (
        format!("/cases/{CASE}/release"),
        format!("/cases/{CASE}/bounce"),
    );
    let reason = [("reason", "mended")];
    desk.post(Role::HelpDesk, &release, &reason)
        .await
        .is(StatusCode::FORBIDDEN);
    desk.post(Role::Operator, &release, &[])
        .await
        .is(StatusCode::BAD_REQUEST);
    let unsure = desk.post(Role::Admin, &bounce, &reason).await;
    unsure.is(StatusCode::BAD_REQUEST).has("was not ticked");
    let sure = [("reason", "gone for good"), ("sure", "yes")];
    desk.post(Role::Operator, &bounce, &sure)
        .await
        .is(StatusCode::FORBIDDEN);
    let both = ["release", "bounce"].map(|what| format!("/api/cases/{CASE}/{what}"));
    assert_eq!(desk.refused(), both, "written down");
    assert_eq!(desk.changes().len(), 0);
    let page = desk.post(Role::Operator, &release, &reason).await;
    page.is(StatusCode::SEE_OTHER);
    assert_eq!(
        page.headers["location"],
        format!("/cases/{CASE}?done=trying").as_str()
    );
    desk.post(Role::Admin, &bounce, &sure)
        .await
        .is(StatusCode::OK)
        .has("3 recipients of 2 messages bounced; senders who proved to be senders are told.");
    let done = desk.changes();
    assert_eq!(done.len(), 2);
    assert_eq!(done[0].body, json!({ "actor": "olga", "reason": "mended" }));
    assert_eq!(
        done[1].body,
        json!({ "actor": "olga", "reason": "gone for good" })
    );
    desk.get(Role::Viewer, "/cases/nothing")
        .await
        .is(StatusCode::NOT_FOUND);
}

/// What is said to be done is what was done, and not what a link says.
#[tokio::test]
async fn of_a_decision_only_what_is_true_is_said() {
    let desk = desk();
    let none = json!({ "recipients": 0, "messages": 0, "under_way": 0, "moving": 0, "seen": 0,
                       "next": null });
    desk.says(&format!("POST /api/cases/{CASE}/bounce"), &none);
    let sure = [("reason", "gone for good"), ("sure", "yes")];
    let page = desk
        .post(Role::Admin, &format!("/cases/{CASE}/bounce"), &sure)
        .await;
    page.is(StatusCode::OK)
        .has("nothing was done")
        .lacks("are told");
    for done in ["bounced", "released"] {
        let page = desk.get(Role::Viewer, &format!("/cases?done={done}")).await;
        page.is(StatusCode::OK).lacks("role=\"status\"");
    }
    let shown = |done: &str| format!("/cases/{CASE}?done={done}");
    for done in ["trying", "refused"] {
        let page = desk.get(Role::Viewer, &shown(done)).await;
        page.is(StatusCode::OK).lacks("role=\"status\"");
    }
    let trial = json!({ "actor": "olga", "reason": "x", "at": "2026-03-02T02:14:00Z",
                        "id": "06J8Z4K2M0001", "recipient": 0, "outcome": "trying" });
    let tried = case(&json!({ "trial": trial }));
    desk.says(&format!("GET /api/cases/{CASE}"), &tried);
    let page = desk.get(Role::Viewer, &shown("refused")).await;
    page.is(StatusCode::OK).lacks("role=\"status\"");
    let page = desk.get(Role::Viewer, &shown("trying")).await;
    page.has("the others follow it");
    let mut trial = trial;
    trial["outcome"] = json!({ "released": { "at": "2026-03-02T02:14:00Z" } });
    let released = json!({ "id": CASE, "trial": trial, "recipients": 0 });
    desk.says(&format!("POST /api/cases/{CASE}/release"), &released);
    let page = desk
        .post(
            Role::Operator,
            &format!("/cases/{CASE}/release"),
            &[("reason", "mended")],
        )
        .await;
    page.is(StatusCode::OK)
        .has(&format!("Case {CASE} is released."));
}

#[tokio::test]
async fn final_refusals_are_listed_apart() {
    let desk = desk();
    desk.says("GET /api/cases?final=true", &json!([]));
    let page = desk.get(Role::Viewer, "/cases?final=1").await;
    page.is(StatusCode::OK)
        .has("No content was refused for good");
}

/// Whoever bounces tells senders that it failed.
#[tokio::test]
async fn a_case_says_what_may_have_arrived() {
    let desk = desk();
    let path = format!("/cases/{CASE}");
    let page = desk.get(Role::Viewer, &path).await;
    page.is(StatusCode::OK).lacks("may have it all the same");
    let doubtful = case(&json!({ "uncertain": 2 }));
    desk.says(&format!("GET /api/cases/{CASE}"), &doubtful);
    let page = desk.get(Role::Viewer, &path).await;
    page.is(StatusCode::OK)
        .has("2 recipients may have it all the same");
}

#[tokio::test]
async fn what_is_over_offers_nothing_to_do() {
    let desk = desk();
    let over = case(&json!({ "is_final": true, "waiting": 0, "rejecting": null }));
    desk.says(&format!("GET /api/cases/{CASE}"), &over);
    for role in Role::ALL {
        desk.get(role, &format!("/cases/{CASE}"))
            .await
            .is(StatusCode::OK)
            .has("It is over")
            .lacks("/release")
            .lacks("/bounce");
    }
    desk.says(&format!("GET /api/cases/{CASE}"), &case(&json!({})));
    let page = desk.get(Role::Admin, &format!("/cases/{CASE}")).await;
    page.has("/release").lacks("It is over");
}

#[tokio::test]
async fn a_hold_ends_with_a_reason_and_its_mail_goes_on() {
    let desk = desk();
    for role in Role::ALL {
        let page = desk.get(role, "/holds").await;
        page.is(StatusCode::OK)
            .has("/queue?hold=h1")
            .has("/queue?hold=%40example.org")
            .lacks("<script>alert");
        assert_eq!(page.html.contains("/holds/end"), role >= Role::Operator);
    }
    let fields = [("name", "h1"), ("reason", "over")];
    desk.post(Role::HelpDesk, "/holds/end", &fields)
        .await
        .is(StatusCode::FORBIDDEN);
    assert_eq!(desk.refused(), ["/api/holds/end"], "written down");
    desk.post(Role::Operator, "/holds/end", &[("name", "h1")])
        .await
        .is(StatusCode::BAD_REQUEST);
    for name in ["", "@example.org"] {
        let fields = [("name", name), ("reason", "x")];
        let page = desk.post(Role::Operator, "/holds/end", &fields).await;
        page.is(StatusCode::BAD_REQUEST).has("no hold is named");
    }
    assert_eq!(desk.changes().len(), 0);
    let page = desk.post(Role::Operator, "/holds/end", &fields).await;
    page.is(StatusCode::OK)
        .has("3 recipients of 2 messages in the queue again.");
    let done = desk.changes();
    assert_eq!(done[0].path, "/api/holds/end");
    assert_eq!(done[0].body["which"]["selection"], json!({ "hold": "h1" }));
    assert_eq!(done[1].body["deed"], "resume");
    assert_eq!(done[1].body["which"]["selection"]["hold"], "h1");
    assert_eq!(done[1].body["reason"], "over");
    // It has ended, also when its mail stays for now.
    let refusal = json!({ "error": "the index is gone", "hint": "look at it" });
    let failed = StatusCode::SERVICE_UNAVAILABLE;
    desk.says_with("POST /api/queue/perform", failed, &refusal);
    let page = desk.post(Role::Operator, "/holds/end", &fields).await;
    page.is(failed)
        .has("Hold h1 has ended.")
        .has("the index is gone")
        .has("Go on");
}

fn directory_desk() -> Desk {
    let desk = Desk::new();
    desk.says(
        "GET /api/directory/status",
        &json!({
            "generation": 4, "entries": 12_345, "addresses": 20_000, "memory_bytes": 1,
            "open_conflicts": 1,
            "sources": [{ "source": "ad", "at": null, "took_ms": 1, "error": HOSTILE, "failures": 3,
                          "good_at": null, "people": 4, "left_out": [HOSTILE], "more_left_out": 2,
                          "generation": null }],
        }),
    );
    desk.says(
        "GET /api/directory/conflicts",
        &json!([{
            "kind": "address", "address": "info@example.org", "owner": "ann@example.org",
            "owner_record": "ad/1", "claimant": "bob@example.org", "claimant_record": HOSTILE,
            "settled": null,
        }]),
    );
    desk
}

#[tokio::test]
async fn an_address_is_explained() {
    let desk = directory_desk();
    let page = desk.get(Role::Viewer, "/directory").await;
    page.is(StatusCode::OK)
        .has("1 conflict is open")
        .has("tideover directory settle info@example.org --owner ann@example.org")
        .lacks("<script>alert");
    desk.says(
        "GET /api/directory",
        &json!({
            "generation": 4, "at": null, "entries": 1, "addresses": 1, "address": "ann@example.org",
            "entry": { "address": "ann@example.org", "name": HOSTILE }, "found_by": "address",
            "sources": {},
        }),
    );
    desk.says(
        "GET /api/explain",
        &json!({
            "address": "ann@example.org", "home": "onprem", "decision": "hold", "backend": "onprem",
            "delivery_address": null, "reason": HOSTILE, "steps": ["one", HOSTILE],
            "nearly": [],
        }),
    );
    let page = desk
        .get(Role::Viewer, "/directory?address=ann%40example.org")
        .await;
    page.is(StatusCode::OK)
        .has("Its mail is held")
        .has("/trace?of=ann%40example.org")
        .lacks("<script>alert");
    let refusal = json!({ "error": "\"ann\" is no address", "hint": "expected ann@example.org" });
    desk.says_with("GET /api/directory", StatusCode::BAD_REQUEST, &refusal);
    let page = desk.get(Role::Viewer, "/directory?address=ann").await;
    page.has("is no address")
        .has("expected ann@example.org")
        .has("value=\"ann\"");
}

/// Who was logged out comes back to the page of his form; nobody is led to another site.
#[tokio::test]
async fn what_was_not_done_leads_back_to_its_page() {
    let desk = Desk::new();
    let page = desk.get(Role::Viewer, "/undone?page=/cases/c1").await;
    page.is(StatusCode::OK)
        .has("It was not done")
        .has("href=\"/cases/c1\">Back to Cases<");
    for evil in [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "",
    ] {
        let path = format!("/undone?page={evil}");
        let page = desk.get(Role::Viewer, &path).await;
        page.is(StatusCode::OK).has("href=\"/\">Back to Overview<");
    }
    assert!(desk.changes().is_empty());
}

/// Who has an address from a notice or from memory hears what is not there.
#[tokio::test]
async fn what_is_not_there_is_named() {
    let desk = desk();
    let page = desk.get(Role::Viewer, "/holds/h1").await;
    page.is(StatusCode::SEE_OTHER);
    assert_eq!(page.headers["location"], "/holds#h1");
    desk.get(Role::Viewer, "/holds/h999")
        .await
        .is(StatusCode::NOT_FOUND)
        .has("no hold &#34;h999&#34; is in force");
    let refusal = json!({ "error": "there is no replay r99", "hint": "list them" });
    desk.says_with("GET /api/replays/r99", StatusCode::NOT_FOUND, &refusal);
    for path in ["/replays/r99", "/replays/r99/start"] {
        let page = desk.get(Role::Viewer, path).await;
        page.is(StatusCode::NOT_FOUND).has("there is no replay r99");
    }
    let page = desk.get(Role::Viewer, "/nosuch?x=1").await;
    page.is(StatusCode::NOT_FOUND).has("there is no such page");
    assert!(desk.changes().is_empty());
}
