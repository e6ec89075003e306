//! Which server, and how to log in for a mailbox.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::smtp::Mailbox;

/// `[backend.NAME.imap]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImapOptions {
    /// The host; its certificate must be good for this name.
    pub host: String,
    /// The port.
    pub port: u16,
    /// How the connection is protected.
    pub security: Security,
    /// PEM with the authorities that may sign its certificate; `None`: the system's.
    pub authorities: Option<PathBuf>,
    /// Who logs in for a mailbox.
    pub login: LoginName,
    /// What proves it.
    pub secret: ImapSecret,
    /// Connections at one time, at least 1.
    pub max_connections: usize,
    /// Changes in one mailbox in any minute; 0: no limit.
    pub changes_per_minute: usize,
}

impl ImapOptions {
    /// The server, for people.
    #[must_use]
    pub fn server(&self) -> String {
        let scheme = match self.security {
            Security::Implicit => "imaps",
            Security::StartTls | Security::Plain => "imap",
        };
        format!("{scheme}://{}:{}", self.host, self.port)
    }
}

/// How a connection is protected. With TLS the certificate is always checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Security {
    /// TLS from the first byte (RFC 8314).
    Implicit,
    /// STARTTLS, or nothing at all.
    StartTls,
    /// Not: the server is on this machine.
    Plain,
}

/// What proves who we are; read for each login, so that a new one needs no restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImapSecret {
    /// The file of a password.
    Password(PathBuf),
    /// The file of an OAuth 2 access token, which somebody keeps fresh.
    Token(PathBuf),
}

impl ImapSecret {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Password(path) | Self::Token(path) => path,
        }
    }
}

/// Who logs in for a mailbox: a text in which `%u` is its address at the backend, `%n` the part in
/// front of the @, `%d` the domain, and `%%` a percent sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginName(String);

impl LoginName {
    /// Checks a text.
    ///
    /// # Errors
    /// What is expected.
    pub fn new(text: &str) -> Result<Self, String> {
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            let known = letter != '%' || matches!(letters.next(), Some('u' | 'n' | 'd' | '%'));
            if !known || letter.is_control() {
                return Err(format!(
                    "\"{text}\" is no login, expected %u (address), %n (its local part), %d (its \
                     domain) or %% behind each %, for example \"%u*master\""
                ));
            }
        }
        if text.is_empty() {
            return Err("is empty, expected for example \"%u*master\"".to_owned());
        }
        Ok(Self(text.to_owned()))
    }

    /// For this mailbox.
    #[must_use]
    pub fn of(&self, mailbox: &Mailbox) -> String {
        let mut name = String::new();
        let mut letters = self.0.chars();
        while let Some(letter) = letters.next() {
            if letter != '%' {
                name.push(letter);
                continue;
            }
            let (local, domain) = (mailbox.unquoted_local(), mailbox.domain());
            // Writing to a String cannot fail.
            match letters.next() {
                Some('u') => write!(name, "{local}@{domain}").ok(),
                Some('n') => write!(name, "{local}").ok(),
                Some('d') => write!(name, "{domain}").ok(),
                _ => write!(name, "%").ok(),
            };
        }
        name
    }
}

impl Default for LoginName {
    fn default() -> Self {
        Self("%u".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_is_made_of_the_address() {
        let ann: Mailbox = "Ann.Lee@example.org".parse().unwrap();
        for (text, expected) in [
            ("%u*master", "Ann.Lee@example.org*master"),
            ("%d\\%n", "example.org\\Ann.Lee"),
            ("100%%%n", "100%Ann.Lee"),
            ("admin", "admin"),
        ] {
            assert_eq!(LoginName::new(text).unwrap().of(&ann), expected);
        }
        let odd: Mailbox = "\"a b\"@example.org".parse().unwrap();
        assert_eq!(LoginName::default().of(&odd), "a b@example.org");
        for text in ["", "%", "%x", "%u%", "a\r\nb"] {
            assert!(LoginName::new(text).is_err(), "{text}");
        }
    }
}
