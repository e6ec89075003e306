//! Reports on TLS (RFC 8460): who gets one, how, and once.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use super::protection::{Stranger, counts, open, policy, self_signed, stranger};
use super::*;
use crate::auth::{KeyFolder, KeyState, Signer, new_ed25519};
use crate::base::TimeSource;
use crate::mail::{ParsedMessage, Sign};
use crate::notice::Find;

const DAY: u64 = 24 * 3_600 * 1_000;
const REPORTS: &str = "reports.example.net";

/// A clock that is set by hand.
#[derive(Debug, Clone)]
struct Hand(Arc<AtomicU64>);

impl Hand {
    /// Noon of some day.
    fn noon() -> Self {
        Self(Arc::new(AtomicU64::new(20_000 * DAY + DAY / 2)))
    }

    fn go(&self, hours: u64) {
        self.0.fetch_add(hours * 3_600_000, Ordering::SeqCst);
    }

    fn clock(&self) -> Clock {
        Clock::new(self.clone())
    }
}

impl TimeSource for Hand {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Everybody is outside.
#[derive(Debug)]
struct Outside;

impl Find for Outside {
    fn target(&self, to: &Mailbox) -> Result<(DeliveryTarget, Mailbox), String> {
        Ok((DeliveryTarget::Domain(to.domain().key()), to.clone()))
    }
}

fn options() -> Options {
    Options {
        reports: Some(ReportOptions {
            from: "tls@example.org".parse().unwrap(),
            organization: "Example".to_owned(),
            contact: "tls@example.org".parse().unwrap(),
        }),
        ..Options::new("mx.example.org")
    }
}

/// What reports are sent with; with a key of ours, or without.
fn parts(folder: &std::path::Path, keys: &[&str], hand: &Hand) -> ReportParts {
    let keys_of = KeyFolder::of(folder);
    for domain in keys {
        keys_of
            .add((domain, "s1"), &new_ed25519(&Entropy::system()))
            .unwrap();
        keys_of.change((domain, "s1"), KeyState::Signing).unwrap();
    }
    ReportParts {
        find: Arc::new(Outside),
        sign: Arc::new(Signer::new(keys_of, hand.clock())) as Arc<dyn Sign>,
        shutdown: Shutdown::new(),
    }
}

/// It asks for reports, here.
fn asking(mut this: Stranger, rua: &str) -> Stranger {
    let tls = self_signed(&this.folder.path().join("reports"), REPORTS);
    let server = Server {
        tls: Some(Arc::new(tls)),
        https: Some("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n".to_owned()),
        ..Server::default()
    };
    let net = &mut this.net;
    net.servers.insert("192.0.2.8:443".parse().unwrap(), server);
    net.hosts
        .insert(REPORTS.to_owned(), vec!["192.0.2.8".parse().unwrap()]);
    let record = vec![format!("v=TLSRPTv1; rua={rua}")];
    net.texts
        .insert("_smtp._tls.example.net".to_owned(), record);
    this
}

fn states(outbound: &Outbound) -> Vec<&'static str> {
    let views = outbound.tls_report_views(None).into_iter();
    views.map(|view| view.state.as_str()).collect()
}

/// Over midnight, and until any report has left.
async fn next_day(outbound: &Outbound, hand: &Hand, parts: &ReportParts) {
    hand.go(13);
    outbound.send_due_reports(parts).await;
    hand.go(4);
    outbound.send_due_reports(parts).await;
}

/// RFC 8460 §3: by the domain that it is from, with all of the body.
fn is_signed(message: &[u8]) {
    let text = String::from_utf8(message.to_vec()).unwrap();
    assert!(
        text.starts_with("DKIM-Signature: v=1; a=ed25519-sha256;"),
        "{text}"
    );
    assert!(
        text.contains("d=example.org;") && !text.contains("; l="),
        "{text}"
    );
    assert!(
        text.contains(":tls-report-domain:tls-report-submitter;"),
        "{text}"
    );
    let parsed = ParsedMessage::parse(message).unwrap();
    assert_eq!(parsed.from[0].address, "tls@example.org");
}

