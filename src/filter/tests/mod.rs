//! Filters that work, and all the ways in which one may not: clamd.

mod bearer;
mod hosts;
mod milter;
mod rspamd;
mod upkeep;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::Instant;

use super::*;
use crate::base::{Clock, Shutdown};
use crate::limits;
use crate::mail::{FilterVerdict, Filtered, HoldReason};
use crate::net::hosts_tests::Hosts;
use crate::net::{BoxedStream, Dial};
use crate::smtp::RcptParameters;

/// How a filter of a test behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// As clamd does; a message with `EICAR` in it is bad.
    Works,
    /// Everything is bad.
    FindsAll,
    /// Nobody listens.
    Refuses,
    /// It takes a connection, and neither reads nor writes.
    Stalls,
    /// It says that it is there, and nothing about messages.
    OnlyPongs,
    /// It reads all, and ends in the middle of its answer.
    HalfAnswer,
    /// It never stops answering.
    Endless,
    /// It answers what no clamd answers.
    Nonsense,
    /// It closes the connection at once.
    Closes,
    /// It says that all is well before it has seen it.
    Hasty,
    /// It takes 100 KB and says that this is too much.
    Small,
    /// It has trouble of its own.
    Fails,
}

#[derive(Debug)]
struct Daemon {
    manner: Mutex<Manner>,
    dialled: AtomicUsize,
    shutdown: Shutdown,
}

impl Daemon {
    fn new(manner: Manner) -> Arc<Self> {
        Arc::new(Self {
            manner: Mutex::new(manner),
            dialled: AtomicUsize::new(0),
            shutdown: Shutdown::new(),
        })
    }

    fn becomes(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    fn dialled(&self) -> usize {
        self.dialled.swap(0, Ordering::SeqCst)
    }
}

impl Dial for Daemon {
    fn dial(&self, _: SocketAddr) -> Boxed<'_, io::Result<BoxedStream>> {
        self.dialled.fetch_add(1, Ordering::SeqCst);
        let manner = *self.manner.lock().unwrap();
        Box::pin(async move {
            if manner == Manner::Refuses {
                return Err(io::ErrorKind::ConnectionRefused.into());
            }
            let (near, far) = duplex(4096);
            self.shutdown.spawn("a filter of a test", async move {
                // Whatever ends the conversation is seen on the other side.
                serve(far, manner).await.ok();
            });
            Ok(Box::new(near) as BoxedStream)
        })
    }
}

async fn serve(mut stream: DuplexStream, manner: Manner) -> io::Result<()> {
    if manner == Manner::Hasty {
        stream.write_all(b"stream: OK\0").await?;
    }
    if manner == Manner::Closes {
        return Ok(());
    }
    if [Manner::Stalls, Manner::Hasty].contains(&manner) {
        std::future::pending::<()>().await;
    }
    let mut command = Vec::new();
    loop {
        match stream.read_u8().await? {
            0 => break,
            byte => command.push(byte),
        }
    }
    match (&command[..], manner) {
        (_, Manner::Endless) => loop {
            stream.write_all(&[b'a'; 1000]).await?;
        },
        (b"zPING", _) => return stream.write_all(b"PONG\0").await,
        (b"zINSTREAM", _) => {}
        (b"zVERSION", _) => return stream.write_all(b"ClamAV 1.4.6/27000\0").await,
        _ => return stream.write_all(b"UNKNOWN COMMAND ERROR\0").await,
    }
    if manner == Manner::OnlyPongs {
        std::future::pending::<()>().await;
    }
    let mut seen = Vec::new();
    loop {
        let length = stream.read_u32().await?;
        if length == 0 {
            break;
        }
        assert!(length as usize <= limits::FILTER_PIECE);
        let mut piece = vec![0; length as usize];
        stream.read_exact(&mut piece).await?;
        seen.extend_from_slice(&piece);
        if manner == Manner::Small && seen.len() > 100_000 {
            let told = b"INSTREAM size limit exceeded. ERROR\0";
            return stream.write_all(told).await;
        }
    }
    let is_bad = manner == Manner::FindsAll || seen.windows(5).any(|it| it == b"EICAR");
    let answers: [(bool, &[u8]); 5] = [
        (manner == Manner::HalfAnswer, b"stream: O"),
        (manner == Manner::Nonsense, b"250 Ok\r\n\0"),
        (manner == Manner::Fails, b"stream: no more disk ERROR\0"),
        (is_bad, b"stream: Eicar-Test-Signature FOUND\0"),
        (true, b"stream: OK\0"),
    ];
    let answer = answers.into_iter().find(|(is_it, _)| *is_it).unwrap().1;
    stream.write_all(answer).await
}

