//! Which mail is whose, through the generations of a directory.

use std::fmt::Write as _;

use crate::base::Timestamp;
use crate::directory::generation_tests::{FORCE, House};
use crate::person::*;
use crate::smtp::Mailbox;

fn address(local: &str) -> Mailbox {
    format!("{local}@example.org").parse().unwrap()
}

/// Sources with ids say who there is, one second after the other; mail comes in between.
struct Years {
    house: House,
    /// The time of each generation.
    at: Vec<Timestamp>,
}

type Row<'a> = (&'a str, &'a str, &'a str, &'a str);

impl Years {
    fn new() -> Self {
        let house = House::new();
        Self {
            house,
            at: Vec::new(),
        }
    }

    /// Id, own address, aliases, name.
    async fn says(&mut self, source: &str, rows: &[Row<'_>]) {
        let full = |locals: &str| {
            let all = locals
                .split_whitespace()
                .map(|one| address(one).to_string());
            all.collect::<Vec<_>>().join(" ")
        };
        let rows: Vec<[String; 4]> = rows
            .iter()
            .map(|(id, own, aliases, name)| {
                let (own, aliases) = (full(own), full(aliases));
                [(*id).to_owned(), own, aliases, (*name).to_owned()]
            })
            .collect();
        let rows: Vec<_> = rows
            .iter()
            .map(|[id, own, aliases, name]| (&**id, &**own, &**aliases, &**name))
            .collect();
        self.house.says(source, &rows).await;
        self.note().await;
    }

    async fn file(&mut self, rows: &[(&str, &str, &str)]) {
        let mut text = "address,aliases,name\n".to_owned();
        for (own, alias, name) in rows {
            let alias = match *alias {
                "" => String::new(),
                alias => address(alias).to_string(),
            };
            writeln!(text, "{},{alias},{name}", address(own)).unwrap();
        }
        self.house.import("file", &text, FORCE).await.unwrap();
        self.note().await;
    }

    async fn note(&mut self) {
        let directory = self.house.generations.current();
        let list = self.house.generations.list().await.unwrap();
        let newest = list.iter().find(|one| one.number == directory.number());
        self.at.push(newest.unwrap().at);
    }

    /// `KEY SINCE..UNTIL` of each span: the numbers of generations, empty for open ends.
    fn spans(&self, own: &str, bond: Option<&Bond>) -> Vec<String> {
        let directory = self.house.generations.current();
        let own = address(own);
        let number = |at: Option<Timestamp>| match at {
            None => String::new(),
            Some(Timestamp::EPOCH) => "never".to_owned(),
            Some(at) => {
                let place = self.at.iter().position(|one| *one == at);
                place.expect("a moment of a generation").to_string()
            }
        };
        let told = |span: Span| {
            let key: Mailbox = span.mailbox.parse().unwrap();
            let (since, until) = (number(span.since), number(span.until));
            format!("{} {since}..{until}", key.local())
        };
        let found = spans(&own.key(), (&own, bond), &directory);
        found.into_iter().map(told).collect()
    }
}

#[tokio::test]
async fn who_has_an_id_is_followed_through_names_and_others_get_nothing_of_it() {
    let mut years = Years::new();
    years
        .says(
            "ad",
            &[("1", "ann", "", "Ann Smith"), ("2", "bob", "", "Bob Roe")],
        )
        .await;
    assert_eq!(years.spans("ann", None), ["ann .."]);
    years
        .says(
            "ad",
            &[
                ("1", "ann.lee", "ann", "Ann Lee"),
                ("2", "bob", "", "Bob Roe"),
            ],
        )
        .await;
    assert_eq!(years.spans("ann.lee", None), ["ann.lee ..", "ann .."]);
    // Somebody new, of the same name, gets the address of before.
    let new = ("3", "ann", "", "Ann Other");
    years
        .says(
            "ad",
            &[
                ("1", "ann.lee", "", "Ann Lee"),
                ("2", "bob", "", "Bob Roe"),
                new,
            ],
        )
        .await;
    assert_eq!(years.spans("ann.lee", None), ["ann.lee ..", "ann ..1"]);
    assert_eq!(years.spans("ann", None), ["ann 2.."]);
    // She leaves, and the next one has it.
    years.says("ad", &[("1", "ann.lee", "", "Ann Lee")]).await;
    years
        .says(
            "ad",
            &[
                ("1", "ann.lee", "", "Ann Lee"),
                ("4", "ann", "", "Ann Third"),
            ],
        )
        .await;
    assert_eq!(
        years.spans("ann", None),
        ["ann 4.."],
        "nothing of the gap between"
    );
    assert_eq!(years.spans("ann.lee", None), ["ann.lee ..", "ann ..1"]);
    // And the first one has her name of once again.
    years.says("ad", &[("1", "ann", "", "Ann Smith")]).await;
    assert_eq!(
        years.spans("ann", None),
        ["ann 5..", "ann ..1", "ann.lee .."]
    );
}

#[tokio::test]
async fn an_alias_that_was_somebody_elses_own_address_brings_none_of_his_mail() {
    let mut years = Years::new();
    years
        .says(
            "ad",
            &[("1", "ann", "", "Ann Smith"), ("2", "bob", "", "Bob Roe")],
        )
        .await;
    years.says("ad", &[("2", "bob", "ann", "Bob Roe")]).await;
    assert_eq!(years.spans("bob", None), ["bob .."]);
    // Nor does it when it becomes his own.
    years.says("ad", &[("2", "ann", "bob", "Bob Roe")]).await;
    assert_eq!(years.spans("ann", None), ["ann 2..", "bob .."]);
}

/// Both were there at once: a name that they share makes no heir of him.
#[tokio::test]
async fn an_heir_with_the_same_surname_sees_nothing() {
    let mut years = Years::new();
    years
        .file(&[("ann", "", "Ann Lee"), ("bob", "", "Bob Lee")])
        .await;
    years.file(&[("bob", "ann", "Bob Lee")]).await;
    assert_eq!(years.spans("bob", None), ["bob .."]);
}

/// A second source still has who left, and is joined with the one who came.
#[tokio::test]
async fn a_source_that_lags_brings_no_mail_of_who_left() {
    let mut years = Years::new();
    years
        .says(
            "other",
            &[("1", "ida.may", "", "Ida May"), ("9", "zoe", "", "Zoe")],
        )
        .await;
    years.says("ad", &[("7", "ida.may", "", "Ida May")]).await;
    years.says("ad", &[("7", "ida.lee", "", "Ida Lee")]).await;
    years
        .says(
            "other",
            &[("1", "ida.lee", "", "Ida Lee"), ("9", "zoe", "", "Zoe")],
        )
        .await;
    years
        .says(
            "other",
            &[("2", "ida.lee", "", "Tom Fox"), ("9", "zoe", "", "Zoe")],
        )
        .await;
    assert_eq!(years.spans("ida.lee", None), ["ida.lee 4.."]);
}

/// What sources do wrong for a while hides nobody's own mail.
#[tokio::test]
async fn a_mistake_of_a_source_hides_nothing() {
    let mut years = Years::new();
    let (ann, bob) = (("1", "ann", "", "Ann Smith"), ("2", "bob", "", "Bob Roe"));
    years.says("other", &[ann, bob]).await;
    // Somebody gets an address that is another's, and gives it back.
    years
        .says("other", &[ann, bob, ("3", "bob", "", "Max")])
        .await;
    years
        .says("other", &[ann, bob, ("3", "max", "", "Max")])
        .await;
    assert_eq!(years.spans("bob", None), ["bob .."]);
    assert_eq!(
        years.spans("max", None),
        ["max .."],
        "and nothing of Bob's mail"
    );
    // Two are exchanged, and back.
    let max = ("3", "max", "", "Max");
    let crossed = [
        ("1", "bob", "", "Ann Smith"),
        ("2", "ann", "", "Bob Roe"),
        max,
    ];
    years.says("other", &crossed).await;
    years.says("other", &[ann, bob, max]).await;
    assert_eq!(years.spans("ann", None), ["ann 4..", "ann ..3", "bob 3..4"]);
    assert_eq!(years.spans("bob", None), ["bob 4..", "bob ..3", "ann 3..4"]);
    // The object of a second source is made anew.
    years.says("ad", &[("8", "ann", "", "Ann Smith")]).await;
    years.says("ad", &[("5", "ann", "", "A. S.")]).await;
    assert_eq!(years.spans("ann", None), ["ann 4..", "ann ..3", "bob 3..4"]);
}

#[tokio::test]
async fn another_source_of_the_same_person_hides_nothing() {
    let mut years = Years::new();
    years
        .file(&[("ann", "", "Ann Smith"), ("bob", "", "Bob Roe")])
        .await;
    years
        .says(
            "ad",
            &[("1", "ann", "", "Ann Smith"), ("2", "bob", "", "Robert")],
        )
        .await;
    years.file(&[("zoe", "", "Zoe")]).await;
    assert_eq!(years.spans("ann", None), ["ann .."]);
    assert_eq!(
        years.spans("bob", None),
        ["bob .."],
        "joined while both were there"
    );
    // A gap between the two: the name speaks.
    years
        .file(&[
            ("zoe", "", "Zoe"),
            ("eve", "", "Eve Hall"),
            ("max", "", "Max Roth"),
        ])
        .await;
    years.file(&[("zoe", "", "Zoe")]).await;
    let new = [
        ("5", "eve", "", "Eve Hall-Ray"),
        ("6", "max", "", "Ida Kern"),
    ];
    years.says("ad", &new).await;
    assert_eq!(years.spans("eve", None), ["eve .."]);
    assert_eq!(years.spans("max", None), ["max 5.."]);
}

#[tokio::test]
async fn a_file_knows_a_person_by_his_name_and_what_is_kept_with_his_account() {
    let mut years = Years::new();
    years
        .file(&[("ann", "", "Ann Smith"), ("bob", "", "")])
        .await;
    let bond = |own: &str| {
        let address = address(own);
        let directory = years.house.generations.current();
        let subject = Subject {
            address,
            bond: None,
            disabled: false,
        };
        judge(&[subject], &directory, Timestamp::EPOCH).remove(0).1
    };
    let before = bond("bob");
    years
        .file(&[("ann.lee", "ann", "Ann Lee"), ("rob", "bob", "")])
        .await;
    assert_eq!(years.spans("ann.lee", None), ["ann.lee ..", "ann .."]);
    // Nobody says that it is the same one: without a name and an account he sees what is new.
    assert_eq!(years.spans("rob", None), ["rob .."]);
    let directory = years.house.generations.current();
    let subject = Subject {
        address: address("bob"),
        bond: Some(before),
        disabled: false,
    };
    let (_, after) = judge(&[subject], &directory, Timestamp::EPOCH).remove(0);
    assert_eq!(years.spans("rob", Some(&after)), ["rob ..", "bob .."]);
    // The row of before comes back as a mailbox of its own, and nobody says whose it is.
    years
        .file(&[("ann.lee", "", "Ann Lee"), ("rob", "", ""), ("bob", "", "")])
        .await;
    assert_eq!(years.spans("rob", Some(&after)), ["rob .."]);
    assert_eq!(years.spans("bob", None), ["bob .."]);
    assert_eq!(
        years.spans("ann.lee", None),
        ["ann.lee .."],
        "no alias leads there any more"
    );
}

#[tokio::test]
async fn a_row_of_a_file_that_comes_back_with_another_name_is_somebody_else() {
    let mut years = Years::new();
    years
        .file(&[("ann", "", "Ann Smith"), ("bob", "", "Bob Roe")])
        .await;
    years.file(&[("zoe", "", "")]).await;
    years
        .file(&[("ann", "", "Ann Smith-Lee"), ("bob", "", "Eve Hall")])
        .await;
    assert_eq!(years.spans("ann", None), ["ann .."], "a gap in a source");
    assert_eq!(years.spans("bob", None), ["bob 2.."]);
}

#[tokio::test]
async fn titles_are_no_names() {
    let mut years = Years::new();
    years
        .file(&[("doc", "", "Dr. Ida Kern"), ("zoe", "", "")])
        .await;
    years.file(&[("zoe", "", "")]).await;
    years
        .file(&[("doc", "", "Dr. Max von Fox"), ("zoe", "", "")])
        .await;
    assert_eq!(years.spans("doc", None), ["doc 2.."]);
}

/// Who returns with the same id is the same one, also when his name was forgotten.
#[tokio::test]
async fn who_comes_back_with_his_id_has_all_of_his_mail() {
    let mut years = Years::new();
    let (ann, bob) = (("1", "ann", "", "Ann Smith"), ("2", "bob", "", "Bob Roe"));
    years.says("ad", &[ann, bob]).await;
    years.says("ad", &[bob]).await;
    years.house.forward_days(400);
    years.house.generations.forget_departed().await.unwrap();
    years
        .says("ad", &[("1", "ann", "", "Maria Lee"), bob])
        .await;
    assert_eq!(years.spans("ann", None), ["ann .."]);
}
