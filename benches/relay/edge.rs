//! What the edge costs: Tideover beside itself, with ever more that looks at the mail of strangers.
//!
//! Every message is signed (RSA, 2048 bits); its domain publishes SPF, the key and DMARC at a name
//! server on loopback, whose answers are remembered as long as their TTL says. The filter is a
//! stub that speaks as clamd does and finds nothing: what is measured is the way to it.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;

use tideover::auth::{KeyFolder, KeyState, Signer};
use tideover::base::Clock;
use tideover::mail::Sign as _;

use crate::measure::{self, Case, Run};
use crate::names::Names;
use crate::options::Options;
use crate::report::{self, median};
use crate::servers::Relay;
use crate::tools::SENDER;

const RSA: &str = include_str!("../../src/auth/rsa2048.pem");
const SOURCE: &str = "source.example";
const SELECTOR: &str = "r1";

/// A Tideover and what is on in it; the first one is what the others are compared with.
struct Arrangement {
    name: &'static str,
    relay: Relay,
}

/// The table in Markdown.
pub(crate) fn compare(folder: &Path, options: &Options) -> String {
    let names = Names::start("127.0.0.1", &published());
    let filter = Filter::start();
    let mut arrangements = arrangements(folder, names.at(), filter.at);
    let mut page = format!(
        "{}\n\n| what is on | mode | bytes | sessions | accepted | ratio | CPU s/1000 | ratio | \
         runs |\n|---|---|--:|--:|--:|--:|--:|--:|--:|\n",
        report::machine(folder)
    );
    for case in options.cases() {
        println!("{case}");
        let file = folder.join(format!("message-{}", case.size));
        fs::write(&file, signed(folder, case.size)).unwrap();
        for row in rows(&mut arrangements, &case, options, &file) {
            writeln!(page, "{row}").unwrap();
        }
    }
    for arrangement in &arrangements {
        arrangement.was_checked();
    }
    page
}

/// All repetitions of one case, each arrangement in turn.
fn rows(all: &mut [Arrangement], case: &Case, options: &Options, file: &Path) -> Vec<String> {
    let mut counts = Vec::new();
    for it in all.iter_mut() {
        it.relay.message = Some(file.to_owned());
        counts.push(measure::calibrate(&mut it.relay, case, options.secs));
    }
    let mut runs: Vec<Vec<Run>> = vec![Vec::new(); all.len()];
    for repetition in 0..options.reps {
        for turn in 0..all.len() {
            // Each begins once in a while.
            let which = (turn + repetition) % all.len();
            let (Some(it), Some(count), Some(runs)) =
                (all.get_mut(which), counts.get(which), runs.get_mut(which))
            else {
                continue;
            };
            let run = measure::run(&mut it.relay, case, *count);
            println!("  {:45} {run}", it.name);
            runs.push(run);
        }
    }
    let off = runs.first().cloned().unwrap_or_default();
    let row = |(it, runs): (&Arrangement, &Vec<Run>)| {
        let pairs = || runs.iter().zip(&off);
        format!(
            "| {} | {} | {} | {} | {:.0} | {:.2} | {:.2} | {:.2} | {} |",
            it.name,
            case.mode.name(),
            case.size,
            case.sessions,
            median(runs.iter().map(|run| run.accepted)),
            median(pairs().map(|(run, off)| run.accepted / off.accepted)),
            median(runs.iter().map(|run| run.cpu)),
            median(pairs().map(|(run, off)| run.cpu / off.cpu)),
            runs.len(),
        )
    };
    all.iter().zip(&runs).map(row).collect()
}

