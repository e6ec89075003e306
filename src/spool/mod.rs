//! Durable or not accepted: the log, its index, and what can be asked of them.
//!
//! The log is the truth: segments of checksummed records, written by one writer in batches, each
//! with one fdatasync ([`Writer`]). The index can be made anew from it at any time. [`Spool`] is
//! the only door. docs/spool-format.md describes the files.

mod anew;
mod backlog;
mod balance;
mod big;
mod carry;
mod cases;
mod chain;
mod chain_check;
mod chaining;
mod commit;
mod cursors;
mod disk;
mod documents;
mod draft;
mod error;
mod event;
mod expansions;
mod export;
mod failures;
mod follow;
mod gap;
mod handle;
mod head;
mod identity;
mod index;
mod interrupted;
mod ledger;
mod log;
mod look;
mod losses;
mod lost;
mod maimed;
mod missing;
mod missing_notes;
mod missing_now;
mod offline;
mod open;
mod outlook;
mod passed;
mod quarantine;
mod quota;
mod rebuild;
mod recent;
mod record;
mod recover;
mod replays;
mod reserve;
mod residents;
mod retention;
mod room;
mod scratch;
mod scrub;
mod segment;
mod told;
mod unreadable;
mod unsent;
mod verify;
mod views;
mod waits;
mod window;

pub use anew::Rebuilt;
pub use backlog::{BodyPlace, ForAttempt};
pub use balance::{Balance, Sum};
pub use cases::{Case, CaseMember};
pub use chain::{Anchor, Known};
pub use chain_check::ChainCheck;
pub use chaining::Reach;
pub use commit::{Committed, Writer};
pub use disk::{Disk, DiskFile, FileSystem, Lock, SystemDisk};
pub use draft::Draft;
pub use error::SpoolError;
pub use export::{Exported, Rescued, exported_name};
pub use failures::WriteFailures;
pub use follow::IndexProgress;
pub use handle::{Options, Spool, Written};
pub use identity::{check_identity, is_in_use};
pub use index::{Change, MemoryStore, Row, SledStore, Store};
pub use ledger::LedgerMessage;
pub use look::{Look, LookUnderWay, Looked};
pub use losses::Lost;
pub use maimed::FoundDamaged;
pub use missing::Missing;
pub use offline::{Offline, Progress};
pub use open::{OpenStore, Opened, World};
pub use outlook::Outlook;
pub use passed::{Passed, Passing};
pub use rebuild::Rebuild;
pub use recent::Recent;
pub use recover::Recovery;
pub use retention::Retired;
pub use room::kept_free;
pub use verify::Verification;
pub use views::{Due, LedgerEntry, SpoolStats, StoredMessage, WaitingRecipient};

#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod lost_tests;
#[cfg(test)]
mod missing_tests;
#[cfg(test)]
mod outlook_tests;
#[cfg(test)]
mod passed_tests;
#[cfg(test)]
mod retention_tests;
#[cfg(test)]
mod tests;
