//! What somebody should know and do, one by one, in the order of urgency.

use super::ask::escaped;
use super::moments::{Moments, grouped, many};
use super::refusals;
use super::troubles;
use super::verdict::{Facts, Matter, Pause, Tone, is_damaged, is_known_whole, paused};
use crate::admin::load::todo;
use crate::admin::{BackendView, HoldView, StatusView};
use crate::directory::WaveState;
use crate::drill::Light;
use crate::queue::replay::ReplayState;
use crate::route::MoveState;
use crate::spool::WriteFailures;
use crate::terminal::visible;

/// Days of room below which somebody should look.
const SHORT: u64 = 3;
/// Holds that are told one by one.
const HOLDS: usize = 10;

/// Everything that is to be said; of the same tone, the more urgent comes first.
pub(super) fn of(facts: Facts<'_>) -> Vec<Matter> {
    let Facts {
        status, moments, ..
    } = facts;
    let mut matters = Vec::new();
    matters.extend(door(facts));
    matters.extend(busy(status, moments));
    matters.extend(open_relay(status));
    matters.extend(troubles::segments(status));
    matters.extend(damage(status));
    matters.extend(index(status));
    let backends = status.backends.iter();
    matters.extend(backends.filter_map(|backend| of_backend(backend, status, moments)));
    matters.extend(refusals::matter(status));
    matters.extend(attention(status, moments));
    matters.extend(room(status));
    matters.extend(missing(status));
    matters.extend(troubles::filters(status));
    matters.extend(troubles::certificates(status));
    matters.extend(troubles::sending(status));
    matters.extend(moves(status, moments));
    let (waiting, empty) = holds(status, moments);
    matters.extend(waiting);
    matters.extend(waves(status, moments));
    matters.extend(replays(status));
    matters.extend(sources(status, moments));
    matters.extend(drills(facts));
    matters.extend(diverted(status));
    matters.extend(enrolment(status));
    matters.extend(empty);
    matters
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "a matter has a page or none: this one has"
)]
fn link(href: &str, name: &str) -> Option<(String, String)> {
    Some((href.to_owned(), name.to_owned()))
}

/// Strangers have to come later.
fn busy(status: &StatusView, moments: &Moments) -> Option<Matter> {
    let busy = status.busy?;
    Some(Matter {
        tone: Tone::Trouble,
        what: format!(
            "Strangers who send mail are told to come later: {busy}, {}.",
            moments.since(busy.since)
        ),
        next: todo(busy.strain).to_owned(),
        command: "tideover status".to_owned(),
        page: None,
    })
}

/// The log cannot be written: nothing new can be acknowledged.
pub(super) fn failing(status: &StatusView) -> Option<&WriteFailures> {
    let failing = status.spool.write_failures.as_ref();
    failing.filter(|failures| failures.lasting)
}

/// New mail is refused, or the log cannot be written.
fn door(facts: Facts<'_>) -> Option<Matter> {
    let failing = failing(facts.status);
    if facts.health.accepting && failing.is_none() {
        return None;
    }
    let what = match (facts.health.problems.first(), failing) {
        (Some(problem), _) if !facts.health.accepting => format!("New mail is refused: {problem}."),
        (_, Some(failing)) => format!("The log cannot be written: {}.", failing.what),
        (_, None) => "New mail is refused.".to_owned(),
    };
    Some(Matter {
        tone: Tone::Trouble,
        what,
        next: "Look at the disk of data_dir first: is it full, away, or read-only? Nothing that \
               was accepted is lost, and senders try again."
            .to_owned(),
        command: "tideover size".to_owned(),
        page: None,
    })
}

/// Strangers can send through us.
fn open_relay(status: &StatusView) -> Option<Matter> {
    let problem = status.open_relay.as_ref()?.test.problem()?;
    Some(Matter {
        tone: Tone::Trouble,
        what: format!("{problem}."),
        next: "Close it before others block this server: look at listeners, trusted networks and \
               domains in the config."
            .to_owned(),
        command: "tideover check".to_owned(),
        page: None,
    })
}

