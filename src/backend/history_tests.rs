use super::*;
use crate::backend::monitor::tests::backend;
use crate::backend::{Ground, Override, Signal, override_backend, restore_overrides};
use crate::base::Clock;
use crate::limits;
use crate::mail::{Blame, CaseKey, Failure, Said};
use crate::smtp::Reply;
use crate::spool::{Options, World};

fn onprem() -> BackendId {
    BackendId::new("onprem")
}

/// Each look at this clock shows another time.
#[derive(Debug, Default)]
struct Ticking(std::sync::atomic::AtomicU64);

impl crate::base::TimeSource for Ticking {
    fn now(&self) -> Timestamp {
        let order = std::sync::atomic::Ordering::SeqCst;
        Timestamp::from_millis(self.0.fetch_add(1, order))
    }
}

fn board() -> Board {
    let mut options = backend("onprem");
    options.probe.interval = Duration::ZERO;
    Board::new(&[options], Clock::new(Ticking::default()))
}

fn fall(board: &Board) {
    for _ in 0..3 {
        let failure = Failure::without_reply(Blame::Backend, "connection refused");
        board.report_probe(&onprem(), Signal::Bad(failure));
    }
}

fn refuse(board: &Board) {
    let reply = Reply::parse(&["550 5.4.1 Access denied"]).unwrap();
    let case = CaseKey::of(&onprem(), &Failure::refused(Said::Rcpt, reply));
    for name in ["a", "b", "c", "d", "e"] {
        board.report_refused(&onprem(), (&case, Ground::Recipient), name);
    }
}

fn said(wish: Wish, reason: &str) -> Override {
    Override {
        wish,
        actor: "root".to_owned(),
        reason: reason.to_owned(),
        since: Timestamp::EPOCH,
    }
}

fn told(board: &Board) -> Vec<String> {
    let history = board.history(&onprem());
    history.iter().map(ToString::to_string).collect()
}

#[test]
fn every_change_has_its_reason() {
    let board = board();
    fall(&board);
    for _ in 0..3 {
        board.report_probe(&onprem(), Signal::Good);
    }
    refuse(&board);
    board.set_override(&onprem(), said(Wish::Drain, "the weekend"));
    board.report_accepted(&onprem());
    let after = board.health(&onprem()).unwrap();
    assert_eq!(after.health, Health::Up);
    assert_eq!(after.reason, "it accepts mail again");
    for (wish, reason) in [
        (Wish::Hold, "disks"),
        (Wish::Up, "I know it"),
        (Wish::Resume, ""),
    ] {
        board.set_override(&onprem(), said(wish, reason));
    }
    // Said twice is no change, and a good signal is none.
    board.set_override(&onprem(), said(Wish::Resume, ""));
    board.report(&onprem(), Signal::Good);
    let history = board.history(&onprem());
    assert_eq!(
        told(&board),
        [
            "down: connection refused",
            "up: it answers again",
            "rejecting: 5 recipients were refused alike: 550 5.4.1 Access denied",
            "drained by root: the weekend",
            "up: it accepts mail again",
            "held by root: disks",
            "forced up by root: I know it",
            "resumed by root",
        ]
    );
    assert_eq!(after.since, history[4].at, "since the end of the refusals");
    assert!(history.windows(2).all(|two| two[0].at <= two[1].at));
}

#[test]
fn what_is_remembered_is_bounded() {
    let board = board();
    let many = limits::HEALTH_CHANGES + 5;
    for number in 0..many {
        board.set_override(&onprem(), said(Wish::Hold, &number.to_string()));
    }
    let history = board.history(&onprem());
    assert_eq!(history.len(), limits::HEALTH_CHANGES);
    assert_eq!(history.last().unwrap().number, many as u64);
    assert_eq!(history[0].reason, "5");
}

