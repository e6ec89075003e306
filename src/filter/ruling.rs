//! What is done about a message by what the filters say: pure.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Subject;
use super::heard::{Finding, Heard};
use super::options::{Deed, OnFailure, Options};
use crate::mail::{FILTER_FIELD, Filtered, HoldReason};
use crate::smtp::Reply;

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
    /// What the field of each says of it.
    shown: Vec<String>,
    /// Fields that filters add, as they stand in a message.
    added: String,
}

impl Taken {
    /// Takes in what one filter says for the recipients in `scope`; a reply refuses the message.
    ///
    /// A message has one reply: it is refused only if that is right for all its recipients; else
    /// those for whom it would be refused are held. Nobody is kept from telling the postmaster.
    pub(super) fn add(
        &mut self,
        options: &Options,
        heard: Heard,
        (scope, subject): (&[u16], &Subject<'_>),
    ) -> Result<(), Reply> {
        let filter = options.name.clone();
        let scope = heard.only.as_deref().unwrap_or(scope);
        let one_reply_does = || are_all(subject, |number| is_in(scope, number));
        // Nobody passes by a greylist because another one is refused beside him.
        let is_kept_out = |number| is_in(scope, number) || is_in(&heard.later, number);
        if options.later == Deed::Defer && !heard.later.is_empty() && are_all(subject, is_kept_out)
        {
            let text = format!("The content filter {filter} asks you to try later");
            return Err(Reply::with_text(451, (4, 7, 1), text));
        }
        let deed = match heard.finding {
            Finding::Bad => options.bad,
            // Who wants no word to the sender gets none: it is out of the way when it is held.
            Finding::Aside if options.bad == Deed::Mark => Deed::Mark,
            Finding::Aside => Deed::Hold,
            Finding::Suspicious => options.suspicious,
            Finding::Later => options.later,
            Finding::TooLarge => options.over_size.deed(),
            Finding::Failed if options.on_failure == OnFailure::Defer => {
                let text = format!("The content filter {filter} does not answer, try later");
                return Err(Reply::with_text(451, (4, 7, 1), text));
            }
            Finding::Clean | Finding::Failed => Deed::Mark,
        };
        let because = |text: &str| match heard.told.as_str() {
            "" => text.to_owned(),
            told => format!("{text}: {told}"),
        };
        match deed {
            Deed::Reject if one_reply_does() => {
                let text = format!("Refused by the content filter {filter}");
                return Err(Reply::with_text(550, (5, 7, 1), because(&text)));
            }
            Deed::Defer if one_reply_does() => {
                let text = format!("The content filter {filter} asks you to try later");
                return Err(Reply::with_text(451, (4, 7, 1), because(&text)));
            }
            Deed::Hold | Deed::Reject => self.hold(scope, &filter, &heard.said),
            // What cannot come later for all comes now for all: nobody would ever release it.
            Deed::Mark | Deed::Defer => {}
        }
        if options.later == Deed::Hold {
            self.hold(&heard.later, &filter, &heard.said);
        }
        // Where a filter listens, and what is wrong with it, is not for those who get the mail.
        let is_secret = heard.finding == Finding::Failed;
        let shown = (!is_secret).then(|| heard.said.clone());
        self.shown.push(shown.unwrap_or_default());
        self.added.push_str(&heard.fields);
        self.results.push(Filtered {
            filter,
            verdict: heard.finding.verdict(),
            said: heard.said,
        });
        Ok(())
    }

    /// The first reason is as good as the next, and the results have all.
    fn hold(&mut self, numbers: &[u16], filter: &str, said: &str) {
        for number in numbers {
            let held = self.held.entry(*number);
            held.or_insert_with(|| HoldReason::Filter {
                filter: filter.to_owned(),
                said: said.to_owned(),
            });
        }
    }

    /// The fields that say it, one for each filter, and those that filters add.
    #[must_use]
    pub fn fields(&self, hostname: &str) -> String {
        let mut fields = String::new();
        for (it, said) in self.results.iter().zip(&self.shown) {
            let Filtered {
                filter, verdict, ..
            } = it;
            // Writing to a String cannot fail.
            write!(fields, "{FILTER_FIELD}: {filter}={verdict}; by={hostname}").ok();
            if !said.is_empty() {
                write!(fields, ";\r\n\tsaid=\"{said}\"").ok();
            }
            fields.push_str("\r\n");
        }
        fields.push_str(&self.added);
        fields
    }
}

/// Is he among these, who stand in their order?
fn is_in(numbers: &[u16], number: u16) -> bool {
    numbers.binary_search(&number).is_ok()
}

/// Is it so for all recipients, of whom none is a postmaster?
fn are_all(subject: &Subject<'_>, is_so: impl Fn(u16) -> bool) -> bool {
    let mut numbers = (0..).zip(subject.recipients).map(|(number, _)| number);
    // RFC 5321 §4.5.1: whoever has trouble with us can say so there.
    numbers.all(|number| is_so(number) && !subject.postmasters.contains(&number))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::{OverSize, Place, Protocol, Standing};
    use crate::mail::Recipient;
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

    fn clean() -> Heard {
        Heard::new(Finding::Clean, b"")
    }

    fn options() -> Options {
        let place = Place::Tcp("127.0.0.1".to_owned(), 3310);
        Options::new("clamav".to_owned(), Protocol::Clamd, place)
    }

    /// Who is held, or the code of the reply.
    fn held(options: &Options, heard: &Heard, addresses: &[&str]) -> Result<Vec<u16>, u16> {
        let recipients = to(addresses);
        let named = (0..).zip(&recipients);
        let postmasters = named.filter(|(_, one)| one.address.is_postmaster());
        let subject = Subject {
            postmasters: &postmasters.map(|(number, _)| number).collect(),
            ..crate::filter::tests::subject("a", Standing::Stranger, &recipients)
        };
        let scope = options.scope(&subject);
        let mut taken = Taken::default();
        match taken.add(options, heard.clone(), (&scope, &subject)) {
            Ok(()) => Ok(taken.held.into_keys().collect()),
            Err(reply) => Err(reply.code),
        }
    }

    #[test]
    fn each_deed_is_done() {
        let mut options = options();
        let bad = Heard::new(Finding::Bad, b"Eicar");
        let ann = ["ann@example.org", "bob@other.example"];
        assert_eq!(held(&options, &bad, &ann), Ok(vec![0, 1]));
        options.bad = Deed::Mark;
        assert_eq!(held(&options, &bad, &ann), Ok(vec![]));
        options.bad = Deed::Reject;
        assert_eq!(held(&options, &bad, &ann), Err(550));
        assert_eq!(held(&options, &clean(), &ann), Ok(vec![]));
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
        let failed = Heard::new(Finding::Failed, b"late at 192.0.2.9");
        let large = Heard::new(Finding::TooLarge, b"too large");
        let ann = ["ann@example.org"];
        assert_eq!(held(&options, &failed, &ann), Ok(vec![]));
        options.on_failure = OnFailure::Defer;
        assert_eq!(held(&options, &failed, &ann), Err(451));
        assert_eq!(held(&options, &large, &ann), Ok(vec![]));
        options.over_size = OverSize::Hold;
        assert_eq!(held(&options, &large, &ann), Ok(vec![0]));
    }

    /// Mail that a filter would rather see later is never deferred by surprise, and never held
    /// because it cannot be deferred.
    #[test]
    fn what_is_doubtful_goes_on_unless_the_config_says_otherwise() {
        let mut options = options();
        let doubtful = Heard::new(Finding::Suspicious, b"add header");
        let later = Heard::new(Finding::Later, b"greylist");
        let aside = Heard::new(Finding::Aside, b"discard");
        let both = ["ann@example.org", "bob@other.example"];
        for heard in [&doubtful, &later] {
            assert_eq!(held(&options, heard, &both), Ok(vec![]));
        }
        (options.suspicious, options.later) = (Deed::Hold, Deed::Defer);
        assert_eq!(held(&options, &doubtful, &both), Ok(vec![0, 1]));
        assert_eq!(held(&options, &later, &both), Err(451));
        options.domains.insert("example.org".to_owned());
        assert_eq!(held(&options, &later, &both), Ok(vec![]));
        assert_eq!(held(&options, &later, &both[..1]), Err(451));
        // What should vanish does not, and nobody is told.
        for (bad, expected) in [
            (Deed::Mark, vec![]),
            (Deed::Hold, vec![0]),
            (Deed::Reject, vec![0]),
        ] {
            options.bad = bad;
            assert_eq!(held(&options, &aside, &both[..1]), Ok(expected));
        }
    }

    #[test]
    fn who_is_put_off_comes_later_also_when_another_one_is_refused() {
        let mut options = options();
        let refused = Heard {
            only: Some(vec![1]),
            later: vec![0],
            ..Heard::new(Finding::Bad, b"reject: others: tempfail")
        };
        let both = ["ann@example.org", "bob@example.org"];
        for (later, expected) in [
            (Deed::Mark, Ok(vec![1])),
            (Deed::Hold, Ok(vec![0, 1])),
            (Deed::Defer, Err(451)),
        ] {
            options.later = later;
            assert_eq!(held(&options, &refused, &both), expected, "{later:?}");
        }
        // What cannot come later for all comes now.
        let three = [both[0], both[1], "eve@example.org"];
        assert_eq!(held(&options, &refused, &three), Ok(vec![1]));
        let postmaster = ["postmaster@example.org", both[1]];
        assert_eq!(held(&options, &refused, &postmaster), Ok(vec![1]));
    }

    #[test]
    fn the_field_says_it() {
        let recipients = to(&["ann@example.org"]);
        let mut options = options();
        let mut taken = Taken::default();
        let subject = crate::filter::tests::subject("a", Standing::Stranger, &recipients);
        let one = (&[0][..], &subject);
        taken.add(&options, clean(), one).unwrap();
        options.name = "second".to_owned();
        let bad = Heard::new(Finding::Bad, b"Eicar-Test");
        taken.add(&options, bad, one).unwrap();
        let failed = Heard::new(Finding::Failed, b"late at 192.0.2.9");
        options.name = "third".to_owned();
        taken.add(&options, failed, one).unwrap();
        let expected = "X-Tideover-Filter: clamav=clean; by=mx.example.org\r\n\
            X-Tideover-Filter: second=bad; by=mx.example.org;\r\n\tsaid=\"Eicar-Test\"\r\n\
            X-Tideover-Filter: third=unchecked; by=mx.example.org\r\n";
        assert_eq!(taken.fields("mx.example.org"), expected);
        assert_eq!(
            taken.results[2].said, "late at 192.0.2.9",
            "operators know it"
        );
        let reason = taken.held[&0].to_string();
        assert!(reason.starts_with("filter second: Eicar-Test:"), "{reason}");
    }
}
