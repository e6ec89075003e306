//! Load and sink from Debian's package `postfix`, and what the machine tells.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::{NamedTempFile, TempDir};

use crate::measure::{Case, Mode};

/// The sender and the recipient of all messages.
pub(crate) const SENDER: &str = "sender@source.example";
pub(crate) const RECIPIENT: &str = "rcpt@sink.example";
const FOLDERS: [&str; 4] = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];

/// Panics with what to install.
pub(crate) fn require() {
    let missing = ["postfix", "smtp-source", "smtp-sink"]
        .into_iter()
        .find(|name| find(name).is_none());
    if let Some(name) = missing {
        panic!("{name} is missing: apt-get install postfix (\"No configuration\")");
    }
    assert!(
        rustix::process::geteuid().is_root(),
        "Postfix needs root: run the bench as root"
    );
}

/// The full path of a program.
pub(crate) fn program(name: &str) -> PathBuf {
    find(name).unwrap_or_else(|| panic!("{name} is not installed"))
}

fn find(name: &str) -> Option<PathBuf> {
    FOLDERS
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.is_file())
}

/// A folder on the disk to measure, which Postfix's accounts may enter.
pub(crate) fn folder(on: &Path) -> TempDir {
    let folder = tempfile::Builder::new()
        .prefix("relay-")
        .tempdir_in(on)
        .expect("a folder on the disk to measure");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// A loopback port that nothing uses.
pub(crate) fn free_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// Waits until something accepts connections.
pub(crate) fn wait_for(port: SocketAddr, what: &str) {
    let start = now();
    while TcpStream::connect(port).is_err() {
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "{what} does not start"
        );
        pause();
    }
}

/// Runs smtp-source; panics unless every message was accepted.
pub(crate) fn source(to: SocketAddr, case: &Case, count: usize) {
    send(to, case, count, &["-l", &case.size.to_string()]);
}

/// The same with the message in a file.
pub(crate) fn source_file(to: SocketAddr, case: &Case, count: usize, file: &Path) {
    send(to, case, count, &["-F", &file.display().to_string()]);
}

fn send(to: SocketAddr, case: &Case, count: usize, message: &[&str]) {
    let mut command = Command::new(program("smtp-source"));
    command
        .args(["-s", &case.sessions.to_string()])
        .args(["-m", &count.to_string()])
        .args(message)
        .args(["-C", "50", "-f", SENDER, "-t", RECIPIENT]);
    if case.mode == Mode::Reuse {
        command.arg("-d");
    }
    let output = command.arg(to.to_string()).output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
}

/// A running smtp-sink that counts.
pub(crate) struct Sink {
    child: Child,
    port: SocketAddr,
    counter: NamedTempFile,
}

impl Sink {
    pub(crate) fn start() -> Self {
        Self::start_at(free_port())
    }

    pub(crate) fn start_at(port: SocketAddr) -> Self {
        let counter = NamedTempFile::new().unwrap();
        let child = Command::new(program("smtp-sink"))
            .args(["-u", "nobody", "-c", "-m", "1000"])
            .arg(port.to_string())
            .arg("1024")
            .stdin(Stdio::null())
            .stdout(counter.reopen().unwrap())
            .stderr(Stdio::null())
            .spawn()
            .expect("smtp-sink starts");
        wait_for(port, "smtp-sink");
        Self {
            child,
            port,
            counter,
        }
    }

    pub(crate) fn port(&self) -> SocketAddr {
        self.port
    }

    /// Messages received since the start.
    pub(crate) fn count(&self) -> usize {
        use std::os::unix::fs::FileExt;
        let file = File::open(self.counter.path()).unwrap();
        let length = file.metadata().unwrap().len();
        let mut tail = vec![0; 200];
        let read = file.read_at(&mut tail, length.saturating_sub(200)).unwrap();
        let text: String = tail
            .iter()
            .take(read)
            .map(|byte| char::from(*byte))
            .collect();
        // The last one may be half written.
        text.rsplit("mesg=")
            .take(2)
            .filter_map(|rest| rest.split_once('\r'))
            .find_map(|(number, _)| number.trim().parse().ok())
            .unwrap_or(0)
    }
}

impl Sink {
    /// Open connections to it.
    pub(crate) fn connections(&self) -> usize {
        let table = fs::read_to_string("/proc/net/tcp").unwrap();
        let port = format!(":{:04X}", self.port.port());
        let is_open = |line: &&str| {
            let mut fields = line.split_whitespace().skip(1);
            let local = fields.next().is_some_and(|local| local.ends_with(&port));
            // The remote end, then the state: established.
            local && fields.nth(1) == Some("01")
        };
        table.lines().filter(is_open).count()
    }

    /// Nobody answers at its port any more.
    pub(crate) fn stop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.stop();
    }
}

/// CPU seconds of a process and all its children, gone ones included.
pub(crate) fn cpu_of_tree(root: u32) -> f64 {
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let mut processes = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let name = entry.file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // A process may be gone meanwhile.
        if let Some((parent, cpu)) = stat(id) {
            processes.push((id, parent, cpu));
        }
    }
    let mut tree = vec![root];
    let mut sum = 0;
    while let Some(next) = tree.pop() {
        for (id, parent, cpu) in &processes {
            if *id == next {
                sum += cpu;
            }
            if *parent == next {
                tree.push(*id);
            }
        }
    }
    sum as f64 / ticks
}

/// Parent, and CPU ticks with those of the children that were waited for.
fn stat(id: u32) -> Option<(u32, u64)> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let cpu = number(11)? + number(12)? + number(13)? + number(14)?;
    Some((number(1)? as u32, cpu))
}

/// Lets the disk come to rest, so that one run does not pay for the last.
pub(crate) fn settle() {
    rustix::fs::sync();
    for _ in 0..60 {
        pause();
    }
}

/// The time, for measuring.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The breath between two looks.
#[expect(
    clippy::disallowed_methods,
    reason = "between two looks at another process there is nothing to wait for but time"
)]
pub(crate) fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}
