//! A platform comes back to a backlog: it is not overrun, nobody waits for somebody else's rates,
//! and what is foretold comes true.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use tideover::backend::{Override, Wish};
use tideover::base::Timestamp;
use tideover::directory::Directory;
use tideover::mail::{BackendId, RecipientEvent, RecipientState, SpoolId};
use tideover::queue::{self, MailboxRates, SenderRates, TargetLimits};
use tokio::time::{Instant, sleep};

use crate::door::{Door, Site, options_of_the_queue, simulate};
use crate::platforms::Seen;
use crate::world::{CONNECTIONS, domain};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

pub(crate) const LIMITS: TargetLimits = TargetLimits {
    max_connections: CONNECTIONS,
    messages_per_minute: 600,
    mailbox: MailboxRates {
        per_minute: 30,
        per_hour: 1000,
    },
    sender: SenderRates {
        per_minute: 0,
        per_day: 0,
        per_message: 0,
    },
    slow_open: true,
};

pub(crate) fn options(limits: TargetLimits) -> queue::Options {
    let mut options = options_of_the_queue();
    options.backends.values_mut().for_each(|all| *all = limits);
    options
}

fn onprem() -> BackendId {
    BackendId::new("onprem")
}

/// Most of these in any stretch of that length.
pub(crate) fn most(times: &[Instant], stretch: Duration) -> usize {
    let mut most = 0;
    let mut first = 0;
    for (last, at) in times.iter().enumerate() {
        while *at - times[first] >= stretch {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    most
}

/// At no moment had it more connections than the limit, and no minute saw more messages.
pub(crate) fn check_platform(seen: &[Seen], limits: TargetLimits) {
    let all: Vec<Instant> = seen.iter().map(|seen| seen.at).collect();
    if limits.messages_per_minute > 0 {
        let most = most(&all, MINUTE);
        assert!(
            most <= limits.messages_per_minute as usize,
            "{most} in a minute"
        );
    }
    let most = seen.iter().map(|seen| seen.connections).max();
    assert!(most <= Some(limits.max_connections), "{most:?} connections");
}

/// No minute and no hour of the backlog saw more than the limits of a mailbox, and of a sender and
/// mailbox. Mail that was fresh counts, but may be more; what was not taken does not count.
pub(crate) fn check_mailboxes(
    seen: &[Seen],
    limits: TargetLimits,
    is_backlog: impl Fn(&Seen) -> bool,
) {
    let mut mailboxes: HashMap<&str, Vec<Instant>> = HashMap::new();
    let mut pairs: HashMap<(&str, &str), Vec<Instant>> = HashMap::new();
    for seen in seen.iter().filter(|seen| seen.taken && is_backlog(seen)) {
        mailboxes.entry(&seen.address).or_default().push(seen.at);
        let pair = pairs.entry((&seen.sender, &seen.address)).or_default();
        pair.push(seen.at);
    }
    let rates = limits.mailbox;
    for (times, share) in mailboxes
        .values()
        .map(|times| (times, 1))
        .chain(pairs.values().map(|times| (times, 3)))
    {
        let minute = most(times, MINUTE);
        assert!(
            minute <= rates.per_minute.div_ceil(share) as usize,
            "{minute} in a minute"
        );
        let hour = most(times, HOUR);
        assert!(
            hour <= rates.per_hour.div_ceil(share) as usize,
            "{hour} in an hour"
        );
    }
}

/// Deliveries and connections in each stretch of time after the recovery.
#[expect(clippy::print_stdout, reason = "the ramp is there to be looked at")]
fn print_ramp(seen: &[Seen], up: Instant, step: Duration) {
    let mut ramp: BTreeMap<u128, (usize, usize)> = BTreeMap::new();
    for seen in seen {
        let at = (seen.at - up).as_millis() / step.as_millis();
        let (count, connections) = ramp.entry(at).or_default();
        *count += 1;
        *connections = (*connections).max(seen.connections);
    }
    for (at, (count, connections)) in ramp.iter().take(20) {
        println!(
            "{:>6?} {count:>5} recipients {connections:>3} connections",
            step * u32::try_from(*at).unwrap()
        );
    }
}

async fn backlog(door: &Door, count: usize, mailboxes: usize) -> Vec<SpoolId> {
    let mut sent = Vec::with_capacity(count);
    for number in 0..count {
        sent.push(
            door.send(&[&format!("m{}@onprem.example", number % mailboxes)])
                .await,
        );
    }
    sent
}

/// A platform that is down, and a backlog for so many of its mailboxes.
async fn down_with_backlog(
    limits: TargetLimits,
    count: usize,
    mailboxes: usize,
) -> (Site, Door, Vec<SpoolId>) {
    let site = Site::new();
    let door = site.open();
    door.queue.configure(options(limits));
    site.platforms.set_up("onprem", false);
    sleep(5 * MINUTE).await;
    let sent = backlog(&door, count, mailboxes).await;
    (site, door, sent)
}

#[test]
fn a_recovered_platform_is_not_overrun() {
    simulate(async {
        let (site, door, sent) = down_with_backlog(LIMITS, 3000, 200).await;
        sleep(HOUR).await;
        site.platforms.take_seen();
        let up = Instant::now();
        site.platforms.set_up("onprem", true);
        sleep(15 * SECOND).await;
        while !door.spool.lanes().is_empty() {
            sleep(SECOND).await;
            assert!(up.elapsed() < HOUR, "it does not come to an end");
        }
        let mut seen = site.platforms.take_seen();
        seen.retain(|seen| seen.backend == onprem());
        print_ramp(&seen, up, SECOND);
        check_platform(&seen, LIMITS);
        check_mailboxes(&seen, LIMITS, |_| true);
        // It opens step by step: a second each at least.
        for connections in 2..=CONNECTIONS {
            let first = seen.iter().find(|seen| seen.connections >= connections);
            let first = first.unwrap().at - seen[0].at;
            let least = SECOND * u32::try_from(connections - 1).unwrap();
            assert!(first >= least, "{connections} connections after {first:?}");
        }
        assert_eq!(door.words(&sent), [("delivered", 3000)].into());
        assert_eq!(site.copies(), 3000);
        door.stop().await;
    });
}

/// What a worker has prepared does not wait behind a message that hangs.
#[test]
fn a_message_that_hangs_keeps_nobody_behind_it() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        let mut limits = TargetLimits::connections(CONNECTIONS);
        limits.slow_open = false;
        door.queue.configure(options(limits));
        site.platforms.set_up("onprem", false);
        sleep(5 * MINUTE).await;
        let slow = "slow@onprem.example";
        site.platforms.set_slow(slow, HOUR / 10);
        let mut others = backlog(&door, 40, 40).await;
        let hangs = door.send(&[slow]).await;
        others.extend(backlog(&door, 40, 40).await);
        sleep(MINUTE).await;
        site.platforms.take_seen();
        site.platforms.set_up("onprem", true);
        while door.words(&others) != [("delivered", 80)].into() {
            sleep(SECOND).await;
        }
        assert_eq!(door.words(&[hangs]), [("queued", 1)].into(), "all others");
        let seen = site.platforms.take_seen();
        assert!(seen.iter().any(|seen| seen.address == slow), "it hangs");
        while !door.spool.lanes().is_empty() {
            sleep(SECOND).await;
        }
        assert_eq!(site.copies(), 81);
        door.stop().await;
    });
}

