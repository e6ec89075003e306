//! Whole verdicts, with a DNS that is written down.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use super::canon::{BodyDigest, Canon};
use super::fields::fields;
use super::flaw::bound;
use super::signature::{Kind, Signature};
use super::zone::Zone;
use super::{Checker, Options, Reading, Subject, results_field};
use crate::base::{Clock, Entropy, TimeSource, Timestamp};
use crate::limits;
use crate::mail::{AuthMethod, AuthResult, DmarcPolicy, Verdict};
use crate::smtp::ReversePath;

#[derive(Debug)]
struct Then;

impl TimeSource for Then {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_795_000_000_000)
    }
}

fn checker(zone: Zone) -> Checker {
    let world = (Clock::new(Then), Entropy::system());
    let options = Options {
        trusted_sealers: vec!["lists.example".to_owned()],
        ..Options::default()
    };
    Checker::new(Arc::new(zone), world, "mx.example.org".to_owned(), options)
}

fn read(message: &str) -> Reading {
    let mut reading = Reading::default();
    message
        .as_bytes()
        .chunks(100)
        .for_each(|it| reading.push(it));
    reading
}

async fn check(checker: &Checker, from: &str, message: &str) -> Verdict {
    let from: ReversePath = from.trim_matches(&['<', '>'][..]).parse().unwrap();
    let subject = Subject {
        ip: Some("192.0.2.1".parse().unwrap()),
        helo: "mail.sender.example",
        from: &from,
    };
    checker.check(read(message), subject).await.verdict
}

async fn verdict(zone: &str, from: &str, message: &str) -> Verdict {
    check(&checker(Zone::new(zone)), from, message).await
}

fn key() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
}

fn key_record() -> String {
    format!(
        "v=DKIM1; k=ed25519; p={}",
        STANDARD.encode(key().public_key())
    )
}

/// `message` with a signature of `domain` in front.
fn signed(domain: &str, message: &str) -> String {
    let (_, body) = message.split_once("\r\n\r\n").unwrap();
    let mut digest = BodyDigest::new(Canon::Relaxed, None);
    digest.push(body.as_bytes());
    let hash = STANDARD.encode(digest.finish().sha256);
    let field = format!(
        "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d={domain}; s=s1;\r\n \
         h=from:subject; bh={hash}; b="
    );
    let whole = format!("{field}AA==\r\n{message}");
    let header = whole.split_once("\r\n\r\n").unwrap().0.to_owned() + "\r\n";
    let all = fields(header.as_bytes());
    let signature = Signature::parse(&all[0].text(), Kind::Dkim).unwrap();
    let data = signature.signed_data(&all, all[0]);
    let digest = ring::digest::digest(&ring::digest::SHA256, &data);
    let value = STANDARD.encode(key().sign(digest.as_ref()));
    format!("{field}{value}\r\n{message}")
}

const LETTER: &str = "From: Ann <ann@sender.example>\r\nSubject: Hi\r\n\r\nHello  there\r\n";

fn sender_zone() -> String {
    format!(
        "sender.example TXT v=spf1 ip4:192.0.2.0/24 -all\n\
         mail.sender.example A 192.0.2.1\n\
         1.2.0.192.in-addr.arpa PTR mail.sender.example\n\
         s1._domainkey.sender.example TXT {}\n\
         _dmarc.sender.example TXT v=DMARC1; p=reject",
        key_record()
    )
}

#[tokio::test]
async fn an_honest_sender_passes() {
    let letter = signed("sender.example", LETTER);
    let verdict = verdict(&sender_zone(), "<ann@sender.example>", &letter).await;
    let field = results_field("mx.example.org", &verdict);
    assert_eq!(
        field
            .replace("\r\n", "\n")
            .split(" header.b=")
            .next()
            .unwrap(),
        "Authentication-Results: mx.example.org;\n\
         \tiprev=pass policy.iprev=192.0.2.1;\n\
         \tspf=pass smtp.mailfrom=sender.example;\n\
         \tspf=none smtp.helo=mail.sender.example;\n\
         \tdkim=pass header.d=sender.example header.s=s1 header.a=ed25519-sha256"
    );
    assert!(field.contains("\tdmarc=pass (p=reject) header.from=sender.example;\r\n\tarc=none"));
    assert!(verdict.proves_sender);
    assert_eq!(verdict.asks_for(), None);
}

