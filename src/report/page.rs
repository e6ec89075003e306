//! The report as one page of HTML: readable on a screen, printable, with nothing to be fetched.

use std::time::Duration;

use askama::Template;

use super::plot::{bars, stripe};
use super::{BackendFigures, Figures, WaitOf};
use crate::base::Timestamp;
use crate::spool::Anchor;

/// The page of a report about `site`, with the end of the ledger's chain when it was made.
///
/// # Errors
/// When the page cannot be filled in: an error of ours.
pub fn page(
    figures: &Figures,
    site: &str,
    anchor: Option<&Anchor>,
) -> Result<String, askama::Error> {
    let timeline = &figures.timeline;
    Page {
        site,
        figures,
        headline: headline(figures),
        lines: lines(figures),
        waits: waits(figures),
        arrived: bars(&timeline.arrived, ("plot arrived", "Mail that came")),
        ended: bars(&timeline.ended, ("plot ended", "Mail that came to its end")),
        waiting: bars(&timeline.waiting, ("plot waiting", "Mail that waited")),
        most_arrived: number(timeline.arrived.iter().copied().max().unwrap_or(0)),
        most_ended: number(timeline.ended.iter().copied().max().unwrap_or(0)),
        most_waiting: number(timeline.waiting.iter().copied().max().unwrap_or(0)),
        step: duration(timeline.step_seconds),
        ends: [timeline.start, timeline.end()].map(time),
        since: time(figures.since),
        until: time(figures.until),
        made: time(figures.made),
        anchor: anchor.map(ToString::to_string),
        backends: figures
            .backends
            .iter()
            .map(|one| Backend::new(one, figures))
            .collect(),
        open_more: open(figures).saturating_sub(figures.open.len() as u64),
    }
    .render()
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    site: &'a str,
    figures: &'a Figures,
    headline: String,
    lines: Vec<Line>,
    waits: Vec<Line>,
    arrived: String,
    ended: String,
    waiting: String,
    most_arrived: String,
    most_ended: String,
    most_waiting: String,
    step: String,
    ends: [String; 2],
    since: String,
    until: String,
    made: String,
    anchor: Option<String>,
    backends: Vec<Backend<'a>>,
    open_more: u64,
}

/// A number, what it counts, and what it means.
struct Line {
    value: String,
    what: &'static str,
    meaning: &'static str,
}

struct Backend<'a> {
    figures: &'a BackendFigures,
    away: String,
    stripe: String,
    outages: Vec<[String; 4]>,
    known_since: Option<String>,
}

impl WaitOf {
    fn shown(&self) -> String {
        duration(self.seconds)
    }
}

impl<'a> Backend<'a> {
    fn new(backend: &'a BackendFigures, figures: &Figures) -> Self {
        let until = figures.until.min(figures.made);
        let outages = backend.outages.iter().map(|outage| {
            let end = outage.until.unwrap_or(until);
            [
                time(outage.from),
                duration(end.since(outage.from).as_secs()),
                outage.kind.as_str().to_owned(),
                outage.reason.clone(),
            ]
        });
        Self {
            figures: backend,
            away: match backend.seconds_away {
                0 => "never".to_owned(),
                seconds => duration(seconds),
            },
            stripe: stripe(&backend.outages, &figures.timeline, until),
            outages: outages.collect(),
            known_since: backend.known_since.map(time),
        }
    }
}

/// The whole report in a sentence.
#[must_use]
pub fn headline(figures: &Figures) -> String {
    let ends = &figures.recipients;
    let lost = figures.unaccounted + figures.unreadable + figures.lost.messages;
    // Who has not counted everything cannot say that nothing is lost.
    let lost = match (lost, figures.disorder) {
        (lost, 0) => number(lost) + " lost",
        (0, _) => "how many are lost is not known".to_owned(),
        (lost, _) => format!("at least {} lost", number(lost)),
    };
    let mut text = format!(
        "{} accepted, {} delivered, {} waiting, {lost}, {} perhaps twice",
        number(ends.all),
        number(ends.delivered + ends.expanded),
        number(ends.waiting),
        number(figures.uncertain),
    );
    for (count, one, several, what) in [
        (
            figures.perhaps_there,
            "recipient",
            "recipients",
            " given up who may have it all the same",
        ),
        (
            figures.lost.pieces,
            "piece",
            "pieces",
            " of the log damaged",
        ),
        (
            figures.ledger_gaps,
            "file",
            "files",
            " of the ledger that cannot be read, whose mail is not counted",
        ),
        (
            figures.disorder,
            "place",
            "places",
            " in disorder, whose mail is perhaps not counted",
        ),
    ] {
        if count > 0 {
            let noun = if count == 1 { one } else { several };
            text.extend(["; ", &number(count), " ", noun, what]);
        }
    }
    if figures.landing.looked > 0 {
        let (found, looked) = (
            number(figures.landing.found),
            number(figures.landing.looked),
        );
        text.extend(["; ", &found, " of ", &looked, " found in the mailbox"]);
    }
    if let Some(longest) = figures.waits.longest.first() {
        text += "; what was delivered waited up to ";
        text += &duration(longest.seconds);
    }
    for backend in figures.backends.iter().filter(|one| one.seconds_away > 0) {
        let away = duration(backend.seconds_away);
        text.extend([
            "; ",
            &away,
            " of ",
            backend.name.as_str(),
            " downtime covered",
        ]);
    }
    text + "."
}

