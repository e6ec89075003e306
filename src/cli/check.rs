//! `check`: the file, and with `--online` what is behind it.

use std::path::Path;

use super::intent::Format;
use super::render::Page;
use super::{Exit, Failure, home, print, show};
use crate::admin::{CheckDepth, CheckView};
use crate::base::Clock;
use crate::daemon::Checked;
use crate::route::RelayTest;
use crate::terminal::Palette;

/// `check`.
pub(super) async fn check(
    argument: Option<&Path>,
    depth: CheckDepth,
    format: Format,
) -> Result<(), Failure> {
    let file = home::find(argument)?;
    let view = Checked::of(&file).asking(depth).await;
    let view = view.map_err(|why| Failure::new(Exit::Failed, why))?;
    match format {
        Format::Json => {
            let json = serde_json::to_string_pretty(&view);
            print(&(json.map_err(|error| Failure::new(Exit::Failed, error))? + "\n"))?;
        }
        Format::Text => show(&text(&view))?,
    }
    let file = file.display();
    let open = view.open_relay.as_ref().and_then(RelayTest::problem);
    let wrong = view.dns.as_ref().map_or(0, |dns| dns.wrong);
    if !view.problems.is_empty() {
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

fn text(view: &CheckView) -> String {
    let page = Page {
        palette: Palette::of_stdout(),
        now: Clock::system().now(),
    };
    let mut text = String::new();
    if view.problems.is_empty() {
        text.extend([&view.file, ": good\n"]);
        let summary = view.summary.iter();
        text.extend(summary.map(|line| format!("  {line}\n")));
        let warnings = view.warnings.iter();
        text.extend(warnings.map(|it| format!("warning: {}\n", it.told)));
    } else {
        text.extend(view.problems.iter().map(|it| format!("{}\n", it.told)));
    }
    let relay = view.open_relay.as_ref();
    text.extend(relay.and_then(|test| page.open_relay(test)));
    text.extend(view.dns.as_ref().map(|dns| page.cutover(&dns.report)));
    text
}
