//! `replay …`: mail that a backend lost, or never had, is brought to it.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::directory::moment;
use super::home::At;
use super::intent::{Format, Request, escape};
use super::teller::{Teller, address, ended, read, some};
use super::{Exit, Failure};
use crate::admin::{ReplayDeedQuery, ReplayPlanView};
use crate::base::Timestamp;
use crate::directory::WaveFile;
use crate::queue::replay::{Progress, ReplayState};
use crate::terminal::Bar;

/// From one look at a replay to the next.
const LOOK: Duration = Duration::from_millis(500);
/// By which mail is selected.
const TIMES: [&str; 2] = ["accepted", "delivered"];

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum ReplayVerb {
    /// Show what would be replayed, how long it takes, and what is left out and why
    Plan {
        #[command(flatten)]
        what: ReplayArgs,
    },
    /// Start what was planned, or plan and start in one go
    Start {
        /// A plan, for example r1; without it the options say what is meant
        #[arg(required_unless_present = "to", conflicts_with = "to")]
        id: Option<String>,
        #[command(flatten)]
        what: StartArgs,
        /// Stay until it has come to its end
        #[arg(long)]
        wait: bool,
    },
    /// How far a replay is, or all that have not ended
    Status {
        /// For example r1
        id: Option<String>,
        /// Stay until it has come to its end
        #[arg(long, requires = "id")]
        wait: bool,
    },
    /// All replays that are remembered
    List,
    /// Send no more, until `resume`
    Pause {
        /// For example r1
        id: String,
        /// Why, for those who look later
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Go on with one that is paused
    Resume {
        /// For example r1
        id: String,
    },
    /// End one for good; what it has brought stays
    Stop {
        /// For example r1
        id: String,
        /// Why, for those who look later
        #[arg(long, default_value = "")]
        reason: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct ReplayArgs {
    /// The backend that gets it
    #[arg(long, value_name = "BACKEND")]
    to: String,
    #[command(flatten)]
    which: WhichArgs,
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct StartArgs {
    /// The backend that gets it
    #[arg(long, value_name = "BACKEND")]
    to: Option<String>,
    #[command(flatten)]
    which: WhichArgs,
}

#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "switches of the command line"
)]
pub(crate) struct WhichArgs {
    /// Mail from then on, for example "2026-11-20 02:00" [needed, unless something else narrows it]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Mail up to then [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
    /// By when it was accepted by us, or delivered by us
    #[arg(long, value_name = "WHEN", default_value = "accepted", value_parser = TIMES)]
    by: String,
    /// Only for this recipient; may be repeated; with --wave only those who are in it, too
    #[arg(long = "recipient", value_name = "ADDRESS", value_parser = address)]
    recipients: Vec<String>,
    /// Only from this sender: an address, @domain, or <> for reports
    #[arg(long, value_name = "ADDRESS")]
    sender: Option<String>,
    /// Only the message with this Message-ID
    #[arg(long, value_name = "ID")]
    message_id: Option<String>,
    /// Only for recipients of this domain
    #[arg(long)]
    domain: Option<String>,
    /// Only for the users of a wave: its file, or its name as `wave status` shows it
    #[arg(long, value_name = "FILE")]
    wave: Option<PathBuf>,
    /// Only what this backend got, or what waits for it
    #[arg(long, value_name = "BACKEND")]
    from_backend: Option<String>,
    /// Only what another backend got by failover while --to was down: bring it home
    #[arg(long)]
    diverted: bool,
    /// Only what was delivered before: this is the default
    #[arg(long, conflicts_with = "unfinished")]
    finished: bool,
    /// Mail that still waits, instead of what was delivered: --to gets it now
    #[arg(long, conflicts_with = "diverted")]
    unfinished: bool,
    /// Also what a replay has brought to --to before: it comes twice
    #[arg(long)]
    again: bool,
    /// Only what the mailboxes do not have: they are asked over IMAP
    #[arg(long, conflicts_with = "unfinished")]
    missing_only: bool,
    /// With --missing-only: also all that is meant for mailboxes that cannot be asked
    #[arg(long, requires = "missing_only")]
    unasked: bool,
    /// The newest mail first
    #[arg(long, conflicts_with = "oldest_first")]
    newest_first: bool,
    /// The oldest mail first: this is the default
    #[arg(long)]
    oldest_first: bool,
}

/// Does what a verb says, as `actor`.
pub(super) async fn perform(
    config: At<'_>,
    verb: ReplayVerb,
    (format, actor): (Format, String),
) -> Result<(), Failure> {
    let teller = Teller::new(config, (format, actor))?;
    Replays(teller).perform(verb).await
}

/// How long a verb stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stay {
    Shortly,
    UntilItsEnd,
}

impl From<bool> for Stay {
    fn from(wait: bool) -> Self {
        if wait {
            Self::UntilItsEnd
        } else {
            Self::Shortly
        }
    }
}

struct Replays(Teller);

impl Replays {
    async fn perform(&self, verb: ReplayVerb) -> Result<(), Failure> {
        match verb {
            ReplayVerb::Plan { what } => {
                let answer = self.plan(what).await?;
                self.0
                    .print(&answer, |page, it: &ReplayPlanView| page.replay_plan(it))
            }
            ReplayVerb::Start { id, what, wait } => {
                let id = match (id, what.to) {
                    (Some(id), _) => id,
                    (None, Some(to)) => {
                        let answer = self
                            .plan(ReplayArgs {
                                to,
                                which: what.which,
                            })
                            .await?;
                        read::<ReplayPlanView>(&answer)?.id
                    }
                    // clap asks for one of them.
                    (None, None) => return Err(Failure::new(Exit::Failed, "which one?")),
                };
                let answer = self.change(&id, "start", String::new()).await?;
                self.tell(&id, answer, wait.into()).await
            }
            ReplayVerb::Status { id: Some(id), wait } => {
                let answer = self.look(&id).await?;
                self.tell(&id, answer, wait.into()).await
            }
            ReplayVerb::Status { id: None, .. } => {
                let answer = self.list().await?;
                self.0
                    .print(&answer, |page, all: &Vec<Progress>| page.open_replays(all))
            }
            ReplayVerb::List => {
                let answer = self.list().await?;
                self.0.print(&answer, |page, all: &Vec<Progress>| {
                    page.replays(&all.iter().collect::<Vec<_>>())
                })
            }
            ReplayVerb::Pause { id, reason } => self.changed(&id, "pause", reason).await,
            ReplayVerb::Resume { id } => self.changed(&id, "resume", String::new()).await,
            ReplayVerb::Stop { id, reason } => self.changed(&id, "stop", reason).await,
        }
    }

    async fn plan(&self, what: ReplayArgs) -> Result<serde_json::Value, Failure> {
        let asked = asked("/api/replays/plan", &self.0.actor, what)?;
        self.0.patiently(asked).await
    }

    async fn list(&self) -> Result<serde_json::Value, Failure> {
        let request = Request::get("/api/replays".to_owned());
        Ok(self.0.client.ask(request).await?)
    }

    async fn look(&self, id: &str) -> Result<serde_json::Value, Failure> {
        let request = Request::get(format!("/api/replays/{}", escape(id)));
        Ok(self.0.client.ask(request).await?)
    }

    async fn change(
        &self,
        id: &str,
        what: &str,
        reason: String,
    ) -> Result<serde_json::Value, Failure> {
        let query = ReplayDeedQuery {
            actor: self.0.actor.clone(),
            reason,
        };
        let path = format!(
            "/api/replays/{}/{what}?actor={}&reason={}",
            escape(id),
            escape(&query.actor),
            escape(&query.reason)
        );
        Ok(self.0.client.upload(path, Vec::new()).await?)
    }

    async fn changed(&self, id: &str, what: &str, reason: String) -> Result<(), Failure> {
        let answer = self.change(id, what, reason).await?;
        self.0.print(&answer, |page, it: &Progress| page.replay(it))
    }

    /// How far it is, now or when it has come to its end.
    async fn tell(
        &self,
        id: &str,
        mut answer: serde_json::Value,
        stay: Stay,
    ) -> Result<(), Failure> {
        let mut bar = Bar::with_lines("recipients");
        loop {
            let progress = read::<Progress>(&answer)?;
            if stay == Stay::Shortly || progress.replay.state != ReplayState::Running {
                break;
            }
            bar.show(progress.replay.counts.ended(), Some(progress.total));
            tokio::time::sleep(LOOK).await;
            answer = self.look(id).await?;
        }
        bar.end();
        self.0
            .print(&answer, |page, it: &Progress| page.replay(it))?;
        match stay {
            Stay::Shortly => Ok(()),
            Stay::UntilItsEnd => verdict(&read(&answer)?),
        }
    }
}

/// Did it bring all that it was to bring?
fn verdict(progress: &Progress) -> Result<(), Failure> {
    let (replay, counts) = (&progress.replay, &progress.replay.counts);
    let state = match replay.state {
        ReplayState::Done => None,
        ReplayState::Planned => Some("nobody has started it".to_owned()),
        ReplayState::Running | ReplayState::Paused | ReplayState::Stopped => {
            let last = replay.deeds.last().map(|deed| deed.reason.as_str());
            match last.filter(|reason| !reason.is_empty()) {
                Some(reason) => Some(format!("{} ({reason})", replay.state.word())),
                None => Some(replay.state.word().to_owned()),
            }
        }
    };
    let odd = [
        state,
        some(counts.refused, "recipients were refused"),
        some(counts.not_asked, "were in mailboxes that cannot be asked"),
    ];
    let odd: Vec<String> = odd.into_iter().flatten().collect();
    ended(&format!("replay {}", replay.id), &odd)
}

/// The file of a wave, which has to name somebody, or the name of one.
fn wave(file: Option<PathBuf>) -> Result<(Option<Vec<u8>>, Option<String>), Failure> {
    let Some(file) = file else {
        return Ok((None, None));
    };
    if !file.is_file() {
        return Ok((None, Some(file.to_string_lossy().into_owned())));
    }
    let failed = |error: String| Failure::new(Exit::Failed, format!("{}: {error}", file.display()));
    let mut people = std::fs::read(&file).map_err(|error| failed(error.to_string()))?;
    WaveFile::parse(&people).map_err(|error| failed(error.to_string()))?;
    if !people.ends_with(b"\n") {
        people.push(b'\n');
    }
    Ok((Some(people), None))
}

/// The path, and the people a line each: those of a file, then those who were named.
pub(super) fn asked(
    base: &str,
    actor: &str,
    what: ReplayArgs,
) -> Result<(String, Vec<u8>), Failure> {
    let ReplayArgs { to, which } = what;
    let (listed, wave) = wave(which.wave)?;
    let is_listed = listed.is_some();
    let mut people = listed.unwrap_or_default();
    people.extend_from_slice(which.recipients.join("\n").as_bytes());
    // None named is nothing to be said of it, to the audit log either.
    let named = match which.recipients.len() {
        0 => String::new(),
        count => format!("&recipients={count}"),
    };
    let mut path = format!(
        "{base}?to={}&actor={}&by={}&diverted={}&unfinished={}&again={}&newest_first={}\
         &missing_only={}&unasked={}{named}&listed={is_listed}",
        escape(&to),
        escape(actor),
        escape(&which.by),
        which.diverted,
        which.unfinished,
        which.again,
        which.newest_first,
        which.missing_only,
        which.unasked
    );
    let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
    for (name, value) in [
        ("since", time(which.since)),
        ("until", time(which.until)),
        ("sender", which.sender),
        ("message_id", which.message_id),
        ("domain", which.domain),
        ("wave", wave),
        ("from_backend", which.from_backend),
    ] {
        if let Some(value) = value {
            path.extend(["&", name, "=", &escape(&value)]);
        }
    }
    Ok((path, people))
}

#[cfg(test)]
#[path = "replay_tests.rs"]
mod tests;
