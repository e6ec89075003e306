//! The verbs about a spool that is not in use.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use super::intent::{Format, SpoolWork};
use super::{Exit, Failure, home, print};
use crate::mail::SpoolId;
use crate::spool::{Offline, Verification, World};
use crate::terminal::Bar;

/// `spool verify`, `rebuild`, `cat`, `export`.
pub(super) fn perform(
    config: Option<&Path>,
    work: &SpoolWork,
    format: Format,
) -> Result<(), Failure> {
    let failed = |error| Failure::new(Exit::Failed, error);
    let options = home::spool_options(config)?;
    let offline = Offline::open(options, World::system()).map_err(failed)?;
    let mut bar = match work {
        SpoolWork::Rebuild => Bar::with_lines("MiB of the log"),
        SpoolWork::Verify | SpoolWork::Cat(_) | SpoolWork::Export(_) => Bar::with_lines("segments"),
    };
    let unit = match work {
        SpoolWork::Rebuild => 1024 * 1024,
        SpoolWork::Verify | SpoolWork::Cat(_) | SpoolWork::Export(_) => 1,
    };
    let mut progress = |done: u64, total: u64| bar.show(done / unit, Some(total / unit));
    match work {
        SpoolWork::Verify => {
            let found = offline.verify(&mut progress).map_err(failed)?;
            bar.end();
            tell(&found, format)
        }
        SpoolWork::Rebuild => {
            let found = offline.rebuild(&mut progress).map_err(failed)?;
            bar.end();
            let records = found.records;
            print(&format!("the index is made anew from {records} records\n"))?;
            let mut what = found.damaged.join("\n");
            if what.is_empty() {
                return Ok(());
            }
            what.push_str(
                "\nwhat is left of it is in data_dir/quarantine; messages that are named are held: \
                 see docs/operations.md, damage",
            );
            Err(Failure::new(Exit::Failed, what))
        }
        SpoolWork::Cat(id) => {
            let id: SpoolId = id
                .parse()
                .map_err(|error| Failure::new(Exit::Usage, error))?;
            let mut out = std::io::stdout().lock();
            let found = offline.cat(id, &mut out).map_err(failed)?;
            out.flush()
                .map_err(|error| Failure::new(Exit::Failed, error))?;
            if found {
                Ok(())
            } else {
                Err(Failure::new(
                    Exit::Failed,
                    format!("the spool has no message {id}"),
                ))
            }
        }
        SpoolWork::Export(dir) => {
            let rescued = offline.export(dir, &mut progress).map_err(failed)?;
            bar.end();
            print(&format!(
                "{} unfinished messages are in {}, with manifest.jsonl\n",
                rescued.messages,
                dir.display()
            ))?;
            let lost = rescued.damaged.iter();
            let lost: Vec<String> = lost.map(|(id, what)| format!("{id}: {what}")).collect();
            if lost.is_empty() {
                return Ok(());
            }
            let what = format!(
                "damaged; what is left of them is in ID.damaged, not in ID.eml:\n{}",
                lost.join("\n")
            );
            Err(Failure::new(Exit::Failed, what))
        }
    }
}

fn tell(found: &Verification, format: Format) -> Result<(), Failure> {
    let text = match format {
        Format::Json => {
            let json = serde_json::to_string_pretty(found);
            json.map_err(|error| Failure::new(Exit::Failed, error))? + "\n"
        }
        Format::Text => {
            let mut text = format!(
                "{} records, {} messages; {} damaged, {} in quarantine\n",
                found.records, found.messages, found.damaged, found.quarantined
            );
            if found.index_missing {
                text.push_str(
                    "  there is no index that fits: the next start makes it, or `tideover spool \
                     rebuild`\n",
                );
            }
            for problem in &found.problems {
                // Writing to a String cannot fail.
                writeln!(text, "  {problem}").ok();
            }
            text
        }
    };
    print(&text)?;
    if found.ok {
        Ok(())
    } else {
        let what = "the spool is not whole: `tideover spool export DIR` rescues what waits";
        Err(Failure::new(Exit::Failed, what))
    }
}
