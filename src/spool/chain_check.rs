//! Compares the hash chain with what stands on the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::SpoolError;
use super::chain::{Anchor, Known, LedgerDigest, Link, Part, key_of};
use super::chaining::digest;
use super::handle::Spool;
use super::head;
use super::segment;
use crate::base::{Timestamp, hex};

/// Complaints that are listed.
const NAMED: usize = 1000;

/// What the chain says about the log and the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChainCheck {
    /// The newest link: keep it elsewhere, and give it to the next check.
    pub anchor: Anchor,
    /// When the first link was made.
    pub since: Option<Timestamp>,
    /// When the newest one was made.
    pub until: Option<Timestamp>,
    /// Segments that were read and compared.
    pub segments: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Files of the ledger that were read and compared.
    pub ledgers: u64,
    /// Files of the ledger that are gone, as `spool.ledger_retain` says.
    pub expired: u64,
    /// Parts that the disk did not give when their link was made: nobody can say what they were.
    pub unread: u64,
    /// What is wrong; nothing: all is as it was written, but for what is known.
    pub problems: Vec<String>,
    /// How much is wrong; the list ends after a thousand.
    pub wrong: u64,
    /// Of the problems, those about files: they can be acknowledged. That the chain itself or an
    /// anchor does not fit can not.
    #[serde(default)]
    pub explainable: Vec<String>,
    /// Names this list: who acknowledges it has seen it. Empty when there is nothing.
    #[serde(default)]
    pub seen: String,
    /// What is still wrong and was acknowledged; with an anchor, by then.
    #[serde(default)]
    pub known: Vec<Known>,
}

impl Spool {
    /// Reads the log and the ledger and compares them with the chain, and the chain with an
    /// `anchor` that somebody has kept. Reads everything, and blocks.
    ///
    /// # Errors
    /// When the index does not know the whole log, or a folder cannot be listed.
    pub fn check_chain(&self, anchor: Option<&Anchor>) -> Result<ChainCheck, SpoolError> {
        let links = self.links()?;
        // What somebody put into the chain after the anchor explains nothing.
        let upto = anchor.map_or(u64::MAX, |anchor| anchor.number);
        let mut check = Check::of(&links, &self.0.uuid, upto);
        if let Some(anchor) = anchor {
            check.compare(anchor, &links);
        }
        let parts = Parts::of(&links, &mut check);
        for (&segment, ranges) in &parts.log {
            let is_last = parts.log.keys().next_back() == Some(&segment);
            self.check_segment((segment, ranges, is_last), &parts, &mut check)?;
        }
        for (&segment, ledger) in &parts.retired {
            if parts.expired.contains(&segment) {
                check.found.expired += 1;
            } else if let Some(ledger) = ledger {
                self.check_ledger(segment, ledger, &mut check);
            }
        }
        for (lack, _) in self.lacks(None)? {
            // The chain has no link to it yet: it went before one was made.
            if !parts.log.contains_key(&lack.segment()) {
                check.complain_of_file(lack.to_string());
            }
        }
        self.check_strangers(&parts, &mut check)?;
        Ok(check.finish(&links))
    }

