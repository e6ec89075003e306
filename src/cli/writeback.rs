//! `writeback …`: what users did in the webmail goes into their mailboxes.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::Failure;
use super::home::At;
use super::intent::{Format, Request, escape};
use super::replay::Stay;
use super::teller::{Teller, address, ended, read, some};
use crate::admin::WritebackQuery;
use crate::mail::BackendId;
use crate::terminal::Bar;
use crate::writeback::{Plan, Progress, RunState};

/// From one look at a run to the next.
const LOOK: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum WritebackVerb {
    /// Show what would be carried, for whom, and what cannot be
    Plan(Whose),
    /// Carry it
    Start {
        #[command(flatten)]
        whose: Whose,
        /// Stay until it has come to its end
        #[arg(long)]
        wait: bool,
    },
    /// How far it is, and what came of it for each user
    Status {
        /// For example w1 [default: the last one]
        id: Option<String>,
        /// Stay until it has come to its end
        #[arg(long)]
        wait: bool,
    },
    /// All runs that are remembered
    List,
    /// End one; what it has carried stays, and a new start goes on from there
    Stop {
        /// For example w1
        id: String,
        /// Why, for those who look later
        #[arg(long, default_value = "")]
        reason: String,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Args)]
pub(crate) struct Whose {
    /// Only this user; may be repeated
    #[arg(long = "user", value_name = "ADDRESS", value_parser = address)]
    users: Vec<String>,
    /// Only users whose mailbox is there
    #[arg(long, value_name = "BACKEND")]
    backend: Option<String>,
}

/// Does what a verb says, as `actor`; none is the plan.
pub(super) async fn perform(
    config: At<'_>,
    verb: Option<WritebackVerb>,
    (format, actor): (Format, String),
) -> Result<(), Failure> {
    let teller = Teller::new(config, (format, actor))?;
    let verb = verb.unwrap_or_else(|| WritebackVerb::Plan(Whose::default()));
    Writebacks(teller).perform(verb).await
}

struct Writebacks(Teller);

impl Writebacks {
    async fn perform(&self, verb: WritebackVerb) -> Result<(), Failure> {
        match verb {
            WritebackVerb::Plan(whose) => {
                let answer = self.0.patiently(self.asked("plan", &whose)).await?;
                self.0
                    .print(&answer, |page, it: &Plan| page.writeback_plan(it))
            }
            WritebackVerb::Start { whose, wait } => {
                let answer = self.0.patiently(self.asked("start", &whose)).await?;
                self.tell(answer, wait.into()).await
            }
            WritebackVerb::Status { id, wait } => {
                let answer = self.look(id.as_deref().unwrap_or("last")).await?;
                self.tell(answer, wait.into()).await
            }
            WritebackVerb::List => {
                let request = Request::get("/api/writebacks".to_owned());
                let answer = self.0.client.ask(request).await?;
                self.0
                    .print(&answer, |page, all: &Vec<Progress>| page.writebacks(all))
            }
            WritebackVerb::Stop { id, reason } => {
                let path = format!(
                    "/api/writebacks/{}/stop?actor={}&reason={}",
                    escape(&id),
                    escape(&self.0.actor),
                    escape(&reason)
                );
                let answer = self.0.client.upload(path, Vec::new()).await?;
                self.0
                    .print(&answer, |page, it: &Progress| page.writeback(it))
            }
        }
    }

    /// The path, and the users a line each.
    fn asked(&self, what: &str, whose: &Whose) -> (String, Vec<u8>) {
        let query = WritebackQuery {
            backend: whose.backend.as_deref().map(BackendId::new),
            actor: self.0.actor.clone(),
            reason: String::new(),
        };
        let mut path = format!("/api/writebacks/{what}?actor={}", escape(&query.actor));
        if let Some(backend) = &query.backend {
            path.extend(["&backend=", &escape(backend.as_str())]);
        }
        (path, whose.users.join("\n").into_bytes())
    }

    async fn look(&self, id: &str) -> Result<serde_json::Value, Failure> {
        let request = Request::get(format!("/api/writebacks/{}", escape(id)));
        Ok(self.0.client.ask(request).await?)
    }

    /// How far it is, now or when it has come to its end.
    async fn tell(&self, mut answer: serde_json::Value, stay: Stay) -> Result<(), Failure> {
        let mut bar = Bar::with_lines("users");
        loop {
            let progress = read::<Progress>(&answer)?;
            if stay == Stay::Shortly || progress.run.state != RunState::Running {
                break;
            }
            bar.show(progress.done + progress.failed, Some(progress.total));
            tokio::time::sleep(LOOK).await;
            answer = self.look(&progress.run.id).await?;
        }
        bar.end();
        self.0
            .print(&answer, |page, it: &Progress| page.writeback(it))?;
        match stay {
            Stay::Shortly => Ok(()),
            Stay::UntilItsEnd => verdict(&read(&answer)?),
        }
    }
}

/// Is all carried that was to be?
fn verdict(progress: &Progress) -> Result<(), Failure> {
    let state = match progress.run.state {
        RunState::Done => None,
        RunState::Running | RunState::Stopped => Some(progress.run.state.word().to_owned()),
    };
    let odd = [
        state,
        some(progress.failed, "users not or not wholly"),
        some(progress.carried.refused, "refused by the platform"),
        some(progress.carried.lost, "damaged or gone here"),
    ];
    let odd: Vec<String> = odd.into_iter().flatten().collect();
    ended(&format!("write-back {}", progress.run.id), &odd)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Exit;

    fn progress(state: &str, failed: u64, (refused, lost): (u64, u64)) -> Progress {
        let carried = crate::writeback::Carried {
            refused,
            lost,
            ..Default::default()
        };
        serde_json::from_value(serde_json::json!({
            "id": "w1",
            "meant": {},
            "state": state,
            "deeds": [],
            "users": 1,
            "begun": "2027-01-15T08:00:00Z",
            "done": 1,
            "failed": failed,
            "total": 1,
            "carried": carried,
            "eta_seconds": null,
        }))
        .unwrap()
    }

    #[test]
    fn it_ends_well_only_when_all_was_carried() {
        assert!(verdict(&progress("done", 0, (0, 0))).is_ok());
        for (odd, told) in [
            (progress("done", 2, (0, 0)), "2 users not or not wholly"),
            (progress("done", 0, (3, 0)), "3 refused"),
            (progress("done", 0, (0, 4)), "4 damaged or gone"),
            (progress("stopped", 0, (0, 0)), "stopped"),
        ] {
            let failure = verdict(&odd).unwrap_err();
            assert_eq!(failure.exit, Exit::Failed);
            assert!(failure.text.contains(told), "{}", failure.text);
        }
    }
}
