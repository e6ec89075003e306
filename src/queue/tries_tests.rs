use std::sync::Arc;

use super::*;
use crate::backend::{BackendOptions, Board, Hosts, Override, Signal, Wish};
use crate::base::{Boxed, Clock, Entropy, Shutdown};
use crate::directory::{Directory, DirectoryHandle};
use crate::mail::{Channel, Failure, Said, Transport};
use crate::queue::{Options, Parts, samples};
use crate::route::{RouteOptions, Router};
use crate::smtp::Reply;
use crate::spool::{self, Spool};

/// A network without a way out.
#[derive(Debug)]
struct NoWay;

impl Transport for NoWay {
    fn open<'a>(&'a self, _: &'a DeliveryTarget) -> Boxed<'a, Result<Box<dyn Channel>, Failure>> {
        Box::pin(async { Err(Failure::without_reply(Blame::Backend, "no way")) })
    }
}

/// A queue that is not started, with one backend.
fn queue(folder: &std::path::Path, cloud: &BackendId) -> (Queue, Board) {
    let opened = Spool::open(
        spool::Options {
            min_free: 0,
            ..spool::Options::new(folder)
        },
        spool::World::system(),
    )
    .unwrap();
    let hosts = Hosts::List(vec!["192.0.2.1:25".to_owned()]);
    let mut backend = BackendOptions::new(cloud.clone(), hosts);
    backend.probe.interval = std::time::Duration::ZERO;
    let board = Board::new(&[backend], Clock::system());
    let directory = DirectoryHandle::new(Directory::builder(Vec::new()).finish());
    let parts = Parts {
        spool: opened.spool,
        router: Router::new(directory, board.clone(), RouteOptions::default()),
        transport: Arc::new(NoWay),
        clock: Clock::system(),
        entropy: Entropy::system(),
        shutdown: Shutdown::new(),
    };
    let options = Options {
        hostname: "mx.example.org".to_owned(),
        delay_notice_after: None,
        finals: Vec::new(),
        backends: BTreeMap::new(),
    };
    (Queue::new(parts, options), board)
}

#[tokio::test]
async fn a_backend_that_takes_no_mail_gets_trials_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let cloud = BackendId::new("cloud");
    let (queue, board) = queue(folder.path(), &cloud);
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
