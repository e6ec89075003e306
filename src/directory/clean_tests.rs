use proptest::prelude::*;

use super::*;
use crate::directory::{DomainKind, DomainRule, Unknown};
use crate::mail::BackendId;

fn rules() -> Rules {
    let rule = |name: &str| DomainRule {
        name: name.to_owned(),
        kind: DomainKind::InternalRelay,
        home: BackendId::new("onprem"),
        failover: Vec::new(),
        unknown: Unknown::Reject,
    };
    let domains = ["example.org", "utf8.example", "xn--bcher-kva.example"];
    Rules {
        international: ["utf8.example".to_owned()].into(),
        ..Rules::of(domains.map(rule).to_vec())
    }
}

/// What becomes of an address: its first spelling and the reasons.
fn cleaned(text: &str) -> Option<(Option<String>, Vec<Reason>)> {
    let found = clean(&text.parse().unwrap(), &rules())?;
    let first = found.spellings.first().map(ToString::to_string);
    Some((first, found.why))
}

#[test]
fn what_platforms_refuse_is_written_as_they_take_it() {
    use Reason::*;
    for (before, after, why) in [
        (
            "ann..archer@example.org",
            "ann.archer@example.org",
            &[Dots][..],
        ),
        (".ann.@example.org", "ann@example.org", &[Dots]),
        (
            "\"ann archer\"@example.org",
            "ann_archer@example.org",
            &[Space],
        ),
        ("\" ann \"@example.org", "ann@example.org", &[Space]),
        ("\"ann\"@example.org", "ann@example.org", &[Quoted]),
        ("\"J. Smith\"@example.org", "J.Smith@example.org", &[Space]),
        ("ann\u{a0}b@example.org", "ann_b@example.org", &[Space]),
        (
            "o\u{2019}brien@example.org",
            "o'brien@example.org",
            &[Typographic],
        ),
        (
            "anne\u{2013}marie@example.org",
            "anne-marie@example.org",
            &[Typographic],
        ),
        ("an\u{200b}n@example.org", "ann@example.org", &[Invisible]),
        ("ann@exam\u{200b}ple.org", "ann@example.org", &[Invisible]),
        (
            "sales/emea@example.org",
            "sales_emea@example.org",
            &[Refused],
        ),
        (
            "\"archer, ann\"@example.org",
            "archer_ann@example.org",
            &[Space, Refused],
        ),
        ("\"a@b\"@example.org", "a_b@example.org", &[Refused]),
        ("r&d@example.org", "r_d@example.org", &[Refused]),
        ("müller@example.org", "mueller@example.org", &[Accent]),
        (
            "mu\u{308}ller@example.org",
            "mueller@example.org",
            &[Accent],
        ),
        ("Öztürk@example.org", "Oeztuerk@example.org", &[Accent]),
        ("josé.peña@example.org", "jose.pena@example.org", &[Accent]),
        ("łukasz@example.org", "lukasz@example.org", &[Accent]),
        (
            "mu\u{308}ller@utf8.example",
            "m\u{fc}ller@utf8.example",
            &[Composed],
        ),
        ("a..b@bücher.example", "a.b@bücher.example", &[Dots]),
    ] {
        let expected = Some((Some(after.to_owned()), why.to_vec()));
        assert_eq!(cleaned(before), expected, "{before}");
    }
}

#[test]
fn what_is_good_or_not_ours_stays() {
    for text in [
        "ann@example.org",
        "Ann.Archer@Example.ORG",
        "o'brien@example.org",
        "ann_b-c+shop@example.org",
        "müller@utf8.example",
        "bob@bücher.example",
        // A provider that takes such names, and somebody else's.
        "a..b@docomo.example",
        "müller@elsewhere.example",
        "IMCEAEX-_O=ORG_CN=ANN+20ARCHER@example.org",
        "ann@[192.0.2.1]",
    ] {
        assert_eq!(cleaned(text), None, "{text}");
    }
}

#[test]
fn what_nobody_can_say_is_told() {
    for (text, why) in [
        ("иван@example.org", Reason::NoAscii),
        ("an\u{2603}n@example.org", Reason::NoAscii),
        ("ann@exam_ple.org", Reason::Underscore),
        ("\" \"@example.org", Reason::Length),
        ("...@example.org", Reason::Length),
    ] {
        let (after, reasons) = cleaned(text).unwrap();
        assert_eq!(after, None, "{text}");
        assert!(reasons.contains(&why), "{text}: {reasons:?}");
    }
}

