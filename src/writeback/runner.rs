//! One run: user after user, so many at a time as the backend is asked at all. Where a mailbox is,
//! is looked up when it is its turn: it may have moved while others were served.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use super::Parts;
use super::carry::{Broken, Carrier, SoFar};
use super::copy::Copier;
use super::people::{Person, candidates, is_elsewhere};
use super::record::{self, Carried, Run, UserResult};
use super::work::{Work, work};
use crate::base::{Boxed, Shutdown};
use crate::mail::BackendId;
use crate::spool::{Spool, SpoolError};

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

/// What waits for one backend.
#[derive(Default)]
struct Lane {
    turns: VecDeque<Turn>,
    working: usize,
    /// Its server is away, or a connection broke: it is tried with one user, not before this.
    pause: Option<Instant>,
}

type Lanes = BTreeMap<BackendId, Lane>;

/// What came of one try.
enum Tried {
    Done(UserResult),
    /// Nobody was asked: there is nothing to carry.
    Idle(UserResult),
    /// His connection broke.
    Again(UserResult, String),
    /// The server is away: it is nobody's fault.
    Away(String),
    /// His mailbox is elsewhere now.
    Moved(UserResult),
    Stopped(UserResult),
}

type Ended = (BackendId, Turn, Result<Tried, SpoolError>);
type Working<'a> = FuturesUnordered<Boxed<'a, Ended>>;

impl Runner {
    /// To its end; `false`: it was stopped.
    pub(super) async fn run(&self) -> Result<bool, SpoolError> {
        let mut lanes = Lanes::new();
        for turn in self.people().await? {
            self.place(&mut lanes, turn).await?;
        }
        let mut working = Working::new();
        loop {
            for (backend, lane) in &mut lanes {
                self.begin(backend, lane, &working);
            }
            let Some((backend, turn, tried)) = working.next().await else {
                return Ok(!self.stop.is_stopping());
            };
            self.settle(&mut lanes, (backend, turn, tried?)).await?;
        }
    }

    /// Who has not come to his end yet.
    async fn people(&self) -> Result<Vec<Turn>, SpoolError> {
        let (parts, run) = (Arc::clone(&self.parts), self.run.clone());
        let reading = move |spool: &Spool| {
            let Some(named) = record::people(spool, &run)? else {
                return Ok(Vec::new());
            };
            // What came to its end before a restart is not begun anew.
            let known = record::results(spool, &run)?.into_iter();
            let known = known.map(|one| (one.mailbox.clone(), one));
            let mut known: BTreeMap<String, UserResult> = known.collect();
            let mut left = Vec::new();
            for person in candidates((spool, &parts.router), (&run.meant, &named))? {
                // Whose mailbox is not there is told only if that takes something from him.
                let home = person.backend();
                let is_there = home.is_some_and(|at| is_elsewhere(at, &run.meant).is_none());
                let counts = is_there || has_work(spool, &person)?;
                let before = match known.remove(&person.label()) {
                    Some(ended) if !ended.partial => continue,
                    before => before.map(|one| one.carried),
                };
                if counts || before.is_some() {
                    left.push(Turn {
                        person,
                        tries: 0,
                        before: before.unwrap_or_default(),
                    });
                }
            }
            Ok(left)
        };
        self.parts.spool.beside(reading).await
    }

    /// Puts somebody where his mailbox is.
    async fn place(&self, lanes: &mut Lanes, turn: Turn) -> Result<(), SpoolError> {
        let home = turn.person.backend().cloned();
        let elsewhere = home
            .as_ref()
            .and_then(|home| is_elsewhere(home, &self.run.meant));
        if let (Some(home), None) = (home, &elsewhere) {
            let lane = lanes.entry(home).or_default();
            lane.turns.push_back(turn);
            return Ok(());
        }
        let failed = elsewhere.unwrap_or_else(|| turn.person.why_nowhere(&self.parts.router));
        let result = UserResult {
            mailbox: turn.person.label(),
            carried: turn.before,
            failed: Some(failed),
            ..UserResult::default()
        };
        self.end(result).await
    }

