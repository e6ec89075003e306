//! The power goes while the program itself takes mail: its system calls are written down by
//! shim.c, and disks are made of them as they may be after a cut at any moment.
//! More cuts: `TIDEOVER_POWER_CUTS=5000 cargo test --test crash real::`.

mod behind;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../../platforms/harness/client.rs"]
mod client;
mod journal;
mod platter;
#[expect(dead_code, reason = "other tests use the rest")]
#[path = "../../platforms/harness/process.rs"]
mod process;
mod server;
#[path = "../../platforms/harness/wait.rs"]
mod wait;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

use tideover::spool::{Offline, Options, Spool, World};

use self::journal::{Deed, Entry, entries};
use self::platter::{Honest, Platter, Unsynced};
use self::server::{Acknowledged, House};
use crate::chance::Chance;
use crate::workload::{Promises, read, run_opened};

/// How many cuts, when it is not the usual number.
const CUTS: &str = "TIDEOVER_POWER_CUTS";

#[expect(clippy::disallowed_methods, reason = "who runs it says how long")]
fn cuts() -> usize {
    let cuts = std::env::var(CUTS).ok().and_then(|cuts| cuts.parse().ok());
    cuts.unwrap_or(40)
}

fn options(dir: &Path) -> Options {
    Options {
        min_free: 0,
        replay_at_start: u64::MAX,
        ..Options::new(dir)
    }
}

/// Two lives of the program under load: the first is killed, the second stopped in order.
fn two_lives(house: &House) -> Vec<Acknowledged> {
    let mut first = house.serve_under_shim();
    let mut told = house.send(0, 20);
    // Killed between a call and its entry, the journal would lie.
    house.wait_quiet();
    first.kill();
    same_as_real(house, "killed");
    let mut second = house.serve_under_shim();
    told.extend(house.send(1_000, 20));
    let ended = second.stop();
    assert!(ended.success(), "{ended}");
    same_as_real(house, "stopped");
    told
}

/// Nothing has escaped the shim: what it tells makes the same folder.
fn same_as_real(house: &House, name: &str) {
    let journal = fs::read(house.path("journal")).unwrap();
    let mut platter = Platter::new(&journal, &house.data(), Honest::Always);
    for entry in &entries(&journal) {
        platter.follow(entry);
    }
    let made = house.path(name);
    platter.save(&made, Unsynced::Kept);
    let (real, made) = (files(&house.data()), files(&made));
    assert!(real.len() > 8, "{:?}", real.keys());
    assert_eq!(
        real.keys().collect::<Vec<_>>(),
        made.keys().collect::<Vec<_>>()
    );
    for (name, path) in real {
        let (real, made) = (fs::read(path).unwrap(), fs::read(&made[&name]).unwrap());
        assert_eq!(real.len(), made.len(), "{}", name.display());
        let differs = real.iter().zip(&made).position(|(real, made)| real != made);
        assert_eq!(differs, None, "{}", name.display());
    }
}

/// All files below a folder, without sockets.
fn files(folder: &Path) -> BTreeMap<PathBuf, PathBuf> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(entry.path());
            } else if !kind.is_socket() {
                let name = entry.path().strip_prefix(folder).unwrap().to_owned();
                found.insert(name, entry.path());
            }
        }
    }
    found
}

/// What must be there after a cut.
struct Cut<'a> {
    told: &'a [Acknowledged],
    /// The length of the journal.
    at: u64,
}

