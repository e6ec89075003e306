//! HAProxy in front of a port.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::client::Client;
use super::lab::free_port;
use super::packages::program;
use super::process::Group;
use super::wait::{SHORT, eventually};

/// Where it comes from, so that it is somebody else than the clients.
pub(crate) const SOURCE: &str = "127.0.0.77";

/// A running HAProxy; ended when dropped.
pub(crate) struct Haproxy {
    address: SocketAddr,
    _group: Group,
}

impl Haproxy {
    /// In front of `server`, which gets `words` in the config: `send-proxy-v2 check`.
    pub(crate) fn start(folder: &Path, server: SocketAddr, words: &str) -> Self {
        let ip = server.ip();
        let address = SocketAddr::new(ip, free_port(&ip.to_string()));
        let config = format!(
            "defaults\n    mode tcp\n    timeout connect 10s\n    timeout client 60s\n    \
             timeout server 60s\nlisten smtp\n    bind {address}\n    source {SOURCE}\n    \
             server tideover {server} {words}\n"
        );
        let file = folder.join(format!("haproxy-{}.cfg", address.port()));
        fs::write(&file, config).unwrap();
        let mut command = Command::new(program("haproxy"));
        command.arg("-db").arg("-f").arg(&file);
        let group = Group::start(command, &folder.join("haproxy.log"));
        eventually(SHORT, "HAProxy hands on", || {
            Client::try_connect(address).ok()
        });
        Self {
            address,
            _group: group,
        }
    }

    /// Where clients connect.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}
