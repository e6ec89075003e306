//! Tideover and Postfix side by side as relays on one disk, in one run.
//!
//! `smtp-source -> relay -> smtp-sink` on loopback, alternating A B, B A, ...; both durable, one
//! recipient, no TLS, no filters, Postfix with its defaults. Read the ratios: single rates of one
//! machine drift by 10-20 %. Needs Debian's package `postfix`, and root to run it:
//!
//! ```text
//! cargo bench --bench relay -- --quick
//! cargo bench --bench relay -- --sizes 4096,51200 --sessions 1,10,50 --modes conn,reuse --reps 5
//! cargo bench --bench relay -- --drain 20000 --connections 20 --reps 3
//! cargo bench --bench relay -- --edge --sizes 4096,51200 --sessions 50 --modes reuse --reps 3
//! ```
//!
//! `--edge` compares Tideover with itself instead: with nothing looked at, and with the checks of
//! senders, the seal, the policy for automatic answers and a filter, one after the other.
//!
//! Options: `--secs N` seconds that a repetition should take, `--dir DIR` the disk to measure on
//! (default `/var/tmp`), `--out FILE` the table in Markdown (default `target/relay.md`).

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a bench speaks to a terminal, fails by panicking and counts in floats"
)]

mod drain;
mod edge;
mod measure;
#[path = "../../tests/platforms/harness/names.rs"]
mod names;
mod options;
mod report;
mod servers;
mod tools;

use measure::{Case, Run};
use options::Options;
use report::{Cell, Report};
use servers::{Relay, Servers};
use tools::Sink;

fn main() {
    let Some(options) = Options::from_arguments(std::env::args().skip(1)) else {
        // `cargo test --benches` asks for nothing.
        return;
    };
    tools::require();
    let folder = tools::folder(&options.dir);
    if options.edge {
        let table = edge::compare(folder.path(), &options);
        write(&options, &table);
        return;
    }
    let connections = options.drain.map(|_| options.connections);
    let mut servers = Servers::start(folder.path(), connections);
    if let Some(count) = options.drain {
        println!("\n{}", drain::compare(&mut servers, &options, count));
        return;
    }
    let mut report = Report::new(folder.path());
    for case in options.cases() {
        println!("{case}");
        report.add(measure_case(&mut servers, &options, &case));
    }
    drop(servers);
    write(&options, &report.markdown());
}

/// The table, to the terminal and into its file.
fn write(options: &Options, table: &str) {
    println!("\n{table}");
    if let Some(folder) = options.out.parent() {
        std::fs::create_dir_all(folder).expect("the folder of the table");
    }
    std::fs::write(&options.out, table).expect("the table is written");
    println!("written to {}", options.out.display());
}

/// All repetitions of one case, alternating the order of the two relays.
fn measure_case(servers: &mut Servers, options: &Options, case: &Case) -> Cell {
    let raw = raw_rate(case, options);
    let Servers { tideover, postfix } = servers;
    let count = |relay: &mut Relay| measure::calibrate(relay, case, options.secs);
    let (ours, theirs) = (count(tideover), count(postfix));
    let mut pairs = Vec::new();
    for repetition in 0..options.reps {
        let (a, b): (Run, Run) = if repetition % 2 == 0 {
            let a = measure::run(tideover, case, ours);
            (a, measure::run(postfix, case, theirs))
        } else {
            let b = measure::run(postfix, case, theirs);
            (measure::run(tideover, case, ours), b)
        };
        println!("  tideover {a}\n  postfix  {b}");
        pairs.push((a, b));
    }
    Cell {
        case: case.clone(),
        raw,
        pairs,
    }
}

/// Messages per second from source to sink with nothing between.
fn raw_rate(case: &Case, options: &Options) -> f64 {
    let sink = Sink::start();
    let probe = 500.max(case.sessions * 4);
    let once = |count: usize| {
        let start = tools::now();
        tools::source(sink.port(), case, count);
        count as f64 / start.elapsed().as_secs_f64()
    };
    let rate = once(probe);
    once(((rate * options.secs) as usize).max(probe))
}
