//! Commands, RFC 5321 §4.1: one line to one command, and back for the client.

use std::fmt;

use super::{
    AddressError, MailParameters, Mailbox, ParameterError, RcptParameters, Reply, ReversePath,
    XClient,
};
use crate::limits;

/// A command with its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// `AUTH mechanism [initial-response]`, RFC 4954 §4.
    Auth {
        /// In upper case.
        mechanism: String,
        /// Still in base64.
        initial: Option<String>,
    },
    /// `BDAT size [LAST]`, RFC 3030 §2.
    Bdat {
        /// Bytes that follow the command.
        size: u64,
        /// Is it the end of the message?
        last: bool,
    },
    /// `DATA`.
    Data,
    /// `EHLO name`; the name is what the client says, unproven.
    Ehlo(String),
    /// `EXPN list`.
    Expn(String),
    /// `HELO name`.
    Helo(String),
    /// `HELP [topic]`.
    Help,
    /// `LHLO name`, RFC 2033 §4.1.
    Lhlo(String),
    /// `MAIL FROM:<path> parameters`.
    Mail {
        /// The reverse-path.
        from: ReversePath,
        /// What follows it.
        parameters: MailParameters,
    },
    /// `NOOP [anything]`.
    Noop,
    /// `QUIT`.
    Quit,
    /// `RCPT TO:<path> parameters`.
    Rcpt {
        /// The forward-path.
        to: ForwardPath,
        /// What follows it.
        parameters: RcptParameters,
    },
    /// `RSET`.
    Rset,
    /// `STARTTLS`, RFC 3207.
    StartTls,
    /// `VRFY address`.
    Vrfy(String),
    /// `XCLIENT attribute=value …`, of Postfix.
    XClient(XClient),
}

/// Where RCPT sends a message, RFC 5321 §4.1.1.3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForwardPath {
    /// `<Postmaster>`, without a domain: whoever runs this server.
    Postmaster,
    /// An address.
    Mailbox(Mailbox),
}

impl ForwardPath {
    /// Is it whoever is in charge, RFC 5321 §4.5.1?
    #[must_use]
    pub fn is_postmaster(&self) -> bool {
        match self {
            Self::Mailbox(mailbox) => mailbox.is_postmaster(),
            Self::Postmaster => true,
        }
    }
}

impl fmt::Display for ForwardPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postmaster => f.write_str("Postmaster"),
            Self::Mailbox(mailbox) => mailbox.fmt(f),
        }
    }
}

/// Why a line is no command that we can obey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No verb that we know: 500 5.5.1.
    #[error("the command is not known")]
    Unknown,
    /// The request of another protocol (HTTP): a browser or an attack through one.
    #[error("the client speaks another protocol")]
    OtherProtocol,
    /// The arguments are not what the verb wants: 501 5.5.4.
    #[error("syntax error, expected: {0}")]
    Arguments(&'static str),
    /// Bytes follow, and nobody knows how many: what comes cannot be told from commands.
    #[error("syntax error, expected: BDAT size [LAST]")]
    ChunkSize,
    /// Bytes that are no UTF-8, or control characters: 501 5.5.2.
    #[error("the command has bytes that are not allowed")]
    Characters,
    /// The path of MAIL: 501 5.1.7.
    #[error("the sender is not valid: {0}")]
    Sender(AddressError),
    /// The path of RCPT: 501 5.1.3.
    #[error("the recipient is not valid: {0}")]
    Recipient(AddressError),
    /// The parameters of MAIL or RCPT.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
}

impl CommandError {
    /// The one translation of a bad command to a reply.
    #[must_use]
    pub fn reply(&self) -> Reply {
        match self {
            Self::Unknown => Reply::new(500, (5, 5, 1), "Command not recognized"),
            Self::OtherProtocol => Reply::new(554, (5, 5, 1), "This is a mail server, bye"),
            Self::Arguments(_) | Self::ChunkSize | Self::Parameter(ParameterError::Invalid(_)) => {
                Reply::with_text(501, (5, 5, 4), sentence(self))
            }
            Self::Characters => Reply::with_text(501, (5, 5, 2), sentence(self)),
            Self::Sender(_) => Reply::with_text(501, (5, 1, 7), sentence(self)),
            Self::Recipient(_) => Reply::with_text(501, (5, 1, 3), sentence(self)),
            // RFC 5321 §4.1.1.11: 555 for parameters that are not known.
            Self::Parameter(ParameterError::Unknown) => {
                Reply::with_text(555, (5, 5, 4), sentence(self))
            }
        }
    }
}

