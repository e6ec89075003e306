//! The seam between the queue, which decides, and the outbound room, which speaks: one message
//! for some recipients of one next hop, and what became of each.

use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::{Envelope, Failure, Outcome, SpoolId};
use crate::base::{Boxed, Shutdown, TlsInfo};
use crate::smtp::Mailbox;

/// Where a piece of mail goes next.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeliveryTarget {
    /// A platform of the config.
    Backend(super::BackendId),
    /// A stranger: the hosts that DNS names for this domain (RFC 5321 §5.1).
    Domain(String),
    /// The same hosts for mail that goes whatever they prove (RFC 8689 §4.2.2). It has connections
    /// of its own, which other mail never takes.
    Lenient(String),
    /// A relay of `[outbound]`: `host:port`.
    Relay(String),
}

impl DeliveryTarget {
    /// The way of a message of this envelope to here, RFC 8689 §4.1. What the config says of
    /// platforms and relays holds in any case.
    #[must_use]
    pub fn for_envelope(self, envelope: &Envelope) -> Self {
        match self {
            Self::Domain(domain) if envelope.tls_optional => Self::Lenient(domain),
            Self::Backend(_) | Self::Domain(_) | Self::Lenient(_) | Self::Relay(_) => self,
        }
    }
}

impl fmt::Display for DeliveryTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backend(backend) => backend.fmt(f),
            Self::Domain(domain) | Self::Lenient(domain) => write!(f, "@{domain}"),
            Self::Relay(relay) => f.write_str(relay),
        }
    }
}

/// What a next hop makes of the wish to be told of success, RFC 3461 §5.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handover {
    /// It has got the wish together with the message.
    Taken,
    /// It knows no such wishes: what becomes of the message behind it is not told.
    Relayed,
    /// It is the mailbox itself.
    Delivered,
}

/// One message for some recipients of one next hop.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// The message.
    pub id: SpoolId,
    /// What the sender said.
    pub envelope: Arc<Envelope>,
    /// For whom: the number of the recipient in the envelope and the address to say in RCPT.
    pub recipients: Vec<(u16, Mailbox)>,
    /// The bytes to send, trace lines included, not dot-stuffed, ending in CRLF unless empty.
    pub body: Arc<dyn BodySource>,
    /// Gives the attempt up: it ends at once, as if the next hop had cut the connection now.
    pub stop: Shutdown,
}

/// A message body that can be read from its beginning, again and again.
pub trait BodySource: Send + Sync + fmt::Debug {
    /// Its length in bytes.
    fn len(&self) -> u64;

    /// Is it empty?
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Up to `limit` bytes from `offset`, and any fewer; empty at the end only. May block on a
    /// local disk.
    ///
    /// # Errors
    /// When the disk fails or a checksum does not match.
    fn read_at(&self, offset: u64, limit: usize) -> io::Result<Bytes>;

    /// The first `limit` bytes, or all that there are, in as many reads as it takes. May block on a
    /// local disk.
    ///
    /// # Errors
    /// As of [`BodySource::read_at`].
    fn front(&self, limit: usize) -> io::Result<Bytes> {
        let first = self.read_at(0, limit)?;
        let all = usize::try_from(self.len()).unwrap_or(usize::MAX).min(limit);
        if first.is_empty() || first.len() >= all {
            return Ok(first);
        }
        let mut front = first.to_vec();
        while front.len() < limit {
            let piece = self.read_at(front.len() as u64, limit - front.len())?;
            if piece.is_empty() {
                break;
            }
            front.extend_from_slice(&piece);
        }
        Ok(front.into())
    }

    /// What was found to be wrong with the bytes while they were read: they are not what came.
    fn damage(&self) -> Option<String> {
        None
    }
}

/// A body that is in memory.
#[derive(Debug, Clone)]
pub struct Body(pub Bytes);

impl BodySource for Body {
    fn len(&self) -> u64 {
        self.0.len() as u64
    }

    fn read_at(&self, offset: u64, limit: usize) -> io::Result<Bytes> {
        let start = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(self.0.len());
        let end = start.saturating_add(limit).min(self.0.len());
        Ok(self.0.slice(start..end))
    }
}

/// An attempt that is not on stable storage: the message must not end (decision 8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the attempt could not be written down before the end of the message")]
pub struct Unmarked;

/// Opens channels to next hops.
pub trait Transport: Send + Sync + fmt::Debug {
    /// Connects, greets, secures and logs in.
    ///
    /// # Errors
    /// With what stood in the way; the blame is the backend's.
    fn open<'a>(
        &'a self,
        target: &'a DeliveryTarget,
    ) -> Boxed<'a, Result<Box<dyn Channel>, Failure>>;
}

/// An open connection to a next hop. Dropping it closes it at once.
pub trait Channel: Send {
    /// Sends one message. The result has one outcome for each recipient, in the order of
    /// `delivery.recipients`. `before_end` is awaited before the end of the data is sent, that is,
    /// before the message can have arrived. When it fails, the end is not sent. `delivery.stop`
    /// ends the attempt: who has an outcome by then keeps it.
    fn deliver<'a>(
        &'a mut self,
        delivery: &'a Delivery,
        before_end: Boxed<'a, Result<(), Unmarked>>,
    ) -> Boxed<'a, Vec<Outcome>>;

    /// Can another message be sent on it?
    fn is_usable(&self) -> bool;

    /// The host at the other end: `192.0.2.1:25`.
    fn peer(&self) -> &str;

    /// How it is protected.
    fn tls(&self) -> Option<&TlsInfo>;

    /// Who tells the sender that the message has arrived, if he wants to know.
    fn handover(&self) -> Handover {
        Handover::Taken
    }

    /// Says QUIT, if it can still be said, and closes.
    fn quit(self: Box<Self>) -> Boxed<'static, ()>;
}
