use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::mail::{Blame, Failure, RecipientEvent, ReplayPhase, ReplayStep};
use crate::smtp::Reply;
use crate::spool::retention_tests::{Hands, compare_with_an_index_made_anew, fill, open};
use crate::spool::tests::{close, read};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn replay(step: ReplayStep) -> RecipientEvent {
    RecipientEvent::Replay {
        replay: "r1".to_owned(),
        backend: BackendId::new("onprem"),
        step,
        diverted_from: None,
    }
}

fn took() -> ReplayStep {
    ReplayStep::Delivered {
        reply: Reply::new(250, (2, 0, 0), "ok"),
        delivery_address: "bob@example.org".to_owned(),
        tls: None,
    }
}

/// I2 and I9: what a replay needs outlives its time, and what it did is known for ever.
#[tokio::test]
async fn replays_are_carried_with_their_message_and_their_mail_stays() {
    let (dir, hands) = (TempDir::new().unwrap(), Hands::new());
    let (spool, opened) = open(dir.path(), &hands);
    let (finished, waiting) = fill(&spool, dir.path(), 3).await;
    let onprem = BackendId::new("onprem");
    let later = ReplayStep::Deferred {
        failure: Failure::without_reply(Blame::Recipient, "later"),
        due: waiting[0].timestamp(),
        counts: true,
    };
    for (id, step) in [(waiting[0], later), (finished[0], took())] {
        spool.record(id, vec![1], replay(step)).await.unwrap();
    }
    let marks = [waiting[0], finished[0]].map(|id| spool.replays(id).unwrap());
    assert!(marks.iter().all(|marks| marks.len() == 1), "{marks:?}");
    let body = read(&spool, finished[0]);
    let until = SpoolId::from_u64(finished[0].as_u64() + 1);
    spool.keep_back("r1", finished[0]..until).await.unwrap();
    assert_eq!(
        spool.accepted(finished[0]..until, 9).unwrap(),
        [finished[0]]
    );

    hands.forward(DAY * 31);
    fill(&spool, dir.path(), 5).await;
    assert!(spool.retire().await.unwrap().segments > 0);
    assert!(
        spool.message(finished[1]).unwrap().is_none(),
        "its time is over"
    );
    assert_eq!(read(&spool, finished[0]), body, "somebody needs it");
    assert_eq!(
        [waiting[0], finished[0]].map(|id| spool.replays(id).unwrap()),
        marks
    );
    let mut gone = Vec::new();
    let all = SpoolId::default()..SpoolId::from_u64(u64::MAX);
    spool.gone(all, &mut |one| gone.push(one.id)).unwrap();
    assert!(gone.contains(&finished[1]) && !gone.contains(&finished[0]));

    let (spool, opened) = compare_with_an_index_made_anew(dir.path(), &hands, spool, opened).await;
    assert_eq!(
        [waiting[0], finished[0]].map(|id| spool.replays(id).unwrap()),
        marks
    );
    spool.let_go("r1").await.unwrap();
    assert!(!spool.kept_back().unwrap().contains(finished[0]));

    // A stop in the middle of an attempt leaves it in doubt.
    let begins = replay(ReplayStep::Attempted);
    spool.record(finished[0], vec![0], begins).await.unwrap();
    close(spool, opened).await;
    let (spool, opened) = open(dir.path(), &hands);
    assert_eq!(opened.recovery.interrupted, 1);
    let mark = spool.replayed(finished[0], 0, &onprem).unwrap().unwrap();
    assert!(mark.uncertain && matches!(mark.phase, ReplayPhase::Waiting { .. }));
    close(spool, opened).await;
}
