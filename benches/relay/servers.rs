//! The two relays, each with a sink of its own.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::measure::Case;
use crate::tools::{self, RECIPIENT, Sink, free_port, program, wait_for};

/// Both relays.
pub(crate) struct Servers {
    pub(crate) tideover: Relay,
    pub(crate) postfix: Relay,
}

impl Servers {
    /// Starts both, with their data below `folder`, and so many connections to the sink at most;
    /// by default Postfix has what it has by default.
    pub(crate) fn start(folder: &Path, connections: Option<usize>) -> Self {
        Self {
            tideover: Relay::tideover(&folder.join("tideover"), connections.unwrap_or(50), ""),
            postfix: Relay::postfix(&folder.join("postfix"), connections),
        }
    }
}

/// A running relay.
pub(crate) struct Relay {
    name: &'static str,
    child: Child,
    port: SocketAddr,
    sink: Sink,
    /// Its config: a file, or Postfix's folder.
    config: PathBuf,
    /// What it is sent; `None`: what smtp-source makes up.
    pub(crate) message: Option<PathBuf>,
}

impl Relay {
    /// Tideover, with more sections in its config.
    pub(crate) fn tideover(folder: &Path, connections: usize, more: &str) -> Self {
        fs::create_dir_all(folder).unwrap();
        let (sink, port) = (Sink::start(), free_port());
        let config = folder.join("tideover.toml");
        let text = tideover_toml(port, sink.port(), connections) + more;
        fs::write(&config, text).unwrap();
        let directory = format!("address,home\n{RECIPIENT},sink\n");
        fs::write(folder.join("directory.csv"), directory).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_tideover"));
        command.arg("serve").arg("-c").arg(&config).process_group(0);
        Self::spawn("tideover", (command, config), folder, (port, sink))
    }

    fn postfix(folder: &Path, connections: Option<usize>) -> Self {
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
        fs::write(
            etc.join("main.cf"),
            main_cf(folder, sink.port(), connections),
        )
        .unwrap();
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
        Self::spawn("postfix", (command, etc), folder, (port, sink))
    }

    fn spawn(
        name: &'static str,
        (mut command, config): (Command, PathBuf),
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
            config,
            message: None,
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// So many messages to it; panics unless every one was accepted.
    pub(crate) fn send(&self, case: &Case, count: usize) {
        match &self.message {
            None => tools::source(self.port, case, count),
            Some(file) => tools::source_file(self.port, case, count, file),
        }
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

    /// Says that the platform is back. Both would find out by themselves: Postfix when the next
    /// retries are due, Tideover with its next probe.
    pub(crate) fn remind(&self) {
        let (program, words): (_, &[&str]) = if self.name == "postfix" {
            (program("postqueue"), &["-f"])
        } else {
            let tideover = PathBuf::from(env!("CARGO_BIN_EXE_tideover"));
            (tideover, &["backend", "probe", "sink"])
        };
        let told = Command::new(program)
            .arg("-c")
            .arg(&self.config)
            .args(words)
            .output()
            .unwrap();
        assert!(told.status.success(), "{told:?}");
    }

    /// What Tideover counts, as Prometheus reads it.
    pub(crate) fn metrics(&self) -> String {
        let config = fs::read_to_string(&self.config).unwrap();
        let admin = config.split_once("[admin]\nbind = \"").unwrap().1;
        let at = admin.split('"').next().unwrap();
        let mut stream = TcpStream::connect(at).unwrap();
        let get = format!("GET /metrics HTTP/1.1\r\nHost: {at}\r\nConnection: close\r\n\r\n");
        stream.write_all(get.as_bytes()).unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        page
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

fn tideover_toml(port: SocketAddr, sink: SocketAddr, connections: usize) -> String {
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
max_connections = {connections}
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
fn main_cf(folder: &Path, sink: SocketAddr, connections: Option<usize>) -> String {
    let folder = folder.display();
    let limit = connections.map_or_else(String::new, |connections| {
        format!("default_destination_concurrency_limit = {connections}\n")
    });
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
{limit}"
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
