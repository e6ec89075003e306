//! Where the mail of a domain goes: here, around us, or not here yet.

use std::time::Duration;

use super::finding::{Finding, Subject, Verdict, list};
use crate::terminal::duration;

/// With a longer TTL a cutover is a matter of hours.
const LONG: Duration = Duration::from_secs(15 * 60);

/// A host that an MX record names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Exchanger {
    pub(super) preference: u16,
    /// Empty: the domain takes no mail (RFC 7505).
    pub(super) host: String,
    pub(super) whose: Whose,
    pub(super) name: NameOf,
}

/// Whose it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Whose {
    /// By its name or by its address.
    Ours,
    /// In words.
    Of(String),
    Unknown,
}

/// What stands behind the name of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NameOf {
    /// Addresses, or nobody answered.
    Host,
    /// An alias.
    Alias,
    /// Nothing.
    Nothing,
}

impl Exchanger {
    fn shown(&self) -> String {
        match &self.whose {
            Whose::Ours | Whose::Unknown => format!("{} ({})", self.host, self.preference),
            Whose::Of(owner) => format!("{} ({}, {owner})", self.host, self.preference),
        }
    }
}

fn finding(verdict: Verdict, text: String) -> Finding {
    Finding::new(Subject::Mx, verdict, text)
}

/// What the records of a domain mean for mail that shall come to `hostname`.
pub(super) fn judge(exchangers: &[Exchanger], ttl: Duration, hostname: &str) -> Vec<Finding> {
    if exchangers.is_empty() {
        let text = format!(
            "there is none: senders try the address of the domain itself; it must name {hostname}"
        );
        return vec![finding(Verdict::Waits, text)];
    }
    if exchangers.iter().all(|it| it.host.is_empty()) {
        let text = format!("the domain says that it takes no mail; it must name {hostname}");
        return vec![finding(Verdict::Waits, text)];
    }
    let shown = |wanted: &dyn Fn(&Exchanger) -> bool| {
        let hosts: Vec<_> = exchangers.iter().filter(|it| wanted(it)).collect();
        let hosts: Vec<_> = hosts.into_iter().map(Exchanger::shown).collect();
        list(&hosts.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let ours = |it: &Exchanger| it.whose == Whose::Ours;
    let others = |it: &Exchanger| !ours(it);
    let mut findings = Vec::new();
    if exchangers.iter().all(ours) {
        let text = format!(
            "{}: all mail comes here; a change takes up to {} to be seen everywhere",
            shown(&ours),
            duration(ttl)
        );
        findings.push(finding(Verdict::Good, text));
    } else if exchangers.iter().any(ours) {
        let text = format!(
            "mail can go around this server: {} stands beside {}; take it out",
            shown(&others),
            shown(&ours)
        );
        findings.push(Finding {
            seconds: Some(ttl.as_secs()),
            ..finding(Verdict::Wrong, text)
        });
    } else {
        findings.extend(elsewhere(&shown(&others), ttl, hostname));
    }
    findings.extend(exchangers.iter().filter_map(broken));
    findings
}

fn elsewhere(hosts: &str, ttl: Duration, hostname: &str) -> Vec<Finding> {
    let left = duration(ttl);
    let text = format!(
        "mail goes to {hosts}, not here; it must name {hostname}, and from then on resolvers may \
         keep the old MX for up to {left}"
    );
    let mut findings = vec![Finding {
        seconds: Some(ttl.as_secs()),
        ..finding(Verdict::Waits, text)
    }];
    if ttl > LONG {
        let text = format!("its TTL is {left}: set 5 min now, and change the MX {left} later");
        findings.push(finding(Verdict::Waits, text));
    }
    findings
}

fn broken(it: &Exchanger) -> Option<Finding> {
    let what = match it.name {
        NameOf::Host => return None,
        // RFC 5321 §5.1, RFC 2181 §10.3.
        NameOf::Alias => "is an alias (CNAME), which an MX must not name",
        NameOf::Nothing if it.host.is_empty() => "is no host",
        NameOf::Nothing => "has no address",
    };
    Some(finding(Verdict::Wrong, format!("{} {what}", it.shown())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mx(preference: u16, host: &str, whose: Whose) -> Exchanger {
        Exchanger {
            preference,
            host: host.to_owned(),
            whose,
            name: NameOf::Host,
        }
    }

    fn told(exchangers: &[Exchanger], minutes: u64) -> Vec<(Verdict, String)> {
        let ttl = Duration::from_secs(minutes * 60);
        let findings = judge(exchangers, ttl, "mx.example.org");
        findings
            .into_iter()
            .map(|it| (it.verdict, it.text))
            .collect()
    }

    #[test]
    fn each_way_of_pointing_is_told() {
        let here = || mx(10, "mx.example.org", Whose::Ours);
        let tenant = || {
            mx(
                20,
                "t.mail.protection.outlook.com",
                Whose::Of("cloud".to_owned()),
            )
        };
        let unknown = || mx(5, "old.example", Whose::Unknown);
        let nothing = || mx(0, "", Whose::Unknown);
        for (exchangers, minutes, expected, words) in [
            (
                vec![],
                5,
                vec![Verdict::Waits],
                "it must name mx.example.org",
            ),
            (vec![nothing()], 5, vec![Verdict::Waits], "takes no mail"),
            (
                vec![here()],
                5,
                vec![Verdict::Good],
                "mx.example.org (10): all mail comes here; a change takes up to 5 min",
            ),
            (
                vec![here(), tenant()],
                5,
                vec![Verdict::Wrong],
                "t.mail.protection.outlook.com (20, cloud) stands beside mx.example.org (10)",
            ),
            (
                vec![tenant()],
                5,
                vec![Verdict::Waits],
                "may keep the old MX for up to 5 min",
            ),
            (
                vec![unknown(), tenant()],
                60,
                vec![Verdict::Waits, Verdict::Waits],
                "old.example (5) and t.mail",
            ),
        ] {
            let told = told(&exchangers, minutes);
            let verdicts: Vec<_> = told.iter().map(|it| it.0).collect();
            assert_eq!(verdicts, expected, "{told:?}");
            assert!(told[0].1.contains(words), "{told:?}");
        }
        let slow = told(&[unknown()], 24 * 60);
        assert!(slow[1].1.contains("set 5 min now"), "{slow:?}");
    }

    #[test]
    fn hosts_that_are_none_are_wrong() {
        for (name, words) in [
            (NameOf::Alias, "is an alias"),
            (NameOf::Nothing, "has no address"),
        ] {
            let exchanger = Exchanger {
                name,
                ..mx(10, "mx.example.org", Whose::Ours)
            };
            let told = told(&[exchanger], 5);
            assert_eq!(told[1].0, Verdict::Wrong);
            assert!(told[1].1.contains(words), "{told:?}");
        }
    }
}
