use super::*;
use crate::backend::{Board, Ground, Health, Override, Signal, Wish};
use crate::mail::{Failure, Recipient, RecipientEvent, Said};
use crate::queue::claims::Claim;
use crate::queue::{idle_tests, samples};
use crate::smtp::{RcptParameters, Reply};

#[tokio::test]
async fn a_backend_that_takes_no_mail_gets_trials_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = BackendId::new("cloud");
    let idle = idle_tests::idle(folder.path(), &cloud);
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
        board.report_refused(&cloud, (&case, Ground::Recipient), name);
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

/// Breaks of a connection are none in a row when mail is taken in between, whoever's it is: of a
/// replay nobody else hears.
#[tokio::test]
async fn what_is_taken_in_between_ends_a_row_of_failures() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = BackendId::new("cloud");
    let idle = idle_tests::idle(folder.path(), &cloud);
    let target = DeliveryTarget::Backend(cloud.clone());
    let broken = Failure::without_reply(Blame::Backend, "connection lost");
    let broken = Outcome::Failed(broken);
    let reply = Reply::new(250, (2, 0, 0), "ok");
    let taken = Outcome::Delivered { reply };
    for time in 1..=8 {
        for outcome in [&broken, &taken] {
            idle.queue
                .tell_board(&target, std::slice::from_ref(outcome));
        }
        let health = idle.board.health(&cloud).unwrap();
        assert_eq!(health.health, Health::Up, "{time}: {}", health.reason);
    }
}

/// A message that is put off as a whole is one attempt, to however many people it goes.
#[tokio::test]
async fn a_message_that_is_put_off_counts_once() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = BackendId::new("cloud");
    let idle = idle_tests::idle(folder.path(), &cloud);
    let target = DeliveryTarget::Backend(cloud.clone());
    let health_behind = |id: u64| {
        let numbers = [0, 1, 2, 3, 4];
        let id = SpoolId::from_u64(id);
        let mut job = samples::job(id, Source::Fresh, "ann@example.org", &numbers);
        for recipient in &mut job.recipients {
            let address = format!("user{}of{id}@example.org", recipient.number);
            recipient.address = address.parse().unwrap();
        }
        let later = Reply::parse(&["451 4.7.1 Come later"]).unwrap();
        let outcome = Outcome::Failed(Failure::replied(Blame::Message, later));
        let outcomes = vec![outcome; job.recipients.len()];
        idle.queue.tell_breaker(&target, &job, &outcomes);
        idle.board.health(&cloud).unwrap().health
    };
    for message in 1..=4 {
        assert_eq!(health_behind(message), Health::Up, "{message}");
    }
    assert_eq!(health_behind(5), Health::Slow, "five messages");
}

/// A job with a message of its own for one of ours.
fn job_for(id: u64, address: &str, mailbox: &str) -> Job {
    let mut job = samples::job(SpoolId::from_u64(id), Source::Fresh, address, &[0]);
    let recipient = Recipient {
        address: address.parse().unwrap(),
        parameters: RcptParameters::default(),
        lane: "cloud".to_owned(),
        mailbox: Some(mailbox.to_owned()),
    };
    Arc::make_mut(&mut job.envelope).recipients.push(recipient);
    job
}

/// What makes a backend rejecting is people, and a name with a tag says nothing of them when it is
/// not known.
#[tokio::test]
async fn people_are_counted_and_not_their_addresses() {
    let ways: [(&str, [&str; 6], Health); 5] = [
        (
            "550 5.4.1 no",
            ["ann", "a.l", "al", "ann.lee", "lee", "a"],
            Health::Up,
        ),
        (
            "550 5.1.1 no",
            ["a+x", "b+x", "c+x", "d+x", "e+x", "f+x"],
            Health::Up,
        ),
        (
            "550 5.7.1 no",
            ["a+x", "b+x", "c+x", "d+x", "e+x", "f+x"],
            Health::Rejecting,
        ),
        (
            "550 5.1.1 no",
            ["a+x", "b", "c", "d", "e", "a"],
            Health::Rejecting,
        ),
        (
            "550 5.7.1 no",
            ["a+1", "a+2", "a+3", "a+4", "a+5", "a"],
            Health::Up,
        ),
    ];
    for (line, names, expected) in ways {
        let folder = tempfile::tempdir().unwrap();
        let cloud = BackendId::new("cloud");
        let idle = idle_tests::idle(folder.path(), &cloud);
        let target = DeliveryTarget::Backend(cloud.clone());
        // The first ones are aliases of one, the others are in no directory.
        let is_ann = names.contains(&"ann");
        for (id, name) in (1..).zip(names) {
            let address = format!("{name}@example.org");
            let mailbox = if is_ann {
                "ann@example.org"
            } else {
                address.as_str()
            };
            let job = job_for(id, &address, mailbox);
            let reply = Reply::parse(&[line]).unwrap();
            let outcome = Outcome::Failed(Failure::refused(Said::Rcpt, reply));
            idle.queue.tell_breaker(&target, &job, &[outcome]);
        }
        let health = idle.board.health(&cloud).unwrap().health;
        assert_eq!(health, expected, "{line} {names:?}");
    }
}

