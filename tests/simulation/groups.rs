//! The home of a group is down: its people get its mail, each once, whatever happens meanwhile.

use std::collections::BTreeMap;
use std::time::Duration;

use tideover::directory::{Directory, ImportOptions, Rules, read_csv};
use tideover::mail::{Authenticity, BackendId, ExpandedFrom, RecipientState, SpoolId};
use tideover::queue::replay::{People, Skip};
use tideover::route::{OutboundRelay, RouteOptions};
use tideover::smtp::Notify;
use tideover::spool::Committed;
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::disk::Trouble;
use crate::door::{Door, Site, simulate};
use crate::replays::{all, desk, drained};
use crate::world::{PLATFORMS, domain};

const MINUTE: Duration = Duration::from_secs(60);
const AFTER: Duration = Duration::from_secs(15 * 60);
const TEAM: &str = "team@onprem.example";
const BOB: &str = "bob@cloud.example";

/// `team` and `board` name each other; `staff` may be written to by internal senders only.
const PEOPLE: &str = "\
address,type,members,aliases,internal_only
ann@onprem.example,,,an@onprem.example,
bob@cloud.example,,,,
cy@cloud.example,,,,
eve@onprem.example,,,,
team@onprem.example,group,an@onprem.example;bob@cloud.example;board@onprem.example;x@out.example,,
board@onprem.example,group,bob@cloud.example;team@onprem.example;cy@cloud.example;s@cloud.example,,
s@cloud.example,group,eve@onprem.example,,
staff@onprem.example,group,cy@cloud.example;ann@onprem.example,,yes
empty@onprem.example,group,,,
";

fn directory(csv: &str) -> Directory {
    let options = ImportOptions {
        rules: Rules::of(PLATFORMS.map(domain).into()),
        backends: PLATFORMS.map(BackendId::new).into(),
    };
    read_csv(csv.as_bytes(), options).unwrap()
}

fn open(site: &Site) -> Door {
    let (door, committed) = open_quietly(site, AFTER);
    door.queue.start(committed);
    door
}

fn open_quietly(site: &Site, after: Duration) -> (Door, mpsc::Receiver<Committed>) {
    let (door, committed) = site.open_quietly();
    site.platforms.set_up("out.example", true);
    door.directory.replace(directory(PEOPLE));
    door.router.configure(RouteOptions {
        relay: vec![OutboundRelay::Mx],
        expand_groups: Some(after),
        ..RouteOptions::default()
    });
    (door, committed)
}

/// What the messages to people of groups say: whom they name, and how often he got it.
fn copies(site: &Site, door: &Door, group: (SpoolId, u16)) -> BTreeMap<String, usize> {
    let people = into(door, group).unwrap();
    let message = door.spool.message(people).unwrap().unwrap();
    let recipients = (0_u16..).zip(&message.envelope.recipients);
    recipients
        .map(|(number, recipient)| {
            let places = site.places(people, number);
            (recipient.address.to_string(), places.len())
        })
        .collect()
}

fn into(door: &Door, (id, number): (SpoolId, u16)) -> Option<SpoolId> {
    let state = door.states(id).remove(usize::from(number));
    let RecipientState::Expanded { into, .. } = state else {
        panic!("{state:?}");
    };
    into
}

fn expected(of: &[(&str, usize)]) -> BTreeMap<String, usize> {
    of.iter().map(|(who, n)| ((*who).to_owned(), *n)).collect()
}

#[test]
fn people_get_the_mail_of_a_group_whose_home_is_down() {
    simulate(async {
        let site = Site::new();
        let door = open(&site);
        site.platforms.set_up("onprem", false);
        sleep(MINUTE).await;
        let early = door.send(&[TEAM, BOB]).await;
        sleep(11 * MINUTE).await;
        assert_eq!(
            door.words(&[early]),
            [("delivered", 1), ("queued", 1)].into()
        );
        sleep(10 * MINUTE).await;
        // Bob is named beside the group, and a group of a platform that works expands itself.
        let got = [
            ("ann@onprem.example", 0),
            ("cy@cloud.example", 1),
            ("x@out.example", 1),
            ("s@cloud.example", 1),
        ];
        assert_eq!(copies(&site, &door, (early, 0)), expected(&got));
        // What comes now does not wait at all.
        let late = door.send(&[TEAM]).await;
        sleep(MINUTE).await;
        let got = copies(&site, &door, (late, 0));
        assert_eq!(got.get(BOB), Some(&1), "{got:?}");

        site.platforms.set_up("onprem", true);
        drained(&door).await;
        assert_eq!(copies(&site, &door, (early, 0))["ann@onprem.example"], 1);
        assert!(
            site.places(early, 0).is_empty(),
            "the group itself got it too"
        );
        // After that groups are the home's matter again.
        let after = door.send(&[TEAM]).await;
        drained(&door).await;
        assert_eq!(site.places(after, 0), ["onprem"]);
        assert_eq!(door.words(&[after]), [("delivered", 1)].into());
        door.stop().await;
    });
}

