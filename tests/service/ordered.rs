//! Certificates that an authority makes: ordered, shown without a restart, renewed; and an order
//! that is refused, which harms nothing. Pebble looks whether the hosts are ours, as others do.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::pebble::Pebble;
use crate::place::Place;
use crate::platform::Platform;
use crate::wait::eventually;

const MX: &str = "\"mx.example.org\", \"mta-sts.example.org\"";

fn openssl(arguments: &[&str]) -> String {
    let mut command = Command::new("openssl");
    let output = command.args(arguments).stdin(Stdio::null()).output();
    String::from_utf8(output.unwrap().stdout).unwrap()
}

/// What a client sees that believes this root: the whole talk.
fn shown(place: &Place, root: &str) -> String {
    std::fs::write(place.file("root.pem"), root).unwrap();
    let root = place.file("root.pem").display().to_string();
    let at = place.smtp.to_string();
    openssl(&[
        "s_client",
        "-starttls",
        "smtp",
        "-connect",
        &at,
        "-CAfile",
        &root,
        "-servername",
        "mx.example.org",
        "-verify_hostname",
        "mx.example.org",
    ])
}

fn is_good(talk: &str) -> bool {
    talk.contains("Verify return code: 0 (ok)")
}

fn serial(place: &Place) -> String {
    let file = place
        .file("data/acme/certificate.pem")
        .display()
        .to_string();
    openssl(&["x509", "-in", &file, "-noout", "-serial"])
}

fn key(place: &Place) -> String {
    let file = place
        .file("data/acme/certificate.pem")
        .display()
        .to_string();
    openssl(&["pkey", "-in", &file, "-pubout"])
}

fn acme(place: &Place) -> Value {
    let output = place.verb(&["tls", "certificates", "--json"]);
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    all["acme"].clone()
}

fn text(place: &Place, verb: &[&str]) -> String {
    String::from_utf8(place.verb(verb).stdout).unwrap()
}

#[test]
fn a_certificate_is_ordered_shown_and_kept() {
    let pebble = Pebble::start(90 * 86_400, "127.0.0.1");
    let platform = Platform::start();
    let place = Place::new(platform.address, &pebble.section(MX, ""));
    let mut program = place.start();
    // Mail is taken from the first moment on.
    place
        .wait_for_greeting()
        .send("ann@example.org", "early")
        .unwrap();
    let root = pebble.root();
    eventually("its certificate is shown", || {
        is_good(&shown(&place, &root)).then_some(())
    });
    let made = acme(&place);
    assert_eq!(made["failures"], 0, "{made}");
    assert_eq!(made["hosts"].as_array().unwrap().len(), 2);
    assert!(made["ends"].as_str() > made["next"].as_str(), "{made}");
    for name in ["certificate.pem", "account.json", "orders.json"] {
        let file = place.file(&format!("data/acme/{name}"));
        let bits = file.metadata().unwrap().permissions().mode();
        assert_eq!(bits & 0o777, 0o600, "{name}");
    }
    place.line_with(&[
        "acme: a certificate was made",
        "mx.example.org,mta-sts.example.org",
    ]);
    let told = text(&place, &["check"]);
    assert!(told.contains("certificate by https://127.0.0.1"), "{told}");
    assert!(!told.contains("warning: "), "{told}");
    // Nobody but the authority is answered.
    let address = format!("http://{}/.well-known/acme-challenge/x", pebble.answers);
    let mut curl = Command::new("curl");
    curl.args([
        "--silent",
        "--output",
        "/dev/null",
        "--write-out",
        "%{http_code}",
        &address,
    ]);
    assert_eq!(curl.output().unwrap().stdout, b"404");
    // A restart orders nothing.
    let before = serial(&place);
    program.stop();
    let mut program = place.start();
    assert!(
        is_good(&shown(&place, &root)),
        "from the first handshake on"
    );
    assert_eq!(serial(&place), before);
    assert_eq!(acme(&place)["next"], made["next"]);
    // Other hosts do, with the same account.
    program.stop();
    let account = std::fs::read(place.file("data/acme/account.json")).unwrap();
    place.configure(
        platform.address,
        &pebble.section("\"mail.example.org\"", ""),
    );
    let mut program = place.start();
    eventually("another one is made", || {
        (serial(&place) != before).then_some(())
    });
    let talk = shown(&place, &root);
    assert!(talk.contains("mismatch"), "it is for another host: {talk}");
    let same = std::fs::read(place.file("data/acme/account.json")).unwrap();
    assert_eq!(same, account);
    program.stop();
}

#[test]
fn it_is_renewed_before_it_ends_and_its_key_may_stay() {
    let pebble = Pebble::start(24, "127.0.0.1");
    let platform = Platform::start();
    let place = Place::new(platform.address, &pebble.section(MX, "keep_key = true"));
    let mut program = place.start();
    let root = pebble.root();
    eventually("its certificate is shown", || {
        is_good(&shown(&place, &root)).then_some(())
    });
    let (first, kept) = (serial(&place), key(&place));
    eventually("it is renewed", || (serial(&place) != first).then_some(()));
    // The old one is good for some seconds more; nobody waits for a restart.
    assert!(is_good(&shown(&place, &root)));
    assert_eq!(key(&place), kept);
    assert_eq!(acme(&place)["failures"], 0);
    program.stop();
}

#[test]
fn a_refused_order_harms_nothing_is_told_and_is_tried_again() {
    // Hosts where nobody listens.
    let pebble = Pebble::start(90 * 86_400, "127.0.0.2");
    let platform = Platform::start();
    let place = Place::new(platform.address, &pebble.section("\"mx.example.org\"", ""));
    let mut program = place.start();
    let refused = eventually("it is refused", || {
        let acme = acme(&place);
        (acme["failures"] == 1).then_some(acme)
    });
    let what = refused["what"].as_str().unwrap();
    assert!(what.contains("mx.example.org: "), "{what}");
    assert!(refused["ends"].is_null() && refused["next"].as_str() > refused["tried"].as_str());
    place
        .wait_for_greeting()
        .send("ann@example.org", "still taken")
        .unwrap();
    let status = text(&place, &["status"]);
    assert!(
        status.contains("no certificate was made for mx.example.org"),
        "{status}"
    );
    let told = text(&place, &["check"]);
    assert!(
        told.contains("no certificate was made for mx.example.org (orders that failed: 1)"),
        "{told}"
    );
    place.line_with(&["acme: no certificate was made", "failures=1"]);
    // A restart does not try at once.
    program.stop();
    let mut program = place.start();
    assert_eq!(acme(&place)["tried"], refused["tried"]);
    // Somebody mends it, and says so.
    pebble.move_hosts("127.0.0.1");
    assert!(place.verb(&["reload"]).status.success());
    let root = pebble.root();
    eventually("its certificate is shown", || {
        is_good(&shown(&place, &root)).then_some(())
    });
    assert_eq!(acme(&place)["failures"], 0);
    let status = text(&place, &["status"]);
    assert!(!status.contains("no certificate was made"), "{status}");
    program.stop();
}
