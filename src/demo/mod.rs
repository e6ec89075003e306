//! The whole story in one command.

/// When the demo ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Keeps running with the webmail open.
    CtrlC,
    /// Runs through, and fails unless every message arrived exactly once.
    Once,
}

/// Runs the demo.
///
/// # Errors
/// When it cannot be started, or with [`Ending::Once`] when a message is missing or came twice.
pub async fn run(ending: Ending) -> Result<(), std::io::Error> {
    Err(std::io::Error::other(format!("{ending:?}")))
}
