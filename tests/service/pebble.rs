//! Pebble, the authority for tests of ACME's makers, with name servers of its own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tempfile::TempDir;

use crate::place::{Program, free_address};
use crate::wait::eventually;

/// The authority; it and its name server end with it.
pub(crate) struct Pebble {
    folder: TempDir,
    address: SocketAddr,
    management: SocketAddr,
    names: SocketAddr,
    /// Where it looks whether a host belongs to who says so.
    pub(crate) answers: SocketAddr,
    _authority: Program,
    _name_server: Program,
}

impl Pebble {
    /// One whose certificates are good for so many seconds, in a world in which all hosts have this
    /// address.
    pub(crate) fn start(seconds: u64, hosts_at: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [address, management, resolver, names, answers] = [(); 5].map(|()| free_address());
        certify(&folder);
        let file = |name: &str| folder.path().join(name).display().to_string();
        let (certificate, key) = (file("server.pem"), file("server.key"));
        let config = serde_json::json!({"pebble": {
            "listenAddress": address,
            "managementListenAddress": management,
            "certificate": certificate,
            "privateKey": key,
            "httpPort": answers.port(),
            "tlsPort": 1,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": false,
            "certificateValidityPeriod": seconds,
        }});
        std::fs::write(file("config.json"), config.to_string()).unwrap();
        let mut name_server = Command::new("pebble-challtestsrv");
        let (resolver, management_of_names) = (resolver.to_string(), names.to_string());
        name_server.args(["-dns01", &resolver, "-management", &management_of_names]);
        name_server.args(["-defaultIPv4", hosts_at, "-defaultIPv6", ""]);
        name_server.args(["-http01", "", "-https01", "", "-tlsalpn01", ""]);
        let name_server = quiet(name_server);
        let mut authority = Command::new("pebble");
        authority.args(["-config", &file("config.json"), "-dnsserver", &resolver]);
        // It looks at once, looks each time, and refuses a good nonce now and then, as others do:
        // three in a row end an order, and the next one comes minutes later.
        authority.env("PEBBLE_VA_NOSLEEP", "1");
        authority.env("PEBBLE_AUTHZREUSE", "0");
        authority.env("PEBBLE_WFE_NONCEREJECT", "2");
        let authority = quiet(authority);
        let pebble = Self {
            folder,
            address,
            management,
            names,
            answers,
            _authority: authority,
            _name_server: name_server,
        };
        eventually("pebble answers", || pebble.ask(&pebble.directory()));
        pebble
    }

    pub(crate) fn directory(&self) -> String {
        format!("https://{}/dir", self.address)
    }

    /// The section of the config that orders there.
    pub(crate) fn section(&self, hosts: &str, more: &str) -> String {
        let (directory, authorities) = (self.directory(), self.folder.path().join("ca.pem"));
        format!(
            "[acme]\nbind = \"{}\"\nagree_to_terms = true\ndirectory = \"{directory}\"\n\
             authorities = \"{}\"\nhosts = [{hosts}]\n{more}\n",
            self.answers,
            authorities.display()
        )
    }

    /// The root of its certificates.
    pub(crate) fn root(&self) -> String {
        let address = format!("https://{}/roots/0", self.management);
        self.ask(&address).expect("pebble shows its root")
    }

    /// All hosts have this address from now on.
    pub(crate) fn move_hosts(&self, to: &str) {
        let mut curl = Command::new("curl");
        let address = format!("http://{}/set-default-ipv4", self.names);
        let said = format!("{{\"ip\": \"{to}\"}}");
        curl.args(["--silent", "--fail", "--data", &said, &address]);
        assert!(curl.status().unwrap().success());
    }

    fn ask(&self, address: &str) -> Option<String> {
        let mut curl = Command::new("curl");
        let authorities = self.folder.path().join("ca.pem").display().to_string();
        curl.args(["--silent", "--fail", "--cacert", &authorities, address]);
        let output = curl.output().expect("curl is installed: tests/run does it");
        let text = String::from_utf8(output.stdout).unwrap();
        output.status.success().then_some(text)
    }
}

fn quiet(mut command: Command) -> Program {
    let is_there = Path::new("/usr/bin/pebble").exists();
    assert!(
        is_there,
        "pebble is missing: apt-get install pebble, or tests/run"
    );
    command.stdout(Stdio::null()).stderr(Stdio::null());
    Program::start(command)
}

/// Its own certificate, by an authority of its own.
fn certify(folder: &TempDir) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // Whose issuer has its own name has signed itself, to some.
    let name = rcgen::DnType::CommonName;
    params.distinguished_name.push(name, "an authority");
    let key = KeyPair::generate().unwrap();
    let root = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let own = KeyPair::generate().unwrap();
    let server = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let server = server.signed_by(&own, &issuer).unwrap().pem();
    for (name, text) in [
        ("ca.pem", root),
        ("server.pem", server),
        ("server.key", own.serialize_pem()),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
}
