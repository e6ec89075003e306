//! The protocol of clamd (clamd(8)): `INSTREAM` with pieces, and `PING`. Pure: what is said, and
//! what an answer means.
//!
//! Commands begin with `z`, so that commands and answers end with NUL. A message goes as pieces,
//! each behind its length in four bytes; a piece of no bytes is the end.

use super::heard::{Nonsense, printable};
use crate::limits;

/// Asks whether it is there.
pub(super) const PING: &[u8] = b"zPING\0";
/// Asks what it is.
pub(super) const VERSION: &[u8] = b"zVERSION\0";
/// A message follows.
pub(super) const BEGIN: &[u8] = b"zINSTREAM\0";
/// The piece of no bytes.
pub(super) const END: [u8; 4] = [0; 4];

/// What goes before a piece.
pub(super) fn piece_length(piece: &[u8]) -> [u8; 4] {
    // A piece is never longer than `limits::FILTER_PIECE`.
    u32::try_from(piece.len()).unwrap_or(u32::MAX).to_be_bytes()
}

/// What a filter answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It is there.
    Pong,
    /// This is what it is.
    Version(String),
    /// Nothing was found.
    Clean,
    /// This was found.
    Bad(String),
    /// The message is too large for it.
    TooLarge,
    /// It could not look.
    Failed(String),
}

/// Reads an answer as it comes, in pieces of any size.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplyReader {
    so_far: Vec<u8>,
}

impl ReplyReader {
    /// The next bytes; the answer once it is whole.
    ///
    /// # Errors
    /// [`Nonsense`]; it is of no use then.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Option<Answer>, Nonsense> {
        let end = memchr::memchr(0, bytes);
        let part = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
        if self.so_far.len() + part.len() > limits::FILTER_ANSWER {
            return Err(Nonsense::TooLong);
        }
        self.so_far.extend_from_slice(part);
        match end {
            None => Ok(None),
            Some(end) if end + 1 < bytes.len() => Err(Nonsense::More),
            Some(_) => answer(&self.so_far).map(Some),
        }
    }
}

fn answer(line: &[u8]) -> Result<Answer, Nonsense> {
    if line == b"PONG" {
        return Ok(Answer::Pong);
    }
    if line.starts_with(b"ClamAV ") {
        return Ok(Answer::Version(printable(line)));
    }
    if let Some(what) = line.strip_suffix(b" ERROR") {
        let what = what.strip_prefix(b"stream: ").unwrap_or(what);
        if what.starts_with(b"INSTREAM size limit exceeded") {
            return Ok(Answer::TooLarge);
        }
        return Ok(Answer::Failed(printable(what)));
    }
    let said = line.strip_prefix(b"stream: ").ok_or(Nonsense::Unknown)?;
    match said.strip_suffix(b" FOUND") {
        Some(name) if !name.trim_ascii().is_empty() => Ok(Answer::Bad(printable(name))),
        None if said == b"OK" => Ok(Answer::Clean),
        Some(_) | None => Err(Nonsense::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8], size: usize) -> Result<Option<Answer>, Nonsense> {
        let mut reader = ReplyReader::default();
        let mut last = Ok(None);
        for piece in bytes.chunks(size) {
            last = reader.push(piece);
            if last != Ok(None) {
                break;
            }
        }
        last
    }

    #[test]
    fn answers_are_read_split_at_every_byte() {
        let bad = |name: &str| Answer::Bad(name.to_owned());
        let failed = |what: &str| Answer::Failed(what.to_owned());
        for (bytes, expected) in [
            ("PONG\0", Answer::Pong),
            ("stream: OK\0", Answer::Clean),
            (
                "ClamAV 1.4.6/27000/Sun\0",
                Answer::Version("ClamAV 1.4.6/27000/Sun".to_owned()),
            ),
            (
                "stream: Eicar-Test-Signature FOUND\0",
                bad("Eicar-Test-Signature"),
            ),
            ("stream: a \"b\\\u{1b}c FOUND\0", bad("a 'b'?c")),
            ("INSTREAM size limit exceeded. ERROR\0", Answer::TooLarge),
            ("stream: no more disk ERROR\0", failed("no more disk")),
            ("UNKNOWN COMMAND ERROR\0", failed("UNKNOWN COMMAND")),
        ] {
            for size in 1..=bytes.len() {
                let answer = read(bytes.as_bytes(), size);
                assert_eq!(answer, Ok(Some(expected.clone())), "{bytes:?} {size}");
            }
            // Without its end it is none.
            let half = bytes.trim_end_matches('\0').as_bytes();
            assert_eq!(read(half, 3), Ok(None), "{bytes:?}");
        }
    }

    #[test]
    fn nothing_else_is_an_answer() {
        for bytes in [
            "\0",
            "OK\0",
            "stream: \0",
            "stream: OK \0",
            "stream: ok\0",
            "stream:OK\0",
            "/etc/passwd: OK\0",
            "stream:  FOUND\0",
            "FOUND\0",
            "stream: OK\n\0",
            "550 no\0",
        ] {
            assert_eq!(
                read(bytes.as_bytes(), 99),
                Err(Nonsense::Unknown),
                "{bytes:?}"
            );
        }
        let two = b"stream: OK\0stream: Eicar FOUND\0";
        assert_eq!(read(two, 99), Err(Nonsense::More));
        let long = vec![b'a'; limits::FILTER_ANSWER + 1];
        for size in [1, 1000, 1 << 20] {
            assert_eq!(read(&long, size), Err(Nonsense::TooLong));
        }
    }

    #[test]
    fn pieces_carry_their_length() {
        assert_eq!(piece_length(b"abc"), [0, 0, 0, 3]);
        let longest = vec![0; limits::FILTER_PIECE];
        assert_eq!(piece_length(&longest), [0, 1, 0, 0]);
        assert_eq!(piece_length(b""), END);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_bounded(
            bytes in proptest::collection::vec(any::<u8>(), 0..600),
            size in 1_usize..99,
        ) {
            let whole = read(&bytes, bytes.len().max(1));
            if let Ok(Some(Answer::Bad(said) | Answer::Failed(said))) = &whole {
                prop_assert!(said.len() <= limits::FILTER_SAID);
                prop_assert!(said.bytes().all(|it| matches!(it, b' '..=b'~')));
            }
            let pieces = read(&bytes, size);
            // How it is split makes no difference, but that bytes behind the end may be unseen.
            prop_assert!(pieces == whole || whole == Err(Nonsense::More));
        }
    }
}
