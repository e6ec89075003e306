//! A notice in words: for people, and as JSON for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::condition::{Kind, Severity};
use super::core::{Item, News, Notice};
use crate::base::Timestamp;
use crate::terminal::visible;

/// Characters of what happened that stand in a subject.
const SUBJECT: usize = 120;
/// Characters of one line of what others said.
const LINE: usize = 500;
/// Of the JSON.
const VERSION: u32 = 1;

/// A notice in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Telling {
    /// One line.
    pub(super) subject: String,
    /// Lines, for mail.
    pub(super) text: String,
    /// For webhooks and commands.
    pub(super) json: Vec<u8>,
    pub(super) severity: Severity,
    pub(super) at: Timestamp,
    pub(super) number: u64,
}

impl Telling {
    pub(super) fn of(notice: &Notice, host: &str) -> Self {
        let subject = format!("[Tideover {host}] {}", headline(notice));
        let text = text(notice, host);
        let items: Vec<Value> = notice.items.iter().map(item_json).collect();
        let json = json!({
            "version": VERSION,
            "number": notice.number,
            "host": host,
            "at": notice.at,
            "severity": notice.severity(),
            "subject": &subject,
            "text": harmless(&text),
            "held_back": notice.held_back,
            "items": items,
        });
        Self {
            json: json.to_string().into_bytes(),
            severity: notice.severity(),
            at: notice.at,
            number: notice.number,
            subject,
            text,
        }
    }
}

fn item_json(item: &Item) -> Value {
    let condition = &item.condition;
    json!({
        "kind": condition.kind,
        "subject": line(&condition.subject),
        "news": item.news,
        "severity": condition.severity,
        "state": condition.state,
        "since": condition.since,
        "until": item.until,
        "what": line(&condition.what),
        "what_to_do": line(&condition.todo),
        "changes": item.changes,
    })
}

/// `critical: onprem is down: connection refused, and 2 more`.
fn headline(notice: &Notice) -> String {
    let Some(first) = notice.items.first() else {
        return String::new();
    };
    let word = match first.news {
        News::Over | News::Passed => first.news.as_str(),
        News::Lasts if first.condition.kind != Kind::Test => "still",
        News::Began | News::Changed | News::Lasts => notice.severity().as_str(),
    };
    let what = line(&first.condition.what);
    let mut head: String = what.chars().take(SUBJECT).collect();
    if head.len() < what.len() {
        head.push('…');
    }
    match notice.items.len() {
        1 => format!("{word}: {head}"),
        all => format!("{word}: {head}, and {} more", all - 1),
    }
}

fn text(notice: &Notice, host: &str) -> String {
    let mut text = format!("Tideover on {host}, {}\n", time(notice.at));
    for item in &notice.items {
        text.push('\n');
        write_item(&mut text, item);
    }
    if notice.held_back > 0 {
        let more = notice.held_back;
        // Writing to a String cannot fail.
        write!(
            text,
            "\n{more} more are not in this notice: too much at one time, or within an hour.\n"
        )
        .ok();
    }
    text.push_str("\nHow it is now: tideover status. What was sent: tideover notify status.\n");
    text
}

fn write_item(text: &mut String, item: &Item) {
    let condition = &item.condition;
    let word = match item.news {
        News::Began | News::Changed => condition.severity.as_str().to_uppercase(),
        News::Lasts => format!("{}, still", condition.severity.as_str().to_uppercase()),
        News::Over => "OVER".to_owned(),
        News::Passed => "PASSED".to_owned(),
    };
    writeln!(text, "{word}: {}", line(&condition.what)).ok();
    let since = time(condition.since);
    match item.until {
        Some(until) => writeln!(text, "  from {since} to {}", time(until)).ok(),
        None => writeln!(text, "  since {since}").ok(),
    };
    if item.changes > 0 {
        let often = match item.changes {
            1 => "once".to_owned(),
            changes => format!("{changes} times"),
        };
        writeln!(
            text,
            "  it went and came again {often} since the last notice"
        )
        .ok();
    }
    if !item.news.is_end() && !condition.todo.is_empty() {
        writeln!(text, "  what to do: {}", line(&condition.todo)).ok();
    }
}

/// What others said, on one line of ours.
fn line(text: &str) -> String {
    visible(text).chars().take(LINE).collect()
}

