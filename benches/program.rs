//! The whole program as it runs: its memory for a large message on the way through, and its memory,
//! rate and start with a long backlog. A source and a sink of our own on loopback.
//!
//! `cargo bench --bench program -- [--mib N] [--backlog N] [--secs N] [--dir FOLDER]`; numbers
//! are in docs/benchmarks.md.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a bench prints numbers, waits for another process, and ends at the first error"
)]

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tideover::mail::{Authenticity, Envelope, Peer, Recipient};
use tideover::smtp::{MailParameters, RcptParameters};
use tideover::spool::{Options, Spool, World};
use tokio::task::JoinSet;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const PATIENCE: Duration = Duration::from_secs(300);
const MIB: usize = 1024 * 1024;
/// People of the directory.
const PEOPLE: u64 = 2_000;
/// Sessions that send at one time.
const SESSIONS: u64 = 50;
/// Bytes of a message of the backlog.
const BODY: usize = 1024;

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
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let folder = value("--dir").unwrap_or_else(|| "target".to_owned());
    let mib = usize::try_from(number("--mib", 50)).unwrap();
    large(Path::new(&folder), mib);
    let secs = Duration::from_secs(number("--secs", 10));
    backlog(Path::new(&folder), number("--backlog", 1_000_000), secs);
}

/// One large message through the program.
fn large(folder: &Path, mib: usize) {
    let dir = tempfile::tempdir_in(folder).unwrap();
    let sink = Sink::start(free_address());
    let site = Site::new(dir.path(), sink.address);
    let daemon = Daemon::start(&site);
    send(site.smtp, 0, &vec![b'x'; BODY]);
    sink.wait(1);
    println!("| {mib} MiB messages | resident before, MiB | at most, MiB | for them, MiB |");
    println!("|--:|--:|--:|--:|");
    let mut body = vec![b'x'; mib * MIB];
    for line in body.chunks_mut(78) {
        if let [.., cr, lf] = line {
            (*cr, *lf) = (b'\r', b'\n');
        }
    }
    let body = Arc::new(body);
    let mut sent = 1;
    for sessions in [1, 4] {
        // What was needed for the ones before may be given back a little later.
        std::thread::sleep(Duration::from_secs(3));
        let before = daemon.forget_peak();
        let tasks: Vec<_> = (0..sessions)
            .map(|number| {
                let (body, to) = (Arc::clone(&body), site.smtp);
                std::thread::spawn(move || send(to, number, &body))
            })
            .collect();
        for task in tasks {
            task.join().unwrap();
        }
        sent += sessions;
        sink.wait(sent);
        let most = daemon.memory("VmHWM");
        let grown = most - before;
        println!("| {sessions} | {before:.1} | {most:.1} | {grown:.1} |");
    }
    println!();
}

/// A backlog while the platform is away: what the program needs for it, how fast it takes mail
/// beside it, and how soon it is there again after a kill.
fn backlog(folder: &Path, count: u64, time: Duration) {
    let dir = tempfile::tempdir_in(folder).unwrap();
    let away = free_address();
    let site = Site::new(dir.path(), away);
    let empty = Daemon::start(&site);
    let first = accepted(site.smtp, time);
    println!("accepted with an empty queue: {first:.0}/s, {SESSIONS} sessions");
    println!("resident: {}", empty.told());
    drop(empty);
    let this = std::env::current_exe().unwrap();
    let mut fill = Command::new(this);
    fill.arg("--fill").arg(&site.data);
    fill.args(["--count", &count.to_string()]).status().unwrap();
    println!("\n| {count} queued | greeting after | index complete after | resident MiB |");
    println!("|---|--:|--:|--:|");
    let daemon = Daemon::start(&site);
    println!("| first start | {} |", daemon.start_told());
    // All of them are looked at once, because nobody knows yet which homes they show.
    daemon.settle(&site);
    println!("after a look at all of them: {}", daemon.told());
    let then = accepted(site.smtp, time);
    println!(
        "accepted with them queued: {then:.0}/s, {:.0} % of an empty queue's; {}",
        then / first * 100.0,
        daemon.told()
    );
    drop(daemon);
    let daemon = Daemon::start(&site);
    println!("| after a kill | {} |", daemon.start_told());
    std::thread::sleep(time);
    println!("{} s later: {}", time.as_secs(), daemon.told());
    drop(daemon);
    let sink = Sink::start(away);
    let daemon = Daemon::start(&site);
    sink.wait(1);
    println!(
        "after a kill, with the platform back: first delivery after {:.2} s",
        daemon.begun.elapsed().as_secs_f64()
    );
}

