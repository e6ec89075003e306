use super::*;
use crate::directory::Record;
use crate::directory::{DomainKind, Unknown};

fn rule(name: &str) -> DomainRule {
    DomainRule {
        name: name.into(),
        kind: DomainKind::InternalRelay,
        home: BackendId::new("onprem"),
        failover: Vec::new(),
        unknown: Unknown::Reject,
    }
}

fn record(address: &str, aliases: &[&str]) -> Record {
    let mut record = Record::new(address.parse().unwrap());
    record.aliases = aliases.iter().map(|alias| alias.parse().unwrap()).collect();
    record
}

fn found(directory: &Directory, address: &str) -> String {
    match directory.lookup(&address.parse().unwrap()) {
        Lookup::Known { entry, domain } => format!("{} {}", entry.address, domain.is_some()),
        Lookup::Unknown(rule) => format!("unknown in {}", rule.name),
        Lookup::Stranger => "stranger".into(),
    }
}

/// A keyboard may type a letter and its accent as two characters.
#[test]
fn letters_and_accents_apart_lead_to_the_same() {
    let mut builder = Directory::builder(vec![rule("example.org")]);
    builder.add(record("jörg@example.org", &["zoe\u{308}@example.org"]));
    let directory = builder.finish();
    for asked in ["jo\u{308}rg", "JO\u{308}RG", "jörg", "jo\u{308}rg+x", "zoë"] {
        let asked = format!("{asked}@example.org");
        assert_eq!(
            found(&directory, &asked),
            "jörg@example.org true",
            "{asked}"
        );
    }
    assert_eq!(
        found(&directory, "jorg@example.org"),
        "unknown in example.org"
    );
}

#[test]
fn looks_up_in_every_spelling() {
    let mut builder = Directory::builder(vec![rule("example.org"), rule("xn--bcher-kva.example")]);
    builder.add(record(
        "ann@example.org",
        &["a.n@example.org", "ann@elsewhere.example"],
    ));
    builder.add(record("list+x@example.org", &[]));
    builder.add(record("eve@bücher.example", &[]));
    let directory = builder.finish();
    for (asked, expected) in [
        ("ann@example.org", "ann@example.org true"),
        ("ANN@Example.ORG", "ann@example.org true"),
        ("\"ann\"@example.org", "ann@example.org true"),
        ("ann@example.org.", "ann@example.org true"),
        ("A.N@example.org", "ann@example.org true"),
        ("ann+shop+2@example.org", "ann@example.org true"),
        ("ann@elsewhere.example", "ann@example.org false"),
        ("list+x@example.org", "list+x@example.org true"),
        ("list+y@example.org", "unknown in example.org"),
        ("list@example.org", "unknown in example.org"),
        ("+ann@example.org", "unknown in example.org"),
        ("eve@BÜCHER.example", "eve@bücher.example true"),
        ("bob@example.org", "unknown in example.org"),
        ("ann@sub.example.org", "stranger"),
        ("ann@[192.0.2.1]", "stranger"),
    ] {
        assert_eq!(found(&directory, asked), expected, "{asked}");
    }
    assert_eq!(directory.len(), 3);
    assert_eq!(directory.addresses(), 5);
    let names: Vec<_> = directory.domains().map(|rule| rule.name.as_str()).collect();
    assert_eq!(names, ["example.org", "xn--bcher-kva.example"]);
}

#[test]
fn tags_and_case_are_as_the_config_has_them() {
    let mut rules = Rules::of(vec![rule("example.org"), rule("exact.example")]);
    rules.tag_separator = Some('-');
    rules.exact_case.insert("exact.example".to_owned());
    let mut builder = Builder::new(rules);
    builder.add(record("ann@example.org", &[]));
    builder.add(record("Bob@exact.example", &["bobby@exact.example"]));
    let directory = builder.finish();
    for (asked, expected) in [
        ("ann-shop@example.org", "ann@example.org true"),
        ("ann+shop@example.org", "unknown in example.org"),
        ("Bob@exact.example", "Bob@exact.example true"),
        ("Bob-x@EXACT.example", "Bob@exact.example true"),
        ("bobby@exact.example", "Bob@exact.example true"),
        ("bob@exact.example", "unknown in exact.example"),
        ("BOB-x@exact.example", "unknown in exact.example"),
    ] {
        assert_eq!(found(&directory, asked), expected, "{asked}");
    }
}

#[test]
fn replies_to_x500_addresses_find_their_person() {
    let mut ann = record("ann@example.org", &[]);
    ann.x500 = vec!["/o=Org/ou=Site (A)/cn=Recipients/cn=Ann".to_owned()];
    let mut builder = Directory::builder(vec![rule("example.org")]);
    builder.add(ann);
    let directory = builder.finish();
    let reply = "IMCEAEX-_O=ORG_OU=SITE+20+28A+29_CN=RECIPIENTS_CN=ANN@example.org";
    assert_eq!(found(&directory, reply), "ann@example.org true");
    let other = "IMCEAEX-_O=ORG_CN=BOB@example.org";
    assert_eq!(found(&directory, other), "unknown in example.org");
    let (_, by) = directory.find(&reply.parse().unwrap()).unwrap();
    assert_eq!(by, FoundBy::X500);
}

/// 200,000 entries with three aliases may take 200 MiB; a tenth of them is enough to see it.
#[test]
fn a_large_directory_stays_small() {
    let mut builder = Directory::builder(vec![rule("example.org")]);
    for number in 0..20_000 {
        let mut person = record(
            &format!("firstname.lastname{number}@example.org"),
            &[
                &format!("person{number}@example.org"),
                &format!("firstname.lastname{number}@tenant.onmicrosoft.example"),
                &format!("p{number}@subsidiary.example.org"),
            ],
        );
        person.name = format!("Lastname {number}, Firstname");
        person.home = Some(BackendId::new("onprem"));
        builder.add(person);
    }
    let directory = builder.finish();
    assert_eq!(directory.addresses(), 80_000);
    assert!(
        directory.memory() < 10 * 1024 * 1024,
        "{}",
        directory.memory()
    );
    assert_eq!(
        found(&directory, "p19999@subsidiary.example.org"),
        "firstname.lastname19999@example.org false"
    );
}
