//! Questions over HTTPS: one connection each, no redirects, everything bounded.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, Uri};
use hyper_util::rt::TokioIo;

use super::OidcError;
use crate::base::{Clock, Shutdown};
use crate::limits;
use crate::net::{BoxedStream, CertificateCheck, Dial, Handshake, Resolve, TlsClient};

/// Characters of an address of the provider's.
const ADDRESS: usize = 2_000;

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

/// Where an `https` address leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    host: String,
    port: u16,
    path: String,
}

impl Place {
    pub(super) fn of(address: &str) -> Option<Self> {
        if address.len() > ADDRESS || !address.starts_with("https://") {
            return None;
        }
        let uri: Uri = address.parse().ok()?;
        let authority = uri.authority().filter(|it| !it.as_str().contains('@'))?;
        let host = authority.host();
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        (!host.is_empty()).then(|| Self {
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(443),
            path: path.to_owned(),
        })
    }

    /// As `Host` has it.
    fn authority(&self) -> String {
        match self.port {
            443 => self.host.clone(),
            port => format!("{}:{port}", self.host),
        }
    }

    /// The host without the brackets of IPv6.
    pub(super) fn name(&self) -> &str {
        self.host.trim_matches(['[', ']'])
    }
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
        let place = Place::of(address);
        let place = place.ok_or_else(|| OidcError::refused(format!("{address} is not https")))?;
        let asked = async {
            let stream = self.connect(&place, authorities).await?;
            exchange(stream, &place, ask).await
        };
        let asked = tokio::time::timeout(limits::OIDC_EACH, asked).await;
        let late = || OidcError::away(format!("{} took too long", place.host));
        asked.map_err(|_| late())?
    }

    async fn connect(
        &self,
        place: &Place,
        authorities: Option<&PathBuf>,
    ) -> Result<BoxedStream, OidcError> {
        let name = place.name();
        let addresses = if let Ok(address) = name.parse::<IpAddr>() {
            vec![address]
        } else {
            let found = self.resolve.addresses(name).await;
            found.map_err(|error| OidcError::away(format!("{name}: {error}")))?
        };
        let check = match authorities {
            Some(file) => CertificateCheck::NameBy(file.clone()),
            None => CertificateCheck::Name,
        };
        let handshake = Handshake {
            name,
            check: &check,
            pair: None,
        };
        let mut last = OidcError::away(format!("{name} has no address"));
        for address in addresses.into_iter().take(limits::OIDC_ADDRESSES) {
            let dialled = self.dial.dial(SocketAddr::new(address, place.port));
            // One that takes no connection must not use up the time of all.
            let dialled = tokio::time::timeout(limits::OIDC_EACH / 2, dialled);
            match dialled.await {
                Ok(Ok(stream)) => {
                    let secured = self.tls.connect(stream, handshake).await;
                    return match secured {
                        Ok((stream, _)) => Ok(stream),
                        Err(error) => Err(OidcError::away(format!("{name}: TLS: {error}"))),
                    };
                }
                Ok(Err(error)) => last = OidcError::away(format!("{name}: {error}")),
                Err(_) => last = OidcError::away(format!("{name} does not answer")),
            }
        }
        Err(last)
    }
}

async fn exchange(
    stream: BoxedStream,
    place: &Place,
    ask: Ask,
) -> Result<(u16, Vec<u8>), OidcError> {
    let broken = |error: hyper::Error| OidcError::away(format!("{}: {error}", place.host));
    let shaken = hyper::client::conn::http1::handshake(TokioIo::new(stream));
    let (mut sender, connection) = shaken.await.map_err(broken)?;
    let method = match ask.form {
        Some(_) => Method::POST,
        None => Method::GET,
    };
    let mut request = Request::builder()
        .method(method)
        .uri(&place.path)
        .header(HOST, place.authority())
        .header(ACCEPT, "application/json")
        .header(CONNECTION, "close");
    if ask.form.is_some() {
        request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    }
    if let Some(authorization) = ask.authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    let body = Full::new(Bytes::from(ask.form.unwrap_or_default()));
    let request = request.body(body);
    let request = request.map_err(|error| OidcError::refused(error.to_string()))?;
    let answered = async {
        let answer = sender.send_request(request).await.map_err(broken)?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), limits::OIDC_ANSWER);
        let body = body.collect().await;
        let body = body.map_err(|error| OidcError::refused(format!("its answer: {error}")))?;
        Ok((status, body.to_bytes().to_vec()))
    };
    // The connection moves the bytes; it may end before the answer is read.
    let (mut answered, mut connection) = (std::pin::pin!(answered), std::pin::pin!(connection));
    let mut is_moving = true;
    loop {
        tokio::select! {
            biased;
            answer = &mut answered => return answer,
            _ = &mut connection, if is_moving => is_moving = false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_addresses() {
        let of = |address: &str| {
            let place = Place::of(address)?;
            Some((place.authority(), place.path))
        };
        let expected = |authority: &str, path: &str| Some((authority.to_owned(), path.to_owned()));
        assert_eq!(of("https://a.example"), expected("a.example", "/"));
        let found = of("https://a.example:8443/b?c=d");
        assert_eq!(found, expected("a.example:8443", "/b?c=d"));
        assert_eq!(of("https://[::1]:1/"), expected("[::1]:1", "/"));
        assert_eq!(Place::of("https://[::1]/").unwrap().name(), "::1");
        for bad in ["http://a.example", "https://a@b.example", "/a", "https://"] {
            assert_eq!(of(bad), None, "{bad}");
        }
        assert_eq!(
            of(&format!("https://a.example/{}", "x".repeat(ADDRESS))),
            None
        );
    }
}
