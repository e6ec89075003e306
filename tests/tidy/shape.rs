//! Files that one can read: short, narrow, finished, and quiet.

use crate::code::{code_of, lines_with_word};
use crate::tree::Tree;
use crate::{Complaints, assert_clean, assert_complains, assert_content};

const LINES: usize = 500;
/// The words of each language: one list, one file (no code), and its type.
const WORDS: &str = "src/webmail/texts/";
const COLUMNS: usize = 100;
/// Marks of unfinished work, in pieces, so that this file does not carry them.
const MARKS: [&str; 3] = [
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("TO", "DO"),
];
const PRINTERS: [&str; 4] = ["println", "eprintln", "print", "eprint"];
/// The rooms that speak to a terminal.
const SPEAKERS: [&str; 3] = ["src/cli/", "src/demo/", "src/main.rs"];

fn length(tree: &Tree) -> Complaints {
    let lines = |text: &str| text.lines().count();
    rust(tree)
        .filter(|(path, text)| lines(text) > LINES && !path.starts_with(WORDS))
        .map(|(path, text)| format!("{path}: {} lines, {LINES} at most", lines(text)))
        .collect()
}

fn width(tree: &Tree) -> Complaints {
    each_line(
        tree,
        |line| line.chars().count() > COLUMNS,
        "wider than 100 columns",
    )
}

fn white_space(tree: &Tree) -> Complaints {
    each_line(
        tree,
        |line| line.contains('\t') || line.ends_with(' '),
        "tab, or space at the end",
    )
}

fn unfinished(tree: &Tree) -> Complaints {
    let mut complaints = Complaints::new();
    for (path, text) in rust(tree) {
        for mark in MARKS {
            for (line, _) in lines_with_word(text, mark) {
                complaints.push(format!("{path}:{line}: {mark}"));
            }
        }
    }
    complaints
}

fn quiet(tree: &Tree) -> Complaints {
    let mut complaints = Complaints::new();
    for (path, text) in tree.rust("src/") {
        if SPEAKERS.iter().any(|speaker| path.starts_with(speaker)) {
            continue;
        }
        for (number, line) in code_of(text).lines().enumerate() {
            let prints = |name: &&str| {
                let call = format!("{name}!");
                line.trim_start().starts_with(&call) || line.contains(&format!(" {call}"))
            };
            if PRINTERS.iter().any(prints) {
                complaints.push(format!("{path}:{}: prints; use tracing", number + 1));
            }
        }
    }
    complaints
}

fn rust(tree: &Tree) -> impl Iterator<Item = (&str, &str)> {
    ["src/", "tests/", "benches/", "fuzz/"]
        .into_iter()
        .flat_map(|folder| tree.rust(folder))
}

fn each_line(tree: &Tree, wrong: impl Fn(&str) -> bool, what: &str) -> Complaints {
    let mut complaints = Complaints::new();
    for (path, text) in rust(tree) {
        for (number, line) in text.lines().enumerate() {
            if wrong(line) {
                complaints.push(format!("{path}:{}: {what}", number + 1));
            }
        }
    }
    complaints
}

#[test]
fn files_are_short() {
    assert_clean(length);
    assert_complains(
        length,
        &[("src/a.rs", &"\n".repeat(LINES + 1))],
        "501 lines",
    );
    assert_content(length, &[("src/a.rs", &"\n".repeat(LINES))]);
}

#[test]
fn lines_are_narrow() {
    assert_clean(width);
    assert_complains(
        width,
        &[("tests/a.rs", &format!("\n{}", "x".repeat(101)))],
        "a.rs:2",
    );
    assert_content(width, &[("tests/a.rs", &"\u{fc}".repeat(COLUMNS))]);
}

#[test]
fn there_is_no_stray_white_space() {
    assert_clean(white_space);
    assert_complains(white_space, &[("src/a.rs", "x \n")], "a.rs:1");
}

#[test]
fn work_is_finished() {
    assert_clean(unfinished);
    let text = format!("x\n// {}: later\n", MARKS[0]);
    assert_complains(unfinished, &[("src/a.rs", &text)], "a.rs:2");
    let word = format!("let {}S = 1;", MARKS[1]);
    assert_content(unfinished, &[("src/a.rs", &word)]);
}

#[test]
fn only_the_verbs_and_the_demo_print() {
    assert_clean(quiet);
    assert_complains(
        quiet,
        &[("src/spool/log.rs", "fn f() {\n    println!(\"x\");\n}")],
        "log.rs:2",
    );
    let quiet_text = "// println!\nlet s = \"println!\"; writeln!(s);";
    assert_content(
        quiet,
        &[
            ("src/spool/log.rs", quiet_text),
            ("src/cli/table.rs", "println!();"),
        ],
    );
}
