//! Replays as text for people.

use std::fmt::Write as _;
use std::time::Duration;

use super::render::Page;
use crate::admin::ReplayPlanView;
use crate::queue::replay::{Plan, Progress, ReplayState, Unasked};
use crate::terminal::{Cell, Table, Tone, bytes, duration, many, moment};

/// Letters of a bar.
const BAR: u64 = 24;

/// `[#####-----] 5 of 10`.
fn bar(done: u64, total: u64) -> String {
    let full = (done.min(total) * BAR).checked_div(total).unwrap_or(BAR);
    let letters = (0..BAR).map(|at| if at < full { '#' } else { '-' });
    format!("[{}] {done} of {total}", letters.collect::<String>())
}

fn about(seconds: u64) -> String {
    duration(Duration::from_secs(seconds))
}

/// One replay in a sentence, for `status`.
fn line(progress: &Progress) -> String {
    let replay = &progress.replay;
    let done = replay.counts.ended();
    let mut text = format!(
        "{} to {}: {}, {done} of {}",
        replay.id, replay.to, progress.told, progress.total
    );
    // Who has nothing to bring waits for nothing.
    if progress.total == 0 {
        return text;
    }
    if let Some(why) = &progress.waits_for {
        write!(text, ", waits: {why}").ok();
    } else if let Some(seconds) = progress.eta_seconds {
        write!(text, ", done in about {}", about(seconds)).ok();
    }
    text
}

impl Page {
    /// The replays that have not ended, for `status`.
    pub(super) fn replaying(self, all: &[Progress]) -> String {
        let lines = all.iter().map(|one| self.field("replay", &line(one)));
        lines.collect()
    }

    /// `replay plan`.
    pub(crate) fn replay_plan(self, view: &ReplayPlanView) -> String {
        let plan = &view.plan;
        let mut text = Self::paragraph(&format!("{} to {}: {}", view.id, view.to, view.told));
        text.push('\n');
        let what = format!(
            "{} for {}, {}",
            many(plan.messages, "message"),
            many(plan.recipients + plan.withheld, "recipient"),
            bytes(plan.bytes)
        );
        text.push_str(&self.field("replays", &what));
        if plan.withheld > 0 {
            let what = format!(
                "{} of them wait for the end of a hold or a move",
                plan.withheld
            );
            text.push_str(&self.field("", &what));
        }
        text.push_str(&self.field("takes", &takes(plan)));
        for one in &plan.skipped {
            let what = format!("{}: {}", one.recipients, one.text);
            text.push_str(&self.field("left out", &what));
        }
        text.push_str(&self.unasked(&plan.unasked));
        if !plan.biggest.is_empty() {
            let mut table = Table::new(&["MAILBOX", "MESSAGES", "SIZE", "TAKES"], &[0]);
            for one in &plan.biggest {
                table.row([
                    one.mailbox.as_str().into(),
                    one.messages.to_string().into(),
                    bytes(one.bytes).into(),
                    about(one.eta_seconds).into(),
                ]);
            }
            text.push('\n');
            text.push_str(&table.render(self.palette));
        }
        text.push('\n');
        let next = match plan.recipients + plan.withheld {
            0 => "there is nothing to replay".to_owned(),
            _ => format!(
                "nothing was sent; to do it: tideover replay start {}",
                view.id
            ),
        };
        text + &Self::paragraph(&next)
    }

