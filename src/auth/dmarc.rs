//! DMARC, RFC 9989: does what was proven belong to the domain that the reader sees in `From`? The
//! Organizational Domain is found by the DNS Tree Walk, so no list of public suffixes grows old
//! here.

use futures_util::future::join_all;

use super::lookup::Lookup;
use super::name;
use super::tags::{Tags, is_version};
use crate::mail::{AuthResult, DmarcPolicy};
use crate::net::DnsError;

/// RFC 9989 §4.10: names of more labels are cut to so many.
const LABELS: usize = 7;

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Record {
    policy: DmarcPolicy,
    /// `sp`: of domains below.
    below: Option<DmarcPolicy>,
    /// `np`: of domains below that do not exist.
    absent: Option<DmarcPolicy>,
    suffix: Suffix,
    strict_spf: bool,
    strict_dkim: bool,
    /// `t=y`: one step less than it says.
    is_test: bool,
}

/// `psd`: is it a public suffix?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Suffix {
    Yes,
    No,
    Unsaid,
}

/// What the DNS says of an author's domain, and which of the domains that may be proven belong to
/// it. Asked before it is known what is proven: slow name servers of others take no time from it.
#[derive(Debug)]
pub(super) struct Discovery {
    pub(super) author: String,
    organization: String,
    found: Result<Option<Rules>, DnsError>,
    /// Other domains, and whether they are of the same organisation.
    related: Vec<(String, Result<bool, DnsError>)>,
}

#[derive(Debug)]
struct Rules {
    asked: DmarcPolicy,
    strict_spf: bool,
    strict_dkim: bool,
}

/// What a method proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Proof {
    pub(super) domain: String,
    pub(super) result: AuthResult,
    pub(super) by: By,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Spf,
    Dkim,
}

impl Record {
    /// `None`: it is none that counts (RFC 9989 §4.7, §4.10.1).
    fn parse(text: &str) -> Option<Self> {
        let tags = Tags::parse(text).ok()?;
        tags.begins("v", "DMARC1").then_some(())?;
        let policy = |tag: &str| tags.get(tag).and_then(policy);
        let is = |tag: &str, value: &str| {
            let found = tags.get(tag);
            found.is_some_and(|found| found.eq_ignore_ascii_case(value))
        };
        Some(Self {
            // A record with a policy that cannot be read asks for nothing.
            policy: policy("p").unwrap_or(DmarcPolicy::None),
            below: policy("sp"),
            absent: policy("np"),
            suffix: match () {
                () if is("psd", "y") => Suffix::Yes,
                () if is("psd", "n") => Suffix::No,
                () => Suffix::Unsaid,
            },
            strict_spf: is("aspf", "s"),
            strict_dkim: is("adkim", "s"),
            is_test: is("t", "y"),
        })
    }
}

fn policy(text: &str) -> Option<DmarcPolicy> {
    [
        DmarcPolicy::None,
        DmarcPolicy::Quarantine,
        DmarcPolicy::Reject,
    ]
    .into_iter()
    .find(|policy| policy.as_str().eq_ignore_ascii_case(text))
}

/// Finds out what can be found out before anything is proven. `candidates` are the domains that
/// SPF or a signature may prove.
pub(super) async fn discover(
    author: &str,
    candidates: &[String],
    lookup: &Lookup<'_>,
) -> Discovery {
    let (found, organization) = match walk(author, lookup).await {
        Ok(records) => {
            let organization = organization(author, &records);
            let rules = rules(author, (&organization, &records), lookup).await;
            (rules, organization)
        }
        Err(error) => (Err(error), author.to_owned()),
    };
    let is_sure = found.is_ok();
    let related = candidates.iter().map(|candidate| {
        let organization = &organization;
        async move {
            let related = if candidate == author || candidate == organization {
                Ok(true)
            } else if is_sure && !name::is_within(candidate, organization) {
                Ok(false)
            } else {
                let records = walk(candidate, lookup).await;
                records.map(|records| self::organization(candidate, &records) == *organization)
            };
            (candidate.clone(), related)
        }
    });
    Discovery {
        related: join_all(related).await,
        author: author.to_owned(),
        organization,
        found,
    }
}

