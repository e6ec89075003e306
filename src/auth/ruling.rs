//! What is done about a message by what was found: a pure function of verdict, recipients and
//! config.

use std::collections::{BTreeMap, BTreeSet};

use super::Options;
use super::flaw::bound;
use crate::mail::{
    AuthMethod, AuthResult, DmarcPolicy, HoldReason, MethodResult, Recipient, Verdict,
};
use crate::smtp::Reply;

/// `dmarc` of a domain: what happens to mail for it that fails DMARC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Enforcement {
    /// The result is written into the header, and the mail goes on.
    #[default]
    Mark,
    /// What the author's domain wants quarantined or refused is held.
    Hold,
    /// What it wants refused is refused, what it wants quarantined is held.
    Reject,
}

/// What happens to mail from an address that is on a blocklist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Listed {
    /// That stands in the header, and the mail goes on.
    #[default]
    Mark,
    /// It is refused.
    Reject,
}

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// It is taken; these recipients are held.
    Take(Vec<(u16, HoldReason)>),
    /// It is refused.
    Refuse(Reply),
}

impl Options {
    /// What happens to mail for a domain.
    fn enforcement(&self, domain: &str) -> Enforcement {
        let own = self.domains.get(domain).copied();
        own.unwrap_or(self.dmarc)
    }
}

/// What is held against a message.
struct Charge {
    reason: HoldReason,
    /// May it be refused for that? Not when it might have passed but for a bound of ours.
    refusal: Option<Reply>,
}

fn charge(verdict: &Verdict) -> Option<Charge> {
    let line = verdict.dmarc()?;
    let domain = line.property("header.from").unwrap_or_default().to_owned();
    if line.result == AuthResult::PermError {
        // Who cannot be read cannot be asked what he wants.
        let policy = DmarcPolicy::Quarantine;
        return Some(Charge {
            reason: HoldReason::Dmarc { domain, policy },
            refusal: None,
        });
    }
    let policy = verdict.asks_for()?;
    let is_bounded = |it: &MethodResult| {
        let reason = it.reason.as_deref();
        reason.is_some_and(|it| bound::ALL.contains(&it))
    };
    let is_known = !verdict.of(AuthMethod::Dkim).any(is_bounded) && !is_bounded(line);
    let refusal = (policy == DmarcPolicy::Reject && is_known).then(|| {
        // RFC 7372 §3.3, RFC 9989 §7.
        let text = format!("DMARC failed for {domain}, which asks to reject such mail");
        Reply::with_text(550, (5, 7, 26), text)
    });
    Some(Charge {
        reason: HoldReason::Dmarc { domain, policy },
        refusal,
    })
}

/// The refusal of a client whose address is on a list: whoever is there by mistake learns where to
/// ask.
fn listed(verdict: &Verdict) -> Option<Reply> {
    let mut lines = verdict.of(AuthMethod::Dnsbl);
    let line = lines.find(|line| line.result == AuthResult::Fail)?;
    let zone = line.property("dns.zone").unwrap_or_default();
    let told = line.reason.as_deref().unwrap_or_default();
    // RFC 5321 §4.2: what a stranger publishes becomes no second line, and nothing but ASCII.
    let told = told.chars().filter(|it| matches!(it, ' '..='~'));
    let told: String = told.collect();
    let text = format!("your address is on the list {zone} {told}");
    Some(Reply::with_text(550, (5, 7, 1), text.trim_end().to_owned()))
}

/// Decides. A message has one reply: it is refused only if that is right for all its recipients;
/// else those for whom it would be refused are held.
#[must_use]
pub fn rule(
    verdict: &Verdict,
    (recipients, postmasters): (&[Recipient], &BTreeSet<u16>),
    options: &Options,
) -> Ruling {
    if options.listed == Listed::Reject
        && postmasters.is_empty()
        && let Some(reply) = listed(verdict)
    {
        return Ruling::Refuse(reply);
    }
    let Some(charge) = charge(verdict) else {
        return Ruling::Take(Vec::new());
    };
    // A dot at its end makes it no other domain.
    let wanted =
        |it: &Recipient| options.enforcement(it.address.domain().key().trim_end_matches('.'));
    // RFC 5321 §4.5.1: whoever has trouble with us can say so there.
    let is_refused = |(number, it): (u16, &Recipient)| {
        wanted(it) == Enforcement::Reject && !postmasters.contains(&number)
    };
    if let Some(reply) = charge.refusal
        && !recipients.is_empty()
        && (0..).zip(recipients).all(is_refused)
    {
        return Ruling::Refuse(reply);
    }
    let numbered = (0_u16..).zip(recipients);
    let held = numbered.filter(|(_, it)| wanted(it) != Enforcement::Mark);
    Ruling::Take(
        held.map(|(number, _)| (number, charge.reason.clone()))
            .collect(),
    )
}

