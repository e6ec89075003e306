//! A session begins anew, or its transaction does.

use super::login::Login;
use super::{Action, OK, Session, StartTls, State};

impl Session {
    /// The session behind a TLS handshake: RFC 3207 §4.2, everything said before is forgotten.
    pub(in crate::inbound) fn encrypted(self) -> Self {
        Self {
            state: State::Ungreeted,
            starttls: StartTls::NotOffered,
            login: Login::Out,
            ..self
        }
    }

    /// RFC 5321 §4.1.1.5: what was said of a message is forgotten.
    pub(super) fn rset(self) -> (Self, Action) {
        let state = match self.state {
            State::Ungreeted => State::Ungreeted,
            State::Ready(hello)
            | State::Collecting(hello, _)
            | State::Chunking(hello)
            | State::Refused(hello, _) => State::Ready(hello),
        };
        (Self { state, ..self }, Action::Reply(OK))
    }
}
