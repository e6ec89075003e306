//! The closing report of an outage or a migration: what came, what became of it, how long it took,
//! and what the backends went through meanwhile. Read from the spool and its ledger.
//!
//! [`Collector`] counts, [`Figures`] are what it counted, [`page`] is their page on paper,
//! [`rows`] one line for each recipient.

mod collector;
mod figures;
mod outages;
mod page;
mod plot;
mod rows;
mod scope;
mod timeline;

pub use collector::Collector;
pub use figures::{
    BackendFigures, Ends, Figures, HoldFigures, LandingFigures, OpenRecipient, TlsFigures,
    WaitFigures, WaitOf,
};
pub use outages::{Outage, OutageKind};
pub use page::{headline, page, spoken};
pub use rows::{head, rows};
pub use scope::Scope;
pub use timeline::Timeline;

#[cfg(test)]
mod samples;
