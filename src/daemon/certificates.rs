//! The certificates that are shown to others.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::StartError;
use crate::acme::AcmeFiles;
use crate::admin::Served;
use crate::config::Config;
use crate::inbound::TlsMode;
use crate::net::{ClientAuthorities, TlsFileError, TlsPairs, TlsServer};

/// By whom they are shown to.
pub(super) type Certificates = BTreeMap<Served, Arc<TlsServer>>;

/// All of them: of the listeners, if one of them encrypts or policies are served, and of the
/// operators' door.
fn load(config: &Config) -> Result<Certificates, StartError> {
    let mut all = Certificates::new();
    if config.acme.is_some() {
        let files = AcmeFiles::new(&config.server.data_dir);
        let prepared = files.prepare(&config.server.hostname.to_string());
        prepared.map_err(StartError::other("[acme]"))?;
    }
    let mut listeners = config.listeners.iter();
    let encrypts = listeners.any(|listener| listener.tls != TlsMode::None);
    if encrypts || config.mta_sts.bind.is_some() {
        let pairs = of_mail(config).map_err(StartError::other("the certificate"))?;
        let server = TlsServer::new(pairs).map_err(StartError::other("TLS"))?;
        all.insert(Served::Mail, Arc::new(server));
    }
    let door = config.admin.as_ref().and_then(|it| it.certificate.as_ref());
    if let Some(files) = door {
        // Mail does not wait for a page.
        let server = TlsServer::load_when_good(&files.certificate, &files.key);
        let server = server.map_err(StartError::other("TLS"))?;
        all.insert(Served::Admin, Arc::new(server));
    }
    Ok(all)
}

/// How each listener makes handshakes, in the order of the config.
pub(super) type MailDoors = Vec<Option<Arc<TlsServer>>>;

/// From which certificates of clients come.
type Authorities = Vec<Arc<ClientAuthorities>>;

/// All certificates, and what is made of them at the listeners.
pub(super) fn all(config: &Config) -> Result<(Certificates, MailDoors, Authorities), StartError> {
    let tls = load(config)?;
    let (doors, authorities) = mail_doors(config, &tls)?;
    Ok((tls, doors, authorities))
}

/// Those that ask for certificates of clients know them by authorities of their own.
fn mail_doors(config: &Config, tls: &Certificates) -> Result<(MailDoors, Authorities), StartError> {
    let (mut doors, mut all) = (MailDoors::new(), Vec::new());
    for listener in &config.listeners {
        let shown = tls.get(&Served::Mail);
        let (Some(shown), Some(files)) = (shown, &listener.client_ca) else {
            doors.push(shown.map(Arc::clone));
            continue;
        };
        let authorities = ClientAuthorities::load(files);
        let authorities = Arc::new(authorities.map_err(StartError::other("client_ca"))?);
        let door = shown.asking(Arc::clone(&authorities));
        doors.push(Some(Arc::new(door.map_err(StartError::other("TLS"))?)));
        all.push(authorities);
    }
    Ok((doors, all))
}

/// Those of the listeners, as the files are now.
pub(super) fn of_mail(config: &Config) -> Result<TlsPairs, TlsFileError> {
    let server = &config.server;
    match &config.tls {
        Some(files) => files.load(),
        None => TlsPairs::self_signed(&server.data_dir, server.hostname.as_str()),
    }
}
