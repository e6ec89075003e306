//! What write-back would do, in numbers. No mailbox is asked.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::decide::{Verdict, about_mark, about_sent, expected};
use super::people::{DEPARTED, NOWHERE, Person, candidates, is_elsewhere, people};
use super::record::{Carried, Meant};
use super::work::{Work, work};
use super::{Parts, WithoutImap};
use crate::base::Shutdown;
use crate::limits;
use crate::mail::{BackendId, FolderKind};
use crate::spool::{Spool, SpoolError};

/// Why somebody is left out who is told by a run, too.
const NOWHERE_WORD: &str = "nowhere";
const ELSEWHERE: &str = "elsewhere";
const DEPARTED_WORD: &str = "departed";

/// What a run would do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Plan {
    /// Users with work that is not carried yet.
    pub users: u64,
    /// Of what, and how much.
    #[serde(flatten)]
    pub carried: Carried,
    /// The users with the most, at most [`limits::PAGE`].
    pub rows: Vec<UserPlan>,
    /// Who is left out, and why.
    pub skipped: Vec<Skipped>,
}

/// What a run would do for one user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UserPlan {
    /// The key of his mailbox in the directory.
    pub mailbox: String,
    /// The backend that holds it.
    pub backend: BackendId,
    /// What there is.
    #[serde(flatten)]
    pub carried: Carried,
}

impl Plan {
    /// Those whose mailbox is nowhere, or elsewhere, or whose address is another's, are told by a
    /// run, too.
    pub(super) fn users_with_work(&self) -> u64 {
        let told = |one: &&Skipped| {
            [NOWHERE_WORD, ELSEWHERE, DEPARTED_WORD].contains(&one.reason.as_str())
        };
        let told = self.skipped.iter().filter(told);
        self.users + told.map(|one| one.users).sum::<u64>()
    }
}

/// Users who are left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Skipped {
    /// One word: `nowhere`, `elsewhere`, `departed`, `no-imap`, `no-account`.
    pub reason: String,
    /// The same for people.
    pub text: String,
    /// How many users.
    pub users: u64,
    /// One of them.
    pub example: String,
}

/// Counts. Blocks.
pub(super) fn count(
    parts: &Parts,
    spool: &Spool,
    (meant, named, stop): (&Meant, &BTreeSet<String>, &Shutdown),
) -> Result<Plan, SpoolError> {
    let mut plan = Plan::default();
    let mut skipped: BTreeMap<(&'static str, String), Skipped> = BTreeMap::new();
    let mut skip = |reason: &'static str, text: String, mailbox: &str| {
        let known = skipped.entry((reason, text.clone()));
        let known = known.or_insert_with(|| Skipped {
            reason: reason.to_owned(),
            text,
            users: 0,
            example: mailbox.to_owned(),
        });
        known.users += 1;
    };
    for person in candidates((spool, &parts.router), (meant, named))? {
        if stop.is_stopping() {
            return Err(SpoolError::Closed);
        }
        let work = work(spool, &person, person.backend())?;
        if work.is_empty() && work.lost.is_empty() {
            continue;
        }
        if let Some((reason, why)) = left_out(&person, meant) {
            skip(reason, why, &person.mailbox);
            continue;
        }
        let Some(backend) = person.backend() else {
            continue;
        };
        let way = match (parts.has_imap(backend), parts.options().without_imap) {
            (true, _) => Way::Imap,
            (false, WithoutImap::Copy) => Way::Copy,
            (false, WithoutImap::Tell) => Way::None,
        };
        let carried = counted(&work, way);
        if carried.cannot > 0 {
            let text = format!(
                "{backend} has no [backend.{backend}.imap]: {} cannot be carried",
                if carried.copied > 0 {
                    "drafts and states"
                } else {
                    "their work"
                }
            );
            skip("no-imap", text, &person.mailbox);
        }
        plan.users += 1;
        plan.carried.add(&carried);
        plan.rows.push(UserPlan {
            mailbox: person.mailbox.clone(),
            backend: backend.clone(),
            carried,
        });
    }
    for mailbox in strangers((spool, parts), named)? {
        skip(
            "no-account",
            "they have no account here".to_owned(),
            &mailbox,
        );
    }
    plan.rows
        .sort_by_key(|row| std::cmp::Reverse(row.carried.done() + row.carried.cannot));
    plan.rows.truncate(limits::PAGE);
    plan.skipped = skipped.into_values().collect();
    Ok(plan)
}

/// Why nothing of somebody's work can be carried.
fn left_out(person: &Person, meant: &Meant) -> Option<(&'static str, String)> {
    if person.departed.is_some() {
        return Some((DEPARTED_WORD, DEPARTED.to_owned()));
    }
    let Some(backend) = person.backend() else {
        let why = format!("{NOWHERE}, their work cannot be carried");
        return Some((NOWHERE_WORD, why));
    };
    is_elsewhere(backend, meant).map(|why| (ELSEWHERE, why))
}

/// Who is named, and never worked here.
fn strangers(
    (spool, parts): (&Spool, &Parts),
    named: &BTreeSet<String>,
) -> Result<BTreeSet<String>, SpoolError> {
    let mut left = named.clone();
    if left.is_empty() {
        return Ok(left);
    }
    for person in people((spool, &parts.router), (&Meant::default(), named))? {
        left.remove(&person.mailbox);
        for account in &person.accounts {
            left.remove(&account.key());
        }
    }
    Ok(left)
}

/// How work gets into a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Imap,
    /// Its writer is sent a copy of what he sent.
    Copy,
    None,
}

/// In numbers, by the same decisions as a run: as if the mailbox had what it is to have, and nobody
/// had done anything there since. Pure.
fn counted(work: &Work, way: Way) -> Carried {
    let mut carried = Carried {
        lost: work.lost.len() as u64,
        ..Carried::default()
    };
    if way != Way::Imap {
        carried.cannot = work.without_imap();
        for task in &work.sent {
            if way == Way::Copy && task.before.is_none() {
                carried.copied += 1;
            } else {
                carried.cannot += 1;
            }
        }
        return carried;
    }
    carried.drafts = work.drafts.len() as u64;
    let mut count = |verdict: Verdict| match verdict {
        Verdict::Do(steps) if steps.is_empty() => carried.there += 1,
        Verdict::Do(steps) => {
            for step in steps {
                step.count(&mut carried);
            }
        }
        Verdict::Absent => carried.sent += 1,
    };
    for task in &work.sent {
        let before = task.before.as_ref();
        let spot = before.map(|before| expected(Some(before), FolderKind::Sent));
        count(about_sent(spot.as_slice(), (&task.mark, before)));
    }
    for task in &work.marks {
        let before = task.before.as_ref();
        let spot = expected(before, FolderKind::Inbox);
        count(about_mark(&[spot], (&task.mark, before)));
    }
    carried
}
