//! What is wrong, for notices: one place that looks at all that is told of.

use std::time::Duration;

use super::Admin;
use crate::backend::{BackendHealth, Health, Wish};
use crate::base::Timestamp;
use crate::drill::Light;
use crate::limits;
use crate::mail::{CaseKind, SpoolId};
use crate::notice::{Condition, Kind, Observe, Observed, Severity, Thresholds, Unknown};
use crate::spool::{Case, Missing, SpoolError, SpoolStats};
use crate::terminal::{bytes, duration};

const DAY: Duration = Duration::from_secs(86_400);
/// Damaged messages that a notice names.
const NAMED: usize = 5;

impl Observe for Admin {
    fn observe(&self, thresholds: &Thresholds) -> Observed {
        let mut seen = Seen::at(self.clock.now());
        let stats = self.spool.stats();
        if self.spool.rebuilding().is_some() {
            // What the index does not know yet is not over.
            let kinds = [
                Kind::Backend,
                Kind::Waiting,
                Kind::Attention,
                Kind::Case,
                Kind::Drill,
                Kind::Landing,
                Kind::Directory,
            ];
            seen.all.unknown.extend(kinds.map(Unknown::All));
        }
        self.see_backends(&mut seen);
        self.see_waiting(&mut seen, &stats, thresholds);
        self.see_cases(&mut seen);
        self.see_disk(&mut seen, &stats, thresholds);
        self.see_damage(&mut seen, &stats);
        self.see_landings(&mut seen);
        self.see_drills(&mut seen);
        self.see_sources(&mut seen);
        self.see_filters(&mut seen);
        self.see_load(&mut seen);
        self.see_sending(&mut seen);
        self.see_certificates(&mut seen, thresholds.certificate);
        if self.router.relay_test().get().is_none() {
            seen.all.unknown.push(Unknown::All(Kind::Relay));
        }
        if let Some(problem) = self.relay_problem() {
            let todo = "Close it now: tideover check names the config that lets them, \
                        docs/operations.md";
            let how = (Severity::Critical, "");
            seen.add((Kind::Relay, ""), how, None, (problem, todo));
        }
        seen.all
    }
}

/// What is seen.
pub(super) struct Seen {
    pub(super) now: Timestamp,
    pub(super) all: Observed,
}

impl Seen {
    /// Nothing yet.
    pub(super) fn at(now: Timestamp) -> Self {
        let all = Observed::default();
        Self { now, all }
    }

    pub(super) fn add(
        &mut self,
        (kind, subject): (Kind, &str),
        (severity, state): (Severity, &str),
        since: Option<Timestamp>,
        (what, todo): (String, &str),
    ) {
        self.all.conditions.push(Condition {
            kind,
            subject: subject.to_owned(),
            state: state.to_owned(),
            severity,
            since: since.unwrap_or(self.now),
            what,
            todo: todo.to_owned(),
        });
    }

    /// What is asked of the index; when it does not answer, that is not known.
    fn known<T>(&mut self, kind: Kind, answer: Result<T, SpoolError>) -> Option<T> {
        if answer.is_err() {
            self.all.unknown.push(Unknown::All(kind));
        }
        answer.ok()
    }
}

impl Admin {
    fn see_backends(&self, seen: &mut Seen) {
        let board = self.router.board();
        for backend in board.snapshot() {
            let evidence = board.evidence(&backend.id).unwrap_or_default();
            if backend.health == Health::Up && evidence.last_good.is_none() {
                let unknown = Unknown::One(Kind::Backend, backend.id.to_string());
                seen.all.unknown.push(unknown);
            }
            see_backend(seen, &backend);
        }
    }

    fn see_waiting(&self, seen: &mut Seen, stats: &SpoolStats, thresholds: &Thresholds) {
        if let Some(oldest) = stats.oldest
            && oldest.after(thresholds.waiting) <= seen.now
        {
            let age = duration(seen.now.since(oldest));
            let waiting: u64 = stats.queued.values().sum::<u64>() + stats.held;
            let what = format!("the oldest mail has waited for {age}; {waiting} recipients wait");
            let todo = "See for what: tideover status; tideover queue list.";
            let since = Some(oldest.after(thresholds.waiting));
            let name = (Kind::Waiting, "");
            seen.add(name, (Severity::Warning, ""), since, (what, todo));
        }
        let attention = self.attention();
        let Some(attention) = seen.known(Kind::Attention, attention) else {
            return;
        };
        if let Some(told) = attention.told() {
            let todo = "Somebody has to decide: tideover queue list; release, export or drop.";
            let name = (Kind::Attention, "");
            let how = (Severity::Critical, &*size_of(attention.messages));
            seen.add(name, how, attention.next, (told, todo));
        }
    }

