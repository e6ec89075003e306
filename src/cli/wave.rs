//! `wave …`: users who change home together.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::de::DeserializeOwned;

use super::client::Client;
use super::directory::moment;
use super::intent::{Format, Request, escape};
use super::render::Page;
use super::{Exit, Failure, home, print};
use crate::admin::{WaveDetails, WavePlanView, WaveQuery, WaveView};
use crate::base::{Clock, Timestamp};
use crate::mail::BackendId;
use crate::terminal::Palette;

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum WaveVerb {
    /// Lock a file, and show for each user what would happen and what stands in the way
    Plan {
        #[command(flatten)]
        which: WaveFileArgs,
        /// Why, for those who look later
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Give the users of a file their new home, now or at a time
    Start {
        #[command(flatten)]
        which: WaveFileArgs,
        /// When, for example "2026-11-20 19:00" [default: now]
        #[arg(long, value_name = "TIME", value_parser = moment)]
        at: Option<Timestamp>,
        /// Also with what only should not be
        #[arg(long)]
        force: bool,
        /// Leave out those who cannot move
        #[arg(long)]
        skip_blocked: bool,
        /// Though a drill is not green; it is written down who said so
        #[arg(long)]
        despite_drill: bool,
        /// Why, for those who look later
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// All waves, or one with each of its users
    Status {
        /// Its file, or its name as the list shows it
        file: Option<PathBuf>,
        /// The new home, when the same file went to several
        #[arg(long, value_name = "BACKEND")]
        to: Option<String>,
    },
    /// Call a wave off, or give its users the homes of before
    Revert {
        /// Its file, or its name as the list shows it
        file: PathBuf,
        /// The new home, when the same file went to several
        #[arg(long, value_name = "BACKEND")]
        to: Option<String>,
        /// Why, for those who look later
        #[arg(long, default_value = "")]
        reason: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct WaveFileArgs {
    /// One address a line, # begins a comment
    file: PathBuf,
    /// The new home
    #[arg(long, value_name = "BACKEND")]
    to: String,
}

/// Does what a verb says, as `actor`.
pub(super) async fn perform(
    config: Option<&Path>,
    verb: WaveVerb,
    (format, actor): (Format, String),
) -> Result<(), Failure> {
    let (data_dir, config) = home::data_dir(config)?;
    let teller = Teller {
        client: Client::new(&data_dir, &config),
        format,
        actor,
        page: Page {
            palette: Palette::of_stdout(),
            now: Clock::system().now(),
        },
    };
    teller.perform(verb).await
}

struct Teller {
    client: Client,
    format: Format,
    actor: String,
    page: Page,
}

impl Teller {
    async fn perform(&self, verb: WaveVerb) -> Result<(), Failure> {
        match verb {
            WaveVerb::Plan { which, reason } => {
                let (query, bytes) = self.locked(which, reason)?;
                let answer = self.send("plan", &query, bytes).await?;
                self.print(&answer, |page, it: &WavePlanView| page.wave_plan(it))
            }
            WaveVerb::Start {
                which,
                at,
                force,
                skip_blocked,
                despite_drill,
                reason,
            } => {
                let (query, bytes) = self.locked(which, reason)?;
                let query = WaveQuery {
                    at,
                    force,
                    skip_blocked,
                    despite_drill,
                    ..query
                };
                let answer = self.send("start", &query, bytes).await?;
                self.print(&answer, |page, it: &WavePlanView| page.wave_started(it))
            }
            WaveVerb::Status { file: None, .. } => {
                let request = Request::get("/api/waves".to_owned());
                let answer = self.client.ask(request).await?;
                self.print(&answer, |page, it: &Vec<WaveView>| page.waves(it))
            }
            WaveVerb::Status {
                file: Some(file),
                to,
            } => {
                let (query, bytes) = self.named(&file, to, String::new());
                let answer = self.send("status", &query, bytes).await?;
                self.print(&answer, |page, it: &WaveDetails| page.wave(it))
            }
            WaveVerb::Revert { file, to, reason } => {
                let (query, bytes) = self.named(&file, to, reason);
                let answer = self.send("revert", &query, bytes).await?;
                self.print(&answer, |page, it: &WaveDetails| page.wave(it))
            }
        }
    }

    /// A file that has to be there.
    fn locked(&self, which: WaveFileArgs, reason: String) -> Result<(WaveQuery, Vec<u8>), Failure> {
        let unread = |error| {
            let what = format!("{}: {error}", which.file.display());
            Failure::new(Exit::Failed, what)
        };
        let bytes = std::fs::read(&which.file).map_err(unread)?;
        let (query, _) = self.named(&which.file, Some(which.to), reason);
        Ok((query, bytes))
    }

    /// A wave that the server knows; its file may be gone.
    fn named(&self, file: &Path, to: Option<String>, reason: String) -> (WaveQuery, Vec<u8>) {
        let name = file.file_name().unwrap_or(file.as_os_str());
        let query = WaveQuery {
            name: name.to_string_lossy().into_owned(),
            to: to.map(|name| BackendId::new(&name)),
            actor: self.actor.clone(),
            reason,
            ..WaveQuery::default()
        };
        (query, std::fs::read(file).unwrap_or_default())
    }

    async fn send(
        &self,
        what: &str,
        query: &WaveQuery,
        bytes: Vec<u8>,
    ) -> Result<serde_json::Value, Failure> {
        let mut path = format!(
            "/api/waves/{what}?name={}&actor={}&reason={}&force={}&skip_blocked={}\
             &despite_drill={}",
            escape(&query.name),
            escape(&query.actor),
            escape(&query.reason),
            query.force,
            query.skip_blocked,
            query.despite_drill
        );
        let to = query.to.as_ref().map(|to| to.as_str().to_owned());
        let at = query.at.map(|at| at.to_string());
        for (name, value) in [("to", to), ("at", at)] {
            if let Some(value) = value {
                path.extend(["&", name, "=", &escape(&value)]);
            }
        }
        Ok(self.client.upload(path, bytes).await?)
    }

    fn print<T: DeserializeOwned>(
        &self,
        answer: &serde_json::Value,
        text: impl FnOnce(Page, &T) -> String,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Json => print(&format!("{answer:#}\n")),
            Format::Text => {
                let odd = |error| Failure::new(Exit::Failed, format!("an odd answer: {error}"));
                let view = T::deserialize(answer).map_err(odd)?;
                print(&text(self.page, &view))
            }
        }
    }
}
