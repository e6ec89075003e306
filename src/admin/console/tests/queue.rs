//! The queue, a message, and what is done to mail.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{Desk, HOSTILE, Page};
use crate::admin::Role;

pub(super) const ID: &str = "06J8Z4K2M0001";
pub(super) const NEXT: &str = "06J8Z4K2M0009";

pub(super) fn item(more: &Value) -> Value {
    let mut item = json!({
        "id": ID, "recipient": "ann@example.org", "state": "held", "reason": HOSTILE,
        "backend": "onprem", "due": null, "attempts": 2, "received": "2026-03-02T02:14:00Z",
        "from": HOSTILE, "subject": HOSTILE,
    });
    super::merge(&mut item, more);
    item
}

pub(super) fn selected(items: &[Value], next: Option<&str>) -> Value {
    json!({ "recipients": items.len(), "messages": [ID], "items": items, "seen": 200,
            "next": next })
}

pub(super) fn desk() -> Desk {
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

pub(super) fn is_safe(page: &Page) {
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
        // It takes out what is queued and what is held alike.
        page.lacks("deed=drop");
    }
    let asked = &desk.changes()[0];
    assert_eq!(asked.path, "/api/queue/select");
    assert_eq!(asked.body["state"], "held");
    assert_eq!(asked.body["fill"], true);
    assert_eq!(asked.body["selection"]["recipient"], "@example.org");
    assert_eq!(asked.body["selection"]["reason_kind"], "refused");
    assert!(asked.body["selection"]["accepted_before"].is_string());
}

