//! Which provider, who we are to it, and what is believed.

use std::path::PathBuf;

use crate::net::HttpPlace as Place;

/// Which provider, who we are to it, and what is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// As the provider writes itself, to the letter.
    pub issuer: String,
    /// Who we are.
    pub client_id: String,
    /// The file with our secret, read for each login; `None`: we have none, PKCE is all.
    pub secret_file: Option<PathBuf>,
    /// The claim that names the address.
    pub claim: String,
    /// Whose word is taken for the address.
    pub trust: Trust,
    /// PEM with the authorities that may sign its certificate; `None`: the system's.
    pub authorities: Option<PathBuf>,
}

/// Whose word is taken for an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trust {
    /// The provider's, when it says that it has verified it (OpenID Connect Core §5.1).
    #[default]
    Verified,
    /// The provider's in any case.
    Issuer,
}

/// Can this be an issuer?
///
/// # Errors
/// What is expected.
pub fn check_issuer(issuer: &str) -> Result<(), String> {
    // OpenID Connect Discovery §3: https, without query and fragment.
    let is_plain = !issuer.contains(['?', '#']);
    if is_plain && Place::of(issuer).is_some() {
        Ok(())
    } else {
        Err(format!(
            "\"{issuer}\" is no issuer, expected its https:// address, as the provider writes it"
        ))
    }
}

/// Does this provider put into `email` what its users, or the administrators of any other tenant,
/// write there? Entra does, and says nothing of `email_verified`: whoever trusts that lets
/// everybody be anybody.
#[must_use]
pub fn writes_any_address(issuer: &str) -> bool {
    let host = Place::of(issuer).map(|place| place.name().to_ascii_lowercase());
    let is_entra = |host: &str| {
        host == "sts.windows.net"
            || host.starts_with("login.microsoftonline.")
            || host.starts_with("login.partner.microsoftonline.")
    };
    host.is_some_and(|host| is_entra(&host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_an_https_address() {
        for good in [
            "https://login.example.org",
            "https://id.example.org:8443/a/",
        ] {
            assert_eq!(check_issuer(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "http://login.example.org",
            "login.example.org",
            "https://user@login.example.org",
            "https://login.example.org/?a",
            "https://login.example.org#a",
            "https://",
        ] {
            assert!(check_issuer(bad).is_err(), "{bad}");
        }
    }
}
