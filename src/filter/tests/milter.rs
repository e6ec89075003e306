//! Milters, and all the ways in which one may go astray.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::Instant;

use super::*;

/// `SMFIP_…` that leave answers out.
const SILENT: [(u8, u32); 8] = [
    (b'C', 0x1000),
    (b'H', 0x2000),
    (b'M', 0x4000),
    (b'R', 0x8000),
    (b'T', 0x1_0000),
    (b'L', 0x80),
    (b'N', 0x4_0000),
    (b'B', 0x8_0000),
];

/// What a milter of a test does.
#[derive(Debug, Clone)]
pub(super) struct Manner {
    /// What it says to the offer.
    agrees: Vec<u8>,
    protocol: u32,
    /// What it says at each letter, if not that it goes on; none: nothing at all.
    says: BTreeMap<u8, Option<Vec<u8>>>,
    /// Whom it refuses, and what it says then.
    pub(super) refuses: Vec<(&'static str, u8)>,
    /// At the end of a message, from five bytes (a packet without data) to the next.
    pause: Duration,
}

impl Manner {
    pub(super) fn new(version: u32, protocol: u32) -> Self {
        let words = [version, 0x3F, protocol].map(u32::to_be_bytes).concat();
        Self {
            agrees: packet(b'O', &words),
            protocol,
            says: BTreeMap::new(),
            refuses: Vec::new(),
            pause: Duration::ZERO,
        }
    }

    pub(super) fn saying(letter: u8, said: &[u8]) -> Self {
        Self::new(6, 0).and(letter, said)
    }

    pub(super) fn and(mut self, letter: u8, said: &[u8]) -> Self {
        self.says.insert(letter, Some(said.to_vec()));
        self
    }
}

pub(super) fn packet(letter: u8, data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len() + 1).unwrap();
    [&length.to_be_bytes()[..], &[letter], data].concat()
}

#[derive(Debug)]
pub(super) struct Milter {
    manner: Manner,
    heard: Mutex<Vec<(u8, Vec<u8>)>>,
    shutdown: Shutdown,
}

impl Milter {
    pub(super) fn new(manner: Manner) -> Arc<Self> {
        Arc::new(Self {
            manner,
            heard: Mutex::default(),
            shutdown: Shutdown::new(),
        })
    }

    /// What it has heard, once it has heard the goodbye, for which nobody waits.
    pub(super) async fn letters(&self) -> String {
        let letters = || {
            let heard = self.heard.lock().unwrap();
            let all = heard.iter().map(|(letter, _)| char::from(*letter));
            all.collect::<String>()
        };
        for _ in 0..1_000 {
            if letters().ends_with('Q') {
                break;
            }
            tokio::task::yield_now().await;
        }
        letters()
    }

    /// What it was told at a letter, with `|` for the ends of texts.
    pub(super) fn told(&self, letter: u8) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        let some = heard.iter().filter(|(it, _)| *it == letter);
        let shown = |byte: &u8| if *byte == 0 { '|' } else { char::from(*byte) };
        some.map(|(_, data)| data.iter().map(shown).collect())
            .collect()
    }
}

#[derive(Debug)]
struct Dialled(Arc<Milter>);

impl Dial for Dialled {
    fn dial(&self, _: SocketAddr) -> Boxed<'_, io::Result<BoxedStream>> {
        let (near, far) = duplex(4096);
        let milter = Arc::clone(&self.0);
        self.0.shutdown.spawn("milter", async move {
            // What ends a conversation is seen on the other side.
            serve(far, &milter).await.ok();
        });
        Box::pin(async { Ok(Box::new(near) as BoxedStream) })
    }
}