fn arrangements(folder: &Path, names: SocketAddr, filter: SocketAddr) -> Vec<Arrangement> {
    let dns = format!("[dns]\nservers = [\"{names}\"]\n[auth]\nexempt = []\n");
    let seal = format!("{dns}seal = \"sink.example\"\n");
    let automatic = format!("{seal}[automatic.out_of_office]\nto_internet = \"drop\"\n");
    let all = format!("{automatic}[filter.stub]\nkind = \"clamd\"\naddress = \"{filter}\"\n");
    let arrangements = [
        ("nothing", "[auth]\nverify = false\n".to_owned()),
        ("SPF, DKIM, DMARC, ARC", dns),
        ("… and an ARC seal of ours", seal),
        ("… and a policy for automatic answers", automatic),
        ("… and a filter", all),
    ];
    let start = |(number, (name, more)): (usize, (&'static str, String))| {
        let folder = folder.join(format!("edge-{number}"));
        // The key of the seal is there before the start.
        let keys = KeyFolder::of(&folder.join("data"));
        let sink = ("sink.example", SELECTOR);
        keys.add(sink, RSA).unwrap();
        keys.change(sink, KeyState::Signing).unwrap();
        Arrangement {
            name,
            relay: Relay::tideover(&folder, 50, &more),
        }
    };
    arrangements.into_iter().enumerate().map(start).collect()
}

/// What the domain of the sender says about itself.
fn published() -> Vec<(String, String)> {
    let folder = tempfile::tempdir().unwrap();
    let key = KeyFolder::of(folder.path())
        .add((SOURCE, SELECTOR), RSA)
        .unwrap();
    vec![
        (SOURCE.to_owned(), "v=spf1 ip4:127.0.0.1 -all".to_owned()),
        (format!("_dmarc.{SOURCE}"), "v=DMARC1; p=reject".to_owned()),
        (key.record_name(), key.record()),
    ]
}

/// A message of about so many bytes, signed by its domain.
fn signed(folder: &Path, size: usize) -> Vec<u8> {
    let place = folder.join("source");
    let keys = KeyFolder::of(&place);
    // Made for an earlier size already.
    if keys.add((SOURCE, SELECTOR), RSA).is_ok() {
        keys.change((SOURCE, SELECTOR), KeyState::Signing).unwrap();
    }
    let mut message = format!(
        "From: <{SENDER}>\r\nTo: <rcpt@sink.example>\r\nSubject: A message\r\n\
         Date: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@{SOURCE}>\r\n\r\n"
    );
    while message.len() < size {
        message.push_str("The quick brown fox jumps over the lazy dog, again and again.\r\n");
    }
    let signer = Signer::new(keys, Clock::system());
    let mut signing = signer.begin().expect("a key that signs");
    signing.push(message.as_bytes());
    let mut whole = signing.finish();
    whole.extend_from_slice(message.as_bytes());
    // smtp-source reads lines that end as those of a file do.
    whole.retain(|byte| *byte != b'\r');
    whole
}

impl Arrangement {
    /// Panics unless it looked at what it says: a bench of nothing would be a fast one.
    fn was_checked(&self) {
        let page = self.relay.metrics();
        let counted = |method: &str| {
            let line =
                format!("tideover_auth_results_total{{method=\"{method}\",result=\"pass\"}}");
            page.contains(&line)
        };
        let looked = ["spf", "dkim", "dmarc"].into_iter().all(counted);
        assert_eq!(looked, self.name != "nothing", "{}: {page}", self.name);
        let filtered = page.contains("tideover_filtered_total{filter=\"stub\",verdict=\"clean\"}");
        assert_eq!(filtered, self.name == "… and a filter", "{page}");
    }
}

/// A server that speaks as clamd does and finds nothing.
struct Filter {
    at: SocketAddr,
}

impl Filter {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                std::thread::spawn(move || answer(stream));
            }
        });
        Self { at }
    }
}

/// One command, which ends with NUL, and the message behind `INSTREAM` in pieces.
fn answer(mut stream: TcpStream) -> Option<()> {
    let mut command = Vec::new();
    let mut byte = [0];
    while byte != [0] || command.is_empty() {
        stream.read_exact(&mut byte).ok()?;
        command.push(byte[0]);
    }
    let said: &[u8] = match command.as_slice() {
        b"zPING\0" => b"PONG\0",
        b"zVERSION\0" => b"a stub\0",
        _ => {
            let mut length = [0; 4];
            let mut piece = Vec::new();
            loop {
                stream.read_exact(&mut length).ok()?;
                let length = u32::from_be_bytes(length) as usize;
                if length == 0 {
                    break;
                }
                piece.resize(length, 0);
                stream.read_exact(&mut piece).ok()?;
            }
            b"stream: OK\0"
        }
    };
    stream.write_all(said).ok()
}
