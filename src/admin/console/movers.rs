//! Waves, replays and drills: what is planned, what goes on, what came of it. Waves are begun by
//! their verbs, where their files are; the page says which.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::Console;
use super::ask::escaped;
use super::asker::{Asker, Sent};
use super::fault::Fault;
use super::live::{Deed, of_replay, of_wave};
use super::moments::{Moments, When, grouped, many, takes};
use super::shell::{Here, Shell, show};
use super::verdict::Tone;
use crate::admin::{BackendView, DrillView, Role, WaveView};
use crate::directory::WaveState;
use crate::drill::Light;
use crate::frame::see_other;
use crate::queue::replay::{Progress, Replay, ReplayState};
use crate::terminal::{bytes, duration, visible};

/// Waves and replays that are shown, the latest first.
const SHOWN: usize = 100;

#[derive(Template)]
#[template(path = "console/waves.html")]
struct MoversPage {
    shell: Shell,
    parts: Vec<Part>,
    may_act: bool,
    /// Where a replay may go, for who may plan one.
    homes: Vec<String>,
}

/// All of a kind.
struct Part {
    name: &'static str,
    all: Vec<One>,
}

/// A wave or a replay, with its life.
struct One {
    /// Where the page has it.
    anchor: String,
    deed: Deed,
    /// The rest of it, name and value.
    facts: Vec<(&'static str, String)>,
    steps: Vec<(When, String)>,
    commands: Vec<String>,
    acts: Vec<Act>,
    /// Nobody has decided yet: its numbers are shown at once.
    is_open: bool,
}

/// Something that can be done with it now.
struct Act {
    path: String,
    name: &'static str,
    meaning: &'static str,
}

pub(super) async fn waves(State(console): State<Console>, asker: Asker) -> Result<Response, Fault> {
    let ask = console.ask(&asker);
    let waves: Vec<WaveView> = ask.get("/api/waves").await?;
    let replays: Vec<Progress> = ask.get("/api/replays").await?;
    let may_act = asker.may(Role::Operator);
    let homes: Vec<BackendView> = if may_act {
        ask.get("/api/backends").await?
    } else {
        Vec::new()
    };
    let moments = console.moments();
    let waves = waves.iter().rev().take(SHOWN);
    let replays = replays.iter().rev().take(SHOWN);
    show(&MoversPage {
        shell: console.shell(&asker, Here::Movers, "Waves and replays"),
        parts: vec![
            Part {
                name: "Waves",
                all: waves.map(|view| wave(view, &moments)).collect(),
            },
            Part {
                name: "Replays",
                all: replays.map(|one| replay(one, &moments)).collect(),
            },
        ],
        may_act,
        homes: homes.iter().map(|home| home.name.to_string()).collect(),
    })
}

fn step(who: &str, (what, why): (&str, &str)) -> String {
    let because = if why.is_empty() {
        String::new()
    } else {
        format!(": {why}")
    };
    visible(&format!("{what} by {who}{because}"))
}

fn wave(view: &WaveView, moments: &Moments) -> One {
    let wave = &view.wave;
    let steps = wave.steps.iter();
    let mut facts = vec![("Locked file, SHA-256", wave.hash.clone())];
    facts.extend(
        wave.generation
            .map(|number| ("Generation", number.to_string())),
    );
    facts.extend(
        wave.reverted_by
            .map(|number| ("Taken back by", number.to_string())),
    );
    One {
        anchor: wave.id.clone(),
        deed: of_wave(view, moments),
        facts,
        steps: steps
            .map(|one| {
                let told = step(&one.actor, (one.state.as_str(), &one.reason));
                (moments.when(one.at), told)
            })
            .collect(),
        commands: wave_verbs(wave.state)
            .iter()
            .map(|verb| format!("tideover wave {verb} {}", wave.id))
            .collect(),
        acts: Vec::new(),
        is_open: false,
    }
}

fn replay(one: &Progress, moments: &Moments) -> One {
    let (replay, counts) = (&one.replay, &one.replay.counts);
    let mut facts = vec![
        (
            "Which mail",
            visible(&moments.readable(&replay.selection.told())),
        ),
        ("Planned", planned(replay)),
        ("Delivered", grouped(counts.delivered)),
    ];
    for (name, count) in [
        ("Perhaps twice", counts.uncertain),
        ("Refused", counts.refused),
        ("Left out", counts.left_out),
        ("There already", counts.present),
        ("Not asked", counts.not_asked),
    ] {
        facts.extend((count > 0).then(|| (name, grouped(count))));
    }
    let skipped = replay.plan.skipped.iter();
    facts.extend(skipped.map(|one| {
        let told = format!("{}: {}", many(one.recipients, "recipient"), one.text);
        ("Not planned", visible(&told))
    }));
    let refusals = counts.refusals.iter();
    facts.extend(refusals.map(|one| ("Refused with", visible(&one.reply))));
    let deeds = replay.deeds.iter();
    let id = &replay.id;
    One {
        anchor: id.clone(),
        deed: of_replay(one, moments),
        facts,
        steps: deeds
            .map(|deed| {
                let told = step(&deed.actor, (deed.state.word(), &deed.reason));
                (moments.when(deed.at), told)
            })
            .collect(),
        commands: replay_verbs(replay)
            .iter()
            .map(|verb| format!("tideover replay {verb} {id}"))
            .collect(),
        acts: acts(replay),
        is_open: replay.state == ReplayState::Planned,
    }
}

/// What it would bring, in numbers.
fn planned(replay: &Replay) -> String {
    let plan = &replay.plan;
    format!(
        "{} of {}, {}; takes {} at least",
        many(plan.recipients, "recipient"),
        many(plan.messages, "message"),
        bytes(plan.bytes),
        takes(plan.eta_seconds)
    )
}

/// The verbs that its state allows.
const fn wave_verbs(state: WaveState) -> &'static [&'static str] {
    match state {
        WaveState::Planned | WaveState::Refused | WaveState::Scheduled | WaveState::Started => {
            &["status", "revert"]
        }
        WaveState::Starting | WaveState::Reverting | WaveState::Reverted => &["status"],
    }
}