/// A config with its folder and ports.
struct Site {
    config: PathBuf,
    data: PathBuf,
    smtp: SocketAddr,
    admin: SocketAddr,
    log: PathBuf,
}

impl Site {
    fn new(dir: &Path, platform: SocketAddr) -> Self {
        let dir = dir.canonicalize().unwrap();
        let (smtp, admin) = (free_address(), free_address());
        let mut people = "address,home\n".to_owned();
        for number in 0..PEOPLE {
            people.push_str(&person(number));
            people.push_str(",onprem\n");
        }
        fs::write(dir.join("directory.csv"), people).unwrap();
        let config = format!(
            "[server]\nhostname = \"mx.example.org\"\ndata_dir = \"data\"\n\
             [spool]\nmin_free = \"100MiB\"\nmax_message_size = \"1GiB\"\n\
             [[listener]]\nbind = \"{smtp}\"\nrole = \"mx\"\ntls = \"none\"\n\
             [backend.onprem]\nhosts = [\"{platform}\"]\ntls = \"never\"\nslow_open = false\n\
             [backend.onprem.probe]\ninterval = \"1s\"\nup_after = 1\n\
             [domain.\"example.org\"]\ntype = \"authoritative\"\nhome = \"onprem\"\n\
             unknown = \"reject\"\n\
             [directory]\nfile = \"directory.csv\"\n[admin]\nbind = \"{admin}\"\n\
             [limits]\nconnections_per_address = 500\n"
        );
        let file = dir.join("tideover.toml");
        fs::write(&file, config).unwrap();
        Self {
            config: file,
            data: dir.join("data"),
            smtp,
            admin,
            log: dir.join("log.txt"),
        }
    }
}

fn person(number: u64) -> String {
    format!("person.{}@example.org", number % PEOPLE)
}

/// The program; killed when dropped.
struct Daemon {
    child: Child,
    begun: Instant,
    greeting: Duration,
    complete: Duration,
}

impl Daemon {
    fn start(site: &Site) -> Self {
        let log = File::create(&site.log).unwrap();
        let begun = Instant::now();
        let child = Command::new(env!("CARGO_BIN_EXE_tideover"))
            .args(["serve", "-c"])
            .arg(&site.config)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut daemon = Self {
            child,
            begun,
            greeting: Duration::ZERO,
            complete: Duration::ZERO,
        };
        let until = |is_so: &dyn Fn() -> bool| {
            while !is_so() {
                assert!(begun.elapsed() < PATIENCE, "see {}", site.log.display());
                std::thread::sleep(Duration::from_millis(5));
            }
            begun.elapsed()
        };
        daemon.greeting = until(&|| Session::open(site.smtp).is_some());
        daemon.complete = until(&|| {
            health(site.admin).is_some_and(|health| !health.contains("of the log is read"))
        });
        daemon
    }

    fn start_told(&self) -> String {
        format!(
            "{:.2} s | {:.2} s | {}",
            self.greeting.as_secs_f64(),
            self.complete.as_secs_f64(),
            self.told()
        )
    }

    fn told(&self) -> String {
        let (now, most) = (self.memory("VmRSS"), self.memory("VmHWM"));
        format!("{now:.0} MiB, at most {most:.0} MiB")
    }

