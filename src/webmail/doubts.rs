//! What makes a sender doubtful: a name that shows another address, a domain that looks like one
//! of ours, our own domain from outside, a failed DMARC check. Pure. A reader is told; nothing is
//! hidden from him.

use crate::mail::{AuthResult, Authenticity, Envelope, ParsedMessage, Person, Verdict};
use crate::smtp::{Domain, Mailbox};

/// Shortest own domain of which one changed letter is taken for a disguise.
const LONG: usize = 6;

/// A reason to look twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// The name contains another address than the one that it was sent from.
    Name { shown: String, real: String },
    /// The domain looks like one of ours and is none.
    Likeness { domain: String, own: String },
    /// Says that it is from us, and came from outside without proof.
    Outside { domain: String },
    /// The domain of the sender says that it did not send this (RFC 7489).
    Dmarc { domain: String },
}

/// What is known of a sender.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known<'k> {
    authenticity: Authenticity,
    verdict: Option<&'k Verdict>,
}

impl<'k> From<&'k Envelope> for Known<'k> {
    fn from(envelope: &'k Envelope) -> Self {
        Self {
            authenticity: envelope.authenticity,
            verdict: envelope.verdict.as_deref(),
        }
    }
}

/// The doubts about the sender of a message. `own` are our domains, in ASCII.
pub(crate) fn doubts(message: &ParsedMessage, known: Known<'_>, own: &[String]) -> Vec<Doubt> {
    let authenticity = known.authenticity;
    let dmarc = known.verdict.and_then(Verdict::dmarc);
    let result = dmarc.map(|line| line.result);
    if authenticity == Authenticity::Local {
        return Vec::new();
    }
    let mut doubts = Vec::new();
    for person in &message.from {
        doubts.extend(false_name(person));
        let Ok(address) = person.address.parse::<Mailbox>() else {
            continue;
        };
        let domain = address.domain();
        if own.contains(&domain.key()) {
            // A service that sends in our name, with our key, is no stranger.
            let is_proven = result == Some(AuthResult::Pass);
            if authenticity == Authenticity::Unproven && !is_proven {
                let domain = domain.unicode();
                doubts.push(Doubt::Outside { domain });
            }
        } else {
            doubts.extend(likeness(domain, own));
        }
    }
    let failed = match (known.verdict, result) {
        // What we found ourselves counts, if it says anything.
        (Some(verdict), Some(AuthResult::Fail)) => verdict.vouched_by.is_none(),
        (Some(_), Some(AuthResult::Pass)) => false,
        _ => message.authentication.iter().any(|field| has_failed(field)),
    };
    if failed {
        let ours = dmarc.and_then(|line| line.property("header.from"));
        let ours = ours.filter(|_| result == Some(AuthResult::Fail));
        let sender = message.from.first();
        let shown = sender.and_then(|person| person.address.rsplit_once('@'));
        let domain = ours.or(shown.map(|(_, domain)| domain));
        let domain = domain.unwrap_or_default().to_owned();
        doubts.push(Doubt::Dmarc { domain });
    }
    doubts
}

/// The address within a name, when it is not the person's own.
fn false_name(person: &Person) -> Option<Doubt> {
    let name = person.name.as_deref()?;
    let is_edge = |c: char| c.is_whitespace() || "<>()[]\"',;:".contains(c);
    // A full-width or small @ is none to a program, and one to a reader.
    let name = name.replace(['\u{ff20}', '\u{fe6b}'], "@");
    let shown = name.split(is_edge).find(|word| {
        let parts = word.split_once('@');
        parts.is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'))
    })?;
    let is_own = shown.eq_ignore_ascii_case(&person.address);
    (!is_own).then(|| Doubt::Name {
        shown: shown.to_owned(),
        real: person.address.clone(),
    })
}

/// The domain of ours that a stranger's looks like. A subdomain of ours is ours.
fn likeness(domain: &Domain, own: &[String]) -> Option<Doubt> {
    let (key, shown) = (domain.key(), domain.unicode());
    let disguise = skeleton(&shown);
    let is_like = |ours: &&String| {
        let inside = key.strip_suffix(ours.as_str());
        if inside.is_some_and(|rest| rest.ends_with('.')) {
            return false;
        }
        let plain = skeleton(ours);
        let label = ours.split('.').next().unwrap_or_default();
        let is_near = label.chars().count() >= LONG && is_one_step(&disguise, &plain);
        disguise == plain || is_near || embeds(&key, ours)
    };
    own.iter().find(is_like).map(|ours| Doubt::Likeness {
        domain: shown.clone(),
        own: ours.clone(),
    })
}