    fn check_segment(
        &self,
        (segment, ranges, is_last): (u32, &[Range], bool),
        parts: &Parts,
        check: &mut Check,
    ) -> Result<(), SpoolError> {
        let path = segment::path(&self.0.options.dir.join("log"), segment);
        let file = match self.0.disk.open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Retention may have been at work meanwhile.
                if !parts.retired.contains_key(&segment)
                    && !self.went(|of| of.is_end_of(segment))?
                {
                    check.complain_of_file(format!(
                        "segment {segment} is gone, and retention did not take it"
                    ));
                }
                return Ok(());
            }
            Err(error) => {
                check.complain_of_file(format!("segment {segment} cannot be opened: {error}"));
                return Ok(());
            }
        };
        check.found.segments += 1;
        for range in ranges {
            let Some(expected) = &range.sha256 else {
                check.found.unread += 1;
                continue;
            };
            check.found.bytes += range.to - range.from;
            let (from, to) = (range.from, range.to);
            match digest(&*file, from, to) {
                Ok(found) if found == *expected => {}
                Ok(found) => check.complain_of_file(format!(
                    "segment {segment}: bytes {from} to {to} are not what they were at {}: now {}",
                    range.at,
                    short(&found)
                )),
                Err(error) => check.complain_of_file(format!(
                    "segment {segment}: bytes {from} to {to} cannot be read: {error}"
                )),
            }
        }
        let end = ranges.last().map_or(0, |range| range.to);
        if !is_last && file.len().is_ok_and(|length| length > end) {
            check.complain_of_file(format!(
                "segment {segment}: something was put behind its end at {end}: now {}",
                self.now(&path)
            ));
        }
        Ok(())
    }

    /// The links that were made since the others were read count, too: retention is at work.
    fn went(&self, is_meant: impl Fn(&Part) -> bool) -> Result<bool, SpoolError> {
        Ok(self.links()?.iter().any(|(_, link)| is_meant(&link.of)))
    }

    fn check_ledger(&self, segment: u32, ledger: &LedgerDigest, check: &mut Check) {
        let path = self.0.ledger.path(segment);
        match (self.file_digest(&path), &ledger.sha256) {
            (Ok(found), Some(expected)) if found == *expected => check.found.ledgers += 1,
            (Ok(_), None) => check.found.unread += 1,
            (Ok(found), Some(_)) => check.complain_of_file(format!(
                "ledger {segment} is not what it was when its segment went: now {}",
                short(&found)
            )),
            (Err(error), _) if error.kind() == io::ErrorKind::NotFound => {
                let kept_until = ledger.newest.after(self.0.options.ledger_retain);
                if kept_until < self.0.clock.now() {
                    check.found.expired += 1;
                } else {
                    check.complain_of_file(format!(
                        "ledger {segment} is gone, and was to be kept until {kept_until}"
                    ));
                }
            }
            (Err(error), _) => {
                check.complain_of_file(format!("ledger {segment} cannot be read: {error}"));
            }
        }
    }

    /// What a file is now, so that the next change of it is told as another one.
    fn now(&self, path: &Path) -> String {
        let digest = self.file_digest(path);
        digest.map_or_else(
            |error| error.to_string(),
            |digest| short(&digest).to_owned(),
        )
    }

    /// Files that no link knows.
    fn check_strangers(&self, parts: &Parts, check: &mut Check) -> Result<(), SpoolError> {
        let log = self.0.options.dir.join("log");
        let newest = parts.log.keys().next_back().copied().unwrap_or(u32::MAX);
        let numbers = head::numbers(&self.0.disk, &log)?;
        for segment in &numbers {
            if *segment < newest && !parts.log.contains_key(segment) {
                check.complain_of_file(format!(
                    "segment {segment} was put there: no link knows it: now {}",
                    self.now(&segment::path(&log, *segment))
                ));
            }
        }
        for segment in self.0.ledger.segments()? {
            let known = matches!(parts.retired.get(&segment), Some(Some(_)));
            // It is written before its segment goes, and that is always the oldest one.
            let goes = numbers.first() == Some(&segment);
            if !known && !goes && !self.went(|of| of.is_end_of(segment) && of.has_ledger())? {
                check.complain_of_file(format!(
                    "ledger {segment} was put there: no link knows it: now {}",
                    self.now(&self.0.ledger.path(segment))
                ));
            }
        }
        for name in self.0.ledger.strangers()? {
            check.complain_of_file(format!("ledger/{name} was put there: it is none of ours"));
        }
        Ok(())
    }
}

/// A check that is under way.
struct Check {
    found: ChainCheck,
    /// The digest before the first link.
    first: String,
    /// What was acknowledged, each with whether it is still so.
    known: BTreeMap<String, bool>,
    /// Up to which link an acknowledgement counts.
    upto: u64,
}

impl Check {
    /// The links against each other.
    fn of(links: &[(String, Link)], uuid: &str, upto: u64) -> Self {
        let mut before = hex(&Sha256::digest(uuid.as_bytes()));
        let first = before.clone();
        let found = ChainCheck {
            anchor: Anchor {
                number: 0,
                chain: before.clone(),
            },
            since: links.first().map(|(_, link)| link.at),
            until: links.last().map(|(_, link)| link.at),
            segments: 0,
            bytes: 0,
            ledgers: 0,
            expired: 0,
            unread: 0,
            problems: Vec::new(),
            wrong: 0,
            explainable: Vec::new(),
            seen: String::new(),
            known: Vec::new(),
        };
        let known = all_known(links, upto).flat_map(|known| known.problems.iter().cloned());
        let mut check = Self {
            found,
            first,
            known: known.map(|what| (what, false)).collect(),
            upto,
        };
        let mut number = 0;
        for (key, link) in links {
            number += 1;
            if *key != key_of(number) {
                check.complain(format!("link {number} is missing: behind it stands {key}"));
                number = key.parse().unwrap_or(number);
            } else if !link.follows(number, &before) {
                check.complain(format!(
                    "link {number} does not follow from the one before: one of the two was changed"
                ));
            }
            before.clone_from(&link.chain);
        }
        check.found.anchor = Anchor {
            number,
            chain: before,
        };
        check
    }

