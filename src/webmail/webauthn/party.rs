//! Who we are to an authenticator: the site's name and the origin of its pages, from the address
//! at which users reach them. Pure.

use sha2::{Digest, Sha256};

use crate::smtp::Domain;

/// Who we are to an authenticator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Party {
    /// The relying party's id (WebAuthn §5.1.2): the host.
    pub(crate) id: String,
    /// Scheme, host, and port where it is not the scheme's own.
    pub(super) origin: String,
    /// SHA-256 of the id.
    pub(super) hash: [u8; 32],
}

impl Party {
    /// From the pages' address; `None` when browsers have no passkeys there: they want https and a
    /// name, or this machine itself (WebAuthn §5.1.2, §13.4.9).
    pub(crate) fn of(base_url: &str) -> Option<Self> {
        let (scheme, rest) = base_url.split_once("://")?;
        let rest = rest.split(['/', '?', '#']).next()?;
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse::<u16>().ok()?)),
            None => (rest, None),
        };
        let id = host.parse::<Domain>().ok()?.key();
        let is_here = id == "localhost" || id.ends_with(".localhost");
        let scheme = scheme.to_ascii_lowercase();
        let own_port = match scheme.as_str() {
            "https" => 443,
            "http" if is_here => 80,
            _ => return None,
        };
        let is_number = id.rsplit('.').next()?.bytes().all(|c| c.is_ascii_digit());
        if !id.is_ascii() || id.starts_with('[') || is_number {
            return None;
        }
        let port = port.filter(|port| *port != own_port);
        let port = port.map_or_else(String::new, |port| format!(":{port}"));
        Some(Self {
            origin: format!("{scheme}://{id}{port}"),
            hash: hash(id.as_bytes()),
            id,
        })
    }
}

/// SHA-256.
pub(super) fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_have_passkeys_at_names_with_https_and_on_this_machine() {
        for (url, expected) in [
            (
                "https://mail.example.org",
                Some(("mail.example.org", "https://mail.example.org")),
            ),
            (
                "https://Mail.Example.org:443/",
                Some(("mail.example.org", "https://mail.example.org")),
            ),
            (
                "https://mail.example.org:8443/x",
                Some(("mail.example.org", "https://mail.example.org:8443")),
            ),
            (
                "https://bücher.example",
                Some(("xn--bcher-kva.example", "https://xn--bcher-kva.example")),
            ),
            (
                "http://localhost:8080",
                Some(("localhost", "http://localhost:8080")),
            ),
            (
                "http://mail.localhost",
                Some(("mail.localhost", "http://mail.localhost")),
            ),
            ("http://mail.example.org", None),
            ("http://localhost.example.org", None),
            ("https://192.0.2.1", None),
            ("https://[2001:db8::1]:443", None),
            ("http://127.0.0.1:8080", None),
            ("https://ann@mail.example.org", None),
            ("https://mail.example.org:x", None),
            ("ftp://mail.example.org", None),
            ("mail.example.org", None),
            ("", None),
        ] {
            let party = Party::of(url);
            let found = party
                .as_ref()
                .map(|it| (it.id.as_str(), it.origin.as_str()));
            assert_eq!(found, expected, "{url}");
        }
    }
}
