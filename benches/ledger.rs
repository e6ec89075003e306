//! One message among very many, and the report of all of them: first in the log, then, when
//! `spool.retain` is over, in the ledger.
//!
//! `cargo bench --bench ledger -- [--count N]`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench prints numbers, and ends at the first error"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tideover::base::{Clock, TimeSource, Timestamp};
use tideover::mail::{Authenticity, BackendId, Envelope, Peer, Recipient, RecipientEvent};
use tideover::report::{Collector, Scope, rows};
use tideover::smtp::{MailParameters, RcptParameters, Reply};
use tideover::spool::{Options, Reach, Spool, World};
use tokio::task::JoinSet;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const WRITERS: u64 = 64;
const MAILBOXES: u64 = 2_000;
const MONTH: Duration = Duration::from_secs(32 * 24 * 3600);
/// The question and the next messages: each answer is the median of so many.
const ASKED: u64 = 5;

/// The time of the system, and what it was set forward.
#[derive(Debug, Clone)]
struct Hands(Arc<AtomicU64>);

impl Hands {
    fn set(&self, forward: Duration) {
        let forward = u64::try_from(forward.as_millis()).unwrap();
        self.0.store(forward, Ordering::Relaxed);
    }
}

impl TimeSource for Hands {
    fn now(&self) -> Timestamp {
        let forward = Duration::from_millis(self.0.load(Ordering::Relaxed));
        Clock::system().now().after(forward)
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let at = arguments.iter().position(|argument| argument == "--count");
    let count = at.and_then(|at| arguments.get(at + 1));
    let count: u64 = count.map_or(1_000_000, |text| text.parse().unwrap());
    let dir = tempfile::tempdir_in("target").unwrap();
    let hands = Hands(Arc::default());
    let world = World {
        clock: Clock::new(hands.clone()),
        ..World::system()
    };
    let options = Options::new(dir.path());
    let mut opened = Spool::open(options, world).unwrap();
    opened.writer.spawn_thread().unwrap();
    let spool = opened.spool.clone();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let begun = Instant::now();
        let mut tasks = JoinSet::new();
        for writer in 0..WRITERS {
            tasks.spawn(fill(spool.clone(), (writer..count).step_by(64)));
        }
        let queue = async { while opened.committed.recv().await.is_some() {} };
        let work = async { while tasks.join_next().await.is_some() {} };
        tokio::select! { () = queue => {}, () = work => {} }
        let secs = begun.elapsed().as_secs_f64();
        println!(
            "{count} messages accepted and delivered in {secs:.0} s; {}",
            memory()
        );
    });

    println!("\nin the log:");
    trace(count, |of| spool.by_message_id(of).unwrap().len());
    report(&spool, count);
    let (linked, _) = timed(|| runtime.block_on(spool.link(Reach::Everything)).unwrap());
    let (checked, check) = timed(|| spool.check_chain(None).unwrap());
    assert_eq!(check.problems, [""; 0]);
    let mib = check.bytes / (1024 * 1024);
    println!(
        "  the log linked in {linked:.2} s, compared with the chain in {checked:.2} s ({mib} MiB)"
    );
    let (counted, balance) = timed(|| runtime.block_on(spool.count_all()).unwrap());
    assert_eq!((balance.came, balance.wrong), (count, 0));
    println!("  the account compared with all rows in {counted:.1} s, nine tenths of it at rest");

    // The newest segment is closed by the first round, and goes with the second.
    let retire = |after: Duration| {
        hands.set(after);
        timed(|| runtime.block_on(spool.retire()).unwrap())
    };
    retire(MONTH / 2);
    let (secs, retired) = retire(MONTH * 2);
    let size = std::fs::read_dir(dir.path().join("ledger")).unwrap();
    let size: u64 = size
        .map(|file| file.unwrap().metadata().unwrap().len())
        .sum();
    println!(
        "\nin the ledger: {} messages went in {secs:.1} s, {} MiB",
        retired.removed,
        size >> 20
    );
    trace(count, |of| spool.ledger_find(of, 100).unwrap().len());
    report(&spool, count);
    std::process::exit(0);
}

async fn fill(spool: Spool, numbers: impl Iterator<Item = u64>) {
    for number in numbers {
        let mut draft = spool.draft();
        draft.append(&[b'x'; 1024]).await.unwrap();
        let id = spool.accept(draft, envelope(number)).await.unwrap();
        spool.record(id, vec![0], delivered()).await.unwrap();
    }
}

fn message_id(number: u64) -> String {
    let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("20300101.{mixed:x}@mail.example.net")
}

fn envelope(number: u64) -> Envelope {
    let bob = format!("bob.{}@example.org", number % MAILBOXES);
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

fn delivered() -> RecipientEvent {
    RecipientEvent::Delivered {
        backend: BackendId::new("onprem"),
        reply: Reply::parse(&["250 2.0.0 Ok: queued as 4WxYz12345"]).unwrap(),
        delivery_address: "bob@onprem.example.org".to_owned(),
        tls: Some("TLSv1.3".to_owned()),
        diverted_from: None,
    }
}

/// Asks for one message, by its Message-ID.
fn trace(count: u64, find: impl Fn(&str) -> usize) {
    let mut asked: Vec<f64> = (0..ASKED)
        .map(|nth| {
            let of = message_id(count * nth / ASKED);
            let (secs, found) = timed(|| find(&of));
            assert_eq!(found, 1, "{of}");
            secs
        })
        .collect();
    asked.sort_by(f64::total_cmp);
    let (median, most) = (asked.get(2).unwrap(), asked.last().unwrap());
    println!("  one of them found in {median:.2} s (at most {most:.2} s)");
}

fn report(spool: &Spool, count: u64) {
    let now = Clock::system().now().after(MONTH * 3);
    let time = (Timestamp::EPOCH, now);
    let (secs, figures) = timed(|| {
        let mut collector = Collector::new(Scope::default(), time, now);
        let show = &mut |passing: &tideover::spool::Passing<'_>| {
            collector.note(passing.message, &passing.history().unwrap());
        };
        let passed = spool.passed(time.0..time.1, usize::MAX, show).unwrap();
        collector.finish(&std::collections::BTreeMap::new(), passed)
    });
    assert_eq!(
        (figures.messages, figures.recipients.delivered),
        (count, count)
    );
    println!("  report of all: {secs:.1} s; {}", memory());
    let scope = Scope::default();
    let mut bytes = 0;
    let (secs, _) = timed(|| {
        let show = &mut |passing: &tideover::spool::Passing<'_>| {
            bytes += rows(&scope, passing.message, &passing.history().unwrap()).len();
        };
        spool.passed(time.0..time.1, usize::MAX, show).unwrap()
    });
    println!(
        "  a line for each recipient: {secs:.1} s, {} MiB; {}",
        bytes >> 20,
        memory()
    );
}

fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let begun = Instant::now();
    let done = work();
    (begun.elapsed().as_secs_f64(), done)
}

/// Of this process.
fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let kib = |name: &str| -> u64 {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    };
    format!(
        "{} MiB resident (at most {})",
        kib("VmRSS") >> 10,
        kib("VmHWM") >> 10
    )
}
