//! Who exists, and where his mailbox is.
//!
//! A [`Directory`] is one generation: people and domains at one moment, never changed, replaced
//! as a whole through [`DirectoryHandle`]. It comes from a CSV file ([`read_csv`]).

mod builder;
mod claims;
mod clean;
mod conflict;
mod damage;
mod differing;
mod domain;
mod draft;
mod effect;
mod encoding;
mod entry;
mod export;
mod exports;
mod feed;
mod files;
mod generation;
mod generations;
mod handle;
mod harvest;
mod identity;
mod import;
mod join;
mod keys;
mod ldap_record;
mod names;
mod near;
mod normalise;
mod origin;
mod origins;
mod people;
mod plan;
mod project;
mod reading;
mod reconfigure;
mod record;
mod rehearse;
mod rules;
mod settle;
mod store;
mod sync;
mod table;
mod tagged;
mod tenure;
mod verified;
mod wave;
mod wave_change;
mod wave_order;
mod wave_plan;
mod waves;
mod x500;
mod x500_uses;

pub use builder::Builder;
pub use clean::Reason;
pub use conflict::{Conflict, ConflictKind, DisputedHome};
pub use domain::{DomainKind, DomainRule, Unknown};
pub use draft::Extent;
pub use effect::{Effect, TooMany};
pub use entry::{Entry, EntryKind};
pub use feed::{BadRows, Import, Imported};
pub use files::digest_of;
pub use generation::{Cause, Generation};
pub use generations::{DirectoryError, GenerationOptions, Generations, Mode, Note, Outcome};
pub use handle::DirectoryHandle;
pub use identity::{Holder, Roll, Trace, Wanted};
pub use import::{
    Against, ImportErrors, ImportOptions, Reading, Row, RowError, Sink, read_csv, read_csv_file,
    read_rows,
};
pub use names::{is_named_alike, is_named_otherwise};
pub use near::Once;
pub use normalise::{Fate, Normalise, Normalised};
pub use origins::Origin;
pub use people::{Change, Ruling, RulingChange};
pub use plan::Guard;
pub use project::Provenance;
pub use reading::{Oddities, Oddity, OldForm};
pub use record::{FILE, HAND, Record};
pub use rehearse::WouldBe;
pub use rules::{Fact, JoinBy, Rules};
pub use settle::Verdict;
pub use store::{Directory, FoundBy, Lookup};
pub use sync::{Feed, Source, SyncStatus, Synced, Syncer};
pub use tenure::{Past, Tenure};
pub use verified::{AskHome, Heard, Standing, Verified, Word};
pub use wave::{Allowed, Wave, WaveFile, WaveState, WaveStep};
pub use wave_plan::{
    Grade, Obstacle, ObstacleKind, PlannedUser, SplitGroup, WaveFacts, WavePlan, plan_wave,
    wave_keys,
};
pub use waves::{Said, Waves};
pub use x500::{decapsulate, encapsulate, is_encapsulated, x500_key};
pub use x500_uses::{X500Sender, X500Use, X500Uses};

#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod dry_run_tests;
#[cfg(test)]
pub(crate) mod generation_tests;
#[cfg(test)]
mod grace_tests;
#[cfg(test)]
mod join_tests;
#[cfg(test)]
mod odd_tests;
#[cfg(test)]
mod wave_tests;
