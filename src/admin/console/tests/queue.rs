//! The queue, a message, and what is done to mail.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{Desk, HOSTILE, Page};
use crate::admin::Role;

const ID: &str = "06J8Z4K2M0001";
const NEXT: &str = "06J8Z4K2M0009";

fn item(more: &Value) -> Value {
    let mut item = json!({
        "id": ID, "recipient": "ann@example.org", "state": "held", "reason": HOSTILE,
        "backend": "onprem", "due": null, "attempts": 2, "received": "2026-03-02T02:14:00Z",
        "from": HOSTILE, "subject": HOSTILE,
    });
    super::merge(&mut item, more);
    item
}

fn selected(items: &[Value], next: Option<&str>) -> Value {
    json!({ "recipients": items.len(), "messages": [ID], "items": items, "seen": 200,
            "next": next })
}

fn desk() -> Desk {
    let desk = Desk::new();
    desk.says("GET /api/backends", &json!([]));
    desk.says(
        "POST /api/queue/select",
        &selected(&[item(&json!({}))], None),
    );
    let tally = json!({ "recipients": 3, "messages": 2, "under_way": 1, "moving": 0, "behind": 4,
                        "seen": 200, "next": null });
    desk.says("POST /api/queue/perform", &tally);
    desk
}

fn is_safe(page: &Page) {
    page.lacks("<script>alert")
        .lacks("</section><script")
        .lacks("\u{202e}");
}

#[tokio::test]
async fn what_waits_is_shown_and_the_filter_is_what_the_api_is_asked_for() {
    let desk = desk();
    let path = "/queue?state=held&recipient=%40example.org&older=2h&reason-kind=refused";
    for role in Role::ALL {
        let page = desk.get(role, path).await;
        page.is(StatusCode::OK)
            .has("ann@example.org")
            .has(&format!("/messages/{ID}"));
        is_safe(&page);
        assert_eq!(
            page.html.contains("deed=release"),
            role >= Role::Operator,
            "{role}"
        );
        assert_eq!(
            page.html.contains("deed=drop"),
            role >= Role::Admin,
            "{role}"
        );
    }
    let asked = &desk.changes()[0];
    assert_eq!(asked.path, "/api/queue/select");
    assert_eq!(asked.body["state"], "held");
    assert_eq!(asked.body["fill"], true);
    assert_eq!(asked.body["selection"]["recipient"], "@example.org");
    assert_eq!(asked.body["selection"]["reason_kind"], "refused");
    assert!(asked.body["selection"]["accepted_before"].is_string());
}

#[tokio::test]
async fn an_empty_queue_and_one_without_matches_are_told_apart() {
    let desk = desk();
    desk.says("POST /api/queue/select", &selected(&[], None));
    desk.get(Role::Viewer, "/queue")
        .await
        .has("Nothing waits")
        .lacks("Next page");
    let page = desk.get(Role::Viewer, "/queue?state=held").await;
    page.has("Nothing that waits matches").has("Show all");
    // A filter that finds little does not look for ever.
    let before = desk.changes().len();
    desk.says("POST /api/queue/select", &selected(&[], Some(NEXT)));
    let page = desk.get(Role::Viewer, "/queue?state=held").await;
    page.has("Look further")
        .has(&format!("state=held&#38;after={NEXT}"))
        .has("4000 messages");
    assert_eq!(desk.changes().len() - before, 20);
    assert_eq!(desk.changes().last().unwrap().body["after"], NEXT);
}

#[tokio::test]
async fn what_is_typed_wrong_is_said_beside_it() {
    let desk = desk();
    for (path, expected) in [
        (
            "/queue?recipient=%3Cscript%3E",
            "expected for example ann@example.org",
        ),
        ("/queue?state=lost", "expected queued or held"),
        ("/queue?older=soon", "expected for example 30m, 2h or 7d"),
        ("/queue?after=x", "does not go on from there"),
    ] {
        let page = desk.get(Role::Admin, path).await;
        page.is(StatusCode::BAD_REQUEST)
            .has(expected)
            .has("name=\"recipient\"")
            .lacks("<script>")
            .lacks("deed=");
    }
    let refusal = json!({ "error": "there is no backend \"x\"", "hint": "look" });
    desk.says_with("POST /api/queue/select", StatusCode::NOT_FOUND, &refusal);
    let page = desk.get(Role::Viewer, "/queue?backend=x").await;
    page.is(StatusCode::BAD_REQUEST).has("there is no backend");
}

