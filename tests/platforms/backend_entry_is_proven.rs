//! How a backend is entered, with Postfix as the judge: what it proves, what we prove, how we log
//! in; and what it makes of large messages and of the wish to be told of success.

use std::fs;
use std::path::Path;

use crate::harness::{Client, LONG, Lab, Settings, Tideover, eventually};

const EVE: &str = "eve@sender.example";
const ANN: &str = "ann@example.org";

/// Tideover with these lines in `[backend.onprem]`.
fn entered(lab: &Lab, onprem: String) -> Tideover {
    lab.tideover_with(Settings {
        onprem,
        ..lab.settings()
    })
}

/// A message for Ann arrives.
fn arrives(lab: &Lab, tideover: &Tideover, id: &str) {
    let message = format!("Message-ID: <{id}>\r\n\r\nbody\r\n");
    Client::connect(tideover.smtp()).send(EVE, &[ANN], message.as_bytes());
    lab.onprem.wait_for(ANN, &format!("<{id}>"));
}

/// Nothing gets in, and `backend show` says why.
fn stays_out(mut tideover: Tideover, why: &str) {
    tideover.wait_health("onprem", "down");
    let shown = tideover.json(&["backend", "show", "onprem"]).to_string();
    assert!(shown.contains(why), "{why}: {shown}");
    tideover.stop();
}

#[test]
fn a_certificate_is_good_for_a_name_or_has_a_pinned_key() {
    let lab = Lab::new();
    let certificate = lab.onprem.certificate();
    let verified = |more: &str| {
        let file = certificate.display();
        format!("tls = \"verified\"\ntls_authorities = \"{file}\"\n{more}")
    };
    let mut tideover = entered(&lab, verified("tls_name = \"onprem.example\""));
    arrives(&lab, &tideover, "by-name@sender.example");
    let shown = tideover.json(&["backend", "show", "onprem"]).to_string();
    assert!(shown.contains("must be good for onprem.example"), "{shown}");
    tideover.stop();
    // Without a name it is that of the host, here an address.
    let mut tideover = entered(&lab, verified(""));
    arrives(&lab, &tideover, "by-address@sender.example");
    tideover.stop();
    let wrong = verified("tls_name = \"other.example\"");
    stays_out(entered(&lab, wrong), "must be good for other.example");

    let key = public_key_digest(&certificate);
    let pinned = |key: &str| format!("tls = \"verified\"\ntls_keys = [\"{key}\"]");
    let mut tideover = entered(&lab, pinned(&key));
    arrives(&lab, &tideover, "by-key@sender.example");
    tideover.stop();
    let wrong = pinned(&format!("sha256:{}", "0".repeat(64)));
    // The refusal names the key that is there, as the config wants it.
    stays_out(entered(&lab, wrong), &key);
}

/// As the page for operators tells to get it.
fn public_key_digest(certificate: &Path) -> String {
    let pipeline = "openssl x509 -noout -pubkey | openssl pkey -pubin -outform DER | \
                    openssl dgst -sha256 -r";
    let output = std::process::Command::new("sh")
        .args(["-c", pipeline])
        .stdin(fs::File::open(certificate).unwrap())
        .output()
        .unwrap();
    let digest = String::from_utf8(output.stdout).unwrap();
    format!("sha256:{}", digest.split(' ').next().unwrap())
}

#[test]
fn a_client_certificate_opens_a_door_that_asks_for_one() {
    let mut lab = Lab::new();
    let made = rcgen::generate_simple_self_signed(vec!["mx.example.org".to_owned()]).unwrap();
    let certificate = lab.file("client.pem", made.cert.pem().as_bytes());
    let key = lab.file("client.key", made.signing_key.serialize_pem().as_bytes());
    lab.onprem.reconfigure(&format!(
        "smtpd_tls_security_level = encrypt\nsmtpd_tls_req_ccert = yes\nsmtpd_tls_CAfile = {}",
        certificate.display()
    ));
    stays_out(entered(&lab, "tls = \"required\"".to_owned()), "EHLO");
    let tideover = entered(
        &lab,
        format!(
            "tls = \"required\"\nclient_certificate = \"{}\"\nclient_key = \"{}\"",
            certificate.display(),
            key.display()
        ),
    );
    arrives(&lab, &tideover, "shown@sender.example");
}

#[test]
fn logins_work_with_each_mechanism() {
    let mut lab = Lab::new();
    let sasl = lab.onprem.sasl();
    lab.onprem.reconfigure(&format!(
        "smtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = dovecot\nsmtpd_sasl_path = inet:{sasl}\n\
         smtpd_tls_auth_only = yes\nsmtpd_relay_restrictions = permit_sasl_authenticated, reject"
    ));
    let password = lab.file("password", b"secret\n");
    let login = |more: &str| {
        let file = password.display();
        format!("tls = \"required\"\nusername = \"{ANN}\"\npassword_file = \"{file}\"\n{more}")
    };
    for (auth, mechanism) in [
        ("", "SCRAM-SHA-256"),
        ("auth = \"plain\"", "PLAIN"),
        ("auth = \"login\"", "LOGIN"),
    ] {
        let mut tideover = entered(&lab, login(auth));
        arrives(&lab, &tideover, &format!("{mechanism}@sender.example"));
        tideover.stop();
        let said = format!("sasl_method={mechanism}, sasl_username={ANN}");
        assert!(lab.onprem.log().contains(&said), "{said}");
    }
    fs::write(&password, "wrong").unwrap();
    stays_out(entered(&lab, login("")), "AUTH");
}

#[test]
fn large_messages_come_in_one_chunk_and_unchanged() {
    let lab = Lab::new();
    let tideover = lab.tideover();
    let line = b".dots and \xc3\xa4 in a long message\r\n..\r\n";
    let mut message = b"Message-ID: <large@sender.example>\r\n\r\n".to_vec();
    message.extend(line.repeat(10_000));
    Client::connect(tideover.smtp()).send(EVE, &[ANN], &message);
    let stored = lab.onprem.wait_for(ANN, "<large@sender.example>");
    assert!(stored.bytes().ends_with(&line.repeat(10_000)));
    // Postfix counts its commands when the connection ends.
    eventually(LONG, "Postfix counts a BDAT", || {
        let log = lab.onprem.log();
        log.contains(" bdat=1").then_some(())
    });
}

/// RFC 3461 §5.2.2: Postfix offers DSN, so it gets the wish and reports itself.
#[test]
fn the_wish_to_be_told_of_success_is_passed_on() {
    let lab = Lab::new();
    let tideover = lab.tideover();
    let mut client = Client::connect(tideover.smtp());
    let mail = "MAIL FROM:<bob@example.org> RET=HDRS ENVID=QQ314159";
    client.command(mail).assert_is(250, "2.1.0");
    let rcpt = "RCPT TO:<ann@example.org> NOTIFY=SUCCESS ORCPT=rfc822;ann@example.org";
    client.command(rcpt).assert_is(250, "2.1.5");
    client.command("DATA").assert_is(354, "");
    let end = client.command("Message-ID: <told@sender.example>\r\n\r\nbody\r\n.");
    end.assert_is(250, "2.0.0");
    lab.onprem.wait_for(ANN, "<told@sender.example>");
    eventually(LONG, "Bob is told once", || {
        let told = lab.onprem.mailbox("bob@example.org");
        let text = std::str::from_utf8(told.first()?.bytes()).unwrap();
        assert_eq!(told.len(), 1);
        assert!(text.contains("Original-Envelope-Id: QQ314159"), "{text}");
        assert!(text.contains("Action: relayed"), "{text}");
        Some(())
    });
}
