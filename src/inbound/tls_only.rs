//! Who hands mail in over TLS only.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::str::FromStr;

use thiserror::Error;

use crate::net::Network;
use crate::smtp::{Domain, ReversePath};

/// Peers whose mail comes encrypted, by where they are or by whose mail they bring.
#[derive(Debug, Clone, Default)]
pub struct TlsOnly {
    networks: Vec<Network>,
    /// Of senders, as keys.
    domains: BTreeSet<String>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsPeer {
    /// Who comes from there.
    Network(Network),
    /// Who brings mail of a sender in exactly this domain (its key).
    Sender(String),
}

/// What is neither.
#[derive(Debug, Clone, Error, PartialEq, Eq)]
#[error(
    "is no network and no domain, expected for example \"192.0.2.0/24\" or \"partner.example\""
)]
pub struct InvalidTlsPeer;

impl FromStr for TlsPeer {
    type Err = InvalidTlsPeer;

    fn from_str(text: &str) -> Result<Self, InvalidTlsPeer> {
        if let Ok(network) = text.parse() {
            return Ok(Self::Network(network));
        }
        let domain: Domain = text.parse().map_err(|_| InvalidTlsPeer)?;
        let key = domain.key();
        // What ends in digits is an address that was spelled wrong: no domain does.
        let is_name = key.rsplit_once('.').is_some_and(|(_, last)| {
            !domain.is_literal() && !last.bytes().all(|byte| byte.is_ascii_digit())
        });
        is_name.then_some(Self::Sender(key)).ok_or(InvalidTlsPeer)
    }
}

impl FromIterator<TlsPeer> for TlsOnly {
    fn from_iter<I: IntoIterator<Item = TlsPeer>>(peers: I) -> Self {
        let mut all = Self::default();
        all.extend(peers);
        all
    }
}

impl Extend<TlsPeer> for TlsOnly {
    fn extend<I: IntoIterator<Item = TlsPeer>>(&mut self, peers: I) {
        for peer in peers {
            match peer {
                TlsPeer::Network(network) => self.networks.push(network),
                TlsPeer::Sender(domain) => {
                    self.domains.insert(domain);
                }
            }
        }
    }
}

impl TlsOnly {
    pub(super) fn comes_from(&self, peer: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(peer))
    }

    pub(super) fn is_of(&self, from: &ReversePath) -> bool {
        let sender = from.mailbox().filter(|_| !self.domains.is_empty());
        sender.is_some_and(|sender| self.domains.contains(&sender.domain().key()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_networks_or_domains_of_senders() {
        let network = |text: &str| Ok(TlsPeer::Network(text.parse().unwrap()));
        let sender = |key: &str| Ok(TlsPeer::Sender(key.to_owned()));
        for (text, expected) in [
            ("192.0.2.0/24", network("192.0.2.0/24")),
            ("2001:db8::1", network("2001:db8::1")),
            ("Partner.Example", sender("partner.example")),
            ("bücher.example", sender("xn--bcher-kva.example")),
            ("192.0.2.300", Err(InvalidTlsPeer)),
            ("192.0.2.0/33", Err(InvalidTlsPeer)),
            ("[192.0.2.1]", Err(InvalidTlsPeer)),
            ("partner", Err(InvalidTlsPeer)),
            ("ann@partner.example", Err(InvalidTlsPeer)),
            ("*.partner.example", Err(InvalidTlsPeer)),
            ("", Err(InvalidTlsPeer)),
        ] {
            assert_eq!(text.parse::<TlsPeer>(), expected, "{text}");
        }
    }
}
