use std::fs;

use crate::book::Book;
use crate::machine::on_a_machine;
use crate::platform::Platform;

#[test]
fn runbook() {
    on_a_machine("server_down::runbook", |machine| {
        let onprem = Platform::onprem();
        machine.install();
        let mut book = Book::open(machine, "server-down.md");
        machine.mail("ann@example.org", "before");
        machine.must("systemctl stop tideover");
        let file = "/etc/tideover/tideover.toml";
        let config = fs::read_to_string(file).unwrap();
        fs::write(
            file,
            config.replace("tls = \"starttls\"", "tls = \"maybe\""),
        )
        .unwrap();
        let (code, _) = machine.says("systemctl start tideover");
        assert_eq!(code, 1, "it ends before it is ready");
        machine.wait_until_it_is_gone();
        book.until("tideover check");
        book.only("tideover check");
        fs::write(file, config).unwrap();
        book.finish();
        onprem.wait_for("ann@example.org", "before");
    });
}
