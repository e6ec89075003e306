//! A form that comes when its session is over.

use axum::http::StatusCode;

use super::{Ask, Door, get, post};
use crate::admin::Role;
use crate::admin::door::Wire;
use crate::admin::operators::SecondStepRule;
use crate::base::percent_encoded;

#[tokio::test]
async fn who_sends_a_form_too_late_hears_that_it_was_not_done() {
    let door = Door::new(Wire::Local, SecondStepRule::Optional);
    door.place.somebody("ann", Role::Operator).await;
    let form = ("content-type", "application/x-www-form-urlencoded");
    let old = [
        ("cookie", "tideover-operator=of-yesterday"),
        ("accept", "text/html"),
        ("sec-fetch-site", "same-origin"),
        form,
    ];
    let late = door.ask(post("/holds/end", &old, "name=h1")).await;
    assert_eq!(late.status, StatusCode::SEE_OTHER);
    assert_eq!(late.location, "/login?next=/undone%3Fpage%3D/holds");
    let page = door.ask(get(&late.location)).await;
    let told = "it was NOT done";
    assert!(page.text.contains(told), "{}", page.text);
    assert!(!door.ask(get("/login")).await.text.contains(told));
    let next = "/undone?page=/holds";
    assert!(page.text.contains(&format!("value=\"{next}\"")));
    // A wrong password does not make it forgotten.
    for (password, expected) in [("wrong", "/login"), ("correct+horse+battery", next)] {
        let page = door.ask(get("/login")).await;
        let (cookie, next) = (page.cookie(), percent_encoded(next));
        let headers = [
            ("cookie", &*cookie),
            form,
            ("sec-fetch-site", "same-origin"),
        ];
        let csrf = page.csrf();
        let body = format!("csrf={csrf}&name=ann&password={password}&next={next}");
        let answer = door.ask(post("/login", &headers, &body)).await;
        let is_shown = answer.text.contains(told);
        assert!(is_shown || answer.location == expected, "{}", answer.text);
    }
    // A program is told by its status.
    let request = Ask {
        headers: &old[..1],
        ..post("/api/holds/end", &[], "{}")
    };
    assert_eq!(door.ask(request).await.status, StatusCode::UNAUTHORIZED);
}