#[tokio::test]
async fn a_forger_fails() {
    // The body was changed on the way, and the address is another's.
    let zone = sender_zone().replace("192.0.2.0/24", "198.51.100.0/24");
    let changed = signed("sender.example", LETTER).replace("there", "where");
    let found = verdict(&zone, "<ann@sender.example>", &changed).await;
    assert_eq!(
        found.to_string(),
        "iprev=pass spf=fail spf=none dkim=fail dmarc=fail arc=none"
    );
    assert_eq!(found.asks_for(), Some(DmarcPolicy::Reject));
    assert!(!found.proves_sender);
    // What the forger can prove of himself is no help.
    let zone = format!(
        "{zone}\nevil.example TXT v=spf1 +all\ns1._domainkey.evil.example TXT {}",
        key_record()
    );
    let found = verdict(&zone, "<x@evil.example>", &signed("evil.example", LETTER)).await;
    assert_eq!(
        found.to_string(),
        "iprev=pass spf=pass spf=none dkim=pass dmarc=fail arc=none"
    );
    assert_eq!(found.asks_for(), Some(DmarcPolicy::Reject));
    // He proved who he is, though.
    assert!(found.proves_sender);
}

/// Name servers of the forger's own do not get him past the policy of somebody else.
#[tokio::test(start_paused = true)]
async fn a_forger_gains_nothing_by_slow_name_servers() {
    let zone = format!(
        "{}\nevil.example STALLS\n2.0.192.in-addr.arpa STALLS",
        sender_zone()
    );
    let forged = signed("evil.example", LETTER);
    let begin = tokio::time::Instant::now();
    let found = verdict(&zone, "<x@evil.example>", &forged).await;
    assert_eq!(
        found.to_string(),
        "iprev=temperror spf=temperror spf=none dkim=temperror dmarc=fail arc=none"
    );
    assert_eq!(found.asks_for(), Some(DmarcPolicy::Reject));
    assert_eq!(begin.elapsed(), limits::AUTH_TIME);
}

#[tokio::test(start_paused = true)]
async fn silence_is_a_temporary_error_and_no_refusal() {
    for silence in ["sender.example STALLS", "sender.example FAILS"] {
        let zone = format!("{}\n{silence}", sender_zone());
        let letter = signed("sender.example", LETTER);
        let found = verdict(&zone, "<ann@sender.example>", &letter).await;
        let told = found.to_string();
        assert!(told.contains("dkim=temperror dmarc=temperror"), "{told}");
        assert_eq!(found.asks_for(), None);
        assert!(!found.proves_sender);
    }
}

/// Without name servers the door stays fast: after a few messages nobody is asked for a while.
#[tokio::test(start_paused = true)]
async fn silent_name_servers_are_left_alone() {
    let zone = Zone::new("example.org STALLS\nexample STALLS\narpa STALLS");
    let asked = Arc::clone(&zone.asked);
    let checker = checker(zone);
    let begin = tokio::time::Instant::now();
    for _ in 0..4 {
        check(&checker, "<ann@sender.example>", LETTER).await;
    }
    assert_eq!(begin.elapsed(), 4 * limits::AUTH_TIME);
    let before = asked.load(Ordering::Relaxed);
    for _ in 0..1000 {
        let found = check(&checker, "<ann@sender.example>", LETTER).await;
        assert!(found.to_string().contains("spf=temperror"), "{found}");
    }
    assert_eq!(begin.elapsed(), 4 * limits::AUTH_TIME);
    assert_eq!(asked.load(Ordering::Relaxed), before);
    tokio::time::advance(Duration::from_secs(31)).await;
    check(&checker, "<ann@sender.example>", LETTER).await;
    assert!(asked.load(Ordering::Relaxed) > before);
}

