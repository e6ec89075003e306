//! Odd addresses of files: mended, left out, settled, and gone again.

use super::generation_tests::{CAREFUL, FORCE, House, file, generations, note};
use super::normalise::tests::{found, rules};
use super::*;
use crate::mail::BackendId;

const ODD: &str = "address,home,aliases\n\
                   ann@example.org,onprem,ann..archer@example.org;SMTP:a@example.org\n\
                   bob b@example.org,onprem,\n\
                   c\u{7}y@example.org,onprem,\n";

fn options(normalise: Normalise) -> GenerationOptions {
    GenerationOptions {
        rules: Rules {
            order: vec![FILE.to_owned()],
            ..rules(normalise)
        },
        backends: vec![BackendId::new("onprem")],
        max_delete_percent: 100,
    }
}

async fn import(house: &House, text: &str, bad: BadRows) -> Result<Imported, DirectoryError> {
    let import = Import {
        source: FILE.to_owned(),
        extent: Extent::All,
        bad,
        home: None,
    };
    let note = (note(Cause::Import), CAREFUL);
    house.generations.import(file(text), import, note).await
}

#[tokio::test]
async fn what_is_no_address_is_mended_only_when_somebody_wants_it() {
    let house = House::new();
    let configured = house
        .generations
        .configure(options(Normalise::Report), None);
    configured.await.unwrap();
    let error = import(&house, ODD, BadRows::Refuse)
        .await
        .unwrap_err()
        .to_string();
    for expected in [
        "line 2: aliases: \"SMTP:a@example.org\"",
        "line 3: address: \"bob b@example.org\": the part before the @ is not valid; with \
         directory.normalise = \"apply\" it is bob_b@example.org",
        "line 4: address: ",
    ] {
        assert!(error.contains(expected), "{error}");
    }
    // With a good row nothing but what is refused is told.
    let imported = import(&house, "address\na..b@example.org\n", BadRows::Skip)
        .await
        .unwrap();
    assert_eq!(imported.reading.odd.first.len(), 1);
    assert_eq!(found(&house.generations.current(), "a.b@example.org"), None);

    apply(&house).await;
    // What came before counts, too.
    assert!(found(&house.generations.current(), "a.b@example.org").is_some());
}

async fn apply(house: &House) {
    let configured = house.generations.configure(options(Normalise::Apply), None);
    configured.await.unwrap();
}

#[tokio::test]
async fn what_is_mended_is_told_and_counts_as_long_as_somebody_wants_it() {
    let house = House::new();
    apply(&house).await;
    let imported = import(&house, ODD, BadRows::Refuse).await.unwrap();
    let odd = imported.reading.odd.first.iter().map(|one| {
        let after = one.after.clone().unwrap();
        (
            one.line,
            one.column.as_str(),
            one.before.clone(),
            after,
            one.old,
        )
    });
    let text = str::to_owned;
    let expected = [
        (
            2,
            "aliases",
            text("ann..archer@example.org"),
            text("ann.archer@example.org"),
            OldForm::Receives,
        ),
        (
            2,
            "aliases",
            text("SMTP:a@example.org"),
            text("a@example.org"),
            OldForm::Same,
        ),
        (
            3,
            "address",
            text("bob b@example.org"),
            text("bob_b@example.org"),
            OldForm::Receives,
        ),
        (
            4,
            "address",
            text("c\u{7}y@example.org"),
            text("cy@example.org"),
            OldForm::Lost,
        ),
    ];
    assert_eq!(odd.collect::<Vec<_>>(), expected);
    for directory in [house.generations.current(), restarted(&house).await] {
        for (asked, address) in [
            ("a@example.org", "ann@example.org"),
            ("ann..archer@example.org", "ann@example.org"),
            ("ann.archer@example.org", "ann@example.org"),
            ("bob_b@example.org", "bob_b@example.org"),
            ("\"bob b\"@example.org", "bob_b@example.org"),
            ("cy@example.org", "cy@example.org"),
        ] {
            assert_eq!(
                found(&directory, asked).as_deref(),
                Some(address),
                "{asked}"
            );
        }
    }
    // The way back needs no import.
    let configured = house.generations.configure(options(Normalise::Off), None);
    configured.await.unwrap();
    let directory = house.generations.current();
    assert_eq!(found(&directory, "bob_b@example.org"), None);
    assert_eq!(
        found(&directory, "\"bob b\"@example.org").unwrap(),
        "\"bob b\"@example.org"
    );
}

