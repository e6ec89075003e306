//! The fuzz targets' functions over their corpus, and over the corpus with small damages: what a
//! fuzzer does for hours, for a moment and with a stable compiler.

use std::path::Path;

#[path = "../../fuzz/entries.rs"]
mod entries;

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
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut damage = Damage(1);
    let mut seeds = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let seed = std::fs::read(file.unwrap().path()).unwrap();
        entry(&seed);
        for _ in 0..2_000 {
            entry(&damage.damage(&seed));
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
