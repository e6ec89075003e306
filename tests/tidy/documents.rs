//! Documents that lead somewhere: links to files and headings that are there, commands that the
//! program knows.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::tree::Tree;
use crate::{Complaints, assert_clean, assert_complains, assert_content};

fn documents(tree: &Tree) -> impl Iterator<Item = (&str, &str)> {
    tree.files()
        .filter(|(path, _)| Path::new(path).extension().is_some_and(|end| end == "md"))
}

/// Each relative link leads to a file of the tree, and to a heading of it if it names one.
fn links(tree: &Tree) -> Complaints {
    let mut complaints = Complaints::new();
    for (path, text) in documents(tree) {
        for target in targets(text) {
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let file = beside(path, file);
            match tree.text(&file) {
                None => complaints.push(format!("{path}: {target} leads nowhere")),
                Some(page) if !heading.is_empty() && !headings(page).any(|it| it == heading) => {
                    complaints.push(format!("{path}: {target} names no heading of {file}"));
                }
                Some(_) => {}
            }
        }
    }
    complaints
}

/// The targets of `[text](target)` that are no web addresses.
fn targets(text: &str) -> impl Iterator<Item = &str> {
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', '\n']).next())
        .filter(|target| !target.contains("://"))
}

/// A path as it is meant in a document; an empty one is the document.
fn beside(document: &str, target: &str) -> String {
    if target.is_empty() {
        return document.to_owned();
    }
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            ".." => drop(parts.pop()),
            "." => {}
            name => parts.push(name),
        }
    }
    parts.join("/")
}

/// No item of a list stands twice in a document.
fn doubles(tree: &Tree) -> Complaints {
    let mut complaints = Complaints::new();
    for (path, text) in documents(tree) {
        let mut seen = BTreeSet::new();
        for item in text.split("\n- ").skip(1) {
            let end = item.find("\n\n").unwrap_or(item.len());
            let words: Vec<_> = item[..end].split_whitespace().collect();
            // Short ones are names in lists of their own.
            if words.len() > 8 && !seen.insert(words.clone()) {
                complaints.push(format!("{path}: said twice: {}", words[..8].join(" ")));
            }
        }
    }
    complaints
}

/// The headings as links name them.
fn headings(page: &str) -> impl Iterator<Item = String> {
    page.lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            line.trim_start_matches('#')
                .trim()
                .to_lowercase()
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-'))
                .map(|c| if c == ' ' { '-' } else { c })
                .collect()
        })
}

/// The `tideover …` commands that readers are told to type: at the beginning of a line of code,
/// after a prompt or `&&`, or as code within a sentence.
fn commands(text: &str) -> Vec<Vec<&str>> {
    let mut found = Vec::new();
    let mut in_block = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if in_block {
            let line = line.trim_start().trim_start_matches("$ ");
            found.extend(line.split("&&").filter_map(command));
        } else {
            found.extend(line.split('`').skip(1).step_by(2).filter_map(command));
        }
    }
    found
}

/// The verbs and options behind `tideover`; what follows in capitals or by example stays out.
fn command(code: &str) -> Option<Vec<&str>> {
    let code = code.trim().strip_prefix("tideover ")?;
    let words = code.split_whitespace();
    let words: Vec<&str> = words
        .take_while(|word| word.starts_with("--") || word.chars().all(|c| c.is_ascii_lowercase()))
        .collect();
    (!words.is_empty()).then_some(words)
}

/// What the program says to `--help` of these verbs; `None` when it does not know them.
fn help(verbs: &[&str]) -> Option<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_tideover"))
        .args(verbs)
        .arg("--help")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    output.status.success().then_some(text)
}

/// Each command has verbs and options that the program knows.
fn known_commands(tree: &Tree) -> Complaints {
    let mut complaints = Complaints::new();
    for (path, text) in documents(tree) {
        for words in commands(text) {
            let (options, words): (Vec<&str>, Vec<&str>) =
                words.into_iter().partition(|word| word.starts_with("--"));
            let verbs: Vec<&str> = words.into_iter().take(2).collect();
            let told = help(&verbs);
            let wrong = match told {
                None => true,
                Some(told) => options
                    .iter()
                    .any(|option| !told.split([' ', ',', '\n']).any(|word| word == *option)),
            };
            if wrong {
                complaints.push(format!("{path}: no `tideover {verbs:?} {options:?}`"));
            }
        }
    }
    complaints
}

/// The page that says what each verb prints with `--json`.
const PRINTED: &str = "docs/json.md";

