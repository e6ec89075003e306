//! A conflict is settled, and a source is read, from the page of the directory.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{Desk, HOSTILE};
use crate::admin::Role;

const SETTLE: &str = "POST /api/directory/settle";
const SYNC: &str = "POST /api/directory/sync";

fn conflict(kind: &str, address: &str, settled: Option<&str>) -> Value {
    json!({ "kind": kind, "address": address, "owner": "bob@example.org",
            "owner_record": "file/7", "claimant": HOSTILE, "claimant_record": "ad/a b&c",
            "settled": settled })
}

fn source(error: Option<&str>) -> Value {
    json!({ "source": "ad", "at": "2026-03-02T02:50:00Z", "took_ms": 3, "error": error,
            "failures": 0, "good_at": "2026-03-01T02:14:00Z", "people": 12, "left_out": [],
            "more_left_out": 0, "generation": 6 })
}

fn desk() -> Desk {
    let desk = Desk::new();
    let mut homes = conflict("two-mailboxes", "ann@example.org", None);
    homes["homes"] = json!([
        { "home": "onprem", "source": "file" },
        { "home": "cloud", "source": "ad" },
    ]);
    desk.says(
        "GET /api/directory/conflicts",
        &json!([
            conflict("address", "info@example.org", None),
            homes,
            conflict("x500", "/o=x/cn=y", None),
            conflict("address", "old@example.org", Some("ann")),
        ]),
    );
    let status = json!({ "generation": 7, "entries": 2, "addresses": 5, "memory_bytes": 4096,
                         "open_conflicts": 3, "sources": [source(None)] });
    desk.says("GET /api/directory/status", &status);
    desk
}

/// It was done.
fn made() -> Value {
    let mut made = would(None);
    made["done"] = json!(true);
    made
}

fn would(needs_yes: Option<&str>) -> Value {
    json!({ "done": false, "open_conflicts": 0, "needs_yes": needs_yes,
            "generation": { "number": 8, "at": "2026-03-02T02:14:00Z", "author": "olga",
                            "reason": "", "cause": "settle", "source": null, "pages": 1,
                            "effect": { "added": 0, "changed": 1, "removed": 0, "deleted": 0,
                                        "moved": 1, "bereft": 0, "of": 50, "names": [HOSTILE] } } })
}

#[tokio::test]
async fn only_what_can_end_here_is_offered_and_only_to_who_may() {
    let desk = desk();
    for role in Role::ALL {
        let page = desk.get(role, "/directory").await;
        let may = role >= Role::Operator;
        for form in ["/directory/settle/look", "/directory/sync/look"] {
            assert_eq!(page.html.contains(form), may, "{role} {form}");
        }
        page.is(StatusCode::OK)
            .has("tideover directory settle info@example.org --owner bob@example.org")
            .has("tideover directory settle ann@example.org --home HOME")
            .lacks("settle /o=x")
            .has("Only its sources can end it")
            .lacks("<script>alert");
    }
    let page = desk.get(Role::Operator, "/directory").await;
    page.has("name=\"owner\" value=\"file/7\"")
        .has("name=\"owner\" value=\"ad/a b&#38;c\"")
        .has("name=\"home\" value=\"cloud\"")
        .has("cloud (ad) counts")
        .has("name=\"source\" value=\"ad\"")
        .lacks("value=\"old@example.org\"")
        .lacks("value=\"/o=x/cn=y\"");
    // What was done is said as long as it is so.
    for (path, told) in [
        (
            "/directory?settled=old@example.org",
            "old@example.org is settled.",
        ),
        ("/directory?read=ad", "ad was read, and is in force."),
    ] {
        desk.get(Role::Viewer, path).await.has(told);
    }
    desk.get(Role::Viewer, "/directory?settled=info@example.org")
        .await
        .lacks("is settled.");
    let status = json!({ "generation": 7, "entries": 2, "addresses": 5, "memory_bytes": 4096,
                         "open_conflicts": 3, "sources": [source(Some("it is away"))] });
    desk.says("GET /api/directory/status", &status);
    desk.get(Role::Viewer, "/directory?read=ad")
        .await
        .lacks("is in force.");
}

