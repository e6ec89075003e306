//! Releases of cases in whose way something comes: a hold, a disk that fails, an operator who goes
//! away.

use std::io;
use std::time::Duration;

use tideover::backend::Health;
use tideover::mail::{BackendId, Blame, CaseId, CaseKind, Failure, HoldReason, Said, SpoolId};
use tideover::queue::TrialOutcome;
use tideover::route::Selection;
use tideover::smtp::Reply;
use tokio::time::sleep;

use crate::disk::Trouble;
use crate::door::{Door, Site, simulate};
use crate::holds::{rule, rule_of_cloud};

const MINUTE: Duration = Duration::from_secs(60);

fn denied() -> Failure {
    let reply = Reply::parse(&["550 5.4.1 Recipient address rejected: Access denied"]);
    Failure::refused(Said::Rcpt, reply.unwrap())
}

/// So many people whom the cloud refused, before it was mended.
async fn refused(site: &Site, door: &Door, people: u64) -> (CaseId, Vec<SpoolId>) {
    site.platforms.refuse("cloud", Some(denied()));
    let mut sent = Vec::new();
    for number in 0..people {
        sent.push(door.send(&[&format!("user{number}@cloud.example")]).await);
    }
    sleep(MINUTE).await;
    site.platforms.refuse("cloud", None);
    assert_eq!(door.words(&sent)["held"] as u64, people);
    (case_of(door), sent)
}

fn case_of(door: &Door) -> CaseId {
    door.spool.cases(CaseKind::Open, 10).unwrap()[0].id
}

/// How many are in it.
fn members(door: &Door) -> u64 {
    let cases = door.spool.cases(CaseKind::Open, 10).unwrap();
    cases.iter().map(|case| case.recipients).sum()
}

async fn decided(door: &Door, case: CaseId) -> TrialOutcome {
    let trial = door.queue.decided(case, 5 * MINUTE).await.unwrap();
    trial.unwrap().outcome
}

/// The first one waits for its second attempt, and a rule takes it: that decides the release, and
/// the case can be released anew.
#[test]
fn a_rule_that_takes_the_first_one_decides() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        let (case, sent) = refused(&site, &door, 3).await;
        let closing = Reply::parse(&["421 4.7.0 closing"]).unwrap();
        let closing = Failure::replied(Blame::Backend, closing);
        site.platforms.refuse("cloud", Some(closing));
        let first = door.queue.release_case(case, "ann", "mended").await;
        let first = first.unwrap().unwrap();
        sleep(Duration::from_secs(3)).await;
        assert_eq!(door.words(&sent), [("held", 2), ("queued", 1)].into());
        let rule = rule_of_cloud(&door).await;
        sleep(Duration::from_secs(30)).await;
        let trial = door.queue.case_trial(case).unwrap().unwrap();
        let TrialOutcome::Refused { what, .. } = trial.outcome else {
            panic!("{trial:?}");
        };
        assert!(what.contains("held by root"), "{what}");
        assert_eq!(members(&door), 2);

        site.platforms.refuse("cloud", None);
        let names = [rule.name];
        let ended = door.router.holds().end(&door.spool, &names, "root");
        assert_eq!(ended.await.unwrap().len(), 1);
        let again = door.queue.release_case(case, "bob", "again").await;
        assert_ne!(again.unwrap().unwrap().id, first.id);
        let outcome = decided(&door, case).await;
        assert!(
            matches!(outcome, TrialOutcome::Released { .. }),
            "{outcome:?}"
        );
        sleep(5 * MINUTE).await;
        assert_eq!(door.words(&sent), [("delivered", 3)].into());
        door.stop().await;
    });
}

/// What was said is done, also when whoever said it does not wait for the answer.
#[test]
fn a_release_goes_on_when_nobody_waits_for_it() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        let (case, sent) = refused(&site, &door, 3).await;
        let rule = rule_of_cloud(&door).await;
        tokio::select! {
            biased;
            begun = door.queue.release_case(case, "ann", "mended") => panic!("{begun:?}"),
            () = std::future::ready(()) => {}
        }
        sleep(MINUTE).await;
        let outcome = decided(&door, case).await;
        let TrialOutcome::HeldOn { still_held, .. } = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(still_held, [(rule.name, 3)].into());
        assert_eq!((members(&door), door.words(&sent)["held"]), (0, 3));
        door.stop().await;
    });
}

