//! A name server for tests: it knows addresses of hosts and nothing else.

use std::net::IpAddr;

use super::{DnsError, MailExchanger, Resolve, Tlsa};
use crate::base::Boxed;

/// The addresses of each of these hosts, `*` being any; of others there are none.
#[derive(Debug, Default)]
pub(crate) struct Hosts(pub(crate) Vec<(&'static str, Vec<IpAddr>)>);

impl Hosts {
    /// All hosts are there.
    pub(crate) fn all_at(addresses: Vec<IpAddr>) -> Self {
        Self(vec![("*", addresses)])
    }
}

impl Resolve for Hosts {
    fn addresses<'a>(&'a self, host: &'a str) -> Boxed<'a, Result<Vec<IpAddr>, DnsError>> {
        let known = self.0.iter().find(|(name, _)| [host, "*"].contains(name));
        let addresses = known.map(|(_, addresses)| addresses.clone());
        Box::pin(async { addresses.ok_or(DnsError::NoSuchName) })
    }

    fn mail_exchangers<'a>(
        &'a self,
        _: &'a str,
    ) -> Boxed<'a, Result<Vec<MailExchanger>, DnsError>> {
        Box::pin(async { Err(DnsError::NoSuchName) })
    }

    fn texts<'a>(&'a self, _: &'a str) -> Boxed<'a, Result<Vec<String>, DnsError>> {
        Box::pin(async { Err(DnsError::NoSuchName) })
    }

    fn is_mx_proven<'a>(&'a self, _: &'a str) -> Boxed<'a, Result<bool, DnsError>> {
        Box::pin(async { Ok(false) })
    }

    fn tlsa<'a>(&'a self, _: &'a str, _: u16) -> Boxed<'a, Result<Vec<Tlsa>, DnsError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}
