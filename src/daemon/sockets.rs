//! The ports of the config, before anything else: a second start must not touch the spool of the
//! first one.

use std::net::SocketAddr;

use super::StartError;
use crate::config::{Config, WebConfig};
use crate::net::{Listen, TcpListen};

/// All ports of the config, bound.
pub(super) struct Sockets {
    pub(super) mail: Vec<TcpListen>,
    pub(super) web: Option<(WebConfig, TcpListen)>,
    pub(super) web_address: Option<SocketAddr>,
    pub(super) admin: Option<TcpListen>,
    pub(super) admin_address: Option<SocketAddr>,
}

impl Sockets {
    pub(super) fn bind(config: &Config) -> Result<Self, StartError> {
        let mail: Result<Vec<_>, _> = config
            .listeners
            .iter()
            .map(|listener| TcpListen::bind(listener.bind))
            .collect();
        let web = config
            .web
            .clone()
            .map(|web| TcpListen::bind(web.bind).map(|socket| (web, socket)))
            .transpose()?;
        let admin = config
            .admin
            .as_ref()
            .map(|admin| TcpListen::bind(admin.bind))
            .transpose()?;
        Ok(Self {
            mail: mail?,
            web_address: web.as_ref().map(|(_, socket)| socket.local_address()),
            web,
            admin_address: admin.as_ref().map(Listen::local_address),
            admin,
        })
    }
}
