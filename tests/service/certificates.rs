//! Several certificates, asked for by OpenSSL: who sees which, what a reload changes, and sessions
//! that go on.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::place::{Place, free_address};
use crate::platform::Platform;

fn openssl(arguments: &[&str]) -> String {
    let mut command = Command::new("openssl");
    command.args(arguments).stdin(Stdio::null());
    let output = command.output().expect("openssl can be run");
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    text(&output.stdout) + &text(&output.stderr)
}

/// Makes `NAME.pem` and `NAME.key` for these hosts.
fn make(place: &Place, name: &str, hosts: &str) {
    let file = |ending: &str| {
        place
            .file(&format!("{name}.{ending}"))
            .display()
            .to_string()
    };
    let (key, certificate) = (file("key"), file("pem"));
    let curve = "ec_paramgen_curve:prime256v1";
    let hosts = format!("subjectAltName={hosts}");
    let request = [
        "req", "-x509", "-newkey", "ec", "-pkeyopt", curve, "-nodes", "-days", "90",
    ];
    let files = [
        "-subj",
        "/CN=x",
        "-addext",
        &hosts,
        "-keyout",
        &key,
        "-out",
        &certificate,
    ];
    openssl(&[&request[..], &files[..]].concat());
    assert!(Path::new(&certificate).exists(), "{certificate}");
}

fn files(section: &str, name: &str) -> String {
    format!("{section}\ncertificate = \"{name}.pem\"\nkey = \"{name}.key\"\n")
}

/// The hosts of the certificate that is shown to who means `host`.
fn shown(at: SocketAddr, host: Option<&str>) -> String {
    let at = at.to_string();
    let mut arguments = vec![
        "s_client",
        "-starttls",
        "smtp",
        "-connect",
        &at,
        "-showcerts",
    ];
    match host {
        Some(host) => arguments.extend(["-servername", host]),
        None => arguments.push("-noservername"),
    }
    let said = openssl(&arguments);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("shown");
    std::fs::write(&file, &said).unwrap();
    let file = file.display().to_string();
    let names = openssl(&["x509", "-in", &file, "-noout", "-ext", "subjectAltName"]);
    let names = names.lines().find(|line| line.contains("DNS:"));
    names.unwrap_or(&said).trim().to_owned()
}

#[test]
fn each_host_has_its_certificate_and_a_reload_takes_others_over() {
    let platform = Platform::start();
    let first = files("[tls]", "first");
    let place = Place::new(platform.address, &first);
    make(&place, "first", "DNS:mx.example.org");
    make(
        &place,
        "second",
        "DNS:mx.example.net,DNS:*.mail.example.net",
    );
    let mut program = place.start();
    assert_eq!(
        shown(place.smtp, Some("mx.example.net")),
        "DNS:mx.example.org"
    );

    let second = files("[[tls.more]]", "second");
    place.configure(platform.address, &(first.clone() + &second));
    let told = place.verb(&["check"]);
    let told = String::from_utf8(told.stdout).unwrap();
    for line in [
        "first.pem is for mx.example.org, all others, until 20",
        "second.pem is for mx.example.net, *.mail.example.net, until 20",
    ] {
        assert!(told.contains(line), "{told}");
    }
    assert!(place.verb(&["reload"]).status.success());
    let others = "DNS:mx.example.net, DNS:*.mail.example.net";
    for (host, expected) in [
        (None, "DNS:mx.example.org"),
        (Some("mx.example.org"), "DNS:mx.example.org"),
        (Some("mx.example.net"), others),
        (Some("a.mail.example.net"), others),
        (Some("elsewhere.example"), "DNS:mx.example.org"),
    ] {
        assert_eq!(shown(place.smtp, host), expected, "{host:?}");
    }

    // A bad one is refused with all that came with it.
    std::fs::write(place.file("bad.pem"), "junk").unwrap();
    std::fs::write(place.file("bad.key"), "junk").unwrap();
    let bad = files("[[tls.more]]", "bad");
    place.configure(platform.address, &(first + &bad));
    assert!(!place.verb(&["reload"]).status.success());
    assert_eq!(shown(place.smtp, Some("mx.example.net")), others);
    program.stop();
}