/// What is still known of a sender does not hide that nobody answers us any more.
#[tokio::test(start_paused = true)]
async fn a_kept_answer_is_no_sign_of_life() {
    let zone = Zone::new(&format!(
        "{}\nexample.org STALLS\narpa STALLS",
        sender_zone()
    ));
    let asked = Arc::clone(&zone.asked);
    let checker = checker(zone);
    for _ in 0..4 {
        check(&checker, "<ann@sender.example>", LETTER).await;
    }
    let before = asked.load(Ordering::Relaxed);
    check(&checker, "<ann@sender.example>", LETTER).await;
    assert_eq!(asked.load(Ordering::Relaxed), before);
}

/// Nor can a stranger switch the checks off with many messages at a time.
#[tokio::test(start_paused = true)]
async fn silence_at_once_is_no_proof() {
    let checker = checker(Zone::new(
        "arpa STALLS\nsender.example STALLS\nexample STALLS",
    ));
    let one = || check(&checker, "<ann@sender.example>", LETTER);
    futures_util::future::join_all((0..8).map(|_| one())).await;
    let other = LETTER.replace("sender.example", "other.test");
    let found = check(&checker, "<ann@other.test>", &other).await;
    assert!(found.to_string().contains("spf=none"), "{found}");
}

/// A name below the author's whose servers fail gets nobody past his policy; it is looked at.
#[tokio::test]
async fn a_failing_name_below_the_author_is_no_way_around() {
    let zone = sender_zone().replace("192.0.2.0/24", "198.51.100.0/24");
    let zone = format!("{zone}\nlame.sender.example FAILS");
    let letter = signed("lame.sender.example", LETTER);
    let found = verdict(&zone, "<x@lame.sender.example>", &letter).await;
    assert!(
        found.to_string().contains("dkim=temperror dmarc=fail"),
        "{found}"
    );
    assert_eq!(found.asks_for(), Some(DmarcPolicy::Reject));
    assert_eq!(
        found.dmarc().unwrap().reason.as_deref(),
        Some(bound::UNSURE)
    );
}

/// A signature over another's mailbox says nothing of MAIL FROM: no report goes to a victim.
#[tokio::test]
async fn a_signature_proves_the_mailbox_that_it_signs() {
    let zone = sender_zone().replace("192.0.2.0/24", "198.51.100.0/24");
    let letter = signed("sender.example", LETTER);
    for (from, proves) in [
        ("<ann@sender.example>", true),
        ("<bob@sender.example>", false),
    ] {
        let found = verdict(&zone, from, &letter).await;
        assert_eq!(found.dmarc().unwrap().result, AuthResult::Pass);
        assert_eq!(found.proves_sender, proves, "{from}");
    }
}

/// Text records for others do not hide the one that counts.
#[tokio::test]
async fn the_record_is_found_among_many() {
    let mut zone = Zone::default();
    for at in 0..=limits::AUTH_RECORDS {
        zone.add("sender.example", "TXT", &format!("other={at}"));
    }
    zone.add("sender.example", "TXT", "v=spf1 ip4:192.0.2.1 -all");
    let found = check(&checker(zone), "<ann@sender.example>", LETTER).await;
    assert!(found.to_string().contains("spf=pass"), "{found}");
}

/// A sender whose own servers are silent does not make us stop asking for others.
#[tokio::test(start_paused = true)]
async fn one_senders_silence_is_not_everybodys() {
    let zone = Zone::new("sender.example STALLS\narpa STALLS");
    let checker = checker(zone);
    for _ in 0..20 {
        check(&checker, "<ann@sender.example>", LETTER).await;
    }
    let other = LETTER.replace("sender.example", "other.example");
    let found = check(&checker, "<ann@other.example>", &other).await;
    assert!(found.to_string().contains("spf=none"), "{found}");
}

