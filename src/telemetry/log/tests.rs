use std::io::{self, Read as _, Write};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use tracing_subscriber::layer::SubscriberExt as _;

use super::layer::Lines;
use super::line::Paint;
use super::queue::Queue;
use super::sinks::{Settings, Sinks, Stream};
use super::{LogFormat, LogOptions, LogStream};
use crate::limits;

/// What nobody should write to a terminal, or take for the end of a line.
const HOSTILE: &str = "a\r\n2026 INFO accepted id=1\x1b[2J\x07\u{9b}31m\u{202e}txt\u{2028}\u{200b}";

#[derive(Clone, Default)]
struct Shelf(Arc<Mutex<Vec<u8>>>);

impl Write for Shelf {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Shelf {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

/// A log beside that of the process.
struct Log {
    queue: Arc<Queue>,
    settings: Arc<Settings>,
    stderr: Shelf,
    stdout: Shelf,
}

fn options(format: LogFormat, to: LogStream) -> LogOptions {
    LogOptions {
        format,
        to,
        ..LogOptions::default()
    }
}

impl Log {
    fn new(format: LogFormat, journal: &Path) -> Self {
        let (stderr, stdout) = (Shelf::default(), Shelf::default());
        let settings = Arc::new(Settings::new(&options(format, LogStream::Stderr)));
        let queue = Arc::new(Queue::default());
        let stream = |shelf: &Shelf| Stream {
            out: Box::new(shelf.clone()),
            paint: Paint::Plain,
        };
        let streams = (stream(&stderr), stream(&stdout));
        let sinks = Sinks::new(streams, journal.to_owned(), Arc::clone(&settings));
        sinks.spawn(Arc::clone(&queue)).unwrap();
        Self {
            queue,
            settings,
            stderr,
            stdout,
        }
    }

    fn says(&self, what: impl FnOnce()) {
        let lines = Lines::new(Arc::clone(&self.queue));
        let subscriber = tracing_subscriber::registry().with(lines);
        tracing::subscriber::with_default(subscriber, what);
        self.queue.wait_until_written(Duration::from_secs(30));
    }
}

fn nowhere() -> PathBuf {
    PathBuf::from("/nowhere/journal")
}

fn speak() {
    tracing::warn!(
        id = "0S9W301QR0000",
        from = "a@example.org",
        reply = "250 2.0.0 Ok \"x\"",
        recipients = 2_u64,
        uncertain = true,
        seconds = 0.5,
        empty = "",
        nothing = None::<&str>,
        "delivered"
    );
}

#[test]
fn a_line_for_people() {
    let log = Log::new(LogFormat::Text, &nowhere());
    log.says(speak);
    let text = log.stderr.text();
    let (at, rest) = text.split_once(' ').unwrap();
    assert!(at.ends_with('Z') && at.contains('T'), "{text}");
    assert_eq!(
        rest,
        " WARN delivered id=0S9W301QR0000 from=a@example.org reply=\"250 2.0.0 Ok \\\"x\\\"\" \
         recipients=2 uncertain=true seconds=0.5 empty=\"\"\n"
    );
    assert_eq!(log.stdout.text(), "");
}

#[test]
fn an_object_for_programs() {
    let log = Log::new(LogFormat::Json, &nowhere());
    log.says(|| {
        speak();
        tracing::info!(
            level = "mine",
            odd = f64::NAN,
            "its own keys are not doubled"
        );
    });
    let text = log.stderr.text();
    let lines: Vec<Json> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let first = &lines[0];
    assert_eq!(first["level"], "WARN");
    assert_eq!(first["event"], "delivered");
    assert_eq!(first["id"], "0S9W301QR0000");
    assert_eq!(first["recipients"], 2);
    assert_eq!(first["uncertain"], true);
    assert_eq!(first["seconds"], 0.5);
    assert_eq!(first["empty"], "");
    assert!(first.get("nothing").is_none());
    let target = first["target"].as_str().unwrap();
    assert!(target.starts_with("tideover::telemetry"), "{target}");
    assert_eq!(
        (&lines[1]["level"], &lines[1]["level_"]),
        (&Json::from("INFO"), &Json::from("mine"))
    );
    assert_eq!(lines[1]["odd"], "NaN");
}

#[test]
fn hostile_bytes_stay_in_their_field() {
    for format in [LogFormat::Text, LogFormat::Json] {
        let log = Log::new(format, &nowhere());
        let endless = format!("{}{HOSTILE}", "ä".repeat(50 * 1024));
        log.says(|| {
            tracing::info!(from = HOSTILE, to = %HOSTILE, what = ?HOSTILE, endless, "refused");
            tracing::info!("{HOSTILE}");
        });
        let text = log.stderr.text();
        assert_eq!(text.lines().count(), 2, "{text}");
        assert_eq!(text.matches('\n').count(), 2, "{text}");
        let acts = |c: char| c.is_control() && c != '\n';
        assert!(!text.contains(acts), "{text:?}");
        for bidi in ['\u{202e}', '\u{2028}', '\u{200b}'] {
            assert!(!text.contains(bidi), "{text:?}");
        }
        assert!(text.len() < 3 * 8 * limits::LOG_VALUE, "{}", text.len());
        assert!(text.contains("bytes more"), "{text}");
        if format == LogFormat::Json {
            let line: Json = serde_json::from_str(text.lines().next().unwrap()).unwrap();
            assert_eq!(line["from"], HOSTILE);
            let cut = line["endless"].as_str().unwrap();
            let expected = 100 * 1024 + HOSTILE.len() - limits::LOG_VALUE;
            assert!(cut.ends_with(&format!("… and {expected} bytes more")));
        } else {
            // What looks like a field of ours is within quotes.
            assert!(text.contains("from=\"a\\r\\n2026 INFO accepted id=1\\u{1b}[2J"));
        }
    }
}

#[test]
fn the_journal_gets_each_field_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let journal = UnixDatagram::bind(&path).unwrap();
    let log = Log::new(LogFormat::Journald, &path);
    log.says(|| {
        speak();
        tracing::error!(from = HOSTILE, "refused");
    });
    let mut buffer = vec![0; 64 * 1024];
    let mut next = || {
        let read = journal.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..read].to_vec()).unwrap()
    };
    let (first, second) = (next(), next());
    let fields: Vec<(&str, &str)> = first
        .lines()
        .map(|line| line.split_once('=').unwrap())
        .collect();
    for field in [
        ("PRIORITY", "4"),
        ("SYSLOG_IDENTIFIER", "tideover"),
        ("TIDEOVER_EVENT", "delivered"),
        ("TIDEOVER_ID", "0S9W301QR0000"),
        ("TIDEOVER_REPLY", "250 2.0.0 Ok \"x\""),
        ("TIDEOVER_RECIPIENTS", "2"),
    ] {
        assert!(fields.contains(&field), "{field:?} in {first}");
    }
    let message = fields.iter().find(|(name, _)| *name == "MESSAGE").unwrap();
    assert!(message.1.starts_with("delivered id=0S9W301QR0000 from="));
    // Every line is a field of ours, whatever strangers write.
    for line in second.lines() {
        let (name, _) = line.split_once('=').unwrap();
        let known = ["PRIORITY", "SYSLOG_IDENTIFIER", "MESSAGE"].contains(&name);
        assert!(known || name.starts_with("TIDEOVER_"), "{second}");
    }
    assert_eq!(log.stderr.text(), "");
    // A journal that is gone leaves readable lines.
    drop(journal);
    std::fs::remove_file(&path).unwrap();
    log.says(speak);
    assert!(
        log.stderr
            .text()
            .contains("WARN delivered id=0S9W301QR0000")
    );
    // And it is found again.
    let journal = UnixDatagram::bind(&path).unwrap();
    log.says(speak);
    assert!(journal.recv(&mut buffer).unwrap() > 0);
}

