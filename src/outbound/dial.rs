//! From a target to the addresses to try, in their order.

use std::net::{IpAddr, SocketAddr};

use super::error::Error;
use super::greeting::Mirror;
use super::options::Options;
use crate::backend::Hosts;
use crate::base::Entropy;
use crate::limits;
use crate::net::{DnsError, MailExchanger, Resolve};
use crate::smtp::Reply;

/// A host to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    /// Its name, which its certificate may prove.
    pub(super) host: String,
    /// Where it is.
    pub(super) address: SocketAddr,
}

/// Looks up where mail goes.
pub(super) struct Finder<'a> {
    pub(super) options: &'a Options,
    pub(super) resolve: &'a dyn Resolve,
    pub(super) entropy: &'a Entropy,
}

impl Finder<'_> {
    /// The hosts of a backend.
    pub(super) async fn backend(&self, hosts: &Hosts) -> Result<Vec<Candidate>, Error> {
        match hosts {
            Hosts::List(list) => self.list(list).await,
            Hosts::Mx(domain) => {
                let found = self.domain(domain, Mirror::Fine).await;
                found.map_err(not_final)
            }
        }
    }

    /// `host:port`, in the order given. A name that cannot be looked up is passed over as long as
    /// another one can.
    pub(super) async fn list(&self, list: &[String]) -> Result<Vec<Candidate>, Error> {
        let mut found = Vec::new();
        let mut trouble = None;
        for text in list {
            let result = match split_host(text, self.options.port) {
                Some((host, port)) => self.host(host, port).await,
                None => Err(Error::Config(format!(
                    "{text:?} is no next hop, expected host:port"
                ))),
            };
            match result {
                Ok(addresses) => found.extend(addresses),
                Err(error) => trouble = trouble.or(Some(error)),
            }
        }
        match trouble {
            Some(error) if found.is_empty() => Err(error),
            _ => Ok(found),
        }
    }

    /// The hosts that DNS names for a domain, RFC 5321 §5.1.
    pub(super) async fn domain(
        &self,
        domain: &str,
        mirror: Mirror,
    ) -> Result<Vec<Candidate>, Error> {
        if domain.starts_with('[') {
            return self.without_mx(domain).await;
        }
        let exchangers = match self.resolve.mail_exchangers(domain).await {
            Ok(exchangers) => exchangers,
            // RFC 5321 §5.1: without MX records the domain itself is the host.
            Err(DnsError::NoRecords) => return self.without_mx(domain).await,
            Err(DnsError::NoSuchName) => return Err(Error::NoMail(no_such_domain(domain))),
            Err(error @ DnsError::Temporary(_)) => return Err(lookup(domain, error)),
        };
        let mut exchangers = takes_mail(exchangers, domain)?;
        self.arrange(&mut exchangers);
        if mirror == Mirror::Loop {
            let hostname = &self.options.hostname;
            before_ourselves(&mut exchangers, |mx| mx.host.eq_ignore_ascii_case(hostname))?;
        }
        self.resolve_all(exchangers, mirror).await
    }

    async fn without_mx(&self, domain: &str) -> Result<Vec<Candidate>, Error> {
        match self.host(domain, self.options.port).await {
            Err(Error::Dns {
                error: DnsError::NoRecords | DnsError::NoSuchName,
                ..
            }) => Err(Error::NoMail(no_such_domain(domain))),
            result => result,
        }
    }

    /// RFC 5321 §5.1: lower preference first, chance among equals.
    fn arrange(&self, exchangers: &mut [MailExchanger]) {
        exchangers.sort_by_cached_key(|mx| (mx.preference, self.entropy.u64()));
    }

    async fn resolve_all(
        &self,
        exchangers: Vec<MailExchanger>,
        mirror: Mirror,
    ) -> Result<Vec<Candidate>, Error> {
        let mut found: Vec<(u16, Candidate)> = Vec::new();
        let mut trouble = None;
        for mx in exchangers.into_iter().take(limits::HOSTS_PER_ATTEMPT) {
            match self.host(&mx.host, self.options.port).await {
                Ok(hosts) => found.extend(hosts.into_iter().map(|host| (mx.preference, host))),
                Err(error) => trouble = trouble.or(Some(error)),
            }
        }
        let own = |candidate: &Candidate| self.options.own.contains(&candidate.address);
        let ours = found.iter().filter(|(_, candidate)| own(candidate));
        if mirror == Mirror::Loop
            && let Some(ours) = ours.map(|(preference, _)| *preference).min()
        {
            found.retain(|(preference, _)| *preference < ours);
            if found.is_empty() {
                // A better one may be there, which cannot be looked up now.
                return Err(trouble.unwrap_or_else(|| Error::NoMail(loops_back())));
            }
        }
        match trouble {
            Some(error) if found.is_empty() => Err(error),
            _ => Ok(found.into_iter().map(|(_, candidate)| candidate).collect()),
        }
    }

    /// The addresses of a host: chance among those of a family, the families by turns, IPv4
    /// first, for a broken IPv6 path is the commoner fault.
    async fn host(&self, host: &str, port: u16) -> Result<Vec<Candidate>, Error> {
        let found = self.resolve.addresses(host).await;
        let mut addresses = found.map_err(|error| lookup(host, error))?;
        addresses.sort_by_cached_key(|_| self.entropy.u64());
        let (v4, v6): (Vec<_>, Vec<_>) = addresses.into_iter().partition(IpAddr::is_ipv4);
        let (mut v4, mut v6) = (v4.into_iter(), v6.into_iter());
        let mut turns = Vec::new();
        loop {
            let pair = (v4.next(), v6.next());
            turns.extend(pair.0);
            turns.extend(pair.1);
            if pair == (None, None) {
                break;
            }
        }
        let candidate = |ip| Candidate {
            host: host.to_owned(),
            address: SocketAddr::new(ip, port),
        };
        Ok(turns.into_iter().map(candidate).collect())
    }
}