fn tells_what_went_wrong(report: &TlsReport) {
    let detail = &report.policies[0].failure_details[0];
    assert_eq!(
        detail.receiving_mx_hostname.as_deref(),
        Some("mx.example.net")
    );
    assert_eq!(detail.receiving_ip.as_deref(), Some("192.0.2.1"));
    let why = detail.failure_reason_code.as_deref().unwrap();
    assert!(why.contains("must be good for mx.example.net"), "{why}");
    let strings = &report.policies[0].policy.policy_string;
    assert_eq!(strings[..2], ["version: STSv1", "mode: enforce"]);
    assert_eq!(report.policies[0].policy.mx_host, ["*.example.net"]);
}

/// RFC 8460 §3: a report leaves in spite of what it reports, and is not in the next one.
#[tokio::test]
async fn a_day_with_trouble_is_reported_once_by_mail_and_by_https() {
    let data = tempfile::tempdir().unwrap();
    let spool_options = crate::spool::Options {
        min_free: 0,
        ..crate::spool::Options::new(data.path())
    };
    let life = || {
        let world = crate::spool::World::system();
        let opened = Spool::open(spool_options.clone(), world).unwrap();
        (opened.spool, opened.writer.spawn_thread().unwrap())
    };
    let hand = Hand::noon();
    let rua = format!("mailto:tls@example.net,https://{REPORTS}/v1");
    let this = stranger(Some("other.example")).with_policy(&policy("enforce", "*.example.net"));
    let this = asking(this, &rua);
    let trusted = ["mail", "policy", "reports"];
    let (outbound, seen, _folder) = this.client_at(&trusted, hand.clock());
    outbound.set_options(options());
    let (spool, writer) = life();
    outbound.remember(&spool).unwrap();
    let parts = parts(data.path(), &["example.org"], &hand);
    for _ in 0..2 {
        open(&outbound).await.unwrap_err();
    }
    outbound.send_due_reports(&parts).await;
    assert_eq!(states(&outbound), ["today"]);
    assert!(seen.messages.lock().unwrap().is_empty());

    next_day(&outbound, &hand, &parts).await;
    assert_eq!(states(&outbound), ["sent"]);
    let before = counts(&outbound);
    assert_eq!(before, ["example.net sts certificate-host-mismatch 2"]);
    assert!(seen.has_line("POST /v1 HTTP/1.1"));
    assert!(seen.has_line("content-type: application/tlsrpt+gzip"));
    assert!(seen.has_line("MAIL FROM:<>") || seen.has_line("MAIL FROM:<> BODY=7BIT"));
    let messages = seen.messages.lock().unwrap().clone();
    let [message] = messages.as_slice() else {
        panic!("{} mails", messages.len());
    };
    is_signed(message);
    let view = outbound.tls_report_views(Some("Example.NET")).remove(0);
    tells_what_went_wrong(&view.report);

    // Not twice, also not after a restart; what was counted is what is shown.
    outbound.send_due_reports(&parts).await;
    let report = view.report;
    spool.close().await.unwrap();
    drop((outbound, spool));
    writer.join().unwrap();
    let (spool, writer) = life();
    let this = asking(stranger(Some("other.example")), &rua);
    let (outbound, again, _folder) = this.client_at(&trusted[2..], hand.clock());
    outbound.set_options(options());
    outbound.remember(&spool).unwrap();
    next_day(&outbound, &hand, &parts).await;
    assert_eq!(states(&outbound), ["sent"]);
    assert_eq!(outbound.tls_report_views(None)[0].report, report);
    assert!(again.messages.lock().unwrap().is_empty());
    // A week later nothing is left of it.
    hand.go(24 * 8);
    outbound.forget_what_is_over().await;
    assert!(spool.facts("outbound", "tlsrpt/").unwrap().is_empty());
    assert!(spool.facts("outbound", "tls/").unwrap().is_empty());
    spool.close().await.unwrap();
    drop((outbound, spool));
    writer.join().unwrap();
}

