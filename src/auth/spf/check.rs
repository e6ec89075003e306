//! `check_host()`, RFC 7208 §4.

use std::net::IpAddr;

use super::macros::{MacroText, Values};
use super::{Mechanism, Qualifier, Spf, is_record, within};
use crate::auth::lookup::Lookup;
use crate::auth::name;
use crate::base::Boxed;
use crate::mail::AuthResult;
use crate::net::DnsError;

/// RFC 7208 §4.6.4: terms that ask the DNS; more are an error.
const TERMS: usize = 10;
/// RFC 7208 §4.6.4: questions that find nothing; more are an error.
const VOID: usize = 2;
/// RFC 7208 §4.6.4: hosts behind one `mx`, names behind one address.
const HOSTS: usize = 10;

/// Who sends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client<'c> {
    pub(crate) ip: IpAddr,
    pub(crate) helo: &'c str,
    /// Local part of the identity that is checked.
    pub(crate) local: &'c str,
    /// Its domain.
    pub(crate) origin: &'c str,
}

/// What a record says of the client.
pub(crate) async fn check(client: Client<'_>, lookup: &Lookup<'_>) -> AuthResult {
    let client = Client {
        // RFC 7208 §5: an IPv4 address in an IPv6 one is the IPv4 address.
        ip: client.ip.to_canonical(),
        // RFC 7208 §4.3.
        local: if client.local.is_empty() {
            "postmaster"
        } else {
            client.local
        },
        ..client
    };
    let mut walk = Walk {
        client,
        lookup,
        terms: 0,
        void: 0,
        proven: None,
    };
    // RFC 7208 §4.3: a domain of one label has no record that counts.
    let Some(domain) = name::key(client.origin).filter(|it| it.contains('.')) else {
        return AuthResult::None;
    };
    walk.host(domain).await.unwrap_or_else(|end| end)
}

struct Walk<'w> {
    client: Client<'w>,
    lookup: &'w Lookup<'w>,
    terms: usize,
    void: usize,
    /// The proven name of the address, once it was looked for.
    proven: Option<String>,
}

/// What ends the whole check at once.
type End = AuthResult;

fn temporary(_: DnsError) -> End {
    AuthResult::TempError
}

