//! What shells and `man` know about the verbs, made from their definitions.

use std::fs;
use std::path::Path;

use clap::CommandFactory as _;
use clap_complete::Shell;
use clap_mangen::Man;

use super::args::Arguments;
use super::{Exit, Failure, print, show};

/// `completions`: a script for a shell.
pub(super) fn completions(shell: Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "tideover", &mut script);
    let script = String::from_utf8(script).map_err(|error| Failure::new(Exit::Failed, error))?;
    print(&script)
}

/// `man`: a page for the program and one for each verb, `tideover-queue-list.1`, in a folder that
/// is made when it is missing.
pub(super) fn write_pages(folder: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        let text = format!("{}: {error}", folder.display());
        Failure::new(Exit::Failed, text)
    };
    fs::create_dir_all(folder).map_err(failed)?;
    let pages = pages().map_err(failed)?;
    let count = pages.len();
    for (name, page) in pages {
        fs::write(folder.join(name), page).map_err(failed)?;
    }
    let folder = folder.display();
    show(&format!(
        "{count} pages are in {folder}: man {folder}/tideover.1\n"
    ))
}

fn pages() -> std::io::Result<Vec<(String, Vec<u8>)>> {
    let mut command = Arguments::command().disable_help_subcommand(true);
    // The names with dashes and the options that all verbs have are known after this.
    command.build();
    let mut pages = Vec::new();
    let mut left = vec![command];
    while let Some(command) = left.pop() {
        left.extend(command.get_subcommands().cloned());
        let man = Man::new(command);
        let mut page = Vec::new();
        man.render(&mut page)?;
        pages.push((man.get_filename(), page));
    }
    Ok(pages)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::mail::HoldReason;

    #[test]
    fn each_verb_has_a_page() {
        let pages = pages().unwrap();
        let find = |wanted: &str| {
            let found = pages.iter().find(|(name, _)| name == wanted);
            let (_, page) = found.unwrap_or_else(|| panic!("{wanted}"));
            String::from_utf8(page.clone()).unwrap()
        };
        let all = find("tideover.1");
        assert!(all.contains("Exit codes"), "{all}");
        for verb in Arguments::command().get_subcommands() {
            find(&format!("tideover-{}.1", verb.get_name()));
        }
        let list = find("tideover-queue-list.1");
        assert!(list.contains(r"\-\-state"), "{list}");
    }

    #[test]
    fn shells_know_the_verbs() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "tideover", &mut script);
            let script = String::from_utf8(script).unwrap();
            assert!(script.contains("explain"), "{shell}");
        }
    }

    #[test]
    fn what_a_kind_or_a_role_may_be_is_known_to_shells_and_to_who_reads() {
        let mut script = Vec::new();
        let mut command = Arguments::command();
        clap_complete::generate(Shell::Bash, &mut command, "tideover", &mut script);
        let script = String::from_utf8(script).unwrap();
        let kinds = HoldReason::KINDS.join(" ");
        assert!(script.contains(&kinds), "{kinds}");
        assert!(script.contains("viewer help-desk operator admin"), "roles");
        let page = pages().unwrap();
        let release = page
            .iter()
            .find(|(name, _)| name == "tideover-queue-release.1");
        let release = String::from_utf8(release.unwrap().1.clone()).unwrap();
        let release = release.replace('\\', "");
        for kind in HoldReason::KINDS {
            assert!(release.contains(kind), "{kind}: {release}");
        }
        for wrong in [
            &["queue", "drop", "--reason-kind", "foo", "--reason", "x"][..],
            &["queue", "show", ""],
            &["operator", "role", "ann", "king"],
        ] {
            let words = std::iter::once("tideover").chain(wrong.iter().copied());
            assert!(Arguments::try_parse_from(words).is_err(), "{wrong:?}");
        }
    }
}
