//! Waves: planned, started, watched and taken back.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::extract::Query;
use super::{Admin, AdminError};
use crate::base::Timestamp;
use crate::directory::{
    Allowed, Grade, Obstacle, ObstacleKind, PlannedUser, Said, Wave, WaveFacts, WaveFile, WavePlan,
    WaveState, Waves, plan_wave, wave_keys,
};
use crate::mail::BackendId;
use crate::queue::Waits;
use crate::route::paused;
use crate::smtp::Mailbox;
use crate::spool::SpoolError;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The file of a wave, by its name; the bytes are the body of the request.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct WaveQuery {
    /// The name of the file, or `w1`.
    pub(crate) name: String,
    /// The new home.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<BackendId>,
    /// Who.
    #[serde(default)]
    pub(crate) actor: String,
    /// Why; may be empty.
    #[serde(default)]
    pub(crate) reason: String,
    /// When it starts by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) at: Option<Timestamp>,
    /// Also with what only should not be.
    #[serde(default)]
    pub(crate) force: bool,
    /// Without those who cannot move.
    #[serde(default)]
    pub(crate) skip_blocked: bool,
    /// Though a drill is not green.
    #[serde(default)]
    pub(crate) despite_drill: bool,
}

/// What a wave would do, or was started with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WavePlanView {
    /// The wave.
    pub wave: Wave,
    /// May it start as it was asked for?
    pub permitted: bool,
    /// Why not.
    pub refusals: Vec<String>,
    /// Users who move.
    pub moves: u64,
    /// Each user, and what stands in the way.
    #[serde(flatten)]
    pub plan: WavePlan,
}

/// A line of `wave status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaveView {
    /// The wave.
    #[serde(flatten)]
    pub wave: Wave,
    /// Users whose home it is now.
    pub there: u64,
    /// Recipients of them that wait.
    pub waiting: u64,
    /// Of those, the ones that wait for another home still: on their way.
    pub following: u64,
}

/// A user of a wave, as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaveUserView {
    /// What was planned.
    #[serde(flatten)]
    pub planned: PlannedUser,
    /// The home now.
    pub home: Option<BackendId>,
    /// `planned`, `moved`, `left-out`, `already-there`, `back`, `elsewhere`.
    pub state: String,
    /// What waits, and what was delivered since the start.
    pub mail: Waits,
}

/// `wave status FILE`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WaveDetails {
    /// As in the list.
    #[serde(flatten)]
    pub view: WaveView,
    /// The file that was sent is another one than the locked one.
    pub file_changed: bool,
    /// Each user.
    pub people: Vec<WaveUserView>,
}

type Us = State<Arc<Admin>>;
type Answer<T> = Result<Json<T>, AdminError>;

impl WaveQuery {
    fn said(&self) -> Said {
        Said {
            actor: self.actor.clone(),
            reason: self.reason.clone(),
        }
    }

    const fn allowed(&self) -> Allowed {
        Allowed {
            force: self.force,
            skip_blocked: self.skip_blocked,
            despite_drill: self.despite_drill,
        }
    }

    fn to(&self) -> Result<&BackendId, AdminError> {
        self.to.as_ref().ok_or_else(|| AdminError::Asked {
            what: "a wave has a new home".to_owned(),
            hint: "name it with --to",
        })
    }
}

pub(super) async fn list(State(admin): Us) -> Answer<Vec<WaveView>> {
    admin.blocking(Admin::wave_views).await.map(Json)
}

pub(super) async fn plan(
    State(admin): Us,
    Query(query): Query<WaveQuery>,
    body: Bytes,
) -> Answer<WavePlanView> {
    let file = WaveFile::parse(&body)?;
    let locked = (body, &file);
    let to = query.to()?.clone();
    admin.known_home(&to)?;
    let waves = &admin.waves;
    let wave = waves.lock((&query.name, &to), locked, query.said()).await?;
    let planned = admin.plan_of(&wave.to, file).await?;
    Ok(Json(shown(wave, planned, Allowed::default())))
}

