//! The one translation of errors and refusals: whose fault is it?

use std::io;

use super::error::{Error, Stage};
use crate::mail::{Blame, Failure, Said};
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
        Error::Body(_) | Error::Unmarked(_) => {
            return Failure::without_reply(Blame::Message, error.to_string());
        }
        Error::Dns { .. } | Error::Policy(_) | Error::Config(_) => error.to_string(),
        Error::Silent(stage) => format!("{peer} did not answer to {stage} in time"),
        Error::Stopped(stage) => format!("{peer} went down before it answered to {stage}"),
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
    Failure::refused(said(stage), reply)
}

/// Where in a session a stage is, for [`crate::mail::classify`].
const fn said(stage: Stage) -> Said {
    match stage {
        Stage::Banner | Stage::Hello | Stage::StartTls | Stage::Login | Stage::Reset => {
            Said::Connect
        }
        Stage::Mail => Said::Mail,
        Stage::Rcpt => Said::Rcpt,
        Stage::Data | Stage::Body => Said::Data,
        Stage::End => Said::End,
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
            (Stage::Rcpt, "452 4.3.1 full", Blame::Backend),
            (Stage::Rcpt, "451 4.7.500 server busy", Blame::Backend),
            (Stage::Mail, "530 5.7.57 not authenticated", Blame::Backend),
            (Stage::Rcpt, "421 4.3.2 shutting down", Blame::Backend),
            (Stage::Data, "451 4.3.2 not now", Blame::Backend),
            (Stage::End, "554 5.6.0 virus", Blame::Message),
            (Stage::End, "421 4.4.2 too slow", Blame::Backend),
        ] {
            let parsed = Reply::parse(&[reply.as_bytes()]).unwrap();
            assert_eq!(refused(stage, parsed).blame, expected, "{stage} {reply}");
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
