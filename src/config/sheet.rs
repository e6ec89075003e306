//! What setup sheets are filled with.

use std::net::{IpAddr, SocketAddr};

use super::{BackendConfig, Config};
use crate::backend::{Hosts, TlsPolicy};
use crate::cutover::sheet::{Certificate, DomainFacts, Facts, Tls};
use crate::directory::Unknown;
use crate::inbound::Role;
use crate::net::certificate_names;

impl Config {
    /// The facts of a backend; `addresses` are those from which it sees us.
    #[must_use]
    pub fn sheet_facts(&self, backend: &BackendConfig, addresses: Vec<IpAddr>) -> Facts {
        let options = &backend.options;
        let hostname = self.server.hostname.key();
        let certificate = match &options.proof.client {
            None => Certificate::None,
            // A file that cannot be read proves nothing.
            Some(pair) if certificate_names(&pair.certificate, &hostname).unwrap_or(false) => {
                Certificate::Hostname
            }
            Some(_) => Certificate::Other,
        };
        let domains = self.domains.iter().map(|rule| DomainFacts {
            name: rule.name.clone(),
            home: rule.home == options.id,
            relays_unknown: rule.unknown == Unknown::Relay,
        });
        Facts {
            hostname,
            addresses,
            doors: self.doors().map(|bind| bind.to_string()).collect(),
            backend: options.id.to_string(),
            title: backend
                .title
                .clone()
                .unwrap_or_else(|| options.id.to_string()),
            hosts: match &options.hosts {
                Hosts::List(hosts) => hosts.clone(),
                Hosts::Mx(domain) => vec![format!("the MX hosts of {domain}, port 25")],
            },
            tls: match options.tls {
                TlsPolicy::Never | TlsPolicy::Opportunistic => Tls::Weak,
                TlsPolicy::Required | TlsPolicy::Verified => Tls::Always,
            },
            certificate,
            max_connections: options.max_connections,
            sealer: self.auth.seal.clone(),
            domains: domains.collect(),
        }
    }

    /// Where mail of the Internet comes in.
    pub fn doors(&self) -> impl Iterator<Item = SocketAddr> {
        let doors = self.listeners.iter();
        let doors = doors.filter(|it| it.role == Role::Mx);
        doors.map(|listener| listener.bind)
    }
}
