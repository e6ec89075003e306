//! What protects the way to a stranger: DANE (RFC 7672) before MTA-STS (RFC 8461) before nothing.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;

use super::demand::{Demand, NOT_NAMED, Strictness, dane, pinned};
use super::dial::Candidate;
use super::error::Error;
use super::sts::{Mode, StsPolicy, record_id};
use super::tls_report::{Applied, Ending, Place};
use super::{Outbound, Protection, SecuredDomain};
use crate::backend::TlsPolicy;
use crate::base::Timestamp;
use crate::limits;
use crate::net::{BoxedStream, CertificateCheck, DnsError, Handshake, TlsTrouble};

/// RFC 8461 §3.3: a fetch that failed is not repeated at once.
const FETCH_PAUSE: Duration = Duration::from_secs(300);
/// RFC 8461 §3.3: one fetch as a whole.
const FETCH_TIMEOUT: Duration = Duration::from_secs(60);

/// Why a policy could not be had: the `result-type` of RFC 8460 §4.3.2.2, and in words.
type Unfetched = (&'static str, String);

const FETCH_ERROR: &str = "sts-policy-fetch-error";

fn unfetched(why: impl Into<String>) -> Unfetched {
    (FETCH_ERROR, why.into())
}

/// What is known of a domain before its hosts are tried.
#[derive(Debug, Default)]
pub(super) struct Guard {
    domain: String,
    /// What the config asks for.
    secured: Option<SecuredDomain>,
    dane: Dane,
    sts: Option<StsPolicy>,
    /// Does the mail go there even if the hosts do not prove what the domain asks for?
    strictness: Strictness,
    searched: Searched,
}

/// Is it known what the domain asks for?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Searched {
    /// TLSA records and MTA-STS were looked for.
    Everywhere,
    /// The config looks for one of them or for none, or there was no answer.
    #[default]
    InPart,
}

/// Does DNSSEC prove which hosts the domain has?
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Dane {
    Possible,
    #[default]
    No,
}

impl Guard {
    /// What counts for `domain`.
    pub(super) fn domain(&self) -> &str {
        &self.domain
    }

    /// No policy was found. That there is none says only who has looked for all.
    const fn without_policy(&self) -> Applied {
        match self.searched {
            Searched::Everywhere => Applied::nothing(),
            Searched::InPart => Applied::local(),
        }
    }
}

impl Outbound {
    /// Finds out what protects the way to `domain`, for mail that asks for it so strictly.
    pub(super) async fn guard(&self, domain: &str, strictness: Strictness) -> Result<Guard, Error> {
        let options = self.options();
        let protection = &options.protection;
        let mut guard = Guard {
            domain: domain.to_owned(),
            strictness,
            ..Guard::default()
        };
        guard.secured = options.secured.get(&domain.to_ascii_lowercase()).cloned();
        if matches!(guard.secured, Some(SecuredDomain::Verified(_))) {
            // Nobody needs to be asked: it is known who they are.
            return Ok(guard);
        }
        // An address literal has no name to prove.
        if domain.starts_with('[') {
            return Ok(guard);
        }
        let both = [Protection::Dane, Protection::MtaSts];
        if both.iter().all(|one| protection.contains(one)) {
            guard.searched = Searched::Everywhere;
        }
        if protection.contains(&Protection::Dane) {
            let proven = self.world.resolve.is_mx_proven(domain).await;
            // RFC 7672 §2.1.2: an answer that may be forged is none.
            let proven = match proven {
                Ok(proven) => proven,
                Err(error) => {
                    self.unproven((&guard, None), error).await?;
                    guard.searched = Searched::InPart;
                    false
                }
            };
            guard.dane = if proven { Dane::Possible } else { Dane::No };
        }
        if protection.contains(&Protection::MtaSts) {
            guard.sts = self.sts_policy(domain).await;
        }
        Ok(guard)
    }

    /// What one of the hosts must prove: what the config asks for, and no less than what the
    /// domain does.
    pub(super) async fn demand(
        &self,
        guard: &Guard,
        candidate: &Candidate,
    ) -> Result<Demand, Error> {
        match &guard.secured {
            None => self.published(guard, candidate).await,
            Some(SecuredDomain::Verified(hosts)) => pinned(hosts, &guard.domain, candidate),
            Some(SecuredDomain::Encrypted) => {
                let published = self.published(guard, candidate).await?;
                Ok(published.at_least_encrypted())
            }
        }
    }

