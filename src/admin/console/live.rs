//! The part of the overview that changes by itself.

use std::time::Duration;

use askama::Template;

use super::Console;
use super::asker::Asker;
use super::fault::Fault;
use super::figures::Figures;
use super::moments::{Moments, When, grouped, many, takes};
use super::refusals;
use super::verdict::{Facts, Pause, Tone, Verdict, paused};
use crate::admin::{BackendView, DrillView, HoldView, MoveView, StatusView, WaveView};
use crate::backend::{Health, Wish};
use crate::base::Timestamp;
use crate::queue::replay;
use crate::route::MoveState;
use crate::spool::Outlook;
use crate::terminal::{bytes, visible};

/// What is made for one page is good enough for others so long.
const FRESH: Duration = Duration::from_secs(4);

/// The part, as it was made last.
#[derive(Debug)]
pub(super) struct Shared {
    at: Timestamp,
    html: String,
}

#[derive(Debug, Template)]
#[template(path = "console/live.html")]
pub(super) struct Live {
    at: String,
    verdict: Verdict,
    backends: Vec<Backend>,
    numbers: Vec<Number>,
    figures: Figures,
    deeds: Vec<Deed>,
    problems: Vec<String>,
}

/// A backend in the list.
#[derive(Debug)]
pub(super) struct Backend {
    pub(super) name: String,
    pub(super) tone: Tone,
    pub(super) health: &'static str,
    pub(super) since: When,
    pub(super) reason: String,
    pub(super) said: Option<String>,
    pub(super) waiting: String,
    /// Held, because it refused them.
    pub(super) in_cases: Option<String>,
    pub(super) drain: String,
}

/// A number, and what it means.
#[derive(Debug)]
struct Number {
    name: &'static str,
    value: String,
    detail: String,
    tone: Tone,
}

/// Something that goes on: a hold, a move, a wave, a replay.
#[derive(Debug)]
pub(super) struct Deed {
    pub(super) kind: &'static str,
    pub(super) name: String,
    pub(super) what: String,
    pub(super) since: Option<When>,
    /// Done of all, for a bar.
    pub(super) progress: Option<(u64, u64)>,
}

impl Console {
    /// Everything as it is now.
    pub(super) async fn live(&self, asker: &Asker) -> Result<Live, Fault> {
        let ask = self.ask(asker);
        // One look for both: what is read twice may differ.
        let mut status: StatusView = ask.get("/api/status?health=true").await?;
        let health = status.health.take();
        let health = health.ok_or_else(|| Fault::ours(&"the state came without its health"))?;
        let drill: DrillView = ask.get("/api/drill").await?;
        let moments = self.moments();
        let facts = Facts {
            status: &status,
            health: &health,
            drill: &drill,
            moments: &moments,
        };
        let backends = status.backends.iter();
        Ok(Live {
            at: moments.exact(moments.now),
            verdict: Verdict::of(facts),
            backends: backends.map(|one| Backend::new(one, &moments)).collect(),
            numbers: numbers(&status, &drill, &moments),
            figures: self.0.samples.look(|rings| Figures::of(rings, &moments)),
            deeds: deeds(&status, &moments),
            problems: health.problems.iter().map(|one| visible(one)).collect(),
        })
    }

    /// The same as HTML, made for all who look at about the same time.
    pub(super) async fn live_html(&self, asker: &Asker) -> Result<String, Fault> {
        let mut shared = self.0.live.lock().await;
        let now = self.0.clock.now();
        if let Some(made) = shared.as_ref()
            && made.at.is_within(FRESH, now)
        {
            return Ok(made.html.clone());
        }
        let html = self.live(asker).await?.render();
        let html = html.map_err(|error| Fault::ours(&error))?;
        *shared = Some(Shared {
            at: now,
            html: html.clone(),
        });
        Ok(html)
    }
}

impl Backend {
    pub(super) fn new(backend: &BackendView, moments: &Moments) -> Self {
        let tone = match (paused(backend), backend.health) {
            (Some(Pause::Down | Pause::Rejecting | Pause::Forced | Pause::Failing), _) => {
                Tone::Trouble
            }
            (Some(Pause::Held | Pause::Drained), _)
            | (None, Health::Slow | Health::Down | Health::Rejecting) => Tone::Waiting,
            (None, Health::Up) => Tone::Good,
        };
        let said = backend.operator.as_deref();
        Self {
            name: backend.name.to_string(),
            tone,
            health: backend.health.as_str(),
            since: moments.when(backend.since),
            reason: visible(&backend.reason),
            said: said
                .filter(|_| backend.wish != Some(Wish::Resume))
                .map(visible),
            waiting: grouped(backend.waiting),
            in_cases: refusals::held(backend.in_cases),
            drain: drain(backend),
        }
    }
}

