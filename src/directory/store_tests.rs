use super::*;
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

fn entry(address: &str, aliases: &[&str]) -> Entry {
    Entry {
        address: address.parse().unwrap(),
        home: None,
        delivery_address: None,
        delivery_addresses: BTreeMap::new(),
        name: String::new(),
        kind: EntryKind::Mailbox,
        aliases: aliases.iter().map(|alias| alias.parse().unwrap()).collect(),
        x500: Vec::new(),
        second_address: None,
        members: Vec::new(),
    }
}

fn found(directory: &Directory, address: &str) -> String {
    match directory.lookup(&address.parse().unwrap()) {
        Lookup::Known { entry, domain } => format!("{} {}", entry.address, domain.is_some()),
        Lookup::Unknown(rule) => format!("unknown in {}", rule.name),
        Lookup::Stranger => "stranger".into(),
    }
}

#[test]
fn looks_up_in_every_spelling() {
    let mut builder = Directory::builder(vec![rule("example.org"), rule("xn--bcher-kva.example")]);
    let ann = entry(
        "ann@example.org",
        &["a.n@example.org", "ann@elsewhere.example"],
    );
    builder.add(&ann, 2).unwrap();
    builder.add(&entry("list+x@example.org", &[]), 3).unwrap();
    builder.add(&entry("eve@bücher.example", &[]), 4).unwrap();
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
fn an_entry_comes_back_as_it_went_in() {
    let mut ann = entry("ann@example.org", &["a@example.org"]);
    ann.home = Some(BackendId::new("cloud"));
    ann.delivery_addresses
        .insert(BackendId::new("cloud"), "ann@t.example".parse().unwrap());
    ann.x500 = vec!["/o=Org/cn=ann".into()];
    let mut builder = Directory::builder(Vec::new());
    builder.add(&ann, 0).unwrap();
    assert_eq!(builder.finish().entries().collect::<Vec<_>>(), [ann]);
}

/// 200,000 entries with three aliases may take 200 MiB; a tenth of them is enough to see it.
#[test]
fn a_large_directory_stays_small() {
    let mut builder = Directory::builder(vec![rule("example.org")]);
    for number in 0..20_000 {
        let mut person = entry(
            &format!("firstname.lastname{number}@example.org"),
            &[
                &format!("person{number}@example.org"),
                &format!("firstname.lastname{number}@tenant.onmicrosoft.example"),
                &format!("p{number}@subsidiary.example.org"),
            ],
        );
        person.name = format!("Lastname {number}, Firstname");
        person.home = Some(BackendId::new("onprem"));
        builder.add(&person, 0).unwrap();
    }
    let directory = builder.finish();
    assert_eq!(directory.addresses(), 80_000);
    assert!(
        directory.memory() < 20 * 1024 * 1024,
        "{}",
        directory.memory()
    );
    assert_eq!(
        found(&directory, "p19999@subsidiary.example.org"),
        "firstname.lastname19999@example.org false"
    );
}
