//! The door, from outside.

mod password;
mod undone;

use std::future::ready;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::header::{AUTHORIZATION, COOKIE, LOCATION, SET_COOKIE};
use axum::http::{Method, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{self, any};
use axum::{Extension, Router};
use futures_util::{StreamExt as _, stream};
use tower::ServiceExt as _;

use crate::admin::audit::{AuditLog, AuditOptions, AuditOutcome, AuditQuery};
use crate::admin::door::{DoorOptions, Gate, Session, Wire, around};
use crate::admin::enforce::{Rule, enforce};
use crate::admin::operation::{Content, DryRun, Effect};
use crate::admin::operators::tests::{PASSWORD, Place, root};
use crate::admin::operators::{SecondStepRule, TokenQuery};
use crate::admin::taken::Terms;
use crate::admin::{Caller, Role};

struct Door {
    place: Place,
    audit: AuditLog,
    router: Router,
}

impl Door {
    fn new(wire: Wire, second_step: SecondStepRule) -> Self {
        let place = Place::new(second_step);
        let audit = AuditLog::new(
            place.spool.clone(),
            place.clock.clone(),
            AuditOptions::default(),
        );
        let options = DoorOptions {
            wire,
            ..DoorOptions::default()
        };
        let gate = Gate::new((place.operators.clone(), audit.clone()), options);
        let who = |caller: Caller, session: Option<Extension<Session>>| async move {
            let csrf = session.map(|Extension(session)| session.csrf().to_owned());
            format!(
                "{} {} {}",
                caller.name,
                caller.role,
                csrf.unwrap_or_default()
            )
        };
        let known = Router::new()
            .route("/", any(who))
            .route("/api/me", any(who));
        let open = Router::new().route("/health", any(|| async { "well" }));
        Self {
            place,
            audit,
            router: around(&gate, open, known),
        }
    }

    async fn ask(&self, request: Ask<'_>) -> Answer {
        let mut builder = axum::http::Request::builder()
            .method(request.method)
            .uri(request.path)
            .header("host", "mx.example.org");
        for (name, value) in request.headers {
            builder = builder.header(*name, *value);
        }
        let request = builder.body(Body::from(request.body.to_owned())).unwrap();
        Answer::of(self.router.clone().oneshot(request).await.unwrap()).await
    }

    /// The cookies of who has logged in.
    async fn log_in(&self, name: &str, password: &str) -> Answer {
        let page = self.ask(get("/login")).await;
        let cookie = page.cookie();
        let body = format!("csrf={}&name={name}&password={password}", page.csrf());
        let form = "application/x-www-form-urlencoded";
        let headers = [
            ("cookie", &*cookie),
            ("content-type", form),
            ("sec-fetch-site", "same-origin"),
        ];
        self.ask(post("/login", &headers, &body)).await
    }
}

#[tokio::test]
async fn who_is_shut_out_while_his_file_comes_sends_it_in_vain() {
    let place = Place::new(SecondStepRule::Optional);
    let audit = AuditLog::new(
        place.spool.clone(),
        place.clock.clone(),
        AuditOptions::default(),
    );
    let gate = Gate::new(
        (place.operators.clone(), audit.clone()),
        DoorOptions::default(),
    );
    let rule = Rule {
        audit,
        method: Method::POST,
        what: "Take a file",
        role: Role::Operator,
        dearer: None,
        effect: Effect::Changes,
        content: Content::File,
        terms: Terms::default(),
        dry_run: DryRun::Never,
    };
    let take = routing::post(|file: Bytes| async move { format!("{} bytes", file.len()) });
    let take = take.route_layer(from_fn_with_state(rule, enforce));
    let router = around(&gate, Router::new(), Router::new().route("/api/file", take));
    place.somebody("ann", Role::Operator).await;
    let query = TokenQuery {
        label: "x".to_owned(),
        role: None,
        expires_seconds: None,
    };
    let made = place.operators.make_token(("ann", query), &root()).await;
    let bearer = format!("Bearer {}", made.unwrap().token);
    for (is_shut_out, expected) in [(false, "8 bytes"), (true, "")] {
        let operators = place.operators.clone();
        let rest = async move {
            if is_shut_out {
                operators.disable("ann", &root()).await.unwrap();
            }
            Ok::<_, std::io::Error>("rest")
        };
        let body = stream::once(ready(Ok("half"))).chain(stream::once(rest));
        let request = axum::http::Request::post("/api/file").header(AUTHORIZATION, &bearer);
        let request = request.body(Body::from_stream(body)).unwrap();
        let answer = Answer::of(router.clone().oneshot(request).await.unwrap()).await;
        assert_eq!(answer.status == StatusCode::OK, !is_shut_out);
        assert!(answer.text.contains(expected), "{}", answer.text);
        assert_eq!(
            answer.text.contains("bytes"),
            !is_shut_out,
            "{}",
            answer.text
        );
    }
}

struct Ask<'a> {
    method: Method,
    path: &'a str,
    headers: &'a [(&'a str, &'a str)],
    body: &'a str,
}

