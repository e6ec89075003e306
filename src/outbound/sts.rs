//! MTA-STS, RFC 8461: records and policies, pure.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::base::hex;

/// RFC 8461 §3.2: no policy is kept for longer.
const LONGEST: u64 = 31_557_600;

/// What a domain asks of those who send to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StsPolicy {
    /// How strictly.
    pub mode: Mode,
    /// Hosts, or `*.` and a domain.
    mx: Vec<String>,
    /// How long senders may keep it.
    pub max_age: Duration,
}

/// How strictly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// No delivery to a host that does not comply.
    Enforce,
    /// Delivery all the same, but it is counted.
    Testing,
    /// No policy (any more).
    None,
}

/// The id in the TXT records of `_mta-sts.DOMAIN`, RFC 8461 §3.1: there must be exactly one record
/// of this kind.
#[must_use]
pub fn record_id(texts: &[String]) -> Option<String> {
    let is_sts = |text: &&String| {
        let version = text.split(';').next().unwrap_or_default();
        version.trim() == "v=STSv1"
    };
    let mut records = texts.iter().filter(is_sts);
    let (record, None) = (records.next()?, records.next()) else {
        return None;
    };
    let field = |field: &str| {
        let (name, value) = field.split_once('=')?;
        (name.trim() == "id").then(|| value.trim().to_owned())
    };
    let id = record.split(';').find_map(field)?;
    let is_legal = (1..=32).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric());
    is_legal.then_some(id)
}

impl fmt::Display for StsPolicy {
    /// The text of RFC 8461 §3.2, as it is served.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = match self.mode {
            Mode::Enforce => "enforce",
            Mode::Testing => "testing",
            Mode::None => "none",
        };
        write!(f, "version: STSv1\r\nmode: {mode}\r\n")?;
        for host in &self.mx {
            write!(f, "mx: {host}\r\n")?;
        }
        write!(f, "max_age: {}\r\n", self.max_age.as_secs())
    }
}

impl StsPolicy {
    /// A policy of ours; hosts are lower case, ASCII, or `*.` and such a domain.
    #[must_use]
    pub fn new(mode: Mode, mx: Vec<String>, max_age: Duration) -> Self {
        Self { mode, mx, max_age }
    }

    /// The id of its record, which is another one for each policy (§3.1).
    #[must_use]
    pub fn id(&self) -> String {
        let digest = Sha256::digest(self.to_string());
        hex(digest.get(..8).unwrap_or_default())
    }

    /// Reads a policy file, RFC 8461 §3.2.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (mut version, mut mode, mut max_age, mut mx) = (None, None, None, Vec::new());
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let (key, value) = line
                .split_once(':')
                .ok_or_else(|| "it has a line without a colon".to_owned())?;
            let value = value.trim();
            match key.trim() {
                // The first one counts, §3.2.
                "version" => version = version.or(Some(value)),
                "mode" => mode = mode.or(Some(value)),
                "max_age" => max_age = max_age.or(Some(value)),
                "mx" => {
                    let end = |c: char| c == '.' || c.is_whitespace();
                    mx.push(value.trim_end_matches(end).to_ascii_lowercase());
                }
                _ => {}
            }
        }
        if version != Some("STSv1") {
            return Err("its version is not STSv1".to_owned());
        }
        let mode = match mode {
            Some("enforce") => Mode::Enforce,
            Some("testing") => Mode::Testing,
            Some("none") => Mode::None,
            _ => return Err("its mode is none of enforce, testing, none".to_owned()),
        };
        let max_age = max_age.and_then(|age| age.parse().ok());
        let max_age: u64 = max_age.ok_or_else(|| "it has no max_age".to_owned())?;
        if mx.is_empty() && mode != Mode::None {
            return Err("it names no mx".to_owned());
        }
        Ok(Self {
            mode,
            mx,
            max_age: Duration::from_secs(max_age.min(LONGEST)),
        })
    }

    /// The hosts that it names; `*.` stands for one label.
    #[must_use]
    pub fn hosts(&self) -> &[String] {
        &self.mx
    }

    /// RFC 8461 §4.1: may mail go to this host? A wildcard stands for one label.
    #[must_use]
    pub fn covers(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        self.mx
            .iter()
            .any(|pattern| match pattern.strip_prefix("*.") {
                None => *pattern == host,
                Some(domain) => host
                    .split_once('.')
                    .is_some_and(|(label, rest)| !label.is_empty() && rest == domain),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_its_id_follows_it() {
        let mx = vec!["mx.example.org".to_owned(), "*.example.net".to_owned()];
        let policy = StsPolicy::new(Mode::Testing, mx.clone(), Duration::from_secs(86_400));
        assert_eq!(StsPolicy::parse(&policy.to_string()), Ok(policy.clone()));
        let record = format!("v=STSv1; id={};", policy.id());
        assert_eq!(record_id(&[record]), Some(policy.id()));
        let enforced = StsPolicy::new(Mode::Enforce, mx, Duration::from_secs(86_400));
        assert_ne!(policy.id(), enforced.id());
    }

    #[test]
    fn records_are_found_among_others() {
        for (texts, expected) in [
            (
                &["v=STSv1; id=20160831085700Z;"][..],
                Some("20160831085700Z"),
            ),
            (&["v=spf1 -all", "v=STSv1;id=1"], Some("1")),
            (&["v=STSv1; id=1;", "v=STSv1; id=2;"], None),
            (&["v=STSv2; id=1;"], None),
            (&["v=STSv1;"], None),
            (&["v=STSv1; id=a-b"], None),
            (&[], None),
        ] {
            let texts: Vec<_> = texts.iter().map(|&text| text.to_owned()).collect();
            assert_eq!(record_id(&texts).as_deref(), expected, "{texts:?}");
        }
    }

    #[test]
    fn policies_are_read() {
        let text = "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\n\
                    mx: *.Example.net\r\nfuture: x\r\nmax_age: 604800\r\n";
        let policy = StsPolicy::parse(text).unwrap();
        assert_eq!(policy.mode, Mode::Enforce);
        assert_eq!(policy.max_age, Duration::from_secs(604_800));
        for (host, expected) in [
            ("mail.example.com", true),
            ("MAIL.example.com.", true),
            ("mail2.example.com", false),
            ("a.example.net", true),
            ("a.b.example.net", false),
            ("example.net", false),
            (".example.net", false),
        ] {
            assert_eq!(policy.covers(host), expected, "{host}");
        }
        let none = StsPolicy::parse("version: STSv1\nmode: none\nmax_age: 999999999999\n").unwrap();
        assert_eq!(none.max_age, Duration::from_secs(LONGEST));
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        for (text, expected) in [
            ("", "version"),
            ("version: STSv2\nmode: none\nmax_age: 1", "version"),
            ("version: STSv1\nmode: strict\nmax_age: 1\nmx: a", "mode"),
            ("version: STSv1\nmode: enforce\nmx: a", "max_age"),
            ("version: STSv1\nmode: enforce\nmax_age: 1", "mx"),
            ("<html>", "colon"),
        ] {
            let told = StsPolicy::parse(text).unwrap_err();
            assert!(told.contains(expected), "{text}: {told}");
        }
    }
}
