use std::time::Duration;

use super::*;
use crate::mail::{
    BackendId, CaseKey, Envelope, Failure, HoldReason, Recipient, RecipientState, Said,
};
use crate::queue::claims::Claim;
use crate::queue::damaged::Unreadable;
use crate::queue::expanding::Group;
use crate::queue::state::Source;
use crate::queue::{idle_tests, samples};
use crate::smtp::{RcptParameters, Reply};

fn envelope() -> Envelope {
    let job = samples::job(SpoolId::from_u64(1), Source::Fresh, "ann@example.org", &[0]);
    let recipient = Recipient {
        address: "ann@example.org".parse().unwrap(),
        parameters: RcptParameters::default(),
        lane: "cloud".to_owned(),
        mailbox: Some("ann@example.org".to_owned()),
    };
    Envelope {
        recipients: vec![recipient],
        ..(*job.envelope).clone()
    }
}

fn refused(line: &str) -> (CaseId, HoldReason) {
    let failure = Failure::refused(Said::Rcpt, Reply::parse(&[line]).unwrap());
    let backend = BackendId::new("cloud");
    let case = CaseKey::of(&backend, &failure).id();
    (case, HoldReason::Refused { backend, failure })
}

/// A case with one recipient.
async fn case(queue: &Queue, line: &str) -> (CaseId, SpoolId) {
    let spool = &queue.0.parts.spool;
    let (case, reason) = refused(line);
    let held = spool.accept_held(spool.draft(), envelope(), vec![(0, reason)]);
    (case, held.await.unwrap())
}

/// Somebody has the first one of a case in his hands: no other case waits for that.
#[tokio::test]
async fn one_case_does_not_wait_for_another() {
    let folder = tempfile::tempdir().unwrap();
    let idle = idle_tests::idle(folder.path(), &BackendId::new("cloud"));
    let queue = &idle.queue;
    let (busy, id) = case(queue, "550 5.4.1 Access denied").await;
    let (free, _) = case(queue, "550 5.1.1 Nobody of that name").await;
    assert_ne!(busy, free);
    assert_eq!(queue.state().claim(id, 0), Claim::Ours);
    let second = queue.release_case(free, "ann", "");
    let second = tokio::time::timeout(Duration::from_secs(10), second);
    tokio::select! {
        biased;
        begun = queue.release_case(busy, "ann", "") => panic!("{begun:?}"),
        begun = second => assert!(begun.unwrap().unwrap().is_some()),
    }
    queue.state().give_back(id, 0);
    queue.0.freed.notify_waiters();
    idle.close().await;
}

/// Who takes the first one of a case, and how.
#[derive(Debug, Clone, Copy)]
enum Taken {
    Hold,
    Damage,
    Group,
}

/// Whatever ends the wait of the first one: it is told, and the case is not taken for one that is
/// being released any more.
#[tokio::test]
async fn whoever_takes_the_first_one_decides() {
    let folder = tempfile::tempdir().unwrap();
    let idle = idle_tests::idle(folder.path(), &BackendId::new("cloud"));
    let queue = &idle.queue;
    let (case, reason) = refused("550 5.4.1 Access denied");
    for taken in [Taken::Hold, Taken::Damage, Taken::Group] {
        let spool = &queue.0.parts.spool;
        let id = spool.accept(spool.draft(), envelope()).await.unwrap();
        let state = spool.state(id, 0).unwrap();
        assert!(matches!(state, Some(RecipientState::Queued { .. })));
        let member = CaseMember {
            since: Timestamp::EPOCH,
            id,
            recipient: 0,
        };
        let trial = queue.trial_with(&release("ann", ""), member);
        queue.note_trial(case, &trial).await.unwrap();
        First::new(queue, case, member).goes();
        assert_eq!(queue.under_way(case).unwrap(), Some(trial));
        match taken {
            Taken::Hold => queue.keep(vec![(id, vec![(0, reason.clone())])]).await,
            Taken::Damage => {
                let message = Unreadable {
                    id,
                    recipients: vec![0],
                    what: "torn".to_owned(),
                };
                queue.hold_unreadable(message).await.unwrap();
            }
            Taken::Group => {
                let group = Group {
                    number: 0,
                    people: vec!["bob@example.org".parse().unwrap()],
                };
                queue.expand_all(id, &envelope(), vec![group]).await;
            }
        }
        let outcome = queue.case_trial(case).unwrap().unwrap().outcome;
        assert!(
            matches!(outcome, TrialOutcome::Refused { .. }),
            "{taken:?}: {outcome:?}"
        );
        assert_eq!(queue.under_way(case).unwrap(), None, "{taken:?}");
        assert!(queue.tries().cases.is_empty(), "{taken:?}");
    }
    idle.close().await;
}

/// A word that went wrong may leave a first one of which nobody knows: who says it again is told
/// that it is under way, and hears its end.
#[tokio::test]
async fn who_waits_for_his_trial_is_known_again() {
    let folder = tempfile::tempdir().unwrap();
    let idle = idle_tests::idle(folder.path(), &BackendId::new("cloud"));
    let queue = &idle.queue;
    let (case, reason) = refused("550 5.4.1 Access denied");
    let spool = &queue.0.parts.spool;
    let id = spool.accept(spool.draft(), envelope()).await.unwrap();
    let member = CaseMember {
        since: Timestamp::EPOCH,
        id,
        recipient: 0,
    };
    let trial = queue.trial_with(&release("ann", ""), member);
    queue.note_trial(case, &trial).await.unwrap();
    assert_eq!(queue.under_way(case).unwrap(), Some(trial));
    queue.keep(vec![(id, vec![(0, reason)])]).await;
    assert_eq!(queue.under_way(case).unwrap(), None);
    let outcome = queue.case_trial(case).unwrap().unwrap().outcome;
    assert!(
        matches!(outcome, TrialOutcome::Refused { .. }),
        "{outcome:?}"
    );
    idle.close().await;
}
