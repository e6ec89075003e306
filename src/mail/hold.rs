//! Why a recipient is held.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{AutomaticKind, BackendId, DmarcPolicy, Failure, NOT_SENT, SpoolId};

/// Why a recipient is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HoldReason {
    /// A backend refused a recipient that the directory knows (5xx amnesty).
    Refused {
        /// The backend.
        backend: BackendId,
        /// What it said.
        failure: Failure,
    },
    /// An administrator said so, by a rule.
    Operator {
        /// Who.
        actor: String,
        /// Why.
        reason: String,
        /// The name of the rule.
        #[serde(default)]
        hold: String,
    },
    /// Its domain is in transit between two platforms.
    Move {
        /// The domain.
        domain: String,
        /// Who moves it.
        actor: String,
    },
    /// No route can be decided: the directory or the config names no home.
    NoRoute {
        /// What is missing.
        what: String,
    },
    /// It came back from a platform that had got it: two routes fight.
    Loop {
        /// The platform that sent it back.
        given_to: BackendId,
        /// The home that the directory or the config names.
        home: BackendId,
        /// The message as it came before.
        earlier: SpoolId,
    },
    /// The message is not what it was when it came: nobody may get it.
    Damaged {
        /// What is wrong.
        what: String,
    },
    /// It says that it is from a domain that says it is not, and the config has such mail held.
    Dmarc {
        /// The domain in `From`.
        domain: String,
        /// What it asks for.
        policy: DmarcPolicy,
    },
    /// A content filter says that something is wrong with it, and the config has such mail held.
    Filter {
        /// The name of the filter in the config.
        filter: String,
        /// What it said.
        said: String,
    },
    /// It is an automatic answer, and the config has such mail held.
    Automatic {
        /// What it is.
        kind: AutomaticKind,
        /// The key of the config that says so.
        rule: String,
        /// By what it was recognised.
        sign: String,
    },
}

impl HoldReason {
    /// The words for all kinds of reasons.
    pub const KINDS: [&'static str; 9] = [
        "refused",
        "operator",
        "move",
        "no-route",
        "loop",
        "damaged",
        "dmarc",
        "filter",
        "automatic",
    ];

    /// The rule, or `@domain` of the move, by which it can be named.
    #[must_use]
    pub fn hold(&self) -> Option<String> {
        match self {
            Self::Operator { hold, .. } => Some(hold.clone()),
            Self::Move { domain, .. } => Some(format!("@{domain}")),
            Self::Refused { .. }
            | Self::NoRoute { .. }
            | Self::Loop { .. }
            | Self::Damaged { .. }
            | Self::Dmarc { .. }
            | Self::Filter { .. }
            | Self::Automatic { .. } => None,
        }
    }

    /// One word of [`Self::KINDS`].
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "refused",
            Self::Operator { .. } => "operator",
            Self::Move { .. } => "move",
            Self::NoRoute { .. } => "no-route",
            Self::Loop { .. } => "loop",
            Self::Damaged { .. } => "damaged",
            Self::Dmarc { .. } => "dmarc",
            Self::Filter { .. } => "filter",
            Self::Automatic { .. } => "automatic",
        }
    }
}

impl fmt::Display for HoldReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { backend, failure } => match &failure.reply {
                // It was not asked.
                Some(reply) if reply.text.starts_with(NOT_SENT) => {
                    write!(f, "{backend}: {}", reply.text)
                }
                _ => write!(f, "{backend} says {failure}"),
            },
            Self::Operator {
                actor,
                reason,
                hold,
            } => {
                write!(f, "held by {actor}: {reason}")?;
                if hold.is_empty() {
                    return Ok(());
                }
                write!(f, " (hold {hold})")
            }
            Self::Move { domain, actor } => write!(f, "{domain} is on the move, says {actor}"),
            Self::NoRoute { what } => write!(f, "no route: {what}"),
            Self::Loop {
                given_to,
                home,
                earlier,
            } => write!(
                f,
                "loop: {given_to} got this as {earlier} and sent it back here, and the home is \
                 {home}: mend where {given_to} forwards to, or the home, then release"
            ),
            Self::Damaged { what } => write!(
                f,
                "damaged: {}; what is left is in quarantine: ask its sender for another copy, \
                 then drop it",
                // What the spool says begins with this word, too.
                what.strip_prefix("damaged: ").unwrap_or(what)
            ),
            Self::Dmarc { domain, .. } if domain.is_empty() => f.write_str(
                "dmarc: what it says in From cannot be checked: look at it, then release or drop \
                 it",
            ),
            Self::Dmarc { domain, policy } => write!(
                f,
                "dmarc: it says it is from {domain}, which asks to {} what it did not send: look \
                 at it, then release or drop it",
                policy.verb()
            ),
            Self::Filter { filter, said } => write!(
                f,
                "filter {filter}: {said}: find out what it is before you release it, or drop it"
            ),
            Self::Automatic { kind, rule, sign } => write!(
                f,
                "automatic: {kind} ({sign}), held by {rule}: release it, or drop it"
            ),
        }
    }
}