/// Octets count, also where platforms take letters beyond ASCII.
#[test]
fn a_long_local_part_is_told() {
    let long = |letter: &str, times, domain| {
        let text = format!("{}@{domain}", letter.repeat(times));
        clean(&text.parse().unwrap(), &rules())
    };
    let told = Some(Clean {
        spellings: Vec::new(),
        why: vec![Reason::Length],
    });
    assert_eq!(long("a", 64, "example.org"), None);
    assert_eq!(long("a", 65, "example.org"), told);
    assert_eq!(long("ü", 32, "utf8.example"), None);
    assert_eq!(long("ü", 33, "utf8.example"), told);
    assert_eq!(long("a", 65, "elsewhere.example"), None);
}

#[test]
fn both_ways_to_write_an_umlaut_are_offered() {
    let found = clean(&"müller@example.org".parse().unwrap(), &rules()).unwrap();
    let spellings: Vec<_> = found.spellings.iter().map(ToString::to_string).collect();
    assert_eq!(spellings, ["mueller@example.org", "muller@example.org"]);
}

#[test]
fn the_address_in_a_text_is_found() {
    for (text, address, why, carried) in [
        (
            "SMTP:ann@x.example",
            "ann@x.example",
            &[Reason::Wrapped][..],
            true,
        ),
        ("<ann@x.example>", "ann@x.example", &[Reason::Wrapped], true),
        (
            "Ann Archer <ann@x.example>",
            "ann@x.example",
            &[Reason::Wrapped],
            true,
        ),
        ("'ann@x.example'", "ann@x.example", &[Reason::Wrapped], true),
        (
            "mailto:<ann@x.example> ",
            "ann@x.example",
            &[Reason::Wrapped, Reason::Space],
            true,
        ),
        (
            "ann@x.example\u{a0}",
            "ann@x.example",
            &[Reason::Space],
            true,
        ),
        (
            "ann archer@x.example",
            "\"ann archer\"@x.example",
            &[],
            true,
        ),
        ("a\"b@x.example", "\"a\\\"b\"@x.example", &[], true),
        ("ann@ x.example", "ann@x.example", &[], true),
        (
            "an\u{7}n@x.example",
            "ann@x.example",
            &[Reason::Invisible],
            false,
        ),
        ("a\tb@x.example", "\"a b\"@x.example", &[], false),
    ] {
        let mended = mend(text).unwrap();
        assert_eq!(mended.address.to_string(), address, "{text:?}");
        assert_eq!(
            (mended.why.as_slice(), mended.carried),
            (why, carried),
            "{text:?}"
        );
    }
    for text in [
        "",
        "ann",
        "@x.example",
        "ann@",
        "ann@x..example",
        "a@b c.example",
        "<>",
        "SMTP:",
    ] {
        assert_eq!(mend(text), None, "{text:?}");
    }
}

const DOMAINS: &[&str] = &["example.org", "utf8.example", "x.example", "example.org."];

proptest! {
    #[test]
    fn what_is_clean_is_an_address_and_stays_clean(
        local in "[a-c.@ _'’üéЖ,/\u{200b}\u{308}\u{7}-]{1,12}",
        domain in prop::sample::select(DOMAINS),
    ) {
        let text = format!("{local}@{domain}");
        let Some(mended) = mend(&text) else { return Ok(()) };
        let Some(found) = clean(&mended.address, &rules()) else { return Ok(()) };
        prop_assert!(!found.why.is_empty());
        for spelling in &found.spellings {
            let again: Mailbox = spelling.to_string().parse().unwrap();
            prop_assert_eq!(clean(&again, &rules()), None, "{} of {}", again, text);
            prop_assert!(again.is_ascii() || *domain == *"utf8.example");
            prop_assert!(!again.local().starts_with('"'));
        }
    }

    #[test]
    fn nothing_that_is_good_is_touched(local in "[a-zA-Z0-9_'+-]{1,8}(\\.[a-z0-9]{1,8}){0,3}") {
        let address: Mailbox = format!("{local}@example.org").parse().unwrap();
        prop_assert!(is_plain(&address));
        prop_assert_eq!(clean(&address, &rules()), None);
    }
}
