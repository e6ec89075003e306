//! What strangers' hosts must prove: DANE, MTA-STS, and the counts of both.

use super::*;
use crate::net::{CertificateCheck, DnsError, Handshake, MailExchanger, TlsServer, Tlsa};

pub(super) const DOMAIN: &str = "example.net";
pub(super) const HOST: &str = "mx.example.net";
const POLICY_HOST: &str = "mta-sts.example.net";

/// A domain with one mail host, its certificate, and a host for its policy.
pub(super) struct Stranger {
    pub(super) folder: tempfile::TempDir,
    pub(super) net: Net,
}

pub(super) fn stranger(mail: Option<&str>) -> Stranger {
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::scripted("hello 250-mx!250 PIPELINING");
    if let Some(name) = mail {
        let tls = self_signed(&folder.path().join("mail"), name);
        server = Server::scripted("hello 250-mx!250 STARTTLS");
        server.tls = Some(Arc::new(tls));
    }
    let mut net = net(vec![(SINK, server)]);
    net.hosts
        .insert(HOST.to_owned(), vec!["192.0.2.1".parse().unwrap()]);
    let mx = MailExchanger {
        preference: 10,
        host: HOST.to_owned(),
    };
    net.mx.insert(DOMAIN.to_owned(), Ok(vec![mx]));
    Stranger { folder, net }
}

pub(super) fn self_signed(folder: &std::path::Path, name: &str) -> TlsServer {
    std::fs::create_dir_all(folder).unwrap();
    TlsServer::self_signed(folder, name).unwrap()
}

fn der(folder: &std::path::Path) -> Vec<u8> {
    let pem = std::fs::read_to_string(folder.join("self-signed.crt")).unwrap();
    let lines = pem.lines().filter(|line| !line.starts_with('-'));
    let text: String = lines.collect();
    base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text).unwrap()
}

impl Stranger {
    /// The domain has this policy, and says so.
    pub(super) fn with_policy(mut self, policy: &str) -> Self {
        let folder = self.folder.path().join("policy");
        let tls = self_signed(&folder, POLICY_HOST);
        let server = Server {
            tls: Some(Arc::new(tls)),
            https: Some(policy.to_owned()),
            ..Server::default()
        };
        let address = "192.0.2.9:443".parse().unwrap();
        self.net.servers.insert(address, server);
        let hosts = &mut self.net.hosts;
        hosts.insert(POLICY_HOST.to_owned(), vec!["192.0.2.9".parse().unwrap()]);
        let record = vec!["v=STSv1; id=1;".to_owned()];
        self.net.texts.insert(format!("_mta-sts.{DOMAIN}"), record);
        self
    }

    /// The domain is signed, and its host has these TLSA records.
    pub(super) fn with_tlsa(mut self, records: Result<Vec<Tlsa>, DnsError>) -> Self {
        self.net.signed.insert(DOMAIN.to_owned(), true);
        self.net.tlsa.insert(HOST.to_owned(), records);
        self
    }

    /// A client that trusts the certificates of this stranger, if `trusted` names them.
    pub(super) fn client(self, trusted: &[&str]) -> (Outbound, Seen, tempfile::TempDir) {
        self.client_at(trusted, Clock::system())
    }

    /// The same, at a time of its own.
    pub(super) fn client_at(
        self,
        trusted: &[&str],
        clock: Clock,
    ) -> (Outbound, Seen, tempfile::TempDir) {
        let ders = trusted
            .iter()
            .map(|name| der(&self.folder.path().join(name)));
        let ders: Vec<_> = ders.collect();
        let seen = self.net.seen.clone();
        let net = Arc::new(self.net);
        let world = World {
            dial: net.clone(),
            resolve: net,
            tls: TlsClient::with_authorities(ders.iter().map(Vec::as_slice)).unwrap(),
            clock,
            entropy: Entropy::system(),
            board: None,
        };
        (
            Outbound::new(Options::new("mx.example.org"), world),
            seen,
            self.folder,
        )
    }
}

pub(super) async fn open(outbound: &Outbound) -> Result<bool, String> {
    let target = DeliveryTarget::Domain(DOMAIN.to_owned());
    let opened = outbound.open(&target).await;
    opened
        .map(|channel| channel.tls().is_some())
        .map_err(|failure| failure.what)
}

pub(super) fn counts(outbound: &Outbound) -> Vec<String> {
    let counts = outbound.tls_counts();
    let shown = counts.iter().map(|count| {
        let policy = count.policy.as_str();
        format!(
            "{} {policy} {} {}",
            count.domain, count.result, count.sessions
        )
    });
    shown.collect()
}

