//! Why a directory server could not be read.

use std::path::PathBuf;

use crate::limits;

/// Why a directory server could not be read, by who is to blame.
#[derive(Debug, thiserror::Error)]
pub enum LdapError {
    /// The file of the password.
    #[error("the password file {}: {why}", .file.display())]
    Password {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// TLS cannot begin with what the config says.
    #[error("TLS: {0}")]
    Tls(String),
    /// No connection.
    #[error("{server} cannot be reached: {why}")]
    Unreachable {
        /// Its URL.
        server: String,
        /// Why.
        why: String,
    },
    /// It does not take our login.
    #[error("{server} refuses the login of {name}: {why}")]
    Login {
        /// Its URL.
        server: String,
        /// Who logged in.
        name: String,
        /// What it said.
        why: String,
    },
    /// It does not answer a search to its end.
    #[error("the search below \"{base}\" came to no end: {why}")]
    Search {
        /// Where the search begins.
        base: String,
        /// Why.
        why: String,
    },
    /// It says nothing any more.
    #[error("the server was silent for {} s", limits::LDAP_SILENCE.as_secs())]
    Silent,
    /// It does not say in time whether a password is right.
    #[error("no answer within {} s", .0.as_secs())]
    Late(std::time::Duration),
    /// What it says is not LDAP.
    #[error("the server's answer cannot be understood")]
    Odd,
}
