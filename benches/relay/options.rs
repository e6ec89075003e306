//! What to measure.

use std::path::PathBuf;

use crate::measure::{Case, Mode};

/// The arguments.
pub(crate) struct Options {
    sizes: Vec<usize>,
    sessions: Vec<usize>,
    modes: Vec<Mode>,
    /// Messages of a backlog to drain, instead of all else.
    pub(crate) drain: Option<usize>,
    /// What the edge costs, instead of all else.
    pub(crate) edge: bool,
    /// Connections to the sink while it drains, of both relays.
    pub(crate) connections: usize,
    pub(crate) reps: usize,
    pub(crate) secs: f64,
    pub(crate) dir: PathBuf,
    pub(crate) out: PathBuf,
}

impl Options {
    /// `None` when cargo only wants to know whether it starts.
    pub(crate) fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let target = concat!(env!("CARGO_MANIFEST_DIR"), "/target/relay.md");
        let mut options = Self {
            sizes: vec![4_096, 51_200],
            sessions: vec![1, 10, 50],
            modes: vec![Mode::NewConnections, Mode::Reuse],
            drain: None,
            edge: false,
            // What Postfix has by default.
            connections: 20,
            reps: 3,
            secs: 8.0,
            dir: PathBuf::from("/var/tmp"),
            out: PathBuf::from(target),
        };
        let mut bench = false;
        while let Some(argument) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .unwrap_or_else(|| panic!("{argument} needs a value"))
            };
            match argument.as_str() {
                "--bench" => bench = true,
                "--quick" => options.be_quick(),
                "--sizes" => options.sizes = numbers(&value()),
                "--sessions" => options.sessions = numbers(&value()),
                "--modes" => options.modes = value().split(',').map(Mode::named).collect(),
                "--drain" => {
                    options.drain = Some(value().parse().expect("--drain is a number"));
                }
                "--edge" => options.edge = true,
                "--connections" => {
                    options.connections = value().parse().expect("--connections is a number");
                }
                "--reps" => options.reps = value().parse().expect("--reps is a number"),
                "--secs" => options.secs = value().parse().expect("--secs is a number"),
                "--dir" => options.dir = value().into(),
                "--out" => options.out = value().into(),
                other => panic!("unknown argument {other}; see the head of benches/relay/main.rs"),
            }
        }
        bench.then_some(options)
    }

    /// Every combination.
    pub(crate) fn cases(&self) -> Vec<Case> {
        let mut cases = Vec::new();
        for &mode in &self.modes {
            for &size in &self.sizes {
                for &sessions in &self.sessions {
                    cases.push(Case {
                        mode,
                        size,
                        sessions,
                    });
                }
            }
        }
        cases
    }

    fn be_quick(&mut self) {
        self.sizes = vec![4_096];
        self.sessions = vec![1, 50];
        self.modes = vec![Mode::Reuse];
        self.reps = 2;
        self.secs = 3.0;
    }
}

fn numbers(list: &str) -> Vec<usize> {
    list.split(',')
        .map(|number| number.parse().expect("a list of numbers: 4096,51200"))
        .collect()
}
