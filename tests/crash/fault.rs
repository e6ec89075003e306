//! A disk that fails: errors at every step, reads that fail, and damage at every byte.

use std::io::ErrorKind;
use std::path::Path;

use tideover::spool::Spool;

use crate::chance::Chance;
use crate::disk::{SimDisk, Trouble};
use crate::workload::{Machine, Promises, month, read, run_opened};

/// The workload on a disk that fails at `step`, then the check: while it runs on, after a
/// restart, and after a power cut.
fn fail_at(step: u64, trouble: Trouble) {
    let machine = Machine::new(SimDisk::default());
    machine.disk.arrange(step, trouble);
    let mut promises = Promises::default();
    let Ok(opened) = machine.open() else {
        // Not even begun: nothing was promised.
        machine.disk.heal();
        machine.run(async |spool| promises.check(&spool).unwrap());
        return;
    };
    run_opened(opened, async |spool| {
        month(&spool, &machine.hands, &mut promises).await;
        machine.disk.heal();
        let before = promises.bodies.len();
        promises.accept(&spool, vec![vec![b'h'; 100]]).await;
        assert_eq!(
            promises.bodies.len(),
            before + 1,
            "it goes on when the disk works again"
        );
        promises.check(&spool).unwrap();
    });
    let rebuilt = machine.copy_without_index();
    machine.run(async |spool| promises.check(&spool).unwrap());
    machine.disk.power_cut(&mut Chance::new(step));
    machine.run(async |spool| promises.check(&spool).unwrap());
    rebuilt.run(async |spool| promises.check(&spool).unwrap());
}

fn steps() -> u64 {
    let machine = Machine::new(SimDisk::default());
    let mut promises = Promises::default();
    machine.run(async |spool| month(&spool, &machine.hands, &mut promises).await);
    machine.disk.steps()
}

#[test]
fn an_error_at_any_step_loses_nothing_acknowledged() {
    for step in 1..=steps() {
        fail_at(step, Trouble::Once(ErrorKind::Other));
    }
}

#[test]
fn a_disk_that_is_full_from_any_step_on_loses_nothing_acknowledged() {
    for step in 1..=steps() {
        fail_at(step, Trouble::Until(ErrorKind::StorageFull));
    }
}

/// A small closed log; each byte in it damaged, one after the other.
#[test]
fn damage_anywhere_costs_one_record_and_is_told() {
    let machine = Machine::new(SimDisk::default());
    let mut promises = Promises::default();
    machine.run(async |spool| {
        for number in 0..3_u8 {
            promises.accept(&spool, vec![vec![b'a' + number; 40]]).await;
        }
        let id = *promises.bodies.keys().next().unwrap();
        promises.finish(&spool, id, 0).await;
    });
    let segment = Path::new("/spool/log/0000000001.seg");
    let mut length = 0;
    machine.disk.edit(segment, |bytes| length = bytes.len());
    assert!((1000..8000).contains(&length), "{length}");
    let mut maimed = 0;
    for at in 0..length {
        let damaged = machine.copy_without_index();
        damaged
            .disk
            .edit(segment, |bytes| bytes[at] ^= 1 << (at % 8));
        let opened = damaged.open().unwrap();
        let recovery = opened.recovery;
        run_opened(opened, async |spool| {
            let missing = |id| spool.message(id).unwrap().is_none();
            let lost = promises.bodies.keys().filter(|&&id| missing(id)).count();
            assert!(lost <= 1, "byte {at}: {lost} lost");
            // A message whose envelope is whole does not vanish, and nobody can get it.
            maimed += u64::from(spool.stats().damaged > 0);
            for (&id, body) in &promises.bodies {
                let read = read(&spool, id);
                assert!(
                    read.is_err() || read.as_ref() == Ok(body),
                    "byte {at}: {id}"
                );
                let held = spool
                    .state(id, 1)
                    .unwrap()
                    .is_none_or(|state| state.is_damaged());
                assert!(read.is_ok() || held, "byte {at}: {id} is not held");
            }
            let whole = promises.check(&spool);
            // Padding between records is not checked, and holds nothing.
            assert!(
                whole.is_ok() || recovery.damaged == 1,
                "byte {at}: {whole:?}"
            );
            let quarantined = damaged.disk.names_in("/spool/quarantine");
            assert_eq!(quarantined as u64, recovery.damaged, "byte {at}");
        });
    }
    // Three bodies of 40 bytes.
    assert_eq!(maimed, 120);
}

