//! What is carried, and what can become of it: identifiers, envelope, the states of a recipient,
//! outcomes of delivery, trace lines, reports.

mod envelope;
mod id;
mod outcome;
mod state;
mod transport;

pub use crate::base::{Boxed, TlsInfo};
pub use envelope::{Authenticity, Envelope, Peer, Recipient};
pub use id::{BackendId, IdSource, InvalidId, NodeId, SpoolId};
pub use outcome::{Blame, Failure, Outcome};
pub use state::{HoldReason, IllegalTransition, RecipientEvent, RecipientState};
pub use transport::{Body, BodySource, Channel, Delivery, DeliveryTarget, Transport};