async fn restarted(house: &House) -> std::sync::Arc<Directory> {
    let again = generations(&house.spool, &house.hands);
    again
        .configure(options(Normalise::Apply), None)
        .await
        .unwrap();
    again.restore().await.unwrap();
    again.current()
}

#[tokio::test]
async fn bad_rows_are_left_out_and_odd_ones_are_not() {
    let house = House::new();
    apply(&house).await;
    let text = "address\nann\n\"ann, a\"@example.org\nbob..b@example.org\nx y@elsewhere.example\n";
    let imported = import(&house, text, BadRows::Skip).await.unwrap();
    assert_eq!(imported.reading.good, 2, "{:?}", imported.reading);
    assert_eq!(
        found(&house.generations.current(), "bob.b@example.org").unwrap(),
        "bob.b@example.org"
    );
    let lines: Vec<u64> = imported
        .reading
        .errors
        .errors
        .iter()
        .map(|one| one.line)
        .collect();
    // What strangers call themselves is not made up.
    assert_eq!(lines, [2, 5]);
}

#[tokio::test]
async fn a_proper_form_can_be_settled_once_and_for_all() {
    let house = House::new();
    apply(&house).await;
    let text = "address,aliases\nann@example.org,mueller@example.org\nmüller@example.org,\n";
    import(&house, text, BadRows::Refuse).await.unwrap();
    let current = house.generations.current();
    assert_eq!(
        found(&current, "mueller@example.org").unwrap(),
        "ann@example.org"
    );
    let verdict = Verdict::Owner("file/müller@example.org".to_owned());
    let address = "mueller@example.org".parse().unwrap();
    assert!(current.is_disputed(&address));
    let settled = house
        .generations
        .settle(address.clone(), verdict, (note(Cause::Settle), FORCE));
    settled.await.unwrap();
    for directory in [house.generations.current(), restarted(&house).await] {
        assert!(!directory.is_disputed(&address));
        for asked in ["mueller@example.org", "müller@example.org"] {
            assert_eq!(
                found(&directory, asked).unwrap(),
                "mueller@example.org",
                "{asked}"
            );
        }
        assert!(
            directory
                .conflicts()
                .iter()
                .all(|one| one.settled.is_some())
        );
        assert_eq!(directory.entries().next().unwrap().aliases, []);
    }
}

#[tokio::test]
async fn who_is_gone_keeps_his_proper_form_until_his_grace_is_over() {
    let house = House::new();
    apply(&house).await;
    import(
        &house,
        "address\nmueller@example.org\nx@example.org\n",
        BadRows::Refuse,
    )
    .await
    .unwrap();
    let text = "address\nmüller@example.org\nx@example.org\n";
    import(&house, text, BadRows::Refuse).await.unwrap();
    let current = house.generations.current();
    assert_eq!(
        found(&current, "müller@example.org").unwrap(),
        "müller@example.org"
    );
    let (old, _) = current
        .find(&"mueller@example.org".parse().unwrap())
        .unwrap();
    assert!(old.departed.is_some(), "the mail of somebody else");
    house.forward(house.generations.grace() + std::time::Duration::from_secs(60));
    house.generations.forget_departed().await.unwrap();
    let current = house.generations.current();
    assert_eq!(
        found(&current, "mueller@example.org").unwrap(),
        "mueller@example.org"
    );
}
