//! What can go wrong with a next hop, told apart by where it went wrong.

use std::fmt;
use std::io;

use crate::mail::Unmarked;
use crate::net::DnsError;
use crate::smtp::Reply;

/// Where in a session something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Banner,
    Hello,
    StartTls,
    Login,
    Mail,
    Rcpt,
    Data,
    /// Between 354 and the final dot.
    Body,
    /// The reply to the final dot.
    End,
    Reset,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Banner => "the connection",
            Self::Hello => "EHLO",
            Self::StartTls => "STARTTLS",
            Self::Login => "AUTH",
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::Body => "the message",
            Self::End => "the end of the message",
            Self::Reset => "RSET",
        })
    }
}

/// What went wrong. [`super::outcome::failure`] says whose fault it is.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// No connection.
    #[error("cannot connect")]
    Dial(#[source] io::Error),
    /// No answer in time.
    #[error("no answer to {0} in time")]
    Silent(Stage),
    /// It went down while an answer was waited for.
    #[error("it went down before it answered to {0}")]
    Stopped(Stage),
    /// The connection ended.
    #[error("the connection was cut at {0}")]
    Cut(Stage),
    /// What came is no reply, or a reply to something else.
    #[error("out of step at {0}: {1}")]
    OutOfStep(Stage, String),
    /// The server said no.
    #[error("{0} was refused: {1}")]
    Refused(Stage, Reply),
    /// TLS is asked for by the config and not offered.
    #[error("STARTTLS is not offered")]
    NoTls,
    /// The handshake failed.
    #[error("TLS failed: {0}")]
    Tls(#[source] io::Error),
    /// We do not log in like this.
    #[error("cannot log in: {0}")]
    Login(String),
    /// Our own disk.
    #[error("the message cannot be read: {0}")]
    Body(#[source] io::Error),
    /// Our own log.
    #[error("{0}")]
    Unmarked(Unmarked),
    /// The name server.
    #[error("cannot look up {host}: {error}")]
    Dns { host: String, error: DnsError },
    /// A domain that takes no mail, or does not exist: a final answer in the form of a reply.
    #[error("{0}")]
    NoMail(Reply),
    /// The host does not comply with what its domain asks for.
    #[error("{0}")]
    Policy(String),
    /// The config is wrong, or changed meanwhile.
    #[error("{0}")]
    Config(String),
}
