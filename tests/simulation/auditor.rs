//! Reads the log as docs/spool-format.md describes it, without the program's code, and asks of
//! every recipient what an auditor asks: did it end, and once; was what came twice told; was
//! anybody told who must not be.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::Value;

use crate::platforms::Platforms;

const HEADER: usize = 40;
const MESSAGE: u8 = 2;
const EVENT: u8 = 3;

/// What the log says of one message.
#[derive(Debug)]
struct Account {
    envelope: Value,
    /// Retention has written it again: what is told of the time before has no marks of attempts.
    carried: bool,
    /// What happened to each recipient, in order: the name of the event and what it says.
    stories: Vec<Vec<(String, Value)>>,
}

/// All messages of a log, by their ids.
#[derive(Debug)]
pub(crate) struct Audit(BTreeMap<String, Account>);

/// What became of a recipient, as its story tells it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sum {
    attempts: usize,
    delivered: usize,
    ends: usize,
    /// How often it may have arrived without anybody knowing.
    doubts: usize,
}

impl Audit {
    /// Reads the segments among these files of a disk.
    pub(crate) fn read(files: &BTreeMap<PathBuf, Vec<u8>>) -> Self {
        let mut accounts = Self(BTreeMap::new());
        let is_segment = |path: &PathBuf| path.extension().is_some_and(|end| end == "seg");
        for (_, bytes) in files.iter().filter(|(path, _)| is_segment(path)) {
            accounts.read_segment(bytes);
        }
        accounts
    }

    fn read_segment(&mut self, bytes: &[u8]) {
        let (mut at, mut batch, mut hole) = (0, 0, false);
        while at + HEADER <= bytes.len() {
            let Some((kind, found, line, length)) = record(&bytes[at..]) else {
                hole = true;
                at += 8;
                continue;
            };
            // A hole in front of the same batch or the next one is the torn end: nobody was told
            // of what is behind it.
            if hole && found < batch + 2 {
                return;
            }
            (batch, hole) = (found, false);
            self.take(kind, &serde_json::from_slice(line).unwrap());
            at = (at + length).next_multiple_of(8);
        }
    }

    fn take(&mut self, kind: u8, line: &Value) {
        let id = line["id"].as_str().unwrap_or_default().to_owned();
        if kind == MESSAGE {
            let envelope = line["envelope"].clone();
            let count = envelope["recipients"].as_array().unwrap().len();
            let account = Account {
                envelope,
                carried: !line["carried"].is_null(),
                stories: vec![Vec::new(); count],
            };
            self.0.insert(id.clone(), account);
            // Written again by retention: it stands for all that was before it.
            let history = line["carried"]["history"].as_array();
            for entry in history.into_iter().flatten() {
                self.happened(&id, entry);
            }
        } else if kind == EVENT {
            self.happened(&id, line);
        }
    }

    fn happened(&mut self, id: &str, line: &Value) {
        let Some(account) = self.0.get_mut(id) else {
            return;
        };
        let event = line["event"].as_object().unwrap();
        let (name, what) = event.iter().next().unwrap();
        for number in line["recipients"].as_array().unwrap() {
            let number = usize::try_from(number.as_u64().unwrap()).unwrap();
            account.stories[number].push((name.clone(), what.clone()));
        }
    }

    /// Is this recipient's state said to be in doubt?
    pub(crate) fn is_doubtful(&self, id: &str, number: u16) -> bool {
        sum(&self.0[id].stories[usize::from(number)]).doubts > 0
    }

    /// At the end of everything: each recipient that the log still names.
    /// `finals`: enhanced codes of refusals that are final on purpose.
    pub(crate) fn check_each(&self, platforms: &Platforms, finals: &[&str]) {
        let copies = copies(platforms);
        for (id, account) in &self.0 {
            for (number, story) in account.stories.iter().enumerate() {
                let name = format!("{id} {number}");
                let arrived = copies.get(&name).copied().unwrap_or_default();
                let sum = check_recipient(&name, story, arrived);
                let marked = account.carried || arrived <= sum.attempts;
                assert!(marked, "{name} arrived {arrived} times: {sum:?}");
                check_end(&account.envelope["recipients"][number], story, finals);
            }
        }
    }

    /// When nothing has left the log: all that arrived is in it.
    pub(crate) fn check_all(&self, platforms: &Platforms) {
        self.check_reports();
        for name in copies(platforms).keys() {
            let (id, _) = name.split_once(' ').unwrap();
            assert!(
                self.0.contains_key(id),
                "{name} arrived, and the log knows nothing"
            );
        }
    }