/// What was found damaged, or does not add up.
fn damage(status: &StatusView) -> Option<Matter> {
    if !is_damaged(status) {
        return None;
    }
    let spool = &status.spool;
    let wrong = spool.balance.as_ref().filter(|balance| balance.wrong > 0);
    let (what, next) = match wrong {
        Some(balance) => (
            format!(
                "What came in is not what is there, in {}: {}.",
                many(balance.wrong, "place"),
                balance.named.first().map_or("see the log", String::as_str)
            ),
            "Stop the server and have the index made anew from the log.",
        ),
        None => (
            format!(
                "The spool has {} in quarantine, and {} held.",
                many(spool.quarantined, "damaged piece"),
                many(spool.damaged, "damaged message")
            ),
            "Nothing of it was deleted. Stop the server and look at what is damaged; the disk may \
             be failing.",
        ),
    };
    let command = if wrong.is_some() {
        "tideover spool rebuild"
    } else {
        "tideover spool verify"
    };
    Some(Matter {
        tone: Tone::Trouble,
        what,
        next: next.to_owned(),
        command: command.into(),
        page: None,
    })
}

fn index(status: &StatusView) -> Option<Matter> {
    let index = status.spool.index.as_ref()?;
    Some(Matter {
        tone: Tone::Waiting,
        what: format!("The index is being made from the log: {}.", index.text),
        next: "Mail is taken meanwhile. Delivery and the webmail begin when it is done: wait, and \
               do not restart."
            .to_owned(),
        command: "tideover status --watch".to_owned(),
        page: None,
    })
}

fn waits_for(backend: &BackendView, status: &StatusView) -> String {
    match backend.waiting {
        0 => "Nothing waits for it yet.".to_owned(),
        count if is_known_whole(status) => {
            format!("{} for it; nothing is lost.", wait(count))
        }
        count => format!("{} for it.", wait(count)),
    }
}

fn of_backend(backend: &BackendView, status: &StatusView, moments: &Moments) -> Option<Matter> {
    let name = &backend.name;
    let because = match backend.reason.as_str() {
        "" => String::new(),
        reason => format!(": {reason}"),
    };
    let waits = waits_for(backend, status);
    let since = moments.since(backend.since);
    let (tone, what, next, command) = match paused(backend)? {
        Pause::Down => (
            Tone::Trouble,
            format!("{name} is down since {since}{because}. {waits}"),
            format!(
                "Mend the platform, or the way to it. Its mail goes by itself when {name} answers \
                 again; a probe asks it now."
            ),
            format!("tideover backend probe {name}"),
        ),
        Pause::Rejecting => (
            Tone::Trouble,
            format!("{name} refuses known recipients since {since}{because}. {waits}"),
            "The case says what it answers. Mend that there; one message is tried now and then, \
             and the first that is taken opens it again."
                .to_owned(),
            "tideover cases".to_owned(),
        ),
        Pause::Failing => (
            Tone::Trouble,
            format!("{name} takes hardly any mail since {since}{because}. {waits}"),
            "Look at the platform: its filters, its store, its disk. What waits is tried more and \
             more seldom; as soon as it takes some, all follow. When it is mended, this tries now."
                .to_owned(),
            format!("tideover queue retry --backend {name}"),
        ),
        Pause::Forced => (
            Tone::Trouble,
            format!("{name} was forced up, and takes no mail since {since}{because}. {waits}"),
            "Its mail is tried, and comes back. Mend the platform, then take the word back."
                .to_owned(),
            format!("tideover backend resume {name}"),
        ),
        Pause::Drained => (
            Tone::Waiting,
            format!(
                "{name} is {}: what has come since waits. {waits}",
                backend.operator.as_deref().unwrap_or("drained")
            ),
            "Resume it when the work is done.".to_owned(),
            format!("tideover backend resume {name}"),
        ),
        Pause::Held => (
            Tone::Waiting,
            format!(
                "{name} is {}. {waits}",
                backend.operator.as_deref().unwrap_or("held")
            ),
            "Its mail waits on purpose. Resume it when the work is done.".to_owned(),
            format!("tideover backend resume {name}"),
        ),
    };
    Some(Matter {
        tone,
        what,
        next,
        command,
        page: Some((
            format!("/backends/{}", escaped(name.as_str())),
            format!("Look at {name}"),
        )),
    })
}

/// `412 recipients wait`.
pub(super) fn wait(count: u64) -> String {
    if count == 1 {
        "1 recipient waits".to_owned()
    } else {
        format!("{} wait", many(count, "recipient"))
    }
}

