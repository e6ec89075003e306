//! Why a mailbox could not be asked.

use std::path::PathBuf;

use crate::limits;

/// Why a mailbox could not be asked, by who is to blame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImapError {
    /// The backend has no `[backend.NAME.imap]`.
    #[error("the config has no [backend.{0}.imap]")]
    NotConfigured(String),
    /// The file of the password or token.
    #[error("the file {} {why}", .file.display())]
    Secret {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// No connection, or none that is protected.
    #[error("{server} cannot be reached: {why}")]
    Unreachable {
        /// Its URL.
        server: String,
        /// Why.
        why: String,
    },
    /// It does not take our login for this mailbox.
    #[error("the login of {name} is refused: {why}")]
    Login {
        /// Who logged in.
        name: String,
        /// What the server said.
        why: String,
    },
    /// It took the logins of several mailboxes in a row not: that is hardly about each of them.
    #[error(
        "{server} refuses the logins of several mailboxes in a row, is the secret still good? {why}"
    )]
    Logins {
        /// Its URL.
        server: String,
        /// The last of them.
        why: String,
    },
    /// It refuses what we need to ask.
    #[error("{what} is refused: {why}")]
    Refused {
        /// The command.
        what: String,
        /// What the server said.
        why: String,
    },
    /// The connection ended in the middle.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// It says nothing any more.
    #[error("the server was silent for {} s", limits::IMAP_SILENCE.as_secs())]
    Silent,
    /// It takes too long in all.
    #[error("the mailbox was not read within {} min", limits::IMAP_MAILBOX.as_secs() / 60)]
    TooLong,
    /// More than we hold.
    #[error("the server says more than we take: {0}")]
    TooMuch(&'static str),
    /// It leaves messages out, also when it is asked once more.
    #[error("the server tells less of the folder {0} than is in it")]
    Short(String),
    /// The message that it was to get cannot be read here.
    #[error("the message cannot be read: {0}")]
    Body(String),
    /// What it says is no IMAP.
    #[error("the server's answer cannot be understood")]
    Odd,
}

impl ImapError {
    /// Is it the server, or our way to it? Then no other mailbox can be asked now, either.
    #[must_use]
    pub const fn is_of_server(&self) -> bool {
        match self {
            Self::NotConfigured(_) | Self::Secret { .. } | Self::Unreachable { .. } => true,
            Self::Login { .. }
            | Self::Logins { .. }
            | Self::Refused { .. }
            | Self::Broken(_)
            | Self::Silent
            | Self::TooLong
            | Self::TooMuch(_)
            | Self::Short(_)
            | Self::Body(_)
            | Self::Odd => false,
        }
    }

    /// Would it be the same in a minute?
    #[must_use]
    pub const fn is_lasting(&self) -> bool {
        match self {
            Self::Login { .. }
            | Self::Refused { .. }
            | Self::TooLong
            | Self::TooMuch(_)
            | Self::Body(_) => true,
            Self::NotConfigured(_)
            | Self::Secret { .. }
            | Self::Unreachable { .. }
            | Self::Logins { .. }
            | Self::Broken(_)
            | Self::Silent
            | Self::Short(_)
            | Self::Odd => false,
        }
    }

    /// Is it our login as such, as far as one can see? It is tried for long: a token may be
    /// renewed. But others are asked meanwhile, one of them may be let in.
    #[must_use]
    pub const fn is_of_logins(&self) -> bool {
        matches!(self, Self::Logins { .. })
    }
}