    fn see_cases(&self, seen: &mut Seen) {
        let cases = self.spool.cases(CaseKind::Open, limits::PAGE);
        let Some(mut cases) = seen.known(Kind::Case, cases) else {
            return;
        };
        // The oldest keep their places, so that a new one ends no other.
        cases.sort_by_key(|case| (case.since, case.id));
        for case in cases.iter().take(limits::NOTICE_CASES) {
            see_case(seen, case);
        }
        let more = cases.get(limits::NOTICE_CASES..).unwrap_or_default();
        if let Some(first) = more.first() {
            let what = format!("{} more cases wait for a decision", more.len());
            let how = (Severity::Warning, &*size_of(more.len() as u64));
            let since = Some(first.since);
            seen.add((Kind::Case, "more"), how, since, (what, "tideover cases"));
        }
    }

    fn see_disk(&self, seen: &mut Seen, stats: &SpoolStats, thresholds: &Thresholds) {
        let name = (Kind::Disk, "spool");
        let free = bytes(stats.free_bytes);
        let room = "Make room outside of the spool, or give the disk more; never delete files of \
                    log or big: docs/operations/disk-full.md";
        match self.spool.admission() {
            Err(error) if error.is_full() => {
                let what = format!("new mail is refused: {error}");
                seen.add(name, (Severity::Critical, "full"), None, (what, room));
            }
            Err(error) => {
                let what = format!("new mail is refused: {error}");
                let todo = "Is the disk there? df, dmesg, tideover status.";
                seen.add(name, (Severity::Critical, "away"), None, (what, todo));
            }
            Ok(()) => {
                let Some(outlook) = seen.known(Kind::Disk, self.spool.outlook()) else {
                    return;
                };
                let days = outlook.days_in_an_outage;
                let lasts = days.and_then(|days| DAY.checked_mul(u32::try_from(days).ok()?));
                if outlook.room < stats.free_bytes / 2 {
                    let room_left = bytes(outlook.room);
                    let what = format!(
                        "the disk is nearly full: {free} are free, {room_left} before new mail is \
                         refused"
                    );
                    seen.add(name, (Severity::Critical, "near"), None, (what, room));
                } else if let Some(lasts) = lasts.filter(|it| *it < thresholds.disk) {
                    let lasts = duration(lasts);
                    let what =
                        format!("the disk lasts for {lasts} if nothing can be delivered, {free}");
                    let todo = "Give the disk more before a platform goes down: tideover size.";
                    seen.add(name, (Severity::Warning, "short"), None, (what, todo));
                }
            }
        }
    }

    fn see_damage(&self, seen: &mut Seen, stats: &SpoolStats) {
        if let Some(missing) = self.spool.missing() {
            see_missing(seen, &missing);
        }
        let critical = |state: &str| (Severity::Critical, state.to_owned());
        let mut add = |subject: &str, (severity, state): (Severity, String), what, todo: &str| {
            let name = (Kind::Integrity, subject);
            seen.add(name, (severity, &*state), None, (what, todo));
        };
        if stats.quarantined > 0 {
            let (what, to_do) = quarantined(stats, &self.spool.finished_maimed());
            let pieces = stats.quarantined.to_string();
            add("quarantine", critical(&pieces), what, &to_do);
        }
        if let Some(problem) = self.look_problem() {
            let todo = "Doubt the disk: dmesg, SMART. Look again: tideover spool verify; \
                        docs/operations/damage.md";
            add("look", critical(""), problem, todo);
        }
        if let Some(problem) = self.balance_problem() {
            let todo = "Keep the log of the program and the spool as they are; \
                        docs/operations/damage.md";
            add("balance", critical(""), problem, todo);
        }
        if let Some(progress) = self.spool.rebuilding() {
            let what = format!("the index is made from the log, delivery waits for it: {progress}");
            let todo = "Nothing: no mail is lost. If nobody deleted it, doubt the disk; \
                        docs/operations/lost-index.md";
            add("index", (Severity::Warning, String::new()), what, todo);
        }
        if let Some(failures) = self.spool.write_failures().filter(|it| it.lasting) {
            let what = format!("the log cannot be written: {}", failures.what);
            let todo = "What it could not write was not acknowledged. Is the disk full, read-only \
                        or dying? df, dmesg, tideover status.";
            let since = Some(failures.last);
            let name = (Kind::Log, "spool");
            seen.add(name, (Severity::Critical, ""), since, (what, todo));
        }
    }

