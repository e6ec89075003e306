//! One recipient more, RFC 5321 §4.1.1.3.

use super::{Action, Rules, Session, State};
use crate::limits;
use crate::mail::Recipient;
use crate::route::Admission;
use crate::smtp::{ForwardPath, RcptParameters, Reply};

const TOO_MANY: Reply = Reply::new(452, (4, 5, 3), "Too many recipients");

impl Session {
    pub(super) fn rcpt(
        mut self,
        to: &ForwardPath,
        parameters: RcptParameters,
        rules: &impl Rules,
    ) -> (Self, Action) {
        let State::Collecting(_, transaction) = &mut self.state else {
            return self.bad(Reply::new(503, (5, 5, 1), "Say MAIL first"), rules);
        };
        // RFC 5321 §4.5.3.1.10: the client sends the rest in another transaction.
        if transaction.accepted() >= rules.options().bounds.recipients {
            let turned_away = transaction.turn_away();
            return self.too_many(turned_away, rules);
        }
        // RFC 6531 §3.5: 553 for a recipient.
        if needs_utf8(to) && !transaction.parameters.smtputf8 {
            let text = "Non-ASCII address without SMTPUTF8";
            return self.refuse(Reply::new(553, (5, 6, 7), text), rules);
        }
        let admission = match (rules.admit(to), rules.afford(transaction.recipients.len())) {
            (Admission::Accept { .. }, Err(reply)) => Admission::Reject(reply),
            (admission, _) => admission,
        };
        match admission {
            Admission::Accept {
                address,
                lane,
                mailbox,
            } => {
                let recipient = Recipient {
                    address,
                    parameters,
                    lane,
                    mailbox,
                };
                transaction.add(recipient, to);
                (self, Action::Reply(Reply::new(250, (2, 1, 5), "Ok")))
            }
            Admission::Reject(reply) => self.refuse(reply, rules),
        }
    }

    /// Who names many in one go hears it for each of them, but a stranger not for ever.
    fn too_many(mut self, turned_away: usize, rules: &impl Rules) -> (Self, Action) {
        if turned_away <= limits::RECIPIENT_OVERSHOOT || rules.is_awaited() {
            return (self, Action::Reply(TOO_MANY));
        }
        // He was told so often enough: it is his fault now.
        self.blame();
        self.refuse(TOO_MANY, rules)
    }

    fn refuse(mut self, reply: Reply, rules: &impl Rules) -> (Self, Action) {
        self.bad_recipients += 1;
        self.err(&reply);
        if self.bad_recipients > rules.options().bounds.bad_recipients {
            let reply = Reply::new(421, (4, 7, 0), "Too many wrong recipients, closing");
            return (self, Action::Close(reply));
        }
        (self, Action::Reply(reply))
    }
}

fn needs_utf8(to: &ForwardPath) -> bool {
    match to {
        ForwardPath::Postmaster => false,
        ForwardPath::Mailbox(mailbox) => !mailbox.is_ascii(),
    }
}
