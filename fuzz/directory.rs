//! What the fuzz target of directory files does with its input: a file of people.

use tideover::directory::{
    Against, Directory, DomainKind, DomainRule, ImportOptions, Row, Rules, Unknown, read_csv,
    read_rows,
};
use tideover::limits;
use tideover::mail::BackendId;

/// A file: it is read to its end, and what is wrong is told in lines that can be shown. What it
/// says is found again by its addresses; and written down, it is read as the same.
pub(crate) fn directory(input: &[u8]) {
    let options = options();
    let against = Against {
        rules: &options.rules,
        backends: &options.backends,
    };
    let mut good = 0;
    let reading = read_rows(input, against, &mut |row| {
        good += u64::from(matches!(row, Row::Good(_)));
    });
    assert_eq!(reading.good, good);
    let directory = match read_csv(input, self::options()) {
        Ok(directory) => directory,
        Err(errors) => {
            assert_eq!(reading.errors, errors);
            assert!(!errors.errors.is_empty() && errors.errors.len() <= limits::IMPORT_ERRORS);
            for error in &errors.errors {
                let told = error.to_string();
                assert!(told.chars().count() <= 2_000, "{} bytes", told.len());
                assert!(!told.contains(char::is_control), "{told:?}");
            }
            return;
        }
    };
    assert!(directory.len() as u64 <= good);
    for entry in directory.entries() {
        let found = directory.find(&entry.address);
        assert!(found.is_some(), "{} is in it, and not found", entry.address);
        let backends = entry.delivery_addresses.keys().chain(&entry.home);
        for backend in backends {
            assert!(
                options.backends.contains(backend),
                "{backend} is no backend"
            );
        }
    }
    if directory.conflicts().is_empty() {
        check_again(&directory);
    }
}

fn options() -> ImportOptions {
    let rule = |name: &str| DomainRule {
        name: name.to_owned(),
        kind: DomainKind::Authoritative,
        home: BackendId::new("onprem"),
        failover: Vec::new(),
        unknown: Unknown::Reject,
    };
    ImportOptions {
        rules: Rules::of(vec![rule("example.org"), rule("example.com")]),
        backends: vec![BackendId::new("onprem"), BackendId::new("cloud")],
    }
}

/// What is written is read as what was written.
fn check_again(directory: &Directory) {
    let mut first = Vec::new();
    directory.write_csv(&mut first).unwrap();
    let again = match read_csv(first.as_slice(), options()) {
        Ok(again) => again,
        Err(errors) => panic!("our own file: {errors}\n{}", first.escape_ascii()),
    };
    let mut second = Vec::new();
    again.write_csv(&mut second).unwrap();
    let lines = |bytes: &[u8]| {
        let mut lines: Vec<Vec<u8>> = bytes.split(|it| *it == b'\n').map(<[u8]>::to_vec).collect();
        lines.sort();
        lines
    };
    assert_eq!(
        lines(&first),
        lines(&second),
        "{}\n{}",
        first.escape_ascii(),
        second.escape_ascii()
    );
}