/// Domains of ours with an enforcement of their own.
pub type Enforcements = BTreeMap<String, Enforcement>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::smtp::RcptParameters;

    fn verdict(policy: DmarcPolicy) -> Verdict {
        let dmarc = MethodResult::new(AuthMethod::Dmarc, AuthResult::Fail);
        Verdict {
            results: vec![dmarc.of("header.from", "bank.example")],
            policy: Some(policy),
            ..Verdict::default()
        }
    }

    fn to(domains: &[&str]) -> Vec<Recipient> {
        let one = |domain: &&str| Recipient {
            address: format!("ann@{domain}").parse().unwrap(),
            parameters: RcptParameters::default(),
            lane: "a".to_owned(),
            mailbox: None,
        };
        domains.iter().map(one).collect()
    }

    fn ruled(policy: DmarcPolicy, domains: &[&str]) -> Result<Vec<u16>, u16> {
        let options = Options {
            domains: [
                ("reject.example".to_owned(), Enforcement::Reject),
                ("hold.example".to_owned(), Enforcement::Hold),
            ]
            .into(),
            ..Options::default()
        };
        match rule(&verdict(policy), (&to(domains), &BTreeSet::new()), &options) {
            Ruling::Take(held) => Ok(held.into_iter().map(|(number, _)| number).collect()),
            Ruling::Refuse(reply) => Err(reply.code),
        }
    }

    #[test]
    fn each_domain_has_its_rule() {
        use DmarcPolicy::{None, Quarantine, Reject};
        let all = ["mark.example", "hold.example", "Reject.example"];
        assert_eq!(ruled(None, &all), Ok(vec![]));
        assert_eq!(ruled(Quarantine, &all), Ok(vec![1, 2]));
        // One reply for all: nobody loses what he would have got.
        assert_eq!(ruled(Reject, &all), Ok(vec![1, 2]));
        assert_eq!(ruled(Reject, &["reject.example"; 2]), Err(550));
        assert_eq!(ruled(Reject, &["reject.example."]), Err(550));
        assert_eq!(ruled(Quarantine, &["reject.example"]), Ok(vec![0]));
        assert_eq!(ruled(Reject, &["hold.example"]), Ok(vec![0]));
    }

    #[test]
    fn who_is_listed_is_refused_where_the_config_says_so() {
        let line = MethodResult::new(AuthMethod::Dnsbl, AuthResult::Fail);
        let line = line.because("See https://l.example/?ip\r\n250 ok\u{e9}");
        let found = Verdict {
            results: vec![line.of("dns.zone", "l.example")],
            ..Verdict::default()
        };
        let to = to(&["x.example"]);
        let ruled = |postmasters: &[u16], listed| {
            let options = Options {
                listed,
                ..Options::default()
            };
            let postmasters = postmasters.iter().copied().collect();
            match rule(&found, (&to, &postmasters), &options) {
                Ruling::Take(held) => Err(held.len()),
                Ruling::Refuse(reply) => Ok(reply.to_string()),
            }
        };
        assert_eq!(ruled(&[], Listed::Mark), Err(0));
        let said = ruled(&[], Listed::Reject).unwrap();
        let expected = "your address is on the list l.example See https://l.example/?ip250 ok";
        assert!(said.contains(expected), "{said}");
        // RFC 5321 §4.5.1: he can say there that he should not be on it.
        assert_eq!(ruled(&[0], Listed::Reject), Err(0));
    }

    #[test]
    fn a_vouched_failure_and_no_failure_are_taken() {
        let options = Options {
            dmarc: Enforcement::Reject,
            ..Options::default()
        };
        let to = to(&["x.example"]);
        let mut failed = verdict(DmarcPolicy::Reject);
        assert!(matches!(
            rule(&failed, (&to, &BTreeSet::new()), &options),
            Ruling::Refuse(_)
        ));
        failed.vouched_by = Some("lists.example".to_owned());
        assert_eq!(
            rule(&failed, (&to, &BTreeSet::new()), &options),
            Ruling::Take(vec![])
        );
        for result in [AuthResult::TempError, AuthResult::Pass] {
            let mut other = verdict(DmarcPolicy::Reject);
            other.results[0].result = result;
            assert_eq!(
                rule(&other, (&to, &BTreeSet::new()), &options),
                Ruling::Take(vec![])
            );
        }
    }

    /// A `From` that nobody can read, and what was not looked at, is for somebody to look at.
    #[test]
    fn what_is_not_known_is_held_and_not_refused() {
        let held = |verdict: &Verdict, enforcement, to: &[Recipient]| {
            let options = Options {
                dmarc: enforcement,
                ..Options::default()
            };
            match rule(verdict, (to, &BTreeSet::new()), &options) {
                Ruling::Take(held) => Some(held.len()),
                Ruling::Refuse(_) => None,
            }
        };
        let ann = to(&["x.example"]);
        let mut unread = verdict(DmarcPolicy::Reject);
        unread.results[0] = MethodResult::new(AuthMethod::Dmarc, AuthResult::PermError);
        unread.policy = None;
        let mut bounded = verdict(DmarcPolicy::Reject);
        let line = MethodResult::new(AuthMethod::Dkim, AuthResult::Policy);
        bounded.results.insert(0, line.because(bound::SIGNATURES));
        for verdict in [&unread, &bounded] {
            assert_eq!(held(verdict, Enforcement::Mark, &ann), Some(0));
            assert_eq!(held(verdict, Enforcement::Hold, &ann), Some(1));
            assert_eq!(held(verdict, Enforcement::Reject, &ann), Some(1));
        }
        // A rule about signatures is none about what we look at.
        bounded.results[0].reason = Some("SHA-1 proves nothing".to_owned());
        assert_eq!(held(&bounded, Enforcement::Reject, &ann), None);
        // Nobody is kept from telling the postmaster.
        let both = to(&["x.example", "x.example"]);
        let forged = verdict(DmarcPolicy::Reject);
        assert_eq!(held(&forged, Enforcement::Reject, &both), None);
        let options = Options {
            dmarc: Enforcement::Reject,
            ..Options::default()
        };
        let taken = rule(&forged, (&both, &BTreeSet::from([1])), &options);
        assert!(matches!(taken, Ruling::Take(held) if held.len() == 2));
    }
}
