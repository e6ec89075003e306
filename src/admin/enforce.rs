//! Between whoever asks and what is done: may he, and in whose name is it done?

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Method, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

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
    pub(super) path: &'static str,
    pub(super) what: &'static str,
    pub(super) role: Role,
    pub(super) effect: Effect,
    pub(super) content: Content,
}

/// Lets in who may, and puts his name on what he asks for.
pub(super) async fn enforce(State(rule): State<Rule>, request: Request, next: Next) -> Response {
    let Some(caller) = request.extensions().get::<Caller>().cloned() else {
        return AdminError::Nobody.into_response();
    };
    if caller.role < rule.role {
        return AdminError::forbidden(&caller, rule.role).into_response();
    }
    if rule.effect != Effect::Looks {
        let (who, from) = (&caller.name, &caller.from);
        tracing::info!(who, from, path = rule.path, "{}", rule.what);
    }
    match signed(&caller, &rule, request).await {
        Ok(request) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// What is asked for, in the name of who asks: nobody acts as somebody else. The unix socket is
/// believed: its owner has the spool in his hands anyway.
async fn signed(caller: &Caller, rule: &Rule, request: Request) -> Result<Request, AdminError> {
    if caller.is_socket() || rule.method == Method::GET {
        return Ok(request);
    }
    let (mut parts, body) = request.into_parts();
    let reason = said_reason(&parts.headers);
    parts.uri = signed_uri(&parts.uri, &caller.name, reason.as_deref());
    if rule.content != Content::Json || !is_json(&parts.headers) {
        return Ok(Request::from_parts(parts, body));
    }
    let bytes = to_bytes(body, limits::ORDER).await;
    let bytes = bytes.map_err(|_| AdminError::TooLarge(limits::ORDER))?;
    let bytes = match serde_json::from_slice::<Value>(&bytes) {
        Ok(Value::Object(mut order)) => {
            order.insert("actor".to_owned(), caller.name.clone().into());
            let has_reason = order.get("reason").and_then(Value::as_str);
            if let (Some(reason), None | Some("")) = (reason, has_reason) {
                order.insert("reason".to_owned(), reason.into());
            }
            Value::Object(order).to_string().into()
        }
        // What is wrong with it is said where it is read.
        Ok(_) | Err(_) => bytes,
    };
    parts.headers.remove(axum::http::header::CONTENT_LENGTH);
    Ok(Request::from_parts(parts, Body::from(bytes)))
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

    fn rule(role: Role, content: Content) -> Rule {
        Rule {
            method: Method::POST,
            path: "/api/x",
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
        for needed in Role::ALL {
            for has in Role::ALL {
                let rule = rule(needed, Content::None);
                let (status, told) =
                    heard(Some(caller(has, "192.0.2.1")), rule, post("", "")).await;
                assert_eq!(status == StatusCode::OK, has >= needed, "{has} {needed}");
                let expected = format!("ann is a {has}, and this takes a {needed}");
                assert_eq!(told.contains(&expected), has < needed, "{told}");
            }
        }
        let (status, _) = heard(None, rule(Role::Viewer, Content::None), post("", "")).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
    }

    #[tokio::test]
    async fn over_the_network_nobody_acts_as_somebody_else() {
        let order = r#"{"deed":"hold","actor":"root"}"#;
        let json = "application/json; charset=utf-8";
        let rule = rule(Role::Viewer, Content::Json);
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
