//! Who asks: by a token, or by the cookie of a session.

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, AUTHORIZATION, HOST, ORIGIN};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::undone::login_of;
use super::{AdminError, Caller, Gate};
use crate::admin::Role;
use crate::admin::caller::Way;
use crate::admin::operators::session_id;
use crate::frame::see_other;

/// No form of another site can set it, and no script of one without our consent.
const OURS: &str = "x-tideover-request";

/// Finds out who asks. Who is not logged in is shown the login when he wants a page.
pub(super) async fn identify(
    State(gate): State<Gate>,
    mut request: Request,
    next: Next,
) -> Response {
    match known(&gate, &mut request).await {
        Ok(()) => next.run(request).await,
        Err(AdminError::Nobody) if wants_page(&request) => {
            see_other(&login_of(request.method(), request.uri()))
        }
        Err(AdminError::SecondStep) if wants_page(&request) => see_other("/second"),
        Err(error) => error.into_response(),
    }
}

/// Puts who asks into the request.
async fn known(gate: &Gate, request: &mut Request) -> Result<(), AdminError> {
    gate.expect_wire()?;
    let from = gate
        .visitor(request.headers(), request.extensions())
        .to_string();
    if let Some(header) = request.headers().get(AUTHORIZATION) {
        let token = header.to_str().ok().and_then(bearer);
        let token = token.ok_or(AdminError::Nobody)?.to_owned();
        let found = gate.operators().by_token(&token).await?;
        let (name, role) = found.ok_or(AdminError::Nobody)?;
        request.extensions_mut().insert(Caller { name, role, from });
        request.extensions_mut().insert(Way::Token);
        request.extensions_mut().insert(Proof::token(gate, token));
        return Ok(());
    }
    let token = gate.session_token(request.headers());
    let token = token.ok_or(AdminError::Nobody)?;
    let session = gate.operators().session(&token).await?;
    let session = session.ok_or(AdminError::Nobody)?;
    if !request.method().is_safe() {
        expect_own_site(request.headers(), &gate.0.options.base_url)?;
    }
    if session.lacks_second {
        return Err(AdminError::SecondStep);
    }
    let caller = Caller {
        name: session.name.clone(),
        role: session.role,
        from,
    };
    request.extensions_mut().insert(caller);
    request.extensions_mut().insert(Way::Session);
    request.extensions_mut().insert(Proof::session(gate, token));
    request.extensions_mut().insert(session);
    Ok(())
}

/// With what somebody came in, to be looked at again: a body may come slowly, and meanwhile he may
/// have been shut out.
#[derive(Debug, Clone)]
pub(in crate::admin) struct Proof {
    gate: Gate,
    held: Held,
}

/// What somebody came in with.
#[derive(Debug, Clone)]
enum Held {
    Token(String),
    Session(String),
}

impl Proof {
    fn token(gate: &Gate, token: String) -> Self {
        let (gate, held) = (gate.clone(), Held::Token(token));
        Self { gate, held }
    }

    fn session(gate: &Gate, token: String) -> Self {
        let (gate, held) = (gate.clone(), Held::Session(token));
        Self { gate, held }
    }

    /// The name of his session, if it is one.
    pub(in crate::admin) fn session_id(&self) -> Option<String> {
        match &self.held {
            Held::Token(_) => None,
            Held::Session(token) => Some(session_id(token)),
        }
    }

    /// Does it still let him in, as somebody who may do what a `role` may? The role that he has
    /// now.
    pub(in crate::admin) async fn still_lets(&self, role: Role) -> Result<Role, AdminError> {
        let operators = self.gate.operators();
        let now = match &self.held {
            Held::Token(token) => operators.by_token(token).await?.map(|(_, role)| role),
            Held::Session(token) => operators.session(token).await?.map(|session| session.role),
        };
        now.filter(|now| *now >= role).ok_or(AdminError::Nobody)
    }
}

#[cfg(test)]
impl Proof {
    /// That of a session of somebody in this place.
    pub(in crate::admin) fn of_session(
        place: &crate::admin::operators::tests::Place,
        token: String,
    ) -> Self {
        Self::session(&tests::gate(place), token)
    }
}