fn attention(status: &StatusView, moments: &Moments) -> Option<Matter> {
    let told = status.attention.told()?;
    let oldest = status.queue.oldest;
    let oldest = oldest.map_or_else(String::new, |oldest| {
        format!(", the oldest since {}", moments.since(oldest))
    });
    Some(Matter {
        tone: Tone::Waiting,
        what: format!("{told}{oldest}."),
        next: "Nothing expires by itself: release, retry or drop what waits.".to_owned(),
        command: "tideover queue list".to_owned(),
        page: Some((
            format!("/queue?older={}m", status.attention.after_seconds / 60),
            "Look at what waits".to_owned(),
        )),
    })
}

/// Little room is left on the disk.
fn room(status: &StatusView) -> Option<Matter> {
    let days = status.spool.outlook.as_ref()?.days_in_an_outage?;
    (days < SHORT).then(|| Matter {
        tone: if days == 0 {
            Tone::Trouble
        } else {
            Tone::Waiting
        },
        what: if days == 0 {
            "If nothing can be delivered, the disk is full within a day.".to_owned()
        } else {
            format!(
                "If nothing can be delivered, the disk is full in {}.",
                many(days, "day")
            )
        },
        next: "Make room on the disk of data_dir; when it is full new mail is refused, and \
               senders try again."
            .to_owned(),
        command: "tideover size".to_owned(),
        page: None,
    })
}

fn missing(status: &StatusView) -> Option<Matter> {
    let count = status.missing_mail;
    (count > 0).then(|| Matter {
        tone: Tone::Trouble,
        what: format!("{} delivered, and in no folder of the mailbox.", {
            if count == 1 {
                "1 message was".to_owned()
            } else {
                format!("{} were", many(count, "message"))
            }
        }),
        next: "The backend took them and does not have them. Tideover still has them: a replay of \
               what is missing brings them."
            .to_owned(),
        command: "tideover landing status".to_owned(),
        page: link("/mailboxes", "Look at what is missing"),
    })
}

/// Rules that hold mail: it waits on purpose, and somebody may have forgotten why. First those
/// because of which something waits; behind them those that hold nothing yet, and the rest.
fn holds(status: &StatusView, moments: &Moments) -> (Vec<Matter>, Vec<Matter>) {
    let mut all: Vec<&HoldView> = status.holds.iter().collect();
    all.sort_by_key(|hold| hold.held == 0);
    let others = all.split_off(all.len().min(HOLDS));
    let empty = all.split_off(all.partition_point(|hold| hold.held > 0));
    let one = |hold: &&HoldView| Matter {
        tone: Tone::Waiting,
        what: visible(&format!(
            "Hold {} holds {} since {}, by {}: {}. {} because of it.",
            hold.name,
            hold.what,
            moments.since(hold.since),
            hold.actor,
            hold.reason,
            wait(hold.held)
        )),
        next: "Its mail waits on purpose. End it when that is over.".to_owned(),
        command: format!("tideover queue release --hold {}", hold.name),
        page: link("/holds", "Look at the holds"),
    };
    let rest = (!others.is_empty()).then(|| Matter {
        tone: Tone::Waiting,
        what: format!("{} more holds are in force.", grouped(others.len() as u64)),
        next: "Their mail waits on purpose. End them when that is over.".to_owned(),
        command: "tideover queue holds".to_owned(),
        page: link("/holds", "Look at the holds"),
    });
    let waiting = all.iter().map(one).collect();
    (waiting, empty.iter().map(one).chain(rest).collect())
}

/// Domains on the move: all their mail waits.
fn moves(status: &StatusView, moments: &Moments) -> Vec<Matter> {
    let moving = status.moves.iter();
    let open = moving.filter(|one| one.state == MoveState::Moving);
    open.map(|one| Matter {
        tone: Tone::Waiting,
        what: format!(
            "{} is on the move since {}, and {}.",
            one.domain,
            moments.since(one.since),
            wait(one.held)
        ),
        next: "Finish the move, or back out of it: until then all its mail is held.".to_owned(),
        command: "tideover move status".to_owned(),
        page: link("/holds", "Look at the move"),
    })
    .collect()
}

