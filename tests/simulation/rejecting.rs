//! Reject storms: a backend that refuses everybody alike, and what an administrator does about it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tideover::backend::{Health, Override, Wish};
use tideover::base::Timestamp;
use tideover::mail::{
    Authenticity, BackendId, CaseKind, Envelope, Failure, RecipientState, Said, SpoolId,
};
use tideover::queue::{Deed, Order, Pick, Place, TrialOutcome};
use tideover::smtp::{Reply, ReversePath};
use tideover::spool::Case;
use tokio::time::sleep;

use crate::disk::Trouble;
use crate::door::{Door, Site, simulate};
use crate::holds::rule_of_cloud;
use crate::seeds::each_seed;
use crate::world::CONNECTIONS;

const MINUTE: Duration = Duration::from_secs(60);
/// From one probe to the next, as `world::backend` leaves it.
const INTERVAL: Duration = Duration::from_secs(10);

fn refused(said: Said, line: &str) -> Failure {
    Failure::refused(said, Reply::parse(&[line]).unwrap())
}

fn denied() -> Failure {
    let line = "550 5.4.1 Recipient address rejected: Access denied. AS(201806281) [A1.example]";
    refused(Said::Rcpt, line)
}

fn health(door: &Door) -> Health {
    let cloud = BackendId::new("cloud");
    door.router.board().health(&cloud).unwrap().health
}

fn cases(door: &Door, kind: CaseKind) -> Vec<Case> {
    door.spool.cases(kind, 100).unwrap()
}

/// Attempts of the cloud that ended, as the ledger tells them.
fn attempts(door: &Door, ids: &[SpoolId]) -> usize {
    let events = ids.iter().flat_map(|id| door.spool.history(*id).unwrap());
    events
        .filter(|entry| matches!(entry.event.name(), "held" | "deferred"))
        .map(|entry| entry.recipients.len() * (1 + usize::try_from(entry.left_out).unwrap()))
        .sum()
}

async fn send(door: &Door, people: std::ops::Range<u64>) -> Vec<SpoolId> {
    let mut sent = Vec::new();
    for number in people {
        sent.push(door.send(&[&format!("user{number}@cloud.example")]).await);
    }
    sent
}

/// Nothing but `sent` is in the spool: nobody was told anything (I5, I10).
fn nobody_was_told(door: &Door, sent: &[SpoolId]) {
    assert_eq!(door.spool.stats().accepted, sent.len() as u64);
}

/// I13: the cases of an index made anew are the same.
async fn reopened(site: &Site, door: Door) -> Door {
    let kinds = [CaseKind::Open, CaseKind::Final];
    let known = kinds.map(|kind| cases(&door, kind));
    door.stop().await;
    let (again, committed) = site.open_quietly();
    assert_eq!(kinds.map(|kind| cases(&again, kind)), known, "I13");
    again.queue.start(committed);
    again
}

/// Decision 6 as a whole: five refused alike, one case, trials only, a release that is tried first,
/// the mend, everything delivered once.
#[test]
fn a_reject_storm_is_one_case_and_loses_nothing() {
    each_seed(12, |seed| simulate(storm(seed)));
}

async fn storm(seed: u64) {
    let site = Site::seeded(seed);
    let door = site.open();
    let mut sent = send(&door, 0..3).await;
    sleep(MINUTE).await;
    assert_eq!(door.words(&sent), [("delivered", 3)].into(), "seed {seed}");
    site.platforms.refuse("cloud", Some(denied()));
    let crowd = 10 + site.chance.below(60);
    sent.extend(send(&door, 100..100 + crowd).await);
    sleep(MINUTE).await;
    let case = one_case(&door, &sent, seed);

    // For an hour nothing but one trial for each interval, of fresh mail, too.
    let before = attempts(&door, &sent);
    sent.extend(send(&door, 200..205).await);
    sleep(60 * MINUTE).await;
    let tried = attempts(&door, &sent) - before;
    let most = usize::try_from(MINUTE.as_secs() * 60 / INTERVAL.as_secs()).unwrap() + 1;
    let range = most / 2..=most;
    assert!(range.contains(&tried), "seed {seed}: {tried} attempts");
    let now = one_case(&door, &sent, seed);
    assert_eq!(now, case, "trials make it no larger");

    too_early(&door, &case, seed).await;
    // A restart forgets that it is rejecting, and finds out again.
    let door = reopened(&site, door).await;
    sleep(2 * MINUTE).await;
    assert_eq!(health(&door), Health::Rejecting, "seed {seed}");
    nobody_was_told(&door, &sent);
    // When all that waited was refused by now, nothing is left to try it with: it is the next mail.
    let waits = door.spool.lanes().contains_key("cloud");
    site.platforms.refuse("cloud", None);
    if !waits {
        sleep(5 * MINUTE).await;
        assert_eq!(health(&door), Health::Rejecting, "seed {seed}");
        sent.extend(send(&door, 300..301).await);
    }
    mended(&door, &sent, seed).await;
    assert_eq!(site.copies(), sent.len(), "seed {seed}: each once");
    nobody_was_told(&door, &sent);
    door.stop().await;
}

