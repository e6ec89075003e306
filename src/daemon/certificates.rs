//! The certificates that are shown to others.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::StartError;
use crate::admin::Served;
use crate::config::{CertificateFiles, Config};
use crate::inbound::TlsMode;
use crate::net::TlsServer;

/// All of them: of the listeners, if one of them encrypts, and of the operators' door.
pub(super) fn load(config: &Config) -> Result<BTreeMap<Served, Arc<TlsServer>>, StartError> {
    let mut all = BTreeMap::new();
    let read = |files: &CertificateFiles| TlsServer::load(&files.certificate, &files.key);
    let mut listeners = config.listeners.iter();
    if listeners.any(|listener| listener.tls != TlsMode::None) {
        let server = if let Some(files) = &config.tls {
            read(files)
        } else {
            let server = &config.server;
            TlsServer::self_signed(&server.data_dir, server.hostname.as_str())
        };
        let server = server.map_err(StartError::other("the certificate"))?;
        all.insert(Served::Mail, Arc::new(server));
    }
    let door = config.admin.as_ref().and_then(|it| it.certificate.as_ref());
    if let Some(files) = door {
        // Mail does not wait for a page.
        let server = TlsServer::load_when_good(&files.certificate, &files.key);
        all.insert(Served::Admin, Arc::new(server));
    }
    Ok(all)
}
