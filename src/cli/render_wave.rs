//! Waves as text for people.

use std::fmt::Write as _;

use super::render::Page;
use crate::admin::{WaveDetails, WavePlanView, WaveView};
use crate::base::Timestamp;
use crate::directory::{Grade, Obstacle, PlannedUser, WaveState};
use crate::terminal::{Cell, Table, Tone, many, moment};

/// Digits of a hash that people compare.
const DIGITS: usize = 12;

/// One wave in a sentence.
pub(super) fn line(view: &WaveView, now: Timestamp) -> String {
    let wave = &view.wave;
    let users = wave.users;
    let head = format!("{} ({}) to {}: ", wave.id, wave.name, wave.to);
    let told = match wave.state {
        WaveState::Scheduled => {
            let at = wave.start_at.unwrap_or_default();
            format!("{}, starts {}", many(users, "user"), moment(at, now))
        }
        WaveState::Refused => {
            let why = wave.steps.last().map(|step| step.reason.as_str());
            format!("it could not start: {}", why.unwrap_or_default())
        }
        WaveState::Started if view.following > 0 => format!(
            "{} of {users} users are there, {} waiting messages follow",
            view.there, view.following
        ),
        WaveState::Started => format!("{} of {users} users are there", view.there),
        state @ (WaveState::Planned
        | WaveState::Starting
        | WaveState::Reverting
        | WaveState::Reverted) => format!("{}, {state}", many(users, "user")),
    };
    format!("{head}{told}")
}

impl Page {
    /// `wave plan`.
    pub(crate) fn wave_plan(self, view: &WavePlanView) -> String {
        let wave = &view.wave;
        let hash: String = wave.hash.chars().take(DIGITS).collect();
        let mut text = Self::paragraph(&format!(
            "{} is {} to {}: {} of {} users would move; the file is locked ({hash})",
            wave.id, wave.name, wave.to, view.moves, wave.users
        ));
        text.push('\n');
        text.push_str(&self.planned(&view.plan.users));
        for one in &view.plan.groups {
            let told = format!(
                "{}: {} members at {}, {} elsewhere",
                one.group, one.inside, wave.to, one.outside
            );
            text.push_str(&self.field("group", &told));
        }
        for one in &view.plan.obstacles {
            text.push_str(&self.field("", &one.text));
        }
        if view.permitted {
            let what = format!(
                "it may start: tideover wave start {} --to {}",
                wave.name, wave.to
            );
            text.push_str(&Self::paragraph(&what));
        } else {
            text.push_str("it would not start:\n");
            for why in &view.refusals {
                text.push_str(&self.field("", why));
            }
        }
        text
    }

    fn planned(self, users: &[PlannedUser]) -> String {
        let mut table = Table::new(&["USER", "FROM", "DELIVERED AS", "WHAT", "WHY"], &[0, 2, 4]);
        for user in users {
            let (word, tone) = match (user.moves, worst(&user.obstacles)) {
                (false, Some(Grade::Blocks)) => ("blocked", Tone::Bad),
                (false, _) => ("stays", Tone::Quiet),
                (true, Some(Grade::Warns)) => ("moves?", Tone::Waiting),
                (true, _) => ("moves", Tone::Good),
            };
            let what: Vec<&str> = user.obstacles.iter().map(|one| one.kind.as_str()).collect();
            table.row([
                user.address.as_str().into(),
                user.from.as_ref().map_or("-", |home| home.as_str()).into(),
                user.delivery_after.clone().unwrap_or_default().into(),
                Cell::toned(word, tone),
                what.join(", ").into(),
            ]);
        }
        let mut text = table.render(self.palette);
        text.push('\n');
        let serious = |one: &&Obstacle| one.grade > Grade::Note;
        for user in users {
            for one in user.obstacles.iter().filter(serious) {
                let told = format!("{}: {}", user.address, one.text);
                text.push_str(&self.field("", &told));
            }
        }
        text
    }

    /// `wave start`.
    pub(crate) fn wave_started(self, view: &WavePlanView) -> String {
        let wave = &view.wave;
        if let (WaveState::Scheduled, Some(at)) = (wave.state, wave.start_at) {
            return Self::paragraph(&format!(
                "{} starts {}: {} to go to {}",
                wave.id,
                moment(at, self.now),
                many(view.moves, "user"),
                wave.to
            ));
        }
        Self::paragraph(&format!(
            "{} has started: {} {} at {} (generation {}); what waits for them follows: \
             `tideover wave status {}`",
            wave.id,
            many(view.moves, "user"),
            if view.moves == 1 {
                "has his home"
            } else {
                "have their home"
            },
            wave.to,
            wave.generation.unwrap_or_default(),
            wave.id
        ))
    }

