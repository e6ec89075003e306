//! Who wants to hand in mail logs in first, over TLS, and once (RFC 4954, RFC 6409 §4.3).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::{Action, BAD_SEQUENCE, Pipelined, Rules, SYNCHRONIZATION, Session, State};
use crate::credential::{ClientFirst, ScramKeys};
use crate::inbound::sasl::{Exchange, Flaw, Turn, challenged};
use crate::inbound::submission::Denied;
use crate::smtp::{Command, Reply};

/// Where a client stands with it.
#[derive(Debug)]
pub(super) enum Login {
    /// It has not logged in; perhaps nobody does here.
    Out,
    /// What it says next is no command.
    Under(Exchange),
    /// Somebody looks for the keys of who it says it is.
    Named(ClientFirst),
    /// Somebody asks whether it is who it says.
    Asked,
    /// It has.
    In,
}

impl Login {
    const fn is_in(&self) -> bool {
        matches!(self, Self::In)
    }

    /// A line that makes no sense ends an exchange.
    pub(super) fn give_up(&mut self) {
        match self {
            Self::Under(_) | Self::Named(_) | Self::Asked => *self = Self::Out,
            Self::Out | Self::In => {}
        }
    }
}

const TLS_FIRST: Reply = Reply::new(530, (5, 7, 0), "Must issue a STARTTLS command first");
const LOGIN_FIRST: Reply = Reply::new(530, (5, 7, 0), "Authentication required");
const NEEDS_TLS: Reply = Reply::new(538, (5, 7, 11), "A login needs TLS: say STARTTLS first");
const ONCE: Reply = Reply::new(503, (5, 5, 1), "You have logged in already");
const WELCOME: Reply = Reply::new(235, (2, 7, 0), "You are logged in");

impl Session {
    /// Is the next line an answer to a challenge?
    pub(in crate::inbound) const fn is_answering(&self) -> bool {
        matches!(self.login, Login::Under(_))
    }

    /// Mechanisms that are offered now.
    pub(super) fn mechanisms(&self, rules: &impl Rules) -> Vec<String> {
        let is_offered =
            rules.options().takes_logins() && rules.is_encrypted() && !self.login.is_in();
        let names = rules.mechanisms().iter().filter(|_| is_offered);
        names.map(|one| one.name().to_owned()).collect()
    }

    /// Why a command has to wait; `None`: it does not.
    pub(super) fn barred(&self, command: &Command, rules: &impl Rules) -> Option<Reply> {
        if !rules.options().role.wants_login() || self.login.is_in() {
            return None;
        }
        match command {
            // RFC 3207 §4: the first are answered without TLS; the last have answers of their own.
            Command::Ehlo(_)
            | Command::Noop
            | Command::Quit
            | Command::StartTls
            | Command::Auth { .. }
            | Command::XClient(_) => None,
            _ if !rules.is_encrypted() => Some(TLS_FIRST),
            // RFC 4954 §6: and these without a login.
            Command::Helo(_) | Command::Rset | Command::Help => None,
            Command::Lhlo(_)
            | Command::Mail { .. }
            | Command::Rcpt { .. }
            | Command::Data
            | Command::Bdat { .. }
            | Command::Vrfy(_)
            | Command::Expn(_) => Some(LOGIN_FIRST),
        }
    }

    /// RFC 4954 §4.
    pub(super) fn auth(
        self,
        (mechanism, initial): (&str, Option<&str>),
        rules: &impl Rules,
    ) -> (Self, Action) {
        if !rules.options().takes_logins() {
            let reply = Reply::new(502, (5, 5, 1), "Command not implemented");
            return self.bad(reply, rules);
        }
        if !rules.is_encrypted() {
            return self.bad(NEEDS_TLS, rules);
        }
        if !matches!(self.login, Login::Out) {
            return self.bad(ONCE, rules);
        }
        match &self.state {
            State::Ready(hello) if hello.extended => {}
            State::Ungreeted | State::Ready(_) => {
                let reply = Reply::new(503, (5, 5, 1), "Say EHLO first");
                return self.bad(reply, rules);
            }
            State::Collecting(..) | State::Chunking(_) | State::Refused(..) => {
                return self.bad(BAD_SEQUENCE, rules);
            }
        }
        let said = (mechanism, initial);
        self.turn(Exchange::begin(rules.mechanisms(), said), rules)
    }

