//! What is signed and sealed here is what others find to be right.

use std::net::IpAddr;

use super::*;
use crate::auth::keys::new_ed25519;
use crate::auth::zone::Zone;
use crate::auth::{Checked, Checker, Options, Subject};
use crate::base::Entropy;
use crate::limits;
use crate::mail::{AuthMethod, Verdict};
use crate::smtp::ReversePath;

const LETTER: &str = "Received: by x\r\nFrom: Ann <ann@mail.example.org>\r\nTo: b@x.example\r\n\
                      Subject: A  long\r\n one\r\nMessage-ID: <1@x>\r\n\r\nHello  there\r\n\r\n";

/// A folder with keys of both kinds that sign for `domain`, and the DNS with their records.
fn keys(domain: &str) -> (tempfile::TempDir, Arc<Signer>, Zone) {
    let data_dir = tempfile::tempdir().unwrap();
    let folder = KeyFolder::of(data_dir.path());
    let mut zone = Zone::default();
    let edwards = new_ed25519(&Entropy::system());
    for (selector, pem) in [
        ("e1", edwards.as_str()),
        ("r1", include_str!("rsa2048.pem")),
    ] {
        let key = folder.add((domain, selector), pem).unwrap();
        zone.add(&key.record_name(), "TXT", &key.record());
        folder
            .change((domain, selector), KeyState::Signing)
            .unwrap();
    }
    // Made, and not published yet.
    let waiting = new_ed25519(&Entropy::system());
    folder.add((domain, "e2"), &waiting).unwrap();
    let signer = Signer::new(folder, Clock::system());
    (data_dir, Arc::new(signer), zone)
}

async fn check(zone: Zone, signer: &Arc<Signer>, seal: Option<&str>, message: &str) -> Checked {
    let options = Options {
        seal: seal.map(str::to_owned),
        ..Options::default()
    };
    let world = (Clock::system(), Entropy::system());
    let checker = Checker::new(Arc::new(zone), world, "mx.example.org".to_owned(), options);
    let checker = checker.sealing(Arc::clone(signer));
    let mut reading = checker.reading();
    reading.push(message.as_bytes());
    let subject = Subject {
        ip: Some(IpAddr::from([192, 0, 2, 1])),
        helo: "x",
        from: &ReversePath::Null,
    };
    checker.check(reading, subject).await
}

fn results(verdict: &Verdict, method: AuthMethod) -> Vec<AuthResult> {
    verdict.of(method).map(|line| line.result).collect()
}

fn written(signer: &Signer, letter: &str) -> String {
    let mut signing = signer.begin().unwrap();
    letter.as_bytes().chunks(7).for_each(|it| signing.push(it));
    String::from_utf8(signing.finish()).unwrap() + letter
}

#[tokio::test]
async fn a_letter_of_ours_passes() {
    let (_folder, signer, zone) = keys("example.org");
    let letter = written(&signer, LETTER);
    assert!(letter.lines().all(|line| line.len() < 100), "{letter}");
    let found = check(zone, &signer, None, &letter).await;
    assert_eq!(
        results(&found.verdict, AuthMethod::Dkim),
        [AuthResult::Pass; 2]
    );
    assert_eq!(found.seal, None);
    // Another `From` in front of it, another body.
    for changed in [
        format!("From: boss@example.org\r\n{letter}"),
        letter.replace("there", "where"),
    ] {
        let mut zone = Zone::default();
        for key in signer.keys().iter() {
            zone.add(&key.record_name(), "TXT", &key.record());
        }
        let found = check(zone, &signer, None, &changed).await;
        assert_eq!(
            results(&found.verdict, AuthMethod::Dkim),
            [AuthResult::Fail; 2]
        );
    }
}

#[test]
fn only_our_own_domain_is_signed_for() {
    let (_folder, signer, _) = keys("example.org");
    for from in ["x@other.example", "x@notexample.org", "x@org"] {
        let letter = format!("From: {from}\r\n\r\nx\r\n");
        assert_eq!(written(&signer, &letter), letter);
    }
}

#[tokio::test]
async fn what_we_saw_is_sealed_and_sealed_again() {
    let (_folder, signer, _) = keys("example.org");
    let zone = || {
        let mut zone = Zone::default();
        for key in signer.keys().iter() {
            zone.add(&key.record_name(), "TXT", &key.record());
        }
        zone
    };
    let mut message = LETTER.to_owned();
    for number in 1..=3 {
        let found = check(zone(), &signer, Some("example.org"), &message).await;
        let expected = if number == 1 {
            AuthResult::None
        } else {
            AuthResult::Pass
        };
        assert_eq!(results(&found.verdict, AuthMethod::Arc), [expected]);
        let seal = found.seal.unwrap();
        assert!(
            seal.starts_with(&format!("ARC-Seal: i={number}; a=rsa-sha256; cv=")),
            "{seal}"
        );
        assert!(seal.contains(&format!(
            "ARC-Authentication-Results: i={number}; mx.example.org;"
        )));
        message = seal + &message;
    }
    // On a chain that is broken nothing is built, nor without a key.
    let broken = message.replacen("mx.example.org;", "mx.evil.example;", 2);
    let found = check(zone(), &signer, Some("example.org"), &broken).await;
    assert_eq!(results(&found.verdict, AuthMethod::Arc), [AuthResult::Fail]);
    assert_eq!(found.seal, None);
    let found = check(zone(), &signer, Some("other.example"), LETTER).await;
    assert_eq!(found.seal, None);
}

