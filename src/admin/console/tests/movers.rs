//! Replays and moves, from the plan to their end.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{Desk, HOSTILE};
use crate::admin::Role;

/// What the API says of a step that was looked at.
fn looked(checks: &[(&str, bool, &str)]) -> Value {
    let lines = checks.iter();
    let lines = lines.map(
        |(what, ok, weight)| json!({ "what": what, "ok": ok, "weight": weight, "detail": HOSTILE }),
    );
    json!({ "domain": "example.org", "step": "finish", "done": false, "permitted": false,
            "checks": lines.collect::<Vec<_>>(), "move": null })
}

fn done(checks: &[(&str, bool, &str)]) -> Value {
    let mut report = looked(checks);
    report["done"] = true.into();
    report["permitted"] = true.into();
    report
}

fn step(step: &'static str) -> [(&'static str, &'static str); 4] {
    [
        ("step", step),
        ("domain", "example.org"),
        ("home", "cloud"),
        ("reason", "the weekend"),
    ]
}

#[tokio::test]
async fn a_step_of_a_move_is_looked_at_before_it_is_taken() {
    let desk = Desk::new();
    let good = [("example.org is ours", true, "must")];
    desk.says("POST /api/moves/example.org", &looked(&good));
    for role in [Role::Viewer, Role::HelpDesk] {
        for path in ["/moves/look", "/moves/step"] {
            let page = desk.post(role, path, &step("finish")).await;
            page.is(StatusCode::FORBIDDEN);
        }
    }
    let unknown = desk.post(Role::Operator, "/moves/look", &step("fly")).await;
    unknown.is(StatusCode::NOT_FOUND);
    assert!(desk.changes().is_empty());
    let page = desk
        .post(Role::Operator, "/moves/look", &step("finish"))
        .await;
    page.is(StatusCode::OK)
        .has("nothing is done yet")
        .has("example.org is ours")
        .has("value=\"the weekend\"")
        .lacks("name=\"force\"")
        .lacks("<script>alert");
    let asked = desk.changes();
    assert_eq!(asked[0].body["dry_run"], true);
    assert_eq!(asked[0].body["home"], "cloud");
    desk.says("POST /api/moves/example.org", &done(&good));
    let page = desk
        .post(Role::Operator, "/moves/step", &step("finish"))
        .await;
    page.is(StatusCode::SEE_OTHER);
    let done = desk.changes();
    assert_eq!(done[1].body["dry_run"], false);
    assert_eq!(done[1].body["force"], "no");
    assert_eq!(done[1].body["reason"], "the weekend");
    // Only the end of a move gives a home.
    desk.post(Role::Operator, "/moves/step", &step("start"))
        .await;
    assert_eq!(desk.changes()[2].body["home"], Value::Null);
}

#[tokio::test]
async fn what_speaks_against_a_step_is_said_and_forced_knowingly_only() {
    let desk = Desk::new();
    let weak = [("cloud takes mail", false, "should")];
    desk.says("POST /api/moves/example.org", &looked(&weak));
    let page = desk
        .post(Role::Operator, "/moves/look", &step("finish"))
        .await;
    page.has("name=\"force\"").has("cloud takes mail");
    // Without the tick it is refused, and said.
    let page = desk
        .post(Role::Operator, "/moves/step", &step("finish"))
        .await;
    page.is(StatusCode::CONFLICT).has("It was not done");
    let mut forced = step("finish").to_vec();
    page.has("name=\"seen\" value=\"[&#34;cloud takes mail&#34;]\"");
    forced.push(("force", "yes"));
    desk.post(Role::Operator, "/moves/step", &forced).await;
    // Who sends no list has seen nothing.
    assert_eq!(desk.changes()[2].body["force"], "yes");
    assert_eq!(desk.changes()[2].body["seen"], json!([]));
    forced.push(("seen", "[\"cloud takes mail\"]"));
    desk.post(Role::Operator, "/moves/step", &forced).await;
    assert_eq!(desk.changes()[3].body["seen"], json!(["cloud takes mail"]));
    let never = [("example.org is ours", false, "must")];
    desk.says("POST /api/moves/example.org", &looked(&never));
    let page = desk
        .post(Role::Operator, "/moves/look", &step("finish"))
        .await;
    page.has("It cannot be done as long").lacks("/moves/step");
}