fn get(path: &str) -> Ask<'_> {
    Ask {
        method: Method::GET,
        path,
        headers: &[],
        body: "",
    }
}

fn post<'a>(path: &'a str, headers: &'a [(&'a str, &'a str)], body: &'a str) -> Ask<'a> {
    Ask {
        method: Method::POST,
        path,
        headers,
        body,
    }
}

struct Answer {
    status: StatusCode,
    location: String,
    cookies: Vec<String>,
    csp: String,
    text: String,
}

impl Answer {
    async fn of(response: Response) -> Self {
        let headers = response.headers();
        let text = |name: &str| {
            let value = headers.get(name).map(|value| value.to_str().unwrap());
            value.unwrap_or_default().to_owned()
        };
        let cookies = headers.get_all(SET_COOKIE).iter();
        let cookies = cookies.map(|value| value.to_str().unwrap().to_owned());
        Self {
            status: response.status(),
            location: text(LOCATION.as_str()),
            csp: text("content-security-policy"),
            cookies: cookies.collect(),
            text: {
                let bytes = to_bytes(response.into_body(), 1_000_000).await.unwrap();
                String::from_utf8(bytes.to_vec()).unwrap()
            },
        }
    }

    /// The first cookie that is set, as a browser sends it back.
    fn cookie(&self) -> String {
        let cookie = self.cookies.first().unwrap();
        cookie.split(';').next().unwrap().to_owned()
    }

    fn csrf(&self) -> String {
        let field = self.text.split("name=\"csrf\" value=\"").nth(1).unwrap();
        field.split('"').next().unwrap().to_owned()
    }
}