    fn compare(&mut self, anchor: &Anchor, links: &[(String, Link)]) {
        let key = key_of(anchor.number);
        let newest = self.found.anchor.number;
        match links.iter().find(|(found, _)| *found == key) {
            Some((_, link)) if link.chain == anchor.chain => {}
            Some(_) => self.complain(format!(
                "link {} is not the one of the anchor: the chain was made anew, or the anchor is \
                 that of another spool",
                anchor.number
            )),
            None if anchor.number == 0 && anchor.chain == self.first => {}
            None if anchor.number == 0 => {
                self.complain("the anchor is that of another spool".to_owned());
            }
            None => self.complain(format!(
                "the anchor is of link {}, and the chain ends at {newest}: its end was taken away",
                anchor.number
            )),
        }
    }

    /// With what was acknowledged and is still so, and by whom.
    fn finish(mut self, links: &[(String, Link)]) -> ChainCheck {
        let still = |what: &String| self.known.get(what).copied().unwrap_or_default();
        let known = all_known(links, self.upto).map(|known| {
            let problems = known.problems.iter().filter(|what| still(what));
            Known {
                problems: problems.cloned().collect(),
                ..known.clone()
            }
        });
        self.found.known = known.filter(|known| !known.problems.is_empty()).collect();
        if !self.found.explainable.is_empty() {
            let digest = Sha256::digest(self.found.explainable.join("\n").as_bytes());
            short(&hex(&digest)).clone_into(&mut self.found.seen);
        }
        self.found
    }

    /// Something is wrong with a file, which can be explained.
    fn complain_of_file(&mut self, what: String) {
        if let Some(still) = self.known.get_mut(&what) {
            *still = true;
            return;
        }
        if self.found.explainable.len() < NAMED {
            self.found.explainable.push(what.clone());
        }
        self.complain(what);
    }

    /// The chain, or an anchor, does not fit: no acknowledgement explains that.
    fn complain(&mut self, what: String) {
        self.found.wrong += 1;
        if self.found.problems.len() < NAMED {
            self.found.problems.push(what);
        }
    }
}

/// Enough of a digest to see that something was changed once more.
fn short(digest: &str) -> &str {
    digest.get(..16).unwrap_or(digest)
}

/// What was acknowledged up to a link, the first one first.
fn all_known(links: &[(String, Link)], upto: u64) -> impl Iterator<Item = &Known> {
    let last = key_of(upto);
    let meant = links
        .iter()
        .take_while(move |(key, _)| upto == u64::MAX || *key <= last);
    meant.filter_map(|(_, link)| match &link.of {
        Part::Known(known) => Some(known),
        Part::Log { .. } | Part::Retired { .. } | Part::Expired { .. } => None,
    })
}

/// Bytes of a segment that a link is about.
struct Range {
    from: u64,
    to: u64,
    sha256: Option<String>,
    at: Timestamp,
}

/// What the links are about.
#[derive(Default)]
struct Parts {
    log: BTreeMap<u32, Vec<Range>>,
    retired: BTreeMap<u32, Option<LedgerDigest>>,
    expired: BTreeSet<u32>,
}

impl Parts {
    fn of(links: &[(String, Link)], check: &mut Check) -> Self {
        let mut parts = Self::default();
        let mut twice = BTreeSet::new();
        for (_, link) in links {
            match &link.of {
                Part::Log {
                    segment,
                    from,
                    to,
                    sha256,
                } => {
                    let ranges = parts.log.entry(*segment).or_default();
                    let end = ranges.last().map_or(0, |range| range.to);
                    if *from != end || to < from {
                        check.complain(format!("segment {segment}: {end} to {from} is not linked"));
                    }
                    ranges.push(Range {
                        from: *from,
                        to: (*to).max(*from),
                        sha256: sha256.clone(),
                        at: link.at,
                    });
                }
                Part::Expired { segment } => {
                    parts.expired.insert(*segment);
                }
                Part::Known(_) => {}
                Part::Retired { segment, ledger } => {
                    if parts.retired.insert(*segment, ledger.clone()).is_some() {
                        twice.insert(*segment);
                    }
                }
            }
        }
        for segment in twice {
            check.complain(format!(
                "segment {segment} went twice: its second link is not ours"
            ));
        }
        parts
    }
}
