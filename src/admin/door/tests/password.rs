//! Changing the own password.

use axum::http::StatusCode;

use super::{Ask, Door, get, post};
use crate::admin::Role;
use crate::admin::audit::{AuditOutcome, AuditQuery};
use crate::admin::door::Wire;
use crate::admin::operators::SecondStepRule;

/// The browser in which the password was changed stays logged in, with another cookie; others do
/// not.
#[tokio::test]
async fn who_changes_his_password_stays_logged_in_and_others_do_not() {
    let door = Door::new(Wire::Local, SecondStepRule::Optional);
    let proven = door.place.somebody("ann", Role::Viewer).await;
    let another = door.place.session(&proven).await;
    assert_eq!(
        door.ask(get("/password")).await.location,
        "/login?next=/password"
    );
    let cookie = door.log_in("ann", "correct+horse+battery").await.cookie();
    let page = Ask {
        headers: &[("cookie", &*cookie)],
        ..get("/password")
    };
    let csrf = door.ask(page).await.csrf();
    let form = ("content-type", "application/x-www-form-urlencoded");
    let change = async |csrf: &str, site: &str, passwords: &str| {
        let headers = [("cookie", &*cookie), form, ("sec-fetch-site", site)];
        let body = format!("csrf={csrf}&{passwords}");
        door.ask(post("/password", &headers, &body)).await
    };
    let good = "old=correct+horse+battery&password=staple+staple&again=staple+staple";
    for (csrf, site, passwords, status) in [
        ("0", "same-origin", good, StatusCode::FORBIDDEN),
        (&*csrf, "cross-site", good, StatusCode::FORBIDDEN),
        (
            &csrf,
            "same-origin",
            "old=correct+horse+battery&password=staple+staple&again=staple",
            StatusCode::BAD_REQUEST,
        ),
        (
            &csrf,
            "same-origin",
            "old=wrong&password=staple+staple&again=staple+staple",
            StatusCode::UNAUTHORIZED,
        ),
    ] {
        let refused = change(csrf, site, passwords).await;
        assert_eq!(refused.status, status, "{passwords}: {}", refused.text);
        assert!(refused.cookies.is_empty());
        assert!(door.place.is_in(&another).await);
    }
    let changed = change(&csrf, "same-origin", good).await;
    assert_eq!(changed.location, "/me?did=password");
    let anew = changed.cookie();
    for (cookie, status) in [(&anew, StatusCode::OK), (&cookie, StatusCode::UNAUTHORIZED)] {
        let asked = Ask {
            headers: &[("cookie", cookie.as_str())],
            ..get("/api/me")
        };
        assert_eq!(door.ask(asked).await.status, status);
    }
    assert!(!door.place.is_in(&another).await);
    let page = door.audit.page(AuditQuery::default()).await.unwrap();
    let told: Vec<_> = page
        .entries
        .iter()
        .map(|it| (&*it.what, it.outcome))
        .collect();
    let what = "Change the own password";
    let expected = [
        (what, AuditOutcome::Done),
        (what, AuditOutcome::Refused),
        ("Log in", AuditOutcome::Done),
    ];
    assert_eq!(told, expected);
    let text = format!("{page:?}");
    assert!(
        !text.contains("staple") && !text.contains("horse"),
        "{text}"
    );
}