/// It is rejecting, and all that was refused is one case.
fn one_case(door: &Door, sent: &[SpoolId], seed: u64) -> Case {
    assert_eq!(health(door), Health::Rejecting, "seed {seed}");
    let found = cases(door, CaseKind::Open);
    assert_eq!(found.len(), 1, "seed {seed}: {found:?}");
    let case = found[0].clone();
    assert_eq!(
        case.key.to_string(),
        "cloud says 550 5.4.1 Recipient address rejected: Access denied. *"
    );
    // The five, and what was under way already.
    let range = 5..=5 + 2 * CONNECTIONS as u64;
    assert!(range.contains(&case.recipients), "seed {seed}: {case:?}");
    let words = door.words(sent);
    assert_eq!(words["held"], usize::try_from(case.recipients).unwrap());
    assert_eq!(words.values().sum::<usize>(), sent.len());
    assert_eq!(words.get("bounced"), None, "I10");
    case
}

async fn release(door: &Door, case: &Case) -> TrialOutcome {
    let begun = door.queue.release_case(case.id, "ann", "mended?").await;
    let begun = begun.unwrap().unwrap();
    let trial = door.queue.decided(case.id, 5 * MINUTE).await;
    let trial = trial.unwrap().unwrap();
    assert_eq!((trial.id, trial.recipient), (begun.id, begun.recipient));
    trial.outcome
}

/// The cause is not mended: the case stands, and says so.
async fn too_early(door: &Door, case: &Case, seed: u64) {
    let outcome = release(door, case).await;
    let TrialOutcome::Refused { what, .. } = &outcome else {
        panic!("seed {seed}: {outcome:?}");
    };
    assert!(what.contains("Access denied"), "{what}");
    assert_eq!(cases(door, CaseKind::Open)[0].recipients, case.recipients);
}

/// The first trial that is accepted lets the waiting mail go; the case waits for a word.
async fn mended(door: &Door, sent: &[SpoolId], seed: u64) {
    sleep(5 * MINUTE).await;
    assert_eq!(health(door), Health::Up, "seed {seed}");
    let case = cases(door, CaseKind::Open)[0].clone();
    let held = usize::try_from(case.recipients).unwrap();
    let expected: BTreeMap<_, _> = [("held", held), ("delivered", sent.len() - held)].into();
    assert_eq!(door.words(sent), expected, "seed {seed}");
    let outcome = release(door, &case).await;
    let is_released = matches!(outcome, TrialOutcome::Released { .. });
    assert!(is_released, "seed {seed}: {outcome:?}");
    sleep(5 * MINUTE).await;
    let expected: BTreeMap<_, _> = [("delivered", sent.len())].into();
    assert_eq!(door.words(sent), expected, "seed {seed}");
    assert_eq!(cases(door, CaseKind::Open), []);
}

/// A release that a restart cuts short is gone on with.
#[test]
fn a_release_outlives_a_restart() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        site.platforms.refuse("cloud", Some(denied()));
        let sent = send(&door, 0..4).await;
        sleep(MINUTE).await;
        let case = cases(&door, CaseKind::Open)[0].clone();
        assert_eq!(case.recipients, 4);
        assert_eq!(health(&door), Health::Up, "four are not five");
        // The trial meets a platform that is down: nothing is decided.
        site.platforms.refuse("cloud", None);
        site.platforms.set_up("cloud", false);
        door.queue.release_case(case.id, "ann", "").await.unwrap();
        let trial = door.queue.decided(case.id, MINUTE).await.unwrap().unwrap();
        assert_eq!(trial.outcome, TrialOutcome::Trying);
        assert_eq!(door.words(&sent), [("held", 3), ("queued", 1)].into());
        // Who asks again gets the same trial.
        let again = door.queue.release_case(case.id, "bob", "").await.unwrap();
        assert_eq!(again, Some(trial));
        door.stop().await;
        let door = site.open();
        site.platforms.set_up("cloud", true);
        let trial = door
            .queue
            .decided(case.id, 10 * MINUTE)
            .await
            .unwrap()
            .unwrap();
        assert!(matches!(trial.outcome, TrialOutcome::Released { .. }));
        sleep(5 * MINUTE).await;
        assert_eq!(door.words(&sent), [("delivered", 4)].into());
        assert_eq!(site.copies(), 4);
        door.stop().await;
    });
}

