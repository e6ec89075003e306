//! An SPF record with all that it takes in: what it costs, and whom it lets send.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::finding::{Finding, Subject, Verdict, list};
use crate::auth::spf::{Mechanism, Qualifier, Spf, within};

/// RFC 7208 §4.6.4: more look-ups are an error.
const LOOKUPS: usize = 10;
/// Counting ends here: a circle has no end.
const ENOUGH: usize = 100;
/// No deeper than anybody follows.
const DEPTH: usize = 20;

/// What was asked for, and came.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// The SPF texts of a domain; `None`: nobody answered.
    pub(super) texts: BTreeMap<String, Option<Vec<String>>>,
    /// The addresses behind `a` and `mx`; `None`: nobody answered.
    pub(super) addresses: BTreeMap<Source, Option<Vec<IpAddr>>>,
}

/// Whose addresses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Source {
    A(String),
    Mx(String),
}

/// What must still be asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Needs {
    pub(super) texts: BTreeSet<String>,
    pub(super) addresses: BTreeSet<Source>,
}

/// What a record says of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Match(Qualifier),
    Nothing,
    /// It depends on what is not known here: macros, `ptr`, `exists`, what was not answered.
    Open,
}

impl Gathered {
    fn spf(&self, domain: &str) -> Option<Spf> {
        let texts = self.texts.get(domain)?.as_ref()?;
        let [text] = texts.as_slice() else {
            return None;
        };
        Spf::parse(text).ok()
    }

    /// All domains whose records count, the domain itself first.
    fn reached(&self, domain: &str) -> Vec<(String, Spf)> {
        let mut reached: Vec<(String, Spf)> = Vec::new();
        let mut next = vec![domain.to_owned()];
        for _ in 0..DEPTH {
            let mut later = Vec::new();
            for name in std::mem::take(&mut next) {
                let Some(spf) = self.spf(&name) else { continue };
                if reached.iter().any(|(known, _)| *known == name) {
                    continue;
                }
                later.extend(spf.others().map(str::to_owned));
                reached.push((name, spf));
            }
            next = later;
        }
        reached
    }

    /// What must be asked before more can be said; a macro cannot be asked for.
    pub(super) fn needs(&self, domain: &str) -> Needs {
        let mut needs = Needs::default();
        for (name, spf) in self.reached(domain) {
            let others = spf.others().filter(|it| !it.contains('%'));
            let others = others.filter(|it| !self.texts.contains_key(*it));
            needs.texts.extend(others.map(str::to_owned));
            for term in &spf.terms {
                let source = source(&term.mechanism, &name);
                let source = source.filter(|it| !self.addresses.contains_key(it));
                needs.addresses.extend(source);
            }
        }
        needs
    }

    /// The look-ups of a record with all that it takes in, added to `count`.
    fn lookups(&self, domain: &str, mut count: usize) -> usize {
        let Some(spf) = self.spf(domain) else {
            return count;
        };
        count += spf.lookups();
        for other in spf.others() {
            if count > ENOUGH {
                break;
            }
            count = self.lookups(other, count);
        }
        count
    }

    fn says(&self, domain: &str, address: IpAddr, depth: usize) -> Said {
        let Some(spf) = self.spf(domain).filter(|_| depth < DEPTH) else {
            return Said::Open;
        };
        let mut open = false;
        for term in &spf.terms {
            match self.matches(&term.mechanism, domain, (address, depth)) {
                Some(true) if open => return Said::Open,
                Some(true) => return Said::Match(term.result),
                Some(false) => {}
                None => open = true,
            }
        }
        match &spf.redirect {
            _ if open => Said::Open,
            Some(other) => self.says(other, address, depth + 1),
            None => Said::Nothing,
        }
    }

    /// `None`: it cannot be said.
    fn matches(&self, mechanism: &Mechanism, domain: &str, at: (IpAddr, usize)) -> Option<bool> {
        let (address, depth) = at;
        match mechanism {
            Mechanism::All => Some(true),
            Mechanism::Ip(network, bits) => Some(within(address, *network, *bits)),
            // §5.2: an include matches when it says pass.
            Mechanism::Include(other) => match self.says(other, address, depth + 1) {
                Said::Match(Qualifier::Pass) => Some(true),
                Said::Match(_) | Said::Nothing => Some(false),
                Said::Open => None,
            },
            Mechanism::A(_, bits) | Mechanism::Mx(_, bits) => {
                let found = self.addresses.get(&source(mechanism, domain)?)?.as_ref()?;
                let bits = if address.is_ipv4() { bits.0 } else { bits.1 };
                Some(found.iter().any(|network| within(address, *network, bits)))
            }
            Mechanism::Ptr(_) | Mechanism::Exists(_) => None,
        }
    }
}

fn source(mechanism: &Mechanism, domain: &str) -> Option<Source> {
    let name = |other: &Option<String>| other.clone().unwrap_or_else(|| domain.to_owned());
    let source = match mechanism {
        Mechanism::A(other, _) => Source::A(name(other)),
        Mechanism::Mx(other, _) => Source::Mx(name(other)),
        Mechanism::All
        | Mechanism::Include(_)
        | Mechanism::Ptr(_)
        | Mechanism::Ip(..)
        | Mechanism::Exists(_) => return None,
    };
    let is_macro = match &source {
        Source::A(name) | Source::Mx(name) => name.contains('%'),
    };
    (!is_macro).then_some(source)
}

