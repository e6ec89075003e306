//! What a wave would do to each of its users, and what stands in the way. Pure.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::conflict::ConflictKind;
use super::store::lookup_key;
use super::wave::{Allowed, WaveFile};
use super::{Conflict, Directory, Entry, EntryKind};
use crate::mail::BackendId;
use crate::smtp::Mailbox;

/// What stands in the way.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum ObstacleKind {
    /// The directory does not know the address.
    Unknown,
    /// Another line names the same entry.
    Twice,
    /// No source knows it any more.
    Departed,
    /// A mail user, a contact: there is no mailbox to move.
    NoMailbox,
    /// Mailboxes on two homes, and nobody has said which one counts.
    BothPlatforms,
    /// An open conflict about one of its addresses.
    Conflict,
    /// Its mail is held by a rule, or its domain is on the move.
    Hold,
    /// A group has members on both sides of the wave.
    GroupSplit,
    /// The delivery address is meant for the old home, perhaps.
    DeliveryAddress,
    /// Mail waits, and follows.
    MailWaiting,
    /// It lives there already.
    AlreadyThere,
    /// The new home takes no mail now.
    Target,
    /// A drill is not green.
    Drill,
}

impl ObstacleKind {
    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Twice => "twice",
            Self::Departed => "departed",
            Self::NoMailbox => "no-mailbox",
            Self::BothPlatforms => "both-platforms",
            Self::Conflict => "conflict",
            Self::Hold => "hold",
            Self::GroupSplit => "group-split",
            Self::DeliveryAddress => "delivery-address",
            Self::MailWaiting => "mail-waiting",
            Self::AlreadyThere => "already-there",
            Self::Target => "target",
            Self::Drill => "drill",
        }
    }
}

/// How much it weighs.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Grade {
    /// It is good to know.
    Note,
    /// The wave does not start, unless it is forced.
    Warns,
    /// Whom it concerns cannot move.
    Blocks,
}

/// Something that stands in the way, or is good to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Obstacle {
    /// What it is.
    pub kind: ObstacleKind,
    /// How much it weighs.
    pub grade: Grade,
    /// For people.
    pub text: String,
}

impl Obstacle {
    /// One.
    pub fn new(kind: ObstacleKind, grade: Grade, text: impl Into<String>) -> Self {
        Self {
            kind,
            grade,
            text: text.into(),
        }
    }
}

/// What others know of the users of a wave; by the key of the entry's address.
#[derive(Debug, Clone, Default)]
pub struct WaveFacts {
    /// Recipients that wait.
    pub waiting: BTreeMap<String, u64>,
    /// Why all its mail is held.
    pub held: BTreeMap<String, String>,
    /// What concerns the wave as a whole.
    pub obstacles: Vec<Obstacle>,
}

/// A user of a wave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedUser {
    /// The line of the file.
    pub line: u32,
    /// As the file writes it.
    pub address: String,
    /// The public address of the entry; none when the directory knows nobody.
    pub entry: Option<String>,
    /// The home before.
    pub from: Option<BackendId>,
    /// The address used towards the old home.
    pub delivery_before: Option<String>,
    /// The address used towards the new home.
    pub delivery_after: Option<String>,
    /// Does it get the new home?
    pub moves: bool,
    /// Recipients that wait and follow.
    pub waiting: u64,
    /// What stands in the way.
    pub obstacles: Vec<Obstacle>,
}

impl PlannedUser {
    /// Is there something that keeps it from moving?
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        let mut obstacles = self.obstacles.iter();
        obstacles.any(|one| one.grade == Grade::Blocks)
    }
}

/// A group whose members are on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SplitGroup {
    /// Its address.
    pub group: String,
    /// Members who would live at the new home.
    pub inside: u64,
    /// Members who would live elsewhere.
    pub outside: u64,
}

/// What a wave would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WavePlan {
    /// The generation that it was made against.
    pub generation: u64,
    /// The new home.
    pub to: BackendId,
    /// Everybody in the file, in its order.
    pub users: Vec<PlannedUser>,
    /// Groups with members on both sides afterwards.
    pub groups: Vec<SplitGroup>,
    /// What stands in the way of all of it.
    pub obstacles: Vec<Obstacle>,
}

impl WavePlan {
    /// Users who move.
    pub fn movers(&self) -> impl Iterator<Item = &PlannedUser> {
        self.users.iter().filter(|user| user.moves)
    }

