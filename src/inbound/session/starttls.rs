//! STARTTLS, RFC 3207.

use super::{Action, BAD_SEQUENCE, Rules, Session, StartTls, State};
use crate::smtp::{Command, Reply};

const TLS_FIRST: Reply = Reply::new(530, (5, 7, 0), "Must issue a STARTTLS command first");

/// RFC 3207 §4: who has agreed to hand mail in over TLS only says nothing of it in the clear.
pub(super) fn refuse(command: &Command, rules: &impl Rules) -> Option<Reply> {
    let from = if let Command::Mail { from, .. } = command {
        Some(from)
    } else {
        None
    };
    let goes_on = matches!(
        command,
        Command::Rcpt { .. } | Command::Data | Command::Bdat { .. }
    );
    let is_of_mail = from.is_some() || goes_on;
    let is_open = is_of_mail && !rules.is_encrypted() && rules.requires_tls(from);
    is_open.then_some(TLS_FIRST)
}

impl Session {
    pub(super) fn start_tls(self, rules: &impl Rules) -> (Self, Action) {
        if self.starttls == StartTls::NotOffered {
            let reply = Reply::new(502, (5, 5, 1), "STARTTLS is not offered");
            return self.bad(reply, rules);
        }
        match self.state {
            State::Collecting(..) | State::Chunking(_) | State::Refused(..) => {
                self.bad(BAD_SEQUENCE, rules)
            }
            State::Ungreeted | State::Ready(_) => {
                let reply = Reply::new(220, (2, 0, 0), "Ready to start TLS");
                (self, Action::StartTls(reply))
            }
        }
    }
}
