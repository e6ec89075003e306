//! One run: user after user, so many at a time as the backend is asked at all.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;

use super::Parts;
use super::carry::{Broken, Carrier};
use super::copy::Copier;
use super::people::{Person, people};
use super::record::{self, Carried, Run, UserResult};
use super::work::work;
use crate::base::{Boxed, Shutdown};
use crate::mail::BackendId;
use crate::spool::SpoolError;

/// Users of a backend that are tried at one time when its mailboxes are not opened at all.
const COPIED: usize = 2;
/// Tries for one user when the connection breaks in the middle.
const TRIES: u32 = 3;
/// Before a server that is away, or a connection that broke, is tried again.
const AGAIN: Duration = Duration::from_secs(10);

/// How a run stands now.
#[derive(Debug, Clone, Default)]
pub(super) struct Live {
    /// Why nothing happens, by backend.
    pub(super) waits_for: BTreeMap<BackendId, String>,
}

/// What a run needs.
pub(super) struct Runner {
    pub(super) parts: Arc<Parts>,
    pub(super) run: Run,
    pub(super) live: Arc<Mutex<Live>>,
    /// Ends this run alone.
    pub(super) stop: Shutdown,
}

/// Somebody, and how often his work was tried.
struct Turn {
    person: Person,
    tries: u32,
    /// What was done before his connection broke.
    before: Carried,
}

/// What came of one try.
enum Tried {
    Done(UserResult),
    /// His connection broke.
    Again(UserResult, String),
    /// The server is away: it is nobody's fault.
    Away(String),
    Stopped,
}

impl Runner {
    /// To its end; `false`: it was stopped.
    pub(super) async fn run(&self) -> Result<bool, SpoolError> {
        let (parts, run) = (Arc::clone(&self.parts), self.run.clone());
        let people = self
            .parts
            .spool
            .beside(move |spool| {
                let named = record::people(spool, &run)?;
                // What came to its end before a restart is not begun anew.
                let ended = record::results(spool, &run)?;
                let ended: BTreeSet<String> = ended.into_iter().map(|one| one.mailbox).collect();
                let all = people((spool, &parts.router), (&run.meant, &named))?;
                let left = all.into_iter();
                Ok(left.filter(|one| !ended.contains(&one.mailbox)).collect())
            })
            .await?;
        let people: Vec<Person> = people;
        let mut of_backend: BTreeMap<BackendId, VecDeque<Turn>> = BTreeMap::new();
        for person in people {
            if let Some(backend) = person.backend().cloned() {
                let turns = of_backend.entry(backend).or_default();
                turns.push_back(Turn {
                    person,
                    tries: 0,
                    before: Carried::default(),
                });
            }
        }
        let all = of_backend.iter_mut();
        let ended = join_all(all.map(|(backend, turns)| self.carry_all(backend, turns))).await;
        for one in ended {
            one?;
        }
        Ok(!self.stop.is_stopping())
    }

    async fn carry_all(
        &self,
        backend: &BackendId,
        turns: &mut VecDeque<Turn>,
    ) -> Result<(), SpoolError> {
        let mut working: FuturesUnordered<Boxed<'_, (Turn, Result<Tried, SpoolError>)>> =
            FuturesUnordered::new();
        let mut pause = false;
        loop {
            let most = match self.parts.at_a_time(backend) {
                0 => COPIED,
                most => most,
            };
            // A server that is away is tried with one user.
            let most = if pause { 1 } else { most };
            while working.len() < most && !self.stop.is_stopping() {
                let Some(turn) = turns.pop_front() else { break };
                let wait = if pause { AGAIN } else { Duration::ZERO };
                working.push(Box::pin(self.take_turn(backend, turn, wait)));
            }
            let Some((mut turn, tried)) = working.next().await else {
                return Ok(());
            };
            pause = false;
            match tried? {
                Tried::Done(mut result) => {
                    result.carried.add(&turn.before);
                    self.end(backend, result).await?;
                }
                Tried::Again(mut result, why) if turn.tries + 1 >= TRIES => {
                    result.carried.add(&turn.before);
                    let failed = Some(why);
                    self.end(backend, UserResult { failed, ..result }).await?;
                }
                Tried::Again(result, _) => {
                    turn.tries += 1;
                    turn.before.add(&result.carried.only_done());
                    turns.push_back(turn);
                    pause = true;
                }
                Tried::Away(why) => {
                    self.live().waits_for.insert(backend.clone(), why);
                    turns.push_back(turn);
                    pause = true;
                }
                Tried::Stopped => {}
            }
        }
    }

    async fn take_turn(
        &self,
        backend: &BackendId,
        turn: Turn,
        wait: Duration,
    ) -> (Turn, Result<Tried, SpoolError>) {
        if !wait.is_zero() {
            tokio::select! {
                biased;
                () = self.stop.stopping() => return (turn, Ok(Tried::Stopped)),
                () = tokio::time::sleep(wait) => {}
            }
        }
        let tried = self.try_one(backend, &turn).await;
        (turn, tried)
    }

    async fn try_one(&self, backend: &BackendId, turn: &Turn) -> Result<Tried, SpoolError> {
        let person = &turn.person;
        let (own, at) = (person.clone(), backend.clone());
        let reading = self.parts.spool.beside(move |spool| work(spool, &own, &at));
        let work = reading.await?;
        for name in &work.stale {
            let place = (person.mailbox.as_str(), name.as_str());
            record::put_written(&self.parts.spool, place, None).await?;
        }
        let mut result = UserResult {
            mailbox: person.mailbox.clone(),
            backend: Some(backend.clone()),
            ..UserResult::default()
        };
        if work.is_empty() {
            return Ok(Tried::Done(result));
        }
        let mut carrier = Carrier {
            parts: &self.parts,
            person,
            backend,
            stop: &self.stop,
            result: &mut result,
        };
        let ended = match (self.parts.carriers(), &person.home) {
            (Some(carriers), Some((_, holder))) if self.parts.has_imap(backend) => {
                match carriers.open(backend, holder).await {
                    Ok(mut mailbox) => {
                        let outcome = carrier.carry(mailbox.as_mut(), work).await;
                        if outcome.is_ok() {
                            mailbox.close().await;
                        }
                        outcome
                    }
                    Err(error) => Err(error.into()),
                }
            }
            _ => {
                let mut copier = Copier {
                    parts: &self.parts,
                    person,
                    backend,
                    stop: &self.stop,
                    result: &mut result,
                };
                copier.carry(work).await
            }
        };
        judged(result, ended)
    }

    /// Writes down what came of a user's work.
    async fn end(&self, backend: &BackendId, result: UserResult) -> Result<(), SpoolError> {
        if result.carried.is_nothing() && result.failed.is_none() {
            return Ok(());
        }
        record::put_result(&self.parts.spool, &self.run, &result).await?;
        self.live().waits_for.remove(backend);
        Ok(())
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn judged(result: UserResult, ended: Result<(), Broken>) -> Result<Tried, SpoolError> {
    match ended {
        Ok(()) => Ok(Tried::Done(result)),
        Err(Broken::Stopped) => Ok(Tried::Stopped),
        Err(Broken::Spool(error)) => Err(error),
        Err(Broken::Imap(error)) if error.is_of_server() || error.is_of_logins() => {
            Ok(Tried::Away(error.to_string()))
        }
        Err(Broken::Imap(error)) if error.is_lasting() => Ok(Tried::Done(UserResult {
            failed: Some(error.to_string()),
            ..result
        })),
        Err(Broken::Imap(error)) => Ok(Tried::Again(result, error.to_string())),
    }
}
