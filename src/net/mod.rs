//! The network behind seams: listening, dialling, names, TLS.
//!
//! The only room that names tokio's sockets, rustls and hickory. Everything above sees streams
//! and traits, so that a simulation can put its own network under the same program.

mod certificate;
mod certificate_facts;
mod client_authorities;
mod crowd;
mod dane;
mod der;
mod distinguished;
mod dns;
mod handed;
mod https;
mod network;
mod proxied;
mod public;
mod revocation;
mod self_signed;
mod server_name;
mod server_pair;
mod tcp;
mod tls_check;
mod tls_client;
mod tls_listen;
mod tls_server;
mod tls_sessions;
mod unix;

pub use certificate_facts::{CertificateFacts, CertificateRequest};
pub use client_authorities::{AuthoritiesState, ClientAuthorities, ClientFiles};
pub use crowd::{Crowd, Place, Placed};
pub use dane::Tlsa;
pub use dns::Dns;
pub use handed::{HandedError, handed};
pub use https::{HttpAsk, HttpBounds, HttpError, HttpPlace, Https};
pub use network::{InvalidNetwork, Network};
pub use proxied::{Proxied, ProxyError};
pub use public::{PublicDial, is_public, stranger_in};
pub use revocation::RevocationState;
pub use self_signed::self_signed_pem;
pub use server_pair::{CertificateState, TlsFileError};
pub use tcp::{BindError, TcpDial, TcpListen};
pub use tls_check::CertificateCheck;
pub use tls_client::{
    ClientPair, Handshake, TlsClient, TlsConfig, TlsTrouble, certificate_names, check_tls_files,
};
pub use tls_listen::TlsListen;
pub use tls_server::{TlsPairs, TlsServer};
pub use unix::{UnixDoor, bind_unix, connect_unix};

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::io::{AsyncRead, AsyncWrite};

use crate::base::{Boxed, TlsInfo};

/// A byte stream in both directions.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Any stream: TCP, TLS, a pipe of a test.
pub type BoxedStream = Box<dyn Stream>;

/// Opens connections.
pub trait Dial: Send + Sync + fmt::Debug {
    /// Connects to `address`.
    ///
    /// # Errors
    /// As the network says.
    fn dial(&self, address: SocketAddr) -> Boxed<'_, io::Result<BoxedStream>>;

    /// The address from which connections to `address` come, as far as this machine knows.
    fn source(&self, _address: SocketAddr) -> Option<IpAddr> {
        None
    }
}

/// Takes connections.
pub trait Listen: Send + fmt::Debug {
    /// Waits for the next connection.
    ///
    /// # Errors
    /// As the network says; the listener can go on after most of them.
    fn accept(&mut self) -> Boxed<'_, io::Result<(BoxedStream, SocketAddr)>>;

    /// The address it listens on.
    fn local_address(&self) -> SocketAddr;
}

/// Takes over a connection that is to be encrypted, as the server.
pub trait AcceptTls: Send + Sync + fmt::Debug {
    /// Does the handshake. The peer has said nothing on `stream` that was not meant for it.
    ///
    /// # Errors
    /// When the handshake fails; the connection is lost then.
    fn accept(&self, stream: BoxedStream) -> Boxed<'_, io::Result<(BoxedStream, TlsInfo)>>;
}

/// Looks up names.
pub trait Resolve: Send + Sync + fmt::Debug {
    /// Addresses (A and AAAA) of a host.
    ///
    /// # Errors
    /// See [`DnsError`].
    fn addresses<'a>(&'a self, host: &'a str) -> Boxed<'a, Result<Vec<IpAddr>, DnsError>>;

    /// MX hosts of a domain with their preference, unsorted.
    ///
    /// # Errors
    /// See [`DnsError`].
    fn mail_exchangers<'a>(
        &'a self,
        domain: &'a str,
    ) -> Boxed<'a, Result<Vec<MailExchanger>, DnsError>>;

    /// TXT records of a name, each as one text.
    ///
    /// # Errors
    /// See [`DnsError`].
    fn texts<'a>(&'a self, name: &'a str) -> Boxed<'a, Result<Vec<String>, DnsError>>;

    /// Does DNSSEC prove which MX hosts a domain has (without MX records: which addresses)? No when
    /// it is not signed, or the name servers do not pass signatures on.
    ///
    /// # Errors
    /// [`DnsError::Temporary`] when the answer may be forged.
    fn is_mx_proven<'a>(&'a self, domain: &'a str) -> Boxed<'a, Result<bool, DnsError>>;

    /// TLSA records of a mail host, as far as DNSSEC proves them; none for a host that is not
    /// signed (RFC 7672 §2.2.2).
    ///
    /// # Errors
    /// [`DnsError::Temporary`] when the answer may be forged.
    fn tlsa<'a>(&'a self, host: &'a str, port: u16) -> Boxed<'a, Result<Vec<Tlsa>, DnsError>>;
}

/// Asks one resolver, or one server of a zone, for records as they are.
pub trait Ask: Send + Sync + fmt::Debug {
    /// The records of a name.
    ///
    /// # Errors
    /// See [`DnsError`].
    fn ask<'a>(&'a self, name: &'a str, kind: RecordKind) -> Boxed<'a, Result<Answer, DnsError>>;
}

/// What can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RecordKind {
    /// MX.
    Mx,
    /// TXT.
    Text,
    /// A.
    V4,
    /// AAAA.
    V6,
    /// PTR.
    Pointer,
    /// NS.
    NameServer,
    /// CNAME.
    Alias,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The records, sorted; at least one.
    pub records: Vec<Record>,
    /// How long they may still be kept.
    pub ttl: std::time::Duration,
    /// Was the name an alias (CNAME)?
    pub alias: bool,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Record {
    /// MX.
    Mx(MailExchanger),
    /// TXT, its strings as one.
    Text(String),
    /// A or AAAA.
    Address(IpAddr),
    /// PTR or NS: lower case, no dot at the end.
    Name(String),
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mx(mx) if mx.host.is_empty() => write!(f, "{} .", mx.preference),
            Self::Mx(mx) => write!(f, "{} {}", mx.preference, mx.host),
            Self::Text(text) | Self::Name(text) => f.write_str(text),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// One MX record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MailExchanger {
    /// Lower is tried first.
    pub preference: u16,
    /// The host; `.` or empty for "no mail" (RFC 7505).
    pub host: String,
}

/// Why a name could not be looked up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DnsError {
    /// The name does not exist (NXDOMAIN): permanent.
    #[error("the domain does not exist")]
    NoSuchName,
    /// It exists and has no such records.
    #[error("no such records")]
    NoRecords,
    /// The resolver failed or timed out: temporary.
    #[error("the name server did not answer: {0}")]
    Temporary(String),
}

/// What is said of answers that may be forged.
const UNPROVEN: &str = "DNSSEC does not prove its answer";

impl DnsError {
    /// An answer that DNSSEC should prove and does not (RFC 4035 §4.3).
    #[must_use]
    pub fn unproven() -> Self {
        Self::Temporary(UNPROVEN.to_owned())
    }

    /// Is it such an answer, and not silence?
    #[must_use]
    pub fn is_unproven(&self) -> bool {
        matches!(self, Self::Temporary(why) if why == UNPROVEN)
    }
}

#[cfg(test)]
mod client_authorities_tests;
#[cfg(test)]
pub(crate) mod hosts_tests;
#[cfg(test)]
mod tls_resumption_tests;
#[cfg(test)]
mod tls_tests;
