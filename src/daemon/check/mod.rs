//! `check`: the config file, what it names on this machine, and with [`CheckDepth::Online`] what is
//! behind it. The verb does it by itself; the server that runs does it for its API.

mod machine;
mod online;
mod ordered;
mod placeholders;

use std::path::Path;
use std::sync::Arc;

use super::relay_watch::all_tests;
use crate::admin::{CheckCertificate, CheckDepth, CheckDns, CheckFilter, CheckProblem, CheckView};
use crate::automatic::Policy;
use crate::backend::Board;
use crate::base::{Clock, Timestamp};
use crate::config::{self, Config, Problem};
use crate::cutover::{Report, Verdict};
use crate::directory::{Directory, DirectoryHandle};
use crate::filter::{self, Filters, Probed};
use crate::net::{AuthoritiesState, Dns, TcpDial};
use crate::route::{RelayTest, Router};
use machine::{client_authorities, of_this_machine};
use ordered::ordered;
use placeholders::placeholders;

/// What the file and this machine say; the rest has to be asked.
#[derive(Debug)]
pub struct Checked {
    /// `None`: it is refused.
    config: Option<Config>,
    view: CheckView,
}

impl Checked {
    /// Reads a config file. Blocks.
    #[must_use]
    pub fn of(file: &Path) -> Self {
        let mut view = CheckView {
            ok: false,
            file: file.display().to_string(),
            problems: Vec::new(),
            open_relay: None,
            warnings: Vec::new(),
            summary: Vec::new(),
            certificates: Vec::new(),
            acme: None,
            filters: Vec::new(),
            dns: None,
        };
        let config = match config::check(file) {
            Ok((config, directory)) => {
                let warnings = config.warnings().into_iter();
                let warnings = warnings.chain(of_this_machine(&config, Clock::system().now()));
                let warnings = warnings.chain(placeholders(file));
                view.warnings = warnings.map(told).collect();
                view.certificates = shown(&config);
                view.acme = config.acme_view();
                view.summary = summary(&config, &directory, &view.certificates);
                view.open_relay = Some(test_relay(&config, directory));
                Some(config)
            }
            Err(problems) => {
                view.problems = problems.0.into_iter().map(told).collect();
                None
            }
        };
        Self { config, view }
    }

    /// Asks those who have to be asked.
    ///
    /// # Errors
    /// When nobody can be asked from here, for people.
    pub async fn asking(self, depth: CheckDepth) -> Result<CheckView, String> {
        let mut view = self.view;
        if let Some(config) = self.config {
            for probed in Box::pin(probe(&config)).await {
                view.take(&config, probed);
            }
            if depth == CheckDepth::Online {
                let seen = online::look(&config).await?;
                view.warnings.extend(seen.warnings.into_iter().map(told));
                view.problems.extend(seen.problems.into_iter().map(told));
                view.dns = Some(dns(seen.report));
            }
        }
        let wrong = view.dns.as_ref().map_or(0, |dns| dns.wrong);
        let open = view.open_relay.as_ref().and_then(RelayTest::problem);
        view.ok = view.problems.is_empty() && wrong == 0 && open.is_none();
        Ok(view)
    }
}

impl CheckView {
    /// A content filter was asked.
    fn take(&mut self, config: &Config, probed: Probed) {
        let name = probed.name;
        let (version, trouble) = match probed.answer {
            Ok(version) => {
                let line = format!("filter {name} answers: {version}");
                let place = self.summary.len().saturating_sub(1);
                self.summary.insert(place, line);
                (Some(version), None)
            }
            Err(why) => {
                self.warnings.push(told(config.filter_warning(&name, &why)));
                (None, Some(why))
            }
        };
        self.filters.push(CheckFilter {
            name,
            version,
            trouble,
        });
    }
}

fn told(problem: Problem) -> CheckProblem {
    CheckProblem {
        told: problem.to_string(),
        file: problem.file.display().to_string(),
        line: problem.line,
        key: problem.key,
        what: problem.what,
    }
}

fn dns(report: Report) -> CheckDns {
    CheckDns {
        wrong: report.count(Verdict::Wrong),
        waits: report.count(Verdict::Waits),
        unanswered: report.count(Verdict::Unanswered),
        report,
    }
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
    all_tests(&listeners, &router)
}

