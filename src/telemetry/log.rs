//! The program's own log: to stderr, readable or as JSON, one line an event.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::util::SubscriberInitExt as _;

/// What is logged, and in which form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogOptions {
    /// `error`, `warn`, `info`, `debug`, `trace`, or per module:
    /// `info,tideover::outbound=debug`.
    pub level: String,
    /// Form of the lines.
    pub format: LogFormat,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::Readable,
        }
    }
}

/// Form of the lines of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Readable,
    /// One JSON object a line, for programs.
    Json,
}

/// The level cannot be understood.
#[derive(Debug, thiserror::Error)]
#[error(
    "the log level \"{level}\" is not understood: {error}; \
     expected for example \"info\" or \"info,tideover::outbound=debug\""
)]
pub struct BadLevel {
    level: String,
    error: ParseError,
}

/// Checks a level without installing anything.
///
/// # Errors
/// [`BadLevel`].
pub fn check_level(level: &str) -> Result<(), BadLevel> {
    filter(level).map(drop)
}

fn filter(level: &str) -> Result<EnvFilter, BadLevel> {
    EnvFilter::try_new(level).map_err(|error| BadLevel {
        level: level.to_owned(),
        error,
    })
}

/// Installs the log for the process. A second call changes nothing: the first one wins.
///
/// # Errors
/// [`BadLevel`].
pub fn install(options: &LogOptions) -> Result<(), BadLevel> {
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter(&options.level)?)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let installed = match options.format {
        LogFormat::Readable => builder.with_target(false).finish().try_init(),
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init(),
    };
    if installed.is_err() {
        tracing::debug!("the log is already installed");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_checked() {
        check_level("info,tideover::outbound=debug").unwrap();
        let error = check_level("tideover=loud").unwrap_err().to_string();
        assert!(error.contains("tideover=loud"), "{error}");
        assert!(error.contains("expected"), "{error}");
    }
}
