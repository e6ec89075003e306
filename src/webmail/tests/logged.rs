//! Logins in the program's log, and in the metrics.

use std::net::IpAddr;

use serde_json::Value;
use tracing::subscriber::DefaultGuard;

use super::*;
use crate::telemetry::Metrics;
use crate::webmail::logins::{Login, Outcome, Way, Who};

/// The log of this thread, as long as it lives.
pub(super) struct Log {
    bytes: Arc<Mutex<Vec<u8>>>,
    _guard: DefaultGuard,
    /// While there is only one in the process, threads without it decide that a line is never
    /// wanted, for all.
    _second: tracing::Dispatch,
}

struct Writer(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    pub(super) fn new() -> Self {
        let second = tracing::Dispatch::new(tracing_subscriber::registry());
        let bytes = Arc::<Mutex<Vec<u8>>>::default();
        let written = Arc::clone(&bytes);
        let writer = move || Writer(Arc::clone(&written));
        let log = tracing_subscriber::fmt().json().flatten_event(true);
        let log = log.with_writer(writer).finish();
        Self {
            bytes,
            _guard: tracing::subscriber::set_default(log),
            _second: second,
        }
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8(self.bytes.lock().unwrap().clone()).unwrap()
    }

    /// The lines about logins since the last time: who, way, outcome and why.
    pub(super) fn logins(&self) -> Vec<String> {
        let text = self.text();
        self.bytes.lock().unwrap().clear();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        let logins = lines.filter(|line: &Value| line["message"] == "webmail: login");
        logins
            .map(|line| {
                let text = |name: &str| line[name].as_str().unwrap().to_owned();
                let whole = ["who", "way", "outcome", "why"].map(text).join(" ");
                assert!(text("from").parse::<IpAddr>().is_ok(), "{line}");
                whole.trim_end().to_owned()
            })
            .collect()
    }
}

#[tokio::test]
async fn each_login_and_each_try_is_one_line() {
    Metrics::install().unwrap();
    let log = Log::new();
    let site = Site::new();
    let mut ann = site.enrolled("ann@example.org").await;
    assert_eq!(log.logins(), ["ann@example.org invitation in"]);
    let mut browser = Browser::new(&site);
    for (address, password, line) in [
        ("ann@example.org", PASSWORD, "ann@example.org password in"),
        (
            "Sales@Example.org",
            "wrong",
            "sales@example.org password wrong",
        ),
        (
            "eve@example.org",
            "wrong",
            "nobody of example.org password wrong",
        ),
        (
            "ann+secret@example.org",
            "wrong",
            "nobody of example.org password wrong",
        ),
        ("a@far.example", "wrong", "nobody of ours password wrong"),
        ("my secret pass", "wrong", "no address password wrong"),
        ("secret\n@example.org", "wrong", "no address password wrong"),
    ] {
        browser.enter_with(address, password).await;
        let text = log.text();
        assert!(
            !text.contains("secret") && !text.contains(PASSWORD),
            "{text}"
        );
        assert_eq!(log.logins(), [line]);
    }
    let (_, codes, _) = ann.secured().await;
    log.logins();
    let mut browser = Browser::new(&site);
    let half = browser.enter_with("ann@example.org", PASSWORD).await;
    assert_eq!(log.logins(), ["ann@example.org password half"]);
    let (csrf, half) = (half.field("csrf"), half.field("half"));
    for (code, line) in [
        ("000000", "ann@example.org code wrong"),
        (codes[0].as_str(), "ann@example.org recovery in"),
    ] {
        let form = [("csrf", &*csrf), ("half", &*half), ("code", code)];
        browser.post("/login/second", &form).await;
        assert_eq!(log.logins(), [line]);
    }
    let metrics = Metrics::install().unwrap().render();
    for labels in [
        "{way=\"password\",outcome=\"in\"}",
        "{way=\"password\",outcome=\"wrong\"}",
        "{way=\"recovery\",outcome=\"in\"}",
    ] {
        let name = format!("tideover_webmail_logins_total{labels}");
        assert!(metrics.contains(&name), "{metrics}");
    }
}

#[tokio::test]
async fn a_flood_of_tries_does_not_fill_the_log_and_hides_nobody_who_came_in() {
    let log = Log::new();
    let site = Site::new();
    let tried = |outcome| {
        site.webmail.note_login(&Login {
            way: Way::Password,
            outcome,
            who: Who::Typed("eve@example.org"),
            from: IpAddr::from([192, 0, 2, 1]),
            why: "",
        });
    };
    for _ in 0..1_000 {
        tried(Outcome::Begun);
    }
    let lines = log.logins().len();
    assert!((100..200).contains(&lines), "{lines}");
    for _ in 0..10_000 {
        tried(Outcome::Wrong);
    }
    let lines = log.logins().len();
    // The clock of a test goes on.
    assert!((100..200).contains(&lines), "{lines}");
    tried(Outcome::In);
    assert_eq!(log.logins().len(), 1);
    site.pass(60);
    tried(Outcome::Wrong);
    let told = log.text();
    let told: Value = serde_json::from_str(told.trim_end()).unwrap();
    assert!(told["left_out"].as_u64().unwrap() > 9_000, "{told}");
}