#[tokio::test]
async fn who_logs_in_is_known_by_his_cookie_until_he_logs_out() {
    let door = Door::new(Wire::Local, SecondStepRule::Optional);
    door.place.somebody("ann", Role::Operator).await;
    assert_eq!(door.ask(get("/health")).await.text, "well");
    assert_eq!(
        door.ask(get("/api/me")).await.status,
        StatusCode::UNAUTHORIZED
    );
    let html = [("accept", "text/html")];
    let page = Ask {
        headers: &html,
        ..get("/queue?held=1")
    };
    let login = door.ask(page).await;
    assert_eq!(login.location, "/login?next=/queue%3Fheld%3D1");
    let wrong = door.log_in("ann", "wrong+password").await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert!(wrong.text.contains("is wrong") && !wrong.text.contains("wrong password"));
    let entered = door.log_in("ann", "correct+horse+battery").await;
    assert_eq!(
        (entered.status, &*entered.location),
        (StatusCode::SEE_OTHER, "/")
    );
    let set = entered.cookies.first().unwrap();
    for word in ["HttpOnly", "SameSite=Strict", "Path=/"] {
        assert!(set.contains(word), "{set}");
    }
    let cookie = entered.cookie();
    let with = [("cookie", &*cookie)];
    let me = door
        .ask(Ask {
            headers: &with,
            ..get("/")
        })
        .await;
    assert!(me.text.starts_with("ann operator "), "{}", me.text);
    assert!(me.csp.contains("frame-ancestors 'none'"));
    let csrf = me.text.split(' ').nth(2).unwrap().to_owned();
    // Another site, which cannot read the page.
    let form = ("content-type", "application/x-www-form-urlencoded");
    let foreign = [with[0], form, ("sec-fetch-site", "cross-site")];
    let refused = door
        .ask(post("/logout", &foreign, &format!("csrf={csrf}")))
        .await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let own = [with[0], form, ("sec-fetch-site", "same-origin")];
    let refused = door.ask(post("/logout", &own, "csrf=0")).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let out = door
        .ask(post("/logout", &own, &format!("csrf={csrf}")))
        .await;
    assert_eq!(out.location, "/login?out=1");
    let me = door
        .ask(Ask {
            headers: &with,
            ..get("/api/me")
        })
        .await;
    assert_eq!(me.status, StatusCode::UNAUTHORIZED);
    let page = door.audit.page(AuditQuery::default()).await.unwrap();
    let told: Vec<(&str, AuditOutcome)> = page
        .entries
        .iter()
        .map(|entry| (entry.what.as_str(), entry.outcome))
        .collect();
    let expected = [
        ("Log out", AuditOutcome::Done),
        ("Log in", AuditOutcome::Done),
        ("Log in", AuditOutcome::Refused),
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn what_another_site_sends_along_with_the_cookie_changes_nothing() {
    let door = Door::new(Wire::Local, SecondStepRule::Optional);
    let proven = door.place.somebody("ann", Role::Admin).await;
    let token = door.place.session(&proven).await;
    let cookie = format!("tideover-operator={token}");
    let plain = ("content-type", "text/plain");
    for (headers, expected) in [
        (vec![("cookie", &*cookie)], StatusCode::FORBIDDEN),
        (vec![("cookie", &*cookie), plain], StatusCode::FORBIDDEN),
        (
            vec![("cookie", &*cookie), ("origin", "http://evil.example")],
            StatusCode::FORBIDDEN,
        ),
        (
            vec![("cookie", &*cookie), ("origin", "http://mx.example.org")],
            StatusCode::OK,
        ),
        (
            vec![("cookie", &*cookie), ("x-tideover-request", "1")],
            StatusCode::OK,
        ),
    ] {
        let answer = door.ask(post("/api/me", &headers, "{}")).await;
        assert_eq!(answer.status, expected, "{headers:?}");
    }
}

#[tokio::test]
async fn a_token_is_known_and_a_wrong_one_is_not_saved_by_a_cookie() {
    let door = Door::new(Wire::Local, SecondStepRule::Required);
    let proven = door.place.somebody("ann", Role::Operator).await;
    let operators = &door.place.operators;
    let query = TokenQuery {
        label: "script".to_owned(),
        role: Some(Role::Viewer),
        expires_seconds: None,
    };
    let made = operators.make_token(("ann", query), &root()).await.unwrap();
    let bearer = format!("Bearer {}", made.token);
    let with = [(AUTHORIZATION.as_str(), &*bearer)];
    // No cookie: no other site can send it along.
    let me = door.ask(post("/api/me", &with, "")).await;
    assert_eq!(me.text, "ann viewer ");
    let session = door.place.session(&proven).await;
    let cookie = format!("tideover-operator={session}");
    let both = [
        (COOKIE.as_str(), &*cookie),
        ("authorization", "Bearer tdo_0"),
    ];
    let me = door
        .ask(Ask {
            headers: &both,
            ..get("/api/me")
        })
        .await;
    assert_eq!(me.status, StatusCode::UNAUTHORIZED);
    // A token in the address is none: it would stand in logs.
    let path = format!("/api/me?token={}&access_token={0}", made.token);
    assert_eq!(door.ask(get(&path)).await.status, StatusCode::UNAUTHORIZED);
    // The session wants a second step first, the token was made by root.
    let only = [(COOKIE.as_str(), &*cookie)];
    let me = door
        .ask(Ask {
            headers: &only,
            ..get("/api/me")
        })
        .await;
    assert_eq!(me.status, StatusCode::FORBIDDEN);
    assert!(me.text.contains("/second"), "{}", me.text);
    let html = [only[0], ("accept", "text/html")];
    let page = door
        .ask(Ask {
            headers: &html,
            ..get("/")
        })
        .await;
    assert_eq!(page.location, "/second");
    let page = door
        .ask(Ask {
            headers: &only,
            ..get("/second")
        })
        .await;
    assert!(page.text.contains("otpauth://totp/"), "{}", page.text);
}

#[tokio::test]
async fn nobody_proves_who_he_is_where_others_read_along() {
    let door = Door::new(Wire::Open, SecondStepRule::Optional);
    door.place.somebody("ann", Role::Admin).await;
    assert_eq!(door.ask(get("/health")).await.text, "well");
    for path in ["/login", "/welcome", "/second", "/password", "/api/me"] {
        let answer = door.ask(get(path)).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{path}");
        assert!(answer.text.contains("plain http"), "{}", answer.text);
    }
    let form = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("sec-fetch-site", "same-origin"),
    ];
    let body = format!("name=ann&password={PASSWORD}");
    let answer = door.ask(post("/login", &form, &body)).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(answer.text.contains("plain http"), "{}", answer.text);
    let secure = Door::new(Wire::Secret, SecondStepRule::Optional);
    let page = secure.ask(get("/login")).await;
    let set = page.cookies.first().unwrap();
    assert!(
        set.starts_with("__Host-tideover-operator-form=") && set.contains("; Secure"),
        "{set}"
    );
}

#[tokio::test]
async fn no_other_site_logs_somebody_in_as_somebody_else() {
    let door = Door::new(Wire::Local, SecondStepRule::Optional);
    door.place.somebody("mallory", Role::Viewer).await;
    let body = "csrf=0&name=mallory&password=correct+horse+battery";
    let form = ("content-type", "application/x-www-form-urlencoded");
    for headers in [
        vec![form, ("sec-fetch-site", "cross-site")],
        vec![form, ("sec-fetch-site", "same-origin")],
        vec![form],
    ] {
        let answer = door.ask(post("/login", &headers, body)).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{headers:?}");
        assert!(answer.cookies.is_empty());
    }
    // A session that was put under the browser before the login is not the one after it.
    let planted = "tideover-operator=".to_owned() + &"a".repeat(64);
    let page = door.ask(get("/login")).await;
    let cookies = format!("{}; {planted}", page.cookie());
    let body = body.replace("csrf=0", &format!("csrf={}", page.csrf()));
    let headers = [
        form,
        ("sec-fetch-site", "same-origin"),
        ("cookie", &*cookies),
    ];
    let entered = door.ask(post("/login", &headers, &body)).await;
    let his = entered.cookie();
    assert!(!his.contains(&planted), "{his}");
    for (cookie, status) in [(&his, StatusCode::OK), (&planted, StatusCode::UNAUTHORIZED)] {
        let asked = Ask {
            headers: &[("cookie", cookie.as_str())],
            ..get("/api/me")
        };
        assert_eq!(door.ask(asked).await.status, status, "{cookie}");
    }
}
