//! Why a sender is refused before his message comes.

use super::Rules;
use crate::smtp::{CommandError, MailParameters, Mailbox, ParameterError, Reply, ReversePath};

pub(super) fn refuse_sender(
    from: &ReversePath,
    parameters: &MailParameters,
    rules: &impl Rules,
) -> Option<Reply> {
    // RFC 6531 §3.5: 550 for a sender.
    if !parameters.smtputf8 && !from.mailbox().is_none_or(Mailbox::is_ascii) {
        let text = "Non-ASCII address without SMTPUTF8";
        return Some(Reply::new(550, (5, 6, 7), text));
    }
    // RFC 8689 §2: not offered, not known.
    if parameters.requiretls && !offers_requiretls(rules) {
        return Some(CommandError::Parameter(ParameterError::Unknown).reply());
    }
    // RFC 4954 §5: with AUTH comes its parameter of MAIL. Who handed it in is written down as he
    // proved to be, whatever is said here.
    if parameters.auth.is_some() && !rules.options().takes_logins() {
        return Some(CommandError::Parameter(ParameterError::Unknown).reply());
    }
    // RFC 1870 §6.1: said before the message is sent.
    let max = rules.options().max_message_size;
    if parameters.size.is_some_and(|size| size > max) {
        return Some(too_large(max));
    }
    if let Err(reply) = rules.may_send_as(from, parameters) {
        return Some(reply);
    }
    rules.room().err()
}

/// RFC 8689 §2: over TLS only.
pub(super) fn offers_requiretls(rules: &impl Rules) -> bool {
    rules.options().requiretls && rules.is_encrypted()
}

/// The reply to a message beyond `max` bytes.
pub(in crate::inbound) fn too_large(max: u64) -> Reply {
    let text = format!("Message too large, the limit is {max} bytes");
    Reply::with_text(552, (5, 3, 4), text)
}
