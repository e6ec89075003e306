//! The language of `tests/scripts`.
//!
//! ```text
//! # RFC and section, what is shown
//! set NAME VALUE      before the start: a setting of the server
//! C: text             sent with CRLF; lines of C: that follow each other are sent in one write
//! C* text             sent as it is, after \r \n \t \0 \\ \xNN and {1000*x} are replaced
//! S: 250 2.1.0 Ok     one reply; its first characters, all its lines joined by blanks
//! S~ text             the reply before has this in it
//! S! text             … and has not
//! S. closed           the server has closed the connection
//! TLS                 both sides do the handshake
//! T~ text             our trace line of the last message has this in it
//! M: text             lines of the last message in the spool behind our trace line, in order
//! A: text             lines of our Authentication-Results of it, without the name of the field
//! F: text             lines of our X-Tideover-Filter of it, without the name of the field
//! M? dmarc            why its first recipient is held: one word; `M? no`: he is not; `M? dropped`
//! M. none             nothing was accepted
//! M# sent TO          number of recipients of the last message
//! MP requiretls       a parameter of MAIL of the last message; `tls-optional`: by its header;
//!                     `certificate=NAME`: what its client proved
//! MP !requiretls      … which it has not
//! MU ann@example.org  who has handed the last message in, after a login
//! M@ Relayed          whether the sender of the last message is proven: `Authenticity`
//! DISK full           from now on each write says that the disk is full; broken: it fails
//! DISK good           … and works again
//! NEW                 another connection; the one before stays open
//! ```

use std::time::Duration;

use tideover::auth::Enforcement;
use tideover::inbound::{Role, TlsMode};
use tideover::mail::{AutomaticDeed, AutomaticKind, AutomaticWay, RecipientState};
use tideover::net::{BoxedStream, CertificateCheck, Handshake, TlsClient};
use tideover::smtp::Reply;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::door::{Door, Settings};
use super::{certificates, parameters};

/// Longest wait for one reply: far beyond what is needed, so that only a failure meets it.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(crate) struct Script {
    settings: Settings,
    steps: Vec<(usize, String)>,
}

impl Script {
    pub(crate) fn parse(text: &str) -> Self {
        let mut settings = Settings::default();
        let mut steps = Vec::new();
        assert!(
            text.starts_with("# RFC") || text.starts_with("# DESIGN"),
            "no source is named"
        );
        for (number, line) in text.lines().enumerate() {
            if let Some(setting) = line.strip_prefix("set ") {
                set(&mut settings, setting);
            } else if !line.is_empty() && !line.starts_with('#') {
                steps.push((number + 1, line.to_owned()));
            }
        }
        Self { settings, steps }
    }

    /// Runs it against a server of its own.
    pub(crate) async fn run(self) -> Result<(), String> {
        let mut run = Run::new(Door::open(self.settings)).await;
        for (number, step) in self.steps {
            run.step(&step)
                .await
                .map_err(|error| format!("line {number}: {step}\n    {error}"))?;
        }
        run.flush().await;
        run.door.shutdown.signal();
        Ok(())
    }
}

