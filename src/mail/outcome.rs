//! What an attempt to deliver to one recipient came to.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cause::{Cause, Said, classify};
use crate::smtp::Reply;

/// The end of one attempt, for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The next hop said 2yz: the message is its responsibility now.
    Delivered {
        /// What it said.
        reply: Reply,
    },
    /// It was not delivered.
    Failed(Failure),
}

/// Why an attempt failed, and whose fault it was. It stands in compact rows too, whose encoding
/// has no names: no field may be left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// Whom it concerns.
    pub blame: Blame,
    /// The server's reply, if there was one.
    #[serde(default)]
    pub reply: Option<Reply>,
    /// What happened, for people: `connection refused by 192.0.2.1:25`.
    pub what: String,
    /// The connection was cut after the final dot: it may have arrived.
    #[serde(default)]
    pub uncertain: bool,
    /// What the reply is about, when it was known where in the session it came.
    #[serde(default)]
    pub cause: Option<Cause>,
    /// What was being said when the reply came; known while the attempt is fresh, and written
    /// nowhere.
    #[serde(skip)]
    pub said: Option<Said>,
}

impl Failure {
    /// A failure that a server's reply tells, with its cause and so with whom it concerns.
    #[must_use]
    pub fn refused(said: Said, reply: Reply) -> Self {
        let cause = classify(&reply, said);
        Self {
            cause: Some(cause),
            said: Some(said),
            ..Self::replied(cause.blame(&reply, said), reply)
        }
    }

    /// What it is about. Failures without a reply are trouble; for those of earlier versions the
    /// place in the session is guessed from whom they concern.
    #[must_use]
    pub fn cause(&self) -> Cause {
        let said = match self.blame {
            Blame::Backend => Said::Connect,
            Blame::Recipient => Said::Rcpt,
            Blame::Message => Said::End,
        };
        let guessed = || self.reply.as_ref().map(|reply| classify(reply, said));
        self.cause.or_else(guessed).unwrap_or(Cause::Trouble)
    }

    /// A failure that a server's reply tells.
    #[must_use]
    pub fn replied(blame: Blame, reply: Reply) -> Self {
        Self {
            blame,
            what: reply.to_string(),
            reply: Some(reply),
            uncertain: false,
            cause: None,
            said: None,
        }
    }

    /// A failure without a reply.
    #[must_use]
    pub fn without_reply(blame: Blame, what: impl Into<String>) -> Self {
        Self {
            blame,
            reply: None,
            what: what.into(),
            uncertain: false,
            cause: None,
            said: None,
        }
    }

    /// What happened, for people, and that it may have arrived when nobody knows.
    #[must_use]
    pub fn told(&self) -> String {
        let perhaps = if self.uncertain {
            "; it may have arrived"
        } else {
            ""
        };
        format!("{}{perhaps}", self.what)
    }

    /// 5yz: the server does not want to see it again.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.reply.as_ref().is_some_and(Reply::is_permanent)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// Whom a failure concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Blame {
    /// The host or the network: refused, timed out, TLS failed, 421, reply to MAIL … A signal for
    /// the health of the backend; uses up no retries.
    Backend,
    /// This recipient: the reply to RCPT, or its LMTP reply after the data.
    Recipient,
    /// This message: the reply to DATA or to the final dot.
    Message,
}