pub(super) fn ok(body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{body}")
}

pub(super) fn policy(mode: &str, mx: &str) -> String {
    ok(&format!(
        "version: STSv1\nmode: {mode}\nmx: {mx}\nmax_age: 86400\n"
    ))
}

#[tokio::test]
async fn without_a_policy_any_certificate_will_do() {
    let (outbound, _, _folder) = stranger(Some("other.example")).client(&[]);
    assert_eq!(open(&outbound).await, Ok(true));
    assert_eq!(counts(&outbound), ["example.net no-policy-found success 1"]);
    let (outbound, _, _folder) = stranger(None).client(&[]);
    assert_eq!(open(&outbound).await, Ok(false));
    assert_eq!(
        counts(&outbound),
        ["example.net no-policy-found starttls-not-supported 1"]
    );
}

#[tokio::test]
async fn an_enforced_policy_is_kept_and_fetched_once() {
    let stranger = stranger(Some(HOST)).with_policy(&policy("enforce", "*.example.net"));
    let (outbound, seen, _folder) = stranger.client(&["mail", "policy"]);
    for _ in 0..2 {
        assert_eq!(open(&outbound).await, Ok(true));
    }
    assert_eq!(counts(&outbound), ["example.net sts success 2"]);
    let fetched = seen
        .lines
        .lock()
        .unwrap()
        .iter()
        .filter(|l| l.starts_with("GET"))
        .count();
    assert_eq!(fetched, 1);
    assert!(seen.has_line("GET /.well-known/mta-sts.txt HTTP/1.1"));
}

/// RFC 8461 §5.1 and §10.2: a policy that was seen holds until it is over, after a restart, and
/// also when somebody hides its record and takes STARTTLS away.
#[tokio::test]
async fn an_enforced_policy_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let options = crate::spool::Options {
        min_free: 0,
        ..crate::spool::Options::new(folder.path())
    };
    let life = || {
        let world = crate::spool::World::system();
        let opened = Spool::open(options.clone(), world).unwrap();
        (opened.spool, opened.writer.spawn_thread().unwrap())
    };
    let (spool, writer) = life();
    let good = stranger(Some(HOST)).with_policy(&policy("enforce", HOST));
    let (outbound, _, _folder) = good.client(&["mail", "policy"]);
    outbound.remember(&spool).unwrap();
    assert_eq!(open(&outbound).await, Ok(true));
    assert_eq!(counts(&outbound), ["example.net sts success 1"]);
    outbound.forget_what_is_over().await;
    spool.close().await.unwrap();
    drop((outbound, spool));
    writer.join().unwrap();

    let (spool, writer) = life();
    let (outbound, _, _folder) = stranger(None).client(&[]);
    assert_eq!(open(&outbound).await, Ok(false), "nothing is known");
    outbound.remember(&spool).unwrap();
    assert!(open(&outbound).await.is_err(), "a downgrade");
    // RFC 8460 §4: the day goes on where it was; the session before anything was known counts too.
    let before = "example.net no-policy-found starttls-not-supported 1";
    let all = [
        "example.net sts starttls-not-supported 1",
        "example.net sts success 1",
        before,
    ];
    assert_eq!(counts(&outbound), all);
    outbound.remember(&spool).unwrap();
    assert_eq!(counts(&outbound), all, "nothing is counted twice");
    spool.close().await.unwrap();
    drop((outbound, spool));
    writer.join().unwrap();
}

#[tokio::test]
async fn an_enforced_policy_stops_what_does_not_comply() {
    for (mail, mx, trusted, expected, counted) in [
        (
            Some("other.example"),
            HOST,
            &["mail", "policy"][..],
            "must be good for mx.example.net",
            "sts certificate-host-mismatch 1",
        ),
        (
            Some(HOST),
            HOST,
            &["policy"],
            "UnknownIssuer",
            "sts certificate-not-trusted 1",
        ),
        (
            None,
            HOST,
            &["policy"],
            "STARTTLS",
            "sts starttls-not-supported 1",
        ),
        (
            Some(HOST),
            "other.example.net",
            &["mail", "policy"],
            "does not name the host mx.example.net",
            "sts validation-failure 1",
        ),
    ] {
        let stranger = stranger(mail).with_policy(&policy("enforce", mx));
        let (outbound, seen, _folder) = stranger.client(trusted);
        let told = open(&outbound).await.unwrap_err();
        assert!(told.contains(expected), "{told}");
        assert_eq!(counts(&outbound), [format!("example.net {counted}")]);
        assert!(!seen.verbs().contains(&"MAIL".to_owned()));
    }
}