/// The certificates of `[tls]`, which was read just now.
fn shown(config: &Config) -> Vec<CheckCertificate> {
    let pairs = config.tls.as_ref().and_then(|files| files.load().ok());
    let states = pairs.map(|pairs| pairs.states()).unwrap_or_default();
    let views = states.into_iter().enumerate();
    views
        .map(|(place, state)| CheckCertificate {
            file: state.file.display().to_string(),
            first: place == 0,
            names: state.names,
            ends: state.ends,
        })
        .collect()
}

/// Where mail would go; the directory last.
fn summary(
    config: &Config,
    directory: &Directory,
    certificates: &[CheckCertificate],
) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let listeners = config.listeners.iter();
    lines.extend(listeners.map(|listener| format!("listens on {}", listener.bind)));
    for certificate in certificates {
        let mut seen_by = certificate.names.clone();
        seen_by.extend(certificate.first.then(|| "all others".to_owned()));
        let (file, seen_by) = (&certificate.file, seen_by.join(", "));
        let ends = certificate.ends;
        let ends = ends.map_or_else(String::new, |ends| format!(", until {ends}"));
        lines.push(format!("{file} is for {seen_by}{ends}"));
    }
    lines.extend(made_by_others(config));
    for domain in &config.domains {
        lines.push(format!("{} goes to {}", domain.name, domain.home));
    }
    for (domain, policy) in &config.mta_sts.policies {
        let (hosts, id) = (policy.hosts().join(", "), policy.id());
        lines.push(format!("mta-sts.{domain} is this server and names {hosts}"));
        lines.push(format!("  _mta-sts.{domain} TXT \"v=STSv1; id={id};\""));
    }
    for (kind, way, deed) in config.automatic.policy.rules() {
        lines.push(format!("{}: {deed}", Policy::rule(kind, way)));
    }
    let addresses = directory.entries().count();
    lines.push(format!("{addresses} addresses in the directory"));
    lines
}

/// What authorities make for us, and for those who come.
fn made_by_others(config: &Config) -> Vec<String> {
    let acme = config.acme_view();
    let acme = acme.map(|acme| ordered(&acme, Clock::system().now()));
    let clients = client_authorities(config).into_iter().flat_map(known_by);
    acme.into_iter().chain(clients).collect()
}

/// By which authorities clients are known, and what those have revoked.
fn known_by(state: AuthoritiesState) -> Vec<String> {
    let until = |what: &str, ends: Option<Timestamp>| {
        ends.map_or_else(String::new, |ends| format!(", {what}{ends}"))
    };
    let (file, ends) = (
        state.file.display(),
        until("the last one until ", state.ends),
    );
    let mut lines = vec![format!("clients are known by authorities of {file}{ends}")];
    lines.extend(state.lists.into_iter().map(|list| {
        let (file, ends) = (list.file.display(), until("until ", list.ends));
        format!(
            "  {} has revoked {} ({file}{ends})",
            list.issuer, list.revoked
        )
    }));
    let unlisted = state.unlisted.into_iter();
    lines.extend(unlisted.map(|issuer| format!("  what {issuer} has revoked is not known")));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The open-relay test of a config with one domain, and this behind it.
    fn tried(more: &str) -> RelayTest {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tideover.toml");
        let text = format!(
            "[server]\nhostname = \"mx.example.org\"\n[[listener]]\nbind = \"127.0.0.1:2525\"\n\
             [backend.onprem]\nhosts = [\"192.0.2.1:25\"]\n\
             [domain.\"example.org\"]\nhome = \"onprem\"\nunknown = \"relay\"\n{more}"
        );
        std::fs::write(&file, text).unwrap();
        let people = "address\nann@example.org\n";
        std::fs::write(folder.path().join("people.csv"), people).unwrap();
        let view = Checked::of(&file).view;
        let problems = view.problems;
        view.open_relay.unwrap_or_else(|| panic!("{problems:?}"))
    }

    /// I11, behind the separator as well.
    #[test]
    fn tags_of_whom_the_directory_has_are_no_way_out() {
        let nobody = tried("");
        let people = "[directory]\nfile = \"people.csv\"\n";
        let ann = tried(people);
        assert_eq!((ann.worked, ann.problem()), (0, None));
        // Six tricks, in two spellings of the domain, by six senders.
        assert_eq!(ann.tried, nobody.tried + 72);
        let untagged = tried(&format!("{people}tag_separator = \"\"\n"));
        assert_eq!((untagged.tried, untagged.worked), (nobody.tried, 0));
    }
}