    fn see_landings(&self, seen: &mut Seen) {
        let missing = self.landings.missing();
        let missing = seen.known(Kind::Landing, missing).unwrap_or_default();
        if missing > 0 {
            let what = format!("{missing} delivered messages are in no folder of their mailbox");
            let todo = "See whose: tideover landing status. Bring them: tideover replay plan --to \
                        BACKEND --since TIME --missing-only; docs/operations/store-restored.md";
            let how = (Severity::Critical, &*size_of(missing));
            seen.add((Kind::Landing, ""), how, None, (what, todo));
        }
    }

    fn see_drills(&self, seen: &mut Seen) {
        for (leg, state) in self.drills.lights() {
            match state.light {
                Light::Green => {}
                Light::Never => seen.all.unknown.push(Unknown::One(Kind::Drill, leg)),
                Light::Red => {
                    let what = format!("drill {leg} is red: {}", state.reason);
                    let todo = "Mail may be lost or late on this way, and no wave starts: \
                                tideover drill status; docs/drills.md";
                    let name = (Kind::Drill, leg.as_str());
                    seen.add(name, (Severity::Critical, "red"), state.since, (what, todo));
                }
            }
        }
    }

    fn see_sources(&self, seen: &mut Seen) {
        for status in self.sync.status() {
            let source = status.source;
            if status.at.is_none() {
                let unknown = Unknown::One(Kind::Directory, source.clone());
                seen.all.unknown.push(unknown);
            }
            if let Some(error) = status.error {
                let what = format!("the directory source {source} fails: {error}");
                let todo = "New people are unknown until it works: tideover directory status; \
                            docs/directory.md";
                let name = (Kind::Directory, source.as_str());
                seen.add(name, (Severity::Warning, ""), status.at, (what, todo));
            }
        }
    }
}

fn see_backend(seen: &mut Seen, backend: &BackendHealth) {
    let id = backend.id.as_str();
    let why = match backend.reason.as_str() {
        "" => String::new(),
        reason => format!(": {reason}"),
    };
    let what = format!("{id} is {}{why}", backend.health);
    let (severity, todo) = match backend.health {
        Health::Up => (Severity::Info, ""),
        Health::Slow if backend.failing => (
            Severity::Critical,
            "It answers, and takes hardly any mail: look at its filters, its store and its disk. \
             The mail waits and is tried more and more seldom; as soon as it takes five in a row, \
             or some for a minute, all follow. To try now, when it is mended: tideover queue retry \
             --backend NAME",
        ),
        Health::Slow => (
            Severity::Warning,
            "It gets less mail until it keeps up: tideover backend show NAME.",
        ),
        Health::Down => (
            Severity::Critical,
            "Nothing has to be done for the mail: it waits. Open the webmail for its people: \
             tideover webmail status; docs/operations/platform-down.md",
        ),
        Health::Rejecting => (
            Severity::Critical,
            "It refuses people whom the directory knows: tideover cases. Mend it there; the mail \
             follows by itself; docs/operations/reject-storm.md",
        ),
    };
    if backend.health != Health::Up {
        let state = if backend.failing {
            "failing"
        } else {
            backend.health.as_str()
        };
        let how = (severity, state);
        let since = Some(backend.since);
        let todo = todo.replace("NAME", id);
        seen.add((Kind::Backend, id), how, since, (what, &todo));
    }
    let said = backend.operator.as_ref();
    if let Some(said) = said.filter(|said| said.wish != Wish::Resume) {
        let subject = format!("{id}, by an operator");
        let what = format!("{id} is {said}");
        let todo = "Once that is no longer wanted: tideover backend resume.";
        let name = (Kind::Backend, subject.as_str());
        let since = Some(said.since);
        let state = said.since.to_string();
        seen.add(name, (Severity::Warning, &state), since, (what, todo));
    }
}

/// What is in quarantine, and what to do. Nobody holds the mail that is `finished`.
fn quarantined(stats: &SpoolStats, finished: &[SpoolId]) -> (String, String) {
    let pieces = stats.quarantined;
    let mut what = format!("damaged pieces of the spool in quarantine: {pieces}");
    let mut to_do = "Doubt the disk.".to_owned();
    if stats.damaged > 0 {
        to_do.push_str(" See whose mail waits: tideover queue list --state held.");
    }
    if let Some(first) = finished.first() {
        let shown: Vec<String> = finished
            .iter()
            .take(NAMED)
            .map(SpoolId::to_string)
            .collect();
        what.push_str("; of mail that waits no more: ");
        what.push_str(&shown.join(", "));
        if finished.len() > NAMED {
            what.push_str(" …");
        }
        to_do.push_str(" What waits no more cannot be replayed; who has it says tideover trace ");
        to_do.push_str(&first.to_string());
        to_do.push('.');
    }
    to_do.push_str(" Take the pieces away then: docs/operations/damage.md");
    (what, to_do)
}