    /// MiB.
    fn memory(&self, name: &str) -> f64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        let kib: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib as f64 / 1024.0
    }

    /// The peak begins anew at what is resident now.
    fn forget_peak(&self) -> f64 {
        fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").unwrap();
        self.memory("VmRSS")
    }

    /// Waits until it has no work.
    fn settle(&self, site: &Site) {
        let stat = format!("/proc/{}/stat", self.child.id());
        let ticks = || {
            let stat = fs::read_to_string(&stat).unwrap();
            let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
            let times: u64 = fields
                .skip(11)
                .take(2)
                .map(|time| time.parse::<u64>().unwrap())
                .sum();
            times
        };
        let begun = Instant::now();
        loop {
            let before = ticks();
            std::thread::sleep(Duration::from_secs(2));
            if ticks() - before < 10 {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "see {}", site.log.display());
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn health(address: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    let request = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// An SMTP session of the source.
struct Session(BufReader<TcpStream>);

impl Session {
    fn open(to: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect(to).ok()?;
        // Else the system waits for the answer to the header before it sends the body.
        stream.set_nodelay(true).ok()?;
        let mut session = Self(BufReader::new(stream));
        session.reply('2')?;
        session.say("EHLO source.example.net\r\n", '2')?;
        Some(session)
    }

    fn say(&mut self, text: &str, expected: char) -> Option<()> {
        self.0.get_mut().write_all(text.as_bytes()).ok()?;
        self.reply(expected)
    }

    fn reply(&mut self, expected: char) -> Option<()> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.0.read_line(&mut line).ok()? == 0 {
                return None;
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                assert!(line.starts_with(expected), "{line}");
                return Some(());
            }
        }
    }

    fn send(&mut self, number: u64, body: &[u8]) {
        let mut sent = || -> Option<()> {
            self.say("MAIL FROM:<ann@example.net>\r\n", '2')?;
            self.say(&format!("RCPT TO:<{}>\r\n", person(number)), '2')?;
            self.say("DATA\r\n", '3')?;
            let header = format!(
                "From: ann@example.net\r\nMessage-ID: <{number}.{:x}@example.net>\r\n\r\n",
                std::process::id()
            );
            self.0.get_mut().write_all(header.as_bytes()).ok()?;
            self.0.get_mut().write_all(body).ok()?;
            self.say("\r\n.\r\n", '2')
        };
        sent().unwrap();
    }
}

fn send(to: SocketAddr, number: u64, body: &[u8]) {
    Session::open(to).unwrap().send(number, body);
}

/// Messages a second that are accepted.
fn accepted(to: SocketAddr, time: Duration) -> f64 {
    let count = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let tasks: Vec<_> = (0..SESSIONS)
        .map(|_| {
            let count = Arc::clone(&count);
            std::thread::spawn(move || {
                let mut session = Session::open(to).unwrap();
                let body = [b'x'; BODY];
                while begun.elapsed() < time {
                    session.send(count.fetch_add(1, Ordering::Relaxed), &body);
                }
            })
        })
        .collect();
    for task in tasks {
        task.join().unwrap();
    }
    count.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64()
}

/// A platform that takes everything and keeps nothing.
struct Sink {
    address: SocketAddr,
    count: Arc<AtomicU64>,
}

impl Sink {
    fn start(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let count = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&count);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let count = Arc::clone(&counted);
                // A session that is cut ends its thread.
                std::thread::spawn(move || swallow(stream, &count).ok());
            }
        });
        Self { address, count }
    }

    fn wait(&self, count: u64) {
        let begun = Instant::now();
        while self.count.load(Ordering::Relaxed) < count {
            assert!(begun.elapsed() < PATIENCE, "nothing arrives");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

fn swallow(mut stream: TcpStream, count: &AtomicU64) -> std::io::Result<()> {
    stream.write_all(b"220 sink.example.org\r\n")?;
    let mut reader = BufReader::with_capacity(256 * 1024, stream.try_clone()?);
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        match verb.as_slice() {
            b"DATA" => {
                stream.write_all(b"354 go on\r\n")?;
                while line != b".\r\n" {
                    line.clear();
                    if reader.read_until(b'\n', &mut line)? == 0 {
                        return Ok(());
                    }
                }
                count.fetch_add(1, Ordering::Relaxed);
                stream.write_all(b"250 2.0.0 taken\r\n")?;
            }
            b"QUIT" => return stream.write_all(b"221 2.0.0 bye\r\n"),
            _ => stream.write_all(b"250 2.0.0 well\r\n")?,
        }
    }
}

/// Fills the spool of a program that does not run, and ends like one that is killed.
fn fill(dir: &Path, count: u64) {
    let mut opened = Spool::open(Options::new(dir), World::system()).unwrap();
    opened.writer.spawn_thread().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for task in 0..SESSIONS {
            let spool = opened.spool.clone();
            tasks.spawn(async move {
                for number in (task..count).step_by(usize::try_from(SESSIONS).unwrap()) {
                    let mut draft = spool.draft();
                    draft.append(&[b'x'; BODY]).await.unwrap();
                    spool.accept(draft, envelope(number)).await.unwrap();
                }
            });
        }
        let queue = async { while opened.committed.recv().await.is_some() {} };
        let work = async { while tasks.join_next().await.is_some() {} };
        tokio::select! { () = queue => {}, () = work => {} }
    });
    std::process::abort();
}

fn envelope(number: u64) -> Envelope {
    let person = person(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20);
    Envelope {
        from: "ann@example.net".parse().unwrap(),
        parameters: MailParameters::default(),
        recipients: vec![Recipient {
            address: person.parse().unwrap(),
            parameters: RcptParameters::default(),
            lane: "onprem".to_owned(),
            mailbox: Some(person),
        }],
        peer: Peer::default(),
        message_id: Some(format!("{number}.backlog@example.net")),
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
