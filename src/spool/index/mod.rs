//! The index: everything that is asked quickly, derived from the log and made anew from it at the
//! first doubt.
//!
//! Changes collect in memory ([`Pending`]) and go to the store in batches, each with the position
//! in the log up to which it holds. So the store always shows the state at one position, what was
//! written and deleted between two batches never reaches it, and recovery replays the log from
//! there.

mod apply;
mod cases;
mod events;
mod keys;
mod memory;
mod overlay;
mod pages;
mod redo;
mod replays;
mod rows;
mod sled_store;
mod tally;

pub use memory::MemoryStore;
pub use sled_store::SledStore;

pub(crate) use apply::{apply, names_of, remove};
pub(crate) use cases::CaseRow;
pub(crate) use events::left_out;
pub(crate) use overlay::Index;
pub(crate) use replays::replays_of;
pub(crate) use rows::{Counters, FactRow, MessageRow, decode, place};

pub(crate) mod key {
    //! Keys, for the queries of the spool.
    pub(crate) use super::keys::*;
}

use std::fmt;

/// A key with its new value, or `None` to remove it.
pub type Change = (Vec<u8>, Option<Vec<u8>>);

/// A key and its value.
pub type Row = (Vec<u8>, Vec<u8>);

/// An ordered key-value store for the index: sled, or memory in a simulation. One caller writes.
pub trait Store: Send + Sync + fmt::Debug {
    /// The value of a key.
    ///
    /// # Errors
    /// When the store fails; the index is rebuilt then.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, String>;
    /// Up to `limit` rows whose key begins with `prefix`, from `start` on, in order.
    ///
    /// # Errors
    /// When the store fails.
    fn scan(&self, prefix: &[u8], start: &[u8], limit: usize) -> Result<Vec<Row>, String>;
    /// Makes all changes, or, after a crash, none.
    ///
    /// # Errors
    /// When the store fails.
    fn apply(&self, changes: Vec<Change>) -> Result<(), String>;
    /// Removes everything.
    ///
    /// # Errors
    /// When the store fails.
    fn clear(&self) -> Result<(), String>;
}
