//! Accounts through the generations of a directory: of a file, whose records are known by their
//! addresses, and of a source with ids that stay.

use std::fmt::Write as _;

use crate::base::Timestamp;
use crate::directory::generation_tests::{FORCE, House};
use crate::person::*;
use crate::smtp::Mailbox;

/// A directory that changes, and accounts that are looked at after each change.
struct Scene {
    house: House,
    subjects: Vec<Subject>,
}

fn address(local: &str) -> Mailbox {
    format!("{local}@example.org").parse().unwrap()
}

/// `ann ann.lee` as addresses of one domain.
fn addresses(locals: &str) -> String {
    let all: Vec<String> = locals
        .split(' ')
        .map(|one| address(one).to_string())
        .collect();
    all.join(" ")
}

impl Scene {
    /// Accounts that were made for these addresses, and that nobody has looked at.
    fn new(accounts: &[&str]) -> Self {
        let subject = |local: &&str| Subject {
            address: address(local),
            bond: None,
            disabled: false,
        };
        Self {
            house: House::new(),
            subjects: accounts.iter().map(subject).collect(),
        }
    }

    /// The file: own address, aliases, name, kind.
    async fn only_file(&self, rows: &[(&str, &str, &str, &str)]) {
        let mut text = "address,aliases,name,type\n".to_owned();
        for (own, aliases, name, kind) in rows {
            let aliases = match *aliases {
                "" => String::new(),
                all => addresses(all).replace(' ', ";"),
            };
            writeln!(text, "{},{aliases},{name},{kind}", address(own)).unwrap();
        }
        self.house.import("file", &text, FORCE).await.unwrap();
    }

    async fn file(&mut self, rows: &[(&str, &str, &str, &str)]) {
        self.only_file(rows).await;
        self.look();
    }

    /// A source with ids: id, own address, aliases, name.
    async fn ids(&mut self, rows: &[(&str, &str, &str, &str)]) {
        let rows: Vec<[String; 4]> = rows
            .iter()
            .map(|(id, own, aliases, name)| {
                let aliases = match *aliases {
                    "" => String::new(),
                    all => addresses(all),
                };
                [
                    (*id).to_owned(),
                    addresses(own),
                    aliases,
                    (*name).to_owned(),
                ]
            })
            .collect();
        let rows: Vec<_> = rows
            .iter()
            .map(|[id, own, aliases, name]| (&**id, &**own, &**aliases, &**name))
            .collect();
        self.house.says("ad", &rows).await;
        self.look();
    }

    fn look(&mut self) {
        let directory = self.house.generations.current();
        let now = Timestamp::from_millis(7);
        for (place, bond) in judge(&self.subjects, &directory, now) {
            self.subjects[place].bond = Some(bond);
        }
        // Twice is once.
        assert_eq!(judge(&self.subjects, &directory, now), []);
    }

    /// What each account opens now, or why it opens nothing.
    fn opens(&self) -> Vec<String> {
        let directory = self.house.generations.current();
        let told = |subject: &Subject| {
            let now = (&*directory, Timestamp::from_millis(7));
            match belonging(&subject.address, subject.bond.as_ref(), now) {
                Belonging::Own(entry) => entry.address.local().to_owned(),
                Belonging::Nobody => "nobody".to_owned(),
                Belonging::Another(departed) => {
                    let to: Mailbox = departed.to.parse().unwrap();
                    format!("{:?}: {}", departed.why, to.local())
                }
            }
        };
        self.subjects.iter().map(told).collect()
    }
}

const ANN: (&str, &str, &str, &str) = ("ann", "", "Ann Smith", "");
const BOB: (&str, &str, &str, &str) = ("bob", "", "Bob Roe", "");
const HEIR: (&str, &str, &str, &str) = ("bob", "ann", "Bob Roe", "");

