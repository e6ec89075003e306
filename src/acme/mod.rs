//! Certificates that are made for us by an authority: ordered, renewed, put where listeners read
//! them (ACME, RFC 8555).
//!
//! When something is to be done is a pure function ([`plan`](Plan)); `order` does it; `desk` waits,
//! remembers and tells. The pair that works is touched by one rename, when a better one is there.

mod ask;
#[cfg(test)]
mod authority_tests;
mod desk;
mod error;
mod files;
mod order;
mod plan;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use desk::{Acme, AcmeView, AcmeWorld};
pub use error::AcmeError;
pub use files::{AcmeFiles, Advice, Memory};
pub use order::Answers;
pub use plan::Plan;

/// From whom certificates come, and for which hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AcmeOptions {
    /// The authority: the https address of its directory (RFC 8555 §7.1.1).
    pub directory: String,
    /// Whom it may write to; addresses.
    pub contact: Vec<String>,
    /// The hosts that the certificate is for, at least one; lower case.
    pub hosts: Vec<String>,
    /// PEM file of the authorities that may have signed the directory's certificate; `None`: those
    /// of the system.
    pub authorities: Option<PathBuf>,
    /// An account there that binds ours (RFC 8555 §7.3.4): its name, and the file of its key.
    pub binding: Option<(String, PathBuf)>,
    /// Which key a new certificate has.
    pub key: NextKey,
}

/// Which key the next certificate has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextKey {
    /// A new one.
    Fresh,
    /// That of the one before: TLSA records that name it stay true.
    Same,
}

/// Where the pair is, in this folder of ours.
#[must_use]
pub fn pair_file(data_dir: &Path) -> PathBuf {
    AcmeFiles::new(data_dir).pair()
}
