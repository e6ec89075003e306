//! Rules that hold mail, and domains on the move: what an operator said, for `decide` to look at.
//! Pure: nothing here knows the time or the disk.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Selection;
use super::selection::Subject;
use crate::base::Timestamp;
use crate::mail::{BackendId, HoldReason};

/// A rule: mail of this selection is held, also what comes later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldRule {
    /// `h1`, `h2` …: by which it is shown and released.
    pub name: String,
    /// What it holds.
    pub selection: Selection,
    /// Who said so.
    pub actor: String,
    /// Why, for people.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// When it ends by itself.
    #[serde(default)]
    pub until: Option<Timestamp>,
}

impl HoldRule {
    /// As it stands with the recipients that it holds.
    #[must_use]
    pub fn hold_reason(&self) -> HoldReason {
        HoldReason::Operator {
            actor: self.actor.clone(),
            reason: self.reason.clone(),
            hold: self.name.clone(),
        }
    }
}

/// Where a move stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MoveState {
    /// The domain belongs to nobody: its mail is held.
    Moving,
    /// It has arrived: its mail goes to the homes of the directory.
    Finished,
    /// It was called off.
    BackedOut,
}

impl fmt::Display for MoveState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Moving => "moving",
            Self::Finished => "finished",
            Self::BackedOut => "backed-out",
        })
    }
}

/// A domain in transit between two platforms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// The domain, as [`crate::smtp::Domain::key`] has it.
    pub domain: String,
    /// Where it stands.
    pub state: MoveState,
    /// Who said so last.
    pub actor: String,
    /// Why it moves, for people; may be empty.
    #[serde(default)]
    pub reason: String,
    /// When it began.
    pub since: Timestamp,
    /// When it ended.
    #[serde(default)]
    pub ended: Option<Timestamp>,
    /// Did its end give the domain another home?
    #[serde(default)]
    pub gave_home: bool,
    /// The home that was replaced then: that of an earlier move, or none but the config's.
    #[serde(default)]
    pub home_before: Option<BackendId>,
    /// The domain's home when it began, whoever said so; none in moves of before this was kept.
    #[serde(default)]
    pub home_then: Option<BackendId>,
}

impl Move {
    /// One that begins now.
    #[must_use]
    pub fn begun(domain: &str, now: Timestamp) -> Self {
        Self {
            domain: domain.to_owned(),
            state: MoveState::Moving,
            actor: String::new(),
            reason: String::new(),
            since: now,
            ended: None,
            gave_home: false,
            home_before: None,
            home_then: None,
        }
    }
}

/// Everything that operators said about mail that is to wait, at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HoldBook {
    /// Rules in force, by name.
    pub(super) rules: BTreeMap<String, HoldRule>,
    /// Moves, by domain.
    pub(super) moves: BTreeMap<String, Move>,
    /// Homes that beat those of the config, by domain.
    pub(super) homes: BTreeMap<String, BackendId>,
}

