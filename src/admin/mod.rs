//! The operators' door: an HTTP API as JSON.
//!
//! The whole API is served over a unix socket that only its owner may open: the verbs of the
//! command line use it. TCP (`[admin] bind`) shows `/health` and `/metrics` only, and changes
//! nothing.

mod accounts;
mod api;
mod error;
mod extract;
mod health;
mod lookup;
mod serve;
mod view;

use std::fmt;
use std::sync::Arc;

use crate::backend::{BackendHealth, BackendOptions};
use crate::base::Clock;
use crate::mail::{BackendId, Boxed};
use crate::route::Explanation;
use crate::smtp::Mailbox;
use crate::spool::Spool;
use crate::telemetry::Metrics;

pub use accounts::{Account, AccountAdmin, AccountRefused, AccountState, Invitation};
pub use api::{operators, watchers};
pub use error::{AdminError, Refusal};
pub use health::HealthView;
pub use serve::{Door, serve};
pub use view::{
    BackendDetails, BackendView, DecisionWord, EventView, ExplainView, HostView, MessageView,
    PeerView, ProbeView, QueueItem, QueueNumbers, RecipientView, ReloadView, SpoolNumbers,
    StatusView, TraceView,
};

/// What the operators' door asks of the routes.
pub trait Routes: Send + Sync + fmt::Debug {
    /// The route of an address now, step by step.
    fn explain(&self, address: &Mailbox) -> Explanation;

    /// The directory key under which mail for the address is listed; `None` for strangers.
    fn mailbox(&self, address: &Mailbox) -> Option<String>;
}

/// What it asks of the backends.
pub trait Backends: Send + Sync + fmt::Debug {
    /// All backends and how they are, in the order of the config.
    fn snapshot(&self) -> Vec<BackendHealth>;

    /// What the config says of one.
    fn options(&self, id: &BackendId) -> Option<Arc<BackendOptions>>;
}

/// Reads the config again.
pub trait Reload: Send + Sync + fmt::Debug {
    /// Takes over what the config file says now. Nothing changes when it is refused.
    ///
    /// # Errors
    /// All that is wrong with it, as text for people.
    fn reload(&self) -> Boxed<'_, Result<(), String>>;
}

/// What the handlers work on; made by `daemon`.
#[derive(Debug, Clone)]
pub struct Admin {
    /// The spool.
    pub spool: Spool,
    /// The routes.
    pub routes: Arc<dyn Routes>,
    /// The backends.
    pub backends: Arc<dyn Backends>,
    /// The webmail's accounts.
    pub accounts: Arc<dyn AccountAdmin>,
    /// The config.
    pub config: Arc<dyn Reload>,
    /// The metrics of the process.
    pub metrics: Metrics,
    /// The time.
    pub clock: Clock,
}
