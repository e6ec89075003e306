//! A large directory: how long an import takes, what it costs in memory, how long a look-up takes,
//! and that a second import of the same writes nothing.
//!
//! `cargo bench --bench directory -- [--people N]`; numbers are in docs/benchmarks.md.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a bench prints numbers, and ends at the first error"
)]

use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

use tideover::base::{Clock, Shutdown};
use tideover::directory::{
    BadRows, Builder, Cause, DirectoryHandle, Extent, FILE, GenerationOptions, Generations, Guard,
    Import, Lookup, Mode, Note, Outcome, Rules,
};
use tideover::mail::BackendId;
use tideover::smtp::Mailbox;
use tideover::spool::{self, Spool};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Look-ups that are measured.
const LOOKUPS: usize = 100_000;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let at = arguments.iter().position(|argument| argument == "--people");
    let people = at.map_or(200_000, |at| arguments[at + 1].parse().unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(run(people));
}

async fn run(people: usize) {
    let dir = tempfile::tempdir().unwrap();
    let mut options = spool::Options::new(dir.path());
    options.min_free = 0;
    let opened = Spool::open(options, spool::World::system()).unwrap();
    let shutdown = Shutdown::new();
    shutdown.spawn("spool", opened.writer.run());
    let options = GenerationOptions {
        rules: Rules {
            order: vec![FILE.to_owned()],
            ..Rules::default()
        },
        backends: vec![BackendId::new("onprem"), BackendId::new("cloud")],
        max_delete_percent: 5,
    };
    let handle = DirectoryHandle::new(Builder::new(options.rules.clone()).finish());
    let spool = opened.spool;
    let generations = Generations::new(handle, spool.clone(), Clock::system(), options);
    let path = dir.path().join("people.csv");
    let before = resident();
    std::fs::write(&path, csv(people)).unwrap();
    println!("| {people} people, three aliases each | seconds | resident MiB, more than before |");
    println!("|---|--:|--:|");
    for what in ["import into an empty directory", "the same once more"] {
        let log = written(&dir.path().join("log"));
        let begun = Instant::now();
        let outcome = import(&generations, &path).await;
        let took = begun.elapsed().as_secs_f64();
        let more = resident().saturating_sub(before) / 1024;
        println!("| {what} | {took:.2} | {more} |");
        let unchanged = matches!(outcome, Outcome::Unchanged);
        assert_eq!(unchanged, written(&dir.path().join("log")) == log);
    }
    look_up(&generations, people);
    spool.close().await.unwrap();
    shutdown.stop().await;
}

async fn import(generations: &Generations, path: &Path) -> Outcome {
    let import = Import {
        source: FILE.to_owned(),
        extent: Extent::All,
        bad: BadRows::Refuse,
        home: None,
    };
    let note = Note {
        author: "bench".to_owned(),
        reason: String::new(),
        cause: Cause::Import,
        source: Some(FILE.to_owned()),
    };
    let file = std::fs::File::open(path).unwrap();
    let mode = Mode::Commit(Guard::Off);
    let done = generations.import(file, import, (note, mode)).await;
    done.unwrap().outcome
}

/// Half of them by an alias, in no order.
fn look_up(generations: &Generations, people: usize) {
    let directory = generations.current();
    let mut micros = Vec::with_capacity(LOOKUPS);
    for number in 0..LOOKUPS {
        let person = number.wrapping_mul(2_654_435_761) % people;
        let address = match number % 2 {
            0 => format!("firstname.lastname{person}@example.org"),
            _ => format!("p{person}@subsidiary.example.org"),
        };
        let address: Mailbox = address.parse().unwrap();
        let begun = Instant::now();
        let found = directory.lookup(&address);
        micros.push(begun.elapsed().as_secs_f64() * 1e6);
        assert!(matches!(found, Lookup::Known { .. }), "{address}");
    }
    micros.sort_by(f64::total_cmp);
    println!(
        "\nlook-up: median {:.2} µs, p99 {:.2} µs; the directory itself takes {} MiB",
        micros[LOOKUPS / 2],
        micros[LOOKUPS * 99 / 100],
        directory.memory() / 1024 / 1024
    );
}

fn csv(people: usize) -> String {
    let mut text = "address,home,type,name,aliases\n".to_owned();
    for person in 0..people {
        let home = ["onprem", "cloud"][person % 2];
        writeln!(
            text,
            "firstname.lastname{person}@example.org,{home},mailbox,\
             \"Lastname {person}, Firstname\",person{person}@example.org;\
             firstname.lastname{person}@tenant.onmicrosoft.example;\
             p{person}@subsidiary.example.org"
        )
        .unwrap();
    }
    text
}

/// Bytes of all segments that are not zero at their end: what was reserved is not written.
fn written(log: &Path) -> u64 {
    let mut bytes = 0;
    for file in std::fs::read_dir(log).unwrap() {
        let content = std::fs::read(file.unwrap().path()).unwrap();
        let end = content.iter().rposition(|&byte| byte != 0);
        bytes += end.map_or(0, |end| end as u64 + 1);
    }
    bytes
}

/// KiB.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS"));
    let number = line.unwrap().split_whitespace().nth(1).unwrap();
    number.parse().unwrap()
}
