use std::fs;

use crate::book::Book;
use crate::machine::on_a_machine;
use crate::platform::Platform;

#[test]
fn runbook() {
    on_a_machine("domain_move::runbook", |machine| {
        let (onprem, cloud) = (Platform::onprem(), Platform::cloud());
        machine.install();
        let mut book = Book::open(machine, "domain-move.md");
        book.means("2026-11-20 18:00", &machine.an_hour_ago());
        book.means("GENERATION", "1");
        book.until("move status");
        machine.mail("ann@example.org", "on the way");
        machine.mail("bob@example.org", "on the way");
        let before = fs::read_to_string("/etc/tideover/directory.csv").unwrap();
        let after = before.replace(",onprem,", ",cloud,");
        assert_ne!(before, after);
        fs::write("people.csv", after).unwrap();
        book.until("move finish");
        assert_eq!(cloud.has("bob@tenant.example", "on the way"), 0);
        book.finish();
        cloud.wait_for("ann@tenant.example", "on the way");
        cloud.wait_for("bob@tenant.example", "on the way");
        assert_eq!(onprem.has("ann@example.org", "on the way"), 0);
    });
}
