//! Names, asked from name servers: those of the system, or others.

mod proven;
mod records;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, LookupIpStrategy, NameServerConfig, ResolverConfig,
};
use hickory_resolver::net::NetError;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RData};

use self::proven::Prover;
use super::{DnsError, MailExchanger, Resolve, Tlsa};
use crate::base::Boxed;

/// One question to one server.
const TIMEOUT: Duration = Duration::from_secs(3);
const ATTEMPTS: usize = 2;

type Builder = hickory_resolver::ResolverBuilder<TokioRuntimeProvider>;

/// Asks name servers. Answers are kept as long as their TTL says.
#[derive(Clone)]
pub struct Dns {
    resolver: TokioResolver,
    /// Another one, which takes only what is proven or known to be unsigned.
    prover: Arc<Prover>,
}

impl std::fmt::Debug for Dns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dns").finish_non_exhaustive()
    }
}

impl Dns {
    /// These name servers; those of the system when none is named.
    ///
    /// # Errors
    /// When the resolver cannot be set up.
    pub fn asking(servers: &[SocketAddr]) -> Result<Self, DnsError> {
        if servers.is_empty() {
            Self::system()
        } else {
            Self::with_servers(servers)
        }
    }

    /// The name servers of the system (`/etc/resolv.conf`); without that file the one on
    /// 127.0.0.1, as the C library does it.
    ///
    /// # Errors
    /// When the resolver cannot be set up.
    pub fn system() -> Result<Self, DnsError> {
        Self::build(|| {
            let builder = TokioResolver::builder_tokio();
            builder.unwrap_or_else(|error| {
                tracing::warn!(%error, "no usable /etc/resolv.conf, asking 127.0.0.1");
                let local = NameServerConfig::udp_and_tcp(Ipv4Addr::LOCALHOST.into());
                TokioResolver::builder_with_config(
                    ResolverConfig::from_name_servers(vec![local]),
                    TokioRuntimeProvider::default(),
                )
            })
        })
    }

    /// These name servers and no others.
    ///
    /// # Errors
    /// When the resolver cannot be set up.
    pub fn with_servers(servers: &[SocketAddr]) -> Result<Self, DnsError> {
        let server = |address: &SocketAddr| {
            let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
            for connection in &mut connections {
                connection.port = address.port();
            }
            NameServerConfig::new(address.ip(), true, connections)
        };
        let config = ResolverConfig::from_name_servers(servers.iter().map(server).collect());
        Self::build(|| {
            TokioResolver::builder_with_config(config.clone(), TokioRuntimeProvider::default())
        })
    }

    fn build(builder: impl Fn() -> Builder) -> Result<Self, DnsError> {
        let resolver = |mut builder: Builder| {
            let options = builder.options_mut();
            options.timeout = TIMEOUT;
            options.attempts = ATTEMPTS;
            options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
            builder.build().map_err(|error| translate(&error))
        };
        let mut proving = builder();
        proving.options_mut().validate = true;
        Ok(Self {
            resolver: resolver(builder())?,
            prover: Arc::new(Prover::new(resolver(proving)?)),
        })
    }
}

impl Resolve for Dns {
    fn addresses<'a>(&'a self, host: &'a str) -> Boxed<'a, Result<Vec<IpAddr>, DnsError>> {
        Box::pin(async move {
            if let Some(known) = without_dns(host) {
                return Ok(known);
            }
            let mut name = name(host)?;
            // Names with a dot are complete; single words use the search list of the system.
            name.set_fqdn(name.num_labels() > 1 || name.is_fqdn());
            let found = self.resolver.lookup_ip(name).await;
            let found: Vec<_> = found.map_err(|error| translate(&error))?.iter().collect();
            if found.is_empty() {
                return Err(DnsError::NoRecords);
            }
            Ok(found)
        })
    }

    fn mail_exchangers<'a>(
        &'a self,
        domain: &'a str,
    ) -> Boxed<'a, Result<Vec<MailExchanger>, DnsError>> {
        Box::pin(async move {
            let mut name = name(domain)?;
            name.set_fqdn(true);
            let found = self.resolver.mx_lookup(name).await;
            let found = found.map_err(|error| translate(&error))?;
            let exchanger = |data: &RData| {
                let RData::MX(mx) = data else { return None };
                Some(MailExchanger {
                    preference: mx.preference,
                    host: mx.exchange.to_ascii().trim_end_matches('.').to_owned(),
                })
            };
            let exchangers: Vec<_> = found
                .answers()
                .iter()
                .filter_map(|record| exchanger(&record.data))
                .collect();
            if exchangers.is_empty() {
                return Err(DnsError::NoRecords);
            }
            Ok(exchangers)
        })
    }

    fn texts<'a>(&'a self, name: &'a str) -> Boxed<'a, Result<Vec<String>, DnsError>> {
        Box::pin(async move {
            let found = self.resolver.txt_lookup(complete(name)?).await;
            let found = found.map_err(|error| translate(&error))?;
            let text = |data: &RData| {
                // RFC 7208 §3.3: the strings of one record belong together, without blanks.
                let RData::TXT(txt) = data else { return None };
                String::from_utf8(txt.txt_data.concat()).ok()
            };
            let answers = found.answers().iter();
            Ok(answers.filter_map(|record| text(&record.data)).collect())
        })
    }

    fn is_mx_proven<'a>(&'a self, domain: &'a str) -> Boxed<'a, Result<bool, DnsError>> {
        Box::pin(async move { self.prover.is_mx_proven(complete(domain)?).await })
    }

    fn tlsa<'a>(&'a self, host: &'a str, port: u16) -> Boxed<'a, Result<Vec<Tlsa>, DnsError>> {
        Box::pin(async move {
            if without_dns(host).is_some() {
                return Ok(Vec::new());
            }
            self.prover.tlsa(complete(host)?, port).await
        })
    }
}

/// A name that is complete, from the root on.
fn complete(text: &str) -> Result<Name, DnsError> {
    let mut name = name(text)?;
    name.set_fqdn(true);
    Ok(name)
}

/// Address literals and `localhost` (RFC 6761 §6.3) need no name server: they work when
/// everything else is down.
pub(super) fn without_dns(host: &str) -> Option<Vec<IpAddr>> {
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .map_or(host, |inner| inner.strip_prefix("IPv6:").unwrap_or(inner));
    if let Ok(address) = bare.parse() {
        return Some(vec![address]);
    }
    host.trim_end_matches('.')
        .eq_ignore_ascii_case("localhost")
        .then(|| vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()])
}

/// A text that is no name: no name server will ever know it.
fn name(text: &str) -> Result<Name, DnsError> {
    Name::from_utf8(text).map_err(|_| DnsError::NoSuchName)
}

fn translate(error: &NetError) -> DnsError {
    if error.is_nx_domain() {
        DnsError::NoSuchName
    } else if error.is_no_records_found() {
        DnsError::NoRecords
    } else {
        DnsError::Temporary(error.to_string())
    }
}

#[cfg(test)]
mod tests;
