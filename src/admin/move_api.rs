//! Domains on the move between two platforms.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::extract::{Body, Path};
use super::noted::{Note, Noted};
use super::{Admin, AdminError};
use crate::base::Timestamp;
use crate::directory::{Entry, FoundBy};
use crate::mail::BackendId;
use crate::queue::HeldCount;
use crate::route::{
    Check, Force, HoldBook, HomesSince, Move, MoveFacts, MoveHome, MoveState, MoveStep, StepError,
    StepWish, Weight, overtaken, paused, permits, unmet,
};
use crate::smtp::Domain;

/// A step that somebody wants to take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct MoveQuery {
    /// Which.
    pub(crate) step: MoveStep,
    /// Who.
    pub(crate) actor: String,
    /// Why; may be empty.
    #[serde(default)]
    pub(crate) reason: String,
    /// With `finish`: the domain's home from now on.
    #[serde(default)]
    pub(crate) home: Option<BackendId>,
    /// Also when a check fails that only should not.
    #[serde(default)]
    pub(crate) force: Force,
    /// With `force`: what has been seen to fail. The step is refused when anything else fails now;
    /// without it, it is forced whatever fails.
    #[serde(default)]
    pub(crate) seen: Option<Vec<String>>,
    /// Only look.
    #[serde(default)]
    pub(crate) dry_run: bool,
}

impl MoveQuery {
    /// Is it forced over nothing that its actor does not know?
    fn has_seen(&self, checks: &[Check]) -> bool {
        let Some(seen) = &self.seen else { return true };
        let known = |what: &&str| seen.iter().any(|one| one == what);
        unmet(checks).iter().all(known)
    }

    /// What keeps the step from being taken.
    fn stopped_by(&self, checks: &[Check]) -> String {
        let is_overruled = |check: &Check| {
            let seen = self.seen.as_ref();
            let is_known = seen.is_none_or(|seen| seen.contains(&check.what));
            self.force == Force::Yes && check.weight == Weight::Should && is_known
        };
        let stops = checks.iter().filter(|check| {
            let may_stop = !check.ok && check.weight != Weight::Note;
            may_stop && !is_overruled(check)
        });
        let stops: Vec<&str> = stops.map(|check| check.what.as_str()).collect();
        stops.join("; ")
    }
}

/// What is so before a step.
struct Looked {
    checks: Vec<Check>,
    the_move: Option<Move>,
    /// Of the domain, after the step.
    home: Option<BackendId>,
}

/// What was looked at, and whether the step was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MoveReport {
    /// The domain.
    pub domain: String,
    /// The step.
    pub step: MoveStep,
    /// Was it taken?
    pub done: bool,
    /// May it be?
    pub permitted: bool,
    /// What was looked at.
    pub checks: Vec<Check>,
    /// Where the move stands now; none if there never was one.
    #[serde(rename = "move")]
    pub the_move: Option<MoveView>,
}

/// A line of `move status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MoveView {
    /// The domain.
    pub domain: String,
    /// Where it stands.
    pub state: MoveState,
    /// Since when it moves, or moved.
    pub since: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Recipients that wait for it.
    pub held: u64,
    /// Their messages.
    #[serde(default)]
    pub messages: u64,
    /// Acceptance of the oldest of their messages.
    pub oldest: Option<Timestamp>,
    /// When that one asks for an administrator's decision (`queue.attention_after`), or did.
    #[serde(default)]
    pub decide_at: Option<Timestamp>,
    /// Who said so last.
    pub actor: String,
    /// Why; may be empty.
    pub reason: String,
    /// The home of those whom the directory does not name.
    pub home: Option<BackendId>,
}

type Us = State<Arc<Admin>>;
type Answer<T> = Result<Json<T>, AdminError>;

pub(super) async fn list(State(admin): Us) -> Answer<Vec<MoveView>> {
    admin.blocking(Admin::move_views).await.map(Json)
}

