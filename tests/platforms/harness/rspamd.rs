//! A real rspamd that knows its own test messages and nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::lab::free_port;
use super::packages::program;
use super::process::Group;
use super::wait::{LONG, eventually};

/// What every spam filter takes for spam (GTUBE), without its first letter: `X` is refused, `Y`
/// marked, `Z` gets another subject. This file is none.
const GTUBE: [&str; 2] = [
    "JS*C4JDBQADN1.NSBN3*2IDNEN*",
    "GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X",
];

/// The text of a test message.
pub(crate) fn gtube(letter: char) -> String {
    format!("{letter}{}", GTUBE.concat())
}

/// A running rspamd; ended when dropped.
pub(crate) struct Rspamd {
    folder: PathBuf,
    port: u16,
    proxy: u16,
    running: Option<Group>,
}

impl Rspamd {
    /// Without rules, names and a database: what it finds depends on nobody outside.
    pub(crate) fn start(folder: &Path) -> Self {
        let (port, proxy) = (free_port("127.0.0.1"), free_port("127.0.0.1"));
        let own = folder.display();
        let config = format!(
            "options {{ pidfile = \"{own}/pid\"; filters = \"\"; local_addrs = [];\n\
             dns {{ nameserver = [\"127.0.0.1:9\"]; timeout = 0.1s; retransmits = 1; }}\n\
             enable_test_patterns = true; tempdir = \"{own}\"; classify_headers = [];\n\
             control_socket = \"{own}/control mode=0600\"; hs_cache_dir = \"{own}\"; }}\n\
             logging {{ type = \"console\"; level = \"notice\"; }}\n\
             actions {{ reject = 15; add_header = 6; greylist = 4; }}\n\
             worker \"normal\" {{ bind_socket = \"127.0.0.1:{port}\"; count = 1; }}\n\
             worker \"rspamd_proxy\" {{ bind_socket = \"127.0.0.1:{proxy}\"; milter = yes;\n\
             timeout = 10s; count = 1; upstream \"local\" {{ default = yes; self_scan = yes;\n\
             hosts = \"127.0.0.1:{port}\"; }} }}\n"
        );
        fs::write(folder.join("rspamd.conf"), config).unwrap();
        let mut rspamd = Self {
            folder: folder.to_owned(),
            port,
            proxy,
            running: None,
        };
        rspamd.start_again();
        rspamd
    }

    /// After a kill.
    pub(crate) fn start_again(&mut self) {
        let mut command = Command::new(program("rspamd"));
        command
            .args(["-f", "-i", "-u", "root", "-g", "root", "-c"])
            .arg(self.folder.join("rspamd.conf"));
        let log = self.folder.join("log");
        let mut group = Group::start(command, &log);
        let (address, milter) = (self.address(), self.milter());
        eventually(LONG, "rspamd listens", || {
            if let Some(status) = group.exited() {
                let log = fs::read_to_string(&log).unwrap_or_default();
                panic!("rspamd ended at start: {status}\n{log}");
            }
            std::net::TcpStream::connect(&address).ok()?;
            std::net::TcpStream::connect(&milter).ok()
        });
        self.running = Some(group);
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where it listens as a milter.
    pub(crate) fn milter(&self) -> String {
        format!("127.0.0.1:{}", self.proxy)
    }

    /// What it has written down.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut group) = self.running.take() {
            group.kill();
        }
    }
}