#[tokio::test]
async fn an_address_that_goes_to_who_was_there_takes_no_account_along() {
    for kind in ["", "group", "contact", "resource", "user"] {
        let mut scene = Scene::new(&["ann", "bob"]);
        scene.file(&[ANN, ("bob", "", "Bob Roe", kind)]).await;
        assert_eq!(scene.opens()[0], "ann");
        scene.file(&[("bob", "ann", "Bob Roe", kind)]).await;
        let expected = match kind {
            "" | "user" => ["Taken: bob", "bob"],
            _ => ["NoMailbox: bob", "NoMailbox: bob"],
        };
        assert_eq!(scene.opens(), expected, "{kind}");
        // It stays so while nothing changes, and Ann has her account when she is back.
        scene.file(&[("bob", "ann old", "Bob Roe", kind)]).await;
        assert_eq!(scene.opens(), expected, "{kind}");
        scene.file(&[ANN, BOB]).await;
        assert_eq!(scene.opens(), ["ann", "bob"], "{kind}");
    }
}

#[tokio::test]
async fn what_is_not_decided_yet_lets_nobody_in() {
    let mut scene = Scene::new(&["ann"]);
    scene.file(&[ANN, BOB]).await;
    scene.only_file(&[HEIR]).await;
    assert_eq!(scene.opens(), ["Doubt: bob"]);
    // Also who was renamed, for this moment.
    let mut scene = Scene::new(&["ann"]);
    scene.file(&[ANN, BOB]).await;
    scene
        .only_file(&[("ann.lee", "ann", "Ann Lee", ""), BOB])
        .await;
    assert_eq!(scene.opens(), ["Doubt: ann.lee"]);
    scene.look();
    assert_eq!(scene.opens(), ["ann.lee"]);
}

#[tokio::test]
async fn who_is_renamed_keeps_the_account_without_ids_too() {
    let mut scene = Scene::new(&["ann"]);
    scene.file(&[ANN, BOB]).await;
    scene.file(&[("ann.lee", "ann", "Ann Lee", ""), BOB]).await;
    assert_eq!(scene.opens(), ["ann.lee"]);
    // The old alias may go to anybody then: it opens nothing of his.
    scene.file(&[("ann.lee", "", "Ann Lee", ""), HEIR]).await;
    assert_eq!(scene.opens(), ["ann.lee"]);
    // And somebody new may have it as his own.
    scene
        .file(&[("ann.lee", "", "Ann Lee", ""), ANN, BOB])
        .await;
    assert_eq!(scene.opens(), ["ann.lee"]);
    // Who was renamed and leaves is as gone as anybody.
    scene.file(&[("bob", "ann.lee", "Bob Roe", ""), ANN]).await;
    assert_eq!(scene.opens(), ["Taken: bob"]);
}

#[tokio::test]
async fn a_name_that_comes_back_is_known_again() {
    let mut scene = Scene::new(&["ann"]);
    scene.file(&[ANN, BOB]).await;
    scene.file(&[("ann.lee", "ann", "Ann Lee", ""), BOB]).await;
    scene
        .file(&[("ann", "ann.lee", "Ann Smith", ""), BOB])
        .await;
    assert_eq!(scene.opens(), ["ann"]);
}

#[tokio::test]
async fn a_change_that_came_while_nobody_looked_is_seen_as_it_was() {
    let left = ("bob", "ann", "", "");
    for (rows, expected) in [
        (vec![left], "Taken: bob"),
        (vec![("ann.lee", "ann", "", ""), BOB], "ann.lee"),
        // Ann went first, and Zoe came and took her address later.
        (vec![BOB], "nobody"),
    ] {
        let mut scene = Scene::new(&["ann"]);
        scene
            .file(&[("ann", "", "", ""), ("bob", "", "", "")])
            .await;
        scene.only_file(&rows).await;
        if expected == "nobody" {
            scene.only_file(&[("zoe", "ann", "", ""), BOB]).await;
            scene.look();
            assert_eq!(scene.opens(), ["Taken: zoe"]);
            continue;
        }
        scene
            .only_file(&[&rows[..], &[("new", "", "", "")]].concat())
            .await;
        scene.look();
        assert_eq!(scene.opens(), [expected]);
    }
}

