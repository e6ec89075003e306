//! Between whoever asks and what is done: may he, and in whose name is it done?

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::audit::{Arguments, AuditEntry, AuditLog, AuditOutcome, ReasonRule};
use super::door::Proof;
use super::error::Told;
use super::operation::{Content, Effect};
use super::{AdminError, Caller, Role};
use crate::base::{percent_decoded, percent_encoded};
use crate::limits;

/// The header with which a reason is given to what has no field for it.
pub(crate) const REASON: &str = "x-tideover-reason";

/// What holds for one operation.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) method: Method,
    pub(super) what: &'static str,
    pub(super) role: Role,
    pub(super) effect: Effect,
    pub(super) content: Content,
    pub(super) audit: AuditLog,
}

/// Lets in who may, puts his name on what he asks for, and writes it down.
pub(super) async fn enforce(State(rule): State<Rule>, request: Request, next: Next) -> Response {
    let Some(caller) = request.extensions().get::<Caller>().cloned() else {
        return AdminError::Nobody.into_response();
    };
    if caller.role < rule.role {
        return rule.refuse(&caller, request.uri()).await.into_response();
    }
    let (request, order) = match signed(&caller, &rule, request).await {
        Ok(signed) => signed,
        Err(error) => return error.into_response(),
    };
    // It may be long since he was let in: the body came in between.
    if let Some(proof) = request.extensions().get::<Proof>().cloned()
        && !proof.still_lets(rule.role).await
    {
        return AdminError::Nobody.into_response();
    }
    if rule.effect == Effect::Looks {
        return next.run(request).await;
    }
    let entry = match rule.write_down(&caller, (request.uri(), order)).await {
        Ok(entry) => entry,
        Err(error) => return error.into_response(),
    };
    let response = next.run(request).await;
    if let Some(entry) = entry {
        let told = response.extensions().get::<Told>();
        let told = told.map(|Told(text)| text.clone()).unwrap_or_default();
        let status = response.status().as_u16();
        rule.audit.ended(entry, (status, told)).await;
    }
    response
}

impl Rule {
    /// He may not. Who tried to change something is written down.
    async fn refuse(&self, caller: &Caller, uri: &Uri) -> AdminError {
        let error = AdminError::forbidden(caller, self.role);
        if self.effect != Effect::Looks {
            let mut entry = AuditEntry::new(caller, self.what);
            entry.path = short(uri);
            entry.outcome = AuditOutcome::Refused;
            entry.status = Some(error.status().as_u16());
            entry.told = error.to_string();
            self.audit.note(entry).await;
        }
        error
    }

    /// Before anything is done.
    async fn write_down(
        &self,
        caller: &Caller,
        (uri, order): (&Uri, Order),
    ) -> Result<Option<AuditEntry>, AdminError> {
        let is_wanted = self.audit.reason() == ReasonRule::Required;
        if is_wanted && self.effect == Effect::Changes && order.reason.trim().is_empty() {
            return Err(AdminError::Asked {
                what: "there is no reason".to_owned(),
                hint: "admin.require_reason asks for one: --reason, or the header \
                       X-Tideover-Reason",
            });
        }
        let mut entry = AuditEntry::new(caller, self.what);
        if let Some(actor) = order.actor.filter(|_| caller.is_nameless()) {
            entry.who = actor;
        }
        entry.path = short(uri);
        entry.arguments = order.arguments;
        entry.reason = order.reason;
        let (who, from, path) = (&entry.who, &entry.from, &entry.path);
        let what = self.what;
        tracing::info!(who, from, path, what, "an operator asks");
        self.audit.asked(caller, entry).await
    }
}

/// The path as it is written down.
fn short(uri: &Uri) -> String {
    let path = percent_decoded(uri.path());
    path.chars().take(limits::AUDIT_TEXT).collect()
}

/// What is said of an operation.
#[derive(Debug, Default)]
struct Order {
    arguments: Arguments,
    reason: String,
    /// Who the client says that he is.
    actor: Option<String>,
}

impl Order {
    fn add_query(&mut self, query: &str) {
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let text = |text: &str| percent_decoded(&text.replace('+', " "));
            let (name, value) = (text(name), text(value));
            match name.as_str() {
                "actor" => self.actor = Some(value.chars().take(limits::ACTOR).collect()),
                "reason" => self.reason = value.chars().take(limits::REASON).collect(),
                _ if value == "false" => {}
                name => self.arguments.add(name, &value),
            }
        }
    }

    fn add_json(&mut self, order: &Value) {
        let text = |name: &str| order.get(name).and_then(Value::as_str);
        if let Some(actor) = text("actor") {
            self.actor = Some(actor.chars().take(limits::ACTOR).collect());
        }
        if let Some(reason) = text("reason").filter(|reason| !reason.is_empty()) {
            self.reason = reason.chars().take(limits::REASON).collect();
        }
        self.arguments.add_json("", order);
    }
}