    /// Begins with as many users of a backend as may be open at one time.
    fn begin<'a>(&'a self, backend: &BackendId, lane: &mut Lane, working: &Working<'a>) {
        let most = match self.parts.at_a_time(backend) {
            _ if lane.pause.is_some() => 1,
            0 => COPIED,
            most => most,
        };
        while lane.working < most && !self.stop.is_stopping() {
            let Some(turn) = lane.turns.pop_front() else {
                break;
            };
            lane.working += 1;
            working.push(Box::pin(self.take_turn(backend.clone(), turn, lane.pause)));
        }
    }

    async fn settle(
        &self,
        lanes: &mut Lanes,
        (backend, mut turn, tried): (BackendId, Turn, Tried),
    ) -> Result<(), SpoolError> {
        let lane = lanes.entry(backend.clone()).or_default();
        lane.working -= 1;
        match tried {
            Tried::Done(mut result) => {
                lane.pause = None;
                self.live().waits_for.remove(&backend);
                result.carried.add(&turn.before);
                self.end(result).await?;
            }
            Tried::Idle(mut result) => {
                result.carried.add(&turn.before);
                self.end(result).await?;
            }
            Tried::Again(mut result, why) if turn.tries + 1 >= TRIES => {
                lane.pause = None;
                result.carried.add(&turn.before);
                let failed = Some(why);
                self.end(UserResult { failed, ..result }).await?;
            }
            Tried::Again(result, _) => {
                turn.tries += 1;
                turn.before.add(&result.carried.only_done());
                lane.pause = Some(Instant::now() + AGAIN);
                lane.turns.push_back(turn);
            }
            Tried::Away(why) => {
                self.live().waits_for.insert(backend.clone(), why);
                lane.pause = Some(Instant::now() + AGAIN);
                lane.turns.push_back(turn);
                self.follow(&backend, lanes).await?;
            }
            // That says nothing about the server.
            Tried::Moved(result) => {
                turn.before.add(&result.carried.only_done());
                turn.person.home = turn.person.home_now(&self.parts.router);
                self.place(lanes, turn).await?;
            }
            Tried::Stopped(result) => {
                turn.before.add(&result.carried.only_done());
                self.keep(&turn).await?;
            }
        }
        let lane = lanes.get(&backend);
        if lane.is_none_or(|lane| lane.working == 0 && lane.turns.is_empty()) {
            self.live().waits_for.remove(&backend);
        }
        Ok(())
    }

    /// Who has moved meanwhile waits no more for a server that is not his.
    async fn follow(&self, from: &BackendId, lanes: &mut Lanes) -> Result<(), SpoolError> {
        let Some(lane) = lanes.get_mut(from) else {
            return Ok(());
        };
        let mut waiting = std::mem::take(&mut lane.turns);
        let router = self.parts.router.clone();
        let looked = self.parts.spool.beside(move |_| {
            for turn in &mut waiting {
                turn.person.home = turn.person.home_now(&router);
            }
            Ok(waiting)
        });
        for turn in looked.await? {
            self.place(lanes, turn).await?;
        }
        Ok(())
    }

    async fn take_turn(
        &self,
        backend: BackendId,
        turn: Turn,
        not_before: Option<Instant>,
    ) -> Ended {
        if let Some(time) = not_before {
            tokio::select! {
                biased;
                () = self.stop.stopping() => {
                    return (backend, turn, Ok(Tried::Stopped(UserResult::default())));
                }
                () = tokio::time::sleep_until(time) => {}
            }
        }
        let tried = self.try_one(&backend, &turn).await;
        (backend, turn, tried)
    }

    async fn try_one(&self, backend: &BackendId, turn: &Turn) -> Result<Tried, SpoolError> {
        let person = &turn.person;
        let mut result = UserResult {
            mailbox: person.mailbox.clone(),
            backend: Some(backend.clone()),
            ..UserResult::default()
        };
        if person.home_now(&self.parts.router) != person.home {
            return Ok(Tried::Moved(result));
        }
        let (own, at) = (person.clone(), backend.clone());
        let reading = move |spool: &Spool| work(spool, &own, Some(&at));
        let mut work = self.parts.spool.beside(reading).await?;
        for key in &work.stale {
            record::drop_written(&self.parts.spool, key).await?;
        }
        for what in std::mem::take(&mut work.lost) {
            result.lose(what);
        }
        if work.is_empty() {
            return Ok(Tried::Idle(result));
        }
        let ended = self.carry((backend, turn), work, &mut result).await;
        judged(result, ended)
    }

    async fn carry(
        &self,
        (backend, turn): (&BackendId, &Turn),
        work: Work,
        result: &mut UserResult,
    ) -> Result<(), Broken> {
        let person = &turn.person;
        let (Some(carriers), Some((_, holder)), true) = (
            self.parts.carriers(),
            &person.home,
            self.parts.has_imap(backend),
        ) else {
            let mut copier = Copier {
                parts: &self.parts,
                person,
                backend,
                stop: &self.stop,
                result,
            };
            return copier.carry(work).await;
        };
        let mut mailbox = carriers.open(backend, holder).await?;
        self.live().waits_for.remove(backend);
        let mut carrier = Carrier {
            parts: &self.parts,
            person,
            backend,
            stop: &self.stop,
            so_far: SoFar {
                run: &self.run,
                before: turn.before,
                kept: 0,
            },
            result,
        };
        let ended = carrier.carry(mailbox.as_mut(), work).await;
        if ended.is_ok() {
            mailbox.close().await;
        }
        ended
    }

    /// Writes down what was done for somebody who has not come to his end.
    async fn keep(&self, turn: &Turn) -> Result<(), SpoolError> {
        if turn.before.done() == 0 {
            return Ok(());
        }
        let result = UserResult {
            mailbox: turn.person.mailbox.clone(),
            backend: turn.person.backend().cloned(),
            carried: turn.before,
            partial: true,
            ..UserResult::default()
        };
        record::put_result(&self.parts.spool, &self.run, &result).await
    }

    /// Writes down what came of a user's work.
    async fn end(&self, result: UserResult) -> Result<(), SpoolError> {
        if result.carried.is_nothing() && result.failed.is_none() {
            return Ok(());
        }
        record::put_result(&self.parts.spool, &self.run, &result).await
    }

    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn has_work(spool: &Spool, person: &Person) -> Result<bool, SpoolError> {
    let work = work(spool, person, None)?;
    Ok(!work.is_empty() || !work.lost.is_empty())
}

fn judged(result: UserResult, ended: Result<(), Broken>) -> Result<Tried, SpoolError> {
    match ended {
        Ok(()) => Ok(Tried::Done(result)),
        Err(Broken::Stopped) => Ok(Tried::Stopped(result)),
        Err(Broken::Moved) => Ok(Tried::Moved(result)),
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
