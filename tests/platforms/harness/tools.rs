//! The Internet: clients that others wrote.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::packages::program;

const SMTPLIB: &str = r#"
import smtplib, ssl, sys
host, port, tls, sender, recipients, path = sys.argv[1:]
session = smtplib.SMTP(host, int(port), local_hostname="smtplib.example", timeout=60)
session.ehlo()
if tls == "starttls":
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    session.starttls(context=context)
    session.ehlo()
    print("TLS", session.sock.version())
refused = session.sendmail(sender, recipients.split(","), open(path, "rb").read())
assert not refused, refused
session.quit()
"#;

/// Whether a client uses STARTTLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Starttls {
    Yes,
    No,
}

/// Sends the message in `file` with Python's smtplib; panics unless all is accepted.
/// The TLS version that it negotiated is printed in the answer.
pub(crate) fn smtplib(
    to: SocketAddr,
    tls: Starttls,
    envelope: (&str, &[&str]),
    file: &Path,
) -> String {
    let mut command = Command::new(program("python3"));
    command
        .args(["-I", "-c", SMTPLIB])
        .arg(to.ip().to_string())
        .arg(to.port().to_string())
        .arg(if tls == Starttls::Yes {
            "starttls"
        } else {
            "plain"
        })
        .arg(envelope.0)
        .arg(envelope.1.join(","))
        .arg(file);
    run(command)
}

/// Sends a small message with swaks; panics unless it is accepted. Its transcript.
pub(crate) fn swaks(
    to: SocketAddr,
    tls: Starttls,
    envelope: (&str, &[&str]),
    message_id: &str,
) -> String {
    let mut command = Command::new(program("swaks"));
    command
        .args(["--server", &to.ip().to_string()])
        .args(["--port", &to.port().to_string()])
        .args(["--helo", "swaks.example", "--from", envelope.0])
        .args(["--to", &envelope.1.join(",")])
        .args([
            "--data",
            &format!("Message-ID: {message_id}\\n\\nsent by swaks\\n.a dot\\n"),
        ]);
    if tls == Starttls::Yes {
        command.arg("--tls");
    }
    run(command)
}

fn run(mut command: Command) -> String {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{command:?}\n{out}\n{err}");
    out
}
