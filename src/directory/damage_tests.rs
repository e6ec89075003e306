//! Generations of the log that cannot be read any more.

use std::io::Write as _;

use super::generation_tests::{CAREFUL, FORCE, House, TWO, addresses, file, generations, note};
use super::*;

/// Takes what the log knows away, as damage does.
async fn lose(house: &House, part: &str) {
    let facts = house.spool.facts("directory", part).unwrap();
    assert!(!facts.is_empty());
    for (key, _) in facts {
        house.spool.put_fact("directory", &key, None).await.unwrap();
    }
}

fn on_disk(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

#[tokio::test]
async fn a_damaged_directory_of_one_file_begins_anew_with_it() {
    let both = ["a@example.org".to_owned(), "b@example.org".to_owned()];
    for part in ["page/0000000001/", "page/0000000002/"] {
        let house = House::new();
        let one = on_disk("address,home\na@example.org,onprem\n");
        house.generations.read_file(one.path()).await.unwrap();
        let two = on_disk(TWO);
        house.generations.read_file(two.path()).await.unwrap();
        lose(&house, part).await;
        let again = generations(&house.spool, &house.hands);
        let damaged = again.restore().await.unwrap_err();
        assert!(damaged.to_string().contains("is missing"), "{damaged}");
        assert!(again.current().is_provisional() && again.damage().is_some());
        // A file with nobody begins nothing.
        let nobody = on_disk("address,home\n");
        assert!(!again.begin_with(nobody.path()).await.unwrap());
        assert!(again.current().is_provisional() && again.damage().is_some());
        assert!(again.begin_with(two.path()).await.unwrap());
        assert!(!again.current().is_provisional() && again.damage().is_none());
        for now in [again.current(), house.restarted().await] {
            assert_eq!((now.number(), addresses(&now)), (3, both.to_vec()));
        }
        let error = again.diff(1, 3).await.unwrap_err();
        assert!(error.to_string().contains("began with nobody"), "{error}");
    }
}

#[tokio::test]
async fn a_damaged_directory_of_several_sources_waits_for_a_word() {
    for part in ["page/0000000001/", "generation/0000000001"] {
        let house = House::new();
        let one = on_disk("address,home\na@example.org,onprem\n");
        house.generations.read_file(one.path()).await.unwrap();
        let other = "address,home\nb@example.org,cloud\n";
        house.import("other", other, CAREFUL).await.unwrap();
        lose(&house, part).await;
        let again = generations(&house.spool, &house.hands);
        again.restore().await.unwrap_err();
        assert!(!again.begin_with(one.path()).await.unwrap());
        let import = |extent| Import {
            source: FILE.to_owned(),
            extent,
            bad: BadRows::Refuse,
            home: None,
        };
        for (extent, mode) in [(Extent::All, CAREFUL), (Extent::More, FORCE)] {
            let begun = again.import(file(TWO), import(extent), (note(Cause::Import), mode));
            let refused = begun.await.unwrap_err();
            assert!(matches!(refused, DirectoryError::Damaged(_)), "{refused}");
        }
        let begun = again.import(file(TWO), import(Extent::All), (note(Cause::Import), FORCE));
        begun.await.unwrap();
        for now in [again.current(), house.restarted().await] {
            assert_eq!((now.number(), now.len()), (3, 2));
        }
    }
}

#[tokio::test]
async fn a_directory_that_has_lost_all_generations_is_damaged_and_not_empty() {
    let house = House::new();
    let one = on_disk("address,home\na@example.org,onprem\n");
    house.generations.read_file(one.path()).await.unwrap();
    lose(&house, "generation/").await;
    let again = generations(&house.spool, &house.hands);
    let damaged = again.restore().await.unwrap_err();
    assert!(matches!(damaged, DirectoryError::Damaged(_)), "{damaged}");
    assert!(again.current().is_provisional());
}
