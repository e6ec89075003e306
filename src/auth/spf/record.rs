//! SPF records, RFC 7208: read, and nothing else.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::macros::MacroText;

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spf {
    pub(crate) terms: Vec<Term>,
    pub(crate) redirect: Option<String>,
    /// `exp`: where an explanation is. Nobody sees it here; twice is an error.
    explained: bool,
}

/// A mechanism and what a match means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Term {
    pub(crate) result: Qualifier,
    pub(crate) mechanism: Mechanism,
}

/// `+ - ~ ?`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Qualifier {
    Pass,
    Fail,
    SoftFail,
    Neutral,
}

/// RFC 7208 §5. Names may have macros in them; those without are in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Mechanism {
    All,
    Include(String),
    /// Addresses of a domain (`None`: the one that the record is of), and the lengths of the
    /// prefixes that count.
    A(Option<String>, (u8, u8)),
    Mx(Option<String>, (u8, u8)),
    Ptr(Option<String>),
    Ip(IpAddr, u8),
    Exists(String),
}

/// Is it a record of this kind? §4.5: the version stands alone.
pub(crate) fn is_record(text: &str) -> bool {
    let first = text.split(' ').next().unwrap_or_default();
    first.eq_ignore_ascii_case("v=spf1")
}

impl Spf {
    /// Reads a record.
    ///
    /// # Errors
    /// The term that makes receivers give up (`permerror`).
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut spf = Self {
            terms: Vec::new(),
            redirect: None,
            explained: false,
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
        let wrong = || format!("\"{name}={value}\" is wrong");
        match name.to_ascii_lowercase().as_str() {
            // §6: more than once is an error.
            "redirect" if self.redirect.is_none() => {
                self.redirect = Some(domain(value).ok_or_else(wrong)?);
                Ok(())
            }
            "exp" if !self.explained && domain(value).is_some() => {
                self.explained = true;
                Ok(())
            }
            "redirect" | "exp" => Err(wrong()),
            _ if MacroText::is_string(value) => Ok(()),
            _ => Err(wrong()),
        }
    }

    /// How many look-ups its own terms cost (§4.6.4).
    pub(crate) fn lookups(&self) -> usize {
        let costs = |term: &&Term| match term.mechanism {
            Mechanism::All | Mechanism::Ip(..) => false,
            Mechanism::Include(_)
            | Mechanism::A(..)
            | Mechanism::Mx(..)
            | Mechanism::Ptr(_)
            | Mechanism::Exists(_) => true,
        };
        self.terms.iter().filter(costs).count() + usize::from(self.redirect.is_some())
    }

    /// The records that it takes in.
    pub(crate) fn others(&self) -> impl Iterator<Item = &str> {
        let includes = self.terms.iter().filter_map(|term| match &term.mechanism {
            Mechanism::Include(domain) => Some(domain.as_str()),
            Mechanism::All
            | Mechanism::A(..)
            | Mechanism::Mx(..)
            | Mechanism::Ptr(_)
            | Mechanism::Ip(..)
            | Mechanism::Exists(_) => None,
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
        "include" => domain(needed()?).map(Mechanism::Include),
        "exists" => domain(needed()?).map(Mechanism::Exists),
        "ptr" if rest.is_empty() => Some(Mechanism::Ptr(None)),
        "ptr" => domain(needed()?).map(|it| Mechanism::Ptr(Some(it))),
        "a" => hosts(rest).map(|(domain, cidr)| Mechanism::A(domain, cidr)),
        "mx" => hosts(rest).map(|(domain, cidr)| Mechanism::Mx(domain, cidr)),
        "ip4" => network::<Ipv4Addr>(needed()?, 32),
        "ip6" => network::<Ipv6Addr>(needed()?, 128),
        _ => None,
    }
}

/// A `domain-spec`. In a macro the case of a letter means something.
fn domain(text: &str) -> Option<String> {
    MacroText::domain(text)?;
    if text.contains('%') {
        return Some(text.to_owned());
    }
    Some(text.trim_end_matches('.').to_ascii_lowercase())
}

/// `[:domain][/n][//n]`, §5.6.
fn hosts(rest: &str) -> Option<(Option<String>, (u8, u8))> {
    let (front, six) = match trailing(rest, "//") {
        Some((front, digits)) => (front, length(digits, 128)?),
        None => (rest, 128),
    };
    let (name, four) = match trailing(front, "/") {
        Some((name, digits)) => (name, length(digits, 32)?),
        None => (front, 32),
    };
    let name = match name.strip_prefix(':') {
        Some(name) => Some(domain(name)?),
        None if name.is_empty() => None,
        None => return None,
    };
    Some((name, (four, six)))
}

/// What is in front of a slash and digits at the end. A name may have slashes in it.
fn trailing<'t>(text: &'t str, slash: &str) -> Option<(&'t str, &'t str)> {
    let (front, digits) = text.rsplit_once(slash)?;
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then_some((front, digits))
}

/// RFC 7208 §12: digits, no zero before others.
fn length(text: &str, most: u8) -> Option<u8> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = digits && (text == "0" || !text.starts_with('0'));
    let length = plain.then(|| text.parse().ok()).flatten();
    length.filter(|length| *length <= most)
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
pub(crate) fn within(address: IpAddr, network: IpAddr, bits: u8) -> bool {
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
                Mechanism::Exists("%{i}.x.example".to_owned()),
                Mechanism::Ptr(None),
                Mechanism::All,
            ]
        );
        assert_eq!(spf.lookups(), 6);
        assert_eq!(spf.terms[7].result, Qualifier::Neutral);
        let other = Spf::parse("V=SPF1 redirect=_spf.example.org unknown=x").unwrap();
        assert_eq!(other.others().collect::<Vec<_>>(), ["_spf.example.org"]);
        assert_eq!(other.lookups(), 1);
        // §6.1: behind `all` a redirect is not looked at.
        assert_eq!(Spf::parse("v=spf1 -all redirect=x.y").unwrap().lookups(), 0);
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
            "redirect=x",
            "exp=x.example exp=y",
            "a:x",
            "include:%{c}.example",
            "a/032",
            "moo=%",
            "ptr:",
        ] {
            let told = Spf::parse(&format!("v=spf1 {word} -all")).unwrap_err();
            let last = word.split(' ').next_back().unwrap();
            assert!(told.contains(last), "{told}");
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