/// Where a domain arrives can be said where the page says that nobody has said it.
#[tokio::test]
async fn the_end_of_a_move_offers_the_homes() {
    let desk = Desk::new();
    desk.says(
        "GET /api/backends",
        &json!([backend("cloud"), backend("onprem")]),
    );
    let good = [("example.org is ours", true, "must")];
    desk.says("POST /api/moves/example.org", &looked(&good));
    let page = desk
        .post(Role::Operator, "/moves/look", &step("finish"))
        .await;
    page.has("<option value=\"cloud\" selected>home becomes cloud")
        .has("<option value=\"onprem\">home becomes onprem")
        .has("<option value=\"\">home as it is");
    let form = page.between("action=\"/moves/look\">", "</form>");
    for kept in [
        "value=\"the weekend\"",
        "value=\"example.org\"",
        "value=\"finish\"",
    ] {
        assert!(form.contains(kept), "{form}");
    }
    for other in ["start", "back-out"] {
        let page = desk.post(Role::Operator, "/moves/look", &step(other)).await;
        page.lacks("home becomes");
    }
}

#[tokio::test]
async fn moves_are_acted_on_by_operators() {
    let desk = Desk::new();
    desk.says("GET /api/holds", &json!([]));
    desk.says("GET /api/backends", &json!([backend("cloud")]));
    desk.says(
        "GET /api/moves",
        &json!([{ "domain": "example.org", "state": "moving", "since": "2026-03-02T02:14:00Z",
                  "ended": null, "held": 3, "oldest": null, "actor": "olga", "reason": HOSTILE,
                  "home": "onprem" }]),
    );
    let page = desk.get(Role::Viewer, "/holds").await;
    page.has("tideover move finish example.org")
        .lacks("/moves/look");
    let page = desk.get(Role::Operator, "/holds").await;
    page.has("/moves/look")
        .has("home becomes cloud")
        .lacks("<script>alert");
}

fn backend(name: &str) -> Value {
    json!({ "name": name, "health": "up", "reason": "", "since": "2026-03-02T02:14:00Z",
            "override": null, "hosts": [], "waiting": 0 })
}

#[tokio::test]
async fn a_replay_is_planned_by_what_is_said_and_nothing_else() {
    let desk = Desk::new();
    let plan = json!({
        "id": "r7", "to": "cloud", "told": "x", "messages": 1, "recipients": 1, "bytes": 1,
        "skipped": [], "biggest": [], "eta_seconds": 1,
        "selection": { "since": "2026-03-01T00:00:00Z", "until": "2026-03-02T00:00:00Z" },
    });
    desk.says("POST /api/replays/plan", &plan);
    let fields = |which: &'static str, since: &'static str| {
        [
            ("to", "cl&ud"),
            ("since", since),
            ("which", which),
            ("by", "delivered"),
            ("reason", "x"),
        ]
    };
    desk.post(Role::HelpDesk, "/replays/plan", &fields("", "24h"))
        .await
        .is(StatusCode::FORBIDDEN);
    for since in ["", "yesterday", "0"] {
        let page = desk
            .post(Role::Operator, "/replays/plan", &fields("", since))
            .await;
        page.is(StatusCode::BAD_REQUEST).has("expected for example");
    }
    for since in ["99999999999d", "3651d"] {
        let page = desk
            .post(Role::Operator, "/replays/plan", &fields("", since))
            .await;
        page.is(StatusCode::BAD_REQUEST).has("at most 3650d");
    }
    assert!(desk.changes().is_empty());
    desk.post(Role::Operator, "/replays/plan", &fields("missing", "24h"))
        .await;
    let asked = desk.changes();
    let path = &asked[0].path;
    assert!(
        path.starts_with("/api/replays/plan?to=cl%26ud&since="),
        "{path}"
    );
    assert!(path.ends_with("&by=delivered&missing_only=true"), "{path}");
    assert_eq!(asked[0].body, Value::Null, "nobody is named: everybody");
}

/// What cannot be done is not offered, neither as a button nor as a command.
#[tokio::test]
async fn a_replay_offers_what_its_state_allows() {
    let desk = Desk::new();
    desk.says("GET /api/waves", &json!([]));
    for (state, planned, buttons, verbs) in [
        (
            "planned",
            3,
            &["start"][..],
            &["status", "start", "stop"][..],
        ),
        ("planned", 0, &["stop"], &["status", "stop"]),
        (
            "running",
            3,
            &["pause", "stop"],
            &["status", "pause", "stop"],
        ),
        (
            "paused",
            3,
            &["resume", "stop"],
            &["status", "resume", "stop"],
        ),
        ("done", 3, &[], &["status"]),
        ("stopped", 3, &[], &["status"]),
    ] {
        desk.says("GET /api/replays", &json!([replay(state, planned)]));
        let page = desk.get(Role::Operator, "/waves").await;
        page.is(StatusCode::OK);
        for verb in ["status", "start", "pause", "resume", "stop"] {
            let button = page
                .html
                .contains(&format!("action=\"/replays/r7/{verb}\""));
            assert_eq!(button, buttons.contains(&verb), "{state} {planned}: {verb}");
            let command = page.html.contains(&format!("tideover replay {verb} r7<"));
            assert_eq!(command, verbs.contains(&verb), "{state} {planned}: {verb}");
        }
    }
}