#[test]
fn form_and_place_change_while_it_runs() {
    let log = Log::new(LogFormat::Text, &nowhere());
    log.says(speak);
    log.settings
        .set(&options(LogFormat::Json, LogStream::Stdout));
    log.says(speak);
    assert_eq!(log.stderr.text().lines().count(), 1);
    let line: Json = serde_json::from_str(&log.stdout.text()).unwrap();
    assert_eq!(line["event"], "delivered");
}

#[test]
fn who_does_not_read_stops_nobody_and_is_told_what_he_missed() {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    let settings = Arc::new(Settings::new(&options(LogFormat::Text, LogStream::Stderr)));
    let queue = Arc::new(Queue::default());
    let stream = |out| Stream {
        out,
        paint: Paint::Plain,
    };
    let streams = (stream(Box::new(ours)), stream(Box::new(io::sink())));
    let sinks = Sinks::new(streams, nowhere(), settings);
    sinks.spawn(Arc::clone(&queue)).unwrap();
    let subscriber = tracing_subscriber::registry().with(Lines::new(Arc::clone(&queue)));
    // More than fits into the socket and the queue together.
    let lines = 3 * limits::LOG_WAITING / limits::LOG_VALUE;
    let text = "x".repeat(limits::LOG_VALUE);
    tracing::subscriber::with_default(subscriber, || {
        for _ in 0..lines {
            tracing::info!(text, "a flood");
        }
    });
    let begun = Instant::now();
    queue.wait_until_written(Duration::from_millis(50));
    assert!(begun.elapsed() < Duration::from_secs(20), "the end waits");
    // Now he reads.
    let (mut seen, mut buffer) = (String::new(), [0; 8 * 1024]);
    while !seen.contains("left_out=") || !seen.ends_with('\n') {
        let read = theirs.read(&mut buffer).unwrap();
        seen.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
    }
    let left_out = seen.split_once("left_out=").unwrap().1;
    let left_out: usize = left_out.trim().parse().unwrap();
    let written = seen.lines().filter(|line| line.contains("a flood")).count();
    assert_eq!(written + left_out, lines);
    assert!(left_out > lines / 2, "{left_out} of {lines}");
}
