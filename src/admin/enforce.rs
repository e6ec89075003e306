//! Between whoever asks and what is done: may he, and in whose name is it done?

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{Extensions, HeaderMap, Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use serde_json::Value;

use super::audit::{Arguments, AuditEntry, AuditLog, AuditOutcome, Begun, Paged, ReasonRule};
use super::door::Proof;
use super::error::Told;
use super::noted::Came;
use super::operation::{Content, Dearer, DryRun, Effect};
use super::reason::{named, readable};
use super::taken::{Terms, expect_nothing};
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
    pub(super) dearer: Option<Dearer>,
    pub(super) effect: Effect,
    pub(super) content: Content,
    pub(super) terms: Terms,
    pub(super) dry_run: DryRun,
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
    let request = match proven_again(&rule, request).await {
        Ok(request) => request,
        Err(error) => return error.into_response(),
    };
    if rule.effect == Effect::Looks {
        return next.run(request).await;
    }
    let begun = match rule.write_down(&caller, (request.uri(), order)).await {
        Ok(begun) => begun,
        Err(error) => return error.into_response(),
    };
    let response = next.run(request).await;
    if let Some(begun) = begun {
        let status = response.status().as_u16();
        let extensions = response.extensions().clone();
        rule.write_outcome(begun, (status, extensions)).await;
    }
    response
}

/// It may be long since he was let in: the body came in between, or a file still comes.
async fn proven_again(rule: &Rule, mut request: Request) -> Result<Request, AdminError> {
    let Some(proof) = request.extensions().get::<Proof>().cloned() else {
        return Ok(request);
    };
    let now = proof.still_lets(rule.role).await?;
    if let Some(caller) = request.extensions_mut().get_mut::<Caller>() {
        caller.role = now;
    }
    if rule.content != Content::File {
        return Ok(request);
    }
    let needed = rule.role;
    let last = async move {
        match proof.still_lets(needed).await {
            Ok(_) => Ok(Bytes::new()),
            Err(error) => Err(axum::Error::new(error)),
        }
    };
    Ok(request.map(|body| Body::from_stream(body.into_data_stream().chain(stream::once(last)))))
}

