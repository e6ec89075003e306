//! SIGKILL to Tideover in the middle of everything.

use crate::harness::{Client, LONG, Lab, Load, Settings, Trap, Wire, eventually};

#[test]
fn what_was_acknowledged_arrives_and_what_came_twice_was_counted() {
    let lab = Lab::new();
    let mut tideover = lab.tideover();
    let load = Load::start(tideover.smtp(), &["ann@example.org", "cy@example.org"]);
    for _ in 0..3 {
        load.wait_for_more(100);
        tideover.kill();
        tideover.start_again();
    }
    load.wait_for_more(50);
    let sent = load.finish();
    tideover.wait_idle();
    let twice = sent.assert_arrived(&lab.onprem, "ann@example.org")
        + sent.assert_arrived(&lab.cloud, "cy@tenant.example");
    let uncertain = tideover.queue("uncertain");
    assert!(
        twice <= uncertain,
        "{twice} came twice, {uncertain} uncertain"
    );
}

#[test]
fn attempts_in_flight_at_a_frozen_platform_are_uncertain() {
    let lab = Lab::new();
    let mut tideover = lab.tideover();
    let load = Load::start(tideover.smtp(), &["ann@example.org"]);
    load.wait_for_more(50);
    // Sessions are open and mail flows when the platform freezes.
    eventually(LONG, "mail arrives", || {
        (lab.onprem.mailbox("ann@example.org").len() >= 20).then_some(())
    });
    lab.onprem.freeze();
    load.wait_for_more(50);
    tideover.kill();
    let sent = load.finish();
    tideover.start_again();
    lab.onprem.thaw();
    tideover.wait_idle();
    let twice = sent.assert_arrived(&lab.onprem, "ann@example.org");
    let uncertain = tideover.queue("uncertain");
    assert!(
        twice <= uncertain,
        "{twice} came twice, {uncertain} uncertain"
    );
    assert!(uncertain >= 1, "attempts were in flight");
}

#[test]
fn a_kill_between_the_final_dot_and_the_reply_gives_one_counted_duplicate() {
    let lab = Lab::new();
    let wire = Wire::to(lab.onprem.smtp(), lab.address());
    let settings = Settings {
        hosts: [wire.port(), lab.cloud.smtp()],
        tls: "never",
        ..lab.settings()
    };
    let mut tideover = lab.tideover_with(settings);
    wire.arm(Trap::ReplyToFinalDot);
    let message = b"Message-ID: <dot@sender.example>\r\n\r\nbody\r\n";
    let to = ["ann@example.org"];
    Client::connect(tideover.smtp()).send("eve@sender.example", &to, message);
    wire.wait_sprung();
    lab.onprem
        .wait_for("ann@example.org", "<dot@sender.example>");
    tideover.kill();
    wire.cut();
    tideover.start_again();
    tideover.wait_idle();
    let ids = lab.onprem.settled().message_ids("ann@example.org");
    assert_eq!(
        ids["<dot@sender.example>"], 2,
        "the platform had it before the kill"
    );
    assert_eq!(tideover.queue("uncertain"), 1);
}
