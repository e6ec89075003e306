use crate::book::Book;
use crate::machine::on_a_machine;
use crate::platform::Platform;
use crate::sender;
use crate::wait::{SHORT, eventually};

const FILE: &str = "/var/lib/old-backup.tar";

#[test]
fn runbook() {
    on_a_machine("disk_full::runbook", |machine| {
        let onprem = Platform::onprem();
        let _cloud = Platform::cloud();
        // A little more than what `spool.min_free` keeps free.
        machine.must("mount -t tmpfs -o size=500m,mode=755 tmpfs /var/lib");
        machine.install();
        let mut book = Book::open(machine, "disk-full.md");
        book.means("FILE", FILE);
        machine.mail("ann@example.org", "before");
        machine.must(&format!("fallocate -l 300M {FILE}"));
        let door = crate::machine::loopback(2525);
        eventually(SHORT, "mail is refused", || {
            let reply = sender::send(door, "eve@example.net", "ann@example.org", "full");
            reply.starts_with("452 4.3.1").then_some(())
        });
        onprem.wait_for("ann@example.org", "before");
        book.finish();
        machine.mail("ann@example.org", "afterwards");
        onprem.wait_for("ann@example.org", "afterwards");
    });
}
