use std::fs;
use std::path::Path;

use crate::book::Book;
use crate::machine::on_a_machine;
use crate::platform::Platform;

#[test]
fn runbook() {
    on_a_machine("leaving::runbook", |machine| {
        let (onprem, _cloud) = (Platform::onprem(), Platform::cloud());
        machine.install();
        let directory = "/etc/tideover/directory.csv";
        let moved = fs::read_to_string(directory).unwrap();
        fs::write(directory, moved.replace(",cloud,", ",onprem,")).unwrap();
        machine.must("tideover reload");
        let book = {
            let mut book = Book::open(machine, "leaving.md");
            book.means("2026-01-01 00:00", &machine.an_hour_ago());
            book
        };
        machine.mail("ann@example.org", "the last one");
        book.finish();
        onprem.wait_for("ann@example.org", "the last one");
        let table = fs::read_to_string("closing.csv").unwrap();
        assert!(table.contains("ann@example.org"), "{table}");
        for gone in ["/var/lib/tideover", "/etc/tideover"] {
            assert!(!Path::new(gone).exists(), "{gone}");
        }
    });
}