pub(super) async fn start(
    State(admin): Us,
    Query(query): Query<WaveQuery>,
    body: Bytes,
) -> Answer<WavePlanView> {
    let (to, allowed) = (query.to()?.clone(), query.allowed());
    admin.known_home(&to)?;
    let now = admin.clock.now();
    if let Some(at) = query.at.filter(|at| *at <= now) {
        return Err(AdminError::Asked {
            what: format!("{at} is past"),
            hint: "without --at it starts now",
        });
    }
    let file = WaveFile::parse(&body)?;
    let waves = &admin.waves;
    let known = waves.find(&query.name, Some(&to)).ok();
    let begun = |wave: &Wave| matches!(wave.state, WaveState::Started | WaveState::Reverted);
    let wave = match known.filter(|wave| !begun(wave) || wave.hash == file.hash) {
        Some(wave) if wave.state != WaveState::Reverted => {
            Waves::check(&wave, &body)?;
            wave
        }
        // Nobody looked at a plan: it is made and judged now.
        _ => {
            let locked = (body, &file);
            waves.lock((&query.name, &to), locked, query.said()).await?
        }
    };
    waves.expect_startable(&wave)?;
    let planned = admin.plan_of(&wave.to, file).await?;
    let refusals = planned.refusals(allowed);
    if !refusals.is_empty() {
        return Err(refused(&wave, &refusals));
    }
    let mut said = query.said();
    if allowed.despite_drill {
        said.reason = admin.overlooking_drills(said.reason);
    }
    let wave = if let Some(at) = query.at {
        waves.schedule(wave, (at, allowed), said).await?
    } else {
        let with = (&planned, allowed);
        let started = waves.start(wave, with, said).await?;
        // Whoever waits has another home now.
        admin.queue.look_anew();
        started
    };
    Ok(Json(shown(wave, planned, allowed)))
}

pub(super) async fn status(
    State(admin): Us,
    Query(query): Query<WaveQuery>,
    body: Bytes,
) -> Answer<WaveDetails> {
    let found = admin.blocking(move |admin| {
        let wave = admin.waves.find(&query.name, query.to.as_ref())?;
        admin.wave_details(wave, &body)
    });
    found.await.map(Json)
}

pub(super) async fn revert(
    State(admin): Us,
    Query(query): Query<WaveQuery>,
    body: Bytes,
) -> Answer<WaveDetails> {
    let wave = admin.waves.find_to_revert(&query.name, query.to.as_ref())?;
    let wave = admin.waves.revert(wave, query.said()).await?;
    admin.queue.look_anew();
    let found = admin.blocking(move |admin| admin.wave_details(wave, &body));
    found.await.map(Json)
}

fn refused(wave: &Wave, refusals: &[String]) -> AdminError {
    AdminError::Asked {
        what: format!("{} does not start: {}", wave.name, refusals.join("; ")),
        hint: "nothing has changed; `wave plan` shows each user",
    }
}

fn shown(wave: Wave, plan: WavePlan, allowed: Allowed) -> WavePlanView {
    let refusals = plan.refusals(allowed);
    WavePlanView {
        wave,
        permitted: refusals.is_empty(),
        refusals,
        moves: plan.movers().count() as u64,
        plan,
    }
}

impl Admin {
    pub(super) fn known_home(&self, to: &BackendId) -> Result<(), AdminError> {
        self.refuse_unknown(Some(to.as_str()), &self.router.board().snapshot())
    }

    /// Plans a wave against the present directory, holds and backlog.
    pub(super) async fn plan_of(
        &self,
        to: &BackendId,
        file: WaveFile,
    ) -> Result<WavePlan, AdminError> {
        let to = to.clone();
        self.blocking(move |admin| {
            let directory = admin.directory.current();
            let mut facts = WaveFacts {
                obstacles: admin.wave_obstacles(&to),
                ..WaveFacts::default()
            };
            for (key, address) in wave_keys(&directory, &file) {
                let waits = admin.waits_of(&address, None)?;
                if waits.waiting > 0 {
                    facts.waiting.insert(key.clone(), waits.waiting);
                }
                let route = admin.router.route(&address, admin.clock.now());
                if let Some(reason) = route.withheld {
                    facts.held.insert(key, reason.to_string());
                }
            }
            Ok(plan_wave(&directory, &file, &to, &facts))
        })
        .await
    }

    /// What waits for a user, also under addresses that were his own before.
    fn waits_of(&self, user: &Mailbox, since: Option<Timestamp>) -> Result<Waits, SpoolError> {
        let mut waits = Waits::default();
        for key in self.directory.current().keys_of(user) {
            waits.add(self.queue.waits_of(&key, since)?);
        }
        Ok(waits)
    }

    /// What stands in the way of a wave as a whole.
    fn wave_obstacles(&self, to: &BackendId) -> Vec<Obstacle> {
        let mut found = Vec::new();
        match self.router.board().health(to) {
            None => {
                let text = format!("the config has no backend {to}");
                found.push(Obstacle::new(ObstacleKind::Target, Grade::Blocks, text));
            }
            Some(health) => {
                let text = paused(&health).map(|why| format!("{why}; its mail would wait here"));
                let target = |text| Obstacle::new(ObstacleKind::Target, Grade::Warns, text);
                found.extend(text.map(target));
            }
        }
        found.extend(self.drill_obstacles());
        found
    }

