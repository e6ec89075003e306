//! `audit`: who has done what, from where and why.

use clap::Args;

use super::Failure;
use super::directory::moment as time;
use super::home::At;
use super::intent::{Format, Request, escape};
use super::render::Page;
use super::teller::{Teller, read};
use crate::admin::{AuditEntry, AuditOutcome, AuditPage};
use crate::base::Timestamp;
use crate::terminal::{Cell, Table, Tone, cut, moment, visible};

/// Columns of what was asked for. Beyond: --json has it.
const SAID: usize = 500;

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct AuditArgs {
    /// From then on, for example "2026-11-20 18:00"
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<Timestamp>,
    /// Before then
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Timestamp>,
    /// Of this operator, or user of the terminal
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
    /// A part of what was done, for example hold, or of what it was about
    #[arg(long, value_name = "TEXT")]
    what: Option<String>,
    /// Show at most so many, the newest first
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
}

impl AuditArgs {
    fn path(&self, after: Option<&str>, limit: usize) -> String {
        let moment = |at: Option<Timestamp>| at.map(|at| at.to_string());
        let asked = [
            ("since", moment(self.since)),
            ("until", moment(self.until)),
            ("by", self.by.clone()),
            ("what", self.what.clone()),
            ("after", after.map(str::to_owned)),
        ];
        let mut path = format!("/api/audit?limit={limit}");
        for (name, value) in asked {
            if let Some(value) = value {
                path.push('&');
                path.push_str(name);
                path.push('=');
                path.push_str(&escape(&value));
            }
        }
        path
    }
}

/// Shows the entries.
pub(super) async fn perform(
    config: At<'_>,
    args: AuditArgs,
    format: Format,
) -> Result<(), Failure> {
    let teller = Teller::new(config, (format, String::new()))?;
    let limit = usize::from(args.limit);
    let mut page = AuditPage {
        entries: Vec::new(),
        next: None,
    };
    // A page may be short though there is more: the server looks at so many and no more.
    loop {
        let rest = limit - page.entries.len();
        let request = Request::get(args.path(page.next.as_deref(), rest));
        let more: AuditPage = read(&teller.client.ask(request).await?)?;
        page.entries.extend(more.entries);
        page.next = more.next;
        if page.next.is_none() || page.entries.len() >= limit {
            break;
        }
    }
    let answer = serde_json::to_value(&page).unwrap_or_default();
    teller.print(&answer, |page, it: &AuditPage| page.audit(it))
}

impl Page {
    /// `audit`.
    fn audit(self, audit: &AuditPage) -> String {
        if audit.entries.is_empty() {
            return "nobody has changed anything, as far as that was asked for\n".to_owned();
        }
        let head = ["WHEN", "WHO", "FROM", "OUTCOME", "PATH"];
        let mut table = Table::new(&head, &[1, 4]);
        for entry in &audit.entries {
            let tone = match entry.outcome {
                AuditOutcome::Done => Tone::Good,
                AuditOutcome::Asked | AuditOutcome::Looked => Tone::Waiting,
                AuditOutcome::Refused | AuditOutcome::Failed => Tone::Bad,
            };
            table.row([
                moment(entry.at, self.now).into(),
                entry.who.as_str().into(),
                entry.from.as_str().into(),
                Cell::toned(entry.outcome.as_str(), tone),
                entry.path.trim_start_matches("/api/").into(),
            ]);
        }
        let table = table.render(self.palette);
        let mut lines = table.lines();
        let mut text = format!("{}\n", lines.next().unwrap_or_default());
        // What was asked for and why stands below, where it has room: nothing of it is cut off.
        for (line, entry) in lines.zip(&audit.entries) {
            text.push_str(line);
            text.push('\n');
            text.push_str(&Self::indented(&told(entry)));
        }
        if audit.next.is_some() {
            text.push_str("there is more: ask with a larger --limit, or with --until\n");
        }
        text
    }
}

/// What was done, to what and why.
fn told(entry: &AuditEntry) -> String {
    let mut text = match entry.left_out {
        0 => String::new(),
        left_out => format!("(and {left_out} more before it) "),
    };
    text.push_str(&cut(&visible(&entry.deed()), SAID));
    // Why somebody wanted it is told apart from what came of it.
    if !entry.reason.is_empty() {
        text.push_str(", because ");
        text.push_str(&visible(&entry.reason));
    }
    if !entry.told.is_empty() {
        text.push_str(": ");
        text.push_str(&visible(&entry.told));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::{Palette, WIDTH, columns};

    #[test]
    fn an_entry_is_a_line() {
        let page = Page {
            palette: Palette::Plain,
            now: Timestamp::from_millis(0),
        };
        let empty = AuditPage {
            entries: Vec::new(),
            next: None,
        };
        assert!(page.audit(&empty).contains("nobody"));
        let entry = serde_json::json!({
            "at": "2026-11-20T18:00:00Z", "who": "ann", "from": "192.0.2.1",
            "what": "Hold mail", "path": "/api/holds",
            "arguments": {"which.selection.domain": "example.org"},
            "reason": "store \u{1b}[2J", "outcome": "done", "left_out": 7,
            "told": "no such",
        });
        let entry: AuditEntry = serde_json::from_value(entry).unwrap();
        let text = page.audit(&AuditPage {
            entries: vec![entry.clone()],
            next: Some("x".to_owned()),
        });
        let words: Vec<&str> = text.split_whitespace().collect();
        let words = words.join(" ");
        let line =
            "ann 192.0.2.1 done holds (and 7 more before it) Make a hold: domain example.org";
        assert!(words.contains(line), "{text}");
        let both = told(&entry);
        assert!(
            both.contains(", because store ") && both.ends_with(": no such"),
            "{both}"
        );
        assert!(
            !text.contains('\u{1b}') && text.contains("there is more"),
            "{text}"
        );
    }

    #[test]
    fn a_drop_shows_whom_it_meant_and_why() {
        let page = Page {
            palette: Palette::Plain,
            now: Timestamp::from_millis(0),
        };
        let entry = serde_json::json!({
            "at": "2026-11-20T18:00:00Z", "who": "root", "from": "socket",
            "what": "Do a deed to a page of a selection", "path": "/api/queue/perform",
            "arguments": {
                "deed": "drop", "which.after": "06J8Z4K2M0001",
                "which.selection.recipient": "somebody.with.a.long.name@department.example.org",
                "which.selection.reason_kind": "refused",
            },
            "reason": "nobody wants it any more, and the sender knows", "outcome": "done",
            "told": "recipients: 200, messages: 199",
        });
        let text = page.audit(&AuditPage {
            entries: vec![serde_json::from_value(entry).unwrap()],
            next: None,
        });
        assert!(text.lines().all(|line| columns(line) <= WIDTH), "{text}");
        let words: Vec<&str> = text.split_whitespace().collect();
        assert!(
            words.join(" ").ends_with(
                "root socket done queue/perform Drop: recipient \
                 somebody.with.a.long.name@department.example.org and reason refused (goes on \
                 behind 06J8Z4K2M0001), because nobody wants it any more, and the sender knows: \
                 recipients: 200, messages: 199"
            ),
            "{text}"
        );
    }
}
