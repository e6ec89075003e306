//! IMAP as a client: which of our messages are in a mailbox, and where; and what write-back changes
//! there.
//!
//! Who asks ([`Mailboxes`]) only reads: folders are opened with EXAMINE, headers are fetched with
//! PEEK, so nobody sees that we were there. Who carries ([`Carriers`]) adds messages, sets flags
//! and moves; nothing is erased. All that a server says is bounded (see [`crate::limits`]): a
//! line, a literal, the folders, the messages, the time. What the answers mean say the rooms
//! above.

mod carry;
mod change;
mod error;
mod find;
mod folders;
mod gmail;
mod homes;
mod locate;
mod login;
mod names;
mod options;
mod pace;
mod session;
mod usual;
mod value;
mod verdict;
mod wire;

pub use crate::mail::FolderKind;
pub use carry::{Carriers, OpenMailbox};
pub use change::{Filed, Item};
pub use error::ImapError;
pub use find::{Place, Purpose, Wanted};
pub use homes::{ImapHomes, Mailboxes, World};
pub use locate::{Flags, Sought, Spot};
pub use options::{ImapOptions, ImapSecret, LoginName, Security};

#[cfg(test)]
mod secure_tests;
#[cfg(test)]
mod tests;
