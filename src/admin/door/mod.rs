//! The door over TCP: who comes in, and how he proves who he is.
//!
//! `/health` and `/metrics` are open to all who reach the address. The API wants a token or a
//! session, the pages a session. What belongs to a session is given to handlers as extensions of
//! the request: [`Caller`] and [`Session`].

mod cookies;
mod identify;
mod login;
mod own;
#[cfg(test)]
mod tests;
mod undone;

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{REFERRER_POLICY, STRICT_TRANSPORT_SECURITY};
use axum::http::{Extensions, HeaderMap, HeaderValue};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;

use super::audit::AuditLog;
use super::operators::Operators;
pub(super) use super::operators::Session;
use super::serve::Remote;
use super::{Admin, AdminError, Caller, console};
use crate::base::Shutdown;
use crate::frame;
pub(super) use cookies::{SECURE_SESSION, SESSION};
pub(super) use identify::Proof;

/// Whose word is taken for where a visitor comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Peer {
    /// Visitors connect to us.
    #[default]
    Direct,
    /// A proxy of ours does, and puts the visitor's address at the end of `X-Forwarded-For`.
    ForwardedFor,
}

/// How far the wire between browsers and us can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wire {
    /// TLS, by ourselves or by a proxy: cookies are for TLS only.
    Secret,
    /// Plain http that does not leave this machine.
    #[default]
    Local,
    /// Plain http that others can read: nobody logs in over it.
    Open,
}

/// How the door is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DoorOptions {
    /// Can others read along?
    pub wire: Wire,
    /// Where do visitors come from?
    pub peer: Peer,
    /// How people reach the pages, without slash at the end; empty when that is not known.
    pub base_url: String,
    /// Where the samples of the plots are kept; `None`: nowhere.
    pub data_dir: Option<PathBuf>,
}

/// What lets people in; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    operators: Operators,
    audit: AuditLog,
    options: DoorOptions,
    /// The content security policy of all pages.
    policy: HeaderValue,
}

impl Gate {
    fn new((operators, audit): (Operators, AuditLog), options: DoorOptions) -> Self {
        Self(Arc::new(Inner {
            operators,
            audit,
            options,
            policy: frame::policy(),
        }))
    }

    fn operators(&self) -> &Operators {
        &self.0.operators
    }

    /// Nobody sends a password or a token where others read along.
    fn expect_wire(&self) -> Result<(), AdminError> {
        match self.0.options.wire {
            Wire::Secret | Wire::Local => Ok(()),
            Wire::Open => Err(AdminError::Plain),
        }
    }

    fn is_secure(&self) -> bool {
        self.0.options.wire == Wire::Secret
    }

    /// Where a request comes from.
    fn visitor(&self, headers: &HeaderMap, extensions: &Extensions) -> IpAddr {
        let connected = || {
            let info = extensions.get::<ConnectInfo<Remote>>();
            info.map(|ConnectInfo(Remote(address))| address.ip())
        };
        let address = match self.0.options.peer {
            Peer::Direct => connected(),
            Peer::ForwardedFor => forwarded(headers).or_else(connected),
        };
        let address = address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        address.to_canonical()
    }
}

/// The last one is what our own proxy saw; those before it are hearsay.
fn forwarded(headers: &HeaderMap) -> Option<IpAddr> {
    let value = headers.get_all("x-forwarded-for").iter().next_back();
    let value = value.and_then(|value| value.to_str().ok())?;
    value.rsplit(',').next()?.trim().parse().ok()
}

/// All that `[admin] bind` shows.
pub fn network(admin: Arc<Admin>, options: DoorOptions, shutdown: Shutdown) -> Router {
    let data_dir = options.data_dir.clone();
    let gate = Gate::new((admin.operators.clone(), admin.audit.clone()), options);
    let open = super::api::open(Arc::clone(&admin)).merge(console::assets());
    let samples = console::Samples::default();
    let kept = (samples.clone(), data_dir);
    let keep = console::keep_samples(Arc::clone(&admin), kept, shutdown.clone());
    shutdown.spawn("samples of the console", keep);
    let pages = console::Console::of(&admin, samples, &shutdown);
    let pages = console(pages).layer(from_fn(with_word));
    around(
        &gate,
        open,
        super::api::routes(admin, shutdown).merge(pages),
    )
}

/// Gives the pages the word of the session for their forms. Who comes with a token has none: pages
/// are for people.
async fn with_word(mut request: Request, next: Next) -> Response {
    if let Some(session) = request.extensions().get::<Session>() {
        let given = console::Csrf {
            word: session.csrf().to_owned(),
            has_second: session.has_second,
        };
        request.extensions_mut().insert(given);
    }
    next.run(request).await
}

/// What is open to all, and what is for who is known.
fn around(gate: &Gate, open: Router, known: Router) -> Router {
    let known = known.layer(from_fn_with_state(gate.clone(), identify::identify));
    Router::new()
        .merge(open)
        .merge(login::routes(gate.clone()))
        .merge(known)
        .layer(from_fn_with_state(gate.clone(), secured))
}

/// Puts the headers on everything that keep browsers from harm.
async fn secured(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    frame::secure(headers, &gate.0.policy);
    // Not `no-referrer`: with it browsers say `Origin: null` in the forms of our own pages.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    if gate.is_secure() {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.insert(STRICT_TRANSPORT_SECURITY, year);
    }
    response
}