#[test]
fn the_message_for_the_people_is_the_sender_s_own() {
    simulate(async {
        let site = Site::new();
        let door = open(&site);
        site.platforms.set_up("onprem", false);
        sleep(2 * AFTER).await;
        let from = ("ann@onprem.example", Authenticity::Local);
        let mut words = b"Subject: Hello\r\n\r\n".to_vec();
        words.extend(std::iter::repeat_n(b"twenty bytes here.\r\n", 2_000).flatten());
        let wishes = |envelope: &mut tideover::mail::Envelope| {
            envelope.message_id = Some("one@onprem.example".to_owned());
            envelope.recipients[0].parameters.notify = Some(Notify {
                never: false,
                success: true,
                failure: true,
                delay: false,
            });
        };
        let sent = door.send_body(from, &[TEAM], wishes, &words).await;
        sleep(MINUTE).await;
        let people = into(&door, (sent, 0)).unwrap();
        let (one, other) = (door.spool.message(sent), door.spool.message(people));
        let (one, other) = (
            one.unwrap().unwrap().envelope,
            other.unwrap().unwrap().envelope,
        );
        assert_eq!(
            (&one.from, &one.message_id),
            (&other.from, &other.message_id)
        );
        let expanded = ExpandedFrom {
            message: sent,
            recipient: 0,
            group: TEAM.parse().unwrap(),
        };
        assert_eq!(other.expanded, Some(expanded));
        let read = |id| door.spool.body(id).unwrap().unwrap();
        let whole = u64::try_from(words.len()).unwrap();
        let body = read(people).read_at(0, words.len()).unwrap();
        assert_eq!((read(people).len(), &body[..]), (whole, &words[..]));
        // Nobody is told about members of whom he did not know.
        let notify = other.recipients[0].parameters.notify.unwrap();
        assert!(notify.failure && !notify.success && !notify.never);
        // It was sent once, whoever looks at what she sent.
        assert_eq!(door.spool.sent(from.0, None, 10).unwrap(), [sent]);
        door.stop().await;
    });
}

#[test]
fn a_group_that_may_not_be_expanded_waits() {
    simulate(async {
        let site = Site::new();
        let door = open(&site);
        // It may have arrived, and its home would expand it, too.
        site.platforms.cut_after_the_dot(1);
        let doubtful = door.send(&[TEAM]).await;
        sleep(Duration::from_secs(1)).await;
        site.platforms.set_up("onprem", false);
        sleep(2 * AFTER).await;
        let strangers = door.send(&["staff@onprem.example"]).await;
        let empty = door.send(&["empty@onprem.example"]).await;
        let ours = ("cy@cloud.example", Authenticity::Local);
        let internal = door
            .send_from(ours.0, ours.1, &["staff@onprem.example"])
            .await;
        sleep(2 * AFTER).await;
        let waiting = [doubtful, strangers, empty];
        assert_eq!(door.words(&waiting), [("queued", 3)].into());
        assert_eq!(copies(&site, &door, (internal, 0))["cy@cloud.example"], 1);
        site.platforms.set_up("onprem", true);
        drained(&door).await;
        assert_eq!(door.words(&waiting), [("delivered", 3)].into());
        assert_eq!(site.places(strangers, 0), ["onprem"]);
        door.stop().await;
    });
}

