//! The content of one message between the wire and the spool: dots out, header looked at, every
//! reason to refuse it found. Pure: bytes in, bytes out, and a verdict at the end.

use super::Options;
use super::front::{Front, Whole};
use super::header_filter::{Found, HeaderFilter, Mending};
use super::load::Load;
use super::session::too_large;
use crate::auth::Reading;
use crate::route::Origin;
use crate::smtp::{ChunkCheck, DataDecoder, Decoded, Reply};
use crate::spool::Draft;

/// One message on its way in.
#[derive(Debug)]
pub(super) struct Content {
    decoder: DataDecoder,
    chunks: ChunkCheck,
    filter: HeaderFilter,
    limits: Limits,
    /// What is read of it to check its sender, when he is checked.
    reading: Option<Reading>,
    /// Bytes of the message as the sender sent it.
    size: u64,
    refusal: Option<Reply>,
    decoded: Vec<u8>,
    /// Bytes for the spool, of the last call.
    kept: Vec<u8>,
    front: Front,
}

#[derive(Debug)]
struct Limits {
    message: u64,
    header_section: usize,
    hops: usize,
}

impl Content {
    /// `reading`: when the sender is to be checked.
    pub(super) fn new(options: &Options, origin: Origin, reading: Option<Reading>) -> Self {
        let checked_as = reading.is_some().then(|| options.hostname.clone());
        Self {
            decoder: DataDecoder::new(),
            chunks: ChunkCheck::default(),
            filter: HeaderFilter::new(origin, checked_as),
            reading,
            limits: Limits {
                message: options.max_message_size,
                header_section: options.bounds.header_section,
                hops: options.bounds.hops,
            },
            size: 0,
            refusal: None,
            decoded: Vec::new(),
            kept: Vec::new(),
            front: Front::default(),
        }
    }

