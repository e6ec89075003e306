//! Generations in the log: a fact says who changed what and why, documents have the changes, a line
//! of JSON each.

use std::fmt;

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Effect;
use super::people::{Delta, PackedChange};
use crate::base::Timestamp;
use crate::spool::{Spool, SpoolError};

/// The room under which the facts stand in the log.
pub(super) const ROOM: &str = "directory";
/// The generations; the number follows.
const GENERATION: &str = "generation/";
/// The changes of a generation; its number and theirs follow.
const PAGE: &str = "page/";
/// A page is written when it has so many bytes.
const PAGE_BYTES: usize = 256 * 1024;

/// What made a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The file of the config differed from the last one read.
    File,
    /// `directory import`.
    Import,
    /// A synchronisation.
    Sync,
    /// `directory revert`.
    Revert,
    /// `directory settle`.
    Settle,
    /// `directory set`, a wave.
    Hand,
}

impl Cause {
    /// As tables show it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Import => "import",
            Self::Sync => "sync",
            Self::Revert => "revert",
            Self::Settle => "settle",
            Self::Hand => "hand",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Who changed the directory, when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Generation {
    /// Its number, from 1.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub author: String,
    /// Why; may be empty.
    #[serde(default)]
    pub reason: String,
    /// What made it.
    pub cause: Cause,
    /// The source that changed, when it is one.
    #[serde(default)]
    pub source: Option<String>,
    /// What it changed.
    pub effect: Effect,
    /// Rulings that came, changed or went.
    #[serde(default)]
    pub rulings: u64,
    /// Documents that have the changes.
    pub pages: u32,
    /// It begins with nobody: those before it cannot be read any more, and count no more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub afresh: bool,
}

/// The generations that make the one of this number, from the first one that counts; refused when
/// one is missing among them.
pub(super) fn way_to(mut all: Vec<Generation>, last: u64) -> Result<Vec<Generation>, SpoolError> {
    all.retain(|generation| generation.number <= last);
    let begin = all.iter().rposition(|generation| generation.afresh);
    all.drain(..begin.unwrap_or(0));
    let first = if begin.is_some() {
        all.first().map_or(1, |one| one.number)
    } else {
        1
    };
    for (number, generation) in (first..).zip(&all) {
        if generation.number != number {
            let what = format!("generation {number} of the directory is missing");
            return Err(SpoolError::Damaged(what));
        }
    }
    Ok(all)
}

/// How the line of a ruling begins.
const RULING: &[u8] = b"{\"ruling\":";

fn generation_key(number: u64) -> String {
    format!("{GENERATION}{number:010}")
}

fn page_prefix(number: u64) -> String {
    format!("{PAGE}{number:010}/")
}

/// Writes a generation down: its pages first, then the fact that makes it count.
pub(super) async fn write(
    spool: &Spool,
    mut generation: Generation,
    delta: &Delta,
) -> Result<Generation, SpoolError> {
    let prefix = page_prefix(generation.number);
    // What is left of a try that came to no end.
    for (key, _) in spool.facts(ROOM, &prefix)? {
        spool.put_fact(ROOM, &key, None).await?;
    }
    let mut body = Vec::new();
    let mut pages = 0_u32;
    let records = delta.changes.iter().filter_map(PackedChange::unpacked);
    let records = records.map(|change| serde_json::to_vec(&change));
    let rulings = delta.rulings.iter().map(serde_json::to_vec);
    for line in records.chain(rulings) {
        body.extend(line.map_err(|error| SpoolError::Damaged(error.to_string()))?);
        body.push(b'\n');
        if body.len() >= PAGE_BYTES {
            pages += 1;
            let page = Bytes::from(std::mem::take(&mut body));
            put_page(spool, &prefix, pages, page).await?;
        }
    }
    if !body.is_empty() {
        pages += 1;
        put_page(spool, &prefix, pages, Bytes::from(body)).await?;
    }
    generation.pages = pages;
    let value = serde_json::to_value(&generation);
    let value = value.map_err(|error| SpoolError::Damaged(error.to_string()))?;
    let key = generation_key(generation.number);
    spool.put_fact(ROOM, &key, Some(value)).await?;
    Ok(generation)
}

async fn put_page(spool: &Spool, prefix: &str, page: u32, body: Bytes) -> Result<(), SpoolError> {
    let key = format!("{prefix}{page:05}");
    let lines = memchr::memchr_iter(b'\n', &body).count();
    let written = spool.put_document(ROOM, &key, lines.into(), body).await?;
    written.wait().await
}

/// All generations, the first one first.
pub(super) fn list(spool: &Spool) -> Result<Vec<Generation>, SpoolError> {
    let facts = spool.facts(ROOM, GENERATION)?.into_iter();
    facts
        .map(|(key, value)| {
            serde_json::from_value(value)
                .map_err(|error| SpoolError::Damaged(format!("the fact {key}: {error}")))
        })
        .collect()
}

/// The last `limit` generations before number `before`, the first one of them first; reads no
/// others.
pub(super) fn list_before(
    spool: &Spool,
    before: u64,
    limit: usize,
) -> Result<Vec<Generation>, SpoolError> {
    let first = before.saturating_sub(limit as u64);
    let facts = spool.facts_from(ROOM, &generation_key(first), limit)?;
    let ours = facts
        .into_iter()
        .filter(|(key, _)| key.starts_with(GENERATION));
    let read = ours.map(|(key, value)| {
        serde_json::from_value(value)
            .map_err(|error| SpoolError::Damaged(format!("the fact {key}: {error}")))
    });
    let mut found: Vec<Generation> = read.collect::<Result<_, _>>()?;
    found.retain(|one| one.number < before);
    Ok(found)
}

/// The changes of a generation.
pub(super) fn delta(spool: &Spool, generation: &Generation) -> Result<Delta, SpoolError> {
    let mut delta = Delta::default();
    let prefix = page_prefix(generation.number);
    for page in 1..=generation.pages {
        let key = format!("{prefix}{page:05}");
        let damaged = |why: &str| {
            SpoolError::Damaged(format!("generation {}: {key}: {why}", generation.number))
        };
        let (_, body) = spool
            .document(ROOM, &key)?
            .ok_or_else(|| damaged("is missing"))?;
        for line in body.split(|byte| *byte == b'\n') {
            if line.is_empty() {
                continue;
            }
            let unread = |error: serde_json::Error| damaged(&error.to_string());
            if line.starts_with(RULING) {
                let change = serde_json::from_slice(line).map_err(unread)?;
                delta.rulings.push(change);
            } else {
                let change = serde_json::from_slice(line).map_err(unread)?;
                delta.changes.extend(PackedChange::new(change));
            }
        }
    }
    Ok(delta)
}