/// Recipients who have not got it.
const fn open(figures: &Figures) -> u64 {
    let ends = &figures.recipients;
    ends.waiting + ends.bounced + ends.dropped
}

fn line(value: u64, what: &'static str, meaning: &'static str) -> Line {
    Line {
        value: number(value),
        what,
        meaning,
    }
}

fn lines(figures: &Figures) -> Vec<Line> {
    let ends = &figures.recipients;
    let mut lines = vec![
        line(
            figures.messages,
            "messages",
            "answered with 250 or made here, and kept",
        ),
        line(
            ends.all,
            "recipients",
            "of these messages; what follows counts them",
        ),
        line(
            ends.delivered,
            "delivered",
            "the next hop has said that it has it",
        ),
        line(
            ends.expanded,
            "groups",
            "expanded while their home was down; their people count with their own message",
        ),
        line(ends.waiting, "waiting", "kept here, and delivered later"),
        line(ends.bounced, "refused", "for good; the reasons are below"),
        line(
            ends.dropped,
            "taken out",
            "by an administrator, with his name",
        ),
        line(
            figures.unaccounted,
            "unaccounted for",
            "of whom nobody knows what became",
        ),
        line(
            figures.unreadable,
            "damaged messages",
            "whose recipients cannot be read any more",
        ),
    ];
    lines.extend(gaps(figures));
    lines.extend(doubts(figures));
    lines
}

/// What is in none of the numbers; nothing, usually.
fn gaps(figures: &Figures) -> Vec<Line> {
    let gaps = [
        (
            figures.lost.messages,
            "lost messages",
            "they waited, and the log has them no more; quarantine names them",
        ),
        (
            figures.lost.pieces,
            "damaged pieces",
            "of the log: what stood in them is perhaps in no number; see quarantine",
        ),
        (
            figures.ledger_gaps,
            "ledger files",
            "cannot be read, or are gone: who stands in them is in no number",
        ),
        (
            figures.disorder,
            "places in disorder",
            "the index is not what the log has: run spool rebuild, and make the report anew",
        ),
    ];
    let some = gaps.into_iter().filter(|(value, _, _)| *value > 0);
    some.map(|(value, what, meaning)| line(value, what, meaning))
        .collect()
}

/// What was seen, and what asks for somebody.
fn doubts(figures: &Figures) -> Vec<Line> {
    vec![
        line(
            figures.landing.found,
            "in the mailbox",
            "somebody looked, and it is there",
        ),
        line(
            figures.landing.junk,
            "in junk",
            "of those, in the folder for junk",
        ),
        line(
            figures.landing.missing,
            "not in the mailbox",
            "somebody looked, and it is not there",
        ),
        line(
            figures.uncertain,
            "perhaps twice",
            "an attempt had no known end, and was made again",
        ),
        line(
            figures.perhaps_there,
            "perhaps there",
            "given up, and an attempt had no known end",
        ),
        line(
            figures.diverted,
            "elsewhere",
            "given to another backend than their home, and not brought home yet",
        ),
        line(
            figures.replayed,
            "replayed",
            "deliveries that a replay made",
        ),
        line(
            figures.replays_refused,
            "replays refused",
            "a backend did not take what a replay brought",
        ),
        line(figures.tls.out_with, "encrypted", "deliveries over TLS"),
        line(
            figures.tls.out_without,
            "not encrypted",
            "deliveries without TLS",
        ),
    ]
}

fn waits(figures: &Figures) -> Vec<Line> {
    let waits = &figures.waits;
    let line = |value, what| line(value, what, "");
    vec![
        line(waits.minute, "within a minute"),
        line(waits.ten_minutes, "within ten minutes"),
        line(waits.hour, "within an hour"),
        line(waits.day, "within a day"),
        line(waits.longer, "later"),
    ]
}

