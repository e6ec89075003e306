//! What came in is what is finished and what waits: looked at again and again while the program
//! runs. A difference is an error of ours, and an alarm.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SpoolError;
use super::handle::Spool;
use super::head;
use super::index::{Counters, Index, MessageRow, decode, key, place};
use super::segment::Position;
use crate::base::{Shutdown, Timestamp};
use crate::limits;
use crate::mail::{RecipientState, SpoolId};

/// After a start, which has enough to read.
const FIRST: Duration = Duration::from_secs(60);
/// Between two rounds.
const PERIOD: Duration = Duration::from_secs(600);
/// It works for one part in this many of the time.
const REST: u32 = 10;
/// Looks at a message that seems wrong: it may be going just then.
const LOOKS: u32 = 3;
/// Messages that are named.
const NAMED: usize = 20;
/// The room of the fact about strays, and its key.
const ROOM: &str = "balance";
const STRAYS: &str = "strays";

/// The account of everything that is stored, as it is now, and what the last round found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Balance {
    /// When all rows were counted last; `None`: not since the start.
    #[serde(default)]
    pub at: Option<Timestamp>,
    /// Messages.
    pub messages: u64,
    /// Their recipients.
    pub came: u64,
    /// Recipients who have come to an end.
    pub finished: u64,
    /// Recipients who wait.
    pub waiting: u64,
    /// By backend, `@` for strangers.
    pub backends: BTreeMap<String, Sum>,
    /// Messages that do not add up, or of which somebody waits where nobody looks, and sums that
    /// the rows do not have.
    pub wrong: u64,
    /// Some of them, and what is wrong.
    pub named: Vec<String>,
}

/// The part of one backend.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sum {
    /// Recipients whose mail it has taken.
    pub delivered: u64,
    /// Recipients who wait for it.
    pub waiting: u64,
}

/// What a round found.
#[derive(Debug, Default)]
struct Verdict {
    at: Timestamp,
    wrong: u64,
    named: Vec<String>,
}

impl Verdict {
    /// A round that came to no end.
    fn failed(error: &SpoolError) -> Self {
        let mut verdict = Self::default();
        verdict.complain(format!("what came in cannot be counted: {error}"));
        verdict
    }

    fn complain(&mut self, what: String) {
        self.wrong += 1;
        if self.named.len() < NAMED {
            self.named.push(what);
        }
    }
}

/// The last verdicts, for those who ask.
#[derive(Debug, Default)]
pub(crate) struct Balances {
    /// About the rows.
    last: Mutex<Option<Arc<Verdict>>>,
    /// One round at a time.
    round: tokio::sync::Mutex<()>,
}

impl Balances {
    fn last(&self) -> Option<Arc<Verdict>> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone()
    }

    fn set(&self, verdict: Verdict) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(Arc::new(verdict));
    }
}

/// Messages that stand in the log and in no row, as the last reading of the log found them. It is
/// kept there: a restart is no end of the alarm, and an index that is made anew is one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Strays {
    pub(super) count: u64,
    /// The first ones.
    named: Vec<SpoolId>,
}

impl Strays {
    pub(super) fn add(&mut self, id: SpoolId) {
        self.count += 1;
        if self.named.len() < NAMED {
            self.named.push(id);
        }
    }
}

impl Spool {
    /// The account as it is now, with what the last round found. `None` while the index is made.
    #[must_use]
    pub fn balance(&self) -> Option<Balance> {
        let mut balance = Balance::of(&self.index().ok()?.counters());
        if let Some(rows) = self.0.balances.last() {
            balance.at = Some(rows.at);
            balance.add(rows.wrong, rows.named.iter().cloned());
        }
        match self.strays() {
            Ok(strays) => {
                let told = |id: SpoolId| format!("{id}: in the log, and in no row");
                balance.add(strays.count, strays.named.into_iter().map(told));
            }
            Err(error) => balance.add(1, [format!("what the log has: {error}")].into_iter()),
        }
        Some(balance)
    }

    /// Keeps what a reading of the log has found.
    pub(super) async fn keep_strays(&self, strays: &Strays) -> Result<(), SpoolError> {
        if strays.count > 0 {
            tracing::error!(?strays, "the index does not know what the log has");
        } else if self.fact(ROOM, STRAYS)?.is_none() {
            return Ok(());
        }
        let value = serde_json::to_value(strays);
        let value = value.map_err(|error| SpoolError::Index(error.to_string()))?;
        let value = Some(value).filter(|_| strays.count > 0);
        self.put_fact(ROOM, STRAYS, value).await
    }

    /// What the last reading of the log has found, and no row knows to this day.
    fn strays(&self) -> Result<Strays, SpoolError> {
        let Some(value) = self.fact(ROOM, STRAYS)? else {
            return Ok(Strays::default());
        };
        let found: Strays = serde_json::from_value(value)
            .map_err(|error| SpoolError::Damaged(format!("the fact {ROOM}/{STRAYS}: {error}")))?;
        let mut named = Vec::new();
        for id in found.named {
            if self.position_of(id)?.is_none() {
                named.push(id);
            }
        }
        // Whoever brings back the first ones brings back all: the index was made anew.
        let count = if named.is_empty() { 0 } else { found.count };
        Ok(Strays { count, named })
    }

