//! `check`: the file, and with `--online` what is behind it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::intent::{Depth, Format};
use super::render::Page;
use super::{Exit, Failure, home, online, print};
use crate::automatic::Policy;
use crate::backend::Board;
use crate::base::Clock;
use crate::config::{self, Config, Problem};
use crate::cutover::{Report, Verdict};
use crate::daemon;
use crate::directory::{Directory, DirectoryHandle};
use crate::filter::{self, Filters};
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
    /// The public DNS; only with `--online`, when the file is good.
    #[serde(skip_serializing_if = "Option::is_none")]
    dns: Option<DnsView>,
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
    let mut warnings = Vec::new();
    let (problems, summary, report) = match config::check(&file) {
        Ok((config, directory)) => {
            warnings = Box::pin(all_warnings(&config)).await;
            let summary = summary(&config, &directory);
            relay = Some(test_relay(&config, directory));
            match depth {
                Depth::File => (Vec::new(), summary, None),
                Depth::Online => {
                    let seen = online::look(&config).await?;
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
                dns: report.map(DnsView::from),
            };
            let json = serde_json::to_string_pretty(&view);
            json.map_err(|error| Failure::new(Exit::Failed, error))? + "\n"
        }
        Format::Text => {
            let mut text = if is_good {
                let good = format!("{}: good\n{summary}", file.display());
                warnings.iter().fold(good, |mut text, warning| {
                    writeln!(text, "warning: {warning}").ok();
                    text
                })
            } else {
                problems.iter().fold(String::new(), |mut text, problem| {
                    // Writing to a String cannot fail.
                    writeln!(text, "{problem}").ok();
                    text
                })
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

/// What is possible and unwise, and content filters that do not answer now.
async fn all_warnings(config: &Config) -> Vec<Problem> {
    let mut warnings = config.warnings();
    let options = config.filter_options();
    if options.is_empty() {
        return warnings;
    }
    let Ok(resolve) = Dns::system() else {
        return warnings;
    };
    let world = filter::World {
        dial: Arc::new(TcpDial::default()),
        resolve: Arc::new(resolve),
        clock: Clock::system(),
    };
    let silent = Filters::new(world, options).probe().await;
    let warn = |(name, why): &(String, String)| config.filter_warning(name, why);
    warnings.extend(silent.iter().map(warn));
    warnings
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

/// Where mail would go.
fn summary(config: &Config, directory: &Directory) -> String {
    let mut text = String::new();
    for listener in &config.listeners {
        writeln!(text, "  listens on {}", listener.bind).ok();
    }
    for domain in &config.domains {
        writeln!(text, "  {} goes to {}", domain.name, domain.home).ok();
    }
    for (kind, way, deed) in config.automatic.policy.rules() {
        let rule = Policy::rule(kind, way);
        writeln!(text, "  {rule}: {deed}").ok();
    }
    writeln!(
        text,
        "  {} addresses in the directory",
        directory.entries().count()
    )
    .ok();
    text
}
