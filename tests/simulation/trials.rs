//! What makes a platform rejecting, who is tried then, and how it ends.

use std::ops::Range;
use std::time::Duration;

use tideover::backend::Health;
use tideover::directory::{Directory, Record};
use tideover::mail::{BackendId, CaseKind, Failure, Said, SpoolId};
use tideover::smtp::Reply;
use tokio::time::sleep;

use crate::door::{Door, Site, simulate};
use crate::holds::rule_of_cloud;
use crate::world::domain;

const MINUTE: Duration = Duration::from_secs(60);

fn refused(line: &str) -> Failure {
    Failure::refused(Said::Rcpt, Reply::parse(&[line]).unwrap())
}

fn denied() -> Failure {
    refused("550 5.4.1 Access denied")
}

fn unknown() -> Failure {
    refused("550 5.1.1 User unknown")
}

fn health(door: &Door) -> Health {
    let cloud = BackendId::new("cloud");
    door.router.board().health(&cloud).unwrap().health
}

fn user(number: u64) -> String {
    format!("user{number}@cloud.example")
}

async fn send(door: &Door, people: Range<u64>) -> Vec<SpoolId> {
    let mut sent = Vec::new();
    for number in people {
        sent.push(door.send(&[&user(number)]).await);
    }
    sent
}

/// A platform that knows no tags says 5.1.1 to each: one person with many says nothing of it.
#[test]
fn tags_make_no_platform_rejecting() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        let mut tagged = Vec::new();
        for person in 1..8 {
            for tag in ["a", "b", "c"] {
                let address = format!("user{person}+{tag}@cloud.example");
                site.platforms.refuse_address(&address, unknown());
                tagged.push(door.send(&[&address]).await);
            }
        }
        sleep(MINUTE).await;
        assert_eq!(health(&door), Health::Up);
        assert_eq!(door.words(&tagged), [("held", 21)].into());
        let sent = send(&door, 1..8).await;
        sleep(MINUTE).await;
        assert_eq!(door.words(&sent), [("delivered", 7)].into());
        door.stop().await;
    });
}

/// Whose mail it took lately is tried first, but not again and again while his mailbox is full.
#[test]
fn a_full_mailbox_is_not_each_trial() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        let taken = send(&door, 1..2).await;
        sleep(MINUTE).await;
        assert_eq!(door.words(&taken), [("delivered", 1)].into());
        let full = Reply::parse(&["452 4.2.2 Mailbox full"]).unwrap();
        site.platforms
            .refuse_address(&user(1), Failure::refused(Said::Rcpt, full));
        site.platforms.refuse("cloud", Some(denied()));
        send(&door, 2..7).await;
        sleep(MINUTE).await;
        assert_eq!(health(&door), Health::Rejecting);
        // The oldest who waits, and the only one whose mail it took.
        send(&door, 1..2).await;
        let waiting = send(&door, 7..9).await;
        site.platforms.refuse("cloud", None);
        sleep(2 * MINUTE).await;
        assert_eq!(health(&door), Health::Up);
        assert_eq!(door.words(&waiting), [("delivered", 2)].into());
        door.stop().await;
    });
}

/// Anybody can write to people who are not there; a platform that says so, and takes mail for those
/// whom the directory names, is well. While it takes none, whoever it is counts.
#[test]
fn people_who_are_not_there_make_no_platform_rejecting_that_takes_mail() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        let mut builder = Directory::builder(vec![domain("cloud")]);
        builder.add(Record::new("ann@cloud.example".parse().unwrap()));
        door.directory.replace(builder.finish());
        for number in 0..80 {
            site.platforms.refuse_address(&user(number), unknown());
        }
        let ann = door.send(&["ann@cloud.example"]).await;
        sleep(Duration::from_secs(1)).await;
        send(&door, 0..60).await;
        sleep(Duration::from_secs(5)).await;
        assert_eq!(health(&door), Health::Up);
        assert_eq!(door.words(&[ann]), [("delivered", 1)].into());
        sleep(2 * MINUTE).await;
        send(&door, 60..80).await;
        sleep(Duration::from_secs(5)).await;
        assert_eq!(health(&door), Health::Rejecting);
        // Whom the directory names is tried first.
        let again = door.send(&["ann@cloud.example"]).await;
        sleep(MINUTE).await;
        assert_eq!(door.words(&[again]), [("delivered", 1)].into());
        door.stop().await;
    });
}

/// Only he waits, and has his time: nobody is tried before it, and the platform is asked at RCPT
/// for those whom it refused.
#[test]
fn who_was_put_off_is_no_trial_when_he_alone_waits() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        let full = Reply::parse(&["452 4.2.2 Mailbox full"]).unwrap();
        site.platforms
            .refuse_address(&user(1), Failure::refused(Said::Rcpt, full));
        let waiting = send(&door, 1..2).await;
        sleep(Duration::from_secs(1)).await;
        site.platforms.refuse("cloud", Some(denied()));
        send(&door, 2..7).await;
        sleep(Duration::from_secs(5)).await;
        assert_eq!(health(&door), Health::Rejecting);
        site.platforms.take_seen();
        site.platforms.refuse("cloud", None);
        sleep(3 * MINUTE).await;
        assert_eq!(health(&door), Health::Up);
        assert_eq!(door.words(&waiting), [("queued", 1)].into());
        let tried = site.platforms.take_seen();
        let his = tried.iter().filter(|seen| seen.address == user(1)).count();
        assert!(his <= 2, "tried {his} times");
        door.stop().await;
    });
}

