//! The operators' door over the network.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use super::assemble::Base;
use crate::admin::{self, Admin, AuditLog, DoorOptions, Doorway, Operators, Served, Wire};
use crate::config::{AdminConfig, Config};
use crate::net::{AcceptTls, TcpListen};

impl Base {
    /// The operators' door over the network, with TLS when there are files for it.
    pub(super) fn serve_network(
        &self,
        (data_dir, options): (&Path, &AdminConfig),
        socket: TcpListen,
        admin: Arc<Admin>,
    ) {
        let shutdown = self.shutdown.clone();
        let tls = admin.certificates.get(&Served::Admin).cloned();
        if tls.is_none() && options.certificate.is_some() {
            // Never in the clear what is meant to be secret.
            return;
        }
        let options = DoorOptions {
            data_dir: Some(data_dir.to_owned()),
            ..door(options)
        };
        let is_open = options.wire == Wire::Open;
        let router = admin::network(admin, options, shutdown.clone());
        if is_open {
            tracing::warn!(
                "[admin] is plain http that others can read: nobody logs in over it; set \
                 certificate and key, or base_url with https when a proxy adds TLS"
            );
        }
        let name = "operators' door";
        let tls = tls.map(|tls| tls as Arc<dyn AcceptTls>);
        let doorway = Doorway::new(socket, tls, &shutdown);
        let serve = admin::serve_network(doorway, router, shutdown.clone());
        shutdown.spawn(name, serve);
    }
}

/// How the operators' door over the network is.
fn door(options: &AdminConfig) -> DoorOptions {
    let url = options.base_url.clone().unwrap_or_default();
    let wire = if options.certificate.is_some() || url.starts_with("https://") {
        Wire::Secret
    } else if options.bind.ip().is_loopback() {
        Wire::Local
    } else {
        Wire::Open
    };
    DoorOptions {
        wire,
        peer: options.peer,
        base_url: url,
        data_dir: None,
    }
}

/// How operators log in, and how the audit log is kept.
pub(super) fn desks(
    base: &Base,
    config: &Config,
    bound: Option<SocketAddr>,
) -> (Operators, AuditLog) {
    let admin = config.admin.as_ref();
    let audit = admin.map(|admin| admin.audit).unwrap_or_default();
    let mut login = admin.map(|admin| admin.login.clone()).unwrap_or_default();
    if let Some((admin, bound)) = admin.zip(bound) {
        let scheme = if admin.certificate.is_some() {
            "https"
        } else {
            "http"
        };
        let plain = || format!("{scheme}://{bound}");
        login.base_url = admin.base_url.clone().unwrap_or_else(plain);
    }
    let world = (base.clock.clone(), base.entropy.clone());
    let audit = AuditLog::new(base.spool.clone(), base.clock.clone(), audit);
    (Operators::new(base.spool.clone(), world, login), audit)
}
