//! Answers that DNSSEC proves (RFC 4035), for DANE. The validation is hickory's.

use std::time::{Duration, Instant};

use hickory_resolver::TokioResolver;
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::{DnsError as NetDnsError, NetError};
use hickory_resolver::proto::dnssec::Proof;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use tokio::sync::Mutex;

use super::super::{DnsError, Tlsa};

/// After this long it is found out anew whether the name servers pass on what proves answers.
const ASK_AGAIN: Duration = Duration::from_secs(3600);
/// The same when they did not: it may have been their outage.
const ASK_AGAIN_SOON: Duration = Duration::from_secs(300);

/// A resolver that validates, if its name servers let it.
pub(super) struct Prover {
    resolver: TokioResolver,
    works: Mutex<Option<(Instant, Works)>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Works {
    Yes,
    No,
}

/// What is proven.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Proven {
    /// These records, signed.
    Secure(Vec<RData>),
    /// There are records, and the domain is not signed.
    Insecure,
    /// There are none.
    Nothing,
}

impl Prover {
    pub(super) const fn new(resolver: TokioResolver) -> Self {
        Self {
            resolver,
            works: Mutex::const_new(None),
        }
    }

    /// Do the name servers pass on signatures? The root is signed: if even that cannot be proven,
    /// nothing can, and every domain would look forged.
    async fn works(&self) -> bool {
        let mut works = self.works.lock().await;
        let before = *works;
        if let Some((at, known)) = before {
            let kept = match known {
                Works::Yes => ASK_AGAIN,
                Works::No => ASK_AGAIN_SOON,
            };
            if at.elapsed() < kept {
                return known == Works::Yes;
            }
        }
        let root = self.ask(Name::root(), RecordType::SOA).await;
        let found = if matches!(root, Ok(Proven::Secure(_))) {
            Works::Yes
        } else {
            Works::No
        };
        if found == Works::No && before.is_none_or(|(_, known)| known == Works::Yes) {
            tracing::warn!("the name servers do not prove the DNS root: no DANE");
        }
        *works = Some((Instant::now(), found));
        found == Works::Yes
    }

    async fn ask(&self, name: Name, kind: RecordType) -> Result<Proven, DnsError> {
        judge(self.resolver.lookup(name, kind).await, kind)
    }

    /// Are the MX records of a domain (without them its addresses) signed?
    pub(super) async fn is_mx_proven(&self, domain: Name) -> Result<bool, DnsError> {
        if !self.works().await {
            return Ok(false);
        }
        match self.ask(domain.clone(), RecordType::MX).await? {
            Proven::Secure(_) => Ok(true),
            Proven::Insecure => Ok(false),
            Proven::Nothing => self.is_host_proven(&domain).await,
        }
    }

    /// RFC 7672 §2.2.2: TLSA records are asked for only when the addresses are signed.
    async fn is_host_proven(&self, host: &Name) -> Result<bool, DnsError> {
        let mut found = false;
        for kind in [RecordType::A, RecordType::AAAA] {
            match self.ask(host.clone(), kind).await? {
                Proven::Secure(_) => found = true,
                Proven::Insecure => return Ok(false),
                Proven::Nothing => {}
            }
        }
        Ok(found)
    }

    pub(super) async fn tlsa(&self, host: Name, port: u16) -> Result<Vec<Tlsa>, DnsError> {
        if !self.works().await || !self.is_host_proven(&host).await? {
            return Ok(Vec::new());
        }
        // RFC 6698 §3.
        let place = Name::from_ascii(format!("_{port}._tcp"))
            .and_then(|prefix| prefix.append_domain(&host))
            .map_err(|_| DnsError::NoSuchName)?;
        let Proven::Secure(records) = self.ask(place, RecordType::TLSA).await? else {
            return Ok(Vec::new());
        };
        let record = |data: RData| {
            let RData::TLSA(tlsa) = data else { return None };
            Some(Tlsa {
                usage: tlsa.cert_usage.into(),
                selector: tlsa.selector.into(),
                matching: tlsa.matching.into(),
                data: tlsa.cert_data,
            })
        };
        Ok(records.into_iter().filter_map(record).collect())
    }
}

