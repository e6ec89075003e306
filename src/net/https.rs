//! Questions over HTTPS: one connection each, no redirects, everything bounded.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, CONNECTION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::http::uri::InvalidUri;
use hyper::{Method, Request, Response, Uri};
use hyper_util::rt::TokioIo;

use super::{BoxedStream, CertificateCheck, Dial, Handshake, Resolve, TlsClient};

/// Characters of an address.
const ADDRESS: usize = 2_000;

/// Asks servers of HTTP.
#[derive(Debug, Clone)]
pub struct Https {
    /// Connections.
    pub dial: Arc<dyn Dial>,
    /// Names of hosts.
    pub resolve: Arc<dyn Resolve>,
    /// TLS.
    pub tls: TlsClient,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// Nobody answers now, or not in time.
    #[error("{0}")]
    Away(String),
    /// What is asked, or what is answered, cannot be used.
    #[error("{0}")]
    Refused(String),
}

/// How much is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpBounds {
    /// The time of a whole question.
    pub each: Duration,
    /// Addresses of a host that are tried.
    pub addresses: usize,
    /// Bytes of an answer's body; 0: only its status is waited for.
    pub answer: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Https,
    Http,
}

/// Where a web address leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpPlace {
    scheme: Scheme,
    host: String,
    port: u16,
    path: String,
}

impl HttpPlace {
    /// Where an `https` address leads; `None`: it is none.
    #[must_use]
    pub fn of(address: &str) -> Option<Self> {
        Self::read(address, ("https://", Scheme::Https, 443))
    }

    /// The same, and `http` to this machine: nobody listens on the way.
    #[must_use]
    pub fn of_https_or_local(address: &str) -> Option<Self> {
        let local = || Self::read(address, ("http://", Scheme::Http, 80));
        Self::of(address).or_else(|| local().filter(Self::is_local))
    }

    fn read(address: &str, (prefix, scheme, port): (&str, Scheme, u16)) -> Option<Self> {
        if address.len() > ADDRESS || !address.starts_with(prefix) {
            return None;
        }
        let uri: Uri = address.parse().ok()?;
        let authority = uri.authority().filter(|it| !it.as_str().contains('@'))?;
        let host = authority.host();
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        (!host.is_empty()).then(|| Self {
            scheme,
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(port),
            path: path.to_owned(),
        })
    }

    fn is_local(&self) -> bool {
        let address = self.name().parse::<IpAddr>();
        self.name() == "localhost" || address.is_ok_and(|it| it.to_canonical().is_loopback())
    }

    /// As `Host` has it.
    fn authority(&self) -> String {
        match (self.scheme, self.port) {
            (Scheme::Https, 443) | (Scheme::Http, 80) => self.host.clone(),
            (_, port) => format!("{}:{port}", self.host),
        }
    }

    /// The host without the brackets of IPv6.
    #[must_use]
    pub fn name(&self) -> &str {
        self.host.trim_matches(['[', ']'])
    }
}

/// A question.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpAsk {
    /// The type and the body of a POST; `None`: a GET.
    pub body: Option<(&'static str, Vec<u8>)>,
    /// More fields.
    pub fields: Vec<(&'static str, String)>,
}

impl Https {
    /// Asks at a place: the status, and the body. `authorities`: who may sign its certificate, if
    /// not those of the system.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn fetch(
        &self,
        place: &HttpPlace,
        authorities: Option<&Path>,
        ask: HttpAsk,
        bounds: HttpBounds,
    ) -> Result<(u16, Vec<u8>), HttpError> {
        let request = request_of(place, ask)?;
        let answer = self.call((place, authorities), request, bounds).await?;
        Ok((answer.status().as_u16(), answer.into_body().to_vec()))
    }

    /// The same with a request of any kind; its address and its host are those of the place.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn call(
        &self,
        (place, authorities): (&HttpPlace, Option<&Path>),
        request: Request<Full<Bytes>>,
        bounds: HttpBounds,
    ) -> Result<Response<Bytes>, HttpError> {
        let asked = async {
            let stream = self.connect(place, authorities, bounds).await?;
            exchange(stream, place, request, bounds.answer).await
        };
        let asked = tokio::time::timeout(bounds.each, asked).await;
        let late = || HttpError::Away(format!("{} took too long", place.host));
        asked.map_err(|_| late())?
    }

    async fn connect(
        &self,
        place: &HttpPlace,
        authorities: Option<&Path>,
        bounds: HttpBounds,
    ) -> Result<BoxedStream, HttpError> {
        let name = place.name();
        let addresses = if let Ok(address) = name.parse::<IpAddr>() {
            vec![address]
        } else {
            let found = self.resolve.addresses(name).await;
            found.map_err(|error| HttpError::Away(format!("{name}: {error}")))?
        };
        // A name does not make another machine this one.
        let may_be_asked = |it: &IpAddr| place.scheme == Scheme::Https || it.is_loopback();
        let addresses = addresses.into_iter().filter(may_be_asked);
        let mut last = HttpError::Away(format!("{name} has no address"));
        for address in addresses.take(bounds.addresses) {
            let dialled = self.dial.dial(SocketAddr::new(address, place.port));
            // One that takes no connection must not use up the time of all.
            let dialled = tokio::time::timeout(bounds.each / 2, dialled);
            match dialled.await {
                Ok(Ok(stream)) => return self.secure(stream, place, authorities).await,
                Ok(Err(error)) => last = HttpError::Away(format!("{name}: {error}")),
                Err(_) => last = HttpError::Away(format!("{name} does not answer")),
            }
        }
        Err(last)
    }

    async fn secure(
        &self,
        stream: BoxedStream,
        place: &HttpPlace,
        authorities: Option<&Path>,
    ) -> Result<BoxedStream, HttpError> {
        if place.scheme == Scheme::Http {
            return Ok(stream);
        }
        let name = place.name();
        let check = match authorities {
            Some(file) => CertificateCheck::NameBy(file.to_owned()),
            None => CertificateCheck::Name,
        };
        let handshake = Handshake {
            name,
            check: &check,
            pair: None,
        };
        let secured = self.tls.connect(stream, handshake).await;
        let (stream, _) =
            secured.map_err(|error| HttpError::Away(format!("{name}: TLS: {error}")))?;
        Ok(stream)
    }
}

