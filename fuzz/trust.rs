//! What the fuzz target of trust at receipt does with its input, which NULs part: what the name
//! servers say, HELO, MAIL FROM, and the message. The first byte says in which pieces it comes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tideover::auth::{
    Checked, Checker, Claim, Options, Reading, Ruling, Subject, claim, results_field, rule,
};
use tideover::base::{Boxed, Clock, Entropy};
use tideover::limits;
use tideover::mail::{AuthMethod, AuthResult, Verdict};
use tideover::net::{Answer, Ask, DnsError, MailExchanger, Record, RecordKind};
use tideover::smtp::ReversePath;

use crate::chance::Chance;
use crate::pipes;

const HOSTNAME: &str = "mx.example.org";
/// The bodies, without blanks, that those whose keys are in the corpus have signed.
const SIGNED: [&str; 1] = ["Hi.Welostthegame.Areyouhungryyet?Joe."];
/// Methods that ask: each has its own budget, and DMARC one for each author.
const ASKING: usize = 8 + limits::AUTH_AUTHORS;

/// A message: there is a verdict, soon, and the same in pieces; the field is one, whatever stands
/// in the message; nothing passes for which there is no record, and no signature that nobody made.
pub(crate) fn trust(input: &[u8]) {
    let Some((&size, rest)) = input.split_first() else {
        return;
    };
    let mut parts = rest.splitn(4, |byte| *byte == 0);
    let mut next = || parts.next().unwrap_or_default();
    let (zone, helo, from, message) = (text(next()), text(next()), text(next()), next());
    let Ok(from) = from.parse::<ReversePath>() else {
        return;
    };
    // A greeting that is no name, and a message with bare CR or LF, do not come this far.
    if helo.is_empty() || helo.contains(char::is_whitespace) || helo.len() > 255 {
        return;
    }
    let whole = checked((&zone, message, message.len().max(1)), (&helo, &from));
    let pieces = checked((&zone, message, usize::from(size) + 1), (&helo, &from));
    assert_eq!(whole.verdict, pieces.verdict, "it is another one in pieces");
    check_field(&results_field(HOSTNAME, &whole.verdict));
    check_passes(&whole.verdict, (&zone, message));
    let postmasters = std::collections::BTreeSet::new();
    let options = options();
    if let Ruling::Refuse(reply) = rule(&whole.verdict, (&[], &postmasters), &options) {
        panic!("refused by a config that marks: {reply}");
    }
    // What the beginning of a value says, the rest of it does not change.
    let beginning = claim(&message[..message.len() / 2], HOSTNAME);
    if beginning != Claim::Open {
        assert_eq!(claim(message, HOSTNAME), beginning);
    }
}

/// Bytes as text; what is no UTF-8 is nobody's.
fn text(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).unwrap_or_default().to_owned()
}

fn options() -> Options {
    Options {
        trusted_sealers: vec!["sealer.example".to_owned()],
        blocklists: vec!["list.example".to_owned()],
        ..Options::default()
    }
}

fn checked(
    (zone, message, size): (&str, &[u8], usize),
    (helo, from): (&str, &ReversePath),
) -> Checked {
    let asked = Arc::new(AtomicUsize::new(0));
    let zone = Zone {
        lines: zone.lines().map(str::to_owned).collect(),
        asked: Arc::clone(&asked),
    };
    let world = (Clock::system(), Entropy::new(Chance::new(7)));
    let checker = Checker::new(Arc::new(zone), world, HOSTNAME.to_owned(), options());
    let mut reading = Reading::default();
    message.chunks(size).for_each(|piece| reading.push(piece));
    let subject = Subject {
        ip: Some("192.0.2.1".parse().unwrap()),
        helo,
        from,
    };
    let found = pipes::run(async {
        let checking = checker.check(reading, subject);
        let most = limits::AUTH_TIME + Duration::from_secs(1);
        tokio::time::timeout(most, checking).await
    });
    assert!(asked.load(Ordering::Relaxed) <= ASKING * limits::AUTH_QUESTIONS);
    found.expect("it takes longer than it may")
}

/// RFC 8601 §2.2, RFC 5322 §2.1.1: one field, folded; no line is too long, and each is ASCII.
fn check_field(field: &str) {
    let whole = field.strip_suffix("\r\n").unwrap();
    for (number, line) in whole.split("\r\n").enumerate() {
        assert!(line.len() <= 998, "{} bytes: {line}", line.len());
        let is_odd = |byte: u8| !matches!(byte, b' '..=b'~' | b'\t');
        assert!(!line.bytes().any(is_odd), "{line:?}");
        assert!(!line.trim().is_empty());
        assert_eq!(line.starts_with('\t'), number > 0, "{field:?}");
    }
    let (_, value) = field.split_once(':').unwrap();
    assert_eq!(claim(value.as_bytes(), HOSTNAME), Claim::Ours);
}

