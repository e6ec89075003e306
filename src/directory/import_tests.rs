use super::*;
use crate::directory::Lookup;

fn options() -> ImportOptions {
    ImportOptions {
        rules: Rules::default(),
        backends: vec![BackendId::new("onprem"), BackendId::new("cloud")],
    }
}

fn import(text: &str) -> Result<Directory, ImportErrors> {
    read_csv(text.as_bytes(), options())
}

fn errors(text: &str) -> Vec<String> {
    let errors = import(text).unwrap_err();
    errors.errors.iter().map(ToString::to_string).collect()
}

#[test]
fn reads_every_column() {
    let directory = import(
        "address,home,delivery_address,delivery_address.cloud,name,type,aliases,x500,\
         second_address,members\r\n\
         ann@example.org,onprem,ann@in.example,ann@t.example,\"Müller, Ann\",User,\
         a@example.org; b@example.org,/o=Org/cn=ann;/o=Old/cn=ann,ann@home.example,\
         c@example.org;d@example.org\r\n",
    )
    .unwrap();
    let entries: Vec<_> = directory.entries().collect();
    let text = |mailbox: &Mailbox| mailbox.to_string();
    let entry = &entries[0];
    assert_eq!(text(&entry.address), "ann@example.org");
    assert_eq!(entry.home, Some(BackendId::new("onprem")));
    assert_eq!(
        entry.delivery_address.as_ref().map(text).unwrap(),
        "ann@in.example"
    );
    assert_eq!(
        text(&entry.delivery_addresses[&BackendId::new("cloud")]),
        "ann@t.example"
    );
    assert_eq!(entry.name, "Müller, Ann");
    assert_eq!(entry.kind, EntryKind::User);
    let aliases: Vec<_> = entry.aliases.iter().map(text).collect();
    assert_eq!(aliases, ["a@example.org", "b@example.org"]);
    assert_eq!(entry.x500, ["/o=Org/cn=ann", "/o=Old/cn=ann"]);
    assert_eq!(
        entry.second_address.as_ref().map(text).unwrap(),
        "ann@home.example"
    );
    assert_eq!(entry.members.len(), 2);
}

#[test]
fn one_column_is_enough_and_a_byte_order_mark_is_no_letter() {
    let directory = import("\u{feff}address\nann@example.org\n\nbob@example.org").unwrap();
    assert_eq!(directory.len(), 2);
    assert!(directory.conflicts().is_empty());
}

#[test]
fn every_error_is_told_with_line_and_column() {
    assert_eq!(
        errors(
            "address,home,tpye,type,delivery_address.moon\n\
             ann,onprem,,mailbox,\n\
             bob@example.org,nowhere,,shared,\n\
             ,onprem,,,\n\
             eve@example.org,onprem\n"
        ),
        [
            format!("line 1: unknown column \"tpye\", expected {COLUMNS}"),
            "line 1: \"moon\" is no backend, expected one of onprem, cloud".into(),
            "line 2: address: \"ann\": the address has no domain, expected name@example.org".into(),
            "line 3: home: \"nowhere\" is no backend, expected one of onprem, cloud".into(),
            "line 3: type: \"shared\" is no type, expected one of mailbox, user, group, contact, \
             resource"
                .into(),
            "line 4: address: is empty, expected an address such as ann@example.org".into(),
            "line 5: 2 fields, expected 5 as in the header".into(),
        ]
    );
}

#[test]
fn a_file_without_header_or_address_is_refused() {
    assert_eq!(errors("").len(), 1);
    assert!(errors("name\nAnn\n")[0].contains("the column address is missing"));
    assert!(errors("address,address\n")[0].contains("twice"));
    let errors = read_csv(&b"address,name\nann@example.org,M\xfcller\n"[..], options());
    assert_eq!(
        errors.unwrap_err().to_string(),
        "line 2: name: is not UTF-8, expected the file to be saved as UTF-8"
    );
}

#[test]
fn many_errors_are_counted() {
    let text = format!("address\n{}", "nobody\n".repeat(limits::IMPORT_ERRORS + 7));
    let errors = import(&text).unwrap_err();
    assert_eq!(errors.errors.len(), limits::IMPORT_ERRORS);
    assert_eq!(errors.more, 7);
    assert!(errors.to_string().ends_with("and 7 more"));
}

#[test]
fn a_conflict_stops_nothing_and_is_listed() {
    let directory = import(
        "address,name,aliases\n\
         ann@example.org,Ann,info@example.org;ANN@example.org\n\
         bob@example.org,Bob,info@example.org;b@example.org\n\
         Ann@example.org,Second,late@example.org\n",
    )
    .unwrap();
    let conflicts: Vec<_> = directory
        .conflicts()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        conflicts,
        [
            "info@example.org belongs to ann@example.org, bob@example.org did not get it",
            "Ann@example.org belongs to ann@example.org, a second entry of this address was left \
             out",
            "late@example.org belongs to ann@example.org, Ann@example.org did not get it",
        ]
    );
    let is_disputed = |address: &str| directory.is_disputed(&address.parse().unwrap());
    for address in ["INFO@Example.org", "ann@example.org", "late@example.org"] {
        assert!(is_disputed(address), "{address}");
    }
    for address in ["bob@example.org", "b@example.org", "nobody@example.org"] {
        assert!(!is_disputed(address), "{address}");
    }
    let name = |address: &str| match directory.lookup(&address.parse().unwrap()) {
        Lookup::Known { entry, .. } => Some(entry.name.clone()),
        Lookup::Unknown(_) | Lookup::Stranger => None,
    };
    assert_eq!(name("info@example.org").as_deref(), Some("Ann"));
    assert_eq!(name("b@example.org").as_deref(), Some("Bob"));
    assert_eq!(name("late@example.org").as_deref(), Some("Ann"));
}

#[test]
fn an_unclosed_quote_swallows_nobody() {
    let text = "address,name\nann@example.org,\"Ann\nbob@example.org,Bob\n";
    let told = errors(text);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].starts_with("line 2: a field goes on over"),
        "{told:?}"
    );
}

#[test]
fn other_separators_are_told_once() {
    for text in [
        "address;home\nann@example.org;onprem\n",
        "address\thome\nann@example.org\tonprem\n",
    ] {
        let told = errors(text);
        assert!(told[0].ends_with("separated by semicolons or tabs, expected commas"));
        assert_eq!(told.len(), 2, "{told:?}");
    }
}

/// A line may have a megabyte: what is said of it has not.
#[test]
fn what_is_said_of_a_long_row_is_short() {
    let long = "x".repeat(1_000_000);
    for text in [
        format!("address,type\nann@example.org,{long}\n"),
        format!("address,{long}\nann@example.org,user\n"),
        format!("address\n{long}\n"),
    ] {
        let error = import(&text).unwrap_err().to_string();
        assert!(error.len() < 1000, "{} bytes", error.len());
        assert!(error.starts_with("line "), "{error}");
    }
}
