//! Room on the disk and in memory.

use tideover::limits;
use tideover::spool::SpoolError;

use crate::disk::SimDisk;
use crate::workload::{Machine, Promises, read};

const MIB: u64 = 1024 * 1024;

#[test]
fn the_disk_is_asked_now_and_then_and_always_when_it_is_tight() {
    let mut machine = Machine::new(SimDisk::default());
    machine.min_free = 10 * MIB;
    machine.disk.set_free(100 * MIB);
    machine.run(async |spool| {
        let before = machine.disk.set_free(100 * MIB);
        for _ in 0..1_000 {
            spool.admission().unwrap();
        }
        assert_eq!(
            machine.disk.set_free(11 * MIB),
            before + 1,
            "the clock stands still"
        );
        machine.hands.days(1);
        spool.admission().unwrap();
        // 11 MiB are left, and what is written counts at once.
        let mut promises = Promises::default();
        for _ in 0..300 {
            promises.accept(&spool, vec![vec![b'L'; 4_000]]).await;
        }
        machine.disk.set_free(10 * MIB - 1);
        let full = spool.admission();
        assert!(matches!(full, Err(SpoolError::Full { .. })), "{full:?}");
        machine.disk.set_free(20 * MIB);
        spool.admission().unwrap();
    });
}

/// Many large bodies at once stay within the bound, and are what they were (I7).
#[test]
fn bodies_on_their_way_in_have_a_bound() {
    const BODIES: u64 = 120;
    let mut machine = Machine::new(SimDisk::default());
    machine.body_in_log = limits::BODY_IN_MEMORY;
    machine.run(async |spool| {
        let piece = vec![b'm'; 64 * 1024];
        let mut drafts: Vec<_> = (0..BODIES).map(|_| spool.draft()).collect();
        let mut most = 0;
        for _ in 0..14 {
            for draft in &mut drafts {
                draft.append(&piece).await.unwrap();
                most = most.max(spool.bodies_in_memory());
            }
        }
        let all = BODIES * 14 * 64 * 1024;
        assert!(most > limits::BODIES_IN_MEMORY / 2, "{most}");
        // Beyond the bound each has a piece.
        let bound = limits::BODIES_IN_MEMORY + BODIES * 192 * 1024;
        assert!(most <= bound && bound < all, "{most} of {all}");
        let mut ids = Vec::new();
        for draft in drafts {
            let envelope = crate::workload::envelope(1);
            ids.push(spool.accept(draft, envelope).await.unwrap());
        }
        assert_eq!(spool.bodies_in_memory(), 0);
        for id in [ids[0], ids[60], ids[119]] {
            let body = read(&spool, id).unwrap();
            assert!(body.len() == 14 * 64 * 1024 && body.iter().all(|&byte| byte == b'm'));
        }
    });
}
