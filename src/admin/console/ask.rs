//! The console is a client of the API in the same process: it reads what the verbs read, and every
//! change goes through the same door, so that roles, the audit log and doing things to their end
//! are in one place.

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{Method, Request, StatusCode};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tower::ServiceExt as _;

use super::asker::Asker;
use super::fault::Fault;
use crate::admin::Refusal;
use crate::admin::enforce::REASON;
use crate::base::percent_encoded;
pub(super) use crate::base::percent_encoded_part as escaped;
use crate::terminal::visible;

/// The API, as one caller sees it.
#[derive(Debug, Clone)]
pub(super) struct Ask<'a> {
    pub(super) api: &'a axum::Router,
    pub(super) asker: &'a Asker,
}

impl Ask<'_> {
    /// Reads something.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Fault> {
        let request = request(Method::GET, path, Bytes::new())?;
        read(path, &self.send(request).await?)
    }

    /// Asks for something that needs more words, or changes something.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Fault> {
        self.post_because(path, body, "").await
    }

    /// The same, with a reason beside what has no field for one.
    pub(super) async fn post_because<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        reason: &str,
    ) -> Result<T, Fault> {
        let body = serde_json::to_vec(body).map_err(|error| Fault::ours(&error))?;
        self.post_bytes(path, body.into(), reason).await
    }

    /// The same for what takes a file: here an empty one, so all that there is.
    pub(super) async fn post_all<T: DeserializeOwned>(
        &self,
        path: &str,
        reason: &str,
    ) -> Result<T, Fault> {
        self.post_bytes(path, Bytes::new(), reason).await
    }

    async fn post_bytes<T: DeserializeOwned>(
        &self,
        path: &str,
        body: Bytes,
        reason: &str,
    ) -> Result<T, Fault> {
        let mut request = request(Method::POST, path, body)?;
        let reason = percent_encoded(reason);
        if let (Ok(reason), false) = (reason.parse(), reason.is_empty()) {
            request.headers_mut().insert(REASON, reason);
        }
        read(path, &self.send(request).await?)
    }

    async fn send(&self, request: Request<Body>) -> Result<Bytes, Fault> {
        let (status, body) = self.exchange(request).await?;
        if status.is_success() {
            return Ok(body);
        }
        Err(match serde_json::from_slice::<Refusal>(&body) {
            Ok(refusal) => Fault {
                status,
                what: visible(&refusal.error),
                hint: visible(&refusal.hint),
            },
            Err(error) => Fault::ours(&error),
        })
    }

    async fn exchange(&self, mut request: Request<Body>) -> Result<(StatusCode, Bytes), Fault> {
        request.extensions_mut().insert(self.asker.caller.clone());
        if let Some(proof) = self.asker.proof.clone() {
            request.extensions_mut().insert(proof);
        }
        let response = self.api.clone().oneshot(request).await;
        let response = response.map_err(|error| Fault::ours(&error))?;
        let status = response.status();
        let body = response.into_body().collect().await;
        let body = body.map_err(|error| Fault::ours(&error))?;
        Ok((status, body.to_bytes()))
    }
}

fn request(method: Method, path: &str, body: Bytes) -> Result<Request<Body>, Fault> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(CONTENT_TYPE, "application/json");
    request
        .body(Body::from(body))
        .map_err(|error| Fault::ours(&error))
}

fn read<T: DeserializeOwned>(path: &str, answer: &Bytes) -> Result<T, Fault> {
    serde_json::from_slice(answer).map_err(|error| {
        tracing::error!(%path, %error, "the console does not understand the API");
        Fault::ours(&error)
    })
}