    /// I5: reports go to people who have sent something and proved it, and to nobody else.
    fn check_reports(&self) {
        let is_report = |account: &&Account| account.envelope["peer"]["protocol"] == "dsn";
        let senders: BTreeSet<String> = self
            .0
            .values()
            .filter(|account| !is_report(account))
            .filter(|account| {
                let envelope = &account.envelope;
                let verdict = &envelope["verdict"]["proves_sender"];
                envelope["authenticity"] != "unproven" || verdict == true
            })
            .map(|account| account.envelope["from"].to_string())
            .collect();
        for report in self.0.values().filter(is_report) {
            let envelope = &report.envelope;
            assert_eq!(
                envelope["from"], "",
                "I5: a report asks for reports: {envelope}"
            );
            let recipients = envelope["recipients"].as_array().unwrap();
            assert_eq!(recipients.len(), 1, "I5: {envelope}");
            let to = recipients[0]["address"].to_string();
            assert!(
                to != "\"\"" && senders.contains(&to),
                "I5: a report to {to}"
            );
        }
    }

    /// How many reports there are.
    pub(crate) fn reports(&self) -> usize {
        let accounts = self.0.values();
        accounts
            .filter(|account| account.envelope["peer"]["protocol"] == "dsn")
            .count()
    }
}

/// How often each recipient got its message.
fn copies(platforms: &Platforms) -> BTreeMap<String, usize> {
    let arrived = platforms.arrived().into_iter();
    arrived
        .map(|((id, number), copies)| (format!("{id} {number}"), copies.len()))
        .collect()
}

/// I10: nobody whom we know is given up, except for what is wrong with the message.
fn check_end(recipient: &Value, story: &[(String, Value)], finals: &[&str]) {
    if recipient["mailbox"].is_null() {
        return;
    }
    for (_, what) in story.iter().filter(|(name, _)| name == "bounced") {
        let said = what["failure"]["what"].as_str().unwrap();
        let is_final = finals.iter().any(|code| said.contains(code));
        assert!(is_final, "I10: {recipient} bounced: {said}");
    }
}

/// I3, and decision 8: at least once, and told when perhaps twice.
fn check_recipient(name: &str, story: &[(String, Value)], arrived: usize) -> Sum {
    let sum = sum(story);
    let told = || {
        let events = story.iter().map(|(event, _)| event.as_str());
        format!(
            "{name} arrived {arrived} times: {:?}",
            events.collect::<Vec<_>>()
        )
    };
    assert_eq!(sum.ends, 1, "I3: {}", told());
    assert!(arrived >= sum.delivered, "not true: {}", told());
    let known = sum.delivered + sum.doubts;
    assert!(arrived <= known, "not told: {}", told());
    sum
}

fn sum(story: &[(String, Value)]) -> Sum {
    let mut sum = Sum::default();
    let mut open = false;
    for (name, what) in story {
        let in_doubt = match name.as_str() {
            "attempted" => {
                sum.attempts += 1;
                std::mem::replace(&mut open, true)
            }
            // It may be given up with the attempt that had no known end.
            "deferred" | "bounced" => {
                open = false;
                what["failure"]["uncertain"] == true
            }
            "interrupted" => {
                open = false;
                what["uncertain"] == true
            }
            "delivered" | "held" | "paced" => {
                open = false;
                false
            }
            "dropped" => std::mem::take(&mut open),
            "replay" => {
                replayed(&mut sum, &what["step"]);
                continue;
            }
            // They say nothing about the attempt.
            "rerouted" | "released" | "expanded" => false,
            other => panic!("an event that nobody knows: {other}"),
        };
        sum.doubts += usize::from(in_doubt);
        sum.delivered += usize::from(name == "delivered");
        sum.ends +=
            usize::from(["delivered", "bounced", "dropped", "expanded"].contains(&name.as_str()));
    }
    sum.doubts += usize::from(open);
    sum
}

/// A step of a replay: it delivers once more, and ends only who has no end yet.
fn replayed(sum: &mut Sum, step: &Value) {
    sum.attempts += usize::from(step == "attempted");
    if !step["delivered"].is_null() {
        sum.delivered += 1;
        sum.ends = sum.ends.max(1);
    }
    let cut = step["interrupted"]["uncertain"] == true;
    let lost = step["deferred"]["failure"]["uncertain"] == true;
    sum.doubts += usize::from(cut || lost);
}

/// The record at the beginning of these bytes: its kind, its batch, its JSON and its length.
fn record(bytes: &[u8]) -> Option<(u8, u32, &[u8], usize)> {
    let word = |at: usize| {
        let word = bytes.get(at..at + 4)?;
        Some(u32::from_le_bytes(word.try_into().unwrap()))
    };
    let header = bytes.get(..HEADER)?;
    if header[..4] != *b"TDR1" || crc32c::crc32c(&header[..36]) != word(36)? {
        return None;
    }
    let (line, body) = (word(20)? as usize, word(24)? as usize);
    let end = HEADER + line;
    let json = bytes.get(HEADER..end)?;
    let body = bytes.get(end..end + body)?;
    let whole = crc32c::crc32c(json) == word(28)? && crc32c::crc32c(body) == word(32)?;
    whole.then(|| {
        (
            header[4],
            word(16).unwrap_or_default(),
            json,
            end + body.len(),
        )
    })
}
