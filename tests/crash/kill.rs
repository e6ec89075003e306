//! A child under load is killed at random moments, again and again.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tideover::mail::{BackendId, RecipientEvent, SpoolId};
use tideover::spool::{Options, Spool, World};

use crate::chance::Chance;
use crate::workload::{delivered, envelope, read};

/// Tells the child where its spool is.
const CHILD: &str = "TIDEOVER_CRASH_CHILD";
/// How many rounds, when it is not the usual number.
const ROUNDS: &str = "TIDEOVER_CRASH_ROUNDS";

#[expect(clippy::disallowed_methods, reason = "this test talks to its child")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn options(dir: &Path) -> Options {
    Options {
        min_free: 0,
        segment_size: 1024 * 1024,
        body_in_log: 24 * 1024,
        ..Options::new(dir)
    }
}

/// The body of a message, known from its number.
fn body(number: u64) -> Vec<u8> {
    let chance = Chance::new(number);
    let length = 200 + usize::try_from(chance.below(30_000)).unwrap();
    let byte = b'a' + u8::try_from(chance.below(26)).unwrap();
    vec![byte; length]
}

/// Runs in the child only: accepts and delivers until it is killed, and tells what was
/// acknowledged: `A number id`, `T id` (the other side has it), `D id`.
#[test]
fn child() {
    let Some(dir) = variable(CHILD) else {
        return;
    };
    let opened = Spool::open(options(Path::new(&dir)), World::system()).unwrap();
    let spool = opened.spool;
    let first = spool.stats().accepted * 2;
    opened.writer.spawn_thread().unwrap();
    let next = Arc::new(AtomicU64::new(first));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..8 {
            tasks.spawn(work(spool.clone(), Arc::clone(&next)));
        }
        tasks.join_all().await;
    });
}

async fn work(spool: Spool, next: Arc<AtomicU64>) {
    let say = |line: String| {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(line.as_bytes()).unwrap();
        stdout.flush().unwrap();
    };
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let mut draft = spool.draft();
        draft.append(&body(number)).await.unwrap();
        let id = spool.accept(draft, envelope(1)).await.unwrap();
        say(format!("A {number} {id}\n"));
        if number.is_multiple_of(2) {
            let backend = BackendId::new("onprem");
            let attempt = RecipientEvent::Attempted { backend };
            let begun = spool.begin_record(id, vec![0], attempt).await.unwrap();
            begun.wait().await.unwrap();
            say(format!("T {id}\n"));
            spool.record(id, vec![0], delivered()).await.unwrap();
            say(format!("D {id}\n"));
        }
    }
}

#[derive(Debug, Default)]
struct Told {
    accepted: BTreeMap<SpoolId, u64>,
    tried: Vec<SpoolId>,
    done: Vec<SpoolId>,
}

impl Told {
    /// Reads what the child said; a last line without its end was not said.
    fn hear(stdout: ChildStdout, begun: &mpsc::Sender<()>) -> Self {
        let mut told = Self::default();
        let mut lines = BufReader::new(stdout);
        let mut line = String::new();
        while lines.read_line(&mut line).unwrap() > 0 {
            if line.ends_with('\n') {
                let words: Vec<&str> = line.split_whitespace().collect();
                match words.as_slice() {
                    ["A", number, id] => {
                        told.accepted
                            .insert(id.parse().unwrap(), number.parse().unwrap());
                        // Nobody waits for it in some rounds.
                        begun.send(()).ok();
                    }
                    ["T", id] => told.tried.push(id.parse().unwrap()),
                    ["D", id] => told.done.push(id.parse().unwrap()),
                    // The test harness of the child says something, too.
                    _ => {}
                }
            }
            line.clear();
        }
        told
    }

    fn check(&self, spool: &Spool, round: u64) {
        for (&id, &number) in &self.accepted {
            let read = read(spool, id);
            assert_eq!(read.as_ref(), Ok(&body(number)), "round {round}: {id}");
        }
        for &id in &self.done {
            let state = spool.state(id, 0).unwrap().unwrap();
            assert!(
                state.is_finished(),
                "round {round}: {id} came back: {state:?}"
            );
        }
        for &id in &self.tried {
            let state = spool.state(id, 0).unwrap().unwrap();
            let told = state.is_finished() || state.is_uncertain();
            assert!(
                told,
                "round {round}: {id} may come twice, and nobody says so: {state:?}"
            );
        }
    }
}

#[test]
fn kills_at_random_moments_lose_nothing_acknowledged() {
    let rounds = variable(ROUNDS).and_then(|rounds| rounds.parse().ok());
    let dir = tempfile::tempdir().unwrap();
    let chance = Chance::new(u64::from(std::process::id()));
    let mut all = 0;
    for round in 0..rounds.unwrap_or(24) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "kill::child", "--nocapture"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let (begins, begun) = mpsc::channel();
        let heard = std::thread::spawn(move || Told::hear(stdout, &begins));
        // In its start, too, but mostly when it is at work, however slow the machine is.
        if round % 4 > 0 {
            begun.recv_timeout(Duration::from_secs(30)).ok();
        }
        wait(Duration::from_millis(chance.below(250)));
        child.kill().unwrap();
        child.wait().unwrap();
        let told = heard.join().unwrap();
        all += told.accepted.len();
        let opened = Spool::open(options(dir.path()), World::system()).unwrap();
        let spool = opened.spool.clone();
        assert_eq!(opened.recovery.damaged, 0, "round {round}");
        told.check(&spool, round);
        let thread = opened.writer.spawn_thread().unwrap();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(spool.close()).unwrap();
        thread.join().unwrap();
    }
    assert!(all > 100, "only {all} messages in all rounds");
}

/// How long the child lives: the only time that matters here.
#[expect(
    clippy::disallowed_methods,
    reason = "the kill must come at any moment"
)]
fn wait(time: Duration) {
    std::thread::sleep(time);
}
