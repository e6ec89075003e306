//! IMAP as a client: which of our messages are in a mailbox, and where.
//!
//! It only reads: folders are opened with EXAMINE, headers are fetched with PEEK, so nobody sees
//! that we were there. All that a server says is bounded (see [`crate::limits`]): a line, a
//! literal, the folders, the messages, the time. What the answers mean for a replay says the room
//! `queue`.

mod error;
mod find;
mod folders;
mod homes;
mod login;
mod names;
mod options;
mod session;
mod value;
mod verdict;
mod wire;

pub use crate::mail::FolderKind;
pub use error::ImapError;
pub use find::{Place, Purpose, Wanted};
pub use homes::{ImapHomes, Mailboxes, World};
pub use options::{ImapOptions, ImapSecret, LoginName, Security};

#[cfg(test)]
mod secure_tests;
#[cfg(test)]
mod tests;
