use super::*;
use crate::backend::{Override, Signal, Wish};
use crate::mail::{Failure, Said};
use crate::queue::samples;
use crate::smtp::Reply;

#[tokio::test]
async fn a_backend_that_takes_no_mail_gets_trials_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = BackendId::new("cloud");
    let idle = samples::idle(folder.path(), &cloud);
    let (queue, board) = (&idle.queue, &idle.board);
    let target = DeliveryTarget::Backend(cloud.clone());
    let job = |id| {
        samples::job(
            SpoolId::from_u64(id),
            Source::Fresh,
            "ann@example.org",
            &[0],
        )
    };
    let (trial, other) = (job(1), job(2));
    queue.tries().probing.insert(cloud.clone(), (trial.id, 0));
    let may = || (queue.may_go(&target, &trial), queue.may_go(&target, &other));
    let say = |wish| {
        let said = Override {
            wish,
            actor: "root".to_owned(),
            reason: String::new(),
            since: Timestamp::EPOCH,
        };
        board.set_override(&cloud, said);
    };
    assert_eq!(may(), (true, true), "it is up");
    say(Wish::Hold);
    assert_eq!(may(), (false, false), "it is held");
    say(Wish::Resume);

    let denied = Reply::parse(&["550 5.4.1 Access denied"]).unwrap();
    let case = CaseKey::of(&cloud, &Failure::refused(Said::Rcpt, denied));
    for name in ["a", "b", "c", "d", "e"] {
        board.report_refused(&cloud, &case, name);
    }
    assert_eq!(may(), (true, false), "it is rejecting");
    say(Wish::Hold);
    assert_eq!(may(), (false, false), "it is held, and rejecting");
    say(Wish::Up);
    assert_eq!(may(), (true, true), "somebody said so");
    say(Wish::Resume);
    for _ in 0..3 {
        let failure = Failure::without_reply(Blame::Backend, "refused");
        board.report(&cloud, Signal::Bad(failure));
    }
    assert_eq!(may(), (false, false), "it is down");
    let stranger = DeliveryTarget::Domain("far.example".to_owned());
    assert!(queue.may_go(&stranger, &other), "nobody watches strangers");
}
