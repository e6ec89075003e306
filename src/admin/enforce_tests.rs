//! Who may what, in whose name, and what is written down of it.

use axum::Router;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::routing::any;
use tower::ServiceExt as _;

use super::*;
use crate::admin::audit::{AuditOptions, AuditQuery};
use crate::admin::operators::SecondStepRule;
use crate::admin::operators::tests::Place;

/// What a handler hears of what `caller` sends.
async fn heard(caller: Option<Caller>, rule: Rule, request: Request) -> (StatusCode, String) {
    let echo = |request: Request| async move {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, 10_000).await.unwrap();
        format!(
            "{} {}",
            parts.uri,
            String::from_utf8(body.to_vec()).unwrap()
        )
    };
    let router = Router::new()
        .route("/api/x", any(echo))
        .layer(from_fn_with_state(rule, enforce));
    let mut request = request;
    if let Some(caller) = caller {
        request.extensions_mut().insert(caller);
    }
    let response = router.oneshot(request).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), 10_000).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn rule(place: &Place, role: Role, content: Content) -> Rule {
    let (spool, clock) = (place.spool.clone(), place.clock.clone());
    Rule {
        audit: AuditLog::new(spool, clock, AuditOptions::default()),
        method: Method::POST,
        what: "Something is done",
        role,
        dearer: None,
        effect: Effect::Changes,
        content,
        terms: Terms::default(),
        dry_run: DryRun::Never,
    }
}

fn caller(role: Role, from: &str) -> Caller {
    Caller {
        name: "ann".to_owned(),
        role,
        from: from.to_owned(),
    }
}

fn post(kind: &str, body: &str) -> Request {
    let request = Request::post("/api/x?actor=root").header(CONTENT_TYPE, kind);
    request.body(Body::from(body.to_owned())).unwrap()
}

