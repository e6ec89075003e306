//! The fuzz targets' functions over their corpus, and over the corpus with small damages: what a
//! fuzzer does for hours, for a moment and with a stable compiler.

use std::path::Path;

#[path = "../../fuzz/delivery.rs"]
mod delivery;
#[path = "../../fuzz/directory.rs"]
mod directory;
#[path = "../../fuzz/entries.rs"]
mod entries;
#[path = "../../fuzz/filters.rs"]
mod filters;
#[path = "../../fuzz/imap.rs"]
mod imap;
#[path = "../../fuzz/message.rs"]
mod message;
#[path = "../../fuzz/policy.rs"]
mod policy;
#[path = "../../fuzz/session.rs"]
mod session;
#[path = "../../fuzz/trust.rs"]
mod trust;

/// Damaged copies of each seed of what is quick.
const MANY: usize = 2_000;
/// The same of whole conversations.
const SOME: usize = 300;

/// A small generator with a fixed seed: each run tries the same.
struct Damage(u64);

impl Damage {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % below.max(1)
    }

    fn damage(&mut self, input: &[u8]) -> Vec<u8> {
        let mut input = input.to_vec();
        for _ in 0..=self.next(4) {
            let at = self.next(input.len() + 1);
            let piece: &[u8] = [
                b"\r\n".as_slice(),
                b"\r",
                b"\n",
                b".",
                b"\r\n.\r\n",
                b"\0",
                b"\"",
                b"\\",
                b"<",
                b">",
                b"@",
                b"=",
                b"+",
                b"\xc3\xa4",
                b"\xff",
                b" ",
                b";",
                b",",
            ][self.next(18)];
            match self.next(3) {
                0 => drop(input.splice(at..at, piece.iter().copied())),
                1 => input.truncate(at),
                _ => {
                    let again = input[..at].to_vec();
                    input.extend(again);
                }
            }
        }
        input
    }
}

fn over_the_corpus(target: &str, entry: fn(&[u8])) {
    so_often_over_the_corpus(MANY, target, entry);
}

fn so_often_over_the_corpus(copies: usize, target: &str, entry: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut damage = Damage(1);
    let mut seeds = 0;
    let files = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    // The damages go on from one to the next.
    files.sort();
    for file in files {
        let seed = std::fs::read(file).unwrap();
        let told = |input: &[u8]| {
            let run = std::panic::AssertUnwindSafe(|| entry(input));
            let run = std::panic::catch_unwind(run);
            assert!(run.is_ok(), "{target} fails with {}", input.escape_ascii());
        };
        told(&seed);
        for _ in 0..copies {
            told(&damage.damage(&seed));
        }
        seeds += 1;
    }
    assert!(seeds >= 4, "the corpus of {target} is gone");
}

#[test]
fn commands() {
    over_the_corpus("command", entries::command);
}

#[test]
fn automatic_answers() {
    over_the_corpus("automatic", entries::automatic);
}

#[test]
fn what_proxies_say_survives() {
    over_the_corpus("proxy", entries::proxy);
}

#[test]
fn policies_of_others() {
    over_the_corpus("policy", policy::policy);
}

#[test]
fn passkeys() {
    over_the_corpus("passkey", entries::passkey);
}

#[test]
fn logins() {
    over_the_corpus("login", entries::login);
}

/// The seeds are what they are called: else nothing is tried behind the first line.
#[test]
fn who_knows_the_password_is_in() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/login");
    for (name, is_in) in [
        ("plain", true),
        ("plain-challenged", true),
        ("plain-as-another", false),
        ("plain-empty", false),
        ("login", true),
        ("login-name-at-once", true),
        ("cancelled", false),
        ("scram", true),
        ("scram-challenged", true),
        ("scram-of-nobody", false),
        ("scram-y", true),
        ("wrong-then-right", true),
    ] {
        let seed = std::fs::read(folder.join(name)).unwrap();
        assert_eq!(entries::is_let_in(&seed), is_in, "{name}");
    }
}

#[test]
fn data() {
    over_the_corpus("data", entries::data);
}

#[test]
fn filters() {
    over_the_corpus("filter", entries::filter);
}

#[test]
fn sessions() {
    so_often_over_the_corpus(SOME, "session", session::session);
}

#[test]
fn deliveries() {
    so_often_over_the_corpus(SOME, "delivery", delivery::delivery);
}

#[test]
fn trust_at_receipt() {
    so_often_over_the_corpus(SOME, "trust", trust::trust);
}

#[test]
fn mailboxes() {
    so_often_over_the_corpus(SOME, "imap", imap::imap);
}

#[test]
fn what_filters_say() {
    so_often_over_the_corpus(SOME, "filters", filters::filters);
}

#[test]
fn messages_as_people_see_them() {
    so_often_over_the_corpus(SOME, "message", message::message);
}

#[test]
fn files_of_people() {
    so_often_over_the_corpus(SOME, "directory", directory::directory);
}