/// `1,204`.
fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `6 h 12 min`: two units, as one says it.
#[must_use]
pub fn spoken(time: Duration) -> String {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let mut rest = time.as_secs();
    let mut parts = Vec::new();
    for (unit, name) in UNITS {
        let count = rest / unit;
        rest %= unit;
        if count > 0 || !parts.is_empty() {
            parts.push(format!("{count} {name}"));
        }
    }
    parts.truncate(2);
    parts.retain(|part| !part.starts_with("0 "));
    if parts.is_empty() {
        return "0 s".to_owned();
    }
    parts.join(" ")
}

fn duration(seconds: u64) -> String {
    spoken(Duration::from_secs(seconds))
}

/// In UTC, because readers are elsewhere.
fn time(at: Timestamp) -> String {
    at.to_jiff().strftime("%Y-%m-%d %H:%M UTC").to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::backend::{Became, HealthChange};
    use crate::mail::BackendId;
    use crate::report::samples::{at, message};
    use crate::report::{Collector, Scope};
    use crate::spool::{Lost, Passed};

    fn figures() -> Figures {
        let mut collector = Collector::new(Scope::default(), (at(0), at(3600)), at(600));
        let (mut message, history) = message();
        let mut envelope = (*message.envelope).clone();
        envelope.from = "\"<script>x\"@example.net".parse().unwrap();
        message.envelope = envelope.into();
        collector.note(&message, &history);
        let change = HealthChange {
            number: 1,
            at: at(20),
            became: Became::Down,
            reason: "<b>refused</b>".to_owned(),
            actor: String::new(),
            case: None,
            refused_at_rcpt: Vec::new(),
            failing: false,
        };
        let changes = BTreeMap::from([(BackendId::new("onprem"), vec![change])]);
        collector.finish(&changes, Passed::default())
    }

    #[test]
    fn the_report_is_said_in_a_sentence() {
        assert_eq!(
            headline(&figures()),
            "4 accepted, 2 delivered, 1 waiting, 0 lost, 2 perhaps twice; 1 of 2 found in \
             the mailbox; what was delivered waited up to 1 min 30 s; 9 min 40 s of onprem \
             downtime covered."
        );
        let mut gaps = figures();
        gaps.lost = Lost {
            messages: 3,
            pieces: 1,
        };
        gaps.ledger_gaps = 2;
        let told = headline(&gaps);
        assert!(
            told.contains(
                "3 lost, 2 perhaps twice; 1 piece of the log damaged; 2 files of the ledger \
                 that cannot be read, whose mail is not counted; "
            ),
            "{told}"
        );
        assert_eq!(number(1_204_000), "1,204,000");
        let mut disorder = figures();
        disorder.disorder = 60;
        let told = headline(&disorder);
        assert!(
            told.contains("1 waiting, how many are lost is not known, 2 perhaps twice; 60 places"),
            "{told}"
        );
        disorder.unreadable = 2;
        let told = headline(&disorder);
        assert!(
            told.contains("1 waiting, at least 2 lost, 2 perhaps"),
            "{told}"
        );
        let page = page(&disorder, "mx.example.org", None).unwrap();
        assert!(page.contains("places in disorder") && page.contains("run spool rebuild"));
        assert_eq!(number(999), "999");
        let said = [0, 59, 60, 3_600, 22_349, 90_000].map(duration);
        assert_eq!(
            said,
            ["0 s", "59 s", "1 min", "1 h", "6 h 12 min", "1 d 1 h"]
        );
    }

    #[test]
    fn the_page_shows_everything_and_runs_nothing() {
        let anchor: Anchor = format!("57-{}", "0f".repeat(32)).parse().unwrap();
        let page = page(&figures(), "mx.example.org", Some(&anchor)).unwrap();
        assert!(page.contains(&anchor.to_string()));
        for expected in [
            "mx.example.org",
            "bob@example.org",
            "550 5.1.1 No such user",
            "of onprem downtime covered",
            "class=\"down\"",
            "patches",
        ] {
            assert!(page.contains(expected), "{expected} is not in the page");
        }
        assert!(
            !page.contains("<script>"),
            "what strangers say is not escaped"
        );
        assert!(
            !page.contains("<b>refused"),
            "what strangers say is not escaped"
        );
        for fetched in ["src=", "href=", "url(", "@import"] {
            assert!(!page.contains(fetched), "it fetches something: {fetched}");
        }
    }
}
