//! Commits of the bare spool beside a bare group-commit log with an unsynced sled index, on
//! the same disk in the same run; and growth to many queued recipients.
//!
//! `cargo bench --bench commit -- [--secs N] [--reps N] [--growth N] [--bytes N] [--writers N]`;
//! numbers are in docs/benchmarks.md.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::indexing_slicing,
    reason = "a bench prints numbers, and ends at the first error"
)]

use std::fs::File;
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tideover::base::Shutdown;
use tideover::mail::{Authenticity, Envelope, Peer, Recipient};
use tideover::smtp::{MailParameters, RcptParameters};
use tideover::spool::{Options, Reach, Spool, World};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SEGMENT: u64 = 128 * 1024 * 1024;
const BATCH: usize = 2 * 1024 * 1024;
const MAILBOXES: u64 = 2_000;
static NUMBER: AtomicU64 = AtomicU64::new(0);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    let number = |name: &str, usual: u64| value(name).map_or(usual, |text| text.parse().unwrap());
    if let Some(dir) = value("--fill") {
        return fill(Path::new(&dir), number("--count", 0));
    }
    if let Some(dir) = value("--open") {
        return open(Path::new(&dir));
    }
    let secs = value("--secs").map_or(2.0, |text| text.parse().unwrap());
    let secs = Duration::from_secs_f64(secs);
    println!(
        "fdatasync of 4 KiB: {:.3} ms (median)",
        fdatasync().as_secs_f64() * 1e3
    );
    println!(
        "\n| bytes | writers | spool/s | p50 ms | p99 ms | CPU µs | disk / byte \
         | bare log/s | p50 ms | CPU µs | spool / log |"
    );
    println!("|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    for (size, writers) in [
        (2048, 1),
        (2048, 16),
        (2048, 128),
        (20 * 1024, 16),
        (20 * 1024, 128),
        (200 * 1024, 16),
        (50 * 1024 * 1024, 1),
    ] {
        let wanted = |name: &str, is: usize| number(name, is as u64) == is as u64;
        if wanted("--bytes", size) && wanted("--writers", writers) {
            compare(size, writers, secs, number("--reps", 3));
        }
    }
    println!("memory of all that: {} MiB at most", memory("VmHWM"));
    growth(number("--growth", 0));
}

/// When a run began, and the CPU time of this process then.
#[derive(Clone, Copy)]
struct Begun(Instant, f64);

impl Begun {
    fn now() -> Self {
        Self(Instant::now(), cpu())
    }
}

/// Seconds of CPU, user and system, of this process.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
    let ticks = fields.skip(11).take(2);
    let ticks: u64 = ticks.map(|ticks| ticks.parse::<u64>().unwrap()).sum();
    ticks as f64 / rustix::param::clock_ticks_per_second() as f64
}

/// Rate, and latencies in order.
struct Run {
    rate: f64,
    /// Microseconds of CPU for a message, whoever used them.
    cpu: f64,
    /// Bytes on the disk for a byte of a message, index included, when it is closed.
    disk: f64,
    times: Vec<Duration>,
}

impl Run {
    fn of(begun: Begun, mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let count = times.len() as f64;
        Self {
            rate: count / begun.0.elapsed().as_secs_f64(),
            cpu: (cpu() - begun.1) * 1e6 / count,
            disk: 0.0,
            times,
        }
    }

    fn millis(&self, percent: usize) -> f64 {
        let at = self.times.len() * percent / 100;
        self.times[at.min(self.times.len() - 1)].as_secs_f64() * 1e3
    }
}

/// Runs both in turn and prints the runs with the median rates.
fn compare(size: usize, writers: usize, time: Duration, reps: u64) {
    let (mut spools, mut logs) = (Vec::new(), Vec::new());
    for _ in 0..reps {
        spools.push(spool_run(size, writers, time));
        if size <= BATCH {
            logs.push(log_run(size, writers, time));
        }
    }
    let median = |runs: &mut Vec<Run>| {
        runs.sort_by(|a, b| a.rate.total_cmp(&b.rate));
        (!runs.is_empty()).then(|| runs.swap_remove(runs.len() / 2))
    };
    let spool = median(&mut spools).unwrap();
    let (p50, p99) = (spool.millis(50), spool.millis(99));
    let rest = median(&mut logs).map_or("| | | |".to_owned(), |log| {
        let ratio = spool.rate / log.rate * 100.0;
        let p50 = log.millis(50);
        format!(
            "{:.0} | {p50:.2} | {:.0} | {ratio:.0} % |",
            log.rate, log.cpu
        )
    });
    println!(
        "| {size} | {writers} | {:.0} | {p50:.2} | {p99:.2} | {:.0} | {:.2} | {rest}",
        spool.rate, spool.cpu, spool.disk
    );
}

const fn mixed(number: u64) -> u64 {
    number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16
}

fn message_id(number: u64) -> String {
    format!("20300101.{:x}@mail.example.net", mixed(number))
}