#[tokio::test]
async fn first_it_is_shown_and_then_it_is_done_to_what_was_shown() {
    let desk = desk();
    let page = desk
        .get(Role::Operator, "/queue/act?deed=release&backend=onprem")
        .await;
    page.is(StatusCode::OK)
        .has("nothing is done yet")
        .has("1 recipient of 1 message")
        .has("name=\"before\"")
        .has("name=\"backend\" value=\"onprem\"");
    is_safe(&page);
    assert!(
        desk.changes()
            .iter()
            .all(|one| one.path == "/api/queue/select")
    );
    let fields = [
        ("deed", "release"),
        ("backend", "onprem"),
        ("before", "2026-03-02T02:51:00Z"),
        ("reason", "it is mended"),
    ];
    let page = desk.post(Role::Operator, "/queue/act", &fields).await;
    page.is(StatusCode::OK)
        .has("3 recipients of 2 messages released.")
        .has("1 more are being tried")
        .has("4 more wait for a backend");
    let done = desk.changes();
    let done = done.last().unwrap();
    assert_eq!(done.path, "/api/queue/perform");
    assert_eq!(done.body["deed"], "release");
    assert_eq!(done.body["actor"], "olga");
    assert_eq!(done.body["reason"], "it is mended");
    let selection = &done.body["which"]["selection"];
    assert_eq!(selection["accepted_before"], "2026-03-02T02:51:00.000Z");
    assert_eq!(selection["backend"], "onprem");
}

#[tokio::test]
async fn a_hold_is_a_rule_without_the_time_and_then_what_waits() {
    let desk = desk();
    let hold = json!({ "name": "h1", "what": "sender @x.example", "selection": {},
                       "actor": "olga", "reason": "x", "since": "2026-03-02T02:51:00Z",
                       "until": null, "held": 0, "oldest": null });
    desk.says("POST /api/holds", &hold);
    let fields = [
        ("deed", "hold"),
        ("sender", "@x.example"),
        ("reason", "a flood"),
    ];
    let page = desk.post(Role::Operator, "/queue/act", &fields).await;
    page.is(StatusCode::OK)
        .has("Hold h1 is in force")
        .has("held.");
    let done = desk.changes();
    assert_eq!(done[0].path, "/api/holds");
    let rule = json!({ "sender": "@x.example" });
    assert_eq!(
        done[0].body["which"]["selection"], rule,
        "for ever, and not up to now"
    );
    assert_eq!(done[0].body["which"]["all"], false);
    assert_eq!(done[1].path, "/api/queue/perform");
    let odd = [
        ("deed", "hold"),
        ("reason-kind", "refused"),
        ("reason", "x"),
    ];
    let page = desk.post(Role::Operator, "/queue/act", &odd).await;
    page.is(StatusCode::BAD_REQUEST).has("a hold names mail");
    assert_eq!(desk.changes().len(), 2);
}

#[tokio::test]
async fn no_rule_and_no_drop_goes_beyond_what_was_shown() {
    let desk = desk();
    let aged = "/queue/act?deed=hold&older=2h&sender=@x.example";
    let page = desk.get(Role::Operator, aged).await;
    page.is(StatusCode::BAD_REQUEST).has("cannot name an age");
    // Everything is held by who was shown that it is everything, and by nobody else.
    let page = desk.get(Role::Operator, "/queue/act?deed=hold").await;
    page.is(StatusCode::OK)
        .has("name=\"everything\" value=\"yes\"");
    let all = [
        ("deed", "hold"),
        ("before", "2026-03-02T02:51:00Z"),
        ("reason", "x"),
    ];
    let page = desk.post(Role::Operator, "/queue/act", &all).await;
    page.is(StatusCode::BAD_REQUEST)
        .has("everything that comes");
    // What would be dropped is counted again.
    let page = desk
        .get(Role::Admin, "/queue/act?deed=drop&backend=onprem")
        .await;
    page.is(StatusCode::OK).has("name=\"shown\" value=\"1\"");
    for shown in ["0", "", "x"] {
        let fields = [
            ("deed", "drop"),
            ("backend", "onprem"),
            ("reason", "x"),
            ("shown", shown),
        ];
        let page = desk.post(Role::Admin, "/queue/act", &fields).await;
        page.is(StatusCode::BAD_REQUEST).has("nothing was dropped");
    }
    let done = desk.changes();
    assert!(
        done.iter().all(|one| one.path == "/api/queue/select"),
        "{done:?}"
    );
}

#[tokio::test]
async fn what_takes_long_says_how_far_it_is_and_goes_on() {
    let desk = desk();
    let part = json!({ "recipients": 3, "messages": 2, "under_way": 0, "moving": 0, "seen": 200,
                       "next": NEXT });
    desk.says("POST /api/queue/perform", &part);
    // The stop ends a deed between two pages.
    desk.shutdown.signal();
    let fields = [
        ("deed", "retry"),
        ("reason", "x"),
        ("recipients", "10"),
        ("messages", "8"),
    ];
    let page = desk.post(Role::Operator, "/queue/act", &fields).await;
    page.is(StatusCode::OK)
        .has("13 recipients of 10 messages due now so far.")
        .has("Go on")
        .has(&format!("name=\"after\" value=\"{NEXT}\""));
}