/// So many bytes of `pattern`, that are nowhere as a whole.
#[derive(Debug)]
struct Text(&'static [u8], u64);

impl Content for Text {
    fn len(&self) -> u64 {
        self.1
    }
    fn read(&self, at: u64, most: usize) -> Boxed<'_, io::Result<Bytes>> {
        let left = usize::try_from(self.1 - at).unwrap().min(most);
        let skipped = usize::try_from(at).unwrap() % self.0.len();
        let bytes = self.0.iter().copied().cycle().skip(skipped).take(left);
        let bytes: Vec<u8> = bytes.collect();
        Box::pin(async move { Ok(bytes.into()) })
    }
}

const PLAIN: Text = Text(b"Subject: a\r\n\r\nHello\r\n", 21);
const EICAR: Text = Text(b"Subject: a\r\n\r\nEICAR\r\n", 21);

fn options(name: &str) -> Options {
    let place = Place::Tcp("192.0.2.9".to_owned(), 3310);
    Options::new(name.to_owned(), Protocol::Clamd, place)
}

fn filters(daemon: &Arc<Daemon>, options: Vec<Options>) -> Filters {
    let world = World {
        dial: Arc::clone(daemon) as Arc<dyn Dial>,
        resolve: Arc::new(Hosts::default()),
        clock: Clock::system(),
    };
    Filters::new(world, options)
}

fn ann() -> Vec<Recipient> {
    vec![Recipient {
        address: "ann@example.org".parse().unwrap(),
        parameters: RcptParameters::default(),
        lane: "a".to_owned(),
        mailbox: None,
    }]
}

static NO_POSTMASTERS: BTreeSet<u16> = BTreeSet::new();

/// Mail that comes to a listener.
pub(super) fn subject<'s>(
    listener: &'s str,
    standing: Standing,
    recipients: &'s [Recipient],
) -> Subject<'s> {
    Subject {
        listener,
        standing,
        recipients,
        postmasters: &NO_POSTMASTERS,
        bearer: Bearer {
            client: Some("192.0.2.7:4711".parse().unwrap()),
            name: Some("mail.sender.example"),
            helo: "sender.example",
            from: &ReversePath::Null,
            id: SpoolId::from_u64(7),
            hostname: "mx.example.org",
            login: None,
            tls: None,
            certificate: None,
        },
    }
}

async fn look(filters: &Filters, standing: Standing, content: &dyn Content) -> Ruling {
    let recipients = ann();
    let subject = subject("0.0.0.0:25", standing, &recipients);
    filters.check(subject, content).await.unwrap()
}

async fn check(filters: &Filters, content: &dyn Content) -> Ruling {
    look(filters, Standing::Stranger, content).await
}

fn taken(ruling: Ruling) -> Taken {
    match ruling {
        Ruling::Take(taken) => taken,
        Ruling::Refuse(reply) => panic!("{reply}"),
    }
}

/// What each says of itself.
async fn probed(filters: &Filters) -> Vec<String> {
    let probed = filters.probe().await.into_iter();
    let told = probed.map(|it| it.answer.unwrap_or_else(|why| format!("not: {why}")));
    told.collect()
}

/// Verdict and words of the only filter.
async fn heard(filters: &Filters, content: &dyn Content) -> (FilterVerdict, String) {
    let mut taken = taken(check(filters, content).await);
    assert_eq!(taken.results.len(), 1);
    let Filtered { verdict, said, .. } = taken.results.remove(0);
    (verdict, said)
}

#[tokio::test]
async fn a_filter_that_works_is_heard() {
    let daemon = Daemon::new(Manner::Works);
    let filters = filters(&daemon, vec![options("clamav")]);
    assert_eq!(probed(&filters).await, ["ClamAV 1.4.6/27000"]);
    let (verdict, said) = heard(&filters, &PLAIN).await;
    assert_eq!((verdict, said.as_str()), (FilterVerdict::Clean, ""));
    let found = taken(check(&filters, &EICAR).await);
    let reason = HoldReason::Filter {
        filter: "clamav".to_owned(),
        said: "Eicar-Test-Signature".to_owned(),
    };
    assert_eq!(found.held.get(&0), Some(&reason));
    // Large, and in pieces.
    let large = Text(b"0123456789ABCDEF\r\n", 9_000_000);
    assert_eq!(heard(&filters, &large).await.0, FilterVerdict::Clean);
    let large = Text(b"0123456789EICAR\r\n", 1_000_000);
    assert_eq!(heard(&filters, &large).await.0, FilterVerdict::Bad);
    assert_eq!(
        heard(&filters, &Text(b"x", 0)).await.0,
        FilterVerdict::Clean
    );
}

