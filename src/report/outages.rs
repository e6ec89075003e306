//! When a backend took no mail, from the changes of its health.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::backend::{Became, HealthChange};
use crate::base::Timestamp;

/// A time in which a backend took no mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Outage {
    /// Why it took none.
    pub kind: OutageKind,
    /// Since when.
    pub from: Timestamp,
    /// Until when; `None`: it still takes none.
    pub until: Option<Timestamp>,
    /// The reason at its beginning, for people.
    pub reason: String,
}

/// Why a backend took no mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OutageKind {
    /// It was down.
    Down,
    /// It refused known recipients alike.
    Rejecting,
    /// An operator held it.
    Held,
}

impl OutageKind {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Rejecting => "rejecting",
            Self::Held => "held",
        }
    }
}

/// The outages in the time from `since` to `until`, cut to it. A hold beats the health, and an
/// operator's word that it is up beats both.
pub(super) fn outages(
    changes: &[HealthChange],
    (since, until): (Timestamp, Timestamp),
) -> Vec<Outage> {
    let mut found: Vec<Outage> = Vec::new();
    let mut state = State::default();
    for change in changes.iter().filter(|change| change.at < until) {
        let before = state.kind();
        state.apply(change.became);
        let now = state.kind();
        if before == now {
            continue;
        }
        if let Some(open) = found.last_mut().filter(|open| open.until.is_none()) {
            open.until = Some(change.at);
        }
        if let Some(kind) = now {
            found.push(Outage {
                kind,
                from: change.at,
                until: None,
                reason: change.reason.clone(),
            });
        }
    }
    found.retain(|outage| outage.until.is_none_or(|end| end > since));
    for outage in &mut found {
        outage.from = outage.from.max(since);
    }
    found
}

/// Seconds of outages until `until`.
pub(super) fn seconds(outages: &[Outage], until: Timestamp) -> u64 {
    let each = outages.iter().map(|outage| {
        let end = outage.until.unwrap_or(until);
        end.since(outage.from).as_secs()
    });
    each.sum()
}

#[derive(Debug, Default)]
struct State {
    health: Option<OutageKind>,
    held: bool,
    forced: bool,
}

impl State {
    const fn apply(&mut self, became: Became) {
        match became {
            Became::Up | Became::Slow => self.health = None,
            Became::Down => self.health = Some(OutageKind::Down),
            Became::Rejecting => self.health = Some(OutageKind::Rejecting),
            Became::Held => (self.held, self.forced) = (true, false),
            Became::ForcedUp => (self.held, self.forced) = (false, true),
            // A drain holds new mail only.
            Became::Drained | Became::Resumed => (self.held, self.forced) = (false, false),
        }
    }

    const fn kind(&self) -> Option<OutageKind> {
        match (self.held, self.forced) {
            (true, _) => Some(OutageKind::Held),
            (false, true) => None,
            (false, false) => self.health,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn told(changes: &[(u64, Became)], since: u64, until: u64) -> String {
        let changes: Vec<HealthChange> = (0..)
            .zip(changes)
            .map(|(number, (seconds, became))| HealthChange {
                number,
                at: at(*seconds),
                became: *became,
                reason: String::new(),
                actor: String::new(),
                case: None,
                refused_at_rcpt: Vec::new(),
                failing: false,
            })
            .collect();
        let found = outages(&changes, (at(since), at(until)));
        let lines = found.iter().map(|outage| {
            let end = outage
                .until
                .map_or("-".to_owned(), |end| end.as_secs().to_string());
            format!("{} {}..{end}", outage.kind.as_str(), outage.from.as_secs())
        });
        let lines: Vec<_> = lines.collect();
        format!("{}; {}", lines.join(", "), seconds(&found, at(until)))
    }

    #[test]
    fn times_without_mail_are_found_and_cut() {
        let day = [
            (10, Became::Down),
            (20, Became::Up),
            (30, Became::Slow),
            (40, Became::Rejecting),
            (50, Became::Down),
            (60, Became::Up),
            (70, Became::Down),
        ];
        let whole = "down 10..20, rejecting 40..50, down 50..60, down 70..-; 60";
        assert_eq!(told(&day, 0, 100), whole);
        assert_eq!(
            told(&day, 15, 55),
            "down 15..20, rejecting 40..50, down 50..-; 20"
        );
        assert_eq!(told(&day, 20, 40), "; 0");
    }

    #[test]
    fn an_operator_s_word_beats_the_health() {
        let day = [
            (10, Became::Held),
            (20, Became::Down),
            (30, Became::ForcedUp),
            (40, Became::Resumed),
            (50, Became::Up),
            (60, Became::Drained),
        ];
        assert_eq!(told(&day, 0, 100), "held 10..30, down 40..50; 30");
    }
}