/// Who is in a hold waits for the trial of somebody else: when that is refused again he is in the
/// case as before, and when it is accepted it is told that he waits on.
#[test]
fn who_is_in_a_hold_follows_the_trial_too() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        let (case, sent) = refused(&site, &door, 4).await;
        let first = door.spool.case_members(CaseKind::Open, case, None, 1);
        let first = first.unwrap()[0].id;
        let number = sent.iter().position(|id| *id == first).unwrap();
        let oldest = Selection {
            recipient: Some(format!("user{number}@cloud.example").parse().unwrap()),
            ..Selection::default()
        };
        let rule = rule(&door, oldest, None).await;
        site.platforms.refuse("cloud", Some(denied()));
        let begun = door.queue.release_case(case, "ann", "a try").await;
        assert_ne!(begun.unwrap().unwrap().id, first);
        let outcome = decided(&door, case).await;
        assert!(
            matches!(outcome, TrialOutcome::Refused { .. }),
            "{outcome:?}"
        );
        assert_eq!(members(&door), 4, "nobody has left it");

        site.platforms.refuse("cloud", None);
        let begun = door.queue.release_case(case, "ann", "mended").await;
        assert!(begun.unwrap().is_some());
        let outcome = decided(&door, case).await;
        let TrialOutcome::Released { still_held, .. } = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(still_held, [(rule.name, 1)].into());
        sleep(5 * MINUTE).await;
        assert_eq!(door.words(&sent), [("held", 1), ("delivered", 3)].into());
        assert_eq!(members(&door), 0);
        door.stop().await;
    });
}

/// Whatever step of the disk fails: when it works again the case can be released.
#[test]
fn a_release_that_failed_can_be_said_again() {
    let mut failed = 0;
    for step in 1..=12 {
        simulate(async { failed += u32::from(released_in_spite_of(step).await) });
    }
    assert!(failed > 1, "no step was in between");
}

/// Did the first word fail?
async fn released_in_spite_of(step: u64) -> bool {
    let site = Site::new();
    let door = site.open();
    let (case, sent) = refused(&site, &door, 3).await;
    let place = site.disk.steps() + step;
    site.disk
        .arrange(place, Trouble::Until(io::ErrorKind::StorageFull));
    let first = door.queue.release_case(case, "ann", "mended").await;
    site.disk.heal();
    sleep(5 * MINUTE).await;
    if members(&door) > 0 {
        let again = door.queue.release_case(case, "bob", "again").await;
        assert!(again.unwrap().is_some(), "step {step}");
        let outcome = decided(&door, case).await;
        let is_released = matches!(outcome, TrialOutcome::Released { .. });
        assert!(is_released, "step {step}: {outcome:?}");
        sleep(5 * MINUTE).await;
    }
    assert_eq!(door.words(&sent), [("delivered", 3)].into(), "step {step}");
    door.stop().await;
    first.is_err()
}

/// A large case in a hold is released page by page, and not one by one.
#[test]
fn a_large_case_in_a_hold_takes_few_syncs() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        let sample = door.send(&["ann@cloud.example"]).await;
        sleep(MINUTE).await;
        let stored = door.spool.message(sample).unwrap().unwrap();
        let reason = HoldReason::Refused {
            backend: BackendId::new("cloud"),
            failure: denied(),
        };
        let crowd = 100;
        for _ in 0..crowd {
            let envelope = (*stored.envelope).clone();
            let held = vec![(0, reason.clone())];
            let draft = door.spool.draft();
            door.spool.accept_held(draft, envelope, held).await.unwrap();
        }
        let rule = rule_of_cloud(&door).await;
        let before = site.disk.steps();
        let done = door.queue.release_case(case_of(&door), "ann", "mended");
        let outcome = done.await.unwrap().unwrap().outcome;
        let TrialOutcome::HeldOn { still_held, .. } = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(still_held, [(rule.name, crowd)].into());
        let steps = site.disk.steps() - before;
        assert!(steps < 2 * crowd, "{steps} steps of the disk");
        assert_eq!(members(&door), 0);
        let health = door.router.board().health(&BackendId::new("cloud"));
        assert_eq!(health.unwrap().health, Health::Up);
        door.stop().await;
    });
}
