//! The program itself, under the shim, with people who send it mail and a platform that takes it.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use tempfile::TempDir;

use super::client::Client;
use super::process::Group;
use super::wait::{SHORT, eventually, pause};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tideover");
const SHIM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/crash/real/shim.c");

/// So few that the index goes to its files many times in a short life.
const INDEX_ROWS: usize = 100;

/// A config, a folder for the data, and a journal of what is done to it.
pub(crate) struct House {
    root: PathBuf,
    listener: SocketAddr,
    log: PathBuf,
    platform: SocketAddr,
    /// Messages that the platform has got.
    taken: Arc<AtomicU64>,
    // Last: the servers end before their folder goes.
    folder: TempDir,
}

/// A message that was acknowledged.
#[derive(Debug, Clone)]
pub(crate) struct Acknowledged {
    pub(crate) id: String,
    /// As it was sent.
    pub(crate) message: Vec<u8>,
    /// The length of the journal when the 250 was there.
    pub(crate) journal: u64,
}

impl House {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir(root.join("data")).unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let listener = free.local_addr().unwrap();
        let (onprem, taken) = platform();
        let config = format!(
            "[server]\nhostname = \"mx.example.org\"\ndata_dir = \"{}\"\n\
             [spool]\nmin_free = \"1MiB\"\nindex_rows = {INDEX_ROWS}\n\
             [[listener]]\nbind = \"{listener}\"\nrole = \"mx\"\ntls = \"none\"\n\
             [backend.onprem]\nhosts = [\"{}\"]\ntls = \"never\"\nslow_open = false\n\
             mailbox_messages_per_minute = 0\nmailbox_messages_per_hour = 0\n\
             [domain.\"example.org\"]\nhome = \"onprem\"\nunknown = \"relay\"\n",
            root.join("data").display(),
            onprem,
        );
        fs::write(root.join("tideover.toml"), config).unwrap();
        Self {
            log: root.join("log"),
            root,
            listener,
            platform: onprem,
            taken,
            folder,
        }
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The folder stays, to be looked at.
    pub(crate) fn keep(self) -> PathBuf {
        self.folder.keep()
    }

    pub(crate) fn journal_length(&self) -> u64 {
        fs::metadata(self.path("journal")).map_or(0, |journal| journal.len())
    }

    /// `tideover serve`, with its deeds written down from now on.
    pub(crate) fn serve_under_shim(&self) -> Group {
        let shim = self.path("shim.so");
        if !shim.exists() {
            compile(&shim);
        }
        let mut command = Command::new(PROGRAM);
        command
            .env("LD_PRELOAD", &shim)
            .env("SHIM_ROOT", self.data())
            .env("SHIM_JOURNAL", self.path("journal"));
        self.serve_with(command)
    }

    /// `tideover serve`.
    pub(crate) fn serve(&self) -> Group {
        self.serve_with(Command::new(PROGRAM))
    }

    fn serve_with(&self, mut command: Command) -> Group {
        command.arg("serve").arg("-c").arg(self.config());
        let mut group = Group::start(command, &self.log);
        eventually(SHORT, "tideover greets", || {
            let log = || fs::read_to_string(&self.log).unwrap_or_default();
            let ended = group.exited();
            assert!(ended.is_none(), "it ended at its start: {}", log());
            Client::try_connect(self.listener).ok()
        });
        group
    }

    fn config(&self) -> PathBuf {
        self.path("tideover.toml")
    }

    /// Puts other words into the config.
    pub(crate) fn edit(&self, old: &str, new: &str) {
        let text = fs::read_to_string(self.config()).unwrap();
        assert!(text.contains(old), "{text}");
        fs::write(self.config(), text.replace(old, new)).unwrap();
    }

    /// Where the platform takes mail.
    pub(crate) const fn platform(&self) -> SocketAddr {
        self.platform
    }

    /// A verb of the program.
    pub(crate) fn verb(&self, verb: &[&str]) -> Output {
        let mut command = Command::new(PROGRAM);
        command.args(verb).arg("-c").arg(self.config());
        command.output().unwrap()
    }

    /// Messages that the platform has got.
    pub(crate) fn taken(&self) -> u64 {
        self.taken.load(Ordering::SeqCst)
    }

    /// Four people send `each` messages, numbered from `first`.
    pub(crate) fn send(&self, first: u64, each: u64) -> Vec<Acknowledged> {
        thread::scope(|scope| {
            let senders = (0..4).map(|sender| {
                let first = first + sender * each;
                scope.spawn(move || self.send_one_by_one(first..first + each))
            });
            let senders: Vec<_> = senders.collect();
            let sent = senders.into_iter().map(|sender| sender.join().unwrap());
            sent.flatten().collect()
        })
    }

    fn send_one_by_one(&self, numbers: std::ops::Range<u64>) -> Vec<Acknowledged> {
        let mut client = Client::connect(self.listener);
        let one = |number: u64| {
            let to = format!("r{}@example.org", number % 7);
            let message = message(number);
            let reply = client.send("ann@example.net", &[&to], &message);
            Acknowledged {
                id: reply.split(' ').next_back().unwrap().to_owned(),
                message,
                journal: self.journal_length(),
            }
        };
        numbers.map(one).collect()
    }

    /// Waits until nothing more is done.
    pub(crate) fn wait_quiet(&self) {
        let (mut last, mut quiet) = (0, 0);
        eventually(SHORT, "it comes to rest", || {
            pause();
            let now = self.journal_length();
            quiet = if now == last { quiet + 1 } else { 0 };
            last = now;
            (quiet > 20).then_some(())
        });
    }
}

/// Messages that differ; some are too large for the log.
fn message(number: u64) -> Vec<u8> {
    let lines = if number % 25 == 9 {
        30_000
    } else {
        number * 131 % 500 + 1
    };
    let mut text = format!("Subject: number {number}\r\n\r\n");
    for line in 0..lines {
        // Writing to a String cannot fail.
        write!(
            text,
            "{number}:{line} the quick brown fox jumps over {line}\r\n"
        )
        .ok();
    }
    text.into_bytes()
}

fn compile(shim: &Path) {
    let told = Command::new("cc")
        .args(["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"])
        .args(["-Wl,-z,now", "-o"])
        .arg(shim)
        .arg(SHIM)
        .output()
        .expect("cc: install a C compiler");
    assert!(told.status.success(), "{}", told.stderr.escape_ascii());
}

/// A platform that takes everything, and how much.
fn platform() -> (SocketAddr, Arc<AtomicU64>) {
    let taken = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&taken);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            // It ends when the server closes it.
            let count = Arc::clone(&count);
            thread::spawn(move || take_mail(&connection, &count).ok());
        }
    });
    (address, taken)
}

fn take_mail(connection: &TcpStream, count: &AtomicU64) -> std::io::Result<()> {
    let mut say = connection;
    let mut lines = BufReader::new(connection);
    let mut line = Vec::new();
    let mut in_data = false;
    say.write_all(b"220 onprem\r\n")?;
    while lines.read_until(b'\n', &mut line)? > 0 {
        let is_end = line == b".\r\n";
        let begins = !in_data && line == b"DATA\r\n";
        let reply: &[u8] = match (in_data && !is_end, begins) {
            (true, _) => b"",
            (false, true) => b"354 go on\r\n",
            (false, false) => b"250 taken\r\n",
        };
        count.fetch_add(u64::from(in_data && is_end), Ordering::SeqCst);
        in_data = begins || (in_data && !is_end);
        say.write_all(reply)?;
        line.clear();
    }
    Ok(())
}
