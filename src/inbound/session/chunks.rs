//! A message that comes in parts, RFC 3030: one BDAT in, one action out.

use super::{Action, BAD_SEQUENCE, Chunk, Hello, NO_RECIPIENTS, Rules, Session, State};
use crate::smtp::Reply;

impl Session {
    /// RFC 3030 §2: whatever is said to it, its bytes are read.
    pub(super) fn bdat(self, chunk: Chunk, rules: &impl Rules) -> (Self, Action) {
        let size = chunk.size;
        let (state, action) = match self.state {
            State::Collecting(hello, transaction) if hello.extended => {
                if transaction.recipients.is_empty() {
                    let session = Self {
                        state: after_refusal(hello, &NO_RECIPIENTS, &chunk),
                        ..self
                    };
                    return session.bad_chunk(size, NO_RECIPIENTS, rules);
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
                Action::Discard(size, reply),
            ),
            State::Ungreeted | State::Ready(_) | State::Collecting(..) => {
                return self.bad_chunk(size, BAD_SEQUENCE, rules);
            }
        };
        (Self { state, ..self }, action)
    }

    pub(super) fn bad_chunk(self, size: u64, reply: Reply, rules: &impl Rules) -> (Self, Action) {
        match self.bad(reply, rules) {
            (session, Action::Reply(reply)) => (session, Action::Discard(size, reply)),
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
