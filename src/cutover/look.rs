//! Asks, and puts together what the judges say.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::{join_all, select_all};
use futures_util::stream::{self, StreamExt as _};

use super::finding::{DomainReport, Finding, Report, Said, Subject, differences};
use super::mx::{Exchanger, NameOf, Whose};
use super::seen::{Found, Seen, narrowed, views};
use super::spf_walk::{Gathered, Senders, Source};
use super::{DomainOptions, Network, Options, Platform, Resolver};
use super::{dkim, dmarc, host, mx, platform, spf_walk, sts, zone};
use crate::auth::spf;
use crate::net::{MailExchanger, Record, RecordKind, is_public};

/// Domains that are looked at together.
const TOGETHER: usize = 4;
/// An SPF record that takes in more is not followed to its end.
const SPF_ROUNDS: usize = 10;
const SPF_NAMES: usize = 50;

/// The resolvers.
#[derive(Debug)]
pub(super) struct Asked {
    resolvers: Vec<Resolver>,
}

impl Asked {
    /// The first real answer of any of them.
    pub(super) async fn any(&self, name: &str, kind: RecordKind) -> Found {
        let mut pending: Vec<_> = self
            .resolvers
            .iter()
            .map(|it| it.ask.ask(name, kind))
            .collect();
        let mut silent = Found::Silent("no resolver is configured".to_owned());
        while !pending.is_empty() {
            let (answer, _, rest) = select_all(pending).await;
            match Found::from(answer) {
                Found::Silent(why) => silent = Found::Silent(why),
                found @ (Found::Records(_) | Found::Nothing) => return found,
            }
            pending = rest;
        }
        silent
    }

    /// What each of them says, and each server of the zone.
    async fn all(&self, zone: &[Resolver], name: &str, kind: RecordKind) -> Vec<Seen> {
        let resolvers = self.resolvers.iter().map(|it| async move {
            Seen {
                resolver: it.name.clone(),
                authoritative: false,
                found: Found::from(it.ask.ask(name, kind).await),
            }
        });
        let servers = zone.iter().map(|it| async move {
            Seen {
                resolver: it.name.clone(),
                authoritative: true,
                found: zone::says(self, it, (name, kind)).await,
            }
        });
        let (mut seen, servers) = tokio::join!(join_all(resolvers), join_all(servers));
        seen.extend(servers);
        seen
    }

    /// The addresses of a host; `None`: nobody answered.
    async fn addresses(&self, host: &str) -> Option<Vec<IpAddr>> {
        let four = self.any(host, RecordKind::V4);
        let six = self.any(host, RecordKind::V6);
        let (four, six) = tokio::join!(four, six);
        if let (Found::Silent(_), _) | (_, Found::Silent(_)) = (&four, &six)
            && four.records().is_empty()
            && six.records().is_empty()
        {
            return None;
        }
        let records = four.records().iter().chain(six.records());
        Some(records.filter_map(address).collect())
    }
}

fn address(record: &Record) -> Option<IpAddr> {
    match record {
        Record::Address(address) => Some(*address),
        Record::Mx(_) | Record::Text(_) | Record::Name(_) => None,
    }
}

fn text(record: &Record) -> Option<&str> {
    match record {
        Record::Text(text) => Some(text),
        Record::Mx(_) | Record::Address(_) | Record::Name(_) => None,
    }
}

fn exchanger(record: &Record) -> Option<&MailExchanger> {
    match record {
        Record::Mx(mx) => Some(mx),
        Record::Text(_) | Record::Address(_) | Record::Name(_) => None,
    }
}

/// Looks at this server's name and at each domain.
pub async fn look(options: Options, resolvers: Vec<Resolver>, network: &dyn Network) -> Report {
    let names = resolvers.iter().map(|it| it.name.clone()).collect();
    let asked = Asked { resolvers };
    let platforms = join_all(options.platforms.iter().map(|it| with_hosts(&asked, it))).await;
    let (ours, host) = ourselves(&asked, &options.hostname).await;
    let look = Look {
        asked: &asked,
        network,
        hostname: &options.hostname,
        platforms: &platforms,
        sends_itself: options.sends_itself,
        ours: &ours,
        host: &host,
    };
    let domains = options.domains.iter().map(|domain| look.domain(domain));
    let domains = stream::iter(domains).buffered(TOGETHER).collect().await;
    Report {
        resolvers: names,
        hostname: options.hostname.clone(),
        addresses: ours.iter().map(ToString::to_string).collect(),
        host,
        domains,
    }
}

