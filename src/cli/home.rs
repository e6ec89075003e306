//! The verbs that read the config themselves, and where the server of a config lives.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::intent::{Depth, Format};
use super::{Exit, Failure, print};
use crate::backend::Prober as _;
use crate::base::{Clock, Entropy};
use crate::config::{self, Config, Places, Problem, Problems};
use crate::daemon::{self, StartError};
use crate::directory::Directory;
use crate::net::{Dns, TcpDial, TlsClient};
use crate::outbound::{self, Outbound};
use crate::telemetry::log::{self, LogOptions};

fn refused(problems: &Problems) -> Failure {
    let text = problems.to_string().replace('\n', "\n  ");
    Failure::new(Exit::Config, format!("the config is refused:\n  {text}"))
}

fn find(argument: Option<&Path>) -> Result<PathBuf, Failure> {
    // The arguments know TIDEOVER_CONFIG too.
    let places = Places {
        argument: argument.map(Path::to_owned),
        environment: None,
    };
    config::find(places).map_err(|problems| refused(&problems))
}

/// `data_dir` of the config, and the config's file. Whatever else is wrong in it: the server that
/// runs can still be asked while somebody edits the file, and says itself what it refuses.
pub(super) fn data_dir(argument: Option<&Path>) -> Result<(PathBuf, PathBuf), Failure> {
    let file = find(argument)?;
    let data_dir = config::data_dir(&file).map_err(|problems| refused(&problems))?;
    Ok((data_dir, file))
}

/// Where the spool of the config is, and how it is kept.
pub(super) fn spool_options(argument: Option<&Path>) -> Result<crate::spool::Options, Failure> {
    let file = find(argument)?;
    let config = config::read(&file).map_err(|problems| refused(&problems))?;
    Ok(config.spool_options())
}

/// What `check` found.
#[derive(Debug, Serialize)]
struct CheckView {
    ok: bool,
    file: PathBuf,
    problems: Vec<ProblemView>,
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

/// `serve`.
pub(super) async fn serve(argument: Option<&Path>) -> Result<(), Failure> {
    let file = find(argument)?;
    let config = config::load(&file).map_err(|problems| refused(&problems))?;
    log::install(&LogOptions::default()).map_err(|error| Failure::new(Exit::Config, error))?;
    daemon::serve(config).await.map_err(|error| {
        let exit = match &error {
            StartError::Config(_) => Exit::Config,
            StartError::Spool(_) | StartError::Bind(_) | StartError::Other { .. } => Exit::Failed,
        };
        Failure::new(exit, error)
    })
}

/// `check`.
pub(super) async fn check(
    argument: Option<&Path>,
    depth: Depth,
    format: Format,
) -> Result<(), Failure> {
    let file = find(argument)?;
    let (problems, summary) = match config::check(&file) {
        Ok((config, directory)) => {
            let problems = match depth {
                Depth::File => Vec::new(),
                Depth::Online => ask_backends(&config).await?,
            };
            (problems, summary(&config, &directory))
        }
        Err(problems) => (problems.0, String::new()),
    };
    let ok = problems.is_empty();
    let text = match format {
        Format::Json => {
            let view = CheckView {
                ok,
                file: file.clone(),
                problems: problems.into_iter().map(ProblemView::from).collect(),
            };
            let json = serde_json::to_string_pretty(&view);
            json.map_err(|error| Failure::new(Exit::Failed, error))? + "\n"
        }
        Format::Text if ok => format!("{}: good\n{summary}", file.display()),
        Format::Text => problems.iter().fold(String::new(), |mut text, problem| {
            // Writing to a String cannot fail.
            writeln!(text, "{problem}").ok();
            text
        }),
    };
    print(&text)?;
    if ok {
        Ok(())
    } else {
        Err(Failure::new(
            Exit::Config,
            format!("{} does not pass", file.display()),
        ))
    }
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
    writeln!(
        text,
        "  {} addresses in the directory",
        directory.entries().count()
    )
    .ok();
    text
}

/// Probes every backend once, as the server does.
async fn ask_backends(config: &Config) -> Result<Vec<Problem>, Failure> {
    let failed = |error: String| Failure::new(Exit::Failed, error);
    let world = outbound::World {
        dial: Arc::new(TcpDial::default()),
        resolve: Arc::new(Dns::system().map_err(|error| failed(error.to_string()))?),
        tls: TlsClient::new().map_err(|error| failed(error.to_string()))?,
        clock: Clock::system(),
        entropy: Entropy::system(),
        board: None,
    };
    let client = Outbound::new(config.outbound_options(), world);
    let mut problems = Vec::new();
    for backend in &config.backend_options() {
        if let Err(failure) = client.probe(backend).await {
            problems.push(Problem {
                file: config.file.clone(),
                line: 0,
                key: format!("backend.{}", backend.id),
                what: format!("does not take mail: {failure}"),
            });
        }
    }
    Ok(problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_errors_still_leads_to_the_server() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tideover.toml");
        std::fs::write(&file, "[server]\ndata_dir = \"/srv/mail\"\nhostnam = 1\n").unwrap();
        let (data_dir, _) = data_dir(Some(&file)).unwrap();
        assert_eq!(data_dir, Path::new("/srv/mail"));
    }
}
