//! A queue that is not started, for the tests of this room.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use super::{Options, Parts, Queue};
use crate::backend::{BackendOptions, Board, Hosts};
use crate::base::{Boxed, Clock, Entropy, Shutdown};
use crate::directory::{Directory, DirectoryHandle};
use crate::mail::{BackendId, Blame, Channel, DeliveryTarget, Failure, Transport};
use crate::route::{RouteOptions, Router};
use crate::spool::{self, Committed, Spool};

/// A network without a way out.
#[derive(Debug)]
struct NoWay;

impl Transport for NoWay {
    fn open<'a>(&'a self, _: &'a DeliveryTarget) -> Boxed<'a, Result<Box<dyn Channel>, Failure>> {
        Box::pin(async { Err(Failure::without_reply(Blame::Backend, "no way")) })
    }
}

/// A queue that is not started, with one backend, on a spool that is written.
pub(super) struct Idle {
    pub(super) queue: Queue,
    pub(super) board: Board,
    _committed: mpsc::Receiver<Committed>,
    writer: std::thread::JoinHandle<()>,
}

impl Idle {
    /// Ends what was begun.
    pub(super) async fn close(self) {
        let parts = &self.queue.0.parts;
        parts.shutdown.stop().await;
        parts.spool.close().await.unwrap();
        self.writer.join().unwrap();
    }
}

pub(super) fn idle(folder: &Path, backend: &BackendId) -> Idle {
    let options = spool::Options {
        min_free: 0,
        ..spool::Options::new(folder)
    };
    let opened = Spool::open(options, spool::World::system()).unwrap();
    let hosts = Hosts::List(vec!["192.0.2.1:25".to_owned()]);
    let mut backend = BackendOptions::new(backend.clone(), hosts);
    backend.probe.interval = Duration::ZERO;
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
    Idle {
        queue: Queue::new(parts, options),
        board,
        _committed: opened.committed,
        writer: opened.writer.spawn_thread().unwrap(),
    }
}