fn request_of(place: &HttpPlace, ask: HttpAsk) -> Result<Request<Full<Bytes>>, HttpError> {
    let method = match ask.body {
        Some(_) => Method::POST,
        None => Method::GET,
    };
    let mut request = Request::builder()
        .method(method)
        .uri(&place.path)
        .header(ACCEPT, "application/json");
    for (name, value) in ask.fields {
        request = request.header(name, value);
    }
    let mut content = Vec::new();
    if let Some((kind, body)) = ask.body {
        request = request.header(CONTENT_TYPE, kind);
        content = body;
    }
    let request = request.body(Full::new(Bytes::from(content)));
    request.map_err(|error| HttpError::Refused(error.to_string()))
}

async fn exchange(
    stream: BoxedStream,
    place: &HttpPlace,
    mut request: Request<Full<Bytes>>,
    most: usize,
) -> Result<Response<Bytes>, HttpError> {
    let broken = |error: hyper::Error| HttpError::Away(format!("{}: {error}", place.host));
    let unfit = |error: InvalidUri| HttpError::Refused(error.to_string());
    *request.uri_mut() = place.path.parse().map_err(unfit)?;
    let host = HeaderValue::try_from(place.authority());
    let host = host.map_err(|error| HttpError::Refused(error.to_string()))?;
    request.headers_mut().insert(HOST, host);
    let close = HeaderValue::from_static("close");
    request.headers_mut().insert(CONNECTION, close);
    let shaken = hyper::client::conn::http1::handshake(TokioIo::new(stream));
    let (mut sender, connection) = shaken.await.map_err(broken)?;
    let answered = async {
        let answer = sender.send_request(request).await.map_err(broken)?;
        let (head, body) = answer.into_parts();
        if most == 0 {
            return Ok(Response::from_parts(head, Bytes::new()));
        }
        let body = Limited::new(body, most).collect().await;
        let body = body.map_err(|error| HttpError::Refused(format!("its answer: {error}")))?;
        Ok(Response::from_parts(head, body.to_bytes()))
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
            let place = HttpPlace::of(address)?;
            Some((place.authority(), place.path))
        };
        let expected = |authority: &str, path: &str| Some((authority.to_owned(), path.to_owned()));
        assert_eq!(of("https://a.example"), expected("a.example", "/"));
        let found = of("https://a.example:8443/b?c=d");
        assert_eq!(found, expected("a.example:8443", "/b?c=d"));
        assert_eq!(of("https://[::1]:1/"), expected("[::1]:1", "/"));
        assert_eq!(HttpPlace::of("https://[::1]/").unwrap().name(), "::1");
        for bad in ["http://a.example", "https://a@b.example", "/a", "https://"] {
            assert_eq!(of(bad), None, "{bad}");
        }
        let long = format!("https://a.example/{}", "x".repeat(ADDRESS));
        assert_eq!(of(&long), None);
    }

    #[test]
    fn without_tls_only_this_machine_is_asked() {
        for (address, expected) in [
            ("http://127.0.0.1:9/x", Some("127.0.0.1:9")),
            ("http://[::1]/", Some("[::1]")),
            ("http://localhost/", Some("localhost")),
            ("https://hooks.example/", Some("hooks.example")),
            ("http://hooks.example/", None),
            ("http://127.0.0.1.hooks.example/", None),
            ("http://127.0.0.1@hooks.example/", None),
            ("http://192.0.2.1/", None),
            ("file:///etc/passwd", None),
        ] {
            let place = HttpPlace::of_https_or_local(address);
            let authority = place.map(|place| place.authority());
            assert_eq!(authority.as_deref(), expected, "{address}");
        }
    }
}
