//! Rules that nearly applied: what would have to be different for another decision. For people who
//! ask; a decision for mail knows nothing of it.

use std::fmt::Display;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Decision, Explanation, MoveState, View};
use crate::backend::Health;
use crate::directory::{
    Conflict, ConflictKind, DomainKind, DomainRule, Entry, EntryKind, Fate, FoundBy, Standing,
    Unknown, decapsulate,
};
use crate::mail::{BackendId, HoldReason};
use crate::smtp::Mailbox;
use crate::terminal::duration;

/// What two sides say differently about an address, and who has the last word.
fn contested(one: &Conflict) -> String {
    let (owner, claimant, address) = (&one.owner, &one.claimant, &one.address);
    let is_owned = matches!(one.kind, ConflictKind::Address | ConflictKind::X500);
    match (&one.settled, is_owned) {
        (Some(by), true) => format!("{claimant} claims it, too; {by} settled that {owner} has it"),
        (None, true) => format!(
            "{claimant} claims it, too, and {owner} has it until somebody settles it: \
             `tideover directory settle {address}`"
        ),
        // A home that was said by hand, or by a wave, leaves the other one in its source.
        (Some(by), false) => format!("{one}; {by} settled it"),
        (None, false) => {
            format!("{one}, until somebody settles it: `tideover directory settle {address}`")
        }
    }
}

/// Which rule nearly applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NearRule {
    /// Upper and lower case.
    Case,
    /// Tags.
    Tag,
    /// An address that is one letter apart.
    Spelling,
    /// The proper form of an address.
    Normalise,
    /// X.500 addresses.
    X500,
    /// The type of the domain, and what it does with those whom nobody knows.
    Domain,
    /// The home of the domain.
    Home,
    /// Another backend while the home is down.
    Failover,
    /// The people of a group while its home is down.
    Group,
    /// A rule that holds mail.
    Hold,
    /// A domain on the move.
    Move,
    /// What a home said of an address.
    Verify,
    /// An address that two claim.
    Conflict,
    /// Somebody who is gone.
    Grace,
    /// A wave that is planned.
    Wave,
    /// An earlier generation.
    History,
}

/// A rule that nearly applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Nearly {
    /// The rule.
    pub rule: NearRule,
    /// What would have to be different, for people: one sentence.
    pub what: String,
}

/// The rules that nearly applied to `asked`, of which `explained` was decided. Looks at many people
/// when nobody has the address: it is for threads that may block.
#[must_use]
pub fn nearly(asked: &Mailbox, view: &View<'_>, explained: &Explanation) -> Vec<Nearly> {
    let mut near = Near {
        asked,
        view,
        explained,
        found: Vec::new(),
    };
    let rule = view.directory.domain(asked.domain());
    match view.directory.find(asked) {
        Some((entry, by)) => near.known(&entry, by, rule.as_deref()),
        None => near.unknown(rule.as_ref()),
    }
    near.conflicts();
    near.waiting(rule.as_deref());
    near.group();
    near.found
}

struct Near<'a> {
    asked: &'a Mailbox,
    view: &'a View<'a>,
    explained: &'a Explanation,
    found: Vec<Nearly>,
}

