//! What is done about a message by what the filters say: pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::options::{Deed, OnFailure, Options, OverSize};
use crate::mail::{FILTER_FIELD, FilterVerdict, Filtered, HoldReason, Recipient};
use crate::smtp::Reply;

/// What one filter has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finding {
    /// Nothing was found.
    Clean,
    /// This was found.
    Bad(String),
    /// It was not asked: the message is too large.
    TooLarge,
    /// It did not answer, and why.
    Failed(String),
}

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// It is taken.
    Take(Taken),
    /// It is refused, for now or for good.
    Refuse(Reply),
}

/// How it is taken.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Taken {
    /// What the filters said, in their order.
    pub results: Vec<Filtered>,
    /// Who is held, by number.
    pub held: BTreeMap<u16, HoldReason>,
}

impl Taken {
    /// Takes in what one filter says for the recipients in `scope`; a reply refuses the message.
    ///
    /// A message has one reply: it is refused only if that is right for all its recipients; else
    /// those for whom it would be refused are held. Nobody is kept from telling the postmaster.
    pub(super) fn add(
        &mut self,
        options: &Options,
        finding: Finding,
        (scope, recipients): (&[u16], &[Recipient]),
    ) -> Result<(), Reply> {
        let filter = options.name.clone();
        let (verdict, said, is_held) = match finding {
            Finding::Clean => (FilterVerdict::Clean, String::new(), false),
            Finding::Bad(said) => {
                let is_refused =
                    |(number, it): (u16, &Recipient)| scope.contains(&number) && !is_postmaster(it);
                if options.bad == Deed::Reject && (0..).zip(recipients).all(is_refused) {
                    let text = format!("Refused by the content filter {filter}: {said}");
                    return Err(Reply::with_text(550, (5, 7, 1), text));
                }
                (FilterVerdict::Bad, said, options.bad != Deed::Mark)
            }
            Finding::TooLarge => {
                let said = "too large to be checked".to_owned();
                let is_held = options.over_size == OverSize::Hold;
                (FilterVerdict::Unchecked, said, is_held)
            }
            Finding::Failed(why) => {
                if options.on_failure == OnFailure::Defer {
                    let text = format!("The content filter {filter} does not answer, try later");
                    return Err(Reply::with_text(451, (4, 7, 1), text));
                }
                (FilterVerdict::Unchecked, why, false)
            }
        };
        if is_held {
            for number in scope {
                // The first reason is as good as the next, and the results have all.
                self.held
                    .entry(*number)
                    .or_insert_with(|| HoldReason::Filter {
                        filter: filter.clone(),
                        said: said.clone(),
                    });
            }
        }
        self.results.push(Filtered {
            filter,
            verdict,
            said,
        });
        Ok(())
    }
}

/// RFC 5321 §4.5.1: whoever has trouble with us can say so there.
fn is_postmaster(recipient: &Recipient) -> bool {
    let local = recipient.address.unquoted_local();
    local.eq_ignore_ascii_case("postmaster")
}

/// The fields that say it, one for each filter.
#[must_use]
pub fn filter_fields(hostname: &str, results: &[Filtered]) -> String {
    let mut fields = String::new();
    for it in results {
        let Filtered {
            filter, verdict, ..
        } = it;
        // Writing to a String cannot fail.
        write!(fields, "{FILTER_FIELD}: {filter}={verdict}; by={hostname}").ok();
        if !it.said.is_empty() {
            write!(fields, ";\r\n\tsaid=\"{}\"", it.said).ok();
        }
        fields.push_str("\r\n");
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::{Place, Protocol};
    use crate::smtp::RcptParameters;

    fn to(addresses: &[&str]) -> Vec<Recipient> {
        let one = |address: &&str| Recipient {
            address: address.parse().unwrap(),
            parameters: RcptParameters::default(),
            lane: "a".to_owned(),
            mailbox: None,
        };
        addresses.iter().map(one).collect()
    }

    fn options() -> Options {
        let place = Place::Tcp("127.0.0.1".to_owned(), 3310);
        Options::new("clamav".to_owned(), Protocol::Clamd, place)
    }

    /// Who is held, or the code of the reply.
    fn held(options: &Options, finding: &Finding, addresses: &[&str]) -> Result<Vec<u16>, u16> {
        let recipients = to(addresses);
        let subject = crate::filter::Subject {
            listener: "a",
            standing: crate::filter::Standing::Stranger,
            recipients: &recipients,
        };
        let scope = options.scope(&subject);
        let mut taken = Taken::default();
        match taken.add(options, finding.clone(), (&scope, &recipients)) {
            Ok(()) => Ok(taken.held.into_keys().collect()),
            Err(reply) => Err(reply.code),
        }
    }

    #[test]
    fn each_deed_is_done() {
        let mut options = options();
        let bad = Finding::Bad("Eicar".to_owned());
        let ann = ["ann@example.org", "bob@other.example"];
        assert_eq!(held(&options, &bad, &ann), Ok(vec![0, 1]));
        options.bad = Deed::Mark;
        assert_eq!(held(&options, &bad, &ann), Ok(vec![]));
        options.bad = Deed::Reject;
        assert_eq!(held(&options, &bad, &ann), Err(550));
        assert_eq!(held(&options, &Finding::Clean, &ann), Ok(vec![]));
        // Nobody is kept from telling the postmaster.
        let both = ["ann@example.org", "PostMaster@example.org"];
        assert_eq!(held(&options, &bad, &both), Ok(vec![0, 1]));
        // One reply for all: whom the filter is not asked for, gets it.
        options.domains.insert("example.org".to_owned());
        assert_eq!(held(&options, &bad, &ann), Ok(vec![0]));
        assert_eq!(held(&options, &bad, &ann[..1]), Err(550));
    }

    #[test]
    fn what_was_not_checked_is_taken_or_deferred_by_choice() {
        let mut options = options();
        let failed = Finding::Failed("late".to_owned());
        let ann = ["ann@example.org"];
        assert_eq!(held(&options, &failed, &ann), Ok(vec![]));
        options.on_failure = OnFailure::Defer;
        assert_eq!(held(&options, &failed, &ann), Err(451));
        assert_eq!(held(&options, &Finding::TooLarge, &ann), Ok(vec![]));
        options.over_size = OverSize::Hold;
        assert_eq!(held(&options, &Finding::TooLarge, &ann), Ok(vec![0]));
    }

    #[test]
    fn the_field_says_it() {
        let recipients = to(&["ann@example.org"]);
        let mut options = options();
        let mut taken = Taken::default();
        let one = (&[0][..], &recipients[..]);
        taken.add(&options, Finding::Clean, one).unwrap();
        options.name = "second".to_owned();
        let bad = Finding::Bad("Eicar-Test".to_owned());
        taken.add(&options, bad, one).unwrap();
        let failed = Finding::Failed("late".to_owned());
        options.name = "third".to_owned();
        taken.add(&options, failed, one).unwrap();
        let expected = "X-Tideover-Filter: clamav=clean; by=mx.example.org\r\n\
            X-Tideover-Filter: second=bad; by=mx.example.org;\r\n\tsaid=\"Eicar-Test\"\r\n\
            X-Tideover-Filter: third=unchecked; by=mx.example.org;\r\n\tsaid=\"late\"\r\n";
        assert_eq!(filter_fields("mx.example.org", &taken.results), expected);
        let reason = taken.held[&0].to_string();
        assert!(reason.starts_with("filter second: Eicar-Test:"), "{reason}");
    }
}
