//! Whole looks at zones that are made up.

use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::net::{Answer, MailExchanger, Record, RecordKind};

/// A name server with a zone of its own; without a zone it does not answer.
#[derive(Debug, Clone, Default)]
struct Fake {
    records: BTreeMap<(String, RecordKind), (Vec<Record>, u64)>,
    silent: bool,
}

impl Fake {
    fn with(mut self, name: &str, kind: RecordKind, (texts, minutes): (&[&str], u64)) -> Self {
        let record = |text: &&str| match kind {
            RecordKind::Mx => {
                let (preference, host) = text.split_once(' ').unwrap();
                Record::Mx(MailExchanger {
                    preference: preference.parse().unwrap(),
                    host: host.to_owned(),
                })
            }
            RecordKind::Text => Record::Text((*text).to_owned()),
            RecordKind::V4 | RecordKind::V6 => Record::Address(text.parse().unwrap()),
            RecordKind::Pointer | RecordKind::NameServer | RecordKind::Alias => {
                Record::Name((*text).to_owned())
            }
        };
        let records = texts.iter().map(record).collect();
        self.records
            .insert((name.to_owned(), kind), (records, minutes));
        self
    }

    fn without(mut self, name: &str, kind: RecordKind) -> Self {
        self.records.remove(&(name.to_owned(), kind)).unwrap();
        self
    }
}

impl Ask for Fake {
    fn ask<'a>(&'a self, name: &'a str, kind: RecordKind) -> Boxed<'a, Result<Answer, DnsError>> {
        Box::pin(async move {
            if self.silent {
                return Err(DnsError::Temporary("no answer in time".to_owned()));
            }
            let found = self.records.get(&(name.to_owned(), kind));
            let (records, minutes) = found.ok_or(DnsError::NoRecords)?;
            Ok(Answer {
                records: records.clone(),
                ttl: Duration::from_secs(minutes * 60),
                alias: false,
            })
        })
    }
}

/// The servers of the zone, by address, and the policy on the web.
#[derive(Debug, Default)]
struct World {
    servers: BTreeMap<SocketAddr, Fake>,
    policy: Option<String>,
}

impl Network for World {
    fn server(&self, address: SocketAddr) -> Result<Arc<dyn Ask>, DnsError> {
        let server = self.servers.get(&address).cloned().unwrap_or(Fake {
            silent: true,
            ..Fake::default()
        });
        Ok(Arc::new(server))
    }

    fn policy<'a>(&'a self, _: &'a str) -> Boxed<'a, Result<StsPolicy, String>> {
        Box::pin(async move {
            let text = self.policy.as_ref().ok_or("HTTP status 404")?;
            StsPolicy::parse(text)
        })
    }
}

/// Everything as it should be.
fn good() -> Fake {
    use RecordKind::{Mx, NameServer, Pointer, Text, V4};
    Fake::default()
        .with("mx.example.org", V4, (&["192.0.2.1"], 60))
        .with("1.2.0.192.in-addr.arpa", Pointer, (&["mx.example.org"], 60))
        .with("example.org", NameServer, (&["ns1.example.net"], 600))
        .with("ns1.example.net", V4, (&["198.51.100.53"], 600))
        .with("example.org", Mx, (&["10 mx.example.org"], 5))
        .with("example.org", Text, (&["site=1", "v=spf1 mx -all"], 60))
        .with(
            "_dmarc.example.org",
            Text,
            (&["v=DMARC1; p=reject; rua=mailto:d@example.org"], 60),
        )
        .with("_mta-sts.example.org", Text, (&["v=STSv1; id=1"], 60))
        .with(
            "_smtp._tls.example.org",
            Text,
            (&["v=TLSRPTv1; rua=mailto:t@example.org"], 60),
        )
}

/// The zone before the cutover, as a resolver remembers it.
fn before() -> Fake {
    let tenant = "0 example-org.mail.protection.outlook.com";
    good()
        .without("example.org", RecordKind::Mx)
        .with("example.org", RecordKind::Mx, (&[tenant], 41))
        .with(
            "example-org.mail.protection.outlook.com",
            RecordKind::V4,
            (&["203.0.113.25"], 1),
        )
}

const POLICY: &str = "version: STSv1\nmode: enforce\nmx: mx.example.org\nmax_age: 86400\n";

fn world(authority: Fake) -> World {
    let address = "198.51.100.53:53".parse().unwrap();
    World {
        servers: BTreeMap::from([(address, authority)]),
        policy: Some(POLICY.to_owned()),
    }
}

