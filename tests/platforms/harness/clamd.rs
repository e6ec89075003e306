//! A real clamd that knows one virus.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::packages::program;
use super::process::Group;
use super::wait::{LONG, eventually};

/// The file that every scanner takes for a virus (eicar.org), in two pieces: this file is none.
const EICAR: [&str; 2] = [
    r"X5O!P%@AP[4\PZX54(P^)7CC)7}",
    "$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*",
];

/// The text of the test file.
pub(crate) fn eicar() -> String {
    EICAR.concat()
}

/// A running clamav-milter; ended when dropped.
pub(crate) struct Milter {
    pub(crate) socket: PathBuf,
    _running: Group,
}

/// A running clamd; ended when dropped.
pub(crate) struct Clamd {
    folder: PathBuf,
    running: Option<Group>,
}

impl Clamd {
    /// With a signature for [`eicar`] and nothing else: what freshclam brings is not for tests.
    pub(crate) fn start(folder: &Path) -> Self {
        let database = folder.join("database");
        fs::create_dir_all(&database).unwrap();
        // clamd's own form: name, any file, anywhere, these bytes.
        let bytes = EICAR[1].bytes().map(|byte| format!("{byte:02x}"));
        let signature = format!("Eicar-Test-Signature:0:*:{}\n", bytes.collect::<String>());
        fs::write(database.join("test.ndb"), signature).unwrap();
        let own = folder.display();
        let config = format!(
            "Foreground yes\nLocalSocket {own}/socket\nDatabaseDirectory {own}/database\n\
             TemporaryDirectory {own}\nStreamMaxLength 2M\nMaxThreads 4\n"
        );
        fs::write(folder.join("clamd.conf"), config).unwrap();
        let mut clamd = Self {
            folder: folder.to_owned(),
            running: None,
        };
        clamd.start_again();
        clamd
    }

    /// After a kill.
    pub(crate) fn start_again(&mut self) {
        // A socket that a killed one left behind would look like the new one's.
        fs::remove_file(self.socket()).ok();
        let mut command = Command::new(program("clamd"));
        command
            .arg("--config-file")
            .arg(self.folder.join("clamd.conf"));
        let mut group = Group::start(command, &self.folder.join("log"));
        let socket = self.socket();
        eventually(LONG, "clamd listens", || {
            if let Some(status) = group.exited() {
                let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
                panic!("clamd ended at start: {status}\n{log}");
            }
            std::os::unix::net::UnixStream::connect(&socket).ok()
        });
        self.running = Some(group);
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    /// The milter of the same project, which asks this clamd.
    pub(crate) fn milter(&self) -> Milter {
        let own = self.folder.display();
        let config = format!(
            "Foreground yes\nUser root\nMilterSocket {own}/milter\nClamdSocket unix:{own}/socket\n\
             OnInfected Reject\nRejectMsg Found %v\nAddHeader Add\nMaxFileSize 2M\n"
        );
        let file = self.folder.join("milter.conf");
        fs::write(&file, config).unwrap();
        let mut command = Command::new(program("clamav-milter"));
        command.arg("--config-file").arg(file);
        let log = self.folder.join("milter.log");
        let mut group = Group::start(command, &log);
        let socket = self.folder.join("milter");
        eventually(LONG, "clamav-milter listens", || {
            if let Some(status) = group.exited() {
                let log = fs::read_to_string(&log).unwrap_or_default();
                panic!("clamav-milter ended at start: {status}\n{log}");
            }
            std::os::unix::net::UnixStream::connect(&socket).ok()
        });
        Milter {
            socket,
            _running: group,
        }
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut group) = self.running.take() {
            group.kill();
        }
    }

    /// SIGSTOP: connections still open, nobody answers.
    pub(crate) fn freeze(&self) {
        self.running.as_ref().unwrap().freeze();
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self) {
        self.running.as_ref().unwrap().thaw();
    }
}
