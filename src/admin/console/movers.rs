//! Waves, replays and drills: what is planned, what goes on, what came of it. They are begun by
//! their verbs; the pages say which.

use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::Console;
use super::asker::{Asker, Sent};
use super::fault::Fault;
use super::live::{Deed, of_replay, of_wave};
use super::moments::{Moments, When};
use super::shell::{Here, Shell, show};
use super::verdict::Tone;
use crate::admin::{DrillView, Role, WaveView};
use crate::drill::Light;
use crate::frame::see_other;
use crate::queue::replay::Progress;
use crate::terminal::{duration, visible};

/// Waves and replays that are shown, the latest first.
const SHOWN: usize = 100;

#[derive(Template)]
#[template(path = "console/waves.html")]
struct MoversPage {
    shell: Shell,
    parts: Vec<Part>,
}

/// All of a kind.
struct Part {
    name: &'static str,
    all: Vec<One>,
}

/// A wave or a replay, with its life.
struct One {
    deed: Deed,
    /// The rest of it, name and value.
    facts: Vec<(&'static str, String)>,
    steps: Vec<(When, String)>,
    commands: Vec<String>,
}

pub(super) async fn waves(State(console): State<Console>, asker: Asker) -> Result<Response, Fault> {
    let ask = console.ask(&asker);
    let waves: Vec<WaveView> = ask.get("/api/waves").await?;
    let replays: Vec<Progress> = ask.get("/api/replays").await?;
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
        deed: of_wave(view, moments),
        facts,
        steps: steps
            .map(|one| {
                let told = step(&one.actor, (one.state.as_str(), &one.reason));
                (moments.when(one.at), told)
            })
            .collect(),
        commands: vec![
            format!("tideover wave status {}", wave.id),
            format!("tideover wave revert {}", wave.id),
        ],
    }
}

fn replay(one: &Progress, moments: &Moments) -> One {
    let (replay, counts) = (&one.replay, &one.replay.counts);
    let mut facts = vec![
        ("Which mail", visible(&replay.selection.told())),
        ("Planned", format!("{} recipients", replay.plan.recipients)),
        ("Delivered", counts.delivered.to_string()),
    ];
    for (name, count) in [
        ("Perhaps twice", counts.uncertain),
        ("Refused", counts.refused),
        ("Left out", counts.left_out),
        ("There already", counts.present),
        ("Not asked", counts.not_asked),
    ] {
        facts.extend((count > 0).then(|| (name, count.to_string())));
    }
    let refusals = counts.refusals.iter();
    facts.extend(refusals.map(|one| ("Refused with", visible(&one.reply))));
    let deeds = replay.deeds.iter();
    let id = &replay.id;
    One {
        deed: of_replay(one, moments),
        facts,
        steps: deeds
            .map(|deed| {
                let told = step(&deed.actor, (deed.state.word(), &deed.reason));
                (moments.when(deed.at), told)
            })
            .collect(),
        commands: ["status", "pause", "resume", "stop"]
            .map(|verb| format!("tideover replay {verb} {id}"))
            .to_vec(),
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
            reason: visible(&leg.state.reason),
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