/// What is asked for, in the name of who asks: over the network nobody acts as somebody else. The
/// unix socket is believed: its owner has the spool in his hands anyway.
async fn signed(
    caller: &Caller,
    rule: &Rule,
    request: Request,
) -> Result<(Request, Order), AdminError> {
    let mut order = Order::default();
    if rule.method == Method::GET {
        order.add_query(request.uri().query().unwrap_or_default());
        return Ok((request, order));
    }
    let (mut parts, body) = request.into_parts();
    let reason = said_reason(&parts.headers);
    if !caller.is_socket() {
        parts.uri = signed_uri(&parts.uri, &caller.name, reason.as_deref());
    }
    order.reason = reason.clone().unwrap_or_default();
    order.add_query(parts.uri.query().unwrap_or_default());
    if order.reason.is_empty() {
        order.reason = reason.clone().unwrap_or_default();
    }
    if rule.content != Content::Json {
        return Ok((Request::from_parts(parts, body), order));
    }
    if !is_json(&parts.headers) && !caller.is_socket() {
        return Err(not_an_order("its Content-Type is not application/json"));
    }
    let bytes = tokio::time::timeout(limits::ORDER_TIME, to_bytes(body, limits::ORDER)).await;
    let bytes = bytes.map_err(|_| not_an_order("it did not come in time"))?;
    let mut bytes = bytes.map_err(|_| AdminError::TooLarge(limits::ORDER))?;
    match serde_json::from_slice::<Value>(&bytes) {
        Ok(mut value @ Value::Object(_)) => {
            if !caller.is_socket() {
                sign(&mut value, &caller.name, reason);
                bytes = value.to_string().into();
                parts.headers.remove(CONTENT_LENGTH);
            }
            order.add_json(&value);
        }
        // What is wrong with it is said where it is read.
        Ok(_) | Err(_) if caller.is_socket() => {}
        // What is not read here could be read otherwise there, with another name in it.
        Ok(_) => return Err(not_an_order("it is no object")),
        Err(error) => return Err(not_an_order(&error.to_string())),
    }
    Ok((Request::from_parts(parts, Body::from(bytes)), order))
}

fn not_an_order(why: &str) -> AdminError {
    AdminError::Asked {
        what: format!("the body of the request cannot be read: {why}"),
        hint: "send one JSON object, with Content-Type: application/json",
    }
}

/// Puts the name of who asks into JSON, and the reason of the header where there is none.
fn sign(order: &mut Value, actor: &str, reason: Option<String>) {
    let Value::Object(fields) = order else {
        return;
    };
    fields.insert("actor".to_owned(), actor.into());
    let has_reason = fields.get("reason").and_then(Value::as_str);
    if let (Some(reason), None | Some("")) = (reason, has_reason) {
        fields.insert("reason".to_owned(), reason.into());
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

/// The reason that stands in the header. A header is ASCII: other letters come percent-encoded.
pub(super) fn said_reason(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(REASON)?.to_str().ok()?;
    let reason = percent_decoded(value);
    let reason: String = reason.trim().chars().take(limits::REASON).collect();
    (!reason.is_empty()).then_some(reason)
}

/// The same address; of `actor` and, when there is a reason in the header, of an empty `reason`
/// only what we say is left.
fn signed_uri(uri: &Uri, actor: &str, reason: Option<&str>) -> Uri {
    let mut pairs: Vec<String> = Vec::new();
    let mut has_reason = false;
    for pair in uri.query().unwrap_or_default().split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = percent_decoded(&name.replace('+', " "));
        let is_empty_reason = name == "reason" && value.is_empty();
        if name == "actor" || pair.is_empty() || (is_empty_reason && reason.is_some()) {
            continue;
        }
        has_reason |= name == "reason";
        pairs.push(pair.to_owned());
    }
    pairs.push(format!("actor={}", percent_encoded(actor)));
    if let (Some(reason), false) = (reason, has_reason) {
        pairs.push(format!("reason={}", percent_encoded(reason)));
    }
    let target = format!("{}?{}", uri.path(), pairs.join("&"));
    // All that is added is percent-encoded.
    target.parse().unwrap_or_else(|_| uri.clone())
}

#[cfg(test)]
mod tests {
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
            effect: Effect::Changes,
            content,
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
                let (status, told) =
                    heard(Some(caller(has, "192.0.2.1")), rule, post("", "")).await;
                assert_eq!(status == StatusCode::OK, has >= needed, "{has} {needed}");
                let expected = format!("ann has the role {has}, and this takes {needed}");
                assert_eq!(told.contains(&expected), has < needed, "{told}");
            }
        }
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
        assert_eq!(said_reason(&headers), None);
        headers.insert(REASON, "Gr%C3%BC%C3%9Fe 100% %zz".parse().unwrap());
        assert_eq!(said_reason(&headers).as_deref(), Some("Grüße 100% %zz"));
        headers.insert(REASON, "  ".parse().unwrap());
        assert_eq!(said_reason(&headers), None);
    }
}
