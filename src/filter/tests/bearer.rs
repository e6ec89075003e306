//! Who brings a message: what filters are told of him, and whom of several they refuse.

use super::milter::{self, Milter, packet};
use super::rspamd::{self, Rspamd, good};
use super::*;
use crate::base::{ClientNames, TlsInfo};

fn tls(cipher: &str) -> TlsInfo {
    TlsInfo {
        version: "TLSv1.3".to_owned(),
        cipher: cipher.to_owned(),
        client: crate::base::ClientProof::None,
    }
}

const LOGIN: Login<'static> = Login {
    user: "ann@example.org",
    mechanism: "SCRAM-SHA-256",
};

#[tokio::test]
async fn rspamd_hears_of_a_login_and_of_tls() {
    let daemon = Rspamd::new(rspamd::Manner::Says(good(r#"{"action":"no action"}"#)));
    let filters = rspamd::asking(&daemon, rspamd::rspamd());
    let recipients = ann();
    let mut subject = subject("a", Standing::Stranger, &recipients);
    filters.check(subject, &PLAIN).await.unwrap();
    let tls = tls("TLS_AES_256_GCM_SHA384");
    (subject.bearer.login, subject.bearer.tls) = (Some(LOGIN), Some(&tls));
    filters.check(subject, &PLAIN).await.unwrap();
    let heard = daemon.heard.lock().unwrap();
    let fields = ["user: ", "tls-version: ", "tls-cipher: "];
    let told = |at: usize| {
        let lines = heard[at].0.lines();
        let some = lines.filter(|line| fields.iter().any(|it| line.starts_with(it)));
        some.map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(told(0).is_empty(), "{:?}", heard[0]);
    assert_eq!(
        told(1),
        [
            "user: ann@example.org",
            "tls-version: TLSv1.3",
            "tls-cipher: TLS_AES_256_GCM_SHA384"
        ]
    );
}

#[tokio::test]
async fn a_milter_hears_of_a_login_and_of_tls() {
    for (cipher, bits) in [
        ("TLS_AES_256_GCM_SHA384", "256"),
        ("TLS_AES_128_GCM_SHA256", "128"),
        ("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "256"),
    ] {
        let milter = Milter::new(milter::Manner::new(6, 0));
        let filters = milter::asking(&milter, milter::options());
        let recipients = ann();
        let mut subject = subject("a", Standing::Stranger, &recipients);
        let tls = tls(cipher);
        (subject.bearer.login, subject.bearer.tls) = (Some(LOGIN), Some(&tls));
        filters.check(subject, &milter::LETTER).await.unwrap();
        let macros = milter.told(b'D');
        let expected =
            format!("H{{tls_version}}|TLSv1.3|{{cipher}}|{cipher}|{{cipher_bits}}|{bits}|");
        assert_eq!(macros[1], expected);
        let id = SpoolId::from_u64(7);
        let expected = format!(
            "Mi|{id}|{{mail_addr}}||{{auth_authen}}|ann@example.org|{{auth_type}}|SCRAM-SHA-256|"
        );
        assert_eq!(macros[2], expected);
    }
}

/// As Postfix tells it: names of people's choice, and none that is not there.
#[tokio::test]
async fn a_milter_hears_of_a_certificate() {
    let names = |subject: Option<&str>, issuer: Option<&str>| ClientNames {
        hosts: vec!["gw.partner.example".to_owned()],
        subject: subject.map(str::to_owned),
        issuer: issuer.map(str::to_owned),
    };
    for (names, expected) in [
        (
            names(Some("The gateway"), Some("Partner CA")),
            "{cert_subject}|The gateway|{cert_issuer}|Partner CA|",
        ),
        (
            names(None, Some("Partner\0\r\nCA")),
            "{cert_issuer}|Partner???CA|",
        ),
        (names(None, None), ""),
    ] {
        let milter = Milter::new(milter::Manner::new(6, 0));
        let filters = milter::asking(&milter, milter::options());
        let recipients = ann();
        let mut subject = subject("a", Standing::Stranger, &recipients);
        let tls = tls("TLS_AES_256_GCM_SHA384");
        (subject.bearer.tls, subject.bearer.certificate) = (Some(&tls), Some(&names));
        filters.check(subject, &milter::LETTER).await.unwrap();
        let macros = milter.told(b'D');
        assert!(
            macros[1].ends_with(&format!("{{cipher_bits}}|256|{expected}")),
            "{macros:?}"
        );
    }
}

/// What its own settings leave out is said to be so; what it has found is found all the same.
#[tokio::test]
async fn what_rspamd_does_not_look_at_is_said() {
    for (answer, verdict, expected) in [
        (
            r#"{"is_skipped":true,"action":"no action"}"#,
            FilterVerdict::Clean,
            "not looked at, by its own settings: no action, 0.00",
        ),
        (
            r#"{"is_skipped":false,"action":"no action"}"#,
            FilterVerdict::Clean,
            "no action, 0.00",
        ),
        (
            r#"{"is_skipped":true,"action":"reject","score":15}"#,
            FilterVerdict::Bad,
            "reject, 15.00",
        ),
    ] {
        let daemon = Rspamd::new(rspamd::Manner::Says(good(answer)));
        let filters = rspamd::asking(&daemon, rspamd::rspamd());
        assert_eq!(
            heard(&filters, &PLAIN).await,
            (verdict, expected.to_owned())
        );
    }
}

/// What it says to whom it refuses with this letter: a reply has words.
pub(super) fn refusal(letter: u8) -> Vec<u8> {
    let words: &[u8] = match letter {
        b'y' => b"550 5.7.1 not him\0",
        _ => b"",
    };
    packet(letter, words)
}

/// A milter that refuses some, and what comes of it.
struct Case {
    refuses: Vec<(&'static str, u8)>,
    /// What it says of the whole message.
    end: Vec<u8>,
    later: Deed,
    held: Vec<u16>,
    said: &'static str,
}

/// Ann is 0, Bob is 1, Eve is 2.
fn cases() -> Vec<Case> {
    let case = |refuses: &[(&'static str, u8)], later, held: &[u16], said| Case {
        refuses: refuses.to_vec(),
        end: packet(b'c', b""),
        later,
        held: held.to_vec(),
        said,
    };
    let ending = |end: &[u8], case: Case| Case {
        end: end.to_vec(),
        ..case
    };
    let others = "reject: others: tempfail";
    let all = "reject: others: tempfail: come again";
    let tempfail = packet(b'y', b"451 4.7.1 come again\0");
    let bob = [("bob@", b'r')];
    vec![
        case(
            &[("ann@", b'r'), ("bob@", b't')],
            Deed::Hold,
            &[0, 1],
            others,
        ),
        case(&[("ann@", b't'), ("bob@", b'r')], Deed::Mark, &[1], others),
        // Nobody is left, and the message is not shown.
        case(
            &[("ann@", b'r'), ("", b't')],
            Deed::Hold,
            &[0, 1, 2],
            others,
        ),
        // What it says of the message says nothing better of whom it has refused.
        ending(&tempfail, case(&bob, Deed::Mark, &[1], all)),
        ending(&tempfail, case(&bob, Deed::Hold, &[0, 1, 2], all)),
        // Its words about one are about nobody else.
        case(
            &[("bob@", b'y'), ("eve@", b'r')],
            Deed::Hold,
            &[1, 2],
            "reject: not him",
        ),
        ending(
            &packet(b't', b""),
            case(
                &[("bob@", b'y')],
                Deed::Mark,
                &[1],
                "reject: not him: others: tempfail",
            ),
        ),
        ending(
            &packet(b'r', b""),
            case(&[("bob@", b't')], Deed::Mark, &[0, 1, 2], "reject"),
        ),
    ]
}

/// Each recipient has the answer that was given for him: who is put off is not taken because
/// somebody else was refused, and who is refused is not put off.
#[tokio::test]
async fn who_is_refused_and_who_is_put_off_are_told_apart() {
    let mut all = ann();
    for name in ["bob@example.org", "eve@example.org"] {
        let mut more = ann();
        more[0].address = name.parse().unwrap();
        all.extend(more);
    }
    let subject = subject("a", Standing::Stranger, &all);
    for case in cases() {
        let mut manner = milter::Manner::saying(b'E', &case.end);
        manner.refuses.clone_from(&case.refuses);
        let milter = Milter::new(manner);
        let mut options = milter::options();
        options.later = case.later;
        let filters = milter::asking(&milter, options);
        let ruling = filters.check(subject, &milter::LETTER).await;
        let taken = taken(ruling.unwrap());
        let held: Vec<u16> = taken.held.keys().copied().collect();
        assert_eq!(held, case.held, "{:?}", case.refuses);
        assert_eq!(taken.results[0].said, case.said, "{:?}", case.refuses);
    }
}