#[tokio::test]
async fn each_is_asked_about_its_own_mail_only() {
    let daemon = Daemon::new(Manner::FindsAll);
    let mut all = options("all");
    all.mail = Whose::All;
    let mut other = options("other");
    other.listeners.insert("127.0.0.1:25".to_owned());
    let mut elsewhere = options("elsewhere");
    elsewhere.domains.insert("b.example".to_owned());
    let filters = filters(&daemon, vec![options("strangers"), other, elsewhere, all]);
    let asked = |taken: Taken| {
        let names = taken.results.into_iter().map(|it| it.filter);
        names.collect::<Vec<_>>()
    };
    let stranger = taken(check(&filters, &PLAIN).await);
    assert_eq!(asked(stranger), ["strangers", "all"]);
    let ours = taken(look(&filters, Standing::Ours, &PLAIN).await);
    assert_eq!(asked(ours), ["all"]);
    // A dot at the end of a domain is no way past a filter.
    let mut of_ann = options("of-ann");
    of_ann.domains.insert("example.org".to_owned());
    let mut dotted = ann();
    dotted[0].address = "ann@example.org.".parse().unwrap();
    let subject = subject("192.0.2.1:25", Standing::Stranger, &dotted);
    assert_eq!(of_ann.scope(&subject), [0]);
}

#[tokio::test]
async fn one_that_refuses_everything_refuses_within_the_session() {
    let daemon = Daemon::new(Manner::FindsAll);
    let mut rejecting = options("clamav");
    rejecting.bad = Deed::Reject;
    let filters = filters(&daemon, vec![rejecting, options("second")]);
    let Ruling::Refuse(reply) = check(&filters, &PLAIN).await else {
        panic!("it was taken");
    };
    let told = "550 5.7.1 Refused by the content filter clamav: Eicar-Test-Signature";
    assert_eq!(reply.to_string(), told);
    assert_eq!(daemon.dialled(), 1, "the second one is not asked");
}

/// Whatever a filter does, the message is taken or deferred, and neither waits longer than it may.
#[tokio::test(start_paused = true)]
async fn every_failure_ends_in_time_in_what_the_config_says() {
    for (manner, expected) in [
        (Manner::Refuses, "192.0.2.9:3310: connection refused"),
        (Manner::Stalls, "it did not answer in time"),
        (Manner::OnlyPongs, "it did not answer in time"),
        (
            Manner::HalfAnswer,
            "it closed the connection without an answer",
        ),
        (Manner::Endless, "its answer is too long"),
        (Manner::Nonsense, "its answer is none of this protocol"),
        (Manner::Closes, "it closed the connection without an answer"),
        (Manner::Hasty, "it answered before it had the whole message"),
        (Manner::Fails, "it says: no more disk"),
    ] {
        let daemon = Daemon::new(manner);
        let accepting = filters(&daemon, vec![options("clamav")]);
        let large = Text(b"0123456789\r\n", 500_000);
        let begun = Instant::now();
        let (verdict, said) = heard(&accepting, &large).await;
        assert!(begun.elapsed() <= limits::FILTER_TIME, "{manner:?}");
        assert_eq!(verdict, FilterVerdict::Unchecked, "{manner:?}");
        assert_eq!(said, expected, "{manner:?}");
        let status = accepting.status().remove(0);
        assert_eq!(status.unchecked, 1, "{manner:?}");
        let problem = status.problem().unwrap();
        assert!(
            problem.contains("mail is taken unchecked, 1 so far"),
            "{problem}"
        );

        let mut strict = options("clamav");
        strict.on_failure = OnFailure::Defer;
        let deferring = filters(&daemon, vec![strict]);
        let Ruling::Refuse(reply) = check(&deferring, &large).await else {
            panic!("{manner:?}: it was taken");
        };
        assert_eq!(
            (reply.code, reply.enhanced.unwrap().to_string()),
            (451, "4.7.1".to_owned())
        );
    }
}