/// What a mailbox got in the last hour is known after a restart, be it a stop or a crash.
#[test]
fn a_restart_gives_no_mailbox_another_hour() {
    let limits = TargetLimits {
        mailbox: MailboxRates {
            per_minute: 0,
            per_hour: 60,
        },
        ..LIMITS
    };
    let open = |site: &Site| {
        let (door, committed) = site.open_quietly();
        door.queue.configure(options(limits));
        door.queue.start(committed);
        door
    };
    for crash in [false, true] {
        simulate(async {
            let site = Site::new();
            let door = open(&site);
            site.platforms.set_up("onprem", false);
            sleep(5 * MINUTE).await;
            backlog(&door, 100, 1).await;
            sleep(5 * MINUTE).await;
            site.platforms.set_up("onprem", true);
            sleep(10 * MINUTE).await;
            assert_eq!(site.copies(), 20, "a third, of one sender");
            // What waits has its turn written down. This has none, and is not fresh any more.
            site.platforms.set_up("onprem", false);
            sleep(5 * MINUTE).await;
            backlog(&door, 40, 1).await;
            sleep(5 * MINUTE).await;
            assert_eq!(site.copies(), 20);
            site.platforms.set_up("onprem", true);
            if crash {
                site.disk.power_cut(&mut site.chance.clone());
                door.shutdown.signal();
                site.platforms.forget_attempts();
            } else {
                door.stop().await;
            }
            let door = open(&site);
            sleep(20 * MINUTE).await;
            assert_eq!(site.copies(), 20, "crash: {crash}");
            sleep(12 * HOUR).await;
            assert_eq!(site.copies(), 140, "crash: {crash}");
            let seen = site.platforms.take_seen();
            let times: Vec<Instant> = seen.iter().map(|seen| seen.at).collect();
            assert!(most(&times, HOUR) <= 20, "crash: {crash}");
            door.stop().await;
        });
    }
}