/// A backend that is named by a domain has the hosts of its MX.
async fn with_hosts(asked: &Asked, platform: &Platform) -> Platform {
    let mut platform = platform.clone();
    if let Some(domain) = &platform.mx {
        let found = asked.any(domain, RecordKind::Mx).await;
        let hosts = found.records().iter().filter_map(exchanger);
        platform.hosts.extend(hosts.map(|mx| mx.host.clone()));
    }
    platform
}

/// Our addresses, and what there is to say of them.
async fn ourselves(asked: &Asked, hostname: &str) -> (Vec<IpAddr>, Vec<Finding>) {
    let (four, six) = tokio::join!(
        asked.all(&[], hostname, RecordKind::V4),
        asked.all(&[], hostname, RecordKind::V6),
    );
    let (four, six) = (views(&four), views(&six));
    let current = [&four, &six]
        .into_iter()
        .filter_map(|it| it.current.as_ref());
    let records = current.flat_map(|group| group.records);
    let addresses: Vec<IpAddr> = records.filter_map(address).collect();
    let mut findings = if four.current.is_some() || six.current.is_some() {
        host::judge_addresses(hostname, &addresses)
    } else {
        Vec::new()
    };
    findings.extend(differences(Subject::Host, &four));
    // Who does not answer for the one does not for the other either.
    let more = six
        .current
        .iter()
        .flat_map(|_| differences(Subject::Host, &six));
    findings.extend(more.filter(|it| it.verdict != super::Verdict::Note));
    let public = addresses.iter().filter(|address| is_public(address));
    let named = public.map(|address| async move {
        let found = asked
            .any(&host::reverse(*address), RecordKind::Pointer)
            .await;
        let names: Vec<String> = found.records().iter().map(ToString::to_string).collect();
        let names = (!matches!(found, Found::Silent(_))).then_some(names);
        host::judge_names(hostname, *address, names.as_deref())
    });
    findings.extend(join_all(named).await);
    (addresses, findings)
}

/// What looking at a domain needs.
struct Look<'a> {
    asked: &'a Asked,
    network: &'a dyn Network,
    hostname: &'a str,
    platforms: &'a [Platform],
    sends_itself: bool,
    ours: &'a [IpAddr],
    host: &'a [Finding],
}

/// What was found out about one kind of record, and who said what.
type Part = (Vec<Finding>, Vec<Said>);