/// Few receivers know Ed25519, and to all others such a chain is broken.
#[tokio::test]
async fn nothing_is_sealed_without_an_rsa_key() {
    let data_dir = tempfile::tempdir().unwrap();
    let folder = KeyFolder::of(data_dir.path());
    let name = ("example.org", "e1");
    let edwards = new_ed25519(&Entropy::system());
    folder.add(name, &edwards).unwrap();
    folder.change(name, KeyState::Signing).unwrap();
    let signer = Arc::new(Signer::new(folder, Clock::system()));
    let found = check(Zone::default(), &signer, Some("example.org"), LETTER).await;
    assert_eq!(found.seal, None);
}

/// A chain over a header that was not looked at would be a second first set.
#[tokio::test]
async fn a_header_that_is_too_large_is_not_sealed() {
    let (_folder, signer, zone) = keys("example.org");
    let pad = "X: y\r\n".repeat(limits::AUTH_FIELDS);
    let found = check(zone, &signer, Some("example.org"), &(pad + LETTER)).await;
    assert_eq!(found.seal, None);
}

/// A letter of mail.example.org that lists.example sealed with these results.
async fn from_a_list(results: &str, besides: &str) -> Verdict {
    let (_folder, signer, mut zone) = keys("lists.example");
    zone.add("_dmarc.example.org", "TXT", "v=DMARC1; p=reject");
    let letter = format!("{LETTER}The list adds this\r\n");
    let mut reading = Reading::to_sign();
    reading.push(letter.as_bytes());
    let read = reading.finish();
    let chain = Chain {
        result: AuthResult::None,
        reason: None,
        sealer: None,
        passed: None,
        sets: 0,
    };
    let results = format!("mx.lists.example;\r\n\t{results}");
    let seal = signer.seal("lists.example", (&read, &chain), &results);
    let options = Options {
        trusted_sealers: vec!["lists.example".to_owned()],
        ..Options::default()
    };
    let world = (Clock::system(), Entropy::system());
    let checker = Checker::new(Arc::new(zone), world, "mx.example.org".to_owned(), options);
    let mut reading = checker.reading();
    reading.push(format!("{}{besides}{letter}", seal.unwrap()).as_bytes());
    let subject = Subject {
        ip: Some(IpAddr::from([192, 0, 2, 1])),
        helo: "lists.example",
        from: &ReversePath::Null,
    };
    checker.check(reading, subject).await.verdict
}

#[tokio::test]
async fn a_trusted_sealer_vouches_for_the_author_that_he_saw() {
    for (results, besides, is_vouched) in [
        (
            "dmarc=pass (p=reject) header.from=mail.example.org",
            "",
            true,
        ),
        ("dmarc=pass header.from=evil.example", "", false),
        ("dmarc=pass", "", false),
        ("dmarc=fail header.from=mail.example.org", "", false),
        (
            "spf=pass smtp.mailfrom=\"x; dmarc=pass header.from=mail.example.org\"",
            "",
            false,
        ),
        (
            "dmarc=pass header.from=mail.example.org",
            "From: boss@mail.example.org\r\n",
            false,
        ),
    ] {
        let found = from_a_list(results, besides).await;
        assert_eq!(found.dmarc().unwrap().result, AuthResult::Fail, "{results}");
        assert_eq!(found.vouched_by.is_some(), is_vouched, "{results} {found}");
        if besides.is_empty() {
            assert_eq!(self::results(&found, AuthMethod::Arc), [AuthResult::Pass]);
        }
    }
}

#[test]
fn a_key_that_cannot_be_read_keeps_the_others_signing_and_is_told() {
    let (data_dir, _, _) = keys("example.org");
    let bad = data_dir.path().join("keys/example.org/bad.pem");
    std::fs::write(&bad, "ham").unwrap();
    let ours = Signer::new(KeyFolder::of(data_dir.path()), Clock::system());
    let letter = written(&ours, LETTER);
    assert_eq!(letter.matches("DKIM-Signature:").count(), 2, "{letter}");
    let problem = ours.problem().unwrap();
    assert!(problem.starts_with("1 of the keys"), "{problem}");
    assert!(problem.contains("the key bad of example.org"), "{problem}");

    // A reload is refused as long as it is there, and takes the word back afterwards.
    ours.reload().unwrap_err();
    assert!(ours.problem().is_some());
    std::fs::remove_file(bad).unwrap();
    ours.reload().unwrap();
    assert_eq!(ours.problem(), None);
}