/// Right after the message for the people is on the disk the program dies: nobody gets it twice.
#[test]
fn a_group_is_expanded_once_whatever_dies() {
    simulate(async {
        let site = Site::new();
        let door = open(&site);
        site.platforms.set_up("onprem", false);
        sleep(MINUTE).await;
        let sent = door.send(&[TEAM, "board@onprem.example"]).await;
        let mut envelope = (*door.spool.message(sent).unwrap().unwrap().envelope).clone();
        envelope.recipients.truncate(1);
        envelope.recipients[0].address = BOB.parse().unwrap();
        envelope.recipients[0].mailbox = Some(BOB.to_owned());
        "cloud".clone_into(&mut envelope.recipients[0].lane);
        envelope.expanded = Some(ExpandedFrom {
            message: sent,
            recipient: 0,
            group: TEAM.parse().unwrap(),
        });
        let people = door
            .accept(envelope, b"Subject: Hello\r\n\r\nHello\r\n")
            .await;
        door.stop().await;

        let door = open(&site);
        sleep(2 * AFTER).await;
        assert_eq!(into(&door, (sent, 0)), Some(people));
        // The other group goes to the others only: Bob has it.
        let others = copies(&site, &door, (sent, 1));
        assert_eq!(others.get(BOB), None);
        assert_eq!(others["cy@cloud.example"], 1);
        assert_eq!(door.spool.stats().accepted, 3);
        door.stop().await;

        // Made anew from the log, the index says the same.
        let door = open(&site);
        assert_eq!(door.spool.expansions(sent).unwrap().len(), 2);
        site.platforms.set_up("onprem", true);
        drained(&door).await;
        assert_eq!(copies(&site, &door, (sent, 0)), expected(&[(BOB, 1)]));
        door.stop().await;
    });
}

/// What is written down counts for ever: who has joined since does not get old mail, and who has
/// left does.
#[test]
fn a_replay_repeats_the_people_of_then() {
    simulate(async {
        let site = Site::new();
        let door = open(&site);
        site.platforms.set_up("onprem", false);
        sleep(2 * AFTER).await;
        let sent = door.send(&[TEAM]).await;
        sleep(MINUTE).await;
        let changed = PEOPLE.replace("bob@cloud.example;board@onprem.example", "cy@cloud.example");
        door.directory.replace(directory(&changed));
        site.platforms.set_up("onprem", true);
        drained(&door).await;
        sleep(MINUTE).await;
        let replays = desk(&door);
        let cloud = BackendId::new("cloud");
        let planned = replays.plan(&cloud, (all(&door), People::new()), "ann");
        let planned = planned.await.unwrap();
        let skipped = planned.plan.skipped.iter().map(|one| one.reason);
        assert!(skipped.collect::<Vec<_>>().contains(&Skip::Expanded));
        replays.start(&planned.id, "ann").await.unwrap();
        crate::replays::ended(&replays, &planned.id).await;
        let got = copies(&site, &door, (sent, 0));
        assert_eq!((got[BOB], got["cy@cloud.example"]), (2, 2));
        assert_eq!(got["ann@onprem.example"], 1);
        door.stop().await;
    });
}

/// The disk is full just then: nothing is lost, and it is done when there is room.
#[test]
fn a_group_is_expanded_later_when_it_cannot_be_now() {
    simulate(async {
        let site = Site::new();
        let door = open(&site);
        site.platforms.set_up("onprem", false);
        sleep(MINUTE).await;
        let sent = door.send(&[TEAM]).await;
        let full = Trouble::Until(std::io::ErrorKind::StorageFull);
        site.disk.arrange(site.disk.steps() + 1, full);
        sleep(AFTER).await;
        assert_eq!(door.words(&[sent]), [("queued", 1)].into());
        site.disk.heal();
        sleep(2 * MINUTE).await;
        assert_eq!(copies(&site, &door, (sent, 0))[BOB], 1);
        door.stop().await;
    });
}

/// The mail of a group is in a worker's hands just when its lane is looked through, as it may be
/// after a restart in an outage: it is found once it is back.
#[test]
fn a_group_in_a_worker_s_hands_is_expanded_later() {
    simulate(async {
        let site = Site::new();
        let (door, committed) = open_quietly(&site, Duration::from_secs(1));
        door.queue.start(committed);
        // Long enough that the home is known to be down before the attempt has failed.
        site.platforms.set_pace(600_000);
        let sent = door.send(&[TEAM]).await;
        sleep(Duration::from_secs(1)).await;
        site.platforms.set_up("onprem", false);
        sleep(2 * MINUTE).await;
        assert_eq!(door.words(&[sent]), [("queued", 1)].into());
        assert_eq!(door.queue.loaded(), 1, "in a worker's hands");
        site.platforms.set_pace(50);
        sleep(15 * MINUTE).await;
        assert_eq!(copies(&site, &door, (sent, 0))[BOB], 1);
        door.stop().await;
    });
}