/// The verbs that its state allows. A plan that would bring nothing is not worth a start.
const fn replay_verbs(replay: &Replay) -> &'static [&'static str] {
    match (replay.state, replay.plan.recipients) {
        (ReplayState::Planned, 0) => &["status", "stop"],
        (ReplayState::Planned, _) => &["status", "start", "stop"],
        (ReplayState::Running, _) => &["status", "pause", "stop"],
        (ReplayState::Paused, _) => &["status", "resume", "stop"],
        (ReplayState::Done | ReplayState::Stopped, _) => &["status"],
    }
}

/// What its state allows.
fn acts(replay: &Replay) -> Vec<Act> {
    let act = |word: &str, name, meaning| Act {
        path: format!("/replays/{}/{word}", escaped(&replay.id)),
        name,
        meaning,
    };
    let stop = || act("stop", "Stop", "It ends; what was brought stays there.");
    match replay.state {
        ReplayState::Planned if replay.plan.recipients == 0 => {
            let meaning = "It would bring nothing. Stopped, it is no open plan any more.";
            vec![act("stop", "Stop", meaning)]
        }
        ReplayState::Planned => vec![act(
            "start",
            "Start",
            "What is planned above is brought, as fast as the backend can stand it.",
        )],
        ReplayState::Running => vec![
            act("pause", "Pause", "It waits until somebody resumes it."),
            stop(),
        ],
        ReplayState::Paused => vec![act("resume", "Resume", "It goes on where it was."), stop()],
        ReplayState::Done | ReplayState::Stopped => Vec::new(),
    }
}

#[derive(Template)]
#[template(path = "console/drills.html")]
struct DrillsPage {
    shell: Shell,
    configured: bool,
    every: String,
    deadline: String,
    legs: Vec<Leg>,
    may_run: bool,
}

/// A way that probes go.
struct Leg {
    name: String,
    way: String,
    tone: &'static str,
    light: &'static str,
    since: Option<When>,
    reason: String,
    facts: Vec<(&'static str, String)>,
}

pub(super) async fn drills(
    State(console): State<Console>,
    asker: Asker,
) -> Result<Response, Fault> {
    let view: DrillView = console.ask(&asker).get("/api/drill").await?;
    let moments = console.moments();
    let seconds = |count| duration(Duration::from_secs(count));
    show(&DrillsPage {
        shell: console.shell(&asker, Here::Drills, "Drills"),
        configured: view.address.is_some(),
        every: seconds(view.every_seconds),
        deadline: seconds(view.deadline_seconds),
        legs: legs(&view, &moments),
        may_run: asker.may(Role::Operator),
    })
}

fn legs(view: &DrillView, moments: &Moments) -> Vec<Leg> {
    let legs = view.legs.iter();
    legs.map(|leg| {
        let from = leg
            .from
            .as_ref()
            .map_or("the Internet", |from| from.as_str());
        let light = match leg.state.light {
            Light::Green => "green",
            Light::Red => "red",
            Light::Never => "not known yet",
        };
        let took = leg.state.latency_ms.map(Duration::from_millis);
        let known = [
            ("Sent to", Some(leg.mailbox.clone())),
            ("Took", took.map(|took| format!("{} ms", took.as_millis()))),
            ("Last probe", leg.state.at.map(|at| moments.since(at))),
            ("Under way since", leg.pending.map(|at| moments.since(at))),
            ("The first hop said", leg.reply.clone()),
            ("TLS of the first hop", leg.tls_out.clone()),
        ];
        let known = known.into_iter();
        Leg {
            name: leg.name.clone(),
            way: format!("from {from} to {}", leg.to),
            tone: Tone::from(leg.state.light).class(),
            light,
            since: leg.state.since.map(|at| moments.when(at)),
            reason: visible(&moments.readable(&leg.state.reason)),
            facts: known
                .filter_map(|(name, value)| value.map(|value| (name, visible(&value))))
                .collect(),
        }
    })
    .collect()
}

/// Probes leave now.
pub(super) async fn run(State(console): State<Console>, sent: Sent) -> Result<Response, Fault> {
    let ask = console.ask(&sent.asker);
    let reason = sent.fields.text("reason").to_owned();
    let nothing = serde_json::json!({});
    let _: DrillView = ask
        .post_because("/api/drill/run", &nothing, &reason)
        .await?;
    Ok(see_other("/drills"))
}
