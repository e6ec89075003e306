//! LMTP, RFC 2033: another greeting, and a reply to the message for each recipient.

use super::{NO_RECIPIENTS, Rules};
use crate::smtp::{Command, Reply};

const SAY_LHLO: Reply = Reply::new(500, (5, 5, 1), "This is LMTP: say LHLO");
const NOT_HERE: Reply = Reply::new(502, (5, 5, 1), "Command not implemented");
const NOBODY: Reply = Reply::new(503, (5, 5, 1), "No valid recipients");

/// RFC 2033 §4.1: there is one greeting here, and it is not that of SMTP.
pub(super) fn refuse(command: &Command, rules: &impl Rules) -> Option<Reply> {
    let is_lmtp = rules.options().role.is_lmtp();
    let is_greeting = matches!(command, Command::Ehlo(_) | Command::Helo(_));
    if is_lmtp && is_greeting {
        return Some(SAY_LHLO);
    }
    let is_stray = !is_lmtp && matches!(command, Command::Lhlo(_));
    is_stray.then_some(NOT_HERE)
}

/// The reply to DATA or BDAT when no recipient was taken.
pub(super) fn nobody(rules: &impl Rules) -> Reply {
    // RFC 2033 §4.2.
    if rules.options().role.is_lmtp() {
        NOBODY
    } else {
        NO_RECIPIENTS
    }
}
