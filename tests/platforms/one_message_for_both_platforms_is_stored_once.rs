//! One message, two homes: one body in the spool, one delivery to each.

use std::fs;
use std::path::Path;

use crate::harness::{Client, Lab};

const MARK: &[u8] = b"a-body-that-stands-once-in-the-spool";

#[test]
fn it_is_stored_once_and_delivered_once_to_each() {
    let lab = Lab::new();
    let tideover = lab.tideover();
    let head = b"Message-ID: <both@sender.example>\r\n\r\n";
    let message = [head.as_slice(), MARK, b"\r\n"].concat();
    let to = ["ann@example.org", "bob@example.org", "cy@example.org"];
    Client::connect(tideover.smtp()).send("eve@sender.example", &to, &message);
    tideover.wait_idle();

    for (platform, user) in [
        (&lab.onprem, "ann@example.org"),
        (&lab.onprem, "bob@example.org"),
        (&lab.cloud, "cy@tenant.example"),
    ] {
        let stored = platform.wait_for(user, "<both@sender.example>");
        stored.assert_is(&message, user);
        assert_eq!(platform.settled().mailbox(user).len(), 1, "{user}");
    }
    let trace = tideover.json(&["trace", "<both@sender.example>"]);
    assert_eq!(trace["messages"].as_array().unwrap().len(), 1, "{trace}");
    let recipients = trace["messages"][0]["recipients"].as_array().unwrap();
    assert_eq!(recipients.len(), 3, "{trace}");
    // Bodies stand uncompressed in live segments.
    assert_eq!(occurrences(&lab.settings().data_dir), 1);
}

fn occurrences(folder: &Path) -> usize {
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| {
            if path.is_dir() {
                return occurrences(&path);
            }
            // A socket cannot be read.
            let bytes = fs::read(&path).unwrap_or_default();
            bytes
                .windows(MARK.len())
                .filter(|found| *found == MARK)
                .count()
        })
        .sum()
}
