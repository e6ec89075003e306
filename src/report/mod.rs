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
pub use plot::bars_of;
pub use rows::{head, rows};
pub use scope::Scope;
pub use timeline::Timeline;

use crate::mail::{RecipientEvent, RecipientState, ReplayStep};
use crate::spool::LedgerEntry;

/// May a recipient have got it twice, by a delivery or by a replay?
fn is_uncertain(state: &RecipientState, (history, number): (&[LedgerEntry], u16)) -> bool {
    let in_doubt = |entry: &LedgerEntry| {
        let RecipientEvent::Replay { step, .. } = &entry.event else {
            return false;
        };
        *step == ReplayStep::Interrupted { uncertain: true } && entry.recipients.contains(&number)
    };
    state.is_uncertain() || history.iter().any(in_doubt)
}

#[cfg(test)]
mod samples;