/// What must be there for a pass.
fn check_passes(verdict: &Verdict, (zone, message): (&str, &[u8])) {
    let passes = |method| {
        let mut all = verdict.of(method);
        all.any(|one| one.result == AuthResult::Pass)
    };
    let lower = zone.to_lowercase();
    let has = |what: &[&str]| {
        let mut lines = lower.lines();
        lines.any(|line| what.iter().all(|one| line.contains(one)))
    };
    let raw = message.to_ascii_lowercase();
    let names = |field: &[u8]| raw.windows(field.len()).any(|it| it == field);
    assert!(!passes(AuthMethod::Spf) || has(&[" txt ", "v=spf1"]));
    assert!(!passes(AuthMethod::Iprev) || has(&["1.2.0.192.in-addr.arpa", " ptr "]));
    let has_key = has(&["._domainkey.", " txt ", "p="]);
    if passes(AuthMethod::Dkim) {
        assert!(has_key && names(b"dkim-signature"));
        let body = raw_body(message);
        assert!(SIGNED.contains(&body.as_str()), "nobody signed {body:?}");
    }
    assert!(!passes(AuthMethod::Arc) || (has_key && names(b"arc-seal")));
    let is_proven = passes(AuthMethod::Spf) || passes(AuthMethod::Dkim);
    assert!(!passes(AuthMethod::Dmarc) || (is_proven && has(&["_dmarc.", "v=dmarc1"])));
    assert!(verdict.vouched_by.is_none() || passes(AuthMethod::Arc));
    assert!(!verdict.proves_sender || is_proven);
    assert!(verdict.dmarc().is_some());
}

/// The body, without blanks: `relaxed` may change those, and nothing else.
fn raw_body(message: &[u8]) -> String {
    let header = tideover::mail::header_end(message);
    let body = message.get(header..).unwrap_or_default();
    let kept = body.iter().filter(|byte| !byte.is_ascii_whitespace());
    kept.copied().map(char::from).collect()
}

/// A DNS of lines `name TXT|A|AAAA|MX|PTR|CNAME value`, `name STALLS`, `name FAILS`; the name `*`
/// is all that no other line has.
#[derive(Debug)]
struct Zone {
    lines: Vec<String>,
    asked: Arc<AtomicUsize>,
}

impl Zone {
    fn records(&self, name: &str, kind: RecordKind) -> Result<Vec<Record>, DnsError> {
        let lines = self.lines.iter().filter_map(|line| {
            let (owner, rest) = line.split_once(' ')?;
            let (kind, value) = rest.split_once(' ').unwrap_or((rest, ""));
            Some((owner, kind, value))
        });
        let of = |wanted: &str| -> Vec<(&str, &str, &str)> {
            let lines = lines.clone();
            lines
                .filter(|(owner, ..)| owner.eq_ignore_ascii_case(wanted))
                .collect()
        };
        let mut own = of(name);
        if own.is_empty() {
            own = of("*");
        }
        if own.is_empty() {
            return Err(DnsError::NoSuchName);
        }
        if own.iter().any(|(_, kind, _)| *kind == "FAILS") {
            return Err(DnsError::Temporary("it fails".to_owned()));
        }
        let found = own
            .iter()
            .filter_map(|(_, said, value)| record(kind, said, value));
        let found: Vec<_> = found.collect();
        if found.is_empty() {
            Err(DnsError::NoRecords)
        } else {
            Ok(found)
        }
    }
}

fn record(kind: RecordKind, said: &str, value: &str) -> Option<Record> {
    match (kind, said) {
        (RecordKind::Text, "TXT") => Some(Record::Text(value.to_owned())),
        (RecordKind::V4, "A") | (RecordKind::V6, "AAAA") => {
            Some(Record::Address(value.parse().ok()?))
        }
        (RecordKind::Pointer, "PTR") | (RecordKind::Alias, "CNAME") => {
            Some(Record::Name(value.to_lowercase()))
        }
        (RecordKind::Mx, "MX") => Some(Record::Mx(MailExchanger {
            preference: 10,
            host: value.to_lowercase(),
        })),
        _ => None,
    }
}

impl Ask for Zone {
    fn ask<'a>(&'a self, name: &'a str, kind: RecordKind) -> Boxed<'a, Result<Answer, DnsError>> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let stalls = format!("{name} STALLS");
            if self.lines.contains(&stalls) {
                std::future::pending::<()>().await;
            }
            Ok(Answer {
                records: self.records(name, kind)?,
                ttl: Duration::from_secs(60),
                alias: false,
            })
        })
    }
}