pub(super) async fn step(
    State(admin): Us,
    Path(domain): Path<String>,
    Body(query): Body<MoveQuery>,
) -> Result<Noted<MoveReport>, AdminError> {
    let parsed: Domain = domain.parse().map_err(|error| AdminError::Asked {
        what: format!("\"{domain}\" is no domain: {error}"),
        hint: "expected for example example.org",
    })?;
    let domain = parsed.key();
    if let (Some(home), true) = (&query.home, query.step != MoveStep::Finish) {
        return Err(AdminError::Asked {
            what: format!("{} takes no --home {home}", query.step),
            hint: "`move finish` does",
        });
    }
    let looked = admin.looked_at(&domain, &query).await?;
    let mut checks = looked.checks.clone();
    let mut permitted = permits(&checks, query.force) && query.has_seen(&checks);
    let mut done = permitted && !query.dry_run;
    if done && !admin.take(&domain, &query, looked).await? {
        let anew = admin.looked_at(&domain, &query).await?;
        let by = anew.the_move.map(|one| one.actor);
        checks = anew.checks;
        checks.push(overtaken(by.as_deref().unwrap_or("somebody")));
        (permitted, done) = (false, false);
    }
    let views = admin.blocking(Admin::move_views).await?;
    let report = MoveReport {
        step: query.step,
        done,
        permitted,
        checks,
        the_move: views.into_iter().find(|one| one.domain == domain),
        domain,
    };
    let stopped_by = query.stopped_by(&report.checks);
    let note = if report.done {
        Note::Done
    } else if query.dry_run {
        Note::Looked
    } else {
        Note::Refused(format!("the step was not taken: {stopped_by}"))
    };
    Ok(Noted(report, note))
}

impl Admin {
    /// Looks at everything that a step depends on.
    async fn looked_at(&self, domain: &str, query: &MoveQuery) -> Result<Looked, AdminError> {
        let coverage = self.accounts.coverage().await?;
        let book = self.router.holds().book();
        let (of, wish, seen) = (domain.to_owned(), query.clone(), Arc::clone(&book));
        let looked = self.blocking(move |admin| Ok(admin.move_facts(&of, &wish, &seen)));
        let mut facts = looked.await?;
        if let Some(covered) = coverage.domains.get(domain) {
            (facts.people, facts.accounts) = (covered.mailboxes as u64, covered.enrolled as u64);
        }
        if query.step == MoveStep::BackOut {
            facts.since = self.homes_since(&facts).await?;
        }
        Ok(Looked {
            checks: facts.checks(query.step),
            the_move: book.the_move(domain).cloned(),
            home: facts.home,
        })
    }

    /// Takes a step, unless the move is another than `seen` by now.
    async fn take(
        &self,
        domain: &str,
        query: &MoveQuery,
        seen: Looked,
    ) -> Result<bool, AdminError> {
        let wish = StepWish {
            domain: domain.to_owned(),
            step: query.step,
            actor: query.actor.clone(),
            reason: query.reason.clone(),
            home: match query.step {
                MoveStep::Start => seen.home,
                MoveStep::Finish | MoveStep::BackOut => query.home.clone(),
            },
        };
        let seen = seen.the_move.as_ref();
        let (holds, now) = (self.router.holds(), self.clock.now());
        match holds.step(&self.spool, wish, seen, now).await {
            Ok(()) => {}
            Err(StepError::Overtaken) => return Ok(false),
            Err(StepError::Spool(error)) => return Err(error.into()),
        }
        // Whoever waits may have another home now.
        self.queue.look_anew();
        Ok(true)
    }

    /// Everything that the checks of a step look at.
    fn move_facts(&self, domain: &str, query: &MoveQuery, book: &HoldBook) -> MoveFacts {
        let directory = self.router.directory().current();
        let rule = directory
            .domains()
            .find(|rule| rule.name == domain)
            .cloned();
        let present = rule
            .as_ref()
            .map(|rule| book.home(domain).unwrap_or(&rule.home).clone());
        let undone = book.the_move(domain).filter(|one| one.gave_home);
        let home = match query.step {
            MoveStep::Finish => query.home.clone().or_else(|| present.clone()),
            MoveStep::BackOut => undone
                .and_then(|one| {
                    one.home_before
                        .clone()
                        .or(Some(rule.as_ref()?.home.clone()))
                })
                .or_else(|| present.clone()),
            MoveStep::Start => present.clone(),
        };
        let mut people: BTreeMap<BackendId, u64> = BTreeMap::new();
        for entry in directory.entries() {
            if entry.address.domain().key() == domain
                && let Some(own) = entry.home.or_else(|| home.clone())
            {
                *people.entry(own).or_default() += 1;
            }
        }
        if let Some(home) = &home {
            people.entry(home.clone()).or_default();
        }
        MoveFacts {
            domain: domain.to_owned(),
            known: rule.is_some(),
            state: book.the_move(domain).map(|one| one.state),
            actor: book
                .the_move(domain)
                .map_or_else(String::new, |one| one.actor.clone()),
            spool_trouble: self.spool.admission().err().map(|error| error.to_string()),
            home_changes: home != present,
            home_then: book.the_move(domain).and_then(|one| one.home_then.clone()),
            homes: people
                .into_iter()
                .map(|(backend, people)| MoveHome {
                    known: self.router.board().health(&backend).is_some(),
                    trouble: self.trouble_of(&backend),
                    backend,
                    people,
                })
                .collect(),
            home,
            webmail: self.webmail,
            ..MoveFacts::default()
        }
    }