fn set(settings: &mut Settings, setting: &str) {
    let (name, value) = setting.split_once(' ').expect("set NAME VALUE");
    let options = &mut settings.options;
    match name {
        "max_message_size" => options.max_message_size = value.parse().unwrap(),
        "min_free" => settings.min_free = value.parse().unwrap(),
        "recipients" => options.bounds.recipients = value.parse().unwrap(),
        "bad_commands" => options.bounds.bad_commands = value.parse().unwrap(),
        "bad_recipients" => options.bounds.bad_recipients = value.parse().unwrap(),
        "hops" => options.bounds.hops = value.parse().unwrap(),
        "header_section" => options.bounds.header_section = value.parse().unwrap(),
        "connections" => options.bounds.connections = value.parse().unwrap(),
        "connections_per_address" => {
            options.bounds.connections_per_address = value.parse().unwrap();
        }
        "proxy_from" => options.spokesmen.proxy.push(value.parse().unwrap()),
        "xclient_from" => options.spokesmen.xclient.push(value.parse().unwrap()),
        "require_tls_from" => options.require_tls_from.extend([value.parse().unwrap()]),
        "requiretls" => options.requiretls = value == "true",
        "proxy_timeout" => options.bounds.proxy_timeout = millis(value),
        "connections_per_network" => {
            options.bounds.connections_per_network = value.parse().unwrap();
        }
        "command_timeout" => options.bounds.command_timeout = millis(value),
        "data_timeout" => options.bounds.data_timeout = millis(value),
        "discard_timeout" => options.bounds.discard_timeout = millis(value),
        "allow" => {
            options.role = Role::Relay {
                allow: vec![value.parse().unwrap()],
            }
        }
        "check" => settings.check.push(value.to_owned()),
        "directory" => settings.directory.push(value.to_owned()),
        "partner" => {
            settings.policy.partners.insert(value.to_owned());
        }
        "automatic" => {
            let words: Vec<&str> = value.split(' ').collect();
            let [kind, way, deed] = words[..] else {
                panic!("set automatic KIND WAY DEED")
            };
            let kind = AutomaticKind::ALL
                .into_iter()
                .find(|it| it.as_str() == kind);
            let way = AutomaticWay::ALL.into_iter().find(|it| it.as_str() == way);
            let deed = AutomaticDeed::ALL
                .into_iter()
                .find(|it| it.as_str() == deed);
            let (kind, way, deed) = (kind.unwrap(), way.unwrap(), deed.unwrap());
            settings.policy.set(kind, way, deed);
        }
        "filter" => settings.filter = Some(value.to_owned()),
        "dmarc" => {
            settings.dmarc = match value {
                "hold" => Enforcement::Hold,
                "reject" => Enforcement::Reject,
                _ => Enforcement::Mark,
            }
        }
        "blocklist" => settings.blocklist = Some(value.to_owned()),
        "wrong_logins" => options.bounds.wrong_logins = value.parse().unwrap(),
        "login_time" => options.bounds.login_time = millis(value),
        "auth" => options.device_login = value == "true",
        "role" => options.role = role(value),
        "tls" if value == "starttls" => options.tls = TlsMode::StartTls,
        "tls" if value == "implicit" => options.tls = TlsMode::Implicit,
        _ => certificates::set(settings, (name, value)),
    }
}

fn role(value: &str) -> Role {
    let lmtp = |peer: &str| Role::Lmtp {
        allow: vec![peer.parse().unwrap()],
    };
    match value {
        "submission" => Role::Submission,
        "lmtp" => lmtp("127.0.0.1"),
        "lmtp of others" => lmtp("10.20.0.1"),
        _ => panic!("unknown role {value}"),
    }
}

fn millis(value: &str) -> Duration {
    Duration::from_millis(value.parse().unwrap())
}

struct Run {
    door: Door,
    stream: BoxedStream,
    kept: Vec<BoxedStream>,
    input: Vec<u8>,
    output: Vec<u8>,
    last: String,
    message: Option<std::vec::IntoIter<String>>,
    trace: String,
    results: std::vec::IntoIter<String>,
    filtered: std::vec::IntoIter<String>,
}

impl Run {
    async fn new(door: Door) -> Self {
        let stream = connect(&door).await;
        Self {
            door,
            stream,
            kept: Vec::new(),
            input: Vec::new(),
            output: Vec::new(),
            last: String::new(),
            message: None,
            trace: String::new(),
            results: Vec::new().into_iter(),
            filtered: Vec::new().into_iter(),
        }
    }

    async fn step(&mut self, step: &str) -> Result<(), String> {
        let (kind, text) = step.split_at(step.len().min(3));
        match kind {
            "C: " | "C:" => {
                self.output.extend_from_slice(text.as_bytes());
                self.output.extend_from_slice(b"\r\n");
                return Ok(());
            }
            "C* " => {
                self.output.extend_from_slice(&unescape(text));
                return Ok(());
            }
            _ => self.flush().await,
        }
        match kind {
            "S: " => {
                self.last = self.reply().await?;
                self.last
                    .starts_with(text)
                    .then_some(())
                    .ok_or_else(|| wrong(&self.last))
            }
            "S~ " => self
                .last
                .contains(text)
                .then_some(())
                .ok_or_else(|| wrong(&self.last)),
            "S! " => (!self.last.contains(text))
                .then_some(())
                .ok_or_else(|| wrong(&self.last)),
            "S. " => self.closed().await,
            "TLS" => self.secure().await,
            "DIS" => {
                self.fault(text);
                Ok(())
            }
            "NEW" => {
                let fresh = connect(&self.door).await;
                self.kept.push(std::mem::replace(&mut self.stream, fresh));
                self.input.clear();
                Ok(())
            }
            _ => self.message_step(kind, text),
        }
    }