    /// The message as it came, once it has come whole; `draft` has it, and `load` counts what is
    /// read of it.
    pub(super) fn whole<'m>(&'m self, draft: &'m Draft, load: &'m Load) -> Whole<'m> {
        Whole {
            draft,
            size: self.found().size,
            front: &self.front,
            load,
        }
    }

    /// Nobody wants the header any more.
    pub(super) fn forget_header(&mut self) {
        self.front = Front::default();
    }

    /// What a message of ours lacks is added, and what should not leave is taken out.
    pub(super) fn mending(mut self, mending: Mending) -> Self {
        self.filter = self.filter.mending(mending);
        self
    }

    /// Takes bytes that follow DATA from the wire; [`Self::kept`] has what goes to the spool. Of a
    /// message that is refused nothing is kept, but it is read to its real end.
    pub(super) fn push(&mut self, input: &[u8]) -> Decoded {
        let mut message = std::mem::take(&mut self.decoded);
        message.clear();
        let decoded = self.decoder.decode(input, &mut message);
        self.kept.clear();
        self.take(&message);
        if decoded.ended {
            self.end();
        }
        self.decoded = message;
        decoded
    }

    /// So many bytes will follow BDAT: what is too large is refused before it comes.
    pub(super) fn announce(&mut self, size: u64) {
        if self.size.saturating_add(size) > self.limits.message {
            self.refuse(too_large(self.limits.message));
        }
    }

    /// Takes bytes that follow BDAT, as [`Self::push`].
    pub(super) fn push_chunk(&mut self, bytes: &[u8]) {
        self.kept.clear();
        if self.refusal.is_none() {
            self.chunks.push(bytes);
            self.take(bytes);
        }
    }

    /// The last chunk has come.
    pub(super) fn end_chunks(&mut self) {
        self.kept.clear();
        self.chunks.finish();
        self.judge();
        self.end();
    }

    fn take(&mut self, message: &[u8]) {
        self.size += message.len() as u64;
        self.judge();
        if self.refusal.is_none() {
            // As it was signed: before anything is removed.
            if let Some(reading) = &mut self.reading {
                reading.push(message);
            }
            self.filter.push(message, &mut self.kept);
            self.judge_header();
        }
    }

    fn end(&mut self) {
        if self.refusal.is_none() {
            self.filter.finish(&mut self.kept);
            self.judge_header();
        }
    }

    /// What the last call yielded.
    pub(super) fn kept(&self) -> &[u8] {
        &self.kept
    }

    /// Refuses it for a reason of the caller's.
    pub(super) fn refuse(&mut self, reply: Reply) {
        self.refusal.get_or_insert(reply);
    }

    /// Why it is refused, as far as is known; final after the end.
    pub(super) const fn refusal(&self) -> Option<&Reply> {
        self.refusal.as_ref()
    }

    /// Bytes of memory that it takes, beside what it has yielded for good.
    pub(super) fn held(&self) -> usize {
        let reading = self.reading.as_ref().map_or(0, Reading::held);
        self.decoded.capacity() + self.kept.capacity() + self.filter.held() + reading
    }

    /// Of what is refused nothing is of use any more but its end.
    pub(super) fn forget(&mut self) {
        self.reading = None;
        self.filter = HeaderFilter::new(Origin::Internet, None);
        (self.decoded, self.kept) = (Vec::new(), Vec::new());
    }

    /// What was read to check the sender; once.
    pub(super) const fn take_reading(&mut self) -> Option<Reading> {
        self.reading.take()
    }

    /// What the header says.
    pub(super) const fn found(&self) -> &Found {
        self.filter.found()
    }

    fn judge(&mut self) {
        let violation = self.decoder.violation().or(self.chunks.violation());
        if let Some(violation) = violation {
            let text = format!("The message has {violation}");
            self.refuse(Reply::with_text(550, (5, 6, 0), text));
        }
        if self.size > self.limits.message {
            self.refuse(too_large(self.limits.message));
        }
    }

    fn judge_header(&mut self) {
        let found = self.filter.found();
        let (hops, size) = (found.hops, found.size);
        // RFC 5321 §6.3.
        if hops > self.limits.hops {
            self.refuse(Reply::new(
                554,
                (5, 4, 6),
                "Too many hops, the message loops",
            ));
        }
        if size > self.limits.header_section {
            self.refuse(Reply::new(552, (5, 3, 4), "Header section too large"));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::inbound::{Role, TlsMode, samples};
    use crate::smtp::DataEncoder;

    fn options() -> Options {
        Options {
            tls: TlsMode::None,
            max_message_size: 10_000,
            ..samples::options(Role::Mx)
        }
    }

    /// What is kept, and the verdict.
    fn receive(wire: &[u8], size: usize) -> (Vec<u8>, Option<Reply>) {
        let mut content = Content::new(&options(), Origin::Internet, None);
        let mut kept = Vec::new();
        for piece in wire.chunks(size) {
            let decoded = content.push(piece);
            kept.extend_from_slice(content.kept());
            if decoded.ended {
                break;
            }
        }
        (kept, content.refusal().cloned())
    }

    /// The same by chunks of `size` bytes.
    fn receive_chunks(message: &[u8], size: usize) -> (Vec<u8>, Option<Reply>) {
        let mut content = Content::new(&options(), Origin::Internet, None);
        let mut kept = Vec::new();
        for chunk in message.chunks(size) {
            content.announce(chunk.len() as u64);
            content.push_chunk(chunk);
            kept.extend_from_slice(content.kept());
        }
        content.end_chunks();
        kept.extend_from_slice(content.kept());
        (kept, content.refusal().cloned())
    }

    #[test]
    fn a_chunk_that_is_too_large_is_refused_before_it_comes() {
        for size in [10_001, u64::MAX] {
            let mut content = Content::new(&options(), Origin::Internet, None);
            content.announce(5_000);
            content.push_chunk(&b"x".repeat(5_000));
            content.announce(size - 5_000);
            let refused = content.refusal().map(|reply| reply.code);
            assert_eq!(refused, Some(552), "{size}");
            content.push_chunk(b"more");
            assert!(content.kept().is_empty());
        }
        let mut content = Content::new(&options(), Origin::Internet, None);
        content.announce(10_000);
        assert_eq!(content.refusal(), None);
    }

    #[test]
    fn the_last_line_of_chunks_may_have_no_end() {
        for message in ["A: b\r\n\r\nno end", "A: b\r\n.\r\n", "A: b", "text"] {
            let (kept, refusal) = receive_chunks(message.as_bytes(), 3);
            let kept = String::from_utf8(kept).unwrap();
            assert!(kept.ends_with(message), "{kept:?}");
            assert_eq!(refusal, None);
        }
        let (_, refusal) = receive_chunks(b"A: b\r\n\r\nhalf an end\r", 3);
        assert_eq!(refusal.map(|reply| reply.code), Some(550));
    }

    #[test]
    fn nothing_is_kept_behind_the_reason_to_refuse() {
        let wire = [b"A: b\r\n\r\n".as_slice(), &b"0123456789\r\n".repeat(1000)].concat();
        let (kept, refusal) = receive(&wire, 100);
        assert_eq!(refusal.map(|reply| reply.code), Some(552));
        assert!(kept.len() <= 10_100, "{}", kept.len());
    }

    proptest! {
        /// I8: what arrives is what was sent.
        #[test]
        fn a_message_arrives_as_it_was_sent(
            header in proptest::collection::vec(
                "(Subject|X-A|To): [ -~äöü]{0,60}\r\n( [ -~]{1,20}\r\n)?",
                1..6,
            ),
            body in proptest::collection::vec("[ -~äöü]{0,80}|\\.{1,3}[a-z]{0,3}|From x", 0..12),
            sizes in [1_usize..60, 1..60],
        ) {
            let mut message = format!("{}\r\n{}", header.concat(), body.join("\r\n")).into_bytes();
            message.extend_from_slice(if body.is_empty() { b"" } else { b"\r\n" });
            let mut wire = Vec::new();
            let mut encoder = DataEncoder::new();
            message.chunks(sizes[0]).for_each(|piece| encoder.encode(piece, &mut wire));
            encoder.finish(&mut wire);
            prop_assert_eq!(receive(&wire, sizes[1]), (message.clone(), None));
            prop_assert_eq!(receive_chunks(&message, sizes[1]), (message, None));
        }
    }
}