/// The error with a capital letter.
fn sentence(error: &CommandError) -> String {
    let text = error.to_string();
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}

impl Command {
    /// Reads a line without its CRLF.
    ///
    /// # Errors
    /// See [`CommandError`].
    pub fn parse(line: &[u8]) -> Result<Self, CommandError> {
        Self::parse_line(line).map_err(|error| {
            if Self::may_be_chunk(line) {
                CommandError::ChunkSize
            } else {
                error
            }
        })
    }

    /// Could somebody on the way have read BDAT in this line, which is no command? Who forgives
    /// blanks in front, or ends lines where we do not, would take what follows for a message, and
    /// we must not take it for commands (SMTP smuggling).
    #[must_use]
    pub fn may_be_chunk(line: &[u8]) -> bool {
        let mut pieces = line.split(|byte| b"\r\n\0".contains(byte));
        pieces.any(|piece| {
            let start = piece.iter().position(u8::is_ascii_alphanumeric);
            let verb = start.and_then(|start| piece.get(start..start + 4));
            verb.is_some_and(|verb| verb.eq_ignore_ascii_case(b"BDAT"))
        })
    }

    fn parse_line(line: &[u8]) -> Result<Self, CommandError> {
        let text = std::str::from_utf8(line).map_err(|_| CommandError::Characters)?;
        let text = text.trim_ascii_end();
        if text.chars().any(|c| c.is_control() && c != '\t') {
            return Err(CommandError::Characters);
        }
        let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
        let rest = rest.trim_ascii_start();
        // RFC 5321 §2.4: verbs are in any case.
        match verb.to_ascii_uppercase().as_str() {
            "AUTH" => parse_auth(rest),
            "BDAT" => parse_bdat(rest),
            "DATA" => bare(Self::Data, rest, "DATA"),
            "EHLO" => name(rest).map(Self::Ehlo),
            "EXPN" => argument(rest, "EXPN list").map(Self::Expn),
            "HELO" => name(rest).map(Self::Helo),
            "HELP" => Ok(Self::Help),
            "LHLO" => name(rest).map(Self::Lhlo),
            "MAIL" => parse_mail(rest),
            "NOOP" => Ok(Self::Noop),
            "QUIT" => bare(Self::Quit, rest, "QUIT"),
            "RCPT" => parse_rcpt(rest),
            "RSET" => bare(Self::Rset, rest, "RSET"),
            "STARTTLS" => bare(Self::StartTls, rest, "STARTTLS"),
            "VRFY" => argument(rest, "VRFY address").map(Self::Vrfy),
            "XCLIENT" => {
                let usage = CommandError::Arguments("XCLIENT attribute=value");
                XClient::parse(rest).map(Self::XClient).ok_or(usage)
            }
            "CONNECT" | "DELETE" | "GET" | "HEAD" | "OPTIONS" | "PATCH" | "POST" | "PUT"
            | "TRACE" => Err(CommandError::OtherProtocol),
            _ => Err(CommandError::Unknown),
        }
    }
}

/// The line without CRLF.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auth { mechanism, initial } => {
                write!(f, "AUTH {mechanism}")?;
                initial
                    .as_ref()
                    .map_or(Ok(()), |initial| write!(f, " {initial}"))
            }
            Self::Bdat { size, last } => {
                write!(f, "BDAT {size}{}", if *last { " LAST" } else { "" })
            }
            Self::Data => f.write_str("DATA"),
            Self::Ehlo(name) => write!(f, "EHLO {name}"),
            Self::Expn(list) => write!(f, "EXPN {list}"),
            Self::Helo(name) => write!(f, "HELO {name}"),
            Self::Help => f.write_str("HELP"),
            Self::Lhlo(name) => write!(f, "LHLO {name}"),
            Self::Mail { from, parameters } => write!(f, "MAIL FROM:<{from}>{parameters}"),
            Self::Noop => f.write_str("NOOP"),
            Self::Quit => f.write_str("QUIT"),
            Self::Rcpt { to, parameters } => write!(f, "RCPT TO:<{to}>{parameters}"),
            Self::Rset => f.write_str("RSET"),
            Self::StartTls => f.write_str("STARTTLS"),
            Self::Vrfy(address) => write!(f, "VRFY {address}"),
            Self::XClient(said) => write!(f, "XCLIENT {said}"),
        }
    }
}

