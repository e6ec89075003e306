//! The program's own log: one line an event, to stderr, stdout or the journal of systemd, readable
//! or as JSON.
//!
//! Whoever logs never waits for who reads: a line goes to a bounded queue, a thread writes it. What
//! finds no room is left out, counted, and told. What must not be lost is in the spool's log, not
//! here.

mod layer;
mod level;
mod line;
mod queue;
mod sinks;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry};

pub use level::{BadLevel, check_level};

use layer::Lines;
use queue::Queue;
use sinks::{Settings, Sinks};

/// The socket of journald's own protocol.
const JOURNAL: &str = "/run/systemd/journal/socket";
/// At the end of the program what waits gets this long.
const LAST_LINES: Duration = Duration::from_secs(2);

/// What is logged, in which form, and where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogOptions {
    /// `off`, `error`, `warn`, `info`, `debug`, `trace`, or for rooms of ours:
    /// `info,tideover::outbound=debug`.
    pub level: String,
    /// Form of the lines.
    pub format: LogFormat,
    /// Where they go, but for those of [`LogFormat::Journald`].
    pub to: LogStream,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::Text,
            to: LogStream::Stderr,
        }
    }
}

/// Form of the lines of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, for programs.
    Json,
    /// journald's own protocol, each field by itself.
    Journald,
}

/// Where lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogStream {
    /// The standard error.
    #[default]
    Stderr,
    /// The standard output.
    Stdout,
}

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The level cannot be understood.
    #[error(transparent)]
    Level(#[from] BadLevel),
    /// The system gives no thread.
    #[error("the log has no thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// The log of this process.
struct Installed {
    filter: reload::Handle<EnvFilter, Registry>,
    settings: Arc<Settings>,
    queue: Arc<Queue>,
}

static LOG: OnceLock<Installed> = OnceLock::new();

/// Installs the log for the process. A second call changes nothing: the first one wins.
///
/// # Errors
/// [`LogError`].
pub fn install(options: &LogOptions) -> Result<(), LogError> {
    let filter = level::filter(&options.level)?;
    if LOG.get().is_some() {
        return Ok(());
    }
    let (filter, handle) = reload::Layer::new(filter);
    let settings = Arc::new(Settings::new(options));
    let queue = Arc::new(Queue::default());
    let sinks = Sinks::of_process(PathBuf::from(JOURNAL), Arc::clone(&settings));
    sinks.spawn(Arc::clone(&queue))?;
    let lines = Lines::new(Arc::clone(&queue));
    let log = tracing_subscriber::registry().with(filter).with(lines);
    if log.try_init().is_err() {
        tracing::debug!("the log is already installed");
        return Ok(());
    }
    let installed = Installed {
        filter: handle,
        settings,
        queue,
    };
    // Only one call comes here: `try_init` lets no second one through.
    LOG.set(installed).ok();
    Ok(())
}

/// Changes level, form and place of the installed log, at once and for good.
///
/// # Errors
/// [`BadLevel`]; nothing changes then.
pub fn change(options: &LogOptions) -> Result<(), BadLevel> {
    let filter = level::filter(&options.level)?;
    let Some(log) = LOG.get() else {
        return Ok(());
    };
    log.settings.set(options);
    if log.filter.reload(filter).is_err() {
        tracing::error!("the level of the log stays as it was");
    }
    Ok(())
}

/// Waits until what was logged is written, but not for ever: nobody may read.
pub fn flush() {
    if let Some(log) = LOG.get() {
        log.queue.wait_until_written(LAST_LINES);
    }
}

#[cfg(test)]
mod tests;
