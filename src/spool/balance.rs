//! What came in is what is finished and what waits: looked at again and again while the program
//! runs. A difference is an error of ours, and an alarm.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::SpoolError;
use super::handle::Spool;
use super::index::{MessageRow, decode, key};
use crate::base::{Shutdown, Timestamp};
use crate::limits;
use crate::mail::{BackendId, RecipientState, SpoolId};

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

/// The account of everything that is stored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Balance {
    /// When the round ended.
    pub at: Timestamp,
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
    /// Messages that do not add up, or of which somebody waits where nobody looks.
    pub wrong: u64,
    /// Some of them, and what is wrong.
    pub named: Vec<String>,
}

/// The part of one backend.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sum {
    /// Recipients whose mail it has taken.
    pub delivered: u64,
    /// Recipients who wait for it.
    pub waiting: u64,
}

/// The last account, for those who ask.
#[derive(Debug, Default)]
pub(crate) struct Balances(Mutex<Option<Arc<Balance>>>);

impl Balances {
    fn last(&self) -> Option<Arc<Balance>> {
        let last = self.0.lock();
        last.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, balance: Arc<Balance>) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(balance);
    }
}

impl Spool {
    /// The last account; `None` before the first round is done.
    #[must_use]
    pub fn balance(&self) -> Option<Arc<Balance>> {
        self.0.balances.last()
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
                    Err(error) => tracing::error!(%error, "what came in cannot be counted"),
                },
            }
        }
    }

    /// One round: every message against its recipients, and every waiting recipient against the
    /// rows by which the queue finds him.
    ///
    /// # Errors
    /// When the index fails, or does not know the whole log yet.
    pub async fn count_all(&self) -> Result<Arc<Balance>, SpoolError> {
        let mut balance = Balance::default();
        let mut start = b"m".to_vec();
        loop {
            let begun = Instant::now();
            let from = start.clone();
            let page = self.beside(move |spool| spool.count_page(&from)).await?;
            let Some(last) = page.last else { break };
            balance.add(&page.balance);
            for id in page.odd {
                if let Some(what) = self.look_again(id).await? {
                    balance.complain(format!("{id}: {what}"));
                }
            }
            start = last;
            start.push(0);
            tokio::time::sleep(begun.elapsed() * (REST - 1)).await;
        }
        balance.at = self.0.clock.now();
        let balance = Arc::new(balance);
        self.0.balances.set(Arc::clone(&balance));
        Ok(balance)
    }

    fn count_page(&self, start: &[u8]) -> Result<Page, SpoolError> {
        let rows = self.index()?.scan(b"m", start, limits::PAGE)?;
        let mut page = Page {
            last: rows.last().map(|(row, _)| row.clone()),
            ..Page::default()
        };
        for id in rows.iter().filter_map(|(row, _)| key::parse_id(row)) {
            if self.count(id, &mut page.balance)?.is_some() {
                page.odd.push(id);
            }
        }
        Ok(page)
    }

    async fn look_again(&self, id: SpoolId) -> Result<Option<String>, SpoolError> {
        let mut found = None;
        for _ in 0..LOOKS {
            tokio::time::sleep(Duration::from_millis(100)).await;
            found = self
                .beside(move |spool| spool.count(id, &mut Balance::default()))
                .await?;
            if found.is_none() {
                break;
            }
        }
        Ok(found)
    }

    /// Counts a message; what is wrong with it.
    fn count(&self, id: SpoolId, balance: &mut Balance) -> Result<Option<String>, SpoolError> {
        let index = self.index()?;
        let _still = index.still();
        let Some(row) = index.row::<MessageRow>(&key::message(id))? else {
            return Ok(None);
        };
        let prefix = key::recipients_prefix(id);
        let mut unfinished: u16 = 0;
        let recipients = index.scan(&prefix, &prefix, usize::MAX)?;
        let mut wrong = None;
        for (recipient, value) in &recipients {
            let state: RecipientState = decode(value)?;
            balance.enter(&state);
            unfinished += u16::from(!state.is_finished());
            let Some((_, number)) = key::parse_recipient(recipient) else {
                continue;
            };
            let place = match &state {
                RecipientState::Queued { lane, due, .. } => key::queued(lane, *due, id, number),
                RecipientState::Held { .. } => key::held(id, number),
                RecipientState::Delivered { .. }
                | RecipientState::Bounced { .. }
                | RecipientState::Dropped { .. }
                | RecipientState::Expanded { .. } => continue,
            };
            if index.get(&place)?.is_none() {
                let state = state.name();
                wrong = Some(format!(
                    "recipient {number} is {state}, and nobody looks for it"
                ));
            }
        }
        balance.messages += 1;
        if recipients.len() != usize::from(row.recipients) {
            let (came, known) = (row.recipients, recipients.len());
            wrong = Some(format!(
                "{came} recipients came, of {known} it is known what became"
            ));
        } else if unfinished != row.unfinished {
            let said = row.unfinished;
            wrong = Some(format!(
                "{unfinished} recipients wait, and its row says {said}"
            ));
        } else if (unfinished > 0) != index.get(&key::unfinished(id))?.is_some() {
            wrong = Some("whether somebody waits for it is said in two ways".to_owned());
        }
        Ok(wrong)
    }
}

/// What was counted in one go.
#[derive(Default)]
struct Page {
    balance: Balance,
    odd: Vec<SpoolId>,
    last: Option<Vec<u8>>,
}

impl Balance {
    fn enter(&mut self, state: &RecipientState) {
        self.came += 1;
        if state.is_finished() {
            self.finished += 1;
        } else {
            self.waiting += 1;
        }
        match state {
            RecipientState::Delivered { backend, .. } => self.sum(backend.as_str()).delivered += 1,
            RecipientState::Queued { lane, .. } | RecipientState::Held { lane, .. } => {
                self.sum(BackendId::new(lane).as_str()).waiting += 1;
            }
            RecipientState::Bounced { .. }
            | RecipientState::Dropped { .. }
            | RecipientState::Expanded { .. } => {}
        }
    }

    fn sum(&mut self, place: &str) -> &mut Sum {
        let name = if place.starts_with('@') { "@" } else { place };
        self.backends.entry(name.to_owned()).or_default()
    }

    fn add(&mut self, page: &Self) {
        self.messages += page.messages;
        self.came += page.came;
        self.finished += page.finished;
        self.waiting += page.waiting;
        for (name, part) in &page.backends {
            let sum = self.sum(name);
            sum.delivered += part.delivered;
            sum.waiting += part.waiting;
        }
    }

    fn complain(&mut self, what: String) {
        self.wrong += 1;
        if self.named.len() < NAMED {
            self.named.push(what);
        }
    }
}

#[cfg(test)]
#[path = "balance_tests.rs"]
mod tests;
