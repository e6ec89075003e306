//! Commands that bring no message: who says nothing else keeps a place from others.

use super::{Action, BadLine, Chunk, Pipelined, Rules, Session};
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
        let idles = line.as_ref().is_ok_and(is_idle);
        let (mut session, action) = self.handle(line, pipelined, rules);
        if action.ends_message() {
            session.idle_commands = 0;
        } else if idles && !rules.is_awaited() {
            session.idle_commands = session.idle_commands.saturating_add(1);
            if session.idle_commands > limits::IDLE_COMMANDS {
                return session.overstay(action, rules);
            }
        }
        (session, action)
    }

    fn overstay(mut self, action: Action, rules: &impl Rules) -> (Self, Action) {
        self.bad_commands += 1;
        if self.bad_commands > rules.options().bounds.bad_commands {
            let reply = Reply::new(421, (4, 7, 0), "Too many commands without mail, closing");
            return (self, Action::Close(reply));
        }
        (self, action)
    }
}

impl Action {
    /// Is it the end of a message, or all of one?
    pub(in crate::inbound) const fn ends_message(&self) -> bool {
        matches!(
            self,
            Self::Content(..) | Self::Chunk(Chunk { last: true, .. })
        )
    }
}

/// Does nothing come of it?
const fn is_idle(command: &Command) -> bool {
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
