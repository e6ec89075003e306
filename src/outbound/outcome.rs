//! The one translation of errors and refusals: whose fault is it?

use std::io;

use super::error::{Error, Stage};
use crate::mail::{Blame, Failure};
use crate::smtp::Reply;

/// What an error at `peer` (`192.0.2.1:25`) means for the recipients that it hit.
pub(super) fn failure(error: &Error, peer: &str) -> Failure {
    let what = match error {
        Error::Dial(source) => return unreachable(source, peer),
        Error::Refused(stage, reply) => {
            let what = format!("{peer} answered {stage} with {reply}");
            let failure = refused(*stage, reply.clone());
            return Failure { what, ..failure };
        }
        // RFC 7505 §4.2 and a domain that does not exist: no backend is at fault.
        Error::NoMail(reply) => return Failure::replied(Blame::Recipient, reply.clone()),
        Error::Body(_) => return Failure::without_reply(Blame::Message, error.to_string()),
        Error::Dns { .. } | Error::Config(_) => error.to_string(),
        Error::Silent(stage) => format!("{peer} did not answer to {stage} in time"),
        Error::Cut(stage) => format!("{peer} cut the connection at {stage}"),
        Error::OutOfStep(stage, why) => format!("{peer} is out of step at {stage}: {why}"),
        Error::NoTls => format!("{peer} does not offer STARTTLS, and the config asks for it"),
        Error::Tls(source) => format!("TLS with {peer} failed: {source}"),
        Error::Login(why) => format!("cannot log in at {peer}: {why}"),
    };
    Failure::without_reply(Blame::Backend, what)
}

fn unreachable(source: &io::Error, peer: &str) -> Failure {
    let what = if source.kind() == io::ErrorKind::ConnectionRefused {
        format!("connection refused by {peer}")
    } else if source.kind() == io::ErrorKind::TimedOut {
        format!("no connection to {peer} in time")
    } else {
        format!("no connection to {peer}: {source}")
    };
    Failure::without_reply(Blame::Backend, what)
}

/// What a 4yz or 5yz reply at `stage` means.
pub(super) fn refused(stage: Stage, reply: Reply) -> Failure {
    Failure::replied(blame(stage, &reply), reply)
}

fn blame(stage: Stage, reply: &Reply) -> Blame {
    // RFC 5321 §3.8: 421 may come at any time and closes the connection.
    if reply.code == 421 {
        return Blame::Backend;
    }
    match stage {
        Stage::Banner | Stage::Hello | Stage::StartTls | Stage::Login | Stage::Reset => {
            Blame::Backend
        }
        Stage::Rcpt => Blame::Recipient,
        Stage::Mail | Stage::Data | Stage::Body | Stage::End => {
            if is_system_trouble(reply) {
                Blame::Backend
            } else {
                Blame::Message
            }
        }
    }
}

/// A transient reply that speaks of the server and not of the message: RFC 3463 §3.4 X.3.1 (full)
/// and X.3.2 (not accepting), X.4.z (network), and the throttling of Exchange Online, 4.7.500 to
/// 4.7.699. Without an enhanced code 452 is a full disk (RFC 5321 §4.2.3).
fn is_system_trouble(reply: &Reply) -> bool {
    if !reply.is_transient() {
        return false;
    }
    match reply.enhanced {
        None => reply.code == 452,
        Some(status) => matches!(
            (status.subject, status.detail),
            (3, 1 | 2) | (4, _) | (7, 500..=699)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_to_blame() {
        for (stage, reply, expected) in [
            (Stage::Banner, "554 5.7.1 go away", Blame::Backend),
            (Stage::Login, "535 5.7.8 wrong password", Blame::Backend),
            (Stage::Mail, "550 5.7.1 bad sender", Blame::Message),
            (Stage::Mail, "451 4.7.1 later", Blame::Message),
            (Stage::Mail, "452 4.3.1 full", Blame::Backend),
            (Stage::Mail, "452 full", Blame::Backend),
            (Stage::Mail, "451 4.7.500 server busy", Blame::Backend),
            (Stage::Mail, "450 4.4.2 network", Blame::Backend),
            (Stage::Mail, "552 5.3.4 too large", Blame::Message),
            (Stage::Rcpt, "550 5.1.1 unknown", Blame::Recipient),
            (Stage::Rcpt, "452 4.5.3 too many", Blame::Recipient),
            (Stage::Rcpt, "421 4.3.2 shutting down", Blame::Backend),
            (Stage::Data, "451 4.3.2 not now", Blame::Backend),
            (Stage::End, "554 5.6.0 virus", Blame::Message),
            (Stage::End, "421 4.4.2 too slow", Blame::Backend),
        ] {
            let parsed = Reply::parse(&[reply.as_bytes()]).unwrap();
            assert_eq!(blame(stage, &parsed), expected, "{stage} {reply}");
        }
    }

    #[test]
    fn errors_name_the_peer() {
        let refused = Error::Dial(io::ErrorKind::ConnectionRefused.into());
        let failure = failure(&refused, "192.0.2.1:25");
        assert_eq!(failure.what, "connection refused by 192.0.2.1:25");
        assert_eq!(failure.blame, Blame::Backend);
    }
}
