//! What a session asks of its connection.

use super::Options;
use super::connection::{Connection, spool_reply};
use super::policy::{Guest, Standing};
use super::sasl::Mechanism;
use super::session::{Introduces, Rules};
use crate::route::{Admission, Origin};
use crate::smtp::{ForwardPath, MailParameters, Reply, ReversePath};

impl Rules for Connection {
    fn options(&self) -> &Options {
        &self.server.options
    }

    fn is_encrypted(&self) -> bool {
        self.tls.is_some()
    }

    fn introduces(&self) -> Introduces {
        self.introduces
    }

    fn requires_tls(&self, from: Option<&ReversePath>) -> bool {
        let named = &self.server.options.require_tls_from;
        // Of whom a filter speaks, with or without an address, did not come over this connection.
        let is_itself = !self.is_introduced() && self.standing == Standing::Own;
        let is_named =
            named.comes_from(self.peer.ip()) || from.is_some_and(|sender| named.is_of(sender));
        is_itself && is_named
    }

    fn is_awaited(&self) -> bool {
        // Where people log in, nobody is before he has.
        if self.server.options.role.wants_login() {
            return self.submitter().is_some();
        }
        self.origin == Origin::Trusted
            || self.server.guest(self.peer.ip(), self.standing) == Guest::Awaited
    }

    fn answers_for_messages(&self) -> bool {
        // Of many tenants behind one certificate, one writes what another one is refused.
        let speaks_for_others = self.introduces == Introduces::Others || self.is_of_tenants();
        !self.is_awaited() && !speaks_for_others
    }

    fn room(&self) -> Result<(), Reply> {
        let admission = self.server.spool.admission();
        admission.map_err(|error| spool_reply(&error))?;
        self.memory()
    }

    fn mechanisms(&self) -> &[Mechanism] {
        self.mechanisms
    }

    fn may_send_as(&self, from: &ReversePath, said: &MailParameters) -> Result<(), Reply> {
        let checked = self.check_sender(from, said);
        checked.and_then(|()| self.may_begin(from))
    }

    fn admit(&self, to: &ForwardPath) -> Admission {
        self.admission(to)
    }

    fn afford(&self, recipients: usize) -> Result<(), Reply> {
        self.may_afford(recipients)?;
        self.memory()
    }
}
