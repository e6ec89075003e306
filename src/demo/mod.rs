//! The whole story in one command: two sandbox platforms, Tideover between them as `serve` would
//! run it, mail of all kinds, an outage, the webmail, and the account at the end.

mod account;
mod house;
mod internet;
mod letters;
mod people;
mod platform;
mod screen;
mod story;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::daemon::StartError;
use crate::net::BindError;
use crate::telemetry::log::{self, LogOptions};
use internet::SendError;
use story::Stage;

/// When the demo ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Keeps running with the webmail open.
    CtrlC,
    /// Runs through, and fails unless every message arrived exactly once.
    Once,
}

/// Why the demo failed.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// A port cannot be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Tideover does not start or stop.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The folder of the demo cannot be written.
    #[error("the folder of the demo cannot be written: {0}")]
    Disk(#[from] std::io::Error),
    /// A letter was not taken.
    #[error("a letter was not taken: {0}")]
    Send(String),
    /// An account could not be made.
    #[error("the account could not be made: {0}")]
    Account(String),
    /// A letter did not arrive in time.
    #[error("{0} did not arrive in 30 seconds")]
    Late(&'static str),
    /// The health of a platform was not noticed in time.
    #[error("Tideover did not notice in 30 seconds how the platform is")]
    Unnoticed,
    /// Not every message arrived exactly once and unchanged.
    #[error("not every message arrived exactly once and unchanged")]
    NotEven,
}

impl From<SendError> for DemoError {
    fn from(error: SendError) -> Self {
        Self::Send(error.to_string())
    }
}

/// Runs the demo. Ctrl-C, SIGTERM and SIGHUP end it at any time.
///
/// # Errors
/// When it cannot be started, or with [`Ending::Once`] when a message is missing or came twice.
pub async fn run(ending: Ending) -> Result<(), DemoError> {
    // The story is told on stdout; the log would talk in between.
    let level = "error".to_owned();
    let quiet = LogOptions {
        level,
        ..LogOptions::default()
    };
    log::install(&quiet).map_err(|error| DemoError::Disk(std::io::Error::other(error)))?;
    // Whatever ends it, its folder goes: a terminal that is closed as well as Ctrl-C and kill.
    let kinds = [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ];
    let signals: Result<Vec<_>, _> = kinds.into_iter().map(signal).collect();
    let mut signals = signals?;
    let mut stage = Box::pin(Stage::set(ending)).await?;
    let played = tokio::select! {
        played = stage.play() => played,
        () = ended(&mut signals) => match ending {
            Ending::CtrlC => Ok(()),
            Ending::Once => Err(DemoError::NotEven),
        },
    };
    stage.clear().await.and(played)
}

/// Waits for any of the signals.
async fn ended(signals: &mut [Signal]) {
    std::future::poll_fn(|context| {
        let mut heard = signals.iter_mut().map(|signal| signal.poll_recv(context));
        if heard.any(|heard| heard.is_ready()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}