impl Rule {
    /// He may not. Who tried to change something is written down.
    async fn refuse(&self, caller: &Caller, uri: &Uri) -> AdminError {
        let error = AdminError::forbidden(caller, self.role).but(self.dearer);
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
    ) -> Result<Option<Begun>, AdminError> {
        let is_wanted = self.audit.reason() == ReasonRule::Required;
        let is_done = self.effect == Effect::Changes && !self.dry_run.is_meant(&order.dry);
        if is_wanted && is_done && order.reason.is_empty() {
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

    /// When the answer is known.
    async fn write_outcome(&self, mut begun: Begun, (status, extensions): (u16, Extensions)) {
        if let Some(page) = extensions.get::<Paged>() {
            return self.audit.paged(begun, page.clone()).await;
        }
        if let Some(Came(outcome)) = extensions.get::<Came>() {
            begun.entry.outcome = *outcome;
        }
        let told = extensions.get::<Told>();
        let told = told.map(|Told(text)| text.clone()).unwrap_or_default();
        self.audit.came(begun, (status, told)).await;
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
    /// What is said about a dry run: in the query, and in the body.
    dry: (Vec<String>, Option<Value>),
}

impl Order {
    fn add_query(&mut self, query: &str) -> Result<(), AdminError> {
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let text = |text: &str| percent_decoded(&text.replace('+', " "));
            let (name, value) = (text(name), text(value));
            match name.as_str() {
                "actor" => self.actor = Some(named(&value)?),
                "reason" => self.reason = readable(&value)?,
                "dry_run" => {
                    self.dry.0.push(value.clone());
                    if value != "false" {
                        self.arguments.add(&name, &value);
                    }
                }
                _ if value == "false" => {}
                name => self.arguments.add(name, &value),
            }
        }
        Ok(())
    }

    fn add_json(&mut self, order: &Value) -> Result<(), AdminError> {
        let text = |name: &str| order.get(name).and_then(Value::as_str);
        if let Some(actor) = text("actor") {
            self.actor = Some(named(actor)?);
        }
        if let Some(reason) = text("reason").filter(|reason| !reason.is_empty()) {
            self.reason = readable(reason)?;
        }
        self.dry.1 = order.get("dry_run").cloned();
        self.arguments.add_json("", order);
        Ok(())
    }
}

/// What is asked for, in the name of who asks: over the network nobody acts as somebody else. The
/// unix socket is believed: its owner has the spool in his hands anyway.
async fn signed(
    caller: &Caller,
    rule: &Rule,
    request: Request,
) -> Result<(Request, Order), AdminError> {
    let reason = said_reason(request.headers())?;
    let mut order = Order::default();
    rule.terms
        .expect_query(request.uri().query().unwrap_or_default())?;
    if rule.method == Method::GET {
        order.add_query(request.uri().query().unwrap_or_default())?;
        if order.reason.is_empty() {
            order.reason = reason.unwrap_or_default();
        }
        return Ok((request, order));
    }
    let (mut parts, body) = request.into_parts();
    if !caller.is_socket() {
        parts.uri = signed_uri(&parts.uri, &caller.name, reason.as_deref());
    }
    order.reason = reason.clone().unwrap_or_default();
    order.add_query(parts.uri.query().unwrap_or_default())?;
    if order.reason.is_empty() {
        order.reason = reason.clone().unwrap_or_default();
    }
    match rule.content {
        Content::File => return Ok((Request::from_parts(parts, body), order)),
        Content::None => {
            expect_nothing(&whole(body).await?)?;
            return Ok((Request::from_parts(parts, Body::empty()), order));
        }
        Content::Json => {}
    }
    if !is_json(&parts.headers) && !caller.is_socket() {
        return Err(not_an_order("its Content-Type is not application/json"));
    }
    let mut bytes = whole(body).await?;
    match serde_json::from_slice::<Value>(&bytes) {
        Ok(mut value @ Value::Object(_)) => {
            rule.terms.expect_body(&value)?;
            let is_mended = tidy_reason(&mut value)?;
            if !caller.is_socket() {
                sign(&mut value, &caller.name, reason);
            }
            if is_mended || !caller.is_socket() {
                bytes = value.to_string().into();
                parts.headers.remove(CONTENT_LENGTH);
            }
            order.add_json(&value)?;
        }
        // What is wrong with it is said where it is read.
        Ok(_) | Err(_) if caller.is_socket() => {}
        // What is not read here could be read otherwise there, with another name in it.
        Ok(_) => return Err(not_an_order("it is no object")),
        Err(error) => return Err(not_an_order(&error.to_string())),
    }
    Ok((Request::from_parts(parts, Body::from(bytes)), order))
}

/// The body of an order: it is short, and comes at once.
async fn whole(body: Body) -> Result<Bytes, AdminError> {
    let bytes = tokio::time::timeout(limits::ORDER_TIME, to_bytes(body, limits::ORDER)).await;
    let bytes = bytes.map_err(|_| not_an_order("it did not come in time"))?;
    bytes.map_err(|_| AdminError::TooLarge(limits::ORDER))
}

fn not_an_order(why: &str) -> AdminError {
    AdminError::Asked {
        what: format!("the body of the request cannot be read: {why}"),
        hint: "send one JSON object, with Content-Type: application/json",
    }
}

/// Takes spaces around a reason away; says whether there were any.
fn tidy_reason(order: &mut Value) -> Result<bool, AdminError> {
    let Some(Value::String(reason)) = order.get_mut("reason") else {
        return Ok(false);
    };
    let tidy = readable(reason)?;
    let is_mended = tidy != *reason;
    *reason = tidy;
    Ok(is_mended)
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
pub(super) fn said_reason(headers: &HeaderMap) -> Result<Option<String>, AdminError> {
    let value = headers.get(REASON).and_then(|value| value.to_str().ok());
    let reason = readable(&percent_decoded(value.unwrap_or_default()))?;
    Ok((!reason.is_empty()).then_some(reason))
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
#[path = "enforce_tests.rs"]
mod tests;