    /// `replay status ID`, and what became of it by a verb.
    pub(crate) fn replay(self, progress: &Progress) -> String {
        let (replay, counts) = (&progress.replay, &progress.replay.counts);
        let mut text = Self::paragraph(&format!(
            "{} to {}: {}",
            replay.id,
            replay.to,
            replay.selection.told()
        ));
        text.push_str(&self.field("state", &self.replay_state(progress)));
        let mut bar = bar(counts.ended(), progress.total);
        if counts.ended() > counts.delivered {
            write!(bar, ": {}", counts.told(|count| count.to_string())).ok();
        }
        text.push_str(&self.field("", &bar));
        let mut what = format!("{}", counts.delivered);
        if counts.uncertain > 0 {
            write!(what, ", {} of them perhaps twice", counts.uncertain).ok();
        }
        text.push_str(&self.field("delivered", &what));
        if counts.left_out > 0 {
            let what = format!(
                "{}: moved, damaged, or brought by another replay meanwhile",
                counts.left_out
            );
            text.push_str(&self.field("left out", &what));
        }
        if counts.present > 0 {
            let what = format!("{}: their mailboxes have them", counts.present);
            text.push_str(&self.field("left out", &what));
        }
        if counts.not_asked > 0 {
            let what = format!("{}: their mailboxes cannot be asked", counts.not_asked);
            text.push_str(&self.field("left out", &what));
            text.push_str(&self.unasked(&counts.unasked));
        }
        if counts.refused > 0 {
            text.push_str(&self.field("refused", &counts.refused.to_string()));
            for one in &counts.refusals {
                let what = format!(
                    "{}: {} (for example {})",
                    one.recipients, one.reply, one.example
                );
                text.push_str(&self.field("", &what));
            }
        }
        text
    }

    /// Mailboxes that could not be asked.
    pub(super) fn unasked(self, all: &[Unasked]) -> String {
        let lines = all.iter().map(|one| {
            let what = format!("{} ({}): {}", one.mailbox, one.recipients, one.why);
            self.field("not asked", &what)
        });
        lines.collect()
    }

    fn replay_state(self, progress: &Progress) -> String {
        let replay = &progress.replay;
        let mut state = progress.told.clone();
        if let Some(deed) = replay.deeds.last() {
            write!(state, " since {}", moment(deed.at, self.now)).ok();
            if !deed.actor.is_empty() {
                write!(state, ", by {}", deed.actor).ok();
            }
            if !deed.reason.is_empty() {
                write!(state, ": {}", deed.reason).ok();
            }
        }
        if replay.state == ReplayState::Running && progress.total > 0 {
            if let Some(why) = &progress.waits_for {
                write!(state, "; it waits: {why}").ok();
            } else if let Some(seconds) = progress.eta_seconds {
                write!(state, "; done in about {}", about(seconds)).ok();
            }
        }
        state
    }

    /// `replay status`: those that are not over; of the others it says that they are there.
    pub(crate) fn open_replays(self, all: &[Progress]) -> String {
        let open = all.iter().filter(|one| one.replay.is_open());
        let open: Vec<_> = open.collect();
        if open.is_empty() && !all.is_empty() {
            let count = all.len();
            return format!("no replay runs; `replay list` has {count}, planned or ended\n");
        }
        self.replays(&open)
    }

    /// `replay list`.
    pub(crate) fn replays(self, all: &[&Progress]) -> String {
        if all.is_empty() {
            return "no replays\n".to_owned();
        }
        let mut table = Table::new(&["REPLAY", "TO", "STATE", "DONE", "OF", "WHAT"], &[5]);
        for progress in all {
            let replay = &progress.replay;
            let counts = &replay.counts;
            let is_all_there = counts.delivered + counts.present == counts.ended();
            let tone = match replay.state {
                ReplayState::Running => Tone::Good,
                ReplayState::Done if is_all_there => Tone::Good,
                ReplayState::Paused | ReplayState::Done => Tone::Waiting,
                ReplayState::Planned | ReplayState::Stopped => Tone::Quiet,
            };
            table.row([
                replay.id.as_str().into(),
                replay.to.as_str().into(),
                Cell::toned(progress.told.as_str(), tone),
                replay.counts.ended().to_string().into(),
                progress.total.to_string().into(),
                replay.selection.told().into(),
            ]);
        }
        table.render(self.palette)
    }
}

fn takes(plan: &Plan) -> String {
    match plan.eta_seconds {
        0 => "no longer than the backend needs: no rate slows it".to_owned(),
        seconds => format!("about {} under the rates", about(seconds)),
    }
}

#[cfg(test)]
#[path = "render_replay_tests.rs"]
pub(super) mod tests;
