//! Write-back as text for people.

use std::fmt::Write as _;
use std::time::Duration;

use super::render::Page;
use crate::terminal::{Cell, Table, Tone, duration, moment};
use crate::writeback::{Plan, Progress, RunState};

/// Rows of a table of users. Beyond: their number; `--json` has a thousand.
const ROWS: usize = 20;

impl Page {
    /// `writeback plan`.
    pub(crate) fn writeback_plan(self, plan: &Plan) -> String {
        let mut text = self.field("users", &plan.users.to_string());
        text.push_str(&self.field("carries", &plan.carried.told()));
        if plan.carried.cannot > 0 {
            let what = format!("{} for want of IMAP", plan.carried.cannot);
            text.push_str(&self.field("cannot", &what));
        }
        if plan.carried.lost > 0 {
            let what = format!("{} are damaged or gone here", plan.carried.lost);
            text.push_str(&self.field("lost", &what));
        }
        for one in &plan.skipped {
            let what = format!(
                "{} users: {} (for example {})",
                one.users, one.text, one.example
            );
            text.push_str(&self.field("left out", &what));
        }
        if !plan.rows.is_empty() {
            let mut table = Table::new(&["MAILBOX", "BACKEND", "WHAT"], &[0, 2]);
            for row in plan.rows.iter().take(ROWS) {
                table.row([
                    row.mailbox.as_str().into(),
                    row.backend.as_str().into(),
                    row.carried.told().into(),
                ]);
            }
            text.push('\n');
            text.push_str(&table.render(self.palette));
            text.push_str(&more(plan.users));
        }
        let next = match plan.carried.done() {
            0 => "there is nothing to carry",
            _ => "nothing was done; to do it: tideover writeback start",
        };
        text.push('\n');
        text + &Self::paragraph(next)
    }

    /// `writeback status`, and what became of it by a verb.
    pub(crate) fn writeback(self, progress: &Progress) -> String {
        let carried = &progress.carried;
        let mut text = self.field("run", &progress.run.id);
        text.push_str(&self.field("state", &self.run_state(progress)));
        let mut users = format!("{} of {} done", progress.done, progress.total);
        if progress.failed > 0 {
            write!(users, ", {} not or not wholly", progress.failed).ok();
        }
        text.push_str(&self.field("users", &users));
        text.push_str(&self.field("carried", &carried.told()));
        for (label, count, what) in [
            (
                "there",
                carried.there,
                "were there already, as they are to be",
            ),
            (
                "absent",
                carried.absent,
                "are not in their mailboxes: `tideover replay plan --to BACKEND --since TIME \
                 --missing-only` finds them",
            ),
            (
                "cannot",
                carried.cannot,
                "cannot be carried, for want of IMAP",
            ),
            ("refused", carried.refused, "were refused by the platform"),
            (
                "lost",
                carried.lost,
                "are damaged or gone here, and cannot be carried",
            ),
        ] {
            if count > 0 {
                text.push_str(&self.field(label, &format!("{count} {what}")));
            }
        }
        for why in &progress.waits_for {
            text.push_str(&self.field("waits", why));
        }
        let odd = progress.results.iter();
        let odd = odd.filter(|one| one.failed.is_some() || !one.is_whole());
        for one in odd.take(ROWS) {
            let whys = one.failed.iter().chain(&one.refusals).chain(&one.losses);
            for why in whys {
                text.push_str(&self.field("", &format!("{}: {why}", one.mailbox)));
            }
        }
        text + &self.results(progress)
    }

    fn results(self, progress: &Progress) -> String {
        if progress.results.is_empty() {
            return String::new();
        }
        let mut table = Table::new(&["MAILBOX", "BACKEND", "RESULT", "CARRIED"], &[0, 3]);
        for one in progress.results.iter().take(ROWS) {
            let result = match (&one.failed, one.is_whole()) {
                (Some(_), _) => Cell::toned("failed", Tone::Bad),
                (None, true) => Cell::toned("done", Tone::Good),
                (None, false) => Cell::toned("in part", Tone::Waiting),
            };
            let backend = one.backend.as_ref();
            table.row([
                one.mailbox.as_str().into(),
                backend.map_or("", |id| id.as_str()).into(),
                result,
                one.carried.told().into(),
            ]);
        }
        let users = progress.done + progress.failed;
        format!("\n{}{}", table.render(self.palette), more(users))
    }