/// Two who release a case at once begin one trial, and whoever drops its message decides it.
#[test]
fn a_release_is_one_trial_and_a_drop_ends_it() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        site.platforms.refuse("cloud", Some(denied()));
        let sent = send(&door, 0..4).await;
        sleep(MINUTE).await;
        let case = cases(&door, CaseKind::Open)[0].id;
        site.platforms.set_up("cloud", false);
        sleep(MINUTE).await;
        let (ann, bob) = tokio::join!(
            door.queue.release_case(case, "ann", ""),
            door.queue.release_case(case, "bob", ""),
        );
        let trial = ann.unwrap().unwrap();
        assert_eq!(bob.unwrap().unwrap(), trial);
        assert_eq!(door.words(&sent), [("held", 3), ("queued", 1)].into());
        let order = Order {
            deed: Deed::Drop,
            actor: "root".to_owned(),
            reason: "no more".to_owned(),
        };
        let everything: Pick = Arc::new(|_| true);
        let place = Place::At(trial.id);
        let dropped = door.queue.perform_page(&order, &everything, place);
        assert_eq!(dropped.await.unwrap().recipients, 1);
        let trial = door.queue.decided(case, MINUTE).await.unwrap().unwrap();
        let TrialOutcome::Refused { what, .. } = trial.outcome else {
            panic!("{trial:?}");
        };
        assert_eq!(what, "root dropped it");
        door.stop().await;
    });
}

/// All recipients of a case are in a hold by now: the release is done, and says who waits for what.
#[test]
fn a_case_in_a_hold_is_released_into_it() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        site.platforms.refuse("cloud", Some(denied()));
        let sent = send(&door, 0..3).await;
        sleep(MINUTE).await;
        let case = cases(&door, CaseKind::Open)[0].id;
        let rule = rule_of_cloud(&door).await;
        let done = door.queue.release_case(case, "ann", "mended").await;
        let TrialOutcome::HeldOn { still_held, .. } = done.unwrap().unwrap().outcome else {
            panic!("something else was done");
        };
        assert_eq!(still_held, [(rule.name, 3)].into());
        assert_eq!(cases(&door, CaseKind::Open), []);
        assert_eq!(door.words(&sent), [("held", 3)].into());
        // That is how it was decided, also for who asks later; and there is no case any more.
        let trial = door.queue.decided(case, MINUTE).await.unwrap().unwrap();
        assert_eq!(trial.outcome.held_on().len(), 1, "{trial:?}");
        let again = door.queue.release_case(case, "ann", "mended").await;
        assert_eq!(again.unwrap(), None);
        door.stop().await;
    });
}

/// What an operator says beats the breaker, both ways.
#[test]
fn an_operator_beats_the_breaker() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        let cloud = BackendId::new("cloud");
        site.platforms.refuse("cloud", Some(denied()));
        let mut sent = send(&door, 0..40).await;
        sleep(MINUTE).await;
        assert_eq!(health(&door), Health::Rejecting);
        let said = |wish| Override {
            wish,
            actor: "root".to_owned(),
            reason: String::new(),
            since: Timestamp::EPOCH,
        };
        door.router.board().set_override(&cloud, said(Wish::Hold));
        sleep(MINUTE).await;
        let before = attempts(&door, &sent);
        sleep(10 * MINUTE).await;
        assert_eq!(attempts(&door, &sent), before, "no trials while it is held");
        door.router.board().set_override(&cloud, said(Wish::Up));
        sent.extend(send(&door, 40..45).await);
        sleep(MINUTE).await;
        assert_eq!(door.words(&sent), [("held", 45)].into(), "all were tried");
        assert_eq!(cases(&door, CaseKind::Open)[0].recipients, 45);
        nobody_was_told(&door, &sent);
        door.stop().await;
    });
}

