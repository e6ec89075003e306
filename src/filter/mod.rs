//! Content filters: somebody else looks at a message before it is taken.
//!
//! `clamd` is the protocol, pure; `talk` moves its bytes; `health` knows when a filter is left
//! alone, purely; `ruling` says what is done, purely; `desk` asks one filter after another, each
//! until its deadline. A filter never loses mail: what it says ends in a field, a hold, or a reply
//! within the session; and when it says nothing, the config has said beforehand what happens.

mod clamd;
mod desk;
mod health;
mod options;
mod ruling;
mod talk;

pub use clamd::{Answer, Nonsense, ReplyReader};
pub use desk::{FilterStatus, Filters, World};
pub use options::{Deed, OnFailure, Options, OverSize, Place, Protocol, Whose};
pub use ruling::{Ruling, Taken, filter_fields};

use std::fmt;
use std::io;

use bytes::Bytes;

use crate::base::Boxed;
use crate::mail::Recipient;

/// A message that is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'s> {
    /// The name of the listener that it came to.
    pub listener: &'s str,
    /// Whose mail it is.
    pub standing: Standing,
    /// To whom.
    pub recipients: &'s [Recipient],
}

/// Whose mail it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// A stranger's.
    Stranger,
    /// A platform's, or a device's that may relay.
    Ours,
}

/// The bytes of a message.
pub trait Content: Send + Sync + fmt::Debug {
    /// How many they are.
    fn len(&self) -> u64;

    /// None at all?
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Up to `most` of them from `at` on; none at the end.
    ///
    /// # Errors
    /// When our own disk fails.
    fn read(&self, at: u64, most: usize) -> Boxed<'_, io::Result<Bytes>>;
}

#[cfg(test)]
mod tests;