#[tokio::test]
async fn nobody_does_what_his_role_may_not() {
    let desk = desk();
    let fields = |deed| {
        let shown = ("shown", "1");
        [
            ("deed", deed),
            ("reason", "x"),
            ("backend", "onprem"),
            shown,
        ]
    };
    for (role, deed, may) in [
        (Role::Viewer, "retry", false),
        (Role::HelpDesk, "release", false),
        (Role::Operator, "drop", false),
        (Role::Operator, "retry", true),
        (Role::Admin, "drop", true),
    ] {
        let before = desk.changes().len();
        let dry = desk
            .get(role, &format!("/queue/act?deed={deed}&backend=onprem"))
            .await;
        let asked = desk.changes().len();
        let acted = desk.post(role, "/queue/act", &fields(deed)).await;
        let expected = if may {
            StatusCode::OK
        } else {
            StatusCode::FORBIDDEN
        };
        dry.is(expected);
        acted.is(expected);
        assert_eq!(asked > before, may, "{role} {deed}");
        assert_eq!(desk.changes().len() > asked, may, "{role} {deed}");
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_before_anything_is_asked() {
    let desk = desk();
    for (fields, expected) in [
        (
            &[("deed", "explode"), ("reason", "x")][..],
            "nothing that can be done",
        ),
        (
            &[("deed", "drop"), ("state", "queued"), ("reason", "x")],
            "alike",
        ),
        (&[("deed", "drop"), ("reason", " ")], "there is no reason"),
        (
            &[("deed", "drop"), ("recipient", "x"), ("reason", "x")],
            "is no address",
        ),
        (
            &[("deed", "retry"), ("after", "x"), ("reason", "x")],
            "does not go on",
        ),
    ] {
        let page = desk.post(Role::Admin, "/queue/act", fields).await;
        page.is(StatusCode::BAD_REQUEST).has(expected);
    }
    let page = desk
        .post_raw(
            Role::Admin,
            "/queue/act",
            &[("deed", "drop"), ("reason", "x")],
        )
        .await;
    page.is(StatusCode::FORBIDDEN);
    assert_eq!(desk.changes().len(), 0);
}

fn message() -> Value {
    json!({
        "id": ID, "message_id": HOSTILE, "received": "2026-03-02T02:14:00Z", "from": "",
        "header_from": HOSTILE, "subject": HOSTILE, "size": 2048,
        "peer": { "address": "192.0.2.1:25", "helo": HOSTILE, "protocol": "ESMTP", "tls": null,
                  "user": null },
        "recipients": [{
            "address": "ann&bob@example.org", "state": "queued", "reason": HOSTILE,
            "backend": "onprem", "delivery_address": null, "reply": HOSTILE, "due": null,
            "attempts": 1, "uncertain": true,
            "events": [{ "at": "2026-03-02T02:14:00Z", "event": "deferred", "detail": HOSTILE }],
        }],
    })
}

#[tokio::test]
async fn a_message_is_shown_with_its_history_and_without_its_body() {
    let desk = desk();
    desk.says(&format!("GET /api/messages/{ID}"), &message());
    for role in Role::ALL {
        let page = desk.get(role, &format!("/messages/{ID}")).await;
        page.is(StatusCode::OK)
            .has("deferred")
            .has("a report or an automatic answer")
            .has("a copy has come twice")
            .has("/directory?address=ann%26bob%40example.org");
        is_safe(&page);
        assert_eq!(page.html.contains("deed=retry"), role >= Role::Operator);
        assert_eq!(page.html.contains("deed=drop"), role >= Role::Admin);
    }
    let page = desk.get(Role::Viewer, "/messages/..%2f..%2fx").await;
    page.is(StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_message_that_only_the_ledger_knows_is_shown_too() {
    let desk = desk();
    let mut gone = message();
    gone["recipients"][0]["state"] = json!("delivered");
    let traced = json!({ "messages": [gone], "more": false });
    desk.says("GET /api/trace", &traced);
    let page = desk.get(Role::Admin, &format!("/messages/{ID}")).await;
    page.is(StatusCode::OK).has("delivered").lacks("deed=");
    // A trace finds by other names, too: another message is not this one.
    let other = desk.get(Role::Admin, &format!("/messages/{NEXT}")).await;
    other.is(StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_trace_lists_what_it_finds_and_says_what_it_expects() {
    let desk = desk();
    desk.get(Role::Viewer, "/trace")
        .await
        .is(StatusCode::OK)
        .lacks("alert");
    let traced = json!({ "messages": [message()], "more": true, "ledger_gaps": 2 });
    desk.says("GET /api/trace", &traced);
    let page = desk.get(Role::Viewer, "/trace?of=ann%40example.org").await;
    page.is(StatusCode::OK)
        .has(ID)
        .has("There are older ones")
        .has("2 files of the ledger");
    is_safe(&page);
    let refusal = json!({ "error": format!("no message is known for {HOSTILE}"),
                          "hint": "expected a Message-ID" });
    desk.says_with("GET /api/trace", StatusCode::NOT_FOUND, &refusal);
    let page = desk.get(Role::Viewer, "/trace?of=x").await;
    page.has("expected a Message-ID").has("value=\"x\"");
    is_safe(&page);
}