    /// `wave status`.
    pub(crate) fn waves(self, waves: &[WaveView]) -> String {
        if waves.is_empty() {
            return "no waves: `tideover wave plan FILE --to BACKEND` makes one\n".to_owned();
        }
        let head = [
            "WAVE", "FILE", "TO", "STATE", "WHEN", "THERE", "WAITING", "FOLLOW",
        ];
        let mut table = Table::new(&head, &[1]);
        for view in waves {
            let wave = &view.wave;
            let last = wave.steps.last().map(|step| step.at);
            let scheduled = wave.start_at.filter(|_| wave.state == WaveState::Scheduled);
            let when = scheduled.or(last);
            table.row([
                wave.id.as_str().into(),
                wave.name.as_str().into(),
                wave.to.as_str().into(),
                Cell::toned(wave.state.as_str(), tone(wave.state)),
                when.map_or_else(String::new, |at| moment(at, self.now))
                    .into(),
                format!("{}/{}", view.there, wave.users).into(),
                view.waiting.to_string().into(),
                view.following.to_string().into(),
            ]);
        }
        let mut text = table.render(self.palette);
        for view in waves
            .iter()
            .filter(|one| one.wave.state == WaveState::Refused)
        {
            text.push_str(&self.field("", &line(view, self.now)));
        }
        text
    }

    /// `wave status FILE`, and `wave revert`.
    pub(crate) fn wave(self, details: &WaveDetails) -> String {
        let wave = &details.view.wave;
        let mut text = Self::paragraph(&line(&details.view, self.now)) + "\n";
        if details.file_changed {
            text.push_str("the file is another one now than the one that was locked\n\n");
        }
        let head = ["USER", "STATE", "HOME", "WAITING", "GOT SINCE"];
        let mut table = Table::new(&head, &[0]);
        for user in &details.people {
            let got = user.mail.delivered.iter();
            let got: Vec<String> = got.map(|(name, count)| format!("{count} {name}")).collect();
            let tone = match user.state.as_str() {
                "moved" => Tone::Good,
                "left-out" | "elsewhere" => Tone::Bad,
                _ => Tone::Quiet,
            };
            table.row([
                user.planned.address.as_str().into(),
                Cell::toned(user.state.clone(), tone),
                user.home.as_ref().map_or("-", |home| home.as_str()).into(),
                user.mail.waiting.to_string().into(),
                got.join(", ").into(),
            ]);
        }
        text.push_str(&table.render(self.palette));
        text.push('\n');
        for step in &wave.steps {
            let reason = match step.reason.as_str() {
                "" => String::new(),
                reason => format!(": {reason}"),
            };
            let told = format!(
                "{} {} by {}{reason}",
                moment(step.at, self.now),
                step.state,
                step.actor
            );
            text.push_str(&self.field("", &told));
        }
        let left: Vec<String> = details
            .people
            .iter()
            .filter(|user| user.state == "left-out")
            .flat_map(|user| user.planned.obstacles.iter().map(move |one| (user, one)))
            .filter(|(_, one)| one.grade == Grade::Blocks)
            .map(|(user, one)| format!("{}: {}", user.planned.address, one.text))
            .collect();
        for one in left {
            text.push_str(&self.field("left out", &one));
        }
        if let Some(number) = wave.generation {
            // Writing to a String cannot fail.
            writeln!(
                text,
                "  `tideover directory diff {} {number}` shows what changed",
                number - 1
            )
            .ok();
        }
        text
    }
}

const fn tone(state: WaveState) -> Tone {
    match state {
        WaveState::Started => Tone::Good,
        WaveState::Planned | WaveState::Reverted => Tone::Quiet,
        WaveState::Scheduled | WaveState::Starting | WaveState::Reverting => Tone::Waiting,
        WaveState::Refused => Tone::Bad,
    }
}

fn worst(obstacles: &[Obstacle]) -> Option<Grade> {
    obstacles.iter().map(|one| one.grade).max()
}

#[cfg(test)]
#[path = "render_wave_tests.rs"]
mod tests;