/// Every verb of the program has a row there, and no other verb has.
fn printed(tree: &Tree) -> Complaints {
    let rows: BTreeSet<String> = documents(tree)
        .filter(|(path, _)| *path == PRINTED)
        .flat_map(|(_, text)| text.lines())
        .filter_map(|line| line.strip_prefix("| `")?.split_once(" |"))
        .flat_map(|(verbs, _)| verbs.split(", "))
        .map(|verb| verb.trim_matches('`').to_owned())
        .collect();
    let known = leaves(&[]);
    let missing = known.iter().filter(|verb| !rows.contains(*verb));
    let missing = missing.map(|verb| format!("{PRINTED}: `{verb}` has no row"));
    let gone = |verb: &&String| help(&verb.split(' ').collect::<Vec<_>>()).is_none();
    let gone = rows.iter().filter(gone);
    let gone = gone.map(|verb| format!("{PRINTED}: there is no verb `{verb}`"));
    missing.chain(gone).collect()
}

/// The page of the API.
const API: &str = "docs/api.md";

/// Each verb that asks no server is in the page of the API: what does the same there, or why
/// nothing does.
fn without_server(tree: &Tree) -> Complaints {
    let (Some(page), Some(api)) = (tree.text(PRINTED), tree.text(API)) else {
        return Complaints::new();
    };
    let Some((_, rows)) = page.split_once("## Verbs without a server") else {
        return vec![format!(
            "{PRINTED}: the verbs without a server are not there"
        )];
    };
    let rows = rows.lines().filter_map(|line| line.strip_prefix("| `"));
    let verbs = rows.filter_map(|row| row.split_once(" |"));
    let verbs = verbs.flat_map(|(verbs, _)| verbs.split(", "));
    // `key list`, `show`: the room stands before the first of them.
    let is_named = |verb: &str| {
        let words: Vec<&str> = verb.split(' ').collect();
        let mut rows = api.lines().filter(|line| line.starts_with("| `"));
        rows.any(|row| {
            let command = row.split(" |").next().unwrap_or_default();
            words.iter().all(|word| {
                let mut named = command.split(['|', '`', ',', ' ']);
                named.any(|one| one == *word)
            })
        })
    };
    verbs
        .map(|verb| verb.trim_matches('`'))
        .filter(|verb| !is_named(verb))
        .map(|verb| format!("{API}: nothing is said of `{verb}`, which asks no server"))
        .collect()
}

/// The commands that a row of the page of the API begins with, as they are typed: behind
/// `key list`, a `show` stands for `key show`.
fn typed(row: &str) -> Vec<Vec<String>> {
    let cell = row.split(" |").next().unwrap_or_default();
    let mut room = String::new();
    let mut found = Vec::new();
    for code in cell.split('`').skip(1).step_by(2) {
        let words = code.split(' ');
        let is_verb = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase());
        let mut words: Vec<String> = words.take_while(is_verb).map(str::to_owned).collect();
        match words.as_slice() {
            [_, _, ..] => room.clone_from(&words[0]),
            [word] if !room.is_empty() && help(&[word]).is_none() => {
                words.insert(0, room.clone());
            }
            _ => room.clear(),
        }
        found.push(words);
    }
    found
}

/// Each command that the page of the API says something of is one.
fn told_commands(tree: &Tree) -> Complaints {
    let page = tree.text(API).unwrap_or_default();
    let part = page.split("\n## ").next().unwrap_or_default();
    let rows = part.lines().filter_map(|line| line.strip_prefix("| "));
    let commands = rows.filter(|row| row.starts_with('`')).flat_map(typed);
    let is_gone = |words: &Vec<String>| {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        leaves(&words) != [words.join(" ")] || help(&words).is_none()
    };
    commands
        .filter(is_gone)
        .map(|words| format!("{API}: there is no verb `{}`", words.join(" ")))
        .collect()
}

/// Each operation that these two pages name is one of the API.
fn operations(tree: &Tree) -> Complaints {
    let program = Command::new(env!("CARGO_BIN_EXE_tideover"))
        .arg("openapi")
        .output();
    let document: serde_json::Value = serde_json::from_slice(&program.unwrap().stdout).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let is_there = |method: &str, path: &str| {
        let is_it = |template: &str| {
            let (parts, said) = (template.split('/'), path.split('/'));
            parts.clone().count() == said.clone().count()
                && parts
                    .zip(said)
                    .all(|(part, said)| part == said || part.starts_with('{'))
        };
        let mut found = paths.iter().filter(|(template, _)| is_it(template));
        found.any(|(_, methods)| method.is_empty() || !methods[method].is_null())
    };
    let mut complaints = Complaints::new();
    for page in [API, PRINTED] {
        let text = tree.text(page).unwrap_or_default();
        let lines = text.lines().filter(|line| line.starts_with('|'));
        for code in lines.flat_map(|line| line.split('`').skip(1).step_by(2)) {
            let (method, path) = code.split_once(' ').unwrap_or(("", code));
            let path = path.split('?').next().unwrap_or_default();
            if path.starts_with("/api/") && !is_there(&method.to_lowercase(), path) {
                complaints.push(format!("{page}: there is no operation `{code}`"));
            }
        }
    }
    complaints
}