#[tokio::test]
async fn each_role_may_what_those_before_it_may_and_no_more() {
    let place = Place::new(SecondStepRule::Optional);
    for needed in Role::ALL {
        for has in Role::ALL {
            let rule = rule(&place, needed, Content::None);
            let (status, told) = heard(Some(caller(has, "192.0.2.1")), rule, post("", "")).await;
            assert_eq!(status == StatusCode::OK, has >= needed, "{has} {needed}");
            let expected = format!("ann has the role {has}, and this takes {needed}");
            assert_eq!(told.contains(&expected), has < needed, "{told}");
        }
    }
    // Who may none of it hears what the part takes that he perhaps means.
    let rule_of_two = Rule {
        dearer: Some(("a drop", Role::Admin)),
        ..rule(&place, Role::Operator, Content::None)
    };
    let viewer = caller(Role::Viewer, "192.0.2.1");
    let (_, told) = heard(Some(viewer), rule_of_two, post("", "")).await;
    assert!(
        told.contains("takes operator (a drop takes admin)"),
        "{told}"
    );
    let (status, _) = heard(
        None,
        rule(&place, Role::Viewer, Content::None),
        post("", ""),
    )
    .await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn over_the_network_nobody_acts_as_somebody_else() {
    let order = r#"{"deed":"hold","actor":"root"}"#;
    let json = "application/json; charset=utf-8";
    let place = Place::new(SecondStepRule::Optional);
    let rule = rule(&place, Role::Viewer, Content::Json);
    let by = Some(caller(Role::Admin, "192.0.2.1"));
    let (_, told) = heard(by.clone(), rule.clone(), post(json, order)).await;
    assert_eq!(told, r#"/api/x?actor=ann {"actor":"ann","deed":"hold"}"#);
    let mut request = post(json, r#"{"actor":"root","reason":""}"#);
    let reason = HeaderValue::from_static("it%20burns");
    request.headers_mut().insert(REASON, reason);
    let (_, told) = heard(by.clone(), rule.clone(), request).await;
    let expected = r#"/api/x?actor=ann&reason=it%20burns {"actor":"ann","reason":"it burns"}"#;
    assert_eq!(told, expected);
    // The owner of the socket is believed.
    let root = Some(caller(Role::Admin, "socket"));
    let (_, told) = heard(root, rule.clone(), post(json, order)).await;
    assert_eq!(told, format!("/api/x?actor=root {order}"));
    let large = " ".repeat(limits::ORDER + 1);
    let (status, _) = heard(by, rule, post(json, &large)).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn what_is_done_and_what_is_refused_is_written_down_with_its_reason() {
    let place = Place::new(SecondStepRule::Optional);
    let mut rule = rule(&place, Role::Operator, Content::Json);
    let json = "application/json";
    let order = r#"{"deed":"hold","password":"hunter2","reason":"store is away"}"#;
    let by = |role| Some(caller(role, "192.0.2.1"));
    heard(by(Role::Operator), rule.clone(), post(json, order)).await;
    heard(by(Role::Viewer), rule.clone(), post(json, order)).await;
    // Also of what says that it changes nothing: not every operation knows that word.
    let dry = r#"{"deed":"hold","dry_run":true}"#;
    heard(by(Role::Operator), rule.clone(), post(json, dry)).await;
    // Without a header the socket's caller is who the order says.
    let root = Some(Caller::of_socket(&HeaderMap::new()));
    heard(root, rule.clone(), post(json, r#"{"actor":"eve"}"#)).await;
    let page = rule.audit.page(AuditQuery::default()).await.unwrap();
    let told = page.entries.iter().map(|entry| {
        let (who, outcome) = (entry.who.as_str(), entry.outcome.as_str());
        (who, outcome, entry.status, entry.reason.as_str())
    });
    let expected = [
        ("eve", "done", Some(200), ""),
        ("ann", "done", Some(200), ""),
        ("ann", "refused", Some(403), ""),
        ("ann", "done", Some(200), "store is away"),
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected);
    assert!(!format!("{page:?}").contains("hunter2"));
    let strict = AuditOptions {
        reason: ReasonRule::Required,
        ..AuditOptions::default()
    };
    rule.audit = AuditLog::new(place.spool.clone(), place.clock.clone(), strict);
    let (status, told) = heard(by(Role::Admin), rule.clone(), post(json, "{}")).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(told.contains("there is no reason"), "{told}");
    let (status, _) = heard(by(Role::Admin), rule, post(json, order)).await;
    assert_eq!(status, StatusCode::OK);
}

/// What we read otherwise than a handler would carries another name past us.
#[tokio::test]
async fn what_cannot_be_read_here_is_read_nowhere() {
    let place = Place::new(SecondStepRule::Optional);
    let rule = rule(&place, Role::Viewer, Content::Json);
    let deep = format!(
        r#"{{"zz":{}{},"actor":"eve"}}"#,
        "[".repeat(300),
        "]".repeat(300)
    );
    for (kind, body) in [
        ("application/x+json", r#"{"actor":"eve"}"#),
        ("text/plain", r#"{"actor":"eve"}"#),
        ("application/json", r#"["hold","eve","why"]"#),
        ("application/json", r#"{"zz":1e999,"actor":"eve"}"#),
        ("application/json", r#"{"zz":"\ud800","actor":"eve"}"#),
        ("application/json", deep.as_str()),
    ] {
        let by = Some(caller(Role::Admin, "192.0.2.1"));
        let (status, told) = heard(by, rule.clone(), post(kind, body)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{kind} {body}: {told}");
    }
}

/// A mistake of who asks, and not of the disk that would have to take it.
#[tokio::test]
async fn a_reason_that_cannot_be_read_later_is_refused_whichever_way_it_comes() {
    let place = Place::new(SecondStepRule::Optional);
    let rule = rule(&place, Role::Viewer, Content::Json);
    let long = "x".repeat(200_000);
    for from in ["socket", "192.0.2.1"] {
        let by = || Some(caller(Role::Admin, from));
        for reason in [long.as_str(), "\u{200b}", "a\u{0}b"] {
            let order = serde_json::json!({ "reason": reason }).to_string();
            let request = post("application/json", &order);
            let (status, _) = heard(by(), rule.clone(), request).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{from} {reason:.9?}");
        }
        for reason in ["%E2%80%8B", "%00"] {
            let mut request = post("application/json", "{}");
            let value = HeaderValue::from_static(reason);
            request.headers_mut().insert(REASON, value);
            let (status, _) = heard(by(), rule.clone(), request).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{from} {reason}");
            let request = Request::post(format!("/api/x?reason={reason}"));
            let request = request.header(CONTENT_TYPE, "application/json");
            let request = request.body(Body::from("{}")).unwrap();
            let (status, _) = heard(by(), rule.clone(), request).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{from} {reason}");
        }
        let request = post("application/json", r#"{"reason":"  it burns "}"#);
        let (_, told) = heard(by(), rule.clone(), request).await;
        assert!(told.contains(r#""reason":"it burns""#), "{told}");
    }
}

/// By the socket somebody is called what he says: not so that it reads as another name.
#[tokio::test]
async fn a_name_that_would_look_like_another_is_refused() {
    let place = Place::new(SecondStepRule::Optional);
    let rule = rule(&place, Role::Viewer, Content::Json);
    let root = || Some(Caller::of_socket(&HeaderMap::new()));
    for (name, expected) in [
        ("ann", StatusCode::OK),
        ("ev\u{1b}[31mil", StatusCode::BAD_REQUEST),
        ("ev\u{202e}il", StatusCode::BAD_REQUEST),
    ] {
        let order = serde_json::json!({ "actor": name }).to_string();
        let request = post("application/json", &order);
        let (status, told) = heard(root(), rule.clone(), request).await;
        assert_eq!(status, expected, "{name:?}: {told}");
        let request = Request::post(format!("/api/x?actor={}", percent_encoded(name)));
        let request = request.header(CONTENT_TYPE, "application/json");
        let request = request.body(Body::from("{}")).unwrap();
        let (status, told) = heard(root(), rule.clone(), request).await;
        assert_eq!(status, expected, "{name:?}: {told}");
    }
    let mut headers = HeaderMap::new();
    let name = HeaderValue::from_str(&percent_encoded("ev\u{1b}il")).unwrap();
    headers.insert(crate::admin::ACTOR, name);
    assert_eq!(Caller::of_socket(&headers).name, "ev?il");
}

/// What changes nothing needs no reason; who only says so of what does not know the word does.
#[tokio::test]
async fn a_dry_run_needs_no_reason() {
    let place = Place::new(SecondStepRule::Optional);
    let strict = AuditOptions {
        reason: ReasonRule::Required,
        ..AuditOptions::default()
    };
    let mut rule = rule(&place, Role::Viewer, Content::Json);
    rule.audit = AuditLog::new(place.spool.clone(), place.clock.clone(), strict);
    let (dry, wet) = (r#"{"dry_run":true}"#, r#"{"dry_run":false}"#);
    let (twice, query) = ("?dry_run=true&dry_run=false", "?dry_run=true");
    for (dry_run, query, body, is_taken) in [
        (DryRun::Body, "", dry, true),
        (DryRun::Body, "", wet, false),
        (DryRun::Body, "", r#"{"dry_run":"true"}"#, false),
        (DryRun::Body, query, "{}", false),
        (DryRun::Query, query, "{}", true),
        (DryRun::Query, twice, "{}", false),
        (DryRun::Query, "", dry, false),
        (DryRun::Never, query, dry, false),
        (DryRun::Always, "", "{}", true),
    ] {
        let rule = Rule {
            dry_run,
            ..rule.clone()
        };
        let request = Request::post(format!("/api/x{query}"));
        let request = request.header(CONTENT_TYPE, "application/json");
        let request = request.body(Body::from(body)).unwrap();
        let by = Some(caller(Role::Admin, "192.0.2.1"));
        let (status, told) = heard(by, rule, request).await;
        let is_ok = status == StatusCode::OK;
        assert_eq!(is_ok, is_taken, "{dry_run:?} {query} {body}: {told}");
    }
}

#[test]
fn operations_that_know_dry_runs_are_known() {
    let operations = crate::admin::table::operations();
    let of = |path: &str| {
        let mut all = operations.iter();
        let found = all.find(|one| one.path == path && one.effect == Effect::Changes);
        found.unwrap_or_else(|| panic!("{path}")).dry_run
    };
    for (path, expected) in [
        ("/api/moves/{domain}", DryRun::Body),
        ("/api/directory/set", DryRun::Body),
        ("/api/directory/revert", DryRun::Body),
        ("/api/directory/import", DryRun::Query),
        ("/api/waves/plan", DryRun::Always),
        ("/api/replays/plan", DryRun::Always),
        ("/api/backends/{name}/probe", DryRun::Always),
        ("/api/reload", DryRun::Never),
        ("/api/queue/perform", DryRun::Never),
        ("/api/waves/start", DryRun::Never),
    ] {
        assert_eq!(of(path), expected, "{path}");
    }
}

#[test]
fn the_name_of_who_asks_stands_in_the_query_and_no_other() {
    for (asked, expected) in [
        ("/api/x", "/api/x?actor=ann%40example.org"),
        (
            "/api/x?a=1&actor=root",
            "/api/x?a=1&actor=ann%40example.org",
        ),
        ("/api/x?%61ctor=root&&b", "/api/x?b&actor=ann%40example.org"),
        (
            "/api/x?actor=1&actor=2&reason=y",
            "/api/x?reason=y&actor=ann%40example.org",
        ),
    ] {
        let uri = signed_uri(&asked.parse().unwrap(), "ann@example.org", None);
        assert_eq!(uri, expected);
    }
    let uri = "/api/x?reason=&actor=root".parse().unwrap();
    let uri = signed_uri(&uri, "ann", Some("a b&c"));
    assert_eq!(uri, "/api/x?actor=ann&reason=a%20b%26c");
    let uri = "/api/x?reason=mine".parse().unwrap();
    let uri = signed_uri(&uri, "ann", Some("other"));
    assert_eq!(uri, "/api/x?reason=mine&actor=ann");
}

#[test]
fn a_reason_may_have_any_letters() {
    let mut headers = HeaderMap::new();
    assert_eq!(said_reason(&headers).unwrap(), None);
    headers.insert(REASON, "Gr%C3%BC%C3%9Fe 100% %zz".parse().unwrap());
    assert_eq!(
        said_reason(&headers).unwrap().as_deref(),
        Some("Grüße 100% %zz")
    );
    headers.insert(REASON, "  ".parse().unwrap());
    assert_eq!(said_reason(&headers).unwrap(), None);
}

#[tokio::test]
async fn the_reason_for_a_look_at_mail_is_written_down() {
    let place = Place::new(SecondStepRule::Optional);
    let rule = Rule {
        method: Method::GET,
        effect: Effect::Reveals,
        ..rule(&place, Role::Operator, Content::None)
    };
    let by = || Some(caller(Role::Operator, "192.0.2.1"));
    let look = |uri: &str| {
        let request = Request::get(uri).header(REASON, "court%20order");
        request.body(Body::empty()).unwrap()
    };
    for uri in ["/api/x", "/api/x?reason=", "/api/x?reason=a+letter"] {
        heard(by(), rule.clone(), look(uri)).await;
    }
    let page = rule.audit.page(AuditQuery::default()).await.unwrap();
    let reasons: Vec<_> = page.entries.iter().map(|it| &*it.reason).collect();
    assert_eq!(reasons, ["a letter", "court order", "court order"]);
}

#[tokio::test]
async fn where_no_body_is_read_none_says_anything() {
    let place = Place::new(SecondStepRule::Optional);
    let rule = rule(&place, Role::Operator, Content::None);
    for (body, status) in [
        ("", 200),
        ("null", 200),
        (" {}\n", 200),
        (r#"{"dry_run":true}"#, 400),
        (r#"{"reason":"it burns"}"#, 400),
        ("ann@example.org\n", 400),
        (&" ".repeat(limits::ORDER + 1), 413),
    ] {
        for from in ["192.0.2.1", "socket"] {
            let by = Some(caller(Role::Admin, from));
            let (answered, told) = heard(by, rule.clone(), post("", body)).await;
            assert_eq!(answered.as_u16(), status, "{from}: {told}");
        }
    }
    let page = rule.audit.page(AuditQuery::default()).await.unwrap();
    assert_eq!(page.entries.len(), 6, "nothing else was begun");
}

/// An answer says whether it did anything: its status alone would stand there as done.
#[tokio::test]
async fn what_was_not_done_does_not_stand_there_as_done() {
    use crate::admin::audit::Did;
    use crate::admin::noted::{Note, Noted};
    let place = Place::new(SecondStepRule::Optional);
    let rule = rule(&place, Role::Operator, Content::Json);
    let refused = Note::Refused("the platform is away".to_owned());
    let page = |next: Option<&str>| {
        let did = Did {
            recipients: 3,
            ..Did::default()
        };
        let next = next.map(str::to_owned);
        Note::Paged(Paged { did, next })
    };
    let (some, all) = (page(Some("06J8Z4K2M0001")), page(None));
    let about = Note::Told("r1 to cloud: again".to_owned());
    for note in [Note::Done, about, Note::Looked, refused, all, some] {
        let answer = move || async move { Noted("an answer", note) };
        let router = Router::new()
            .route("/api/x", any(answer))
            .layer(from_fn_with_state(rule.clone(), enforce));
        let mut request = post("application/json", "{}");
        let by = caller(Role::Operator, "192.0.2.1");
        request.extensions_mut().insert(by);
        let response = router.oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }
    let page = rule.audit.page(AuditQuery::default()).await.unwrap();
    let told = page.entries.iter().map(|entry| {
        let (outcome, told) = (entry.outcome.as_str(), entry.told.as_str());
        (outcome, told, entry.status)
    });
    let expected = [
        ("asked", "recipients: 3, messages: 0 so far", None),
        ("done", "recipients: 3, messages: 0", Some(200)),
        ("refused", "the platform is away", Some(200)),
        ("looked", "", Some(200)),
        ("done", "r1 to cloud: again", Some(200)),
        ("done", "", Some(200)),
    ];
    assert_eq!(told.collect::<Vec<_>>(), expected);
}