#[test]
fn a_relapse_stops_it_at_the_first_sign() {
    simulate(async {
        let limits = TargetLimits::connections(CONNECTIONS);
        let (site, door, _) = down_with_backlog(limits, 2000, 200).await;
        site.platforms.set_up("onprem", true);
        while site.copies() < 20 {
            sleep(Duration::from_millis(50)).await;
        }
        site.platforms.take_seen();
        site.platforms.set_up("onprem", false);
        sleep(HOUR).await;
        let tried = site.platforms.take_seen().len();
        assert!(
            tried <= 3 * CONNECTIONS,
            "{tried} attempts after the relapse"
        );
        door.stop().await;
    });
}

/// One mailbox has more than it may get in hours; the others of its platform get theirs at once,
/// and it costs nobody an attempt. A restart changes nothing.
#[test]
fn a_busy_mailbox_delays_nobody_else() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        site.platforms.set_up("onprem", false);
        sleep(5 * MINUTE).await;
        let busy = backlog(&door, 1500, 1).await;
        let mut others = Vec::new();
        for number in 0..100 {
            others.push(door.send(&[&format!("o{number}@onprem.example")]).await);
        }
        door.stop().await;
        let door = site.open();
        door.queue.configure(options(LIMITS));
        sleep(2 * MINUTE).await;
        site.platforms.take_seen();
        site.platforms.set_up("onprem", true);
        sleep(3 * MINUTE).await;
        assert_eq!(door.words(&others), [("delivered", 100)].into());
        let words = door.words(&busy);
        assert!(words["queued"] > 1300, "{words:?}");
        for id in &busy {
            if let RecipientState::Queued { attempts, .. } = door.states(*id)[0] {
                assert_eq!(attempts, 0);
            }
            let history = door.spool.history(*id).unwrap();
            let deferred =
                |event: &RecipientEvent| matches!(event, RecipientEvent::Deferred { .. });
            let tries = history.iter().filter(|entry| deferred(&entry.event));
            let tries: u64 = tries.map(|entry| 1 + entry.left_out).sum();
            assert!(tries <= 2, "{tries}");
        }
        // One sender: 10 a minute, 334 an hour.
        let progress = door.queue.progress(&onprem());
        let eta = progress.eta(words["queued"] as u64).unwrap();
        assert!(eta > 3 * HOUR && eta < 7 * HOUR, "{eta:?}");
        sleep(7 * HOUR).await;
        assert_eq!(door.words(&busy), [("delivered", 1500)].into());
        let seen = site.platforms.take_seen();
        check_platform(&seen, LIMITS);
        check_mailboxes(&seen, LIMITS, |_| true);
        assert_eq!(site.copies(), 1600);
        door.stop().await;
    });
}

#[test]
fn what_is_foretold_comes_true() {
    simulate(async {
        let limits = TargetLimits::connections(CONNECTIONS);
        let (site, door, sent) = down_with_backlog(limits, 6000, 600).await;
        site.platforms.set_up("onprem", true);
        let waiting = || {
            door.spool
                .lanes()
                .get("onprem")
                .copied()
                .unwrap_or_default()
        };
        assert_eq!(door.queue.progress(&onprem()).eta(waiting()), None);
        while waiting() > 3000 {
            sleep(SECOND).await;
        }
        let eta = door.queue.progress(&onprem()).eta(waiting()).unwrap();
        let asked = Instant::now();
        while waiting() > 0 {
            sleep(SECOND).await;
        }
        let took = asked.elapsed();
        assert!(
            eta <= took.mul_f64(1.3) && took <= eta.mul_f64(1.3),
            "{eta:?}, it took {took:?}"
        );
        assert_eq!(door.words(&sent), [("delivered", 6000)].into());
        door.stop().await;
    });
}