    /// What is said of the last message.
    fn message_step(&mut self, kind: &str, text: &str) -> Result<(), String> {
        match kind {
            "M: " | "M:" => self.message_line(text),
            "A: " => self.results_line(text),
            "F: " => self.filtered_line(text),
            "T~ " => self.trace_line(text),
            "M? " => self.held(text),
            "M. " => self
                .newest()
                .is_none()
                .then_some(())
                .ok_or_else(|| wrong("a message was accepted")),
            "M@ " => {
                let told = format!("{:?}", self.stored()?.envelope.authenticity);
                (told == text).then_some(()).ok_or_else(|| wrong(&told))
            }
            "MP " => parameters::check(&self.stored()?.envelope, text).map_err(|told| wrong(&told)),
            "MU " => {
                let stored = self.stored()?;
                let told = stored.envelope.peer.user.clone().unwrap_or_default();
                (told == text).then_some(()).ok_or_else(|| wrong(&told))
            }
            "M# " => {
                let stored = self.stored()?;
                (stored.envelope.recipients.len().to_string() == text)
                    .then_some(())
                    .ok_or_else(|| wrong("another number"))
            }
            _ => panic!("unknown step {kind}{text}"),
        }
    }

    async fn flush(&mut self) {
        // A server that closes early may reset the connection; the script sees it by its replies.
        self.stream.write_all(&self.output).await.ok();
        self.stream.flush().await.ok();
        self.output.clear();
    }

    async fn more(&mut self) -> Result<usize, String> {
        let read = self.stream.read_buf(&mut self.input);
        let read = tokio::time::timeout(PATIENCE, read).await;
        read.map_err(|_| "the server says nothing".to_owned())?
            .map_err(|error| error.to_string())
    }

    async fn reply(&mut self) -> Result<String, String> {
        let mut lines: Vec<Vec<u8>> = Vec::new();
        loop {
            let Some(end) = self.input.windows(2).position(|two| two == b"\r\n") else {
                if self.more().await? == 0 {
                    return Err("the server closed instead".to_owned());
                }
                continue;
            };
            let line: Vec<u8> = self.input.drain(..end + 2).take(end).collect();
            let last = Reply::is_last_line(&line);
            lines.push(line);
            if last {
                let reply = Reply::parse(&lines).map_err(|error| error.to_string())?;
                return Ok(reply.to_string());
            }
        }
    }

    async fn closed(&mut self) -> Result<(), String> {
        self.input
            .is_empty()
            .then_some(())
            .ok_or_else(|| wrong("there is another reply"))?;
        // With data of ours unread on its side the system may turn the close into a reset.
        let read = self.more().await.unwrap_or(0);
        (read == 0)
            .then_some(())
            .ok_or_else(|| wrong("there is another reply"))
    }

    async fn secure(&mut self) -> Result<(), String> {
        let (pipe, _) = tokio::io::duplex(1);
        let plain = std::mem::replace(&mut self.stream, Box::new(pipe));
        let client = TlsClient::with_authorities([]).map_err(|error| error.to_string())?;
        let (stream, _) = client
            .connect(
                plain,
                Handshake {
                    name: "mx.example.org",
                    check: &CertificateCheck::Any,
                    pair: None,
                },
            )
            .await
            .map_err(|error| error.to_string())?;
        self.stream = stream;
        Ok(())
    }

    fn newest(&self) -> Option<tideover::mail::SpoolId> {
        let mailboxes = ["ann@example.org", "bob@example.org", "admin@example.org"];
        let newest = mailboxes
            .iter()
            .flat_map(|key| self.door.spool.mailbox(key, None, 1).unwrap());
        let id = self
            .last
            .rsplit(' ')
            .next()
            .and_then(|word| word.parse().ok());
        newest.map(|(id, _)| id).max().or(id)
    }

    fn stored(&self) -> Result<tideover::spool::StoredMessage, String> {
        let id = self.newest().ok_or("nothing was accepted")?;
        self.door
            .spool
            .message(id)
            .unwrap()
            .ok_or_else(|| "not in the spool".to_owned())
    }

