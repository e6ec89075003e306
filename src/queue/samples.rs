//! Jobs for the tests of this room.

use std::collections::VecDeque;
use std::sync::Arc;

use super::state::{Job, JobRecipient, Source, Waited};
use crate::mail::{Authenticity, Envelope, Peer, SpoolId};
use crate::smtp::{MailParameters, ReversePath};

/// A job for some recipients of a message, all with this address.
pub(super) fn job(id: SpoolId, source: Source, address: &str, numbers: &[u16]) -> Job {
    let recipient = |&number| JobRecipient {
        number,
        address: address.parse().unwrap(),
        was: Waited::default(),
        diverted_from: None,
    };
    Job {
        id,
        ticket: 0,
        source,
        envelope: Arc::new(Envelope {
            from: ReversePath::Null,
            parameters: MailParameters::default(),
            recipients: Vec::new(),
            peer: Peer::default(),
            message_id: None,
            subject: None,
            header_from: None,
            authenticity: Authenticity::Unproven,
            expanded: None,
            filtered: Vec::new(),
            automatic: None,
            tls_optional: false,
            verdict: None,
        }),
        body: None,
        recipients: numbers.iter().map(recipient).collect(),
        targets: VecDeque::new(),
        holds: Arc::default(),
        replay: None,
    }
}
