//! The program, its config and its folder.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::TempDir;

use crate::client::Client;
use crate::wait::eventually;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_tideover");

/// A folder with a config.
pub(crate) struct Place {
    folder: TempDir,
    pub(crate) smtp: SocketAddr,
}

/// A port that was free a moment ago.
pub(crate) fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

impl Place {
    /// One listener, one backend, and further lines.
    pub(crate) fn new(backend: SocketAddr, more: &str) -> Self {
        let place = Self {
            folder: tempfile::tempdir().unwrap(),
            smtp: free_address(),
        };
        place.configure(backend, more);
        let people = "address,home\nann@example.org,onprem\nbert@example.org,onprem\n";
        fs::write(place.file("directory.csv"), people).unwrap();
        place
    }

    pub(crate) fn configure(&self, backend: SocketAddr, more: &str) {
        let smtp = self.smtp;
        let text = format!(
            "[server]\nhostname = \"mx.example.org\"\n[spool]\nmin_free = \"1MiB\"\n\
             [[listener]]\nbind = \"{smtp}\"\n\
             [backend.onprem]\nhosts = [\"{backend}\"]\ntls = \"never\"\n\
             [backend.onprem.probe]\ninterval = \"1s\"\ndown_after = 2\nup_after = 1\n\
             [domain.\"example.org\"]\nhome = \"onprem\"\nunknown = \"reject\"\n\
             [directory]\nfile = \"directory.csv\"\n{more}"
        );
        fs::write(self.file("tideover.toml"), text).unwrap();
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `tideover serve`, not started yet.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(PROGRAM);
        command
            .arg("serve")
            .arg("-c")
            .arg(self.file("tideover.toml"));
        command
    }

    /// Starts it with its output in the file `log`, and waits until it greets.
    pub(crate) fn start(&self) -> Program {
        let mut command = self.command();
        command.stdout(Stdio::null());
        let program = self.start_by(command);
        self.wait_for_greeting();
        program
    }

    /// The same by another command; waits for nothing.
    pub(crate) fn start_by(&self, mut command: Command) -> Program {
        let log = self.file("log");
        let out = File::options().create(true).append(true).open(log).unwrap();
        command.stderr(out);
        Program::start(command)
    }

    pub(crate) fn wait_for_greeting(&self) -> Client {
        eventually("it greets", || Client::connect(self.smtp).ok())
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.file("log")).unwrap_or_default()
    }

    /// Waits for a line of the log with all these parts.
    pub(crate) fn line_with(&self, parts: &[&str]) -> String {
        eventually(
            &format!("{parts:?} in {}", self.file("log").display()),
            || {
                let log = self.log();
                let found = log
                    .lines()
                    .find(|line| parts.iter().all(|part| line.contains(part)));
                found.map(str::to_owned)
            },
        )
    }

    pub(crate) fn verb(&self, verb: &[&str]) -> Output {
        let mut command = Command::new(PROGRAM);
        command.args(verb).arg("-c").arg(self.file("tideover.toml"));
        command.output().unwrap()
    }
}

/// A running program; killed when dropped.
pub(crate) struct Program {
    child: Child,
    pid: Pid,
}

impl Program {
    pub(crate) fn start(mut command: Command) -> Self {
        let child = command.process_group(0).spawn().unwrap();
        let pid = Pid::from_child(&child);
        Self { child, pid }
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// SIGTERM, without waiting.
    pub(crate) fn terminate(&self) {
        kill_process(self.pid, Signal::TERM).unwrap();
    }

    pub(crate) fn hang_up(&self) {
        kill_process(self.pid, Signal::HUP).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        eventually("it ends", || self.child.try_wait().unwrap())
    }

    pub(crate) fn stop(&mut self) {
        self.terminate();
        let status = self.ended();
        assert!(status.success(), "{status}");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may be gone by itself.
        kill_process_group(self.pid, Signal::KILL).ok();
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
