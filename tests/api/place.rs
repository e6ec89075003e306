//! A running program, and who asks it.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::wait::{LONG, eventually};
use crate::{names, platform};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tideover");
const PEOPLE: &str = "address,name,home\nann@example.org,Ann,onprem\nbob@example.org,Bob,onprem\n";
/// The message that waits for Ann, and was refused for Bob.
const MESSAGE_ID: &str = "hello@x.example";

/// A program with a platform, on which mail waits and is refused.
pub(crate) struct Place {
    pub(crate) admin: SocketAddr,
    folder: tempfile::TempDir,
    process: Child,
}

/// What was answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// In small letters.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) text: String,
}

impl Answer {
    fn parse(text: &str) -> Self {
        let (head, text) = text.split_once("\r\n\r\n").unwrap();
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let headers = lines.filter_map(|line| line.split_once(": "));
        Self {
            status: status.unwrap().parse().unwrap(),
            headers: headers
                .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
                .collect(),
            text: text.to_owned(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        let mut headers = self.headers.iter();
        let found = headers.find(|(one, _)| one == name);
        found.map_or("", |(_, value)| value)
    }

    /// The media type, without parameters.
    pub(crate) fn kind(&self) -> &str {
        let kind = self.header("content-type");
        kind.split(';').next().unwrap_or_default()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Place {
    pub(crate) fn open() -> Self {
        let (platform, names) = (platform::open(), names::open());
        let folder = tempfile::tempdir().unwrap();
        // Port 0 is any: which one it is stands in the log.
        let config = format!(
            "[server]\nhostname = \"mx.example.org\"\ndata_dir = \"data\"\n\
             [spool]\nmin_free = \"1MiB\"\n\
             [dns]\nservers = [\"{names}\"]\n[check]\nresolvers = [\"system\"]\n\
             [[listener]]\nbind = \"127.0.0.1:0\"\nrole = \"mx\"\ntls = \"none\"\n\
             [backend.onprem]\nhosts = [\"{platform}\"]\ntls = \"never\"\n\
             [backend.cloud]\nhosts = [\"{platform}\"]\ntls = \"never\"\n\
             [domain.\"example.org\"]\ntype = \"authoritative\"\nhome = \"onprem\"\n\
             [directory]\nfile = \"directory.csv\"\n\
             [notices]\ncommand = [\"/bin/true\"]\n\
             [drill]\naddress = \"drill@example.org\"\n\
             [[drill.leg]]\nto = \"onprem\"\nmailbox = \"ann@example.org\"\n\
             [outbound]\nrelay = [\"backend:onprem\"]\n\
             [web]\nbind = \"127.0.0.1:0\"\n[admin]\nbind = \"127.0.0.1:0\"\n"
        );
        std::fs::write(folder.path().join("tideover.toml"), config).unwrap();
        std::fs::write(folder.path().join("directory.csv"), PEOPLE).unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let process = Command::new(PROGRAM)
            .arg("serve")
            .arg("-c")
            .arg(folder.path().join("tideover.toml"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut place = Self {
            admin: SocketAddr::from(([127, 0, 0, 1], 0)),
            folder,
            process,
        };
        let smtp = place.said("taking mail");
        place.admin = place.said("operators, metrics and health");
        place.deliver(smtp);
        place
    }

    /// Somebody writes into a file.
    pub(crate) fn append(&self, file: &str, text: &str) {
        let file = self.folder.path().join(file);
        let mut file = File::options().append(true).open(file).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    /// The address that stands beside these words in the log.
    fn said(&mut self, words: &str) -> SocketAddr {
        let path = self.folder.path().join("log");
        eventually(LONG, words, || {
            let log = std::fs::read_to_string(&path).unwrap();
            let ended = self.process.try_wait().unwrap();
            assert!(ended.is_none(), "it has ended: {log}");
            let mut lines = log.lines().filter(|line| line.contains(words));
            let address = lines.next()?.split("address=").nth(1)?;
            address.split_whitespace().next()?.parse().ok()
        })
    }

    /// A message comes in, so that there is something to show.
    fn deliver(&self, smtp: SocketAddr) {
        let mut stream = TcpStream::connect(smtp).unwrap();
        let mut replies = BufReader::new(stream.try_clone().unwrap()).lines();
        let mut reply = || loop {
            let line = replies.next().unwrap().unwrap();
            if line.as_bytes()[3] == b' ' {
                return line;
            }
        };
        reply();
        let message = format!(
            "From: john@x.example\r\nMessage-ID: <{MESSAGE_ID}>\r\nSubject: hello\r\n\r\nhello\r\n."
        );
        for line in [
            "EHLO client.example",
            "MAIL FROM:<john@x.example>",
            "RCPT TO:<ann@example.org>",
            "RCPT TO:<bob@example.org>",
            "DATA",
            &message,
        ] {
            stream.write_all(format!("{line}\r\n").as_bytes()).unwrap();
            let told = reply();
            assert!(told.starts_with(['2', '3']), "{line}: {told}");
        }
        eventually(LONG, "one is refused", || {
            let cases = self.verb(&["cases"])?;
            cases.as_array()?.first().map(|_| ())
        });
    }

    /// The spool id of the message, and the id of the case.
    pub(crate) fn found(&self) -> (String, String) {
        let trace = self.verb(&["trace", MESSAGE_ID]).unwrap();
        let cases = self.verb(&["cases"]).unwrap();
        let ids = [&trace["messages"][0]["id"], &cases[0]["id"]];
        let [message, case] = ids.map(|id| id.as_str().unwrap().to_owned());
        (message, case)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What a verb says as JSON, if it succeeds.
    pub(crate) fn verb(&self, verb: &[&str]) -> Option<Value> {
        let output = Command::new(PROGRAM)
            .args(verb)
            .arg("--json")
            .arg("-c")
            .arg(self.folder.path().join("tideover.toml"))
            .output()
            .unwrap();
        let json = output.status.success().then_some(output.stdout)?;
        serde_json::from_slice(&json).ok()
    }

    /// The token of a new operator with this role.
    pub(crate) fn token(&self, name: &str, role: &str) -> String {
        let added = self.verb(&["operator", "add", name, "--role", role]);
        assert!(added.is_some(), "{name}");
        let made = self
            .verb(&["operator", "token", "add", name, "test"])
            .unwrap();
        made["token"].as_str().unwrap().to_owned()
    }

    /// Asks by curl.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &[String], body: &str) -> Answer {
        let mut command = Command::new("curl");
        command.args(["-sS", "-i", "--max-time", "60", "-X", method]);
        for header in headers {
            command.args(["-H", header]);
        }
        if method != "GET" {
            command.args(["--data-binary", body]);
        }
        command.arg(format!("http://{}{path}", self.admin));
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{method} {path}: {text}");
        Answer::parse(&text)
    }

    pub(crate) fn get(&self, token: &str, path: &str) -> Answer {
        self.ask("GET", path, &[bearer(token)], "")
    }

    /// Sends JSON when it looks so, and else a file.
    pub(crate) fn post(&self, token: &str, path: &str, body: &str) -> Answer {
        let kind = if body.starts_with('{') {
            "Content-Type: application/json"
        } else {
            "Content-Type: text/plain"
        };
        self.ask("POST", path, &[bearer(token), kind.to_owned()], body)
    }
}

pub(crate) fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

impl Drop for Place {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