    /// What the domain itself asks for.
    async fn published(&self, guard: &Guard, candidate: &Candidate) -> Result<Demand, Error> {
        let host = &candidate.host;
        let mut without = guard.without_policy();
        if guard.dane == Dane::Possible {
            let found = self.world.resolve.tlsa(host, candidate.address.port());
            let records = match found.await {
                Ok(records) => records,
                Err(error) => {
                    self.unproven((guard, Some(host)), error).await?;
                    without = Applied::local();
                    Vec::new()
                }
            };
            if !records.is_empty() {
                return Ok(dane(records, (host, &guard.domain), guard.strictness));
            }
        }
        let Some(policy) = guard.sts.as_ref().filter(|sts| sts.mode != Mode::None) else {
            return Ok(Demand::nothing(without));
        };
        let strictness = if policy.mode == Mode::Enforce {
            guard.strictness
        } else {
            Strictness::Lenient
        };
        if policy.covers(host) {
            return Ok(Demand {
                applied: Applied::sts(Some(policy)),
                flaw: None,
                tls: TlsPolicy::Verified,
                check: CertificateCheck::Name,
                strictness,
            });
        }
        let applied = Applied::sts(Some(policy));
        if strictness == Strictness::Lenient {
            return Ok(Demand {
                flaw: Some(NOT_NAMED),
                ..Demand::nothing(applied)
            });
        }
        let ending = Ending {
            applied,
            result: NOT_NAMED.result,
            place: Place::host(host).because(NOT_NAMED.why),
        };
        self.count_tls(&guard.domain, ending).await;
        Err(Error::Policy(format!(
            "the MTA-STS policy of {} does not name the host {host}",
            guard.domain
        )))
    }

    /// The name servers do not say what DANE needs; what may be forged is counted. An error,
    /// unless the mail goes all the same.
    async fn unproven(
        &self,
        (guard, host): (&Guard, Option<&str>),
        error: DnsError,
    ) -> Result<(), Error> {
        if error.is_unproven() {
            let applied = Applied::tlsa(host, &[]);
            let ending = Ending::bare(applied, "dnssec-invalid");
            self.count_tls(&guard.domain, ending).await;
        }
        match guard.strictness {
            // RFC 8689 §4.2.2.
            Strictness::Lenient | Strictness::Encrypted => Ok(()),
            Strictness::Strict => Err(Error::Dns {
                host: host.unwrap_or(&guard.domain).to_owned(),
                error,
            }),
        }
    }

    /// The policy of a domain, fetched if there is a new one, RFC 8461 §5.1.
    async fn sts_policy(&self, domain: &str) -> Option<StsPolicy> {
        let now = self.now();
        let texts = self
            .world
            .resolve
            .texts(&format!("_mta-sts.{domain}"))
            .await;
        let id = record_id(&texts.unwrap_or_default());
        let wanted = {
            let kept = self.sts.lock();
            let kept = kept.get(domain);
            let valid = kept.filter(|kept| now < kept.until);
            match (&id, kept) {
                (None, _) => None,
                (Some(id), Some(kept)) if valid.is_some() && kept.id == *id => None,
                (Some(_), Some(kept)) if now < kept.retry => None,
                (Some(id), _) => Some(id.clone()),
            }
        };
        if let Some(id) = wanted {
            let fetch = tokio::time::timeout(FETCH_TIMEOUT, self.fetch_policy(domain)).await;
            let fetched = fetch.unwrap_or_else(|_| Err(unfetched("no answer in time")));
            let parsed = fetched.and_then(|text| {
                StsPolicy::parse(&text).map_err(|why| ("sts-policy-invalid", why))
            });
            match parsed {
                Ok(policy) => {
                    self.sts.keep(domain, id, policy, now);
                    self.write_policy(domain).await;
                }
                Err((kind, why)) => {
                    tracing::warn!(%domain, %why, "no MTA-STS policy");
                    let place = Place::host(&format!("mta-sts.{domain}")).because(&why);
                    let ending = Ending {
                        applied: Applied::sts(None),
                        result: kind,
                        place,
                    };
                    self.count_tls(domain, ending).await;
                    self.sts.fail(domain, now);
                }
            }
        }
        let kept = self.sts.lock();
        let kept = kept.get(domain).filter(|kept| now < kept.until)?;
        kept.policy.clone()
    }

