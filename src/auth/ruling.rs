//! What is done about a message by what was found: a pure function of verdict, recipients and
//! config.

use std::collections::BTreeMap;

use super::Options;
use crate::mail::{DmarcPolicy, HoldReason, Recipient, Verdict};
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

/// Decides. A message has one reply: it is refused only if that is right for all its recipients;
/// else those for whom it would be refused are held.
#[must_use]
pub fn rule(verdict: &Verdict, recipients: &[Recipient], options: &Options) -> Ruling {
    let Some(asked) = verdict.asks_for() else {
        return Ruling::Take(Vec::new());
    };
    let from = verdict.dmarc().and_then(|it| it.property("header.from"));
    let from = from.unwrap_or_default();
    let wanted = |it: &Recipient| options.enforcement(&it.address.domain().key());
    let is_refused = |it: &Recipient| wanted(it) == Enforcement::Reject;
    if asked == DmarcPolicy::Reject && !recipients.is_empty() && recipients.iter().all(is_refused) {
        // RFC 7372 §3.3, RFC 9989 §7.
        let text = format!("DMARC failed for {from}, which asks to reject such mail");
        return Ruling::Refuse(Reply::with_text(550, (5, 7, 26), text));
    }
    let numbered = (0_u16..).zip(recipients);
    let held = numbered.filter(|(_, it)| wanted(it) != Enforcement::Mark);
    let reason = |number| {
        let reason = HoldReason::Dmarc {
            domain: from.to_owned(),
            policy: asked,
        };
        (number, reason)
    };
    Ruling::Take(held.map(|(number, _)| reason(number)).collect())
}

/// Domains of ours with an enforcement of their own.
pub type Enforcements = BTreeMap<String, Enforcement>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{AuthMethod, AuthResult, MethodResult};
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
        match rule(&verdict(policy), &to(domains), &options) {
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
        assert_eq!(ruled(Quarantine, &["reject.example"]), Ok(vec![0]));
        assert_eq!(ruled(Reject, &["hold.example"]), Ok(vec![0]));
    }

    #[test]
    fn a_vouched_failure_and_no_failure_are_taken() {
        let options = Options {
            dmarc: Enforcement::Reject,
            ..Options::default()
        };
        let to = to(&["x.example"]);
        let mut failed = verdict(DmarcPolicy::Reject);
        assert!(matches!(rule(&failed, &to, &options), Ruling::Refuse(_)));
        failed.vouched_by = Some("lists.example".to_owned());
        assert_eq!(rule(&failed, &to, &options), Ruling::Take(vec![]));
        for result in [
            AuthResult::TempError,
            AuthResult::Pass,
            AuthResult::PermError,
        ] {
            let mut other = verdict(DmarcPolicy::Reject);
            other.results[0].result = result;
            assert_eq!(rule(&other, &to, &options), Ruling::Take(vec![]));
        }
    }
}