/// No two messages have the same `Message-ID`, and they go to 2,000 mailboxes: else the index would
/// have it easier than in life.
fn envelope() -> Envelope {
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let mixed = mixed(number);
    let bob = format!("bob.{}@example.org", mixed % MAILBOXES);
    Envelope {
        from: "ann@example.net".parse().unwrap(),
        parameters: MailParameters::default(),
        recipients: vec![Recipient {
            address: bob.parse().unwrap(),
            parameters: RcptParameters::default(),
            lane: "onprem".to_owned(),
            mailbox: Some(bob),
        }],
        peer: Peer::default(),
        message_id: Some(message_id(number)),
        subject: Some("The figures of this quarter".to_owned()),
        header_from: Some("Ann <ann@example.net>".to_owned()),
        authenticity: Authenticity::Unproven,
        expanded: None,
        filtered: Vec::new(),
        automatic: None,
        tls_optional: false,
        verdict: None,
    }
}

async fn accept(spool: &Spool, body: &[u8]) {
    let mut draft = spool.draft();
    for piece in body.chunks(64 * 1024) {
        draft.append(piece).await.unwrap();
    }
    spool.accept(draft, envelope()).await.unwrap();
}

fn spool_run(size: usize, writers: usize, time: Duration) -> Run {
    let dir = tempfile::tempdir_in("target").unwrap();
    let mut opened = Spool::open(Options::new(dir.path()), World::system()).unwrap();
    let thread = opened.writer.spawn_thread().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let body: Arc<[u8]> = vec![b'x'; size].into();
        let mut tasks = JoinSet::new();
        let begun = Begun::now();
        for _ in 0..writers {
            let (spool, body) = (opened.spool.clone(), Arc::clone(&body));
            tasks.spawn(async move {
                let mut times = Vec::new();
                while begun.0.elapsed() < time {
                    let start = Instant::now();
                    accept(&spool, &body).await;
                    times.push(start.elapsed());
                }
                times
            });
        }
        let mut all = Vec::new();
        let queue = async { while opened.committed.recv().await.is_some() {} };
        let work = async {
            while let Some(times) = tasks.join_next().await {
                all.extend(times.unwrap());
            }
        };
        tokio::select! { () = queue => {}, () = work => {} }
        let run = Run::of(begun, all);
        opened.spool.close().await.unwrap();
        thread.join().unwrap();
        let stored = run.times.len() * size;
        Run {
            disk: blocks(dir.path()) as f64 / stored as f64,
            ..run
        }
    })
}

/// Bytes that the files of a folder take on the disk.
fn blocks(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let sizes = entries.map(|entry| {
        let about = entry.metadata().unwrap();
        if about.is_dir() {
            blocks(&entry.path())
        } else {
            about.blocks() * 512
        }
    });
    sizes.sum()
}

type Waiting = (Vec<u8>, oneshot::Sender<()>);

/// The limit: records of the same size, one write and one fdatasync for all that wait, and a row
/// in sled that nobody waits for.
fn write_log(mut waiting: mpsc::Receiver<Waiting>, dir: &Path) {
    let index = sled::Config::default()
        .path(dir.join("index"))
        .cache_capacity(32 * 1024 * 1024)
        .open()
        .unwrap();
    let (mut file, mut offset, mut number) = (segment(dir, 0), 0, 0_u64);
    while let Some(first) = waiting.blocking_recv() {
        let (mut buffer, mut told) = (Vec::new(), Vec::new());
        let mut next = Some(first);
        while let Some((record, done)) = next {
            buffer.extend_from_slice(&crc32c::crc32c(&record).to_le_bytes());
            buffer.extend_from_slice(&record);
            told.push(done);
            next = (buffer.len() < BATCH)
                .then(|| waiting.try_recv().ok())
                .flatten();
        }
        if offset + buffer.len() as u64 > SEGMENT {
            file = segment(dir, number);
            offset = 0;
        }
        file.write_all_at(&buffer, offset).unwrap();
        file.sync_data().unwrap();
        offset += buffer.len() as u64;
        let mut rows = sled::Batch::default();
        for done in told {
            number += 1;
            rows.insert(&number.to_be_bytes(), vec![7; 60]);
            done.send(()).unwrap();
        }
        index.apply_batch(rows).unwrap();
    }
}

fn segment(dir: &Path, number: u64) -> File {
    let file = File::create_new(dir.join(format!("{number}.seg"))).unwrap();
    rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, SEGMENT).unwrap();
    file.sync_all().unwrap();
    file
}

