//! The content of one message between the wire and the spool: dots out, header looked at, every
//! reason to refuse it found. Pure: bytes in, bytes out, and a verdict at the end.

use super::Options;
use super::header_filter::{Found, HeaderFilter};
use super::session::too_large;
use crate::auth::Reading;
use crate::route::Origin;
use crate::smtp::{DataDecoder, Decoded, Reply};

/// One message on its way in.
#[derive(Debug)]
pub(super) struct Content {
    decoder: DataDecoder,
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
        }
    }

    /// Takes bytes from the wire; [`Self::kept`] has what goes to the spool. Of a message that is
    /// refused nothing is kept, but it is read to its real end.
    pub(super) fn push(&mut self, input: &[u8]) -> Decoded {
        self.decoded.clear();
        self.kept.clear();
        let decoded = self.decoder.decode(input, &mut self.decoded);
        self.size += self.decoded.len() as u64;
        self.judge();
        if self.refusal.is_none() {
            // As it was signed: before anything is removed.
            if let Some(reading) = &mut self.reading {
                reading.push(&self.decoded);
            }
            self.filter.push(&self.decoded, &mut self.kept);
            if decoded.ended {
                self.filter.finish(&mut self.kept);
            }
            self.judge_header();
        }
        decoded
    }

    /// What the last [`Self::push`] yielded.
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

    /// What was read to check the sender; once.
    pub(super) const fn take_reading(&mut self) -> Option<Reading> {
        self.reading.take()
    }

    /// What the header says.
    pub(super) const fn found(&self) -> &Found {
        self.filter.found()
    }

    fn judge(&mut self) {
        if let Some(violation) = self.decoder.violation() {
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
    use crate::inbound::{Bounds, Role, TlsMode};
    use crate::smtp::DataEncoder;

    fn options() -> Options {
        Options {
            listener: "test".to_owned(),
            hostname: "mx.example.org".to_owned(),
            postmaster: "admin@example.org".parse().unwrap(),
            role: Role::Mx,
            tls: TlsMode::None,
            max_message_size: 10_000,
            bounds: Bounds::default(),
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
            prop_assert_eq!(receive(&wire, sizes[1]), (message, None));
        }
    }
}
