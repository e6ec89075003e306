//! `rehearse`: mail of the past through a directory of the future.

use std::path::PathBuf;

use clap::Args;
use serde::Deserialize as _;

use super::directory::moment;
use super::home::At;
use super::intent::{Format, escape};
use super::render::Page;
use super::{Exit, Failure, home, print, show};
use crate::admin::RehearsalView;
use crate::base::{Clock, Timestamp};
use crate::terminal::Palette;

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct RehearseArgs {
    /// A directory as CSV, or with --to the file of a wave
    file: PathBuf,
    /// The new home: the file has one address a line
    #[arg(long, value_name = "BACKEND")]
    to: Option<String>,
    /// Which source the directory is [default: file, as `directory import` has it]
    #[arg(long, value_name = "NAME", conflicts_with = "to")]
    source: Option<String>,
    /// The directory names some people only: who is not in it stays
    #[arg(long, conflicts_with = "to")]
    add: bool,
    /// Mail from then on, for example "2026-11-20 00:00" [default: a day before --until]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Mail up to then [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
}

impl RehearseArgs {
    fn path(&self) -> String {
        let mut path = format!("/api/rehearse?add={}", self.add);
        let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
        for (name, value) in [
            ("to", self.to.clone()),
            ("source", self.source.clone()),
            ("since", time(self.since)),
            ("until", time(self.until)),
        ] {
            if let Some(value) = value {
                path.extend(["&", name, "=", &escape(&value)]);
            }
        }
        path
    }
}

/// Asks the server, and prints its answer.
pub(super) async fn perform(
    config: At<'_>,
    args: RehearseArgs,
    format: Format,
) -> Result<(), Failure> {
    let unread = |error| {
        let what = format!("{}: {error}", args.file.display());
        Failure::new(Exit::Failed, what)
    };
    let bytes = std::fs::read(&args.file).map_err(unread)?;
    let client = home::client(config)?;
    let answer: serde_json::Value = client.upload(args.path(), bytes).await?;
    match format {
        Format::Json => print(&format!("{answer:#}\n")),
        Format::Text => {
            let odd = |error| Failure::new(Exit::Failed, format!("an odd answer: {error}"));
            let view = RehearsalView::deserialize(&answer).map_err(odd)?;
            let page = Page {
                palette: Palette::of_stdout(),
                now: Clock::system().now(),
            };
            show(&page.rehearsal(&view))
        }
    }
}
