//! TLS reports (RFC 8460): once a day a domain that asks for it is told how TLS with its hosts
//! went.
//!
//! Pure: who asks and where (`record`), what is said (`document`), as a mail (`letter`), when
//! (`plan`). `desk` asks, sends and writes down; `view` is what operators see.

mod desk;
mod document;
mod letter;
mod plan;
mod record;
mod view;

use std::sync::Arc;

pub use document::TlsReport;
pub(super) use plan::Plan;
pub use record::{Destination, destinations};
pub use view::{TlsReportState, TlsReportView};

use crate::base::Shutdown;
use crate::mail::Sign;
use crate::notice::Find;
use crate::smtp::Mailbox;

/// Who sends reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportOptions {
    /// Who they are from; a key of ours signs for its domain.
    pub from: Mailbox,
    /// `organization-name`.
    pub organization: String,
    /// `contact-info`.
    pub contact: Mailbox,
}

/// What reports are sent with, beside the client itself.
#[derive(Debug, Clone)]
pub struct ReportParts {
    /// Where mail to an address goes, past the queue.
    pub find: Arc<dyn Find>,
    /// Signatures; a report without one is ignored (RFC 8460 §3).
    pub sign: Arc<dyn Sign>,
    /// The stop.
    pub shutdown: Shutdown,
}
