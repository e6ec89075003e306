//! The ports of the config, before anything else: a second start must not touch the spool of the
//! first one.

use std::net::SocketAddr;

use super::StartError;
use crate::config::{Config, WebConfig};
use crate::net::{Listen, TcpListen, handed};

/// Sockets that somebody else has bound for us, and nobody has taken yet.
#[derive(Default)]
pub(super) struct Handed(Vec<TcpListen>);

impl Handed {
    /// Those of this process.
    pub(super) fn to_us() -> Result<Self, StartError> {
        handed().map(Self).map_err(StartError::other("sockets"))
    }

    /// The port of the config: the socket of that address, or a new one.
    fn listen(&mut self, address: SocketAddr) -> Result<TcpListen, StartError> {
        let mut sockets = self.0.iter();
        let Some(place) = sockets.position(|socket| socket.local_address() == address) else {
            return Ok(TcpListen::bind(address)?);
        };
        tracing::info!(%address, "a socket was handed over");
        Ok(self.0.swap_remove(place))
    }

    /// Whoever hands over a port means that mail comes in there.
    fn assert_none_left(&self) -> Result<(), StartError> {
        let left = self
            .0
            .iter()
            .map(|socket| socket.local_address().to_string());
        let left: Vec<String> = left.collect();
        if left.is_empty() {
            return Ok(());
        }
        let why = format!(
            "{} was handed over (LISTEN_FDS), and the config names no such port: change the \
             socket unit, or the bind of a listener, of [web], [admin], [mta_sts] or [acme]",
            left.join(", ")
        );
        Err(StartError::other("sockets")(why))
    }
}

/// All ports of the config, bound.
pub(super) struct Sockets {
    pub(super) mail: Vec<TcpListen>,
    pub(super) web: Option<(WebConfig, TcpListen)>,
    pub(super) web_address: Option<SocketAddr>,
    pub(super) admin: Option<TcpListen>,
    pub(super) admin_address: Option<SocketAddr>,
    pub(super) public: Public,
}

/// What others outside read without a login.
pub(super) struct Public {
    /// Policies of MTA-STS.
    pub(super) policies: Option<TcpListen>,
    /// Answers for an authority that makes certificates.
    pub(super) answers: Option<TcpListen>,
}

impl Sockets {
    /// Those that were handed over, and new ones for the rest.
    pub(super) fn bind(config: &Config, mut handed: Handed) -> Result<Self, StartError> {
        let listeners = config.listeners.iter();
        let mail: Result<Vec<_>, _> = listeners
            .map(|listener| handed.listen(listener.bind))
            .collect();
        let web = config
            .web
            .clone()
            .map(|web| handed.listen(web.bind).map(|socket| (web, socket)))
            .transpose()?;
        let admin = config
            .admin
            .as_ref()
            .map(|admin| handed.listen(admin.bind))
            .transpose()?;
        let policies = config.mta_sts.bind.map(|bind| handed.listen(bind));
        let policies = policies.transpose()?;
        let answers = config.acme.as_ref().map(|acme| handed.listen(acme.bind));
        let answers = answers.transpose()?;
        let mail = mail?;
        handed.assert_none_left()?;
        Ok(Self {
            mail,
            web_address: web.as_ref().map(|(_, socket)| socket.local_address()),
            web,
            admin_address: admin.as_ref().map(Listen::local_address),
            public: Public { policies, answers },
            admin,
        })
    }
}
