//! `check`: the file, and with `--online` what is behind it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::check_machine::of_this_machine;
use super::intent::{Depth, Format};
use super::render::Page;
use super::{Exit, Failure, home, online, print};
use crate::automatic::Policy;
use crate::backend::Board;
use crate::base::{Clock, Timestamp};
use crate::config::{self, Config, Problem};
use crate::cutover::{Report, Verdict};
use crate::daemon;
use crate::directory::{Directory, DirectoryHandle};
use crate::filter::{self, Filters, Probed};
use crate::net::{Dns, TcpDial};
use crate::route::{RelayTest, Router};
use crate::terminal::Palette;

/// What `check` found.
#[derive(Debug, Serialize)]
struct CheckView {
    ok: bool,
    file: PathBuf,
    problems: Vec<ProblemView>,
    /// Could strangers send through this server? Only when the file is good.
    #[serde(skip_serializing_if = "Option::is_none")]
    open_relay: Option<RelayTest>,
    /// What is possible and unwise.
    warnings: Vec<ProblemView>,
    /// Those of `[tls]`, and who sees which.
    certificates: Vec<CertificateView>,
    /// Content filters, as they answer from here.
    filters: Vec<FilterView>,
    /// The public DNS; only with `--online`, when the file is good.
    #[serde(skip_serializing_if = "Option::is_none")]
    dns: Option<DnsView>,
}