/// Behind the final dot LMTP has a reply for each recipient: RCPT is taken as ever.
#[tokio::test]
async fn only_who_was_refused_at_rcpt_is_asked_for() {
    for (said, is_asked) in [(Said::End, false), (Said::Rcpt, true)] {
        let folder = tempfile::tempdir().unwrap();
        let cloud = BackendId::new("cloud");
        let idle = idle_tests::idle(folder.path(), &cloud);
        let target = DeliveryTarget::Backend(cloud.clone());
        let broken = Reply::parse(&["550 5.2.1 The store is broken"]).unwrap();
        let failure = Failure {
            blame: Blame::Recipient,
            ..Failure::refused(said, broken)
        };
        for (id, name) in (1..).zip(["a", "b", "c", "d", "e"]) {
            let address = format!("{name}@example.org");
            let job = job_for(id, &address, &address);
            let outcome = Outcome::Failed(failure.clone());
            idle.queue.tell_breaker(&target, &job, &[outcome]);
        }
        let health = idle.board.health(&cloud).unwrap();
        assert_eq!(health.health, Health::Rejecting);
        // The samples are probed without a pause.
        let asked = idle.board.whom_to_ask_for(&cloud);
        assert_eq!(asked.is_some(), is_asked, "{said:?}: {asked:?}");
    }
}

fn make_rejecting(board: &Board, cloud: &BackendId) -> CaseId {
    let denied = Reply::parse(&["550 5.4.1 Access denied"]).unwrap();
    let case = CaseKey::of(cloud, &Failure::refused(Said::Rcpt, denied));
    for name in ["a", "b", "c", "d", "e"] {
        board.report_refused(cloud, (&case, Ground::Recipient), name);
    }
    case.id()
}

/// Somebody's mail, in this lane.
async fn waiting_in(queue: &Queue, lane: &str, address: &str) -> SpoolId {
    let mut job = job_for(1, address, address);
    Arc::make_mut(&mut job.envelope).recipients[0].lane = lane.to_owned();
    let spool = &queue.0.parts.spool;
    let envelope = Envelope::clone(&job.envelope);
    spool.accept(spool.draft(), envelope).await.unwrap()
}

fn put_off_until(due: Timestamp) -> RecipientEvent {
    let full = Reply::parse(&["452 4.2.2 Mailbox full"]).unwrap();
    RecipientEvent::Deferred {
        backend: BackendId::new("cloud"),
        failure: Failure::refused(Said::Rcpt, full),
        due,
        counts: true,
    }
}

/// While nobody is due the loader waits for the first who will be, and does not read all lanes each
/// second. The first one of a case that is another platform's is nobody here.
#[tokio::test]
async fn who_will_be_due_first_says_when_to_look_again() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = BackendId::new("cloud");
    let idle = idle_tests::idle(folder.path(), &cloud);
    let queue = &idle.queue;
    let case = make_rejecting(&idle.board, &cloud);
    let id = waiting_in(queue, "cloud", "ann@example.org").await;
    let due = queue.0.parts.clock.now().after(Duration::from_secs(3600));
    let spool = &queue.0.parts.spool;
    let put_off = spool.record(id, vec![0], put_off_until(due));
    put_off.await.unwrap();
    assert_eq!(queue.try_rejecting().await, Some(due));
    let elsewhere = waiting_in(queue, "onprem", "eve@far.example").await;
    queue.tries().cases.insert((elsewhere, 0), case);
    assert_eq!(queue.try_rejecting().await, Some(due), "another's case");
    idle.close().await;
}

/// While a trial is under way nothing is asked, however long that lasts.
#[tokio::test]
async fn the_end_of_a_trial_calls_for_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = BackendId::new("cloud");
    let idle = idle_tests::idle(folder.path(), &cloud);
    let queue = &idle.queue;
    make_rejecting(&idle.board, &cloud);
    let id = waiting_in(queue, "cloud", "ann@example.org").await;
    queue.tries().probing.insert(cloud, (id, 0));
    assert_eq!(queue.state().claim(id, 0), Claim::Ours);
    assert_eq!(queue.try_rejecting().await, None, "its end is waited for");
    let event = put_off_until(queue.0.parts.clock.now());
    queue.tried(id, &[0], &event).await;
    let woken = tokio::time::timeout(Duration::from_secs(10), queue.0.wake.notified());
    assert!(woken.await.is_ok(), "nobody wakes the loader");
    idle.close().await;
}

/// Whose mail the platform took waits behind thousands of whom nothing is known: only the first
/// look is short.
#[tokio::test]
async fn who_is_known_is_found_soon_behind_many_who_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = BackendId::new("cloud");
    let idle = idle_tests::idle(folder.path(), &cloud);
    let queue = &idle.queue;
    let known = "ann@example.org";
    idle.board.note_taken(&cloud, vec![known.to_owned()]);
    let spool = &queue.0.parts.spool;
    for message in 0..30 {
        let mut job = job_for(1, known, known);
        Arc::make_mut(&mut job.envelope).recipients = (0..100)
            .flat_map(|number| {
                let address = format!("user{number}of{message}@example.org");
                let job = job_for(1, &address, &address);
                job.envelope.recipients.clone()
            })
            .collect();
        let envelope = Envelope::clone(&job.envelope);
        spool.accept(spool.draft(), envelope).await.unwrap();
    }
    let id = waiting_in(queue, "cloud", known).await;
    let firsts = (1..=5).map(|_| queue.most_likely_first(&cloud).unwrap().due[0].id);
    let firsts: Vec<SpoolId> = firsts.collect();
    assert!(firsts.contains(&id), "five looks do not find him");
    idle.close().await;
}
