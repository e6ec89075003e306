//! A platform that is off for a while under load: the other goes on, nothing is lost.

use crate::harness::{LONG, Lab, Load, eventually};

#[test]
fn its_mail_is_held_and_arrives_while_the_other_platform_goes_on() {
    let mut lab = Lab::new();
    let tideover = lab.tideover();
    let load = Load::start(tideover.smtp(), &["ann@example.org", "cy@example.org"]);
    load.wait_for_more(100);

    lab.cloud.stop();
    tideover.wait_health("cloud", "down");
    let before = lab.onprem.mailbox("ann@example.org").len();
    load.wait_for_more(100);
    eventually(LONG, "onprem goes on while cloud is down", || {
        (lab.onprem.mailbox("ann@example.org").len() >= before + 100).then_some(())
    });
    let waiting = tideover.queue("queued") + tideover.queue("held");
    assert!(waiting >= 100, "{waiting} wait for cloud");

    lab.cloud.start_again();
    tideover.wait_health("cloud", "up");
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
