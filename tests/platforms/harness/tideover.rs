//! Tideover as a child process.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use super::client::Client;
use super::lab::free_port;
use super::process::Group;
use super::wait::{LONG, SHORT, eventually, pause};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tideover");

/// What a test may change in the configuration.
pub(crate) struct Settings {
    pub(crate) folder: PathBuf,
    pub(crate) address: String,
    /// Next hops of `onprem` and `cloud`.
    pub(crate) hosts: [SocketAddr; 2],
    /// TLS policy towards the platforms.
    pub(crate) tls: &'static str,
    /// Lines for `[backend.onprem]` instead of that policy.
    pub(crate) onprem: String,
    /// Further lines for `[web]`.
    pub(crate) web: String,
    /// Further sections.
    pub(crate) more: String,
    /// Where the spool is.
    pub(crate) data_dir: PathBuf,
    /// Free space that must remain.
    pub(crate) min_free: &'static str,
    /// Largest message.
    pub(crate) max_message_size: &'static str,
}

impl Settings {
    pub(crate) fn new(folder: &Path, address: &str, hosts: [SocketAddr; 2]) -> Self {
        Self {
            folder: folder.to_owned(),
            address: address.to_owned(),
            hosts,
            tls: "opportunistic",
            onprem: String::new(),
            web: String::new(),
            more: String::new(),
            data_dir: folder.join("data"),
            min_free: "1MiB",
            max_message_size: "50MiB",
        }
    }

    fn text(&self, listener: SocketAddr) -> String {
        let Self {
            address,
            tls,
            min_free,
            max_message_size,
            web: web_lines,
            more,
            ..
        } = self;
        let data_dir = self.data_dir.display();
        let (web, admin) = (free_port(address), free_port(address));
        let backends: String = ["onprem", "cloud"]
            .iter()
            .zip(self.hosts)
            .map(|(name, host)| {
                if *name == "onprem" && !self.onprem.is_empty() {
                    return backend(name, host, &self.onprem);
                }
                backend(name, host, &format!("tls = \"{tls}\""))
            })
            .collect();
        format!(
            "[server]
hostname = \"mx.example.org\"
data_dir = \"{data_dir}\"
[spool]
min_free = \"{min_free}\"
max_message_size = \"{max_message_size}\"
[[listener]]
bind = \"{listener}\"
role = \"mx\"
tls = \"starttls\"
{backends}
[domain.\"example.org\"]
type = \"internal-relay\"
home = \"onprem\"
unknown = \"reject\"
[domain.\"intl.example\"]
type = \"internal-relay\"
home = \"onprem\"
unknown = \"reject\"
[directory]
file = \"directory.csv\"
[outbound]
relay = [\"backend:onprem\"]
[web]
bind = \"{address}:{web}\"
{web_lines}
[admin]
bind = \"{address}:{admin}\"
{more}"
        )
    }
}

fn backend(name: &str, host: SocketAddr, entry: &str) -> String {
    format!(
        "[backend.{name}]
hosts = [\"{host}\"]
{entry}
mailbox_messages_per_minute = 0
mailbox_messages_per_hour = 0
[backend.{name}.probe]
interval = \"1s\"
down_after = 2
up_after = 1
"
    )
}

/// A running (or killed) Tideover.
pub(crate) struct Tideover {
    folder: PathBuf,
    listener: SocketAddr,
    running: Option<Group>,
}

impl Tideover {
    pub(crate) fn start(settings: Settings, directory: &str) -> Self {
        fs::create_dir_all(&settings.folder).unwrap();
        let port = free_port(&settings.address);
        let listener = SocketAddr::new(settings.address.parse().unwrap(), port);
        fs::write(settings.folder.join("directory.csv"), directory).unwrap();
        let config = settings.folder.join("tideover.toml");
        fs::write(config, settings.text(listener)).unwrap();
        let mut tideover = Self {
            folder: settings.folder,
            listener,
            running: None,
        };
        tideover.start_again();
        tideover
    }

    /// Starts it after a stop or a kill, with the same files, and waits until it greets.
    pub(crate) fn start_again(&mut self) {
        let mut command = Command::new(PROGRAM);
        command.arg("serve").arg("-c").arg(self.config());
        let mut group = Group::start(command, &self.folder.join("log"));
        let at = self.listener;
        eventually(SHORT, "tideover greets", || {
            if let Some(status) = group.exited() {
                panic!("tideover ended at start: {status}\n{}", self.log());
            }
            Client::try_connect(at).ok()
        });
        self.running = Some(group);
        eventually(SHORT, "tideover answers its verbs", || {
            self.verb(&["status"]).status.success().then_some(())
        });
    }

    /// Where the Internet sends its mail.
    pub(crate) fn smtp(&self) -> SocketAddr {
        self.listener
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut group) = self.running.take() {
            group.kill();
        }
    }

    /// SIGTERM; panics unless it ends well.
    pub(crate) fn stop(&mut self) {
        if let Some(mut group) = self.running.take() {
            let status = group.stop();
            assert!(status.success(), "{status}\n{}", self.log());
        }
    }

    /// A verb with `--json`; panics unless it succeeds.
    pub(crate) fn json(&self, verb: &[&str]) -> Value {
        let output = self.verb(verb);
        assert!(
            output.status.success(),
            "tideover {verb:?}: {}",
            output.stderr.escape_ascii()
        );
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("{verb:?}: {error}: {}", output.stdout.escape_ascii());
        })
    }

    /// What a verb says that is not done.
    pub(crate) fn refused(&self, verb: &[&str]) -> String {
        let output = self.verb(verb);
        assert!(!output.status.success(), "{verb:?} was done");
        output.stderr.escape_ascii().to_string()
    }

    /// The answer to a verb that says no.
    pub(crate) fn failed(&self, verb: &[&str]) -> Value {
        let output = self.verb(verb);
        assert!(!output.status.success(), "{verb:?} succeeded");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!("{verb:?}: {error}: {}", output.stderr.escape_ascii());
        })
    }

    fn verb(&self, verb: &[&str]) -> Output {
        Command::new(PROGRAM)
            .args(verb)
            .arg("--json")
            .arg("-c")
            .arg(self.config())
            .output()
            .unwrap()
    }

    /// A number below `queue` of `status`.
    pub(crate) fn queue(&self, field: &str) -> u64 {
        let status = self.json(&["status"]);
        status["queue"][field]
            .as_u64()
            .unwrap_or_else(|| panic!("no queue.{field} in {status}"))
    }

    /// Waits until `status` gives this health for a backend.
    pub(crate) fn wait_health(&self, backend: &str, health: &str) {
        eventually(SHORT, &format!("{backend} is {health}"), || {
            let status = self.json(&["status"]);
            let backends = status["backends"].as_array().expect("backends");
            backends
                .iter()
                .any(|found| found["name"] == backend && found["health"] == health)
                .then_some(())
        });
    }

    /// Waits until nothing is queued or held.
    pub(crate) fn wait_idle(&self) {
        let mut looks = 0;
        eventually(LONG, "the queue is empty", || {
            let status = self.json(&["status"]);
            let idle = status["queue"]["queued"] == 0 && status["queue"]["held"] == 0;
            looks += 1;
            (0..looks.min(10)).for_each(|_| pause());
            idle.then_some(())
        });
    }

    /// Everything it has written to its log.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    fn config(&self) -> PathBuf {
        self.folder.join("tideover.toml")
    }
}

impl Drop for Tideover {
    #[expect(
        clippy::print_stderr,
        reason = "a failed test shows what its servers said"
    )]
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(60)..];
            eprintln!("--- tideover\n{}", tail.join("\n"));
        }
    }
}
