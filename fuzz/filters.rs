//! What the fuzz target of content filters does with its input: the first byte says which protocol
//! is spoken and what the config wants, the rest is what the filter says, whatever we say.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tideover::base::{Boxed, Clock};
use tideover::filter::{
    Bearer, Content, Deed, Filters, OnFailure, Options, Place, Protocol, Ruling, Standing, Subject,
    Taken, World,
};
use tideover::limits;
use tideover::mail::{FILTER_FIELD, FilterVerdict, Recipient, SpoolId};
use tideover::net::{Dial, Resolve};
use tideover::smtp::{RcptParameters, Reply, ReversePath};

use crate::pipes::{self, Pace};
use crate::server::Script;

const HOSTNAME: &str = "mx.example.org";

/// What the config wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Will {
    /// As it is when it says nothing.
    Usual,
    /// Whatever a filter finds is refused.
    Strict,
}

/// A message, and a message that is asked about again after trouble: each ends in time, what a
/// filter adds can stand in a header, and ends none; it refuses nothing unless the config lets it,
/// and then only by its own words; what it says can be shown.
pub(crate) fn filters(input: &[u8]) {
    let Some((&first, script)) = input.split_first() else {
        return;
    };
    let protocols = [Protocol::Clamd, Protocol::Rspamd, Protocol::Milter];
    let protocol = protocols[usize::from(first / 2 % 3)];
    let will = if (first / 6).is_multiple_of(2) {
        Will::Usual
    } else {
        Will::Strict
    };
    let net = Script::new(script, Pace::of(first), "127.0.0.1");
    let world = World {
        dial: Arc::clone(&net) as Arc<dyn Dial>,
        resolve: Arc::clone(&net) as Arc<dyn Resolve>,
        clock: Clock::system(),
    };
    let place = Place::Tcp("127.0.0.1".to_owned(), 3310);
    let mut options = Options::new("one".to_owned(), protocol, place);
    if will == Will::Strict {
        options.bad = Deed::Reject;
        options.suspicious = Deed::Reject;
        options.later = Deed::Defer;
    }
    assert_eq!(options.on_failure, OnFailure::Accept);
    let filters = Filters::new(world, vec![options]);
    pipes::run(async {
        for _ in 0..2 {
            let ruling = look(&filters).await;
            check(ruling, (will, protocol, script));
        }
        for probed in filters.probe().await {
            let (Ok(said) | Err(said)) = probed.answer;
            check_said(&said);
        }
        for status in filters.status() {
            check_said(&status.reason);
        }
    });
}

async fn look(filters: &Filters) -> Ruling {
    let recipient = |address: &str| Recipient {
        address: address.parse().unwrap(),
        parameters: RcptParameters::default(),
        lane: "home".to_owned(),
        mailbox: None,
    };
    let recipients = ["ann@example.org", "bob@example.org"].map(recipient);
    let postmasters = BTreeSet::new();
    let subject = Subject {
        listener: "fuzz",
        standing: Standing::Stranger,
        recipients: &recipients,
        postmasters: &postmasters,
        bearer: Bearer {
            client: Some("192.0.2.7:4711".parse().unwrap()),
            name: Some("mail.sender.example"),
            helo: "sender.example",
            from: &ReversePath::Null,
            id: SpoolId::from_u64(7),
            hostname: HOSTNAME,
            login: None,
            tls: None,
            certificate: None,
        },
    };
    let most = limits::FILTER_TIME_MOST + limits::FILTER_TIME + Duration::from_secs(1);
    let asking = filters.check(subject, &Letter);
    let ruling = tokio::time::timeout(most, asking).await;
    ruling.expect("it takes longer than it may").unwrap()
}

fn check(ruling: Ruling, (will, protocol, script): (Will, Protocol, &[u8])) {
    match ruling {
        Ruling::Take(taken) => check_taken(&taken),
        Ruling::Refuse(reply) => {
            assert_eq!(will, Will::Strict, "refused: {reply}");
            let lower = script.to_ascii_lowercase();
            let has = |word: &str| {
                let mut all = lower.windows(word.len());
                all.any(|it| it == word.as_bytes())
            };
            // A milter refuses with a letter, in a packet of its own.
            let is_said = match protocol {
                Protocol::Clamd => has("found\0"),
                Protocol::Rspamd => has("action"),
                Protocol::Milter => has("\0\0\0"),
            };
            assert!(is_said, "it never said so: {reply}");
            check_reply(&reply);
        }
    }
}

fn check_reply(reply: &Reply) {
    assert!(reply.is_transient() || reply.is_permanent());
    let mut wire = Vec::new();
    reply.write_to(&mut wire);
    let line = wire.strip_suffix(b"\r\n").unwrap();
    assert!(line.len() <= 510, "{reply}");
    assert!(
        line.iter().all(|byte| matches!(byte, b' '..=b'~')),
        "{reply}"
    );
}

fn check_taken(taken: &Taken) {
    assert_eq!(taken.results.len(), 1);
    for result in &taken.results {
        check_said(&result.said);
        let is_clean = result.verdict == FilterVerdict::Clean;
        assert!(!is_clean || taken.held.is_empty());
    }
    let fields = taken.fields(HOSTNAME);
    let most = limits::FILTER_FIELDS * (limits::FILTER_ADDED * 2 + 200) + 1_000;
    assert!(fields.len() <= most, "{} bytes", fields.len());
    let whole = fields.strip_suffix("\r\n").unwrap();
    let mut ours = 0;
    for (number, line) in whole.split("\r\n").enumerate() {
        assert!(!line.contains(['\r', '\n', '\0']), "{line:?}");
        assert!(!line.trim().is_empty(), "the header would end: {fields:?}");
        assert!(line.len() <= 998, "{} bytes: {line}", line.len());
        if line.starts_with([' ', '\t']) {
            assert!(number > 0);
            continue;
        }
        let (name, _) = line.split_once(':').unwrap();
        let is_named = !name.is_empty() && name.bytes().all(|it| matches!(it, b'!'..=b'~'));
        assert!(is_named, "{line:?}");
        ours += usize::from(name.eq_ignore_ascii_case(FILTER_FIELD));
    }
    assert_eq!(ours, 1, "it speaks in our name: {fields}");
}

/// It stands in tables, pages and quoted strings.
fn check_said(said: &str) {
    assert!(said.chars().count() <= 1_000, "{} bytes", said.len());
    assert!(!said.chars().any(char::is_control), "{said:?}");
}

/// A small message.
#[derive(Debug)]
struct Letter;

const TEXT: &[u8] = b"From: a@sender.example\r\nSubject: a\r\n b\r\n\r\nHello\r\n";

impl Content for Letter {
    fn len(&self) -> u64 {
        TEXT.len() as u64
    }

    fn read(&self, at: u64, most: usize) -> Boxed<'_, io::Result<Bytes>> {
        let rest = TEXT.get(usize::try_from(at).unwrap()..).unwrap_or_default();
        let piece = Bytes::from_static(rest.get(..most).unwrap_or(rest));
        Box::pin(std::future::ready(Ok(piece)))
    }
}
