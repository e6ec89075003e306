//! An organisation whose platform is down, and the program in front of it.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering};

use serde_json::Value;

use crate::driver::Browser;
use crate::process::Process;
use crate::wait::eventually;

const PROGRAM: &str = env!("CARGO_BIN_EXE_tideover");
pub(crate) const PASSWORD: &str = "correct horse battery";

/// A running program with a platform that nobody can reach.
pub(crate) struct Place {
    smtp: SocketAddr,
    /// Where its platform would be.
    pub(crate) platform: SocketAddr,
    /// Where its pages are.
    pub(crate) site: String,
    /// Where those of its operators are.
    admin: SocketAddr,
    folder: tempfile::TempDir,
    _process: Process,
}

impl Place {
    /// With letters that can be called back for `undo`: `10s`.
    pub(crate) fn open(undo: &str) -> Self {
        let web = free_port(own_address());
        Self::built(undo, web, &format!("http://{web}"))
    }

    /// At the name of this machine, where browsers have passkeys.
    pub(crate) fn at_localhost() -> Self {
        let web = free_port(Ipv4Addr::LOCALHOST);
        Self::built("10s", web, &format!("http://localhost:{}", web.port()))
    }

    fn built(undo: &str, web: SocketAddr, site: &str) -> Self {
        let address = own_address();
        let [smtp, admin, platform] = [(); 3].map(|()| free_port(address));
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "[server]\nhostname = \"mx.example.org\"\ndata_dir = \"data\"\n\
             [spool]\nmin_free = \"1MiB\"\n\
             [[listener]]\nbind = \"{smtp}\"\nrole = \"mx\"\ntls = \"none\"\n\
             [backend.onprem]\ntitle = \"On-premise\"\nhosts = [\"{platform}\"]\n\
             tls = \"never\"\n\
             [backend.onprem.probe]\ninterval = \"1s\"\ndown_after = 1\nup_after = 1\n\
             [domain.\"example.org\"]\ntype = \"authoritative\"\nhome = \"onprem\"\n\
             [directory]\nfile = \"directory.csv\"\n\
             [outbound]\nrelay = [\"backend:onprem\"]\n\
             [web]\nbind = \"{web}\"\ntitle = \"Example Mail\"\ntime_zone = \"Europe/Vienna\"\n\
             undo_send = \"{undo}\"\nbase_url = \"{site}\"\n\
             [admin]\nbind = \"{admin}\"\n"
        );
        std::fs::write(folder.path().join("tideover.toml"), config).unwrap();
        std::fs::write(folder.path().join("directory.csv"), PEOPLE).unwrap();
        let log = folder.path().join("log");
        let mut command = Command::new(PROGRAM);
        command
            .arg("serve")
            .arg("-c")
            .arg(folder.path().join("tideover.toml"));
        let mut process = Process::start(command, &log);
        eventually("the program greets and shows its pages", || {
            process.assert_alive(&log);
            TcpStream::connect(web).and(TcpStream::connect(smtp)).ok()
        });
        let place = Self {
            smtp,
            platform,
            admin,
            site: site.to_owned(),
            folder,
            _process: process,
        };
        eventually("the platform is down", || {
            let status = place.verb(&["status"])?;
            (status["backends"][0]["health"] == "down").then_some(())
        });
        place
    }

    /// The address of an operators' page.
    pub(crate) fn console(&self, path: &str) -> String {
        format!("http://{}{path}", self.admin)
    }

    /// Somebody becomes an operator, chooses a password, and is logged in.
    pub(crate) fn operate(&self, browser: &Browser, name: &str, role: &str) {
        let added = self
            .verb(&["operator", "add", name, "--role", role])
            .unwrap();
        browser.go(&self.console("/welcome"));
        browser.fill("#name", name);
        browser.fill("#code", added["code"].as_str().unwrap());
        browser.fill("#password", PASSWORD);
        browser.fill("#again", PASSWORD);
        browser.click("button.primary");
        browser.wait_for(".verdict");
    }

    /// An operator logs in.
    pub(crate) fn enter(&self, browser: &Browser, name: &str) {
        browser.go(&self.console("/login"));
        browser.fill("#name", name);
        browser.fill("#password", PASSWORD);
        browser.click("button.primary");
        browser.wait_for(".verdict");
    }

    /// The address of a page.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.site)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A message comes in from the Internet.
    pub(crate) fn deliver(&self, to: &str, message: &str) {
        let stream = TcpStream::connect(self.smtp).unwrap();
        let mut answers = BufReader::new(stream.try_clone().unwrap());
        let mut say = |text: &str, code: &str| {
            (&stream).write_all(text.as_bytes()).unwrap();
            loop {
                let mut answer = String::new();
                answers.read_line(&mut answer).unwrap();
                assert!(answer.starts_with(code), "{text}: {answer}");
                if answer.as_bytes().get(3) != Some(&b'-') {
                    return;
                }
            }
        };
        say("", "220");
        say("EHLO client.x.example\r\n", "250");
        say("MAIL FROM:<john@x.example>\r\n", "250");
        say(&format!("RCPT TO:<{to}>\r\n"), "250");
        say("DATA\r\n", "354");
        let message = message.replace('\n', "\r\n");
        say(&format!("{message}\r\n.\r\n"), "250");
        say("QUIT\r\n", "221");
    }

    /// Somebody opens his invitation and chooses a password.
    pub(crate) fn set_password(&self, browser: &Browser, address: &str) {
        let invitation = eventually("an invitation", || self.verb(&["user", "invite", address]));
        browser.go(invitation["link"].as_str().unwrap());
        browser.fill("#password", PASSWORD);
        browser.fill("#again", PASSWORD);
        browser.click("button.primary");
    }

    /// Somebody opens his invitation, chooses a password, and sees his inbox.
    pub(crate) fn enrol(&self, browser: &Browser, address: &str) {
        self.set_password(browser, address);
        browser.wait_text("Your password is set");
    }

    /// What a verb says as JSON, if it succeeds.
    pub(crate) fn verb(&self, verb: &[&str]) -> Option<Value> {
        let output = Command::new(PROGRAM)
            .args(verb)
            .arg("--json")
            .arg("-c")
            .arg(self.folder().join("tideover.toml"))
            .output()
            .unwrap();
        output
            .status
            .success()
            .then(|| serde_json::from_slice(&output.stdout).unwrap())
    }
}

