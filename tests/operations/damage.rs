use std::fs;

use crate::book::Book;
use crate::machine::{Machine, on_a_machine};
use crate::platform::Platform;
use crate::wait::{SHORT, eventually};

const SEGMENT: &str = "/var/lib/tideover/log/0000000001.seg";

#[test]
fn runbook() {
    on_a_machine("damage::runbook", |machine| {
        let _cloud = Platform::cloud();
        machine.install();
        machine.mail("ann@example.org", "whole");
        machine.mail("ann@example.org", "broken");
        machine.must("systemctl stop tideover");
        break_the_subject("broken");
        machine.must("systemctl start tideover");
        let onprem = Platform::onprem();
        eventually(SHORT, "the damage is found", || {
            is_found(machine).then_some(())
        });
        onprem.wait_for("ann@example.org", "whole");
        Book::open(machine, "damage.md").finish();
        let names = |folder: &str| -> Vec<String> {
            let files = fs::read_dir(folder).unwrap();
            files
                .map(|file| file.unwrap().file_name().into_string().unwrap())
                .collect()
        };
        let mut kept = names("kept");
        kept.sort();
        assert_eq!(kept.len(), 2, "{kept:?}");
        assert_eq!(kept[1], "verify.found");
        assert!(kept[0].ends_with(".damaged"), "{kept:?}");
        assert!(names("rescued").contains(&kept[0]), "{kept:?}");
        assert_eq!(names("out"), ["manifest.jsonl"], "nothing else waits");
    });
}

/// As a disk that has gone wrong would: the checksum does not fit any more.
fn break_the_subject(subject: &str) {
    let mut bytes = fs::read(SEGMENT).unwrap();
    let words = format!("Subject: {subject}\r\n");
    let at = bytes
        .windows(words.len())
        .position(|window| window == words.as_bytes())
        .unwrap();
    bytes[at] ^= 1;
    fs::write(SEGMENT, bytes).unwrap();
}

fn is_found(machine: &Machine) -> bool {
    let (code, said) = machine.says("tideover queue list --state held");
    code == 0 && said.contains("damaged")
}