/// A link that could only be refused is none.
#[tokio::test]
async fn only_what_goes_with_the_filter_is_offered() {
    let desk = desk();
    for (filter, drops, holds) in [
        ("", true, true),
        ("recipient=%40example.org", true, true),
        ("state=held", false, false),
        ("reason-kind=refused", true, false),
        ("hold=h1", true, false),
        ("older=2h", true, false),
    ] {
        let page = desk.get(Role::Admin, &format!("/queue?{filter}")).await;
        page.is(StatusCode::OK).has("deed=release");
        assert_eq!(page.html.contains("deed=drop"), drops, "{filter}");
        assert_eq!(page.html.contains("deed=hold"), holds, "{filter}");
        let is_less = page.html.contains("There is more without a state");
        assert_eq!(is_less, !(drops && holds), "{filter}");
    }
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

/// What a case holds is held: nothing of one message comes later that could be held, too.
#[tokio::test]
async fn of_a_message_only_what_can_be_done_is_offered() {
    let desk = desk();
    desk.says(&format!("GET /api/messages/{ID}"), &message());
    let path = "POST /api/queue/select";
    let (one, none) = (selected(&[item(&json!({}))], None), selected(&[], None));
    // Retry, release, hold, drop.
    desk.says(path, &none);
    for answer in [&one, &none, &one] {
        desk.then_says(path, StatusCode::OK, answer);
    }
    let page = desk.get(Role::Admin, &format!("/messages/{ID}")).await;
    page.is(StatusCode::OK)
        .has("deed=release")
        .has("deed=drop")
        .lacks("deed=retry")
        .lacks("deed=hold");
    let asked = desk.changes();
    let asked = asked.iter().map(|one| &one.body);
    let deeds: Vec<&Value> = asked.clone().map(|body| &body["deed"]).collect();
    assert_eq!(deeds, ["retry", "release", "hold", "drop"]);
    let mut whose = asked.map(|body| &body["selection"]["message"]);
    assert!(whose.all(|message| message == ID));
    // Who comes by an old link is told so; a rule for others still holds what comes later.
    desk.says(path, &none);
    let hold = format!("/queue/act?deed=hold&message={ID}");
    let page = desk.get(Role::Operator, &hold).await;
    page.is(StatusCode::OK)
        .has("is held already")
        .lacks("what comes later</button>");
    let hold = "/queue/act?deed=hold&sender=@x.example";
    let page = desk.get(Role::Operator, hold).await;
    page.has("what comes later</button>");
    // What cannot be asked is not left out.
    let refusal = json!({ "error": "not now", "hint": "look" });
    desk.says_with(path, StatusCode::SERVICE_UNAVAILABLE, &refusal);
    let page = desk.get(Role::Admin, &format!("/messages/{ID}")).await;
    page.has("deed=hold");
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
    // A ledger that cannot be read does not say that there is none.
    let refusal = json!({ "error": "the ledger cannot be read", "hint": "look at it" });
    let failed = StatusCode::SERVICE_UNAVAILABLE;
    desk.says_with("GET /api/trace", failed, &refusal);
    let page = desk.get(Role::Admin, &format!("/messages/{ID}")).await;
    page.is(failed).has("the ledger cannot be read");
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

/// A filter that is mistyped would mean all mail.
#[tokio::test]
async fn a_filter_that_nobody_knows_is_refused() {
    let desk = desk();
    for path in [
        "/queue?recpient=typo",
        "/queue/act?deed=drop&recpient=typo",
        "/?recpient=typo",
        "/config?recpient=typo",
        "/mailboxes?recpient=typo",
        "/waves?recpient=typo",
        "/drills?recpient=typo",
        "/holds?recpient=typo",
        "/me?recpient=typo",
        "/backends?recpient=typo",
        "/messages/06J8Z4K2M0001?recpient=typo",
        "/events?recpient=typo",
        "/audit?recpient=typo",
        "/trace?recpient=typo",
        "/users?recpient=typo",
        "/directory?recpient=typo",
        "/cases?recpient=typo",
    ] {
        let page = desk.get(Role::Admin, path).await;
        page.is(StatusCode::BAD_REQUEST)
            .has("this page has no &#34;recpient&#34;");
    }
    let fields = [
        ("deed", "drop"),
        ("recpient", "typo"),
        ("reason", "x"),
        ("shown", "9"),
    ];
    let page = desk.post(Role::Admin, "/queue/act", &fields).await;
    page.is(StatusCode::BAD_REQUEST).has("nothing was done");
    assert_eq!(desk.changes().len(), 0);
}

#[tokio::test]
async fn a_message_to_many_does_not_fill_the_page() {
    let desk = desk();
    let items: Vec<Value> = (0..20).map(|_| item(&json!({}))).collect();
    let mut view = selected(&items, None);
    let all: Vec<u16> = (0..900).collect();
    super::merge(
        &mut view,
        &json!({ "recipients": 900, "selected": { ID: all } }),
    );
    desk.says("POST /api/queue/select", &view);
    let page = desk.get(Role::Viewer, "/queue").await;
    page.is(StatusCode::OK)
        .has("and 880 more recipients of this message");
    assert_eq!(page.html.matches("of this message").count(), 1);
    assert_eq!(desk.changes().last().unwrap().body["per_message"], 20);
}

/// What waits for a backend looks held, and nobody holds it: the first step says so.
#[tokio::test]
async fn what_only_waits_for_a_backend_is_said_before() {
    let desk = desk();
    let mut view = selected(&[], None);
    super::merge(&mut view, &json!({ "behind": 968 }));
    desk.says("POST /api/queue/select", &view);
    for (deed, why) in [
        ("release", "nobody holds them"),
        ("retry", "they are not tried now"),
    ] {
        let path = format!("/queue/act?deed={deed}");
        let page = desk.get(Role::Operator, &path).await;
        page.is(StatusCode::OK)
            .has("968 more recipients wait for a backend that takes no mail now")
            .has(why)
            .has("there is nothing to do here");
    }
    desk.get(Role::Operator, "/queue/act?deed=hold&sender=@x.example")
        .await
        .is(StatusCode::OK)
        .lacks("968");
    // Who may not is told what it takes, and that is not the least role for any deed.
    let fields = [("deed", "drop"), ("backend", "onprem"), ("reason", "x")];
    for role in [Role::Viewer, Role::HelpDesk, Role::Operator] {
        let page = desk.post(role, "/queue/act", &fields).await;
        page.is(StatusCode::FORBIDDEN)
            .has("this takes the role admin");
    }
}

/// What a release would leave out is said before, and not when it is done only.
#[tokio::test]
async fn what_a_move_holds_is_said_before_a_release() {
    let desk = desk();
    let mut view = selected(&[item(&json!({}))], None);
    super::merge(&mut view, &json!({ "moving": 10 }));
    desk.says("POST /api/queue/select", &view);
    let told = "10 more recipients are of domains on the move, and stay until the move is finished";
    desk.get(Role::Operator, "/queue/act?deed=release&state=held")
        .await
        .is(StatusCode::OK)
        .has(told);
    desk.get(Role::Operator, "/queue/act?deed=retry")
        .await
        .is(StatusCode::OK)
        .lacks("on the move");
    super::merge(
        &mut view,
        &json!({ "recipients": 0, "messages": [], "items": [], "moving": 1 }),
    );
    desk.says("POST /api/queue/select", &view);
    desk.get(Role::Operator, "/queue/act?deed=release")
        .await
        .is(StatusCode::OK)
        .has("1 more recipient is of domains on the move, and stays")
        .has("Nobody else that waits matches");
}

/// A reply may have thousands of letters: its head is shown, and the rest opens.
#[tokio::test]
async fn a_long_reply_does_not_fill_the_page() {
    let desk = desk();
    let mut long = message();
    long["recipients"][0]["events"][0]["detail"] = json!("W".repeat(900));
    desk.says(&format!("GET /api/messages/{ID}"), &long);
    let page = desk.get(Role::Viewer, &format!("/messages/{ID}")).await;
    let shown = page.between("<summary><bdi>W", "</summary>");
    assert!(shown.len() < 400, "{shown}");
    page.has("<details class=\"long\">").has(&"W".repeat(900));
    desk.says(&format!("GET /api/messages/{ID}"), &message());
    let page = desk.get(Role::Viewer, &format!("/messages/{ID}")).await;
    page.lacks("<details class=\"long\">");
}
