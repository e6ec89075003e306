use super::*;

/// Else a stranger who writes the dot gets past a hold of the domain.
#[test]
fn the_dot_of_the_root_makes_no_other_domain() {
    for (written, kept, key) in [
        ("Ann@Example.ORG.", "Ann@Example.ORG", "ann@example.org"),
        (
            "ann@bücher.example.",
            "ann@bücher.example",
            "ann@xn--bcher-kva.example",
        ),
        (
            "ann@example.org\u{3002}",
            "ann@example.org\u{3002}",
            "ann@example.org",
        ),
        (
            "ann@example\u{ff0e}org",
            "ann@example\u{ff0e}org",
            "ann@example.org",
        ),
    ] {
        let mailbox: Mailbox = written.parse().unwrap();
        assert_eq!(
            (mailbox.to_string().as_str(), mailbox.key().as_str()),
            (kept, key)
        );
    }
    for wrong in [
        "ann@.",
        "ann@example.org..",
        "ann@[192.0.2.1]x.",
        "ann@\u{3002}.",
    ] {
        let parsed = wrong.parse::<Mailbox>();
        assert!(
            parsed.is_err() || !parsed.unwrap().key().ends_with('@'),
            "{wrong}"
        );
    }
}

/// Versions before took these from strangers.
#[test]
fn a_record_is_read_by_the_rules_of_its_time() {
    let read = |text: &str| serde_json::from_value::<ReversePath>(text.into());
    for text in ["a@_", "a@\u{2603}", "a@_._"] {
        assert!(text.parse::<ReversePath>().is_err(), "{text} was taken");
        assert!(text.parse::<Mailbox>().is_err(), "{text} was taken");
        assert_eq!(read(text).unwrap().to_string(), text);
    }
    for wrong in ["a b@example.org", "a@", "a@x..org", "a\r\nb@example.org"] {
        assert!(read(wrong).is_err(), "{wrong:?} was read");
    }
}

#[test]
fn takes_what_the_standard_takes() {
    for text in [
        "ann@example.org",
        "ann+tag@sub.example.org",
        "\"ann b\"@example.org",
        "\"a\\\"b@c\"@example.org",
        "ann@[192.0.2.1]",
        "ann@[IPv6:2001:db8::1]",
        "bücher@bücher.example",
        "a/b=c?d@example.org",
        "IMCEAEX-_O=ORG_OU=X+20Y@example.org",
    ] {
        let mailbox: Mailbox = text.parse().unwrap();
        assert_eq!(mailbox.to_string(), text);
    }
}

#[test]
fn refuses_what_is_none() {
    for text in [
        "",
        "ann",
        "@example.org",
        "ann@",
        "a b@example.org",
        "ann@exa mple.org",
        "ann@-x.org",
        "ann@x..org",
        "\"ann@example.org",
        "\"a\"b@example.org",
        "ann@[1.2.3]",
        "a\u{7}b@example.org",
        "a\r\nb@example.org",
        "<ann@example.org>",
    ] {
        assert!(text.parse::<Mailbox>().is_err(), "{text:?} was taken");
    }
}

#[test]
fn the_key_is_the_same_for_every_spelling() {
    let key = |text: &str| text.parse::<Mailbox>().unwrap().key();
    assert_eq!(key("Ann@Example.ORG"), "ann@example.org");
    assert_eq!(key("\"Ann\"@example.org"), "ann@example.org");
    assert_eq!(key("ann@BÜCHER.example"), "ann@xn--bcher-kva.example");
}

#[test]
fn the_simplest_form_has_the_same_key() {
    for (text, simplest) in [
        ("Ann+x@Example.ORG", "Ann+x@Example.ORG"),
        ("\"Ann\"@example.org", "Ann@example.org"),
        ("\"A\\nn.b\"@example.org", "Ann.b@example.org"),
        // These need their quotes.
        ("\"ann b\"@example.org", "\"ann b\"@example.org"),
        ("\"a@b\"@example.org", "\"a@b\"@example.org"),
        ("\"a..b\"@example.org", "\"a..b\"@example.org"),
        ("\"ann.\"@example.org", "\"ann.\"@example.org"),
        ("\"\"@example.org", "\"\"@example.org"),
        // What came without stays without.
        ("a..b@example.org", "a..b@example.org"),
        ("ann@b\u{fc}cher.example", "ann@xn--bcher-kva.example"),
        ("ann@ex\u{24d0}m\u{ad}ple\u{ff0e}org", "ann@example.org"),
        ("ann@[192.0.2.1]", "ann@[192.0.2.1]"),
        // One character for a letter and its accent, as the platform has it.
        ("jo\u{308}rg@example.org", "jörg@example.org"),
        ("\"jo\u{308}rg k\"@example.org", "\"jörg k\"@example.org"),
    ] {
        let mailbox: Mailbox = text.parse().unwrap();
        let simple = mailbox.simplest();
        assert_eq!(simple.to_string(), simplest, "{text}");
        assert_eq!(simple.key(), mailbox.key(), "{text}");
        assert_eq!(simple.simplest(), simple, "{text}");
    }
}

/// As macOS writes them: else they would pass by a hold, and go to another home.
#[test]
fn letters_and_accents_apart_make_no_other_address() {
    for (written, key) in [
        ("jo\u{308}rg@example.org", "jörg@example.org"),
        ("JO\u{308}RG@example.org", "jörg@example.org"),
        ("\"jo\u{308}rg k\"@example.org", "jörg k@example.org"),
        ("ann@bu\u{308}cher.example", "ann@xn--bcher-kva.example"),
    ] {
        let mailbox: Mailbox = written.parse().unwrap();
        assert_eq!(mailbox.to_string(), written, "it goes on as it came");
        assert_eq!(mailbox.key(), key, "{written}");
    }
}
