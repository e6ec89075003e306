//! The config file as it is now, checked: what a start or a reload with it would do.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::Console;
use super::asker::{Asker, Question};
use super::fault::Fault;
use super::shell::{Here, Shell, show};
use super::verdict::Tone;
use crate::admin::{CheckProblem, CheckView, Role};
use crate::cutover::{Finding, Verdict};
use crate::route::RelayTest;
use crate::terminal::{duration, visible};

#[derive(Template)]
#[template(path = "console/check.html")]
struct Page {
    shell: Shell,
    at: String,
    file: String,
    tone: Tone,
    word: &'static str,
    /// The backends and the public DNS were asked, too.
    online: bool,
    problems: Vec<String>,
    warnings: Vec<String>,
    summary: Vec<String>,
    /// Who was asked.
    resolvers: String,
    domains: Vec<Domain>,
}

/// A word with its tone, and what it is about.
struct Row {
    tone: &'static str,
    word: &'static str,
    text: String,
}

/// What a name publishes.
struct Domain {
    name: String,
    findings: Vec<Row>,
    /// What a cutover waits for; nothing for the server itself.
    waits: Vec<String>,
    /// For how long what is old may be kept.
    left: Option<String>,
}

pub(super) async fn page(
    State(console): State<Console>,
    asker: Asker,
    Question(fields): Question,
) -> Result<Response, Fault> {
    asker.needs(Role::Operator)?;
    let online = fields.text("online") == "yes";
    let path = format!("/api/check?online={online}");
    let view: CheckView = console.ask(&asker).get(&path).await?;
    let moments = console.moments();
    let open = view.open_relay.as_ref().and_then(RelayTest::problem);
    let (tone, word) = match (view.ok, view.warnings.is_empty()) {
        (false, _) => (Tone::Trouble, "something is wrong"),
        (true, false) => (Tone::Waiting, "good, with warnings"),
        (true, true) => (Tone::Good, "good"),
    };
    let told = |one: &CheckProblem| visible(&one.told);
    show(&Page {
        at: moments.exact(moments.now),
        file: visible(&view.file),
        tone,
        word,
        online,
        problems: open
            .iter()
            .map(|open| visible(open))
            .chain(view.problems.iter().map(told))
            .collect(),
        warnings: view.warnings.iter().map(told).collect(),
        summary: view.summary.iter().map(|line| visible(line)).collect(),
        resolvers: view
            .dns
            .as_ref()
            .map_or_else(String::new, |dns| dns.report.resolvers.join(", ")),
        domains: domains(&view),
        shell: console.shell(&asker, Here::Config, "Check"),
    })
}

fn row(finding: &Finding) -> Row {
    let (tone, word) = match finding.verdict {
        Verdict::Good => (Tone::Good, "good"),
        Verdict::Note => (Tone::Good, "note"),
        Verdict::Waits => (Tone::Waiting, "waits"),
        Verdict::Wrong => (Tone::Trouble, "wrong"),
        Verdict::Unanswered => (Tone::Waiting, "unknown"),
    };
    Row {
        tone: tone.class(),
        word,
        text: visible(&format!("{}: {}", finding.subject.title(), finding.text)),
    }
}

/// The server itself, then each domain.
fn domains(view: &CheckView) -> Vec<Domain> {
    let Some(dns) = &view.dns else {
        return Vec::new();
    };
    let report = &dns.report;
    let server = Domain {
        name: visible(&report.hostname),
        findings: report.host.iter().map(row).collect(),
        waits: Vec::new(),
        left: None,
    };
    let domains = report.domains.iter().map(|one| {
        let left = std::time::Duration::from_secs(one.wait_seconds);
        Domain {
            name: visible(&one.domain),
            findings: one.findings.iter().map(row).collect(),
            waits: one.waits.iter().map(|text| visible(text)).collect(),
            left: (one.wait_seconds > 0).then(|| duration(left)),
        }
    });
    std::iter::once(server).chain(domains).collect()
}
