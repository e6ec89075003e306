//! The policies of our domains for those who send to us (MTA-STS), over https and nothing else.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::extract::State;
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use super::assemble::Base;
use super::certificates::Certificates;
use crate::admin::{self, Doorway, Served};
use crate::net::{AcceptTls, Listen as _, TcpListen};
use crate::outbound::StsPolicy;

/// The policies by the domain that they are for; others after a reload.
#[derive(Debug, Clone, Default)]
pub(super) struct PolicyDesk(Arc<RwLock<BTreeMap<String, StsPolicy>>>);

impl PolicyDesk {
    pub(super) fn new(policies: BTreeMap<String, StsPolicy>) -> Self {
        Self(Arc::new(RwLock::new(policies)))
    }

    pub(super) fn configure(&self, policies: BTreeMap<String, StsPolicy>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = policies;
    }

    /// What is asked for under this name of a host.
    fn text(&self, host: &str) -> Option<String> {
        // RFC 8461 §3.2: the Policy Host is `mta-sts.` and the domain, lower or upper case.
        let name = host.split(':').next().unwrap_or_default();
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let domain = name.strip_prefix("mta-sts.")?;
        let policies = self.0.read().unwrap_or_else(PoisonError::into_inner);
        policies.get(domain).map(ToString::to_string)
    }
}

fn router(desk: PolicyDesk) -> Router {
    Router::new()
        .route("/.well-known/mta-sts.txt", get(policy))
        .with_state(desk)
}

async fn policy(State(desk): State<PolicyDesk>, headers: HeaderMap) -> Response {
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok());
    // RFC 9112 §3.2: who names two means to deceive somebody.
    let host = host.filter(|_| hosts.next().is_none());
    match host.and_then(|host| desk.text(host)) {
        Some(text) => ([(CONTENT_TYPE, "text/plain")], text).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

impl Base {
    /// Answers on `socket`, if there is one, with the certificates of the listeners.
    pub(super) fn serve_policies(
        &self,
        socket: Option<TcpListen>,
        tls: &Certificates,
        desk: &PolicyDesk,
    ) {
        let (Some(socket), Some(tls)) = (socket, tls.get(&Served::Mail)) else {
            return;
        };
        tracing::info!(address = %socket.local_address(), "policies of MTA-STS");
        let shutdown = self.shutdown.clone();
        let tls = Arc::clone(tls) as Arc<dyn AcceptTls>;
        let doorway = Doorway::new(socket, Some(tls), &shutdown);
        let serve = admin::serve_network(doorway, router(desk.clone()), shutdown.clone());
        shutdown.spawn("policies", serve);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::body::Body;
    use axum::http::Request;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use crate::daemon::policy_door::{PolicyDesk, router};
    use crate::outbound::{StsMode, StsPolicy};

    fn policy(mode: StsMode) -> StsPolicy {
        let mx = vec!["mx.example.org".to_owned()];
        StsPolicy::new(mode, mx, Duration::from_secs(86_400))
    }

    async fn ask(desk: &PolicyDesk, path: &str, hosts: &[&str]) -> (u16, String) {
        let request = hosts.iter().fold(Request::get(path), |request, host| {
            request.header("Host", *host)
        });
        let request = request.body(Body::empty()).unwrap();
        let answer = router(desk.clone()).oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn each_domain_has_its_policy_under_its_name_only() {
        let name = || "example.org".to_owned();
        let desk = PolicyDesk::new([(name(), policy(StsMode::Testing))].into());
        let path = "/.well-known/mta-sts.txt";
        for host in ["mta-sts.example.org", "MTA-STS.Example.ORG.:443"] {
            let (status, text) = ask(&desk, path, &[host]).await;
            assert_eq!(
                (status, StsPolicy::parse(&text)),
                (200, Ok(policy(StsMode::Testing)))
            );
            assert!(text.starts_with("version: STSv1\r\n"), "{text:?}");
        }
        desk.configure([(name(), policy(StsMode::Enforce))].into());
        let (_, text) = ask(&desk, path, &["mta-sts.example.org"]).await;
        assert!(text.contains("mode: enforce\r\n"), "{text:?}");
        for (path, hosts) in [
            (path, &["example.org"][..]),
            (path, &["mta-sts.example.net"]),
            (path, &["mta-sts."]),
            (path, &["mta-sts.example.org", "mta-sts.example.org"]),
            (path, &[]),
            ("/", &["mta-sts.example.org"]),
            ("/.well-known/mta-sts.txt/", &["mta-sts.example.org"]),
        ] {
            assert_eq!(
                ask(&desk, path, hosts).await,
                (404, String::new()),
                "{path} {hosts:?}"
            );
        }
    }
}
