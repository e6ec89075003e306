//! Mail programs hand in mail with the password of the webmail: over STARTTLS and TLS from the
//! first byte, to our people and to strangers; and nobody as somebody else.

use std::net::SocketAddr;
use std::process::Command;

use crate::harness::{Lab, SHORT, Tideover, Webmail, eventually, free_port, program};

const ANN: &str = "ann@example.org";
const BOB: &str = "bob@example.org";
const DEE: &str = "dee@example.org";

/// A program that others wrote, at a door.
struct Swaks {
    to: SocketAddr,
    /// `--tls` or `--tls-on-connect`.
    tls: &'static str,
    mechanism: &'static str,
}

impl Swaks {
    /// Whether it could send, and what was said.
    fn sends(
        &self,
        (user, password): (&str, &str),
        [from, author, to]: [&str; 3],
    ) -> (bool, String) {
        let mut command = Command::new(program("swaks"));
        command
            .args(["--server", &self.to.ip().to_string()])
            .args(["--port", &self.to.port().to_string()])
            .args(["--helo", "laptop.example", "--from", from, "--to", to])
            .args(["--auth", self.mechanism, "--auth-user", user])
            .args(["--auth-password", password, self.tls, "--protocol", "ESMTP"])
            .args([
                "--data",
                &format!("From: {author}\\nSubject: to {to}\\n\\nHello\\n"),
            ]);
        let output = command.output().unwrap();
        let said = output.stdout.escape_ascii().to_string();
        (output.status.success(), said)
    }
}

#[test]
fn who_logs_in_sends_as_himself_and_nobody_else() {
    let lab = Lab::new();
    let mut settings = lab.settings();
    let door = |tls: &str| {
        let port = free_port(lab.address());
        let at = SocketAddr::new(lab.address().parse().unwrap(), port);
        let entry =
            format!("[[listener]]\nbind = \"{at}\"\nrole = \"submission\"\ntls = \"{tls}\"\n");
        (at, entry)
    };
    let (starttls, one) = door("starttls");
    let (implicit, other) = door("implicit");
    settings.more = one + &other;
    let tideover = lab.tideover_with(settings);
    Webmail::enrol(&tideover, ANN);
    let ann = (ANN, Webmail::PASSWORD);
    for (to, tls, mechanism) in [
        (starttls, "--tls", "PLAIN"),
        (starttls, "--tls", "LOGIN"),
        (implicit, "--tls-on-connect", "PLAIN"),
        (implicit, "--tls-on-connect", "LOGIN"),
    ] {
        let swaks = Swaks { to, tls, mechanism };
        let (sent, said) = swaks.sends(ann, [ANN, ANN, DEE]);
        assert!(
            sent && said.contains("235 2.7.0"),
            "{mechanism} {tls}: {said}"
        );
        let id = said.split("queued as ").nth(1).unwrap();
        is_written_down(&tideover, id.get(..13).unwrap());
    }
    scram(&lab, starttls);
    let swaks = Swaks {
        to: starttls,
        tls: "--tls",
        mechanism: "PLAIN",
    };
    for (who, mail, refused) in [
        ((ANN, "wrong password"), [ANN, ANN, DEE], "535 5.7.8"),
        ((BOB, Webmail::PASSWORD), [BOB, BOB, DEE], "535 5.7.8"),
        (ann, [BOB, ANN, DEE], "553 5.7.1"),
        (ann, [ANN, BOB, DEE], "550 5.7.1"),
    ] {
        let (sent, said) = swaks.sends(who, mail);
        assert!(!sent && said.contains(refused), "{refused}: {said}");
    }
    let clear = Swaks {
        to: starttls,
        // It changes nothing on the wire: no TLS.
        tls: "--suppress-data",
        mechanism: "PLAIN",
    };
    let (sent, said) = clear.sends(ann, [ANN, ANN, DEE]);
    assert!(!sent && !said.contains("235 "), "{said}");

    // A stranger gets it by way of the platform, as the config says.
    let (sent, said) = swaks.sends(ann, [ANN, ANN, "x@elsewhere.example"]);
    assert!(sent, "{said}");
    all_have_arrived(&lab);
    tideover.json(&["user", "disable", ANN]);
    let (sent, said) = swaks.sends(ann, [ANN, ANN, DEE]);
    assert!(!sent && said.contains("535 5.7.8"), "{said}");
    no_password_is_logged(&tideover);
}

