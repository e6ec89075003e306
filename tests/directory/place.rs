//! The program, with a directory server as its source.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::process::Process;
use crate::slapd::{PASSWORD, READER};
use crate::wait::eventually;

const PROGRAM: &str = env!("CARGO_BIN_EXE_tideover");

/// A running program.
pub(crate) struct Place {
    folder: tempfile::TempDir,
    _process: Process,
}

impl Place {
    /// With these sources: the name, and lines of its section.
    pub(crate) fn open(sources: &[(&str, String)]) -> Self {
        Self::open_with(sources, "")
    }

    /// With further sections.
    pub(crate) fn open_with(sources: &[(&str, String)], more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = String::from(CONFIG) + more;
        for (name, lines) in sources {
            // Writing to a String cannot fail.
            write!(
                config,
                "[directory.ldap.{name}]\n{lines}\nusername = \"{READER}\"\n\
                 password_file = \"password\"\n[[directory.ldap.{name}.search]]\n\
                 base = \"ou=People,dc=example,dc=org\"\nhome = \"onprem\"\n"
            )
            .unwrap();
        }
        std::fs::write(folder.path().join("tideover.toml"), config).unwrap();
        std::fs::write(folder.path().join("password"), format!("{PASSWORD}\n")).unwrap();
        let log = folder.path().join("log");
        let mut command = Command::new(PROGRAM);
        command
            .arg("serve")
            .arg("-c")
            .arg(folder.path().join("tideover.toml"));
        let mut process = Process::start(command, &log);
        let place = Self {
            folder,
            _process: {
                process.assert_alive(&log);
                process
            },
        };
        eventually("all sources were read", || {
            let status = place.verb(&["directory", "status"]).ok()?;
            let sources = status["sources"].as_array()?;
            let read = |source: &Value| !source["at"].is_null();
            sources.iter().all(read).then_some(())
        });
        place
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What a verb says as JSON, or why it fails.
    pub(crate) fn verb(&self, verb: &[&str]) -> Result<Value, String> {
        let output = Command::new(PROGRAM)
            .args(verb)
            .arg("--json")
            .arg("-c")
            .arg(self.folder().join("tideover.toml"))
            .output()
            .unwrap();
        if output.status.success() {
            return Ok(serde_json::from_slice(&output.stdout).unwrap());
        }
        let said = [output.stdout, output.stderr].concat();
        Err(String::from_utf8(said).unwrap())
    }

    /// What the program said.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder().join("log")).unwrap()
    }

    /// Is this in any file of the program's?
    pub(crate) fn contains(&self, bytes: &[u8]) -> bool {
        let mut folders = vec![self.folder().to_owned()];
        while let Some(folder) = folders.pop() {
            for file in std::fs::read_dir(folder).unwrap() {
                let path = file.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if let Ok(content) = std::fs::read(&path)
                    && content.windows(bytes.len()).any(|window| window == bytes)
                {
                    return true;
                }
            }
        }
        false
    }

    pub(crate) fn generations(&self) -> usize {
        let log = self.verb(&["directory", "log"]).unwrap();
        log.as_array().unwrap().len()
    }

    pub(crate) fn lookup(&self, address: &str) -> Value {
        let found = self.verb(&["directory", "lookup", address]).unwrap();
        found["entry"].clone()
    }
}

const CONFIG: &str = "[server]
hostname = \"mx.example.org\"
data_dir = \"data\"
[spool]
min_free = \"1MiB\"
[[listener]]
bind = \"127.0.0.1:0\"
role = \"mx\"
tls = \"none\"
[backend.onprem]
hosts = [\"127.0.0.1:9\"]
tls = \"never\"
[domain.\"example.org\"]
home = \"onprem\"
[directory]
sync = \"1h\"
";
