use super::*;
use crate::mail::SpoolId;
use crate::queue::samples;

fn job(number: u64, source: Source, address: &str) -> Job {
    samples::job(SpoolId::from_u64(number), source, address, &[0])
}

fn order(row: &mut Row) -> Vec<String> {
    let jobs = row.drain();
    jobs.iter()
        .map(|job| job.recipients[0].address.to_string())
        .collect()
}

#[test]
fn domains_take_turns_and_mailboxes_within_them() {
    let mut row = Row::default();
    for number in 0..4 {
        row.push(job(number, Source::Backlog, "ann@a.example"));
    }
    row.push(job(4, Source::Backlog, "bob@a.example"));
    row.push(job(5, Source::Backlog, "joe@b.example"));
    row.push(job(6, Source::Backlog, "joe@b.example"));
    assert_eq!(row.recipients(Source::Backlog), 7);
    assert_eq!(
        order(&mut row),
        [
            "ann@a.example",
            "joe@b.example",
            "bob@a.example",
            "joe@b.example",
            "ann@a.example",
            "ann@a.example",
            "ann@a.example",
        ]
    );
    assert!(row.is_empty());
    assert_eq!(row.recipients(Source::Backlog), 0);
    assert!(row.backlog.order.is_empty(), "nothing is left behind");
}

#[test]
fn fresh_mail_goes_first_and_the_backlog_is_not_forgotten() {
    let mut row = Row::default();
    for number in 0..3 {
        row.push(job(number, Source::Backlog, "old@a.example"));
    }
    for number in 3..23 {
        row.push(job(number, Source::Fresh, "new@a.example"));
    }
    let order = order(&mut row);
    let old: Vec<usize> = (0..order.len())
        .filter(|&at| order[at] == "old@a.example")
        .collect();
    assert_eq!(old, [8, 17, 22]);
}

#[test]
fn replays_go_last_and_are_not_forgotten() {
    let mut row = Row::default();
    for number in 0..3 {
        row.push(job(number, Source::Replay, "again@a.example"));
    }
    for number in 3..13 {
        row.push(job(number, Source::Fresh, "new@a.example"));
        row.push(job(number + 20, Source::Backlog, "old@a.example"));
    }
    assert_eq!(row.recipients(Source::Replay), 3);
    let order = order(&mut row);
    let again: Vec<usize> = (0..order.len())
        .filter(|&at| order[at] == "again@a.example")
        .collect();
    assert_eq!(again, [8, 17, 22]);
    assert!(row.is_empty() && row.recipients(Source::Replay) == 0);
}
