//! On a terminal every verb keeps to its 80 columns, also what it says of a word that was typed
//! wrong. A line that is one long word may be longer: it is copied.

use std::process::{Command, Stdio};

use crate::place::{PROGRAM, Place};
use crate::platform::Platform;

const WIDTH: usize = 80;

const VERBS: [&str; 41] = [
    "status",
    "size",
    "check",
    "automatic",
    "backend list",
    "backend show onprem",
    "backend hold onprem --reason 'so many words about it that one line does not take all of them'",
    "queue list",
    "queue list --all",
    "queue show nix",
    "queue holds",
    "queue release --hold nix",
    "queue drop --sender @nobody.example",
    "cases",
    "cases show nix",
    "cases show 0123456789ab",
    "trace nix",
    "trace a.rather.long.message.id.that.nobody.knows.0123456789@mail.department.example.org",
    "explain ann@example.org",
    "directory status",
    "directory list",
    "directory log",
    "directory conflicts",
    "directory normalised",
    "directory x500",
    "directory lookup ann@example.org",
    "wave plan PEOPLE --to onprem",
    "wave status",
    "wave status nix",
    "move status",
    "replay status",
    "landing status",
    "writeback",
    "drill status",
    "notify status",
    "operator list",
    "audit",
    "config",
    "config nix",
    "report --since 2026-01-01",
    "tls",
];

/// What a verb says on a terminal, and how it ends.
fn on_a_terminal(place: &Place, verb: &str) -> String {
    let people = place.file("people.txt");
    let verb = verb.replace("PEOPLE", &people.display().to_string());
    let config = place.file("tideover.toml");
    let line = format!("{PROGRAM} {verb} -c {}", config.display());
    let output = Command::new("script")
        .args(["-q", "-c", &line, "/dev/null"])
        .env("TERM", "xterm")
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().replace('\r', "")
}

#[test]
fn a_terminal_has_80_columns() {
    let platform = Platform::start();
    let place = Place::new(platform.address, "");
    std::fs::write(
        place.file("people.txt"),
        "ann@example.org\nbert@example.org\n",
    )
    .unwrap();
    let mut program = place.start();
    let mut wide = Vec::new();
    for verb in VERBS {
        let said = on_a_terminal(&place, verb);
        assert!(!said.trim().is_empty(), "{verb} says nothing");
        assert!(!said.contains("panicked"), "{said}");
        for line in said.lines() {
            let words = line.split_whitespace().count();
            if line.chars().count() > WIDTH && words > 1 {
                wide.push(format!("{verb}: {line}"));
            }
        }
    }
    assert_eq!(wide, Vec::<String>::new());
    // Nobody has asked for what is not there.
    let said = on_a_terminal(&place, "queue list --all");
    assert!(said.contains("unexpected argument '--all'"), "{said}");
    program.stop();
}
