//! Holds and moves as text for people.

use std::fmt::Write as _;

use super::render::Page;
use crate::admin::{HoldView, MoveReport, MoveView, StatusView};
use crate::base::Timestamp;
use crate::route::{MoveState, Weight};
use crate::terminal::{Cell, Table, Tone, duration, moment, visible};

impl Page {
    /// `queue holds`.
    pub(crate) fn holds(self, holds: &[HoldView]) -> String {
        if holds.is_empty() {
            return "no holds\n".to_owned();
        }
        let head = ["HOLD", "WHAT", "SINCE", "UNTIL", "HELD", "BY", "REASON"];
        let mut table = Table::new(&head, &[1, 6]);
        for hold in holds {
            let until = hold.until.map(|until| moment(until, self.now));
            table.row([
                hold.name.as_str().into(),
                hold.what.as_str().into(),
                moment(hold.since, self.now).into(),
                until.unwrap_or_else(|| "released".to_owned()).into(),
                Cell::toned(hold.held.to_string(), Tone::Waiting),
                hold.actor.as_str().into(),
                hold.reason.as_str().into(),
            ]);
        }
        table.render(self.palette)
    }

    /// `move status`.
    pub(crate) fn moves(self, moves: &[MoveView]) -> String {
        if moves.is_empty() {
            return "no domain is on the move, or was\n".to_owned();
        }
        let head = [
            "DOMAIN",
            "STATE",
            "SINCE",
            "HELD",
            "OLDEST",
            "DECIDE IN",
            "HOME",
            "BY",
        ];
        let mut table = Table::new(&head, &[0]);
        for one in moves {
            let tone = match one.state {
                MoveState::Moving => Tone::Waiting,
                MoveState::Finished => Tone::Good,
                MoveState::BackedOut => Tone::Quiet,
            };
            let home = one.home.as_ref().map_or("-", |home| home.as_str());
            table.row([
                one.domain.as_str().into(),
                Cell::toned(one.state.to_string(), tone),
                moment(one.ended.unwrap_or(one.since), self.now).into(),
                one.held.to_string().into(),
                self.age(one.oldest).into(),
                self.countdown(one.decide_at),
                home.into(),
                one.actor.as_str().into(),
            ]);
        }
        let mut text = table.render(self.palette);
        for one in moves.iter().filter(|one| !one.reason.is_empty()) {
            let why = format!("{}: {}", visible(&one.domain), visible(&one.reason));
            text.push_str(&self.field("", &why));
        }
        let overdue = |one: &&MoveView| one.decide_at.is_some_and(|at| at <= self.now);
        if let Some(one) = moves.iter().find(overdue) {
            let domain = visible(&one.domain);
            let what = format!(
                "{domain} is on the move for too long: `tideover move finish {domain}` or \
                 `tideover move back-out {domain}`"
            );
            text.push_str(&self.field("", &what));
        }
        text
    }

    /// How long until the oldest mail asks for a decision.
    fn countdown(self, at: Option<Timestamp>) -> Cell {
        match at {
            None => "-".into(),
            Some(at) if at <= self.now => Cell::toned("now".to_owned(), Tone::Bad),
            Some(at) => duration(at.since(self.now)).into(),
        }
    }

    /// What waits on purpose, for `status`.
    pub(super) fn held(self, status: &StatusView) -> String {
        let mut text = String::new();
        for one in status.moves.iter().filter(|one| one.ended.is_none()) {
            let since = moment(one.since, self.now);
            let left = one.decide_at.filter(|at| *at > self.now).map(|at| {
                let left = duration(at.since(self.now));
                format!("; the oldest asks for a decision in {left}")
            });
            let left = left.unwrap_or_default();
            let why = match one.reason.as_str() {
                "" => String::new(),
                reason => format!(": {reason}"),
            };
            let told = format!("{} since {since}, {} held{left}{why}", one.domain, one.held);
            text.push_str(&self.field("on the move", &told));
        }
        for wave in &status.waves {
            text.push_str(&self.field("wave", &super::render_wave::line(wave, self.now)));
        }
        for hold in &status.holds {
            let told = format!(
                "{}: {}, {} held: {}",
                hold.name, hold.what, hold.held, hold.reason
            );
            text.push_str(&self.field("hold", &told));
        }
        text
    }

    fn age(self, oldest: Option<Timestamp>) -> String {
        oldest.map_or_else(|| "-".to_owned(), |oldest| duration(self.now.since(oldest)))
    }

    /// What was looked at before a step of a move.
    pub(crate) fn checks(self, report: &MoveReport) -> String {
        let mut text = format!("move {} {}\n", report.step, visible(&report.domain));
        for check in &report.checks {
            let (tone, word) = match (check.ok, check.weight) {
                (true, _) => (Tone::Good, "yes"),
                (false, Weight::Must | Weight::Should) => (Tone::Bad, "NO"),
                (false, Weight::Note) => (Tone::Waiting, "note"),
            };
            let word = self.palette.paint(tone, &format!("{word:<5}"));
            // Writing to a String cannot fail.
            writeln!(text, "  {word} {}", visible(&check.what)).ok();
            if !check.detail.is_empty() {
                text.push_str(&Self::indented(&check.detail));
            }
        }
        text
    }
}