/// SCRAM-SHA-256 (RFC 7677), written for this test on what Python has.
const SCRAM: &str = r#"
import base64, hashlib, hmac, smtplib, ssl, sys
host, port, user, password, to = sys.argv[1:]
context = ssl.create_default_context()
context.check_hostname = False
context.verify_mode = ssl.CERT_NONE
sign = lambda key, text: hmac.new(key, text, hashlib.sha256).digest()

class Scram:
    def __init__(self, password):
        self.password, self.turn = password.encode(), 0
        self.bare = "n=" + user + ",r=fyko+d2lbbFgONRv9qkxdawL"

    def __call__(self, challenge=None):
        if challenge is None:
            return "n,," + self.bare
        self.turn += 1
        if self.turn == 2:
            assert challenge == b"v=" + base64.b64encode(self.server), challenge
            return ""
        first = challenge.decode()
        said = dict(part.split("=", 1) for part in first.split(","))
        assert said["r"].startswith("fyko+d2lbbFgONRv9qkxdawL") and int(said["i"]) >= 4096
        salt = base64.b64decode(said["s"])
        salted = hashlib.pbkdf2_hmac("sha256", self.password, salt, int(said["i"]))
        key = sign(salted, b"Client Key")
        last = "c=biws,r=" + said["r"]
        message = ",".join([self.bare, first, last]).encode()
        signature = sign(hashlib.sha256(key).digest(), message)
        self.server = sign(sign(salted, b"Server Key"), message)
        proof = bytes(a ^ b for a, b in zip(key, signature))
        return last + ",p=" + base64.b64encode(proof).decode()

session = smtplib.SMTP(host, int(port), local_hostname="scram.example", timeout=60)
session.starttls(context=context)
session.ehlo()
assert session.esmtp_features["auth"].split()[0] == "SCRAM-SHA-256", session.esmtp_features
try:
    session.auth("SCRAM-SHA-256", Scram("wrong password"))
    raise SystemExit("a wrong password was taken")
except smtplib.SMTPAuthenticationError as error:
    assert error.smtp_code == 535, error
print(session.auth("SCRAM-SHA-256", Scram(password)))
session.sendmail(user, to, "From: " + user + "\r\nSubject: by SCRAM\r\n\r\nHello\r\n")
session.quit()
"#;

fn scram(lab: &Lab, to: SocketAddr) {
    let mut command = Command::new(program("python3"));
    command
        .args(["-I", "-c", SCRAM])
        .args([to.ip().to_string(), to.port().to_string()])
        .args([ANN, Webmail::PASSWORD, BOB]);
    let output = command.output().unwrap();
    let said = output.stderr.escape_ascii();
    assert!(output.status.success(), "{said}");
    eventually(SHORT, "it is there", || {
        let stored = lab.onprem.mailbox(BOB);
        (!stored.is_empty()).then_some(())
    });
}

fn no_password_is_logged(tideover: &Tideover) {
    let log = tideover.log();
    assert!(log.contains("submission: login"), "{log}");
    assert!(
        !log.contains("wrong password") && !log.contains(Webmail::PASSWORD),
        "{log}"
    );
    // PLAIN is base64: "correct horse battery" and what stands in front of it.
    assert!(!log.contains("AGFubkBleGFtcGxlLm9yZwBj"), "{log}");
}

fn all_have_arrived(lab: &Lab) {
    let stored = eventually(SHORT, "all four are there", || {
        let stored = lab.cloud.mailbox(DEE);
        (stored.len() == 4).then_some(stored)
    });
    for one in stored {
        // swaks writes neither.
        let id = one.header("message-id").unwrap();
        assert!(id.ends_with("@mx.example.org>"), "{id}");
        assert!(one.header("date").is_some());
        let received = one.headers("received");
        assert!(
            received.iter().any(|it| it.contains("with ESMTPSA")),
            "{received:?}"
        );
    }
}

/// The ledger says how it came, and who handed it in.
fn is_written_down(tideover: &Tideover, id: &str) {
    let trace = tideover.json(&["trace", id]);
    let peer = &trace["messages"][0]["peer"];
    assert_eq!(peer["user"], ANN, "{trace}");
    assert_eq!(peer["protocol"], "ESMTPSA", "{trace}");
}