#[tokio::test]
async fn what_is_too_large_is_said_to_be_so_and_is_no_failure() {
    let daemon = Daemon::new(Manner::Small);
    let mut holding = options("clamav");
    holding.max_size = 1_000_000;
    holding.over_size = OverSize::Hold;
    let filters = filters(&daemon, vec![holding]);
    // It says so in the middle, and closes.
    let large = Text(b"0123456789\r\n", 999_999);
    assert_eq!(taken(check(&filters, &large).await).held.len(), 1);
    // And beyond the config's it is not even asked.
    daemon.dialled();
    let larger = Text(b"0123456789\r\n", 1_000_001);
    let taken = taken(check(&filters, &larger).await);
    let said = "clamav=unchecked (too large to be checked)";
    assert_eq!(taken.results[0].to_string(), said);
    assert_eq!((taken.held.len(), daemon.dialled()), (1, 0));
    assert_eq!(filters.status()[0].failing_since, None);
}

/// A filter that is gone must not cost each message its whole time.
#[tokio::test(start_paused = true)]
async fn one_that_stalls_is_left_alone_and_tried_again() {
    let daemon = Daemon::new(Manner::Stalls);
    let filters = filters(&daemon, vec![options("clamav")]);
    for _ in 0..4 {
        heard(&filters, &PLAIN).await;
    }
    // Now it is known to be silent: a hundred messages wait for nothing.
    let begun = Instant::now();
    daemon.dialled();
    for _ in 0..100 {
        let (verdict, said) = heard(&filters, &PLAIN).await;
        assert_eq!(verdict, FilterVerdict::Unchecked);
        assert_eq!(said, "it did not answer before");
    }
    assert_eq!((begun.elapsed(), daemon.dialled()), (Duration::ZERO, 0));
    assert_eq!(filters.status()[0].unchecked, 104);
    assert_eq!(probed(&filters).await, ["not: it did not answer in time"]);
    // It comes back: the next message after the pause is looked at, and all that follow.
    daemon.becomes(Manner::Works);
    tokio::time::advance(Duration::from_secs(31)).await;
    assert_eq!(heard(&filters, &EICAR).await.0, FilterVerdict::Bad);
    assert_eq!(filters.status()[0].failing_since, None);
    assert_eq!(heard(&filters, &EICAR).await.0, FilterVerdict::Bad);
}

#[tokio::test(start_paused = true)]
async fn a_few_are_asked_about_at_one_time_and_the_others_wait_in_vain() {
    let daemon = Daemon::new(Manner::OnlyPongs);
    let mut narrow = options("clamav");
    narrow.max_connections = 2;
    let filters = filters(&daemon, vec![narrow]);
    let begun = Instant::now();
    let (one, two, three) = tokio::join!(
        heard(&filters, &PLAIN),
        heard(&filters, &PLAIN),
        heard(&filters, &PLAIN)
    );
    assert!(begun.elapsed() <= limits::FILTER_TIME + Duration::from_millis(10));
    let mut said = [one.1, two.1, three.1];
    said.sort();
    assert_eq!(said[1], "it did not answer in time");
    assert_eq!(said[2], "it has too much to do");
    assert_eq!(daemon.dialled(), 2);
    let status = filters.status().remove(0);
    assert_eq!(status.passed_over, 1);
}

#[tokio::test]
async fn a_reload_keeps_what_is_known_of_those_that_stay() {
    let daemon = Daemon::new(Manner::Refuses);
    let filters = filters(&daemon, vec![options("a"), options("b")]);
    check(&filters, &PLAIN).await;
    let failing = || {
        let status = filters.status();
        let failing = status.into_iter().filter(|it| it.failing_since.is_some());
        failing.map(|it| it.name).collect::<Vec<_>>()
    };
    assert_eq!(failing(), ["a", "b"]);
    let mut changed = options("b");
    changed.patience = Duration::from_secs(1);
    filters.configure(vec![changed, options("a")]);
    assert_eq!(failing(), ["a"]);
    filters.configure(Vec::new());
    assert!(filters.is_empty());
    assert_eq!(taken(check(&filters, &PLAIN).await), Taken::default());
}

/// Our own disk is nobody's failure but ours.
#[tokio::test]
async fn a_message_that_cannot_be_read_is_not_taken() {
    #[derive(Debug)]
    struct Broken;
    impl Content for Broken {
        fn len(&self) -> u64 {
            10
        }
        fn read(&self, _: u64, _: usize) -> Boxed<'_, io::Result<Bytes>> {
            Box::pin(async { Err(io::Error::other("the disk")) })
        }
    }
    let daemon = Daemon::new(Manner::Works);
    let filters = filters(&daemon, vec![options("clamav")]);
    let recipients = ann();
    let subject = subject("a", Standing::Stranger, &recipients);
    let error = filters.check(subject, &Broken).await.unwrap_err();
    assert_eq!(error.to_string(), "the disk");
    assert_eq!(filters.status()[0].failing_since, None);
}
