use std::fs;
use std::path::Path;

use crate::book::Book;
use crate::dovecot::{Dovecot, Ports};
use crate::machine::on_a_machine;
use crate::platform::Platform;
use crate::wait::{SHORT, eventually};

const LMTP: u16 = 2601;
const IMAP: u16 = 2603;

#[test]
fn runbook() {
    on_a_machine("store_restored::runbook", |machine| {
        let _cloud = Platform::cloud();
        let folder = Path::new("/var/lib/store");
        fs::create_dir(folder).unwrap();
        let ports = Ports {
            lmtp: LMTP,
            imap: IMAP,
            sasl: 2604,
        };
        let mut store = Dovecot::new(folder, "127.0.0.1", &ports);
        store.start();
        machine.install_with(with_store);
        machine.wait_for_health("onprem", "up");
        let begin = machine.now();
        for who in ["ann", "carol"] {
            machine.mail(&format!("{who}@example.org"), "before the restore");
            eventually(SHORT, "it is stored", || (stored(who) == 1).then_some(()));
        }
        store.stop();
        fs::remove_dir_all("/var/lib/store/mail/example.org").unwrap();
        store.start();
        machine.wait_for_health("onprem", "up");
        let mut book = Book::open(machine, "store-restored.md");
        book.means("2026-11-17 02:00", &begin);
        book.means("2026-11-18 09:30", &machine.now());
        book.until("--missing-only");
        assert_eq!((stored("ann"), stored("carol")), (1, 1));
        fs::remove_dir_all("/var/lib/store/mail/example.org/ann").unwrap();
        book.finish();
        assert_eq!((stored("ann"), stored("carol")), (1, 1));
    });
}

/// `onprem` is a mailbox store that can be asked.
fn with_store(config: &str) -> String {
    fs::write("/etc/tideover/imap.password", "key\n").unwrap();
    let host = "hosts = [\"127.0.0.1:2601\"]         # in order of preference\n";
    assert!(config.contains(host));
    let smtp = "protocol = \"smtp\"                  # smtp | lmtp\n";
    assert!(config.contains(smtp));
    config.replace(smtp, "protocol = \"lmtp\"\n")
        + &format!(
            "\n[backend.onprem.imap]\nurl = \"imap://127.0.0.1:{IMAP}\"\nstarttls = false\n\
             login = \"%u*tideover\"\npassword_file = \"imap.password\"\n"
        )
}

/// How many messages there are in the inbox of a user.
fn stored(who: &str) -> usize {
    let inbox = format!("/var/lib/store/mail/example.org/{who}/Maildir");
    ["new", "cur"]
        .iter()
        .filter_map(|part| fs::read_dir(Path::new(&inbox).join(part)).ok())
        .map(Iterator::count)
        .sum()
}
