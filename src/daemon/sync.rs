//! The sources of the directory that are synchronised, as the config names them.

use std::sync::Arc;

use super::StartError;
use crate::config::Config;
use crate::directory::{Generations, Source, Syncer};
use crate::ldap::LdapServer;
use crate::net::{Dns, TlsClient};

/// Begins with the sources of `config`.
pub(super) fn syncer(
    generations: Generations,
    (config, dns): (&Config, &Arc<Dns>),
) -> Result<Syncer, StartError> {
    let syncer = Syncer::new(generations);
    let sources = sources(config, dns);
    let sources = sources.map_err(StartError::other("the authorities of the system"))?;
    syncer.configure(sources, config.directory.sync);
    Ok(syncer)
}

/// The sources of `config`, whose names `dns` knows.
///
/// # Errors
/// When TLS cannot begin.
pub(super) fn sources(config: &Config, dns: &Arc<Dns>) -> std::io::Result<Vec<Source>> {
    let named = &config.directory.ldap;
    if named.is_empty() {
        return Ok(Vec::new());
    }
    let tls = TlsClient::new()?;
    let sources = named.iter().map(|source| Source {
        name: source.name.clone(),
        feed: Arc::new(LdapServer::new(
            source.options.clone(),
            tls.clone(),
            dns.clone(),
        )),
        homes: source.homes.clone(),
    });
    Ok(sources.collect())
}