async fn serve(mut stream: DuplexStream, milter: &Milter) -> io::Result<()> {
    let manner = &milter.manner;
    loop {
        let length = stream.read_u32().await?;
        assert!((1..=65_536).contains(&length), "{length}");
        let mut data = vec![0; length as usize];
        stream.read_exact(&mut data).await?;
        let letter = data.remove(0);
        let is_refused = |(whom, _): &(&str, u8)| data.starts_with(format!("<{whom}").as_bytes());
        let refused = manner.refuses.iter().copied().find(is_refused);
        milter.heard.lock().unwrap().push((letter, data));
        let is_silent = SILENT
            .iter()
            .any(|(it, flag)| *it == letter && manner.protocol & flag != 0);
        if let (b'R', Some((_, answer))) = (letter, refused) {
            stream.write_all(&bearer::refusal(answer)).await?;
            continue;
        }
        let said = match (letter, manner.says.get(&letter)) {
            (b'Q', _) => return Ok(()),
            (b'O', None) => manner.agrees.clone(),
            (b'D', _) => continue,
            (_, Some(None)) => std::future::pending().await,
            (_, Some(Some(said))) => said.clone(),
            (_, None) if is_silent => continue,
            (_, None) => packet(b'c', b""),
        };
        if said.is_empty() {
            return Ok(());
        }
        if letter != b'E' || manner.pause.is_zero() {
            stream.write_all(&said).await?;
            continue;
        }
        for part in said.chunks(5) {
            stream.write_all(part).await?;
            tokio::time::sleep(manner.pause).await;
        }
    }
}

pub(super) fn options() -> Options {
    let place = Place::Tcp("192.0.2.9".to_owned(), 11_332);
    Options::new("milter".to_owned(), Protocol::Milter, place)
}

pub(super) fn asking(milter: &Arc<Milter>, options: Options) -> Filters {
    let world = World {
        dial: Arc::new(Dialled(Arc::clone(milter))),
        resolve: Arc::new(Hosts::default()),
        clock: Clock::system(),
    };
    Filters::new(world, vec![options])
}

pub(super) const LETTER: Text = Text(
    b"Received: ours\r\nSubject: a\r\n b\r\nReceived: theirs\r\nTo:c\r\n\r\nHello\r\n",
    65,
);

#[tokio::test]
async fn it_is_told_all_of_a_message_in_order() {
    let milter = Milter::new(Manner::new(6, 0));
    let filters = asking(&milter, options());
    assert_eq!(probed(&filters).await, ["a milter, protocol version 6"]);
    let (verdict, said) = heard(&filters, &LETTER).await;
    assert_eq!((verdict, said.as_str()), (FilterVerdict::Clean, ""));
    assert_eq!(milter.letters().await, "OQODCHDMDRDTLLLDNBDEQ");
    assert_eq!(
        milter.told(b'C'),
        ["mail.sender.example|4\u{12}g192.0.2.7|"]
    );
    assert_eq!(milter.told(b'H'), ["sender.example|"]);
    assert_eq!(milter.told(b'M'), ["<>|"]);
    assert_eq!(milter.told(b'R'), ["<ann@example.org>|"]);
    let fields = ["Subject|a\n b|", "Received|theirs|", "To|c|"];
    assert_eq!(milter.told(b'L'), fields);
    assert_eq!(milter.told(b'B'), ["Hello\r\n"]);
    let macros = milter.told(b'D');
    let id = SpoolId::from_u64(7);
    assert!(
        macros[0].starts_with("Cj|mx.example.org|v|Tideover|_|"),
        "{macros:?}"
    );
    assert!(macros[0].contains("{client_addr}|192.0.2.7|"), "{macros:?}");
    assert_eq!(macros[1], format!("Mi|{id}|{{mail_addr}}||"));
    assert_eq!(macros[2], "R{rcpt_addr}|ann@example.org|");
    assert_eq!(macros[5], format!("Ei|{id}|"));
    assert_eq!(filters.status()[0].failing_since, None);
}