#[tokio::test]
async fn alignment_is_of_the_organisation_unless_strict() {
    let zone = |dmarc: &str| {
        format!(
            "mail.sender.example TXT v=spf1 ip4:192.0.2.1 -all\n\
             _dmarc.sender.example TXT v=DMARC1; p=quarantine; {dmarc}"
        )
    };
    for (dmarc, from, expected) in [
        ("", "<b@mail.sender.example>", AuthResult::Pass),
        ("aspf=s", "<b@mail.sender.example>", AuthResult::Fail),
        ("", "<>", AuthResult::Pass),
        ("t=y", "<b@other.example>", AuthResult::Fail),
    ] {
        let found = verdict(&zone(dmarc), from, LETTER).await;
        assert_eq!(found.dmarc().unwrap().result, expected, "{dmarc} {from}");
        let is_test = dmarc == "t=y";
        let policy = if is_test {
            DmarcPolicy::None
        } else {
            DmarcPolicy::Quarantine
        };
        assert_eq!(found.policy, Some(policy));
    }
    // Names below, and names that do not exist.
    let zone = "_dmarc.sender.example TXT v=DMARC1; p=none; sp=quarantine; np=reject\n\
                a.sender.example EXISTS\nexample EXISTS";
    for (domain, policy) in [
        ("sender.example", DmarcPolicy::None),
        ("a.sender.example", DmarcPolicy::Quarantine),
        ("b.sender.example", DmarcPolicy::Reject),
    ] {
        let letter = format!("From: x@{domain}\r\n\r\n");
        let found = verdict(zone, "<>", &letter).await;
        assert_eq!(found.policy, Some(policy), "{domain}");
    }
    // RFC 9989 §4.7: white space may stand around each equals sign.
    let zone = "_dmarc.sender.example TXT v = DMARC1 ;p = reject";
    let found = verdict(zone, "<>", LETTER).await;
    assert_eq!(found.policy, Some(DmarcPolicy::Reject));
}

/// More than one `From`, or one with something else in it, is no way around.
#[tokio::test]
async fn the_worst_of_several_authors_counts() {
    let zone = format!("{}\nevil.example TXT v=spf1 +all", sender_zone());
    for from in [
        "From: x@evil.example, ann@sender.example",
        "From: x@evil.example\r\nFrom: ann@sender.example",
        "From: a@a.example, a@b.example, a@sender.example",
        "From: x@evil.example,b@evil.example,c@evil.example,d@evil.example,ann@sender.example",
        "From: x@evil.example, ann @ sender . example",
        "From: ann@sender(x).example, x@evil.example",
        "From: ann@sender.example <x@evil.example>",
    ] {
        let letter = format!("{from}\r\n\r\nx\r\n");
        let found = verdict(&zone, "<x@evil.example>", &letter).await;
        assert_eq!(found.asks_for(), Some(DmarcPolicy::Reject), "{from}");
        let pad = "X: y\r\n".repeat(60_000);
        let found = verdict(&zone, "<x@evil.example>", &format!("{pad}{letter}")).await;
        assert_eq!(found.asks_for(), Some(DmarcPolicy::Reject), "{from}");
    }
    for from in [
        "",
        "From: undisclosed\r\n",
        "From: a@[192.0.2.1]\r\n",
        "From: nobody, x@evil.example\r\n",
        "From: <ann@sender.example> <x@evil.example>\r\n",
        "From: x@evil.example\r\nFrom: Ann\r\n",
        "From: a@evil.example, a@a.example, a@b.example, a@c.example, ann@sender.example\r\n",
    ] {
        let found = verdict(&zone, "<>", &format!("{from}Subject: x\r\n\r\nx\r\n")).await;
        assert_eq!(
            found.dmarc().unwrap().result,
            AuthResult::PermError,
            "{from}"
        );
    }
}

#[tokio::test]
async fn bombs_end_soon() {
    // A thousand signatures, and includes that go in a circle.
    let one = signed("sender.example", LETTER);
    let field = one.strip_suffix(LETTER).unwrap();
    let zone = format!(
        "{}\nround.example TXT v=spf1 include:round.example -all",
        sender_zone()
    );
    let zone = Zone::new(&zone);
    let asked = Arc::clone(&zone.asked);
    let letter = format!("{}{LETTER}", field.repeat(1000));
    let found = check(&checker(zone), "<a@round.example>", &letter).await;
    // One line says that there are more.
    assert_eq!(
        found.of(AuthMethod::Dkim).count(),
        limits::AUTH_SIGNATURES + 1
    );
    let spf = found.of(AuthMethod::Spf).next().unwrap();
    assert_eq!(spf.result, AuthResult::PermError);
    assert!(asked.load(Ordering::Relaxed) < 60);
    // Thousands of records.
    let mut zone = Zone::new("sender.example TXT v=spf1 a -all");
    for at in 0..5000 {
        zone.add(
            "sender.example",
            "A",
            &format!("198.51.{}.{}", at / 250, at % 250),
        );
        zone.add("1.2.0.192.in-addr.arpa", "PTR", &format!("a{at}.example"));
    }
    let asked = Arc::clone(&zone.asked);
    let found = check(&checker(zone), "<a@sender.example>", LETTER).await;
    assert!(
        found.to_string().starts_with("iprev=fail spf=fail"),
        "{found}"
    );
    assert!(asked.load(Ordering::Relaxed) < 30);
}

