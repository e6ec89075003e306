//! The top: puts the rooms together, runs them, takes over a changed config, stops them in order.
//!
//! [`start`] is the only place that builds the whole; `serve` and `demo` both use it.

mod accounts;
mod acme_door;
mod assemble;
mod catch_up;
mod certificates;
mod check;
mod clients;
mod comparison;
mod door;
mod drills;
mod front;
mod invite_many;
mod keeper;
mod mail_door;
mod notices;
mod policy_door;
mod reading;
mod relay_watch;
mod reload;
#[cfg(test)]
mod restart_tests;
mod serve;
mod sockets;
mod submitters;
mod sync;
mod tls_reports;
mod visit_key;
#[cfg(test)]
mod whole_tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

pub use assemble::start;
pub use check::Checked;
pub use serve::serve;

use crate::admin::AuditLog;
use crate::base::Shutdown;
use crate::config::Problems;
use crate::net::BindError;
use crate::queue::Queue;
use crate::route::Router;
use crate::spool::{Recovery, Spool, SpoolError};
use crate::webmail::Accounts;
use reload::Reloader;

/// A running front door.
#[derive(Debug)]
pub struct Running {
    /// The spool.
    pub spool: Spool,
    /// The routes.
    pub router: Router,
    /// The queue.
    pub queue: Queue,
    /// The webmail's accounts.
    pub accounts: Accounts,
    /// Where mail is taken.
    pub listeners: Vec<SocketAddr>,
    /// Where the webmail is.
    pub web: Option<SocketAddr>,
    /// Where metrics and health are.
    pub admin: Option<SocketAddr>,
    /// What the spool found when it was opened.
    pub recovery: Recovery,
    reloader: Arc<Reloader>,
    audit: AuditLog,
    shutdown: Shutdown,
    writer: JoinHandle<()>,
}

impl Running {
    /// Reads the config again; see [`crate::admin::Reload`].
    ///
    /// # Errors
    /// Everything that is wrong with it; nothing changes then.
    pub async fn reload(&self) -> Result<(), String> {
        self.reloader.reload_now(None).await
    }

    /// Takes no more mail, lets what is under way finish, closes the spool.
    ///
    /// # Errors
    /// When the last sync of the spool fails.
    pub async fn stop(self) -> Result<(), SpoolError> {
        if tokio::time::timeout(self.reloader.stop_limit(), self.shutdown.stop())
            .await
            .is_err()
        {
            tracing::warn!("some tasks did not finish in time; their mail stays in the spool");
        }
        self.spool.close().await?;
        // The writer's thread ends with the spool.
        let joined = tokio::task::spawn_blocking(move || self.writer.join()).await;
        if !matches!(joined, Ok(Ok(()))) {
            tracing::error!("the spool's writer panicked");
        }
        Ok(())
    }
}

/// Why the program does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The config or the directory is wrong.
    #[error("{0}")]
    Config(#[from] Problems),
    /// The spool cannot be opened.
    #[error("the spool: {0}")]
    Spool(#[from] SpoolError),
    /// A port cannot be had.
    #[error("{0}")]
    Bind(#[from] BindError),
    /// Something else: a certificate, the socket, a thread.
    #[error("{what}: {why}")]
    Other {
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        why: String,
    },
}

impl StartError {
    /// Why `what` did not work.
    pub(crate) fn other<E: std::fmt::Display>(what: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::Other {
            what,
            why: error.to_string(),
        }
    }
}
