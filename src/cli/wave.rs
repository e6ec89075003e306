//! `wave …`: users who change home together.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::directory::moment;
use super::home::At;
use super::intent::{Format, Request, escape};
use super::teller::Teller;
use super::{Exit, Failure};
use crate::admin::{WaveDetails, WavePlanView, WaveQuery, WaveView};
use crate::base::Timestamp;
use crate::mail::BackendId;

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
    config: At<'_>,
    verb: WaveVerb,
    (format, actor): (Format, String),
) -> Result<(), Failure> {
    let teller = Teller::new(config, (format, actor))?;
    Waves(teller).perform(verb).await
}

struct Waves(Teller);

impl Waves {
    async fn perform(&self, verb: WaveVerb) -> Result<(), Failure> {
        match verb {
            WaveVerb::Plan { which, reason } => {
                let (query, bytes) = self.locked(which, reason)?;
                let answer = self.send("plan", &query, bytes).await?;
                self.0
                    .print(&answer, |page, it: &WavePlanView| page.wave_plan(it))
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
                self.0
                    .print(&answer, |page, it: &WavePlanView| page.wave_started(it))
            }
            WaveVerb::Status { file: None, .. } => {
                let request = Request::get("/api/waves".to_owned());
                let answer = self.0.client.ask(request).await?;
                self.0
                    .print(&answer, |page, it: &Vec<WaveView>| page.waves(it))
            }
            WaveVerb::Status {
                file: Some(file),
                to,
            } => {
                let (query, bytes) = self.named(&file, to, String::new());
                let answer = self.send("status", &query, bytes).await?;
                self.0
                    .print(&answer, |page, it: &WaveDetails| page.wave(it))
            }
            WaveVerb::Revert { file, to, reason } => {
                let (query, bytes) = self.named(&file, to, reason);
                let answer = self.send("revert", &query, bytes).await?;
                self.0
                    .print(&answer, |page, it: &WaveDetails| page.wave(it))
            }
        }
    }

    /// A file that has to be there.
    fn locked(&self, which: WaveFileArgs, reason: String) -> Result<(WaveQuery, Vec<u8>), Failure> {
        let unread = |error| {
            let what = format!(
                "{}: {error}\n  a file with one address a line is expected: docs/waves.md",
                which.file.display()
            );
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
            actor: self.0.actor.clone(),
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
        Ok(self.0.client.upload(path, bytes).await?)
    }
}
