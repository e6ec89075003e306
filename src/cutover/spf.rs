//! SPF records, RFC 7208: read, and nothing else.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spf {
    pub(super) terms: Vec<Term>,
    pub(super) redirect: Option<String>,
}

/// A mechanism and what a match means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Term {
    pub(super) result: Qualifier,
    pub(super) mechanism: Mechanism,
}

/// `+ - ~ ?`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Qualifier {
    Pass,
    Fail,
    SoftFail,
    Neutral,
}

/// RFC 7208 §5.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mechanism {
    All,
    Include(String),
    /// Addresses of a domain (`None`: the one that the record is of), and the lengths of the
    /// prefixes that count.
    A(Option<String>, (u8, u8)),
    Mx(Option<String>, (u8, u8)),
    Ptr,
    Ip(IpAddr, u8),
    Exists,
}

/// Is it a record of this kind? §4.5: the version stands alone.
pub(super) fn is_record(text: &str) -> bool {
    let first = text.split(' ').next().unwrap_or_default();
    first.eq_ignore_ascii_case("v=spf1")
}

impl Spf {
    /// Reads a record.
    ///
    /// # Errors
    /// The term that makes receivers give up (`permerror`).
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut spf = Self {
            terms: Vec::new(),
            redirect: None,
        };
        for word in text.split(' ').skip(1).filter(|word| !word.is_empty()) {
            match modifier(word) {
                Some((name, value)) => spf.modify(name, value)?,
                None => spf.terms.push(term(word)?),
            }
        }
        // §6.1: `all` beats `redirect`.
        if spf.terms.iter().any(|it| it.mechanism == Mechanism::All) {
            spf.redirect = None;
        }
        Ok(spf)
    }

    fn modify(&mut self, name: &str, value: &str) -> Result<(), String> {
        if !name.eq_ignore_ascii_case("redirect") {
            return Ok(());
        }
        // §6: more than once is an error.
        if value.is_empty() || self.redirect.is_some() {
            return Err(format!("\"{name}={value}\" is wrong"));
        }
        self.redirect = Some(domain(value));
        Ok(())
    }

    /// How many look-ups its own terms cost (§4.6.4).
    pub(super) fn lookups(&self) -> usize {
        let costs = |term: &&Term| match term.mechanism {
            Mechanism::All | Mechanism::Ip(..) => false,
            Mechanism::Include(_)
            | Mechanism::A(..)
            | Mechanism::Mx(..)
            | Mechanism::Ptr
            | Mechanism::Exists => true,
        };
        self.terms.iter().filter(costs).count() + usize::from(self.redirect.is_some())
    }

    /// The records that it takes in.
    pub(super) fn others(&self) -> impl Iterator<Item = &str> {
        let includes = self.terms.iter().filter_map(|term| match &term.mechanism {
            Mechanism::Include(domain) => Some(domain.as_str()),
            Mechanism::All
            | Mechanism::A(..)
            | Mechanism::Mx(..)
            | Mechanism::Ptr
            | Mechanism::Ip(..)
            | Mechanism::Exists => None,
        });
        includes.chain(self.redirect.as_deref())
    }
}

/// `name=value`; a mechanism has its `:` or `/` before any `=`.
fn modifier(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic());
    (begins && name.chars().all(legal)).then_some((name, value))
}

fn term(word: &str) -> Result<Term, String> {
    let (result, rest) = match word.split_at_checked(1) {
        Some(("+", rest)) => (Qualifier::Pass, rest),
        Some(("-", rest)) => (Qualifier::Fail, rest),
        Some(("~", rest)) => (Qualifier::SoftFail, rest),
        Some(("?", rest)) => (Qualifier::Neutral, rest),
        _ => (Qualifier::Pass, word),
    };
    let wrong = || format!("\"{word}\" is no mechanism");
    let mechanism = mechanism(rest).ok_or_else(wrong)?;
    Ok(Term { result, mechanism })
}

fn mechanism(text: &str) -> Option<Mechanism> {
    let end = text.find([':', '/']).unwrap_or(text.len());
    let (name, rest) = text.split_at_checked(end)?;
    let value = rest.strip_prefix(':');
    let needed = || value.filter(|it| !it.is_empty());
    match name.to_ascii_lowercase().as_str() {
        "all" => rest.is_empty().then_some(Mechanism::All),
        "include" => needed().map(|it| Mechanism::Include(domain(it))),
        "exists" => needed().map(|_| Mechanism::Exists),
        "ptr" => (rest.is_empty() || needed().is_some()).then_some(Mechanism::Ptr),
        "a" => hosts(rest).map(|(domain, cidr)| Mechanism::A(domain, cidr)),
        "mx" => hosts(rest).map(|(domain, cidr)| Mechanism::Mx(domain, cidr)),
        "ip4" => network::<Ipv4Addr>(needed()?, 32),
        "ip6" => network::<Ipv6Addr>(needed()?, 128),
        _ => None,
    }
}

