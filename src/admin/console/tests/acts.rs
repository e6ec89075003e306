//! What is done to all mail that a filter names.

use std::time::Duration;

use axum::http::StatusCode;
use serde_json::json;

use super::queue::{NEXT, desk, is_safe, item, selected};
use super::{Desk, HOSTILE};
use crate::admin::Role;

#[tokio::test]
async fn first_it_is_shown_and_then_it_is_done_to_what_was_shown() {
    let desk = desk();
    let page = desk
        .get(Role::Operator, "/queue/act?deed=release&backend=onprem")
        .await;
    page.is(StatusCode::OK)
        .has("nothing is done yet")
        .has("1 recipient of 1 message")
        .has("name=\"shown-at\"")
        .has("href=\"/queue?backend=onprem\"")
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
        ("shown-at", "2026-03-02T02:51:00Z"),
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
        ("shown-at", "2026-03-02T02:51:00Z"),
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

/// What matches decides, and not how much was looked at for it.
#[tokio::test(start_paused = true)]
async fn few_that_match_among_many_are_dropped() {
    let desk = desk();
    let select = "POST /api/queue/select";
    let many = || {
        desk.says(select, &selected(&[item(&json!({}))], Some(NEXT)));
        for _ in 0..299 {
            let none = json!({ "recipients": 0, "messages": [], "items": [], "seen": 200,
                               "next": NEXT });
            desk.then_says(select, StatusCode::OK, &none);
        }
        desk.then_says(select, StatusCode::OK, &selected(&[item(&json!({}))], None));
    };
    many();
    let page = desk
        .get(Role::Admin, "/queue/act?deed=drop&sender=@spam.example")
        .await;
    page.is(StatusCode::OK)
        .has("Drop 2 recipients of 2 messages")
        .lacks("at least")
        .lacks("Count on");
    many();
    let mut fields = page.hidden();
    fields.push(("reason".to_owned(), "spam".to_owned()));
    let page = desk.send(Role::Admin, "/queue/act", &fields).await;
    page.is(StatusCode::OK)
        .has("3 recipients of 2 messages dropped.");
}

/// Thirty pages of the queue, with one of those who are meant on each.
fn thirty(desk: &Desk) {
    let select = "POST /api/queue/select";
    let more = selected(&[item(&json!({}))], Some(NEXT));
    desk.says(select, &more);
    for _ in 0..28 {
        desk.then_says(select, StatusCode::OK, &more);
    }
    let last = selected(&[item(&json!({}))], None);
    desk.then_says(select, StatusCode::OK, &last);
}

/// A count that takes long goes on, and nothing is dropped before its end.
#[tokio::test(start_paused = true)]
async fn a_long_count_goes_on_where_it_was() {
    let desk = desk();
    desk.takes(Duration::from_secs(1));
    let many = || thirty(&desk);
    many();
    let retry = desk.get(Role::Operator, "/queue/act?deed=retry").await;
    retry
        .is(StatusCode::OK)
        .has("Retry at least 5 recipients of 5 messages")
        .has("Count on");
    many();
    let mut page = desk
        .get(Role::Admin, "/queue/act?deed=drop&backend=onprem")
        .await;
    let mut looks = 1;
    while page.html.contains("Count on") {
        page.is(StatusCode::OK)
            .has("is not dropped: count on first")
            .lacks("name=\"shown\"");
        let on = page.between("href=\"/queue/act?", "\"");
        assert!(on.contains("shown-at="), "of the same moment: {on}");
        page = desk.get(Role::Admin, &format!("/queue/act?{on}")).await;
        looks += 1;
    }
    assert_eq!(looks, 6);
    page.is(StatusCode::OK)
        .has("Drop 30 recipients of 30 messages")
        .has("href=\"/queue?backend=onprem\"")
        .has("name=\"shown\" value=\"30\"");
    // It is counted again before, in two parts.
    many();
    let mut fields = page.hidden();
    fields.push(("reason".to_owned(), "spam".to_owned()));
    let page = desk.send(Role::Admin, "/queue/act", &fields).await;
    page.is(StatusCode::OK)
        .has("Nothing is dropped yet.")
        .has("at least 20 recipients");
    let heard = desk.changes();
    assert!(heard.iter().all(|one| one.path == "/api/queue/select"));
    let page = desk.send(Role::Admin, "/queue/act", &page.hidden()).await;
    page.is(StatusCode::OK)
        .has("3 recipients of 2 messages dropped.");
    let done = desk.changes();
    let done = &done.last().unwrap().body;
    assert_eq!(done["reason"], "spam");
    assert_eq!(done["which"]["selection"]["backend"], "onprem");
    assert!(done["which"].get("after").is_none(), "from the beginning");
    // More than was shown is found in the second part.
    many();
    let fields: Vec<(String, String)> = fields
        .into_iter()
        .map(|(name, text)| {
            let text = if name == "shown" {
                "25".to_owned()
            } else {
                text
            };
            (name, text)
        })
        .collect();
    let page = desk.send(Role::Admin, "/queue/act", &fields).await;
    let page = desk.send(Role::Admin, "/queue/act", &page.hidden()).await;
    page.is(StatusCode::BAD_REQUEST).has("nothing was dropped");
    let odd = "/queue/act?deed=drop&counted=x&counted-recipients=1&counted-messages=1";
    let page = desk.get(Role::Admin, odd).await;
    page.is(StatusCode::BAD_REQUEST)
        .has("does not go on from there");
}

/// An age that nobody typed is none, and one that a link brings is seen.
#[tokio::test]
async fn who_goes_back_has_what_he_typed() {
    let desk = desk();
    let page = desk
        .get(Role::Operator, "/queue/act?deed=release&older=2h")
        .await;
    page.is(StatusCode::OK)
        .has("href=\"/queue?older=2h\"")
        .has("name=\"before\"");
    let page = desk.get(Role::Operator, "/queue/act?deed=drop").await;
    page.is(StatusCode::FORBIDDEN);
    let page = desk.get(Role::Operator, "/queue/act?deed=retry").await;
    page.has("href=\"/queue?\"").lacks("name=\"before\"");
    let path = "/queue?before=2026-03-02T02:14:00Z";
    let page = desk.get(Role::Operator, path).await;
    page.is(StatusCode::OK)
        .has("<label for=\"before\">Accepted before</label>")
        .lacks("type=\"hidden\" name=\"before\"");
    desk.get(Role::Operator, "/queue")
        .await
        .lacks("name=\"before\"");
}

#[tokio::test]
async fn what_was_left_out_is_not_said_to_be_nobody() {
    let desk = desk();
    let page = desk.get(Role::Operator, "/queue/act?deed=retry").await;
    page.has("what waits for a backend that takes no mail");
    let none = json!({ "recipients": 0, "messages": 0, "under_way": 0, "moving": 0, "behind": 412,
                       "seen": 200, "next": null });
    desk.says("POST /api/queue/perform", &none);
    let fields = [("deed", "retry"), ("reason", "x")];
    let page = desk.post(Role::Operator, "/queue/act", &fields).await;
    page.is(StatusCode::OK)
        .has("Nothing was done now.")
        .has("412 more wait for a backend")
        .lacks("Nobody");
}

/// What was done is told, also when the rest of it fails; and the rest can be done.
#[tokio::test]
async fn a_rule_that_was_made_is_told_when_the_rest_fails() {
    let desk = desk();
    let hold = json!({ "name": "h1", "what": "sender @x.example", "selection": {},
                       "actor": "olga", "reason": "x", "since": "2026-03-02T02:51:00Z",
                       "until": null, "held": 0, "oldest": null });
    desk.says("POST /api/holds", &hold);
    let perform = "POST /api/queue/perform";
    let refusal = json!({ "error": format!("the index is gone {HOSTILE}"), "hint": "look at it" });
    let failed = StatusCode::SERVICE_UNAVAILABLE;
    desk.says_with(perform, failed, &refusal);
    let fields = [
        ("deed", "hold"),
        ("sender", "@x.example"),
        ("reason", "a flood"),
    ];
    let page = desk.post(Role::Operator, "/queue/act", &fields).await;
    page.is(failed)
        .has("Hold h1 is in force")
        .has("the index is gone")
        .has("Go on");
    is_safe(&page);
    let tally = json!({ "recipients": 3, "messages": 2, "under_way": 0, "moving": 0, "behind": 0,
                        "seen": 200, "next": null });
    desk.says(perform, &tally);
    let page = desk
        .send(Role::Operator, "/queue/act", &page.hidden())
        .await;
    page.is(StatusCode::OK)
        .has("3 recipients of 2 messages held.");
    let made = desk.changes();
    let made = made.iter().filter(|one| one.path == "/api/holds").count();
    assert_eq!(made, 1, "the rule is not made twice");
    // A page that fails behind others hides none of them.
    let part = json!({ "recipients": 3, "messages": 2, "under_way": 0, "moving": 0, "seen": 200,
                       "next": NEXT });
    desk.says(perform, &part);
    desk.then_says(perform, failed, &refusal);
    let fields = [("deed", "retry"), ("reason", "x")];
    let page = desk.post(Role::Operator, "/queue/act", &fields).await;
    page.is(failed)
        .has("3 recipients of 2 messages due now so far.")
        .has("Then it stopped: the index is gone");
    assert!(
        page.hidden()
            .contains(&("after".to_owned(), NEXT.to_owned()))
    );
    // Where nothing was done only the fault is told.
    let page = desk.post(Role::Operator, "/queue/act", &fields).await;
    page.is(failed).has("the index is gone").lacks("so far");
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
async fn nobody_does_what_his_role_may_not_and_it_is_written_down() {
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
        (Role::Viewer, "drop", false),
        (Role::Operator, "retry", true),
        (Role::Admin, "drop", true),
    ] {
        let before = desk.heard().len();
        let dry = desk
            .get(role, &format!("/queue/act?deed={deed}&backend=onprem"))
            .await;
        let asked = desk.heard().len();
        let refused = desk.refused().len();
        let acted = desk.post(role, "/queue/act", &fields(deed)).await;
        let expected = if may {
            StatusCode::OK
        } else {
            StatusCode::FORBIDDEN
        };
        dry.is(expected);
        acted.is(expected);
        assert_eq!(asked > before, may, "{role} {deed}");
        let more: &[&str] = if may { &[] } else { &["/api/queue/perform"] };
        assert_eq!(desk.refused()[refused..], *more, "{role} {deed}");
    }
    let hold = [("deed", "hold"), ("sender", "@x.example"), ("reason", "x")];
    let page = desk.post(Role::HelpDesk, "/queue/act", &hold).await;
    page.is(StatusCode::FORBIDDEN).has("this takes operator");
    assert_eq!(desk.refused().last().unwrap(), "/api/holds");
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

/// The same button twice is one hold; and who still holds what another one let go is said.
#[tokio::test]
async fn a_hold_is_not_made_twice_and_the_next_one_is_named() {
    let desk = desk();
    let hold = json!({ "name": "h1", "what": "sender @x.example", "selection": {},
                       "actor": "ann", "reason": HOSTILE, "since": "2026-03-02T02:51:00Z",
                       "until": null, "held": 3, "oldest": null, "already": true });
    desk.says("POST /api/holds", &hold);
    let tally = json!({ "recipients": 0, "messages": 0, "under_way": 0, "moving": 0, "seen": 2,
                        "still_held": { "h2": 1, "@x.example": 2 }, "next": null });
    desk.says("POST /api/queue/perform", &tally);
    let fields = [
        ("deed", "hold"),
        ("sender", "@x.example"),
        ("reason", "a flood"),
    ];
    let page = desk.post(Role::Operator, "/queue/act", &fields).await;
    page.is(StatusCode::OK)
        .has("Hold h1 holds sender @x.example already (by ann:")
        .has("No second one is made.");
    is_safe(&page);
    desk.says("POST /api/holds/end", &json!([hold]));
    let fields = [("name", "h1"), ("reason", "enough")];
    let page = desk.post(Role::Operator, "/holds/end", &fields).await;
    page.is(StatusCode::OK)
        .has("Nothing was done now.")
        .has("Hold h1 has ended.")
        .has("1 recipient waits on because of hold h2.")
        .has("2 recipients wait on because of the move of x.example.");
}