fn options() -> Options {
    Options {
        hostname: "mx.example.org".to_owned(),
        domains: vec![DomainOptions {
            name: "example.org".to_owned(),
            policy: None,
            dkim_selectors: Vec::new(),
        }],
        platforms: vec![Platform {
            backend: "cloud".to_owned(),
            hosts: vec!["example-org.mail.protection.outlook.com".to_owned()],
            mx: None,
        }],
        sends_itself: true,
    }
}

fn resolvers(fakes: &[(&str, Fake)]) -> Vec<Resolver> {
    let resolver = |(name, fake): &(&str, Fake)| Resolver {
        name: (*name).to_owned(),
        ask: Arc::new(fake.clone()),
    };
    fakes.iter().map(resolver).collect()
}

async fn report(fakes: &[(&str, Fake)], world: World) -> Report {
    look(options(), resolvers(fakes), &world).await
}

fn texts(report: &DomainReport, subject: Subject) -> Vec<(Verdict, &str)> {
    let about = report.findings.iter().filter(|it| it.subject == subject);
    about.map(|it| (it.verdict, it.text.as_str())).collect()
}

#[tokio::test]
async fn after_a_cutover_it_waits_for_nothing() {
    let all = [("system", good()), ("8.8.8.8", good())];
    let report = report(&all, world(good())).await;
    let domain = &report.domains[0];
    assert_eq!(domain.waits, Vec::<String>::new(), "{report:#?}");
    assert_eq!(
        report.count(Verdict::Wrong) + report.count(Verdict::Unanswered),
        0
    );
    let mx = texts(domain, Subject::Mx);
    assert!(mx[0].1.contains("all mail comes here"), "{mx:?}");
    assert_eq!(texts(domain, Subject::Dkim).len(), 1);
    assert!(texts(domain, Subject::Dkim)[0].1.contains("not looked at"));
    assert_eq!(report.addresses, ["192.0.2.1"]);
    let said = domain.said.iter().filter(|it| it.subject == Subject::Mx);
    let who: Vec<_> = said
        .map(|it| (it.resolver.as_str(), it.authoritative))
        .collect();
    assert_eq!(
        who,
        [
            ("system", false),
            ("8.8.8.8", false),
            ("ns1.example.net", true)
        ]
    );
}

#[tokio::test]
async fn a_resolver_that_still_has_the_old_mx_is_named_with_its_time() {
    let all = [
        ("system", good()),
        ("8.8.8.8", before()),
        ("1.1.1.1", before()),
    ];
    // The zone is right, though most still say otherwise.
    let report = report(&all, world(good())).await;
    let domain = &report.domains[0];
    let expected = "MX: 8.8.8.8 and 1.1.1.1 still say 0 example-org.mail.protection.outlook.com, \
                    and may for another 41 min";
    assert_eq!(domain.waits, [expected]);
    assert_eq!(domain.wait_seconds, 41 * 60);
    assert_eq!(report.count(Verdict::Wrong), 0, "{report:#?}");
}

#[tokio::test]
async fn before_a_cutover_it_says_where_mail_goes_and_for_how_long() {
    let all = [("system", before()), ("8.8.8.8", before())];
    let report = report(&all, world(before())).await;
    let mx = texts(&report.domains[0], Subject::Mx);
    assert_eq!(mx[0].0, Verdict::Waits);
    assert!(
        mx[0]
            .1
            .contains("(0, Exchange Online, backend cloud), not here"),
        "{mx:?}"
    );
    assert!(mx[0].1.contains("up to 41 min"), "{mx:?}");
    assert!(mx[1].1.contains("set 5 min now"), "{mx:?}");
    // It is no fault: exit codes count what is wrong only.
    assert_eq!(report.count(Verdict::Wrong), 0, "{report:#?}");
}

#[tokio::test]
async fn a_policy_that_does_not_name_this_server_is_wrong() {
    let policy = POLICY.replace("mx.example.org", "*.mail.protection.outlook.com");
    let world = World {
        policy: Some(policy),
        ..world(good())
    };
    let report = report(&[("system", good())], world).await;
    let sts = texts(&report.domains[0], Subject::MtaSts);
    assert_eq!(sts[0].0, Verdict::Wrong);
    assert!(report.domains[0].waits[0].contains("senders that obey bring nothing here"));
}