impl HoldBook {
    /// Does nothing wait because of it?
    #[must_use]
    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.moves.is_empty()
    }

    /// Rules in force, oldest first.
    #[must_use]
    pub fn rules(&self) -> Vec<&HoldRule> {
        let mut rules: Vec<&HoldRule> = self.rules.values().collect();
        rules.sort_by_key(|rule| (rule.since, rule.name.len()));
        rules
    }

    /// All moves, also those that are over.
    pub fn moves(&self) -> impl Iterator<Item = &Move> {
        self.moves.values()
    }

    /// The move of a domain.
    #[must_use]
    pub fn the_move(&self, domain: &str) -> Option<&Move> {
        self.moves.get(domain)
    }

    /// Is this domain on the move now?
    #[must_use]
    pub fn is_moving(&self, domain: &str) -> bool {
        let known = self.moves.get(domain);
        known.is_some_and(|one| one.state == MoveState::Moving)
    }

    /// Are all of these domains on the move? Not when there are none.
    #[must_use]
    pub fn are_all_moving<'a>(&self, domains: impl IntoIterator<Item = &'a str>) -> bool {
        let mut domains = domains.into_iter().peekable();
        domains.peek().is_some() && domains.all(|domain| self.is_moving(domain))
    }

    /// The home that a finished move gave to a domain.
    #[must_use]
    pub fn home(&self, domain: &str) -> Option<&BackendId> {
        self.homes.get(domain)
    }

    /// All homes that finished moves gave, by domain.
    pub(super) const fn homes(&self) -> &BTreeMap<String, BackendId> {
        &self.homes
    }

    /// Does this reason still hold somebody? Reasons that are no business of rules and moves do.
    #[must_use]
    pub fn is_in_force(&self, reason: &HoldReason) -> bool {
        match reason {
            HoldReason::Operator { hold, .. } => self.rules.contains_key(hold),
            HoldReason::Move { domain, .. } => self.is_moving(domain),
            HoldReason::Refused { .. }
            | HoldReason::NoRoute { .. }
            | HoldReason::Loop { .. }
            | HoldReason::Damaged { .. }
            | HoldReason::Dmarc { .. }
            | HoldReason::Filter { .. }
            | HoldReason::Automatic { .. } => true,
        }
    }

    /// Rules that hold nothing but what is selected: a release of it ends them.
    #[must_use]
    pub fn covered_by(&self, selection: &Selection) -> Vec<String> {
        let covered = self.rules.values().filter(|rule| selection.covers(rule));
        covered.map(|rule| rule.name.clone()).collect()
    }

    /// A rule that holds this very selection until then, or longer.
    #[must_use]
    pub(super) fn equal(
        &self,
        selection: &Selection,
        until: Option<Timestamp>,
    ) -> Option<&HoldRule> {
        let lasts = |rule: &HoldRule| match (rule.until, until) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(known), Some(until)) => known >= until,
        };
        let mut rules = self.rules.values();
        rules.find(|rule| rule.selection == *selection && lasts(rule))
    }

    /// Why this mail is held, if it is: a move of one of the domains on its way, or a rule.
    #[must_use]
    pub(super) fn withhold(&self, one: &Subject<'_>, way: &[&str]) -> Option<HoldReason> {
        let moving = way.iter().find(|domain| self.is_moving(domain));
        if let Some(one) = moving.and_then(|domain| self.moves.get(*domain)) {
            return Some(HoldReason::Move {
                domain: one.domain.clone(),
                actor: one.actor.clone(),
            });
        }
        let rule = self.rules.values().find(|rule| {
            // Somebody let this very mail through after the rule was made.
            let through = one.exempt.is_some_and(|exempt| exempt >= rule.since);
            !through && rule.selection.names(one)
        });
        rule.map(HoldRule::hold_reason)
    }

    /// Rules that would hold some of this mail: they ask for a sender or a message too.
    #[must_use]
    pub(super) fn might_withhold(&self, one: &Subject<'_>) -> Vec<&HoldRule> {
        let might = |rule: &&HoldRule| {
            let mut without = rule.selection.clone();
            (without.sender, without.message) = (None, None);
            !rule.selection.names(one) && without.names(one)
        };
        self.rules.values().filter(might).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::SpoolId;
    use crate::smtp::{Mailbox, ReversePath};

    fn rule(name: &str, selection: &str, since: u64) -> (String, HoldRule) {
        let rule = HoldRule {
            name: name.to_owned(),
            selection: serde_json::from_str(selection).unwrap(),
            actor: "root".to_owned(),
            reason: "patches".to_owned(),
            since: Timestamp::from_millis(since),
            until: None,
        };
        (name.to_owned(), rule)
    }

    fn book() -> HoldBook {
        let one = Move {
            actor: "ann".to_owned(),
            ..Move::begun("moving.example", Timestamp::EPOCH)
        };
        HoldBook {
            rules: [
                rule("h1", r#"{"sender":"@spam.example","backend":"onprem"}"#, 10),
                rule("h2", r#"{"recipient":"ann@example.org"}"#, 20),
            ]
            .into(),
            moves: [(one.domain.clone(), one)].into(),
            homes: BTreeMap::new(),
        }
    }

    fn held(to: &str, from: &str, exempt: Option<u64>) -> Option<String> {
        let (address, from): (Mailbox, ReversePath) = (to.parse().unwrap(), from.parse().unwrap());
        let home = BackendId::new("onprem");
        let one = Subject {
            message: Some(SpoolId::from_u64(7)),
            from: Some(&from),
            address: &address,
            mailbox: None,
            home: Some(&home),
            exempt: exempt.map(Timestamp::from_millis),
        };
        let domain = address.domain().key();
        let reason = book().withhold(&one, &[&domain]);
        reason.map(|reason| reason.to_string())
    }

    #[test]
    fn all_domains_move_when_each_does() {
        let book = book();
        assert!(book.are_all_moving(["moving.example"]));
        assert!(!book.are_all_moving(["moving.example", "example.org"]));
        assert!(!book.are_all_moving(["example.org", "moving.example"]));
        assert!(!book.are_all_moving([]));
    }

    #[test]
    fn rules_and_moves_hold_what_they_name() {
        let by = |hold: &str| Some(format!("held by root: patches (hold {hold})"));
        let eve = "eve@example.net";
        for (to, from, exempt, expected) in [
            ("bob@example.org", eve, None, None),
            ("Ann@example.org", eve, None, by("h2")),
            ("ann@example.org", eve, Some(19), by("h2")),
            ("ann@example.org", eve, Some(20), None),
            ("bob@example.org", "x@spam.example", None, by("h1")),
            // Who was let past one rule is still held by a younger one.
            ("ann@example.org", "x@spam.example", Some(15), by("h2")),
        ] {
            assert_eq!(held(to, from, exempt), expected, "{from} to {to}");
        }
        let moving = Some("moving.example is on the move, says ann".to_owned());
        assert_eq!(held("x@moving.example", eve, None), moving);
        assert_eq!(
            held("x@moving.example", eve, Some(99)),
            moving,
            "nobody gets past a move"
        );
    }

    #[test]
    fn a_release_ends_the_rules_that_it_covers() {
        let ends = |selection: &str| book().covered_by(&serde_json::from_str(selection).unwrap());
        assert_eq!(ends("{}"), ["h1", "h2"]);
        assert_eq!(ends(r#"{"backend":"onprem"}"#), ["h1"]);
        assert_eq!(ends(r#"{"sender":"@spam.example"}"#), ["h1"]);
        assert_eq!(ends(r#"{"sender":"x@spam.example"}"#), [""; 0]);
        assert_eq!(ends(r#"{"recipient":"@example.org"}"#), ["h2"]);
        assert_eq!(ends(r#"{"hold":"h2"}"#), ["h2"]);
        assert_eq!(ends(r#"{"reason_kind":"refused"}"#), [""; 0]);
        assert_eq!(ends(r#"{"reason_kind":"operator"}"#), ["h1", "h2"]);
    }

    #[test]
    fn what_has_ended_holds_nobody() {
        let book = book();
        let operator = |hold: &str| HoldReason::Operator {
            actor: "root".to_owned(),
            reason: String::new(),
            hold: hold.to_owned(),
        };
        assert!(book.is_in_force(&operator("h1")));
        assert!(!book.is_in_force(&operator("h3")));
        let moved = |domain: &str| HoldReason::Move {
            domain: domain.to_owned(),
            actor: "ann".to_owned(),
        };
        assert!(book.is_in_force(&moved("moving.example")));
        assert!(!book.is_in_force(&moved("moved.example")));
    }
}
