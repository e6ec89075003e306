//! Where a message comes from and where it goes: by the peer that brings it and by what its sender
//! proved, never by what it only says. Whoever proves nothing is the Internet.

use crate::limits;
use crate::mail::{
    AuthMethod, AuthResult, AutomaticWay, BackendId, Verdict, header_fields, parse_addressees,
};
use crate::smtp::Mailbox;

/// One end of the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Party {
    /// Somebody of ours.
    Ours {
        /// The platform that holds the mailbox, if one is known.
        home: Option<BackendId>,
    },
    /// Somebody at a domain of `[partners]`.
    Partner,
    /// Anybody.
    Stranger,
}

/// Was what a sender signed proven and sealed by us (RFC 8617), so that its signatures may break?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sealed {
    /// It was.
    Yes,
    /// Nobody vouches for it behind us.
    No,
}

/// The way from one to the other. What a stranger sends through us to a stranger leaves us.
#[must_use]
pub fn way(from: &Party, to: &Party) -> AutomaticWay {
    match (from, to) {
        (Party::Ours { home: Some(from) }, Party::Ours { home: Some(to) }) if from != to => {
            AutomaticWay::Platforms
        }
        (Party::Ours { .. }, Party::Ours { .. }) => AutomaticWay::Internal,
        (Party::Partner, Party::Ours { .. }) => AutomaticWay::FromPartner,
        (Party::Stranger, Party::Ours { .. }) => AutomaticWay::FromInternet,
        (_, Party::Partner) => AutomaticWay::ToPartner,
        (_, Party::Stranger) => AutomaticWay::ToInternet,
    }
}

/// Who wrote a message, if its header names one person and nobody else.
#[must_use]
pub fn author(header: &[u8]) -> Option<Mailbox> {
    let mut fields = header_fields(header).filter(|it| it.name.eq_ignore_ascii_case(b"From"));
    let only = fields.next()?;
    fields.next().is_none().then_some(())?;
    // Whoever writes a list of thousands is not one person.
    (only.body.len() <= limits::FIELD_KEPT).then_some(())?;
    let text = std::str::from_utf8(only.body).ok()?;
    let line = text.split(['\r', '\n']).collect::<Vec<_>>().join(" ");
    match parse_addressees(&line).ok()?.as_slice() {
        [one] => Some(one.address.clone()),
        _ => None,
    }
}

/// Is it proven that this domain sent it? DMARC passed for it as the domain in `From`, or SPF as
/// that of MAIL FROM.
#[must_use]
pub fn proven(verdict: &Verdict, domain: &str) -> bool {
    let names = |property: &str| {
        let of_mailbox = property.rsplit_once('@').map_or(property, |(_, it)| it);
        of_mailbox.eq_ignore_ascii_case(domain)
    };
    verdict.results.iter().any(|line| {
        let property = match line.method {
            AuthMethod::Spf => "smtp.mailfrom",
            AuthMethod::Dmarc => "header.from",
            AuthMethod::Iprev | AuthMethod::Dkim | AuthMethod::Arc | AuthMethod::Dnsbl => {
                return false;
            }
        };
        let mut properties = line.properties.iter();
        line.result == AuthResult::Pass
            && properties.any(|(name, value)| name == property && names(value))
    })
}

/// Did this very domain sign it, and is the signature good (RFC 6376)? Many share the hosts that
/// SPF lists; nobody else has the key.
#[must_use]
pub fn signed_by(verdict: &Verdict, domain: &str) -> bool {
    verdict.results.iter().any(|line| {
        let is_good = line.method == AuthMethod::Dkim && line.result == AuthResult::Pass;
        let mut properties = line.properties.iter();
        is_good
            && properties
                .any(|(name, value)| name == "header.d" && value.eq_ignore_ascii_case(domain))
    })
}
