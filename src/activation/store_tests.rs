use super::*;
use crate::backend::{BackendOptions, Signal};
use crate::base::TimeSource;
use crate::base::Timestamp;
use crate::directory::{ImportOptions, read_csv};
use crate::mail::{Blame, Failure};
use crate::spool::World;

/// A time that passes only when told.
#[derive(Debug, Clone, Default)]
struct Hand(Arc<std::sync::atomic::AtomicU64>);

impl Hand {
    fn pass(&self, seconds: u64) {
        let order = std::sync::atomic::Ordering::Relaxed;
        self.0.fetch_add(seconds * 1000, order);
    }
}

impl TimeSource for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(
            1_700_000_000_000 + self.0.load(std::sync::atomic::Ordering::Relaxed),
        )
    }
}

struct House {
    folder: tempfile::TempDir,
    hand: Hand,
    backends: Vec<BackendOptions>,
}

struct Life {
    spool: Spool,
    board: Board,
    activation: Activation,
    writer: std::thread::JoinHandle<()>,
    _committed: tokio::sync::mpsc::Receiver<crate::spool::Committed>,
}

impl House {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            hand: Hand::default(),
            backends: vec![BackendOptions::new(
                BackendId::new("onprem"),
                crate::backend::Hosts::List(vec!["127.0.0.1:25".into()]),
            )],
        }
    }

    fn live(&self, base: Setting) -> Life {
        let options = crate::spool::Options {
            min_free: 0,
            ..crate::spool::Options::new(self.folder.path())
        };
        let opened = Spool::open(options, World::system()).unwrap();
        let writer = opened.writer.spawn_thread().unwrap();
        let clock = Clock::new(self.hand.clone());
        let board = Board::new(&self.backends, clock.clone());
        let csv = "address,type,members\nann@example.org,mailbox,\nbob@example.org,mailbox,\n\
                   pilots@example.org,group,ann@example.org\n";
        let people = read_csv(csv.as_bytes(), ImportOptions::default()).unwrap();
        let directory = DirectoryHandle::new(people);
        let options = Options {
            base,
            ..Options::default()
        };
        let parts = (directory, board.clone());
        Life {
            activation: Activation::new(opened.spool.clone(), parts, clock, options),
            spool: opened.spool,
            board,
            writer,
            _committed: opened.committed,
        }
    }
}

impl Life {
    async fn end(self) {
        self.spool.close().await.unwrap();
        drop((self.activation, self.spool));
        self.writer.join().unwrap();
    }

    fn mode(&self, user: &str) -> Mode {
        let moment = self.activation.moment().unwrap();
        let home = BackendId::new("onprem");
        moment.ruling(user, Some(&home)).mode
    }

    fn fail(&self) {
        for _ in 0..3 {
            let failure = Failure::without_reply(Blame::Backend, "refused");
            self.board
                .report(&BackendId::new("onprem"), Signal::Bad(failure));
        }
    }

    fn recover(&self) {
        for _ in 0..3 {
            self.board
                .report_probe(&BackendId::new("onprem"), Signal::Good);
        }
    }

    async fn say(&self, scope: Scope, setting: Option<Setting>) {
        let wish = Wish {
            scopes: vec![scope],
            setting,
            actor: "root".to_owned(),
            reason: "a test".to_owned(),
        };
        self.activation.say(wish).await.unwrap();
    }
}

const ANN: &str = "ann@example.org";
const BOB: &str = "bob@example.org";

#[tokio::test]
async fn what_operators_say_outlives_the_process_and_ends() {
    let house = House::new();
    let life = house.live(Setting::Full);
    assert_eq!((life.mode(ANN), life.mode(BOB)), (Mode::Full, Mode::Full));
    assert!(!life.activation.moment().unwrap().is_shut());
    life.say(Scope::Everybody, Some(Setting::Off)).await;
    assert!(life.activation.moment().unwrap().is_shut());
    let pilots = Scope::Group("pilots@example.org".to_owned());
    life.say(pilots.clone(), Some(Setting::Test)).await;
    life.end().await;

    let life = house.live(Setting::Full);
    assert_eq!((life.mode(ANN), life.mode(BOB)), (Mode::Full, Mode::Off));
    let moment = life.activation.moment().unwrap();
    let ruling = moment.ruling(ANN, None);
    assert_eq!(
        (ruling.setting, ruling.scope),
        (Setting::Test, pilots.clone())
    );
    assert_eq!(moment.view().rules.len(), 2);
    life.say(Scope::User(ANN.to_owned()), Some(Setting::ReadOnly))
        .await;
    assert_eq!(life.mode(ANN), Mode::ReadOnly);
    // Whoever asked before sees one consistent whole.
    assert_eq!(moment.ruling(ANN, None).mode, Mode::Full);
    drop(moment);
    for scope in [pilots, Scope::Everybody, Scope::User(ANN.to_owned())] {
        life.say(scope, None).await;
    }
    life.end().await;
    let life = house.live(Setting::Full);
    assert_eq!((life.mode(ANN), life.mode(BOB)), (Mode::Full, Mode::Full));
    assert!(life.activation.moment().unwrap().view().rules.is_empty());
    life.end().await;
}

#[tokio::test]
async fn an_outage_opens_by_itself_over_restarts_and_ends_late() {
    let house = House::new();
    let life = house.live(Setting::Auto);
    life.activation.look().await.unwrap();
    assert_eq!(life.mode(ANN), Mode::Off);
    life.fail();
    house.hand.pass(599);
    life.activation.look().await.unwrap();
    assert_eq!(life.mode(ANN), Mode::Off);
    house.hand.pass(1);
    life.activation.look().await.unwrap();
    assert_eq!(life.mode(ANN), Mode::Full);
    let moment = life.activation.moment().unwrap();
    let elsewhere = BackendId::new("cloud");
    assert_eq!(moment.ruling(ANN, Some(&elsewhere)).mode, Mode::Off);
    drop(moment);
    life.end().await;

    // A new life doubts no backend at first: that is no end of the outage.
    let life = house.live(Setting::Auto);
    life.activation.look().await.unwrap();
    assert_eq!(life.mode(ANN), Mode::Full);
    house.hand.pass(1000);
    life.fail();
    life.activation.look().await.unwrap();
    house.hand.pass(1000);
    life.activation.look().await.unwrap();
    assert_eq!(life.mode(ANN), Mode::Full);
    life.recover();
    life.activation.look().await.unwrap();
    house.hand.pass(1799);
    life.activation.look().await.unwrap();
    assert_eq!(life.mode(ANN), Mode::Full);
    house.hand.pass(1);
    life.activation.look().await.unwrap();
    assert_eq!(life.mode(ANN), Mode::Off);
    assert!(life.spool.facts(ROOM, OUTAGE).unwrap().is_empty());
    life.end().await;
}