/// RFC 8463, appendix A: both signatures of the same message.
#[tokio::test]
async fn the_example_of_rfc_8463() {
    let message = include_str!("rfc8463.eml").replace('\n', "\r\n");
    let zone = "brisbane._domainkey.football.example.com TXT v=DKIM1; k=ed25519; \
                p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n\
                test._domainkey.football.example.com TXT v=DKIM1; k=rsa; \
                p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5\
                bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG\
                4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB";
    let found = verdict(zone, "<>", &message).await;
    let dkim: Vec<_> = found.of(AuthMethod::Dkim).map(|it| it.result).collect();
    assert_eq!(dkim, [AuthResult::Pass; 2]);
    let changed = message.replace("hungry", "thirsty");
    let found = verdict(zone, "<>", &changed).await;
    let dkim: Vec<_> = found.of(AuthMethod::Dkim).map(|it| it.result).collect();
    assert_eq!(dkim, [AuthResult::Fail; 2]);
    // A field that was not there when it was signed.
    let added = format!("Subject: another\r\n{message}");
    let found = verdict(zone, "<>", &added).await;
    assert!(
        found
            .of(AuthMethod::Dkim)
            .all(|it| it.result == AuthResult::Fail)
    );
}

/// RFC 6376 §8.2: what is behind `l=` proves nothing.
#[tokio::test]
async fn half_a_body_is_not_enough() {
    let whole = signed("sender.example", LETTER);
    let length = "Hello there\r\n".len();
    let limited = LETTER.to_owned();
    let (_, body) = limited.split_once("\r\n\r\n").unwrap();
    let mut digest = BodyDigest::new(Canon::Relaxed, Some(length as u64));
    digest.push(body.as_bytes());
    assert_eq!(digest.finish().length, length as u64);
    let longer = whole.clone() + "More, by somebody else\r\n";
    let found = verdict(&sender_zone(), "<>", &longer).await;
    let dkim = found.of(AuthMethod::Dkim).next().unwrap();
    assert_eq!(dkim.reason.as_deref(), Some("the body was changed"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever a stranger sends and publishes, there is a verdict, and a field of one piece.
    #[test]
    fn any_message_gets_a_verdict(
        header in "((DKIM-Signature|ARC-Seal|ARC-Message-Signature|ARC-Authentication-Results|\
                   From): ([ivabdhscqlxt]h?=[ -~]{0,12}; ?){0,6}[ -~]{0,20}\r\n){0,6}",
        body in "[ -~\r\n]{0,40}",
        texts in proptest::collection::vec(
            "v=(spf1|DMARC1|DKIM1)[; ]([+?~-]?(a|mx|ptr|include:|exists:|redirect=)\
             [%{}a-z.:/0-9]{0,9} |[ksptn]+=[ -~]{0,9};){0,6}",
            0..5,
        ),
        from in "<>|<[a-z]{1,4}@(a|b)\\.example>",
    ) {
        let mut zone = Zone::new("b.example MX 1 a.example\na.example A 192.0.2.1");
        let names = ["a.example", "b.example", "_dmarc.a.example", "s._domainkey.a.example"];
        for (at, text) in texts.iter().enumerate() {
            zone.add(names[at % names.len()], "TXT", text);
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let message = format!("{header}\r\n{body}");
        let found = runtime.block_on(check(&checker(zone), &from, &message));
        prop_assert!(found.dmarc().is_some());
        let field = results_field("mx.example.org", &found);
        prop_assert!(field.is_ascii());
        let lines: Vec<&str> = field.split_terminator("\r\n").collect();
        let folded = |line: &&str| line.starts_with('\t') && !line.contains(['\r', '\n']);
        prop_assert!(lines[1..].iter().all(folded));
    }
}
