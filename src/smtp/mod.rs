//! The protocol as data: no I/O, no clock.
//!
//! Addresses, commands, parameters, replies, codes, and the codecs for lines and message data.
//! Both sides use them: the server (`inbound`) and the client (`outbound`).

mod address;
mod chunk;
mod command;
mod composed;
mod data;
mod extension;
mod line;
mod parameter;
mod reply;
mod status;
mod xclient;
mod xtext;

pub use address::{AddressError, Domain, Mailbox, ReversePath};
pub use chunk::ChunkCheck;
pub use command::{Command, CommandError, ForwardPath};
pub use composed::nfc;
pub use data::{DataDecoder, DataEncoder, Decoded, Violation};
pub use extension::{Extensions, Limits};
pub use line::{Line, LineDecoder, LineError};
pub use parameter::{BodyKind, MailParameters, Notify, ParameterError, RcptParameters, Ret};
pub use reply::{Reply, ReplyError, Severity};
pub use status::EnhancedStatus;
pub use xclient::{Attribute, XClient};
pub use xtext::{decode as decode_xtext, encode as encode_xtext};
