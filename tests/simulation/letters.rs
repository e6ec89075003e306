//! Envelopes as the door makes them.

use tideover::mail::{Authenticity, Envelope, Peer, Recipient};
use tideover::route::{Admission, Admit, Origin, Router};
use tideover::smtp::{MailParameters, RcptParameters};

/// A recipient whom the door lets in.
pub(crate) fn admitted(router: &Router, address: &str, origin: Origin) -> Recipient {
    match router.admit(&address.parse().unwrap(), origin) {
        Admission::Accept {
            address,
            lane,
            mailbox,
        } => Recipient {
            address,
            parameters: RcptParameters::default(),
            lane,
            mailbox,
        },
        Admission::Reject(reply) => panic!("{reply}"),
    }
}

/// An envelope with nothing special.
pub(crate) fn envelope(
    (from, authenticity): (&str, Authenticity),
    recipients: Vec<Recipient>,
) -> Envelope {
    Envelope {
        from: from.parse().unwrap(),
        parameters: MailParameters::default(),
        recipients,
        peer: Peer::default(),
        message_id: None,
        subject: None,
        header_from: None,
        authenticity,
        expanded: None,
        filtered: Vec::new(),
        automatic: None,
        tls_optional: false,
        verdict: None,
    }
}
