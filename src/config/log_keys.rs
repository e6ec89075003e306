//! `[log]`: what the program says of itself, in which form, and where to.

use super::reader::Section;
use super::sections::{not_one_of, set};
use crate::telemetry::log::check_level;
use crate::telemetry::{LogFormat, LogOptions, LogStream};

pub(super) fn log(root: &Section<'_>) -> LogOptions {
    let mut options = LogOptions::default();
    if let Some(section) = root.section("log") {
        let level = |text: &str| match check_level(text) {
            Ok(()) => Ok(text.to_owned()),
            Err(error) => Err(error.to_string()),
        };
        set(&mut options.level, section.text("level", level));
        set(&mut options.format, section.text("format", format));
        set(&mut options.to, section.text("to", stream));
        section.finish();
    }
    options
}

fn format(text: &str) -> Result<LogFormat, String> {
    match text {
        "text" => Ok(LogFormat::Text),
        "json" => Ok(LogFormat::Json),
        "journald" => Ok(LogFormat::Journald),
        _ => Err(not_one_of(text, "text, json, journald")),
    }
}

fn stream(text: &str) -> Result<LogStream, String> {
    match text {
        "stderr" => Ok(LogStream::Stderr),
        "stdout" => Ok(LogStream::Stdout),
        _ => Err(not_one_of(text, "stderr, stdout")),
    }
}
