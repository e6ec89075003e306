//! The closing report on a terminal.

use std::time::Duration;

use super::render::Page;
use crate::admin::ReportView;
use crate::report;
use crate::spool::{Anchor, ChainCheck};
use crate::terminal::{Cell, Table, Tone, bytes, many, moment, visible};

impl Page {
    /// `report`; the files that were written beside.
    pub(super) fn report(self, view: &ReportView, written: &[String]) -> String {
        let figures = &view.figures;
        let whose = format!(
            "recipients of {}{}, accepted from {} up to {}",
            many(figures.messages, "message"),
            only_for(figures),
            moment(figures.since, self.now),
            moment(figures.until, self.now)
        );
        let mut text = self.toned(Tone::Strong, &report::headline(figures));
        text += &self.toned(Tone::Quiet, &whose);
        text.push('\n');
        text += &self.report_backends(view);
        text += &self.report_trouble(view);
        for file in written {
            text.extend(["\nwritten: ", &visible(file)]);
        }
        if written.is_empty() {
            let hint = "\n--html FILE writes it as a page, --csv FILE a line for each recipient";
            text += &self.palette.paint(Tone::Quiet, hint);
        }
        text + "\n"
    }

    /// `report verify`.
    pub(super) fn chain(self, check: &ChainCheck, anchor: Option<&Anchor>) -> String {
        let mut lines: Vec<String> = check
            .problems
            .iter()
            .map(|problem| self.palette.paint(Tone::Bad, &visible(problem)))
            .collect();
        lines.extend(check.known.iter().map(|known| {
            let problems = known.problems.join("; ");
            let told = format!("known to {}, {}: {problems}", known.actor, known.reason);
            self.palette.paint(Tone::Quiet, &visible(&told))
        }));
        let more = check.wrong.saturating_sub(check.problems.len() as u64);
        if more > 0 {
            lines.push(format!("… and {more} more"));
        }
        lines.push(match (check.wrong, anchor) {
            (0, None) => self.unchanged(check, "the chain says"),
            (0, Some(_)) => self.unchanged(check, "the chain and the anchor say"),
            _ => "Bring the files back from a backup, or find out who was there: what is named \
                  here proves nothing any more"
                .to_owned(),
        });
        if !check.seen.is_empty() {
            lines.push(format!(
                "What is explained is acknowledged with `tideover report verify --seen {} \
                 --acknowledge REASON`",
                visible(&check.seen)
            ));
        }
        lines.push(String::new());
        lines.extend(self.read_for(check));
        let end = format!(
            "the chain ends with\n{}\nkeep it elsewhere: `tideover report verify --anchor` \
             compares with it\n",
            check.anchor
        );
        lines.push(self.palette.paint(Tone::Quiet, &end));
        lines.join("\n")
    }

    fn unchanged(self, check: &ChainCheck, said_by: &str) -> String {
        let what = match check.known.as_slice() {
            [] => "Nothing was changed",
            _ => "Nothing else was changed",
        };
        let told = format!("{what}: log and ledger are as {said_by}");
        self.palette.paint(Tone::Good, &told)
    }

    /// What was read for a check of the chain.
    fn read_for(self, check: &ChainCheck) -> Vec<String> {
        let ChainCheck {
            segments,
            ledgers,
            expired,
            unread,
            ..
        } = check;
        let size = bytes(check.bytes);
        let mut lines = vec![format!(
            "{segments} segments ({size}) and {ledgers} files of the ledger were read"
        )];
        if *expired > 0 {
            lines.push(format!(
                "{expired} files of the ledger are gone, as spool.ledger_retain says"
            ));
        }
        if let (Some(since), Some(until)) = (check.since, check.until) {
            let (since, until) = (moment(since, self.now), moment(until, self.now));
            lines.push(format!("linked since {since}, last at {until}"));
        }
        if *unread > 0 {
            lines.push(format!(
                "{unread} parts could not be read when they were linked: nobody knows what they \
                 were"
            ));
        }
        lines
    }

    fn report_backends(self, view: &ReportView) -> String {
        let head = [
            "backend",
            "came",
            "delivered",
            "waiting",
            "put off",
            "took no mail",
        ];
        let mut table = Table::new(&head, &[5]);
        for backend in &view.figures.backends {
            let away = Duration::from_secs(backend.seconds_away);
            table.row([
                Cell::from(backend.name.as_str()),
                Cell::from(backend.arrived.to_string()),
                Cell::from(backend.delivered.to_string()),
                Cell::from(backend.waiting.to_string()),
                Cell::from(backend.deferred.to_string()),
                match backend.outages.len() {
                    0 => Cell::from("never"),
                    1 => Cell::from(report::spoken(away)),
                    times => Cell::from(format!("{} in {times} times", report::spoken(away))),
                },
            ]);
        }
        table.render(self.palette)
    }

