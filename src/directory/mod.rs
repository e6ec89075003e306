//! Who exists, and where his mailbox is.
//!
//! A [`Directory`] is one generation: people and domains at one moment, never changed, replaced
//! as a whole through [`DirectoryHandle`]. It comes from a CSV file ([`read_csv`]).

mod domain;
mod entry;
mod handle;
mod import;
mod keys;
mod store;

pub use domain::{DomainKind, DomainRule, Unknown};
pub use entry::{Entry, EntryKind};
pub use handle::DirectoryHandle;
pub use import::{ImportErrors, ImportOptions, RowError, read_csv, read_csv_file};
pub use store::{Builder, Conflict, Directory, Lookup};
