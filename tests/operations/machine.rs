//! A machine of its own, made of namespaces, on which Tideover is installed.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::sender;
use crate::wait::{LONG, SHORT, eventually};

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_tideover");
pub(crate) const PROJECT: &str = env!("CARGO_MANIFEST_DIR");
/// Set in the process that is on the machine.
const INSIDE: &str = "TIDEOVER_TEST_MACHINE";
/// Debian packages and the program each is needed for. `tests/run` has the same list.
const NEEDED: [(&str, &str); 6] = [
    ("promtool", "prometheus"),
    ("swaks", "swaks"),
    ("curl", "curl"),
    ("openssl", "openssl"),
    ("ip", "iproute2"),
    ("unshare", "util-linux"),
];

/// Runs this test once more, on a machine of its own; `story` is what happens there.
pub(crate) fn on_a_machine(test: &str, story: impl FnOnce(&Machine)) {
    if std::env::vars_os().any(|(name, _)| name == INSIDE) {
        return story(&Machine);
    }
    require();
    let folder = tempfile::Builder::new()
        .prefix("tideover-")
        .tempdir()
        .unwrap();
    if !may_make_machines(folder.path()) {
        return;
    }
    let output = Command::new("unshare")
        .args(["--net", "--mount", "--pid", "--fork", "--kill-child"])
        .arg(Path::new(PROJECT).join("tests/operations/machine/begin"))
        .arg(folder.path())
        .args([PROGRAM, PROJECT])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "1")
        .env_remove("TIDEOVER_CONFIG")
        .env_remove("TIDEOVER_ACTOR")
        .output()
        .unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    let is_well = output.status.success() && said.contains("1 passed");
    assert!(is_well, "{}\n{said}", output.status);
}

/// Says so where root may not make namespaces and overlays: a container without that right.
#[expect(clippy::print_stderr, reason = "a test that cannot run says so")]
fn may_make_machines(folder: &Path) -> bool {
    let output = Command::new("unshare")
        .args(["--net", "--mount", "--pid", "--fork", "--kill-child"])
        .args(["sh", "-c", TRIAL, "sh"])
        .arg(folder.join("trial"))
        .output()
        .unwrap();
    if !output.status.success() {
        let why = String::from_utf8(output.stderr).unwrap_or_default();
        eprintln!("the runbook was not executed: this machine lets nobody make another: {why}");
    }
    output.status.success()
}

/// What a machine needs, all of it and nothing else.
const TRIAL: &str = "set -e; mount -t proc proc /proc; ip link set lo up; mkdir \"$1\"; \
    mount -t tmpfs tmpfs \"$1\"; mkdir \"$1/upper\" \"$1/work\"; mount -t overlay overlay \
    -o \"lowerdir=/etc,upperdir=$1/upper,workdir=$1/work\" /etc";

/// Panics with what is missing.
pub(crate) fn require() {
    let missing: Vec<&str> = NEEDED
        .iter()
        .filter(|(program, _)| {
            ["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin"]
                .iter()
                .all(|folder| !Path::new(folder).join(program).is_file())
        })
        .map(|(_, package)| *package)
        .collect();
    assert!(
        missing.is_empty(),
        "the tests of the operations need Debian packages that are not installed: {}; \
         tests/run installs them",
        missing.join(" ")
    );
    assert!(
        rustix::process::geteuid().is_root(),
        "a machine for a runbook is made by root: run `sudo tests/run`"
    );
}

/// The machine that this process is on.
pub(crate) struct Machine;

impl Machine {
    /// Installs Tideover with the documented example, and starts it. The probes are faster, so
    /// that nobody has to wait for half a minute, and [`MIN_FREE`] is all that has to be free.
    pub(crate) fn install(&self) {
        self.install_with(str::to_owned);
    }