/// What was agreed upon is kept: parts and answers are left out, blanks are kept.
#[tokio::test]
async fn it_is_told_what_it_wants_to_know() {
    let silent: u32 = SILENT.iter().map(|(_, flag)| flag).sum();
    for (version, protocol, expected) in [
        (6, silent, "ODCHDMDRDTLLLDNBDEQ"),
        (6, 0x1 | 0x2 | 0x4 | 0x8 | 0x200, "OLLLDNBDEQ"),
        (6, 0x10 | 0x20 | 0x40, "ODCHDMDRDTDEQ"),
        (6, 0x10_0000, "ODCHDMDRDTLLLDNBDEQ"),
        // Before version 4 there was no DATA.
        (2, 0, "ODCHDMDRLLLDNBDEQ"),
    ] {
        let milter = Milter::new(Manner::new(version, protocol));
        let filters = asking(&milter, options());
        assert_eq!(heard(&filters, &LETTER).await.0, FilterVerdict::Clean);
        assert_eq!(milter.letters().await, expected, "{protocol:x}");
        if protocol == 0x10_0000 {
            assert_eq!(milter.told(b'L')[0], "Subject| a\n b|");
        }
    }
    // Whoever comes from nowhere and calls himself strange things is no other packet.
    let milter = Milter::new(Manner::new(6, 0));
    let filters = asking(&milter, options());
    let recipients = ann();
    let mut subject = subject("a", Standing::Stranger, &recipients);
    (subject.bearer.client, subject.bearer.name) = (None, None);
    subject.bearer.helo = "a\0b\r\nc";
    filters.check(subject, &LETTER).await.unwrap();
    assert_eq!(milter.told(b'C'), ["[unknown]|U"]);
    assert_eq!(milter.told(b'H'), ["a?b??c|"]);
    subject.bearer.client = Some("[2001:db8::7]:25".parse().unwrap());
    filters.check(subject, &LETTER).await.unwrap();
    assert_eq!(milter.told(b'C')[1], "[2001:db8::7]|6|\u{19}2001:db8::7|");
}

/// The reply to a message that is refused where that can be; 1: it is held, 0: it is not.
async fn strictly(milter: &Arc<Milter>) -> u16 {
    let mut strict = options();
    (strict.bad, strict.later) = (Deed::Reject, Deed::Defer);
    match check(&asking(milter, strict), &LETTER).await {
        Ruling::Take(taken) => u16::from(!taken.held.is_empty()),
        Ruling::Refuse(reply) => reply.code,
    }
}

#[tokio::test]
async fn each_answer_is_what_the_config_says() {
    let p = |letter, data: &[u8]| packet(letter, data);
    let set_aside = [p(b'q', b"a \"virus\"\0"), p(b'c', b"")].concat();
    let undone = [
        p(b'b', b"new"),
        p(b'-', b"<a@b>\0"),
        p(b'b', b"!"),
        p(b'a', b""),
    ]
    .concat();
    let (clean, odd, bad) = (
        FilterVerdict::Clean,
        FilterVerdict::Suspicious,
        FilterVerdict::Bad,
    );
    for (letter, said, expected, words, is_held) in [
        (b'E', p(b'a', b""), clean, "", false),
        (
            b'C',
            p(b'a', b""),
            clean,
            "accepted before it had the whole message",
            false,
        ),
        (b'C', p(b'r', b""), bad, "reject", true),
        (b'H', p(b't', b""), odd, "tempfail", false),
        (b'M', p(b'd', b""), bad, "discard", true),
        (b'R', p(b'r', b""), bad, "reject", true),
        (b'R', p(b't', b""), odd, "tempfail", false),
        (
            b'L',
            p(b'y', b"550 5.7.1 no \\ \r\n way\0"),
            bad,
            "reject: no '",
            true,
        ),
        (b'B', p(b'y', b"451 later\0"), odd, "tempfail: later", false),
        (b'B', p(b's', b""), clean, "", false),
        (b'E', set_aside, bad, "quarantine: a 'virus'", true),
        (
            b'E',
            undone,
            clean,
            "wanted changes that are not made: the body, the recipients",
            false,
        ),
    ] {
        let milter = Milter::new(Manner::saying(letter, &said));
        let filters = asking(&milter, options());
        let taken = taken(check(&filters, &LETTER).await);
        let it = &taken.results[0];
        assert_eq!(
            (it.verdict, it.said.as_str()),
            (expected, words),
            "{said:?}"
        );
        assert_eq!(taken.held.len(), usize::from(is_held), "{words}");
        assert!(milter.letters().await.ends_with('Q'));
        // What it would have vanish is refused to nobody: it is held.
        let code = strictly(&milter).await;
        let is_aside = words.starts_with("discard") || words.starts_with("quarantine");
        let expected = match expected {
            FilterVerdict::Bad if is_aside => 1,
            FilterVerdict::Bad => 550,
            FilterVerdict::Suspicious => 451,
            FilterVerdict::Clean | FilterVerdict::Unchecked => 0,
        };
        assert_eq!(code, expected, "{words}");
    }
}