fn domain(text: &str) -> String {
    text.trim_end_matches('.').to_ascii_lowercase()
}

/// `[:domain][/n][//n]`, §5.6.
fn hosts(rest: &str) -> Option<(Option<String>, (u8, u8))> {
    let (name, lengths) = match rest.split_once('/') {
        Some((name, lengths)) => (name, Some(lengths)),
        None => (rest, None),
    };
    let name = match name.strip_prefix(':') {
        Some("") => return None,
        Some(name) => Some(domain(name)),
        None if name.is_empty() => None,
        None => return None,
    };
    let Some(lengths) = lengths else {
        return Some((name, (32, 128)));
    };
    let (four, six) = match lengths.split_once('/') {
        None => (length(lengths, 32)?, 128),
        Some(("", six)) => (32, length(six, 128)?),
        Some((four, six)) => (length(four, 32)?, length(six.strip_prefix('/')?, 128)?),
    };
    Some((name, (four, six)))
}

fn length(text: &str, most: u8) -> Option<u8> {
    text.parse().ok().filter(|length| *length <= most)
}

fn network<T>(text: &str, most: u8) -> Option<Mechanism>
where
    T: std::str::FromStr + Into<IpAddr>,
{
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, length(bits, most)?),
        None => (text, most),
    };
    let address: T = address.parse().ok()?;
    Some(Mechanism::Ip(address.into(), bits))
}

/// Is `address` in the network?
pub(super) fn within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let away = 32_u32.saturating_sub(u32::from(bits));
            let head = |it: Ipv4Addr| it.to_bits().checked_shr(away).unwrap_or(0);
            head(address) == head(network)
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let away = 128_u32.saturating_sub(u32::from(bits));
            let head = |it: Ipv6Addr| it.to_bits().checked_shr(away).unwrap_or(0);
            head(address) == head(network)
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read() {
        let text = "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 a mx:Mail.example.org./28//64 \
                    a//96 include:_spf.google.com exists:%{i}.x.example ?ptr ~all exp=x.example";
        let spf = Spf::parse(text).unwrap();
        let kinds: Vec<_> = spf.terms.iter().map(|it| it.mechanism.clone()).collect();
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(
            kinds,
            [
                Mechanism::Ip(ip("192.0.2.0"), 24),
                Mechanism::Ip(ip("2001:db8::"), 32),
                Mechanism::A(None, (32, 128)),
                Mechanism::Mx(Some("mail.example.org".to_owned()), (28, 64)),
                Mechanism::A(None, (32, 96)),
                Mechanism::Include("_spf.google.com".to_owned()),
                Mechanism::Exists,
                Mechanism::Ptr,
                Mechanism::All,
            ]
        );
        assert_eq!(spf.lookups(), 6);
        assert_eq!(spf.terms[7].result, Qualifier::Neutral);
        let other = Spf::parse("V=SPF1 redirect=_spf.example.org unknown=x").unwrap();
        assert_eq!(other.others().collect::<Vec<_>>(), ["_spf.example.org"]);
        assert_eq!(other.lookups(), 1);
        // §6.1: behind `all` a redirect is not looked at.
        assert_eq!(Spf::parse("v=spf1 -all redirect=x").unwrap().lookups(), 0);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for word in [
            "ip4:192.0.2.0/33",
            "ip4:2001:db8::",
            "ip4",
            "include:",
            "include",
            "all:x",
            "allx",
            "a:",
            "mx/33",
            "a/24/64",
            "exists",
            "ip6:::1/129",
            "-",
            "redirect=",
        ] {
            let told = Spf::parse(&format!("v=spf1 {word} -all")).unwrap_err();
            assert!(told.contains(word), "{told}");
        }
        assert!(is_record("v=spf1") && is_record("v=spf1 -all"));
        assert!(!is_record("v=spf10 -all") && !is_record("spf2.0/pra"));
    }

    #[test]
    fn networks_hold_addresses() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        for (address, network, bits, expected) in [
            ("192.0.2.77", "192.0.2.0", 24, true),
            ("192.0.3.1", "192.0.2.0", 24, false),
            ("203.0.113.9", "192.0.2.0", 0, true),
            ("192.0.2.1", "192.0.2.1", 32, true),
            ("2001:db8:1::1", "2001:db8::", 32, true),
            ("2001:db9::1", "2001:db8::", 32, false),
            ("2001:db9::1", "::", 0, true),
            ("192.0.2.1", "::", 0, false),
        ] {
            assert_eq!(
                within(ip(address), ip(network), bits),
                expected,
                "{address}"
            );
        }
    }
}