    /// With a changed config.
    pub(crate) fn install_with(&self, change: impl FnOnce(&str) -> String) {
        let project = Path::new(PROJECT);
        self.must(
            "useradd --system --home-dir /var/lib/tideover --shell /usr/sbin/nologin tideover",
        );
        let unit = project.join("config/tideover.service");
        fs::copy(unit, "/etc/systemd/system/tideover.service").unwrap();
        fs::create_dir("/etc/tideover").unwrap();
        let example = fs::read_to_string(project.join("config/tideover.toml")).unwrap();
        let config = example
            .replace("\"./data\"", "\"/var/lib/tideover\"")
            .replace("interval = \"10s\"", "interval = \"1s\"");
        assert_ne!(config, example);
        let config = with_less_free(&change(&config));
        fs::write("/etc/tideover/tideover.toml", config).unwrap();
        let directory = project.join("config/directory.csv");
        fs::copy(directory, "/etc/tideover/directory.csv").unwrap();
        self.must("systemctl start tideover");
        self.is_there();
    }

    /// Waits until the program answers.
    pub(crate) fn is_there(&self) {
        eventually(SHORT, "tideover answers", || {
            (self.says("tideover status").0 == 0).then_some(())
        });
    }

    /// Waits until the program runs no more.
    pub(crate) fn wait_until_it_is_gone(&self) {
        eventually(SHORT, "tideover has ended", || {
            (self.says("systemctl is-active tideover").0 != 0).then_some(())
        });
    }

    /// What a command of the shell prints, errors too, and its exit code.
    #[expect(clippy::unused_self, reason = "it is said on this machine only")]
    pub(crate) fn says(&self, command: &str) -> (i32, String) {
        let output = Command::new("bash")
            .args(["-c", &format!("{command}\n"), "bash"])
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        (output.status.code().unwrap_or(-1), said)
    }

    /// Panics unless the command succeeds.
    pub(crate) fn must(&self, command: &str) -> String {
        let (code, said) = self.says(command);
        assert_eq!(code, 0, "{command}: {said}\n{}", self.journal());
        said
    }

    /// A verb as JSON.
    pub(crate) fn json(&self, verb: &str) -> Value {
        let said = self.must(&format!("tideover {verb} --json"));
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{verb}: {error}: {said}"))
    }

    /// The health of a backend.
    pub(crate) fn wait_for_health(&self, backend: &str, health: &str) {
        eventually(LONG, &format!("{backend} is {health}"), || {
            let status = self.json("status");
            let backends = status["backends"].as_array().unwrap();
            backends
                .iter()
                .any(|it| it["name"] == backend && it["health"] == health)
                .then_some(())
        });
    }

    /// A message from the Internet, answered with 250; its spool id.
    #[expect(clippy::unused_self, reason = "its door is on this machine only")]
    pub(crate) fn mail(&self, to: &str, subject: &str) -> String {
        let reply = sender::send(door(), "eve@example.net", to, subject);
        let taken = reply.starts_with("250");
        assert!(taken, "{to}: {reply}");
        reply.split_whitespace().last().unwrap().to_owned()
    }

    /// The time as operators type it.
    pub(crate) fn now(&self) -> String {
        self.must("date '+%F %T.%3N'").trim().to_owned()
    }

    /// Before all that happens on this machine.
    pub(crate) fn an_hour_ago(&self) -> String {
        self.must("date -d '1 hour ago' '+%F %T'").trim().to_owned()
    }

    /// What the program has said.
    #[expect(clippy::unused_self, reason = "it is the journal of this machine")]
    pub(crate) fn journal(&self) -> String {
        fs::read_to_string("/var/lib/tideover.journal").unwrap_or_default()
    }
}

/// What has to be free on the machine whose namespaces these are: it may be nearly full.
const MIN_FREE: &str = "256MiB";

/// A config with [`MIN_FREE`] in the place of its own `spool.min_free`.
pub(crate) fn with_less_free(config: &str) -> String {
    let lines = config.lines().map(|line| {
        let is_it = line.trim_start().starts_with("min_free");
        if is_it {
            format!("min_free = \"{MIN_FREE}\"\n")
        } else {
            format!("{line}\n")
        }
    });
    lines.collect()
}

/// Where the example takes mail from the Internet.
fn door() -> SocketAddr {
    loopback(2525)
}

/// A port of the machine.
pub(crate) fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