    fn report_trouble(self, view: &ReportView) -> String {
        let figures = &view.figures;
        let mut text = String::new();
        let mut say = |count: u64, tone, (one, several, what): (&str, &str, &str)| {
            if count > 0 {
                let noun = if count == 1 { one } else { several };
                let line = format!("{count} {noun}{what}\n");
                text += &self.palette.paint(tone, &line);
            }
        };
        for (count, what) in bad(figures) {
            say(count, Tone::Bad, what);
        }
        for (count, what) in odd(figures) {
            say(count, Tone::Waiting, what);
        }
        if figures.cut {
            let line = "one report is not enough for so much mail: choose a shorter time\n";
            text += &self.palette.paint(Tone::Bad, line);
        }
        if !text.is_empty() {
            text.insert(0, '\n');
        }
        text
    }
}

/// What there is of something: the words for one, for several, and what follows both.
type Words = (&'static str, &'static str, &'static str);

/// What is wrong, with what to do.
const fn bad(figures: &report::Figures) -> [(u64, Words); 6] {
    [
        (
            figures.disorder,
            (
                "place",
                "places",
                " in disorder: stop the server, run `tideover spool rebuild`, and ask again",
            ),
        ),
        (
            figures.unaccounted,
            (
                "recipient",
                "recipients",
                " of whom nothing is known: run `tideover spool verify`",
            ),
        ),
        (
            figures.unreadable,
            (
                "message",
                "messages",
                " cannot be read: run `tideover spool verify`",
            ),
        ),
        (
            figures.landing.missing,
            (
                "is",
                "are",
                " not in the mailbox: `tideover landing status`",
            ),
        ),
        (
            figures.recipients.bounced,
            ("was", "were", " refused for good"),
        ),
        (
            figures.recipients.dropped,
            (
                "was",
                "were",
                " taken out by an administrator or a rule of [automatic]",
            ),
        ),
    ]
}

/// What somebody may want to bring in order.
const fn odd(figures: &report::Figures) -> [(u64, Words); 2] {
    [
        (
            figures.landing.junk,
            ("is", "are", " in junk: `tideover trace` has the verdict"),
        ),
        (
            figures.diverted,
            (
                "is",
                "are",
                " at another backend than the home: `tideover replay plan --diverted --to HOME`",
            ),
        ),
    ]
}

/// Whose mail it is about, if not everybody's.
fn only_for(figures: &report::Figures) -> String {
    let scope = figures.scope.as_deref();
    scope.map_or_else(String::new, |scope| format!(" for {}", visible(scope)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::spool::Known;
    use crate::terminal::Palette;

    #[test]
    fn what_the_chain_says_is_told_with_what_to_do() {
        let anchor: Anchor = format!("57-{}", "0f".repeat(32)).parse().unwrap();
        let page = Page {
            palette: Palette::Plain,
            now: Timestamp::from_millis(1_800_000_000_000),
        };
        let good = ChainCheck {
            anchor: anchor.clone(),
            since: None,
            until: None,
            segments: 3,
            bytes: 4096,
            ledgers: 2,
            expired: 0,
            unread: 0,
            problems: Vec::new(),
            wrong: 0,
            explainable: Vec::new(),
            seen: String::new(),
            known: Vec::new(),
        };
        let told = page.chain(&good, Some(&anchor));
        assert!(told.starts_with("Nothing was changed"), "{told}");
        assert!(told.contains("the anchor say") && told.contains(&anchor.to_string()));
        let known = ChainCheck {
            known: vec![Known {
                actor: "root".to_owned(),
                reason: "disk 2 broke".to_owned(),
                problems: vec!["segment 3 is gone".to_owned()],
            }],
            ..good.clone()
        };
        let told = page.chain(&known, None);
        assert!(
            told.starts_with("known to root, disk 2 broke: segment 3 is gone\nNothing else was"),
            "{told}"
        );
        let bad = ChainCheck {
            problems: vec!["segment 3 is gone".to_owned()],
            wrong: 2,
            unread: 1,
            expired: 1,
            ..good
        };
        let told = page.chain(&bad, None);
        assert!(
            told.starts_with("segment 3 is gone\n… and 1 more\nBring the files"),
            "{told}"
        );
        assert!(
            told.contains("nobody knows") && told.contains("ledger_retain"),
            "{told}"
        );
        assert!(told.lines().all(|line| line.len() <= 120), "{told}");
    }

    #[test]
    fn its_first_lines_are_wrapped_and_keep_their_tone() {
        let page = Page {
            palette: Palette::Colour,
            now: Timestamp::EPOCH,
        };
        let told = page.toned(Tone::Quiet, &"so many words ".repeat(20));
        assert!(told.lines().count() > 3, "{told}");
        for line in told.lines() {
            assert!(line.starts_with("\x1b[2m") && line.ends_with("\x1b[0m"));
            assert!(line.len() <= crate::terminal::WIDTH + 8, "{line}");
        }
    }
}