    /// Waves that somebody should think of: those that will start, could not, or started in the
    /// last day.
    pub(super) fn recent_waves(&self) -> Result<Vec<WaveView>, AdminError> {
        // Nothing is known of them before the index is whole.
        if self.spool.rebuilding().is_some() {
            return Ok(Vec::new());
        }
        let now = self.clock.now();
        let concerns = |wave: &Wave| match wave.state {
            WaveState::Scheduled | WaveState::Starting | WaveState::Reverting => true,
            WaveState::Started | WaveState::Refused => is_recent(wave, now),
            WaveState::Planned | WaveState::Reverted => false,
        };
        let waves = self.waves.list()?.into_iter().filter(concerns);
        // Not each user's mailbox: `status` is asked often, and there may be thousands.
        waves
            .map(|wave| self.wave_view(wave, Telling::Homes))
            .collect()
    }

    fn wave_view(&self, wave: Wave, telling: Telling) -> Result<WaveView, AdminError> {
        let people = self.wave_people(&wave, telling)?;
        Ok(view(wave, &people))
    }

    /// All waves, the first one first; what waits of those on which something happened lately.
    pub(super) fn wave_views(&self) -> Result<Vec<WaveView>, AdminError> {
        let now = self.clock.now();
        let waves = self.waves.list()?.into_iter();
        let view = |wave: Wave| {
            let telling = if is_recent(&wave, now) {
                Telling::Waiting
            } else {
                Telling::Homes
            };
            self.wave_view(wave, telling)
        };
        waves.map(view).collect()
    }

    fn wave_details(&self, wave: Wave, sent: &[u8]) -> Result<WaveDetails, AdminError> {
        let file_changed = !sent.is_empty() && Waves::check(&wave, sent).is_err();
        let people = self.wave_people(&wave, Telling::Deliveries)?;
        Ok(WaveDetails {
            view: view(wave, &people),
            file_changed,
            people,
        })
    }

    /// The users of a wave as they are now.
    fn wave_people(&self, wave: &Wave, telling: Telling) -> Result<Vec<WaveUserView>, AdminError> {
        let directory = self.directory.current();
        let mut planned = self.waves.report(wave)?;
        if planned.is_empty() || wave.started.is_none() {
            let file = self.waves.file(wave)?;
            let facts = WaveFacts::default();
            planned = plan_wave(&directory, &file, &wave.to, &facts).users;
        }
        let since = wave.started.filter(|_| telling == Telling::Deliveries);
        let people = planned.into_iter().map(|planned| {
            let entry = planned.entry.as_ref().and_then(|one| one.parse().ok());
            let entry = entry.and_then(|address| directory.find(&address));
            let address = entry.as_ref().map(|(entry, _)| entry.address.clone());
            let home = entry.and_then(|(entry, _)| directory.home_of(&entry));
            let counted = planned.moves && telling != Telling::Homes;
            let mail = match address.filter(|_| counted) {
                Some(address) => self.waits_of(&address, since)?,
                None => Waits::default(),
            };
            Ok(WaveUserView {
                state: user_state(wave, &planned, home.as_ref()).to_owned(),
                planned,
                home,
                mail,
            })
        });
        people.collect()
    }
}

/// How much is told of each user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Telling {
    /// Where they live.
    Homes,
    /// Also what waits.
    Waiting,
    /// Also what was delivered since the start.
    Deliveries,
}

/// Did something happen to it in the last day?
fn is_recent(wave: &Wave, now: Timestamp) -> bool {
    let last = wave.steps.last();
    last.is_some_and(|step| now.since(step.at) < DAY)
}

fn user_state(wave: &Wave, planned: &PlannedUser, home: Option<&BackendId>) -> &'static str {
    if !planned.moves {
        return if planned.is_blocked() || planned.entry.is_none() {
            "left-out"
        } else {
            "already-there"
        };
    }
    match wave.state {
        WaveState::Planned | WaveState::Scheduled | WaveState::Refused => "planned",
        WaveState::Reverted if wave.generation.is_none() => "planned",
        WaveState::Reverted if home == planned.from.as_ref() => "back",
        WaveState::Starting | WaveState::Started | WaveState::Reverting
            if home == Some(&wave.to) =>
        {
            "moved"
        }
        WaveState::Starting | WaveState::Started | WaveState::Reverting | WaveState::Reverted => {
            "elsewhere"
        }
    }
}

fn view(wave: Wave, people: &[WaveUserView]) -> WaveView {
    let movers = people.iter().filter(|one| one.planned.moves);
    let lane = |one: &WaveUserView| one.home.as_ref().map(|home| home.as_str().to_owned());
    let following = movers
        .clone()
        .map(|one| one.mail.outside(&lane(one).unwrap_or_default()));
    WaveView {
        there: people
            .iter()
            .filter(|one| one.home.as_ref() == Some(&wave.to))
            .count() as u64,
        waiting: movers.clone().map(|one| one.mail.waiting).sum(),
        following: following.sum(),
        wave,
    }
}
