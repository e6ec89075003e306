//! The keys of `[check]`: whom `check --online` asks, and what for.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::Config;
use super::dns_keys;
use super::mta_sts_keys::Policies;
use super::platforms::{self, Backend};
use super::reader::Section;
use crate::auth::Enforcements;
use crate::backend::Hosts;
use crate::cutover::{DomainOptions, Options, Platform};
use crate::directory::DomainRule;
use crate::route::OutboundRelay;

/// The system's own, and three that everybody can ask.
const DEFAULT: [&str; 4] = ["system", "9.9.9.9", "1.1.1.1", "8.8.8.8"];

/// `[check]`, and the keys of domains that belong to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckConfig {
    /// Who is asked, in order; at least one.
    pub resolvers: Vec<ResolverName>,
    /// By domain.
    pub dkim_selectors: BTreeMap<String, Vec<String>>,
}

/// A resolver as the file names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResolverName {
    /// Those that the server itself asks.
    System,
    /// This one; the text is that of the file.
    At(SocketAddr, String),
}

/// The domains, what is asked about them, what happens to forged mail for them, and what senders
/// to them are asked for.
pub(super) fn domains(
    root: &Section<'_>,
    backends: &[Backend],
) -> (Vec<DomainRule>, CheckConfig, (Enforcements, Policies)) {
    let domains = platforms::domains(root, backends);
    let check = CheckConfig {
        resolvers: resolvers(root),
        dkim_selectors: domains.dkim_selectors,
    };
    (domains.rules, check, (domains.dmarc, domains.policies))
}

fn resolvers(root: &Section<'_>) -> Vec<ResolverName> {
    let default = || DEFAULT.iter().filter_map(|text| resolver(text).ok());
    let Some(section) = root.section("check") else {
        return default().collect();
    };
    let named = section.texts("resolvers", resolver);
    if let Some(named) = named.as_ref().filter(|named| named.value.is_empty()) {
        section.source.refuse(
            named,
            "names nobody, expected for example [\"system\", \"9.9.9.9\"]",
        );
    }
    section.finish();
    match named {
        Some(named) => named.value.into_iter().map(|at| at.value).collect(),
        None => default().collect(),
    }
}

fn resolver(text: &str) -> Result<ResolverName, String> {
    if text == "system" {
        return Ok(ResolverName::System);
    }
    let address = dns_keys::server(text).ok_or_else(|| {
        format!(
            "\"{text}\" is no resolver, expected \"system\", or an address with or without port"
        )
    })?;
    Ok(ResolverName::At(address, text.to_owned()))
}

impl Config {
    /// The options of the room `cutover`.
    #[must_use]
    pub fn cutover_options(&self) -> Options {
        let domain = |name: &String| DomainOptions {
            name: name.clone(),
            dkim_selectors: self
                .check
                .dkim_selectors
                .get(name)
                .cloned()
                .unwrap_or_default(),
            policy: self.mta_sts.policies.get(name).cloned(),
        };
        Options {
            hostname: self.server.hostname.key(),
            domains: self.domains.iter().map(|rule| domain(&rule.name)).collect(),
            platforms: self.platforms(),
            sends_itself: self.relay.contains(&OutboundRelay::Mx),
        }
    }

    /// The backends and the names of their hosts.
    #[must_use]
    pub fn platforms(&self) -> Vec<Platform> {
        let bare = |host: &String| {
            let name = host.rsplit_once(':').map_or(host.as_str(), |it| it.0);
            name.to_owned()
        };
        let platforms = self.backends.iter().map(|backend| {
            let (hosts, mx) = match &backend.options.hosts {
                Hosts::List(hosts) => (hosts.iter().map(bare).collect(), None),
                Hosts::Mx(domain) => (Vec::new(), Some(domain.clone())),
            };
            Platform {
                backend: backend.id().to_string(),
                hosts,
                mx,
            }
        });
        platforms.collect()
    }
}
