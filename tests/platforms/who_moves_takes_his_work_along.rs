//! Somebody's platform is away when his work is to be carried, and he moves to the other one: his
//! work goes where his mailbox is, and nobody else waits for him.

use std::fs;

use crate::harness::{Lab, SHORT, Tideover, Webmail, eventually};

const ANN: &str = "ann@example.org";
/// At home on `cloud`.
const DEE: &str = "dee@example.org";

fn sent(folder: &std::path::Path) -> usize {
    let parts = ["new", "cur"].map(|part| fs::read_dir(folder.join(".Sent").join(part)));
    parts.into_iter().flatten().map(Iterator::count).sum()
}

fn write(tideover: &Tideover, who: &str) {
    let mut user = Webmail::enrol(tideover, who);
    user.write("send", ("far@sender.example", "Sent meanwhile"));
}

#[test]
fn it_is_carried_to_the_new_home() {
    let both = [ANN, DEE].map(str::to_owned);
    let mut lab = Lab::of(&both, &both);
    let mut settings = lab.settings();
    settings.web = "undo_send = \"0s\"".to_owned();
    let (onprem, cloud) = (lab.path("onprem-key"), lab.path("cloud-key"));
    for folder in [&onprem, &cloud] {
        fs::create_dir(folder).unwrap();
    }
    settings.more =
        lab.onprem.imap_section("onprem", &onprem) + &lab.cloud.imap_section("cloud", &cloud);
    let tideover = lab.tideover_with(settings);
    write(&tideover, ANN);
    write(&tideover, DEE);
    lab.onprem.kill();
    tideover.json(&["writeback", "start"]);
    let waits = eventually(SHORT, "it waits for the platform", || {
        let status = tideover.json(&["writeback", "status"]);
        status["waits_for"].is_array().then_some(status)
    });
    assert_eq!(waits["state"], "running", "{waits}");
    eventually(SHORT, "nobody else waits", || {
        (sent(&lab.cloud.maildir(DEE)) == 1).then_some(())
    });
    tideover.json(&[
        "directory",
        "set",
        ANN,
        "--home",
        "cloud",
        "--reason",
        "moved",
    ]);
    let ended = eventually(SHORT, "the write-back ends", || {
        let status = tideover.json(&["writeback", "status"]);
        (status["state"] == "done").then_some(status)
    });
    assert_eq!(ended["failed"], 0, "{ended}");
    assert_eq!(ended["carried"]["sent"], 2, "{ended}");
    assert!(ended["waits_for"].is_null(), "{ended}");
    assert_eq!(sent(&lab.cloud.maildir(ANN)), 1);
    assert_eq!(sent(&lab.onprem.maildir(ANN)), 0);
}