/// Fresh mail does not stand in line behind the backlog, nor does it wait for the rates.
#[test]
fn fresh_mail_overtakes_the_backlog() {
    simulate(async {
        let (site, door, _) = down_with_backlog(LIMITS, 5000, 50).await;
        site.platforms.set_up("onprem", true);
        sleep(3 * MINUTE).await;
        for number in 0..20 {
            let id = door.send(&[&format!("m{number}@onprem.example")]).await;
            sleep(3 * SECOND).await;
            assert_eq!(door.words(&[id]), [("delivered", 1)].into(), "{number}");
        }
        assert!(door.spool.lanes()["onprem"] > 1000, "the backlog was over");
        door.stop().await;
    });
}

/// Two domains with one home: that the one may not be given to another platform keeps nothing of
/// the other back, and what was diverted is written down for its home.
#[test]
fn failover_is_a_matter_of_the_domain() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        let mut kept = domain("onprem");
        kept.name = "kept.example".to_owned();
        let mut diverted = domain("onprem");
        diverted.failover = vec![BackendId::new("cloud")];
        let directory = Directory::builder(vec![kept, diverted, domain("cloud")]).finish();
        door.directory.replace(directory);
        for name in ["onprem", "cloud"] {
            site.platforms.set_up(name, false);
        }
        sleep(5 * MINUTE).await;
        let (mut waiting, mut sent) = (Vec::new(), Vec::new());
        for _ in 0..300 {
            waiting.push(door.send(&["ann@kept.example"]).await);
            sent.push(door.send(&["bob@onprem.example"]).await);
        }
        site.platforms.set_up("cloud", true);
        sleep(3 * MINUTE).await;
        assert_eq!(door.words(&sent), [("delivered", 300)].into());
        assert_eq!(door.words(&waiting), [("queued", 300)].into());
        assert!(sent.iter().all(|id| site.places(*id, 0) == ["cloud"]));
        // For the replay: who was diverted from where, in pages.
        assert_eq!(
            door.spool.stats().diverted,
            [("onprem".to_owned(), 300)].into()
        );
        let page = door.spool.diverted(&onprem(), None, 200).unwrap();
        let rest = door
            .spool
            .diverted(&onprem(), page.last().copied(), 200)
            .unwrap();
        let listed: Vec<SpoolId> = page.iter().chain(&rest).map(|(id, _)| *id).collect();
        assert_eq!(listed, sent);
        let home = door.states(sent[0])[0].diverted_from().cloned();
        assert_eq!(home, Some(onprem()));
        site.platforms.set_up("onprem", true);
        sleep(3 * MINUTE).await;
        assert_eq!(door.words(&waiting), [("delivered", 300)].into());
        assert!(waiting.iter().all(|id| site.places(*id, 0) == ["onprem"]));
        door.stop().await;
        // The index is made anew from the log.
        let door = site.open();
        assert_eq!(
            door.spool.stats().diverted,
            [("onprem".to_owned(), 300)].into()
        );
        door.stop().await;
    });
}

/// An operator drains a platform: what was accepted before arrives, what comes later waits.
#[test]
fn a_drained_platform_gets_what_was_there() {
    simulate(async {
        let site = Site::new();
        let door = site.open();
        site.platforms.set_up("onprem", false);
        sleep(5 * MINUTE).await;
        let before = backlog(&door, 500, 50).await;
        sleep(MINUTE).await;
        site.platforms.set_up("onprem", true);
        let said = |wish, since: Timestamp| Override {
            wish,
            actor: "root".to_owned(),
            reason: "new disks".to_owned(),
            since,
        };
        let now = before[499].timestamp().after(SECOND);
        door.router
            .board()
            .set_override(&onprem(), said(Wish::Drain, now));
        sleep(SECOND).await;
        let after = backlog(&door, 500, 50).await;
        sleep(5 * MINUTE).await;
        assert_eq!(door.words(&before), [("delivered", 500)].into());
        assert_eq!(door.words(&after), [("queued", 500)].into());
        door.router
            .board()
            .set_override(&onprem(), said(Wish::Resume, now));
        sleep(5 * MINUTE).await;
        assert_eq!(door.words(&after), [("delivered", 500)].into());
        door.stop().await;
    });
}
