//! The way to a directory server. The library would ask the system for its name; we ask the
//! resolver that everything else asks, and hand it the connection.

use std::net::{IpAddr, SocketAddr};

use ldap3::StdStream;

use crate::limits;
use crate::net::{Resolve, TcpDial};

/// The ports of `ldap` (RFC 4511 §5.2) and `ldaps` (as everybody has it).
const LDAP: u16 = 389;
const LDAPS: u16 = 636;

/// A connection to the first of its addresses that takes one.
///
/// # Errors
/// Why there is none, in words.
pub(super) async fn reach(resolve: &dyn Resolve, server: &str) -> Result<StdStream, String> {
    let Some((host, port)) = place(server) else {
        return Err("it is no ldap:// or ldaps:// address".to_owned());
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let addresses = if let Ok(address) = bare.parse::<IpAddr>() {
        vec![address]
    } else {
        let found = resolve.addresses(host).await;
        found.map_err(|error| format!("{host}: {error}"))?
    };
    // One that says nothing leaves time for the next.
    let dial = TcpDial::new(limits::LDAP_CONNECT / 2);
    let mut last = format!("{host} has no address");
    for address in addresses {
        match dial.dial_plain(SocketAddr::new(address, port)).await {
            Ok(stream) => return Ok(StdStream::Tcp(stream)),
            Err(error) => last = error.to_string(),
        }
    }
    Err(last)
}

/// The host and the port of a server.
fn place(server: &str) -> Option<(&str, u16)> {
    let (authority, usual) = match server.strip_prefix("ldaps://") {
        Some(rest) => (rest, LDAPS),
        None => (server.strip_prefix("ldap://")?, LDAP),
    };
    let (host, port) = match authority.rsplit_once(':') {
        // In brackets it is an address of IPv6.
        Some((_, inside)) if inside.contains(']') => (authority, usual),
        Some((host, "")) => (host, usual),
        Some((host, port)) => (host, port.parse().ok()?),
        None => (authority, usual),
    };
    // As the library reads it.
    Some((if host.is_empty() { "localhost" } else { host }, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_has_a_host_and_a_port() {
        for (server, expected) in [
            ("ldaps://dc1.example.org", Some(("dc1.example.org", 636))),
            ("ldap://dc1.example.org", Some(("dc1.example.org", 389))),
            ("ldaps://dc1:3269", Some(("dc1", 3269))),
            ("ldap://dc1:", Some(("dc1", 389))),
            ("ldap://[2001:db8::1]", Some(("[2001:db8::1]", 389))),
            ("ldaps://[2001:db8::1]:3269", Some(("[2001:db8::1]", 3269))),
            ("ldap://:3389", Some(("localhost", 3389))),
            ("ldap://dc1:99999", None),
            ("http://dc1", None),
        ] {
            assert_eq!(place(server), expected, "{server}");
        }
    }
}
