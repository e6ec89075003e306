//! STARTTLS, RFC 3207.

use super::{Action, BAD_SEQUENCE, Rules, Session, StartTls, State};
use crate::smtp::Reply;

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
