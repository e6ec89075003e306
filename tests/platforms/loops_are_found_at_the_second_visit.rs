//! A platform that sends mail back to us: found when it comes for the second time, held as what it
//! is, and let go when the forwarding is mended.

use crate::harness::{Lab, SHORT, Starttls, eventually, swaks};

const EVE: &str = "eve@sender.example";
const ANN: &str = "ann@example.org";

#[test]
fn it_is_held_and_names_both_routes() {
    let mut lab = Lab::new();
    let tideover = lab.tideover();
    lab.onprem.forward(ANN, tideover.smtp());
    tideover.wait_health("onprem", "up");
    let at = tideover.smtp();
    swaks(at, Starttls::No, (EVE, &[ANN]), "<1@sender.example>");
    // Another recipient of the same platform is in no loop.
    swaks(
        at,
        Starttls::No,
        (EVE, &["bob@example.org"]),
        "<2@sender.example>",
    );

    let looped = eventually(SHORT, "the second visit is held", || {
        let list = tideover.json(&["queue", "list"]);
        let items = list.as_array().expect("a list");
        let held = items.iter().find(|item| item["state"] == "held");
        held.cloned()
    });
    let reason = looped["reason"].as_str().expect("a reason");
    assert!(reason.starts_with("loop: onprem got this as "), "{reason}");
    assert!(reason.contains("the home is onprem"), "{reason}");
    let trace = tideover.json(&["trace", "<1@sender.example>"]);
    let messages = trace["messages"].as_array().expect("messages");
    assert_eq!(messages.len(), 2, "found at the second visit: {trace}");
    lab.onprem.wait_for("bob@example.org", "<2@sender.example>");
    assert!(lab.onprem.mailbox(ANN).is_empty());

    lab.onprem.forward_nothing();
    tideover.wait_health("onprem", "up");
    let id = looped["id"].as_str().expect("an id");
    tideover.json(&["queue", "release", id]);
    lab.onprem.wait_for(ANN, "<1@sender.example>");
    tideover.wait_idle();
    assert_eq!(lab.onprem.settled().mailbox(ANN).len(), 1);
}