/// RFC 4035 §4.3: what is neither signed nor known to be unsigned may be forged, and is as good as
/// no answer.
fn judge(found: Result<Lookup, NetError>, kind: RecordType) -> Result<Proven, DnsError> {
    let forged = DnsError::unproven;
    let lookup = match found {
        Ok(lookup) => lookup,
        Err(NetError::Dns(NetDnsError::Nsec { proof, .. })) => {
            return match proof {
                Proof::Secure | Proof::Insecure => Ok(Proven::Nothing),
                Proof::Bogus | Proof::Indeterminate => Err(forged()),
            };
        }
        Err(NetError::Dns(NetDnsError::DnssecBogus)) => return Err(forged()),
        Err(error) if error.is_no_records_found() => return Ok(Proven::Nothing),
        Err(error) => return Err(DnsError::Temporary(error.to_string())),
    };
    // An alias on the way counts too: who forges it forges the rest.
    let is_meant = |found: RecordType| found == kind || found == RecordType::CNAME;
    let answers = lookup.answers().iter();
    let meant: Vec<_> = answers.filter(|it| is_meant(it.record_type())).collect();
    if !meant.iter().any(|record| record.record_type() == kind) {
        return Ok(Proven::Nothing);
    }
    if meant.iter().all(|record| record.proof.is_secure()) {
        let records = meant.iter().filter(|record| record.record_type() == kind);
        return Ok(Proven::Secure(
            records.map(|record| record.data.clone()).collect(),
        ));
    }
    let is_known = |proof: Proof| matches!(proof, Proof::Secure | Proof::Insecure);
    if meant.iter().all(|record| is_known(record.proof)) {
        Ok(Proven::Insecure)
    } else {
        Err(forged())
    }
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::op::Query;
    use hickory_resolver::proto::rr::Record;
    use hickory_resolver::proto::rr::rdata::{CNAME, SOA};

    use super::*;

    fn lookup(records: Vec<(RData, Proof)>) -> Lookup {
        let name = Name::from_ascii("mx.example.").unwrap();
        let records = records.into_iter().map(|(data, proof)| {
            let mut record = Record::from_rdata(name.clone(), 60, data);
            record.proof = proof;
            record
        });
        let records: Vec<_> = records.collect();
        Lookup::new_with_max_ttl(Query::query(name.clone(), RecordType::A), records)
    }

    #[test]
    fn only_what_is_signed_is_proven() {
        let address = || RData::A("192.0.2.1".parse().unwrap());
        let alias = || RData::CNAME(CNAME(Name::root()));
        let kind = RecordType::A;
        let judged = |records| judge(Ok(lookup(records)), kind);
        let secure = Ok(Proven::Secure(vec![address()]));
        assert_eq!(judged(vec![(address(), Proof::Secure)]), secure);
        assert_eq!(
            judged(vec![(alias(), Proof::Secure), (address(), Proof::Secure)]),
            secure
        );
        assert_eq!(
            judged(vec![(alias(), Proof::Insecure), (address(), Proof::Secure)]),
            Ok(Proven::Insecure)
        );
        assert_eq!(judged(vec![(alias(), Proof::Secure)]), Ok(Proven::Nothing));
        for proof in [Proof::Bogus, Proof::Indeterminate] {
            let told = judged(vec![(address(), proof), (address(), Proof::Secure)]);
            assert!(matches!(told, Err(DnsError::Temporary(_))), "{proof}");
        }
        let other = RData::SOA(SOA::new(Name::root(), Name::root(), 1, 1, 1, 1, 1));
        assert_eq!(judged(vec![(other, Proof::Bogus)]), Ok(Proven::Nothing));
        let bogus = judge(Err(NetError::Dns(NetDnsError::DnssecBogus)), kind);
        assert!(matches!(bogus, Err(DnsError::Temporary(_))));
        assert!(judge(Err(NetError::Timeout), kind).is_err());
    }
}
