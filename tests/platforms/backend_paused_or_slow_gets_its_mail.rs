//! A platform that is paused (SIGSTOP) or slow: its mail comes once, and keeps nobody else waiting.

use crate::harness::{LONG, Lab, Starttls, Tideover, eventually, swaks};

const ANN: &str = "ann@example.org";
const CY: &str = "cy@example.org";
/// Messages to each of them.
const COUNT: usize = 5;

fn send(tideover: &Tideover, to: &str) -> Vec<String> {
    (0..COUNT)
        .map(|number| {
            let message_id = format!("<{number}.{to}>");
            let people = ("eve@sender.example", &[to][..]);
            swaks(tideover.smtp(), Starttls::No, people, &message_id);
            message_id
        })
        .collect()
}

/// Mail for Cy comes while Ann's platform has a fault; Ann's comes once, after `mend`.
fn each_gets_it_once(lab: &mut Lab, tideover: &Tideover, mend: impl FnOnce(&mut Lab)) {
    let (for_ann, for_cy) = (send(tideover, ANN), send(tideover, CY));
    for message_id in &for_cy {
        lab.cloud.wait_for("cy@tenant.example", message_id);
    }
    mend(lab);
    tideover.wait_idle();
    // The platform has a queue of its own.
    for message_id in &for_ann {
        lab.onprem.wait_for(ANN, message_id);
    }
    let arrived = lab.onprem.settled().message_ids(ANN);
    for message_id in &for_ann {
        assert_eq!(arrived.get(message_id), Some(&1), "{message_id}");
    }
    assert_eq!(arrived.len(), COUNT);
}

#[test]
fn one_that_is_paused_is_down_until_it_answers() {
    let mut lab = Lab::new();
    let tideover = lab.tideover();
    tideover.wait_health("onprem", "up");
    lab.onprem.freeze();
    // Two probes that each wait for a greeting.
    eventually(LONG, "onprem is down", || {
        let onprem = tideover.json(&["backend", "show", "onprem"]);
        (onprem["health"].as_str() == Some("down")).then_some(())
    });
    each_gets_it_once(&mut lab, &tideover, |lab| {
        eventually(LONG, "Ann's mail is held", || {
            (tideover.queue("held") == COUNT as u64).then_some(())
        });
        lab.onprem.thaw();
        tideover.wait_health("onprem", "up");
    });
}

#[test]
fn one_that_is_slow_keeps_nobody_else() {
    let mut lab = Lab::new();
    lab.onprem
        .reconfigure("smtpd_end_of_data_restrictions = sleep 2");
    let tideover = lab.tideover();
    each_gets_it_once(&mut lab, &tideover, |_| {});
}
