//! Drills: probes that go the way of mail, and must come back.
//!
//! A probe is a message of ours to a probe mailbox. A rule of its platform passes it on: to the
//! drill's own address, or to the probe mailbox of another platform, which does. What comes back to
//! the drill's address ends here: the router sends it to the target [`crate::route::DRILL`], whose
//! channel (`transport.rs`) looks for the token. What a leg's light is says a pure state machine
//! (`core.rs`); `desk.rs` sends, waits and remembers.

mod core;
mod desk;
mod probe;
mod transport;

use std::time::Duration;

pub use self::core::{Back, LegState, Light};
pub use desk::{Drills, LegReport, Parts, Withdraw};
pub use transport::DrillTransport;

use crate::mail::BackendId;
use crate::smtp::Mailbox;

/// What is drilled, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Our name, in the probes.
    pub hostname: String,
    /// Where probes come back to, and nothing else goes.
    pub address: Mailbox,
    /// From one probe of a leg to the next.
    pub every: Duration,
    /// A probe that takes longer is lost.
    pub deadline: Duration,
    /// The legs.
    pub legs: Vec<LegOptions>,
}

/// A way that mail must be able to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LegOptions {
    /// The platform that it begins at; `None`: the Internet, that is, this server.
    pub from: Option<BackendId>,
    /// The platform that it leads to.
    pub to: BackendId,
    /// Where the probe is sent: a mailbox of `from`, or of `to` when it begins at the Internet.
    pub mailbox: Mailbox,
}

impl LegOptions {
    /// `internet-cloud`, `onprem-cloud`.
    #[must_use]
    pub fn name(&self) -> String {
        let from = self.from.as_ref().map_or("internet", BackendId::as_str);
        format!("{from}-{}", self.to)
    }

    /// The platform that must have its mailbox.
    #[must_use]
    pub fn home(&self) -> &BackendId {
        self.from.as_ref().unwrap_or(&self.to)
    }
}
