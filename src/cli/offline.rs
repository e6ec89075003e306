//! The verbs about a spool that is not in use.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use serde::Serialize;

use super::intent::{Format, SpoolWork};
use super::{Exit, Failure, home, print, show};
use crate::mail::SpoolId;
use crate::spool::{Offline, Rebuilt, Rescued, Verification, World};
use crate::terminal::{Bar, many};

/// `spool verify`, `rebuild`, `cat`, `export`.
pub(super) fn perform(
    config: Option<&Path>,
    work: &SpoolWork,
    format: Format,
) -> Result<(), Failure> {
    let failed = |error| Failure::new(Exit::Failed, error);
    let options = home::spool_options(config)?;
    if matches!(work, SpoolWork::Rebuild) {
        home::assert_owner(&options.dir, "spool rebuild")?;
    }
    let dir = options.dir.clone();
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
            let unnoted = noted((&dir, &offline), &found).err();
            tell(&found, format, unnoted)
        }
        SpoolWork::Rebuild => {
            let found = offline.rebuild(&mut progress).map_err(failed)?;
            bar.end();
            match format {
                Format::Json => print_json(&found)?,
                Format::Text => {
                    let records = many(found.records, "record");
                    show(&format!("the index is made anew from {records}\n"))?;
                }
            }
            tell_rebuilt(&found)
        }
        SpoolWork::Cat(id) => cat(&offline, id),
        SpoolWork::Export(dir) => {
            let rescued = offline.export(dir, &mut progress).map_err(failed)?;
            bar.end();
            match format {
                Format::Json => print_json(&rescued)?,
                Format::Text => {
                    let messages = many(rescued.messages, "unfinished message");
                    let dir = dir.display();
                    show(&format!(
                        "rescued to {dir}, with manifest.jsonl: {messages}\n"
                    ))?;
                }
            }
            tell_rescued(&rescued)
        }
    }
}

fn cat(offline: &Offline, id: &str) -> Result<(), Failure> {
    let failed = |error| Failure::new(Exit::Failed, error);
    let id: SpoolId = id
        .parse()
        .map_err(|error| Failure::new(Exit::Usage, error))?;
    let mut out = std::io::stdout().lock();
    let found = offline.cat(id, &mut out).map_err(failed)?;
    out.flush()
        .map_err(|error| Failure::new(Exit::Failed, error))?;
    if found {
        return Ok(());
    }
    let what = format!("the spool has no message {id}");
    Err(Failure::new(Exit::Failed, what))
}

/// What is damaged in the log from which an index was made.
fn tell_rebuilt(found: &Rebuilt) -> Result<(), Failure> {
    if found.damaged.is_empty() {
        return Ok(());
    }
    let mut what = found.damaged.join("\n");
    what.push_str(
        "\nwhat is left of it is in data_dir/quarantine; messages that are named are held: see \
         docs/operations/damage.md",
    );
    Err(Failure::new(Exit::Failed, what))
}

/// What an export could not rescue whole.
fn tell_rescued(rescued: &Rescued) -> Result<(), Failure> {
    let mut what = String::new();
    if !rescued.damaged.is_empty() {
        what.push_str("damaged; what is left of them is in ID.damaged, not in ID.eml:\n");
        for (id, why) in &rescued.damaged {
            // Writing to a String cannot fail.
            writeln!(what, "{id}: {why}").ok();
        }
    }
    if !rescued.pieces.is_empty() {
        what.push_str(
            "more mail may have been in these parts of the log; what is left of them is in \
             SEGMENT-FROM-TO.damaged:\n",
        );
        what.push_str(&rescued.pieces.join("\n"));
    }
    if what.is_empty() {
        return Ok(());
    }
    Err(Failure::new(Exit::Failed, what.trim_end()))
}

fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let json = serde_json::to_string_pretty(value);
    let json = json.map_err(|error| Failure::new(Exit::Failed, error))?;
    print(&(json + "\n"))
}

/// Leaves word of what was found for the next server, unless that would leave files of root.
fn noted((dir, offline): (&Path, &Offline), found: &Verification) -> Result<(), String> {
    home::assert_owner(dir, "spool verify").map_err(|_| "it belongs to another user".to_owned())?;
    offline.note(found).map_err(|error| error.to_string())
}

fn tell(found: &Verification, format: Format, unnoted: Option<String>) -> Result<(), Failure> {
    let text = match format {
        Format::Json => {
            print_json(found)?;
            String::new()
        }
        Format::Text => {
            let mut text = format!(
                "{}, {}; {} damaged, {} in quarantine\n",
                many(found.records, "record"),
                many(found.messages, "message"),
                found.damaged,
                found.quarantined
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
    show(&text)?;
    if found.ok {
        Ok(())
    } else {
        let mut what =
            "the spool is not whole: `tideover spool export DIR` rescues what waits".to_owned();
        if let Some(why) = unnoted.filter(|_| !found.problems.is_empty()) {
            // Writing to a String cannot fail.
            write!(what, "\nno word of it could be left for the server: {why}").ok();
        }
        Err(Failure::new(Exit::Failed, what))
    }
}