/// `example.org.evil.example` and `example-org.evil.example` begin like `example.org`.
fn embeds(domain: &str, own: &str) -> bool {
    let begins = |start: &str| {
        let rest = domain.strip_prefix(start);
        rest.is_some_and(|rest| rest.starts_with(['.', '-']))
    };
    begins(own) || begins(&own.replace('.', "-"))
}

/// What a hasty eye sees: letters that look alike are one letter.
fn skeleton(domain: &str) -> String {
    let letters: String = domain.to_lowercase().chars().map(alike).collect();
    letters
        .replace("rn", "m")
        .replace("vv", "w")
        .replace("cl", "d")
}

/// The Latin letter that a character looks like (Unicode TR 39 has the long list).
const fn alike(c: char) -> char {
    match c {
        '0' | 'о' | 'ο' | 'ö' | 'ó' | 'ò' | 'ô' | 'ø' | 'õ' | 'ọ' => 'o',
        '1' | 'i' | '|' | 'і' | 'ι' | 'ı' | 'í' | 'ì' | 'î' | 'ï' | 'ӏ' | 'ḷ' | 'ł' => {
            'l'
        }
        'а' | 'α' | 'ä' | 'á' | 'à' | 'â' | 'å' | 'ã' | 'ạ' => 'a',
        'е' | 'ё' | 'є' | 'é' | 'è' | 'ê' | 'ë' | 'ę' | 'ẹ' | '3' => 'e',
        'с' | 'ç' | 'ć' | 'č' => 'c',
        'р' | 'ρ' => 'p',
        'х' | 'χ' => 'x',
        'у' | 'γ' | 'ý' | 'ÿ' => 'y',
        'ѕ' | 'š' | 'ś' | 'ş' | '5' => 's',
        'һ' | 'ħ' => 'h',
        'ј' => 'j',
        'ԁ' | 'đ' => 'd',
        'ԛ' => 'q',
        'ԝ' | 'ω' => 'w',
        'к' | 'κ' => 'k',
        'м' => 'm',
        'н' | 'ñ' | 'ń' | 'ո' | 'ņ' => 'n',
        'т' | 'τ' | 'ť' | 'ţ' => 't',
        'в' | 'ß' => 'b',
        'г' | 'ř' => 'r',
        'ü' | 'ú' | 'ù' | 'û' | 'υ' | 'ц' | 'ս' => 'u',
        'ν' | 'ѵ' => 'v',
        'ž' | 'ź' | 'ż' | '2' => 'z',
        'ɡ' | 'ğ' | '9' => 'g',
        c => c,
    }
}

/// Is one the other with one letter changed, added, left out, or two exchanged?
fn is_one_step(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let same = |pair: &(&char, &char)| pair.0 == pair.1;
    let front = one.iter().zip(&other).take_while(same).count();
    let rest = |text: &[char]| text.get(front..).unwrap_or_default().to_vec();
    let (one, other) = (rest(&one), rest(&other));
    let back = one
        .iter()
        .rev()
        .zip(other.iter().rev())
        .take_while(same)
        .count();
    let middle = |text: &[char]| text.get(..text.len() - back).unwrap_or_default().to_vec();
    match (middle(&one).as_slice(), middle(&other).as_slice()) {
        ([_] | [], [_]) | ([_], []) => true,
        ([a, b], [c, d]) => a == d && b == c,
        _ => false,
    }
}

