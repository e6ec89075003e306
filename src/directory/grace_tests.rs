//! What becomes of people whom the sources drop while something else is still said of them.

use std::time::Duration;

use super::generation_tests::{CAREFUL, FORCE, House, note};
use super::join_tests::check_owners;
use super::*;
use crate::mail::BackendId;
use crate::smtp::Mailbox;

const BOTH: &str = "address,home,aliases\n\
                    ann@example.org,onprem,a.archer@example.org;old@example.org\n\
                    bob@example.org,onprem,\n";
const BOB: &str = "address,home,aliases\nbob@example.org,onprem,\n";

fn address(text: &str) -> Mailbox {
    text.parse().unwrap()
}

fn home_by_hand(home: &str) -> Record {
    let mut record = Record::new(address("ann@example.org"));
    record.home = Some(BackendId::new(home));
    record
}

async fn say(house: &House, said: Option<Record>) -> Outcome {
    let said = vec![(address("a.archer@example.org"), said)];
    let done = house.generations.say(said, (note(Cause::Hand), CAREFUL));
    done.await.unwrap()
}

/// Somebody whom a wave moved and whom the sources drop: mail for all his addresses goes on for a
/// while to where he was, and then nobody of his name exists.
#[tokio::test]
async fn who_was_moved_by_hand_departs_like_everybody() {
    let house = House::new();
    house.import(FILE, BOTH, CAREFUL).await.unwrap();
    say(&house, Some(home_by_hand("cloud"))).await;
    let Outcome::Done(gone) = house.import(FILE, BOB, CAREFUL).await.unwrap() else {
        panic!("nothing has changed");
    };
    assert_eq!(gone.effect.deleted, 1);
    for directory in [house.generations.current(), house.restarted().await] {
        for known in ["ann", "a.archer", "old"] {
            let known = address(&format!("{known}@example.org"));
            let (entry, _) = directory.find(&known).unwrap();
            assert!(entry.departed.is_some());
            assert_eq!(entry.home, Some(BackendId::new("cloud")));
        }
        assert_eq!((directory.len(), directory.living()), (2, 1));
        check_owners(&directory);
    }
    house.forward(Duration::from_secs(31 * 24 * 3600));
    house.generations.forget_departed().await.unwrap();
    for directory in [house.generations.current(), house.restarted().await] {
        assert!(directory.find(&address("ann@example.org")).is_none());
        assert_eq!((directory.len(), directory.addresses()), (1, 1));
    }
    // What was said by hand counts again when he is back.
    house.import(FILE, BOTH, CAREFUL).await.unwrap();
    let directory = house.generations.current();
    let (entry, _) = directory.find(&address("old@example.org")).unwrap();
    assert_eq!(entry.home, Some(BackendId::new("cloud")));
    assert_eq!(entry.departed, None);
}

#[tokio::test]
async fn what_is_said_by_hand_makes_nobody_and_names_nobody() {
    let house = House::new();
    house.import(FILE, BOTH, CAREFUL).await.unwrap();
    say(&house, Some(home_by_hand("cloud"))).await;
    // A new name: the old address is an alias now.
    let renamed = BOTH
        .replace("ann@", "anna@")
        .replace("old@example.org", "old@example.org;ann@example.org");
    house.import(FILE, &renamed, CAREFUL).await.unwrap();
    let directory = house.generations.current();
    let (entry, _) = directory.find(&address("ann@example.org")).unwrap();
    assert_eq!(entry.address.to_string(), "anna@example.org");
    assert_eq!(entry.home, Some(BackendId::new("cloud")));
    // There is one word of him, also under his new name.
    say(&house, Some(home_by_hand("onprem"))).await;
    let directory = house.generations.current();
    let (entry, _) = directory.find(&address("anna@example.org")).unwrap();
    assert_eq!(entry.home, Some(BackendId::new("onprem")));
    assert!(matches!(say(&house, None).await, Outcome::Done(_)));
    assert_eq!(say(&house, None).await, Outcome::Unchanged);
}

#[tokio::test]
async fn a_second_word_by_hand_leaves_the_first_one_alone() {
    let house = House::new();
    house.import(FILE, BOTH, CAREFUL).await.unwrap();
    say(&house, Some(home_by_hand("cloud"))).await;
    let mut record = Record::new(address("ann@example.org"));
    record.delivery_address = Some(address("ann@tenant.example"));
    say(&house, Some(record)).await;
    let ann = || {
        let directory = house.generations.current();
        let (entry, _) = directory.find(&address("ann@example.org")).unwrap();
        entry
    };
    assert_eq!(ann().home, Some(BackendId::new("cloud")));
    assert_eq!(ann().delivery_address, Some(address("ann@tenant.example")));
    say(&house, None).await;
    assert_eq!(ann().home, Some(BackendId::new("onprem")));
    assert_eq!(ann().delivery_address, None);
}

/// Two sources drop the same person, one after the other.
#[tokio::test]
async fn who_leaves_by_and_by_keeps_his_addresses() {
    let house = House::new();
    let here = "address,type,home,delivery_address,aliases\n\
                ann@example.org,user,onprem,ann@tenant.example,here@example.org\n";
    let there = "address,type,home,aliases\n\
                 ann@tenant.example,mailbox,cloud,there@example.org\n";
    house.import(FILE, here, CAREFUL).await.unwrap();
    house.import("other", there, FORCE).await.unwrap();
    house.import(FILE, "address\n", FORCE).await.unwrap();
    let homes = |directory: &Directory| {
        ["ann@example.org", "here@example.org", "there@example.org"].map(|known| {
            let (entry, _) = directory.find(&address(known)).unwrap();
            (entry.home.unwrap().to_string(), entry.departed.is_some())
        })
    };
    house.import("other", "address\n", FORCE).await.unwrap();
    for directory in [house.generations.current(), house.restarted().await] {
        let cloud = ("cloud".to_owned(), true);
        assert_eq!(homes(&directory), [cloud.clone(), cloud.clone(), cloud]);
        check_owners(&directory);
    }
}

/// The conflict says whom an address belongs to, and mail for it goes there.
#[tokio::test]
async fn the_addresses_of_an_entry_that_is_left_out_go_to_the_other_one() {
    let house = House::new();
    let text = "address,name,aliases,x500\n\
                ann@example.org,Ann,a@example.org,\n\
                ann@example.org,Second,late@example.org;bob@example.org,/o=Org/cn=late\n\
                bob@example.org,Bob,,\n";
    house.import(FILE, text, CAREFUL).await.unwrap();
    for directory in [house.generations.current(), house.restarted().await] {
        let late = address("late@example.org");
        let (entry, _) = directory.find(&late).unwrap();
        assert_eq!(entry.name, "Ann");
        assert_eq!(entry.receive_only, std::slice::from_ref(&late));
        let told = directory.conflicts().iter();
        let told = told.filter(|one| one.address == late.to_string());
        let owners: Vec<_> = told.map(|one| one.owner.as_str()).collect();
        assert_eq!(owners, ["ann@example.org"]);
        assert_eq!(directory.find_x500("/o=Org/cn=late").unwrap().name, "Ann");
        let (bob, _) = directory.find(&address("bob@example.org")).unwrap();
        assert_eq!(bob.name, "Bob");
        assert_eq!(directory.len(), 2);
        check_owners(&directory);
    }
}