/// Whom the record should let send.
#[derive(Debug, Default)]
pub(super) struct Senders {
    /// Our addresses, if we send to strangers ourselves.
    pub(super) ours: Vec<IpAddr>,
    /// Records that manuals of platforms tell to include, with the platform.
    pub(super) platforms: Vec<(String, &'static str)>,
}

fn finding(verdict: Verdict, text: impl Into<String>) -> Finding {
    Finding::new(Subject::Spf, verdict, text)
}

/// The records of a domain.
pub(super) fn judge(domain: &str, gathered: &Gathered, senders: &Senders) -> Vec<Finding> {
    let texts = gathered.texts.get(domain).and_then(Option::as_deref);
    let spf = match texts.unwrap_or_default() {
        [] => {
            let text = "there is none: receivers cannot tell who may send for the domain";
            return vec![finding(Verdict::Note, text)];
        }
        [text] => match Spf::parse(text) {
            Ok(spf) => spf,
            Err(what) => return vec![finding(Verdict::Wrong, format!("it fails: {what}"))],
        },
        // RFC 7208 §4.5.
        [..] => {
            let text = "there is more than one record: it fails; make one of them";
            return vec![finding(Verdict::Wrong, text)];
        }
    };
    let reached = gathered.reached(domain);
    let mut findings = cost(domain, gathered, &reached);
    findings.extend(ending(&spf));
    // A record that fails covers nobody; and what costs little is soon looked through.
    if gathered.lookups(domain, 0) <= LOOKUPS {
        findings.extend(covers(domain, gathered, &senders.ours));
    }
    for (include, platform) in &senders.platforms {
        if !reached.iter().any(|(name, _)| name == include) {
            let text = format!(
                "it does not include {include}: right only if {platform} sends nothing itself"
            );
            findings.push(finding(Verdict::Note, text));
        }
    }
    findings
}

fn cost(domain: &str, gathered: &Gathered, reached: &[(String, Spf)]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let known = |name: &str| reached.iter().any(|(reached, _)| reached == name);
    let others: BTreeSet<&str> = reached.iter().flat_map(|(_, spf)| spf.others()).collect();
    for name in others.into_iter().filter(|it| !known(it)) {
        let (verdict, what) = match gathered.texts.get(name) {
            _ if name.contains('%') => continue,
            None | Some(None) => (Verdict::Unanswered, "is not answered"),
            // RFC 7208 §5.2: an include without a record is an error of the whole.
            Some(Some(texts)) if texts.is_empty() => {
                (Verdict::Wrong, "has no SPF record, which makes it fail")
            }
            Some(Some(_)) => (Verdict::Wrong, "is wrong itself, which makes it fail"),
        };
        findings.push(finding(verdict, format!("its include {name} {what}")));
    }
    let count = gathered.lookups(domain, 0);
    findings.push(if count > LOOKUPS {
        let text = format!("it takes {count} look-ups, {LOOKUPS} are allowed: it fails");
        finding(Verdict::Wrong, text)
    } else {
        let text = format!("it takes {count} look-ups of {LOOKUPS}");
        finding(Verdict::Good, text)
    });
    findings
}

fn ending(spf: &Spf) -> Option<Finding> {
    let all = spf.terms.iter().find(|it| it.mechanism == Mechanism::All);
    match all.map(|it| it.result) {
        Some(Qualifier::Pass) => {
            let text = "it ends in +all: everybody may send for the domain";
            Some(finding(Verdict::Wrong, text))
        }
        Some(Qualifier::Neutral) => {
            Some(finding(Verdict::Note, "it ends in ?all: it says nothing"))
        }
        None if spf.redirect.is_none() => {
            let text = "it has no all: of everybody else it says nothing";
            Some(finding(Verdict::Note, text))
        }
        Some(Qualifier::Fail | Qualifier::SoftFail) | None => None,
    }
}

fn covers(domain: &str, gathered: &Gathered, ours: &[IpAddr]) -> Option<Finding> {
    let says = |address: &IpAddr| gathered.says(domain, *address, 0);
    let shown = |wanted: &dyn Fn(Said) -> bool| {
        let found = ours.iter().filter(|address| wanted(says(address)));
        let found: Vec<String> = found.map(ToString::to_string).collect();
        list(&found.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let pass = Said::Match(Qualifier::Pass);
    let missing = shown(&|said| said != pass && said != Said::Open);
    let open = shown(&|said| said == Said::Open);
    if !missing.is_empty() {
        let text = format!(
            "it does not name this server ({missing}), which sends to strangers itself: webmail \
             and reports of the domain fail SPF; add ip4 or ip6"
        );
        return Some(finding(Verdict::Waits, text));
    }
    if !open.is_empty() {
        let text = format!(
            "whether it names this server ({open}) cannot be said: it has macros, \
                            ptr or exists, or something was not answered"
        );
        return Some(finding(Verdict::Note, text));
    }
    (!ours.is_empty()).then(|| finding(Verdict::Good, "it names this server"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gathered(records: &[(&str, &str)]) -> Gathered {
        let mut gathered = Gathered::default();
        for (domain, text) in records {
            let texts = gathered.texts.entry((*domain).to_owned()).or_default();
            texts.get_or_insert_default().push((*text).to_owned());
        }
        gathered
    }

    fn senders(address: &str) -> Senders {
        Senders {
            ours: vec![address.parse().unwrap()],
            platforms: vec![("spf.protection.outlook.com".to_owned(), "Exchange Online")],
        }
    }

    fn told(gathered: &Gathered, address: &str) -> Vec<(Verdict, String)> {
        let findings = judge("example.org", gathered, &senders(address));
        findings
            .into_iter()
            .map(|it| (it.verdict, it.text))
            .collect()
    }

    #[test]
    fn what_is_taken_in_counts() {
        let known = gathered(&[
            (
                "example.org",
                "v=spf1 a:mx.example.org include:spf.protection.outlook.com -all",
            ),
            (
                "spf.protection.outlook.com",
                "v=spf1 ip4:198.51.100.0/24 include:x.example -all",
            ),
        ]);
        let needs = known.needs("example.org");
        assert_eq!(needs.texts.iter().collect::<Vec<_>>(), ["x.example"]);
        let source = Source::A("mx.example.org".to_owned());
        assert_eq!(needs.addresses.iter().collect::<Vec<_>>(), [&source]);

        let mut known = gathered(&[
            (
                "example.org",
                "v=spf1 a:mx.example.org include:spf.protection.outlook.com -all",
            ),
            (
                "spf.protection.outlook.com",
                "v=spf1 ip4:198.51.100.0/24 include:x.example -all",
            ),
            ("x.example", "v=spf1 ip4:203.0.113.7 ~all"),
        ]);
        let ours = vec!["192.0.2.1".parse().unwrap()];
        known.addresses.insert(source, Some(ours));
        assert_eq!(known.needs("example.org"), Needs::default());
        for (address, verdict) in [
            ("192.0.2.1", Verdict::Good),
            ("198.51.100.9", Verdict::Good),
            ("203.0.113.7", Verdict::Good),
            ("203.0.113.8", Verdict::Waits),
        ] {
            let told = told(&known, address);
            assert_eq!(
                told[0],
                (Verdict::Good, "it takes 3 look-ups of 10".to_owned())
            );
            assert_eq!(told.last().unwrap().0, verdict, "{address}: {told:?}");
        }
    }

    #[test]
    fn records_that_fail_are_wrong() {
        let many: Vec<String> = (0..11).map(|at| format!("exists:{at}.example")).collect();
        let many = format!("v=spf1 {} -all", many.join(" "));
        for (records, words) in [
            (
                &[
                    ("example.org", "v=spf1 -all"),
                    ("example.org", "v=spf1 a -all"),
                ][..],
                "more than one",
            ),
            (&[("example.org", "v=spf1 ip4:x -all")], "ip4:x"),
            (&[("example.org", "v=spf1 +all")], "everybody"),
            (&[("example.org", many.as_str())], "11 look-ups"),
            // A circle of includes costs more look-ups than there may be.
            (
                &[("example.org", "v=spf1 include:example.org -all")],
                "allowed",
            ),
        ] {
            let told = told(&gathered(records), "192.0.2.1");
            let wrong = told.iter().find(|it| it.0 == Verdict::Wrong).unwrap();
            assert!(wrong.1.contains(words), "{told:?}");
        }
        let mut missing = gathered(&[("example.org", "v=spf1 include:gone.example -all")]);
        missing
            .texts
            .insert("gone.example".to_owned(), Some(Vec::new()));
        assert!(told(&missing, "192.0.2.1")[0].1.contains("no SPF record"));
        missing.texts.insert("gone.example".to_owned(), None);
        assert_eq!(told(&missing, "192.0.2.1")[0].0, Verdict::Unanswered);
    }

    #[test]
    fn what_cannot_be_said_is_not_said() {
        for text in [
            "v=spf1 ptr -all",
            "v=spf1 exists:%{i}.x.example -all",
            "v=spf1 include:%{d}.x.example -all",
            "v=spf1 mx -all",
        ] {
            let told = told(&gathered(&[("example.org", text)]), "192.0.2.1");
            let said = told.iter().any(|it| it.1.contains("cannot be said"));
            assert!(said, "{text}: {told:?}");
        }
    }

    #[test]
    fn what_a_platform_needs_is_named() {
        let told = told(
            &gathered(&[("example.org", "v=spf1 ip4:192.0.2.1")]),
            "192.0.2.1",
        );
        let texts: Vec<_> = told.iter().map(|it| it.1.as_str()).collect();
        assert!(texts[1].contains("no all"), "{texts:?}");
        assert!(texts[2].contains("it names this server"), "{texts:?}");
        assert!(texts[3].contains("spf.protection.outlook.com"), "{texts:?}");
        assert_eq!(told.len(), 4);
    }
}