    /// Why it does not start; empty: it may.
    #[must_use]
    pub fn refusals(&self, allowed: Allowed) -> Vec<String> {
        let mut why = Vec::new();
        for one in &self.obstacles {
            let overlooked = match one.grade {
                Grade::Note => true,
                // What is forced elsewhere says nothing of the way that mail goes.
                Grade::Warns if one.kind == ObstacleKind::Drill => allowed.despite_drill,
                Grade::Warns => allowed.force,
                Grade::Blocks => false,
            };
            if !overlooked {
                why.push(one.text.clone());
            }
        }
        let blocked: Vec<&PlannedUser> = self.users.iter().filter(|u| u.is_blocked()).collect();
        if !blocked.is_empty() && !allowed.skip_blocked {
            why.push(format!(
                "{} cannot move ({}): mend it, or leave them out with --skip-blocked",
                count(blocked.len()),
                names(&blocked)
            ));
        }
        let warned = |user: &&PlannedUser| {
            let mut obstacles = user.obstacles.iter();
            user.moves && obstacles.any(|one| one.grade == Grade::Warns)
        };
        let warned: Vec<&PlannedUser> = self.users.iter().filter(warned).collect();
        if !warned.is_empty() && !allowed.force {
            why.push(format!(
                "{} should not move yet ({}): see the plan, or say --force",
                count(warned.len()),
                names(&warned)
            ));
        }
        if self.movers().next().is_none() && why.is_empty() {
            why.push("nobody would move".to_owned());
        }
        why
    }
}

fn count(users: usize) -> String {
    if users == 1 {
        "1 user".to_owned()
    } else {
        format!("{users} users")
    }
}

/// A few of them.
fn names(users: &[&PlannedUser]) -> String {
    let first: Vec<&str> = users.iter().take(3).map(|u| u.address.as_str()).collect();
    let more = if users.len() > 3 { " …" } else { "" };
    format!("{}{more}", first.join(", "))
}

/// The keys of the entries that a file names: what [`WaveFacts`] are asked for.
#[must_use]
pub fn wave_keys(directory: &Directory, file: &WaveFile) -> Vec<(String, Mailbox)> {
    let mut seen = BTreeSet::new();
    let found = file
        .users
        .iter()
        .filter_map(|(_, address)| directory.find(address));
    found
        .map(|(entry, _)| (entry.address.key(), entry.address))
        .filter(|(key, _)| seen.insert(key.clone()))
        .collect()
}

/// Plans a wave.
#[must_use]
pub fn plan_wave(
    directory: &Directory,
    file: &WaveFile,
    to: &BackendId,
    facts: &WaveFacts,
) -> WavePlan {
    let mut planning = Planning {
        directory,
        to,
        facts,
        disputes: disputes(directory.conflicts()),
        seen: BTreeMap::new(),
    };
    let users = file.users.iter();
    let mut users: Vec<PlannedUser> = users
        .map(|(line, address)| planning.user(*line, address))
        .collect();
    let groups = planning.split_groups(&mut users);
    WavePlan {
        generation: directory.number(),
        to: to.clone(),
        users,
        groups,
        obstacles: facts.obstacles.clone(),
    }
}

/// Open conflicts by the keys of all whom they concern.
fn disputes(conflicts: &[Conflict]) -> BTreeMap<String, Vec<&Conflict>> {
    let mut all: BTreeMap<String, Vec<&Conflict>> = BTreeMap::new();
    for one in conflicts.iter().filter(|one| one.settled.is_none()) {
        let of = [&one.address, &one.owner, &one.claimant];
        let keys = of
            .into_iter()
            .filter_map(|text| text.parse::<Mailbox>().ok());
        let keys: BTreeSet<String> = keys.map(|address| lookup_key(&address)).collect();
        for key in keys {
            all.entry(key).or_default().push(one);
        }
    }
    all
}

struct Planning<'a> {
    directory: &'a Directory,
    to: &'a BackendId,
    facts: &'a WaveFacts,
    disputes: BTreeMap<String, Vec<&'a Conflict>>,
    /// The line that named an entry first.
    seen: BTreeMap<String, u32>,
}