#[tokio::test]
async fn a_conflict_is_looked_at_and_then_settled() {
    let desk = desk();
    let mut seen = would(Some("more than 5 %"));
    seen["settles"] = json!("mail to info@example.org goes to bob@example.org instead");
    desk.says(SETTLE, &seen);
    let named = [("address", "info@example.org"), ("owner", "ad/a b&c")];
    desk.post(Role::HelpDesk, "/directory/settle/look", &named)
        .await
        .is(StatusCode::FORBIDDEN);
    assert_eq!(desk.refused(), ["/api/directory/settle"], "written down");
    let look = desk
        .post(Role::Operator, "/directory/settle/look", &named)
        .await;
    look.is(StatusCode::OK)
        .has("nothing is done yet")
        .has("mail to info@example.org goes to bob@example.org instead")
        .has("Of 50 people 0 are gone, 1 get another home")
        .has("name=\"yes\" value=\"yes\" required")
        .lacks("<script>alert");
    let looked = desk.changes().pop().unwrap().body;
    assert_eq!(looked["dry_run"], json!(true));
    assert_eq!(looked["owner"], json!("ad/a b&c"));

    // A look is a look, whatever is sent with it.
    let with_yes = [named[0], named[1], ("yes", "yes")];
    desk.post(Role::Operator, "/directory/settle/look", &with_yes)
        .await;
    let looked = desk.changes().pop().unwrap().body;
    assert_eq!(
        (&looked["dry_run"], &looked["yes"]),
        (&json!(true), &json!(false))
    );

    let asked = desk.changes().len();
    desk.post(Role::Operator, "/directory/settle", &named)
        .await
        .is(StatusCode::BAD_REQUEST)
        .has("there is no reason");
    assert_eq!(desk.changes().len(), asked);

    desk.says(SETTLE, &made());
    let mut fields: Vec<(String, String)> = look.hidden();
    let value = fields.iter_mut().find(|(name, _)| name == "owner").unwrap();
    assert_eq!(value.1, "ad/a b&c");
    fields.push(("reason".to_owned(), "Bob has left".to_owned()));
    fields.push(("yes".to_owned(), "yes".to_owned()));
    let done = desk
        .send(Role::Operator, "/directory/settle", &fields)
        .await;
    done.is(StatusCode::SEE_OTHER);
    let back = &done.headers["location"];
    assert_eq!(back, "/directory?settled=info%40example.org");
    assert_eq!(
        desk.changes().pop().unwrap().body,
        json!({ "address": "info@example.org", "owner": "ad/a b&c", "home": null,
                "actor": "olga", "reason": "Bob has left", "yes": true, "dry_run": false })
    );
}

#[tokio::test]
async fn what_is_refused_is_shown_as_it_is_now() {
    let desk = desk();
    let why = json!({ "error": format!("too many {HOSTILE}"), "hint": "say --yes" });
    desk.says_with(SETTLE, StatusCode::BAD_REQUEST, &why);
    desk.then_says(SETTLE, StatusCode::OK, &would(Some("9 of 50")));
    let fields = [
        ("address", "ann@example.org"),
        ("home", "cloud"),
        ("reason", "he lives there"),
    ];
    let page = desk
        .post(Role::Operator, "/directory/settle", &fields)
        .await;
    page.is(StatusCode::CONFLICT)
        .has("It was not done: <bdi>too many")
        .has("ann@example.org at cloud")
        .has("value=\"he lives there\"")
        .has("9 of 50")
        .lacks("<script>alert");
    let nothing = json!({ "done": false, "generation": null, "open_conflicts": 0 });
    desk.says(SETTLE, &nothing);
    desk.post(Role::Operator, "/directory/settle/look", &fields)
        .await
        .has("Nothing differs")
        .lacks("<form class=\"sheet");
}

#[tokio::test]
async fn a_source_is_read_now_and_one_that_fails_says_why() {
    let desk = desk();
    let read = |change: Value, error: Option<&str>| {
        let hint = error.map(|_| "look there");
        json!([{ "status": source(error), "change": change, "hint": hint }])
    };
    desk.says(SYNC, &read(would(None), None));
    let named = [("source", "ad")];
    let look = desk
        .post(Role::Operator, "/directory/sync/look", &named)
        .await;
    look.is(StatusCode::OK)
        .has("What ad says now")
        .has("1 changed")
        .has("action=\"/directory/sync\"");
    let mut fields = look.hidden();
    fields.push(("reason".to_owned(), "Eve has come".to_owned()));
    desk.says(SYNC, &read(made(), None));
    let done = desk.send(Role::Operator, "/directory/sync", &fields).await;
    done.is(StatusCode::SEE_OTHER);
    assert_eq!(done.headers["location"], "/directory?read=ad");
    assert_eq!(
        desk.changes().pop().unwrap().body,
        json!({ "source": "ad", "actor": "olga", "reason": "Eve has come", "yes": false,
                "dry_run": false })
    );
    desk.says(SYNC, &read(Value::Null, Some(HOSTILE)));
    let page = desk.send(Role::Operator, "/directory/sync", &fields).await;
    page.is(StatusCode::CONFLICT)
        .has("It was not done:")
        .has("look there")
        .lacks("Nothing differs")
        .lacks("<script>alert")
        .lacks("<form class=\"sheet");
    // Without a name all of them would be read.
    let asked = desk.changes().len();
    desk.post(Role::Operator, "/directory/sync/look", &[])
        .await
        .is(StatusCode::BAD_REQUEST);
    assert_eq!(desk.changes().len(), asked);
}

#[tokio::test]
async fn who_gets_an_address_is_told_by_name() {
    let desk = desk();
    desk.says(SETTLE, &would(None));
    for (owner, told) in [
        ("file/7", "info@example.org for bob@example.org (file/7)"),
        ("file/8", "info@example.org for file/8"),
    ] {
        let named = [("address", "info@example.org"), ("owner", owner)];
        let look = desk.post(Role::Operator, "/directory/settle/look", &named);
        look.await.has(told);
    }
}
