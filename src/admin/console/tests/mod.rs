//! The pages as a browser gets them, over an API that says what the test wants and remembers what
//! it was asked for.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

mod acts;
mod backends;
mod check;
mod config;
mod decisions;
mod devices;
mod directory;
mod directory_change;
mod mailboxes;
mod me;
mod movers;
mod overview;
mod people;
mod queue;

use super::{Console, Csrf, Samples, console};
use crate::admin::table::operations;
use crate::admin::{AdminError, Caller, DrillView, HealthView, Role, StatusView};
use crate::base::{Clock, Shutdown, percent_decoded};

const TOKEN: &str = "the-word-of-this-session";

/// Puts the fields of `more` into `into`; objects in objects.
pub(super) fn merge(into: &mut Value, more: &Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (key, value) in more {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more.clone(),
    }
}

pub(super) fn status_json(more: &Value) -> Value {
    let mut status = json!({
        "version": "0.1.0", "now": "2026-03-02T02:51:00Z", "backends": [],
        "queue": { "queued": 0, "held": 0, "uncertain": 0, "oldest": null },
        "spool": { "uuid": "u", "bytes": 1, "free_bytes": 2, "accepted": 0, "delivered": 0 },
        "health": healthy(),
    });
    merge(&mut status, more);
    status
}

/// A status in which all is well, but for this.
pub(super) fn status(more: &Value) -> StatusView {
    serde_json::from_value(status_json(more)).unwrap()
}

pub(super) fn healthy() -> HealthView {
    HealthView {
        ok: true,
        accepting: true,
        problems: Vec::new(),
        only_here: Vec::new(),
    }
}

/// Drills with these legs: name, light and reason.
pub(super) fn drilled(legs: &[(&str, &str, &str)]) -> DrillView {
    let legs: Vec<Value> = legs
        .iter()
        .map(|(name, light, reason)| {
            json!({ "name": name, "from": null, "to": "cloud", "mailbox": "drill@example.org",
                    "light": light, "reason": reason })
        })
        .collect();
    let green = legs.is_empty();
    serde_json::from_value(json!({
        "address": null, "every_seconds": 300, "deadline_seconds": 60, "green": green,
        "legs": legs,
    }))
    .unwrap()
}

/// What was asked of the API.
#[derive(Debug, Clone)]
pub(super) struct Heard {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) caller: Caller,
    /// The reason beside what has no field for one.
    pub(super) reason: Option<String>,
    pub(super) body: Value,
    /// His role may not.
    pub(super) is_refused: bool,
}

/// The last answer stays.
type Answers = Arc<Mutex<BTreeMap<String, VecDeque<(StatusCode, Value)>>>>;

/// A console over an API of the test's own.
pub(super) struct Desk {
    console: Router,
    pub(super) inner: Console,
    answers: Answers,
    heard: Arc<Mutex<Vec<Heard>>>,
    /// An answer takes so long.
    pace: Arc<Mutex<Duration>>,
    pub(super) shutdown: Shutdown,
}

impl Desk {
    /// All is well.
    pub(super) fn new() -> Self {
        let answers = Answers::default();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let pace = Arc::default();
        let state = (Arc::clone(&answers), Arc::clone(&heard), Arc::clone(&pace));
        let api = Router::new().fallback(answer).with_state(state);
        let shutdown = Shutdown::new();
        let inner = Console::new(api, Samples::default(), (Clock::system(), shutdown.clone()));
        let desk = Self {
            console: console(inner.clone()),
            inner,
            answers,
            heard,
            pace,
            shutdown,
        };
        desk.says("GET /api/backends", &json!([]));
        desk.says("GET /api/status", &status_json(&json!({})));
        desk.says(
            "GET /api/drill",
            &serde_json::to_value(drilled(&[])).unwrap(),
        );
        desk
    }

    /// From now on the API says this to that.
    pub(super) fn says(&self, to: &str, what: &Value) {
        self.says_with(to, StatusCode::OK, what);
    }

    pub(super) fn says_with(&self, to: &str, status: StatusCode, what: &Value) {
        let mut answers = self.answers.lock().unwrap();
        answers.insert(to.to_owned(), VecDeque::from([(status, what.clone())]));
    }

    /// And this the next time.
    pub(super) fn then_says(&self, to: &str, status: StatusCode, what: &Value) {
        let mut answers = self.answers.lock().unwrap();
        let turns = answers.entry(to.to_owned()).or_default();
        turns.push_back((status, what.clone()));
    }

    /// Each answer takes so long from now on.
    pub(super) fn takes(&self, pace: Duration) {
        *self.pace.lock().unwrap() = pace;
    }

    pub(super) fn status(&self, more: &Value) {
        self.says("GET /api/status", &status_json(more));
    }

    /// All that it was asked.
    pub(super) fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// What it was asked to change, by who may.
    pub(super) fn changes(&self) -> Vec<Heard> {
        let mut heard = self.heard();
        heard.retain(|one| one.method == Method::POST && !one.is_refused);
        heard
    }

    /// What it refused to who may not: the API writes that down.
    pub(super) fn refused(&self) -> Vec<String> {
        let mut heard = self.heard();
        heard.retain(|one| one.is_refused);
        heard.into_iter().map(|one| one.path).collect()
    }

    pub(super) async fn get(&self, role: Role, path: &str) -> Page {
        let request = Request::get(path).body(Body::empty()).unwrap();
        self.ask(Some(role), request).await
    }