#[tokio::test]
async fn doubts_shut_out_until_somebody_says_that_it_is_the_same_person() {
    for after in [
        // Hired the day Ann left, with her address: the names say so.
        vec![("zoe", "ann", "Zoe Fox", ""), BOB],
        // One of the two that went.
        vec![("team", "ann bob", "", "")],
    ] {
        let mut scene = Scene::new(&["ann"]);
        scene.file(&[ANN, BOB]).await;
        scene.file(&after).await;
        assert_eq!(scene.opens(), [format!("Doubt: {}", after[0].0)]);
        let directory = scene.house.generations.current();
        let ann = &scene.subjects[0];
        let bond = confirmed(&ann.address, ann.bond.as_ref(), &directory);
        scene.subjects[0].bond = Some(bond.unwrap());
        scene.look();
        assert_eq!(scene.opens(), [after[0].0]);
    }
    // Two accounts for one mailbox: of whom is it?
    let mut scene = Scene::new(&["ann", "bob"]);
    scene.file(&[ANN, BOB]).await;
    scene.file(&[("team", "ann bob", "", "")]).await;
    assert_eq!(scene.opens(), ["Doubt: team", "Doubt: team"]);
}

#[tokio::test]
async fn a_swing_of_the_directory_shuts_nobody_out_for_good() {
    let mut scene = Scene::new(&["ann", "bob"]);
    scene.file(&[ANN, BOB]).await;
    scene.file(&[BOB]).await;
    assert_eq!(scene.opens(), ["ann", "bob"], "during directory.grace");
    scene.file(&[ANN, BOB]).await;
    assert_eq!(scene.opens(), ["ann", "bob"]);
    scene
        .ids(&[("1", "ann", "", ""), ("2", "bob", "", "")])
        .await;
    scene.file(&[]).await;
    assert_eq!(scene.opens(), ["ann", "bob"], "from one source to another");
    scene.ids(&[("2", "bob", "ann", "")]).await;
    assert_eq!(scene.opens(), ["Taken: bob", "bob"]);
    scene
        .ids(&[("1", "ann", "", ""), ("2", "bob", "", "")])
        .await;
    assert_eq!(scene.opens(), ["ann", "bob"]);
}

#[tokio::test]
async fn an_id_that_stays_is_the_person() {
    let mut scene = Scene::new(&["ann", "bob"]);
    scene
        .ids(&[("1", "ann", "", "A"), ("2", "bob", "", "B")])
        .await;
    // Two swap their addresses.
    scene
        .ids(&[("1", "bob", "", "A"), ("2", "ann", "", "B")])
        .await;
    assert_eq!(scene.opens(), ["bob", "ann"]);
    // One is renamed and keeps no alias; the address goes to somebody new.
    scene
        .ids(&[
            ("1", "lee", "", "A"),
            ("2", "ann", "", "B"),
            ("3", "bob", "", "C"),
        ])
        .await;
    assert_eq!(scene.opens(), ["lee", "ann"]);
    // Somebody else with the same own address, and with an alias that is new that day.
    scene
        .ids(&[("4", "lee", "", "A"), ("5", "zoe", "ann", "B")])
        .await;
    assert_eq!(scene.opens(), ["Doubt: lee", "Doubt: zoe"]);
    scene
        .ids(&[
            ("1", "x", "", "A"),
            ("2", "y", "", "B"),
            ("4", "lee", "", "A"),
        ])
        .await;
    assert_eq!(scene.opens(), ["x", "y"]);
}

