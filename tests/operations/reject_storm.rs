use std::fs;

use crate::book::Book;
use crate::machine::on_a_machine;
use crate::platform::Platform;
use crate::wait::{SHORT, eventually};

const DENIED: &str = "550 5.4.1 Recipient address rejected: Access denied";

#[test]
fn runbook() {
    on_a_machine("reject_storm::runbook", |machine| {
        let _cloud = Platform::cloud();
        let onprem = Platform::onprem();
        machine.install();
        machine.wait_for_health("onprem", "up");
        let mut book = Book::open(machine, "reject-storm.md");
        // Five addresses of two people would say nothing of the platform.
        let people = ["ann", "carol", "erin", "fay", "gil"];
        let file = "/etc/tideover/directory.csv";
        let directory = fs::read_to_string(file).unwrap();
        let more = people[2..].iter();
        let more = more.map(|name| format!("{name}@example.org,onprem,,,{name},mailbox,,\n"));
        fs::write(file, directory + &more.collect::<String>()).unwrap();
        machine.must("tideover reload");
        onprem.refuses(Some(DENIED));
        for name in people {
            machine.mail(&format!("{name}@example.org"), "storm");
        }
        machine.wait_for_health("onprem", "rejecting");
        machine.mail("carol@example.org", "meanwhile");
        book.means("CASEID", &the_case(machine));
        book.until("tideover backend list");
        onprem.refuses(None);
        book.until("backend hold");
        for name in people {
            onprem.wait_for(&format!("{name}@example.org"), "storm");
        }
        onprem.wait_for("carol@example.org", "meanwhile");
        book.until("tideover cases");
        onprem.refuses(Some("550 5.1.1 User unknown"));
        machine.mail("ann@example.org", "to somebody who left");
        book.means("OTHERID", &the_case(machine));
        book.until("tideover cases --final");
        onprem.refuses(None);
        assert_eq!(onprem.has("ann@example.org", "to somebody who left"), 0);
        book.finish();
    });
}

/// The name of the only case there is.
fn the_case(machine: &crate::machine::Machine) -> String {
    eventually(SHORT, "there is a case", || {
        let cases = machine.json("cases");
        Some(cases.as_array()?.first()?["id"].as_str()?.to_owned())
    })
}
