//! What the domains publish in the public DNS, and what a cutover still waits for.
//!
//! Several resolvers and the servers of the zones are asked (`look.rs`), their answers laid side by
//! side (`seen.rs`), and each kind of record is judged by a pure function (`mx.rs`, `spf.rs` with
//! `spf_walk.rs`, `dkim.rs`, `dmarc.rs`, `sts.rs`, `host.rs`). What nobody answered is never taken
//! to be absent. `sheet/` says what the administrator of each platform has to do.

mod dkim;
mod dmarc;
mod finding;
mod host;
mod look;
mod mx;
mod platform;
mod seen;
pub mod sheet;
mod spf_walk;
mod sts;
#[cfg(test)]
mod tests;
mod zone;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

pub use finding::{DomainReport, Finding, Report, Said, Subject, Verdict};
pub use look::look;
pub use platform::Platform;

use crate::base::Boxed;
use crate::net::{Ask, DnsError};
use crate::outbound::StsPolicy;

/// What is looked at.
#[derive(Debug, Clone)]
pub struct Options {
    /// `server.hostname`.
    pub hostname: String,
    /// The domains.
    pub domains: Vec<DomainOptions>,
    /// The backends.
    pub platforms: Vec<Platform>,
    /// Do we deliver to strangers from our own address?
    pub sends_itself: bool,
}

/// A domain that is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainOptions {
    /// Its name, lower case, ASCII.
    pub name: String,
    /// Whose keys are looked at.
    pub dkim_selectors: Vec<String>,
    /// The policy of MTA-STS that this server serves for it.
    pub policy: Option<StsPolicy>,
}

/// Somebody who is asked.
#[derive(Clone)]
pub struct Resolver {
    /// As people know it: `system`, `9.9.9.9`.
    pub name: String,
    /// How it is asked.
    pub ask: Arc<dyn Ask>,
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// The rest of the world.
pub trait Network: Send + Sync + fmt::Debug {
    /// A name server at an address.
    ///
    /// # Errors
    /// When it cannot even be tried.
    fn server(&self, address: SocketAddr) -> Result<Arc<dyn Ask>, DnsError>;

    /// The MTA-STS policy of a domain, fetched over https now.
    ///
    /// # Errors
    /// Why there is none.
    fn policy<'a>(&'a self, domain: &'a str) -> Boxed<'a, Result<StsPolicy, String>>;
}
