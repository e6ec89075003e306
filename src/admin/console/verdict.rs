//! Is mail flowing, what is broken, and what is to be done: the first lines of the overview. A
//! pure function of what the API says.

use super::matters;
use super::moments::{Moments, grouped};
use crate::admin::{BackendView, DrillView, HealthView, StatusView};
use crate::backend::{Health, Wish};
use crate::drill::Light;
use crate::route::MoveState;
use crate::terminal::visible;

/// What the verdict is drawn from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) status: &'a StatusView,
    pub(super) health: &'a HealthView,
    pub(super) drill: &'a DrillView,
    pub(super) moments: &'a Moments,
}

/// How bad it is; the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tone {
    /// Something is broken.
    Trouble,
    /// Something waits.
    Waiting,
    /// All is well.
    Good,
}

impl Tone {
    /// The class of the style sheet.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Trouble => "trouble",
            Self::Waiting => "waiting",
            Self::Good => "done",
        }
    }
}

impl From<Light> for Tone {
    fn from(light: Light) -> Self {
        match light {
            Light::Green => Self::Good,
            Light::Never => Self::Waiting,
            Light::Red => Self::Trouble,
        }
    }
}

/// Something that somebody should know, and do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Matter {
    pub(super) tone: Tone,
    /// What is.
    pub(super) what: String,
    /// What to do.
    pub(super) next: String,
    /// The verb that does it, or tells more.
    pub(super) command: String,
    /// The page that shows it, and its name.
    pub(super) page: Option<(String, String)>,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) tone: Tone,
    pub(super) headline: String,
    /// The most urgent first.
    pub(super) matters: Vec<Matter>,
}

/// Why the mail of a backend waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pause {
    Down,
    Rejecting,
    /// Somebody said so.
    Held,
    /// What was there goes, what comes waits: somebody said so.
    Drained,
    /// Somebody said that it is up, and it is not: it is tried, and gets nothing.
    Forced,
    /// It answers, and every attempt with mail fails.
    Failing,
}

/// Does the mail of a backend wait? As [`crate::route::paused`] says of the board, and when it is
/// drained, forced up and silent, or fails all of it.
pub(super) const fn paused(backend: &BackendView) -> Option<Pause> {
    match (backend.wish, backend.health) {
        (Some(Wish::Hold), _) => Some(Pause::Held),
        (Some(Wish::Up), Health::Down | Health::Rejecting) => Some(Pause::Forced),
        (Some(Wish::Drain), Health::Up | Health::Slow) => Some(Pause::Drained),
        (_, Health::Slow) if backend.failing => Some(Pause::Failing),
        (_, Health::Up | Health::Slow) => None,
        (_, Health::Down) => Some(Pause::Down),
        (_, Health::Rejecting) => Some(Pause::Rejecting),
    }
}

impl Verdict {
    pub(super) fn of(facts: Facts<'_>) -> Self {
        let mut matters = matters::of(facts);
        matters.extend(facts.health.only_here.iter().map(|what| unexplained(what)));
        if !facts.health.ok && matters.is_empty() {
            // Whatever /health says is said here, too.
            matters.extend(facts.health.problems.iter().map(|what| unexplained(what)));
        }
        matters.sort_by_key(|matter| matter.tone);
        let worst = matters.first().map_or(Tone::Good, |matter| matter.tone);
        Self {
            tone: worst,
            headline: headline(facts, &matters),
            matters,
        }
    }
}

/// Something was found damaged or unaccounted for.
pub(super) fn is_damaged(status: &StatusView) -> bool {
    let spool = &status.spool;
    let wrong = spool.balance.as_ref().map_or(0, |balance| balance.wrong);
    spool.quarantined > 0 || spool.damaged > 0 || wrong > 0
}

/// It is known that nothing is lost: while the index is made nobody has added up.
pub(super) fn is_known_whole(status: &StatusView) -> bool {
    !is_damaged(status) && status.spool.missing.is_none() && status.spool.index.is_none()
}