    /// Whom the directory gives another home than when the move began.
    async fn homes_since(&self, facts: &MoveFacts) -> Result<HomesSince, AdminError> {
        let book = self.router.holds().book();
        let Some(begun) = book.the_move(&facts.domain).map(|one| one.since) else {
            return Ok(HomesSince::Same);
        };
        if self.directory.current().number() == 0 {
            return Ok(HomesSince::Same);
        }
        let (generation, before) = match self.directory.as_of(begun).await {
            Ok(found) => found,
            Err(error) => return Ok(HomesSince::Unknown(error.to_string())),
        };
        let (domain, home) = (facts.domain.clone(), facts.home.clone());
        self.blocking(move |admin| {
            let directory = admin.router.directory().current();
            let home_of = |entry: Entry| entry.home.or_else(|| home.clone());
            let of_domain = |entry: &Entry| entry.address.domain().key() == domain;
            let (mut people, mut gone) = (0, 0);
            for then in before.entries().filter(of_domain) {
                match directory.find(&then.address) {
                    Some((now, FoundBy::Address)) => {
                        people += u64::from(home_of(now) != home_of(then));
                    }
                    Some((_, FoundBy::Tag | FoundBy::X500)) | None => gone += 1,
                }
            }
            let then = generation.number;
            Ok(match (people, gone) {
                (0, 0) => HomesSince::Same,
                _ => HomesSince::Changed { people, gone, then },
            })
        })
        .await
    }

    /// Why a backend takes no mail, if it takes none.
    fn trouble_of(&self, backend: &BackendId) -> Option<String> {
        paused(&self.router.board().health(backend)?)
    }

    /// Are all our domains on the move?
    pub(super) fn is_all_moving(&self) -> bool {
        let directory = self.router.directory().current();
        let names = directory.domains().map(|rule| rule.name.as_str());
        self.router.holds().book().are_all_moving(names)
    }

    /// All moves, by domain.
    pub(super) fn move_views(&self) -> Result<Vec<MoveView>, AdminError> {
        let book = self.router.holds().book();
        let counts = self.held_counts()?;
        let after = self.attention_after();
        let directory = self.router.directory().current();
        let home_of = |domain: &str| {
            let rule = directory.domains().find(|rule| rule.name == domain);
            let home = book.home(domain).or_else(|| rule.map(|rule| &rule.home));
            home.cloned()
        };
        let views = book.moves().map(|one| {
            let count: HeldCount = counts
                .get(&format!("@{}", one.domain))
                .copied()
                .unwrap_or_default();
            MoveView {
                domain: one.domain.clone(),
                state: one.state,
                since: one.since,
                ended: one.ended,
                held: count.recipients,
                messages: count.messages,
                oldest: count.oldest,
                decide_at: count.oldest.map(|oldest| oldest.after(after)),
                actor: one.actor.clone(),
                reason: one.reason.clone(),
                home: home_of(&one.domain),
            }
        });
        Ok(views.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_and_forced_is_not_what_stops_a_step() {
        let check = |what: &str, weight, ok| Check {
            what: what.to_owned(),
            ok,
            weight,
            detail: String::new(),
        };
        let checks = [
            check("it moves", Weight::Must, false),
            check("there is room", Weight::Should, false),
            check("it is up", Weight::Should, false),
            check("it is known", Weight::Must, true),
            check("all can read", Weight::Note, false),
        ];
        let stopped = |force, seen: Option<&[&str]>| {
            let query = MoveQuery {
                step: MoveStep::Finish,
                actor: "root".to_owned(),
                reason: String::new(),
                home: None,
                force,
                seen: seen.map(|seen| seen.iter().map(|&one| one.to_owned()).collect()),
                dry_run: false,
            };
            query.stopped_by(&checks)
        };
        assert_eq!(
            stopped(Force::No, None),
            "it moves; there is room; it is up"
        );
        assert_eq!(stopped(Force::Yes, None), "it moves");
        let seen: &[&str] = &["there is room"];
        assert_eq!(stopped(Force::Yes, Some(seen)), "it moves; it is up");
    }
}
