//! A runbook: its commands, and what is expected of them.
//!
//! Commands stand in blocks of the kind `console`, behind `$ `; a `\` at the end of a line goes on
//! with the next one. Lines below are expected in the output, in this order; `…` stands for
//! anything. A comment behind a command says more: `# until` repeats it until the output is
//! there, `# ends with 1` expects another exit code than 0.

use std::path::Path;
use std::time::Instant;

use crate::machine::Machine;
use crate::wait::{LONG, pause};

/// A command and what is expected of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) command: String,
    expected: Vec<String>,
    code: i32,
    patience: Patience,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Patience {
    Once,
    Until,
}

/// The commands of a page, in their order.
pub(crate) fn steps(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut is_console = false;
    let mut goes_on = false;
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            is_console = line.trim() == "```console";
            continue;
        }
        if !is_console {
            continue;
        }
        let line = line.trim();
        if goes_on {
            let step = steps.last_mut().unwrap();
            goes_on = line.ends_with('\\');
            step.command.push('\n');
            step.command.push_str(line);
        } else if let Some(command) = line.strip_prefix("$ ") {
            goes_on = command.ends_with('\\');
            steps.push(step(command));
        } else if let Some(step) = steps.last_mut()
            && line.chars().any(|c| c != '…')
        {
            step.expected.push(line.to_owned());
        }
    }
    steps
}

fn step(line: &str) -> Step {
    let (command, comment) = line.split_once("  #").unwrap_or((line, ""));
    let comment = comment.trim();
    let code = comment
        .split_once("ends with ")
        .map_or(0, |(_, code)| code.trim().parse().unwrap());
    Step {
        command: command.trim().to_owned(),
        expected: Vec::new(),
        code,
        patience: if comment.starts_with("until") {
            Patience::Until
        } else {
            Patience::Once
        },
    }
}

/// The first expected line that is not in the output behind the ones before it.
fn missing<'a>(expected: &'a [String], output: &str) -> Option<&'a str> {
    let output: Vec<String> = output.lines().map(even).collect();
    let mut rest = output.as_slice();
    for line in expected {
        let Some(at) = rest.iter().position(|said| says(said, &even(line))) else {
            return Some(line);
        };
        rest = &rest[at + 1..];
    }
    None
}

/// Are the pieces between the `…` of a line in another one, in their order?
fn says(mut said: &str, line: &str) -> bool {
    line.split('…').all(|piece| {
        let found = said.split_once(piece.trim());
        said = found.map_or("", |(_, rest)| rest);
        found.is_some()
    })
}

/// With one space where columns are aligned.
fn even(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A runbook that is being executed.
pub(crate) struct Book<'a> {
    machine: &'a Machine,
    page: &'static str,
    steps: std::vec::IntoIter<Step>,
    meanings: Vec<(String, String)>,
}

impl<'a> Book<'a> {
    /// A page of `docs/operations`.
    pub(crate) fn open(machine: &'a Machine, page: &'static str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("docs/operations")
            .join(page);
        let text = std::fs::read_to_string(&path).unwrap();
        let steps = steps(&text);
        assert!(!steps.is_empty(), "{page} has no commands");
        Self {
            machine,
            page,
            steps: steps.into_iter(),
            meanings: Vec::new(),
        }
    }

    /// What stands in the page for something that the reader knows, or sees before.
    pub(crate) fn means(&mut self, words: &str, value: &str) {
        let is_there = |step: &Step| {
            step.command.contains(words) || step.expected.iter().any(|line| line.contains(words))
        };
        let page = self.page;
        let mut steps = self.steps.as_slice().iter();
        assert!(steps.any(is_there), "{page}: nothing says {words}");
        self.meanings.push((words.to_owned(), value.to_owned()));
    }

    /// Executes all commands before the next one that contains these words.
    pub(crate) fn until(&mut self, words: &str) {
        let steps = self.steps.as_slice();
        let at = steps.iter().position(|step| step.command.contains(words));
        let at = at.unwrap_or_else(|| panic!("{}: no command says {words}", self.page));
        for _ in 0..at {
            self.next();
        }
    }

    /// Executes the next command, which must contain these words.
    pub(crate) fn only(&mut self, words: &str) {
        let next = self.steps.as_slice().first().map(|step| &*step.command);
        let is_meant = next.is_some_and(|command| command.contains(words));
        assert!(is_meant, "{}: {next:?} is not {words}", self.page);
        self.next();
    }

    /// Executes what is left.
    pub(crate) fn finish(mut self) {
        while !self.steps.as_slice().is_empty() {
            self.next();
        }
    }

    fn next(&mut self) {
        let mut step = self.steps.next().unwrap();
        for (words, value) in &self.meanings {
            step.command = step.command.replace(words, value);
            for line in &mut step.expected {
                *line = line.replace(words, value);
            }
        }
        let start = Instant::now();
        while let Err(wrong) = self.attempt(&step) {
            let may_come = step.patience == Patience::Until && start.elapsed() < LONG;
            assert!(may_come, "{wrong}");
            pause();
        }
    }

    /// What is wrong with what a command does.
    fn attempt(&self, step: &Step) -> Result<(), String> {
        let (code, output) = self.machine.says(&step.command);
        let wrong = if code == step.code {
            match missing(&step.expected, &output) {
                None => return Ok(()),
                Some(line) => format!("no line says: {line}"),
            }
        } else {
            format!("it ended with {code} instead of {}", step.code)
        };
        let (page, command) = (self.page, &step.command);
        let journal = self.machine.journal();
        Err(format!(
            "{page}\n$ {command}\n{output}\n{wrong}\n\n{journal}"
        ))
    }
}

impl Drop for Book<'_> {
    /// A command that a test has left out is a mistake of the test.
    fn drop(&mut self) {
        if let Some(step) = self.steps.as_slice().first()
            && !std::thread::panicking()
        {
            panic!("{}: `{}` was not executed", self.page, step.command);
        }
    }
}

#[test]
fn commands_are_found_with_what_is_expected() {
    let page = "# A page\n```console\n$ tideover status  # until it is so\na … b\n…\n\
                $ swaks --to x \\\n    --tls\n$ false  # ends with 1\n```\n\
                ```toml\n$ no = 1\n```\n";
    let found = steps(page);
    let commands: Vec<&str> = found.iter().map(|step| &*step.command).collect();
    assert_eq!(
        commands,
        ["tideover status", "swaks --to x \\\n--tls", "false"]
    );
    assert_eq!(found[0].expected, ["a … b"]);
    assert_eq!(
        (found[0].patience, found[1].patience),
        (Patience::Until, Patience::Once)
    );
    assert_eq!((found[0].code, found[2].code), (0, 1));
}

#[test]
fn what_is_expected_must_be_said_in_its_order() {
    let expected =
        |lines: &[&str]| -> Vec<String> { lines.iter().map(|line| (*line).to_owned()).collect() };
    let output = "onprem   down    10:13:15  1  connection refused\ncloud  up";
    let found = |lines: &[&str]| missing(&expected(lines), output).map(str::to_owned);
    assert_eq!(
        found(&["onprem down … connection refused", "cloud up"]),
        None
    );
    assert_eq!(found(&["onprem … up"]), Some("onprem … up".to_owned()));
    assert_eq!(found(&["cloud", "onprem"]), Some("onprem".to_owned()));
    assert_eq!(
        found(&["refused … down"]),
        Some("refused … down".to_owned())
    );
}
