//! The two relays, each with a sink of its own.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::tools::{self, RECIPIENT, Sink, free_port, program, wait_for};

/// Both relays.
pub(crate) struct Servers {
    pub(crate) tideover: Relay,
    pub(crate) postfix: Relay,
}

impl Servers {
    /// Starts both, with their data below `folder`.
    pub(crate) fn start(folder: &Path) -> Self {
        Self {
            tideover: Relay::tideover(&folder.join("tideover")),
            postfix: Relay::postfix(&folder.join("postfix")),
        }
    }
}

/// A running relay.
pub(crate) struct Relay {
    name: &'static str,
    child: Child,
    port: SocketAddr,
    sink: Sink,
    /// The folder of Postfix's config.
    etc: Option<PathBuf>,
}

impl Relay {
    fn tideover(folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        let (sink, port) = (Sink::start(), free_port());
        let config = folder.join("tideover.toml");
        fs::write(&config, tideover_toml(port, sink.port())).unwrap();
        let directory = format!("address,home\n{RECIPIENT},sink\n");
        fs::write(folder.join("directory.csv"), directory).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tideover"));
        command.arg("serve").arg("-c").arg(config).process_group(0);
        Self::spawn("tideover", command, folder, (port, sink))
    }

    fn postfix(folder: &Path) -> Self {
        for name in ["etc", "queue", "data"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        let owner = fs::read_to_string("/etc/passwd").unwrap();
        let uid = owner
            .lines()
            .find_map(|line| line.strip_prefix("postfix:"))
            .and_then(|rest| rest.split(':').nth(1)?.parse().ok())
            .expect("the account `postfix` exists");
        std::os::unix::fs::chown(folder.join("data"), Some(uid), None).unwrap();
        let (sink, port) = (Sink::start(), free_port());
        let etc = folder.join("etc");
        fs::write(etc.join("main.cf"), main_cf(folder, sink.port())).unwrap();
        fs::write(etc.join("master.cf"), master_cf(port)).unwrap();
        let check = Command::new(program("postfix"))
            .arg("-c")
            .arg(&etc)
            .arg("check")
            .output()
            .unwrap();
        assert!(check.status.success(), "{check:?}");
        let daemons = Command::new(program("postconf"))
            .args(["-d", "-h", "daemon_directory"])
            .output()
            .unwrap();
        let daemons = String::from_utf8(daemons.stdout).unwrap();
        // The master makes its own session.
        let mut command = Command::new(Path::new(daemons.trim()).join("master"));
        command.arg("-c").arg(&etc).arg("-s");
        let mut relay = Self::spawn("postfix", command, folder, (port, sink));
        relay.etc = Some(etc);
        relay
    }

    fn spawn(
        name: &'static str,
        mut command: Command,
        folder: &Path,
        (port, sink): (SocketAddr, Sink),
    ) -> Self {
        let log = File::create(folder.join("log")).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        wait_for(port, name);
        Self {
            name,
            child,
            port,
            sink,
            etc: None,
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Where it takes mail.
    pub(crate) fn port(&self) -> SocketAddr {
        self.port
    }

    /// Where its mail arrives.
    pub(crate) fn sink(&self) -> &Sink {
        &self.sink
    }

    /// The platform goes away.
    pub(crate) fn stop_sink(&mut self) {
        self.sink.stop();
    }

    /// The platform is back, at the same place, and counts from nothing.
    pub(crate) fn start_sink(&mut self) {
        self.sink = Sink::start_at(self.sink.port());
    }

    /// Postfix looks at deferred mail again after minutes, unless it is asked to; Tideover notices
    /// by itself that its platform is back.
    pub(crate) fn remind(&self) {
        if let Some(etc) = &self.etc {
            let flush = Command::new(program("postqueue"))
                .arg("-c")
                .arg(etc)
                .arg("-f")
                .output()
                .unwrap();
            assert!(flush.status.success(), "{flush:?}");
        }
    }

    /// CPU seconds since its start, with everything it forked.
    pub(crate) fn cpu(&self) -> f64 {
        tools::cpu_of_tree(self.child.id())
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let id = Pid::from_child(&self.child);
        kill_process(id, Signal::TERM).ok();
        for _ in 0..1_000 {
            if self.child.try_wait().ok().flatten().is_some() {
                break;
            }
            tools::pause();
        }
        kill_process_group(id, Signal::KILL).ok();
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn tideover_toml(port: SocketAddr, sink: SocketAddr) -> String {
    let (web, admin) = (free_port(), free_port());
    format!(
        "[server]
hostname = \"relay.example\"
data_dir = \"data\"
[[listener]]
bind = \"{port}\"
role = \"mx\"
tls = \"none\"
[backend.sink]
hosts = [\"{sink}\"]
tls = \"never\"
max_connections = 50
mailbox_messages_per_minute = 0
mailbox_messages_per_hour = 0
slow_open = false
[backend.sink.probe]
interval = \"1s\"
up_after = 1
[domain.\"sink.example\"]
type = \"authoritative\"
home = \"sink\"
unknown = \"reject\"
[directory]
file = \"directory.csv\"
[outbound]
relay = [\"backend:sink\"]
[limits]
connections_per_address = 500
[web]
bind = \"{web}\"
[admin]
bind = \"{admin}\"
"
    )
}

/// Package defaults but for places, names and the next hop.
fn main_cf(folder: &Path, sink: SocketAddr) -> String {
    let folder = folder.display();
    let sink = sink.port();
    format!(
        "compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
maillog_file = {folder}/maillog
maillog_file_prefixes = {folder}
myhostname = relay.example
mydestination =
alias_maps =
alias_database =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
relayhost = [127.0.0.1]:{sink}
notify_classes =
"
    )
}

fn master_cf(port: SocketAddr) -> String {
    format!(
        "{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"
    )
}
