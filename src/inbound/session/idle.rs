//! What brings no mail, commands and messages that are refused: who says nothing else keeps a place
//! from others.

use super::{Action, BadLine, Pipelined, Rules, Session, State, TOO_MANY_ERRORS};
use crate::limits;
use crate::smtp::{Command, Reply};

impl Session {
    /// Answers one line. Of a stranger who says too much that brings no message, each such command
    /// counts as a wrong one; it is answered all the same.
    pub(in crate::inbound) fn take(
        self,
        line: Result<Command, BadLine>,
        pipelined: Pipelined,
        rules: &impl Rules,
    ) -> (Self, Action) {
        let idles = line.as_ref().is_ok_and(|it| self.comes_to_nothing(it));
        let is_mail = matches!(line, Ok(Command::Mail { .. }));
        let (mut session, action) = self.handle(line, pipelined, rules);
        // Nor does a sender who is refused.
        let idles = idles || (is_mail && !session.is_collecting());
        if idles && !rules.is_awaited() && session.overstays() {
            return session.overstay(action, rules);
        }
        (session, action)
    }

    /// Does nothing come of it now?
    fn comes_to_nothing(&self, command: &Command) -> bool {
        let is_refused = matches!(self.state, State::Refused(..));
        // More of a message that is refused already.
        let is_more = is_refused && matches!(command, Command::Bdat { .. });
        is_more || is_always_idle(command)
    }

    /// Once more nothing came of it: has that been too often by now?
    const fn overstays(&mut self) -> bool {
        self.idle_commands = self.idle_commands.saturating_add(1);
        self.idle_commands > limits::IDLE_COMMANDS
    }

    fn overstay(mut self, action: Action, rules: &impl Rules) -> (Self, Action) {
        self.bad_commands += 1;
        if self.bad_commands > rules.options().bounds.bad_commands {
            let reply = Reply::new(421, (4, 7, 0), "Too many commands without mail, closing");
            return (self, Action::Close(reply));
        }
        (self, action)
    }

    /// This was said to a message. One that was taken lets the counts begin anew; one that is
    /// refused for good is a wrong command, and one that is put off a command of which nothing
    /// came: anybody can send those for ever.
    pub(in crate::inbound) fn message_ended(mut self, reply: &Reply, rules: &impl Rules) -> Self {
        if reply.is_success() {
            self.idle_commands = 0;
            self.has_brought = true;
        } else if rules.answers_for_messages() {
            let is_wrong = reply.is_permanent() || self.overstays();
            self.bad_commands += usize::from(is_wrong);
            self.err(reply);
        }
        self
    }

    /// Was a message taken? Asked once for each.
    pub(in crate::inbound) fn take_success(&mut self) -> bool {
        std::mem::take(&mut self.has_brought)
    }

    /// The last word to who has made too many errors.
    pub(in crate::inbound) fn farewell(&self, rules: &impl Rules) -> Option<Reply> {
        let is_over = self.bad_commands > rules.options().bounds.bad_commands;
        is_over.then_some(TOO_MANY_ERRORS)
    }
}

/// Does nothing come of it, whatever was said before?
const fn is_always_idle(command: &Command) -> bool {
    matches!(
        command,
        Command::Ehlo(_)
            | Command::Helo(_)
            | Command::Lhlo(_)
            | Command::Rset
            | Command::Noop
            | Command::Vrfy(_)
            | Command::Help
            | Command::Bdat {
                size: 0,
                last: false
            }
    )
}