    /// A round every ten minutes, until the stop.
    pub async fn balance_task(self, shutdown: Shutdown) {
        let mut wait = FIRST;
        loop {
            tokio::select! {
                biased;
                () = shutdown.stopping() => return,
                () = tokio::time::sleep(wait) => {}
            }
            wait = PERIOD;
            tokio::select! {
                biased;
                () = shutdown.stopping() => return,
                counted = self.count_all() => match counted {
                    Ok(balance) if balance.wrong > 0 => {
                        let (wrong, named) = (balance.wrong, balance.named.join("; "));
                        tracing::error!(wrong, %named, "what came in is not what is there");
                    }
                    Ok(_) | Err(SpoolError::Closed) => {}
                    Err(error) => {
                        tracing::error!(%error, "what came in cannot be counted");
                        self.0.balances.set(Verdict::failed(&error));
                    }
                },
            }
        }
    }

    /// One round: every message against its recipients, every waiting recipient against the
    /// rows by which the queue finds him, and all rows together against the account that was kept
    /// while they were written.
    ///
    /// # Errors
    /// When the index fails, or does not know the whole log yet.
    pub async fn count_all(&self) -> Result<Balance, SpoolError> {
        let _one = self.0.balances.round.lock().await;
        let mut verdict = Verdict::default();
        self.index()?.count_anew();
        let mut from = b"m".to_vec();
        loop {
            let begun = Instant::now();
            let start = from.clone();
            let counting = move |spool: &Self| spool.count_page(start, &spool.segments()?);
            let page = self.beside(counting).await?;
            for id in page.odd {
                if let Some(what) = self.look_again(id).await? {
                    verdict.complain(format!("{id}: {what}"));
                }
            }
            match page.end {
                Ok(next) => from = next,
                Err(differences) => {
                    for what in differences {
                        verdict.complain(what);
                    }
                    break;
                }
            }
            tokio::time::sleep(begun.elapsed() * (REST - 1)).await;
        }
        verdict.at = self.0.clock.now();
        self.0.balances.set(verdict);
        self.balance().ok_or(SpoolError::Closed)
    }

    /// The segments that are there.
    fn segments(&self) -> Result<BTreeSet<u32>, SpoolError> {
        let log = self.0.options.dir.join("log");
        Ok(head::numbers(&self.0.disk, &log)?.into_iter().collect())
    }

    fn count_page(&self, mut from: Vec<u8>, log: &BTreeSet<u32>) -> Result<Page, SpoolError> {
        let mut odd = Vec::new();
        for _ in 0..limits::PAGE {
            match self.count_next(&from, log)? {
                Step::Passed { row, odd: is_odd } => {
                    odd.extend(is_odd);
                    from = row;
                    from.push(0);
                }
                Step::End(differences) => {
                    let end = Err(differences);
                    return Ok(Page { odd, end });
                }
            }
        }
        Ok(Page { odd, end: Ok(from) })
    }

    /// Counts the first message from a row on, whichever that is at this moment: what is accepted
    /// later can have an older id. Ends the count where there is none.
    fn count_next(&self, from: &[u8], log: &BTreeSet<u32>) -> Result<Step, SpoolError> {
        let index = self.index()?;
        // Held until the step is done, and taken once: who waits for it to write would else wait
        // for us, and we for him.
        let _still = index.still();
        loop {
            // Retention does not wait for those who read.
            let revision = index.revision();
            let Some((row, _)) = index.scan(b"m", from, 1)?.pop() else {
                let ended = index.count_at(revision, |tally| {
                    let rows = tally.end_anew();
                    // The index was made anew meanwhile.
                    rows.map_or_else(Vec::new, |rows| tally.counters().differences(&rows))
                });
                match ended {
                    Some(differences) => return Ok(Step::End(differences)),
                    None => continue,
                }
            };
            let Some(id) = key::parse_id(&row) else {
                return Ok(Step::Passed { row, odd: None });
            };
            let Some(read) = read(index, id, log) else {
                if index.revision() == revision {
                    // Listed and not there: an index like that must not hold us up.
                    let odd = Some(id);
                    return Ok(Step::Passed { row, odd });
                }
                continue;
            };
            let passed = index.count_at(revision, |tally| tally.pass(id, &read.states));
            if passed.is_some() {
                let odd = read.wrong.map(|_| id);
                return Ok(Step::Passed { row, odd });
            }
        }
    }

    async fn look_again(&self, id: SpoolId) -> Result<Option<String>, SpoolError> {
        let mut found = None;
        for _ in 0..LOOKS {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let looking = move |spool: &Self| {
                let log = spool.segments()?;
                Ok(read(spool.index()?, id, &log).and_then(|read| read.wrong))
            };
            found = self.beside(looking).await?;
            if found.is_none() {
                break;
            }
        }
        Ok(found)
    }
}

