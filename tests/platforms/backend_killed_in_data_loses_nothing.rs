//! A platform that dies while it receives.

use crate::harness::{Client, Lab, Settings, Trap, Wire};

const ID: &str = "<big@sender.example>";

#[test]
fn in_the_middle_of_the_data_it_is_sent_again_and_arrives_once() {
    let mut lab = Lab::new();
    let wire = Wire::to(lab.onprem.smtp(), lab.address());
    let settings = Settings {
        hosts: [wire.port(), lab.cloud.smtp()],
        tls: "required",
        ..lab.settings()
    };
    let tideover = lab.tideover_with(settings);
    // The message is larger than all buffers on the way, so that its end is not sent.
    wire.arm(Trap::BytesToServer(1024 * 1024));
    let message = format!(
        "Message-ID: {ID}\r\n\r\n{}",
        "0123456789abcdef\r\n".repeat(1_500_000)
    );
    let to = ["ann@example.org", "cy@example.org"];
    Client::connect(tideover.smtp()).send("eve@sender.example", &to, message.as_bytes());
    wire.wait_sprung();
    lab.onprem.kill();
    wire.cut();
    // The other recipient does not wait for it.
    lab.cloud.wait_for("cy@tenant.example", ID);
    assert!(lab.onprem.mailbox("ann@example.org").is_empty());

    lab.onprem.start_again();
    tideover.wait_idle();
    let stored = lab.onprem.wait_for("ann@example.org", ID);
    stored.assert_is(message.as_bytes(), "after the second attempt");
    assert_eq!(lab.onprem.settled().mailbox("ann@example.org").len(), 1);
    assert_eq!(
        tideover.queue("uncertain"),
        0,
        "it had not seen the final dot"
    );
}

#[test]
fn a_cut_after_the_final_dot_is_sent_again_and_counted() {
    let lab = Lab::new();
    let wire = Wire::to(lab.onprem.smtp(), lab.address());
    let settings = Settings {
        hosts: [wire.port(), lab.cloud.smtp()],
        tls: "never",
        ..lab.settings()
    };
    let tideover = lab.tideover_with(settings);
    wire.arm(Trap::ReplyToFinalDot);
    let message = format!("Message-ID: {ID}\r\n\r\nbody\r\n");
    let to = ["ann@example.org"];
    Client::connect(tideover.smtp()).send("eve@sender.example", &to, message.as_bytes());
    wire.wait_sprung();
    lab.onprem.wait_for("ann@example.org", ID);
    wire.cut();
    tideover.wait_idle();
    assert_eq!(lab.onprem.settled().message_ids("ann@example.org")[ID], 2);
    assert_eq!(tideover.queue("uncertain"), 1);
}
