//! How a client introduces itself; and XCLIENT: somebody who may says whose mail he hands on.

use super::login::Login;
use super::{Action, BAD_SEQUENCE, Introduces, Rules, Session, State};
use crate::smtp::{Attribute, Reply, XClient};

/// How a client greets.
#[derive(Debug, Clone, Copy)]
pub(super) enum Greeting {
    Ehlo,
    Helo,
}

impl Session {
    /// A proxy or filter says whose mail it hands on.
    pub(super) fn xclient(self, said: XClient, rules: &impl Rules) -> (Self, Action) {
        if rules.introduces() == Introduces::Nobody {
            let reply = Reply::new(550, (5, 7, 1), "You may not speak for others");
            return self.bad(reply, rules);
        }
        if said.get(Attribute::Login).flatten().is_some() {
            let reply = Reply::new(501, (5, 5, 4), "LOGIN is not taken on your word");
            return self.bad(reply, rules);
        }
        match self.state {
            State::Ungreeted | State::Ready(_) => (self, Action::Introduce(said)),
            State::Collecting(..) | State::Chunking(_) | State::Refused(..) => {
                self.bad(BAD_SEQUENCE, rules)
            }
        }
    }

    /// The session of a client who was introduced: everything said before is forgotten.
    pub(in crate::inbound) fn introduced(self, helo: Option<&str>) -> Self {
        Self {
            state: State::Ungreeted,
            login: Login::Out,
            helo: helo.map(str::to_owned),
            ..self
        }
    }
}
