//! What the sender of a message wants of TLS on its way.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::mail::Envelope;

/// What the sender of a message wants of TLS on its way (RFC 8689).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TlsWish {
    /// MAIL said REQUIRETLS: only hosts get it that prove who they are and promise the same.
    Required,
    /// MAIL said REQUIRETLS of a message without a sender: hosts that promise the same get it with
    /// REQUIRETLS, all others without.
    Preferred,
    /// Its header says `TLS-Required: No`: it goes whatever the hosts of a domain prove.
    Optional,
}

impl TlsWish {
    /// That of this message; `None`: it says nothing of it.
    #[must_use]
    pub const fn of(envelope: &Envelope) -> Option<Self> {
        // RFC 8689 §4.1: beside REQUIRETLS the field counts for nothing.
        if envelope.parameters.requiretls {
            // RFC 8689 §5: a report is not thrown away because of it.
            match envelope.from.mailbox() {
                Some(_) => Some(Self::Required),
                None => Some(Self::Preferred),
            }
        } else if envelope.tls_optional {
            Some(Self::Optional)
        } else {
            None
        }
    }
}

impl fmt::Display for TlsWish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Required => "required on the whole way (REQUIRETLS)",
            Self::Preferred => "asked for, goes without it, too: no sender (REQUIRETLS)",
            Self::Optional => "goes without it, too (TLS-Required: No)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::{Mailbox, ReversePath};

    #[test]
    fn what_mail_said_counts_before_what_the_header_says() {
        let to: Mailbox = "ann@example.org".parse().unwrap();
        let mut envelope = Envelope::one_way(&to);
        assert_eq!(TlsWish::of(&envelope), None);
        envelope.tls_optional = true;
        assert_eq!(TlsWish::of(&envelope), Some(TlsWish::Optional));
        envelope.parameters.requiretls = true;
        envelope.from = ReversePath::Mailbox(to);
        assert_eq!(TlsWish::of(&envelope), Some(TlsWish::Required));
        let json = serde_json::to_string(&TlsWish::Required).unwrap();
        assert_eq!(json, "\"required\"");
        // Nobody is sent a report that says that a report was not sent.
        envelope.from = ReversePath::Null;
        assert_eq!(TlsWish::of(&envelope), Some(TlsWish::Preferred));
    }
}
