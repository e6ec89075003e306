//! What is asked about a device, and how devices are shown.

use std::collections::VecDeque;
use std::time::Duration;

use clap::Parser as _;

use super::{DeviceAdd, DeviceVerb, Until, until};
use crate::base::Timestamp;
use crate::cli::args::{Arguments, Verb};
use crate::cli::device_questions::{Answers, Asked, command, settle};
use crate::cli::render::Page;
use crate::device::{DeviceState, DeviceView, RefusalView, Way};
use crate::terminal::Palette;

/// Somebody who says this.
struct Script {
    answers: VecDeque<&'static str>,
    questions: Vec<String>,
    complaints: Vec<String>,
}

impl Answers for Script {
    fn answer(&mut self, question: &str) -> Option<String> {
        self.questions.push(question.to_owned());
        self.answers.pop_front().map(|it| format!("{it}\n"))
    }

    fn complain(&mut self, what: &str) {
        self.complaints.push(what.to_owned());
    }
}

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn asked(args: DeviceAdd, answers: &[&'static str]) -> (Result<Asked, String>, Script) {
    let mut script = Script {
        answers: answers.iter().copied().collect(),
        questions: Vec::new(),
        complaints: Vec::new(),
    };
    (settle(args, &mut script, NOW), script)
}

fn typed(line: &str) -> DeviceAdd {
    let line = format!("tideover device add {line}");
    let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
    let Verb::Device(DeviceVerb::Add(args)) = arguments.verb else {
        panic!("{line} adds nothing");
    };
    args
}

#[test]
fn three_questions_lead_to_the_least_dangerous_way() {
    let answers = [
        "no",
        "maybe",
        "N",
        "yes",
        "",
        ",",
        "scan@example.org, fax@example.org",
        "192.0.2.7",
        "scans",
    ];
    let (settled, script) = asked(typed("scanner"), &answers);
    let query = settled.unwrap().query;
    assert_eq!(query.way, Way::Internal);
    assert_eq!(query.senders, ["scan@example.org", "fax@example.org"]);
    assert_eq!(query.networks, ["192.0.2.7"]);
    assert_eq!((query.expires, query.daily_recipients), (None, None));
    assert_eq!(query.reason, "scans");
    assert_eq!(
        script.complaints,
        [
            "expected yes or no",
            "an answer is needed",
            "an answer is needed"
        ]
    );
    assert!(
        script.questions[0].contains("587"),
        "{:?}",
        script.questions
    );
    let answers = ["no", "@partner.example", "90d", "0", "100"];
    let flags = "fax --login no --auth no --sender @example.org --network 192.0.2.8 --reason x";
    let (settled, _) = asked(typed(flags), &answers);
    let Asked { query, why } = settled.unwrap();
    assert_eq!(query.way, Way::Listed);
    assert_eq!(query.recipients, ["@partner.example"]);
    assert_eq!(
        query.expires,
        Some(NOW.after(Duration::from_secs(90 * 86_400)))
    );
    assert_eq!(query.daily_recipients, Some(100));
    assert!(why.contains("most dangerous"), "{why}");
}

#[test]
fn who_can_log_in_is_asked_for_nothing_else() {
    for answers in [
        ["yes", "app@example.org", "invoices", ""].as_slice(),
        &["no", "yes", "app@example.org", "invoices"],
    ] {
        let (settled, script) = asked(typed("app"), answers);
        let Asked { query, why } = settled.unwrap();
        assert_eq!((query.way, query.networks.len()), (Way::Login, 0));
        assert_eq!(query.reason, "invoices");
        assert_eq!(why.contains("port 25"), answers[0] == "no", "{why}");
        assert!(script.complaints.is_empty());
    }
}

#[test]
fn who_has_to_mend_one_answer_gets_a_command_with_all_of_them() {
    let expected = "tideover device add fax --login no --auth no --internal no \
                    --sender @example.org --network 192.0.2.8 --network 192.0.2.9 \
                    --to @partner.example --expires 2027-03-01T00:00:00.000Z --daily 9 \
                    --reason 'Ann'\\''s fax; $(x)'";
    let mut args = typed(
        "fax --login no --auth no --internal no --sender @example.org --network 192.0.2.8 \
         --network 192.0.2.9 --to @partner.example --expires 2027-03-01 --daily 9",
    );
    args.reason = Some("Ann's fax; $(x)".to_owned());
    let (settled, _) = asked(args, &[]);
    assert_eq!(command(&settled.unwrap().query), expected);
    // What is in it is what was said.
    for way in [
        "--login yes",
        "--login no --auth no --internal yes --network 192.0.2.7",
    ] {
        let said = format!("it {way} --sender @example.org --reason x");
        let query = asked(typed(&said), &[]).0.unwrap().query;
        let told = command(&query);
        let again = told.strip_prefix("tideover device add ").unwrap();
        assert_eq!(asked(typed(again), &[]).0.unwrap().query, query);
    }
}

#[test]
fn a_program_says_everything_beforehand() {
    let all = "fax --login no --auth no --internal no --sender @example.org --network 192.0.2.8 \
               --to @partner.example --to tax@office.example --expires 2027-03-01 --daily 9 \
               --reason x --yes";
    let (settled, script) = asked(typed(all), &[]);
    assert_eq!(script.questions.len(), 0);
    let query = settled.unwrap().query;
    assert_eq!(query.expires, "2027-03-01T00:00:00Z".parse().ok());
    assert_eq!(query.recipients.len(), 2);
    for (left_out, option) in [
        (" --login no", "--login yes|no"),
        (" --internal no", "--internal yes|no"),
        (" --sender @example.org", "--sender"),
        (" --network 192.0.2.8", "--network"),
        (" --expires 2027-03-01", "--expires"),
        (" --daily 9", "--daily"),
        (" --reason x", "--reason"),
    ] {
        let (settled, _) = asked(typed(&all.replace(left_out, "")), &[]);
        let wrong = settled.unwrap_err();
        assert!(wrong.ends_with(&format!("Say it with {option}")), "{wrong}");
    }
    for bad in [
        "--daily 0",
        "--expires soon",
        "--sender x",
        "--login perhaps",
    ] {
        let line = format!("tideover device add fax {bad}");
        assert!(Arguments::try_parse_from(line.split(' ')).is_err(), "{bad}");
    }
}

#[test]
fn an_end_is_a_length_a_day_or_a_moment() {
    let day = 86_400;
    assert_eq!(until("90d"), Ok(Until::In(Duration::from_secs(90 * day))));
    let at = "2027-03-01T00:00:00Z".parse().unwrap();
    assert_eq!(until("2027-03-01"), Ok(Until::At(at)));
    assert_eq!(until("2027-03-01T01:00:00+01:00"), Ok(Until::At(at)));
    assert!(until("tomorrow").is_err());
}

#[test]
fn devices_are_shown_within_eighty_columns() {
    let page = Page {
        palette: Palette::Plain,
        now: NOW,
    };
    assert!(page.devices(&[]).contains("tideover device add NAME"));
    let view = DeviceView {
        name: "the-scanner-of-the-third-floor".to_owned(),
        way: Way::Listed,
        state: DeviceState::Full,
        senders: vec![
            "scanner-of-the-third-floor@a-department.example.org"
                .parse()
                .unwrap(),
        ],
        networks: vec!["192.0.2.7".to_owned(), "2001:db8:aaaa:bbbb::/64".to_owned()],
        recipients: vec!["@partner.example".parse().unwrap()],
        expires: Some(NOW.after(Duration::from_secs(90 * 86_400))),
        daily_recipients: Some(100),
        today: 100,
        last_seen: Some(NOW),
        last_sender: Some("scanner-of-the-third-floor@a-department.example.org".to_owned()),
        last_refusal: Some(RefusalView {
            at: NOW,
            reply: "450 4.7.1 \u{1b}[2J Device scanner has 100 recipients a day, try again after \
                    00:00 UTC"
                .to_owned(),
        }),
        made: NOW,
        by: "ann".to_owned(),
        reason: "scans".to_owned(),
    };
    let list = page.devices(std::slice::from_ref(&view));
    let shown = page.device(&view);
    let would_be = page.would_be(&view, "known by its address");
    for text in [&list, &shown, &would_be] {
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
        assert!(!text.contains('\u{1b}'), "{text}");
    }
    for part in ["listed", "full", "100/100"] {
        assert!(list.contains(part), "{part}: {list}");
    }
    for part in [
        "100 of 100 recipients",
        "@partner.example",
        "refused",
        "by ann",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}