#[tokio::test]
async fn without_a_network_nothing_is_called_absent() {
    let silent = Fake {
        silent: true,
        ..Fake::default()
    };
    let report = report(
        &[("system", silent.clone()), ("8.8.8.8", silent)],
        World::default(),
    )
    .await;
    let domain = &report.domains[0];
    for subject in [
        Subject::Mx,
        Subject::Spf,
        Subject::Dmarc,
        Subject::MtaSts,
        Subject::TlsRpt,
    ] {
        let told = texts(domain, subject);
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].0, Verdict::Unanswered);
        assert_eq!(
            told[0].1,
            "not answered by system and 8.8.8.8: nothing is known"
        );
    }
    assert_eq!(report.host.len(), 1, "{:?}", report.host);
    assert_eq!(report.host[0].verdict, Verdict::Unanswered);
    assert_eq!(report.count(Verdict::Wrong), 0);
    assert_eq!(domain.waits.len(), 1);
    assert!(
        domain
            .said
            .iter()
            .all(|it| !it.answered && it.records.is_empty())
    );
}

#[tokio::test]
async fn keys_and_the_domain_above_are_found() {
    let key = "v=DKIM1; p=";
    let fake = good().with(
        "s1._domainkey.sub.example.org",
        RecordKind::Text,
        (&[key], 5),
    );
    let mut options = options();
    options.domains = vec![DomainOptions {
        name: "sub.example.org".to_owned(),
        policy: None,
        dkim_selectors: vec!["s1".to_owned(), "s2".to_owned()],
    }];
    let report = look(options, resolvers(&[("system", fake)]), &world(good())).await;
    let dkim = texts(&report.domains[0], Subject::Dkim);
    assert!(dkim[0].1.contains("s1: the key is withdrawn"), "{dkim:?}");
    assert!(dkim[1].1.contains("s2: there is no key"), "{dkim:?}");
    let dmarc = texts(&report.domains[0], Subject::Dmarc);
    assert!(dmarc[0].1.contains("as example.org says"), "{dmarc:?}");
}

#[tokio::test]
async fn an_mx_under_another_name_with_our_address_is_ours() {
    let fake = good()
        .with("example.org", RecordKind::Mx, (&["10 mail.example.org"], 5))
        .with("mail.example.org", RecordKind::V4, (&["192.0.2.1"], 5));
    let report = report(&[("system", fake)], World::default()).await;
    let mx = texts(&report.domains[0], Subject::Mx);
    assert_eq!(mx[0].0, Verdict::Good, "{mx:?}");
}

/// Records of services are often aliases into the zone of a vendor, of which the servers of this
/// zone have the alias alone.
#[tokio::test]
async fn an_alias_into_another_zone_is_followed_and_is_no_denial() {
    use RecordKind::{Alias, Text};
    let names = [
        "_dmarc.example.org",
        "_mta-sts.example.org",
        "_smtp._tls.example.org",
    ];
    let mut zone = good();
    let mut resolver = good();
    for name in names {
        let target = format!("{name}.vendor.example");
        let (records, _) = good().records[&(name.to_owned(), Text)].clone();
        zone = zone.without(name, Text).with(name, Alias, (&[&target], 60));
        resolver.records.insert((target, Text), (records, 60));
    }
    let told = report(&[("system", resolver)], world(zone.clone())).await;
    let domain = &told.domains[0];
    assert_eq!(domain.waits, Vec::<String>::new(), "{told:#?}");
    for (subject, name) in [Subject::Dmarc, Subject::MtaSts, Subject::TlsRpt]
        .into_iter()
        .zip(names)
    {
        let mut said = domain.said.iter();
        let server = said.find(|it| it.subject == subject && it.authoritative);
        let server = server.unwrap();
        assert!(server.answered && !server.records.is_empty(), "{name}");
    }

    // Resolvers that do not know the target: the zone counts as silent.
    let told = report(&[("system", good())], world(zone)).await;
    let domain = &told.domains[0];
    assert_eq!(domain.waits, Vec::<String>::new(), "{told:#?}");
    for subject in [Subject::Dmarc, Subject::MtaSts, Subject::TlsRpt] {
        let mut said = domain.said.iter();
        let server = said.find(|it| it.subject == subject && it.authoritative);
        assert!(!server.unwrap().answered, "{subject:?}");
        let mut told = texts(domain, subject).into_iter();
        let note = (Verdict::Note, "not answered by ns1.example.net");
        assert!(told.any(|it| it == note), "{subject:?}");
    }
}