#[tokio::test]
async fn a_policy_that_is_tested_stops_nothing_and_is_counted() {
    for (mail, mx, encrypted, counted) in [
        (
            Some("other.example"),
            HOST,
            true,
            "sts certificate-not-trusted 1",
        ),
        (None, HOST, false, "sts starttls-not-supported 1"),
        (
            Some(HOST),
            "other.example.net",
            true,
            "sts validation-failure 1",
        ),
    ] {
        let stranger = stranger(mail).with_policy(&policy("testing", mx));
        let (outbound, _, _folder) = stranger.client(&["policy"]);
        assert_eq!(open(&outbound).await, Ok(encrypted));
        let counts = counts(&outbound);
        assert!(
            counts.contains(&format!("example.net {counted}")),
            "{counts:?}"
        );
    }
}

#[tokio::test]
async fn a_policy_that_cannot_be_had_is_none() {
    let redirect = "HTTP/1.1 301 Moved\r\nLocation: https://elsewhere.example/\r\n\
                    Content-Length: 0\r\n\r\n";
    for (answer, trusted, counted) in [
        (
            redirect.to_owned(),
            &["policy"][..],
            "sts-policy-fetch-error",
        ),
        (policy("enforce", "x"), &[], "sts-webpki-invalid"),
        (ok("version: STSv2\n"), &["policy"], "sts-policy-invalid"),
        (
            ok(&"x".repeat(70_000)),
            &["policy"],
            "sts-policy-fetch-error",
        ),
    ] {
        let (outbound, seen, _folder) = stranger(None).with_policy(&answer).client(trusted);
        // The second time within five minutes it is not asked for again.
        for _ in 0..2 {
            assert_eq!(open(&outbound).await, Ok(false));
        }
        let told = counts(&outbound);
        assert!(
            told.contains(&format!("example.net sts {counted} 1")),
            "{told:?}"
        );
        let dialled = seen.dialled.lock().unwrap().clone();
        let policies = dialled
            .iter()
            .filter(|address| address.port() == 443)
            .count();
        assert_eq!(policies, 1);
    }
}

pub(super) fn record(usage: u8, data: Vec<u8>) -> Tlsa {
    Tlsa {
        usage,
        selector: 0,
        matching: 0,
        data,
    }
}

#[tokio::test]
async fn tlsa_records_decide_alone() {
    // The certificate is anybody's; what counts is that the record names it.
    let right = |stranger: &Stranger| record(3, der(&stranger.folder.path().join("mail")));
    let this = stranger(Some("other.example"));
    let records = vec![right(&this), record(3, vec![1])];
    // RFC 8461 §2: DANE goes first.
    let this = this
        .with_tlsa(Ok(records))
        .with_policy(&policy("enforce", "other.example.net"));
    let (outbound, _, _folder) = this.client(&["policy"]);
    assert_eq!(open(&outbound).await, Ok(true));
    assert_eq!(counts(&outbound), ["example.net tlsa success 1"]);

    let this = stranger(Some(HOST)).with_tlsa(Ok(vec![record(3, vec![1])]));
    let (outbound, _, _folder) = this.client(&["mail"]);
    let told = open(&outbound).await.unwrap_err();
    assert!(
        told.contains("the TLSA records of mx.example.net must name"),
        "{told}"
    );
    assert_eq!(counts(&outbound), ["example.net tlsa validation-failure 1"]);

    // RFC 7672 §2.2: records that cannot be used still ask for encryption.
    for (mail, expected) in [(Some("other.example"), true), (None, false)] {
        let this = stranger(mail).with_tlsa(Ok(vec![record(0, vec![1])]));
        let (outbound, _, _folder) = this.client(&[]);
        assert_eq!(open(&outbound).await.is_ok(), expected);
        let flaw = if expected {
            "tlsa-invalid"
        } else {
            "starttls-not-supported"
        };
        assert_eq!(counts(&outbound), [format!("example.net tlsa {flaw} 1")]);
    }
}

