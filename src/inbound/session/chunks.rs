//! A message that comes in parts, RFC 3030: one BDAT in, one action out.

use super::lmtp::nobody;
use super::{Action, BAD_SEQUENCE, Chunk, Hello, Rules, Session, State};
use crate::smtp::Reply;

/// How many replies a command gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::inbound) enum Replies {
    One,
    /// RFC 2033 §4.2: by LMTP one for each recipient that was taken, and by SMTP one.
    ForEach,
}

impl Session {
    /// RFC 3030 §2: whatever is said to it, its bytes are read.
    pub(super) fn bdat(self, chunk: Chunk, rules: &impl Rules) -> (Self, Action) {
        let size = chunk.size;
        let (state, action) = match self.state {
            State::Collecting(hello, transaction) if hello.extended => {
                if transaction.recipients.is_empty() {
                    let reply = nobody(rules);
                    let session = Self {
                        state: after_refusal(hello, &reply, &chunk),
                        ..self
                    };
                    return session.bad_chunk(size, reply, rules);
                }
                let begins = Some((hello.clone(), transaction));
                (
                    chunked(hello, &chunk),
                    Action::Chunk(Chunk { begins, ..chunk }),
                )
            }
            State::Chunking(hello) => (chunked(hello, &chunk), Action::Chunk(chunk)),
            // More of what was refused was in the pipeline.
            State::Refused(hello, reply) => (
                after_refusal(hello, &reply, &chunk),
                Action::Discard(size, reply, replies_to(&chunk)),
            ),
            State::Ungreeted | State::Ready(_) | State::Collecting(..) => {
                return self.bad_chunk(size, BAD_SEQUENCE, rules);
            }
        };
        (Self { state, ..self }, action)
    }

    pub(super) fn bad_chunk(self, size: u64, reply: Reply, rules: &impl Rules) -> (Self, Action) {
        match self.bad(reply, rules) {
            (session, Action::Reply(reply)) => {
                (session, Action::Discard(size, reply, Replies::One))
            }
            ending => ending,
        }
    }

    /// The part that has just been read was refused.
    pub(in crate::inbound) fn chunk_refused(self, reply: Reply) -> Self {
        let state = match self.state {
            State::Chunking(hello) => State::Refused(hello, reply),
            state @ (State::Ungreeted
            | State::Ready(_)
            | State::Collecting(..)
            | State::Refused(..)) => state,
        };
        Self { state, ..self }
    }
}

/// RFC 3030 §2, RFC 2033 §4.2: each part has one reply, and the last one by LMTP one for each
/// recipient, also when a part before it was refused. So who pipelines knows how many will come.
const fn replies_to(chunk: &Chunk) -> Replies {
    if chunk.last {
        Replies::ForEach
    } else {
        Replies::One
    }
}

/// What follows a part of a message.
fn chunked(hello: Hello, chunk: &Chunk) -> State {
    if chunk.last {
        State::Ready(hello)
    } else {
        State::Chunking(hello)
    }
}

/// What follows a part that is refused.
fn after_refusal(hello: Hello, reply: &Reply, chunk: &Chunk) -> State {
    if chunk.last {
        State::Ready(hello)
    } else {
        State::Refused(hello, reply.clone())
    }
}
