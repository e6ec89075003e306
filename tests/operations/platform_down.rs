use crate::book::Book;
use crate::machine::on_a_machine;
use crate::platform::Platform;

#[test]
fn runbook() {
    on_a_machine("platform_down::runbook", |machine| {
        let _cloud = Platform::cloud();
        machine.install();
        let mut book = Book::open(machine, "platform-down.md");
        book.means("2026-11-20 18:00", &machine.an_hour_ago());
        machine.mail("ann@example.org", "lunch");
        machine.wait_for_health("onprem", "down");
        book.until("tideover backend list");
        let onprem = Platform::onprem();
        book.finish();
        onprem.wait_for("ann@example.org", "lunch");
    });
}