/// Reads the rows of a message, and compares them; `None` when it is gone. What cannot be read is
/// wrong, and ends no round.
fn read(index: &Index, id: SpoolId, log: &BTreeSet<u32>) -> Option<Rows> {
    let read = compared(index, id, log);
    read.unwrap_or_else(|error| {
        Some(Rows {
            states: Vec::new(),
            wrong: Some(format!("its rows cannot be read: {error}")),
        })
    })
}

fn compared(index: &Index, id: SpoolId, log: &BTreeSet<u32>) -> Result<Option<Rows>, SpoolError> {
    let Some(row) = index.row::<MessageRow>(&key::message(id))? else {
        return Ok(None);
    };
    let prefix = key::recipients_prefix(id);
    let mut unfinished: u16 = 0;
    let mut states = Vec::with_capacity(usize::from(row.recipients));
    let mut wrong = None;
    for (recipient, value) in index.scan(&prefix, &prefix, usize::MAX)? {
        let state: RecipientState = decode(&value)?;
        unfinished += u16::from(!state.is_finished());
        if let Some((_, number)) = key::parse_recipient(&recipient)
            && let Some(place) = place_of(&state, id, number)
            && index.get(&place)?.is_none()
        {
            let state = state.name();
            wrong = Some(format!(
                "recipient {number} is {state}, and nobody looks for it"
            ));
        }
        states.push(state);
    }
    if states.len() != usize::from(row.recipients) {
        let (came, known) = (row.recipients, states.len());
        wrong = Some(format!(
            "{came} recipients came, of {known} it is known what became"
        ));
    } else if unfinished != row.unfinished {
        let said = row.unfinished;
        wrong = Some(format!(
            "{unfinished} recipients wait, and its row says {said}"
        ));
    } else if is_gone(row.position, log) {
        let segment = Position::from_u64(row.position).segment;
        wrong = Some(format!("segment {segment}, where it stands, is gone"));
    } else if (unfinished > 0) != index.get(&key::unfinished(id))?.is_some() {
        wrong = Some("whether somebody waits for it is said in two ways".to_owned());
    }
    Ok(Some(Rows { states, wrong }))
}

/// Is the segment of this place not there? What was begun since they were listed is.
fn is_gone(position: u64, log: &BTreeSet<u32>) -> bool {
    let segment = Position::from_u64(position).segment;
    !log.contains(&segment) && log.last().is_none_or(|newest| segment < *newest)
}

/// The row by which the queue finds a recipient who waits.
fn place_of(state: &RecipientState, id: SpoolId, number: u16) -> Option<Vec<u8>> {
    match state {
        RecipientState::Queued { lane, due, .. } => Some(key::queued(lane, *due, id, number)),
        RecipientState::Held { .. } => Some(key::held(id, number)),
        RecipientState::Delivered { .. }
        | RecipientState::Bounced { .. }
        | RecipientState::Dropped { .. }
        | RecipientState::Expanded { .. } => None,
    }
}

/// What the rows say of a message.
struct Rows {
    states: Vec<RecipientState>,
    wrong: Option<String>,
}

/// What was counted in one go.
struct Page {
    odd: Vec<SpoolId>,
    /// Where it goes on; or, at the end, in what the rows are not like the account.
    end: Result<Vec<u8>, Vec<String>>,
}

/// A step of the count.
#[derive(Debug)]
enum Step {
    /// A message is counted.
    Passed {
        /// Its row.
        row: Vec<u8>,
        /// Something seems wrong with it.
        odd: Option<SpoolId>,
    },
    /// All are counted: in what the rows are not like the account.
    End(Vec<String>),
}

impl Balance {
    fn of(counters: &Counters) -> Self {
        let mut balance = Self {
            messages: counters.accepted,
            came: counters.recipients,
            finished: counters.otherwise,
            ..Self::default()
        };
        for (name, delivered) in &counters.delivered {
            balance.finished += delivered;
            balance.sum(name).delivered += delivered;
        }
        for (name, waiting) in counters.queued.iter().chain(&counters.held) {
            balance.waiting += waiting;
            balance.sum(place(name)).waiting += waiting;
        }
        if balance.came != balance.finished + balance.waiting {
            balance.wrong = 1;
            balance.named.push(format!(
                "{} recipients came, {} are finished and {} wait",
                balance.came, balance.finished, balance.waiting
            ));
        }
        balance
    }

    fn add(&mut self, wrong: u64, named: impl Iterator<Item = String>) {
        self.wrong += wrong;
        self.named.extend(named);
    }

    fn sum(&mut self, name: &str) -> &mut Sum {
        self.backends.entry(name.to_owned()).or_default()
    }
}

#[cfg(test)]
#[path = "balance_tests.rs"]
mod tests;
