//! The index is lost or far behind: mail is taken while it is made from the log.

use tideover::mail::{BackendId, RecipientEvent, SpoolId};
use tideover::spool::{Spool, SpoolError};

use crate::chance::Chance;
use crate::disk::{SimDisk, Trouble};
use crate::workload::{Machine, Promises, beside, month, run_behind, run_opened};

/// Enough for a hand-over to the store on the way.
const MESSAGES: usize = 600;

/// A machine with mail in all states, whose index is lost.
fn without_index() -> (Machine, Promises) {
    let machine = Machine::new(SimDisk::default());
    let mut promises = Promises::default();
    machine.run(async |spool| {
        month(&spool, &machine.hands, &mut promises).await;
        for _ in 0..MESSAGES / 50 {
            promises.accept(&spool, vec![vec![b'm'; 50]; 50]).await;
        }
        let ids: Vec<SpoolId> = promises.bodies.keys().rev().copied().collect();
        for &id in ids.iter().take(20) {
            promises.finish(&spool, id, 1).await;
        }
        // One attempt is under way when the program ends.
        let attempted = RecipientEvent::Attempted {
            backend: BackendId::new("onprem"),
        };
        let begun = spool.begin_record(ids[0], vec![0], attempted).await;
        begun.unwrap().wait().await.unwrap();
    });
    let mut lost = machine.copy_without_index();
    lost.replay_at_start = 0;
    (lost, promises)
}

/// Nobody is told half of the truth.
async fn nothing_is_asked(spool: &Spool, promises: &Promises) {
    let id = *promises.bodies.keys().next().unwrap();
    let rebuilding = |error| matches!(error, SpoolError::Rebuilding(_));
    assert!(rebuilding(spool.message(id).unwrap_err()));
    assert!(rebuilding(spool.body(id).err().unwrap()));
    assert!(rebuilding(spool.state(id, 0).unwrap_err()));
    assert!(rebuilding(spool.due("onprem", None, 1).unwrap_err()));
    assert!(rebuilding(spool.waiting(0, 1).unwrap_err()));
    assert!(rebuilding(
        spool.mailbox("r0@example.org", None, 1).unwrap_err()
    ));
    assert!(rebuilding(spool.facts("room", "").unwrap_err()));
    assert!(rebuilding(spool.retire().await.unwrap_err()));
    assert!(rebuilding(spool.checkpoint().await.unwrap_err()));
    assert!(spool.lanes().is_empty());
    assert_eq!(spool.stats().accepted, 0);
}

/// I13: the index is as one that is made at once, and nothing that was promised is missing.
fn as_if_made_at_once(machine: &Machine, promises: &Promises) {
    let mut anew = machine.copy_without_index();
    anew.replay_at_start = u64::MAX;
    anew.run(async |spool| promises.check(&spool).unwrap());
    let (kept, anew) = (machine.index.rows(), anew.index.rows());
    let more = kept.iter().find(|row| !anew.contains(row));
    let less = anew.iter().find(|row| !kept.contains(row));
    assert_eq!((more, less), (None, None), "I13");
}

async fn passed(machine: &Machine, changes: u64) {
    while machine.index.gate().passed() < changes {
        tokio::task::yield_now().await;
    }
}

#[test]
fn mail_is_taken_before_the_index_is_there() {
    let (machine, mut promises) = without_index();
    let before = promises.bodies.len();
    machine.index.gate().close();
    run_behind(&machine, async |spool, rebuild| {
        let mut last = 0;
        for step in 1..5 {
            // The first change is the clearing, then rows come.
            promises.accept(&spool, vec![vec![b'n'; 60]; 3]).await;
            promises.accept(&spool, vec![vec![b'L'; 5_000]]).await;
            promises.note(&spool, 100 + step).await;
            nothing_is_asked(&spool, &promises).await;
            let progress = spool.rebuilding().unwrap();
            assert!(progress.read >= last && progress.read <= progress.total);
            last = progress.read;
            machine.index.gate().let_pass(1);
            if step < 3 {
                passed(&machine, step).await;
            }
        }
        assert!(last > 0, "it is seen to go on");
        machine.index.gate().open();
        let found = rebuild.await.unwrap().unwrap();
        assert!(found.rebuilt);
        assert_eq!((found.damaged, found.interrupted, found.orphans), (0, 1, 0));
        assert_eq!(spool.rebuilding(), None);
        promises.check(&spool).unwrap();
        assert_eq!(promises.bodies.len(), before + 16);
        // It goes on as ever.
        promises.accept(&spool, vec![vec![b'o'; 70]]).await;
        let id = *promises.bodies.keys().last().unwrap();
        promises.finish(&spool, id, 0).await;
        promises.check(&spool).unwrap();
        let due = spool.due("onprem", None, usize::MAX).unwrap();
        assert_eq!(due.len() as u64, spool.lanes()["onprem"]);
    });
    as_if_made_at_once(&machine, &promises);
    machine.run(async |spool| promises.check(&spool).unwrap());
}