    fn fault(&self, text: &str) {
        *self.door.fault.lock().unwrap() = match text {
            "K full" => Some(std::io::ErrorKind::StorageFull),
            "K broken" => Some(std::io::ErrorKind::Other),
            "K good" => None,
            _ => panic!("unknown fault {text}"),
        };
    }

    /// Has our trace line this in it?
    fn trace_line(&mut self, text: &str) -> Result<(), String> {
        self.read_message()?;
        let told = self.trace.contains(text);
        told.then_some(()).ok_or_else(|| wrong(&self.trace))
    }

    /// Is the first recipient held for this reason?
    fn held(&self, expected: &str) -> Result<(), String> {
        let id = self.newest().ok_or("nothing was accepted")?;
        let state = self.door.spool.state(id, 0).unwrap();
        let told = match &state {
            Some(RecipientState::Held { reason, .. }) => reason.kind(),
            Some(RecipientState::Dropped { .. }) => "dropped",
            _ => "no",
        };
        (told == expected).then_some(()).ok_or_else(|| wrong(told))
    }

    fn results_line(&mut self, expected: &str) -> Result<(), String> {
        self.read_message()?;
        let line = self.results.next().unwrap_or_default();
        (line == expected).then_some(()).ok_or_else(|| wrong(&line))
    }

    fn filtered_line(&mut self, expected: &str) -> Result<(), String> {
        self.read_message()?;
        let line = self.filtered.next().unwrap_or_default();
        (line == expected).then_some(()).ok_or_else(|| wrong(&line))
    }

    fn message_line(&mut self, expected: &str) -> Result<(), String> {
        self.read_message()?;
        let line = self
            .message
            .as_mut()
            .and_then(Iterator::next)
            .unwrap_or_default();
        (line == expected).then_some(()).ok_or_else(|| wrong(&line))
    }

    /// Cuts the newest message into our results, our trace line, and what came.
    fn read_message(&mut self) -> Result<(), String> {
        if self.message.is_none() {
            let id = self.newest().ok_or("nothing was accepted")?;
            let body = self
                .door
                .spool
                .body(id)
                .unwrap()
                .expect("an accepted message has a body");
            let bytes = body.read_at(0, usize::MAX).unwrap();
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            let mut lines: Vec<_> = text.split("\r\n").map(str::to_owned).collect();
            if let Some(first) = lines[0].strip_prefix("Authentication-Results: ") {
                let first = first.to_owned();
                lines[0] = first;
                let ours = lines.iter().position(|line| line.starts_with("Received: "));
                let rest = lines.split_off(ours.unwrap_or_default());
                self.results = std::mem::replace(&mut lines, rest).into_iter();
            }
            if let Some(first) = lines[0].strip_prefix("X-Tideover-Filter: ") {
                let first = first.to_owned();
                lines[0] = first;
                let ours = lines.iter().position(|line| line.starts_with("Received: "));
                let rest = lines.split_off(ours.unwrap_or_default());
                self.filtered = std::mem::replace(&mut lines, rest).into_iter();
            }
            let ours = lines
                .iter()
                .skip(1)
                .take_while(|line| line.starts_with('\t'))
                .count();
            lines[0]
                .starts_with("Received: from ")
                .then_some(())
                .ok_or_else(|| wrong(&lines[0]))?;
            self.message = Some(lines.split_off(1 + ours).into_iter());
            self.trace = lines.concat();
        }
        Ok(())
    }
}

async fn connect(door: &Door) -> BoxedStream {
    let stream = tokio::net::TcpStream::connect(door.address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    Box::new(stream)
}

/// `said` as an error.
fn wrong(said: &str) -> String {
    format!("it is: {said}")
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next().expect("something behind the backslash") {
                'r' => bytes.push(b'\r'),
                'n' => bytes.push(b'\n'),
                't' => bytes.push(b'\t'),
                '0' => bytes.push(0),
                '\\' => bytes.push(b'\\'),
                'x' => {
                    let digits: String = chars.by_ref().take(2).collect();
                    bytes.push(u8::from_str_radix(&digits, 16).unwrap());
                }
                other => panic!("unknown escape {other}"),
            },
            '{' => {
                let inner: String = chars.by_ref().take_while(|c| *c != '}').collect();
                let (count, piece) = inner.split_once('*').expect("{COUNT*TEXT}");
                bytes.extend(unescape(piece).repeat(count.parse().unwrap()));
            }
            c => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}