    fn run_state(self, progress: &Progress) -> String {
        let run = &progress.run;
        let mut state = run.state.word().to_owned();
        if let Some(deed) = run.deeds.last() {
            write!(state, " since {}", moment(deed.at, self.now)).ok();
            if !deed.actor.is_empty() {
                write!(state, ", by {}", deed.actor).ok();
            }
            if !deed.reason.is_empty() {
                write!(state, ": {}", deed.reason).ok();
            }
        }
        if let Some(seconds) = progress.eta_seconds
            && run.state == RunState::Running
        {
            let about = duration(Duration::from_secs(seconds));
            write!(state, "; done in about {about}").ok();
        }
        state
    }

    /// `writeback list`.
    pub(crate) fn writebacks(self, all: &[Progress]) -> String {
        if all.is_empty() {
            return "no write-backs\n".to_owned();
        }
        let mut table = Table::new(&["RUN", "STATE", "USERS", "FAILED", "CARRIED"], &[4]);
        for progress in all {
            let tone = match progress.run.state {
                RunState::Running | RunState::Done => Tone::Good,
                RunState::Stopped => Tone::Quiet,
            };
            table.row([
                progress.run.id.as_str().into(),
                Cell::toned(progress.run.state.word(), tone),
                format!("{} of {}", progress.done, progress.total).into(),
                progress.failed.to_string().into(),
                progress.carried.told().into(),
            ]);
        }
        table.render(self.palette)
    }
}

fn more(users: u64) -> String {
    match users.saturating_sub(ROWS as u64) {
        0 => String::new(),
        more => format!("  and {more} more; --json has them\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::mail::BackendId;
    use crate::terminal::Palette;
    use crate::writeback::{Carried, Meant, Run, RunDeed, Skipped, UserPlan, UserResult};

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn page() -> Page {
        Page {
            palette: Palette::Plain,
            now: NOW,
        }
    }

    #[test]
    fn a_plan_says_what_would_be_done_and_for_whom() {
        let carried = Carried {
            sent: 12,
            drafts: 3,
            deleted: 4,
            ..Carried::default()
        };
        let plan = Plan {
            users: 1,
            carried,
            rows: vec![UserPlan {
                mailbox: "ann@example.org".to_owned(),
                backend: BackendId::new("onprem"),
                carried,
            }],
            skipped: vec![Skipped {
                reason: "no-imap".to_owned(),
                text: "cloud has none".to_owned(),
                users: 7,
                example: "cy@example.org".to_owned(),
            }],
        };
        let text = page().writeback_plan(&plan);
        for part in [
            "12 sent, 3 drafts, 4 deleted",
            "7 users: cloud has none (for example cy@example.org)",
            "ann@example.org",
            "tideover writeback start",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        let text = page().writeback_plan(&Plan::default());
        assert!(text.contains("there is nothing to carry"), "{text}");
    }

    #[test]
    fn a_status_names_who_was_not_carried_and_why() {
        let result = |mailbox: &str, failed: Option<&str>| UserResult {
            mailbox: mailbox.to_owned(),
            failed: failed.map(str::to_owned),
            ..UserResult::default()
        };
        let progress = Progress {
            run: Run {
                id: "w2".to_owned(),
                state: RunState::Running,
                meant: Meant::default(),
                users: 5,
                people: None,
                deeds: vec![RunDeed {
                    at: NOW,
                    state: RunState::Running,
                    actor: "kim".to_owned(),
                    reason: String::new(),
                }],
            },
            done: 1,
            failed: 1,
            total: 5,
            carried: Carried {
                absent: 2,
                lost: 1,
                ..Carried::default()
            },
            eta_seconds: Some(600),
            waits_for: vec!["imap://x is away".to_owned()],
            results: vec![
                result("bob@example.org", Some("the login is refused")),
                UserResult {
                    losses: vec!["a draft: it is damaged".to_owned()],
                    carried: Carried {
                        lost: 1,
                        ..Carried::default()
                    },
                    ..result("cy@example.org", None)
                },
                result("ann@example.org", None),
            ],
        };
        let text = page().writeback(&progress);
        for part in [
            "w2",
            "by kim; done in about 10 min",
            "1 of 5 done, 1 not or not wholly",
            "2 are not in their mailboxes",
            "imap://x is away",
            "bob@example.org: the login is refused",
            "1 are damaged or gone here",
            "cy@example.org: a draft: it is damaged",
            "in part",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert!(page().writebacks(&[progress]).contains("1 of 5"));
    }
}