async fn rules(
    author: &str,
    (organization, records): (&str, &[(String, Record)]),
    lookup: &Lookup<'_>,
) -> Result<Option<Rules>, DnsError> {
    // RFC 9989 §4.10.1: the domain's own record, that of its organisation, that of the suffix.
    let at = |name: &str| records.iter().find(|(it, _)| it == name);
    let suffix = || records.iter().find(|(_, it)| it.suffix == Suffix::Yes);
    let Some((place, record)) = at(author).or_else(|| at(organization)).or_else(suffix) else {
        return Ok(None);
    };
    let asked = if place == author {
        record.policy
    } else {
        let below = record.below.unwrap_or(record.policy);
        match record.absent {
            Some(absent) if lookup.is_absent(author).await? => absent,
            Some(_) | None => below,
        }
    };
    let asked = match (record.is_test, asked) {
        (true, DmarcPolicy::Reject) => DmarcPolicy::Quarantine,
        (true, _) => DmarcPolicy::None,
        (false, asked) => asked,
    };
    Ok(Some(Rules {
        asked,
        strict_spf: record.strict_spf,
        strict_dkim: record.strict_dkim,
    }))
}

/// The DNS Tree Walk, RFC 9989 §4.10: records from the name itself upwards.
async fn walk(name: &str, lookup: &Lookup<'_>) -> Result<Vec<(String, Record)>, DnsError> {
    let asked = steps(name).into_iter().map(|step| async move {
        let is_meant = |text: &str| is_version(text, "v=DMARC1");
        let texts = lookup.texts(&format!("_dmarc.{step}"), is_meant).await;
        texts.map(|texts| (step, texts))
    });
    let mut records = Vec::new();
    for answer in join_all(asked).await {
        let (step, texts) = answer?;
        let mut found = texts.iter().filter_map(|text| Record::parse(text));
        // RFC 9989 §4.10: several are none.
        if let (Some(record), None) = (found.next(), found.next()) {
            let ends = record.suffix != Suffix::Unsaid;
            records.push((step, record));
            if ends {
                break;
            }
        }
    }
    Ok(records)
}

/// The names of a walk.
fn steps(name: &str) -> Vec<String> {
    let labels: Vec<&str> = name.split('.').collect();
    let mut steps = vec![name.to_owned()];
    let longest = (labels.len() - 1).min(LABELS);
    for count in (1..=longest).rev() {
        let rest = labels.get(labels.len() - count..).unwrap_or_default();
        steps.push(rest.join("."));
    }
    steps
}

/// RFC 9989 §4.10.2.
fn organization(name: &str, records: &[(String, Record)]) -> String {
    if let Some((own, _)) = records.iter().find(|(_, it)| it.suffix == Suffix::No) {
        return own.clone();
    }
    let is_suffix = |(at, it): &&(String, Record)| it.suffix == Suffix::Yes && at != name;
    if let Some((suffix, _)) = records.iter().find(is_suffix) {
        let front = name.strip_suffix(suffix.as_str()).unwrap_or_default();
        let label = front.trim_end_matches('.').rsplit('.').next();
        return format!("{}.{suffix}", label.unwrap_or_default());
    }
    let top = records.last().map(|(top, _)| top.clone());
    top.unwrap_or_else(|| name.to_owned())
}

impl Discovery {
    /// What the owner asks for.
    pub(super) fn asked(&self) -> Option<DmarcPolicy> {
        let rules = self.found.as_ref().ok()?.as_ref()?;
        Some(rules.asked)
    }