fn see_missing(seen: &mut Seen, missing: &Missing) {
    let todo = "Is a volume not mounted, or was a restore not whole? Bring the files back: \
                docs/operations/damage.md";
    // One more is news.
    let how = (Severity::Critical, &*missing.segments.to_string());
    let name = (Kind::Integrity, "missing");
    seen.add(name, how, None, (missing.to_string(), todo));
}

fn see_case(seen: &mut Seen, case: &Case) {
    let key = &case.key;
    let what = format!("{}; recipients held: {}", key.told(), case.recipients);
    let id = case.id.to_string();
    let todo = format!(
        "tideover cases show {id}; then release or bounce it; docs/operations/reject-storm.md"
    );
    let how = (Severity::Warning, &*size_of(case.recipients));
    let since = Some(case.since);
    seen.add((Kind::Case, &id), how, since, (what, &todo));
}

/// A word that changes when a number grows much: `100`, `1000`.
fn size_of(number: u64) -> String {
    match number.checked_ilog10() {
        Some(digits @ 2..) => format!("{}", 10_u64.pow(digits)),
        Some(0 | 1) | None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(now: &str) -> Seen {
        Seen::at(now.parse().unwrap())
    }

    #[test]
    fn only_a_number_that_grows_much_is_news() {
        for (number, expected) in [(0, ""), (1, ""), (99, ""), (100, "100"), (999, "100")] {
            assert_eq!(size_of(number), expected);
        }
        assert_eq!(size_of(u64::MAX), "10000000000000000000");
    }

    #[test]
    fn a_second_segment_that_is_missing_is_news() {
        let states = [1, 2, 2].map(|segments| {
            let missing = Missing {
                segments,
                named: vec![3],
                ..Missing::default()
            };
            let mut seen = seen("2027-01-01T00:00:00Z");
            see_missing(&mut seen, &missing);
            let one = seen.all.conditions.remove(0);
            assert!(one.what.starts_with("segment"), "{}", one.what);
            one.state
        });
        assert_ne!(states[0], states[1]);
        assert_eq!(states[1], states[2]);
    }

    #[test]
    fn damage_of_finished_mail_is_looked_for_where_it_is() {
        let stats = |damaged| SpoolStats {
            quarantined: 7,
            damaged,
            ..SpoolStats::default()
        };
        let held = "tideover queue list --state held";
        let ids: Vec<SpoolId> = (70..77).map(SpoolId::from_u64).collect();
        let (what, to_do) = quarantined(&stats(0), &ids);
        let first = ids[0].to_string();
        assert!(what.contains(&first) && what.ends_with('…'), "{what}");
        assert!(!to_do.contains(held), "{to_do}");
        assert!(
            to_do.contains(&format!("tideover trace {first}.")),
            "{to_do}"
        );
        let (what, to_do) = quarantined(&stats(1), &[]);
        assert!(!what.contains("waits no more"), "{what}");
        assert!(to_do.contains(held) && !to_do.contains("trace"), "{to_do}");
    }

    #[test]
    fn what_an_operator_says_hides_nothing_of_a_backend() {
        let mut seen = seen("2027-01-01T00:00:00Z");
        let backend = BackendHealth {
            id: crate::mail::BackendId::new("onprem"),
            health: Health::Down,
            reason: "refused".to_owned(),
            since: "2026-12-31T00:00:00Z".parse().unwrap(),
            operator: Some(crate::backend::Override {
                wish: Wish::Hold,
                actor: "ann".to_owned(),
                reason: "disks".to_owned(),
                since: "2026-12-30T00:00:00Z".parse().unwrap(),
            }),
            remembered: false,
            failing: false,
        };
        see_backend(&mut seen, &backend);
        let told: Vec<_> = seen.all.conditions.iter().map(|it| &*it.what).collect();
        let expected = [
            "onprem is down: refused",
            "onprem is held by ann since 2026-12-30 00:00 UTC: disks",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn one_that_fails_all_mail_is_told_as_such() {
        let severity = |failing: bool| {
            let mut seen = seen("2027-01-01T00:00:00Z");
            let backend = BackendHealth {
                id: crate::mail::BackendId::new("onprem"),
                health: Health::Slow,
                reason: String::new(),
                since: "2026-12-31T00:00:00Z".parse().unwrap(),
                operator: None,
                remembered: false,
                failing,
            };
            see_backend(&mut seen, &backend);
            let told = seen.all.conditions.remove(0);
            (told.severity, told.todo.contains("gets less mail"))
        };
        assert_eq!(severity(true), (Severity::Critical, false));
        assert_eq!(severity(false), (Severity::Warning, true));
    }
}