/// The verbs below `verbs` that have none below them.
fn leaves(verbs: &[&str]) -> Vec<String> {
    let told = help(verbs).unwrap_or_default();
    let list = told.split_once("\nCommands:\n").map(|(_, rest)| rest);
    let list = list.and_then(|rest| rest.split_once("\n\n"));
    let Some((list, _)) = list else {
        return vec![verbs.join(" ")];
    };
    // A verb stands two columns in; what it does may go on in lines below.
    let names = list.lines().filter_map(|line| line.strip_prefix("  "));
    let names = names.filter(|line| !line.starts_with(' '));
    let names = names.filter_map(|line| line.split_whitespace().next());
    let names = names.filter(|name| *name != "help");
    names
        .flat_map(|name| leaves(&[verbs, &[name]].concat()))
        .collect()
}

#[test]
fn nothing_is_said_twice() {
    assert_clean(doubles);
    let item = "- What is said here is said once and never again,\n  nowhere.\n";
    let once = format!("# A\n\n{item}- Another.\n");
    assert_content(doubles, &[("docs/a.md", &once)]);
    let twice = format!("# A\n\n{item}\n## B\n\n{item}");
    assert_complains(
        doubles,
        &[("docs/a.md", &twice)],
        "said twice: What is said",
    );
}

#[test]
fn links_lead_somewhere() {
    assert_clean(links);
    let there = ("docs/there.md", "# It is there\n");
    let fine = "[a](docs/there.md) [b](docs/there.md#it-is-there) [c](https://example.org/x)";
    assert_content(links, &[there, ("README.md", fine)]);
    let up = ("docs/sub/a.md", "[up](../there.md) [self](#mine)\n## Mine");
    assert_content(links, &[there, up]);
    assert_complains(
        links,
        &[("README.md", "[x](docs/gone.md)")],
        "leads nowhere",
    );
    let heading = ("README.md", "[x](docs/there.md#elsewhere)");
    assert_complains(links, &[there, heading], "names no heading");
}

#[test]
fn commands_in_documents_are_known() {
    assert_clean(known_commands);
    let text = "Say `tideover queue list --json`.\n```\n$ tideover check --online\n\
                tideover check && tideover reload\n```\nNo `tideover` alone.";
    assert_eq!(commands(text).len(), 4);
    assert_content(known_commands, &[("README.md", text)]);
    for wrong in [
        "`tideover fly`",
        "`tideover status --loud`",
        "`tideover queue burn`",
    ] {
        assert_complains(known_commands, &[("README.md", wrong)], "no `tideover");
    }
}

#[test]
fn programs_are_told_what_each_verb_prints() {
    assert_clean(printed);
    let page = include_str!("../../docs/json.md");
    let without = page.replace("| `size` |", "| size |");
    assert_complains(printed, &[(PRINTED, &without)], "`size` has no row");
    let more = page.replace("| `size` |", "| `size`, `queue burn` |");
    assert_complains(printed, &[(PRINTED, &more)], "no verb `queue burn`");
}

#[test]
fn what_asks_no_server_is_in_the_page_of_the_api() {
    assert_clean(without_server);
    let printed = include_str!("../../docs/json.md");
    let api = include_str!("../../docs/api.md");
    let without = api.replace("`setup`", "`sotup`");
    assert_complains(
        without_server,
        &[(PRINTED, printed), (API, &without)],
        "nothing is said of `setup`",
    );
}

#[test]
fn what_is_said_of_verbs_and_operations_is_said_of_some_there_are() {
    assert_clean(told_commands);
    let api = include_str!("../../docs/api.md");
    for (right, wrong, told) in [
        ("`serve`, `demo`", "`serve`, `fly`", "no verb `fly`"),
        ("`spool cat`", "`spool burn`", "no verb `spool burn`"),
        ("`setup`", "`queue`", "no verb `queue`"),
    ] {
        let page = api.replace(right, wrong);
        assert_complains(told_commands, &[(API, &page)], told);
    }
    assert_clean(operations);
    for (right, wrong) in [
        ("`GET /api/keys`", "`PUT /api/keys`"),
        ("/api/check", "/api/chuck"),
    ] {
        let page = api.replace(right, wrong);
        assert_complains(operations, &[(API, &page)], "there is no operation");
    }
}
