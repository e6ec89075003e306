//! By which rules records become a directory.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::record::HAND;
use super::{DomainRule, Normalise};

const DAY: u64 = 24 * 3600;

/// By which rules records become a directory.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Our domains.
    pub domains: Vec<DomainRule>,
    /// The sources; the first one that says something counts. Those that are not named follow.
    pub order: Vec<String>,
    /// What makes two records of different sources the same person.
    pub join: Vec<JoinBy>,
    /// Other orders of the sources, for some facts.
    pub flow: BTreeMap<Fact, Vec<String>>,
    /// Sources that only add to entries, and make none.
    pub adding: BTreeSet<String>,
    /// What separates a tag in the local part: `ann+shop@example.org`; `None`: there are no tags.
    pub tag_separator: Option<char>,
    /// Domains in which an address is known in exactly the spelling of the directory only.
    pub exact_case: BTreeSet<String>,
    /// How long the route of somebody lives on who is gone from all sources.
    pub grace: Duration,
    /// What is done about addresses that platforms refuse.
    pub normalise: Normalise,
    /// Domains whose platforms take letters beyond ASCII in front of the `@`.
    pub international: BTreeSet<String>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            domains: Vec::new(),
            order: Vec::new(),
            join: JoinBy::ALL.to_vec(),
            flow: BTreeMap::new(),
            adding: BTreeSet::new(),
            tag_separator: Some('+'),
            exact_case: BTreeSet::new(),
            grace: Duration::from_secs(30 * DAY),
            normalise: Normalise::default(),
            international: BTreeSet::new(),
        }
    }
}

impl Rules {
    /// The rules for these domains, all others as they are by default.
    #[must_use]
    pub fn of(domains: Vec<DomainRule>) -> Self {
        Self {
            domains,
            ..Self::default()
        }
    }

    /// Does a source make people? What is said by hand, and what only adds, is about people whom
    /// others know.
    pub(super) fn makes_people(&self, source: &str) -> bool {
        source != HAND && !self.adding.contains(source)
    }

    /// The place of a source; the lowest counts.
    pub(super) fn rank(&self, source: &str) -> usize {
        rank(&self.order, source)
    }

    /// The place of a source for one fact.
    pub(super) fn rank_for(&self, fact: Fact, source: &str) -> usize {
        let order = self.flow.get(&fact).unwrap_or(&self.order);
        rank(order, source)
    }
}

fn rank(order: &[String], source: &str) -> usize {
    if source == HAND {
        return 0;
    }
    let place = order.iter().position(|one| one == source);
    place.map_or(usize::MAX, |place| place + 1)
}

/// What makes two records of different sources the same person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JoinBy {
    /// The address of one is an address of the other.
    Address,
    /// An X.500 address of both.
    X500,
    /// The delivery address of one is an address of the other: a mail user here, a mailbox there.
    DeliveryAddress,
}

impl JoinBy {
    /// All, the strongest first.
    pub const ALL: [Self; 3] = [Self::Address, Self::X500, Self::DeliveryAddress];

    /// As the config writes it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::X500 => "x500",
            Self::DeliveryAddress => "delivery-address",
        }
    }
}

/// Something that a source says of a recipient.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// The public address.
    Address,
    /// The home.
    Home,
    /// The delivery address.
    DeliveryAddress,
    /// The display name.
    Name,
    /// The type.
    Type,
    /// The second address.
    SecondAddress,
    /// The members of a group.
    Members,
    /// Whether it is hidden.
    Hidden,
    /// Whether only internal senders may write to it.
    InternalOnly,
    /// Aliases: all sources together.
    Aliases,
    /// X.500 addresses: all sources together.
    X500,
}

impl Fact {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 11] = [
        Self::Address,
        Self::Name,
        Self::Type,
        Self::Home,
        Self::DeliveryAddress,
        Self::Aliases,
        Self::X500,
        Self::SecondAddress,
        Self::Members,
        Self::Hidden,
        Self::InternalOnly,
    ];

    /// As the config and the tables write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Home => "home",
            Self::DeliveryAddress => "delivery_address",
            Self::Name => "name",
            Self::Type => "type",
            Self::SecondAddress => "second_address",
            Self::Members => "members",
            Self::Hidden => "hidden",
            Self::InternalOnly => "internal_only",
            Self::Aliases => "aliases",
            Self::X500 => "x500",
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