#[tokio::test]
async fn accounts_of_before_get_the_person_that_their_address_tells() {
    // Nobody looked before; the directory remembers who had the address.
    let mut scene = Scene::new(&["ann", "bob", "sales", "away"]);
    scene.only_file(&[ANN, BOB]).await;
    scene
        .only_file(&[("bob", "ann sales", "Bob Roe", "")])
        .await;
    scene.look();
    // The alias that never was anybody's own would be a second account of Bob's.
    assert_eq!(scene.opens(), ["Taken: bob", "bob", "Doubt: bob", "nobody"]);
    let mut scene = Scene::new(&["sales", "away"]);
    scene.only_file(&[("bob", "sales", "Bob Roe", "")]).await;
    scene.look();
    assert_eq!(scene.opens(), ["bob", "nobody"]);
    // Who was not in the directory is not who gets the address as an alias.
    scene.file(&[("bob", "sales away", "Bob Roe", "")]).await;
    assert_eq!(scene.opens(), ["bob", "Taken: bob"]);
    scene
        .file(&[("bob", "sales", "Bob Roe", ""), ("away", "", "", "")])
        .await;
    assert_eq!(scene.opens(), ["bob", "away"]);
}

/// A source that has not forgotten who left, and one that has given his address to another.
#[tokio::test]
async fn a_source_that_lags_lets_nobody_into_his_successors_mailbox() {
    for accounts in [&["ann", "bob"][..], &["ann"]] {
        lagging(accounts).await;
    }
}

async fn lagging(accounts: &[&str]) {
    let mut scene = Scene::new(accounts);
    let rows = [("g1", "ann", "", "Ann Smith"), ("g2", "bob", "", "Bob Roe")];
    let people: Vec<[String; 4]> = rows
        .iter()
        .map(|(id, own, _, name)| {
            let own = addresses(own);
            [format!("c-{id}"), own, String::new(), (*name).to_owned()]
        })
        .collect();
    let cloud: Vec<_> = people
        .iter()
        .map(|[id, own, aliases, name]| (&**id, &**own, &**aliases, &**name))
        .collect();
    scene.ids(&rows).await;
    scene.house.says("cloud", &cloud).await;
    scene.look();
    assert_eq!(scene.opens(), accounts);
    scene.ids(&[("g2", "bob", "ann", "Bob Roe")]).await;
    let opens = scene.opens();
    assert!(opens[0] != "bob" && opens[0] != "ann", "{opens:?}");
    assert_eq!(opens[1..], accounts[1..]);
}

/// His address comes back as that of somebody with another name.
#[tokio::test]
async fn nobody_new_comes_back_in_the_place_of_who_departed() {
    let mut scene = Scene::new(&["ann", "bob"]);
    scene.file(&[ANN, BOB]).await;
    scene.file(&[HEIR]).await;
    assert_eq!(scene.opens(), ["Taken: bob", "bob"]);
    scene.file(&[("ann", "", "Anton Zimmer", ""), BOB]).await;
    assert_eq!(scene.opens(), ["Taken: ann", "bob"]);
    scene.file(&[ANN, BOB]).await;
    assert_eq!(scene.opens(), ["ann", "bob"], "and he himself does");
}

/// Who is in the same department is not the same person, and an empty name is no other name.
#[tokio::test]
async fn departments_are_no_names() {
    let mut scene = Scene::new(&["ann"]);
    scene
        .file(&[("ann", "", "Ann Smith (IT Department)", ""), BOB])
        .await;
    scene.file(&[("ann", "", "", ""), BOB]).await;
    let zoe = ("zoe", "ann", "Zoe Quist (IT Department)", "");
    scene.file(&[zoe, BOB]).await;
    assert_eq!(scene.opens(), ["Doubt: zoe"]);
}

/// A row of a file was away, and came back with another name.
#[tokio::test]
async fn a_row_that_came_back_for_somebody_else_opens_no_account_of_before() {
    let mut scene = Scene::new(&["gabi", "ann"]);
    scene
        .file(&[("gabi", "", "Gabi Berg", ""), ("ann", "", "Ann Smith", "")])
        .await;
    scene.file(&[BOB]).await;
    scene
        .file(&[("gabi", "", "Hugo Stern", ""), ("ann", "", "Ann Lee", "")])
        .await;
    let opens = scene.opens();
    assert_eq!(opens[0], "Doubt: gabi");
    assert_eq!(opens[1], "ann", "a gap in a source");
}