/// `120 a minute over 4 connections, done in about 12 min`.
fn drain(backend: &BackendView) -> String {
    let (drain, progress) = (&backend.drain, &backend.drain.progress);
    let paced = backend.paced().map(|left| {
        let left = takes(left.as_secs());
        format!("the rates of mailboxes hold mail back, the fullest has all in {left}")
    });
    let Some(speed) = progress.per_minute.filter(|_| backend.waiting > 0) else {
        return paced.unwrap_or_default();
    };
    let paced = paced.map_or_else(String::new, |paced| format!("; {paced}"));
    let eta = drain.eta_seconds.map_or_else(String::new, |seconds| {
        format!(", done in {}", takes(seconds))
    });
    let connections = many(progress.connections as u64, "connection");
    format!("{} a minute over {connections}{eta}{paced}", grouped(speed))
}

fn numbers(status: &StatusView, drill: &DrillView, moments: &Moments) -> Vec<Number> {
    let queue = &status.queue;
    let number = |name, value: String, detail: String, is_bad: Tone| Number {
        name,
        value,
        detail,
        tone: is_bad,
    };
    let unless = |count: u64, tone| if count == 0 { Tone::Good } else { tone };
    let oldest = queue.oldest.map(|at| moments.when(at));
    let (value, detail) = match oldest {
        Some(oldest) => (oldest.away, format!("accepted {}", oldest.text)),
        None => ("none".to_owned(), "nothing waits".to_owned()),
    };
    let (cases, refused, cases_tone) = refusals::number(&status.cases);
    let mut numbers = vec![
        number(
            "Wait for an attempt",
            grouped(queue.queued),
            "recipients".to_owned(),
            Tone::Good,
        ),
        number(
            "Held",
            grouped(queue.held),
            "recipients, of them or of their backend".to_owned(),
            unless(queue.held, Tone::Waiting),
        ),
        number("Oldest waiting", value, detail, Tone::Good),
        number("Cases", cases, refused, cases_tone),
        number(
            "Missing in mailboxes",
            grouped(status.missing_mail),
            "delivered, and not found there".to_owned(),
            unless(status.missing_mail, Tone::Trouble),
        ),
        number(
            "May have come twice",
            grouped(queue.uncertain),
            "or though given up: cut off after the final dot".to_owned(),
            unless(queue.uncertain, Tone::Waiting),
        ),
    ];
    numbers.extend(in_vain(status));
    numbers.push(disk(status));
    numbers.extend(webmail(status));
    numbers.extend(sources(status, moments));
    numbers.extend(content_filters(status));
    numbers.push(drills(drill));
    numbers
}

/// Those of the waiting whose mail is not there.
fn in_vain(status: &StatusView) -> Option<Number> {
    let missing = status.spool.missing.as_ref()?;
    missing.unreadable().map(|told| Number {
        name: "Wait in vain",
        value: grouped(missing.recipients),
        detail: format!("of those who wait, {told}"),
        tone: Tone::Trouble,
    })
}

fn disk(status: &StatusView) -> Number {
    let spool = &status.spool;
    let left = spool.outlook.as_ref().map_or_else(String::new, lasts);
    Number {
        name: "Disk",
        value: format!("{} free", bytes(spool.free_bytes)),
        detail: format!("{} used{left}", bytes(spool.bytes)),
        tone: Tone::Good,
    }
}

/// How long there is room, if nothing could be delivered.
fn lasts(outlook: &Outlook) -> String {
    match (outlook.bytes_per_day, outlook.days_in_an_outage) {
        (None, _) => "; how long it lasts can be said after an hour of traffic".to_owned(),
        (Some(_), None) => String::new(),
        (Some(_), Some(0)) => "; lasts less than a day in an outage".to_owned(),
        (Some(_), Some(3650..)) => "; lasts ten years or more in an outage".to_owned(),
        (Some(_), Some(days)) => format!("; lasts {} in an outage", many(days, "day")),
    }
}

fn webmail(status: &StatusView) -> Option<Number> {
    let enrolled = status.enrolled?;
    let open = status.webmail.as_ref().map_or_else(String::new, |view| {
        let outages = view.outages.len() as u64;
        let outage = match outages {
            0 => String::new(),
            count => format!(", {} on", many(count, "outage")),
        };
        format!("; open: {}{outage}", view.config.as_str())
    });
    Some(Number {
        name: "Webmail",
        value: format!("{} %", enrolled.percent),
        detail: format!(
            "{} of {} can log in{open}",
            enrolled.enrolled,
            many(enrolled.mailboxes as u64, "user")
        ),
        tone: Tone::Good,
    })
}

/// Content filters, when there are some.
fn content_filters(status: &StatusView) -> Option<Number> {
    let all = &status.filters;
    let names: Vec<&str> = all.iter().map(|it| it.name.as_str()).collect();
    let troubled = all.iter().filter(|it| it.problem().is_some()).count() as u64;
    (!all.is_empty()).then(|| Number {
        name: "Content filters",
        value: match troubled {
            0 => "no trouble".to_owned(),
            count => format!("{count} in trouble"),
        },
        detail: names.join(", "),
        tone: if troubled == 0 {
            Tone::Good
        } else {
            Tone::Trouble
        },
    })
}

