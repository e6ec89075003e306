use std::fs;

use crate::book::Book;
use crate::machine::on_a_machine;
use crate::platform::Platform;

#[test]
fn runbook() {
    on_a_machine("wave_day::runbook", |machine| {
        let (onprem, cloud) = (Platform::onprem(), Platform::cloud());
        machine.install();
        machine.wait_for_health("onprem", "up");
        machine.wait_for_health("cloud", "up");
        let book = Book::open(machine, "wave-day.md");
        machine.mail("ann@example.org", "yesterday");
        onprem.wait_for("ann@example.org", "yesterday");
        fs::write(
            "first-floor.txt",
            "ann@example.org\ncarol@example.org  # new\n",
        )
        .unwrap();
        book.finish();
        cloud.wait_for("ann@tenant.example", "after the wave");
        onprem.wait_for("ann@example.org", "after the wave");
        onprem.wait_for("ann@example.org", "yesterday");
    });
}
