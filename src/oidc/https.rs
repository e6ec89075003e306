//! What the provider is asked over.

use std::path::PathBuf;
use std::sync::Arc;

use super::OidcError;
use crate::base::{Clock, Shutdown};
use crate::limits;
use crate::net::{Dial, HttpAsk, HttpBounds, HttpError, HttpPlace, Https, Resolve, TlsClient};

/// What the client stands on.
#[derive(Debug, Clone)]
pub struct World {
    /// Connections.
    pub dial: Arc<dyn Dial>,
    /// Names of hosts.
    pub resolve: Arc<dyn Resolve>,
    /// TLS.
    pub tls: TlsClient,
    /// The time.
    pub clock: Clock,
    /// Under which questions go on whose asker has gone.
    pub shutdown: Shutdown,
}

/// A question.
#[derive(Debug, Default)]
pub(super) struct Ask {
    /// The body of a POST; `None`: a GET.
    pub(super) form: Option<String>,
    pub(super) authorization: Option<String>,
}

impl World {
    /// Asks at an address: the status, and the body.
    pub(super) async fn fetch(
        &self,
        address: &str,
        authorities: Option<&PathBuf>,
        ask: Ask,
    ) -> Result<(u16, Vec<u8>), OidcError> {
        let place = HttpPlace::of(address);
        let place = place.ok_or_else(|| OidcError::refused(format!("{address} is not https")))?;
        let https = Https {
            dial: Arc::clone(&self.dial),
            resolve: Arc::clone(&self.resolve),
            tls: self.tls.clone(),
        };
        let form = ask.form.map(String::into_bytes);
        let authorization = ask.authorization.into_iter();
        let ask = HttpAsk {
            body: form.map(|form| ("application/x-www-form-urlencoded", form)),
            fields: authorization.map(|it| ("authorization", it)).collect(),
        };
        let bounds = HttpBounds {
            each: limits::OIDC_EACH,
            addresses: limits::OIDC_ADDRESSES,
            answer: limits::OIDC_ANSWER,
        };
        let authorities = authorities.map(PathBuf::as_path);
        let fetched = https.fetch(&place, authorities, ask, bounds).await;
        fetched.map_err(|error| match error {
            HttpError::Away(why) => OidcError::Away(why),
            HttpError::Refused(why) => OidcError::Refused(why),
        })
    }
}