fn bare(command: Command, rest: &str, usage: &'static str) -> Result<Command, CommandError> {
    if rest.is_empty() {
        Ok(command)
    } else {
        Err(CommandError::Arguments(usage))
    }
}

fn argument(rest: &str, usage: &'static str) -> Result<String, CommandError> {
    if rest.is_empty() {
        Err(CommandError::Arguments(usage))
    } else {
        Ok(rest.to_owned())
    }
}

/// RFC 5321 §4.1.1.1 wants a domain or an address literal. Devices say other things, and §4.1.4
/// forbids refusing mail for it, so any single word is taken; it proves nothing anyway.
fn name(rest: &str) -> Result<String, CommandError> {
    if rest.len() > limits::DOMAIN || rest.contains(char::is_whitespace) {
        return Err(CommandError::Arguments("EHLO your.host.name"));
    }
    argument(rest, "EHLO your.host.name")
}

fn parse_auth(rest: &str) -> Result<Command, CommandError> {
    let mut words = rest.split_ascii_whitespace();
    let mechanism = words.next().map(str::to_ascii_uppercase);
    let initial = words.next().map(str::to_owned);
    match (mechanism, words.next()) {
        (Some(mechanism), None) => Ok(Command::Auth { mechanism, initial }),
        _ => Err(CommandError::Arguments("AUTH mechanism")),
    }
}

fn parse_bdat(rest: &str) -> Result<Command, CommandError> {
    let usage = CommandError::ChunkSize;
    let mut words = rest.split_ascii_whitespace();
    let size = words.next().filter(|word| is_digits(word)).ok_or(usage)?;
    let size = size.parse().map_err(|_| usage)?;
    let last = match words.next() {
        None => false,
        Some(word) if word.eq_ignore_ascii_case("LAST") => true,
        Some(_) => return Err(usage),
    };
    match words.next() {
        None => Ok(Command::Bdat { size, last }),
        Some(_) => Err(usage),
    }
}

fn is_digits(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_digit())
}

fn parse_mail(rest: &str) -> Result<Command, CommandError> {
    let usage = CommandError::Arguments("MAIL FROM:<address>");
    let (path, parameters) = split_path(rest, "FROM:").ok_or(usage)?;
    let from = without_source_route(path)
        .parse()
        .map_err(CommandError::Sender)?;
    let parameters = MailParameters::parse(parameters)?;
    Ok(Command::Mail { from, parameters })
}

fn parse_rcpt(rest: &str) -> Result<Command, CommandError> {
    let usage = CommandError::Arguments("RCPT TO:<address>");
    let (path, parameters) = split_path(rest, "TO:").ok_or(usage)?;
    // RFC 5321 §4.1.1.3: the one address without a domain.
    let to = if path.eq_ignore_ascii_case("postmaster") {
        ForwardPath::Postmaster
    } else {
        let mailbox = without_source_route(path).parse();
        ForwardPath::Mailbox(mailbox.map_err(CommandError::Recipient)?)
    };
    let parameters = RcptParameters::parse(parameters)?;
    Ok(Command::Rcpt { to, parameters })
}

/// Behind `keyword`: the path without its angle brackets, and what follows it. RFC 5321 §3.3
/// allows no blank behind the colon; many devices put one.
fn split_path<'a>(rest: &'a str, keyword: &str) -> Option<(&'a str, &'a str)> {
    let (given, rest) = rest.split_at_checked(keyword.len())?;
    if !given.eq_ignore_ascii_case(keyword) {
        return None;
    }
    let rest = rest.trim_ascii_start().strip_prefix('<')?;
    let (path, parameters) = rest.split_at_checked(path_end(rest)?)?;
    let parameters = parameters.strip_prefix('>')?;
    let separated = parameters.is_empty() || parameters.starts_with(' ');
    separated.then_some((path, parameters))
}

/// The first `>` outside quotes.
fn path_end(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    text.bytes().position(|byte| {
        let ends = byte == b'>' && !quoted;
        quoted ^= byte == b'"' && !escaped;
        escaped = byte == b'\\' && quoted && !escaped;
        ends
    })
}

/// RFC 5321 appendix C: `@one,@two:ann@example.org` is to be read as its last part.
fn without_source_route(path: &str) -> &str {
    if path.starts_with('@') {
        path.split_once(':').map_or(path, |(_, address)| address)
    } else {
        path
    }
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
