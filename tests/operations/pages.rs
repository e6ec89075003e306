//! All runbooks are executed, and they tell to type nothing but what is executed.

use std::fs;
use std::path::Path;

use crate::book::steps;
use crate::machine::PROJECT;

const RUNBOOKS: &str = "docs/operations";
/// Kinds of blocks that show something which nobody types.
const SHOWN: [&str; 2] = ["toml", "text"];

/// What is wrong with a runbook, beside what its test finds.
fn complaints(page: &str) -> Vec<String> {
    let steps = steps(page);
    let mut complaints = Vec::new();
    let mut in_block = false;
    for line in page.lines() {
        if let Some(kind) = line.trim().strip_prefix("```") {
            in_block = !in_block;
            if in_block && kind != "console" && !SHOWN.contains(&kind) {
                complaints.push(format!("a block of the kind `{kind}` is not executed"));
            }
            continue;
        }
        if in_block {
            continue;
        }
        for code in line.split('`').skip(1).step_by(2) {
            let is_command = ["tideover ", "systemctl ", "runuser "]
                .iter()
                .any(|start| code.starts_with(start));
            let is_executed = steps.iter().any(|step| step.command.contains(code));
            if is_command && !is_executed {
                complaints.push(format!("`{code}` is told in words and not executed"));
            }
        }
    }
    if steps.is_empty() {
        complaints.push("no commands".to_owned());
    }
    complaints
}

#[test]
fn every_runbook_is_executed() {
    let root = Path::new(PROJECT);
    let tests = fs::read_to_string(root.join("tests/operations/main.rs")).unwrap();
    let mut found = 0;
    for file in fs::read_dir(root.join(RUNBOOKS)).unwrap() {
        let path = file.unwrap().path();
        let page = path.file_stem().unwrap().to_str().unwrap();
        let name = page.replace('-', "_");
        assert!(tests.contains(&format!("mod {name};")), "{page}: no test");
        let test = root.join(format!("tests/operations/{name}.rs"));
        let test = fs::read_to_string(test).unwrap();
        let opens = format!("Book::open(machine, \"{page}.md\")");
        assert!(test.contains(&opens), "{page}: its test does not open it");
        let wrong = complaints(&fs::read_to_string(&path).unwrap());
        assert!(wrong.is_empty(), "{page}: {}", wrong.join("\n"));
        found += 1;
    }
    assert!(found >= 11, "{found} runbooks");
}

#[test]
fn what_is_not_executed_is_complained_about() {
    let fine = "```console\n$ tideover status --json\n```\nAs `tideover status` says, `x`.\n\
                ```toml\na = 1\n```\n";
    assert_eq!(complaints(fine), Vec::<String>::new());
    for (page, about) in [
        ("```sh\ntideover status\n```\n```console\n$ x\n```", "`sh`"),
        (
            "```console\n$ x\n```\nSay `tideover status`.",
            "tideover status",
        ),
        ("No commands.", "no commands"),
    ] {
        let wrong = complaints(page);
        assert_eq!(wrong.len(), 1, "{wrong:?}");
        assert!(wrong[0].contains(about), "{wrong:?}");
    }
}