fn log_run(size: usize, writers: usize, time: Duration) -> Run {
    let dir = tempfile::tempdir_in("target").unwrap();
    let (jobs, waiting) = mpsc::channel::<Waiting>(1024);
    let path = dir.path().to_owned();
    let thread = std::thread::spawn(move || write_log(waiting, &path));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let run = runtime.block_on(async {
        let mut tasks = JoinSet::new();
        let begun = Begun::now();
        for _ in 0..writers {
            let jobs = jobs.clone();
            tasks.spawn(async move {
                let mut times = Vec::new();
                while begun.0.elapsed() < time {
                    let start = Instant::now();
                    let (done, told) = oneshot::channel();
                    // As much as the spool writes beside a body of this size.
                    jobs.send((vec![b'x'; size + 500], done)).await.unwrap();
                    told.await.unwrap();
                    times.push(start.elapsed());
                }
                times
            });
        }
        drop(jobs);
        let all = tasks.join_all().await;
        Run::of(begun, all.into_iter().flatten().collect())
    });
    thread.join().unwrap();
    run
}

fn fdatasync() -> Duration {
    let dir = tempfile::tempdir_in("target").unwrap();
    let file = segment(dir.path(), 0);
    let mut times: Vec<Duration> = (0..400)
        .map(|number| {
            let begun = Instant::now();
            file.write_all_at(&[1; 4096], number * 4096).unwrap();
            file.sync_data().unwrap();
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[200]
}

/// MiB of this process.
fn memory(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    kib / 1024
}

/// Fills a spool in a process that ends without a word, opens it in others.
fn growth(count: u64) {
    if count == 0 {
        return;
    }
    let dir = tempfile::tempdir_in("target").unwrap();
    let path = dir.path().to_str().unwrap();
    let this = std::env::current_exe().unwrap();
    let run = |arguments: &[&str]| Command::new(&this).args(arguments).status().unwrap();
    println!("\ngrowth to {count} queued recipients, 1 KiB, 64 writers:");
    run(&["--fill", path, "--count", &count.to_string()]);
    let log = log_run(1024, 64, Duration::from_secs(15));
    println!("  the bare log, for 15 s: {:.0}/s", log.rate);
    println!("after a kill:");
    run(&["--open", path]);
    std::fs::remove_dir_all(dir.path().join("index")).unwrap();
    println!("without its index:");
    run(&["--open", path]);
}

fn fill(dir: &Path, count: u64) {
    let mut opened = Spool::open(Options::new(dir), World::system()).unwrap();
    opened.writer.spawn_thread().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (mut done, mut step) = (0, 10_000.min(count));
        while done < count {
            let begun = Begun::now();
            let each = (step - done) / 64 + 1;
            let mut tasks = JoinSet::new();
            for _ in 0..64 {
                tasks.spawn(accept_many(opened.spool.clone(), each));
            }
            let queue = async { while opened.committed.recv().await.is_some() {} };
            let work = async { while tasks.join_next().await.is_some() {} };
            tokio::select! { () = queue => {}, () = work => {} }
            let count_of_step = (each * 64) as f64;
            let rate = count_of_step / begun.0.elapsed().as_secs_f64();
            let cpu = (cpu() - begun.1) * 1e6 / count_of_step;
            done = step;
            step = (step * 10).min(count);
            println!(
                "  {done}: {rate:.0}/s since the last line, {cpu:.0} µs CPU, {} MiB (at most {})",
                memory("VmRSS"),
                memory("VmHWM")
            );
        }
    });
    std::process::abort();
}

async fn accept_many(spool: Spool, count: u64) {
    for _ in 0..count {
        accept(&spool, &[b'x'; 1024]).await;
    }
}

fn open(dir: &Path) {
    let begun = Instant::now();
    let opened = Spool::open(Options::new(dir), World::system()).unwrap();
    let secs = begun.elapsed().as_secs_f64();
    let mut replayed = opened.recovery.replayed;
    println!("  can take mail after {secs:.2} s");
    opened.writer.spawn_thread().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Some(rebuild) = opened.rebuild {
        let found = runtime.block_on(rebuild.run(Shutdown::new())).unwrap();
        replayed = found.replayed;
    }
    println!(
        "  index complete after {:.2} s, {replayed} records replayed, {} MiB resident (at most {})",
        begun.elapsed().as_secs_f64(),
        memory("VmRSS"),
        memory("VmHWM")
    );
    let begun = Instant::now();
    let found = opened.spool.by_message_id(&message_id(1)).unwrap();
    assert_eq!(found.len(), 1);
    let millis = begun.elapsed().as_secs_f64() * 1e3;
    println!("  a Message-ID found in {millis:.0} ms");
    let begun = Instant::now();
    runtime
        .block_on(opened.spool.link(Reach::Everything))
        .unwrap();
    let linked = begun.elapsed().as_secs_f64();
    let check = opened.spool.check_chain(None).unwrap();
    assert_eq!(check.problems, [""; 0]);
    println!(
        "  the log linked in {linked:.2} s, and {} MiB of it compared with the chain in {:.2} s",
        check.bytes / (1024 * 1024),
        begun.elapsed().as_secs_f64() - linked
    );
    // Like the process before it: not closed.
    std::process::abort();
}