    /// The policy of a domain as it is now, whatever is kept and whatever its record says; waits
    /// for it for `limits::CHECK_TIMEOUT`.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn current_sts_policy(&self, domain: &str) -> Result<StsPolicy, String> {
        let fetch = self.fetch_policy(domain);
        let fetch = tokio::time::timeout(limits::CHECK_TIMEOUT, fetch).await;
        let fetched = fetch.unwrap_or_else(|_| Err(unfetched("no answer in time")));
        StsPolicy::parse(&fetched.map_err(|(_, why)| why)?)
    }

    /// RFC 8461 §3.3: over https, from a host whose certificate is good, without redirects.
    async fn fetch_policy(&self, domain: &str) -> Result<String, Unfetched> {
        let host = format!("mta-sts.{domain}");
        let addresses = self.world.resolve.addresses(&host).await;
        let addresses = addresses.map_err(|error| unfetched(error.to_string()))?;
        let mut trouble = unfetched("the host has no address");
        for ip in addresses.into_iter().take(2) {
            let address = (ip, self.options().https_port).into();
            let stream = match self.world.dial.dial(address).await {
                Ok(stream) => stream,
                Err(error) => {
                    trouble = unfetched(format!("no connection to {address}: {error}"));
                    continue;
                }
            };
            let handshake = Handshake {
                name: &host,
                check: &CertificateCheck::Name,
                pair: None,
            };
            match self.world.tls.connect(stream, handshake).await {
                Ok((stream, _)) => return get(stream, &host).await.map_err(unfetched),
                Err(error) => {
                    let kind = match TlsTrouble::of(&error) {
                        TlsTrouble::Other => FETCH_ERROR,
                        TlsTrouble::Expired | TlsTrouble::WrongName | TlsTrouble::NotTrusted => {
                            "sts-webpki-invalid"
                        }
                    };
                    trouble = (kind, format!("TLS with {address} failed: {error}"));
                }
            }
        }
        Err(trouble)
    }
}

async fn get(stream: BoxedStream, host: &str) -> Result<String, String> {
    let text = |error: hyper::Error| error.to_string();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(text)?;
    let request = hyper::Request::get("/.well-known/mta-sts.txt")
        .header("Host", host)
        .header("Connection", "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(text)?;
        // RFC 8461 §3.3: anything but 200 is no policy, redirects are not followed.
        if response.status() != 200 {
            return Err(format!("HTTP status {}", response.status().as_u16()));
        }
        let body = Limited::new(response.into_body(), limits::STS_POLICY).collect();
        let body = body.await.map_err(|error| error.to_string())?;
        String::from_utf8(body.to_bytes().to_vec()).map_err(|error| error.to_string())
    };
    tokio::pin!(answer);
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        biased;
        answer = &mut answer => return answer,
        _ = &mut connection => {}
    }
    // The connection has ended, in peace or not: what the answer lacks it will say.
    answer.await
}

/// Policies that were fetched, as long as they count.
#[derive(Debug, Default)]
pub(super) struct StsCache(Mutex<HashMap<String, Kept>>);

#[derive(Debug)]
pub(super) struct Kept {
    pub(super) id: String,
    pub(super) policy: Option<StsPolicy>,
    pub(super) until: Timestamp,
    /// No new fetch before.
    retry: Timestamp,
}

impl Kept {
    /// A policy that was fetched.
    pub(super) const fn new(
        id: String,
        policy: StsPolicy,
        until: Timestamp,
        retry: Timestamp,
    ) -> Self {
        Self {
            id,
            policy: Some(policy),
            until,
            retry,
        }
    }
}

impl StsCache {
    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<String, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, domain: &str, id: String, policy: StsPolicy, now: Timestamp) {
        let until = now.after(policy.max_age);
        self.put(domain, Kept::new(id, policy, until, now));
    }

    /// What an earlier life fetched; what this one knows is younger.
    pub(super) fn restore(&self, domain: &str, kept: Kept) {
        if !self.lock().contains_key(domain) {
            self.put(domain, kept);
        }
    }

    /// What is kept stays valid.
    fn fail(&self, domain: &str, now: Timestamp) {
        let retry = now.after(FETCH_PAUSE);
        if let Some(kept) = self.lock().get_mut(domain) {
            kept.retry = retry;
            return;
        }
        let kept = Kept {
            id: String::new(),
            policy: None,
            until: now,
            retry,
        };
        self.put(domain, kept);
    }

    fn put(&self, domain: &str, kept: Kept) {
        let mut all = self.lock();
        if all.len() >= limits::STS_POLICIES && !all.contains_key(domain) {
            let oldest = all.iter().min_by_key(|(_, kept)| kept.until);
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                all.remove(&oldest);
            }
        }
        all.insert(domain.to_owned(), kept);
    }
}
