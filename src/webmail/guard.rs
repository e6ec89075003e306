//! Who asks: the visitor, the user who is logged in, and their cookies.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header::{ACCEPT_LANGUAGE, COOKIE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method};

use super::error::WebError;
use super::session::{LIFE, Origin, Session};
use super::texts::{Texts, for_reader};
use super::{Proxy, Webmail, opening};
use crate::activation::Ruling;
use crate::base::Timestamp;
use crate::directory::{EntryKind, FoundBy, Lookup};
use crate::frame::{agent, device};
use crate::mail::BackendId;
use crate::person::{Span, spans};
use crate::route::{self, Admission};
use crate::smtp::Mailbox;

/// Anybody.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    /// His language.
    pub texts: &'static Texts,
    /// Where he comes from.
    pub address: IpAddr,
    /// The token of his cookie before login, for the forms that he sees then.
    pub before_login: Option<String>,
    /// The token of his session cookie, not checked.
    pub token: Option<String>,
    /// What his browser calls itself; cut, not checked.
    agent: String,
}

impl Visitor {
    /// Where a session of his begins.
    pub(crate) fn origin(&self) -> Origin {
        Origin {
            address: self.address.to_canonical().to_string(),
            agent: self.agent.clone(),
        }
    }

    /// What his browser runs on, in two words; empty when that is not known.
    pub(crate) fn device(&self) -> String {
        device(&self.agent).unwrap_or_default()
    }
}

/// A user who is logged in.
#[derive(Debug, Clone)]
pub(crate) struct User {
    pub visitor: Visitor,
    pub session: Session,
    /// The own address of his mailbox: his account's, unless he was renamed.
    pub person: Mailbox,
    /// What was sent before is not his, but of who had the address then.
    pub began: Timestamp,
    /// Under which the spool lists his mail today.
    pub mailbox: String,
    /// Which mail is his; today's mailbox comes first.
    pub spans: Vec<Span>,
    /// The backend that holds his mailbox.
    pub home: Option<BackendId>,
    /// The addresses that he may send as; his own first, unless it only receives.
    pub addresses: Vec<Mailbox>,
    /// What he may do now.
    pub ruling: Ruling,
}

impl User {
    /// His own address.
    pub(crate) const fn address(&self) -> &Mailbox {
        &self.person
    }

    /// The name under which his letters and settings are stored.
    pub(crate) fn account(&self) -> String {
        self.session.account.key()
    }

    /// Refuses a form that does not come from one of his own pages.
    pub(crate) fn check(&self, csrf: &str) -> Result<(), WebError> {
        if self.session.allows(csrf) {
            Ok(())
        } else {
            Err(WebError::Expired)
        }
    }
}

impl FromRequestParts<Webmail> for Visitor {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, webmail: &Webmail) -> Result<Self, WebError> {
        let language = parts.headers.get(ACCEPT_LANGUAGE);
        let language = language.and_then(|value| value.to_str().ok());
        let names = webmail.cookie_names();
        Ok(Self {
            texts: for_reader(language.unwrap_or_default()),
            address: client_address(parts, webmail.0.options.proxy),
            before_login: cookie(&parts.headers, names.before_login),
            token: cookie(&parts.headers, names.session),
            agent: agent(&parts.headers),
        })
    }
}

impl FromRequestParts<Webmail> for User {
    type Rejection = WebError;

    async fn from_request_parts(parts: &mut Parts, webmail: &Webmail) -> Result<Self, WebError> {
        let visitor = Visitor::from_request_parts(parts, webmail).await?;
        let next = if parts.method == Method::GET {
            parts.uri.path_and_query().map_or("/", |path| path.as_str())
        } else {
            "/"
        };
        let session = match &visitor.token {
            Some(token) => webmail.0.sessions.find(token).await?,
            None => None,
        };
        let session = session.ok_or_else(|| WebError::LogIn(next.to_owned()))?;
        // His address is somebody else's: as if nobody were logged in.
        let person = webmail.person_of(&session.account);
        let person = person.ok_or_else(|| WebError::LogIn(next.to_owned()))?;
        if webmail.is_gone(&person) && parts.uri.path() != "/logout" {
            return Err(WebError::Gone);
        }
        let (mailbox, home) = webmail.mailbox_of(&person);
        let addresses = webmail.addresses_of(&person);
        let ruling = webmail.ruling(&mailbox, home.as_ref()).await?;
        opening::check(ruling.mode, &parts.method, parts.uri.path())?;
        let bond = session.account.bond.as_ref();
        let directory = webmail.0.world.directory.current();
        Ok(Self {
            visitor,
            spans: spans(&mailbox, (&person, bond), &directory),
            began: session.account.began.unwrap_or(Timestamp::EPOCH),
            session,
            person,
            mailbox,
            home,
            addresses,
            ruling,
        })
    }
}