#[tokio::test]
async fn who_does_not_ask_and_who_is_not_allowed_to_get_nothing() {
    for (rua, expected) in [
        ("", "unasked"),
        ("ftp://reports.example.net/", "unasked"),
        // Inside our own house.
        ("https://127.0.0.1/", "waiting"),
        ("https://10.0.0.1/", "waiting"),
        ("https://[::ffff:192.168.0.1]/", "waiting"),
    ] {
        let hand = Hand::noon();
        let folder = tempfile::tempdir().unwrap();
        let mut this = asking(stranger(Some(HOST_OF)), rua);
        if rua.is_empty() {
            this.net.texts.clear();
        }
        let (outbound, seen, _folder) = this.client_at(&["reports"], hand.clock());
        outbound.set_options(options());
        open(&outbound).await.unwrap();
        let dialled = seen.dialled.lock().unwrap().len();
        let parts = parts(folder.path(), &["example.org"], &hand);
        next_day(&outbound, &hand, &parts).await;
        assert_eq!(states(&outbound), [expected], "{rua}");
        assert_eq!(seen.dialled.lock().unwrap().len(), dialled, "{rua}");
    }
}

const HOST_OF: &str = "mx.example.net";

/// RFC 8460 §3: an unsigned report would be ignored. A key that comes later signs it.
#[tokio::test]
async fn a_mail_waits_for_a_key() {
    let hand = Hand::noon();
    let folder = tempfile::tempdir().unwrap();
    let this = asking(stranger(Some(HOST_OF)), "mailto:tls@example.net");
    let (outbound, seen, _folder) = this.client_at(&[], hand.clock());
    open(&outbound).await.unwrap();
    let unsigned = parts(folder.path(), &["example.com"], &hand);
    // Without [tlsrpt] nobody sends anything.
    hand.go(13);
    outbound.send_due_reports(&unsigned).await;
    assert_eq!(states(&outbound), ["off"]);
    outbound.set_options(options());
    outbound.send_due_reports(&unsigned).await;
    hand.go(4);
    outbound.send_due_reports(&unsigned).await;
    let view = outbound.tls_report_views(None).remove(0);
    assert_eq!(view.state, TlsReportState::Waiting);
    assert!(
        view.what.contains("no key signs for example.org"),
        "{view:?}"
    );
    assert!(view.at.is_some(), "{view:?}");
    assert!(seen.messages.lock().unwrap().is_empty());
    let signing = parts(folder.path(), &["example.org"], &hand);
    hand.go(1);
    outbound.send_due_reports(&signing).await;
    assert_eq!(states(&outbound), ["sent"]);
    assert_eq!(seen.messages.lock().unwrap().len(), 1);
}

/// RFC 8460 §3 and §5.5: one that has it is enough; who is away is tried again, who refuses for
/// good is not.
#[tokio::test]
async fn what_cannot_be_sent_is_tried_again_and_given_up() {
    for (rua, script, expected) in [
        ("mailto:tls@example.net", "rcpt 451 later", "waiting"),
        ("mailto:tls@example.net", "rcpt 550 nobody", "given-up"),
        (
            "mailto:tls@example.net,https://reports.example.net/",
            "rcpt 451 later",
            "sent",
        ),
    ] {
        let hand = Hand::noon();
        let folder = tempfile::tempdir().unwrap();
        let mut this = asking(stranger(None), rua);
        let server = Server::scripted(script);
        this.net.servers.insert(SINK.parse().unwrap(), server);
        let (outbound, _, _folder) = this.client_at(&["reports"], hand.clock());
        outbound.set_options(options());
        open(&outbound).await.unwrap();
        let parts = parts(folder.path(), &["example.org"], &hand);
        next_day(&outbound, &hand, &parts).await;
        assert_eq!(states(&outbound), [expected], "{rua} {script}");
        if expected == "waiting" {
            for _ in 0..30 {
                hand.go(1);
                outbound.send_due_reports(&parts).await;
            }
            assert_eq!(states(&outbound), ["given-up"]);
        }
    }
    // Too old: its day was over for two days when somebody was there.
    let hand = Hand::noon();
    let (outbound, _, folder) = stranger(None).client_at(&[], hand.clock());
    outbound.set_options(options());
    open(&outbound).await.unwrap();
    hand.go(24 * 3);
    let parts = parts(folder.path(), &["example.org"], &hand);
    outbound.send_due_reports(&parts).await;
    assert_eq!(states(&outbound), ["missed"]);
}

/// No packet is sent for it.
#[test]
fn the_own_address_is_known_to_the_system() {
    use crate::net::Dial as _;
    let dial = crate::net::TcpDial::new(Duration::from_secs(1));
    let there = "127.0.0.1:25".parse().unwrap();
    assert_eq!(dial.source(there), "127.0.0.1".parse().ok());
}
