//! `notify …`: are people told, and does it arrive?

use clap::Subcommand;

use super::Failure;
use super::home::At;
use super::intent::{Format, Request};
use super::render::Page;
use super::teller::{Teller, ended, read};
use crate::notice::{NoticesStatus, Severity, WaitingNews, WayResult, WayStatus};
use crate::terminal::{Cell, Table, Tone, moment};

/// News that wait and are shown; `--json` has all.
const SHOWN: usize = 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub(crate) enum NotifyVerb {
    /// Send a notice that nothing is wrong, once by each way, and say what became of it
    Test,
    /// Each way, and the notices that were sent last
    Status,
}

pub(super) async fn perform(
    at: At<'_>,
    verb: NotifyVerb,
    (format, actor): (Format, String),
) -> Result<(), Failure> {
    let teller = Teller::new(at, (format, actor))?;
    match verb {
        NotifyVerb::Status => {
            let request = Request::get("/api/notify".to_owned());
            let answer = teller.client.ask(request).await?;
            teller.print(&answer, |page, it: &NoticesStatus| page.notices(it))
        }
        NotifyVerb::Test => {
            let asked = ("/api/notify/test".to_owned(), Vec::new());
            let answer = teller.patiently(asked).await?;
            teller.print(&answer, |page, it: &Vec<WayResult>| page.tested(it))?;
            let results: Vec<WayResult> = read(&answer)?;
            let failed = results.iter().filter(|it| it.result != "sent");
            let failed: Vec<String> = failed.map(|it| format!("not by {}", it.way)).collect();
            let odd: Vec<String> = (!failed.is_empty())
                .then(|| advised(&failed))
                .into_iter()
                .collect();
            ended("notify test", &odd)
        }
    }
}

/// What did not arrive, and what to do.
fn advised(failed: &[String]) -> String {
    format!(
        "{}\n  what was said above is the other side's: mend [notices] and `tideover reload`, \
         or the receiver, then test again; docs/notices.md",
        failed.join(", ")
    )
}

impl Page {
    fn tested(self, results: &[WayResult]) -> String {
        let mut table = Table::new(&["WAY", "", "WHAT WAS SAID"], &[2, 0]);
        for result in results {
            table.row([
                result.way.as_str().into(),
                outcome(result),
                result.what.as_str().into(),
            ]);
        }
        table.render(self.palette)
    }

    fn notices(self, status: &NoticesStatus) -> String {
        if status.ways.is_empty() {
            return "nobody is told: docs/notices.md says how [notices] is configured\n".to_owned();
        }
        let mut table = Table::new(&["WAY", "", "ARRIVED LAST", "WHY"], &[3, 0]);
        for way in &status.ways {
            table.row(self.way(way));
        }
        let mut text = table.render(self.palette);
        text.push('\n');
        text.push_str(&self.waiting_news(&status.waiting));
        if status.sent.is_empty() {
            text.push_str("no notice was sent yet; `tideover notify test` sends one\n");
            return text;
        }
        let mut table = Table::new(&["AT", "NOTICE", "", "WAY", "WHAT WAS SAID"], &[1, 4, 3]);
        for notice in &status.sent {
            let at = moment(notice.at, self.now);
            let mut head = (at, short(&notice.subject).to_owned());
            for way in &notice.ways {
                let (at, subject) = std::mem::take(&mut head);
                table.row([
                    Cell::from(at),
                    Cell::from(subject),
                    outcome(way),
                    way.way.as_str().into(),
                    way.what.as_str().into(),
                ]);
            }
        }
        text + &table.render(self.palette)
    }

    /// What is not told yet, and until when.
    fn waiting_news(self, waiting: &[WaitingNews]) -> String {
        if waiting.is_empty() {
            return String::new();
        }
        let mut table = Table::new(&["WAITS UNTIL", "SINCE", "NOT TOLD YET"], &[2]);
        for news in waiting.iter().take(SHOWN) {
            let tone = match news.severity {
                Severity::Critical => Tone::Bad,
                Severity::Warning | Severity::Info => Tone::Waiting,
            };
            table.row([
                moment(news.until, self.now).into(),
                moment(news.since, self.now).into(),
                Cell::toned(&news.what, tone),
            ]);
        }
        let mut text = table.render(self.palette);
        let more = waiting.len().saturating_sub(SHOWN);
        if more > 0 {
            text += &self
                .palette
                .paint(Tone::Quiet, &format!("and {more} more: --json\n"));
        }
        text.push('\n');
        text
    }

