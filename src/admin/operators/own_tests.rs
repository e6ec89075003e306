//! What operators change of their own logins, and which sessions that ends.

use std::time::Duration;

use super::tests::{HERE, PASSWORD, Place, origin, typed};
use crate::admin::operators::session::Ending;
use crate::admin::operators::{App, Origin, Renewal, SecondStepRule, session_id};
use crate::admin::{AdminError, Role};
use crate::credential::{from_base32, shown};

fn renewal(old: &str, new: &str) -> Renewal {
    Renewal {
        old: old.to_owned(),
        new: new.to_owned(),
    }
}

#[tokio::test]
async fn a_new_password_wants_the_old_one_and_ends_all_sessions() {
    let place = Place::new(SecondStepRule::Optional);
    let proven = place.somebody("ann", Role::Operator).await;
    let bob = place.somebody("bob", Role::Admin).await;
    let (here, there) = (place.session(&proven).await, place.session(&proven).await);
    let bobs = place.session(&bob).await;
    let operators = &place.operators;
    let change = |old: &str, new: &str| operators.change_password("ann", renewal(old, new), HERE);
    for (old, new) in [
        (PASSWORD, "short"),
        (PASSWORD, "Ann"),
        (PASSWORD, PASSWORD),
        (PASSWORD, &"x".repeat(257)),
    ] {
        let told = change(old, new).await;
        assert!(matches!(told, Err(AdminError::Asked { .. })), "{new}");
    }
    let told = change("wrong password", "another password").await;
    assert!(matches!(told, Err(AdminError::Wrong)));
    assert!(place.is_in(&here).await && place.is_in(&there).await);
    let again = change(PASSWORD, "another password").await.unwrap();
    assert!(!place.is_in(&here).await && !place.is_in(&there).await);
    assert!(place.is_in(&bobs).await);
    let anew = place.session(&again).await;
    assert!(place.is_in(&anew).await);
    let log_in = |password: &str| operators.log_in(typed("ann", password, ""), HERE);
    assert!(log_in(PASSWORD).await.is_err());
    assert!(log_in("another password").await.is_ok());
    // An open browser is no way to try passwords.
    for _ in 0..5 {
        assert!(change("wrong password", "a third password").await.is_err());
    }
    let told = change("another password", "a third password").await;
    assert!(matches!(told, Err(AdminError::Wait(_))));
}

#[tokio::test]
async fn another_app_wants_the_one_until_now_and_ends_all_sessions() {
    let place = Place::new(SecondStepRule::Optional);
    let proven = place.somebody("ann", Role::Operator).await;
    let operators = &place.operators;
    let without = place.session(&proven).await;
    let [first, second] = [operators.new_secret(), operators.new_secret()];
    let code = |secret: &str| shown(&from_base32(secret).unwrap(), place.clock.now());
    let take = |secret: &str, old_code: String| {
        let app = App {
            secret: secret.to_owned(),
            old_code,
        };
        operators.set_second(typed("ann", PASSWORD, &code(secret)), app, HERE)
    };
    let proven = take(&first, String::new()).await.unwrap();
    assert!(!place.is_in(&without).await);
    let with_first = place.session(&proven).await;
    place.pass(Duration::from_secs(60));
    assert!(take(&first, code(&first)).await.is_err(), "it is the same");
    let proven = take(&second, code(&first)).await.unwrap();
    assert!(!place.is_in(&with_first).await);
    let with_second = place.session(&proven).await;
    assert!(place.is_in(&with_second).await);
    place.pass(Duration::from_secs(60));
    let log_in = |code: String| operators.log_in(typed("ann", PASSWORD, &code), HERE);
    assert!(log_in(code(&first)).await.is_err());
    assert!(log_in(code(&second)).await.is_ok());
}

#[tokio::test]
async fn sessions_are_listed_and_ended_one_by_one_or_all_others() {
    let place = Place::new(SecondStepRule::Optional);
    let ann = place.somebody("ann", Role::Operator).await;
    let bob = place.somebody("bob", Role::Admin).await;
    let operators = &place.operators;
    assert!(operators.sessions("ann", None).await.unwrap().is_empty());
    let mut tokens = Vec::new();
    for agent in [origin().agent, "x".repeat(300), String::new()] {
        let origin = Origin { from: HERE, agent };
        tokens.push(operators.begin(&ann, origin).await.unwrap());
        place.pass(Duration::from_millis(2));
    }
    let bobs = place.session(&bob).await;
    let this = session_id(&tokens[1]);
    let listed = operators.sessions("ann", Some(&this)).await.unwrap();
    let told: Vec<_> = listed.iter().map(|one| (&*one.device, one.this)).collect();
    let expected = [("", false), ("", true), ("Firefox, Linux", false)];
    assert_eq!(told, expected, "the newest first");
    let text = serde_json::to_string(&listed).unwrap();
    assert!(!tokens.iter().any(|token| text.contains(token)), "{text}");
    let end = |name: &'static str, ending| operators.end_sessions(name, ending);
    let (his, first) = (session_id(&bobs), session_id(&tokens[0]));
    for (name, id) in [
        ("ann", ""),
        ("ann", "zz"),
        ("ann", &*his),
        ("bob", &*this),
        ("nobody", &*this),
    ] {
        let told = end(name, Ending::One(id)).await;
        assert!(matches!(told, Err(AdminError::NotFound { .. })), "{id}");
    }
    let ended = end("ann", Ending::One(&first)).await.unwrap();
    assert_eq!(ended.len(), 1);
    assert!(!place.is_in(&tokens[0]).await && place.is_in(&tokens[2]).await);
    end("ann", Ending::Others(Some(&this))).await.unwrap();
    assert!(place.is_in(&tokens[1]).await && !place.is_in(&tokens[2]).await);
    assert!(place.is_in(&bobs).await);
    assert_eq!(end("ann", Ending::All).await.unwrap().len(), 1);
    assert!(!place.is_in(&tokens[1]).await);
    // What is over is not listed.
    place.pass(Duration::from_secs(3600));
    assert!(operators.sessions("bob", None).await.unwrap().is_empty());
}