/// RFC 6750 §2.1; the scheme may have any case (RFC 9110 §11.1).
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A cookie goes along with whatever a browser sends: what changes something comes from our own
/// pages, or from a program that says that it means us.
pub(super) fn expect_own_site(headers: &HeaderMap, base_url: &str) -> Result<(), AdminError> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or(""));
    let is_ours = match (text("sec-fetch-site"), text(ORIGIN.as_str())) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let host = text(HOST.as_str()).unwrap_or_default();
            let authority = origin.split_once("://").map(|(_, authority)| authority);
            let is_host = !host.is_empty() && authority == Some(host);
            is_host || (!base_url.is_empty() && origin == base_url)
        }
        (None, None) => headers.contains_key(OURS),
    };
    if is_ours {
        return Ok(());
    }
    Err(AdminError::Foreign)
}

fn wants_page(request: &Request) -> bool {
    let accept = request.headers().get(ACCEPT);
    let accept = accept.and_then(|value| value.to_str().ok());
    let is_page = accept.is_some_and(|accept| accept.contains("text/html"));
    is_page && !request.uri().path().starts_with("/api/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::audit::{AuditLog, AuditOptions};
    use crate::admin::door::DoorOptions;
    use crate::admin::operators::tests::{Place, root};
    use crate::admin::operators::{SecondStepRule, TokenQuery};

    pub(super) fn gate(place: &Place) -> Gate {
        let audit = AuditLog::new(
            place.spool.clone(),
            place.clock.clone(),
            AuditOptions::default(),
        );
        Gate::new((place.operators.clone(), audit), DoorOptions::default())
    }

    #[test]
    fn what_another_site_sends_is_refused() {
        let told = |pairs: &[(&'static str, &str)], base: &str| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.insert(*name, value.parse().unwrap());
            }
            expect_own_site(&headers, base).is_ok()
        };
        let host = ("host", "mx.example.org:8081");
        let base = "https://console.example.org";
        for (pairs, expected) in [
            (vec![host], false),
            (vec![host, ("x-tideover-request", "1")], true),
            (vec![host, ("sec-fetch-site", "same-origin")], true),
            (vec![host, ("sec-fetch-site", "same-site")], false),
            (vec![host, ("sec-fetch-site", "cross-site")], false),
            (vec![host, ("origin", "http://mx.example.org:8081")], true),
            (vec![host, ("origin", "http://mx.example.org:8080")], false),
            (vec![host, ("origin", "https://evil.example")], false),
            (vec![host, ("origin", "null")], false),
            (
                vec![host, ("origin", "null"), ("x-tideover-request", "1")],
                false,
            ),
            (vec![host, ("origin", base)], true),
            (vec![("origin", "://")], false),
            (vec![("host", ""), ("origin", "http://")], false),
        ] {
            assert_eq!(told(&pairs, base), expected, "{pairs:?}");
        }
        // Who says two things is believed in neither.
        let both = [host, ("sec-fetch-site", "cross-site"), ("origin", base)];
        assert!(!told(&both, base));
        assert!(!told(&[host, ("origin", "https://other.example")], ""));
    }

    #[test]
    fn a_token_stands_behind_its_scheme() {
        assert_eq!(bearer("Bearer tdo_1"), Some("tdo_1"));
        assert_eq!(bearer("bearer  tdo_1 "), Some("tdo_1"));
        assert_eq!(bearer("Basic dTpw"), None);
        assert_eq!(bearer("tdo_1"), None);
    }

    /// Who was shut out while the body of his request came.
    #[tokio::test]
    async fn a_proof_is_looked_at_again() {
        let place = Place::new(SecondStepRule::Optional);
        place.somebody("ann", Role::Operator).await;
        let query = TokenQuery {
            label: "x".to_owned(),
            role: None,
            expires_seconds: None,
        };
        let made = place.operators.make_token(("ann", query), &root()).await;
        let proof = Proof::token(&gate(&place), made.unwrap().token);
        assert_eq!(
            proof.still_lets(Role::Viewer).await.unwrap(),
            Role::Operator
        );
        assert!(proof.still_lets(Role::Admin).await.is_err());
        place.operators.disable("ann", &root()).await.unwrap();
        assert!(proof.still_lets(Role::Viewer).await.is_err());
    }
}
