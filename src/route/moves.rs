//! The steps of a move, and what must be so before each of them. Pure.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::MoveState;
use crate::mail::BackendId;

/// A step of a move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MoveStep {
    /// The domain's mail is held from now on.
    Start,
    /// It goes to the homes of the directory.
    Finish,
    /// As it was before the last step.
    BackOut,
}

impl fmt::Display for MoveStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Start => "start",
            Self::Finish => "finish",
            Self::BackOut => "back-out",
        })
    }
}

/// How much a check that fails weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Weight {
    /// The step makes no sense without it.
    Must,
    /// The step is refused without it, unless it is forced.
    Should,
    /// It is good to know.
    Note,
}

/// One thing that was looked at before a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// What should be so.
    pub what: String,
    /// Is it?
    pub ok: bool,
    /// What it means if it is not.
    pub weight: Weight,
    /// How it is, or what to do; may be empty.
    pub detail: String,
}

/// A home of the domain's people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoveHome {
    /// The backend.
    pub backend: BackendId,
    /// Does the config have it?
    pub known: bool,
    /// Why it takes no mail now, if it takes none.
    pub trouble: Option<String>,
    /// People of the domain whose home it is by their own entry.
    pub people: u64,
}

/// Whom the directory gives another home than when the move began.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum HomesSince {
    /// Nobody.
    #[default]
    Same,
    /// So many people.
    Changed {
        /// People of the domain who have another one.
        people: u64,
        /// Those who are not in it any more.
        gone: u64,
        /// The generation that counted when the move began.
        then: u64,
    },
    /// What counted then is not known, and why.
    Unknown(String),
}

/// What of a step has to do with the directory; [`MoveFacts::checks`] names it.
pub const HOMES_AS_THEN: &str = "everybody has the home that he had when the move began";

/// What the checks look at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MoveFacts {
    /// The domain.
    pub domain: String,
    /// Is it one of ours?
    pub known: bool,
    /// Where its move stands; `None`: it never moved.
    pub state: Option<MoveState>,
    /// Who said so last.
    pub actor: String,
    /// Why the spool takes no mail, if it takes none.
    pub spool_trouble: Option<String>,
    /// The home of those whom the directory does not name, after the step.
    pub home: Option<BackendId>,
    /// Is that another home than now?
    pub home_changes: bool,
    /// All homes of its people after the step.
    pub homes: Vec<MoveHome>,
    /// Whom the directory gives another home since the move began.
    pub since: HomesSince,
    /// The domain's home when the move began, if that was written down.
    pub home_then: Option<BackendId>,
    /// People of the domain who have a mailbox by the directory.
    pub people: u64,
    /// Those of them who can log in to the webmail.
    pub accounts: u64,
    /// Is there a webmail?
    pub webmail: bool,
}

impl MoveFacts {
    /// What must be so before a step, and is or is not.
    #[must_use]
    pub fn checks(&self, step: MoveStep) -> Vec<Check> {
        let domain = &self.domain;
        let mut checks = vec![must(
            format!("{domain} is one of our domains"),
            (!self.known).then_some("the config has no such [domain]"),
        )];
        let moving = self.state == Some(MoveState::Moving);
        let begun = moving || self.state == Some(MoveState::Finished);
        match step {
            MoveStep::Start => {
                checks.push(must(
                    format!("{domain} is not on the move"),
                    moving.then(|| self.as_it_stands()).as_deref(),
                ));
                checks.push(self.room());
                checks.push(self.webmail());
            }
            MoveStep::Finish => {
                checks.push(must(
                    format!("{domain} is on the move"),
                    (!moving).then(|| self.as_it_stands()).as_deref(),
                ));
                checks.extend(
                    self.homes
                        .iter()
                        .map(|home| home_check(home, Weight::Should)),
                );
                checks.push(self.other_homes());
            }
            MoveStep::BackOut => {
                checks.push(must(
                    format!("{domain} has a move to back out of"),
                    (!begun).then(|| self.as_it_stands()).as_deref(),
                ));
                // Its mail would only wait, as it does now.
                checks.extend(self.homes.iter().map(|home| home_check(home, Weight::Note)));
                if begun {
                    checks.push(self.homes_as_then());
                }
            }
        }
        checks
    }

    /// Where the move stands, and who was first, for who comes too late for his step.
    fn as_it_stands(&self) -> String {
        let who = match self.actor.as_str() {
            "" => "somebody",
            actor => actor,
        };
        match self.state {
            None => "it was never moved: `tideover move start` begins".to_owned(),
            Some(MoveState::Moving) => format!(
                "{who} has started it already, `tideover move status` shows when; finish it, or \
                 back out"
            ),
            Some(MoveState::Finished) => {
                format!("{who} has finished it already; `tideover move start` begins another one")
            }
            Some(MoveState::BackedOut) => format!(
                "{who} has backed out of it already; `tideover move start` begins another one"
            ),
        }
    }

