//! A platform that refuses everybody: nothing bounces, one case, all delivered after the mend.

use std::collections::BTreeSet;

use crate::harness::{LONG, Lab, SHORT, Starttls, Tideover, eventually, swaks};

const EVE: &str = "eve@sender.example";
const PEOPLE: u32 = 12;

fn cases(tideover: &Tideover, verb: &[&str]) -> Vec<serde_json::Value> {
    let found = tideover.json(verb);
    found.as_array().expect("a list of cases").clone()
}

fn user(number: u32) -> String {
    format!("c{number}@example.org")
}

fn message_id(number: u32) -> String {
    format!("<{number}@sender.example>")
}

#[test]
fn refused_alike_is_one_case_and_delivered_after_the_mend() {
    let mut lab = Lab::new();
    lab.onprem.reconfigure(
        "smtpd_recipient_restrictions = check_client_access static:{550 5.4.1 Access denied}",
    );
    let tideover = lab.tideover();
    for number in 0..PEOPLE {
        let to = user(number);
        swaks(
            tideover.smtp(),
            Starttls::No,
            (EVE, &[&to]),
            &message_id(number),
        );
    }
    tideover.wait_health("onprem", "rejecting");
    let case = eventually(SHORT, "all are in one case", || {
        let found = cases(&tideover, &["cases"]);
        assert!(found.len() <= 1, "{found:?}");
        let case = found.first()?.clone();
        let all = case["recipients"].as_u64()? + case["waiting"].as_u64()?;
        (all == u64::from(PEOPLE)).then_some(case)
    });
    assert_eq!(case["backend"], "onprem", "{case}");
    assert_eq!(case["code"], 550, "{case}");
    assert_eq!(case["enhanced"], "5.4.1", "{case}");
    assert!(case["recipients"].as_u64() >= Some(5), "{case}");
    let text = case["text"].as_str().expect("a text");
    assert!(
        text.contains("Access denied") && !text.contains('@'),
        "{case}"
    );
    assert_eq!(tideover.queue("held"), u64::from(PEOPLE));

    lab.onprem.reconfigure("smtpd_recipient_restrictions =");
    tideover.wait_health("onprem", "up");
    let id = case["id"].as_str().expect("an id");
    let released = tideover.json(&["cases", "release", id, "--reason", "mended"]);
    assert!(
        released["trial"]["outcome"]["released"].is_object(),
        "{released}"
    );
    for number in 0..PEOPLE {
        lab.onprem.wait_for(&user(number), &message_id(number));
    }
    tideover.wait_idle();
    assert_eq!(cases(&tideover, &["cases"]).len(), 0);
    let copies: BTreeSet<usize> = (0..PEOPLE)
        .map(|number| lab.onprem.settled().mailbox(&user(number)).len())
        .collect();
    assert_eq!(copies, [1].into(), "each once");
}

#[test]
fn refused_content_is_final_and_no_stranger_is_told() {
    let mut lab = Lab::new();
    let tideover = lab.tideover();
    let to = "ann@example.org";
    // It accepts other mail: else the refusal would speak against the platform.
    let good = "<good@sender.example>";
    swaks(tideover.smtp(), Starttls::No, (EVE, &[to]), good);
    lab.onprem.wait_for(to, good);
    lab.onprem.reconfigure(
        "smtpd_end_of_data_restrictions = check_client_access static:{550 5.7.1 It has a virus}",
    );
    swaks(
        tideover.smtp(),
        Starttls::No,
        (EVE, &[to]),
        "<v@sender.example>",
    );
    let case = eventually(LONG, "it is listed as final", || {
        cases(&tideover, &["cases", "--final"]).first().cloned()
    });
    assert_eq!(
        (&case["cause"], &case["recipients"]),
        (&"content".into(), &1.into()),
        "{case}"
    );
    tideover.wait_idle();
    // No report waits or went anywhere: the two messages are all there is.
    let status = tideover.json(&["status"]);
    assert_eq!(status["spool"]["accepted"], 2, "{status}");
    let trace = tideover.json(&["trace", "<v@sender.example>"]);
    assert_eq!(
        trace["messages"][0]["recipients"][0]["state"], "bounced",
        "{trace}"
    );
    assert_eq!(cases(&tideover, &["cases"]).len(), 0);
}