impl Cut<'_> {
    /// How many messages are missing or not what they were; an error when it is the spool.
    fn lost(&self, image: &Path) -> Result<usize, String> {
        let opened = Spool::open(options(image), World::system());
        let opened = opened.map_err(|error| error.to_string())?;
        let damaged = opened.recovery.damaged;
        let told = self.told.iter().filter(|told| told.journal <= self.at);
        let lost = run_opened(opened, async |spool| {
            let is_lost = |told: &&Acknowledged| {
                let body = told.id.parse().map_err(|_| String::new());
                let body = body.and_then(|id| read(&spool, id));
                !body.is_ok_and(|body| body.ends_with(&told.message))
            };
            let lost = told.filter(is_lost).count();
            let mut more = Promises::default();
            more.accept(&spool, vec![vec![b'm'; 100]]).await;
            more.check(&spool).map(|()| (lost, more.bodies.len()))
        });
        match lost? {
            (lost, 1) if damaged == 0 => Ok(lost),
            (_, taken) => Err(format!("{damaged} damaged, {taken} of 1 taken")),
        }
    }

    /// I13: the index is as the log says.
    fn verify(image: &Path) -> Result<(), String> {
        let offline = Offline::open(options(image), World::system());
        let offline = offline.map_err(|error| error.to_string())?;
        let found = offline.verify(&mut |_, _| {});
        let found = found.map_err(|error| error.to_string())?;
        if found.problems.is_empty() {
            Ok(())
        } else {
            Err(found.problems.join("; "))
        }
    }
}

/// Cuts the power at the ends of these entries, and gives each disk to `visit`.
fn cut_at(
    house: &House,
    journal: &[u8],
    (entries, places): (&[Entry], &[usize]),
    honest: Honest,
    mut visit: impl FnMut(u64, &Path),
) {
    let mut platter = Platter::new(journal, &house.data(), honest);
    let mut followed = 0;
    for &place in places {
        for entry in &entries[followed..place] {
            platter.follow(entry);
        }
        followed = place;
        let image = house.path("image");
        let at = entries[..place].last().map_or(0, |entry| entry.end);
        let chance = Chance::new(at as u64);
        platter.save(&image, Unsynced::ByChance(&chance));
        visit(at as u64, &image);
        fs::remove_dir_all(&image).unwrap();
    }
}

#[test]
fn the_power_may_go_under_the_program_itself() {
    let house = House::new();
    let told = two_lives(&house);
    assert_eq!(told.len(), 160);
    let journal = fs::read(house.path("journal")).unwrap();
    let entries = entries(&journal);
    let hand_overs = entries
        .iter()
        .filter(|entry| entry.deed == Deed::Unlink && entry.path.ends_with("index/redo"));
    assert!(hand_overs.count() > 4, "the index stayed in memory");
    let chance = Chance::new(u64::from(std::process::id()));
    let place = |_| usize::try_from(chance.below(entries.len() as u64 + 1)).unwrap();
    let mut places: Vec<usize> = (0..cuts()).map(place).collect();
    places.sort_unstable();
    let mut wrong = Vec::new();
    let all = (entries.as_slice(), places.as_slice());
    cut_at(&house, &journal, all, Honest::Always, |at, image| {
        let cut = Cut { told: &told, at };
        match cut.lost(image) {
            Ok(0) => {}
            Ok(lost) => wrong.push(format!("cut at {at}: {lost} lost")),
            Err(error) => wrong.push(format!("cut at {at}: {error}")),
        }
        if at % 4 == 0
            && let Err(error) = Cut::verify(image)
        {
            wrong.push(format!("cut at {at}: {error}"));
        }
    });
    if !wrong.is_empty() {
        let kept = house.keep();
        panic!("{}\nthe journal is in {}", wrong.join("\n"), kept.display());
    }
    // The negative control: when syncs only pretend, the same check must find losses.
    let some: Vec<usize> = places
        .iter()
        .copied()
        .step_by(cuts().div_ceil(12))
        .collect();
    for honest in [Honest::NotForFiles, Honest::NotForFolders] {
        let mut lossy = 0;
        let all = (entries.as_slice(), some.as_slice());
        cut_at(&house, &journal, all, honest, |at, image| {
            let cut = Cut { told: &told, at };
            lossy += usize::from(cut.lost(image) != Ok(0));
        });
        assert!(
            lossy > some.len() / 3,
            "{honest:?}: {lossy} of {}",
            some.len()
        );
    }
}