#[test]
fn a_session_goes_on_at_another_listener() {
    let platform = Platform::start();
    let implicit = free_address();
    let listener = format!("[[listener]]\nbind = \"{implicit}\"\ntls = \"implicit\"\n");
    let place = Place::new(platform.address, &listener);
    let mut program = place.start();
    let session = place.file("session").display().to_string();
    let (starttls, implicit) = (place.smtp.to_string(), implicit.to_string());
    let name = ["-servername", "mx.example.org"];
    for version in ["-tls1_3", "-tls1_2"] {
        let at = [
            "s_client",
            "-starttls",
            "smtp",
            "-connect",
            &starttls,
            version,
        ];
        // The tickets of TLS 1.3 come with the first words after the handshake.
        let quit = ["-sess_out", &session, "-ign_eof"];
        let first = quitting(&[&at[..], &name[..], &quit[..]].concat());
        assert!(first.contains("New, TLSv1"), "{first}");
        let at = [
            "s_client", "-connect", &implicit, version, "-sess_in", &session,
        ];
        let again = quitting(&[&at[..], &name[..], &["-ign_eof"]].concat());
        assert!(again.contains("Reused, TLSv1"), "{version}: {again}");
        assert!(!again.contains("Early data was accepted"), "{again}");
    }
    program.stop();
}

/// Says QUIT, and goes on until the server has closed.
fn quitting(arguments: &[&str]) -> String {
    use std::io::Write as _;
    let mut command = Command::new("openssl");
    command.args(arguments).stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("openssl can be run");
    child.stdin.take().unwrap().write_all(b"QUIT\r\n").unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn senders_read_the_policy_of_a_domain_over_https() {
    let platform = Platform::start();
    let door = free_address();
    let served = |policy: &str| {
        let more = files("[[tls.more]]", "policy");
        let door = format!("[mta_sts]\nbind = \"{door}\"\n");
        let domain = format!(
            "[domain.\"example.net\"]\nhome = \"onprem\"\nunknown = \"relay\"\nmta_sts = {policy}\n"
        );
        files("[tls]", "first") + &more + &door + &domain
    };
    let place = Place::new(platform.address, &served("\"testing\""));
    make(&place, "first", "DNS:mx.example.org");
    make(&place, "policy", "DNS:mta-sts.example.net");
    let mut program = place.start();
    let read = |host: &str| {
        let to = format!("{host}:{}:127.0.0.1", door.port());
        let url = format!("https://{host}:{}/.well-known/mta-sts.txt", door.port());
        let mut command = Command::new("curl");
        command.args(["--silent", "--show-error", "--fail", "--cacert"]);
        command.arg(place.file("policy.pem"));
        let output = command.args(["--resolve", &to, &url]).output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat());
        (output.status.success(), said.unwrap())
    };
    let text = |mode: &str| {
        let mx = "mx: mx.example.org\r\nmax_age: 604800\r\n";
        (true, format!("version: STSv1\r\nmode: {mode}\r\n{mx}"))
    };
    assert_eq!(read("mta-sts.example.net"), text("testing"));
    let other = read("mta-sts.example.org");
    assert!(!other.0, "its certificate is for nobody there: {other:?}");

    let check = place.verb(&["check", "--json"]);
    let check = String::from_utf8(check.stdout).unwrap();
    assert!(!check.contains("senders that obey"), "{check}");
    place.configure(platform.address, &served("\"enforce\""));
    assert!(place.verb(&["reload"]).status.success());
    assert_eq!(read("mta-sts.example.net"), text("enforce"));
    let check = String::from_utf8(place.verb(&["check"]).stdout).unwrap();
    assert!(
        check.contains("_mta-sts.example.net TXT \"v=STSv1; id="),
        "{check}"
    );
    program.stop();
}