/// A replay as the API shows it.
fn replay(state: &str, planned: u64) -> Value {
    json!({
        "id": "r7", "to": "cloud", "state": state, "told": state, "total": planned,
        "selection": { "since": "2026-03-01T00:00:00Z", "until": "2026-03-02T00:00:00Z" },
        "plan": { "messages": planned, "recipients": planned, "bytes": 1, "skipped": [],
                  "biggest": [], "eta_seconds": 1 },
        "counts": { "found": 0, "delivered": 0, "uncertain": 0, "refused": 0, "left_out": 0,
                    "refusals": [] },
        "deeds": [], "waiting": 0, "under_way": 0, "eta_seconds": null,
    })
}

/// The sentence and the bar say the same, and the same as `status`.
#[tokio::test]
async fn a_replay_that_goes_on_counts_whoever_has_it_already() {
    let desk = Desk::new();
    let mut going = replay("running", 27);
    let counts = json!({ "found": 27, "delivered": 0, "uncertain": 0, "refused": 0,
                         "left_out": 0, "present": 12, "not_asked": 1, "refusals": [] });
    going["counts"] = counts;
    desk.says("GET /api/waves", &json!([]));
    desk.says("GET /api/replays", &json!([going]));
    let page = desk.get(Role::Viewer, "/waves").await;
    page.is(StatusCode::OK)
        .has("13 of 27 done (0 delivered, 12 there already, 1 not asked)")
        .has("value=\"13\" max=\"27\"");
}

/// A full bar beside "done" looks as if all had been brought.
#[tokio::test]
async fn a_replay_that_is_over_says_what_became_of_it() {
    let desk = Desk::new();
    let mut over = replay("done", 1800);
    let counts = json!({ "found": 1800, "delivered": 0, "uncertain": 0, "refused": 300,
                         "left_out": 1500, "refusals": [] });
    over["counts"] = counts;
    desk.says("GET /api/waves", &json!([]));
    desk.says("GET /api/replays", &json!([over]));
    let page = desk.get(Role::Viewer, "/waves").await;
    page.is(StatusCode::OK)
        .has("to cloud, done: 0 delivered, 300 refused, 1\u{202f}500 left out of 1\u{202f}800")
        .has("value=\"0\" max=\"1800\"");
}

#[tokio::test]
async fn a_replay_of_nothing_waits_for_nothing() {
    let desk = Desk::new();
    let mut nothing = replay("running", 0);
    nothing["eta_seconds"] = json!(0);
    nothing["waits_for"] = json!("cloud is down");
    desk.says("GET /api/waves", &json!([]));
    desk.says("GET /api/replays", &json!([nothing]));
    let page = desk.get(Role::Viewer, "/waves").await;
    page.is(StatusCode::OK)
        .has("to cloud, running: 0 of 0 done")
        .lacks("waits for")
        .lacks("done in");
}

#[tokio::test]
async fn replays_are_started_and_stopped_with_a_reason() {
    let desk = Desk::new();
    let path = "/replays/r7/pause";
    let reason = [("reason", "too fast")];
    desk.post(Role::HelpDesk, path, &reason)
        .await
        .is(StatusCode::FORBIDDEN);
    desk.post(Role::Operator, path, &[])
        .await
        .is(StatusCode::BAD_REQUEST);
    desk.post(Role::Operator, "/replays/r7/eat", &reason)
        .await
        .is(StatusCode::NOT_FOUND);
    assert!(desk.changes().is_empty());
    let refusal = json!({ "error": "r7 is done", "hint": "see what became of it" });
    desk.says_with(
        "POST /api/replays/r7/pause",
        StatusCode::BAD_REQUEST,
        &refusal,
    );
    desk.post(Role::Operator, path, &reason)
        .await
        .has("r7 is done");
    assert_eq!(desk.changes()[0].reason.as_deref(), Some("too fast"));
}