/// Waves that could not start.
fn waves(status: &StatusView, moments: &Moments) -> Vec<Matter> {
    let refused = status.waves.iter().map(|view| &view.wave);
    let refused = refused.filter(|wave| wave.state == WaveState::Refused);
    refused
        .map(|wave| {
            let last = wave.steps.last();
            let when = last.map_or_else(String::new, |step| {
                format!(" at {}: {}", moments.clock(step.at), step.reason)
            });
            Matter {
                tone: Tone::Trouble,
                what: format!("Wave {} ({}) did not start{when}.", wave.id, wave.name),
                next: "Nobody was moved. Mend what stood in the way and start it again.".to_owned(),
                command: format!("tideover wave status {}", wave.id),
                page: link("/waves", "Look at the wave"),
            }
        })
        .collect()
}

/// Replays that somebody paused.
fn replays(status: &StatusView) -> Vec<Matter> {
    let paused = status.replays.iter().map(|one| &one.replay);
    let paused = paused.filter(|replay| replay.state == ReplayState::Paused);
    paused
        .map(|replay| Matter {
            tone: Tone::Waiting,
            what: format!("Replay {} to {} is paused.", replay.id, replay.to),
            next: "Its mail waits for somebody: resume or stop it.".to_owned(),
            command: format!("tideover replay resume {}", replay.id),
            page: link("/waves", "Look at the replay"),
        })
        .collect()
}

fn sources(status: &StatusView, moments: &Moments) -> Vec<Matter> {
    let failed = status.sources.iter();
    let failed = failed.filter_map(|source| source.error.as_ref().map(|error| (source, error)));
    failed
        .map(|(source, error)| {
            let good = source.good_at.map_or_else(
                || "It never went well".to_owned(),
                |at| format!("It went well last {}", moments.since(at)),
            );
            Matter {
                tone: Tone::Waiting,
                what: format!("The directory source {} fails: {error}.", source.source),
                next: format!("{good}; until it does, the directory stays as it was."),
                command: "tideover directory sync".to_owned(),
                page: link("/directory", "Look at the directory"),
            }
        })
        .collect()
}

fn drills(facts: Facts<'_>) -> Vec<Matter> {
    let red = facts.drill.legs.iter();
    let red = red.filter(|leg| leg.state.light == Light::Red);
    red.map(|leg| {
        let since = leg.state.since.map_or_else(String::new, |since| {
            format!(" since {}", facts.moments.since(since))
        });
        Matter {
            tone: Tone::Trouble,
            what: format!(
                "Drill {} is red{since}: {}.",
                leg.name,
                facts.moments.readable(&leg.state.reason)
            ),
            next: "A probe of this way did not come back: mail may be stuck or lost behind the \
                   platform. Waves do not start meanwhile."
                .to_owned(),
            command: "tideover drill status".to_owned(),
            page: link("/drills", "Look at the drill"),
        }
    })
    .collect()
}

/// What another backend got while its home was down, and can go home now.
fn diverted(status: &StatusView) -> Vec<Matter> {
    let away = status.backends.iter();
    let away = away.filter(|backend| backend.diverted > 0 && paused(backend).is_none());
    away.map(|backend| {
        let name = &backend.name;
        Matter {
            tone: Tone::Waiting,
            what: format!(
                "{} of {name} went to another backend while it was down.",
                many(backend.diverted, "recipient")
            ),
            next: format!("{name} takes mail again: a replay brings them home."),
            command: format!("tideover replay plan --diverted --to {name}"),
            page: None,
        }
    })
    .collect()
}

/// During an outage: who cannot read his mail.
fn enrolment(status: &StatusView) -> Option<Matter> {
    let enrolled = status.enrolled?;
    let without = enrolled.mailboxes.checked_sub(enrolled.enrolled)?;
    let is_down = |backend: &BackendView| paused(backend) == Some(Pause::Down);
    let outage = status.backends.iter().any(is_down);
    (outage && without > 0).then(|| Matter {
        tone: Tone::Waiting,
        what: format!(
            "{} of {} cannot log in to the webmail, and do not see their mail now.",
            grouped(without as u64),
            many(enrolled.mailboxes as u64, "user")
        ),
        next: "Send them a link to an address outside.".to_owned(),
        command: "tideover user invite --all-missing --mail".to_owned(),
        page: link("/users", "Look at the users"),
    })
}