#[tokio::test]
async fn it_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        min_free: 0,
        ..Options::new(folder.path())
    };
    for life in 0..3 {
        let opened = Spool::open(options.clone(), World::system()).unwrap();
        let (spool, writer) = (opened.spool, opened.writer.spawn_thread().unwrap());
        let board = board();
        restore_overrides(&spool, &board).unwrap();
        if life == 1 {
            // Seen before the log could be asked.
            fall(&board);
        }
        restore_history(&spool, &board).unwrap();
        let shutdown = Shutdown::new();
        let keep = keep_history(spool.clone(), board.clone(), shutdown.clone());
        shutdown.spawn("history", keep);
        if life == 0 {
            let wish = said(Wish::Drain, "the weekend");
            override_backend(&spool, &board, &onprem(), wish)
                .await
                .unwrap();
            refuse(&board);
        }
        while !board.unsaved().is_empty() {
            tokio::task::yield_now().await;
        }
        shutdown.stop().await;
        spool.close().await.unwrap();
        if life == 2 {
            let rejecting = "rejecting: 5 recipients were refused alike: 550 5.4.1 Access \
                             denied";
            // A restart is no answer, and one that answers has accepted nobody.
            let down = [
                "drained by root: the weekend",
                rejecting,
                "down: connection refused",
            ];
            assert_eq!(told(&board), down);
            let health = board.health(&onprem()).unwrap();
            assert_eq!((health.health, health.remembered), (Health::Down, true));
            assert_eq!(health.since, board.history(&onprem())[2].at);
            board.report_probe(&onprem(), Signal::Good);
            assert_eq!(told(&board), [&down[..], &[rejecting]].concat());
            let numbers = board.history(&onprem()).into_iter().map(|one| one.number);
            assert_eq!(numbers.collect::<Vec<_>>(), [1, 2, 3, 4]);
            assert_eq!(board.health(&onprem()).unwrap().health, Health::Rejecting);
            assert!(board.rejecting(&onprem()).is_some());
            assert!(board.next_trial(&onprem()).is_some(), "it is tried again");
            assert!(board.report_accepted(&onprem()));
            assert_eq!(board.health(&onprem()).unwrap().health, Health::Up);
        }
        drop((spool, board));
        writer.join().unwrap();
    }
}

/// What each life saw of one that went down in the first: nothing, that it answers, or that it does
/// not, before the log could be asked or behind that.
#[test]
fn down_is_down_over_a_start_until_it_answers() {
    let first = board();
    fall(&first);
    let fell = first.history(&onprem());
    let begin = |before: &dyn Fn(&Board)| {
        let board = board();
        before(&board);
        let heard = if board.entries()[&onprem()].has_answered() {
            Heard::Answer
        } else {
            Heard::Nothing
        };
        let now = board.now();
        let mut histories = board.histories();
        let history = histories.entry(onprem()).or_default();
        let left = history.restore(fell.clone(), now, heard);
        drop(histories);
        (told(&board), left.down.map(|(since, _)| since))
    };
    let since = Some(fell[0].at);
    let down = "down: connection refused".to_owned();
    assert_eq!(begin(&|_: &Board| {}), (vec![down.clone()], since));
    assert_eq!(begin(&fall), (vec![down.clone()], since));
    let up = "up: the program was started and has not met trouble yet".to_owned();
    let answered = begin(&|board: &Board| board.report_probe(&onprem(), Signal::Good));
    assert_eq!(answered, (vec![down, up], None));
}

/// One that failed all mail does so over a start, whatever probes say; one that took some does not.
#[tokio::test]
async fn failing_is_so_over_a_start_until_mail_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        min_free: 0,
        ..Options::new(folder.path())
    };
    let mut told_of = Vec::new();
    for life in 0..3 {
        let opened = Spool::open(options.clone(), World::system()).unwrap();
        let (spool, writer) = (opened.spool, opened.writer.spawn_thread().unwrap());
        let board = board();
        if life == 1 {
            board.report_probe(&onprem(), Signal::Good);
        }
        restore_history(&spool, &board).unwrap();
        let health = board.health(&onprem()).unwrap();
        told_of.push((health.health, health.failing));
        let shutdown = Shutdown::new();
        let keep = keep_history(spool.clone(), board.clone(), shutdown.clone());
        shutdown.spawn("history", keep);
        if life == 0 {
            // It asks for less first: that it fails mail is another thing.
            let reply = Reply::parse(&["451 4.7.500 Server busy"]).unwrap();
            let busy = Failure::replied(Blame::Backend, reply);
            board.report_probe(&onprem(), Signal::Bad(busy));
            for name in ["a", "b", "c", "d", "e"] {
                let reply = Reply::parse(&["450 4.2.1 not now"]).unwrap();
                let failure = Failure::replied(Blame::Recipient, reply);
                board.report_put_off(&onprem(), name, &failure);
            }
            let failing = board.history(&onprem()).into_iter().map(|one| one.failing);
            assert_eq!(failing.collect::<Vec<_>>(), [false, true]);
        }
        if life == 1 {
            let history = board.history(&onprem());
            assert_eq!(history.len(), 2, "a start is no news");
            assert_eq!(health.since, history[1].at);
            // It goes down, which is remembered instead.
            for _ in 0..limits::FAILING_MAIL {
                board.report_taken(&onprem());
            }
            let last = board.history(&onprem()).pop().unwrap();
            assert_eq!((last.became, last.failing), (Became::Slow, false));
            fall(&board);
        }
        while !board.unsaved().is_empty() {
            tokio::task::yield_now().await;
        }
        shutdown.stop().await;
        spool.close().await.unwrap();
        drop((spool, board));
        writer.join().unwrap();
    }
    let expected = [
        (Health::Up, false),
        (Health::Slow, true),
        (Health::Down, false),
    ];
    assert_eq!(told_of, expected);
}
