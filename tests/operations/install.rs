use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::book::Book;
use crate::machine::{PROGRAM, PROJECT, on_a_machine};
use crate::platform::Platform;

#[test]
fn runbook() {
    on_a_machine("install::runbook", |machine| {
        let (onprem, _cloud) = (Platform::onprem(), Platform::cloud());
        // The program has been built already, by who runs this test.
        machine.must("umount /usr/local/bin/tideover && rm /usr/local/bin/tideover");
        let cargo = format!(
            "#!/bin/sh\n[ \"$*\" = 'build --release' ] && \
             install -D {PROGRAM} target/release/tideover\n"
        );
        fs::write("/usr/local/sbin/cargo", cargo).unwrap();
        machine.must("chmod 755 /usr/local/sbin/cargo");
        symlink(Path::new(PROJECT).join("config"), "config").unwrap();
        let mut book = Book::open(machine, "install.md");
        book.until("tideover status");
        machine.is_there();
        let status = machine.json("status");
        book.means("UUID", status["spool"]["uuid"].as_str().unwrap());
        book.finish();
        machine.mail("ann@example.org", "the first one");
        onprem.wait_for("ann@example.org", "the first one");
        let pages = fs::read_dir("/usr/local/share/man/man1").unwrap().count();
        assert!(pages > 10, "{pages} manual pages");
        another_folder_is_refused(machine);
    });
}

/// What the uuid in the config is for.
fn another_folder_is_refused(machine: &crate::machine::Machine) {
    machine.must("systemctl stop tideover && mv /var/lib/tideover /var/lib/elsewhere");
    let (code, _) = machine.says("systemctl start tideover");
    assert_eq!(code, 1, "it ends before it is ready");
    machine.wait_until_it_is_gone();
    let (code, _) = machine.says("tideover status");
    assert_eq!(code, 3, "{}", machine.journal());
}
