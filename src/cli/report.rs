//! `report`: what became of the mail of a time, on the screen, as a page and as a table.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

use super::directory::moment;
use super::home::At;
use super::intent::{Format, Request, escape};
use super::teller::{Teller, read};
use super::{Exit, Failure};
use crate::admin::{AcknowledgeQuery, ReportView};
use crate::base::Timestamp;
use crate::report;
use crate::spool::{Anchor, ChainCheck};

#[derive(Debug, Clone, PartialEq, Eq, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct ReportArgs {
    #[command(subcommand)]
    verb: Option<ReportVerb>,
    #[command(flatten)]
    closing: Option<ClosingArgs>,
}

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub(crate) enum ReportVerb {
    /// Has anybody changed the log or the ledger behind our back?
    Verify {
        /// The end of the chain as an earlier report has it, for example 57-0f1e…
        #[arg(long, value_name = "ANCHOR")]
        anchor: Option<Anchor>,
        /// What is wrong with files is known, and this is why: it counts no more
        #[arg(
            long,
            value_name = "REASON",
            conflicts_with = "anchor",
            requires = "seen"
        )]
        acknowledge: Option<String>,
        /// Which problems are meant: the characters that the check ended with
        #[arg(long, value_name = "SEEN", requires = "acknowledge")]
        seen: Option<String>,
    },
}

/// Which time, and into which files.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct ClosingArgs {
    /// Mail from then on, for example "2026-11-20 18:00" [with --wave: since it started]
    #[arg(long, value_name = "TIME", value_parser = moment, required_unless_present = "wave")]
    since: Option<Timestamp>,
    /// Mail up to then [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
    /// Only mail for the users of a wave: its file, or its id as `wave status` shows it
    #[arg(long, value_name = "FILE")]
    wave: Option<PathBuf>,
    /// Only mail for recipients of this domain
    #[arg(long)]
    domain: Option<String>,
    /// Also write the report as a page to read and print
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Also write a line for each recipient, for spreadsheets and auditors
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
}

impl ClosingArgs {
    fn request(&self, path: &str) -> Request {
        let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
        let file = self.wave.as_ref();
        let wave = file.map(|file| file.file_name().unwrap_or(file.as_os_str()));
        let asked = [
            ("since", time(self.since)),
            ("until", time(self.until)),
            ("wave", wave.map(|name| name.to_string_lossy().into_owned())),
            ("domain", self.domain.clone()),
        ];
        let asked = asked.into_iter().filter_map(|(name, value)| {
            let value = value?;
            Some(format!("{name}={}", escape(&value)))
        });
        Request::get(format!("{path}?{}", asked.collect::<Vec<_>>().join("&")))
    }
}

/// Asks the server, writes the files, and prints its answer.
pub(super) async fn perform(
    config: At<'_>,
    args: ReportArgs,
    whose: (Format, String),
) -> Result<(), Failure> {
    let teller = Teller::new(config, whose)?;
    match (args.verb, args.closing) {
        (
            Some(ReportVerb::Verify {
                anchor,
                acknowledge,
                seen,
            }),
            _,
        ) => verify(&teller, anchor, acknowledge.zip(seen)).await,
        (None, Some(args)) => close(&teller, args).await,
        (None, None) => Err(Failure::new(
            Exit::Usage,
            "which time? For example `tideover report --since \"2026-11-20 18:00\"`",
        )),
    }
}

/// Prints what the chain says; a difference is a failure.
async fn verify(
    teller: &Teller,
    anchor: Option<Anchor>,
    acknowledge: Option<(String, String)>,
) -> Result<(), Failure> {
    let mut path = "/api/report/verify".to_owned();
    if let Some(anchor) = &anchor {
        path.extend(["?anchor=", &anchor.to_string()]);
    }
    let request = match acknowledge {
        None => Request::get(path),
        Some((reason, seen)) => {
            let query = AcknowledgeQuery {
                actor: teller.actor.clone(),
                reason,
                seen,
            };
            Request::post("/api/report/verify/acknowledge", &query)
        }
    };
    let answer = teller.client.ask_patiently(request).await?;
    let check: ChainCheck = read(&answer)?;
    teller.print(&answer, |page, it: &ChainCheck| {
        page.chain(it, anchor.as_ref())
    })?;
    match check.wrong {
        0 => Ok(()),
        wrong => Err(Failure::new(
            Exit::Failed,
            format!("{wrong} parts are not as they were written"),
        )),
    }
}

/// The closing report.
async fn close(teller: &Teller, args: ClosingArgs) -> Result<(), Failure> {
    let client = &teller.client;
    let request = args.request("/api/report");
    let answer: serde_json::Value = client.ask_patiently(request).await?;
    let view: ReportView = read(&answer)?;
    let mut written = Vec::new();
    if let Some(path) = &args.html {
        let page = report::page(&view.figures, &view.site, view.anchor.as_ref());
        let page = page.map_err(|error| Failure::new(Exit::Failed, error))?;
        let mut file = create(path).await?;
        let done = async {
            file.write_all(page.as_bytes()).await?;
            file.flush().await
        };
        done.await.map_err(|error| cannot_write(path, &error))?;
        written.push(path.display().to_string());
    }
    if let Some(path) = &args.csv {
        let mut file = create(path).await?;
        // The same mail as in the figures, also when more has come since.
        let same = ClosingArgs {
            until: Some(view.figures.until),
            ..args.clone()
        };
        let request = same.request("/api/report/rows");
        client.save(request, &mut file).await?;
        file.flush()
            .await
            .map_err(|error| cannot_write(path, &error))?;
        written.push(path.display().to_string());
    }
    teller.print(&answer, |page, it: &ReportView| page.report(it, &written))?;
    trusted(&view.figures)
}

/// A report of which it is known that it does not count everything is no success.
fn trusted(figures: &report::Figures) -> Result<(), Failure> {
    match figures.disorder {
        0 => Ok(()),
        disorder => Err(Failure::new(
            Exit::Failed,
            format!(
                "{disorder} places in disorder: this is not all mail; stop the server, run \
                 `tideover spool rebuild`, start it and ask again"
            ),
        )),
    }
}

async fn create(path: &Path) -> Result<File, Failure> {
    let created = File::create(path).await;
    created.map_err(|error| cannot_write(path, &error))
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Collector, Scope};
    use crate::spool::Passed;

    #[test]
    fn a_report_over_an_index_in_disorder_is_no_success() {
        let ended = |disorder| {
            let time = (Timestamp::EPOCH, Timestamp::from_millis(1000));
            let passed = Passed {
                disorder,
                ..Passed::default()
            };
            let collector = Collector::new(Scope::default(), time, time.1);
            trusted(&collector.finish(&std::collections::BTreeMap::new(), passed))
        };
        assert!(ended(0).is_ok());
        let failure = ended(60).unwrap_err();
        assert_eq!(failure.exit, Exit::Failed);
        assert!(failure.text.starts_with("60 places"), "{}", failure.text);
        assert!(failure.text.contains("`tideover spool rebuild`"));
    }
}
