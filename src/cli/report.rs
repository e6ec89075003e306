//! `report`: what became of the mail of a time, on the screen, as a page and as a table.

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Deserialize as _;
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

use super::client::Client;
use super::directory::moment;
use super::intent::{Format, Request, escape};
use super::render::Page;
use super::{Exit, Failure, home, print};
use crate::admin::ReportView;
use crate::base::{Clock, Timestamp};
use crate::report;
use crate::terminal::Palette;

#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub(crate) struct ReportArgs {
    /// Mail from then on, for example "2026-11-20 18:00"
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Timestamp,
    /// Mail up to then [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
    /// Also write the report as a page to read and print
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Also write a line for each recipient, for spreadsheets and auditors
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
}

impl ReportArgs {
    fn request(&self, path: &str) -> Request {
        let mut path = format!("{path}?since={}", escape(&self.since.to_string()));
        if let Some(until) = self.until {
            path.extend(["&until=", &escape(&until.to_string())]);
        }
        Request::get(path)
    }
}

/// Asks the server, writes the files, and prints its answer.
pub(super) async fn perform(
    config: Option<&Path>,
    args: ReportArgs,
    format: Format,
) -> Result<(), Failure> {
    let (data_dir, config) = home::data_dir(config)?;
    let client = Client::new(&data_dir, &config);
    let request = args.request("/api/report");
    let answer: serde_json::Value = client.ask_patiently(request).await?;
    let odd = |error| Failure::new(Exit::Failed, format!("an odd answer: {error}"));
    let view = ReportView::deserialize(&answer).map_err(odd)?;
    let mut written = Vec::new();
    if let Some(path) = &args.html {
        let page = report::page(&view.figures, &view.site);
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
        let request = args.request("/api/report/rows");
        client.save(request, &mut file).await?;
        file.flush()
            .await
            .map_err(|error| cannot_write(path, &error))?;
        written.push(path.display().to_string());
    }
    match format {
        Format::Json => print(&format!("{answer:#}\n")),
        Format::Text => {
            let page = Page {
                palette: Palette::of_stdout(),
                now: Clock::system().now(),
            };
            print(&page.report(&view, &written))
        }
    }
}

async fn create(path: &Path) -> Result<File, Failure> {
    let created = File::create(path).await;
    created.map_err(|error| cannot_write(path, &error))
}

fn cannot_write(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("{}: {error}", path.display()))
}
