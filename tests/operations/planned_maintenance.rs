use crate::book::Book;
use crate::machine::on_a_machine;
use crate::platform::Platform;

#[test]
fn runbook() {
    on_a_machine("planned_maintenance::runbook", |machine| {
        let _cloud = Platform::cloud();
        let mut onprem = Platform::onprem();
        machine.install();
        machine.wait_for_health("onprem", "up");
        let mut book = Book::open(machine, "planned-maintenance.md");
        machine.mail("ann@example.org", "before");
        book.until("webmail on");
        onprem.wait_for("ann@example.org", "before");
        machine.mail("ann@example.org", "during the drain");
        book.until("backend probe");
        onprem.stop();
        machine.mail("carol@example.org", "while it is off");
        assert_eq!(onprem.has("ann@example.org", "during the drain"), 0);
        onprem.start();
        book.until("tideover check");
        onprem.wait_for("ann@example.org", "during the drain");
        onprem.wait_for("carol@example.org", "while it is off");
        book.finish();
    });
}