/// Names of our cookies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CookieNames {
    pub session: &'static str,
    pub before_login: &'static str,
}

impl Webmail {
    /// `__Host-` binds a cookie to this host and to TLS (RFC 6265bis §4.1.3.2).
    pub(crate) fn cookie_names(&self) -> CookieNames {
        if self.is_secure() {
            CookieNames {
                session: "__Host-tideover",
                before_login: "__Host-tideover-form",
            }
        } else {
            CookieNames {
                session: "tideover",
                before_login: "tideover-form",
            }
        }
    }

    /// The cookie that begins a session.
    pub(crate) fn session_cookie(&self, token: &str) -> Option<HeaderValue> {
        self.set_cookie(self.cookie_names().session, token, LIFE.as_secs())
    }

    /// The cookie that ends it.
    pub(crate) fn no_session_cookie(&self) -> Option<HeaderValue> {
        self.set_cookie(self.cookie_names().session, "", 0)
    }

    /// The cookie for forms before login.
    pub(crate) fn before_login_cookie(&self, token: &str) -> Option<HeaderValue> {
        self.set_cookie(self.cookie_names().before_login, token, LIFE.as_secs())
    }

    /// The cookie that ends that one.
    pub(crate) fn no_before_login_cookie(&self) -> Option<HeaderValue> {
        self.set_cookie(self.cookie_names().before_login, "", 0)
    }

    fn set_cookie(&self, name: &str, value: &str, life: u64) -> Option<HeaderValue> {
        let secure = if self.is_secure() { "; Secure" } else { "" };
        let cookie =
            format!("{name}={value}; Path=/; Max-Age={life}; HttpOnly; SameSite=Lax{secure}");
        cookie.parse().ok()
    }

    /// Under which key the mail of an address is listed, and where its home is.
    pub(super) fn mailbox_of(&self, address: &Mailbox) -> (String, Option<BackendId>) {
        match self.0.world.admit.admit(address, route::Origin::Trusted) {
            // It was his own, and is a tag of somebody else's now.
            Admission::Accept { .. } if self.is_a_tag(address) => (address.key(), None),
            Admission::Accept { lane, mailbox, .. } => {
                let home = Some(lane).filter(|lane| !lane.starts_with('@'));
                let key = mailbox.unwrap_or_else(|| address.key());
                (key, home.map(|name| BackendId::new(&name)))
            }
            Admission::Reject(_) => (address.key(), None),
        }
    }

    /// Does mail to an address come to somebody of whom it is no address, by the rule about tags?
    pub(super) fn is_a_tag(&self, address: &Mailbox) -> bool {
        let directory = self.0.world.directory.current();
        matches!(directory.find(address), Some((_, FoundBy::Tag)))
    }

    /// The addresses that a person may send as: his own, and what the directory says belongs to
    /// the same mailbox.
    pub(crate) fn addresses_of(&self, person: &Mailbox) -> Vec<Mailbox> {
        let mut addresses = vec![person.clone()];
        if let Lookup::Known { entry, .. } = self.0.world.directory.current().lookup(person)
            && matches!(entry.kind, EntryKind::Mailbox | EntryKind::User)
        {
            let receives =
                |one: &Mailbox| entry.receive_only.iter().any(|it| it.key() == one.key());
            // Nobody writes from an address that only receives, also when it is his own.
            addresses.retain(|own| !receives(own));
            for address in std::iter::once(&entry.address).chain(&entry.aliases) {
                if addresses.iter().all(|other| other.key() != address.key()) {
                    addresses.push(address.clone());
                }
            }
        }
        addresses
    }

    /// The name that the directory has for an address.
    pub(crate) fn name_of(&self, address: &Mailbox) -> Option<String> {
        match self.0.world.directory.current().lookup(address) {
            Lookup::Known { entry, .. } => Some(entry.name.clone()).filter(|name| !name.is_empty()),
            Lookup::Unknown(_) | Lookup::Stranger => None,
        }
    }
}

fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.to_owned())
}

fn client_address(parts: &Parts, proxy: Proxy) -> IpAddr {
    let forwarded = || {
        let value = parts.headers.get_all("x-forwarded-for").iter().next_back();
        let value = value.and_then(|value| value.to_str().ok())?;
        // The last one is what our own proxy saw; those before it are hearsay.
        value.rsplit(',').next()?.trim().parse().ok()
    };
    let connected = || {
        let info = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        info.map(|ConnectInfo(address)| address.ip())
    };
    let address = match proxy {
        Proxy::None => connected(),
        Proxy::ForwardedFor => forwarded().or_else(connected),
    };
    address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}