impl Look<'_> {
    async fn domain(&self, domain: &DomainOptions) -> DomainReport {
        let name = domain.name.as_str();
        let zone = zone::servers(self.asked, self.network, name).await;
        let selectors = domain.dkim_selectors.iter();
        let (first, second, keys) = tokio::join!(
            async { tokio::join!(self.mx(&zone, name), self.spf(&zone, name)) },
            async {
                tokio::join!(
                    self.dmarc(&zone, name),
                    self.sts(&zone, domain),
                    self.reports(&zone, name)
                )
            },
            join_all(selectors.map(|selector| self.dkim(name, selector))),
        );
        let mut parts = vec![first.0, first.1];
        parts.extend(keys);
        parts.extend([second.0, second.1, second.2]);
        let (mut findings, mut said) = (Vec::new(), Vec::new());
        if domain.dkim_selectors.is_empty() {
            findings.push(dkim::not_looked());
        }
        for (more, who) in parts {
            findings.extend(more);
            said.extend(who);
        }
        findings.sort_by_key(|finding| order(finding.subject));
        DomainReport::new(name, self.host, (findings, said))
    }

    /// Asks all for texts of one kind, and judges what is taken to be true.
    async fn texts(
        &self,
        zone: &[Resolver],
        (subject, name): (Subject, &str),
        kind: fn(&str) -> bool,
        judge: impl FnOnce(&[&str]) -> Vec<Finding>,
    ) -> Part {
        let seen = self.asked.all(zone, name, RecordKind::Text).await;
        let seen = narrowed(seen, |record| text(record).is_some_and(kind));
        let views = views(&seen);
        let mut findings = Vec::new();
        if let Some(current) = &views.current {
            let texts: Vec<&str> = current.records.iter().filter_map(text).collect();
            findings = judge(&texts);
        }
        findings.extend(differences(subject, &views));
        let said = seen.iter().map(|seen| Said::of(subject, name, seen));
        (findings, said.collect())
    }

    async fn mx(&self, zone: &[Resolver], domain: &str) -> Part {
        let seen = self.asked.all(zone, domain, RecordKind::Mx).await;
        let views = views(&seen);
        let mut findings = Vec::new();
        if let Some(current) = &views.current {
            let exchangers = current.records.iter().filter_map(exchanger);
            let exchangers = join_all(exchangers.map(|mx| self.exchanger(mx))).await;
            let ttl: Duration = current.ttl;
            findings = mx::judge(&exchangers, ttl, self.hostname);
        }
        findings.extend(differences(Subject::Mx, &views));
        let said = seen.iter().map(|seen| Said::of(Subject::Mx, domain, seen));
        (findings, said.collect())
    }

    async fn exchanger(&self, mx: &MailExchanger) -> Exchanger {
        let mut exchanger = Exchanger {
            preference: mx.preference,
            host: mx.host.clone(),
            whose: Whose::Unknown,
            name: NameOf::Nothing,
        };
        if mx.host.is_empty() {
            return exchanger;
        }
        let four = self.asked.any(&mx.host, RecordKind::V4);
        let (four, all) = tokio::join!(four, self.asked.addresses(&mx.host));
        exchanger.name = match (&four, &all) {
            (Found::Records(answer), _) if answer.alias => NameOf::Alias,
            (_, Some(all)) if all.is_empty() => NameOf::Nothing,
            _ => NameOf::Host,
        };
        let addresses = all.unwrap_or_default();
        let same = addresses.iter().any(|address| self.ours.contains(address));
        exchanger.whose = if mx.host.eq_ignore_ascii_case(self.hostname) || same {
            Whose::Ours
        } else {
            platform::owner(&mx.host, self.platforms).map_or(Whose::Unknown, Whose::Of)
        };
        exchanger
    }

    async fn spf(&self, zone: &[Resolver], domain: &str) -> Part {
        let subject = (Subject::Spf, domain);
        let mut root = Vec::new();
        let keep = |texts: &[&str]| {
            root = texts.iter().copied().map(str::to_owned).collect();
            Vec::new()
        };
        let (mut findings, said) = self.texts(zone, subject, spf::is_record, keep).await;
        if said.iter().any(|it| it.answered) {
            let gathered = self.gather(domain, root).await;
            let public = self.ours.iter().filter(|it| is_public(it));
            let platforms = self.platforms.iter().filter_map(Platform::known);
            let platforms: BTreeSet<_> = platforms.map(|it| (it.spf(), it.title())).collect();
            let senders = Senders {
                ours: if self.sends_itself {
                    public.copied().collect()
                } else {
                    Vec::new()
                },
                platforms: platforms
                    .into_iter()
                    .map(|(spf, it)| (spf.to_owned(), it))
                    .collect(),
            };
            findings.splice(0..0, spf_walk::judge(domain, &gathered, &senders));
        }
        (findings, said)
    }

    /// All that a record takes in.
    async fn gather(&self, domain: &str, root: Vec<String>) -> Gathered {
        let mut gathered = Gathered::default();
        gathered.texts.insert(domain.to_owned(), Some(root));
        for _ in 0..SPF_ROUNDS {
            let needs = gathered.needs(domain);
            let names = gathered.texts.len() + gathered.addresses.len();
            if needs == spf_walk::Needs::default() || names > SPF_NAMES {
                break;
            }
            let texts = needs
                .texts
                .into_iter()
                .take(SPF_NAMES)
                .map(|name| async move {
                    let found = self.asked.any(&name, RecordKind::Text).await;
                    let is_silent = matches!(found, Found::Silent(_));
                    let texts = found.records().iter().filter_map(text);
                    let texts: Vec<_> = texts
                        .filter(|it| spf::is_record(it))
                        .map(str::to_owned)
                        .collect();
                    (name, (!is_silent).then_some(texts))
                });
            let addresses = needs
                .addresses
                .into_iter()
                .take(SPF_NAMES)
                .map(|source| async move {
                    let found = self.source(&source).await;
                    (source, found)
                });
            let (texts, addresses) = tokio::join!(join_all(texts), join_all(addresses));
            gathered.texts.extend(texts);
            gathered.addresses.extend(addresses);
        }
        gathered
    }

    async fn source(&self, source: &Source) -> Option<Vec<IpAddr>> {
        let domain = match source {
            Source::A(host) => return self.asked.addresses(host).await,
            Source::Mx(domain) => domain,
        };
        let found = self.asked.any(domain, RecordKind::Mx).await;
        if let Found::Silent(_) = found {
            return None;
        }
        // RFC 7208 §4.6.4: ten hosts at most.
        let hosts = found.records().iter().filter_map(exchanger).take(10);
        let found = join_all(hosts.map(|mx| self.asked.addresses(&mx.host))).await;
        let all: Option<Vec<Vec<IpAddr>>> = found.into_iter().collect();
        all.map(|all| all.concat())
    }

    async fn dkim(&self, domain: &str, selector: &str) -> Part {
        let name = format!("{selector}._domainkey.{domain}");
        let judge = |texts: &[&str]| vec![dkim::judge(selector, texts)];
        let subject = (Subject::Dkim, name.as_str());
        // Keys are often aliases into the zone of a platform, of which the servers of this zone
        // know nothing.
        self.texts(&[], subject, |_| true, judge).await
    }

    async fn dmarc(&self, zone: &[Resolver], domain: &str) -> Part {
        let name = format!("_dmarc.{domain}");
        let mut is_there = false;
        let judge = |texts: &[&str]| {
            is_there = !texts.is_empty();
            vec![dmarc::judge(texts, None)]
        };
        let subject = (Subject::Dmarc, name.as_str());
        let (mut findings, said) = self.texts(zone, subject, dmarc::is_record, judge).await;
        if is_there || !said.iter().any(|it| it.answered) {
            return (findings, said);
        }
        // RFC 7489 §6.6.3: the domain above may speak for it.
        for above in zone::above(domain).into_iter().skip(1) {
            let found = self
                .asked
                .any(&format!("_dmarc.{above}"), RecordKind::Text)
                .await;
            let texts = found.records().iter().filter_map(text);
            let texts: Vec<&str> = texts.filter(|it| dmarc::is_record(it)).collect();
            if !texts.is_empty() {
                if let Some(first) = findings.first_mut() {
                    *first = dmarc::judge(&texts, Some(above));
                }
                break;
            }
        }
        (findings, said)
    }

    async fn sts(&self, zone: &[Resolver], domain: &DomainOptions) -> Part {
        let name = format!("_mta-sts.{}", domain.name);
        let mut fetch = false;
        let judge = |texts: &[&str]| {
            let settled = sts::judge_records(texts);
            fetch = settled.is_none();
            let ours = domain.policy.as_ref();
            let ours = ours.and_then(|ours| sts::judge_id(texts, ours, &domain.name));
            // What has to be put there is all that there is to say.
            let settled = settled.filter(|_| ours.is_none() || !texts.is_empty());
            settled.into_iter().chain(ours).collect()
        };
        let subject = (Subject::MtaSts, name.as_str());
        let (mut findings, said) = self.texts(zone, subject, sts::is_record, judge).await;
        if fetch {
            let policy = self.network.policy(&domain.name).await;
            let ours = domain.policy.as_ref();
            findings.extend(ours.and_then(|ours| sts::judge_served(&policy, ours)));
            findings.insert(0, sts::judge_policy(&policy, self.hostname));
        }
        (findings, said)
    }

    async fn reports(&self, zone: &[Resolver], domain: &str) -> Part {
        let name = format!("_smtp._tls.{domain}");
        let judge = |texts: &[&str]| vec![sts::judge_reports(texts)];
        let subject = (Subject::TlsRpt, name.as_str());
        self.texts(zone, subject, sts::is_report_record, judge)
            .await
    }
}

/// As people read them.
const fn order(subject: Subject) -> u8 {
    match subject {
        Subject::Host => 0,
        Subject::Mx => 1,
        Subject::Spf => 2,
        Subject::Dkim => 3,
        Subject::Dmarc => 4,
        Subject::MtaSts => 5,
        Subject::TlsRpt => 6,
    }
}