    fn room(&self) -> Check {
        Check {
            what: "the spool has room".to_owned(),
            ok: self.spool_trouble.is_none(),
            weight: Weight::Should,
            detail: self.spool_trouble.clone().unwrap_or_default(),
        }
    }

    fn webmail(&self) -> Check {
        let detail = if self.webmail {
            let (can, all) = (self.accounts, self.people);
            let many = format!("{can} of {all} people can log in");
            if can < all {
                format!("{many}; `tideover user coverage` names the others, `user invite` helps")
            } else {
                many
            }
        } else {
            "the config has no [web]: nobody can read it before the move is over".to_owned()
        };
        Check {
            what: "everybody can read his mail meanwhile".to_owned(),
            ok: self.webmail && self.accounts > 0 && self.accounts >= self.people,
            weight: Weight::Note,
            detail,
        }
    }

    /// A move back touches neither the directory nor the config: mail goes where they say.
    fn homes_as_then(&self) -> Check {
        let mut told = Vec::new();
        if let (Some(then), Some(now)) = (&self.home_then, &self.home)
            && then != now
        {
            let domain = &self.domain;
            told.push(format!(
                "its home was {then} and is {now} by the config now: change domain.{domain}.home \
                 back and reload first"
            ));
        }
        if let HomesSince::Changed { people, gone, then } = &self.since {
            let moved = (*people > 0).then(|| format!("{people} with another home"));
            let gone = (*gone > 0).then(|| format!("{gone} who are not in it any more"));
            let who: Vec<String> = moved.into_iter().chain(gone).collect();
            told.push(format!(
                "of its people the directory has {}; `tideover directory revert {then} --dry-run` \
                 shows the way back, and `directory diff {then}` what it takes back with it",
                who.join(" and ")
            ));
        }
        let weight = if told.is_empty() {
            Weight::Note
        } else {
            Weight::Should
        };
        if let HomesSince::Unknown(why) = &self.since {
            told.push(format!(
                "{why}; `tideover explain ADDRESS` says where somebody's mail goes"
            ));
        }
        Check {
            what: HOMES_AS_THEN.to_owned(),
            ok: told.is_empty(),
            weight,
            detail: told.join("; "),
        }
    }

    fn other_homes(&self) -> Check {
        let home = self.home.as_ref();
        let elsewhere = self.homes.iter().filter(|one| Some(&one.backend) != home);
        let elsewhere: Vec<String> = elsewhere
            .filter(|one| one.people > 0)
            .map(|one| format!("{} at {}", one.people, one.backend))
            .collect();
        let name = home.map_or_else(String::new, ToString::to_string);
        let (ok, detail) = if !elsewhere.is_empty() {
            let list = elsewhere.join(", ");
            (
                false,
                format!("the directory has {list}; the rest goes to {name}"),
            )
        } else if self.home_changes {
            (true, format!("from now on {name}"))
        } else {
            let hint = format!("it is {name} as before; --home NAME sets another one");
            (false, hint)
        };
        Check {
            what: "all its mail goes to one new home".to_owned(),
            ok,
            weight: Weight::Note,
            detail,
        }
    }
}

/// What stands in the way when a step was taken between the look and this one.
#[must_use]
pub fn overtaken(actor: &str) -> Check {
    let detail = format!("{actor} was faster: look at the move again");
    must(
        "nobody else has taken a step of it since it was looked at".to_owned(),
        Some(&detail),
    )
}

/// May the step be taken? `force` is for what only should be so.
#[must_use]
pub fn permits(checks: &[Check], force: Force) -> bool {
    checks.iter().all(|check| match check.weight {
        Weight::Must => check.ok,
        Weight::Should => check.ok || force == Force::Yes,
        Weight::Note => true,
    })
}

/// What should be so before a step, and is not.
#[must_use]
pub fn unmet(checks: &[Check]) -> Vec<&str> {
    let unmet = checks
        .iter()
        .filter(|check| check.weight == Weight::Should && !check.ok);
    unmet.map(|check| check.what.as_str()).collect()
}

/// Is a step forced?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Force {
    /// It is.
    Yes,
    /// It is not.
    #[default]
    No,
}

/// What must be so; `trouble` says what to do when it is not.
fn must(what: String, trouble: Option<&str>) -> Check {
    Check {
        what,
        ok: trouble.is_none(),
        weight: Weight::Must,
        detail: trouble.unwrap_or_default().to_owned(),
    }
}

fn home_check(home: &MoveHome, weight: Weight) -> Check {
    if !home.known {
        let what = format!("{} is a backend", home.backend);
        return must(what, Some("the config has no such [backend]"));
    }
    Check {
        what: format!("{} takes mail", home.backend),
        ok: home.trouble.is_none(),
        weight,
        detail: home.trouble.clone().unwrap_or_default(),
    }
}

#[cfg(test)]
#[path = "moves_tests.rs"]
mod tests;