impl Walk<'_> {
    /// The result for the record of one domain. Boxed: includes go around.
    fn host(&mut self, domain: String) -> Boxed<'_, Result<AuthResult, End>> {
        Box::pin(async move {
            let texts = self.lookup.texts(&domain, is_record).await;
            let texts = texts.map_err(temporary)?;
            let mut records = texts.iter();
            // RFC 7208 §4.5.
            let record = match (records.next(), records.next()) {
                (None, _) => return Ok(AuthResult::None),
                (Some(record), None) => record,
                (Some(_), Some(_)) => return Err(AuthResult::PermError),
            };
            let spf = Spf::parse(record).map_err(|_| AuthResult::PermError)?;
            for term in &spf.terms {
                if self.matches(&term.mechanism, &domain).await? {
                    return Ok(match term.result {
                        Qualifier::Pass => AuthResult::Pass,
                        Qualifier::Fail => AuthResult::Fail,
                        Qualifier::SoftFail => AuthResult::SoftFail,
                        Qualifier::Neutral => AuthResult::Neutral,
                    });
                }
            }
            let Some(redirect) = &spf.redirect else {
                return Ok(AuthResult::Neutral);
            };
            self.count()?;
            let other = self.target(Some(redirect), &domain).await;
            // RFC 7208 §6.1: a redirect to nothing is an error.
            let result = self.of(other).await?;
            if result == AuthResult::None {
                return Err(AuthResult::PermError);
            }
            Ok(result)
        })
    }

    async fn of(&mut self, name: Option<String>) -> Result<AuthResult, End> {
        match name {
            Some(name) => self.host(name).await,
            None => Ok(AuthResult::None),
        }
    }

    async fn matches(&mut self, mechanism: &Mechanism, domain: &str) -> Result<bool, End> {
        let ip = self.client.ip;
        match mechanism {
            Mechanism::All => Ok(true),
            Mechanism::Ip(network, bits) => Ok(within(ip, *network, *bits)),
            Mechanism::Include(other) => {
                self.count()?;
                let other = self.target(Some(other), domain).await;
                // RFC 7208 §5.2: nothing there is an error, for somebody meant something.
                let result = self.of(other).await?;
                if result == AuthResult::None {
                    return Err(AuthResult::PermError);
                }
                Ok(result == AuthResult::Pass)
            }
            Mechanism::A(other, bits) => {
                self.count()?;
                let Some(host) = self.target(other.as_deref(), domain).await else {
                    return Ok(false);
                };
                self.is_of_host(&host, *bits).await
            }
            Mechanism::Mx(other, bits) => {
                self.count()?;
                let Some(name) = self.target(other.as_deref(), domain).await else {
                    return Ok(false);
                };
                self.is_of_exchanger(&name, *bits).await
            }
            Mechanism::Ptr(other) => {
                self.count()?;
                let Some(name) = self.target(other.as_deref(), domain).await else {
                    return Ok(false);
                };
                let names = self.proven_names().await?;
                Ok(names.iter().any(|it| name::is_within(it, &name)))
            }
            Mechanism::Exists(other) => {
                self.count()?;
                let Some(name) = self.target(Some(other), domain).await else {
                    return Ok(false);
                };
                // RFC 7208 §5.7: always A.
                let like = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);
                let found = self.lookup.addresses(&name, like).await;
                let found = found.map_err(temporary)?;
                self.note(&found)?;
                Ok(!found.is_empty())
            }
        }
    }

    async fn is_of_host(&mut self, host: &str, bits: (u8, u8)) -> Result<bool, End> {
        let ip = self.client.ip;
        let found = self.lookup.addresses(host, ip).await;
        let found = found.map_err(temporary)?;
        self.note(&found)?;
        let bits = if ip.is_ipv4() { bits.0 } else { bits.1 };
        Ok(found.iter().any(|network| within(ip, *network, bits)))
    }

    async fn is_of_exchanger(&mut self, name: &str, bits: (u8, u8)) -> Result<bool, End> {
        let hosts = self.lookup.exchangers(name).await.map_err(temporary)?;
        self.note(&hosts)?;
        if hosts.len() > HOSTS {
            return Err(AuthResult::PermError);
        }
        for host in &hosts {
            if self.is_of_host(host, bits).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// RFC 7208 §4.6.4: each term that asks.
    const fn count(&mut self) -> Result<(), End> {
        self.terms += 1;
        if self.terms > TERMS {
            return Err(AuthResult::PermError);
        }
        Ok(())
    }

    /// A question that found something, or nothing.
    const fn note<T>(&mut self, found: &[T]) -> Result<(), End> {
        if found.is_empty() {
            self.void += 1;
        }
        if self.void > VOID {
            return Err(AuthResult::PermError);
        }
        Ok(())
    }

    /// The name that a term means; `None` when it can be nobody's (RFC 7208 §4.8).
    async fn target(&mut self, text: Option<&str>, domain: &str) -> Option<String> {
        let Some(text) = text else {
            return Some(domain.to_owned());
        };
        let text = MacroText::domain(text)?;
        let proven = if text.needs_proven() {
            self.proven(domain).await
        } else {
            String::new()
        };
        let client = self.client;
        // What was checked may be wrong, and is asked for as it is: no name server knows it.
        let filled = text.fill(&Values {
            local: client.local,
            origin: client.origin,
            domain,
            helo: client.helo,
            ip: client.ip,
            proven: &proven,
        });
        let legal = filled
            .split('.')
            .all(|label| (1..=63).contains(&label.len()));
        legal.then(|| filled.to_ascii_lowercase())
    }

    /// RFC 7208 §5.5: names of the address that lead back to it.
    async fn proven_names(&mut self) -> Result<Vec<String>, End> {
        let ip = self.client.ip;
        // RFC 7208 §5.5: an error of the DNS here is no match.
        let names = self.lookup.names(ip).await.unwrap_or_default();
        self.note(&names)?;
        let mut proven = Vec::new();
        for name in names.iter().take(HOSTS) {
            let found = self.lookup.addresses(name, ip).await;
            if found.is_ok_and(|found| found.contains(&ip)) {
                proven.push(name.clone());
            }
        }
        Ok(proven)
    }

    /// RFC 7208 §7.3, `p`: the domain itself, else a name below it, else any.
    async fn proven(&mut self, domain: &str) -> String {
        if let Some(known) = &self.proven {
            return known.clone();
        }
        let names = self.proven_names().await.unwrap_or_default();
        let exact = names.iter().find(|it| *it == domain);
        let below = || names.iter().find(|it| name::is_within(it, domain));
        let best = exact.or_else(below).or_else(|| names.first());
        let best = best.map_or_else(|| "unknown".to_owned(), String::clone);
        self.proven = Some(best.clone());
        best
    }
}