fn headline(facts: Facts<'_>, matters: &[Matter]) -> String {
    let Facts { status, health, .. } = facts;
    let whole = if is_known_whole(status) {
        "; nothing is lost"
    } else {
        ""
    };
    if !health.accepting {
        return format!(
            "New mail is refused for now, and its senders try again: {}.",
            health.problems.first().map_or("see below", String::as_str)
        );
    }
    if matters::failing(status).is_some() {
        return format!(
            "New mail is refused for now, and its senders try again: the log cannot be \
             written{whole}."
        );
    }
    if let Some(index) = &status.spool.index {
        return format!(
            "Mail is taken, and waits: the index is being made from the log, {} % of it{whole}.",
            index.percent
        );
    }
    let silent: Vec<&BackendView> = status
        .backends
        .iter()
        .filter(|backend| {
            matches!(
                paused(backend),
                Some(Pause::Down | Pause::Rejecting | Pause::Forced | Pause::Failing)
            )
        })
        .collect();
    let waiting: u64 = silent.iter().map(|backend| backend.waiting).sum();
    // One that is not known makes the sum so.
    let refused = silent.iter().map(|backend| backend.in_cases).sum();
    let waits = waits((waiting, refused), silent.len());
    match silent.as_slice() {
        [] => {}
        [one] => {
            let how = match one.health {
                Health::Rejecting => "refuses mail",
                Health::Down | Health::Up => "is down",
                Health::Slow => "answers and takes hardly any mail",
            };
            let since = facts.moments.clock(one.since);
            let name = &one.name;
            return format!("{name} {how} since {since}; {waits}{whole}.");
        }
        several if several.len() == status.backends.len() => {
            return format!("No backend takes mail; {waits}{whole}.");
        }
        several => {
            let names: Vec<&str> = several.iter().map(|one| one.name.as_str()).collect();
            return format!("{} take no mail; {waits}{whole}.", names.join(" and "));
        }
    }
    flows(status, matters)
}

/// What waits for backends that take no mail, and what they have refused before: it waits, too.
fn waits((waiting, refused): (u64, Option<u64>), backends: usize) -> String {
    match (waiting, refused, backends) {
        (0, None, _) => "how many wait in cases is not known".to_owned(),
        (count, None, _) => format!(
            "{}, and how many more in cases is not known",
            matters::wait(count)
        ),
        (0, Some(0), 1) => "nothing waits for it yet".to_owned(),
        (0, Some(0), _) => "nothing waits for them yet".to_owned(),
        (count, Some(0), _) => matters::wait(count),
        (0, Some(refused), _) => format!("{} in cases", matters::wait(refused)),
        (count, Some(refused), _) => format!(
            "{}, and {} more in cases",
            matters::wait(count),
            grouped(refused)
        ),
    }
}

/// Everything that may deliver does.
fn flows(status: &StatusView, matters: &[Matter]) -> String {
    let held = status.backends.iter();
    let on_purpose = [Some(Pause::Held), Some(Pause::Drained)];
    let held = held.filter(|backend| on_purpose.contains(&paused(backend)));
    let held: Vec<&str> = held.map(|backend| backend.name.as_str()).collect();
    if !held.is_empty() && held.len() == status.backends.len() {
        return "Mail is taken, and waits on purpose: all backends are held.".to_owned();
    }
    if let Some(hold) = status.holds.iter().find(|hold| hold.selection.is_all()) {
        let name = visible(&hold.name);
        return format!("Mail is taken, and waits on purpose: hold {name} holds all of it.");
    }
    let moving = status.moves.iter();
    let moving = moving.filter(|one| one.state == MoveState::Moving);
    let moving: Vec<String> = moving.map(|one| visible(&one.domain)).collect();
    if status.all_moving {
        let what = match moving.as_slice() {
            [one] => format!("{one} is on the move"),
            _ => "all domains are on the move".to_owned(),
        };
        return format!("Mail is taken, and waits on purpose: {what}.");
    }
    let mut parts = Vec::new();
    if !held.is_empty() {
        parts.push(format!("that for {}", held.join(" and ")));
    }
    parts.extend(moving.iter().map(|one| format!("that of {one}")));
    // One message is no stream of mail.
    let rules = status.holds.iter();
    let rules = rules.filter(|hold| hold.selection.message.is_none());
    parts.extend(rules.map(|hold| format!("what hold {} names", visible(&hold.name))));
    let flows = but(&parts);
    match matters.len() {
        0 if status.queue.queued + status.queue.held == 0 => format!("{flows}; nothing waits."),
        0 => format!("{flows}."),
        1 => format!("{flows}. One thing wants a look."),
        count => format!("{flows}. {count} things want a look."),
    }
}

/// `Mail flows, but this and that is held`.
fn but(parts: &[String]) -> String {
    match parts {
        [] => "Mail flows".to_owned(),
        [one, two, _, others @ ..] if !others.is_empty() => {
            let more = others.len() + 1;
            format!("Mail flows, but {one}, {two} and {more} more are held")
        }
        parts => format!("Mail flows, but {} is held", parts.join(" and ")),
    }
}

/// What is known word for word only.
fn unexplained(problem: &str) -> Matter {
    Matter {
        tone: Tone::Waiting,
        what: sentence(problem),
        next: "It stands in /health, too, until it is mended.".to_owned(),
        command: "tideover status".to_owned(),
        page: None,
    }
}

/// A problem as a sentence of its own.
pub(super) fn sentence(problem: &str) -> String {
    let mut letters = problem.chars();
    let first = letters.next().map(char::to_uppercase);
    let rest = letters.as_str();
    let dot = if rest.ends_with(['.', '!', '?']) {
        ""
    } else {
        "."
    };
    first.into_iter().flatten().collect::<String>() + rest + dot
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