impl Planning<'_> {
    fn user(&mut self, line: u32, address: &Mailbox) -> PlannedUser {
        let mut user = PlannedUser {
            line,
            address: address.to_string(),
            entry: None,
            from: None,
            delivery_before: None,
            delivery_after: None,
            moves: false,
            waiting: 0,
            obstacles: Vec::new(),
        };
        let Some((entry, _)) = self.directory.find(address) else {
            let text = "the directory does not know this address";
            let unknown = Obstacle::new(ObstacleKind::Unknown, Grade::Blocks, text);
            user.obstacles.push(unknown);
            return user;
        };
        let key = entry.address.key();
        user.entry = Some(entry.address.to_string());
        user.from = self.directory.home_of(&entry);
        user.delivery_after = Some(delivery(&entry, Some(self.to)));
        user.delivery_before = Some(delivery(&entry, user.from.as_ref()));
        user.waiting = self.facts.waiting.get(&key).copied().unwrap_or_default();
        user.obstacles = self.obstacles(&entry, &user);
        if let Some(first) = self.seen.get(&key) {
            let text = format!("line {first} names the same {}", entry.kind);
            let twice = Obstacle::new(ObstacleKind::Twice, Grade::Note, text);
            user.obstacles.push(twice);
            return user;
        }
        self.seen.insert(key, line);
        user.moves = user.from.as_ref() != Some(self.to) && !user.is_blocked();
        user
    }

    fn obstacles(&self, entry: &Entry, user: &PlannedUser) -> Vec<Obstacle> {
        let mut found = Vec::new();
        let mut say = |kind, grade, text: String| found.push(Obstacle::new(kind, grade, text));
        if entry.departed.is_some() {
            let text = "no source knows it any more: only its route lives on".to_owned();
            say(ObstacleKind::Departed, Grade::Blocks, text);
        }
        if matches!(entry.kind, EntryKind::User | EntryKind::Contact) {
            let text = format!("a {} has no mailbox that could move", entry.kind);
            say(ObstacleKind::NoMailbox, Grade::Blocks, text);
        }
        for one in self.disputes_of(entry) {
            let kind = match one.kind {
                ConflictKind::TwoMailboxes => ObstacleKind::BothPlatforms,
                ConflictKind::Address | ConflictKind::X500 | ConflictKind::Ambiguous => {
                    ObstacleKind::Conflict
                }
            };
            let next = match one.kind {
                ConflictKind::Ambiguous => "mend it in the sources",
                ConflictKind::Address | ConflictKind::X500 | ConflictKind::TwoMailboxes => {
                    "`tideover directory settle` ends it"
                }
            };
            let text = format!("{one}: {next}");
            say(kind, Grade::Blocks, text);
        }
        if let Some(reason) = self.facts.held.get(&entry.address.key()) {
            let text = format!("its mail would stay held: {reason}");
            say(ObstacleKind::Hold, Grade::Warns, text);
        }
        let there = user.from.as_ref() == Some(self.to);
        if there {
            let text = format!("{} is its home already", self.to);
            say(ObstacleKind::AlreadyThere, Grade::Note, text);
        }
        let special = entry.delivery_addresses.contains_key(self.to);
        if let Some(general) = &entry.delivery_address
            && !special
            && !there
        {
            let text = format!(
                "{} gets its mail as {general}; is that right for {}?",
                self.to, self.to
            );
            say(ObstacleKind::DeliveryAddress, Grade::Note, text);
        }
        if user.waiting > 0 {
            let text = format!("{} waiting, it follows", messages(user.waiting));
            say(ObstacleKind::MailWaiting, Grade::Note, text);
        }
        found
    }

    fn disputes_of(&self, entry: &Entry) -> Vec<&Conflict> {
        let mut found: Vec<&Conflict> = Vec::new();
        for address in entry.addresses() {
            for one in self
                .disputes
                .get(&lookup_key(address))
                .into_iter()
                .flatten()
            {
                if !found.contains(one) {
                    found.push(one);
                }
            }
        }
        found
    }

    /// Groups of which the wave makes one with members on both sides; each member is told.
    fn split_groups(&self, users: &mut [PlannedUser]) -> Vec<SplitGroup> {
        let movers = users.iter().filter(|user| user.moves);
        let movers: BTreeSet<String> = movers
            .filter_map(|user| user.entry.as_ref()?.parse::<Mailbox>().ok())
            .map(|address| address.key())
            .collect();
        let mut split = Vec::new();
        let mut of: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for group in self.directory.entries() {
            if group.kind != EntryKind::Group || group.departed.is_some() {
                continue;
            }
            let members: Vec<Entry> = group
                .members
                .iter()
                .filter_map(|member| self.directory.find(member))
                .map(|(member, _)| member)
                .collect();
            let moving = |member: &&Entry| movers.contains(&member.address.key());
            let moving: Vec<&Entry> = members.iter().filter(moving).collect();
            let there = |member: &&Entry| {
                movers.contains(&member.address.key())
                    || self.directory.home_of(member).as_ref() == Some(self.to)
            };
            let inside = members.iter().filter(there).count();
            let outside = members.len() - inside;
            if moving.is_empty() || outside == 0 {
                continue;
            }
            for member in moving {
                let groups = of.entry(member.address.key()).or_default();
                groups.push(group.address.to_string());
            }
            split.push(SplitGroup {
                group: group.address.to_string(),
                inside: inside as u64,
                outside: outside as u64,
            });
        }
        for user in users.iter_mut().filter(|user| user.moves) {
            let key = user.entry.as_ref().and_then(|e| e.parse::<Mailbox>().ok());
            let groups = key.and_then(|address| of.get(&address.key()));
            if let Some(groups) = groups {
                let text = format!("groups with members on both sides: {}", groups.join(", "));
                let split = Obstacle::new(ObstacleKind::GroupSplit, Grade::Note, text);
                user.obstacles.push(split);
            }
        }
        split
    }
}

/// The address that is used towards a backend.
fn delivery(entry: &Entry, at: Option<&BackendId>) -> String {
    let special = at.and_then(|at| entry.delivery_addresses.get(at));
    let address = special.or(entry.delivery_address.as_ref());
    address.unwrap_or(&entry.address).to_string()
}

fn messages(count: u64) -> String {
    if count == 1 {
        "1 message is".to_owned()
    } else {
        format!("{count} messages are")
    }
}

#[cfg(test)]
#[path = "wave_plan_tests.rs"]
mod tests;