/// Killed on the way: the next start goes on, or begins again.
#[test]
fn a_crash_on_the_way_costs_time_only() {
    for changes in 0..3 {
        let (machine, mut promises) = without_index();
        machine.index.gate().close();
        machine.index.gate().let_pass(changes);
        let left = run_behind(&machine, async |spool, rebuild| {
            passed(&machine, changes).await;
            promises.accept(&spool, vec![vec![b'n'; 60]; 3]).await;
            promises.note(&spool, 100).await;
            let left = machine.copy();
            machine.index.gate().open();
            rebuild.await.unwrap().unwrap();
            left
        });
        run_behind(&left, async |spool, rebuild| {
            promises.accept(&spool, vec![vec![b'p'; 60]]).await;
            rebuild.await.unwrap().unwrap();
            promises.check(&spool).unwrap();
        });
        as_if_made_at_once(&left, &promises);
    }
}

/// The power goes at each step of a life in which the index is behind.
#[test]
fn the_power_may_go_while_the_index_is_behind() {
    let first = Machine::new(SimDisk::default());
    let mut before = Promises::default();
    first.run(async |spool| month(&spool, &first.hands, &mut before).await);
    let life = |step: u64| {
        let mut promises = before.clone();
        let mut machine = first.copy_without_index();
        machine.replay_at_start = 0;
        machine.disk.arrange(step, Trouble::PowerCut);
        if let Ok(mut opened) = machine.open() {
            let rebuild = opened.rebuild.take().unwrap();
            run_opened(opened, async |spool| {
                let rebuild = beside(rebuild);
                for round in 0..4 {
                    promises.accept(&spool, vec![vec![b'n'; 300]; 4]).await;
                    promises.accept(&spool, vec![vec![b'L'; 5_000]]).await;
                    promises.note(&spool, 100 + round).await;
                }
                // It waits for a better disk, or it is done.
                while spool.rebuilding().is_some_and(|now| now.problem.is_none()) {
                    tokio::task::yield_now().await;
                }
                rebuild.abort();
            });
        }
        machine.disk.power_cut(&mut Chance::new(step));
        machine.disk.heal();
        (machine, promises)
    };
    let (machine, _) = life(u64::MAX);
    let steps = machine.disk.steps();
    assert!(steps > 30, "{steps}");
    for step in 1..=steps {
        let (machine, promises) = life(step);
        let mut machine = machine;
        machine.replay_at_start = u64::MAX;
        machine.run(async |spool| promises.check(&spool).unwrap());
        as_if_made_at_once(&machine, &promises);
    }
}

/// A log that cannot be read is told, mail is taken all the same, and it is tried
/// again.
#[test]
fn a_disk_that_fails_is_told_and_tried_again() {
    let (machine, mut promises) = without_index();
    machine.index.gate().close();
    run_behind(&machine, async |spool, rebuild| {
        machine.disk.take_away();
        tokio::time::pause();
        machine.index.gate().open();
        while spool.rebuilding().unwrap().problem.is_none() {
            tokio::task::yield_now().await;
        }
        let told = spool.rebuilding().unwrap().to_string();
        assert!(told.contains("tried again: opening"), "{told}");
        promises.accept(&spool, vec![vec![b'n'; 60]; 3]).await;
        machine.disk.bring_back();
        rebuild.await.unwrap().unwrap();
        promises.check(&spool).unwrap();
    });
    as_if_made_at_once(&machine, &promises);
}

/// The store may panic while the index is made: that is told, mail is taken, and it is made anew.
#[test]
fn a_store_that_panics_is_made_anew() {
    let (machine, mut promises) = without_index();
    machine.index.gate().close();
    run_behind(&machine, async |spool, rebuild| {
        machine.index.gate().panic_once();
        tokio::time::pause();
        machine.index.gate().open();
        while spool.rebuilding().unwrap().problem.is_none() {
            tokio::task::yield_now().await;
        }
        let told = spool.rebuilding().unwrap().to_string();
        assert!(told.contains("panicked"), "{told}");
        promises.accept(&spool, vec![vec![b'n'; 60]; 3]).await;
        rebuild.await.unwrap().unwrap();
        promises.check(&spool).unwrap();
    });
    as_if_made_at_once(&machine, &promises);
}