#[derive(Debug, Serialize)]
struct CertificateView {
    file: PathBuf,
    /// It is for those who name no host, or none that another one is for.
    first: bool,
    /// The hosts that it is for.
    names: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ends: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
struct FilterView {
    name: String,
    /// What it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
    /// Why it does not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    trouble: Option<String>,
}

#[derive(Debug, Serialize)]
struct DnsView {
    wrong: usize,
    waits: usize,
    unanswered: usize,
    #[serde(flatten)]
    report: Report,
}

#[derive(Debug, Serialize)]
struct ProblemView {
    file: PathBuf,
    line: usize,
    key: String,
    what: String,
}

impl From<Problem> for ProblemView {
    fn from(problem: Problem) -> Self {
        Self {
            file: problem.file,
            line: problem.line,
            key: problem.key,
            what: problem.what,
        }
    }
}

impl From<Probed> for FilterView {
    fn from(probed: Probed) -> Self {
        Self {
            name: probed.name,
            version: probed.answer.as_ref().ok().cloned(),
            trouble: probed.answer.err(),
        }
    }
}

impl From<Report> for DnsView {
    fn from(report: Report) -> Self {
        Self {
            wrong: report.count(Verdict::Wrong),
            waits: report.count(Verdict::Waits),
            unanswered: report.count(Verdict::Unanswered),
            report,
        }
    }
}

/// `check`.
pub(super) async fn check(
    argument: Option<&Path>,
    depth: Depth,
    format: Format,
) -> Result<(), Failure> {
    let file = home::find(argument)?;
    let mut relay = None;
    let (mut warnings, mut filters) = (Vec::new(), Vec::new());
    let mut certificates = Vec::new();
    let (problems, summary, report) = match config::check(&file) {
        Ok((config, directory)) => {
            filters = Box::pin(probe(&config)).await;
            warnings = all_warnings(&config, &filters);
            certificates = shown(&config);
            let summary = summary(&config, &directory, (&filters, &certificates));
            relay = Some(test_relay(&config, directory));
            match depth {
                Depth::File => (Vec::new(), summary, None),
                Depth::Online => {
                    let seen = online::look(&config).await?;
                    warnings.extend(seen.warnings);
                    (seen.problems, summary, Some(seen.report))
                }
            }
        }
        Err(problems) => (problems.0, String::new(), None),
    };
    let is_good = problems.is_empty();
    let open = relay.as_ref().and_then(RelayTest::problem);
    let wrong = report.as_ref().map_or(0, |it| it.count(Verdict::Wrong));
    let text = match format {
        Format::Json => {
            let view = CheckView {
                ok: is_good && wrong == 0 && open.is_none(),
                file: file.clone(),
                problems: problems.into_iter().map(ProblemView::from).collect(),
                open_relay: relay,
                warnings: warnings.into_iter().map(ProblemView::from).collect(),
                certificates,
                filters: filters.into_iter().map(FilterView::from).collect(),
                dns: report.map(DnsView::from),
            };
            let json = serde_json::to_string_pretty(&view);
            json.map_err(|error| Failure::new(Exit::Failed, error))? + "\n"
        }
        Format::Text => {
            let mut text = if is_good {
                let good = format!("{}: good\n{summary}", file.display());
                good + &lines("warning: ", &warnings)
            } else {
                lines("", &problems)
            };
            let page = Page {
                palette: Palette::of_stdout(),
                now: Clock::system().now(),
            };
            text.extend(relay.and_then(|test| page.open_relay(&test)));
            text.extend(report.map(|report| page.cutover(&report)));
            text
        }
    };
    print(&text)?;
    let file = file.display();
    if !is_good {
        Err(Failure::new(Exit::Config, format!("{file} does not pass")))
    } else if let Some(open) = open {
        Err(Failure::new(Exit::Failed, format!("{file}: {open}")))
    } else if wrong > 0 {
        let what = format!("{file} is good, but the DNS is not: {wrong} wrong");
        Err(Failure::new(Exit::Failed, what))
    } else {
        Ok(())
    }
}

/// Each in a line, behind `lead`.
fn lines(lead: &str, problems: &[Problem]) -> String {
    problems.iter().fold(String::new(), |mut text, problem| {
        // Writing to a String cannot fail.
        writeln!(text, "{lead}{problem}").ok();
        text
    })
}

/// What is possible and unwise, and content filters that do not answer now.
fn all_warnings(config: &Config, filters: &[Probed]) -> Vec<Problem> {
    let mut warnings = config.warnings();
    let silent = filters.iter().filter_map(|it| {
        let why = it.answer.as_ref().err()?;
        Some(config.filter_warning(&it.name, why))
    });
    warnings.extend(silent);
    warnings.extend(of_this_machine(config, Clock::system().now()));
    warnings
}

/// Asks the content filters.
async fn probe(config: &Config) -> Vec<Probed> {
    let options = config.filter_options();
    if options.is_empty() {
        return Vec::new();
    }
    let resolve = match Dns::asking(&config.dns.servers) {
        Ok(resolve) => resolve,
        Err(error) => {
            let silent = options.into_iter().map(|filter| Probed {
                name: filter.name,
                answer: Err(format!("nobody was asked: {error}")),
            });
            return silent.collect();
        }
    };
    let world = filter::World {
        dial: Arc::new(TcpDial::default()),
        resolve: Arc::new(resolve),
        clock: Clock::system(),
    };
    Filters::new(world, options).probe().await
}

/// Tries whether strangers could send through a server with this config.
fn test_relay(config: &Config, directory: Directory) -> RelayTest {
    let board = Board::new(&config.backend_options(), Clock::system());
    let directory = DirectoryHandle::new(directory);
    let router = Router::new(directory, board, config.route_options());
    let listeners = config.inbound_options().into_iter();
    let listeners: Vec<_> = listeners.map(|(_, options)| options).collect();
    daemon::all_tests(&listeners, &router)
}

/// The certificates of `[tls]`, which was read just now.
fn shown(config: &Config) -> Vec<CertificateView> {
    let pairs = config.tls.as_ref().and_then(|files| files.load().ok());
    let states = pairs.map(|pairs| pairs.states()).unwrap_or_default();
    let views = states.into_iter().enumerate();
    views
        .map(|(place, state)| CertificateView {
            file: state.file,
            first: place == 0,
            names: state.names,
            ends: state.ends,
        })
        .collect()
}

/// Where mail would go.
fn summary(
    config: &Config,
    directory: &Directory,
    (filters, certificates): (&[Probed], &[CertificateView]),
) -> String {
    let mut text = String::new();
    for listener in &config.listeners {
        writeln!(text, "  listens on {}", listener.bind).ok();
    }
    for certificate in certificates {
        let file = certificate.file.display();
        let mut seen_by = certificate.names.clone();
        seen_by.extend(certificate.first.then(|| "all others".to_owned()));
        writeln!(text, "  {file} is for {}", seen_by.join(", ")).ok();
    }
    for domain in &config.domains {
        writeln!(text, "  {} goes to {}", domain.name, domain.home).ok();
    }
    for (domain, policy) in &config.mta_sts.policies {
        let (hosts, id) = (policy.hosts().join(", "), policy.id());
        writeln!(text, "  mta-sts.{domain} is this server and names {hosts}").ok();
        writeln!(text, "    _mta-sts.{domain} TXT \"v=STSv1; id={id};\"").ok();
    }
    for (kind, way, deed) in config.automatic.policy.rules() {
        let rule = Policy::rule(kind, way);
        writeln!(text, "  {rule}: {deed}").ok();
    }
    for filter in filters {
        if let Ok(version) = &filter.answer {
            writeln!(text, "  filter {} answers: {version}", filter.name).ok();
        }
    }
    writeln!(
        text,
        "  {} addresses in the directory",
        directory.entries().count()
    )
    .ok();
    text
}
