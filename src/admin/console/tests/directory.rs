//! The directory: its people, its sources, its generations, and the way back to one.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{Desk, HOSTILE};
use crate::admin::Role;

fn person(number: usize) -> Value {
    json!({ "address": format!("user{number:03}@example.org"), "home_now": "onprem",
            "name": HOSTILE, "aliases": ["a@example.org", "b@example.org"] })
}

fn generation(number: u64, cause: &str) -> Value {
    json!({ "number": number, "at": "2026-03-02T02:14:00Z", "author": HOSTILE,
            "reason": HOSTILE, "cause": cause, "source": "file", "pages": 1,
            "effect": { "added": 3, "changed": 2, "removed": 1, "deleted": 1, "moved": 4,
                        "bereft": 5, "of": 50_000, "names": [HOSTILE] } })
}

fn would(number: u64, needs_yes: Option<&str>) -> Value {
    json!({ "done": false, "generation": generation(number, "revert"), "open_conflicts": 0,
            "needs_yes": needs_yes })
}

#[tokio::test]
async fn people_are_found_page_by_page() {
    let desk = Desk::new();
    desk.says(
        "GET /api/backends",
        &json!([{ "name": "onprem", "health": "up", "reason": "", "since": "2026-03-02T02:14:00Z",
                  "override": null, "hosts": [], "waiting": 0, "protocol": "smtp" }]),
    );
    let people: Vec<Value> = (0..51).map(person).collect();
    desk.says("GET /api/directory/entries", &json!(people));
    for role in Role::ALL {
        let page = desk.get(role, "/directory/people").await;
        page.is(StatusCode::OK)
            .has("user049@example.org")
            .lacks("user050@example.org")
            .has("Numbers 1 to 50")
            .has("home onprem, that of its domain")
            .has("2 aliases")
            .has("/directory?address=user000%40example.org")
            .has("/trace?of=user000%40example.org")
            .has("/directory/people?skip=50")
            .lacks("Previous page")
            .lacks("<script>alert")
            .lacks("\u{202e}");
    }
    let path = "/directory/people?q=A%26b%2Fc&domain=example.org&home=onprem&kind=mailbox\
                &state=departed&skip=100";
    let page = desk.get(Role::Viewer, path).await;
    page.is(StatusCode::OK)
        .has("Numbers 101 to 150")
        .has("<option value=\"onprem\" selected>")
        .has("<option value=\"mailbox\" selected>")
        .has("<option value=\"departed\" selected>")
        .has("value=\"A&#38;b/c\"")
        .has("skip=50&#38;q=A%26b%2Fc&#38;domain=example.org&#38;home=onprem");
    let heard = desk.heard();
    assert_eq!(
        heard.last().unwrap().path,
        "/api/directory/entries?skip=100&limit=51&text=A%26b%2Fc&domain=example.org&home=onprem\
         &kind=mailbox&state=departed"
    );
    let mut gone = person(1);
    gone["departed"] = json!("2026-03-02T02:14:00Z");
    gone["home"] = json!("cloud");
    desk.says("GET /api/directory/entries", &json!([gone]));
    desk.get(Role::Viewer, "/directory/people?skip=18446744073709551615")
        .await
        .is(StatusCode::OK)
        .has("departed ")
        .has("<bdi>home cloud</bdi>")
        .lacks("Next page");
    desk.says("GET /api/directory/entries", &json!([]));
    desk.get(Role::Viewer, "/directory/people")
        .await
        .has("The first import fills the directory.");
    desk.get(Role::Viewer, "/directory/people?q=zzz")
        .await
        .has("Nobody matches");
    for wrong in ["skip=-1", "kind=robot", "state=lost", "recipient=ann"] {
        desk.get(Role::Viewer, &format!("/directory/people?{wrong}"))
            .await
            .is(StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn a_source_says_when_it_was_read_and_why_it_failed() {
    let desk = Desk::new();
    desk.says("GET /api/directory/conflicts", &json!([]));
    let status = json!({ "generation": 7, "entries": 2, "addresses": 5, "memory_bytes": 4096,
                         "open_conflicts": 0, "sources": [] });
    desk.says("GET /api/directory/status", &status);
    desk.get(Role::Viewer, "/directory")
        .await
        .is(StatusCode::OK)
        .has("None has said anything yet.")
        .has("href=\"/directory/people\"")
        .has("href=\"/directory/generations\"");
    let mut full = status;
    full["untaken"] = json!(HOSTILE);
    full["sources"] = json!([
        { "source": "ad", "at": "2026-03-02T02:50:00Z", "took_ms": 3, "error": HOSTILE,
          "failures": 3, "good_at": "2026-03-01T02:14:00Z", "people": 1200, "left_out": [HOSTILE],
          "more_left_out": 2, "generation": 6 },
        { "source": "new", "at": null, "took_ms": 0, "error": null, "failures": 0,
          "good_at": null, "people": 0, "left_out": [], "more_left_out": 0, "generation": null },
    ]);
    full["origins"] = json!([
        { "source": "ad", "names": 1200, "departed": 0, "last": null },
        { "source": HOSTILE, "names": 1, "departed": 4, "last": generation(5, "import") },
        { "source": "hand", "names": 2, "departed": 0, "last": null },
        { "source": "file", "names": 2, "departed": 0, "last": null },
        { "source": "hr", "names": 2, "departed": 0, "last": null },
    ]);
    desk.says("GET /api/directory/status", &full);
    let page = desk.get(Role::Viewer, "/directory").await;
    page.is(StatusCode::OK)
        .has("directory.file was not taken at the start")
        .has("gave 1\u{202f}200 recipients")
        .has("failed 3 times since")
        .has("made generation 6")
        .has("tideover directory sync ad")
        .has("not read yet")
        .has("names 1 recipient; 4 departed; last changed ")
        .has(", generation 5")
        .has("said by hand")
        .lacks("names 1\u{202f}200")
        .lacks("<script>alert");
    // What cannot be read now says why it has no button, and what to do instead.
    let page = desk.get(Role::Operator, "/directory").await;
    page.has("name=\"source\" value=\"ad\">Read it now")
        .lacks("value=\"hr\"")
        .lacks("value=\"hand\"")
        .has("It came as a file that somebody imported, and the file is not kept")
        .has("<code>tideover directory import NEWER.csv --source hr</code>")
        .has("When that is directory.file of the config, a reload reads it again.")
        .has("<code>tideover directory import NEWER.csv --source file</code>")
        .has("there is nothing to read again");
}

#[tokio::test]
async fn generations_are_paged_and_compared() {
    let desk = Desk::new();
    let latest = json!([generation(6, "sync"), generation(7, "revert")]);
    desk.says("GET /api/directory/generations", &latest);
    for role in Role::ALL {
        let page = desk.get(role, "/directory/generations").await;
        page.is(StatusCode::OK)
            .has("Generation 7</span> <span class=\"state done\">present")
            .has("/directory/diff?from=5&amp;to=6")
            .has("/directory/generations?before=6")
            .has("Of 50\u{202f}000 people 1 are gone, 4 get another home")
            .has("5 lose an address")
            .lacks("<script>alert");
        let may = role >= Role::Operator;
        assert_eq!(page.html.contains("/directory/revert/look"), may, "{role}");
        assert!(
            !page.html.contains("name=\"number\" value=\"7\""),
            "it is the present one"
        );
    }
    desk.get(Role::Viewer, "/directory/generations?done=7")
        .await
        .has("Generation 7 was made");
    desk.get(Role::Viewer, "/directory/generations?done=6")
        .await
        .lacks("was made");
    desk.says(
        "GET /api/directory/generations",
        &json!([generation(1, "file")]),
    );
    let page = desk
        .get(Role::Operator, "/directory/generations?before=2")
        .await;
    page.is(StatusCode::OK)
        .has("name=\"number\" value=\"1\"")
        .has("from=0&amp;to=1")
        .lacks("present</span>")
        .lacks("Earlier ones</a>");
    let heard = desk.heard();
    let asked = "/api/directory/generations?limit=50&before=2";
    assert_eq!(heard.last().unwrap().path, asked);
    desk.says("GET /api/directory/generations", &json!([]));
    desk.get(Role::Viewer, "/directory/generations")
        .await
        .has("The first import makes the first one.");
    desk.get(Role::Viewer, "/directory/generations?before=x")
        .await
        .is(StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_differs_is_shown_part_by_part() {
    let desk = Desk::new();
    let record = |home: &str| json!({ "address": "ann@example.org", "home": home });
    desk.says(
        "GET /api/directory/diff",
        &json!({ "from": 5, "to": 6, "total": 250, "changes": [
            { "source": HOSTILE, "id": "1", "before": record("onprem"), "after": record(HOSTILE) },
            { "source": "file", "id": "2", "before": null, "after": record("cloud") },
            { "source": "file", "id": "3", "before": record("cloud"), "after": null },
            { "source": "file", "id": "lost", "before": null, "after": null },
        ], "rulings": [{ "ruling": "ann@example.org", "before": null,
            "after": { "home": "cloud", "by": HOSTILE, "at": "2026-03-02T02:14:00Z" } }] }),
    );
    let page = desk
        .get(Role::Viewer, "/directory/diff?from=5&to=6&skip=100")
        .await;
    page.is(StatusCode::OK)
        .has("250 differences")
        .has("changed</span>")
        .has("added</span>")
        .has("removed</span>")
        .has("settled</span>")
        .has("<del><bdi>onprem</bdi></del>")
        .has("/directory/diff?from=5&#38;to=6&#38;skip=105")
        .has("/directory/diff?from=5&#38;to=6&#38;skip=0")
        .lacks("<script>alert");
    for wrong in ["", "?from=1", "?from=1&to=x"] {
        desk.get(Role::Viewer, &format!("/directory/diff{wrong}"))
            .await
            .is(StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn the_way_back_is_looked_at_and_then_taken() {
    let desk = Desk::new();
    let reverts = "POST /api/directory/revert";
    desk.says(reverts, &would(8, Some("more than 5 %")));
    let number = [("number", "3")];
    desk.post(Role::HelpDesk, "/directory/revert/look", &number)
        .await
        .is(StatusCode::FORBIDDEN);
    assert_eq!(desk.refused(), ["/api/directory/revert"], "written down");
    let look = desk
        .post(Role::Operator, "/directory/revert/look", &number)
        .await;
    look.is(StatusCode::OK)
        .has("nothing is done yet")
        .has("more than 5 %")
        .has("name=\"yes\" value=\"yes\" required")
        .has("/directory/diff?from=7&amp;to=3")
        .lacks("<script>alert");
    let looked = desk.changes().pop().unwrap().body;
    assert_eq!(
        (&looked["dry_run"], &looked["number"]),
        (&json!(true), &json!(3))
    );
    assert_eq!(looked["yes"], json!(false));

    // Without a reason, or without a look, nothing is asked for.
    let asked = desk.changes().len();
    for fields in [
        vec![("number", "3"), ("seen", "7")],
        vec![("number", "3"), ("reason", "x")],
    ] {
        desk.post(Role::Operator, "/directory/revert", &fields)
            .await
            .is(StatusCode::BAD_REQUEST);
    }
    desk.post_raw(
        Role::Operator,
        "/directory/revert",
        &[("number", "3"), ("seen", "7")],
    )
    .await
    .is(StatusCode::FORBIDDEN);
    assert_eq!(desk.changes().len(), asked);

    let mut fields = look.hidden();
    fields.push(("reason".to_owned(), "Tuesday was wrong".to_owned()));
    fields.push(("yes".to_owned(), "yes".to_owned()));
    let mut made = would(8, None);
    made["done"] = json!(true);
    desk.says(reverts, &made);
    let done = desk
        .send(Role::Operator, "/directory/revert", &fields)
        .await;
    done.is(StatusCode::SEE_OTHER);
    assert_eq!(done.headers["location"], "/directory/generations?done=8");
    let body = desk.changes().pop().unwrap().body;
    assert_eq!(
        body,
        json!({ "number": 3, "seen": 7, "actor": "olga", "reason": "Tuesday was wrong",
                "yes": true, "dry_run": false })
    );
}

/// Somebody else was faster, or it is more than the config lets through.
#[tokio::test]
async fn a_way_back_that_is_refused_is_shown_as_it_is_now() {
    let desk = Desk::new();
    let reverts = "POST /api/directory/revert";
    let why = json!({ "error": format!("the present generation is 9 now {HOSTILE}"), "hint": "h" });
    desk.says_with(reverts, StatusCode::BAD_REQUEST, &why);
    desk.then_says(reverts, StatusCode::OK, &would(10, None));
    let fields = [
        ("number", "3"),
        ("seen", "7"),
        ("reason", "Tuesday was wrong"),
    ];
    let page = desk
        .post(Role::Operator, "/directory/revert", &fields)
        .await;
    page.is(StatusCode::CONFLICT)
        .has("It was not done: <bdi>the present generation is 9 now")
        .has("name=\"seen\" value=\"9\"")
        .has("value=\"Tuesday was wrong\"")
        .lacks("name=\"yes\"")
        .lacks("<script>alert");
    let asked: Vec<_> = desk
        .changes()
        .into_iter()
        .map(|one| one.body["dry_run"].clone())
        .collect();
    assert_eq!(asked, [json!(false), json!(true)]);

    let nothing = json!({ "done": false, "generation": null, "open_conflicts": 0 });
    desk.says(reverts, &nothing);
    desk.post(Role::Operator, "/directory/revert/look", &[("number", "9")])
        .await
        .has("Nothing differs")
        .lacks("<form class=\"sheet");
    // There is no such generation.
    let gone = json!({ "error": "there is no generation 99, the last one is 9", "hint": "h" });
    desk.says_with(reverts, StatusCode::NOT_FOUND, &gone);
    desk.post(
        Role::Operator,
        "/directory/revert/look",
        &[("number", "99")],
    )
    .await
    .is(StatusCode::NOT_FOUND)
    .has("the last one is 9");
    desk.post(Role::Operator, "/directory/revert/look", &[("number", "x")])
        .await
        .is(StatusCode::BAD_REQUEST);
}
