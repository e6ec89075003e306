//! Questions to the DNS on behalf of a stranger's message: until a deadline, so many and no more,
//! answers cut to a size. A name server that lies, stalls or answers with thousands of records
//! costs that message a `temperror`, and nobody else anything.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::Instant;

use crate::limits;
use crate::net::{Answer, Ask, DnsError, Record, RecordKind};

/// What one message may ask.
#[derive(Debug)]
pub(super) struct Lookups {
    /// `None`: nobody is asked, because nobody answers.
    ask: Option<Arc<dyn Ask>>,
    deadline: Instant,
    silent: AtomicUsize,
}

/// The questions of one method: its own budget, so that one method cannot use up another's.
#[derive(Debug)]
pub(super) struct Lookup<'a> {
    all: &'a Lookups,
    left: AtomicUsize,
}

impl Lookups {
    pub(super) const fn new(ask: Option<Arc<dyn Ask>>, deadline: Instant) -> Self {
        Self {
            ask,
            deadline,
            silent: AtomicUsize::new(0),
        }
    }

    /// The same, until then at most; what is silent there is counted there.
    pub(super) fn until(&self, deadline: Instant) -> Self {
        Self::new(self.ask.clone(), self.deadline.min(deadline))
    }

    /// For one method, with so many questions.
    pub(super) const fn method(&self, questions: usize) -> Lookup<'_> {
        Lookup {
            all: self,
            left: AtomicUsize::new(questions),
        }
    }

    /// Was a question not answered?
    pub(super) fn was_silent(&self) -> bool {
        self.silent.load(Ordering::Relaxed) > 0
    }
}

impl Lookup<'_> {
    async fn ask(&self, name: &str, kind: RecordKind) -> Result<Answer, DnsError> {
        let silent = |why: &str| Err(DnsError::Temporary(why.to_owned()));
        let Some(ask) = &self.all.ask else {
            return silent("the name servers do not answer");
        };
        let less = |left: usize| left.checked_sub(1);
        let order = Ordering::Relaxed;
        if self.left.fetch_update(order, order, less).is_err() {
            return silent("too many questions");
        }
        let answer = tokio::time::timeout_at(self.all.deadline, ask.ask(name, kind)).await;
        let answer = answer.unwrap_or_else(|_| silent("no answer in time"));
        if let Err(DnsError::Temporary(_)) = &answer {
            self.all.silent.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }

    /// TXT records that are meant for who asks; none is no error.
    pub(super) async fn texts(
        &self,
        name: &str,
        is_meant: impl Fn(&str) -> bool,
    ) -> Result<Vec<String>, DnsError> {
        let answer = all_or_nothing(self.ask(name, RecordKind::Text).await)?;
        let text = |record| match record {
            Record::Text(text) if text.len() <= limits::AUTH_TEXT => Some(text),
            Record::Text(_) | Record::Mx(_) | Record::Address(_) | Record::Name(_) => None,
        };
        let texts = answer.into_iter().filter_map(text);
        // What is meant for others does not push it out.
        let meant = texts.filter(|text| is_meant(text));
        Ok(meant.take(limits::AUTH_RECORDS).collect())
    }

    /// Addresses of the kind that `like` is of.
    pub(super) async fn addresses(
        &self,
        name: &str,
        like: IpAddr,
    ) -> Result<Vec<IpAddr>, DnsError> {
        let kind = match like {
            IpAddr::V4(_) => RecordKind::V4,
            IpAddr::V6(_) => RecordKind::V6,
        };
        let address = |record| match record {
            Record::Address(address) => Some(address),
            Record::Text(_) | Record::Mx(_) | Record::Name(_) => None,
        };
        let answer = none_is_nothing(self.ask(name, kind).await)?;
        Ok(answer.into_iter().filter_map(address).collect())
    }

    /// Hosts of MX records, in their order.
    pub(super) async fn exchangers(&self, name: &str) -> Result<Vec<String>, DnsError> {
        let host = |record| match record {
            Record::Mx(mx) => Some((mx.preference, mx.host)),
            Record::Text(_) | Record::Address(_) | Record::Name(_) => None,
        };
        let answer = none_is_nothing(self.ask(name, RecordKind::Mx).await)?;
        let mut hosts: Vec<_> = answer.into_iter().filter_map(host).collect();
        hosts.sort();
        Ok(hosts.into_iter().map(|(_, host)| host).collect())
    }

    /// Names of an address.
    pub(super) async fn names(&self, address: IpAddr) -> Result<Vec<String>, DnsError> {
        let name = |record| match record {
            Record::Name(name) => Some(name),
            Record::Text(_) | Record::Address(_) | Record::Mx(_) => None,
        };
        let reverse = reverse(address);
        let answer = none_is_nothing(self.ask(&reverse, RecordKind::Pointer).await)?;
        Ok(answer.into_iter().filter_map(name).collect())
    }

    /// Is there nothing at all under this name (NXDOMAIN)?
    pub(super) async fn is_absent(&self, name: &str) -> Result<bool, DnsError> {
        match self.ask(name, RecordKind::V4).await {
            Ok(_) | Err(DnsError::NoRecords) => Ok(false),
            Err(DnsError::NoSuchName) => Ok(true),
            Err(error @ DnsError::Temporary(_)) => Err(error),
        }
    }
}

/// The first records, not more than are looked at.
fn none_is_nothing(answer: Result<Answer, DnsError>) -> Result<Vec<Record>, DnsError> {
    let mut records = all_or_nothing(answer)?;
    records.truncate(limits::AUTH_RECORDS);
    Ok(records)
}

fn all_or_nothing(answer: Result<Answer, DnsError>) -> Result<Vec<Record>, DnsError> {
    match answer {
        Ok(answer) => Ok(answer.records),
        Err(DnsError::NoSuchName | DnsError::NoRecords) => Ok(Vec::new()),
        Err(error @ DnsError::Temporary(_)) => Err(error),
    }
}

/// RFC 1035 §3.5, RFC 3596 §2.5.
fn reverse(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(_) => format!("{}.ip6.arpa", nibbles(address, Order::Reversed)),
    }
}

/// In which order an address is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Written,
    Reversed,
}

/// An address with dots: numbers of IPv4, hexadecimal digits of IPv6 (RFC 7208 §7.3).
pub(super) fn nibbles(address: IpAddr, order: Order) -> String {
    let mut parts: Vec<String> = match address {
        IpAddr::V4(address) => address.octets().map(|it| it.to_string()).to_vec(),
        IpAddr::V6(address) => {
            let halves = |byte: u8| [byte >> 4, byte & 15].map(|it| format!("{it:x}"));
            address.octets().into_iter().flat_map(halves).collect()
        }
    };
    if order == Order::Reversed {
        parts.reverse();
    }
    parts.join(".")
}