#[tokio::test]
async fn answers_that_may_be_forged_are_no_answers() {
    let silent = DnsError::Temporary("SERVFAIL".to_owned());
    let this = stranger(Some(HOST)).with_tlsa(Err(silent));
    let (outbound, _, _folder) = this.client(&["mail"]);
    open(&outbound).await.unwrap_err();
    assert!(counts(&outbound).is_empty(), "silence is no forgery");

    let this = stranger(Some(HOST)).with_tlsa(Err(DnsError::unproven()));
    let (outbound, seen, _folder) = this.client(&["mail"]);
    let told = open(&outbound).await.unwrap_err();
    assert!(told.contains("cannot look up mx.example.net"), "{told}");
    assert!(seen.dialled.lock().unwrap().is_empty());
    let counted = ["example.net tlsa dnssec-invalid 1"];
    assert_eq!(counts(&outbound), counted);

    let mut this = stranger(Some(HOST));
    this.net.signed.insert(DOMAIN.to_owned(), false);
    let (outbound, _, _folder) = this.client(&["mail"]);
    let told = open(&outbound).await.unwrap_err();
    assert!(told.contains("cannot look up example.net"), "{told}");
    assert_eq!(counts(&outbound), counted);
    // Who does not want to know is not stopped.
    let options = Options {
        protection: Vec::new(),
        ..Options::new("mx.example.org")
    };
    outbound.set_options(options);
    assert_eq!(open(&outbound).await, Ok(true));
}

/// The certificates of these tests are what they seem.
#[tokio::test]
async fn a_certificate_of_these_tests_is_good_for_its_name_only() {
    let this = stranger(Some(HOST));
    let server = this
        .net
        .servers
        .values()
        .next()
        .unwrap()
        .tls
        .clone()
        .unwrap();
    let (outbound, _, _folder) = this.client(&["mail"]);
    for (name, expected) in [(HOST, true), ("other.example", false)] {
        let (near, far) = tokio::io::duplex(16 * 1024);
        let asked = Handshake {
            name,
            check: &CertificateCheck::Name,
            pair: None,
        };
        let client = outbound.world.tls.connect(Box::new(near), asked);
        let (client, _) = tokio::join!(client, server.accept(Box::new(far)));
        assert_eq!(client.is_ok(), expected, "{name}");
    }
}

/// The config may ask for more than the domain does.
#[tokio::test]
async fn the_config_says_what_the_way_to_a_partner_must_have() {
    let with = |stranger: Stranger, trusted: &[&str], rule: SecuredDomain| {
        let (outbound, seen, folder) = stranger.client(trusted);
        let mut options = Options::new("mx.example.org");
        options.secured.insert(DOMAIN.to_owned(), rule);
        outbound.set_options(options);
        (outbound, seen, folder)
    };
    let encrypted = || SecuredDomain::Encrypted;
    let verified = |host: &str| SecuredDomain::Verified(vec![host.to_owned()]);

    // Any certificate will do, and plain text will not.
    let (outbound, _, _folder) = with(stranger(Some("other.example")), &[], encrypted());
    assert_eq!(open(&outbound).await, Ok(true));
    let (outbound, _, _folder) = with(stranger(None), &[], encrypted());
    assert!(open(&outbound).await.is_err(), "plain text");
    // A policy that is only tested stops nothing, and lets nothing through in plain text.
    let tested = stranger(None).with_policy(&policy("testing", HOST));
    let (outbound, _, _folder) = with(tested, &["policy"], encrypted());
    assert!(open(&outbound).await.is_err(), "plain text");
    // What the domain enforces counts beside it.
    let enforced = stranger(Some("other.example")).with_policy(&policy("enforce", HOST));
    let (outbound, _, _folder) = with(enforced, &["mail", "policy"], encrypted());
    assert!(open(&outbound).await.is_err(), "another name");

    let (outbound, _, _folder) = with(stranger(Some(HOST)), &["mail"], verified("*.example.net"));
    assert_eq!(open(&outbound).await, Ok(true));
    for (stranger, trusted, rule) in [
        (stranger(Some(HOST)), vec![], verified(HOST)),
        (
            stranger(Some("other.example")),
            vec!["mail"],
            verified(HOST),
        ),
        (stranger(None), vec![], verified(HOST)),
    ] {
        let (outbound, _, _folder) = with(stranger, &trusted, rule);
        assert!(open(&outbound).await.is_err(), "{trusted:?}");
    }
    // The DNS may be forged: another host is none of theirs, however good its certificate is.
    let (outbound, seen, _folder) = with(
        stranger(Some(HOST)),
        &["mail"],
        verified("mx.partner.example"),
    );
    let told = open(&outbound).await.unwrap_err();
    assert_eq!(
        told,
        "tls_policy of the config wants mx.partner.example for example.net, and its MX is \
         mx.example.net"
    );
    assert!(seen.dialled.lock().unwrap().is_empty());
}