fn time(at: Timestamp) -> String {
    let at = at.to_jiff();
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// Chats make links and calls of what hosts of strangers said: `<!channel>`, `@all`.
fn harmless(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    let mut before = ' ';
    for letter in text.chars() {
        harmless.push(match letter {
            '<' => '‹',
            '>' => '›',
            '@' if !before.is_alphanumeric() => '＠',
            other => other,
        });
        before = letter;
    }
    harmless
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::Condition;

    fn item(news: News, what: &str) -> Item {
        let since = "2026-01-02T10:02:03.000Z".parse().unwrap();
        Item {
            news,
            condition: Condition {
                kind: Kind::Backend,
                subject: "onprem".to_owned(),
                state: "down".to_owned(),
                severity: Severity::Critical,
                since,
                what: what.to_owned(),
                todo: "Nothing for the mail.".to_owned(),
            },
            until: news
                .is_end()
                .then(|| "2026-01-02T10:05:00.000Z".parse().unwrap()),
            changes: 0,
        }
    }

    fn telling(items: Vec<Item>) -> Telling {
        let notice = Notice {
            number: 7,
            at: "2026-01-02T10:06:00.000Z".parse().unwrap(),
            items,
            held_back: 2,
        };
        Telling::of(&notice, "mx.example.org")
    }

    #[test]
    fn people_read_what_since_when_and_what_to_do() {
        let told = telling(vec![
            item(News::Began, "onprem is down: refused"),
            item(News::Over, "cloud is down: refused"),
        ]);
        assert_eq!(
            told.subject,
            "[Tideover mx.example.org] critical: onprem is down: refused, and 1 more"
        );
        assert_eq!(
            told.text,
            "Tideover on mx.example.org, 2026-01-02 10:06:00 UTC\n\n\
             CRITICAL: onprem is down: refused\n  since 2026-01-02 10:02:03 UTC\n  \
             what to do: Nothing for the mail.\n\n\
             OVER: cloud is down: refused\n  \
             from 2026-01-02 10:02:03 UTC to 2026-01-02 10:05:00 UTC\n\n\
             2 more are not in this notice: too much at one time, or within an hour.\n\n\
             How it is now: tideover status. What was sent: tideover notify status.\n"
        );
        let over = telling(vec![item(News::Over, "onprem is down: refused")]);
        assert_eq!(
            over.subject,
            "[Tideover mx.example.org] over: onprem is down: refused"
        );
        assert_eq!(over.severity, Severity::Info);
    }

    /// Others read it: what is here may only grow.
    #[test]
    fn programs_read_the_same_fields_for_ever() {
        let told = telling(vec![item(News::Began, "onprem is down")]);
        let read: Value = serde_json::from_slice(&told.json).unwrap();
        let mut expected = json!({
            "version": 1,
            "number": 7,
            "host": "mx.example.org",
            "at": "2026-01-02T10:06:00.000Z",
            "severity": "critical",
            "subject": "[Tideover mx.example.org] critical: onprem is down",
            "held_back": 2,
            "items": [{
                "kind": "backend",
                "subject": "onprem",
                "news": "began",
                "severity": "critical",
                "state": "down",
                "since": "2026-01-02T10:02:03.000Z",
                "until": null,
                "what": "onprem is down",
                "what_to_do": "Nothing for the mail.",
                "changes": 0,
            }],
        });
        expected["text"] = Value::from(told.text);
        assert_eq!(read, expected);
    }

    #[test]
    fn what_hosts_say_forges_nothing() {
        let said = "550 no\r\nBcc: x@example.net \u{1b}[31m <!channel> @all \u{202e}";
        let told = telling(vec![item(News::Began, said)]);
        assert!(!told.subject.contains(['\r', '\n', '\u{1b}', '\u{202e}']));
        assert!(!told.text.contains(['\r', '\u{1b}', '\u{202e}']));
        assert!(told.text.lines().all(|line| !line.starts_with("Bcc")));
        let read: Value = serde_json::from_slice(&told.json).unwrap();
        let text = read["text"].as_str().unwrap();
        assert!(!text.contains('<') && !text.contains(" @all"), "{text}");
        assert!(text.contains("x@example.net"), "{text}");
        let long = telling(vec![item(News::Began, &"x".repeat(100_000))]);
        assert!(long.subject.chars().count() < 200 && long.text.len() < 2_000);
    }
}