    /// The line behind a 334, without its end.
    pub(in crate::inbound) fn answer(
        mut self,
        line: &[u8],
        pipelined: Pipelined,
        rules: &impl Rules,
    ) -> (Self, Action) {
        let Login::Under(exchange) = std::mem::replace(&mut self.login, Login::Out) else {
            return self.bad(BAD_SEQUENCE, rules);
        };
        // What follows was written by someone who did not read our reply.
        if pipelined == Pipelined::Yes {
            return (self, Action::Close(SYNCHRONIZATION));
        }
        self.turn(exchange.hear(line), rules)
    }

    fn turn(self, turn: Result<Turn, Flaw>, rules: &impl Rules) -> (Self, Action) {
        match turn {
            Ok(Turn::Challenge(exchange, text)) => self.challenge(exchange, &text),
            Ok(Turn::Named(first)) => {
                let identity = first.identity().to_owned();
                let session = Self {
                    login: Login::Named(first),
                    ..self
                };
                (session, Action::Recall(identity))
            }
            Ok(Turn::Claimed(claim)) => {
                let session = Self {
                    login: Login::Asked,
                    ..self
                };
                (session, Action::Verify(claim))
            }
            Err(Flaw::Another) => self.denied(Flaw::Another.reply(), rules),
            Err(flaw) => self.bad(flaw.reply(), rules),
        }
    }

    fn challenge(self, exchange: Exchange, text: &str) -> (Self, Action) {
        let session = Self {
            login: Login::Under(exchange),
            ..self
        };
        let reply = Reply::plain(334, BASE64.encode(text));
        (session, Action::Reply(reply))
    }

    /// The keys of who it says it is, and a fresh nonce.
    pub(in crate::inbound) fn recalled(
        mut self,
        found: Result<(ScramKeys, String), &Denied>,
        rules: &impl Rules,
    ) -> (Self, Action) {
        match (std::mem::replace(&mut self.login, Login::Out), found) {
            (Login::Named(first), Ok((keys, nonce))) => {
                let (exchange, text) = challenged(first, keys, &nonce);
                self.challenge(exchange, &text)
            }
            (Login::Named(_), Err(denied)) => self.denied(denied.to_login(), rules),
            (Login::Out | Login::Under(_) | Login::Asked | Login::In, _) => {
                self.denied(Denied::Failed.to_login(), rules)
            }
        }
    }

    /// Is the client who it said? Nobody else has been asked since.
    pub(in crate::inbound) fn verified(
        self,
        verdict: Result<(), &Denied>,
        rules: &impl Rules,
    ) -> (Self, Action) {
        match (matches!(self.login, Login::Asked), verdict) {
            (true, Ok(())) => {
                let session = Self {
                    login: Login::In,
                    ..self
                };
                (session, Action::Reply(WELCOME))
            }
            (false, Ok(())) => self.denied(Denied::Failed.to_login(), rules),
            (_, Err(denied)) => self.denied(denied.to_login(), rules),
        }
    }

    fn denied(self, reply: Reply, rules: &impl Rules) -> (Self, Action) {
        let mut session = Self {
            login: Login::Out,
            wrong_logins: self.wrong_logins + 1,
            ..self
        };
        session.err_in_login(&reply, rules);
        if session.wrong_logins > rules.options().bounds.wrong_logins {
            let reply = Reply::new(421, (4, 7, 0), "Too many wrong logins, closing");
            return (session, Action::Close(reply));
        }
        (session, Action::Reply(reply))
    }
}

#[cfg(test)]
#[path = "login_tests.rs"]
mod tests;
