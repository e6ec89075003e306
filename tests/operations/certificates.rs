use std::fs;

use crate::book::Book;
use crate::machine::{Machine, on_a_machine};
use crate::platform::Platform;

#[test]
fn runbook() {
    on_a_machine("certificates::runbook", |machine| {
        let (_onprem, _cloud) = (Platform::onprem(), Platform::cloud());
        machine.install_with(|config| {
            make_pair(
                machine,
                "/etc/tideover/fullchain.pem",
                "/etc/tideover/privkey.pem",
            );
            machine.must("chmod 644 /etc/tideover/privkey.pem");
            let named = config
                .replacen("# certificate = \"/etc", "certificate = \"/etc", 1)
                .replacen("# key = \"/etc", "key = \"/etc", 1);
            assert_ne!(config, named);
            named
        });
        make_pair(machine, "new.crt", "new.key");
        let mut book = Book::open(machine, "certificates.md");
        book.means("DIGEST", &digest(machine, "cat new.crt"));
        book.means("mail.example.org:25", "127.0.0.1:2525");
        book.until("install -m 644");
        let old = digest(machine, "cat /etc/tideover/fullchain.pem");
        assert_eq!(digest(machine, SHOWN), old, "half of a pair is not used");
        book.finish();
        let new = fs::read_to_string("/etc/tideover/fullchain.pem").unwrap();
        assert_eq!(new, fs::read_to_string("new.crt").unwrap());
    });
}

/// What the door shows.
const SHOWN: &str = "echo QUIT | openssl s_client -starttls smtp -connect 127.0.0.1:2525";

fn make_pair(machine: &Machine, certificate: &str, key: &str) {
    machine.must(&format!(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 90 \
         -subj /CN=mx.example.org -keyout {key} -out {certificate}"
    ));
}

fn digest(machine: &Machine, certificate: &str) -> String {
    machine
        .must(&format!(
            "{certificate} 2> /dev/null | openssl x509 -noout -pubkey | sha256sum"
        ))
        .trim()
        .to_owned()
}
