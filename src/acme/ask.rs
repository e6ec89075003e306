//! How the authority is asked: over our own https, bounded, with our names and our trust.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt as _, Collected, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{RETRY_AFTER, USER_AGENT};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};

use crate::limits;
use crate::net::{HttpBounds, HttpError, HttpPlace, Https};

/// RFC 8555 §6.1.
const US: &str = concat!("tideover/", env!("CARGO_PKG_VERSION"));

/// Asks the authority.
#[derive(Debug, Clone)]
pub(super) struct Asker {
    https: Https,
    authorities: Option<PathBuf>,
    /// So long it wants to be left alone, as it said last.
    wait: Arc<Mutex<Duration>>,
}

type Answering = Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>>;

impl Asker {
    pub(super) fn new(https: Https, authorities: Option<PathBuf>) -> Self {
        Self {
            https,
            authorities,
            wait: Arc::default(),
        }
    }

    /// What it said before is forgotten.
    pub(super) fn begin(&self) {
        *self.wait.lock().unwrap_or_else(PoisonError::into_inner) = Duration::ZERO;
    }

    /// How long it wants to be left alone.
    pub(super) fn wait(&self) -> Duration {
        *self.wait.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Error> {
        let (mut head, body) = request.into_parts();
        let address = head.uri.to_string();
        // RFC 8555 §6.1: over nothing but https.
        let place = HttpPlace::of(&address);
        let place = place.ok_or_else(|| other(format!("{address} is not https")))?;
        let body = body.collect().await.map(Collected::to_bytes);
        let body = body.unwrap_or_default();
        if let Ok(us) = US.parse() {
            head.headers.insert(USER_AGENT, us);
        }
        let request = Request::from_parts(head, Full::new(body));
        let bounds = HttpBounds {
            each: limits::ACME_EACH,
            addresses: limits::ACME_ADDRESSES,
            answer: limits::ACME_ANSWER,
        };
        let authorities = self.authorities.as_deref();
        let answer = self
            .https
            .call((&place, authorities), request, bounds)
            .await;
        let answer = answer.map_err(|error| match error {
            HttpError::Away(why) | HttpError::Refused(why) => other(why),
        })?;
        let status = answer.status();
        if status.is_client_error() || status.is_server_error() {
            // RFC 8555 §6.6: in seconds mostly; a date is as good as none.
            let told = answer.headers().get(RETRY_AFTER);
            let seconds = told.and_then(|told| told.to_str().ok()?.trim().parse().ok());
            let mut wait = self.wait.lock().unwrap_or_else(PoisonError::into_inner);
            *wait = Duration::from_secs(seconds.unwrap_or_default());
        }
        Ok(BytesResponse::from(answer.map(Full::new)))
    }
}

impl HttpClient for Asker {
    fn request(&self, request: Request<BodyWrapper<Bytes>>) -> Answering {
        Box::pin(self.clone().ask(request))
    }
}

fn other(why: String) -> Error {
    Error::Other(why.into())
}