/// Who is refused by himself is held by himself.
#[tokio::test]
async fn one_of_several_recipients_is_refused() {
    let mut both = ann();
    both.extend(ann());
    both[1].address = "bob@example.org".parse().unwrap();
    let subject = subject("a", Standing::Stranger, &both);
    for (refuses, deed, expected) in [
        (("bob@", b'r'), Deed::Hold, Ok(vec![1])),
        // A message has one reply.
        (("bob@", b'r'), Deed::Reject, Ok(vec![1])),
        (("", b'r'), Deed::Reject, Err(550)),
        (("bob@", b't'), Deed::Hold, Ok(vec![])),
        (("", b't'), Deed::Hold, Err(451)),
    ] {
        let milter = Milter::new(Manner {
            refuses: vec![refuses],
            ..Manner::new(6, 0)
        });
        let mut strict = options();
        (strict.bad, strict.later) = (deed, Deed::Defer);
        let ruling = asking(&milter, strict).check(subject, &LETTER).await;
        let held = match ruling.unwrap() {
            Ruling::Take(taken) => Ok(taken.held.into_keys().collect()),
            Ruling::Refuse(reply) => Err(reply.code),
        };
        assert_eq!(held, expected, "{refuses:?} {deed:?}");
        // When nobody is left, it is not shown the message.
        let is_shown = milter.letters().await.contains('E');
        assert_eq!(is_shown, !refuses.0.is_empty(), "{refuses:?}");
    }
}

#[tokio::test]
async fn what_it_adds_is_bounded_and_nobody_elses() {
    let add = |name: &str, value: &str| packet(b'h', format!("{name}\0{value}\0").as_bytes());
    let mut said = [
        add("X-Spam", "Yes"),
        packet(b'i', b"\0\0\0\x01X-Folded\0a\n\tb\r\n\r\nc\xff\0"),
        packet(b'm', b"\0\0\0\x01X-Score\x007\0"),
        packet(b'm', b"\0\0\0\x01X-Gone\0\0"),
        add("From", "<boss@example.org>"),
        add("Authentication-Results", "mx.example.org; dmarc=pass"),
        add("X-Tideover-Filter", "clamav=clean"),
        add("X-MS-Exchange-Organization-SCL", "-1"),
        add("X-A: b\r\nFrom", "c"),
        add("X-Long", &"x".repeat(60_000)),
    ]
    .concat();
    for _ in 0..50 {
        said.extend(add("X-More", "y"));
    }
    said.extend(packet(b'c', b""));
    let milter = Milter::new(Manner::saying(b'E', &said));
    let filters = asking(&milter, options());
    let taken = taken(check(&filters, &LETTER).await);
    let fields = taken.fields("mx.example.org");
    let start = "X-Tideover-Filter: milter=clean; by=mx.example.org;\r\n\t\
        said=\"wanted changes that are not made: a field\"\r\n\
        X-Spam: Yes\r\nX-Folded: a\r\n\tb\r\n\tc?\r\nX-Score: 7\r\nX-Long: x";
    assert!(fields.starts_with(start), "{fields}");
    assert_eq!(fields.matches("X-More: y\r\n").count(), 16, "{fields}");
    assert!(
        !fields.contains("boss") && !fields.contains("-1"),
        "{fields}"
    );
    assert!(fields.lines().all(|line| line.len() < 998), "{fields}");
}