/// However one person is spelled, it is one; and a relaying that is denied is no matter of tags.
#[test]
fn one_person_in_many_spellings_is_one() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        site.platforms.refuse("cloud", Some(denied()));
        for spelling in [
            "user1@cloud.example",
            "User1@cloud.example",
            "\"user1\"@cloud.example",
            "user1@cl\u{24de}ud.example",
            "user1@clo\u{ad}ud.example",
            "user1@CLOUD.example",
        ] {
            door.send(&[spelling]).await;
        }
        sleep(MINUTE).await;
        assert_eq!(health(&door), Health::Up);
        let seen = site.platforms.take_seen();
        let is_plain = |address: &str| address.eq_ignore_ascii_case("user1@cloud.example");
        assert!(seen.iter().all(|one| is_plain(&one.address)), "{seen:?}");
        let not_taken = refused("550 5.7.64 TenantAttribution; Relay Access Denied");
        site.platforms.refuse("cloud", Some(not_taken));
        for person in 1..6 {
            door.send(&[&format!("user{person}+x@cloud.example")]).await;
        }
        sleep(Duration::from_secs(5)).await;
        assert_eq!(health(&door), Health::Rejecting);
        door.stop().await;
    });
}

/// Hundreds who are missing there wait in front: whose mail was taken lately is tried first.
#[test]
fn many_bad_recipients_in_front_delay_nobody_for_long() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        let earlier = send(&door, 1..4).await;
        sleep(MINUTE).await;
        assert_eq!(door.words(&earlier), [("delivered", 3)].into());
        for number in 1_000..1_300 {
            site.platforms.refuse_address(&user(number), unknown());
        }
        send(&door, 1_000..1_300).await;
        sleep(Duration::from_secs(2)).await;
        assert_eq!(health(&door), Health::Rejecting);
        let sent = send(&door, 3..4).await;
        sleep(MINUTE).await;
        assert_eq!(door.words(&sent), [("delivered", 1)].into());
        door.stop().await;
    });
}

/// Ten people are missing there, and somebody writes to each again and again.
#[test]
fn nobody_is_the_trial_twice_while_others_wait() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        for number in 0..8 {
            site.platforms.refuse_address(&user(number), unknown());
        }
        for _ in 0..20 {
            send(&door, 0..8).await;
        }
        sleep(Duration::from_secs(2)).await;
        assert_eq!(health(&door), Health::Rejecting);
        let sent = send(&door, 50..53).await;
        // At most the other three are tried, then one of these; so it is again when it is rejecting
        // anew before all three have gone.
        sleep(5 * MINUTE).await;
        assert_eq!(door.words(&sent), [("delivered", 3)].into());
        door.stop().await;
    });
}

/// So many wait in front that they are not all looked at for one trial.
#[test]
fn the_look_for_a_trial_goes_on_where_it_ended() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        for number in 0..5 {
            site.platforms.refuse_address(&user(number), unknown());
        }
        for _ in 0..250 {
            send(&door, 0..5).await;
        }
        sleep(Duration::from_secs(2)).await;
        assert_eq!(health(&door), Health::Rejecting);
        let sent = send(&door, 50..51).await;
        sleep(MINUTE).await;
        assert_eq!(door.words(&sent), [("delivered", 1)].into());
        door.stop().await;
    });
}

/// All its mail is held, and one of those whom it refused is missing there for good.
#[test]
fn one_who_is_missing_does_not_keep_it_rejecting() {
    for missing in 0..5 {
        simulate(async {
            let site = Site::new();
            let door = site.open();
            site.platforms.refuse("cloud", Some(denied()));
            send(&door, 0..5).await;
            sleep(Duration::from_secs(5)).await;
            assert_eq!(health(&door), Health::Rejecting);
            rule_of_cloud(&door).await;
            sleep(10 * MINUTE).await;
            assert_eq!(health(&door), Health::Rejecting);
            // To him it says what it said.
            site.platforms.refuse_address(&user(missing), denied());
            site.platforms.refuse("cloud", None);
            sleep(5 * MINUTE).await;
            assert_eq!(health(&door), Health::Up, "{missing}");
            door.stop().await;
        });
    }
}

/// Nobody of them is there; that is another matter than it was.
#[test]
fn another_reason_is_an_answer() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        site.platforms.refuse("cloud", Some(denied()));
        send(&door, 0..5).await;
        sleep(Duration::from_secs(5)).await;
        rule_of_cloud(&door).await;
        site.platforms.refuse("cloud", Some(unknown()));
        sleep(5 * MINUTE).await;
        assert_eq!(health(&door), Health::Up);
        door.stop().await;
    });
}

/// All five have left, and an administrator says so.
#[test]
fn it_ends_when_nothing_is_left() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        site.platforms.refuse("cloud", Some(unknown()));
        send(&door, 0..5).await;
        sleep(20 * MINUTE).await;
        assert_eq!(health(&door), Health::Rejecting, "a case is left");
        let case = door.spool.cases(CaseKind::Open, 9).unwrap()[0].id;
        let bounced = door.queue.bounce_case(case, "root", "they have left").await;
        assert_eq!(bounced.unwrap().recipients, 5);
        sleep(4 * MINUTE).await;
        assert_eq!(health(&door), Health::Rejecting);
        sleep(3 * MINUTE).await;
        assert_eq!(health(&door), Health::Up);
        let cloud = BackendId::new("cloud");
        let reason = door.router.board().health(&cloud).unwrap().reason;
        assert_eq!(reason, "nothing is left of what it refused");
        door.stop().await;
    });
}
