//! Every Rust file is part of the build.

use std::collections::BTreeSet;

use crate::code::code_of;
use crate::tree::Tree;
use crate::{Complaints, assert_clean, assert_complains, assert_content};

fn orphans(tree: &Tree) -> Complaints {
    let mut seen = BTreeSet::new();
    for (path, _) in tree.rust("") {
        if is_root(path) {
            visit(tree, path, &mut seen);
        }
    }
    ["src/", "tests/", "benches/"]
        .iter()
        .flat_map(|folder| tree.rust(folder))
        .filter(|(path, _)| !seen.contains(*path))
        .map(|(path, _)| format!("{path}: no `mod` leads to this file"))
        .collect()
}

/// Where a build begins.
fn is_root(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    matches!(
        parts.as_slice(),
        ["src", "lib.rs" | "main.rs"] | ["tests" | "benches", _, "main.rs"] | ["benches", _]
    )
}

fn visit(tree: &Tree, path: &str, seen: &mut BTreeSet<String>) {
    let Some(text) = tree.text(path) else {
        return;
    };
    if !seen.insert(path.to_owned()) {
        return;
    }
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let own = name == "mod.rs" || is_root(path);
    let base = if own {
        folder.to_owned()
    } else {
        format!("{folder}/{}", name.trim_end_matches(".rs"))
    };
    for module in modules(text) {
        visit(tree, &format!("{base}/{module}.rs"), seen);
        visit(tree, &format!("{base}/{module}/mod.rs"), seen);
    }
    // `#[path = "other.rs"]` names a file beside this one.
    for (_, rest) in text
        .match_indices("#[path = \"")
        .map(|(at, _)| text.split_at(at))
    {
        if let Some(file) = rest.split('"').nth(1) {
            visit(tree, &format!("{folder}/{file}"), seen);
        }
    }
}

/// The names in `mod name;`.
fn modules(text: &str) -> Vec<String> {
    code_of(text)
        .lines()
        .filter_map(|line| {
            let line = line.trim().strip_suffix(';')?;
            let (before, name) = line.rsplit_once("mod ")?;
            let plain = before.is_empty() || before.starts_with("pub") || before.ends_with("] ");
            plain.then(|| name.trim().to_owned())
        })
        .collect()
}

#[test]
fn every_file_is_reachable() {
    assert_clean(orphans);
}

#[test]
fn a_forgotten_file_is_seen() {
    let files = [
        ("src/lib.rs", "pub mod spool;\n// mod ghost;\n"),
        ("src/spool/mod.rs", "mod log;\n#[cfg(test)]\nmod tests;\n"),
        ("src/spool/log.rs", "mod record;"),
        ("src/spool/log/record.rs", ""),
        ("src/spool/tests.rs", ""),
        ("src/ghost.rs", ""),
        ("tests/tidy/main.rs", "mod tree;"),
        ("tests/tidy/tree.rs", ""),
        ("benches/relay.rs", ""),
    ];
    assert_complains(orphans, &files, "src/ghost.rs");
    let fine: Vec<(&str, &str)> = files
        .into_iter()
        .filter(|(path, _)| *path != "src/ghost.rs")
        .collect();
    assert_content(orphans, &fine);
}