/// Whatever it does, a message is taken and marked as unchecked, or deferred, in time.
#[tokio::test(start_paused = true)]
async fn every_failure_ends_in_time() {
    let unwilling = "it closed the connection at our greeting: does it insist on changing mail?";
    let closed = "it closed the connection without an answer";
    let none = "its answer is none of this protocol";
    let (late, long) = ("it did not answer in time", "its answer is too long");
    let silent = |letter| {
        let mut manner = Manner::new(6, 0);
        manner.says.insert(letter, None);
        manner
    };
    let slow = Manner {
        pause: Duration::from_secs(9),
        ..Manner::saying(b'E', &packet(b'y', b"451 a word or two about it\0"))
    };
    let skipping = Manner::saying(b'C', &packet(b's', b""));
    let thrice = packet(b'h', b"X-A\0b\0").repeat(limits::FILTER_PACKETS + 1);
    for (manner, expected) in [
        (silent(b'O'), late),
        (silent(b'C'), late),
        (silent(b'B'), late),
        (silent(b'E'), late),
        (slow, late),
        (Manner::saying(b'O', b""), unwilling),
        (Manner::saying(b'E', b""), closed),
        (Manner::saying(b'E', &packet(b'c', b"")[..4]), late),
        (Manner::saying(b'O', &packet(b'c', b"")), none),
        (Manner::saying(b'O', &packet(b'O', b"\0\0\0\x06")), none),
        (Manner::new(1, 0), none),
        (Manner::new(7, 0), none),
        // What was not offered: refused recipients, larger packets.
        (Manner::new(6, 0x800), none),
        (Manner::new(6, 0x1000_0000), none),
        (Manner::saying(b'E', b"\0\0\0\0"), none),
        (Manner::saying(b'E', b"\xff\xff\xff\xff"), long),
        (Manner::saying(b'E', &thrice), long),
        (Manner::saying(b'E', &packet(b'Z', b"")), none),
        (Manner::saying(b'E', &packet(b'y', b"250 ok\0")), none),
        (Manner::saying(b'E', &packet(b'y', b"\0")), none),
        (Manner::saying(b'E', &packet(b'h', b"\0b\0")), none),
        (Manner::saying(b'E', &packet(b'i', b"\0\0")), none),
        (Manner::saying(b'B', &packet(b'h', b"X-A\0b\0")), none),
        (
            Manner::saying(b'C', &packet(b'4', b"")),
            "it says: it can take nothing now",
        ),
        (skipping, none),
    ] {
        let shown: String = format!("{manner:?}").chars().take(300).collect();
        let milter = Milter::new(manner);
        let filters = asking(&milter, options());
        let begun = Instant::now();
        let (verdict, said) = heard(&filters, &LETTER).await;
        assert!(begun.elapsed() <= limits::FILTER_TIME, "{shown}");
        assert_eq!(verdict, FilterVerdict::Unchecked, "{shown}");
        assert_eq!(said, expected, "{shown}");
        let mut strict = options();
        strict.on_failure = OnFailure::Defer;
        let Ruling::Refuse(reply) = check(&asking(&milter, strict), &LETTER).await else {
            panic!("{shown}: it was taken");
        };
        assert_eq!(reply.code, 451);
    }
}

/// Who works on a message and says so gets more time, and not for ever.
#[tokio::test(start_paused = true)]
async fn progress_is_waited_for_within_a_bound() {
    let sign = packet(b'p', b"");
    for (signs, expected) in [(5, FilterVerdict::Clean), (500, FilterVerdict::Unchecked)] {
        let said = [sign.repeat(signs), packet(b'c', b"")].concat();
        let manner = Manner {
            pause: Duration::from_secs(8),
            ..Manner::saying(b'E', &said)
        };
        let milter = Milter::new(manner);
        let mut patient = options();
        patient.patience = Duration::from_secs(30);
        let begun = Instant::now();
        let (verdict, said) = heard(&asking(&milter, patient), &LETTER).await;
        assert_eq!(verdict, expected, "{said}");
        let waited = begun.elapsed().as_secs();
        assert!((31..=60).contains(&waited), "{waited}");
    }
}

#[tokio::test]
async fn a_large_message_goes_in_packets() {
    let milter = Milter::new(Manner::new(6, 0));
    let large = Text(b"Subject: a\r\n\r\nHello\r\n", 1_000_000);
    let (verdict, _) = heard(&asking(&milter, options()), &large).await;
    assert_eq!(verdict, FilterVerdict::Clean);
    let sizes: usize = milter.told(b'B').iter().map(|it| it.chars().count()).sum();
    assert_eq!(sizes, 1_000_000 - 14);
    // A field that is larger than a packet is cut, and does not end the conversation.
    let milter = Milter::new(Manner::new(6, 0));
    let wide = Text(b"Subject: aaaaaaaaaaaaaaaa", 200_000);
    let (verdict, _) = heard(&asking(&milter, options()), &wide).await;
    assert_eq!(verdict, FilterVerdict::Clean);
    assert!(milter.told(b'L')[0].len() <= limits::FILTER_FIELD + 10);
}
