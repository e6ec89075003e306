//! Clients that are known by their certificates, as swaks plays them: whose name is listed relays,
//! whose is one of many relays for a tenant of ours only, and all others are strangers.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::Value;

use crate::devices::swaks;
use crate::place::{Place, Program};
use crate::platform::Platform;
use crate::wait::eventually;

const OUTLOOK: &str = "mail.protection.outlook.com";

/// Somebody who signs.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    Authority { pem, issuer }
}

impl Authority {
    /// Writes `FILE.pem` and `FILE.key`.
    fn sign(&self, place: &Place, file: &str, host: &str) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![host.to_owned()]).unwrap();
        let made = params.signed_by(&key, &self.issuer).unwrap();
        std::fs::write(place.file(&format!("{file}.pem")), made.pem()).unwrap();
        std::fs::write(place.file(&format!("{file}.key")), key.serialize_pem()).unwrap();
    }
}

/// A message of whoever has this certificate, with these fields.
pub(crate) struct Sending<'a> {
    pub(crate) place: &'a Place,
    pub(crate) shows: Option<&'a str>,
    pub(crate) fields: &'a [&'a str],
}

impl Sending<'_> {
    pub(crate) fn to(&self, to: &str, subject: &str) -> Result<(), String> {
        let server = self.place.smtp.to_string();
        let subject = format!("Subject: {subject}");
        let mut arguments = vec!["--server", &server, "--tls", "--timeout", "60"];
        arguments.extend(["--from", "ann@example.org", "--to", to]);
        arguments.extend(["--header", "From: <ann@example.org>", "--header", &subject]);
        for field in self.fields {
            arguments.extend(["--add-header", field]);
        }
        let files = self.shows.map(|name| {
            let file = |end: &str| self.place.file(&format!("{name}.{end}"));
            ["pem", "key"].map(|end| file(end).display().to_string())
        });
        if let Some([certificate, key]) = &files {
            arguments.extend(["--tls-cert", certificate, "--tls-key", key]);
        }
        swaks(&arguments)
    }
}

pub(crate) fn configure(place: &Place, ours: &Platform, relay: &Platform) {
    place.configure(
        ours.address,
        &format!("[outbound]\nrelay = [\"{}\"]\n", relay.address),
    );
    let file = place.file("tideover.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let door = format!(
        "[[listener]]\nrole = \"relay\"\nclient_ca = \"partners.pem\"\n\
         allow_names = [\"gw.partner.example\", \"{OUTLOOK}\"]\ntenants = [\"example.org\"]\n"
    );
    std::fs::write(&file, text.replace("[[listener]]\n", &door)).unwrap();
}

pub(crate) const DENIED: &str =
    "550 5.7.1 Relaying denied: this server takes no mail for that domain";
const NO_TENANT: &str = "550 5.7.1 Through this certificate only tenants of ours may relay, and \
    X-OriginatorOrg names none";

#[test]
fn who_has_the_certificate_relays_and_nobody_else() {
    let (ours, outside) = (Platform::start(), Platform::start());
    let place = Place::new(ours.address, "");
    let (known, other) = (authority(), authority());
    std::fs::write(place.file("partners.pem"), &known.pem).unwrap();
    configure(&place, &ours, &outside);
    known.sign(&place, "gateway", "gw.partner.example");
    known.sign(&place, "unlisted", "mx.partner.example");
    known.sign(&place, "outlook", OUTLOOK);
    other.sign(&place, "forged", "gw.partner.example");
    let told = place.verb(&["check"]);
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(
        told.contains("clients are known by authorities of"),
        "{told}"
    );
    let program = place.start();
    let by = |shows| Sending {
        place: &place,
        shows,
        fields: &[],
    };
    let arrived = |platform: &Platform, subject: &str| {
        eventually(subject, || {
            let all = platform.subjects();
            all.contains(&subject.to_owned()).then_some(())
        });
    };
    by(Some("gateway"))
        .to("tax@office.example", "by name")
        .unwrap();
    arrived(&outside, "by name");
    for shows in [None, Some("unlisted"), Some("forged"), Some("outlook")] {
        // To us everybody may send.
        by(shows).to("bert@example.org", "to us").unwrap();
        let expected = if shows == Some("outlook") {
            NO_TENANT
        } else {
            DENIED
        };
        let refused = by(shows).to("tax@office.example", "refused").unwrap_err();
        assert_eq!(refused, expected, "{shows:?}");
    }
    let tenant = |field| Sending {
        place: &place,
        shows: Some("outlook"),
        fields: std::slice::from_ref(field),
    };
    let theirs = tenant(&"X-OriginatorOrg: evil.example");
    let refused = theirs.to("tax@office.example", "refused").unwrap_err();
    assert_eq!(refused, NO_TENANT);
    let own = tenant(&"X-OriginatorOrg: example.org");
    own.to("tax@office.example", "by tenant").unwrap();
    arrived(&outside, "by tenant");
    assert_eq!(outside.subjects(), ["by name", "by tenant"]);
    // What is not proven writes the field in vain.
    let forged = Sending {
        place: &place,
        shows: Some("forged"),
        fields: &["X-OriginatorOrg: example.org"],
    };
    assert_eq!(
        forged.to("tax@office.example", "refused").unwrap_err(),
        DENIED
    );
    names_are_told(&place, program);
}

/// The name stands in the trace line and in the ledger.
fn names_are_told(place: &Place, mut program: Program) {
    let trace = place.verb(&["trace", "tax@office.example", "--json"]);
    let trace: Value = serde_json::from_slice(&trace.stdout).unwrap();
    let mut names: Vec<_> = trace["messages"].as_array().unwrap().iter().collect();
    names.sort_by_key(|it| it["received"].to_string());
    let names: Vec<_> = names.iter().map(|it| &it["peer"]["certificate"]).collect();
    assert_eq!(names, ["gw.partner.example", OUTLOOK], "{trace}");
    place.line_with(&[" accepted ", "certificate=gw.partner.example"]);
    program.stop();
    let messages = trace["messages"].as_array().unwrap();
    for message in messages {
        let cat = place.verb(&["spool", "cat", message["id"].as_str().unwrap()]);
        let cat = String::from_utf8(cat.stdout).unwrap();
        let name = message["peer"]["certificate"].as_str().unwrap();
        let line = format!("(client certificate {name} verified)");
        assert!(cat.contains(&line), "{cat}");
    }
}

#[test]
fn authorities_are_read_again_when_they_change() {
    let (ours, outside) = (Platform::start(), Platform::start());
    let place = Place::new(ours.address, "");
    let (old, new) = (authority(), authority());
    std::fs::write(place.file("partners.pem"), &old.pem).unwrap();
    configure(&place, &ours, &outside);
    new.sign(&place, "gateway", "gw.partner.example");
    let mut program = place.start();
    let gateway = Sending {
        place: &place,
        shows: Some("gateway"),
        fields: &[],
    };
    assert_eq!(
        gateway.to("tax@office.example", "early").unwrap_err(),
        DENIED
    );
    std::fs::write(place.file("partners.pem"), "junk").unwrap();
    assert_eq!(
        gateway.to("tax@office.example", "early").unwrap_err(),
        DENIED
    );
    place.line_with(&["the authorities of clients stay as they are"]);
    std::fs::write(place.file("partners.pem"), &new.pem).unwrap();
    gateway.to("tax@office.example", "renewed").unwrap();
    program.stop();
}
