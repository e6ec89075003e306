//! How a connection was protected: said by the network, carried by the mail, shown to people.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How a connection was protected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsInfo {
    /// `TLSv1.3`.
    pub version: String,
    /// `TLS_AES_256_GCM_SHA384`.
    pub cipher: String,
    /// What the client's certificate proved; of connections to others nothing.
    #[serde(skip)]
    pub client: ClientProof,
}

/// What a client proved by the certificate that it showed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ClientProof {
    /// It showed none, or was not asked.
    #[default]
    None,
    /// It proves nothing: why.
    Refused(String),
    /// It is the one with these names.
    Names(ClientNames),
}

/// What a client's certificate calls it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientNames {
    /// Its hosts (`dNSName`), lower case, at least one: only they prove who it is.
    pub hosts: Vec<String>,
    /// Its common name, which filters are told.
    pub subject: Option<String>,
    /// That of the authority which has signed the certificate.
    pub issuer: Option<String>,
}

impl fmt::Display for TlsInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.version, self.cipher)
    }
}
