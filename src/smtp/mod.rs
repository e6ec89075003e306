//! The protocol as data: no I/O, no clock.
//!
//! Addresses, commands, parameters, replies, codes, and the codecs for lines and message data.
//! Both sides use them: the server (`inbound`) and the client (`outbound`).

mod address;
mod parameter;
mod reply;
mod status;

pub use address::{AddressError, Domain, Mailbox, ReversePath};
pub use parameter::{BodyKind, MailParameters, Notify, RcptParameters, Ret};
pub use reply::{Reply, ReplyError, Severity};
pub use status::EnhancedStatus;
