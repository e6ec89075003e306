//! What testssl.sh finds: old protocols, weak ciphers, known attacks. An authority of the test's
//! own vouches for the certificate.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::place::{Place, free_address};
use crate::platform::Platform;

/// What it finds that is no matter of this server.
const NOT_OURS: [&str; 4] = [
    // Nobody has a zone for mx.example.org that could say it.
    "DNS_CAArecord",
    // It knows no name for what an implicit listener speaks, and looks for nothing of HTTP there.
    "service",
    // Version 3.0 cannot try this in TLS 1.3: `certificates.rs` does.
    "sessionresumption_ticket",
    // What its own openssl lacks.
    "engine_problem",
];

fn openssl(folder: &Path, arguments: &str) {
    let mut command = Command::new("openssl");
    command.current_dir(folder).args(arguments.split(' '));
    let output = command.output().expect("openssl can be run");
    assert!(output.status.success(), "openssl {arguments}: {output:?}");
}

/// An authority, `ca.pem`, and a pair of it for `mx.example.org`.
fn make(folder: &Path) {
    let extensions = "subjectAltName=DNS:mx.example.org\nkeyUsage=critical,digitalSignature\n\
                      extendedKeyUsage=serverAuth\n\
                      crlDistributionPoints=URI:http://127.0.0.1:9/none.crl\n";
    std::fs::write(folder.join("extensions"), extensions).unwrap();
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
    openssl(
        folder,
        &format!("req -x509 {key} -days 90 -subj /CN=authority -keyout ca.key -out ca.pem"),
    );
    openssl(
        folder,
        &format!("req {key} -subj /CN=mx.example.org -keyout mx.key -out mx.csr"),
    );
    openssl(
        folder,
        "x509 -req -in mx.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 89 \
         -extfile extensions -out mx.pem",
    );
}

/// Begins to look at protocols, categories of ciphers, forward secrecy, the server's order, its
/// certificate and defaults; or also for known attacks.
fn begin(folder: &Path, name: &str, arguments: &str) -> (Child, PathBuf) {
    let found = folder.join(format!("{name}.json"));
    let mut command = Command::new("testssl");
    command.current_dir(folder);
    command.args(["--quiet", "--color", "0", "--warnings", "batch"]);
    command.args(["--add-ca", "ca.pem", "--ip", "127.0.0.1"]);
    command.args(["-p", "-s", "-f", "-P", "-S", "--severity", "LOW"]);
    command
        .arg("--jsonfile")
        .arg(&found)
        .args(arguments.split(' '));
    command.stdin(Stdio::null());
    let out = std::fs::File::create(folder.join(format!("{name}.txt"))).unwrap();
    command.stdout(out.try_clone().unwrap()).stderr(out);
    let child = command.spawn();
    let child = child.expect("testssl can be run: apt-get install testssl.sh, or tests/run");
    (child, found)
}

#[test]
fn testssl_finds_nothing() {
    let platform = Platform::start();
    let (implicit, admin) = (free_address(), free_address());
    let more = format!(
        "[[listener]]\nbind = \"{implicit}\"\ntls = \"implicit\"\n\
         [tls]\ncertificate = \"mx.pem\"\nkey = \"mx.key\"\n\
         [admin]\nbind = \"{admin}\"\ncertificate = \"mx.pem\"\nkey = \"mx.key\"\n\
         [limits]\nconnections_per_address = 200\n"
    );
    let place = Place::new(platform.address, &more);
    let folder = place.file("");
    make(&folder);
    let mut program = place.start();
    let looks = [
        (
            "starttls",
            format!("-t smtp mx.example.org:{}", place.smtp.port()),
        ),
        ("implicit", format!("-U mx.example.org:{}", implicit.port())),
        ("https", format!("mx.example.org:{}", admin.port())),
    ];
    let begun = looks.map(|(name, arguments)| (name, begin(&folder, name, &arguments)));
    for (name, (mut child, found)) in begun {
        child.wait().unwrap();
        let said = std::fs::read_to_string(folder.join(format!("{name}.txt"))).unwrap();
        // It looked: these are what it prints of a server that it could speak with.
        assert!(said.contains("TLS 1.3    offered (OK)"), "{name}: {said}");
        assert!(said.contains("TLS 1.1    not offered"), "{name}: {said}");
        let found = std::fs::read_to_string(found).unwrap();
        let found: Vec<Value> = serde_json::from_str(&found).unwrap();
        let ours = found.iter().filter(|finding| {
            let id = finding["id"].as_str().unwrap_or_default();
            !NOT_OURS.contains(&id)
        });
        let ours: Vec<_> = ours.collect();
        assert!(ours.is_empty(), "{name}: {ours:#?}\n{said}");
    }
    program.stop();
}