/// An administrator gives a case up: only a sender who proved to be one is told.
#[test]
fn a_bounced_case_tells_proven_senders_only() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        site.platforms.refuse("cloud", Some(denied()));
        let ann = "ann@cloud.example";
        let mut sent = Vec::new();
        for (from, authenticity) in [
            ("eve@onprem.example", Authenticity::Unproven),
            ("bob@onprem.example", Authenticity::Local),
        ] {
            sent.push(door.send_from(from, authenticity, &[ann]).await);
        }
        let null = |envelope: &mut Envelope| envelope.from = ReversePath::Null;
        let local = ("bob@onprem.example", Authenticity::Local);
        sent.push(door.send_changed(local, &[ann], null).await);
        sleep(MINUTE).await;
        nobody_was_told(&door, &sent);
        let case = cases(&door, CaseKind::Open)[0].clone();
        let done = door
            .queue
            .bounce_case(case.id, "root", "she has left")
            .await
            .unwrap();
        assert_eq!((done.recipients, done.messages), (3, 3));
        assert_eq!(door.words(&sent), [("bounced", 3)].into());
        for id in &sent {
            let RecipientState::Bounced { actor, backend, .. } = &door.states(*id)[0] else {
                panic!("{id} is not bounced");
            };
            assert_eq!(actor, "root");
            assert_eq!(*backend, Some(BackendId::new("cloud")));
        }
        // One report, to the one who was proven and has an address.
        assert_eq!(door.spool.stats().accepted, 4);
        assert_eq!(
            door.spool
                .mailbox("bob@onprem.example", None, 9)
                .unwrap()
                .len(),
            1
        );
        assert_eq!(cases(&door, CaseKind::Open), []);
        let door = reopened(&site, door).await;
        door.stop().await;
    });
}

/// Killed before any step of the disk while a case is bounced: whoever has a report is bounced, and
/// nobody is told twice when it is said again.
#[test]
fn a_kill_leaves_a_bounce_and_its_report_together() {
    let mut done = 0;
    for step in 1..=40 {
        simulate(async { done = killed_bounce(step).await });
        if done == 2 {
            assert!(step > 2, "no step was in between");
            return;
        }
    }
    panic!("{done} of 2 bounced after 40 steps");
}

/// How many of two were bounced before the kill at this step.
async fn killed_bounce(step: u64) -> usize {
    let mut site = Site::new();
    let door = site.open();
    site.platforms.refuse("cloud", Some(denied()));
    let local = ("bob@onprem.example", Authenticity::Local);
    let mut sent = Vec::new();
    for _ in 0..2 {
        let ann = "ann@cloud.example";
        sent.push(door.send_from(local.0, local.1, &[ann]).await);
    }
    sleep(MINUTE).await;
    let case = cases(&door, CaseKind::Open)[0].id;
    site.disk
        .arrange(site.disk.steps() + step, Trouble::PowerCut);
    let bounced = door.queue.bounce_case(case, "root", "she has left");
    // On a disk that is gone it fails in the one way or the other.
    tokio::time::timeout(MINUTE, bounced).await.ok();
    // What a killed program has written stays, synced or not.
    let left = site.disk.copy();
    door.shutdown.signal();
    site.disk = left;
    site.platforms.forget_attempts();
    let (door, _committed) = site.open_quietly();
    let reports = |door: &Door| door.spool.mailbox(local.0, None, 9).unwrap().len();
    let bounced = |door: &Door| door.words(&sent).get("bounced").copied().unwrap_or(0);
    let before = bounced(&door);
    assert_eq!(reports(&door), before, "step {step}");
    if before < 2 {
        let again = door.queue.bounce_case(case, "root", "she has left").await;
        assert_eq!(again.unwrap().recipients, 2 - before as u64, "step {step}");
    }
    assert_eq!((reports(&door), bounced(&door)), (2, 2), "step {step}");
    door.stop().await;
    before
}

/// Refused content is final, makes nobody reject, and is kept to be seen.
#[test]
fn refused_content_is_final_without_backscatter() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        // It takes other mail: see `content.rs` for one that does not.
        let mut sent = send(&door, 10..11).await;
        sleep(MINUTE).await;
        let line = "554 5.7.1 Message contains a virus: Eicar-Test-Signature 17";
        site.platforms
            .refuse("cloud", Some(refused(Said::End, line)));
        sent.extend(send(&door, 0..10).await);
        sleep(MINUTE).await;
        let expected = [("bounced", 10), ("delivered", 1)].into();
        assert_eq!(door.words(&sent), expected);
        assert_eq!(health(&door), Health::Up);
        nobody_was_told(&door, &sent);
        assert_eq!(cases(&door, CaseKind::Open), []);
        let finals = cases(&door, CaseKind::Final);
        assert_eq!((finals.len(), finals[0].recipients), (1, 10));
        let door = reopened(&site, door).await;
        door.stop().await;
    });
}
