//! Which server, how to log in, what to search for.

use std::path::PathBuf;

/// Which server, how to log in, what to search for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LdapOptions {
    /// `ldaps://HOST[:PORT]` or `ldap://HOST[:PORT]`; the first one that answers is read.
    pub servers: Vec<String>,
    /// Does `ldap://` begin with StartTLS? Without it all goes over the wire as it is.
    pub starttls: bool,
    /// PEM with the authorities that may sign the server's certificate; `None`: the system's.
    pub authorities: Option<PathBuf>,
    /// Who we are; `None`: nobody.
    pub login: Option<Login>,
    /// What to search for, in this order: the first search that finds an object counts.
    pub searches: Vec<Search>,
}

impl LdapOptions {
    /// Does all that is said go over TLS?
    #[must_use]
    pub fn has_tls(&self) -> bool {
        let is_secure = |server: &String| server.starts_with("ldaps:");
        self.starttls || self.servers.iter().all(is_secure)
    }
}

/// A simple bind (RFC 4513 §5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// A distinguished name, or what the server takes instead (`tideover@example.org`).
    pub name: String,
    /// The file with the password; read for each login.
    pub password_file: PathBuf,
}

/// One search, over the whole tree below its base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// Where it begins.
    pub base: String,
    /// Which objects it finds (RFC 4515).
    pub filter: String,
}

/// Can this be a filter (RFC 4515)?
///
/// # Errors
/// What is expected.
pub fn check_filter(filter: &str) -> Result<(), String> {
    match ldap3::parse_filter(filter) {
        Ok(_) => Ok(()),
        Err(()) => Err(format!(
            "\"{filter}\" is no LDAP filter, expected for example (&(mail=*)(department=Sales))"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_checked_before_a_server_sees_them() {
        for good in ["(mail=*)", "(&(mail=*)(!(department=Sales)))", "cn=ann"] {
            assert_eq!(check_filter(good), Ok(()), "{good}");
        }
        for bad in ["", "(mail=*", "(&(mail=*)", "mail", "()"] {
            assert!(check_filter(bad).is_err(), "{bad}");
        }
    }
}