impl Near<'_> {
    fn say(&mut self, rule: NearRule, what: impl Into<String>) {
        let what = what.into();
        self.found.push(Nearly { rule, what });
    }

    fn known(&mut self, entry: &Entry, by: FoundBy, rule: Option<&DomainRule>) {
        let asked = self.asked;
        if by == FoundBy::Address
            && let Some((base, sign)) = self.without_tag()
            && Some(sign) == self.view.directory.tag_separator()
        {
            self.say(
                NearRule::Tag,
                format!("without an entry of its own {asked} would be {base} with a tag"),
            );
        }
        if let Some(departed) = entry.departed {
            let days = self.view.directory.grace().as_secs() / 86_400;
            self.say(
                NearRule::Grace,
                format!(
                    "no source has named {} since {departed}: {days} days later it is unknown \
                     (directory.grace)",
                    entry.address
                ),
            );
        }
        let Some(rule) = rule else { return };
        let of_domain = self.view.holds.home(&rule.name).unwrap_or(&rule.home);
        if let Some(home) = &entry.home
            && home != of_domain
        {
            self.say(
                NearRule::Home,
                format!(
                    "without a home of its own it would be {of_domain}, the home of {}",
                    rule.name
                ),
            );
        }
    }

    /// Nobody has it.
    fn unknown(&mut self, rule: Option<&Arc<DomainRule>>) {
        let (asked, directory) = (self.asked, self.view.directory);
        if let Some(known) = directory.in_any_case(asked) {
            self.say(
                NearRule::Case,
                format!(
                    "{known} is in the directory: in {} upper and lower case count \
                     (directory.exact_case)",
                    asked.domain()
                ),
            );
        }
        if let Some((base, sign)) = self.without_tag() {
            let what = match directory.tag_separator() {
                Some(other) if other == sign => None,
                Some(other) => Some(format!("tags begin with \"{other}\"")),
                None => Some("there are no tags".to_owned()),
            };
            let told = what.map(|what| {
                format!(
                    "{base} is in the directory: with \"{sign}\" in front of tags it would be \
                     meant, but {what} (directory.tag_separator)"
                )
            });
            self.found.extend(told.map(|what| Nearly {
                rule: NearRule::Tag,
                what,
            }));
        }
        for other in directory.one_letter_apart(asked) {
            let what = format!("{other} is in the directory, one letter apart: is that meant?");
            self.say(NearRule::Spelling, what);
        }
        self.proper_forms();
        self.x500();
        match rule {
            Some(rule) => self.unknown_in(rule),
            None => self.strange_domain(),
        }
    }

    /// The address in front of a tag, and what separates it, when somebody has it.
    fn without_tag(&self) -> Option<(Mailbox, char)> {
        let directory = self.view.directory;
        let local = self.asked.unquoted_local();
        let signs = directory.tag_separator().into_iter().chain(['+', '-', '=']);
        for sign in signs {
            let Some((user, _)) = local.split_once(sign) else {
                continue;
            };
            let base = format!("{user}@{}", self.asked.domain()).parse::<Mailbox>();
            let Ok(base) = base else { continue };
            if matches!(directory.find(&base), Some((_, FoundBy::Address))) {
                return Some((base, sign));
            }
        }
        None
    }

    fn proper_forms(&mut self) {
        let key = self.asked.key();
        for one in self.view.directory.normalised() {
            let after = one.after.as_ref().and_then(|it| it.parse::<Mailbox>().ok());
            if after.is_none_or(|after| after.key() != key) || one.fate != Fate::Proposed {
                continue;
            }
            let what = format!(
                "it is the proper form of {}: directory.normalise = \"apply\" makes it known",
                one.before
            );
            self.say(NearRule::Normalise, what);
        }
    }

    fn x500(&mut self) {
        let Some(x500) = decapsulate(self.asked) else {
            return;
        };
        self.say(
            NearRule::X500,
            format!("it stands for the X.500 address {x500}, which nobody in the directory has"),
        );
        for (entry, other) in self.view.directory.x500_near(&x500) {
            let what = format!(
                "{} has {other}, which ends alike: give it this X.500 address, too, if it is meant",
                entry.address
            );
            self.say(NearRule::X500, what);
        }
    }

    fn unknown_in(&mut self, rule: &DomainRule) {
        let home = self.view.holds.home(&rule.name).unwrap_or(&rule.home);
        let name = &rule.name;
        match (rule.kind, rule.unknown) {
            (DomainKind::Authoritative, _) => self.say(
                NearRule::Domain,
                format!(
                    "if {name} were an internal-relay domain with unknown = \"relay\", {home} \
                     would get it"
                ),
            ),
            (DomainKind::InternalRelay, Unknown::Reject) => self.say(
                NearRule::Domain,
                format!(
                    "with unknown = \"relay\" in {name} {home} would get it, with \"verify\" \
                     {home} would be asked"
                ),
            ),
            (DomainKind::InternalRelay, Unknown::Relay)
            | (DomainKind::ExternalRelay, Unknown::Reject | Unknown::Relay) => self.say(
                NearRule::Domain,
                format!("if {name} were authoritative, it would be rejected"),
            ),
            (DomainKind::InternalRelay | DomainKind::ExternalRelay, Unknown::Verify) => {}
        }
        let Some((words, now)) = self.view.words else {
            return;
        };
        let asks = rule.unknown == Unknown::Verify;
        match words.standing(&self.asked.key(), now) {
            Standing::Exists(word) if !asks => self.say(
                NearRule::Verify,
                format!("{word}; with unknown = \"verify\" in {name} that would count"),
            ),
            Standing::Absent { by, at, reply } => self.say(
                NearRule::Verify,
                format!(
                    "{by} said at {at} that it does not exist ({reply}): if it does by now, \
                     `tideover directory forget {}`",
                    self.asked
                ),
            ),
            Standing::Exists(_) | Standing::Unknown => {}
        }
    }

    fn strange_domain(&mut self) {
        let domain = self.asked.domain().key();
        for ours in self.view.directory.domains_near(&domain) {
            let what = if domain.ends_with(&format!(".{ours}")) {
                format!("{ours} is a domain of ours and stands for itself only, not for {domain}")
            } else {
                format!("{ours} is a domain of ours, one letter apart: is that meant?")
            };
            self.say(NearRule::Domain, what);
        }
    }

    fn conflicts(&mut self) {
        let about: Vec<_> = self.view.directory.conflicts_about(self.asked).collect();
        for one in about {
            self.say(NearRule::Conflict, contested(one));
        }
    }

    /// Why it might wait, or might not.
    fn waiting(&mut self, rule: Option<&DomainRule>) {
        if let Some(rule) = rule {
            self.failover(rule);
            self.moves(rule);
        }
        self.holds();
    }

    /// Would the people of a group get its mail, if its home were down (for longer)?
    fn group(&mut self) {
        let found = self.view.directory.find(self.asked);
        let is_group = |entry: &Entry| entry.kind == EntryKind::Group && !entry.members.is_empty();
        let Some((entry, _)) = found.filter(|(entry, _)| is_group(entry)) else {
            return;
        };
        let Some(home) = self.explained.home.clone() else {
            return;
        };
        match &self.explained.decision {
            Decision::Relay { .. } | Decision::Hold { .. } => {}
            Decision::Expand { .. } | Decision::Reject(_) => return,
        }
        let who = if entry.internal_only {
            "its people would get the mail of senders who prove to be internal"
        } else {
            "its people would get the mail"
        };
        let what = match self.view.options.expand_groups {
            Some(after) => format!("if {home} were down for {}, {who}", duration(after)),
            None => format!("with directory.expand_groups, and {home} down for that long, {who}"),
        };
        self.say(NearRule::Group, what);
    }

    fn failover(&mut self, rule: &DomainRule) {
        let Some(home) = self.explained.home.clone() else {
            return;
        };
        let others: Vec<&BackendId> = rule.failover.iter().filter(|it| **it != home).collect();
        let names = listed(&others);
        let domain = &rule.name;
        let health = self.view.healths.get(&home).map(|health| health.health);
        let what = match &self.explained.decision {
            Decision::Relay {
                diverted_from: Some(home),
                ..
            } => format!("if {home} were up, it would get the mail itself"),
            Decision::Relay { .. } if others.is_empty() => {
                format!("if {home} were down, its mail would wait: {domain} has no failover")
            }
            Decision::Relay { .. } => {
                format!("if {home} were down, {names} would get its mail meanwhile")
            }
            Decision::Hold { .. } if others.is_empty() => {
                format!("with a failover for {domain} another backend could get its mail meanwhile")
            }
            Decision::Hold { .. } if health == Some(Health::Rejecting) => format!(
                "with backend.{home}.rejecting.failover = true {names} would get its mail meanwhile"
            ),
            Decision::Hold { .. } => format!("{names} would get its mail meanwhile if it were up"),
            Decision::Expand { .. } | Decision::Reject(_) => return,
        };
        self.say(NearRule::Failover, what);
    }

    fn moves(&mut self, rule: &DomainRule) {
        let Some(one) = self.view.holds.the_move(&rule.name) else {
            return;
        };
        let ended = one.ended.map_or_else(String::new, |at| format!(" at {at}"));
        let what = match one.state {
            MoveState::Moving => return,
            MoveState::Finished => {
                format!(
                    "{} was on the move; {} finished that{ended}",
                    rule.name, one.actor
                )
            }
            MoveState::BackedOut => {
                format!(
                    "{} was on the move; {} called it off{ended}",
                    rule.name, one.actor
                )
            }
        };
        self.say(NearRule::Move, what);
    }

    fn holds(&mut self) {
        let home = self.explained.home.as_ref();
        for rule in self.view.holds.rules() {
            let holds = matches!(&self.explained.withheld,
                Some(HoldReason::Operator { hold, .. }) if *hold == rule.name);
            if holds {
                if let Some(until) = rule.until {
                    let what = format!("hold {} ends by itself at {until}", rule.name);
                    self.say(NearRule::Hold, what);
                }
                continue;
            }
            let Some(other) = &rule.selection.backend else {
                continue;
            };
            if home.is_some() && home != Some(other) && rule.selection.names_but_for_backend(self) {
                let what = format!(
                    "hold {} would hold its mail if its home were {other}: {}",
                    rule.name, rule.selection
                );
                self.say(NearRule::Hold, what);
            }
        }
    }
}

impl super::Selection {
    /// Would it hold mail of this address if its home were the one that it names?
    fn names_but_for_backend(&self, near: &Near<'_>) -> bool {
        let without = Self {
            backend: None,
            ..self.clone()
        };
        without.names(&super::selection::Subject {
            message: None,
            from: None,
            address: near.asked,
            mailbox: near.explained.mailbox.as_deref(),
            home: None,
            exempt: None,
        })
    }
}

fn listed(names: &[&impl Display]) -> String {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    names.join(" or ")
}

#[cfg(test)]
#[path = "nearly_tests.rs"]
mod tests;
