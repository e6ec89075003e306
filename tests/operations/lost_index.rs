use crate::book::Book;
use crate::machine::on_a_machine;
use crate::platform::Platform;

#[test]
fn runbook() {
    on_a_machine("lost_index::runbook", |machine| {
        machine.install();
        let subjects = ["one", "two", "three"];
        for subject in subjects {
            machine.mail("ann@example.org", subject);
        }
        machine.wait_for_health("onprem", "down");
        machine.wait_for_health("cloud", "down");
        Book::open(machine, "lost-index.md").finish();
        machine.must("systemctl stop tideover && rm -r /var/lib/tideover/index");
        // Files of root would keep the server from starting.
        for verb in ["spool rebuild", "serve"] {
            let (code, said) = machine.says(&format!("tideover {verb}"));
            assert_eq!(code, 1, "{said}");
            assert!(said.contains("runuser -u tideover"), "{said}");
        }
        machine.must("systemctl start tideover");
        machine.is_there();
        let onprem = Platform::onprem();
        for subject in subjects {
            onprem.wait_for("ann@example.org", subject);
        }
    });
}