    /// A form with the word of the session.
    pub(super) async fn post(&self, role: Role, path: &str, fields: &[(&str, &str)]) -> Page {
        let mut all = vec![("csrf", TOKEN)];
        all.extend(fields);
        self.post_raw(role, path, &all).await
    }

    /// A form with the hidden fields of a page, its word among them.
    pub(super) async fn send(&self, role: Role, path: &str, fields: &[(String, String)]) -> Page {
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect();
        self.post_raw(role, path, &fields).await
    }

    /// A form as it is.
    pub(super) async fn post_raw(&self, role: Role, path: &str, fields: &[(&str, &str)]) -> Page {
        let fields: Vec<String> = fields
            .iter()
            .map(|(name, value)| format!("{name}={}", super::ask::escaped(value)))
            .collect();
        let request = Request::post(path)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(fields.join("&")))
            .unwrap();
        self.ask(Some(role), request).await
    }

    pub(super) async fn ask(&self, role: Option<Role>, mut request: Request) -> Page {
        if let Some(role) = role {
            request.extensions_mut().insert(Caller {
                name: "olga".to_owned(),
                role,
                from: "192.0.2.7".to_owned(),
            });
            request.extensions_mut().insert(Csrf {
                word: TOKEN.to_owned(),
                has_second: true,
            });
        }
        Page::of(self.console.clone().oneshot(request).await.unwrap()).await
    }
}

/// The role that an operation takes, as the table of the API says.
fn role_of(method: &Method, path: &str, body: &Value) -> Role {
    if path == "/api/queue/perform" && body["deed"] == "drop" {
        return Role::Admin;
    }
    let all = operations().into_iter();
    let mut found = all.filter(|one| one.method == *method && is_like(one.path, path));
    found.next().map_or(Role::Viewer, |one| one.role)
}

/// `/api/cases/{id}` is like `/api/cases/c1`.
fn is_like(pattern: &str, path: &str) -> bool {
    let (patterns, parts) = (pattern.split('/'), path.split('/'));
    patterns.clone().count() == parts.clone().count()
        && patterns
            .zip(parts)
            .all(|(pattern, part)| pattern == part || pattern.starts_with('{'))
}

type Mock = (Answers, Arc<Mutex<Vec<Heard>>>, Arc<Mutex<Duration>>);

async fn answer(
    State((answers, heard, pace)): State<Mock>,
    Extension(caller): Extension<Caller>,
    request: Request,
) -> Response {
    let pace = *pace.lock().unwrap();
    if pace > Duration::ZERO {
        tokio::time::sleep(pace).await;
    }
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let whole = parts.uri.path_and_query().unwrap().to_string();
    let method = &parts.method;
    let needed = role_of(method, parts.uri.path(), &body);
    let is_refused = caller.role < needed;
    let refusal = AdminError::forbidden(&caller, needed);
    heard.lock().unwrap().push(Heard {
        method: method.clone(),
        path: whole.clone(),
        caller,
        reason: parts
            .headers
            .get(crate::admin::enforce::REASON)
            .map(|reason| percent_decoded(reason.to_str().unwrap())),
        body,
        is_refused,
    });
    if is_refused {
        return refusal.into_response();
    }
    let mut answers = answers.lock().unwrap();
    let named = format!("{method} {whole}");
    let name = if answers.contains_key(&named) {
        named
    } else {
        format!("{method} {}", parts.uri.path())
    };
    let turns = answers.get_mut(&name);
    let found = turns.and_then(|turns| match turns.len() {
        0 | 1 => turns.front().cloned(),
        _ => turns.pop_front(),
    });
    if let Some((status, what)) = found {
        (status, Json(what)).into_response()
    } else {
        let refusal = json!({ "error": format!("nothing at {whole}"), "hint": "look" });
        (StatusCode::NOT_FOUND, Json(refusal)).into_response()
    }
}

/// An answer.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) html: String,
}

impl Page {
    async fn of(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Self {
            status: parts.status,
            headers: parts.headers,
            html: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    pub(super) fn has(&self, text: &str) -> &Self {
        assert!(self.html.contains(text), "no {text} in\n{}", self.html);
        self
    }

    pub(super) fn lacks(&self, text: &str) -> &Self {
        assert!(!self.html.contains(text), "{text} is in\n{}", self.html);
        self
    }

    /// What stands between these two, as a browser reads it.
    pub(super) fn between(&self, begin: &str, end: &str) -> String {
        let behind = self.has(begin).html.split_once(begin).unwrap().1;
        let text = behind.split_once(end).unwrap().0;
        text.replace("&#38;", "&")
    }

    /// The hidden fields of its only form.
    pub(super) fn hidden(&self) -> Vec<(String, String)> {
        let form = self.between("<form class=\"sheet", "</form>");
        let fields = form.split("<input type=\"hidden\" name=\"").skip(1);
        let pairs = fields.map(|field| {
            let (name, rest) = field.split_once("\" value=\"").unwrap();
            (name.to_owned(), rest.split_once('"').unwrap().0.to_owned())
        });
        pairs.collect()
    }

    pub(super) fn is(&self, status: StatusCode) -> &Self {
        assert_eq!(self.status, status, "{}", self.html);
        self
    }
}

/// Text that would do something if it were not escaped.
pub(super) const HOSTILE: &str = "</section><script>alert(1)</script>\"'&\r\ndata: x\u{202e}";
