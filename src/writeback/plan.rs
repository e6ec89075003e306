//! What write-back would do, in numbers. No mailbox is asked.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::people::{Person, people};
use super::record::{Carried, Meant};
use super::work::work;
use super::{Parts, WithoutImap};
use crate::base::Shutdown;
use crate::limits;
use crate::mail::BackendId;
use crate::spool::{Spool, SpoolError};

/// What a run would do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserPlan {
    /// The key of his mailbox in the directory.
    pub mailbox: String,
    /// The backend that holds it.
    pub backend: BackendId,
    /// What there is.
    #[serde(flatten)]
    pub carried: Carried,
}

/// Users who are left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// One word: `nowhere`, `no-imap`.
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
    (meant, named, stop): (&Meant, &std::collections::BTreeSet<String>, &Shutdown),
) -> Result<Plan, SpoolError> {
    let mut plan = Plan::default();
    let mut skipped: BTreeMap<(&'static str, String), Skipped> = BTreeMap::new();
    let mut skip = |reason: &'static str, text: String, person: &Person| {
        let known = skipped.entry((reason, text.clone()));
        let known = known.or_insert_with(|| Skipped {
            reason: reason.to_owned(),
            text,
            users: 0,
            example: person.mailbox.clone(),
        });
        known.users += 1;
    };
    for person in people((spool, &parts.router), (meant, named))? {
        if stop.is_stopping() {
            return Err(SpoolError::Closed);
        }
        let Some((backend, _)) = &person.home else {
            skip(
                "nowhere",
                "no backend holds their mailbox".to_owned(),
                &person,
            );
            continue;
        };
        let work = work(spool, &person, backend)?;
        if work.is_empty() {
            continue;
        }
        let mut carried = work.counted();
        if !parts.has_imap(backend) {
            let rest = carried.drafts + carried.states + carried.filed + carried.deleted;
            let copies = match parts.options().without_imap {
                WithoutImap::Copy => carried.sent,
                WithoutImap::Tell => 0,
            };
            let text = format!(
                "{backend} has no [backend.{backend}.imap]: {} cannot be carried",
                if copies > 0 {
                    "drafts and states"
                } else {
                    "their work"
                }
            );
            skip("no-imap", text, &person);
            carried = Carried {
                copied: copies,
                cannot: rest + carried.sent - copies,
                ..Carried::default()
            };
        }
        plan.users += 1;
        plan.carried.add(&carried);
        plan.rows.push(UserPlan {
            mailbox: person.mailbox.clone(),
            backend: backend.clone(),
            carried,
        });
    }
    plan.rows
        .sort_by_key(|row| std::cmp::Reverse(row.carried.done() + row.carried.cannot));
    plan.rows.truncate(limits::PAGE);
    plan.skipped = skipped.into_values().collect();
    Ok(plan)
}