    /// Is the domain of the same organisation? `None`: it could not be found out.
    pub(super) fn is_related(&self, domain: &str) -> Option<bool> {
        let found = self.related.iter().find(|(it, _)| it == domain);
        found.and_then(|(_, related)| related.as_ref().ok().copied())
    }

    /// Is it the author's domain, or its organisation's?
    fn is_own(&self, proof: &Proof) -> bool {
        proof.domain == self.author || proof.domain == self.organization
    }

    /// Did it fail with something unknown that may belong to the author?
    pub(super) fn is_unsure(&self, proofs: &[Proof]) -> bool {
        proofs.iter().any(|proof| {
            let is_other = self.is_related(&proof.domain) == Some(false);
            proof.result == AuthResult::TempError && !is_other
        })
    }

    /// The result, RFC 9989 §5.3. Only an error of the author's own domain or its organisation's
    /// makes it a temporary one: below them anybody finds a name whose servers fail.
    pub(super) fn result(&self, proofs: &[Proof]) -> AuthResult {
        let rules = match &self.found {
            Err(_) => return AuthResult::TempError,
            Ok(None) => return AuthResult::None,
            Ok(Some(rules)) => rules,
        };
        let mut result = AuthResult::Fail;
        for proof in proofs {
            let strict = match proof.by {
                By::Spf => rules.strict_spf,
                By::Dkim => rules.strict_dkim,
            };
            let aligned = if strict {
                Some(proof.domain == self.author)
            } else {
                self.is_related(&proof.domain)
            };
            match (aligned, proof.result) {
                (Some(true), AuthResult::Pass) => return AuthResult::Pass,
                (None, AuthResult::Pass) => result = AuthResult::TempError,
                (Some(true) | None, AuthResult::TempError) if self.is_own(proof) => {
                    result = AuthResult::TempError;
                }
                _ => {}
            }
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(text: &str) -> Record {
        Record::parse(&format!("v=DMARC1; {text}")).unwrap()
    }

    #[test]
    fn records_are_read() {
        let read = record("p=reject; sp=quarantine; np=none; aspf=s; t=y; psd=n; rua=mailto:x@y");
        assert_eq!(read.policy, DmarcPolicy::Reject);
        assert_eq!(read.below, Some(DmarcPolicy::Quarantine));
        assert_eq!(read.absent, Some(DmarcPolicy::None));
        assert!(read.strict_spf && !read.strict_dkim && read.is_test);
        assert_eq!(read.suffix, Suffix::No);
        assert_eq!(record("p=strange").policy, DmarcPolicy::None);
        for wrong in ["p=none; v=DMARC1", "v=DMARC2; p=none", "v=DMARC1; p", "spf"] {
            assert_eq!(Record::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_walk_goes_upwards() {
        assert_eq!(
            steps("a.mail.example.com"),
            [
                "a.mail.example.com",
                "mail.example.com",
                "example.com",
                "com"
            ]
        );
        assert_eq!(steps("com"), ["com"]);
        let deep = "a.b.c.d.e.f.g.h.i.j.mail.example.com";
        let names = steps(deep);
        assert_eq!(names.len(), 8);
        assert_eq!(names[1], "g.h.i.j.mail.example.com");
    }

    /// RFC 9989 §4.10.2.
    #[test]
    fn the_organisation_is_found() {
        let at = |name: &str, text: &str| (name.to_owned(), record(text));
        let name = "a.mail.example.com";
        assert_eq!(organization(name, &[]), name);
        let two = [
            at("mail.example.com", "p=none"),
            at("example.com", "p=none"),
        ];
        assert_eq!(organization(name, &two), "example.com");
        let suffix = [at("example.com", "p=none"), at("com", "p=none; psd=y")];
        assert_eq!(organization(name, &suffix), "example.com");
        let own = [at("mail.example.com", "p=none; psd=n")];
        assert_eq!(organization(name, &own), "mail.example.com");
        assert_eq!(organization("com", &[at("com", "psd=y")]), "com");
    }
}
