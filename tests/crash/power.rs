//! The power goes at every step of a recorded workload.

use tideover::spool::{Reach, Spool};

use crate::chance::Chance;
use crate::disk::{SimDisk, Trouble};
use crate::workload::{Machine, Promises, month, run_opened};

/// Runs the workload until the power goes at `step`.
fn cut_at(disk: SimDisk, step: u64) -> (Machine, Promises) {
    let machine = Machine::new(disk);
    machine.disk.arrange(step, Trouble::PowerCut);
    let mut promises = Promises::default();
    if let Ok(opened) = machine.open() {
        run_opened(opened, async |spool| {
            month(&spool, &machine.hands, &mut promises).await;
        });
    }
    machine.disk.power_cut(&mut Chance::new(step));
    machine.disk.heal();
    (machine, promises)
}

/// What must be true after the power came back.
fn check(machine: &Machine, promises: &Promises) -> Result<(), String> {
    let rebuilt = machine.copy_without_index();
    let once = async |spool: Spool| {
        promises.check(&spool)?;
        spool.retire().await.map_err(|error| error.to_string())?;
        promises.check(&spool)?;
        unchanged(&spool).await
    };
    machine.run(once)?;
    rebuilt.run(once)?;
    // I13: the index that was kept and the one that was made anew.
    let (kept, anew) = (machine.index.rows(), rebuilt.index.rows());
    if kept != anew {
        let differ = kept.iter().find(|row| !anew.contains(row));
        let differ = differ.or_else(|| anew.iter().find(|row| !kept.contains(row)));
        return Err(format!("the indexes differ: {differ:?}"));
    }
    // It goes on working.
    let mut more = promises.clone();
    machine.run(async |spool| more.accept(&spool, vec![vec![b'm'; 100]]).await);
    if more.bodies.len() == promises.bodies.len() {
        return Err("it takes no more mail".to_owned());
    }
    Ok(())
}

/// What a crash leaves is no tampering.
async fn unchanged(spool: &Spool) -> Result<(), String> {
    let anchor = spool.link(Reach::Everything).await;
    let anchor = anchor.map_err(|error| error.to_string())?;
    let check = spool.check_chain(Some(&anchor));
    match check.map_err(|error| error.to_string())?.problems.first() {
        Some(problem) => Err(format!("the chain: {problem}")),
        None => Ok(()),
    }
}

fn steps() -> u64 {
    let (machine, promises) = cut_at(SimDisk::default(), u64::MAX);
    assert!(promises.bodies.len() > 25);
    let steps = machine.disk.steps();
    assert!(steps > 150, "{steps}");
    steps
}

#[test]
fn nothing_acknowledged_is_lost_whenever_the_power_goes() {
    for step in 1..=steps() {
        let (machine, promises) = cut_at(SimDisk::default(), step);
        if let Err(error) = check(&machine, &promises) {
            panic!("power cut at step {step}: {error}");
        }
    }
}

/// The same check on a disk whose syncs only pretend must find losses.
#[test]
fn on_a_lying_disk_the_check_fails() {
    let failed = (1..=steps()).step_by(7).any(|step| {
        let (machine, promises) = cut_at(SimDisk::lying(), step);
        machine.open().is_err() || check(&machine, &promises).is_err()
    });
    assert!(failed);
}