/// `mx.example.org:25`, `192.0.2.1`, `[2001:db8::1]:25` to host and port.
fn split_host(text: &str, default_port: u16) -> Option<(&str, u16)> {
    // A bare IPv6 address is full of colons and has no port.
    if text.parse::<IpAddr>().is_ok() {
        return Some((text, default_port));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !text.ends_with(']') => (host, port.parse().ok()?),
        _ => (text, default_port),
    };
    (!host.is_empty()).then_some((host, port))
}

/// RFC 7505 §3: a single record with an empty host says that the domain takes no mail.
fn takes_mail(exchangers: Vec<MailExchanger>, domain: &str) -> Result<Vec<MailExchanger>, Error> {
    let is_null = |mx: &MailExchanger| mx.host.is_empty() || mx.host == ".";
    if exchangers.iter().all(is_null) {
        let text = format!("The domain {domain} takes no mail");
        return Err(Error::NoMail(Reply::with_text(556, (5, 1, 10), text)));
    }
    Ok(exchangers.into_iter().filter(|mx| !is_null(mx)).collect())
}

/// RFC 5321 §5.1: if we are one of the hosts, only those that are preferred to us are tried.
fn before_ourselves(
    exchangers: &mut Vec<MailExchanger>,
    is_own: impl Fn(&MailExchanger) -> bool,
) -> Result<(), Error> {
    let own = exchangers.iter().find(|mx| is_own(mx));
    if let Some(own) = own.map(|mx| mx.preference) {
        exchangers.retain(|mx| mx.preference < own);
    }
    if exchangers.is_empty() {
        return Err(Error::NoMail(loops_back()));
    }
    Ok(())
}

pub(super) const fn loops_back() -> Reply {
    Reply::new(
        554,
        (5, 4, 6),
        "The MX records of the domain lead back to this server",
    )
}

/// What DNS says of a backend speaks against the backend or the config, and not against those who
/// get their mail through it (I10).
fn not_final(error: Error) -> Error {
    let Error::NoMail(reply) = error else {
        return error;
    };
    Error::Config(reply.text.into_owned())
}

fn no_such_domain(domain: &str) -> Reply {
    let text = format!("The domain {domain} does not exist or has no mail server");
    Reply::with_text(550, (5, 1, 2), text)
}

fn lookup(host: &str, error: DnsError) -> Error {
    Error::Dns {
        host: host.to_owned(),
        error,
    }
}