const BLOCK: usize = 4096;

/// A spool with a closed segment of messages, and an open one as a kill leaves it.
fn two_segments() -> (Machine, Promises) {
    let mut machine = Machine::new(SimDisk::default());
    machine.segment_size = 512 * 1024;
    let mut promises = Promises::default();
    let mut accept = async |spool: &Spool, count: u8| {
        for number in 0..count {
            promises.accept(spool, vec![vec![number; 1900]]).await;
        }
    };
    machine.run(async |spool| accept(&spool, 12).await);
    let killed = machine.run(async |spool| {
        accept(&spool, 8).await;
        machine.copy_without_index()
    });
    (killed, promises)
}

/// The disk does not give a block any more, each in turn: what stands elsewhere is there, and what
/// is lost is told.
#[test]
fn a_broken_block_costs_what_is_in_it_and_is_told() {
    let (machine, promises) = two_segments();
    for segment in ["/spool/log/0000000001.seg", "/spool/log/0000000002.seg"] {
        let segment = Path::new(segment);
        let mut written = 0;
        machine.disk.edit(segment, |bytes| {
            written = bytes.iter().rposition(|&byte| byte != 0).unwrap();
        });
        for at in (0..written).step_by(BLOCK) {
            let broken = machine.copy();
            broken.disk.break_bytes(segment, at..at + BLOCK);
            // A second look finds the same.
            for _ in 0..2 {
                broken.run(async |spool| check_broken(&spool, &promises, &broken.disk));
            }
            // What was not readable for a while is there again.
            broken.disk.break_bytes(segment, 0..0);
            broken.copy_without_index().run(async |spool| {
                for (&id, body) in &promises.bodies {
                    assert_eq!(read(&spool, id).as_ref(), Ok(body), "{id}");
                }
            });
        }
    }
}

fn check_broken(spool: &Spool, promises: &Promises, disk: &SimDisk) {
    let ids = || promises.bodies.keys().copied();
    let whole = |id| read(spool, id).as_ref() == Ok(&promises.bodies[&id]);
    let lost = ids().filter(|&id| !whole(id)).count();
    // A block has a part of three messages at most.
    assert!((1..=3).contains(&lost), "{lost} lost");
    assert!(
        disk.names_in("/spool/quarantine") > 0,
        "{lost} lost, and not told"
    );
    let held = |id| {
        spool
            .state(id, 0)
            .unwrap()
            .is_none_or(|state| state.is_damaged())
    };
    assert!(ids().all(|id| whole(id) || held(id)));
}

/// A disk that gives nothing is in trouble, and not empty.
#[test]
fn a_disk_that_gives_nothing_is_not_believed() {
    let (machine, promises) = two_segments();
    let segment = Path::new("/spool/log/0000000002.seg");
    machine.disk.break_bytes(segment, 0..usize::MAX);
    assert!(machine.open().is_err());
    machine.disk.break_bytes(segment, 0..0);
    machine.run(async |spool| promises.check(&spool).unwrap());
}

/// Every read of a recovery fails once: the spool does not open, or opens whole.
#[test]
fn reads_that_fail_during_recovery_lose_nothing() {
    let machine = Machine::new(SimDisk::default());
    let mut promises = Promises::default();
    machine.run(async |spool| month(&spool, &machine.hands, &mut promises).await);
    let mut refused = 0;
    for read in 1.. {
        let again = machine.copy_without_index();
        again.disk.fail_read(read);
        match again.open() {
            Err(_) => refused += 1,
            Ok(opened) => {
                let all_read = again.disk.reads() < read;
                again.disk.fail_read(0);
                run_opened(opened, async |spool| promises.check(&spool).unwrap());
                if all_read {
                    break;
                }
            }
        }
        again.disk.fail_read(0);
        again.run(async |spool| promises.check(&spool).unwrap());
    }
    // Most are tried again at once.
    assert!(refused > 0, "{refused}");
}