const PEOPLE: &str = "address,name,aliases,type\n\
    ann@example.org,Ann Archer,sales@example.org,mailbox\n\
    bob@example.org,Bob Baker,,mailbox\n\
    boris@example.org,Boris Brown,,mailbox\n";

/// The whole of 127/8 is loopback: an address for each place keeps the ports apart.
fn own_address() -> Ipv4Addr {
    static COUNT: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(
        127,
        32 + high % 32,
        low,
        COUNT.fetch_add(1, Ordering::SeqCst),
    )
}

/// A port that nothing uses, and that was given to nobody before.
fn free_port(address: Ipv4Addr) -> SocketAddr {
    static GIVEN: Mutex<BTreeSet<SocketAddr>> = Mutex::new(BTreeSet::new());
    loop {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let place = listener.local_addr().unwrap();
        if GIVEN.lock().unwrap().insert(place) {
            return place;
        }
    }
}

/// A message with formatting, a picture from the Internet, a picture of its own, and a file.
pub(crate) const RICH: &str = "From: \"John Doe\" <john@x.example>
To: Ann Archer <ann@example.org>
Cc: Bob Baker <bob@example.org>
Subject: The plan for Monday
Message-ID: <plan@x.example>
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=outer

--outer
Content-Type: multipart/alternative; boundary=inner

--inner
Content-Type: text/plain; charset=utf-8

Hello Ann,

the plan for Monday is attached.
--inner
Content-Type: text/html; charset=utf-8

<h2>Hello Ann,</h2><p>the <b>plan for Monday</b> is attached.</p>
<img src=\"https://x.example/pixel.gif\"><script>document.body.innerHTML='bad'</script>
<table border=1><tr><td>9:00<td>Start</tr><tr><td>10:00<td>Coffee</tr></table>
--inner--
--outer
Content-Type: application/pdf; name=\"plan.pdf\"
Content-Disposition: attachment; filename=\"plan.pdf\"
Content-Transfer-Encoding: base64

JVBERi0xLjQK
--outer--
";

/// An invitation to a meeting, as Outlook sends it, from a domain that looks like ours.
pub(crate) const EVENT: &str = "From: \"Boss boss@example.org\" <boss@examp1e.org>
To: Ann Archer <ann@example.org>
Subject: Planning
Message-ID: <event@x.example>
MIME-Version: 1.0
Content-Type: multipart/alternative; boundary=b

--b
Content-Type: text/plain; charset=utf-8

Let us plan.
--b
Content-Type: text/calendar; charset=utf-8; method=REQUEST

BEGIN:VCALENDAR
VERSION:2.0
METHOD:REQUEST
BEGIN:VEVENT
UID:1@x.example
DTSTART;TZID=W. Europe Standard Time:20260504T120000
DTEND;TZID=W. Europe Standard Time:20260504T130000
SUMMARY:Planning
LOCATION:Room 2
ORGANIZER;CN=Boss:mailto:boss@examp1e.org
ATTENDEE;CN=Ann Archer;PARTSTAT=NEEDS-ACTION:mailto:ann@example.org
ATTENDEE;CN=Bob Baker;PARTSTAT=ACCEPTED:mailto:bob@example.org
END:VEVENT
END:VCALENDAR
--b--
";

/// An answer to [`PLAIN`].
pub(crate) const ANSWER: &str = "From: Dan Dorn <dan@y.example>
To: ann@example.org, carla@y.example
Subject: AW: Re: Lunch
Message-ID: <later@y.example>
References: <first@y.example> <lunch@y.example>

Half past would be better.
";

/// A plain message with quotes.
pub(crate) const PLAIN: &str = "From: Carla Costa <carla@y.example>
To: ann@example.org
Subject: Re: Lunch
Message-ID: <lunch@y.example>

Yes, at noon.

> Shall we have lunch?
> I know a good place.

Carla
";
