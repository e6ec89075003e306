//! Certificates of clients that their authority has revoked: an authority as openssl plays it, and
//! clients as swaks does.

use std::process::Command;

use serde_json::Value;

use crate::certified::{DENIED, Sending, configure};
use crate::place::Place;
use crate::platform::Platform;

/// What `openssl ca` has to know.
const SETTINGS: &str = "[ca]\ndefault_ca = own\n[own]\ndatabase = index.txt\nnew_certs_dir = .\n\
    certificate = partners.pem\nprivate_key = ca.key\nserial = serial\ncrlnumber = crlnumber\n\
    default_md = sha256\ndefault_days = 30\ndefault_crl_days = 7\npolicy = any\n\
    unique_subject = no\ncopy_extensions = copy\nx509_extensions = leaf\ncrl_extensions = list\n\
    [any]\ncommonName = supplied\n[leaf]\nextendedKeyUsage = clientAuth\n\
    [list]\nauthorityKeyIdentifier = keyid\n";
const EC: [&str; 5] = [
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
];

/// An authority in the folder of a place; its certificate is `partners.pem`.
struct Authority<'p>(&'p Place);

impl<'p> Authority<'p> {
    fn new(place: &'p Place) -> Self {
        let authority = Self(place);
        for (file, text) in [
            ("ca.cnf", SETTINGS),
            ("index.txt", ""),
            ("serial", "1000\n"),
            ("crlnumber", "1000\n"),
        ] {
            std::fs::write(place.file(file), text).unwrap();
        }
        let uses = "keyUsage=critical,keyCertSign,cRLSign";
        let mut made = vec!["req", "-x509"];
        made.extend(EC);
        made.extend(["-subj", "/O=Partner/CN=Partner CA", "-addext", uses]);
        made.extend(["-keyout", "ca.key", "-out", "partners.pem"]);
        authority.openssl(&made);
        authority
    }

    fn openssl(&self, arguments: &[&str]) {
        let mut command = Command::new("openssl");
        command.args(arguments).current_dir(self.0.file("."));
        let ran = command.output().unwrap();
        let told = String::from_utf8(ran.stderr).unwrap();
        assert!(ran.status.success(), "{arguments:?}: {told}");
    }

    fn ca(&self, arguments: &[&str]) {
        let all = [&["ca", "-config", "ca.cnf", "-batch"], arguments].concat();
        self.openssl(&all);
    }

    /// Writes `FILE.pem` and `FILE.key`, for the gateway.
    fn sign(&self, file: &str) {
        let name = |end: &str| format!("{file}.{end}");
        let (key, request, made) = (name("key"), name("csr"), name("pem"));
        let subject = format!("/CN={file}");
        let mut asked = vec!["req", "-new"];
        asked.extend(EC);
        asked.extend([
            "-subj",
            &subject,
            "-addext",
            "subjectAltName=DNS:gw.partner.example",
        ]);
        asked.extend(["-keyout", &key, "-out", &request]);
        self.openssl(&asked);
        self.ca(&["-notext", "-in", &request, "-out", &made]);
    }

    /// Writes the list, in one step.
    fn list(&self, more: &[&str]) {
        let all = [&["-gencrl", "-out", "new.crl"], more].concat();
        self.ca(&all);
        std::fs::rename(self.0.file("new.crl"), self.0.file("partners.crl")).unwrap();
    }
}

fn sends(place: &Place, shows: &str, subject: &str) -> Result<(), String> {
    let sending = Sending {
        place,
        shows: Some(shows),
        fields: &[],
    };
    sending.to("tax@office.example", subject)
}

#[test]
fn who_has_a_revoked_certificate_is_a_stranger_whatever_becomes_of_the_list() {
    let (ours, outside) = (Platform::start(), Platform::start());
    let place = Place::new(ours.address, "");
    let authority = Authority::new(&place);
    authority.sign("gateway");
    authority.sign("stolen");
    authority.list(&[]);
    configure(&place, &ours, &outside);
    let config = place.file("tideover.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let door = "client_ca = \"partners.pem\"\nclient_crl = [\"partners.crl\"]\n";
    let text = text.replace("client_ca = \"partners.pem\"\n", door);
    std::fs::write(&config, text).unwrap();
    let told = || {
        let told = String::from_utf8(place.verb(&["check"]).stdout).unwrap();
        told.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert!(
        told().contains("O=Partner, CN=Partner CA has revoked 0 ("),
        "{}",
        told()
    );
    let mut program = place.start();
    let both = |subject: &str, stolen: Result<(), String>| {
        assert_eq!(sends(&place, "gateway", subject), Ok(()), "{subject}");
        assert_eq!(sends(&place, "stolen", subject), stolen, "{subject}");
    };
    let denied = || Err(DENIED.to_owned());
    both("before", Ok(()));
    // The list is read when it changes.
    authority.ca(&["-revoke", "stolen.pem"]);
    authority.list(&[]);
    both("revoked", denied());
    // One that cannot be used changes nothing.
    std::fs::write(place.file("partners.crl"), "junk").unwrap();
    both("junk", denied());
    place.line_with(&[
        "the authorities of clients stay as they are",
        "partners.crl",
    ]);
    // DER, and ended long ago: it counts on, for both.
    let days = [
        "-crl_lastupdate",
        "20260101000000Z",
        "-crl_nextupdate",
        "20260108000000Z",
    ];
    authority.list(&days);
    let der = [
        "crl",
        "-in",
        "partners.crl",
        "-outform",
        "DER",
        "-out",
        "der.crl",
    ];
    authority.openssl(&der);
    std::fs::rename(place.file("der.crl"), place.file("partners.crl")).unwrap();
    both("ended", denied());
    is_told(&place, &told());
    program.stop();
}

/// An old list is told of, wherever one looks.
fn is_told(place: &Place, check: &str) {
    assert!(check.contains("has revoked, "), "{check}");
    assert!(check.contains("has ended on 2026-01-08"), "{check}");
    let listed = place.verb(&["tls", "certificates", "--json"]).stdout;
    let listed: Value = serde_json::from_slice(&listed).unwrap();
    let list = &listed["client_authorities"][0]["lists"][0];
    assert_eq!(list["issuer"], "O=Partner, CN=Partner CA", "{listed}");
    assert_eq!(list["revoked"], 1, "{listed}");
    let page = String::from_utf8(place.verb(&["tls", "certificates"]).stdout).unwrap();
    let words = page.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        words.contains("what was revoked since is not known"),
        "{page}"
    );
    let status = place.verb(&["status", "--json"]).stdout;
    let status = String::from_utf8(status).unwrap();
    assert!(status.contains("has revoked, "), "{status}");
}