    fn way(self, way: &WayStatus) -> [Cell; 4] {
        let (word, tone) = match (way.failing_since, way.good_at) {
            (Some(_), _) => ("fails", Tone::Bad),
            (None, Some(_)) => ("works", Tone::Good),
            (None, None) => ("untried", Tone::Waiting),
        };
        let at = way.good_at.map(|at| moment(at, self.now));
        [
            way.way.as_str().into(),
            Cell::toned(word, tone),
            at.unwrap_or_else(|| "-".to_owned()).into(),
            way.what.as_str().into(),
        ]
    }
}

/// A subject without what each begins with, `[Tideover mx.example.org] `: the table has no room for
/// it.
fn short(subject: &str) -> &str {
    let rest = subject.strip_prefix("[Tideover ");
    let rest = rest.and_then(|rest| rest.split_once("] "));
    rest.map_or(subject, |(_, rest)| rest)
}

fn outcome(result: &WayResult) -> Cell {
    let tone = match result.result.as_str() {
        "sent" => Tone::Good,
        "trying" => Tone::Waiting,
        _ => Tone::Bad,
    };
    Cell::toned(result.result.as_str(), tone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Timestamp;
    use crate::notice::SentNotice;
    use crate::terminal::Palette;

    #[test]
    fn a_test_that_fails_says_what_to_do() {
        let told = advised(&["not by webhook hooks.example".to_owned()]);
        assert!(told.starts_with("not by webhook hooks.example\n"), "{told}");
        assert!(told.contains("[notices]") && told.contains("docs/notices.md"));
    }

    #[test]
    fn each_way_shows_how_it_is_and_what_became_of_notices() {
        let page = Page {
            palette: Palette::Plain,
            now: Timestamp::from_millis(1_800_000_000_000),
        };
        let way = |way: &str, good_at, failing_since, what: &str| WayStatus {
            way: way.to_owned(),
            good_at,
            failing_since,
            what: what.to_owned(),
        };
        let result = |way: &str, result: &str, what: &str| WayResult {
            way: way.to_owned(),
            result: result.to_owned(),
            attempts: 1,
            what: what.to_owned(),
        };
        let now = Some(page.now);
        let status = NoticesStatus {
            ways: vec![
                way("mail ops@example.net", now, None, ""),
                way("webhook hooks.example", None, now, "says 410"),
                way("command /bin/page", None, None, ""),
            ],
            sent: vec![SentNotice {
                number: 3,
                at: page.now,
                severity: Severity::Critical,
                subject: "[Tideover mx.example.org] critical: onprem is down".to_owned(),
                ways: vec![
                    result("mail ops@example.net", "sent", "250 ok"),
                    result("webhook hooks.example", "failed", "says 410"),
                ],
            }],
            waiting: vec![WaitingNews {
                what: "cloud refuses 7 recipients".to_owned(),
                severity: Severity::Warning,
                since: page.now,
                until: page.now.after(std::time::Duration::from_secs(480)),
            }],
            problem: None,
        };
        let text = page.notices(&status);
        let until = moment(status.waiting[0].until, page.now);
        let row = text.lines().find(|line| line.contains("refuses 7"));
        assert!(row.is_some_and(|row| row.starts_with(&until)), "{text}");
        for words in [
            "works",
            "fails",
            "untried",
            "onprem is down",
            "250 ok",
            "410",
        ] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(!text.contains("[Tideover"), "{text}");
        let tested = page.tested(&status.sent[0].ways);
        assert!(
            tested.contains("failed") && tested.contains("sent"),
            "{tested}"
        );
        let nobody = NoticesStatus {
            ways: Vec::new(),
            ..status
        };
        assert!(page.notices(&nobody).starts_with("nobody is told"));
    }
}