/// Does an `Authentication-Results` field say `dmarc=fail` (RFC 8601 §2.2)? Nobody gains by
/// writing that into his own message, so it is believed from anybody.
fn has_failed(field: &str) -> bool {
    let mut results = field.split(';');
    results.any(|result| {
        let mut words = result.split_whitespace();
        words
            .next()
            .is_some_and(|word| word.eq_ignore_ascii_case("dmarc=fail"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNPROVEN: Known<'_> = Known {
        authenticity: Authenticity::Unproven,
        verdict: None,
    };

    fn known(authenticity: Authenticity) -> Known<'static> {
        Known {
            authenticity,
            ..UNPROVEN
        }
    }

    fn from(from: &str, more: &str) -> ParsedMessage {
        let raw = format!("From: {from}\r\n{more}Subject: x\r\n\r\nx\r\n");
        ParsedMessage::parse(raw.as_bytes()).unwrap()
    }

    fn of(line: &str) -> Vec<Doubt> {
        let own = ["example.org".to_owned(), "firma.at".to_owned()];
        doubts(&from(line, ""), UNPROVEN, &own)
    }

    #[test]
    fn names_that_show_another_address_are_seen() {
        let shown = |shown: &str| {
            vec![Doubt::Name {
                shown: shown.to_owned(),
                real: "x@evil.example".to_owned(),
            }]
        };
        for (line, address) in [
            ("\"boss@firma.at\" <x@evil.example>", "boss@firma.at"),
            ("\"Boss (boss@firma.at)\" <x@evil.example>", "boss@firma.at"),
            (
                "\"Boss boss\u{ff20}firma.at\" <x@evil.example>",
                "boss@firma.at",
            ),
        ] {
            assert_eq!(of(line), shown(address), "{line}");
        }
        for line in [
            "\"X@evil.example\" <x@evil.example>",
            "\"Ann @ home\" <x@evil.example>",
            "Ann <x@evil.example>",
        ] {
            assert_eq!(of(line), [], "{line}");
        }
    }

    #[test]
    fn domains_that_look_like_ours_are_seen() {
        for domain in [
            "examp1e.org",
            "exarnple.org",
            "exampel.org",
            "exampl.org",
            "examplee.org",
            "xn--exmple-4nf.org",
            "xn--exmple-cua.org",
            "example.org.evil.example",
            "example-org.evil.example",
            "f1rma.at",
        ] {
            let found = of(&format!("Ann <ann@{domain}>"));
            assert!(
                matches!(found[..], [Doubt::Likeness { .. }]),
                "{domain}: {found:?}"
            );
        }
        for domain in [
            "x.example",
            "mail.example.org",
            "exempla.com",
            "firm.at",
            "forma.at",
            "sample.org.uk",
        ] {
            assert_eq!(of(&format!("Ann <ann@{domain}>")), [], "{domain}");
        }
    }

    #[test]
    fn our_own_name_from_outside_is_seen() {
        let message = from("Ann <ann@Example.org>", "");
        let own = ["example.org".to_owned()];
        let outside = Doubt::Outside {
            domain: "example.org".to_owned(),
        };
        assert_eq!(doubts(&message, UNPROVEN, &own), [outside]);
        assert_eq!(doubts(&message, known(Authenticity::Relayed), &own), []);
        assert_eq!(doubts(&message, known(Authenticity::Local), &own), []);
    }

    #[test]
    fn a_failed_check_is_told() {
        for (field, is_told) in [
            (
                "mx.x.example; spf=pass; dmarc=fail (p=none) header.from=y.example",
                true,
            ),
            ("mx.x.example;\r\n\tDMARC=FAIL action=none", true),
            ("mx.x.example; dmarc=pass; spf=fail", false),
            ("mx.x.example; spf=pass reason=\"no dmarc=fail\"", false),
        ] {
            let more = format!("Authentication-Results: {field}\r\n");
            let found = doubts(&from("a@y.example", &more), UNPROVEN, &[]);
            let domain = "y.example".to_owned();
            let told = if is_told {
                vec![Doubt::Dmarc { domain }]
            } else {
                vec![]
            };
            assert_eq!(found, told, "{field}");
        }
    }

    /// What we found ourselves beats what others wrote.
    #[test]
    fn our_own_verdict_counts() {
        use crate::mail::{AuthMethod, MethodResult};
        let own = ["example.org".to_owned()];
        let of = |result, sender: &str, hint: &str, vouched: Option<&str>| {
            let line = MethodResult::new(AuthMethod::Dmarc, result);
            let verdict = Verdict {
                results: vec![line.of("header.from", "found.example")],
                vouched_by: vouched.map(str::to_owned),
                ..Verdict::default()
            };
            let known = Known {
                verdict: Some(&verdict),
                ..UNPROVEN
            };
            let field = format!("Authentication-Results: mx.x.example; dmarc={hint}\r\n");
            doubts(&from(sender, &field), known, &own)
        };
        let failed = |domain: &str| {
            vec![Doubt::Dmarc {
                domain: domain.to_owned(),
            }]
        };
        let stranger = "a@y.example";
        assert_eq!(
            of(AuthResult::Fail, stranger, "pass", None),
            failed("found.example")
        );
        assert_eq!(of(AuthResult::Pass, stranger, "fail", None), []);
        assert_eq!(
            of(AuthResult::Fail, stranger, "fail", Some("lists.example")),
            []
        );
        // Without a word of ours the hint is as good as before.
        assert_eq!(
            of(AuthResult::None, stranger, "fail", None),
            failed("y.example")
        );
        assert_eq!(
            of(AuthResult::TempError, stranger, "fail", None),
            failed("y.example")
        );
        assert_eq!(of(AuthResult::Pass, "a@example.org", "pass", None), []);
        let outside = Doubt::Outside {
            domain: "example.org".to_owned(),
        };
        assert_eq!(
            of(AuthResult::None, "a@example.org", "pass", None),
            [outside]
        );
    }

    proptest::proptest! {
        #[test]
        fn any_sender_is_taken(name in "\\PC{0,40}", domain in "[a-z0-9.-]{0,30}") {
            let person = Person { name: Some(name), address: format!("a@{domain}") };
            let message = ParsedMessage { from: vec![person], ..ParsedMessage::default() };
            doubts(&message, UNPROVEN, &["example.org".to_owned()]);
        }
    }
}