fn sources(status: &StatusView, moments: &Moments) -> Option<Number> {
    let oldest = status.sources.iter().map(|one| one.good_at).min()?;
    let failing = status.sources.iter().filter(|one| one.error.is_some());
    let failing = failing.count() as u64;
    Some(Number {
        name: "Directory",
        value: match failing {
            0 => "in step".to_owned(),
            count => format!("{} failing", many(count, "source")),
        },
        detail: oldest.map_or_else(
            || "never synchronised".to_owned(),
            |at| format!("synchronised {}", moments.since(at)),
        ),
        tone: if failing == 0 {
            Tone::Good
        } else {
            Tone::Waiting
        },
    })
}

fn drills(drill: &DrillView) -> Number {
    let lights = drill.legs.iter().map(|leg| leg.state.light);
    let tone = lights.clone().map(Tone::from).min().unwrap_or(Tone::Good);
    let like = lights.filter(|light| Tone::from(*light) == tone).count();
    let (value, detail) = match tone {
        Tone::Trouble => (format!("{like} red"), "a probe did not come back"),
        Tone::Waiting => (format!("{like} not known"), "no probe is back yet"),
        Tone::Good if like == 0 => ("none".to_owned(), "not configured"),
        Tone::Good => ("green".to_owned(), "all probes came back"),
    };
    Number {
        name: "Drills",
        value,
        detail: detail.to_owned(),
        tone,
    }
}

/// Holds, moves, waves and replays that are not over.
fn deeds(status: &StatusView, moments: &Moments) -> Vec<Deed> {
    let holds = status.holds.iter().map(|one| of_hold(one, moments));
    let moving = status.moves.iter();
    let moving = moving.filter(|one| one.state == MoveState::Moving);
    let moving = moving.map(|one| of_move(one, moments));
    let waves = status.waves.iter().map(|one| of_wave(one, moments));
    let replays = status.replays.iter().map(|one| of_replay(one, moments));
    holds.chain(moving).chain(waves).chain(replays).collect()
}

fn of_hold(hold: &HoldView, moments: &Moments) -> Deed {
    let ends = hold.until.map_or_else(String::new, |until| {
        format!("; ends {}", moments.clock(until))
    });
    Deed {
        kind: "Hold",
        name: hold.name.clone(),
        what: visible(&format!(
            "{}: {}, by {}; {} held{ends}",
            hold.what,
            hold.reason,
            hold.actor,
            many(hold.held, "recipient"),
        )),
        since: Some(moments.when(hold.since)),
        progress: None,
    }
}

fn of_move(one: &MoveView, moments: &Moments) -> Deed {
    let because = match one.reason.as_str() {
        "" => String::new(),
        reason => format!(": {reason}"),
    };
    Deed {
        kind: "Move",
        name: one.domain.clone(),
        what: visible(&format!(
            "{} held, by {}{because}",
            many(one.held, "recipient"),
            one.actor
        )),
        since: Some(moments.when(one.since)),
        progress: None,
    }
}

pub(super) fn of_wave(view: &WaveView, moments: &Moments) -> Deed {
    let wave = &view.wave;
    let start = wave
        .start_at
        .map_or_else(String::new, |at| format!(", starts {}", moments.clock(at)));
    Deed {
        kind: "Wave",
        name: format!("{} ({})", wave.id, visible(&wave.name)),
        what: format!(
            "{} to {}: {}{start}; {} of {} are there, {} on the way",
            many(wave.users, "user"),
            wave.to,
            wave.state,
            view.there,
            wave.users,
            many(view.following, "recipient")
        ),
        since: wave.started.map(|at| moments.when(at)),
        progress: Some((view.there, wave.users)),
    }
}

pub(super) fn of_replay(one: &replay::Progress, moments: &Moments) -> Deed {
    let (replay, counts) = (&one.replay, &one.replay.counts);
    // As in `status`: whoever has it already is done with, too.
    let done = counts.ended();
    let total = grouped(one.total);
    let is_over = matches!(
        replay.state,
        replay::ReplayState::Done | replay::ReplayState::Stopped
    );
    let came = if is_over {
        format!("{} of {total}", counts.told(grouped))
    } else if counts.delivered == done {
        format!("{} of {total} done", grouped(done))
    } else {
        let told = counts.told(grouped);
        format!("{} of {total} done ({told})", grouped(done))
    };
    // The bar of what is over is as long as what is there.
    let full = if is_over {
        counts.delivered + counts.present
    } else {
        done
    };
    // Who has nothing to bring waits for nothing.
    let eta = one.eta_seconds.filter(|_| one.total > 0);
    let eta = eta.map_or_else(String::new, |seconds| {
        format!(", done in {}", takes(seconds))
    });
    let waits = one.waits_for.as_deref().filter(|_| one.total > 0);
    let waits = waits.map_or_else(String::new, |waits| format!("; waits for {waits}"));
    Deed {
        kind: "Replay",
        name: replay.id.clone(),
        what: visible(&format!(
            "to {}, {}: {came}{eta}{waits}",
            replay.to, one.told
        )),
        since: replay.started().map(|at| moments.when(at)),
        progress: (one.total > 0).then(|| (full.min(one.total), one.total)),
    }
}
